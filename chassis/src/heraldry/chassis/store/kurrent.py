"""The event store of a cluster: KurrentDB, through `kurrentdbclient`. One server holds all contexts.

A context's log is what stands in streams `<context>.…`; a position is the commit position. The stream
`<context>-store`, which is no part of the log, holds its epochs. What the server promises and what the port
promises differ in three things, which are settled here:

- The server answers "done" to an event id it has seen, whoever sent it. So every append has event ids of its own, made
  in the call; the port's id, version and metadata are the metadata. A repetition of the *call* (a connection that tore)
  is then recognised by the server, a repetition of the *events* never, and is found by reading the stream.
- Whoever gets no answer asks again with the same ids, then reads the stream: `fresh` is said of these very ids only.
- A subscription is dropped when it is too slow, or when the leader changes. The one that this process has is made again
  where it was; nobody who follows the log sees that.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic
from typing import Final, Self, TypeVar, cast
from uuid import UUID

import orjson
import structlog
from grpc import RpcError
from grpc.aio import UsageError
from heraldry.chassis.store.address import Address
from heraldry.chassis.store.kurrent_client import READ, Client, Problem, passes
from heraldry.chassis.store.port import (
    NO_STREAM,
    START,
    Appended,
    ConflictError,
    NewEvent,
    StoredEvent,
    StoreUnavailableError,
    check,
)
from heraldry.chassis.store.tail import Tail, Told, whole
from heraldry.chassis.tasks import check_cancelled, end
from kurrentdbclient import NewEvent as Sent
from kurrentdbclient import RecordedEvent
from kurrentdbclient.exceptions import (
    InvalidCommitPositionError,
    KurrentDBClientError,
    NotFoundError,
    WrongCurrentVersionError,
)
from uuid_utils.compat import uuid7

log = structlog.stdlib.get_logger(__name__)
T = TypeVar("T")

PATIENCE: Final = 6.0  # seconds with a server that does not answer, or is electing a leader
START_PATIENCE: Final = 20.0  # the same when a service starts
LAST_LOOK: Final = 1.0  # the same for whoever has waited that long for an answer
PAUSES: Final = (0.05, 0.2, 0.5, 1.0)  # seconds between two tries
PAGE_BYTES: Final = 2 * 1024 * 1024  # of what is read at once by who follows the log from further behind
SINCE: Final = 100  # events that may have come since; if there are more, the end is looked for from behind
TAIL_BYTES: Final = 4 * 1024 * 1024  # of the newest events, kept for all who follow
_EPOCH: Final = "StoreOpened"
_ID, _VERSION, _LEFT, _META = b'{"event":"', b'","version":', b',"left":', b',"meta":'


@dataclass(frozen=True, slots=True)
class Opened:
    """What the stream `<context>-store` says. A storage format: type StoreOpened, data {"epoch", "mode"}."""

    epochs: tuple[str, ...]  # oldest first; the last is in force
    mode: str
    origin: int  # the position of the first of them, which is before every event of the log
    made: bool  # by this call


class KurrentStore:
    """An `EventStore` on KurrentDB. Made by `open`, inside a running event loop; `close` it there."""

    def __init__(self, client: Client, context: str, opened: Opened) -> None:
        self.client, self._context, self.opened = client, context, opened
        self._prefix = f"{context}."
        self.tail: Tail | None = None
        self._resume = START
        self._pump: asyncio.Task[None] | None = None
        self._starting = asyncio.Lock()

    @classmethod
    async def open(cls, address: Address, context: str, *, mode: str = "live") -> Self:
        """Reach the server and read the log's epoch, or make it: `mode` is said in it.

        Raises StoreUnavailableError when nothing answers in 20 seconds, or refuses.
        """
        client = Client(address)
        try:
            opened = await client.patiently(lambda: _open(client, f"{context}-store", mode), START_PATIENCE)
        except BaseException:
            await client.leave()
            raise
        return cls(client, context, opened)

    @property
    def epoch(self) -> str:
        return self.opened.epochs[-1]

    async def append(self, stream: str, events: Sequence[NewEvent], *, expected: int) -> Appended:
        check(events)
        sent = [
            Sent(type=event.type, data=event.data, metadata=_metadata(event, left), id=uuid7())
            for left, event in zip(reversed(range(len(events))), events, strict=True)
        ]
        until, tries, doubtful = monotonic() + PATIENCE, 0, False
        while True:
            try:
                position = await self.client.append_once(stream, sent, expected)
            except WrongCurrentVersionError as error:
                actual = error.actual_version
                return await self._settle(
                    stream, events, sent, expected, actual if isinstance(actual, int) else NO_STREAM
                )
            except (KurrentDBClientError, RpcError, UsageError, asyncio.CancelledError) as error:
                check_cancelled()  # a channel that is closed cancels what waits for it
                problem = self.client.problem(error)
                doubtful = doubtful or not problem.nothing_sent
                if not passes(error) or monotonic() > until:
                    if doubtful:
                        return await self._look(stream, sent, expected, problem)
                    raise problem.unavailable() from error
                await self.client.again(error, PAUSES[min(tries, len(PAUSES) - 1)])
                tries += 1
            else:
                return Appended(expected + len(events), position, fresh=True)

    async def read_stream(
        self, stream: str, *, after: int = NO_STREAM, limit: int = 1_000_000
    ) -> Sequence[StoredEvent]:
        return self._stored(await self._recorded(stream, after, limit))

    async def read_stream_backwards(
        self, stream: str, *, before: int | None = None, limit: int = 100
    ) -> Sequence[StoredEvent]:
        if before is not None and before <= 0:
            return []
        newest = None if before is None else before - 1

        async def read() -> Sequence[RecordedEvent]:
            try:
                return await self.client.get_stream(
                    stream, stream_position=newest, backwards=True, limit=limit, timeout=READ
                )
            except NotFoundError:
                return []

        return self._stored(await self.client.patiently(read, PATIENCE))

    async def read_all(self, *, after: int = START, limit: int = 1000) -> Sequence[StoredEvent]:
        return [told.event for told in await self._page(after, limit, None)]

    async def read_at(self, position: int) -> StoredEvent | None:
        if position <= self.opened.origin:
            return None

        try:
            found = self._stored(
                await self.client.patiently(
                    lambda: self.client.read_log(self._prefix, position, limit=1), PATIENCE
                )
            )
        except InvalidCommitPositionError:
            return None
        return found[0] if found and found[0].position == position else None

    async def subscribe(
        self, *, after: int = START, limit: int = 500
    ) -> AsyncIterator[Sequence[StoredEvent]]:
        tail = await self._following()
        with tail.listening() as moved:
            while True:
                moved.clear()
                batch, reached = tail.since(after, limit), tail.end
                if batch is None:  # further behind than memory reaches
                    batch = whole(await self._page(after, limit, PAGE_BYTES))
                    after = after if batch else max(after, reached)
                if batch:
                    after = batch[-1].position
                    yield batch
                else:
                    tail.require_whole()
                    await moved.wait()

    async def head(self) -> int:
        if self.tail is not None:  # what came is known: only what may have come since is looked through
            with suppress(InvalidCommitPositionError):
                known, since = self.tail.end, self._resume
                newer = await self.client.patiently(
                    lambda: self.client.read_log(self._prefix, since, limit=SINCE), PATIENCE
                )
                if len(newer) < SINCE:
                    return max(known, newer[-1].commit_position if newer else known)

        async def read() -> Sequence[RecordedEvent]:
            return await self.client.read_log(self._prefix, None, limit=1, backwards=True)

        found = await self.client.patiently(read, PATIENCE)
        return found[0].commit_position if found else START

    async def close(self) -> None:
        await end(self._pump)
        await self.client.leave()

    async def _recorded(
        self, stream: str, after: int, limit: int, patience: float | None = None
    ) -> Sequence[RecordedEvent]:
        async def read() -> Sequence[RecordedEvent]:
            try:
                return await self.client.get_stream(
                    stream, stream_position=after + 1, limit=limit, timeout=READ
                )
            except NotFoundError:
                return []

        return await self.client.patiently(read, PATIENCE if patience is None else patience)

    async def _page(self, after: int, limit: int, most: int | None) -> Sequence[Told]:
        """At most `limit` events after a position, and not many more than `most` bytes of them."""
        start = max(after, self.opened.origin)

        async def read() -> Sequence[RecordedEvent]:
            found = await self.client.read_log(self._prefix, start, limit=limit + 1, most=most)
            return [one for one in found if one.commit_position > start][:limit]

        try:
            return [_told(one) for one in await self.client.patiently(read, PATIENCE)]
        except InvalidCommitPositionError as error:
            raise StoreUnavailableError(
                f"store.position-unknown: {self.client.shown} has nothing at position {start} of {self._context}."
                " Is it the store of this installation, or one restored to an older state?"
            ) from error

    def _stored(self, recorded: Sequence[RecordedEvent]) -> Sequence[StoredEvent]:
        return [_told(one).event for one in recorded]

    async def _settle(
        self, stream: str, events: Sequence[NewEvent], sent: Sequence[Sent], expected: int, actual: int
    ) -> Appended:
        """The stream is at another revision: perhaps by this very call, perhaps by these very events."""
        there = await self._recorded(stream, expected, len(events))
        if there and [one.id for one in there] == [one.id for one in sent]:
            return Appended(there[-1].stream_position, there[-1].commit_position, fresh=True)
        if there and [one.id for one in self._stored(there)] == [event.id for event in events]:
            return Appended(there[-1].stream_position, there[-1].commit_position, fresh=False)
        raise ConflictError(stream, expected, actual)

    async def _look(self, stream: str, sent: Sequence[Sent], expected: int, problem: Problem) -> Appended:
        """No answer came: what stands in the stream decides, if it can be read."""
        try:
            there = await self._recorded(stream, expected, len(sent), LAST_LOOK)
        except StoreUnavailableError:
            raise problem.unknown() from None
        if not there:  # it may still be under way
            raise problem.unknown()
        if [one.id for one in there] == [one.id for one in sent]:
            return Appended(there[-1].stream_position, there[-1].commit_position, fresh=True)
        raise ConflictError(stream, expected, there[-1].stream_position)

    async def _following(self) -> Tail:
        """The tail, and the subscription that feeds it, from the first who follows on."""
        async with self._starting:
            if self.tail is None:
                floor = await self.head()
                self.tail, self._resume = Tail(floor, TAIL_BYTES), max(floor, self.opened.origin)
                self._pump = asyncio.create_task(self._feed(self.tail), name=f"log of {self._context}")
            return self.tail

    async def _feed(self, tail: Tail) -> None:
        failures = 0
        while True:
            check_cancelled()
            before = self._resume
            try:
                await self._follow(tail)
            except (KurrentDBClientError, RpcError, UsageError, StoreUnavailableError) as error:
                failures = 0 if self._resume > before else failures + 1
                why = self.client.problem(error).text
                log.info("the subscription ended and is made again", context=self._context, because=why)
                if failures > 1:  # dropped for being slow, or with the old leader, it is there again at once
                    tail.broken(why)
                with suppress(KurrentDBClientError):
                    await self.client.again(error, PAUSES[min(failures, len(PAUSES) - 1)])

    async def _follow(self, tail: Tail) -> None:
        newest = tail.newest
        if newest is not None and await self.read_at(newest.position) != newest:
            raise StoreUnavailableError(
                f"store.restored: {self.client.shown} no longer holds what it held of {self._context}."
                " Was it restored to an older state? Restart the services once you know."
            )
        following = await self.client.follow(self._prefix, self._resume)
        tail.mended()
        async with following:
            async for one in following:
                if not one.is_checkpoint:
                    tail.came(_told(one))
                self._resume = max(self._resume, one.commit_position)
        raise StoreUnavailableError("the server ended the subscription")


def _metadata(event: NewEvent, left: int) -> bytes:
    """A storage format: {"event": the port's id, "version": …, "left": how many of the append follow,
    "meta": the port's metadata, byte for byte}.
    """
    before = b"%s%s%s%d%s%d" % (_ID, str(event.id).encode(), _VERSION, event.version, _LEFT, left)
    return b"%s%s%s}" % (before, _META, event.meta)


def _told(one: RecordedEvent) -> Told:
    try:
        head, found, rest = one.metadata.partition(_META)
        before, _, numbers = head.partition(_VERSION)
        version, _, left = numbers.partition(_LEFT)
        if not found or not before.startswith(_ID):
            raise ValueError("not our metadata")
        event = StoredEvent(
            one.commit_position,
            one.stream_name,
            one.stream_position,
            UUID(before[len(_ID) :].decode("ascii")).bytes,
            one.type,
            int(version),
            one.data,
            rest[:-1],
        )
        return Told(event, int(left))
    except ValueError as error:
        raise StoreUnavailableError(
            f"store.foreign-event: {one.stream_name} holds an event (revision {one.stream_position}) that"
            " Heraldry did not write. Only its services may write to its streams."
        ) from error


async def _open(client: Client, stream: str, mode: str) -> Opened:
    """Read the epochs, or make the first: of several who try at once, one does."""
    made = False
    while True:
        try:
            recorded = await client.get_stream(stream)
        except NotFoundError:
            recorded = ()
        if recorded:
            said = [cast("dict[str, str]", orjson.loads(one.data)) for one in recorded]
            epochs = tuple(one["epoch"] for one in said)
            return Opened(epochs, said[0]["mode"], recorded[0].commit_position, made)
        first = Sent(type=_EPOCH, data=orjson.dumps({"epoch": uuid7().hex, "mode": mode}))
        try:
            await client.append_once(stream, [first], NO_STREAM)
            made = True
        except WrongCurrentVersionError:
            made = False
