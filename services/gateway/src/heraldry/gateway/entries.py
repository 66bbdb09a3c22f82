"""One entry of the history: an event in words, with the names as they are now."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from sqlite3 import Connection
from typing import Final, TypeAlias, cast
from uuid import UUID

from heraldry.contracts.base import Erased
from heraldry.contracts.linkedin import LinkedInActionQueued
from heraldry.contracts.mailbox import EmailQueued
from heraldry.contracts.registry import event_type
from heraldry.gateway.sentences import KINDS, STEPS, UNNAMED, Said, Tone, Words, named, said, text

BY_LINK: Final = "link:unsubscribe"  # whoever used the unsubscribe link of a mail
CAUSES: Final[Mapping[str, str]] = {  # of one mail's steps: what follows from what
    "EmailQueued": "QuotaConsumed",
    "EmailBounced": "EmailQueued",
    "ReplyReceived": "EmailQueued",
    "LeadReplied": "ReplyReceived",
    "LeadBounced": "EmailBounced",
    "LinkedInActionQueued": "QuotaConsumed",
    "InvitationAccepted": "InvitationSent",
    "RecipientUnsubscribed": "EmailQueued",
    "QuotaReleased": "EmailFailed",
}
QUEUED: Final[Mapping[str, str]] = {  # what always comes before, and goes when the person is erased
    "EmailClaimed": "EmailQueued",
    "EmailSubmissionStarted": "EmailQueued",
    "LinkedInActionClaimed": "LinkedInActionQueued",
    "LinkedInActionStarted": "LinkedInActionQueued",
}
Row: TypeAlias = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """One published event, in words and as it is. `cause`: what it followed from, in words; may be empty."""

    cursor: str
    at: datetime
    type: str
    kind: str
    actor: str
    actor_name: str
    what: str
    cause: str
    outcome: str
    tone: Tone
    identity: str
    identity_name: str
    inbox: str
    attempt: str
    step: bool = False  # the attempt is a LinkedIn step, not a mail


class Names:
    """Says events in words, with the names as they are now."""

    def __init__(self, db: Connection, organization: UUID) -> None:
        self._db, self._organization = db, str(organization)
        self._known: dict[tuple[str, str], str] = {}

    def entries(self, rows: Iterable[Row], *, apart: bool = False) -> tuple[HistoryEntry, ...]:
        """`apart`: not all are about one mail, so each says about which it is."""
        return tuple(self._entry(row, apart=apart) for row in rows)

    def _entry(self, row: Row, *, apart: bool) -> HistoryEntry:
        cursor, identity, type_, at, actor, causation, inbox, attempt, data = row
        step = bool(attempt) and self._is_step(attempt)
        told = self._said(type_, inbox, data, self._about(attempt, step=step) if apart and attempt else "")
        return HistoryEntry(
            cursor=base64.urlsafe_b64encode(cursor.encode()).decode().rstrip("="),
            at=datetime.fromisoformat(at),
            type=type_,
            kind=kind_of(type_),
            actor=actor,
            actor_name=self.actor(actor),
            what=told.what,
            cause=self._cause(type_, causation, attempt, cursor),
            outcome=told.outcome,
            tone=told.tone,
            identity=identity,
            identity_name=self._name("identity", identity) if identity else "",
            inbox=inbox,
            attempt=attempt,
            step=step,
        )

    def address(self, inbox: str) -> str:
        row = rows(
            self._db,
            "SELECT address FROM inbox WHERE id = ? AND organization = ?",
            (inbox, self._organization),
        )
        return row[0][0] if row and row[0][0] else UNNAMED

    def _said(self, type_: str, inbox: str, data: str, about: str = "") -> Said:
        zone = rows(self._db, "SELECT zone FROM organization WHERE id = ?", (self._organization,))
        event = event_type(type_).model_validate_json(data)
        campaign = str(getattr(event, "campaign", None) or "")
        words = Words(
            inbox=self.address(inbox) if inbox else UNNAMED,
            zone=zone[0][0] if zone else "UTC",
            mail=about,
            to=about,
            campaign=self._name("campaign", campaign) if campaign else "",
            erased=type_ in QUEUED and self._is_erased(str(getattr(event, "attempt", "")), QUEUED[type_]),
        )
        return said(event, words)

    def _cause(self, type_: str, causation: str, attempt: str, cursor: str) -> str:
        """What was recorded as the cause is mostly a command or an event no other context sees; then it is the
        step of the mail that always comes before.
        """
        row = rows(
            self._db,
            "SELECT type, inbox, data, attempt FROM history WHERE id = ? AND organization = ?",
            (causation, self._organization),
        )
        if not row and attempt and type_ in CAUSES:
            row = rows(
                self._db,
                "SELECT type, inbox, data, attempt FROM history WHERE attempt = ? AND organization = ?"
                " AND type = ? AND cursor <> ? ORDER BY cursor DESC LIMIT 1",
                (attempt, self._organization, CAUSES[type_], cursor),
            )
        if not row:
            return ""
        kind, inbox, data, about = row[0]
        named = self._about(about, step=self._is_step(about)) if about else ""
        return f"Mail{named}" if kind == "EmailQueued" else self._said(kind, inbox, data, named).what

    def _is_step(self, attempt: str) -> bool:
        key = ("step", attempt)
        if key not in self._known:
            types = ", ".join("?" * len(STEPS))
            row = rows(
                self._db,
                f"SELECT 1 FROM history WHERE attempt = ? AND organization = ? AND (type IN ({types})"
                " OR type = 'QuotaConsumed' AND inbox = '') LIMIT 1",
                (attempt, self._organization, *STEPS),
            )
            self._known[key] = "yes" if row else ""
        return bool(self._known[key])

    def _is_erased(self, attempt: str, queued: str) -> bool:
        key = (queued, attempt)
        if key not in self._known:
            row = rows(
                self._db,
                "SELECT 1 FROM history WHERE attempt = ? AND organization = ? AND type = ?",
                (attempt, self._organization, queued),
            )
            self._known[key] = "" if row else "yes"
        return bool(self._known[key])

    def _about(self, attempt: str, *, step: bool) -> str:
        """How a mail or a LinkedIn step is named, with a space before it."""
        return self._person(attempt) if step else self._mail(attempt)

    def _person(self, attempt: str) -> str:
        key = ("person", attempt)
        if key not in self._known:
            row = rows(
                self._db,
                "SELECT data FROM history WHERE attempt = ? AND organization = ?"
                " AND type = 'LinkedInActionQueued'",
                (attempt, self._organization),
            )
            name = LinkedInActionQueued.model_validate_json(row[0][0]).name if row else ""
            self._known[key] = f" to {text(name)}" if name else ""
        return self._known[key]

    def _mail(self, attempt: str) -> str:
        key = ("mail", attempt)
        if key not in self._known:
            row = rows(
                self._db,
                "SELECT data FROM history WHERE attempt = ? AND organization = ? AND type = 'EmailQueued'",
                (attempt, self._organization),
            )
            mail = EmailQueued.model_validate_json(row[0][0]) if row else None
            self._known[key] = f" {named(mail.subject, mail.to)}" if mail else ""
        return self._known[key]

    def actor(self, actor: str) -> str:
        kind, _, who = actor.partition(":")
        if kind == "user":
            return self._name("person", who) or "Somebody who left"
        if actor == BY_LINK:
            return "The recipient"
        return {"system": "Heraldry", "key": "A program", "link": "The identity's owner"}.get(kind, actor)

    def _name(self, table: str, identifier: str) -> str:
        key = (table, identifier)
        if key not in self._known:
            row = rows(
                self._db,
                f"SELECT name FROM {table} WHERE id = ? AND organization = ?",
                (identifier, self._organization),
            )
            self._known[key] = row[0][0] if row else ""
        return self._known[key]


def kind_of(type_: str) -> str:
    """The kind an event type belongs to, as filters name it."""
    return next((kind for kind, (_, types) in KINDS.items() if type_ in types), "other")


def rows(db: Connection, sql: str, values: Sequence[str | int]) -> list[Row]:
    return cast("list[Row]", db.execute(sql, values).fetchall())


def plain(value: str | Erased) -> str:
    """Empty where the person is erased."""
    return "" if isinstance(value, Erased) else value
