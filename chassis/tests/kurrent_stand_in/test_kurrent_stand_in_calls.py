"""The stand-in's two calls that append to one stream, beyond what KurrentDB's client makes of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from uuid import uuid4

import grpc.aio
import pytest
import pytest_asyncio
from heraldry.chassis.testing.kurrent.samples import an_event, positions, some_events
from heraldry.chassis.testing.kurrent.server import KurrentStandIn
from kurrentdbclient import AsyncKurrentDBClient, KurrentDBClient, NewEvent, StreamState
from kurrentdbclient.exceptions import (
    GrpcError,
    WrongCurrentVersionError,
)
from kurrentdbclient.protos.v1.shared_pb2 import UUID as UuidMessage  # noqa: N811
from kurrentdbclient.protos.v1.shared_pb2 import BadRequest, StreamIdentifier, Timeout, WrongExpectedVersion
from kurrentdbclient.protos.v1.streams_pb2 import AppendReq, AppendResp, BatchAppendReq, BatchAppendResp

pytestmark = [pytest.mark.parts, pytest.mark.asyncio(loop_scope="module")]
STREAMS = "/event_store.client.streams.Streams"
NO_STREAM, ANY, EXISTS = StreamState.NO_STREAM, StreamState.ANY, StreamState.EXISTS


# ── the calls themselves, beyond what the client makes of them ───────────────────────────────────────────────


def a_batch(
    stream: str, correlation: str, *, final: bool, events: int = 1, options: bool = True, seconds: int = 5
) -> BatchAppendReq:
    request = BatchAppendReq(
        correlation_id=UuidMessage(string=correlation),
        proposed_messages=[
            BatchAppendReq.ProposedMessage(
                id=UuidMessage(string=str(uuid4())),
                metadata={"type": "T", "content-type": "application/json"},
                data=b"{}",
            )
            for _ in range(events)
        ],
        is_final=final,
    )
    if options:
        request.options.stream_identifier.CopyFrom(StreamIdentifier(stream_name=stream.encode()))
        request.options.no_stream.SetInParent()
        request.options.deadline.seconds = seconds
    return request


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def channel(server: KurrentStandIn) -> AsyncIterator[grpc.aio.Channel]:
    async with grpc.aio.insecure_channel(f"{server.node.host}:{server.node.port}") as channel:
        yield channel


def call_batch_append(
    channel: grpc.aio.Channel, requests: Iterator[BatchAppendReq] | AsyncIterator[BatchAppendReq]
) -> grpc.aio.StreamStreamCall[BatchAppendReq, BatchAppendResp]:
    method = channel.stream_stream(
        f"{STREAMS}/BatchAppend",
        request_serializer=BatchAppendReq.SerializeToString,
        response_deserializer=BatchAppendResp.FromString,
    )
    return method(requests)


async def batch(channel: grpc.aio.Channel, *requests: BatchAppendReq) -> dict[str, BatchAppendResp]:
    """The answers by correlation id."""
    call = call_batch_append(channel, iter(requests))
    return {answer.correlation_id.string: answer async for answer in call}


async def test_one_call_appends_to_many_streams_in_parts(
    client: AsyncKurrentDBClient, channel: grpc.aio.Channel, stream: str
) -> None:
    one, two = str(uuid4()), str(uuid4())
    answers = await batch(
        channel,
        a_batch(f"{stream}-1", one, final=False, events=2),
        a_batch(f"{stream}-2", two, final=True),
        a_batch("", one, final=True, events=3, options=False),
    )
    assert (answers[one].success.current_revision, answers[two].success.current_revision) == (4, 0)
    assert answers[one].stream_identifier.stream_name.decode() == f"{stream}-1"
    assert await positions(client, f"{stream}-1") == [0, 1, 2, 3, 4]


async def test_a_refused_append_says_what_was_expected_and_what_is(
    client: AsyncKurrentDBClient, channel: grpc.aio.Channel, stream: str
) -> None:
    await client.append_to_stream(stream, events=some_events(2), current_version=NO_STREAM)
    refused, other = str(uuid4()), str(uuid4())
    answers = await batch(
        channel, a_batch(stream, refused, final=True), a_batch(f"{stream}-2", other, final=True)
    )
    wrong = WrongExpectedVersion()
    assert answers[refused].error.details.Unpack(wrong)
    assert wrong.WhichOneof("expected_stream_position_option") == "expected_no_stream"
    assert wrong.current_stream_revision == 1
    assert answers[other].WhichOneof("result") == "success"


async def test_a_batch_without_a_stream_or_a_type_is_a_bad_request(
    channel: grpc.aio.Channel, stream: str
) -> None:
    nowhere, untyped = str(uuid4()), str(uuid4())
    without_stream, without_type = a_batch(stream, nowhere, final=True), a_batch(stream, untyped, final=True)
    without_stream.options.ClearField("stream_identifier")
    del without_type.proposed_messages[0].metadata["type"]
    answers = await batch(channel, without_stream, without_type)
    assert [answer.error.details.Is(BadRequest.DESCRIPTOR) for answer in answers.values()] == [True, True]


async def test_an_append_whose_time_is_over_stores_nothing(
    client: AsyncKurrentDBClient, channel: grpc.aio.Channel, stream: str
) -> None:
    (answer,) = (await batch(channel, a_batch(stream, str(uuid4()), final=True, seconds=0))).values()
    assert answer.error.details.Is(Timeout.DESCRIPTOR)
    assert await client.get_current_version(stream) is NO_STREAM


async def test_a_batch_that_never_becomes_whole_runs_out_of_time(
    channel: grpc.aio.Channel, stream: str
) -> None:
    correlation, done = str(uuid4()), asyncio.Event()

    async def requests() -> AsyncIterator[BatchAppendReq]:
        request = a_batch(stream, correlation, final=False, seconds=0)
        request.options.deadline.nanos = 50_000_000
        yield request
        await done.wait()

    async for answer in call_batch_append(channel, requests()):
        done.set()
        assert answer.error.details.Is(Timeout.DESCRIPTOR)
    assert done.is_set()


# ── the client without asyncio: one event is the call Append ─────────────────────────────────────────────────


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def plain(server: KurrentStandIn) -> AsyncIterator[KurrentDBClient]:
    client = await asyncio.to_thread(KurrentDBClient, server.uri)
    yield client
    await asyncio.to_thread(client.close)


async def test_append_answers_as_batch_append_does(plain: KurrentDBClient, stream: str) -> None:
    def use() -> None:
        event = an_event()
        first = plain.append_to_stream(stream, events=event, current_version=NO_STREAM)
        assert plain.append_to_stream(stream, events=event, current_version=NO_STREAM) == first
        with pytest.raises(WrongCurrentVersionError) as wrong:
            plain.append_to_stream(stream, events=an_event(), current_version=5)
        assert (wrong.value.actual_version, wrong.value.expected_version) == (0, 5)
        with pytest.raises(WrongCurrentVersionError) as none:
            plain.append_to_stream(f"{stream}-2", events=an_event(), current_version=EXISTS)
        assert none.value.actual_version is NO_STREAM
        assert len(plain.get_stream(stream)) == 1

    await asyncio.to_thread(use)


async def test_append_refuses_what_is_too_large_or_tombstoned(plain: KurrentDBClient, stream: str) -> None:
    def use() -> None:
        with pytest.raises(GrpcError, match="exceeds the maximum configured message size"):
            plain.append_to_stream(
                stream, events=NewEvent("Big", b"x" * 16_800_000), current_version=NO_STREAM
            )
        plain.append_to_stream(stream, events=an_event(), current_version=NO_STREAM)
        plain.tombstone_stream(stream, current_version=ANY)
        with pytest.raises(Exception, match="is deleted") as refused:
            plain.append_to_stream(stream, events=an_event(), current_version=ANY)
        assert not isinstance(refused.value, GrpcError)

    await asyncio.to_thread(use)


@pytest.mark.parametrize("missing", ["type", "content-type"])
async def test_append_names_the_metadata_that_are_missing(
    channel: grpc.aio.Channel, stream: str, missing: str
) -> None:
    opening = AppendReq()
    opening.options.stream_identifier.stream_name = stream.encode()
    opening.options.any.SetInParent()
    metadata = {"type": "T", "content-type": "application/json"}
    del metadata[missing]
    message = AppendReq.ProposedMessage(id=UuidMessage(string=str(uuid4())), metadata=metadata)
    method = channel.stream_unary(
        f"{STREAMS}/Append",
        request_serializer=AppendReq.SerializeToString,
        response_deserializer=AppendResp.FromString,
    )
    with pytest.raises(grpc.aio.AioRpcError, match=f"'{missing}' is missing") as refused:
        await method(iter([opening, AppendReq(proposed_message=message)]))
    assert dict(refused.value.trailing_metadata())["exception"] == "missing-required-metadata-property"
