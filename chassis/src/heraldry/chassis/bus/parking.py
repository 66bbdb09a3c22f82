"""What a consumer could not handle, kept as a pointer: never the event itself, so that erasure has one place less.

A pointer names the message (its sequence in the stream, or the position in the own store), the consumer and the
error. It stays until a person has it replayed or discards it (`parked.py` answers them). Each context has a stream of
its own for its pointers.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, cast
from uuid import UUID, uuid4

import orjson
import structlog
from heraldry.chassis.bus import border, rights
from heraldry.chassis.clock import SystemClock
from heraldry.chassis.leases import KvLeases
from heraldry.contracts import subjects
from heraldry.contracts.base import Refused, Value
from nats.aio.client import Client
from nats.js.api import RawStreamMsg
from nats.js.errors import NotFoundError
from pydantic import ValidationError

log = structlog.stdlib.get_logger(__name__)

LONGEST_DETAIL: Final = 300
NUMBER: Final = re.compile(r"[0-9]{1,18}", re.ASCII)  # a sequence of JetStream's
_REDACTIONS: Final = (
    (re.compile(r"[^\s@<>\"']+@[^\s@<>\"']+"), "<address>"),
    (re.compile(r"\"[^\"]*\"|'[^']*'"), "<text>"),
    (re.compile(r"\+?\d[\d ()/-]{5,}\d"), "<number>"),
)


class Pointer(Value):
    """Where the message is and why it is parked. A storage format."""

    source: Literal["stream", "store"]
    sequence: int  # in the stream HERALDRY, or the position in the context's own store
    consumer: str
    type: str
    event: str  # CloudEvents id
    identity: str = ""
    organization: str = ""
    error: str = ""  # the exception's type
    detail: str = ""  # its text without anything personal
    tries: int = 0
    first_seen: datetime
    behind: bool = False  # parked only because an earlier one of the same identity is
    ordered: bool = False


@dataclass(frozen=True, slots=True)
class Parked:
    """A pointer and its own sequence in its context's stream, which names it."""

    id: int
    pointer: Pointer


def parked_name(text: str) -> tuple[str, int] | None:
    """Context and number of a parked message, as people name it: `<context>:<n>`. None for what names none."""
    context, _, number = text.partition(":")
    if context not in rights.CONTEXTS or NUMBER.fullmatch(number) is None:
        return None
    return context, int(number)


Again = Callable[[Pointer], Awaitable[None]]


