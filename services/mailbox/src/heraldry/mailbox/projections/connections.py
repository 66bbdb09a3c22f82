"""Which inboxes there are, how they stand, and what is to be checked and read."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from sqlite3 import Connection
from typing import cast
from uuid import UUID

from heraldry.chassis.projection import Fact, Holds, Projection
from heraldry.contracts.mailbox import (
    Diagnosed,
    InboxView,
    MailboxConnected,
    MailboxConnectionFailed,
    MailboxDisconnected,
    MailboxNeedsReconnect,
    MailboxPaused,
    MailboxResumed,
    Server,
)
from heraldry.contracts.markers import Position
from heraldry.mailbox.domain.email import text_of
from heraldry.mailbox.domain.inbox import MailboxCheckClaimed, MailboxConnectionStarted

HOW_TO_RESUME = "Remove addresses that cannot be reached from your lists, then resume sending. Mail is still read meanwhile."

inboxes = Projection(
    name="inboxes",
    version=2,
    tables=("inboxes",),
    schema="""CREATE TABLE inboxes (
  inbox TEXT PRIMARY KEY, organization TEXT NOT NULL, identity TEXT NOT NULL, address TEXT NOT NULL,
  imap TEXT NOT NULL, smtp TEXT NOT NULL, state TEXT NOT NULL, standing TEXT NOT NULL, diagnosis TEXT,
  since TEXT NOT NULL, checking INTEGER NOT NULL, held_until TEXT, tried_identity TEXT NOT NULL,
  tried_address TEXT NOT NULL, tried_imap TEXT NOT NULL, tried_smtp TEXT NOT NULL,
  paused TEXT, resumed TEXT, resumed_position INTEGER NOT NULL DEFAULT 0) STRICT;
