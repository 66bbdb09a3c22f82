"""What KurrentDB's own client reads from the stand-in, once and for ever."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import pytest
from heraldry.chassis.testing.kurrent.server import KurrentStandIn
from heraldry.chassis.testing.waiting import until
from kurrentdbclient import AsyncKurrentDBClient, KurrentDBClient, NewEvent, RecordedEvent, StreamState
from kurrentdbclient.common import AbstractAsyncCatchupSubscription
from kurrentdbclient.exceptions import (
    ConsumerTooSlowError,
    ExceptionThrownByHandlerError,
    GrpcError,
    InvalidCommitPositionError,
    KurrentDBClientError,
    NotFoundError,
    ServiceUnavailableError,
    StreamIsDeletedError,
    UnknownError,
)

pytestmark = [pytest.mark.parts, pytest.mark.asyncio(loop_scope="module")]
NO_STREAM, ANY = StreamState.NO_STREAM, StreamState.ANY


async def store(
    client: AsyncKurrentDBClient, stream: str, count: int, type_: str = "Placed"
) -> tuple[RecordedEvent, ...]:
    """So many events more; the whole stream."""
    events = [NewEvent(type_, b"{}") for _ in range(count)]
    await client.append_to_stream(stream, events=events, current_version=ANY)
    return await client.get_stream(stream)


async def read_all(client: AsyncKurrentDBClient, **how: Any) -> list[RecordedEvent]:
    return [event async for event in await client.read_all(**how)]


async def take(subscription: AbstractAsyncCatchupSubscription, count: int) -> list[RecordedEvent]:
    async with asyncio.timeout(10):
        return [await anext(subscription) for _ in range(count)]


@asynccontextmanager
async def subscribed(
    subscription: AbstractAsyncCatchupSubscription,
) -> AsyncGenerator[AbstractAsyncCatchupSubscription]:
    """Stopped afterwards, as far as it has not ended by itself."""
    try:
        yield subscription
    finally:
        await subscription.stop()


def ids(events: Sequence[RecordedEvent]) -> list[object]:
    return [event.id for event in events]


# ── a stream ─────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_stream_is_read_from_any_revision_both_ways(
    client: AsyncKurrentDBClient, stream: str
) -> None:
    a, b, c, d = ids(await store(client, stream, 4))
    cases: list[tuple[dict[str, Any], list[object]]] = [
        ({}, [a, b, c, d]),
        ({"stream_position": 2}, [c, d]),
        ({"stream_position": 9}, []),
        ({"limit": 2}, [a, b]),
        ({"stream_position": 1, "limit": 2}, [b, c]),
        ({"backwards": True}, [d, c, b, a]),
        ({"backwards": True, "stream_position": 1}, [b, a]),
        ({"backwards": True, "stream_position": 9}, [d, c, b, a]),
        ({"backwards": True, "limit": 1}, [d]),
    ]
    for how, wanted in cases:
        assert ids(await client.get_stream(stream, **how)) == wanted, how


async def test_a_stream_of_many_pages_is_read_whole(client: AsyncKurrentDBClient, stream: str) -> None:
    events = await store(client, stream, 600)
    assert [event.stream_position for event in events] == list(range(600))
    assert list(await client.get_stream(stream, backwards=True)) == list(events)[::-1]


async def test_a_stream_that_is_not_there_is_not_found(client: AsyncKurrentDBClient, stream: str) -> None:
    for backwards in (False, True):
        with pytest.raises(NotFoundError):
            await client.get_stream(stream, backwards=backwards)


# ── the log ──────────────────────────────────────────────────────────────────────────────────────────────────


async def test_the_log_is_read_from_any_position_both_ways(client: AsyncKurrentDBClient, stream: str) -> None:
    one = await store(client, stream, 2)
    two = await store(client, f"{stream}-2", 2)
    ordered = ids([*one, *two])
    assert ids(await read_all(client))[-4:] == ordered
    assert ids(await read_all(client, commit_position=one[1].commit_position)) == ordered[1:]
    assert ids(await read_all(client, backwards=True, limit=3)) == ordered[:0:-1]
    before = await read_all(client, backwards=True, commit_position=two[0].commit_position, limit=2)
    assert ids(before) == [one[1].id, one[0].id]


async def test_the_log_cannot_be_read_from_the_middle_of_an_event(
    client: AsyncKurrentDBClient, stream: str
) -> None:
    (event,) = await store(client, stream, 1)
    with pytest.raises(InvalidCommitPositionError):
        await read_all(client, commit_position=event.commit_position + 1)
    beyond = event.commit_position + 1_000_000
    assert await read_all(client, commit_position=beyond) == []
    with pytest.raises(UnknownError, match="greater than writer checkpoint"):
        await read_all(client, commit_position=beyond, backwards=True)
    with pytest.raises(GrpcError, match="invalid position"):
        await take(await client.subscribe_to_all(commit_position=event.commit_position - 1), 1)


async def test_what_the_database_writes_itself_is_left_out_unless_it_is_asked_for(
    client: AsyncKurrentDBClient,
) -> None:
    assert not any(event.is_system_event for event in await read_all(client))
    everything = await read_all(client, filter_exclude=())
    assert {"$UserCreated", "$User"} <= {event.type for event in everything}
    assert all(event.is_system_event for event in await read_all(client, filter_include=[r"\$.*"]))


async def test_filters_look_at_types_or_streams_by_expression_or_prefix(
    client: AsyncKurrentDBClient, stream: str
) -> None:
    placed = await store(client, f"{stream}-a", 2, "Placed")
    paid = await store(client, f"{stream}-b", 2, "Paid")
    since = placed[0].commit_position
    cases: list[tuple[dict[str, Any], Sequence[RecordedEvent]]] = [
        ({"filter_include": ["Placed"]}, placed),
        ({"filter_include": ["P.*d"]}, [*placed, *paid]),
        ({"filter_exclude": ["Placed"]}, paid),
        ({"filter_include": [f"{stream}-b"], "filter_by_stream_name": True}, paid),
        ({"filter_exclude": [f"{stream}-b"], "filter_by_stream_name": True}, placed),
        ({"filter_include": ["Pa"], "filter_by_prefix": True}, paid),
        (
            {"filter_include": [stream], "filter_by_stream_name": True, "filter_by_prefix": True},
            [*placed, *paid],
        ),
        ({"filter_include": ["P.*d"], "limit": 3}, [*placed, paid[0]]),
        ({"filter_include": ["Nothing"]}, []),
    ]
    for how, wanted in cases:
        assert ids(await read_all(client, commit_position=since, **how)) == ids(wanted), how


async def test_indexes_give_the_events_of_a_type_or_a_category(client: AsyncKurrentDBClient) -> None:
    category, type_ = uuid4().hex, f"Type{uuid4().hex}"
    of_type = await store(client, f"{category}-1", 2, type_)
    both = [*of_type, *await store(client, f"{category}-2", 1)]
    by_type = [event async for event in await client.read_index(f"et-{type_}")]
    by_category = [event async for event in await client.read_index(f"ce-{category}")]
    assert (ids(by_type), ids(by_category)) == (ids(of_type), ids(both))
    later = [event async for event in await client.read_index("all", commit_position=both[1].commit_position)]
    assert ids(later)[:2] == ids(both[1:3])
    with pytest.raises(NotFoundError):
        _ = [event async for event in await client.read_index("unknown")]
    with pytest.raises(NotFoundError):
        await take(await client.subscribe_to_index("unknown"), 1)
    with pytest.raises(KurrentDBClientError, match="one index name"):
        await read_all(
            client, filter_include=["$idx-all", "a"], filter_by_stream_name=True, filter_by_prefix=True
        )


async def test_a_filter_that_cannot_be_read_is_refused(client: AsyncKurrentDBClient) -> None:
    with pytest.raises(ExceptionThrownByHandlerError):
        await read_all(client, filter_include=["("])
    with pytest.raises(ExceptionThrownByHandlerError):
        await client.subscribe_to_all(checkpoint_interval_multiplier=0)


async def test_links_are_followed_where_it_is_asked_for(client: AsyncKurrentDBClient, stream: str) -> None:
    first, second = await store(client, stream, 2)
    links = f"{stream}-links"
    await client.append_to_stream(
        links,
        events=[
            NewEvent("$>", f"{revision}@{stream}".encode(), content_type="application/octet-stream")
            for revision in (1, 0, 7)
        ],
        current_version=NO_STREAM,
    )
    raw = await client.get_stream(links)
    assert [event.is_link_event for event in raw] == [True] * 3
    followed = await client.get_stream(links, resolve_links=True)
    assert ids(followed) == [second.id, first.id]  # what is gone cannot be shown
    assert [event.link and event.link.id for event in followed] == ids(raw[:2])
    assert followed[0].stream_name == stream
    backwards = await read_all(client, filter_exclude=(), resolve_links=True, backwards=True, limit=3)
    assert ids(backwards) == [first.id, second.id]


# ── subscriptions ────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_subscriber_of_a_stream_gets_what_was_and_what_comes(
    client: AsyncKurrentDBClient, stream: str
) -> None:
    await store(client, stream, 3)
    async with subscribed(
        await client.subscribe_to_stream(stream, stream_position=0, include_caught_up=True)
    ) as subscription:
        first, second, caught_up = await take(subscription, 3)
        assert (first.stream_position, second.stream_position) == (1, 2)
        assert (caught_up.is_caught_up, caught_up.stream_position) == (True, 2)
        assert caught_up.recorded_at is not None
        await store(client, f"{stream}-other", 1)
        await store(client, stream, 2)
        assert [event.stream_position for event in await take(subscription, 2)] == [3, 4]


async def test_a_subscriber_may_come_before_the_stream_and_may_skip_what_was(
    client: AsyncKurrentDBClient, stream: str
) -> None:
    async with subscribed(await client.subscribe_to_stream(stream)) as early:
        await store(client, stream, 2)
        assert [event.stream_position for event in await take(early, 2)] == [0, 1]
        async with subscribed(await client.subscribe_to_stream(stream, from_end=True)) as late:
            await store(client, stream, 1)
            assert [event.stream_position for event in await take(late, 1)] == [2]


async def test_a_subscription_ends_with_the_tombstone(client: AsyncKurrentDBClient, stream: str) -> None:
    await store(client, stream, 1)
    subscription = await client.subscribe_to_stream(stream, include_caught_up=True)
    await take(subscription, 2)
    await client.tombstone_stream(stream, current_version=0)
    last: list[str] = []
    with pytest.raises(StreamIsDeletedError):
        last += [event.type async for event in subscription]
    assert last in ([], ["$streamDeleted"])  # the client may forget what it has not handed on at an error
    with pytest.raises(StreamIsDeletedError):
        await take(await client.subscribe_to_stream(stream), 1)


async def test_a_subscriber_of_a_deleted_stream_gets_what_comes_after(
    client: AsyncKurrentDBClient, stream: str
) -> None:
    await store(client, stream, 2)
    async with subscribed(await client.subscribe_to_stream(stream)) as subscription:
        await take(subscription, 2)
        await client.delete_stream(stream, current_version=1)
        await store(client, stream, 1)
        assert [event.stream_position for event in await take(subscription, 1)] == [2]


async def test_a_subscriber_of_the_log_gets_each_event_once_in_order(
    client: AsyncKurrentDBClient, stream: str
) -> None:
    (first,) = await store(client, stream, 1)
    async with subscribed(
        await client.subscribe_to_all(commit_position=first.commit_position)
    ) as subscription:
        for number in range(20):
            await store(client, f"{stream}-{number % 3}", 5)
        events = await take(subscription, 100)
    positions = [event.commit_position for event in events]
    assert positions == sorted(set(positions))
    assert ids(events) == ids(await read_all(client, commit_position=first.commit_position))[1:]


async def test_a_subscriber_of_the_end_of_the_log_gets_only_what_comes(
    client: AsyncKurrentDBClient, stream: str
) -> None:
    await store(client, stream, 3)
    async with subscribed(
        await client.subscribe_to_all(from_end=True, include_caught_up=True)
    ) as subscription:
        (caught_up,) = await take(subscription, 1)
        assert caught_up.commit_position == (await read_all(client, filter_exclude=()))[-1].commit_position
        later = await store(client, stream, 1)
        assert ids(await take(subscription, 1)) == [later[-1].id]


async def test_checkpoints_say_how_far_a_filter_has_looked(client: AsyncKurrentDBClient, stream: str) -> None:
    (start,) = await store(client, stream, 1)
    ignored = await store(client, f"{stream}-ignored", 10, "Ignored")
    async with subscribed(
        await client.subscribe_to_all(
            commit_position=start.commit_position,
            filter_include=["Placed"],
            include_checkpoints=True,
            include_caught_up=True,
            window_size=2,
            checkpoint_interval_multiplier=2,
        )
    ) as subscription:
        *checkpoints, caught_up = await take(subscription, 4)
        assert all(each.is_checkpoint for each in checkpoints)
        assert caught_up.is_caught_up
        reached = [each.commit_position for each in checkpoints]
        assert reached == sorted(set(reached))
        assert start.commit_position < reached[0] < reached[-1] <= ignored[-1].commit_position
        assert caught_up.commit_position == reached[-1]
        more = await store(client, f"{stream}-ignored", 4, "Ignored")
        (live,) = await take(subscription, 1)
        assert (live.is_checkpoint, live.commit_position) == (True, more[-1].commit_position)
        resumed = await client.subscribe_to_all(
            commit_position=live.commit_position, filter_include=["Placed"]
        )
        async with subscribed(resumed):
            placed = await store(client, stream, 1)
            assert ids(await take(resumed, 1)) == [placed[-1].id]


async def test_a_live_event_comes_before_the_checkpoint_at_its_place(
    client: AsyncKurrentDBClient, stream: str
) -> None:
    async with subscribed(
        await client.subscribe_to_all(
            from_end=True, include_checkpoints=True, window_size=1, checkpoint_interval_multiplier=1
        )
    ) as subscription:
        (event,) = await store(client, stream, 1)
        got, checkpoint = await take(subscription, 2)
        assert (got.id, checkpoint.is_checkpoint) == (event.id, True)
        assert got.commit_position == checkpoint.commit_position


async def test_a_subscriber_who_reads_too_slowly_falls_behind_and_catches_up(
    client: AsyncKurrentDBClient, stream: str
) -> None:
    async with subscribed(
        await client.subscribe_to_stream(
            stream, from_end=True, include_caught_up=True, include_fell_behind=True
        )
    ) as subscription:
        await take(subscription, 1)
        for _ in range(10):
            events = [
                NewEvent("Big", b"x" * 20_000, content_type="application/octet-stream") for _ in range(40)
            ]
            await client.append_to_stream(stream, events=events, current_version=ANY)
        got: list[RecordedEvent] = []
        while not got or got[-1].stream_position < 399 or not got[-1].is_caught_up:
            got += await take(subscription, 1)
    assert [each.stream_position for each in got if each.type == "Big"] == list(range(400))
    assert any(each.is_caught_up for each in got)  # it was behind, and came back
    assert not any(each.is_fell_behind for each in got)  # no server says so


async def test_a_subscriber_can_be_dropped(server: KurrentStandIn, client: AsyncKurrentDBClient) -> None:
    of_all = await client.subscribe_to_all(from_end=True)
    of_stream = await client.subscribe_to_stream("nowhere")
    assert server.drop_subscriptions() == 2
    for subscription in (of_all, of_stream):
        with pytest.raises(ConsumerTooSlowError):
            await take(subscription, 1)
    assert server.drop_subscriptions() == 0


async def test_a_server_that_stops_says_so_to_its_subscribers() -> None:
    async with KurrentStandIn() as server:
        client = AsyncKurrentDBClient(server.uri)
        of_all = await client.subscribe_to_all(from_end=True)
        of_stream = await client.subscribe_to_stream("nowhere")
        await server.stop(10)
        for subscription in (of_all, of_stream):
            with pytest.raises(ServiceUnavailableError, match="shutting down"):
                await take(subscription, 1)
        await client.close()


async def test_a_subscription_that_is_stopped_leaves_nothing_behind(
    server: KurrentStandIn, client: AsyncKurrentDBClient, stream: str
) -> None:
    for subscription in (await client.subscribe_to_all(), await client.subscribe_to_stream(stream)):
        assert server.node.subscriptions
        await subscription.stop()
    await until(lambda: not server.node.subscriptions)


async def test_the_client_without_asyncio_reads_and_subscribes(
    server: KurrentStandIn, client: AsyncKurrentDBClient, stream: str
) -> None:
    stored = await store(client, stream, 3)

    def use() -> None:
        plain = KurrentDBClient(server.uri)
        assert ids(plain.get_stream(stream)) == ids(stored)
        with plain.read_all(commit_position=stored[0].commit_position) as read:
            assert ids(list(read)) == ids(stored)
        with plain.subscribe_to_all(commit_position=stored[0].commit_position) as subscription:
            assert [next(subscription).id, next(subscription).id] == ids(stored[1:])
            assert subscription.subscription_id
        plain.close()

    await asyncio.to_thread(use)
