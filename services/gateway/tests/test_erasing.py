"""What the gateway knows of a user who is to be erased."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast
from uuid import UUID

import pytest
from heraldry.contracts.gateway import Role
from heraldry.gateway.application import Application
from heraldry.gateway.domain.user import User
from heraldry.gateway.erasing import ErasingHere
from heraldry.gateway.views import PersonSeen, Views

NORTHWIND, ADA, BEA = (UUID(int=number) for number in range(1, 4))


@dataclass
class Users:
    """The application and its views, as far as they are asked: `seen` are the users who are left, with their roles."""

    role: Role
    seen: dict[UUID, Role]

    async def user(self, user_id: UUID) -> User:
        return User(user_id, NORTHWIND, "Ada", "ada@northwind.example", self.role)

    def people(self, organization: UUID) -> tuple[PersonSeen, ...]:
        assert organization == NORTHWIND
        return tuple(PersonSeen(one, "", "", role) for one, role in self.seen.items())


@pytest.mark.parametrize(
    ("role", "others", "last"),
    [
        ("admin", {}, True),
        ("admin", {BEA: "member"}, True),
        ("admin", {BEA: "admin"}, False),
        ("member", {BEA: "admin"}, False),
    ],
)
async def test_an_organization_that_would_have_no_admin_is_noticed(
    role: Role, others: dict[UUID, Role], *, last: bool
) -> None:
    users = Users(role, {ADA: role, **others})
    here = ErasingHere(cast("Application", users), cast("Views", users))
    found = await here.find("user", ADA)
    assert (found.organization, found.person, found.last_admin) == (NORTHWIND, ADA, last)
