"""The LinkedIn driver's processes, asked to link accounts as the gateway asks; for tests."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from heraldry.chassis.testing.waiting import Pauses
from heraldry.chassis.vault.sealed import public_key, seal
from heraldry.contracts.base import Refused
from heraldry.contracts.identity import IdentityCreated, IdentityDeleted, WorkingHours
from heraldry.contracts.linkedin import AccountView, EnterCode, LinkLinkedIn, ListLinkedInAccounts
from heraldry.sandbox.linkedin.people import Scenario

from tests.integration.linkedin_driver import CONTEXT, EMAIL, NORTHWIND, USER, Driver


@dataclass
class Linking(Driver):
    """Any number of identities, each with an account at the stand-in."""

    async def identity(self, name: str = "Ada", identity: UUID | None = None) -> UUID:
        """A new identity of Northwind, as its context tells of it."""
        found = identity or uuid4()
        created = IdentityCreated(
            identity=found,
            organization=NORTHWIND,
            name=name,
            details={},  # pyright: ignore[reportArgumentType]  pydantic fills it
            hours=WorkingHours(zone="Europe/Stockholm"),
            at=datetime.now(UTC),
        )
        await self.publish("identity", found, created)
        return found

    async def deleted(self, identity: UUID) -> None:
        gone = IdentityDeleted(identity=identity, at=datetime.now(UTC))
        await self.publish("identity", identity, gone, revision=1)

    # --- linking

    async def sealed(self, secret: str) -> str:
        """As the gateway seals what a person types."""
        key = None
        while key is None:
            key = await public_key(self.gateway, CONTEXT)
        return seal(key, secret.encode())

    async def link_to(self, identity: UUID, email: str = EMAIL, password: str | None = None) -> None:
        """Ask for it; without a password the right one is given."""
        right = self.linkedin.account(email).password if password is None else password
        command = LinkLinkedIn(identity=identity, email=email, password=await self.sealed(right))
        await self.caller.send(command, by=USER, id=uuid4(), deadline=30)

    async def enter(self, identity: UUID, code: str) -> None:
        command = EnterCode(identity=identity, code=await self.sealed(code))
        await self.caller.send(command, by=USER, id=uuid4(), deadline=30)

    def code(self, email: str = EMAIL) -> str:
        """The newest one LinkedIn has sent."""
        return list(self.linkedin.sign_in.challenges(email).values())[-1].code

    async def account_of(self, identity: UUID, condition: Callable[[AccountView], bool]) -> AccountView:
        """The identity's LinkedIn account as soon as it is so."""
        pauses = Pauses()
        async with asyncio.timeout(60):
            while True:
                with suppress(Refused):  # nobody is ready to answer yet
                    for view in await self.caller.ask(ListLinkedInAccounts(identity=identity), by=USER):
                        if condition(view):
                            return view
                await asyncio.sleep(pauses.next())

    async def becomes(self, identity: UUID, state: str) -> AccountView:
        return await self.account_of(identity, lambda view: view.state == state)

    async def linked(self, email: str = EMAIL, name: str = "Ada") -> AccountView:
        """A new identity whose LinkedIn account is linked, without a challenge."""
        self.scenario(email, challenge="none")
        identity = await self.identity(name)
        await self.link_to(identity, email)
        return await self.becomes(identity, "linked")

    def scenario(self, email: str = EMAIL, **changes: Any) -> None:
        """Treat the account like this from now on."""
        self.linkedin.change_scenario(email, replace(Scenario(), **changes))

    def new_account(self, email: str, name: str, **scenario: Any) -> str:
        """Another account at the stand-in; its address."""
        self.linkedin.add_account(email, name=name)
        self.scenario(email, **scenario)
        return email

    def happened_to(self, what: str, email: str) -> int:
        """How often this truly happened with the account."""
        return sum(
            effect.what == what and effect.facts.get("account") == email for effect in self.linkedin.effects()
        )
