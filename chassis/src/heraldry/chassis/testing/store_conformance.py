"""What every event store must do.

A test class of an adapter inherits `StoreConformance` and gives `store` and `another`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from typing import Final, cast
from uuid import UUID

import pytest
from heraldry.chassis.store.port import (
    LARGEST_EVENT,
    NO_STREAM,
    START,
    Appended,
    ConflictError,
    EventStore,
    NewEvent,
    StoredEvent,
)
from uuid_utils.compat import uuid7

STREAM = "conformance.thing-1"
PATIENCE: Final = 30.0  # seconds for what a subscription must bring
Another = Callable[[], Awaitable[EventStore]]


def new_event(number: int = 0, *, id: UUID | None = None) -> NewEvent:  # noqa: A002  the field's name
    return NewEvent(id or uuid7(), "ThingHappened", 1, b'{"number":%d}' % number, b'{"actor":"test"}')


class StoreConformance:
    """Inherit and give the fixtures `store` (an empty EventStore that is closed afterwards) and `another`, with which
    other replicas open the same log.
    """

    async def test_an_appended_event_reads_back_as_it_was(self, store: EventStore) -> None:
        event = new_event(7)
        appended = await store.append(STREAM, [event], expected=NO_STREAM)
        (read,) = await store.read_stream(STREAM)
        assert read == StoredEvent(
            appended.position, STREAM, 0, event.id.bytes, event.type, event.version, event.data, event.meta
        )
        assert (appended.revision, appended.fresh, await store.head()) == (0, True, appended.position)

    async def test_an_unknown_stream_is_empty(self, store: EventStore) -> None:
        assert (await store.read_stream(STREAM), await store.head()) == ([], START)
        assert await store.read_stream_backwards(STREAM) == []

    async def test_the_wrong_revision_is_a_conflict_and_stores_nothing(self, store: EventStore) -> None:
        await store.append(STREAM, [new_event()], expected=NO_STREAM)
        for wrong in (NO_STREAM, 1, 7):
            with pytest.raises(ConflictError) as conflict:
                await store.append(STREAM, [new_event(), new_event()], expected=wrong)
            assert (conflict.value.expected, conflict.value.actual) == (wrong, 0)
        assert len(await store.read_stream(STREAM)) == 1

    async def test_the_same_events_again_are_already_there(self, store: EventStore) -> None:
        events = [new_event(1), new_event(2)]
        first = await store.append(STREAM, events, expected=NO_STREAM)
        again = await store.append(STREAM, events, expected=NO_STREAM)
        assert again == Appended(first.revision, first.position, fresh=False)
        assert len(await store.read_stream(STREAM)) == 2

    async def test_several_events_are_stored_together_in_order(self, store: EventStore) -> None:
        appended = await store.append(STREAM, [new_event(n) for n in range(5)], expected=NO_STREAM)
        read = await store.read_stream(STREAM)
        assert [event.revision for event in read] == [0, 1, 2, 3, 4]
        assert [event.data for event in read] == [b'{"number":%d}' % n for n in range(5)]
        assert appended.position == read[-1].position

    async def test_streams_are_read_in_parts_both_ways(self, store: EventStore) -> None:
        await store.append(STREAM, [new_event(n) for n in range(10)], expected=NO_STREAM)
        assert _revisions(await store.read_stream(STREAM, after=3, limit=3)) == [4, 5, 6]
        assert _revisions(await store.read_stream_backwards(STREAM, limit=3)) == [9, 8, 7]
        assert _revisions(await store.read_stream_backwards(STREAM, before=2, limit=9)) == [1, 0]

    async def test_positions_increase_over_all_streams(self, store: EventStore) -> None:
        for n in range(6):
            await store.append(f"conformance.thing-{n % 2}", [new_event(n)], expected=n // 2 - 1)
        read = await store.read_all()
        assert [event.data for event in read] == [b'{"number":%d}' % n for n in range(6)]
        positions = [event.position for event in read]
        assert positions == sorted(set(positions))
        assert await store.read_all(after=positions[2], limit=2) == read[3:5]

    async def test_of_many_at_one_revision_exactly_one_wins(self, store: EventStore) -> None:
        outcomes = await asyncio.gather(
            *(store.append(STREAM, [new_event(n)], expected=NO_STREAM) for n in range(20)),
            return_exceptions=True,
        )
        assert sum(isinstance(outcome, Appended) and outcome.fresh for outcome in outcomes) == 1
        assert sum(isinstance(outcome, ConflictError) for outcome in outcomes) == 19

    async def test_a_subscription_gives_what_was_and_what_comes(self, store: EventStore) -> None:
        await store.append(STREAM, [new_event(0), new_event(1)], expected=NO_STREAM)
        seen: list[bytes] = []

        async def follow() -> None:
            async for batch in store.subscribe(after=START, limit=1):
                seen.extend(event.data for event in batch)
                if len(seen) == 4:
                    return

        following = asyncio.create_task(follow())
        await store.append(STREAM, [new_event(2), new_event(3)], expected=1)
        await asyncio.wait_for(following, 10)
        assert seen == [b'{"number":%d}' % n for n in range(4)]

    async def test_no_events_or_too_large_ones_are_refused(self, store: EventStore) -> None:
        too_large = NewEvent(uuid7(), "ThingHappened", 1, b"x" * 300_000, b"{}")
        too_many = [_sized(LARGEST_EVENT) for _ in range(4)]
        for events, limit in (((), "256 KiB"), ((too_large,), "256 KiB"), (too_many, "1 MiB together")):
            with pytest.raises(ValueError, match=limit):
                await store.append(STREAM, events, expected=NO_STREAM)
        assert await store.head() == START

    async def test_the_largest_events_read_back_as_they_were(self, store: EventStore) -> None:
        events = [_sized(LARGEST_EVENT) for _ in range(3)]
        await store.append(STREAM, events, expected=NO_STREAM)
        assert [event.data for event in await store.read_all()] == [event.data for event in events]

    async def test_metadata_and_other_letters_come_back_byte_for_byte(self, store: EventStore) -> None:
        meta = '{ "meta":{"version": 1} ,"event":"é – 漢"}'.encode()
        event = NewEvent(uuid7(), "ThingHappened", 12, '{"name": "Zoë"}'.encode(), meta)
        await store.append("conformance.thing-ü", [event], expected=NO_STREAM)
        (read,) = await store.read_all()
        assert (read.id, read.version, read.data, read.meta, read.stream) == (
            event.id,
            12,
            event.data,
            meta,
            "conformance.thing-ü",
        )

    async def test_replicas_are_at_one_epoch_and_see_what_the_others_store(
        self, store: EventStore, another: Another
    ) -> None:
        other = await another()
        assert store.epoch
        assert other.epoch == store.epoch
        appended = await store.append(STREAM, [new_event(1)], expected=NO_STREAM)
        assert (await other.head(), await other.read_all()) == (appended.position, await store.read_all())

    async def test_an_event_is_found_at_its_position_and_nothing_elsewhere(self, store: EventStore) -> None:
        await store.append(STREAM, [new_event(n) for n in range(3)], expected=NO_STREAM)
        events = await store.read_all()
        assert [await store.read_at(event.position) for event in events] == list(events)
        for nowhere in (START, events[-1].position + 1, events[-1].position + 10**9):
            assert await store.read_at(nowhere) is None
        assert await store.read_all(after=events[-1].position) == []

    async def test_a_repetition_is_recognised_exactly_by_anybody_at_any_time(
        self, store: EventStore, another: Another
    ) -> None:
        other, events = await another(), [new_event(1), new_event(2)]
        first = await store.append(STREAM, events, expected=NO_STREAM)
        await store.append(STREAM, [new_event(n) for n in range(3, 6)], expected=1)
        for asked in (store, other):
            again = await asked.append(STREAM, events, expected=NO_STREAM)
            assert again == Appended(first.revision, first.position, fresh=False)
        for not_the_same in ([events[0], new_event(2)], [events[1]], [new_event(1), *events]):
            with pytest.raises(ConflictError) as conflict:
                await other.append(STREAM, not_the_same, expected=NO_STREAM)
            assert conflict.value.actual == 4
        assert len(await store.read_stream(STREAM)) == 5

    async def test_of_replicas_with_the_same_events_only_one_is_told_that_it_stored_them(
        self, store: EventStore, another: Another
    ) -> None:
        events, replicas = [new_event(1), new_event(2)], [store, await another(), await another()]
        answers = await asyncio.gather(
            *(replica.append(STREAM, events, expected=NO_STREAM) for replica in replicas for _ in range(4))
        )
        assert sum(answer.fresh for answer in answers) == 1
        assert {(answer.revision, answer.position) for answer in answers} == {(1, await store.head())}

    async def test_many_appends_at_once_are_all_stored_each_in_its_place(
        self, store: EventStore, another: Another
    ) -> None:
        replicas = (store, await another())

        async def write(number: int) -> int:
            stream, position = f"conformance.thing-{number}", START
            for n in range(4):
                answer = await replicas[(number + n) % 2].append(stream, [new_event(n)], expected=n - 1)
                assert answer.position > position
                position = answer.position
            return position

        last = await asyncio.gather(*(write(number) for number in range(40)))
        events = await store.read_all()
        assert (len(events), len({event.id for event in events})) == (160, 160)
        assert await store.head() == events[-1].position == max(last)
        for number in range(40):
            mine = [event for event in events if event.stream == f"conformance.thing-{number}"]
            assert [(event.revision, event.data) for event in mine] == [
                (n, b'{"number":%d}' % n) for n in range(4)
            ]

    async def test_a_subscription_goes_on_after_any_event(self, store: EventStore, another: Another) -> None:
        await store.append(STREAM, [new_event(n) for n in range(6)], expected=NO_STREAM)
        everything = await store.read_all()
        for event in everything[:-1]:
            for asked in (store, await another()):
                following = cast(
                    "AsyncGenerator[Sequence[StoredEvent]]", asked.subscribe(after=event.position, limit=4)
                )
                async with aclosing(following), asyncio.timeout(PATIENCE):
                    got: list[StoredEvent] = []
                    async for batch in following:
                        assert len(batch) <= 4
                        got.extend(batch)
                        if len(got) >= len(everything) - event.revision - 1:
                            break
                assert got == list(everything[event.revision + 1 :])

    async def test_all_who_follow_see_the_same_whenever_they_begin(
        self, store: EventStore, another: Another
    ) -> None:
        other, count = await another(), 60
        first = await store.append(STREAM, [new_event(n) for n in range(10)], expected=NO_STREAM)

        async def follow(whom: EventStore, after: int, limit: int) -> list[bytes]:
            got: list[bytes] = []
            async with asyncio.timeout(PATIENCE):
                async for batch in whom.subscribe(after=after, limit=limit):
                    got.extend(event.data for event in batch)
                    if got[-1] == b'{"number":%d}' % (count - 1):
                        return got
            return got

        early = [asyncio.create_task(follow(store, START, limit)) for limit in (1, 7, 500)]
        early.append(asyncio.create_task(follow(other, START, 3)))
        late = [asyncio.create_task(follow(store, first.position, 500))]
        for n in range(10, count):
            await (store, other)[n % 2].append(STREAM, [new_event(n)], expected=n - 1)
            if n == count // 2:
                early.append(asyncio.create_task(follow(store, START, 2)))
        everything = [b'{"number":%d}' % n for n in range(count)]
        for one in early:
            assert await one == everything
        for one in late:
            assert await one == everything[10:]

    async def test_reading_while_others_write_misses_nothing(
        self, store: EventStore, another: Another
    ) -> None:
        other, count, seen = await another(), 80, START
        got: list[int] = []

        async def write() -> None:
            for n in range(count):
                await store.append(STREAM, [new_event(n)], expected=n - 1)

        writing = asyncio.create_task(write())
        async with asyncio.timeout(PATIENCE):
            while len(got) < count:
                page = await other.read_all(after=seen, limit=9)
                got.extend(event.revision for event in page)
                seen = page[-1].position if page else seen
                await asyncio.sleep(0)
        await writing
        assert got == list(range(count))


def _sized(size: int) -> NewEvent:
    meta = b"{}"
    return NewEvent(uuid7(), "ThingHappened", 1, b'"' + b"x" * (size - len(meta) - 2) + b'"', meta)


def _revisions(events: Sequence[StoredEvent]) -> list[int]:
    return [event.revision for event in events]
