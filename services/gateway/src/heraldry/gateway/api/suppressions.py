"""The suppression list over HTTP: whom the organization writes to no more."""

from __future__ import annotations

from typing import Annotated

from heraldry.contracts.mailbox import (
    ListSuppressions,
    SuppressionPage,
    SuppressRecipient,
    UnsuppressRecipient,
)
from heraldry.gateway.api.answers import Body, Written, written
from heraldry.gateway.state import Call, Gateway
from litestar import Controller, Response, delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter
from pydantic import Field

PAGE = 50
LONGEST_SEARCH = 254


class NewSuppression(Body):
    address: Annotated[str, Field(min_length=3, max_length=254)]


class SuppressionsController(Controller):
    path = "/api/v1/suppressions"
    tags = ("Suppression list",)

    @get(summary="The suppression list, newest first")
    async def every(
        self,
        call: NamedDependency[Call],
        gateway: NamedDependency[Gateway],
        search: Annotated[str, QueryParameter(description="a part of the address")] = "",
        after: Annotated[str, QueryParameter(description="`next` of the page before")] = "",
        limit: Annotated[int, QueryParameter(ge=1, le=500)] = PAGE,
    ) -> SuppressionPage:
        return await listed(gateway, call, search, after, limit)

    @post(
        status_code=200,
        summary="Never write to an address again",
        description="What waits for it is not sent. An address that is on the list already stays as it is.",
    )
    async def suppress(
        self,
        data: JSONBody[NewSuppression],
        call: NamedDependency[Call],
        gateway: NamedDependency[Gateway],
    ) -> Response[Written]:
        return written(await suppress(gateway, call, data.address))

    @delete("/{recipient:str}", status_code=200, summary="Take an address off the list")
    async def remove(
        self, recipient: FromPath[str], call: NamedDependency[Call], gateway: NamedDependency[Gateway]
    ) -> Response[Written]:
        return written(await unsuppress(gateway, call, recipient))


async def listed(
    gateway: Gateway, call: Call, search: str, after: str = "", limit: int = PAGE
) -> SuppressionPage:
    """Refused `cursor.malformed`."""
    query = ListSuppressions(search=search[:LONGEST_SEARCH], after=after, limit=limit)
    return await gateway.contexts.ask(query, by=call.by, seen=call.seen)


async def suppress(gateway: Gateway, call: Call, address: str) -> str:
    """The position at which it was put on the list. Refused `address.invalid`."""
    person = await gateway.application.person(call.organization, address)
    command = SuppressRecipient(address=address, person=person)
    return (await gateway.contexts.send(command, by=call.by, id=call.command)).position


async def unsuppress(gateway: Gateway, call: Call, recipient: str) -> str:
    """The position at which it was taken off. Refused `suppression.unknown`, `recipient.erased`."""
    command = UnsuppressRecipient(recipient=recipient)
    return (await gateway.contexts.send(command, by=call.by, id=call.command)).position
