"""What the views answer: who and what there is, and what `history.py` tells. Figures are in `figures.py`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from sqlite3 import Connection
from typing import Final, cast
from uuid import UUID

from heraldry.chassis.readmodel import ReadModel
from heraldry.contracts.base import Refused
from heraldry.contracts.gateway import Role
from heraldry.contracts.identity import WorkingHours
from heraldry.contracts.linkedin import LinkedInActionQueued, SlowedDown
from heraldry.contracts.scheduler import QuotaKind
from heraldry.gateway import history
from heraldry.gateway.entries import HistoryEntry, Names, Row, plain, rows
from heraldry.gateway.history import HistoryFilter, HistoryPage, MailSeen
from heraldry.gateway.instants import instant

PATIENCE: Final = 3.0  # seconds a reader waits for what was written just now


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
        return self.model.read(lambda db: history.page(db, organization, wanted, before, after, limit))

    def mail(self, organization: UUID, attempt: UUID) -> MailSeen:
        """Refused `mail.unknown` (404)."""
        found = self.model.read(lambda db: history.mail(db, organization, attempt))
        if found is None:
            raise Refused("mail.unknown", "There is no such mail.", status=404)
        return found

    def of_attempt(self, organization: UUID, attempt: UUID) -> tuple[HistoryEntry, ...]:
        """All that is recorded of one mail or LinkedIn step, oldest first."""
        return self.model.read(lambda db: history.of_attempt(db, organization, attempt))

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
        return self.model.read(lambda db: history.undecided(db, organization))

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
            names = Names(db, organization)
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
                for row in history.recorded(db, organization, str(invitation)):
                    if row[2] == "LinkedInActionQueued":
                        event = LinkedInActionQueued.model_validate_json(row[8])
                        found[invitation] = InviteeSeen(plain(event.name), plain(event.profile))
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
        return self.model.read(lambda db: rows(db, sql, values))

    def _one(self, sql: str, values: tuple[str, ...]) -> Row | None:
        return next(iter(self._all(sql, values)), None)
