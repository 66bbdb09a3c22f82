"""Messages that a part of the system could not handle, over HTTP: those of the own organization, to its admins."""

from __future__ import annotations

from heraldry.contracts.operations import ParkedInFull, ParkedMessage
from heraldry.gateway.api.answers import Body, Written, written
from heraldry.gateway.state import Call, Gateway
from litestar import Controller, Response, delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath


class ParkedPage(Body):
    """`missing`: parts of the system that did not answer."""

    messages: tuple[ParkedMessage, ...]
    missing: tuple[str, ...]


class ParkedController(Controller):
    path = "/api/v1/parked"
    tags = ("Parked messages",)

    @get(summary="What could not be handled and waits for a person")
    async def every(self, call: NamedDependency[Call], gateway: NamedDependency[Gateway]) -> ParkedPage:
        call.require_admin()
        found = await gateway.parked.every(call.by)
        return ParkedPage(messages=found.messages, missing=found.missing)

    @get("/{message:str}", summary="One of them, without the event's own data")
    async def one(
        self, message: FromPath[str], call: NamedDependency[Call], gateway: NamedDependency[Gateway]
    ) -> ParkedInFull:
        call.require_admin()
        return await gateway.parked.show(message, call.by)

    @post("/{message:str}/replay", status_code=200, summary="Have it handled again")
    async def replay(
        self, message: FromPath[str], call: NamedDependency[Call], gateway: NamedDependency[Gateway]
    ) -> Response[Written]:
        call.require_admin()
        return written((await gateway.parked.replay(message, call.command, call.by)).position)

    @delete("/{message:str}", status_code=200, summary="Forget it: it will never be handled")
    async def discard(
        self, message: FromPath[str], call: NamedDependency[Call], gateway: NamedDependency[Gateway]
    ) -> Response[Written]:
        call.require_admin()
        return written((await gateway.parked.discard(message, call.command, call.by)).position)
