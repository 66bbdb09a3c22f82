"""The sending accounts: whether each may send, when, how much, and what it has used. Decisions rest on streams."""

from __future__ import annotations

from sqlite3 import Connection
from typing import Final

from heraldry.chassis.projection import Fact, Projection
from heraldry.contracts.identity import WorkingHours
from heraldry.contracts.scheduler import (
    LimitsChanged,
    QuotaConsumed,
    QuotaExhausted,
    QuotaReleased,
    RateCeilingExpired,
)
from heraldry.scheduler.domain.sender_events import (
    SenderClosed,
    SenderHoursChanged,
    SenderOpened,
    SenderZoneChanged,
)

accounts = Projection(
    name="accounts",
    version=1,
    tables=("account",),
    # closed: '' open, else disconnected, reconnect, paused or identity-deleted; hours: '' of an older release
    schema="""CREATE TABLE account (
  sender TEXT PRIMARY KEY, organization TEXT NOT NULL, identity TEXT NOT NULL, inbox TEXT NOT NULL,
  closed TEXT NOT NULL DEFAULT '', hours TEXT NOT NULL, zone TEXT NOT NULL,
  per_day INTEGER NOT NULL, per_hour INTEGER NOT NULL,
  exhausted_until TEXT NOT NULL DEFAULT '', exhausted_window TEXT NOT NULL DEFAULT '',
  used_today INTEGER NOT NULL DEFAULT 0, last_at TEXT NOT NULL DEFAULT '') STRICT;
CREATE INDEX account_of_identity ON account (identity);
CREATE INDEX account_of_inbox ON account (inbox)""",
)
OF_OLDER_RELEASES: Final = {  # reasons of events that had no code yet
    "it needs to be reconnected.": "reconnect",
    "its identity was deleted.": "identity-deleted",
}
_NOT_EXHAUSTED: Final = "exhausted_until = '', exhausted_window = ''"


@accounts.on(SenderOpened)
def opened(db: Connection, event: SenderOpened, fact: Fact) -> None:
    del fact
    db.execute(
        "INSERT INTO account (sender, organization, identity, inbox, hours, zone, per_day, per_hour)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (sender) DO UPDATE SET organization = excluded.organization,"
        " identity = excluded.identity, inbox = excluded.inbox, closed = '', hours = excluded.hours,"
        " zone = excluded.zone, per_day = excluded.per_day, per_hour = excluded.per_hour",
        (
            event.sender,
            str(event.organization),
            str(event.identity),
            str(event.inbox),
            "" if event.hours is None else event.hours.model_dump_json(),
            event.zone,
            event.rate.per_day,
            event.rate.per_hour,
        ),
    )


@accounts.on(SenderHoursChanged)
def hours_changed(db: Connection, event: SenderHoursChanged, fact: Fact) -> None:
    del fact
    db.execute(
        f"UPDATE account SET hours = ?, zone = ?, {_NOT_EXHAUSTED} WHERE sender = ?",
        (event.hours.model_dump_json(), event.hours.zone, event.sender),
    )


@accounts.on(SenderZoneChanged)
def zone_changed(db: Connection, event: SenderZoneChanged, fact: Fact) -> None:
    del fact
    for (hours,) in db.execute(
        "SELECT hours FROM account WHERE sender = ? AND hours <> ''", (event.sender,)
    ).fetchall():
        moved = WorkingHours.model_validate_json(hours).model_copy(update={"zone": event.zone})
        db.execute("UPDATE account SET hours = ? WHERE sender = ?", (moved.model_dump_json(), event.sender))
    db.execute(f"UPDATE account SET zone = ?, {_NOT_EXHAUSTED} WHERE sender = ?", (event.zone, event.sender))


@accounts.on(SenderClosed)
def closed(db: Connection, event: SenderClosed, fact: Fact) -> None:
    del fact
    code = event.code or OF_OLDER_RELEASES.get(event.reason, "disconnected")
    db.execute("UPDATE account SET closed = ? WHERE sender = ?", (code, event.sender))


@accounts.on(LimitsChanged)
def limits_changed(db: Connection, event: LimitsChanged, fact: Fact) -> None:
    del fact
    _rate(db, event)


@accounts.on(RateCeilingExpired)
def ceiling_expired(db: Connection, event: RateCeilingExpired, fact: Fact) -> None:
    del fact
    _rate(db, event)


def _rate(db: Connection, event: LimitsChanged | RateCeilingExpired) -> None:
    db.execute(
        f"UPDATE account SET per_day = ?, per_hour = ?, {_NOT_EXHAUSTED} WHERE sender = ?",
        (event.rate.per_day, event.rate.per_hour, event.sender),
    )


@accounts.on(QuotaConsumed)
def consumed(db: Connection, event: QuotaConsumed, fact: Fact) -> None:
    del fact
    db.execute(
        f"UPDATE account SET used_today = ?, last_at = ?, {_NOT_EXHAUSTED} WHERE sender = ?",
        (event.used_today, event.at.isoformat(), event.sender),
    )


@accounts.on(QuotaReleased)
def released(db: Connection, event: QuotaReleased, fact: Fact) -> None:
    del fact
    db.execute(
        f"UPDATE account SET used_today = ?, {_NOT_EXHAUSTED} WHERE sender = ?",
        (event.used_today, event.sender),
    )


@accounts.on(QuotaExhausted)
def exhausted(db: Connection, event: QuotaExhausted, fact: Fact) -> None:
    del fact
    db.execute(
        "UPDATE account SET exhausted_until = ?, exhausted_window = ? WHERE sender = ?",
        (event.until.isoformat(), event.window, event.sender),
    )
