"""LinkedIn accounts over HTTP: linking one, with the code it asks for, and unlinking it.

The functions below the routes serve pages, too, also those of people without a user account: they ask for who does
it, not for a session.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Final
from uuid import UUID

from heraldry.chassis.past import before_it_was
from heraldry.contracts.base import By, Refused
from heraldry.contracts.identity import GetIdentity
from heraldry.contracts.linkedin import (
    AccountView,
    EnterCode,
    LinkLinkedIn,
    ListLinkedInAccounts,
    ResendCode,
    SignInAddress,
    TryLinkingAgain,
    UnlinkLinkedIn,
)
from heraldry.gateway.api.answers import Body, Written, with_position, written
from heraldry.gateway.api.past import AsOf, moment, patience
from heraldry.gateway.state import Call, Gateway
from litestar import Controller, Response, delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody
from pydantic import Field, SecretStr

CONTEXT: Final = "linkedin-driver"
LONGEST_SECRET: Final = 200


class LinkedInSignIn(Body):
    email: SignInAddress
    password: Annotated[SecretStr, Field(min_length=1, max_length=LONGEST_SECRET)]


class VerificationCode(Body):
    code: Annotated[SecretStr, Field(min_length=1, max_length=LONGEST_SECRET)]


class LinkedInController(Controller):
    path = "/api/v1"
    tags = ("LinkedIn",)

    @get("/linkedin", summary="The organization's LinkedIn accounts")
    async def every(
        self, call: NamedDependency[Call], gateway: NamedDependency[Gateway], as_of: AsOf = ""
    ) -> tuple[AccountView, ...]:
        at = moment(as_of)
        query = ListLinkedInAccounts(as_of=at)
        found = await gateway.contexts.ask(query, by=call.by, seen=call.seen, deadline=patience(at))
        return found if at else tuple(named(gateway, call, one) for one in found)

    @get("/identities/{identity:uuid}/linkedin", summary="An identity's LinkedIn account")
    async def read(
        self,
        identity: FromPath[UUID],
        call: NamedDependency[Call],
        gateway: NamedDependency[Gateway],
        as_of: AsOf = "",
    ) -> AccountView:
        now = await tried(gateway, call.by, identity, call.seen)
        if (at := moment(as_of)) is None:
            return named(gateway, call, now)
        query = ListLinkedInAccounts(identity=identity, as_of=at)
        found = await gateway.contexts.ask(query, by=call.by, seen=call.seen, deadline=patience(at))
        if not found:
            raise before_it_was()
        return found[0]

    @post(
        "/identities/{identity:uuid}/linkedin",
        status_code=202,
        summary="Link a LinkedIn account, or link it again",
        description="A browser signs in with these credentials, once. Read the account until its `state` is `linked`"
        " or `failed`; at `code wanted` enter the code, at `approval wanted` approve in the LinkedIn app, until"
        " `wanted_until`.",
    )
    async def link(
        self,
        identity: FromPath[UUID],
        data: JSONBody[LinkedInSignIn],
        call: NamedDependency[Call],
        gateway: NamedDependency[Gateway],
    ) -> Response[Any]:
        password = data.password.get_secret_value()
        position = await link(
            gateway, call.by, call.command, identity, email=data.email, password=password, seen=call.seen
        )
        return await _changed(gateway, call, identity, position, 202)

    @post("/identities/{identity:uuid}/linkedin/code", status_code=202, summary="Enter the code it asks for")
    async def enter_code(
        self,
        identity: FromPath[UUID],
        data: JSONBody[VerificationCode],
        call: NamedDependency[Call],
        gateway: NamedDependency[Gateway],
    ) -> Response[Any]:
        code = data.code.get_secret_value()
        position = await enter_code(gateway, call.by, call.command, identity, code)
        return await _changed(gateway, call, identity, position, 202)

    @post("/identities/{identity:uuid}/linkedin/code/resend", status_code=202, summary="Have a new code sent")
    async def resend_code(
        self, identity: FromPath[UUID], call: NamedDependency[Call], gateway: NamedDependency[Gateway]
    ) -> Response[Any]:
        position = await resend_code(gateway, call.by, call.command, identity)
        return await _changed(gateway, call, identity, position, 202)

    @post(
        "/identities/{identity:uuid}/linkedin/again",
        status_code=202,
        summary="Try linking again with the credentials given last",
    )
    async def try_again(
        self, identity: FromPath[UUID], call: NamedDependency[Call], gateway: NamedDependency[Gateway]
    ) -> Response[Any]:
        position = await try_again(gateway, call.by, call.command, identity)
        return await _changed(gateway, call, identity, position, 202)

    @delete(
        "/identities/{identity:uuid}/linkedin",
        status_code=200,
        summary="Unlink it: forget its credentials and session",
    )
    async def unlink(
        self, identity: FromPath[UUID], call: NamedDependency[Call], gateway: NamedDependency[Gateway]
    ) -> Response[Written]:
        return written(await unlink(gateway, call.by, call.command, identity), identity)


async def account(
    gateway: Gateway, by: By, identity: UUID, seen: Sequence[str] = (), *, deadline: float = 5.0
) -> AccountView | None:
    """The identity's account, also one that was unlinked; None: nobody ever tried to link one."""
    query = ListLinkedInAccounts(identity=identity)
    found = await gateway.contexts.ask(query, by=by, seen=seen, deadline=deadline)
    return next(iter(found), None)


