"""What became of every mail, and which are to be sent, looked up and copied."""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from sqlite3 import Connection
from typing import Literal, cast
from uuid import UUID

from heraldry.chassis.projection import Fact, Holds, Projection
from heraldry.contracts.addresses import normalised
from heraldry.contracts.base import Erased
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
from heraldry.contracts.markers import Position
from heraldry.mailbox.domain.bouncing import LAST, Figures
from heraldry.mailbox.domain.email import EmailCopyClaimed, EmailCopyKept, EmailPutBack, text_of

MOST_COPY_TRIES = 8  # a Sent folder that refuses that often is left alone

emails = Projection(
    name="emails",
    version=5,
    tables=("emails", "email_steps", "replies", "bounces"),
    schema="""CREATE TABLE emails (
  attempt TEXT PRIMARY KEY, organization TEXT NOT NULL, inbox TEXT NOT NULL, identity TEXT NOT NULL,
  person TEXT NOT NULL, recipient TEXT NOT NULL, subject TEXT NOT NULL, text TEXT NOT NULL,
  state TEXT NOT NULL, message_id TEXT NOT NULL DEFAULT '', held_until TEXT, valid_until TEXT NOT NULL,
  to_copy INTEGER NOT NULL DEFAULT 0, copy_tries INTEGER NOT NULL DEFAULT 0,
  enrollment TEXT NOT NULL, normal TEXT NOT NULL, sent_position INTEGER) STRICT;
CREATE INDEX emails_leaving ON emails (state) WHERE state = 'leaving';
CREATE INDEX emails_to_send ON emails (held_until) WHERE state IN ('queued', 'claimed');
CREATE INDEX emails_to_copy ON emails (inbox, held_until, copy_tries) WHERE to_copy = 1;
CREATE INDEX emails_sent ON emails (inbox, sent_position) WHERE sent_position IS NOT NULL;
CREATE TABLE email_steps (
  attempt TEXT NOT NULL, revision INTEGER NOT NULL, type TEXT NOT NULL, at TEXT NOT NULL, actor TEXT NOT NULL,
  detail TEXT NOT NULL, PRIMARY KEY (attempt, revision)) STRICT;
CREATE TABLE replies (
  stream TEXT PRIMARY KEY, attempt TEXT NOT NULL, message_id TEXT NOT NULL, at TEXT NOT NULL,
  text TEXT NOT NULL) STRICT;
CREATE INDEX replies_to ON replies (attempt);
CREATE TABLE bounces (stream TEXT PRIMARY KEY, attempt TEXT NOT NULL, bounce TEXT NOT NULL,
  inbox TEXT NOT NULL, hard INTEGER NOT NULL) STRICT;
CREATE INDEX bounces_of ON bounces (attempt);
CREATE INDEX bounces_hard ON bounces (inbox) WHERE hard = 1;
CREATE INDEX emails_to_person ON emails (person)""",
    holds=(
        Holds("replies", "attempt IN (SELECT attempt FROM emails WHERE person = ?1)", "text = ''"),
        Holds(
            "bounces",
            "attempt IN (SELECT attempt FROM emails WHERE person = ?1)",
            "bounce = json_set(bounce, '$.answer', '')",
        ),
        Holds("emails", "person = ?1", "recipient = '', subject = '', text = '', normal = ''"),
    ),
)


