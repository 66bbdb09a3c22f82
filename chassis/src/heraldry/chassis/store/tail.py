"""The newest events of a log, kept for all who follow it in this process: one subscription feeds them all.

Who follows asks for what comes after its own position. As long as the tail reaches back to there, it is given from
memory; who is further behind reads from the store until it has come up. So nobody waits for the slowest, and what is
held is bounded in bytes, however many follow. What was appended together is given together.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from heraldry.chassis.store.port import StoredEvent, StoreUnavailableError


@dataclass(frozen=True, slots=True)
class Told:
    """An event, and how many more of its append follow it."""

    event: StoredEvent
    left: int


def whole(told: Sequence[Told]) -> Sequence[StoredEvent]:
    """The events up to the end of the last append that is there as a whole; all of them where none is."""
    ends = [number for number, one in enumerate(told, start=1) if not one.left]
    return [one.event for one in told[: ends[-1] if ends else None]]


class Tail:
    """The events after `floor`, as far as they came. At most `largest` bytes of them, and at least one."""

    def __init__(self, floor: int, largest: int) -> None:
        self._events: deque[Told] = deque()
        self._begun: list[Told] = []  # of an append, until its last event has come
        self._floor, self._largest = floor, largest
        self.size = 0  # bytes
        self._waiting: set[asyncio.Event] = set()
        self._why = ""

    @property
    def end(self) -> int:
        """The position of the newest event that came; `floor` while none did."""
        return self._events[-1].event.position if self._events else self._floor

    @property
    def newest(self) -> StoredEvent | None:
        return self._events[-1].event if self._events else None

    def came(self, told: Told) -> None:
        """Take the next event; one that is not behind the newest is a repetition and left out."""
        if told.event.position <= (self._begun[-1].event.position if self._begun else self.end):
            return
        self._begun.append(told)
        if told.left:
            return
        self._events.extend(self._begun)
        self.size += sum(map(_size, self._begun))
        self._begun.clear()
        while self.size > self._largest and len(self._events) > 1:
            gone = self._events.popleft()
            self.size -= _size(gone)
            self._floor = gone.event.position
        self._notify()

    def since(self, position: int, limit: int) -> Sequence[StoredEvent] | None:
        """At most `limit` events after `position`; None if the tail does not reach back to there."""
        if position < self._floor:
            return None
        found: deque[Told] = deque()
        for told in reversed(self._events):
            if told.event.position <= position:
                break
            found.appendleft(told)
        return whole(list(found)[:limit])

    def broken(self, why: str) -> None:
        """Nothing comes at the moment: who waits is told `why`."""
        self._why = why
        self._notify()

    def mended(self) -> None:
        self._why = ""

    def require_whole(self) -> None:
        """Raises StoreUnavailableError while nothing can come."""
        if self._why:
            raise StoreUnavailableError(self._why)

    @contextmanager
    def listening(self) -> Generator[asyncio.Event]:
        """An event that is set whenever something came, or broke."""
        moved = asyncio.Event()
        self._waiting.add(moved)
        try:
            yield moved
        finally:
            self._waiting.discard(moved)

    def _notify(self) -> None:
        for moved in self._waiting:
            moved.set()


def _size(told: Told) -> int:
    event = told.event
    return len(event.data) + len(event.meta) + len(event.stream) + len(event.type)
