"""Halting everything of an organization, and letting things leave again: by its admins, or by operators."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from uuid import UUID

from heraldry.chassis import halt as halts
from heraldry.chassis.bus.rpc import Asking, Server
from heraldry.contracts.base import Accepted, By, Refused
from heraldry.contracts.gateway import HaltOrganization, ResumeOrganization
from heraldry.gateway.application import Application
from heraldry.gateway.domain import organization as domain


class Halting:
    """The flag, and what history says of it."""

    def __init__(self, application: Application, flags: halts.HaltFlags, now: Callable[[], datetime]) -> None:
        self._application, self._flags, self._now = application, flags, now

    def register(self, server: Server) -> None:
        """Answer operators, who say on behalf of which organization."""

        async def halt(command: HaltOrganization, asking: Asking) -> Accepted:
            await self._application.organization(_organization(asking.by))
            return await self.halt(asking.id, asking.by, command.reason)

        async def resume(command: ResumeOrganization, asking: Asking) -> Accepted:
            await self._application.organization(_organization(asking.by))
            return await self.resume(asking.id, asking.by, command.reason)

        server.command(HaltOrganization, halt)
        server.command(ResumeOrganization, resume)

    async def halt(self, command: UUID, by: By, reason: str) -> Accepted:
        """Let nothing leave any more. Refused `halt.reason-missing`, `halt.reason-long`.

        The flag comes first: it is in effect even if the log is away. Whoever halts what is halted changes nothing,
        but completes what was not recorded then.
        """
        scope, reason = halts.organization(_organization(by)), domain.explained(reason)
        found = await self._flags.check_now(scope)
        if found is not None and found.scope == scope:
            reason = found.reason
        else:
            await self._flags.set(scope, actor=by.actor, reason=reason, at=self._now())
        return await self._application.record_halt(command, by, reason)

    async def resume(self, command: UUID, by: By, reason: str) -> Accepted:
        """Let things leave again, once it is recorded. Refused `halt.reason-long`."""
        accepted = await self._application.record_resumption(command, by, reason)
        scope = halts.organization(_organization(by))
        await self._flags.clear(scope, actor=by.actor, reason=domain.bounded(reason))
        return accepted


def _organization(by: By) -> UUID:
    if by.organization is None:
        raise Refused("organization.unknown", "Say which organization.", status=404)
    return by.organization
