"""What the gateway does when a person is erased: an erased user signs in no more, and all their sessions have ended."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from heraldry.chassis.bus.rpc import Asking
from heraldry.chassis.erasing import Erased, Part
from heraldry.contracts.erasure import Kind, Person
from heraldry.contracts.profiles import NoProfile, profile_address
from heraldry.gateway.application import Application
from heraldry.gateway.views import Views


class ErasingHere:
    """Fills in this context's part."""

    def __init__(self, core: Application, views: Views) -> None:
        self._core, self._views = core, views

    def fill(self, part: Part) -> None:
        part.stop, part.find, part.named = self.stop, self.find, self.named

    async def stop(self, erased: Erased, asking: Asking) -> None:
        del asking
        if erased.kind == "user":
            for subject in erased.subjects:
                await self._core.forget_password(subject)

    async def find(self, kind: Kind, subject: UUID) -> Person:
        found = await self._core.user(subject) if kind == "user" else None
        if found is None:
            return Person()
        others = [one for one in self._views.people(found.organization) if one.id != found.id]
        last = found.role == "admin" and all(one.role != "admin" for one in others)
        return Person(organization=found.organization, person=found.id, last_admin=last)

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
