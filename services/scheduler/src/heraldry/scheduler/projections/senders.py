"""Where the scheduler finds the sender of an inbox. What a decision rests on is read from the stream."""

from __future__ import annotations

from dataclasses import dataclass
from sqlite3 import Connection
from typing import cast

from heraldry.chassis.projection import Fact, Projection
from heraldry.scheduler.domain.sender import SenderOpened

senders = Projection(
    name="senders",
    version=1,
    tables=("senders",),
    schema="""CREATE TABLE senders (
  inbox TEXT PRIMARY KEY, sender TEXT NOT NULL, organization TEXT NOT NULL, identity TEXT NOT NULL) STRICT;
CREATE INDEX senders_of ON senders (identity)""",
)


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
        "INSERT OR REPLACE INTO senders VALUES (?, ?, ?, ?)",
        (str(event.inbox), event.sender, str(event.organization), str(event.identity)),
    )


def of_inbox(db: Connection, inbox: str) -> Row | None:
    row = cast(
        "tuple[str, str, str, str] | None",
        db.execute("SELECT * FROM senders WHERE inbox = ?", (inbox,)).fetchone(),
    )
    return None if row is None else Row(*row)


def of_identity(db: Connection, identity: str) -> tuple[Row, ...]:
    rows = cast(
        "list[tuple[str, str, str, str]]",
        db.execute("SELECT * FROM senders WHERE identity = ? ORDER BY inbox", (identity,)).fetchall(),
    )
    return tuple(Row(*row) for row in rows)
