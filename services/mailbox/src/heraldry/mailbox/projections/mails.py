"""What became of every mail, and which are to be sent, looked up and copied."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from sqlite3 import Connection
from typing import cast
from uuid import UUID

from heraldry.chassis.projection import Fact, Projection
from heraldry.contracts.mailbox import (
    Bounce,
    EmailBounced,
    EmailClaimed,
    EmailFailed,
    EmailOutcomeUnknown,
    EmailQueued,
    EmailSent,
    EmailStep,
    EmailSubmissionStarted,
    EmailView,
    ReplyReceived,
)
from heraldry.mailbox.domain.email import EmailCopyClaimed, EmailCopyKept, EmailPutBack, text_of

MOST_COPY_TRIES = 8  # a Sent folder that refuses that often is left alone

emails = Projection(
    name="emails",
    version=2,
    tables=("emails", "email_steps", "replies", "bounces"),
    schema="""CREATE TABLE emails (
  attempt TEXT PRIMARY KEY, organization TEXT NOT NULL, inbox TEXT NOT NULL, identity TEXT NOT NULL,
  person TEXT NOT NULL, recipient TEXT NOT NULL, subject TEXT NOT NULL, text TEXT NOT NULL,
  state TEXT NOT NULL, message_id TEXT NOT NULL DEFAULT '', held_until TEXT, valid_until TEXT NOT NULL,
  to_copy INTEGER NOT NULL DEFAULT 0, copy_tries INTEGER NOT NULL DEFAULT 0) STRICT;
CREATE INDEX emails_open ON emails (state) WHERE state IN ('queued', 'claimed', 'leaving');
CREATE INDEX emails_to_copy ON emails (to_copy) WHERE to_copy = 1;
CREATE TABLE email_steps (
  attempt TEXT NOT NULL, revision INTEGER NOT NULL, type TEXT NOT NULL, at TEXT NOT NULL, actor TEXT NOT NULL,
  detail TEXT NOT NULL, PRIMARY KEY (attempt, revision)) STRICT;
CREATE TABLE replies (
  stream TEXT PRIMARY KEY, attempt TEXT NOT NULL, message_id TEXT NOT NULL, at TEXT NOT NULL,
  text TEXT NOT NULL) STRICT;
CREATE INDEX replies_to ON replies (attempt);
CREATE TABLE bounces (stream TEXT PRIMARY KEY, attempt TEXT NOT NULL, bounce TEXT NOT NULL) STRICT;
CREATE INDEX bounces_of ON bounces (attempt)""",
)


@emails.on(EmailQueued)
def queued(db: Connection, event: EmailQueued, fact: Fact) -> None:
    db.execute(
        "INSERT OR REPLACE INTO emails (attempt, organization, inbox, identity, person, recipient, subject,"
        " text, state, valid_until) VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'queued', ?)",
        (
            str(event.attempt),
            fact.organization,
            str(event.inbox),
            str(event.identity),
            str(event.person),
            text_of(event.to),
            text_of(event.subject),
            text_of(event.text),
            event.valid_until.isoformat(),
        ),
    )
    _step(db, event.attempt, event.at, fact, "Ready to leave until its time is over.")


@emails.on(EmailClaimed)
def claimed(db: Connection, event: EmailClaimed, fact: Fact) -> None:
    held = event.held_until.isoformat() if event.held_until else None
    _set(db, event.attempt, state="claimed", held_until=held)
    _step(db, event.attempt, event.at, fact, "A worker took it in hand. Nothing has left yet.")


@emails.on(EmailPutBack)
def put_back(db: Connection, event: EmailPutBack, fact: Fact) -> None:
    _set(db, event.attempt, state="queued", held_until=event.not_before.isoformat())
    _step(db, event.attempt, event.at, fact, f"Nothing left; it is tried again. {event.reason}")


@emails.on(EmailSubmissionStarted)
def started(db: Connection, event: EmailSubmissionStarted, fact: Fact) -> None:
    _set(db, event.attempt, state="leaving", message_id=event.message_id)
    _step(db, event.attempt, event.at, fact, "The mail server is ready; the mail begins to leave.")


@emails.on(EmailSent)
def sent(db: Connection, event: EmailSent, fact: Fact) -> None:
    _set(db, event.attempt, state="sent", message_id=event.message_id, to_copy=1, held_until=None)
    _step(db, event.attempt, event.at, fact, event.answer)


@emails.on(EmailFailed)
def failed(db: Connection, event: EmailFailed, fact: Fact) -> None:
    _set(db, event.attempt, state="failed")
    _step(db, event.attempt, event.at, fact, f"{event.diagnosis.cause} {event.diagnosis.resolution}")


@emails.on(EmailOutcomeUnknown)
def outcome_unknown(db: Connection, event: EmailOutcomeUnknown, fact: Fact) -> None:
    _set(db, event.attempt, state="outcome unknown")
    _step(db, event.attempt, event.at, fact, event.reason)


@emails.on(EmailCopyClaimed)
def copy_claimed(db: Connection, event: EmailCopyClaimed, _: Fact) -> None:
    db.execute(
        "UPDATE emails SET held_until = ?, copy_tries = copy_tries + (held_until IS NOT ?) WHERE attempt = ?",
        (event.held_until.isoformat(), event.held_until.isoformat(), str(event.attempt)),
    )


@emails.on(EmailCopyKept)
def copy_kept(db: Connection, event: EmailCopyKept, fact: Fact) -> None:
    _set(db, event.attempt, to_copy=0)
    detail = "A copy was put into the Sent folder." if event.put else "The Sent folder had a copy already."
    _step(db, event.attempt, event.at, fact, detail)


@emails.on(ReplyReceived)
def replied(db: Connection, event: ReplyReceived, fact: Fact) -> None:
    db.execute(
        "INSERT OR REPLACE INTO replies VALUES (?, ?, ?, ?, ?)",
        (fact.stream, str(event.attempt), event.message_id, event.at.isoformat(), text_of(event.text)),
    )


@emails.on(EmailBounced)
def bounced(db: Connection, event: EmailBounced, fact: Fact) -> None:
    bounce = Bounce(
        hard=event.hard,
        category=event.category,
        status=event.status,
        answer=text_of(event.answer),
        at=event.at,
    )
    db.execute(
        "INSERT OR REPLACE INTO bounces VALUES (?, ?, ?)",
        (fact.stream, str(event.attempt), bounce.model_dump_json()),
    )


def email_of(db: Connection, organization: str, attempt: str) -> EmailView | None:
    """The organization's mail with everything that is recorded of it, oldest first."""
    row = cast(
        "tuple[str, str, str, str, str, str, str] | None",
        db.execute(
            "SELECT inbox, identity, recipient, subject, text, state, message_id FROM emails"
            " WHERE attempt = ? AND organization = ?",
            (attempt, organization),
        ).fetchone(),
    )
    if row is None:
        return None
    steps = cast(
        "list[tuple[str, str, str, str]]",
        db.execute(
            "SELECT type, at, actor, detail FROM email_steps WHERE attempt = ? ORDER BY revision", (attempt,)
        ).fetchall(),
    )
    replies = cast(
        "list[tuple[str]]",
        db.execute("SELECT text FROM replies WHERE attempt = ? ORDER BY at, stream", (attempt,)).fetchall(),
    )
    bounces = cast(
        "list[tuple[str]]",
        db.execute("SELECT bounce FROM bounces WHERE attempt = ? ORDER BY stream", (attempt,)).fetchall(),
    )
    inbox, identity, recipient, subject, text, state, message_id = row
    return EmailView.model_validate(
        {
            "attempt": attempt,
            "inbox": inbox,
            "identity": identity,
            "to": recipient,
            "subject": subject,
            "text": text,
            "state": state,
            "message_id": message_id,
            "steps": [
                EmailStep(type=kind, at=datetime.fromisoformat(at), actor=actor, detail=detail)
                for kind, at, actor, detail in steps
            ],
            "replies": [reply for (reply,) in replies],
            "bounces": [Bounce.model_validate_json(bounce) for (bounce,) in bounces],
        }
    )


