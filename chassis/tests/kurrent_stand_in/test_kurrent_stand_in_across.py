"""What KurrentDB's own client is told by the stand-in when it appends to several streams at once."""

from __future__ import annotations

import json
from collections.abc import Awaitable
from uuid import UUID

import pytest
from heraldry.chassis.testing.kurrent.node import Limits
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
    KurrentDBClientError,
    MultiAppendToSameStreamError,
    NodeIsNotLeaderError,
    RecordMaxSizeExceededError,
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


async def test_a_stream_is_named_once(client: AsyncKurrentDBClient, stream: str) -> None:
    with pytest.raises(MultiAppendToSameStreamError) as twice:
        await client.multi_append_to_stream([events(stream, ANY), events(stream.upper(), ANY)])
    assert twice.value.stream_name == stream.upper()


async def test_what_is_too_large_is_named() -> None:
    small = NewEvent("Small", b"x" * 600, content_type="application/octet-stream")
    large = NewEvent("Large", b"x" * 1_001, content_type="application/octet-stream")
    async with KurrentStandIn(limits=Limits(append=1_000, event=900)) as server:
        client = AsyncKurrentDBClient(server.uri)
        with pytest.raises(TransactionMaxSizeExceededError) as together:
            await client.multi_append_to_stream([NewEvents(name, [small], ANY) for name in ("a", "b")])
        assert together.value.max_size == 1_000
        with pytest.raises(RecordMaxSizeExceededError) as alone:
            await client.multi_append_to_stream(NewEvents("a", [large], ANY))
        assert (alone.value.stream_name, alone.value.event_id) == ("a", large.id)
        assert (alone.value.size > 1_001, alone.value.max_size) == (True, 900)
        assert await count(client, "a", "b") == [NO_STREAM, NO_STREAM]
        await client.close()


@pytest.mark.parametrize("content", ["Json", "Bytes"])
async def test_metadata_are_kept_as_text_with_the_schema_among_them(
    client: AsyncKurrentDBClient, stream: str, content: str
) -> None:
    kind = "application/json" if content == "Json" else "application/octet-stream"
    await client.multi_append_to_stream(
        NewEvents(stream, [NewEvent("Placed", b"{}", b'{"who": "me"}', kind)], NO_STREAM)
    )
    (stored,) = await client.get_stream(stream)
    schema = {"$schema.name": "Placed", "$schema.format": content}
    assert (json.loads(stored.metadata), stored.content_type) == ({"who": "me", **schema}, kind)


async def test_what_is_not_a_request_is_refused_with_the_reason(
    client: AsyncKurrentDBClient, stream: str
) -> None:
    record = NewRecord(stream, "Placed", b"{}")
    check = StreamStateCheck(stream, NO_STREAM)
    cases: list[tuple[Awaitable[object], str]] = [
        (client.multi_append_to_stream([]), "no append requests were sent"),
        (client.multi_append_to_stream(events(stream, ANY, 0)), "at least one record"),
        (client.multi_append_to_stream(events("", ANY)), "Stream must not be empty"),
        (client.append_records([]), "at least one record"),
        (client.append_records(NewRecord(stream, "", b"")), "Schema name must not be empty"),
        (client.append_records(NewRecord(stream, "not a name", b"")), "Attempted Value: not a name"),
        (client.append_records(NewRecord(stream, "A", b"", id=UUID(int=0))), "non-empty UUID"),
        (client.append_records(record, [check, check]), "only appear once"),
        (client.append_records(record, StreamStateCheck(stream, ANY)), r"Any \(-2\) is not allowed"),
    ]
    for call, why in cases:
        with pytest.raises(KurrentDBClientError, match=why):
            await call
    assert await count(client, stream) == [NO_STREAM]


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
        ConsistencyCheckFailure(2, StreamStateCheckFailure(f"{stream}-2", -4, -5)),
    )
    assert await count(client, stream) == [NO_STREAM]
    await client.append_records(record, [StreamStateCheck(f"{stream}-1", 1)])
    assert await count(client, stream) == [0]


async def test_a_tombstone_can_be_checked_but_not_written_to(
    client: AsyncKurrentDBClient, stream: str
) -> None:
    gone, first, record = (
        f"{stream}-gone",
        *(NewRecord(stream, "Placed", b"{}") for _ in range(2)),
    )
    await client.tombstone_stream(gone, current_version=ANY)
    stored = await client.append_records(first, StreamStateCheck(gone, NO_STREAM))
    for current in (EXISTS, 0):
        repeated = await client.append_records(first, StreamStateCheck(gone, current))
        assert repeated == stored  # what was stored before is not checked again
        with pytest.raises(ConsistencyChecksFailedError) as failed:
            await client.append_records(record, StreamStateCheck(gone, current))
        (failure,) = failed.value.failures
        assert failure.stream_state_failure is not None
        assert failure.stream_state_failure.actual_state == -6
    with pytest.raises(ConsistencyChecksFailedError) as unchecked:
        await client.append_records([record, NewRecord(gone, "Placed", b"{}")])
    assert unchecked.value.failures == (ConsistencyCheckFailure(1, StreamStateCheckFailure(gone, -2, -6)),)
    assert await count(client, stream) == [0]


async def test_a_deleted_stream_that_is_expected_to_exist_is_said_to_be_tombstoned(
    client: AsyncKurrentDBClient, stream: str
) -> None:
    await client.multi_append_to_stream(events(stream, ANY))
    await client.delete_stream(stream, current_version=ANY)
    with pytest.raises(StreamTombstonedError):
        await client.multi_append_to_stream(events(stream, EXISTS))


async def test_only_the_leader_takes_them(
    server: KurrentStandIn, client: AsyncKurrentDBClient, stream: str
) -> None:
    server.step_down("127.0.0.1", 1)
    with pytest.raises(NodeIsNotLeaderError) as refused:
        await client.multi_append_to_stream(events(stream, ANY))
    assert (refused.value.host, refused.value.port) == ("127.0.0.1", 1)
    assert UUID(refused.value.node_id)
    server.lead()
