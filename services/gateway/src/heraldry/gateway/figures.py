"""The dashboard's figures (R-DASH), counted from instants: a change of a time zone changes the days."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from sqlite3 import Connection
from typing import Final, cast
from uuid import UUID
from zoneinfo import ZoneInfo

from heraldry.gateway.projections import instant
from heraldry.gateway.views import Views

DEFAULT_RATE: Final = 30  # emails a day of an inbox whose limits nobody changed
LONGEST_PERIOD: Final = 366  # days
HOURS: Final = 24
DAY_BEFORE: Final = timedelta(days=1, hours=14)  # zones differ by less


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """Of one identity over a period. What counts by LinkedIn is 0 until an identity has an account there."""

    invitations_sent: int = 0
    invitations_accepted: int = 0
    messages_sent: int = 0
    messages_allowed: int = 0
    replied: int = 0
    emails_sent: int = 0
    emails_bounced: int = 0


@dataclass(frozen=True, slots=True)
class Dashboard:
    """`by_identity` has every identity asked for. Trends: a figure a day, or an hour for a single day."""

    by_identity: Mapping[UUID, Counted]
    messages: tuple[float, ...] = ()
    replied: tuple[float, ...] = ()


@dataclass(slots=True)
class _Log:
    """What is known of one inbox or identity: instants as text that sorts."""

    sent: list[str] = field(default_factory=list[str])
    replied: list[str] = field(default_factory=list[str])
    bounced: list[str] = field(default_factory=list[str])
    inboxes: dict[str, list[tuple[str, bool]]] = field(default_factory=dict[str, list[tuple[str, bool]]])


def count(
    views: Views, organization: UUID, zone: str, zones: Mapping[UUID, str], first: date, last: date
) -> Dashboard:
    """Figures of the days `first` to `last`, both included, in the organization's `zone`.

    `zones`: the identities wanted, each with its own zone, in which alone messages sent and allowed count.
    """
    begin, end = _bounds(first, last, zone)
    around = instant(begin - DAY_BEFORE), instant(end + DAY_BEFORE)

    def query(db: Connection) -> Dashboard:
        logs: dict[str, _Log] = {str(identity): _Log() for identity in zones}
        of = str(organization)
        for table in ("sent", "replied", "bounced"):
            for identity, at in _rows(
                db,
                f"SELECT identity, at FROM {table} WHERE organization = ? AND at BETWEEN ? AND ?",
                (of, *around),
            ):
                if identity in logs:
                    cast("list[str]", getattr(logs[identity], table)).append(at)
        for inbox, identity, at, connected in cast(
            "list[tuple[str, str, str, int]]",
            db.execute(
                "SELECT inbox, identity, at, connected FROM connection WHERE organization = ? ORDER BY at",
                (of,),
            ).fetchall(),
        ):
            if identity in logs:
                logs[identity].inboxes.setdefault(inbox, []).append((at, bool(connected)))
        rates: dict[str, list[tuple[str, int]]] = {}
        for inbox, at, per_day in cast(
            "list[tuple[str, str, int]]",
            db.execute(
                "SELECT inbox, at, per_day FROM rate WHERE organization = ? ORDER BY at", (of,)
            ).fetchall(),
        ):
            rates.setdefault(inbox, []).append((at, per_day))
        counted = {
            identity: _counted(logs[str(identity)], rates, first, last, zone, own)
            for identity, own in zones.items()
        }
        steps = _steps(first, last, zone)
        sent = [at for log in logs.values() for at in log.sent]
        replied = [at for log in logs.values() for at in log.replied]
        return Dashboard(counted, _trend(sent, steps), _trend(replied, steps))

    return views.model.read(query)


def _counted(
    log: _Log,
    rates: Mapping[str, Sequence[tuple[str, int]]],
    first: date,
    last: date,
    zone: str,
    own: str,
) -> Counted:
    begin, end = (instant(at) for at in _bounds(first, last, zone))
    own_begin, own_end = (instant(at) for at in _bounds(first, last, own))
    allowed = 0
    for day in range((last - first).days + 1):
        opens, closes = (instant(at) for at in _day(first + timedelta(days=day), own))
        allowed += sum(
            _in_force(rates.get(inbox, ()), closes)
            for inbox, changes in log.inboxes.items()
            if _was_connected(changes, opens, closes)
        )
    return Counted(
        messages_sent=sum(own_begin <= at < own_end for at in log.sent),
        messages_allowed=allowed,
        replied=sum(begin <= at < end for at in log.replied),
        emails_sent=sum(begin <= at < end for at in log.sent),
        emails_bounced=sum(begin <= at < end for at in log.bounced),
    )


def _was_connected(changes: Sequence[tuple[str, bool]], opens: str, closes: str) -> bool:
    """Whether it was connected at any time of the day."""
    state = False
    for at, connected in changes:
        if at >= closes:
            break
        state = connected if at < opens else state or connected
    return state


def _in_force(rates: Sequence[tuple[str, int]], closes: str) -> int:
    return next((rate for at, rate in reversed(rates) if at < closes), DEFAULT_RATE)


def _bounds(first: date, last: date, zone: str) -> tuple[datetime, datetime]:
    """From the first instant of `first` to the first after `last`."""
    place = ZoneInfo(zone)
    begin = datetime.combine(first, time(), place).astimezone(UTC)
    return begin, datetime.combine(last + timedelta(days=1), time(), place).astimezone(UTC)


def _day(day: date, zone: str) -> tuple[datetime, datetime]:
    return _bounds(day, day, zone)


def _steps(first: date, last: date, zone: str) -> tuple[str, ...]:
    """Where each step of a trend begins, and where the last one ends."""
    if first == last:
        begin, end = _bounds(first, last, zone)
        hours = int((end - begin) / timedelta(hours=1))
        return tuple(instant(begin + timedelta(hours=n)) for n in range(hours + 1))
    days = (last - first).days + 1
    begins = (_day(first + timedelta(days=n), zone)[0] for n in range(days + 1))
    return tuple(map(instant, begins))


def _trend(instants: Sequence[str], steps: Sequence[str]) -> tuple[float, ...]:
    if not instants:
        return ()
    return tuple(float(sum(begin <= at < end for at in instants)) for begin, end in pairwise(steps))


def _rows(db: Connection, sql: str, values: Sequence[str]) -> list[tuple[str, str]]:
    return cast("list[tuple[str, str]]", db.execute(sql, values).fetchall())
