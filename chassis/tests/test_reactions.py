"""Reactions on a real server: nothing is lost, nothing is done twice, nothing bad stands in the way of others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from uuid import UUID, uuid4

import orjson
import pytest
from heraldry.chassis.bus import border, reactions
from heraldry.chassis.bus.parking import Parking
from heraldry.chassis.bus.reactions import Patience, Reaction, Reactions, UnknownEventError, command_id, read
from heraldry.chassis.store.port import StoreUnavailableError
from heraldry.chassis.testing.bus import NOW, eventually
from heraldry.chassis.testing.deliveries import (
    CONSUMER,
    HANG,
    SOON,
    Hands,
    Note,
    body,
    deliveries,
    envelope,
    note,
    noting,
    pending,
    process,
    publish,
    publish_wrapped,
    renamed,
)
from heraldry.chassis.testing.nats import NatsServer
from heraldry.chassis.testing.waiting import until
from heraldry.contracts.base import Command, Envelope, Event, Refused
from heraldry.contracts.identity import IdentityDeleted, IdentityRenamed
from heraldry.contracts.scheduler import QuotaExhausted
from nats.aio.client import Client
from nats.js import JetStreamContext

parts = pytest.mark.parts


@dataclass(slots=True)
class Bench:
    """The mailbox's reactions to what the identity context publishes."""

    server: NatsServer
    nc: Client
    identity: JetStreamContext
    operator: JetStreamContext
    parking: Parking
    hands: Hands = field(default_factory=Hands)

    @asynccontextmanager
    async def consuming(
        self,
        one: Reaction | None = None,
        *,
        patience: Patience | None = None,
        still_working: float = 10.0,
        ack_wait: float = 30.0,
    ) -> AsyncGenerator[Reactions]:
        running = Reactions(
            self.nc,
            self.server.settings("mailbox"),
            [one or noting()],
            self.hands,
            self.parking,
            patience=patience or Patience(3, (0.02,)),
            still_working=still_working,
            ack_wait=ack_wait,
        )
        await running.start()
        try:
            yield running
        finally:
            await running.stop()

    async def all_acknowledged(self) -> None:
        async def done() -> bool:
            return await pending(self.operator) == (0, 0)

        await eventually(done, "every message acknowledged")

    async def parked(self) -> int:
        """The id of the one parked message, once there is one."""

        async def there() -> bool:
            return len(await self.parking.list()) == 1

        await eventually(there, "one message parked")
        return (await self.parking.list())[0].id


@pytest.fixture
async def bench() -> AsyncGenerator[Bench]:
    async with NatsServer() as server:
        nc = await server.client("mailbox")
        identity, operator = await server.client("identity"), await server.client("operator")
        yield Bench(
            server, nc, border.jetstream(identity), border.jetstream(operator), Parking(nc, "mailbox")
        )


@parts
async def test_an_event_becomes_commands_on_behalf_of_who_caused_it(bench: Bench) -> None:
    organization = uuid4()
    event = envelope(renamed("before"), organization=organization)
    await publish_wrapped(bench.identity, event)
    async with bench.consuming():
        await publish(bench.identity, renamed("after"))
        await until(lambda: sorted(bench.hands.texts) == ["after", "before"])
        await bench.all_acknowledged()
    assert bench.hands.tried("before") == [command_id(event.id, CONSUMER, 0)]
    by = bench.hands.by["before"]
    assert (by.organization, by.actor) == (organization, "system:mailbox")
    assert (by.causation, by.correlation) == (event.id, "of-a-request")


@parts
async def test_a_reaction_that_is_not_from_the_start_leaves_the_past_alone(bench: Bench) -> None:
    await publish(bench.identity, renamed("past"))
    async with bench.consuming(noting(from_start=False)):
        await publish(bench.identity, renamed("one"))
        await until(lambda: bench.hands.texts == ["one"])
        await bench.all_acknowledged()
    await publish(bench.identity, renamed("while away"))
    async with bench.consuming(noting(from_start=False)):
        await until(lambda: len(bench.hands.texts) == 2)
        await bench.all_acknowledged()
    assert bench.hands.texts == ["one", "while away"]