async def tried(gateway: Gateway, by: By, identity: UUID, seen: Sequence[str] = ()) -> AccountView:
    """Refused `linkedin.unknown` (404) where nobody ever tried to link one."""
    found = await account(gateway, by, identity, seen)
    if found is None:
        raise Refused("linkedin.unknown", "This identity has no LinkedIn account.", status=404)
    return found


async def link(
    gateway: Gateway, by: By, command: UUID, identity: UUID, *, email: str, password: str, seen: Sequence[str]
) -> str:
    """Have a browser sign in, once; the position at which it was asked for. Refused `identity.unknown`."""
    await gateway.contexts.ask(GetIdentity(identity=identity), by=by, seen=seen)
    sealed = await gateway.seal(CONTEXT, password)
    wanted = LinkLinkedIn(identity=identity, email=email.strip(), password=sealed)
    return (await gateway.contexts.send(wanted, by=by, id=command)).position


async def enter_code(gateway: Gateway, by: By, command: UUID, identity: UUID, code: str) -> str:
    """R-ADD-3. The position at which it was taken; whether LinkedIn takes it, too, shows in the account."""
    sealed = await gateway.seal(CONTEXT, "".join(code.split()))
    return (
        await gateway.contexts.send(EnterCode(identity=identity, code=sealed), by=by, id=command)
    ).position


async def resend_code(gateway: Gateway, by: By, command: UUID, identity: UUID) -> str:
    return (await gateway.contexts.send(ResendCode(identity=identity), by=by, id=command)).position


async def try_again(gateway: Gateway, by: By, command: UUID, identity: UUID) -> str:
    return (await gateway.contexts.send(TryLinkingAgain(identity=identity), by=by, id=command)).position


async def unlink(gateway: Gateway, by: By, command: UUID, identity: UUID) -> str:
    return (await gateway.contexts.send(UnlinkLinkedIn(identity=identity), by=by, id=command)).position


def named(gateway: Gateway, call: Call, found: AccountView) -> AccountView:
    """With the name of the identity that has the account already (R-BOX-18): for people of the organization."""
    why = found.diagnosis
    if why is None or why.identity is None:
        return found
    whose = {one.id: one.name for one in gateway.views.identities(call.organization)}.get(why.identity)
    if whose is None:
        return found
    cause = f"This LinkedIn account belongs to “{whose}”, another identity of your organization."
    return found.model_copy(update={"diagnosis": why.model_copy(update={"cause": cause})})


async def _changed(gateway: Gateway, call: Call, identity: UUID, position: str, status: int) -> Response[Any]:
    found = await tried(gateway, call.by, identity, (*call.seen, position))
    return with_position(named(gateway, call, found), position, status)
