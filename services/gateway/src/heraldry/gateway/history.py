"""The history of an organization, page by page, and one mail or LinkedIn step from its permit to what became of it."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from sqlite3 import Connection
from typing import Final, cast
from uuid import UUID

from heraldry.contracts.base import Event, Refused
from heraldry.contracts.mailbox import (
    EmailBounced,
    EmailClaimed,
    EmailFailed,
    EmailOutcomeUnknown,
    EmailQueued,
    EmailSent,
    EmailSubmissionStarted,
    ReplyReceived,
)
from heraldry.contracts.registry import event_type
from heraldry.gateway.entries import HistoryEntry, Names, Row, plain, rows
from heraldry.gateway.instants import instant
from heraldry.gateway.sentences import KINDS

LONGEST_PAGE: Final = 500
STATES: Final[Mapping[type[Event], str]] = {
    EmailQueued: "queued",
    EmailClaimed: "claimed",
    EmailSubmissionStarted: "leaving",
    EmailSent: "sent",
    EmailFailed: "failed",
    EmailOutcomeUnknown: "outcome unknown",
}
# a proof or a decision may come after nobody knew
ORDER: Final = ("permitted", "queued", "claimed", "leaving", "outcome unknown", "failed", "sent")


@dataclass(frozen=True, slots=True)
class HistoryPage:
    """Newest first. `older`: the cursor to go on with; empty: there is nothing older."""

    entries: tuple[HistoryEntry, ...]
    older: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryFilter:
    """`kinds`: names of kinds or of event types; empty: all. `first` included, `last` excluded."""

    identity: UUID | None = None
    kinds: tuple[str, ...] = ()
    first: datetime | None = None
    last: datetime | None = None


@dataclass(frozen=True, slots=True)
class MailSeen:
    """One mail as its events tell it."""

    attempt: UUID
    identity: UUID
    inbox: UUID
    sender: str
    to: str
    subject: str
    text: str
    state: str  # permitted, queued, claimed, leaving, sent, failed, outcome unknown
    message_id: str
    answer: str
    entries: tuple[HistoryEntry, ...]  # oldest first
    replies: tuple[str, ...]
    bounced: bool = False  # a report says that it will never arrive


def page(
    db: Connection, organization: UUID, wanted: HistoryFilter, before: str, after: str, limit: int
) -> HistoryPage:
    """Newest first. Refused `cursor.malformed`."""
    limit = max(1, min(limit, LONGEST_PAGE))
    where, values = _where(organization, wanted, before, after)
    found = rows(
        db,
        f"SELECT cursor, identity, type, at, actor, causation, inbox, attempt, data FROM history"
        f" WHERE {where} ORDER BY cursor DESC LIMIT ?",
        (*values, limit + 1),
    )
    entries = Names(db, organization).entries(found[:limit], apart=True)
    older = entries[-1].cursor if len(found) > limit else ""
    return HistoryPage(entries, older)


def mail(db: Connection, organization: UUID, attempt: UUID) -> MailSeen | None:
    """None where there is none, or only its lead or its recipient is told of yet."""
    steps = recorded(db, organization, str(attempt))
    known = any(row[6] for row in steps)
    return _told(attempt, steps, Names(db, organization)) if known else None


def of_attempt(db: Connection, organization: UUID, attempt: UUID) -> tuple[HistoryEntry, ...]:
    """All that is recorded of one mail or LinkedIn step, oldest first."""
    return Names(db, organization).entries(recorded(db, organization, str(attempt)))


def undecided(db: Connection, organization: UUID) -> tuple[MailSeen, ...]:
    """The mails of which nobody knows whether they left, the longest unknown first."""
    names = Names(db, organization)
    found = cast(
        "list[tuple[str]]",
        db.execute(
            "SELECT attempt FROM history AS unknown WHERE organization = ?"
            " AND type = 'EmailOutcomeUnknown' AND NOT EXISTS (SELECT 1 FROM history"
            " WHERE attempt = unknown.attempt AND type IN ('EmailSent', 'EmailFailed'))"
            " ORDER BY cursor LIMIT ?",
            (str(organization), LONGEST_PAGE),
        ).fetchall(),
    )
    return tuple(_told(UUID(attempt), recorded(db, organization, attempt), names) for (attempt,) in found)


def recorded(db: Connection, organization: UUID, attempt: str) -> list[Row]:
    """The rows of one mail or LinkedIn step, oldest first."""
    return rows(
        db,
        "SELECT cursor, identity, type, at, actor, causation, inbox, attempt, data FROM history"
        " WHERE attempt = ? AND organization = ? ORDER BY cursor",
        (attempt, str(organization)),
    )


def _where(
    organization: UUID, wanted: HistoryFilter, before: str, after: str
) -> tuple[str, tuple[str | int, ...]]:
    conditions: list[tuple[str, tuple[str, ...]]] = [("organization = ?", (str(organization),))]
    if wanted.identity is not None:
        conditions.append(("identity = ?", (str(wanted.identity),)))
    if wanted.kinds:
        types = tuple(type_ for kind in wanted.kinds for type_ in KINDS.get(kind, ("", (kind,)))[1])
        conditions.append((f"type IN ({', '.join('?' * len(types))})", types))
    if wanted.first is not None:
        conditions.append(("cursor >= ?", (instant(wanted.first),)))
    if wanted.last is not None:
        conditions.append(("cursor < ?", (instant(wanted.last),)))
    if before:
        conditions.append(("cursor < ?", (_cursor(before),)))
    if after:
        conditions.append(("cursor > ?", (_cursor(after),)))
    return " AND ".join(one for one, _ in conditions), tuple(
        value for _, values in conditions for value in values
    )


def _cursor(text: str) -> str:
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()
    except (binascii.Error, ValueError):
        raise Refused(
            "cursor.malformed", "This place in the history does not exist.", status=422, field="after"
        ) from None


def _told(attempt: UUID, steps: Sequence[Row], names: Names) -> MailSeen:
    to = subject = text = message_id = answer = ""
    bounced = False
    inbox = next(row[6] for row in steps if row[6])
    state, replies = "permitted", list[str]()
    for row in steps:
        event = event_type(row[2]).model_validate_json(row[8])
        found = STATES.get(type(event), "permitted")
        state = max(state, found, key=ORDER.index)
        match event:
            case EmailQueued():
                to, subject, text = plain(event.to), plain(event.subject), plain(event.text)
            case EmailSubmissionStarted():
                message_id = event.message_id
            case EmailSent():
                message_id, answer = event.message_id, event.answer
            case EmailBounced():
                bounced = bounced or event.hard
            case ReplyReceived():
                replies.append(plain(event.text))
            case _:
                pass
    return MailSeen(
        attempt=attempt,
        identity=UUID(steps[0][1]),
        inbox=UUID(inbox),
        sender=names.address(inbox),
        to=to,
        subject=subject,
        text=text,
        state=state,
        message_id=message_id,
        answer=answer,
        entries=names.entries(steps),
        replies=tuple(replies),
        bounced=bounced,
    )
