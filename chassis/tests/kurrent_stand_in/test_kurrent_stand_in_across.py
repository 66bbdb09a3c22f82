"""What KurrentDB's own client is told by the stand-in when it appends to several streams at once."""

from __future__ import annotations

import json

import pytest
from heraldry.chassis.testing.kurrent.server import KurrentStandIn
from kurrentdbclient import (
    AsyncKurrentDBClient,
    NewEvent,
    NewEvents,
    NewRecord,
    StreamState,
    StreamStateCheck,
)
from kurrentdbclient.exceptions import (
    ConsistencyCheckFailure,
    ConsistencyChecksFailedError,
    MultiAppendToSameStreamError,
    NodeIsNotLeaderError,
    StreamStateCheckFailure,
    StreamTombstonedError,
    TransactionMaxSizeExceededError,
    WrongCurrentVersionError,
)

pytestmark = [pytest.mark.parts, pytest.mark.asyncio(loop_scope="module")]
NO_STREAM, ANY, EXISTS = StreamState.NO_STREAM, StreamState.ANY, StreamState.EXISTS


def events(stream: str, current: int | StreamState, count: int = 2) -> NewEvents:
    return NewEvents(stream, [NewEvent("Placed", b"{}") for _ in range(count)], current)


async def count(client: AsyncKurrentDBClient, *streams: str) -> list[int | StreamState]:
    return [await client.get_current_version(stream) for stream in streams]


async def test_events_of_two_streams_are_stored_together(client: AsyncKurrentDBClient, stream: str) -> None:
    one, two = events(f"{stream}-1", NO_STREAM), events(f"{stream}-2", ANY)
    position = await client.multi_append_to_stream([one, two])
    assert await count(client, f"{stream}-1", f"{stream}-2") == [1, 1]
    assert (await client.get_stream(f"{stream}-2"))[-1].commit_position == position
    assert await client.multi_append_to_stream([one, two]) == position
    assert await count(client, f"{stream}-1", f"{stream}-2") == [1, 1]


async def test_when_one_stream_is_not_as_expected_nothing_is_stored(
    client: AsyncKurrentDBClient, stream: str
) -> None:
    await client.multi_append_to_stream(events(f"{stream}-1", NO_STREAM))
    with pytest.raises(WrongCurrentVersionError) as wrong:
        await client.multi_append_to_stream([events(f"{stream}-2", NO_STREAM), events(f"{stream}-1", 7)])
    assert (wrong.value.stream_name, wrong.value.actual_version, wrong.value.expected_version) == (
        *(f"{stream}-1", 1, 7),
    )
    await client.tombstone_stream(f"{stream}-1", current_version=ANY)
    with pytest.raises(StreamTombstonedError):
        await client.multi_append_to_stream([events(f"{stream}-2", NO_STREAM), events(f"{stream}-1", ANY)])
    assert await count(client, f"{stream}-2") == [NO_STREAM]


async def test_a_stream_is_named_once_and_the_whole_is_not_too_large(
    client: AsyncKurrentDBClient, stream: str
) -> None:
    with pytest.raises(MultiAppendToSameStreamError):
        await client.multi_append_to_stream([events(stream, ANY), events(stream, ANY)])
    half = NewEvent("Big", b"x" * 600_000, content_type="application/octet-stream")
    with pytest.raises(TransactionMaxSizeExceededError) as large:
        await client.multi_append_to_stream(
            [NewEvents(f"{stream}-1", [half], ANY), NewEvents(f"{stream}-2", [half], ANY)]
        )
    assert large.value.max_size == 1024 * 1024


async def test_metadata_are_kept_as_text(client: AsyncKurrentDBClient, stream: str) -> None:
    await client.multi_append_to_stream(
        NewEvents(stream, [NewEvent("Placed", b"{}", b'{"who": "me"}')], NO_STREAM)
    )
    (stored,) = await client.get_stream(stream)
    assert (json.loads(stored.metadata), stored.content_type) == ({"who": "me"}, "application/json")


async def test_records_of_several_streams_keep_their_order(client: AsyncKurrentDBClient, stream: str) -> None:
    names = [f"{stream}-1", f"{stream}-2", f"{stream}-1"]
    result = await client.append_records([NewRecord(name, "Placed", b"{}") for name in names])
    read = [event async for event in await client.read_all(backwards=True, limit=3)][::-1]
    assert [event.stream_name for event in read] == names
    assert result.commit_position == read[-1].commit_position
    assert {each.stream_name: each.stream_position for each in result.stream_positions} == {
        f"{stream}-1": 1,
        f"{stream}-2": 0,
    }


async def test_checks_may_name_streams_that_are_not_written_to(
    client: AsyncKurrentDBClient, stream: str
) -> None:
    record = NewRecord(stream, "Placed", b"{}")
    await client.multi_append_to_stream([events(f"{stream}-1", ANY), events(f"{stream}-2", ANY)])
    await client.delete_stream(f"{stream}-2", current_version=ANY)
    with pytest.raises(ConsistencyChecksFailedError) as failed:
        await client.append_records(
            record,
            [
                StreamStateCheck(stream, NO_STREAM),
                StreamStateCheck(f"{stream}-1", 0),
                StreamStateCheck(f"{stream}-2", EXISTS),
            ],
        )
    assert failed.value.failures == (
        ConsistencyCheckFailure(1, StreamStateCheckFailure(f"{stream}-1", 0, 1)),
        ConsistencyCheckFailure(2, StreamStateCheckFailure(f"{stream}-2", -4, -10)),
    )
    assert await count(client, stream) == [NO_STREAM]
    await client.append_records(record, [StreamStateCheck(f"{stream}-1", 1)])
    assert await count(client, stream) == [0]


async def test_only_the_leader_takes_them(
    server: KurrentStandIn, client: AsyncKurrentDBClient, stream: str
) -> None:
    server.step_down("127.0.0.1", 1)
    with pytest.raises(NodeIsNotLeaderError) as refused:
        await client.multi_append_to_stream(events(stream, ANY))
    assert (refused.value.host, refused.value.port) == ("127.0.0.1", 1)
    server.lead()