@emails.on(EmailQueued)
def queued(db: Connection, event: EmailQueued, fact: Fact) -> None:
    db.execute(
        "INSERT OR REPLACE INTO emails (attempt, organization, inbox, identity, person, recipient, subject,"
        " text, state, valid_until, enrollment, normal) VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'queued', ?, ?, ?)",
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
            "" if event.enrollment is None else str(event.enrollment),
            "" if isinstance(event.to, Erased) else normalised(event.to),
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
    _set(
        db,
        event.attempt,
        state="sent",
        message_id=event.message_id,
        to_copy=1,
        held_until=None,
        sent_position=Position.parse(fact.position).number,
    )
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
        "INSERT OR REPLACE INTO bounces VALUES (?, ?, ?, ?, ?)",
        (fact.stream, str(event.attempt), bounce.model_dump_json(), str(event.inbox), int(event.hard)),
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


def to_send(
    db: Connection, now: datetime, real_now: datetime, *, most: int, busy: Sequence[UUID] = ()
) -> tuple[Due, ...]:
    """Mails that wait and that nobody has in hand, and those whose time is over; those never tried first.

    At most so many, and none through the busy inboxes.
    """
    return _due(
        db,
        "SELECT attempt, inbox FROM emails WHERE state IN ('queued', 'claimed')"
        " AND (held_until IS NULL OR held_until <= ? OR valid_until <= ?)"
        f" AND inbox NOT IN ({', '.join('?' * len(busy))}) ORDER BY held_until LIMIT ?",
        (real_now.isoformat(), now.isoformat(), *map(str, busy), most),
    )


def to_look_up(db: Connection) -> tuple[Due, ...]:
    """Mails that began to leave and have no outcome."""
    return _due(db, "SELECT attempt, inbox FROM emails WHERE state = 'leaving'", ())


_TO_COPY = "to_copy = 1 AND copy_tries < ? AND (held_until IS NULL OR held_until <= ?)"


def inboxes_to_copy(db: Connection, real_now: datetime) -> tuple[UUID, ...]:
    """Inboxes with sent mails without a known copy in the Sent folder, that nobody has in hand."""
    rows = db.execute(
        f"SELECT DISTINCT inbox FROM emails WHERE {_TO_COPY}", (MOST_COPY_TRIES, real_now.isoformat())
    ).fetchall()
    return tuple(UUID(inbox) for (inbox,) in cast("list[tuple[str]]", rows))


def to_copy(
    db: Connection, inbox: UUID, real_now: datetime, passed: AbstractSet[UUID] = frozenset()
) -> UUID | None:
    """The next of an inbox' sent mails to copy; none of those that were passed over."""
    rows = db.execute(
        f"SELECT attempt FROM emails WHERE inbox = ? AND {_TO_COPY} ORDER BY held_until LIMIT ?",
        (str(inbox), MOST_COPY_TRIES, real_now.isoformat(), len(passed) + 1),
    ).fetchall()
    known = set(map(str, passed))
    found = next((each for (each,) in cast("list[tuple[str]]", rows) if each not in known), None)
    return None if found is None else UUID(found)


@dataclass(frozen=True, slots=True)
class Open:
    """A mail of which nothing has left yet."""

    attempt: UUID
    organization: UUID
    identity: UUID


def open_to(db: Connection, organization: str, normal: str) -> tuple[Open, ...]:
    """An organization's open mails to an address, as it is written for comparing."""
    return _open(db, "organization = ? AND normal = ?", organization, normal)


def open_of(db: Connection, enrollment: str) -> tuple[Open, ...]:
    """The open mails to a lead of a campaign."""
    return _open(db, "enrollment = ?", enrollment)


def open_for(db: Connection, person: str) -> tuple[Open, ...]:
    """The open mails to a person, by whatever address."""
    return _open(db, "person = ?", person)


def open_through(db: Connection, inbox: str) -> tuple[Open, ...]:
    """The open mails of an inbox."""
    return _open(db, "inbox = ?", inbox)


def has_bounced(db: Connection, inbox: str) -> bool:
    """Whether a mail of this inbox ever bounced for good."""
    found = db.execute("SELECT 1 FROM bounces WHERE inbox = ? AND hard = 1 LIMIT 1", (inbox,)).fetchone()
    return found is not None


def figures(db: Connection, inbox: str) -> Figures:
    """An inbox's last mails since it was resumed last, and how many of them bounced for good."""
    row = cast(
        "tuple[str | None, int] | None",
        db.execute("SELECT resumed, resumed_position FROM inboxes WHERE inbox = ?", (inbox,)).fetchone(),
    )
    resumed, since = row or (None, 0)
    sent, bounced = cast(
        "tuple[int, int]",
        db.execute(
            "SELECT count(*), coalesce(sum(bounced), 0) FROM (SELECT EXISTS (SELECT 1 FROM bounces"
            " WHERE bounces.attempt = emails.attempt AND hard = 1) AS bounced FROM emails"
            " WHERE inbox = ? AND sent_position > ? ORDER BY sent_position DESC LIMIT ?)",
            (inbox, since, LAST),
        ).fetchone(),
    )
    return Figures(sent, bounced, None if resumed is None else datetime.fromisoformat(resumed))


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


def _open(db: Connection, condition: str, *values: str) -> tuple[Open, ...]:
    rows = cast(
        "list[tuple[str, str, str]]",
        db.execute(
            "SELECT attempt, organization, identity FROM emails"
            f" WHERE state IN ('queued', 'claimed') AND {condition}",
            values,
        ).fetchall(),
    )
    return tuple(
        Open(UUID(attempt), UUID(organization), UUID(identity)) for attempt, organization, identity in rows
    )


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


# --- when a person is erased


def mails_to(db: Connection, person: str) -> tuple[UUID, ...]:
    """Every mail to a person."""
    rows = db.execute("SELECT attempt FROM emails WHERE person = ? ORDER BY rowid DESC", (person,)).fetchall()
    return tuple(UUID(attempt) for (attempt,) in cast("list[tuple[str]]", rows))


def on_their_way(db: Connection, column: Literal["person", "identity"], names: Sequence[str]) -> int:
    """How many mails to these people, or in the name of these identities, have no outcome."""
    marks = ", ".join("?" * len(names))
    asked = f"SELECT count(*) FROM emails WHERE {column} IN ({marks}) AND state IN ('queued', 'claimed', 'leaving')"
    return cast("tuple[int]", db.execute(asked, tuple(names)).fetchone())[0]


def written_to(db: Connection, subject: str) -> tuple[str, str, tuple[str, ...]] | None:
    """Organization, person and addresses of somebody, by their id, or that of an enrollment or a mail."""
    rows = cast(
        "list[tuple[str, str, str]]",
        db.execute(
            "SELECT DISTINCT organization, person, recipient FROM emails WHERE person ="
            " (SELECT person FROM emails WHERE ?1 IN (person, enrollment, attempt) LIMIT 1)",
            (subject,),
        ).fetchall(),
    )
    if not rows:
        return None
    return rows[0][0], rows[0][1], tuple(address for _, _, address in rows if address)
