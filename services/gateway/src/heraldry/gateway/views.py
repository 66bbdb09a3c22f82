"""What the views answer: history, one mail's steps, who and what there is. Figures are in `figures.py`."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from sqlite3 import Connection
from typing import Final, TypeAlias, cast
from uuid import UUID

from heraldry.chassis.readmodel import ReadModel
from heraldry.contracts.base import Erased, Event, Refused
from heraldry.contracts.gateway import Role
from heraldry.contracts.identity import WorkingHours
from heraldry.contracts.linkedin import LinkedInActionQueued, SlowedDown
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
from heraldry.contracts.scheduler import QuotaKind
from heraldry.gateway.instants import instant
from heraldry.gateway.sentences import KINDS, STEPS, UNNAMED, Said, Tone, Words, named, said, text

BY_LINK: Final = "link:unsubscribe"  # whoever used the unsubscribe link of a mail
PATIENCE: Final = 3.0  # seconds a reader waits for what was written just now
LONGEST_PAGE: Final = 500
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


@dataclass(frozen=True, slots=True)
class OrganizationSeen:
    id: UUID
    name: str
    zone: str


@dataclass(frozen=True, slots=True)
class PersonSeen:
    id: UUID
    name: str
    email: str
    role: Role


@dataclass(frozen=True, slots=True)
class SubscriberSeen:
    id: UUID
    name: str
    created: datetime
    created_by: str


@dataclass(frozen=True, slots=True)
class IdentitySeen:
    id: UUID
    name: str
    job_title: str
    picture: str
    hours: WorkingHours


@dataclass(frozen=True, slots=True)
class InboxSeen:
    """`state`: connected, reconnect, paused, disconnected."""

    id: UUID
    identity: UUID
    address: str
    state: str
    since: datetime
    detail: str


@dataclass(frozen=True, slots=True)
class LinkedInSeen:
    """`state`: linking, code wanted, code given, approval wanted, failed, linked, needs reconnect, restricted, unlinked.
    `slowed`: (kind, until when) of what LinkedIn wants no more of now; `waiting`: of what the day's
    limit is used up.
    """

    id: UUID
    identity: UUID
    state: str
    since: datetime
    detail: str
    slowed: tuple[tuple[SlowedDown, datetime], ...] = ()
    waiting: tuple[tuple[QuotaKind, datetime], ...] = ()


@dataclass(frozen=True, slots=True)
class InviteeSeen:
    """Who an invitation went to; empty where it was erased."""

    name: str
    profile: str


@dataclass(frozen=True, slots=True)
class WaitingSeen:
    """The limit of this inbox is used up."""

    inbox: UUID
    window: str
    until: datetime


class Views:
    """Questions about one organization; nobody's rows are seen by another."""

    def __init__(self, model: ReadModel) -> None:
        self.model = model

    async def seen(self, positions: Sequence[str]) -> None:
        """Return when the views are not older than these positions. Refused `view.behind`, `position.malformed`."""
        try:
            reached = await self.model.wait_for(positions, PATIENCE)
        except ValueError as error:
            raise Refused("position.malformed", str(error), status=422, field="X-Position") from error
        if not reached:
            raise Refused(
                "view.behind",
                "What you changed last is stored but not shown yet. Try again in a moment.",
                status=503,
            )

    def history(
        self,
        organization: UUID,
        wanted: HistoryFilter,
        *,
        before: str = "",
        after: str = "",
        limit: int = 100,
    ) -> HistoryPage:
        """Newest first. `before` and `after` are cursors. Refused `cursor.malformed`."""
        limit = max(1, min(limit, LONGEST_PAGE))
        where, values = _where(organization, wanted, before, after)

        def query(db: Connection) -> HistoryPage:
            rows = _rows(
                db,
                f"SELECT cursor, identity, type, at, actor, causation, inbox, attempt, data FROM history"
                f" WHERE {where} ORDER BY cursor DESC LIMIT ?",
                (*values, limit + 1),
            )
            entries = _Names(db, organization).entries(rows[:limit], apart=True)
            older = entries[-1].cursor if len(rows) > limit else ""
            return HistoryPage(entries, older)

        return self.model.read(query)

    def mail(self, organization: UUID, attempt: UUID) -> MailSeen:
        """Refused `mail.unknown` (404)."""

        def query(db: Connection) -> MailSeen | None:
            rows = self._of_attempt(db, organization, str(attempt))
            known = any(row[6] for row in rows)  # else only of its lead or its recipient is told yet
            return _mail(attempt, rows, _Names(db, organization)) if known else None

        found = self.model.read(query)
        if found is None:
            raise Refused("mail.unknown", "There is no such mail.", status=404)
        return found

    def of_attempt(self, organization: UUID, attempt: UUID) -> tuple[HistoryEntry, ...]:
        """All that is recorded of one mail or LinkedIn step, oldest first."""

        def query(db: Connection) -> tuple[HistoryEntry, ...]:
            rows = self._of_attempt(db, organization, str(attempt))
            return _Names(db, organization).entries(rows)

        return self.model.read(query)

    def undecided_steps(self, organization: UUID) -> int:
        """Of how many LinkedIn steps nobody knows whether they were done."""
        row = self._one(
            "SELECT count(*) FROM history AS unknown WHERE organization = ?"
            " AND type = 'LinkedInActionOutcomeUnknown' AND NOT EXISTS (SELECT 1 FROM history"
            " WHERE attempt = unknown.attempt AND type IN ('InvitationSent', 'InvitationWithdrawn',"
            " 'LinkedInMessageSent', 'LinkedInActionFailed'))",
            (str(organization),),
        )
        return int(row[0]) if row else 0

    def undecided(self, organization: UUID) -> tuple[MailSeen, ...]:
        """The mails of which nobody knows whether they left, the longest unknown first."""

        def query(db: Connection) -> tuple[MailSeen, ...]:
            names = _Names(db, organization)
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
            return tuple(
                _mail(UUID(attempt), self._of_attempt(db, organization, attempt), names)
                for (attempt,) in found
            )

        return self.model.read(query)

    @staticmethod
    def _of_attempt(db: Connection, organization: UUID, attempt: str) -> list[Row]:
        return _rows(
            db,
            "SELECT cursor, identity, type, at, actor, causation, inbox, attempt, data FROM history"
            " WHERE attempt = ? AND organization = ? ORDER BY cursor",
            (attempt, str(organization)),
        )

    def organization(self, organization: UUID) -> OrganizationSeen:
        """Refused `organization.unknown` (404)."""
        row = self._one("SELECT name, zone FROM organization WHERE id = ?", (str(organization),))
        if row is None:
            raise Refused("organization.unknown", "There is no such organization.", status=404)
        return OrganizationSeen(organization, row[0], row[1])

    def person(self, organization: UUID, user: UUID) -> PersonSeen | None:
        return next((one for one in self.people(organization) if one.id == user), None)

    def people(self, organization: UUID) -> tuple[PersonSeen, ...]:
        rows = self._all(
            "SELECT id, name, email, role FROM person WHERE organization = ? ORDER BY name, id",
            (str(organization),),
        )
        return tuple(PersonSeen(UUID(row[0]), row[1], row[2], cast("Role", row[3])) for row in rows)

    def subscribers(self, organization: UUID) -> tuple[SubscriberSeen, ...]:
        rows = self._all(
            "SELECT subscriber.id, subscriber.name, created, coalesce(person.name, '') FROM subscriber"
            " LEFT JOIN person ON actor = 'user:' || person.id"
            " WHERE subscriber.organization = ? AND NOT revoked ORDER BY created, subscriber.id",
            (str(organization),),
        )
        return tuple(
            SubscriberSeen(UUID(row[0]), row[1], datetime.fromisoformat(row[2]), row[3]) for row in rows
        )

    def identities(self, organization: UUID, search: str = "") -> tuple[IdentitySeen, ...]:
        """Those that are not deleted, by name; `search` is found anywhere in the name."""
        rows = self._all(
            "SELECT id, name, job_title, picture, hours FROM identity WHERE organization = ? AND NOT deleted",
            (str(organization),),
        )
        wanted = search.strip().casefold()
        found = [
            IdentitySeen(UUID(row[0]), row[1], row[2], row[3], WorkingHours.model_validate_json(row[4]))
            for row in rows
            if wanted in row[1].casefold()
        ]
        return tuple(sorted(found, key=lambda one: (one.name.casefold(), one.id)))

    def deleted(self, organization: UUID) -> Mapping[UUID, str]:
        """The identities that were deleted, by the last name of each; empty where it was erased."""
        rows = self._all(
            "SELECT id, name FROM identity WHERE organization = ? AND deleted", (str(organization),)
        )
        return {UUID(row[0]): row[1] for row in rows}

    def actors(self, organization: UUID, actors: Iterable[str]) -> Mapping[str, str]:
        """How each of them is named to people."""

        def query(db: Connection) -> Mapping[str, str]:
            names = _Names(db, organization)
            return {actor: names.actor(actor) for actor in actors}

        return self.model.read(query)

    def has_identity(self, organization: UUID, identity: UUID) -> bool:
        """Also one that was deleted: its history stays."""
        wanted = (str(identity), str(organization))
        return self._one("SELECT id FROM identity WHERE id = ? AND organization = ?", wanted) is not None

    def inboxes(self, organization: UUID) -> tuple[InboxSeen, ...]:
        """Every inbox that was ever connected, by address."""
        rows = self._all(
            "SELECT id, identity, address, state, since, detail FROM inbox WHERE organization = ?"
            " ORDER BY address, id",
            (str(organization),),
        )
        return tuple(
            InboxSeen(UUID(row[0]), UUID(row[1]), row[2], row[3], datetime.fromisoformat(row[4]), row[5])
            for row in rows
        )

    def linkedin(self, organization: UUID, now: datetime) -> tuple[LinkedInSeen, ...]:
        """Every LinkedIn account that was ever linked, or tried."""
        slowed, waiting = (
            self._until(f"SELECT account, kind, until FROM {table}", organization, now)
            for table in ("linkedin_slowed", "linkedin_waiting")
        )
        rows = self._all(
            "SELECT id, identity, state, since, detail FROM linkedin_account WHERE organization = ? ORDER BY id",
            (str(organization),),
        )
        return tuple(
            LinkedInSeen(
                UUID(row[0]),
                UUID(row[1]),
                row[2],
                datetime.fromisoformat(row[3]),
                row[4],
                cast("tuple[tuple[SlowedDown, datetime], ...]", slowed.get(row[0], ())),
                cast("tuple[tuple[QuotaKind, datetime], ...]", waiting.get(row[0], ())),
            )
            for row in rows
        )

    def _until(
        self, select: str, organization: UUID, now: datetime
    ) -> Mapping[str, tuple[tuple[str, datetime], ...]]:
        """By account: (kind, until when) of what has not ended."""
        found: dict[str, tuple[tuple[str, datetime], ...]] = {}
        for account, kind, until in self._all(
            f"{select} WHERE organization = ? AND until > ? ORDER BY until",
            (str(organization), instant(now)),
        ):
            found[account] = (*found.get(account, ()), (kind, datetime.fromisoformat(until)))
        return found

    def invitees(self, organization: UUID, invitations: Iterable[UUID]) -> Mapping[UUID, InviteeSeen]:
        """Who each of these invitations went to, as far as it is known."""

        def query(db: Connection) -> Mapping[UUID, InviteeSeen]:
            found: dict[UUID, InviteeSeen] = {}
            for invitation in invitations:
                for row in self._of_attempt(db, organization, str(invitation)):
                    if row[2] == "LinkedInActionQueued":
                        event = LinkedInActionQueued.model_validate_json(row[8])
                        found[invitation] = InviteeSeen(_text(event.name), _text(event.profile))
            return found

        return self.model.read(query)

    def waiting(self, organization: UUID, now: datetime) -> tuple[WaitingSeen, ...]:
        """Limits that are used up now."""
        rows = self._all(
            "SELECT inbox, window, until FROM waiting WHERE organization = ? AND until > ? ORDER BY until",
            (str(organization), instant(now)),
        )
        return tuple(WaitingSeen(UUID(row[0]), row[1], datetime.fromisoformat(row[2])) for row in rows)

    def _all(self, sql: str, values: tuple[str, ...]) -> list[Row]:
        return self.model.read(lambda db: _rows(db, sql, values))

    def _one(self, sql: str, values: tuple[str, ...]) -> Row | None:
        return next(iter(self._all(sql, values)), None)


