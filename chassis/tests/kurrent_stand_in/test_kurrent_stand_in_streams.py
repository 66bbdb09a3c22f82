"""What KurrentDB's own client is told by the stand-in when it appends, deletes and describes streams."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from uuid import uuid4

import pytest
from heraldry.chassis.testing.kurrent.node import Limits
from heraldry.chassis.testing.kurrent.samples import an_event, positions, some_events
from heraldry.chassis.testing.kurrent.server import KurrentStandIn
from kurrentdbclient import AsyncKurrentDBClient, NewEvent, StreamState
from kurrentdbclient.exceptions import (
    GrpcError,
    KurrentDBClientError,
    MaximumAppendSizeExceededError,
    NotFoundError,
    StreamIsDeletedError,
    WrongCurrentVersionError,
)

pytestmark = [pytest.mark.parts, pytest.mark.asyncio(loop_scope="module")]
STREAMS = "/event_store.client.streams.Streams"
NO_STREAM, ANY, EXISTS = StreamState.NO_STREAM, StreamState.ANY, StreamState.EXISTS


async def test_an_event_reads_back_as_it_was_stored(client: AsyncKurrentDBClient, stream: str) -> None:
    events = [
        an_event(),
        NewEvent("Scanned", bytes(range(256)), b'{"who": "me"}', "application/octet-stream"),
    ]
    position = await client.append_to_stream(stream, events=events, current_version=NO_STREAM)
    read = await client.get_stream(stream)
    for revision, (stored, new) in enumerate(zip(read, events, strict=True)):
        assert (stored.id, stored.type, stored.data, stored.metadata, stored.content_type) == (
            *(new.id, new.type, new.data, new.metadata, new.content_type),
        )
        assert (stored.stream_name, stored.stream_position) == (stream, revision)
        assert stored.prepare_position == stored.commit_position
        assert stored.recorded_at is not None
    assert read[0].commit_position < read[1].commit_position == position
    assert await client.get_commit_position() == position


async def test_positions_have_gaps(client: AsyncKurrentDBClient, stream: str) -> None:
    await client.append_to_stream(stream, events=some_events(3), current_version=NO_STREAM)
    first, second, third = [event.commit_position for event in await client.get_stream(stream)]
    assert second - first > 1
    assert third - second == second - first  # as large as the event between


async def test_an_append_must_know_where_the_stream_is(client: AsyncKurrentDBClient, stream: str) -> None:
    with pytest.raises(WrongCurrentVersionError) as none:
        await client.append_to_stream(stream, events=an_event(), current_version=0)
    assert (none.value.actual_version, none.value.expected_version) == (NO_STREAM, 0)
    with pytest.raises(WrongCurrentVersionError):
        await client.append_to_stream(stream, events=an_event(), current_version=EXISTS)
    await client.append_to_stream(stream, events=some_events(2), current_version=NO_STREAM)
    for wrong in (NO_STREAM, 0, 2):
        with pytest.raises(WrongCurrentVersionError) as other:
            await client.append_to_stream(stream, events=some_events(2), current_version=wrong)
        assert other.value.actual_version == 1
    for right in (1, ANY, EXISTS):
        await client.append_to_stream(stream, events=an_event(), current_version=right)
    assert await positions(client, stream) == [0, 1, 2, 3, 4]


async def test_the_same_append_again_is_answered_as_the_first_was(
    client: AsyncKurrentDBClient, stream: str
) -> None:
    events = some_events(3)
    first = await client.append_to_stream(stream, events=events[:1], current_version=NO_STREAM)
    rest = await client.append_to_stream(stream, events=events[1:], current_version=0)
    assert await client.append_to_stream(stream, events=events[:1], current_version=NO_STREAM) == first
    for again in (0, ANY, EXISTS):
        assert await client.append_to_stream(stream, events=events[1:], current_version=again) == rest
    with pytest.raises(WrongCurrentVersionError):
        await client.append_to_stream(stream, events=[events[1], an_event()], current_version=0)
    with pytest.raises(WrongCurrentVersionError):
        await client.append_to_stream(stream, events=[events[1], an_event()], current_version=ANY)
    assert await positions(client, stream) == [0, 1, 2]


async def test_the_same_event_at_a_later_revision_is_another(
    client: AsyncKurrentDBClient, stream: str
) -> None:
    event = an_event()
    first = await client.append_to_stream(stream, events=event, current_version=NO_STREAM)
    second = await client.append_to_stream(stream, events=event, current_version=0)
    assert second > first
    assert [stored.id for stored in await client.get_stream(stream)] == [event.id, event.id]


async def test_an_empty_append_stores_nothing_checks_and_takes_its_place(
    client: AsyncKurrentDBClient,
) -> None:
    stream = str(uuid4())
    with pytest.raises(WrongCurrentVersionError):
        await client.append_to_stream(stream, events=[], current_version=3)
    place = await client.append_to_stream(stream, events=[], current_version=NO_STREAM)
    assert await client.get_current_version(stream) is NO_STREAM
    after = await client.append_to_stream(stream, events=an_event(), current_version=NO_STREAM)
    assert after - place == 126  # as large as the server's record of nothing
    read = [event.commit_position async for event in await client.read_all(commit_position=place)]
    assert read == [after]


async def test_an_append_that_is_too_large_stores_nothing(client: AsyncKurrentDBClient, stream: str) -> None:
    half = NewEvent("Big", b"x" * 6_000_000, content_type="application/octet-stream")
    with pytest.raises(GrpcError, match="exceeds the maximum configured message size"):
        await client.append_to_stream(stream, events=[half] * 3, current_version=NO_STREAM)
    assert await client.get_current_version(stream) is NO_STREAM
    await client.append_to_stream(stream, events=half, current_version=NO_STREAM)
    async with KurrentStandIn(limits=Limits(append=1_000, event=900)) as small:
        other = AsyncKurrentDBClient(small.uri)
        with pytest.raises(MaximumAppendSizeExceededError, match="Max size is 1000"):
            await other.append_to_stream(
                stream, events=[NewEvent("T", b"x" * 500), NewEvent("T", b"x" * 501)], current_version=ANY
            )
        with pytest.raises(KurrentDBClientError, match="MaximumAppendEventSizeExceeded"):
            await other.append_to_stream(stream, events=NewEvent("T", b"x" * 950), current_version=ANY)
        assert await other.get_current_version(stream) is NO_STREAM
        await other.close()


async def test_many_appends_at_once_are_all_stored(client: AsyncKurrentDBClient, stream: str) -> None:
    events = some_events(50)
    stored = await asyncio.gather(
        *(client.append_to_stream(stream, events=event, current_version=ANY) for event in events)
    )
    assert len(set(stored)) == 50
    assert {event.id for event in await client.get_stream(stream)} == {event.id for event in events}
    assert await positions(client, stream) == list(range(50))


async def test_of_two_that_expect_the_same_revision_one_wins(
    client: AsyncKurrentDBClient, stream: str
) -> None:
    outcomes = await asyncio.gather(
        *(client.append_to_stream(stream, events=an_event(), current_version=NO_STREAM) for _ in range(8)),
        return_exceptions=True,
    )
    assert sum(isinstance(outcome, int) for outcome in outcomes) == 1
    assert sum(isinstance(outcome, WrongCurrentVersionError) for outcome in outcomes) == 7


# ── the end of a stream ──────────────────────────────────────────────────────────────────────────────────────


async def test_a_deleted_stream_is_not_found_and_goes_on_where_it_was(
    client: AsyncKurrentDBClient, stream: str
) -> None:
    await client.append_to_stream(stream, events=some_events(3), current_version=NO_STREAM)
    with pytest.raises(WrongCurrentVersionError):
        await client.delete_stream(stream, current_version=1)
    await client.delete_stream(stream, current_version=2)
    with pytest.raises(NotFoundError):
        await client.get_stream(stream)
    assert await client.get_current_version(stream) is NO_STREAM
    await client.append_to_stream(stream, events=some_events(2), current_version=NO_STREAM)
    assert await positions(client, stream) == [3, 4]
    metadata, _ = await client.get_stream_metadata(stream)
    assert metadata == {"$tb": 3}


async def test_a_deleted_stream_also_goes_on_after_its_last_revision(
    client: AsyncKurrentDBClient, stream: str
) -> None:
    for current in (1, ANY):
        name = f"{stream}-{current}"
        await client.append_to_stream(name, events=some_events(2), current_version=NO_STREAM)
        await client.delete_stream(name, current_version=EXISTS)
        await client.append_to_stream(name, events=an_event(), current_version=current)
        assert await positions(client, name) == [2]


async def test_the_log_still_has_what_was_deleted(client: AsyncKurrentDBClient, stream: str) -> None:
    position = await client.append_to_stream(stream, events=an_event(), current_version=NO_STREAM)
    await client.delete_stream(stream, current_version=ANY)
    read = [event async for event in await client.read_all(commit_position=position, filter_exclude=())]
    assert [(event.stream_name, event.type) for event in read] == [
        (stream, "OrderPlaced"),
        (f"$${stream}", "$metadata"),
    ]


async def test_a_deleted_stream_does_not_exist_for_those_who_expect_it(
    client: AsyncKurrentDBClient, stream: str
) -> None:
    await client.append_to_stream(stream, events=an_event(), current_version=NO_STREAM)
    await client.delete_stream(stream, current_version=EXISTS)
    with pytest.raises(StreamIsDeletedError):
        await client.append_to_stream(stream, events=an_event(), current_version=EXISTS)
    with pytest.raises(StreamIsDeletedError):
        await client.delete_stream(stream, current_version=EXISTS)
    await client.delete_stream(stream, current_version=0)  # deleting again does no harm


async def test_a_stream_that_never_was_cannot_be_deleted(client: AsyncKurrentDBClient, stream: str) -> None:
    for current in (0, ANY, EXISTS, NO_STREAM):
        with pytest.raises(NotFoundError):
            await client.delete_stream(stream, current_version=current)


async def test_nothing_comes_after_a_tombstone(client: AsyncKurrentDBClient, stream: str) -> None:
    await client.append_to_stream(stream, events=some_events(2), current_version=NO_STREAM)
    with pytest.raises(WrongCurrentVersionError):
        await client.tombstone_stream(stream, current_version=0)
    await client.tombstone_stream(stream, current_version=1)
    calls: list[Callable[[], Awaitable[object]]] = [
        lambda: client.get_stream(stream),
        lambda: client.append_to_stream(stream, events=an_event(), current_version=ANY),
        lambda: client.append_to_stream(stream, events=an_event(), current_version=NO_STREAM),
        lambda: client.delete_stream(stream, current_version=ANY),
        lambda: client.tombstone_stream(stream, current_version=ANY),
        lambda: client.get_stream_metadata(stream),
        lambda: client.append_to_stream(stream, events=[], current_version=EXISTS),
    ]
    for call in calls:
        with pytest.raises(StreamIsDeletedError):
            await call()


async def test_after_a_tombstone_metadata_can_be_set_but_not_read(
    client: AsyncKurrentDBClient, stream: str
) -> None:
    for name, versions in ((stream, [ANY, 0]), (f"{stream}-described", [1, ANY])):
        if name != stream:
            await client.set_stream_metadata(name, metadata={"color": "red"})
            await client.set_stream_metadata(name, metadata={"color": "green"}, current_version=0)
        await client.tombstone_stream(name, current_version=ANY)
        for version in versions:
            await client.set_stream_metadata(name, metadata={"color": "blue"}, current_version=version)
        with pytest.raises(WrongCurrentVersionError):
            await client.set_stream_metadata(name, metadata={}, current_version=10)
        with pytest.raises(StreamIsDeletedError):
            await client.get_stream_metadata(name)
        with pytest.raises(StreamIsDeletedError):
            await client.get_stream(name)


async def test_an_empty_append_to_a_tombstone_is_a_check_that_succeeds(
    client: AsyncKurrentDBClient, stream: str
) -> None:
    await client.tombstone_stream(stream, current_version=ANY)
    for current in (ANY, NO_STREAM):
        await client.append_to_stream(stream, events=[], current_version=current)
    with pytest.raises(StreamIsDeletedError):
        await client.get_stream(stream)


async def test_a_stream_that_never_was_can_be_tombstoned(client: AsyncKurrentDBClient, stream: str) -> None:
    with pytest.raises(NotFoundError):
        await client.tombstone_stream(stream, current_version=0)
    await client.tombstone_stream(stream, current_version=NO_STREAM)
    with pytest.raises(StreamIsDeletedError):
        await client.get_stream(stream)


# ── metadata of a stream ─────────────────────────────────────────────────────────────────────────────────────


async def test_metadata_have_a_version_of_their_own(client: AsyncKurrentDBClient, stream: str) -> None:
    assert await client.get_stream_metadata(stream) == ({}, NO_STREAM)
    await client.set_stream_metadata(stream, metadata={"color": "red"}, current_version=NO_STREAM)
    assert await client.get_stream_metadata(stream) == ({"color": "red"}, 0)
    with pytest.raises(WrongCurrentVersionError):
        await client.set_stream_metadata(stream, metadata={}, current_version=4)
    await client.set_stream_metadata(stream, metadata={"color": "blue"}, current_version=0)
    assert await client.get_stream_metadata(stream) == ({"color": "blue"}, 1)
    assert await positions(client, f"$${stream}") == [1]  # only the newest are read


async def test_a_reader_sees_as_many_events_as_metadata_say(
    client: AsyncKurrentDBClient, stream: str
) -> None:
    await client.append_to_stream(stream, events=some_events(6), current_version=NO_STREAM)
    await client.set_stream_metadata(stream, metadata={"$maxCount": 3})
    assert await positions(client, stream) == [3, 4, 5]
    await client.set_stream_metadata(stream, metadata={"$tb": 5})
    assert await positions(client, stream) == [5]
    assert [event.stream_position for event in await client.get_stream(stream, backwards=True)] == [5]
    await client.set_stream_metadata(stream, metadata={"$maxAge": 3600})
    assert await positions(client, stream) == [0, 1, 2, 3, 4, 5]
    await client.append_to_stream(stream, events=an_event(), current_version=5)


async def test_metadata_bring_a_deleted_stream_back_without_its_events(
    client: AsyncKurrentDBClient, stream: str
) -> None:
    await client.append_to_stream(stream, events=some_events(2), current_version=NO_STREAM)
    await client.delete_stream(stream, current_version=1)
    await client.set_stream_metadata(stream, metadata={"color": "red"})
    assert await client.get_stream(stream) == ()
    metadata, _ = await client.get_stream_metadata(stream)
    assert metadata == {"color": "red", "$tb": 2}
