"""A context's reactions to its own log: from a checkpoint in NATS, whatever dies, and never on a rebuild."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from sqlite3 import Connection
from typing import Final, cast
from uuid import UUID, uuid4

import pytest
from heraldry.chassis.bus import border
from heraldry.chassis.bus.own import OwnReactions
from heraldry.chassis.bus.parking import Parking
from heraldry.chassis.bus.reactions import Patience, Reaction, Send, command_id, reaction
from heraldry.chassis.bus.relay import Relay
from heraldry.chassis.codec import Codec
from heraldry.chassis.projection import Fact, Projection
from heraldry.chassis.readmodel import ReadModel, StoreFeed
from heraldry.chassis.store.port import StoreUnavailableError
from heraldry.chassis.store.sqlite import SqliteStore
from heraldry.chassis.tasks import end
from heraldry.chassis.testing.bus import NOW, TYPES, Noted, PlainCodec, append, eventually, new, noted
from heraldry.chassis.testing.deliveries import Hands, Note
from heraldry.chassis.testing.memory import KeysInMemory
from heraldry.chassis.testing.nats import NatsServer
from heraldry.chassis.testing.waiting import until
from heraldry.contracts.base import Command, Envelope, Event
from heraldry.contracts.identity import IdentityDeleted
from nats.js.errors import KeyNotFoundError

pytestmark = pytest.mark.parts
NAME: Final = "mailbox-own"
STREAM: Final = "mailbox.thing-1"


def react(event: Envelope[Event]) -> Sequence[Command]:
    return (Note(text=cast("Noted", event.data).text),)


def own(name: str = NAME, *, from_start: bool = True) -> Reaction:
    return reaction(name, (cast("type[Event]", Noted),), react, from_start=from_start)


@dataclass(slots=True)
class Bench:
    server: NatsServer
    store: SqliteStore
    parking: Parking
    hands: Hands = field(default_factory=Hands)

    async def build(
        self,
        *reactions: Reaction,
        hands: Send | None = None,
        store: SqliteStore | None = None,
        patience: Patience | None = None,
    ) -> OwnReactions:
        return OwnReactions(
            await self.server.client("mailbox"),
            "mailbox",
            store or self.store,
            PlainCodec(),
            TYPES,
            reactions or [own()],
            hands or self.hands,
            self.parking,
            patience=patience or Patience(3, (0.01,)),
        )

    @asynccontextmanager
    async def running(
        self, *reactions: Reaction, hands: Send | None = None, patience: Patience | None = None
    ) -> AsyncGenerator[asyncio.Task[None]]:
        work = asyncio.create_task((await self.build(*reactions, hands=hands, patience=patience)).run())
        try:
            yield work
        finally:
            await end(work)

    async def saved(self, name: str = NAME) -> None:
        """Return when the checkpoint is at the head."""
        bucket = await border.jetstream(await self.server.client("operator")).key_value("CHECKPOINTS")
        head = f'"position":{await self.store.head()},'.encode()

        async def there() -> bool:
            with suppress(KeyNotFoundError):
                return head in ((await bucket.get(f"mailbox.{name}")).value or b"")
            return False

        await eventually(there, "the checkpoint at the head")


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncGenerator[Bench]:
    async with NatsServer() as server:
        store = SqliteStore(tmp_path / "mailbox.sqlite3")
        yield Bench(server, store, Parking(await server.client("mailbox"), "mailbox"))
        await store.close()


async def test_private_events_become_commands_and_it_goes_on_where_it_was(bench: Bench) -> None:
    ids = [*await append(bench.store, STREAM, noted("one"), new(IdentityDeleted(identity=uuid4(), at=NOW)))]
    async with bench.running():
        await until(lambda: bench.hands.texts == ["one"])
        ids += await append(bench.store, STREAM, noted("two"))
        await until(lambda: bench.hands.texts == ["one", "two"])
        await bench.saved()
    ids += await append(bench.store, STREAM, noted("three"))
    async with bench.running():
        await until(lambda: bench.hands.texts == ["one", "two", "three"])
    wanted = [command_id(str(id_), NAME, 0) for id_ in (ids[0], ids[2], ids[3])]
    assert [id_ for id_, _ in bench.hands.tries] == wanted
    by = bench.hands.by["one"]
    assert (by.actor, by.causation) == ("system:mailbox", str(ids[0]))


async def test_a_reaction_that_is_not_from_the_start_leaves_the_past_alone(bench: Bench) -> None:
    await append(bench.store, STREAM, noted("past"))
    async with bench.running(own(from_start=False)):
        await bench.saved()
    await append(bench.store, STREAM, noted("while away"))
    async with bench.running(own(from_start=False)):
        await until(lambda: bench.hands.texts == ["while away"])


async def test_what_is_repeated_after_a_crash_has_the_same_ids(bench: Bench) -> None:
    hung = asyncio.Event()

    async def hang_at_two(command: Command, *, by: object, id: UUID) -> None:  # noqa: A002  as Caller.send
        assert isinstance(command, Note)
        if command.text == "two":
            hung.set()
            await asyncio.Event().wait()
        bench.hands.tries.append((id, command.text))

    await append(bench.store, STREAM, noted("one"), noted("two"), noted("three"))
    async with bench.running(hands=hang_at_two) as dying:
        await asyncio.wait_for(hung.wait(), 10)
        await end(dying)
    async with bench.running():
        await until(lambda: bench.hands.texts == ["one", "two", "three"])
    assert len(bench.hands.tried("one")) == 2
    assert len(set(bench.hands.tried("one"))) == 1


async def test_what_keeps_failing_is_parked_and_replayed_and_holds_up_no_other_reaction(bench: Bench) -> None:
    identity, organization = uuid4(), uuid4()
    bench.hands.broken["bad"] = RuntimeError("broken")
    bad = new(Noted(at=NOW, text="bad"), identity=str(identity), organization=str(organization))
    seen: list[str] = []

    def other(event: Envelope[Event]) -> Sequence[Command]:
        seen.append(event.id)
        return ()

    second = reaction("mailbox-other", (cast("type[Event]", Noted),), other, from_start=True)
    async with bench.running(own(), second, patience=Patience(1000, (0.01,))):
        await append(bench.store, STREAM, bad)
        await until(lambda: len(bench.hands.tried("bad")) > 3 and len(seen) == 1)
    async with bench.running():
        await append(bench.store, STREAM, noted("good"))
        await until(lambda: bench.hands.texts == ["good"])
        await bench.saved()

    (parked,) = await bench.parking.list(NAME, str(identity))
    pointer = parked.pointer
    assert (pointer.source, pointer.event, pointer.tries) == ("store", str(bad.id), 3)
    assert (pointer.sequence, pointer.organization) == (1, str(organization))
    bench.hands.broken.clear()
    await bench.build()  # a process that knows the reaction
    await bench.parking.replay(parked.id)
    assert bench.hands.texts == ["good", "bad"]
    assert set(bench.hands.tried("bad")) == {command_id(str(bad.id), NAME, 0)}
    assert await bench.parking.list() == ()


async def test_what_is_only_out_of_reach_is_waited_for(bench: Bench) -> None:
    bench.hands.broken["late"] = StoreUnavailableError("the disk is full")
    await append(bench.store, STREAM, noted("late"), noted("next"))
    async with bench.running():
        await until(lambda: len(bench.hands.tried("late")) > 6)
        assert await bench.parking.list() == ()
        bench.hands.broken.clear()
        await until(lambda: bench.hands.texts == ["late", "next"])


async def test_a_checkpoint_of_another_store_stops_it_until_the_log_is_published_anew(
    bench: Bench, tmp_path: Path
) -> None:
    await append(bench.store, STREAM, noted("one"))
    async with bench.running():
        await bench.saved()
    other = SqliteStore(tmp_path / "restored.sqlite3")
    await append(other, STREAM, noted("another one"))
    restored = await bench.build(store=other)
    task = asyncio.create_task(restored.run())
    try:
        await until(lambda: restored.problem is not None)
        assert f"the checkpoint of {NAME} is of another store" in str(restored.problem)
        assert "`heraldry replay mailbox`" in str(restored.problem)
        assert bench.hands.texts == ["one"]
        relay = Relay(await bench.server.client("mailbox"), "mailbox", other, PlainCodec(), TYPES)
        await relay.begin_anew()
        await until(lambda: restored.problem is None)
        await until(lambda: bench.hands.texts == ["one", "another one"])
    finally:
        await end(task)
        await other.close()


async def test_a_restored_copy_goes_on_where_both_are_the_same(bench: Bench, tmp_path: Path) -> None:
    await append(bench.store, STREAM, noted("one"))
    async with bench.running():
        await bench.saved()
    copy = tmp_path / "copy.sqlite3"
    with (
        closing(sqlite3.connect(tmp_path / "mailbox.sqlite3")) as here,
        closing(sqlite3.connect(copy)) as there,
    ):
        here.backup(there)
        with there:
            there.execute("UPDATE store SET epoch = 'restored'")
    other = SqliteStore(copy)
    task = asyncio.create_task((await bench.build(store=other)).run())
    try:
        await append(other, STREAM, noted("two"))
        await until(lambda: bench.hands.texts == ["one", "two"])
    finally:
        await end(task)
        await other.close()


async def test_a_rebuild_of_the_read_models_runs_no_reaction(bench: Bench, tmp_path: Path) -> None:
    notes = Projection("notes", 1, "CREATE TABLE notes (text TEXT PRIMARY KEY) STRICT", tables=("notes",))

    @notes.on(Noted)
    def put(db: Connection, event: Noted, _: Fact) -> None:
        db.execute("INSERT OR REPLACE INTO notes VALUES (?)", (event.text,))

    await append(bench.store, STREAM, noted("one"), noted("two"))
    for time in ("first", "second"):
        model = ReadModel(tmp_path / f"{time}.sqlite3", [notes])  # none there: built from the beginning
        feed = StoreFeed("mailbox", bench.store, Codec(TYPES, KeysInMemory()), model)
        async with bench.running():
            await feed.start()
            await append(bench.store, STREAM, noted(time))
            await until(lambda time=time: time in bench.hands.texts)
            await bench.saved()
        await until(lambda model=model, time=time: rows(model)[-1:] == [(time,)])
        assert rows(model)[:2] == [("one",), ("two",)]
        await feed.stop()
        model.close()
    assert [text for _, text in bench.hands.tries] == ["one", "two", "first", "second"]


def rows(model: ReadModel) -> list[tuple[str]]:
    return model.read(lambda db: db.execute("SELECT text FROM notes ORDER BY rowid").fetchall())


async def test_several_replicas_do_everything_once(bench: Bench) -> None:
    async with bench.running(), bench.running():
        for number in range(20):
            await append(bench.store, STREAM, noted(str(number)))
        await until(lambda: len(bench.hands.texts) == 20, seconds=30)
    assert sorted(bench.hands.texts, key=int) == [str(number) for number in range(20)]


async def test_it_goes_on_after_nats_was_killed(bench: Bench) -> None:
    await append(bench.store, STREAM, noted("one"))
    async with bench.running():
        await bench.saved()
        await bench.server.kill()
        await append(bench.store, STREAM, noted("two"))
        await until(lambda: bench.hands.texts == ["one", "two"])
        await bench.server.start()
        await append(bench.store, STREAM, noted("three"))
        await bench.saved()
    async with bench.running():
        await append(bench.store, STREAM, noted("four"))
        await until(lambda: bench.hands.texts == ["one", "two", "three", "four"])
