"""Where the scheduler finds the sender of an inbox. What a decision rests on is read from the stream."""

from __future__ import annotations

from dataclasses import dataclass
from sqlite3 import Connection
from typing import Final, cast

from heraldry.chassis.projection import Fact, Projection
from heraldry.scheduler.domain.sender_events import SenderHoursChanged, SenderOpened

senders = Projection(
    name="senders",
    version=2,
    tables=("senders",),
    schema="""CREATE TABLE senders (
  inbox TEXT PRIMARY KEY, sender TEXT NOT NULL, organization TEXT NOT NULL, identity TEXT NOT NULL,
  hours INTEGER NOT NULL) STRICT;
CREATE INDEX senders_of ON senders (identity);
CREATE INDEX senders_named ON senders (sender)""",
)
COLUMNS: Final = "inbox, sender, organization, identity"


@dataclass(frozen=True, slots=True)
class Row:
    inbox: str
    sender: str
    organization: str
    identity: str


@senders.on(SenderOpened)
def opened(db: Connection, event: SenderOpened, fact: Fact) -> None:
    del fact
    db.execute(
        "INSERT OR REPLACE INTO senders VALUES (?, ?, ?, ?, ?)",
        (
            str(event.inbox),
            event.sender,
            str(event.organization),
            str(event.identity),
            event.hours is not None,
        ),
    )


@senders.on(SenderHoursChanged)
def hours_changed(db: Connection, event: SenderHoursChanged, fact: Fact) -> None:
    del fact
    db.execute("UPDATE senders SET hours = 1 WHERE sender = ?", (event.sender,))


def of_inbox(db: Connection, inbox: str) -> Row | None:
    row = cast(
        "tuple[str, str, str, str] | None",
        db.execute(f"SELECT {COLUMNS} FROM senders WHERE inbox = ?", (inbox,)).fetchone(),
    )
    return None if row is None else Row(*row)


def of_identity(db: Connection, identity: str) -> tuple[Row, ...]:
    rows = cast(
        "list[tuple[str, str, str, str]]",
        db.execute(
            f"SELECT {COLUMNS} FROM senders WHERE identity = ? ORDER BY inbox", (identity,)
        ).fetchall(),
    )
    return tuple(Row(*row) for row in rows)


def of_sender(db: Connection, sender: str) -> Row | None:
    row = cast(
        "tuple[str, str, str, str] | None",
        db.execute(f"SELECT {COLUMNS} FROM senders WHERE sender = ?", (sender,)).fetchone(),
    )
    return None if row is None else Row(*row)


def every(db: Connection) -> tuple[Row, ...]:
    """All accounts there ever were."""
    rows = cast(
        "list[tuple[str, str, str, str]]",
        db.execute(f"SELECT {COLUMNS} FROM senders ORDER BY sender").fetchall(),
    )
    return tuple(Row(*row) for row in rows)


def without_hours(db: Connection) -> tuple[Row, ...]:
    """Accounts that an older release opened, which did not need their working hours."""
    rows = cast(
        "list[tuple[str, str, str, str]]",
        db.execute(f"SELECT {COLUMNS} FROM senders WHERE hours = 0 ORDER BY inbox").fetchall(),
    )
    return tuple(Row(*row) for row in rows)
