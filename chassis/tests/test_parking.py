"""What could not be handled is kept as a pointer, in order, without anything personal."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from heraldry.chassis.bus import border
from heraldry.chassis.bus.parking import LONGEST_DETAIL, Parked, Parking, Pointer, parked_name, redacted
from heraldry.chassis.testing.nats import NatsServer
from heraldry.contracts.base import Refused
from heraldry.contracts.identity import Interval
from pydantic import ValidationError

parts = pytest.mark.parts
ADA, BO = str(uuid4()), str(uuid4())


def pointer(
    sequence: int, identity: str = ADA, *, consumer: str = "mailbox-imports", ordered: bool = False
) -> Pointer:
    return Pointer(
        source="stream",
        sequence=sequence,
        consumer=consumer,
        type="IdentityRenamed",
        event=f"event-{sequence}",
        identity=identity,
        ordered=ordered,
        first_seen=datetime.now(UTC),
    )


@pytest.fixture
async def server() -> AsyncGenerator[NatsServer]:
    async with NatsServer() as running:
        yield running


@pytest.fixture
async def parking(server: NatsServer) -> Parking:
    return Parking(await server.client("mailbox"), "mailbox")


def sequences(found: tuple[Parked, ...]) -> list[int]:
    return [one.pointer.sequence for one in found]


@parts
async def test_what_is_parked_is_listed_oldest_first_by_consumer_and_identity(parking: Parking) -> None:
    for one in (pointer(5), pointer(3, BO), pointer(9, "", consumer="mailbox-control-1"), pointer(7)):
        await parking.park(one)
    assert sequences(await parking.list()) == [5, 3, 9, 7]
    assert sequences(await parking.list("mailbox-imports")) == [5, 3, 7]
    assert sequences(await parking.list("*", ADA)) == [5, 7]
    assert sequences(await parking.list("mailbox-control-1", "_")) == [9]
    assert await parking.list("mailbox-imports", "_") == ()
    newest = await parking.last_of("mailbox-imports", ADA)
    assert newest is not None
    assert newest.sequence == 7
    assert await parking.last_of("mailbox-imports", str(uuid4())) is None


@parts
async def test_a_pointer_outlives_the_server_and_is_seen_by_the_next_process(server: NatsServer) -> None:
    await Parking(await server.client("mailbox"), "mailbox").park(pointer(5))
    await server.restart()
    assert sequences(await Parking(await server.client("mailbox"), "mailbox").list()) == [5]


@parts
async def test_a_context_sees_and_touches_its_own_only(server: NatsServer, parking: Parking) -> None:
    await parking.park(pointer(5))
    (mine,) = await parking.list()
    scheduler = Parking(await server.client("scheduler"), "scheduler")
    assert await scheduler.list() == ()
    for touch in (scheduler.replay, scheduler.discard):
        with pytest.raises(Refused) as refused:
            await touch(mine.id)
        assert (refused.value.code, refused.value.status) == ("parked.unknown", 404)
    assert await parking.list() == (mine,)


@parts
async def test_a_consumer_that_is_gone_cannot_replay_and_says_what_to_do(parking: Parking) -> None:
    await parking.park(pointer(5))
    (parked,) = await parking.list()
    with pytest.raises(Refused, match=r"no consumer mailbox-imports; discard") as refused:
        await parking.replay(parked.id)
    assert refused.value.code == "parked.unknown"
    await parking.discard(parked.id)
    assert await parking.list() == ()


@parts
async def test_all_of_an_identity_are_replayed_in_order_and_it_stops_where_one_fails(
    parking: Parking,
) -> None:
    handled: list[int] = []
    broken = {7}

    async def again(one: Pointer) -> None:
        if one.sequence in broken:
            raise RuntimeError("still broken")
        handled.append(one.sequence)

    parking.handles("mailbox-control-1", again)
    for sequence, identity in ((3, ADA), (4, BO), (7, ADA), (8, ADA)):
        await parking.park(pointer(sequence, identity, consumer="mailbox-control-1", ordered=True))
    with pytest.raises(Refused) as refused:
        await parking.replay_all("mailbox-control-1", ADA)
    assert refused.value.code == "parked.failed-again"
    assert (handled, sequences(await parking.list("*", ADA))) == ([3], [7, 8])
    broken.clear()
    assert await parking.replay_all("mailbox-control-1", ADA) == 2
    assert (handled, sequences(await parking.list())) == ([3, 7, 8], [4])


@parts
async def test_what_needs_no_order_is_replayed_in_any(parking: Parking) -> None:
    handled: list[int] = []

    async def again(one: Pointer) -> None:
        handled.append(one.sequence)

    parking.handles("mailbox-imports", again)
    for sequence in (3, 4):
        await parking.park(pointer(sequence))
    first, second = await parking.list()
    await parking.replay(second.id)
    await parking.replay(first.id)
    assert handled == [4, 3]


@parts
async def test_what_a_newer_release_added_to_a_pointer_is_no_trouble_and_what_is_no_pointer_is_passed_over(
    server: NatsServer, parking: Parking
) -> None:
    js = border.jetstream(await server.client("operator"))
    newer = pointer(5).model_dump_json().replace("{", '{"added":1,', 1)
    for body in (b"nonsense", newer.encode()):
        await js.publish(f"heraldry.parked.mailbox.mailbox-imports.{ADA}", body)
    assert sequences(await parking.list()) == [5]


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("no inbox of Ada <ada@example.com>", "no inbox of Ada <<address>>"),
        ("it said 'my text' and \"more\"", "it said <text> and <text>"),
        ("call +46 (0)70-123 45 67 now", "call <number> now"),
        ("error 550 after 3 tries", "error 550 after 3 tries"),
        ("x" * 1000, "x" * LONGEST_DETAIL),
    ],
)
def test_nothing_personal_is_kept_of_an_error(text: str, kept: str) -> None:
    assert redacted(RuntimeError(text)) == kept


def test_of_a_damaged_message_the_places_are_kept_and_no_value() -> None:
    with pytest.raises(ValidationError) as error:
        Interval.model_validate({"day": 9, "start": "ada@example.com"})
    assert redacted(error.value) == "day: less_than_equal; start: string_pattern_mismatch"


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("mailbox:7", ("mailbox", 7)),
        ("mailbox:" + "9" * 18, ("mailbox", 10**18 - 1)),
        ("mailbox:" + "9" * 19, None),
        ("mailbox:18446744073709551616", None),
        ("mailbox:-1", None),
        ("mailbox:\u0665", None),
        ("mailbox:", None),
        ("elsewhere:7", None),
        ("7", None),
    ],
)
def test_only_a_context_and_a_sequence_name_a_parked_message(
    text: str, named: tuple[str, int] | None
) -> None:
    assert parked_name(text) == named