CREATE INDEX inboxes_of ON inboxes (organization, identity)""",
    holds=(
        Holds("inboxes", "identity = ?1", "address = ''"),
        Holds("inboxes", "tried_identity = ?1", "tried_address = ''"),
    ),
)


@inboxes.on(MailboxConnectionStarted)
def connection_started(db: Connection, event: MailboxConnectionStarted, _: Fact) -> None:
    address = text_of(event.address)
    tried = (str(event.identity), address, event.imap.model_dump_json(), event.smtp.model_dump_json())
    since = event.at.isoformat()
    db.execute(
        "INSERT INTO inboxes (inbox, organization, identity, address, imap, smtp, state, standing, since,"
        " checking, tried_identity, tried_address, tried_imap, tried_smtp)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, 'connecting', 'failed', ?7, 1, ?3, ?4, ?5, ?6)"
        " ON CONFLICT (inbox) DO UPDATE SET state = 'connecting', since = ?7, checking = 1,"
        " held_until = NULL, tried_identity = ?3, tried_address = ?4, tried_imap = ?5, tried_smtp = ?6",
        (str(event.inbox), str(event.organization), *tried, since),
    )


@inboxes.on(MailboxCheckClaimed)
def check_claimed(db: Connection, event: MailboxCheckClaimed, _: Fact) -> None:
    db.execute(
        "UPDATE inboxes SET held_until = ? WHERE inbox = ?", (event.held_until.isoformat(), str(event.inbox))
    )


@inboxes.on(MailboxConnected)
def connected(db: Connection, event: MailboxConnected, _: Fact) -> None:
    db.execute(
        "UPDATE inboxes SET identity = tried_identity, address = tried_address, imap = tried_imap,"
        " smtp = tried_smtp, state = 'connected', standing = 'connected', diagnosis = NULL, since = ?,"
        " checking = 0 WHERE inbox = ?",
        (event.at.isoformat(), str(event.inbox)),
    )


@inboxes.on(MailboxConnectionFailed)
def connection_failed(db: Connection, event: MailboxConnectionFailed, _: Fact) -> None:
    db.execute(
        "UPDATE inboxes SET state = standing, diagnosis = ?, since = ?, checking = 0 WHERE inbox = ?",
        (event.diagnosis.model_dump_json(), event.at.isoformat(), str(event.inbox)),
    )
    db.execute(
        "UPDATE inboxes SET identity = tried_identity, imap = tried_imap, smtp = tried_smtp"
        " WHERE inbox = ? AND standing = 'failed'",
        (str(event.inbox),),
    )


@inboxes.on(MailboxNeedsReconnect)
def needs_reconnect(db: Connection, event: MailboxNeedsReconnect, _: Fact) -> None:
    db.execute(
        "UPDATE inboxes SET state = CASE checking WHEN 1 THEN state ELSE 'needs reconnect' END,"
        " standing = 'needs reconnect', diagnosis = ?, since = ? WHERE inbox = ?",
        (event.diagnosis.model_dump_json(), event.at.isoformat(), str(event.inbox)),
    )


@inboxes.on(MailboxDisconnected)
def disconnected(db: Connection, event: MailboxDisconnected, _: Fact) -> None:
    db.execute(
        "UPDATE inboxes SET standing = CASE standing WHEN 'failed' THEN 'failed' ELSE 'disconnected' END,"
        " checking = 0, diagnosis = NULL, since = ? WHERE inbox = ?",
        (event.at.isoformat(), str(event.inbox)),
    )
    db.execute("UPDATE inboxes SET state = standing WHERE inbox = ?", (str(event.inbox),))


@inboxes.on(MailboxPaused)
def paused(db: Connection, event: MailboxPaused, _: Fact) -> None:
    why = Diagnosed(code=event.code, cause=event.reason, resolution=HOW_TO_RESUME)
    db.execute("UPDATE inboxes SET paused = ? WHERE inbox = ?", (why.model_dump_json(), str(event.inbox)))


@inboxes.on(MailboxResumed)
def resumed(db: Connection, event: MailboxResumed, fact: Fact) -> None:
    db.execute(
        "UPDATE inboxes SET paused = NULL, resumed = ?, resumed_position = ? WHERE inbox = ?",
        (event.at.isoformat(), Position.parse(fact.position).number, str(event.inbox)),
    )


WHOSE = "CASE state WHEN 'connecting' THEN tried_identity ELSE identity END"
INBOX = (
    f"SELECT inbox, {WHOSE}, address,"
    " CASE state WHEN 'connecting' THEN tried_imap ELSE imap END,"
    " CASE state WHEN 'connecting' THEN tried_smtp ELSE smtp END,"
    " CASE WHEN state = 'connected' AND paused IS NOT NULL THEN 'paused' ELSE state END,"
    " CASE WHEN state = 'connected' AND paused IS NOT NULL THEN paused ELSE diagnosis END, since FROM inboxes"
)
InboxRow = tuple[str, str, str, str, str, str, str | None, str]


def inboxes_of(db: Connection, organization: str, identity: str) -> tuple[InboxView, ...]:
    """The organization's inboxes, or one identity's; first tries that failed are none."""
    rows = db.execute(
        f"{INBOX} WHERE organization = ? AND state <> 'failed' AND (? = '' OR {WHOSE} = ?)"
        " ORDER BY address, inbox",
        (organization, identity, identity),
    ).fetchall()
    return tuple(_inbox(row) for row in cast("list[InboxRow]", rows))


def inbox_of(db: Connection, organization: str, inbox: str) -> InboxView | None:
    """One inbox, or a try that failed."""
    row = db.execute(f"{INBOX} WHERE organization = ? AND inbox = ?", (organization, inbox)).fetchone()
    return None if row is None else _inbox(cast("InboxRow", row))


def ids_of(db: Connection, organization: str) -> tuple[UUID, ...]:
    """Every inbox of the organization, however it stands."""
    rows = db.execute("SELECT inbox FROM inboxes WHERE organization = ?", (organization,)).fetchall()
    return tuple(UUID(row[0]) for row in cast("list[tuple[str]]", rows))


@dataclass(frozen=True, slots=True)
class Held:
    """An inbox as its workers look for it."""

    inbox: UUID
    organization: UUID


def unchecked(db: Connection, real_now: datetime) -> tuple[Held, ...]:
    """Inboxes whose settings are to be tried and that nobody has in hand."""
    return _held(
        db,
        "SELECT inbox, organization FROM inboxes"
        " WHERE checking = 1 AND (held_until IS NULL OR held_until <= ?)",
        (real_now.isoformat(),),
    )


def readable(db: Connection) -> tuple[Held, ...]:
    """Inboxes that are connected."""
    return _held(db, "SELECT inbox, organization FROM inboxes WHERE standing = 'connected'", ())


def held_by(db: Connection, identity: str) -> tuple[Held, ...]:
    """Inboxes that are an identity's, or about to be."""
    return _held(
        db,
        "SELECT inbox, organization FROM inboxes WHERE"
        " (identity = ?1 AND standing IN ('connected', 'needs reconnect'))"
        " OR (tried_identity = ?1 AND checking = 1)",
        (identity,),
    )


def _inbox(row: InboxRow) -> InboxView:
    inbox, identity, address, imap, smtp, state, diagnosis, since = row
    return InboxView.model_validate(
        {
            "inbox": inbox,
            "identity": identity,
            "address": address,
            "provider": "imap",
            "state": state,
            "diagnosis": None if diagnosis is None else Diagnosed.model_validate_json(diagnosis).model_dump(),
            "imap": _server(imap),
            "smtp": _server(smtp),
            "since": since,
        }
    )


def _server(text: str) -> Server:
    return Server.model_validate_json(text)


def _held(db: Connection, sql: str, values: tuple[str, ...]) -> tuple[Held, ...]:
    rows = cast("list[tuple[str, str]]", db.execute(sql, values).fetchall())
    return tuple(Held(UUID(inbox), UUID(organization)) for inbox, organization in rows)
