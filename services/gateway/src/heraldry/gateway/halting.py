"""Halting everything of an organization, and letting things leave again: by its admins, or by operators."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID, uuid5

import structlog
from heraldry.chassis import halt as halts
from heraldry.chassis.bus.rpc import Asking, Server
from heraldry.chassis.crew import OUR_TROUBLE
from heraldry.chassis.store.port import StoreUnavailableError
from heraldry.contracts.base import Accepted, By, Refused
from heraldry.contracts.gateway import HaltOrganization, ResumeOrganization
from heraldry.gateway.application import Application
from heraldry.gateway.domain import organization as domain

log = structlog.stdlib.get_logger(__name__)
KNOWING: Final = 1.0  # seconds a halt waits for whether there is such an organization
RECORDING: Final = 2.5  # seconds a halt that is in force waits for its place in history
LOOK: Final = 2.0  # seconds between two looks for halts that history does not have
UNAVAILABLE: Final = 503


@dataclass(frozen=True, slots=True)
class Halted:
    """What came of halting. `already`: what is in force was there before. `position` empty: history does not have it
    yet.
    """

    halt: halts.Halt
    already: bool
    position: str


class Halting:
    """The flag, and what history says of it."""

    def __init__(self, application: Application, flags: halts.HaltFlags, now: Callable[[], datetime]) -> None:
        self._application, self._flags, self._now = application, flags, now
        self._seen: frozenset[tuple[str, UUID]] = frozenset()

    def register(self, server: Server) -> None:
        """Answer operators, who say on behalf of which organization."""

        async def halt(command: HaltOrganization, asking: Asking) -> Accepted:
            await self._known(_organization(asking.by))
            found = await self.halt(asking.id, asking.by, command.reason)
            if not found.position:
                raise Refused(
                    "halt.unrecorded",
                    "Everything is halted. The history cannot be written now; it will say so as soon as it can.",
                    status=503,
                )
            return Accepted(position=found.position, fresh=not found.already)

        async def resume(command: ResumeOrganization, asking: Asking) -> Accepted:
            await self._application.organization(_organization(asking.by))
            return await self.resume(asking.id, asking.by, command.reason)

        server.command(HaltOrganization, halt)
        server.command(ResumeOrganization, resume)

    async def halt(self, command: UUID, by: By, reason: str) -> Halted:
        """Let nothing leave any more. Refused `halt.reason-missing`, `halt.reason-long`.

        The flag comes first: it is in effect even if the log is away. Whoever halts what is halted changes nothing,
        but completes what was not recorded then.
        """
        organization, reason = _organization(by), domain.explained(reason)
        found = await self._flags.set(
            halts.organization(organization), actor=by.actor, reason=reason, at=self._now(), command=command
        )
        try:
            async with asyncio.timeout(RECORDING):
                position = (await self._record(organization, found.halt, by)).position
        except (StoreUnavailableError, TimeoutError) as error:
            log.warning("a halt is in force and not recorded yet", because=type(error).__name__)
            position = ""
        return Halted(found.halt, found.already, position)

    async def resume(self, command: UUID, by: By, reason: str) -> Accepted:
        """Let things leave again, once it is recorded. Refused `halt.reason-long`."""
        reason, organization = domain.bounded(reason), _organization(by)
        scope = halts.organization(organization)
        found = await self._flags.in_force(scope)
        if found is not None:
            await self._record(organization, found, by)
        accepted = await self._application.record_resumption(command, by, reason)
        await self._flags.clear(scope, actor=by.actor, reason=reason)
        return accepted

    async def keep_recorded(self) -> None:
        """Record what was halted while the log was away, or the gateway; for ever."""
        while True:
            await self.record_missing()
            await asyncio.sleep(LOOK)

    async def record_missing(self) -> None:
        """Record the halts in force that history does not have. What cannot be recorded now stays for the next time."""
        looked: set[tuple[str, UUID]] = set()
        for found in self._flags.followed():
            organization = halts.organization_of(found.scope)
            if organization is None:
                continue
            known = (found.scope, _command(organization, found))
            try:
                if known not in self._seen:
                    await self._record(organization, found, By(organization=organization, actor=found.actor))
            except OUR_TROUBLE as error:
                log.info("a halt is not recorded yet", scope=found.scope, because=type(error).__name__)
                continue
            except Refused as refusal:
                log.warning("a halt cannot be recorded", scope=found.scope, code=refusal.code)
                if refusal.status == UNAVAILABLE:
                    continue
            looked.add(known)
        self._seen = frozenset(looked)

    async def _known(self, organization: UUID) -> None:
        """Refused `organization.unknown`. Where nobody can say, it is halted: that can always be ended."""
        try:
            async with asyncio.timeout(KNOWING):
                await self._application.organization(organization)
        except (StoreUnavailableError, TimeoutError) as error:
            log.warning("whether there is an organization cannot be said", because=type(error).__name__)

    async def _record(self, organization: UUID, found: halts.Halt, by: By) -> Accepted:
        """Under the id of the command that set the flag: whoever records it, it is recorded once."""
        setting = By(
            organization=organization,
            actor=found.actor,
            correlation=by.correlation,
            causation=by.causation,
        )
        command = _command(organization, found)
        return await self._application.record_halt(command, setting, found.reason, found.since or self._now())


def _command(organization: UUID, found: halts.Halt) -> UUID:
    """Of a flag that an older release set: one of its own."""
    return found.command or uuid5(organization, f"halted {found.since}")


def _organization(by: By) -> UUID:
    if by.organization is None:
        raise Refused("organization.unknown", "Say which organization.", status=404)
    return by.organization
