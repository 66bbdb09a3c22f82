"""What every event store must do.

A test class of an adapter inherits `StoreConformance` and gives `store`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from uuid import UUID

import pytest
from heraldry.chassis.store.port import (
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


def new_event(number: int = 0, *, id: UUID | None = None) -> NewEvent:  # noqa: A002  the field's name
    return NewEvent(id or uuid7(), "ThingHappened", 1, b'{"number":%d}' % number, b'{"actor":"test"}')


class StoreConformance:
    """Inherit and override the fixture `store` (an empty EventStore that is closed afterwards)."""

    async def test_an_appended_event_reads_back_as_it_was(self, store: EventStore) -> None:
        event = new_event(7)
        appended = await store.append(STREAM, [event], expected=NO_STREAM)
        (read,) = await store.read_stream(STREAM)
        assert read == StoredEvent(
            appended.position, STREAM, 0, event.id, event.type, event.version, event.data, event.meta
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
        for events in ([], [NewEvent(uuid7(), "ThingHappened", 1, b"x" * 300_000, b"{}")]):
            with pytest.raises(ValueError, match="256 KiB"):
                await store.append(STREAM, events, expected=NO_STREAM)
        assert await store.head() == START


def _revisions(events: Sequence[StoredEvent]) -> list[int]:
    return [event.revision for event in events]
