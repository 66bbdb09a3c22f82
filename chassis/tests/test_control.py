"""The control consumer on a real server: strictly in order within a partition, whatever fails or dies."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final, cast
from uuid import UUID

import pytest
from heraldry.chassis.bus import border, connect, control
from heraldry.chassis.bus.control import Control, Lane
from heraldry.chassis.bus.parking import Parking, Pointer
from heraldry.chassis.bus.reactions import Patience, Send, command_id, reaction
from heraldry.chassis.tasks import end
from heraldry.chassis.testing.bus import eventually
from heraldry.chassis.testing.deliveries import (
    SOON,
    Hands,
    Note,
    cancelled,
    deliveries,
    envelope,
    identities,
    note,
    pending,
    publish,
    publish_wrapped,
)
from heraldry.chassis.testing.nats import NatsServer
from heraldry.chassis.testing.waiting import until
from heraldry.contracts.base import By, Command, Envelope, Event, Refused
from heraldry.contracts.scheduler import StepCancelled
from heraldry.contracts.subjects import PARTITIONS
from nats.aio.client import Client
from nats.aio.subscription import Subscription
from nats.errors import Error as NatsError
from nats.js import JetStreamContext

pytestmark = pytest.mark.parts
HERE: Final = 3  # the partition looked at
NAME: Final = "mailbox-control"


@dataclass(slots=True)
class Bench:
    """The mailbox's control consumer of what the scheduler says."""

    server: NatsServer
    scheduler: JetStreamContext
    operator: JetStreamContext
    parking: Parking
    hands: Hands = field(default_factory=Hands)

    @asynccontextmanager
    async def consuming(
        self,
        hands: Send | None = None,
        *,
        parking: Parking | None = None,
        lane: Lane | None = None,
        patience: Patience | None = None,
        still_working: float = 10.0,
        ack_wait: float = 30.0,
    ) -> AsyncGenerator[asyncio.Task[None]]:
        """One replica."""
        nc = await self.server.client("mailbox")
        consumer = Control(
            nc,
            "mailbox",
            [reaction(NAME, (cast("type[Event]", StepCancelled),), note, from_start=True)],
            hands or self.hands,
            parking or self.parking,
            lane=lane,
            patience=patience or Patience(3, (0.02,)),
            still_working=still_working,
            ack_wait=ack_wait,
        )
        work = asyncio.create_task(consumer.run())
        try:
            yield work
        finally:
            await end(work)

    async def say(self, identity: UUID, *numbers: int) -> list[str]:
        return await publish(self.scheduler, *(cancelled(identity, number) for number in numbers))

    async def all_acknowledged(self, partition: int = HERE) -> None:
        async def done() -> bool:
            return await pending(self.operator, f"{NAME}-{partition}") == (0, 0)

        await eventually(done, "every message acknowledged")


@pytest.fixture
async def bench() -> AsyncGenerator[Bench]:
    async with NatsServer() as server:
        scheduler, operator = await server.client("scheduler"), await server.client("operator")
        parking = Parking(await server.client("mailbox"), "mailbox")
        yield Bench(server, border.jetstream(scheduler), border.jetstream(operator), parking)


async def test_nothing_in_a_partition_overtakes_what_is_tried_again(bench: Bench) -> None:
    ada, bo = identities(HERE, 2)
    elsewhere = identities(HERE + 1, 1)[0]
    bench.hands.broken["1"] = RuntimeError("not yet")
    async with bench.consuming(patience=Patience(1000, (0.02,))):
        for number in (1, 3, 5):
            await bench.say(ada, number)
            await bench.say(bo, number + 1)
        await bench.say(elsewhere, 7, 8)
        await until(lambda: len(bench.hands.tried("1")) > 3 and bench.hands.texts == ["7", "8"])
        bench.hands.broken.clear()
        await bench.all_acknowledged()
    assert bench.hands.texts == ["7", "8", "1", "2", "3", "4", "5", "6"]
    assert len(set(bench.hands.tried("1"))) == 1
    assert await bench.parking.list() == ()


