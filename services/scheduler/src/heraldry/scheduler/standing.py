"""Whether an account may send, and when: what other contexts say of inboxes and identities, imported.

Each fact is stored first on its own stream, newest revision only; then the sender is brought to what these
streams say together. Whoever did that looks at them once more, so that of several at once the last one is right.
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from heraldry.chassis.bus.rpc import Asking
from heraldry.chassis.clock import Clock
from heraldry.chassis.decider import Decider
from heraldry.chassis.readmodel import ReadModel
from heraldry.chassis.runner import Asked, Runner
from heraldry.chassis.vault.hashing import keyed_hash, organization_subject
from heraldry.chassis.vault.keys import KeyRing
from heraldry.contracts.addresses import normalised
from heraldry.contracts.base import By
from heraldry.contracts.identity import WorkingHours
from heraldry.scheduler.application import CONTEXT, Account, NotYetError, Scheduling, derived, profiles
from heraldry.scheduler.domain import connection, profile, sender
from heraldry.scheduler.linkedin_standing import LinkedInStanding
from heraldry.scheduler.projections import senders as rows

connections: Decider[connection.Command, connection.Connection, connection.Event] = Decider(
    connection.NEVER, connection.decide, connection.evolve
)


@dataclass(frozen=True, slots=True)
class Connected:
    """An inbox that can send, as its own context said at `revision` of its stream."""

    organization: UUID
    inbox: UUID
    identity: UUID
    address: str
    revision: int


class Standing:
    """Opens and closes accounts, and gives them their working hours."""

    def __init__(
        self,
        scheduling: Scheduling,
        runner: Runner,
        model: ReadModel,
        keys: KeyRing,
        clock: Clock,
        linkedin: LinkedInStanding | None = None,
    ) -> None:
        self._scheduling, self._runner, self._linkedin = scheduling, runner, linkedin
        self._model, self._keys, self._clock = model, keys, clock

    async def connected(self, found: Connected, asking: Asking) -> None:
        """Raises NotYetError while its identity's hours are not known here."""
        key = await self._keys.create(organization_subject(found.organization))
        name = keyed_hash(key, normalised(found.address))
        command = connection.Import(
            found.inbox, found.revision, self._clock.now(), identity=found.identity, sender=name
        )
        await self._import(found.inbox, command, asking)

    async def closed(self, inbox: UUID, code: sender.Code, revision: int, asking: Asking) -> None:
        """It was disconnected, or needs to be reconnected."""
        await self._import(inbox, connection.Import(inbox, revision, self._clock.now(), code), asking)

    async def paused(self, inbox: UUID, revision: int, asking: Asking, *, paused: bool) -> None:
        """It was paused, or resumed."""
        command = connection.ImportPause(inbox, paused, revision, self._clock.now())
        await self._import(inbox, command, asking)

    async def hours(self, identity: UUID, hours: WorkingHours, revision: int, asking: Asking) -> None:
        """The profile first, then every account: one opened meanwhile reads the new profile itself."""
        imported = profile.ImportHours(identity, hours, revision, self._clock.now())
        await self._profile(identity, imported, asking)
        while (known := await self._known(identity)).hours is not None:
            for account in await self._of(identity):
                change = sender.ChangeHours(identity, known.hours, self._clock.now())
                name = f"{account.sender} {known.source_revision}"
                await self._scheduling.run(account, change, Asking(derived(asking.id, name), asking.by))
            if self._linkedin is not None:
                await self._linkedin.hours(identity, known, asking)
            if (await self._known(identity)).source_revision == known.source_revision:
                return

    async def complete(self) -> None:
        """Give accounts their hours that an older release opened without."""
        for row in self._model.read(rows.without_hours):
            account = Account(row.sender, UUID(row.identity), UUID(row.organization))
            hours = (await self._known(account.identity)).hours
            if hours is not None:
                change = sender.ChangeHours(account.identity, hours, self._clock.now())
                by = By(organization=account.organization, actor=f"system:{CONTEXT}")
                await self._scheduling.run(
                    account, change, Asking(derived(account.identity, f"hours of {row.sender}"), by)
                )

    async def deleted(self, identity: UUID, asking: Asking) -> None:
        """The identity is gone; when this returns that stands in every account it has."""
        await self._profile(identity, profile.ImportDeletion(identity, self._clock.now()), asking)
        await self._scheduling.up_to_date()
        for row in self._model.read(lambda db: rows.of_identity(db, str(identity))):
            await self._bring(UUID(row.inbox), asking)
        if self._linkedin is not None:
            await self._linkedin.deleted(identity, asking)

    async def _import(self, inbox: UUID, command: connection.Command, asking: Asking) -> None:
        asked = Asked(asking.id, asking.by, command.at)
        await self._runner.run(connections, f"connection-{inbox}", command, asked)
        await self._bring(inbox, asking)

    async def _profile(self, identity: UUID, command: profile.Command, asking: Asking) -> None:
        asked = Asked(asking.id, asking.by, command.at, identity, asking.by.organization)
        await self._runner.run(profiles, f"profile-{identity}", command, asked)

    async def _bring(self, inbox: UUID, asking: Asking) -> None:
        """The account of an inbox to what its connection and its identity's profile say together."""
        while True:
            link = await self._link(inbox)
            row = self._model.read(lambda db: rows.of_inbox(db, str(inbox)))
            identity = link.identity or (UUID(row.identity) if row else None)
            name = link.sender or (row.sender if row else "")
            if identity is None or not name:
                return  # never connected here
            organization = UUID(row.organization) if row else asking.by.organization
            if organization is None:
                raise NotYetError(f"What is known of the organization of {inbox}")
            known = await self._known(identity)
            account = Account(name, identity, organization)
            command = self._wanted(account, inbox, link, known)
            read = f"{link.source_revision} {link.pause_revision} {known.source_revision} {known.deleted}"
            await self._scheduling.run(account, command, Asking(derived(asking.id, read), asking.by))
            if (await self._link(inbox), await self._known(identity)) == (link, known):
                return

    def _wanted(
        self, account: Account, inbox: UUID, link: connection.Connection, known: profile.Profile
    ) -> sender.Open | sender.Close:
        now = self._clock.now()
        if known.deleted:
            return sender.Close("identity-deleted", now)
        if not link.connected:
            return sender.Close(link.code, now)
        if known.hours is None:
            raise NotYetError(f"What is known of the working hours of {account.identity}")
        return sender.Open(
            account.sender,
            account.organization,
            inbox,
            account.identity,
            known.hours,
            now,
            closed="paused" if link.paused else None,
        )

    async def _of(self, identity: UUID) -> tuple[Account, ...]:
        await self._scheduling.up_to_date()
        found = self._model.read(lambda db: rows.of_identity(db, str(identity)))
        return tuple(Account(row.sender, identity, UUID(row.organization)) for row in found)

    async def _link(self, inbox: UUID) -> connection.Connection:
        return (await self._runner.load(connections, f"connection-{inbox}")).state

    async def _known(self, identity: UUID) -> profile.Profile:
        return (await self._runner.load(profiles, f"profile-{identity}")).state
