"""Whom an organization writes to no more, and who a lead is: both by keyed hashes of the address."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from heraldry.chassis.bus.rpc import Asking
from heraldry.chassis.clock import Clock
from heraldry.chassis.decider import Decider
from heraldry.chassis.runner import Asked, Runner
from heraldry.chassis.vault.hashing import keyed_hash, organization_subject
from heraldry.chassis.vault.keys import KeyRing
from heraldry.contracts.addresses import normalised
from heraldry.contracts.campaigns import LeadData
from heraldry.contracts.mailbox import SuppressionReason
from heraldry.scheduler.domain import suppression
from heraldry.scheduler.domain.people import known_as

suppressions: Decider[suppression.Command, suppression.Suppression, suppression.Event] = Decider(
    suppression.NEVER, suppression.decide, suppression.evolve
)


class Suppressions:
    """This context's copy of the suppression list, one stream an address."""

    def __init__(self, runner: Runner, keys: KeyRing, clock: Clock) -> None:
        self._runner, self._keys, self._clock = runner, keys, clock

    async def person_of(self, organization: UUID, data: LeadData) -> UUID:
        """The data subject a lead is: the same for every import of the organization."""
        return UUID(hex=(await self._hash(organization, known_as(data)))[:32], version=5)

    async def person_at(self, organization: UUID, address: str) -> UUID:
        return await self.person_of(organization, LeadData(email=address))

    async def reason(self, organization: UUID, address: str) -> SuppressionReason | None:
        """Why nothing may be written to the address; None: it may."""
        if not address:
            return None
        loaded = await self._runner.load(suppressions, await self._stream(organization, address))
        return loaded.state.reason

    async def includes(self, organization: UUID, address: str) -> bool:
        return await self.reason(organization, address) is not None

    async def suppressed(
        self,
        organization: UUID,
        address: str,
        reason: SuppressionReason,
        revision: int | None,
        said_at: datetime,
        asking: Asking,
    ) -> SuppressionReason | None:
        """Import that nothing is written to it; why nothing is, by all that is known now."""
        command = suppression.Import(reason, revision, said_at, self._clock.now())
        return await self._run(organization, address, command, asking)

    async def lifted(
        self, organization: UUID, address: str, revision: int, said_at: datetime, asking: Asking
    ) -> None:
        await self._run(organization, address, suppression.Lift(revision, said_at, self._clock.now()), asking)

    async def _run(
        self, organization: UUID, address: str, command: suppression.Command, asking: Asking
    ) -> SuppressionReason | None:
        asked = Asked(asking.id, asking.by, command.at, organization=organization)
        stream = await self._stream(organization, address)
        return (await self._runner.run(suppressions, stream, command, asked)).state.reason

    async def _stream(self, organization: UUID, address: str) -> str:
        return f"suppressed-{await self._hash(organization, normalised(address))}"

    async def _hash(self, organization: UUID, known: str) -> str:
        return keyed_hash(await self._keys.create(organization_subject(organization)), known)