class Parking:
    """The parked messages of one context."""

    def __init__(self, nc: Client, context: str) -> None:
        self._js, self._context = border.jetstream(nc), context
        self._stream = subjects.parked_stream(context)
        self._consumers: dict[str, Again] = {}

    def handles(self, consumer: str, again: Again) -> None:
        """`again` handles a parked message of this consumer once more; it raises if that fails."""
        self._consumers[consumer] = again

    async def park(self, pointer: Pointer) -> None:
        """Keep a pointer; on disk when this returns. Raises what nats-py raises."""
        subject = subjects.parked(self._context, pointer.consumer, pointer.identity)
        await self._js.publish(subject, pointer.model_dump_json().encode(), stream=self._stream)
        log.error(
            "message parked",
            consumer=pointer.consumer,
            type=pointer.type,
            event_id=pointer.event,
            sequence=pointer.sequence,
            error=pointer.error,
            detail=pointer.detail,
            behind=pointer.behind,
        )

    async def list(self, consumer: str = "*", identity: str = "*") -> tuple[Parked, ...]:
        """Everything parked, oldest first."""
        subject = subjects.parked(self._context, "all", identity).replace(".all.", f".{consumer}.")
        found: list[Parked] = []
        sequence = 1
        while True:
            try:
                raw = await self._js.get_msg(self._stream, seq=sequence, subject=subject, next=True)
            except NotFoundError:
                return tuple(found)
            sequence = (raw.seq or 0) + 1
            if parked := _read(raw):
                found.append(parked)

    async def last_of(self, consumer: str, identity: str) -> Pointer | None:
        """The newest pointer of this consumer and identity: while there is one, what follows is parked behind it."""
        try:
            raw = await self._js.get_last_msg(
                self._stream, subjects.parked(self._context, consumer, identity)
            )
        except NotFoundError:
            return None
        parked = _read(raw)
        return parked.pointer if parked else None

    async def replay(self, id: int) -> None:  # noqa: A002  the parked message's
        """Have a parked message handled again, and forget the pointer when that succeeded. One at a time.

        Raises Refused: `parked.unknown`; `parked.under-way` while somebody else does this;
        `parked.not-first` if an earlier one of the same identity has to go first; `parked.failed-again` with the
        error.
        """
        async with self._alone_with(id) as parked:
            await self._replay(parked)

    async def _replay(self, parked: Parked) -> None:
        pointer = parked.pointer
        if pointer.ordered:
            first = (await self.list(pointer.consumer, pointer.identity or subjects.NONE))[0]
            if first.id != parked.id:
                raise Refused(
                    "parked.not-first",
                    f"Message {first.id} of the same identity has to be replayed or discarded first.",
                    extra={"first": str(first.id)},
                )
        again = self._consumers.get(pointer.consumer)
        if again is None:
            raise Refused(
                "parked.unknown",
                f"This process has no consumer {pointer.consumer}; discard the message if it is gone for good.",
                status=404,
            )
        try:
            await again(pointer)
        except Exception as error:
            raise Refused(
                "parked.failed-again",
                f"It failed again: {type(error).__name__}: {redacted(error)}. It stays parked.",
            ) from error
        await self._js.delete_msg(self._stream, parked.id)
        log.info("parked message replayed", consumer=pointer.consumer, event_id=pointer.event)

    async def replay_all(self, consumer: str, identity: str) -> int:
        """Replay what is parked for an identity, oldest first; gives how many. Raises as `replay`, at the first."""
        done = 0
        while parked := await self.list(consumer, identity or subjects.NONE):
            await self.replay(parked[0].id)
            done += 1
        return done

    async def discard(self, id: int) -> None:  # noqa: A002  the parked message's
        """Forget a parked message: it will never be handled. Raises Refused `parked.unknown`, `parked.under-way`."""
        async with self._alone_with(id) as parked:
            await self._js.delete_msg(self._stream, id)
        log.warning(
            "parked message discarded", consumer=parked.pointer.consumer, event_id=parked.pointer.event
        )

    async def message(self, pointer: Pointer) -> bytes | None:
        """The parked message's body; None if it is no longer there: erased, or the stream is another one since."""
        try:
            found = (await self._js.get_msg(subjects.STREAM, seq=pointer.sequence)).data or b""
        except NotFoundError:
            return None
        return found if not pointer.event or _id(found) == pointer.event else None

    async def get(self, id: int) -> Parked:  # noqa: A002  the parked message's
        """Raises Refused `parked.unknown`."""
        try:
            parked = _read(await self._js.get_msg(self._stream, seq=id))
        except NotFoundError:
            parked = None
        if parked is None:
            raise unknown()
        return parked

    @asynccontextmanager
    async def _alone_with(self, id_: int) -> AsyncGenerator[Parked]:
        """For one replica, and one request, at a time; with a parked message that is still there."""
        leases = KvLeases(self._js, f"{self._context}.parked", uuid4().hex, SystemClock())
        if not await leases.take(UUID(int=id_)):
            raise Refused("parked.under-way", "Somebody replays or discards this message at the moment.")
        try:
            yield await self.get(id_)
        finally:
            await leases.release(UUID(int=id_))


def _id(body: bytes) -> str:
    try:
        return str(cast("dict[str, object]", orjson.loads(body)).get("id", ""))
    except orjson.JSONDecodeError:
        return ""


def unknown() -> Refused:
    """The same for what is not there and for what is not to be seen."""
    return Refused("parked.unknown", "There is no such parked message. List them again.", status=404)


def redacted(error: BaseException) -> str:
    """An error's text without what may be personal: addresses, quoted text, long numbers."""
    if isinstance(error, ValidationError):
        found = error.errors(include_input=False, include_url=False, include_context=False)
        return "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['type']}" for one in found)[:LONGEST_DETAIL]
    text = str(error)
    for pattern, instead in _REDACTIONS:
        text = pattern.sub(instead, text)
    return text[:LONGEST_DETAIL]


def _read(raw: RawStreamMsg) -> Parked | None:
    try:
        return Parked(raw.seq or 0, Pointer.model_validate_json(raw.data or b""))
    except ValidationError:
        log.exception("a parked pointer cannot be read", sequence=raw.seq)
        return None