async def test_what_follows_a_parked_message_of_the_same_identity_is_parked_behind_it(bench: Bench) -> None:
    ada, bo = identities(HERE, 2)
    bench.hands.broken["1"] = RuntimeError("broken")
    async with bench.consuming():
        first, *_ = await bench.say(ada, 1, 2)
        await bench.say(bo, 3)
        await bench.say(ada, 4)
        await bench.say(bo, 5)
        await bench.all_acknowledged()
        assert bench.hands.texts == ["3", "5"]
        parked = await bench.parking.list(f"{NAME}-{HERE}", str(ada))
        assert [one.pointer.behind for one in parked] == [False, True, True]
        assert [one.pointer.sequence for one in parked] == [1, 2, 4]
        assert await bench.parking.list("*", str(bo)) == ()

        with pytest.raises(Refused) as early:
            await bench.parking.replay(parked[1].id)
        assert (early.value.code, early.value.extra) == ("parked.not-first", {"first": str(parked[0].id)})
        with pytest.raises(Refused) as again:
            await bench.parking.replay_all(f"{NAME}-{HERE}", str(ada))
        assert again.value.code == "parked.failed-again"
        assert len(await bench.parking.list()) == 3

        bench.hands.broken.clear()
        assert await bench.parking.replay_all(f"{NAME}-{HERE}", str(ada)) == 3
        await bench.say(ada, 6)
        await bench.all_acknowledged()
    assert bench.hands.texts == ["3", "5", "1", "2", "4", "6"]
    assert set(bench.hands.tried("1")) == {command_id(first, NAME, 0)}
    assert await bench.parking.list() == ()


async def test_discarding_the_first_lets_the_rest_be_replayed(bench: Bench) -> None:
    ada = identities(HERE, 1)[0]
    bench.hands.broken["1"] = RuntimeError("broken")
    async with bench.consuming():
        await bench.say(ada, 1, 2)
        await bench.all_acknowledged()
        first, second = await bench.parking.list()
        await bench.parking.discard(first.id)
        await bench.say(ada, 3)  # still behind the second
        await bench.all_acknowledged()
        await bench.parking.replay(second.id)
        assert await bench.parking.replay_all(f"{NAME}-{HERE}", str(ada)) == 1
    assert bench.hands.texts == ["2", "3"]


async def test_a_message_that_was_parked_and_not_acknowledged_is_not_parked_twice(bench: Bench) -> None:
    class Interrupted(Parking):
        """The process loses the server between parking and acknowledging."""

        async def park(self, pointer: Pointer) -> None:
            await super().park(pointer)
            if not pointer.behind:
                raise NatsError

    ada = identities(HERE, 1)[0]
    bench.hands.broken["1"] = RuntimeError("broken")
    interrupted = Interrupted(await bench.server.client("mailbox"), "mailbox")
    async with bench.consuming(parking=interrupted, ack_wait=SOON):
        await bench.say(ada, 1, 2)
        await bench.all_acknowledged()
    assert [one.pointer.sequence for one in await bench.parking.list()] == [1, 2]
    assert bench.hands.texts == []


@dataclass(slots=True)
class Watched:
    """Hands of one replica among several: notes what is done at the same time."""

    name: str
    done: list[tuple[str, str]]  # shared by the replicas
    under_way: set[int]  # partitions, shared
    together: list[int]  # partitions in which two were under way at once, shared

    async def __call__(self, command: Command, **_: object) -> None:
        assert isinstance(command, Note)
        partition = int(command.text) // 100
        if partition in self.under_way:
            self.together.append(partition)
        self.under_way.add(partition)
        await asyncio.sleep(0.005)  # work, so that another replica could overtake
        self.under_way.discard(partition)
        self.done.append((self.name, command.text))