@parts
async def test_what_fails_comes_again_under_the_same_ids_and_others_go_on_meanwhile(bench: Bench) -> None:
    bench.hands.broken["bad"] = RuntimeError("not yet")
    async with bench.consuming(patience=Patience(1000, (0.02,))):
        await publish(bench.identity, renamed("bad"))
        await until(lambda: len(bench.hands.tried("bad")) >= 3)
        await publish(bench.identity, *(renamed(f"good {number}") for number in range(40)))
        await until(lambda: len(bench.hands.texts) == 40)
        assert "bad" not in bench.hands.texts
        bench.hands.broken.clear()
        await until(lambda: "bad" in bench.hands.texts)
        await bench.all_acknowledged()
    assert len(set(bench.hands.tried("bad"))) == 1
    assert await bench.parking.list() == ()


@parts
async def test_the_pause_grows_with_every_delivery(bench: Bench) -> None:
    bench.hands.broken["bad"] = RuntimeError("not yet")
    loop = asyncio.get_running_loop()
    seen: list[float] = []

    def handler(event: Envelope[Event]) -> Sequence[Command]:
        seen.append(loop.time())
        return note(event)

    async with bench.consuming(noting(handler=handler), patience=Patience(4, (0.05, 0.4, 0.8))):
        await publish(bench.identity, renamed("bad"))
        await bench.parked()
    pauses = [later - earlier for earlier, later in pairwise(seen)]
    assert len(pauses) == 3
    assert all(took >= wanted for took, wanted in zip(pauses, (0.05, 0.4, 0.8), strict=True))


@parts
async def test_what_keeps_failing_is_parked_by_pointer_and_replayed_with_the_same_ids(bench: Bench) -> None:
    bench.hands.broken["secret name"] = RuntimeError(
        "ada@example.com said 'secret name' from +46 70 123 45 67"
    )
    identity, organization = uuid4(), uuid4()
    event = envelope(renamed("secret name", identity), organization=organization)
    async with bench.consuming():
        await publish_wrapped(bench.identity, event)
        id_ = await bench.parked()
        await bench.all_acknowledged()

        pointer = (await bench.parking.list(CONSUMER, str(identity)))[0].pointer
        assert (pointer.source, pointer.sequence, pointer.consumer) == ("stream", 1, CONSUMER)
        assert (pointer.type, pointer.event) == ("IdentityRenamed", event.id)
        assert (pointer.identity, pointer.organization) == (str(identity), str(organization))
        assert (pointer.error, pointer.tries) == ("RuntimeError", 3)
        assert pointer.detail == "<address> said <text> from <number>"
        kept = (await bench.operator.get_msg("PARKED_mailbox", seq=id_)).data or b""
        assert not any(word in kept for word in (b"secret", b"ada@", b"70 123"))

        with pytest.raises(Refused) as again:
            await bench.parking.replay(id_)
        assert again.value.code == "parked.failed-again"
        assert "secret" not in again.value.detail
        assert (await bench.parking.list())[0].id == id_

        bench.hands.broken.clear()
        await bench.parking.replay(id_)
        assert await bench.parking.list() == ()
        with pytest.raises(Refused) as gone:
            await bench.parking.replay(id_)
        assert (gone.value.code, gone.value.status) == ("parked.unknown", 404)
    assert bench.hands.texts == ["secret name"]
    assert set(bench.hands.tried("secret name")) == {command_id(event.id, CONSUMER, 0)}


@parts
async def test_what_is_parked_can_be_discarded_and_is_never_handled(bench: Bench) -> None:
    bench.hands.broken["bad"] = RuntimeError("never")
    async with bench.consuming():
        await publish(bench.identity, renamed("bad"))
        id_ = await bench.parked()
        await bench.all_acknowledged()
        elsewhere = Parking(await bench.server.client("scheduler"), "scheduler")
        with pytest.raises(Refused) as foreign:
            await elsewhere.discard(id_)
        assert foreign.value.code == "parked.unknown"
        bench.hands.broken.clear()
        await bench.parking.discard(id_)
    assert await bench.parking.list() == ()
    async with bench.consuming():
        await bench.all_acknowledged()
    assert bench.hands.texts == []


