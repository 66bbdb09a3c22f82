"""Whom a LinkedIn member may not invite yet: by keyed hashes of the member with the person, and with the profile."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from heraldry.chassis.bus.rpc import Asking
from heraldry.chassis.clock import Clock
from heraldry.chassis.decider import Decider
from heraldry.chassis.runner import Asked, Runner
from heraldry.chassis.vault.hashing import keyed_hash, organization_subject
from heraldry.chassis.vault.keys import KeyRing
from heraldry.contracts.profiles import profile_address
from heraldry.scheduler.application import derived
from heraldry.scheduler.domain import block

blocks: Decider[block.Command, block.Blocked, block.Event] = Decider(block.NEVER, block.decide, block.evolve)


class Blocks:
    """The three weeks after a withdrawal, imported, so that an invitation is refused before it is dispatched."""

    def __init__(self, runner: Runner, keys: KeyRing, clock: Clock) -> None:
        self._runner, self._keys, self._clock = runner, keys, clock

    async def until(self, organization: UUID, sender: str, person: UUID, profile: str) -> datetime | None:
        """From when on the member may invite the person; None: now."""
        now, ends = self._clock.now(), list[datetime]()
        for stream in await self._streams(organization, sender, person, profile):
            known = (await self._runner.load(blocks, stream)).state.until
            if known is not None and known > now:
                ends.append(known)
        return max(ends, default=None)

    async def block(
        self, organization: UUID, sender: str, person: UUID, profile: str, until: datetime, asking: Asking
    ) -> None:
        command = block.Block(until, self._clock.now())
        for stream in await self._streams(organization, sender, person, profile):
            asked = Asked(derived(asking.id, stream), asking.by, command.at, organization=organization)
            await self._runner.run(blocks, stream, command, asked)

    async def _streams(self, organization: UUID, sender: str, person: UUID, profile: str) -> list[str]:
        key = await self._keys.create(organization_subject(organization))
        known = [str(person), *([profile_address(profile)] if profile else [])]
        return [f"block-{keyed_hash(key, f'{sender} {one}')}" for one in known]
