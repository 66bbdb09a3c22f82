"""Random histories on both stores: the same answers, but for the positions, which are each store's own."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias, cast
from uuid import UUID

import pytest
from heraldry.chassis.store.address import parse
from heraldry.chassis.store.kurrent import KurrentStore
from heraldry.chassis.store.port import (
    NO_STREAM,
    START,
    ConflictError,
    EventStore,
    NewEvent,
    StoredEvent,
)
from heraldry.chassis.store.sqlite import SqliteStore
from heraldry.chassis.testing.kurrent.server import KurrentStandIn
from hypothesis import given, settings
from hypothesis import strategies as st

CONTEXT = "parity"


@dataclass(frozen=True, slots=True)
class Append:
    """`ids` name events: the same number is the same event, new or again."""

    stream: int
    ids: tuple[int, ...]
    off: int  # from the revision the stream is at


@dataclass(frozen=True, slots=True)
class Stream:
    stream: int
    edge: int  # after or before which revision; as it stands, from the end backwards
    limit: int
    backwards: bool


@dataclass(frozen=True, slots=True)
class All:
    """After the event with this number in the log, or from its beginning."""

    after: int
    limit: int


@dataclass(frozen=True, slots=True)
class At:
    number: int


@dataclass(frozen=True, slots=True)
class Follow:
    after: int
    limit: int


Step: TypeAlias = Append | Stream | All | At | Follow
SMALL = st.integers(0, 12)
STEPS = st.one_of(
    st.builds(
        Append,
        st.integers(0, 2),
        st.lists(st.integers(0, 15), max_size=4).map(tuple),
        st.sampled_from([0, 0, 0, 0, 0, -1, -2, 1, -5]),
    ),
    st.builds(Stream, st.integers(0, 3), st.integers(-1, 8), st.integers(1, 5), st.booleans()),
    st.builds(All, SMALL, st.integers(1, 9)),
    st.builds(At, SMALL),
    st.builds(Follow, SMALL, st.integers(1, 4)),
)
HISTORIES = st.lists(STEPS, min_size=3, max_size=25)


class Played:
    """A history on one store; what it answered, with each position replaced by the event's number in the log."""

    def __init__(self, store: EventStore) -> None:
        self._store = store
        self._log: Sequence[StoredEvent] = ()
        self.answers: list[object] = []

    async def play(self, history: Sequence[Step]) -> None:
        for step in history:
            self._log = await self._store.read_all(limit=10_000)
            self.answers.append(await self._answer(step))
        self._log = await self._store.read_all(limit=10_000)
        self.answers += (self._told(self._log), self._number(await self._store.head()))

    async def _answer(self, step: Step) -> object:
        store = self._store
        match step:
            case Append():
                return await self._append(step)
            case Stream(stream, edge, limit, backwards):
                name = _name(stream)
                if backwards:
                    before = None if edge < 0 else edge
                    return self._told(await store.read_stream_backwards(name, before=before, limit=limit))
                return self._told(await store.read_stream(name, after=edge, limit=limit))
            case All(after, limit):
                return self._told(await store.read_all(after=self._position(after), limit=limit))
            case At(number):
                found = await store.read_at(self._position(number))
                return None if found is None else self._told([found])
            case Follow(after, limit):
                return await self._follow(self._position(after), limit)

    async def _append(self, step: Append) -> object:
        stream = _name(step.stream)
        expected = max(sum(event.stream == stream for event in self._log) - 1 + step.off, NO_STREAM)
        events = [
            NewEvent(UUID(int=n + 1), f"Type{n % 3}", n % 2 + 1, b'{"n":%d}' % n, b'{"m": %d}' % n)
            for n in step.ids
        ]
        try:
            answer = await self._store.append(stream, events, expected=expected)
        except ConflictError as conflict:
            return (conflict.stream, conflict.expected, conflict.actual)
        except ValueError as error:
            return str(error)
        self._log = await self._store.read_all(limit=10_000)
        return (answer.revision, self._number(answer.position), answer.fresh)

    async def _follow(self, after: int, limit: int) -> object:
        wanted = sum(event.position > after for event in self._log)
        got: list[StoredEvent] = []
        following = cast(
            "AsyncGenerator[Sequence[StoredEvent]]", self._store.subscribe(after=after, limit=limit)
        )
        async with aclosing(following), asyncio.timeout(20):
            while len(got) < wanted:
                batch = await anext(following)
                assert 0 < len(batch) <= limit
                got.extend(batch)
        return self._told(got)

    def _position(self, number: int) -> int:
        if number == 0 or not self._log:
            return START
        return self._log[(number - 1) % len(self._log)].position

    def _number(self, position: int) -> int:
        return [START, *(event.position for event in self._log)].index(position)

    def _told(self, events: Sequence[StoredEvent]) -> object:
        return [
            (
                self._number(one.position),
                one.stream,
                one.revision,
                one.id,
                one.type,
                one.version,
                one.data,
                one.meta,
            )
            for one in events
        ]


def _name(stream: int) -> str:
    return f"{CONTEXT}.thing-{stream}"


async def _on_both(history: Sequence[Step]) -> tuple[list[object], list[object]]:
    with tempfile.TemporaryDirectory(prefix="heraldry-parity-") as folder:
        async with KurrentStandIn() as server:
            stores = (
                SqliteStore(Path(folder) / "log.sqlite3"),
                await KurrentStore.open(parse(server.uri, CONTEXT), CONTEXT),
            )
            played = [Played(store) for store in stores]
            for one in played:
                await one.play(history)
            for store in stores:
                await store.close()
    return played[0].answers, played[1].answers


@given(HISTORIES)
@settings(max_examples=25, deadline=None)
def test_both_stores_answer_the_same_to_any_history(history: Sequence[Step]) -> None:
    sqlite, kurrent = asyncio.run(_on_both(history))
    assert kurrent == sqlite


@pytest.mark.long
@given(st.lists(STEPS, min_size=20, max_size=120))
@settings(max_examples=100, deadline=None)
def test_both_stores_answer_the_same_to_long_histories(history: Sequence[Step]) -> None:
    sqlite, kurrent = asyncio.run(_on_both(history))
    assert kurrent == sqlite
