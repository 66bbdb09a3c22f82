"""In whose name is written: what the identity context says of its identities, imported."""

from __future__ import annotations

from uuid import UUID

from heraldry.chassis.bus.rpc import Asking
from heraldry.chassis.clock import Clock
from heraldry.chassis.runner import Asked, Runner
from heraldry.chassis.vault.keys import KeyDestroyedError, KeyRing
from heraldry.scheduler.application import profiles
from heraldry.scheduler.campaign_reactions import ImportPerson
from heraldry.scheduler.domain import profile
from heraldry.scheduler.ports import Speaker


class Speakers:
    """What is known here of identities. Read from their streams: a decision may rest on it."""

    def __init__(self, runner: Runner, keys: KeyRing, clock: Clock) -> None:
        self._runner, self._keys, self._clock = runner, keys, clock

    async def learn(self, said: ImportPerson, asking: Asking) -> None:
        try:
            await self._keys.create(str(said.identity))
        except KeyDestroyedError:
            return
        now = self._clock.now()
        command = profile.ImportPerson(
            said.identity, said.organization, said.name, said.details, said.revision, now
        )
        asked = Asked(asking.id, asking.by, now, said.identity, said.organization)
        await self._runner.run(profiles, f"profile-{said.identity}", command, asked)

    async def known(self, identity: UUID) -> profile.Profile:
        return (await self._runner.load(profiles, f"profile-{identity}")).state

    async def speaker(self, identity: UUID) -> Speaker:
        """In whose name the mails of this identity are written."""
        known = await self.known(identity)
        return Speaker(known.name, known.details)
