"""What the gateway does when a person is erased: an erased user signs in no more, and all their sessions have ended."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from heraldry.chassis.bus.rpc import Asking
from heraldry.chassis.erasing import Erased, Part
from heraldry.contracts.erasure import Kind, Person
from heraldry.contracts.profiles import NoProfile, profile_address
from heraldry.gateway.application import Application


class ErasingHere:
    """Fills in this context's part."""

    def __init__(self, core: Application) -> None:
        self._core = core

    def fill(self, part: Part) -> None:
        part.stop, part.find, part.named = self.stop, self.find, self.named

    async def stop(self, erased: Erased, asking: Asking) -> None:
        del asking
        if erased.kind == "user":
            for subject in erased.subjects:
                await self._core.forget_password(subject)

    async def find(self, kind: Kind, subject: UUID) -> Person:
        found = await self._core.user(subject) if kind == "user" else None
        return Person() if found is None else Person(organization=found.organization, person=found.id)

    async def named(
        self, organization: UUID, addresses: Sequence[str], profiles: Sequence[str]
    ) -> Sequence[UUID]:
        """Whom mails and actions by hand, and the suppression list, are about."""
        named = [await self._core.person(organization, address) for address in addresses]
        for profile in profiles:
            try:
                named.append(await self._core.person_behind(organization, profile_address(profile)))
            except NoProfile:
                continue
        return named
