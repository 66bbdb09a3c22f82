"""The organization's messages that a part of the system could not handle. Every context has its own."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from heraldry.chassis.bus.parking import parked_name, unknown
from heraldry.chassis.bus.rights import CONTEXTS
from heraldry.chassis.bus.rpc import Caller
from heraldry.contracts.base import Accepted, By, Refused
from heraldry.contracts.operations import (
    DiscardParked,
    ListParked,
    ParkedInFull,
    ParkedMessage,
    ReplayParked,
    ShowParked,
)

PATIENCE: Final = 30.0  # seconds for a replay


@dataclass(frozen=True, slots=True)
class Listed:
    """`missing`: contexts that did not answer."""

    messages: tuple[ParkedMessage, ...]
    missing: tuple[str, ...]


class ParkedMessages:
    """Asks the contexts. A message's id is `<context>:<n>`; refused `parked.unknown` for what is none."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    async def every(self, by: By) -> Listed:
        """Oldest first."""

        async def of(context: str) -> tuple[ParkedMessage, ...] | None:
            try:
                return await self._caller.ask(ListParked(), by=by, to=context)
            except Refused:
                return None

        found = await asyncio.gather(*map(of, CONTEXTS))
        messages = sorted((one for messages in found for one in messages or ()), key=lambda one: one.parked)
        missing = tuple(name for name, messages in zip(CONTEXTS, found, strict=True) if messages is None)
        return Listed(tuple(messages), missing)

    async def show(self, message: str, by: By) -> ParkedInFull:
        context, number = _named(message)
        return await self._caller.ask(ShowParked(number=number), by=by, to=context)

    async def replay(self, message: str, command: UUID, by: By) -> Accepted:
        context, number = _named(message)
        asked = ReplayParked(number=number)
        return await self._caller.send(asked, by=by, id=command, to=context, deadline=PATIENCE)

    async def discard(self, message: str, command: UUID, by: By) -> Accepted:
        context, number = _named(message)
        return await self._caller.send(DiscardParked(number=number), by=by, id=command, to=context)


def _named(message: str) -> tuple[str, int]:
    named = parked_name(message)
    if named is None:
        raise unknown()
    return named
