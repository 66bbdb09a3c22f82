"""Signing in for programs: the token goes into `Authorization: Bearer …`."""

from __future__ import annotations

from uuid import UUID

from heraldry.contracts.gateway import Role
from heraldry.gateway.api.answers import Body
from heraldry.gateway.signing_in import sign_in
from heraldry.gateway.state import AnyRequest, Call, Gateway
from litestar import Controller, delete, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody
from pydantic import SecretStr


class Credentials(Body):
    email: str
    password: SecretStr


class SignedIn(Body):
    """`token`: for the Authorization header. `csrf`: for X-CSRF-Token, where a cookie is sent instead."""

    token: str
    csrf: str
    user: UUID
    organization: UUID
    role: Role


class Who(Body):
    user: UUID
    organization: UUID
    role: Role
    csrf: str


class SessionsController(Controller):
    path = "/api/v1/sessions"
    tags = ("Sessions",)

    @post(summary="Sign in")
    async def begin(
        self, data: JSONBody[Credentials], request: AnyRequest, gateway: NamedDependency[Gateway]
    ) -> SignedIn:
        session = await sign_in(gateway, request, data.email, data.password.get_secret_value())
        return SignedIn(
            token=session.token,
            csrf=session.csrf,
            user=session.user,
            organization=session.organization,
            role=session.role,
        )

    @get("/current", summary="Who is signed in")
    async def read(self, call: NamedDependency[Call]) -> Who:
        session = call.session
        return Who(user=session.user, organization=session.organization, role=session.role, csrf=session.csrf)

    @delete("/current", summary="Sign out")
    async def end(self, call: NamedDependency[Call], gateway: NamedDependency[Gateway]) -> None:
        await gateway.sessions.end(call.session.token)