async def test_two_replicas_share_the_partitions_and_none_overtakes_the_other(bench: Bench) -> None:
    one = Watched("one", [], set(), [])
    two = Watched("two", one.done, one.under_way, one.together)
    who = {partition: identities(partition, 2) for partition in (2, 5, 9)}
    async with bench.consuming(one), bench.consuming(two):
        for number in range(20):
            for partition in who:
                await bench.say(who[partition][number % 2], partition * 100 + number)
        await until(lambda: len(one.done) == 60)
    assert one.together == []
    for partition in who:
        texts = [text for _, text in one.done if int(text) // 100 == partition]
        assert texts == [str(partition * 100 + number) for number in range(20)]
    assert {name for name, _ in one.done} == {"one", "two"}


async def test_a_replica_that_dies_leaves_its_message_to_the_other_before_all_later_ones(
    bench: Bench,
) -> None:
    ada, bo = identities(HERE, 2)
    begun = asyncio.Event()

    async def hang(*_: object, **__: object) -> None:
        begun.set()
        await asyncio.Event().wait()

    async with bench.consuming(hang, ack_wait=SOON) as dying:
        await bench.say(ada, 1)
        await bench.say(bo, 2)
        await asyncio.wait_for(begun.wait(), 10)
        async with bench.consuming(ack_wait=SOON):
            await end(dying)
            await bench.all_acknowledged()
    assert bench.hands.texts == ["1", "2"]


# --- with lanes: what is read ahead


def of_ten(event: Envelope[Event]) -> str:
    """Ten numbers are one lane: 10 to 19, 20 to 29, …"""
    assert isinstance(event.data, StepCancelled)
    return str(event.data.attempt.int // 10)


def by_lane(texts: Sequence[str]) -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for text in texts:
        found.setdefault(int(text) // 10, []).append(int(text))
    return found


async def test_lanes_are_carried_out_at_once_and_each_in_order(bench: Bench) -> None:
    ada = identities(HERE, 1)[0]
    numbers = [10 * (n % 8 + 1) + n // 8 for n in range(40)]
    waiting = asyncio.Event()
    under_way: set[str] = set()

    async def together(command: Command, *, by: By, id: UUID) -> object:  # noqa: A002  as Caller.send
        assert isinstance(command, Note)
        under_way.add(command.text)
        await waiting.wait()
        return await bench.hands(command, by=by, id=id)

    await bench.say(ada, *numbers)
    async with bench.consuming(together, lane=of_ten):
        await until(lambda: len(under_way) == 8)
        assert under_way == {str(10 * n) for n in range(1, 9)}
        waiting.set()
        await bench.all_acknowledged()
    assert by_lane(bench.hands.texts) == {n: [10 * n + each for each in range(5)] for n in range(1, 9)}
    assert len(bench.hands.tries) == 40


async def test_what_fails_ahead_holds_up_its_lane_and_is_tried_again_in_its_turn(bench: Bench) -> None:
    ada = identities(HERE, 1)[0]
    bench.hands.broken["11"] = RuntimeError("not yet")
    await bench.say(ada, 10, 20, 11, 21, 12, 22)
    async with bench.consuming(lane=of_ten, patience=Patience(1000, (0.02,))):
        await until(lambda: len(bench.hands.tried("11")) > 3 and "22" in bench.hands.texts)
        assert by_lane(bench.hands.texts) == {1: [10], 2: [20, 21, 22]}
        await bench.say(ada, 13)
        bench.hands.broken.clear()
        await bench.all_acknowledged()
    assert by_lane(bench.hands.texts) == {1: [10, 11, 12, 13], 2: [20, 21, 22]}
    assert await bench.parking.list() == ()


async def test_a_lane_behind_a_parked_message_is_not_read_ahead(bench: Bench) -> None:
    ada, bo = identities(HERE, 2)
    bench.hands.broken["10"] = RuntimeError("broken")
    async with bench.consuming(lane=of_ten):
        await bench.say(ada, 10)
        await bench.all_acknowledged()
    await bench.say(bo, 20)
    await bench.say(ada, 11, 30)
    await bench.say(bo, 21)
    async with bench.consuming(lane=of_ten):
        await bench.all_acknowledged()
        assert bench.hands.texts == ["20", "21"]
        bench.hands.broken.clear()
        assert await bench.parking.replay_all(f"{NAME}-{HERE}", str(ada)) == 3
    assert bench.hands.texts == ["20", "21", "10", "11", "30"]


async def test_whoever_dies_in_the_middle_of_what_was_read_ahead_leaves_it_in_order(bench: Bench) -> None:
    ada, bo = identities(HERE, 2)
    stopped = asyncio.Event()

    async def dying(command: Command, *, by: By, id: UUID) -> object:  # noqa: A002  as Caller.send
        assert isinstance(command, Note)
        if command.text in {"10", "22"}:  # the one in hand never ends, nor does one that was read ahead
            if command.text == "22":
                stopped.set()
            await asyncio.Event().wait()
        return await bench.hands(command, by=by, id=id)

    await bench.say(ada, 10, 20, 30)
    await bench.say(bo, 11, 21, 31)
    await bench.say(ada, 12, 22, 32, 23, 33)
    async with bench.consuming(dying, lane=of_ten, ack_wait=SOON) as one:
        await asyncio.wait_for(stopped.wait(), 10)
        async with bench.consuming(lane=of_ten, ack_wait=SOON):
            await until(lambda: "33" in bench.hands.texts)
            await end(one)
            await bench.all_acknowledged()
    assert by_lane(bench.hands.texts) == {1: [10, 11, 12], 2: [20, 21, 22, 23], 3: [30, 31, 32, 33]}
    assert len(set(bench.hands.tried("20"))) == 1


async def test_two_replicas_that_read_ahead_keep_every_lane_in_order(bench: Bench) -> None:
    ada, bo = identities(HERE, 2)
    first: list[str] = []

    async def slow(command: Command, *, by: By, id: UUID) -> object:  # noqa: A002  as Caller.send
        assert isinstance(command, Note)
        await asyncio.sleep(int(command.text) % 3 / 100)  # work, so that another replica could overtake
        if command.text not in first:
            first.append(command.text)
        return await bench.hands(command, by=by, id=id)

    async with bench.consuming(slow, lane=of_ten), bench.consuming(slow, lane=of_ten):
        for number in range(9):
            await bench.say(ada, *(10 * n + number for n in (1, 2, 3)))
            await bench.say(bo, *(10 * n + number for n in (4, 5)))
        await bench.all_acknowledged()
    assert by_lane(first) == {n: [10 * n + number for number in range(9)] for n in range(1, 6)}


async def test_nothing_is_read_ahead_past_an_event_of_a_newer_release(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control, "LONGEST_LEFT", 0.02)
    ada = identities(HERE, 1)[0]
    newer = envelope(cancelled(ada, 20)).model_copy(update={"dataschema": "heraldry:StepCancelled:99"})
    await bench.say(ada, 10, 30)
    await publish_wrapped(bench.scheduler, newer)
    await bench.say(ada, 40)
    async with bench.consuming(lane=of_ten):

        async def delivered_often() -> bool:
            return await deliveries(bench.operator, f"{NAME}-{HERE}") > 7

        await eventually(delivered_often, "delivered again and again")
    assert set(bench.hands.texts) == {"10", "30"}


async def test_work_longer_than_the_server_waits_is_not_given_to_anybody_else(bench: Bench) -> None:
    ada = identities(HERE, 1)[0]
    taken: list[str] = []

    async def slow(command: Command, **_: object) -> None:
        assert isinstance(command, Note)
        taken.append(command.text)
        await asyncio.sleep(2.5 * SOON)  # the length of the work is what is tested

    async with (
        bench.consuming(slow, still_working=SOON / 5, ack_wait=SOON),
        bench.consuming(slow, still_working=SOON / 5, ack_wait=SOON),
    ):
        await bench.say(ada, 1)
        await bench.all_acknowledged()
    assert taken == ["1"]


async def test_an_event_of_a_newer_release_waits_for_it_and_lets_nothing_pass(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control, "LONGEST_LEFT", 0.02)
    ada = identities(HERE, 1)[0]
    newer = envelope(cancelled(ada, 1)).model_copy(update={"dataschema": "heraldry:StepCancelled:99"})
    async with bench.consuming():
        await publish_wrapped(bench.scheduler, newer)
        await bench.say(ada, 2)

        async def delivered_often() -> bool:
            return await deliveries(bench.operator, f"{NAME}-{HERE}") > 5

        await eventually(delivered_often, "delivered again and again")
    assert (bench.hands.texts, await bench.parking.list()) == ([], ())


async def test_consuming_goes_on_after_nats_was_killed(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "PULL", 0.5)
    ada = identities(HERE, 1)[0]
    async with bench.consuming(ack_wait=SOON):
        await bench.say(ada, 1)
        await until(lambda: bench.hands.texts == ["1"])
        await bench.server.restart()
        await bench.say(ada, 2, 3)
        await bench.all_acknowledged()
    assert bench.hands.texts == ["1", "2", "3"]


async def test_a_stopped_consumer_leaves_nothing_for_a_drain_to_wait_for(bench: Bench) -> None:
    nc = await connect.connect(bench.server.settings("mailbox"))
    work = asyncio.create_task(Control(nc, "mailbox", (), bench.hands, Parking(nc, "mailbox")).run())
    await until(lambda: len(pulls(nc)) == PARTITIONS)
    await end(work)
    assert pulls(nc) == []
    await connect.close(nc)


def pulls(nc: Client) -> list[Subscription]:
    """nats-py's subscriptions without a callback: those that are pulled."""
    found = cast("dict[int, Subscription]", vars(nc)["_subs"]).values()
    return [one for one in found if vars(one)["_cb"] is None]
