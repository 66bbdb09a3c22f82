"""What an event store promises.

Positions increase and may have gaps; nobody may count on them being contiguous, nor make one up: a position
is START or was given by the store.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol
from uuid import UUID

NO_STREAM = -1  # the expected revision of a stream that must not exist yet
START = 0  # a position before every event
LARGEST_EVENT: Final = 256 * 1024  # bytes of data and metadata
LARGEST_APPEND: Final = 1024 * 1024  # bytes of all its events, each with what a store adds to it
ADDED: Final = 256  # bytes that a store adds to an event, at most


@dataclass(frozen=True, slots=True)
class NewEvent:
    """An event to append. `id` is a fresh uuid7; `data` and `meta` are JSON documents."""

    id: UUID
    type: str
    version: int
    data: bytes
    meta: bytes


class StoredEvent(NamedTuple):  # a rebuild makes millions, and a frozen dataclass takes three times as long
    """An event as it stands in the log. `revision` counts from 0 within its stream."""

    position: int
    stream: str  # <context>.<category>-<id>
    revision: int
    raw_id: bytes  # as it is recorded: of most nobody asks for more
    type: str
    version: int
    data: bytes
    meta: bytes

    @property
    def id(self) -> UUID:
        return UUID(bytes=self.raw_id)


def age(event: StoredEvent) -> float:
    """Seconds since an event was recorded, by the real clock: its id, a uuid7, begins with it."""
    return max(0.0, time.time() - (event.id.int >> 80) / 1000)


@dataclass(frozen=True, slots=True)
class Appended:
    """The events stand in the stream. `fresh` is False if these very events (by id) already stood there."""

    revision: int  # of the last of them
    position: int  # of the last of them
    fresh: bool


class ConflictError(Exception):
    """The stream has moved: somebody else appended at the expected revision. Reload and decide again."""

    def __init__(self, stream: str, expected: int, actual: int) -> None:
        super().__init__(f"{stream} is at revision {actual}, not {expected}")
        self.stream, self.expected, self.actual = stream, expected, actual


class StoreUnavailableError(Exception):
    """The store cannot be written or read now (disk full, server away). Nothing of the call was stored."""


class OutcomeUnknownError(StoreUnavailableError):
    """The store took an append and did not answer: the events are stored as they are, or never will be.

    Who needs to know reads the stream when the store is there again.
    """


async def oldest_after(store: EventStore, position: int) -> float:
    """The age of the first event after a position; 0 if there is none."""
    found = await store.read_all(after=position, limit=1)
    return age(found[0]) if found else 0.0


class Log(Protocol):
    """What can be read of a log from its beginning, and nothing done to it."""

    @property
    def epoch(self) -> str: ...

    async def read_all(self, *, after: int = START, limit: int = 1000) -> Sequence[StoredEvent]:
        """Events of all streams with position > `after`, in order."""
        ...


class EventStore(Protocol):
    """One context's log."""

    @property
    def epoch(self) -> str:
        """Changes when a backup was restored, so that a position seen before is not taken for a later one."""
        ...

    async def append(self, stream: str, events: Sequence[NewEvent], *, expected: int) -> Appended:
        """Append all or nothing at revision `expected` + 1; on disk when this returns.

        Raises ConflictError, StoreUnavailableError, OutcomeUnknownError; ValueError for what `check` refuses.
        """
        ...

    async def read_stream(
        self, stream: str, *, after: int = NO_STREAM, limit: int = 1_000_000
    ) -> Sequence[StoredEvent]:
        """Events of a stream with revision > `after`, oldest first; empty for an unknown stream."""
        ...

    async def read_stream_backwards(
        self, stream: str, *, before: int | None = None, limit: int = 100
    ) -> Sequence[StoredEvent]:
        """Events of a stream with revision < `before` (None: from the end), newest first."""
        ...

    async def read_all(self, *, after: int = START, limit: int = 1000) -> Sequence[StoredEvent]:
        """Events of all streams with position > `after`, in order."""
        ...

    async def read_at(self, position: int) -> StoredEvent | None:
        """The event at exactly this position, if this log has one there."""
        ...

    def subscribe(self, *, after: int = START, limit: int = 500) -> AsyncIterator[Sequence[StoredEvent]]:
        """Every event with position > `after`, in batches, as they come; it ends only when it is closed."""
        ...

    async def head(self) -> int:
        """The position of the newest event; START for an empty store."""
        ...

    async def close(self) -> None: ...


def check(events: Sequence[NewEvent]) -> None:
    """Raises ValueError for what no store takes: no events, one too large, or too much at once."""
    sizes = [len(event.data) + len(event.meta) for event in events]
    if not sizes or max(sizes) > LARGEST_EVENT:
        raise ValueError("one to many events of at most 256 KiB each")
    if sum(sizes) + ADDED * len(sizes) > LARGEST_APPEND:
        raise ValueError("events of at most 1 MiB together, each counted with 256 bytes more than it has")