class _Names:
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
        row = _rows(
            self._db,
            "SELECT address FROM inbox WHERE id = ? AND organization = ?",
            (inbox, self._organization),
        )
        return row[0][0] if row and row[0][0] else UNNAMED

    def _said(self, type_: str, inbox: str, data: str, about: str = "") -> Said:
        zone = _rows(self._db, "SELECT zone FROM organization WHERE id = ?", (self._organization,))
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
        row = _rows(
            self._db,
            "SELECT type, inbox, data, attempt FROM history WHERE id = ? AND organization = ?",
            (causation, self._organization),
        )
        if not row and attempt and type_ in CAUSES:
            row = _rows(
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
            row = _rows(
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
            row = _rows(
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
            row = _rows(
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
            row = _rows(
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
            row = _rows(
                self._db,
                f"SELECT name FROM {table} WHERE id = ? AND organization = ?",
                (identifier, self._organization),
            )
            self._known[key] = row[0][0] if row else ""
        return self._known[key]


def kind_of(type_: str) -> str:
    """The kind an event type belongs to, as filters name it."""
    return next((kind for kind, (_, types) in KINDS.items() if type_ in types), "other")


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


def _rows(db: Connection, sql: str, values: Sequence[str | int]) -> list[Row]:
    return cast("list[Row]", db.execute(sql, values).fetchall())


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


def _mail(attempt: UUID, rows: Sequence[Row], names: _Names) -> MailSeen:
    to = subject = text = message_id = answer = ""
    bounced = False
    inbox = next(row[6] for row in rows if row[6])
    state, replies = "permitted", list[str]()
    for row in rows:
        event = event_type(row[2]).model_validate_json(row[8])
        found = STATES.get(type(event), "permitted")
        state = max(state, found, key=ORDER.index)
        match event:
            case EmailQueued():
                to, subject, text = _text(event.to), _text(event.subject), _text(event.text)
            case EmailSubmissionStarted():
                message_id = event.message_id
            case EmailSent():
                message_id, answer = event.message_id, event.answer
            case EmailBounced():
                bounced = bounced or event.hard
            case ReplyReceived():
                replies.append(_text(event.text))
            case _:
                pass
    return MailSeen(
        attempt=attempt,
        identity=UUID(rows[0][1]),
        inbox=UUID(inbox),
        sender=names.address(inbox),
        to=to,
        subject=subject,
        text=text,
        state=state,
        message_id=message_id,
        answer=answer,
        entries=names.entries(rows),
        replies=tuple(replies),
        bounced=bounced,
    )


def _text(value: str | Erased) -> str:
    return "" if isinstance(value, Erased) else value
