"""Pending LinkedIn invitations and their withdrawal over HTTP."""

from __future__ import annotations

from typing import Annotated, Any, Final
from uuid import UUID, uuid5

from heraldry.contracts.identity import GetIdentity
from heraldry.contracts.linkedin import (
    ListPendingInvitations,
    ListWithdrawals,
    PendingPage,
    WithdrawalPage,
)
from heraldry.contracts.scheduler import (
    ChangeWithdrawalPolicy,
    GetWithdrawalResults,
    WithdrawalPolicy,
    WithdrawalResult,
    WithdrawInvitations,
)
from heraldry.gateway.api.answers import Body, WholeNumber, Written, with_position, written
from heraldry.gateway.state import Call, Gateway
from litestar import Controller, Response, get, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter
from pydantic import Field

AT_ONCE: Final = 500  # invitations of one request
PAGE: Final = 50
LARGEST_PAGE: Final = 500
After = Annotated[str, QueryParameter(description="`next` of the page before")]
Limit = Annotated[int, QueryParameter(ge=1, le=LARGEST_PAGE)]


class Policy(Body):
    """`days`: invitations pending longer are withdrawn, 1 to 180; null: none is, unless by hand."""

    days: Annotated[WholeNumber, Field(ge=1, le=180)] | None


class ToWithdraw(Body):
    invitations: Annotated[tuple[UUID, ...], Field(min_length=1, max_length=AT_ONCE)]


class Withdrawing(Body):
    """What becomes of each. `request` names them: ask again while any is `waiting`."""

    request: UUID
    results: tuple[WithdrawalResult, ...]
    position: str


class WithdrawalsController(Controller):
    path = "/api/v1"
    tags = ("LinkedIn",)

    @get(
        "/identities/{identity:uuid}/linkedin/pending",
        summary="Its invitations that nobody has accepted yet, oldest first",
    )
    async def pending(
        self,
        identity: FromPath[UUID],
        call: NamedDependency[Call],
        gateway: NamedDependency[Gateway],
        after: After = "",
        limit: Limit = PAGE,
    ) -> PendingPage:
        await gateway.contexts.ask(GetIdentity(identity=identity), by=call.by, seen=call.seen)
        query = ListPendingInvitations(identity=identity, after=after, limit=limit)
        return await gateway.contexts.ask(query, by=call.by, seen=call.seen)

    @get(
        "/identities/{identity:uuid}/linkedin/withdrawals",
        summary="Every invitation that was withdrawn in its name, newest first",
        description="`actor` is who did it, `blocked_until` when the person can be invited again.",
    )
    async def withdrawn(
        self,
        identity: FromPath[UUID],
        call: NamedDependency[Call],
        gateway: NamedDependency[Gateway],
        after: After = "",
        limit: Limit = PAGE,
    ) -> WithdrawalPage:
        await gateway.contexts.ask(GetIdentity(identity=identity), by=call.by, seen=call.seen)
        query = ListWithdrawals(identity=identity, after=after, limit=limit)
        return await gateway.contexts.ask(query, by=call.by, seen=call.seen)

    @post(
        "/identities/{identity:uuid}/linkedin/withdrawals",
        status_code=202,
        summary="Withdraw invitations",
        description=f"At most {AT_ONCE} at once. What the day's allowance does not cover is `not attempted`.",
    )
    async def withdraw(
        self,
        identity: FromPath[UUID],
        data: JSONBody[ToWithdraw],
        call: NamedDependency[Call],
        gateway: NamedDependency[Gateway],
    ) -> Response[Any]:
        request, position = await withdraw(gateway, call, identity, data.invitations)
        found = await gateway.contexts.ask(
            GetWithdrawalResults(request=request), by=call.by, seen=(*call.seen, position)
        )
        return with_position(Withdrawing(request=request, results=found, position=position), position, 202)

    @get(
        "/identities/{identity:uuid}/linkedin/withdrawals/{withdrawal:uuid}",
        summary="What became of each invitation that was to be withdrawn",
    )
    async def results(
        self,
        identity: FromPath[UUID],
        withdrawal: FromPath[UUID],
        call: NamedDependency[Call],
        gateway: NamedDependency[Gateway],
    ) -> tuple[WithdrawalResult, ...]:
        await gateway.contexts.ask(GetIdentity(identity=identity), by=call.by, seen=call.seen)
        query = GetWithdrawalResults(request=withdrawal)
        return await gateway.contexts.ask(query, by=call.by, seen=call.seen)

    @put(
        "/identities/{identity:uuid}/linkedin/withdrawal-policy",
        summary="Withdraw automatically what is pending too long, or no more",
    )
    async def change_policy(
        self,
        identity: FromPath[UUID],
        data: JSONBody[Policy],
        call: NamedDependency[Call],
        gateway: NamedDependency[Gateway],
    ) -> Response[Written]:
        policy = WithdrawalPolicy(days=data.days)
        return written(await change_policy(gateway, call, identity, policy), identity)


async def withdraw(
    gateway: Gateway, call: Call, identity: UUID, invitations: tuple[UUID, ...]
) -> tuple[UUID, str]:
    """The request that names them, and the position at which it stands. Refused `identity.unknown`."""
    await gateway.contexts.ask(GetIdentity(identity=identity), by=call.by, seen=call.seen)
    request = uuid5(call.command, "withdrawal")
    command = WithdrawInvitations(identity=identity, request=request, invitations=invitations)
    return request, (await gateway.contexts.send(command, by=call.by, id=call.command)).position


async def change_policy(gateway: Gateway, call: Call, identity: UUID, policy: WithdrawalPolicy) -> str:
    """The position at which it stands."""
    change = ChangeWithdrawalPolicy(identity=identity, policy=policy)
    return (await gateway.contexts.send(change, by=call.by, id=call.command)).position
