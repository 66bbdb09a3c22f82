"""The dashboard's figures (R-DASH), counted from instants: a change of a time zone changes the days."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property
from itertools import accumulate, pairwise, zip_longest
from sqlite3 import Connection
from typing import Final, Literal, TypeAlias, cast
from uuid import UUID
from zoneinfo import ZoneInfo

import orjson
from heraldry.contracts.scheduler import RECOMMENDED_MESSAGES
from heraldry.gateway.instants import instant
from heraldry.gateway.views import Views

DEFAULT_RATE: Final = 30  # emails a day of an inbox whose limits nobody changed
DEFAULT_MESSAGES: Final = RECOMMENDED_MESSAGES  # a day, of a LinkedIn account whose limits nobody changed
LONGEST_PERIOD: Final = 366  # days
Table: TypeAlias = Literal["sent", "replied", "bounced", "invited", "accepted", "messaged"]
Owner: TypeAlias = Literal["identity", "inbox"]
ORGANIZATIONS: Final[tuple[Table, ...]] = ("sent", "replied", "bounced", "invited", "accepted")
"""What counts in the organization's day."""
Connections: TypeAlias = Mapping[str, Mapping[str, Sequence[tuple[str, bool]]]]
"""By identity and inbox or account: when it was connected, and when not any more."""
Limits: TypeAlias = Mapping[str, Sequence[tuple[str, int]]]
"""By inbox or account: how many a day it may send, and since when."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """Of one identity over a period. Messages are emails and LinkedIn messages; invitations are neither."""

    invitations_sent: int = 0
    invitations_accepted: int = 0
    messages_sent: int = 0
    messages_allowed: int = 0
    replied: int = 0
    emails_sent: int = 0
    emails_bounced: int = 0


@dataclass(frozen=True, slots=True)
class Dashboard:
    """`by_identity` has every identity asked for. Trends: a figure a day, or an hour for a single day; the
    bounce rate in percent of what was sent since the period began. Empty: there is nothing to show yet.
    """

    by_identity: Mapping[UUID, Counted]
    connections: tuple[float, ...] = ()
    messages: tuple[float, ...] = ()
    replied: tuple[float, ...] = ()
    bounce_rate: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Volume:
    """What an inbox sent on a day of its identity, and how many hard bounces came on it."""

    day: date
    sent: int
    bounced: int


class _Days:
    """The days `first` to `last` in one zone; instants as text that sorts."""

    def __init__(self, first: date, last: date, zone: str) -> None:
        self.first, self.last, self.zone = first, last, zone

    @cached_property
    def midnights(self) -> tuple[str, ...]:
        """Where each day begins, and where the last one ends."""
        days = (self.last - self.first).days + 1
        return tuple(instant(_midnight(self.first + timedelta(days=n), self.zone)) for n in range(days + 1))

    @cached_property
    def steps(self) -> tuple[str, ...]:
        """Where each step of a trend begins, and where the last one ends: an hour later, or less on a change of clocks."""
        if self.first != self.last:
            return self.midnights
        begin, end = (datetime.fromisoformat(at) for at in self.midnights)
        hours = -((begin - end) // timedelta(hours=1))
        return *(instant(begin + timedelta(hours=n)) for n in range(hours)), instant(end)


def count(
    views: Views, organization: UUID, zone: str, zones: Mapping[UUID, str], first: date, last: date
) -> Dashboard:
    """Figures of the days `first` to `last`, both included, in the organization's `zone`.

    `zones`: the identities wanted, each with its own zone, in which alone messages sent and allowed count.
    """
    days = {name: _Days(first, last, name) for name in {zone, *zones.values()}}

    def query(db: Connection) -> Dashboard:
        inboxes, accounts = _inboxes(db, organization), _accounts(db, organization)
        counted = dict[UUID, Counted]()
        trends = _Trends()
        for identity, own in zones.items():
            of = str(organization), "identity", str(identity)
            sent, replied, bounced, invited, accepted = (
                _per_step(db, table, of, days[zone].steps) for table in ORGANIZATIONS
            )
            mails = sent if own == zone else _per_step(db, "sent", of, days[own].steps)
            messages = _sum(mails, _per_step(db, "messaged", of, days[own].steps))
            trends.add(accepted, messages, replied, sent, bounced)
            counted[identity] = Counted(
                invitations_sent=sum(invited),
                invitations_accepted=sum(accepted),
                messages_sent=sum(messages),
                messages_allowed=sum(
                    _allowed(connections.get(str(identity), {}), limits, usual, days[own].midnights)
                    for connections, limits, usual in (inboxes, accounts)
                ),
                replied=sum(replied),
                emails_sent=sum(sent),
                emails_bounced=sum(bounced),
            )
        return trends.dashboard(counted)

    return views.model.read(query)


def volume(
    views: Views, organization: UUID, inbox: UUID, zone: str, last: date, days: int
) -> tuple[Volume, ...]:
    """What the inbox did in so many days in this zone, of which `last` is the last."""
    first = last - timedelta(days=days - 1)
    midnights = _Days(first, last, zone).midnights

    def query(db: Connection) -> tuple[Volume, ...]:
        of = str(organization), "inbox", str(inbox)
        sent, bounced = (_per_step(db, table, of, midnights) for table in ("sent", "bounced"))
        return tuple(Volume(first + timedelta(days=n), sent[n], bounced[n]) for n in range(days))

    return views.model.read(query)


class _Trends:
    """Sums over identities, step by step. Days of different zones differ in length: a shorter one ends early."""

    def __init__(self) -> None:
        self.accepted, self.messages, self.replied, self.sent, self.bounced = (list[int]() for _ in range(5))

    def add(
        self,
        accepted: Sequence[int],
        messages: Sequence[int],
        replied: Sequence[int],
        sent: Sequence[int],
        bounced: Sequence[int],
    ) -> None:
        self.accepted, self.messages = _sum(self.accepted, accepted), _sum(self.messages, messages)
        self.replied = _sum(self.replied, replied)
        self.sent, self.bounced = _sum(self.sent, sent), _sum(self.bounced, bounced)

    def dashboard(self, counted: Mapping[UUID, Counted]) -> Dashboard:
        so_far = zip(accumulate(self.sent), accumulate(self.bounced), strict=True)
        rate = tuple(100 * bounced / sent if sent else 0.0 for sent, bounced in so_far)
        return Dashboard(
            counted,
            connections=_shown(self.accepted),
            messages=_shown(self.messages),
            replied=_shown(self.replied),
            bounce_rate=rate if any(self.sent) else (),
        )


def _sum(some: Sequence[int], more: Sequence[int]) -> list[int]:
    return [one + other for one, other in zip_longest(some, more, fillvalue=0)]


def _shown(points: Sequence[int]) -> tuple[float, ...]:
    return tuple(map(float, points)) if any(points) else ()


def _per_step(
    db: Connection, table: Table, of: tuple[str, Owner, str], steps: Sequence[str]
) -> tuple[int, ...]:
    """How many rows of an identity or inbox lie in each step. Counted where they lie, by an index."""
    organization, owner, wanted = of
    found = cast(
        "list[tuple[int]]",
        db.execute(
            f"SELECT (SELECT count(*) FROM {table} WHERE organization = ?1 AND {owner} = ?2"
            " AND at >= step.value ->> 0 AND at < step.value ->> 1) FROM json_each(?3) AS step ORDER BY step.key",
            (organization, wanted, orjson.dumps(list(pairwise(steps))).decode()),
        ).fetchall(),
    )
    return tuple(number for (number,) in found)


def _inboxes(db: Connection, organization: UUID) -> tuple[Connections, Limits, int]:
    """When they could send, how many emails a day, and how many where nobody changed that."""
    return (
        _connections(db, "SELECT inbox, identity, at, connected FROM connection", organization),
        _limits(db, "SELECT inbox, at, per_day FROM rate", organization),
        DEFAULT_RATE,
    )


def _accounts(db: Connection, organization: UUID) -> tuple[Connections, Limits, int]:
    """The same of LinkedIn accounts and messages."""
    return (
        _connections(db, "SELECT account, identity, at, linked FROM linkedin_link", organization),
        _limits(db, "SELECT account, at, per_day FROM message_limit", organization),
        DEFAULT_MESSAGES,
    )


def _connections(db: Connection, select: str, organization: UUID) -> Connections:
    found: dict[str, dict[str, list[tuple[str, bool]]]] = {}
    for sender, identity, at, connected in cast(
        "list[tuple[str, str, str, int]]",
        db.execute(f"{select} WHERE organization = ? ORDER BY at", (str(organization),)).fetchall(),
    ):
        found.setdefault(identity, {}).setdefault(sender, []).append((at, bool(connected)))
    return found


def _limits(db: Connection, select: str, organization: UUID) -> Limits:
    limits: dict[str, list[tuple[str, int]]] = {}
    for sender, at, per_day in cast(
        "list[tuple[str, str, int]]",
        db.execute(f"{select} WHERE organization = ? ORDER BY at", (str(organization),)).fetchall(),
    ):
        limits.setdefault(sender, []).append((at, per_day))
    return limits


def _allowed(
    senders: Mapping[str, Sequence[tuple[str, bool]]], limits: Limits, usual: int, midnights: Sequence[str]
) -> int:
    return sum(
        _in_force(limits.get(sender, ()), closes, usual)
        for opens, closes in pairwise(midnights)
        for sender, changes in senders.items()
        if _was_connected(changes, opens, closes)
    )


def _was_connected(changes: Sequence[tuple[str, bool]], opens: str, closes: str) -> bool:
    """Whether it was connected at any time of the day."""
    state = False
    for at, connected in changes:
        if at >= closes:
            break
        state = connected if at < opens else state or connected
    return state


def _in_force(limits: Sequence[tuple[str, int]], closes: str, usual: int) -> int:
    return next((limit for at, limit in reversed(limits) if at < closes), usual)


def _midnight(day: date, zone: str) -> datetime:
    return datetime.combine(day, time(), ZoneInfo(zone)).astimezone(UTC)
