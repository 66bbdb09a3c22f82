"""What every context answers about its parked messages. Nothing of an event's own data is in any answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import orjson
from heraldry.chassis.bus.parking import Parked, Parking, unknown
from heraldry.chassis.bus.rpc import Asking, Server
from heraldry.chassis.codec import Meta
from heraldry.chassis.store.port import EventStore
from heraldry.contracts.base import Accepted
from heraldry.contracts.markers import Position
from heraldry.contracts.operations import (
    DiscardParked,
    ListParked,
    ParkedInFull,
    ParkedMessage,
    ReplayParked,
    ShowParked,
)


class ParkedApi:
    """The parked messages of one context: an organization sees and touches its own, operators see and touch all."""

    def __init__(self, context: str, parking: Parking, store: EventStore) -> None:
        self._context, self._parking, self._store = context, parking, store

    def register(self, server: Server) -> None:
        server.query(ListParked, self._list)
        server.query(ShowParked, self._show)
        server.command(ReplayParked, self._replay)
        server.command(DiscardParked, self._discard)

    async def _list(self, _: ListParked, asking: Asking) -> tuple[ParkedMessage, ...]:
        return tuple(self._told(one) for one in await self._parking.list() if _may_see(one, asking))

    async def _show(self, query: ShowParked, asking: Asking) -> ParkedInFull:
        parked = await self._seen(query.number, asking)
        return ParkedInFull.model_validate(
            {**self._told(parked).model_dump(), **await self._envelope(parked)}
        )

    async def _replay(self, command: ReplayParked, asking: Asking) -> Accepted:
        await self._parking.replay((await self._seen(command.number, asking)).id)
        return await self._done()

    async def _discard(self, command: DiscardParked, asking: Asking) -> Accepted:
        await self._parking.discard((await self._seen(command.number, asking)).id)
        return await self._done()

    async def _done(self) -> Accepted:
        here = Position(self._context, self._store.epoch, await self._store.head())
        return Accepted(position=str(here), fresh=True)

    async def _seen(self, number: int, asking: Asking) -> Parked:
        parked = await self._parking.get(number)
        if not _may_see(parked, asking):
            raise unknown()
        return parked

    async def _envelope(self, parked: Parked) -> Mapping[str, object]:
        pointer = parked.pointer
        if pointer.source == "stream":
            return _of_message(await self._parking.message(pointer))
        stored = await self._store.read_at(pointer.sequence)
        if stored is None or str(stored.id) != pointer.event:
            return {}
        meta = Meta.read(stored)
        return {
            "stream": stored.stream,
            "revision": stored.revision,
            "position": str(Position(self._context, self._store.epoch, stored.position)),
            "time": meta.time,
            "actor": meta.actor,
            "causation": meta.causation,
            "correlation": meta.correlation,
        }

    def _told(self, parked: Parked) -> ParkedMessage:
        pointer = parked.pointer
        return ParkedMessage(
            id=f"{self._context}:{parked.id}",
            context=self._context,
            consumer=pointer.consumer,
            type=pointer.type,
            event=pointer.event,
            organization=pointer.organization,
            identity=pointer.identity,
            error=pointer.error,
            detail=pointer.detail,
            tries=pointer.tries,
            parked=pointer.first_seen,
            behind=pointer.behind,
        )


def _may_see(parked: Parked, asking: Asking) -> bool:
    asked = asking.by.organization
    return asked is None or parked.pointer.organization == str(asked)


def _of_message(body: bytes | None) -> Mapping[str, object]:
    try:
        envelope = cast("dict[str, object]", orjson.loads(body or b"{}"))
    except orjson.JSONDecodeError:
        return {}
    names = {"causation": "causationid", "correlation": "correlationid"}
    wanted = ("stream", "revision", "position", "time", "actor", "causation", "correlation")
    return {name: value for name in wanted if (value := envelope.get(names.get(name, name))) is not None}