@parts
async def test_an_erased_message_is_replayed_as_nothing(bench: Bench) -> None:
    bench.hands.broken["erased"] = RuntimeError("never")
    async with bench.consuming():
        await publish(bench.identity, renamed("erased"))
        id_ = await bench.parked()
        await bench.operator.delete_msg("HERALDRY", 1)
        bench.hands.broken.clear()
        await bench.parking.replay(id_)
    assert (await bench.parking.list(), bench.hands.texts) == ((), [])


@parts
async def test_a_message_that_cannot_be_read_is_parked_and_stops_nobody(bench: Bench) -> None:
    async with bench.consuming():
        await publish_wrapped(bench.identity, envelope(renamed("damaged")), b'{"type": 7}')
        await publish(bench.identity, renamed("good"))
        await bench.parked()
        await until(lambda: bench.hands.texts == ["good"])
        await bench.all_acknowledged()
    assert (await bench.parking.list())[0].pointer.error == "ValidationError"


@parts
@pytest.mark.parametrize(
    "error",
    [
        Refused("store.unavailable", "Try again.", status=503),
        StoreUnavailableError("the disk is full"),
        TimeoutError(),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_what_is_only_out_of_reach_is_never_parked(bench: Bench, error: Exception) -> None:
    bench.hands.broken["late"] = error
    async with bench.consuming():
        await publish(bench.identity, renamed("late"))
        await until(lambda: len(bench.hands.tried("late")) > 6)
        assert await bench.parking.list() == ()
        bench.hands.broken.clear()
        await bench.all_acknowledged()
    assert bench.hands.texts == ["late"]


@parts
async def test_an_event_of_a_newer_release_is_left_to_it(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reactions, "LONGEST_LEFT", 0.02)
    newer = envelope(renamed("newer")).model_copy(update={"dataschema": "heraldry:IdentityRenamed:99"})
    async with bench.consuming(ack_wait=SOON):
        await publish_wrapped(bench.identity, newer)
        await publish(bench.identity, renamed("known"))
        await until(lambda: bench.hands.texts == ["known"])

        async def delivered_often() -> bool:
            return await deliveries(bench.operator) > 10

        await eventually(delivered_often, "delivered again and again")
    assert (await pending(bench.operator), await bench.parking.list()) == ((1, 0), ())

    def of_newer_release(_: bytes) -> Envelope[Event]:
        return newer

    monkeypatch.setattr(reactions, "read", of_newer_release)
    async with bench.consuming(ack_wait=SOON):
        await bench.all_acknowledged()
    assert bench.hands.texts == ["known", "newer"]


@parts
async def test_an_older_release_asks_for_what_a_newer_reaction_takes_and_leaves_it_to_that(
    bench: Bench,
) -> None:
    async with bench.consuming(noting(IdentityRenamed, IdentityDeleted)):
        pass  # the newer one came first, and is away
    gone = IdentityDeleted(identity=uuid4(), at=NOW)
    async with bench.consuming(ack_wait=SOON):
        await publish(bench.identity, gone, renamed("known"))
        await until(lambda: bench.hands.texts == ["known"])

        async def left() -> bool:
            return await pending(bench.operator) == (1, 0)

        await eventually(left, "what only the newer takes is left")
    async with bench.consuming(noting(IdentityRenamed, IdentityDeleted), ack_wait=SOON):
        await bench.all_acknowledged()
    assert (bench.hands.texts, await bench.parking.list()) == (["known", "gone"], ())
    async with bench.consuming(noting(IdentityRenamed, former=(IdentityDeleted,))):
        await publish(bench.identity, gone, renamed("after"))
        await until(lambda: bench.hands.texts == ["known", "gone", "after"])
        await bench.all_acknowledged()


@parts
async def test_a_handler_that_is_cut_off_leaves_its_message(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reactions, "GRACE", 0.05)
    begun = asyncio.Event()

    async def hang(*_: object, **__: object) -> None:
        begun.set()
        await asyncio.Event().wait()

    cut = Reactions(
        bench.nc, bench.server.settings("mailbox"), [noting()], hang, bench.parking, ack_wait=SOON
    )
    await cut.start()
    await publish(bench.identity, renamed("cut"))
    await asyncio.wait_for(begun.wait(), 10)
    await cut.stop()
    assert await pending(bench.operator) == (1, 0)
    async with bench.consuming(ack_wait=SOON):
        await bench.all_acknowledged()
    assert bench.hands.texts == ["cut"]


@parts
async def test_kill_9_of_the_consuming_process_loses_nothing(bench: Bench) -> None:
    await publish(bench.identity, renamed(HANG))
    running = await process(bench.server.settings("mailbox"))
    assert running.stdout is not None
    assert await asyncio.wait_for(running.stdout.readline(), 20) == f"took {HANG}\n".encode()
    running.kill()
    await running.wait()
    assert await pending(bench.operator) == (1, 0)
    async with bench.consuming(ack_wait=SOON):
        await bench.all_acknowledged()
    assert bench.hands.texts == [HANG]


@parts
async def test_work_longer_than_the_server_waits_is_not_given_to_anybody_else(bench: Bench) -> None:
    taken: list[str] = []

    async def slow(command: Command, **_: object) -> None:
        assert isinstance(command, Note)
        taken.append(command.text)
        await asyncio.sleep(2.5 * SOON)  # the length of the work is what is tested

    running = Reactions(
        bench.nc,
        bench.server.settings("mailbox"),
        [noting()],
        slow,
        bench.parking,
        still_working=SOON / 5,
        ack_wait=SOON,
    )
    await running.start()
    async with bench.consuming(ack_wait=SOON):
        await publish(bench.identity, renamed("long"))
        await bench.all_acknowledged()
    await running.stop()
    assert len(taken) + len(bench.hands.tries) == 1


@parts
async def test_consuming_goes_on_after_nats_was_killed(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reactions, "PULL", 0.5)
    async with bench.consuming(ack_wait=SOON):
        await publish(bench.identity, renamed("before"))
        await until(lambda: "before" in bench.hands.texts)
        await bench.server.restart()
        await until(lambda: bench.nc.is_connected)
        await publish(bench.identity, renamed("after"))
        await until(lambda: "after" in bench.hands.texts)
        await bench.all_acknowledged()
    assert sorted(bench.hands.texts) == ["after", "before"]


def test_the_id_of_a_command_is_a_storage_format() -> None:
    cause = "018f4e9a-7b1c-7c3d-9e5f-a1b2c3d4e5f6"
    assert command_id(cause, "mailbox-imports", 0) == UUID("93b15ac2-3502-5b29-80a5-894c7e9d7b6e")
    others = {command_id(cause, "mailbox-imports", 1), command_id(cause, "mailbox-outcomes", 0)}
    assert len(others | {command_id(cause, "mailbox-imports", 0)}) == 3


def test_an_event_of_an_earlier_version_is_read_as_one_of_the_present() -> None:
    now = QuotaExhausted(
        sender="email-1", inbox=UUID(int=7), identity=UUID(int=1), window="day", until=NOW, at=NOW
    )
    said = body(envelope(renamed("Ada"))).replace(b"IdentityRenamed:1", b"QuotaExhausted:1")
    earlier = orjson.loads(said.replace(b"IdentityRenamed", b"QuotaExhausted"))
    earlier["data"] = now.model_dump(mode="json", exclude={"kind", "account"})
    assert read(orjson.dumps(earlier)).data == now


def test_read_tells_a_newer_release_from_damage() -> None:
    event = envelope(renamed("Ada"))
    assert read(body(event)) == event
    for unknown in (
        {"type": "NeverHeardOf"},
        {"dataschema": "heraldry:IdentityRenamed:2"},
        {"dataschema": "x"},
    ):
        with pytest.raises(UnknownEventError):
            read(body(event.model_copy(update=unknown)))
    for damaged in (b"", b"{", body(event).replace(b'"name"', b'"nome"')):
        with pytest.raises(ValueError, match="validation error"):
            read(damaged)