@dataclass(frozen=True, slots=True)
class Due:
    """A mail as its workers look for it."""

    attempt: UUID
    inbox: UUID


def to_send(db: Connection, now: datetime, real_now: datetime) -> tuple[Due, ...]:
    """Mails that wait and that nobody has in hand, and those whose time is over; those never tried first."""
    return _due(
        db,
        "SELECT attempt, inbox FROM emails WHERE state IN ('queued', 'claimed')"
        " AND (held_until IS NULL OR held_until <= ? OR valid_until <= ?) ORDER BY held_until",
        (real_now.isoformat(), now.isoformat()),
    )


def to_look_up(db: Connection) -> tuple[Due, ...]:
    """Mails that began to leave and have no outcome."""
    return _due(db, "SELECT attempt, inbox FROM emails WHERE state = 'leaving'", ())


def to_copy(db: Connection, real_now: datetime) -> tuple[Due, ...]:
    """Sent mails without a known copy in the Sent folder, that nobody has in hand."""
    return _due(
        db,
        "SELECT attempt, inbox FROM emails WHERE to_copy = 1 AND copy_tries < ?"
        " AND (held_until IS NULL OR held_until <= ?)",
        (MOST_COPY_TRIES, real_now.isoformat()),
    )


def is_known_reply(db: Connection, attempt: str, message_id: str, text: str) -> bool:
    """Whether this answer was recorded before, perhaps from another copy of the folder.

    Where an answer has no Message-ID, its text stands for it.
    """
    found = db.execute(
        "SELECT 1 FROM replies WHERE attempt = ?1 AND message_id = ?2 AND (?2 <> '' OR text = ?3)",
        (attempt, message_id, text),
    ).fetchone()
    return found is not None


def is_known_bounce(db: Connection, attempt: str, status: str, *, hard: bool) -> bool:
    """Whether a report of this kind was recorded before, perhaps from another copy of the folder."""
    found = db.execute(
        "SELECT 1 FROM bounces WHERE attempt = ?1 AND bounce ->> 'status' = ?2 AND bounce ->> 'hard' = ?3",
        (attempt, status, hard),
    ).fetchone()
    return found is not None


def _due(db: Connection, sql: str, values: tuple[str | int, ...]) -> tuple[Due, ...]:
    rows = cast("list[tuple[str, str]]", db.execute(sql, values).fetchall())
    return tuple(Due(UUID(attempt), UUID(inbox)) for attempt, inbox in rows)


def _set(db: Connection, attempt: UUID, **columns: str | int | None) -> None:
    assignments = ", ".join(f"{name} = ?" for name in columns)
    db.execute(f"UPDATE emails SET {assignments} WHERE attempt = ?", (*columns.values(), str(attempt)))


def _step(db: Connection, attempt: UUID, at: datetime, fact: Fact, detail: str) -> None:
    db.execute(
        "INSERT OR REPLACE INTO email_steps VALUES (?, ?, ?, ?, ?, ?)",
        (str(attempt), fact.revision, fact.type, at.isoformat(), fact.actor, detail),
    )
