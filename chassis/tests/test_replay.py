"""A log is published anew: after its store was restored, or the stream lost; and what was said before is forgotten."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast
from uuid import UUID, uuid4

import pytest
from heraldry.chassis.bus import border
from heraldry.chassis.bus.markers import fence_of, last_marker
from heraldry.chassis.bus.provision import ensure
from heraldry.chassis.bus.relay import Hook, Relay, Step
from heraldry.chassis.bus.replay import leave_word, until_another_stream
from heraldry.chassis.projection import Fact, Projection
from heraldry.chassis.readmodel import ReadModel
from heraldry.chassis.store.sqlite import SqliteStore
from heraldry.chassis.tasks import end
from heraldry.chassis.testing.bus import NOW, TYPES, PlainCodec, append, eventually, messages, new
from heraldry.chassis.testing.nats import SMALL, NatsServer
from heraldry.chassis.testing.waiting import until
from heraldry.chassis.views import Seen, ViewFeed
from heraldry.contracts import subjects
from heraldry.contracts.identity import IdentityRenamed
from nats.js import JetStreamContext
from structlog.testing import capture_logs

pytestmark = [pytest.mark.parts, pytest.mark.timeout(90)]


class StruckDown(BaseException):
    """The process dies here."""


async def undisturbed(step: Step) -> None:
    """Nothing strikes the process down."""


@dataclass(slots=True)
class Bench:
    """A context whose store can be taken back to an earlier moment. Its events say one word each."""

    server: NatsServer
    folder: Path
    js: JetStreamContext
    store: SqliteStore
    kept: int = 0
    running: list[asyncio.Task[None]] = field(default_factory=list[asyncio.Task[None]])

    async def relay(self, hook: Hook = undisturbed) -> Relay:
        nc = await self.server.client("identity")
        return Relay(nc, "identity", self.store, PlainCodec(), TYPES, hook=hook)

    @asynccontextmanager
    async def relaying(self) -> AsyncGenerator[Relay]:
        relay = await self.relay()
        task = asyncio.create_task(relay.run())
        try:
            yield relay
        finally:
            await end(task)

    async def say(self, *words: str) -> None:
        for word in words:
            event = IdentityRenamed(identity=UUID(int=1), name=word, at=NOW)
            await append(self.store, f"identity.{word}-{uuid4()}", new(event))

    async def published(self) -> None:
        head = await self.store.head()

        async def reached() -> bool:
            with suppress(Exception):
                marker, _ = await last_marker(self.js, "identity")
                return marker is not None and (marker.epoch, marker.position) == (self.store.epoch, head)
            return False

        await eventually(reached, f"a marker at {head}")

    async def words(self) -> list[str]:
        """What is published, oldest first."""
        found = await messages(self.js, "heraldry.events.>")
        return [str(cast("dict[str, object]", one.body["data"])["name"]) for one in found]

    async def restore(self, back_to: int, epoch: str = "") -> None:
        """An older copy of the store, of the same epoch unless it is said."""
        self.kept += 1
        copy = self.folder / f"restored-{self.kept}.sqlite3"
        before = self.folder / (f"restored-{self.kept - 1}.sqlite3" if self.kept > 1 else "identity.sqlite3")
        await self.store.close()
        with closing(sqlite3.connect(before)) as here, closing(sqlite3.connect(copy)) as there:
            here.backup(there)
            there.execute("DELETE FROM events WHERE position > ?", (back_to,))
            if epoch:
                there.execute("UPDATE store SET epoch = ?", (epoch,))
            there.commit()
        self.store = SqliteStore(copy)


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncGenerator[Bench]:
    async with NatsServer() as server:
        js = border.jetstream(await server.client("operator"))
        made = Bench(server, tmp_path, js, SqliteStore(tmp_path / "identity.sqlite3"))
        yield made
        await made.store.close()


def said() -> Projection:
    made = Projection(name="said", version=1, schema="CREATE TABLE said (word TEXT) STRICT", tables=("said",))

    @made.on(IdentityRenamed)
    def renamed(db: sqlite3.Connection, event: IdentityRenamed, fact: Fact) -> None:
        db.execute("INSERT INTO said VALUES (?)", (str(event.name),))

    return made


def seen(model: ReadModel) -> list[str]:
    return model.read(lambda db: [word for (word,) in db.execute("SELECT word FROM said").fetchall()])


@asynccontextmanager
async def viewing(bench: Bench) -> AsyncGenerator[tuple[ReadModel, list[Seen]]]:
    told: list[Seen] = []
    with closing(ReadModel(bench.folder / "view.sqlite3", [said()])) as model:
        feed = ViewFeed(await bench.server.client("gateway"), model, told.extend, lambda _: False)
        await feed.start()
        try:
            yield model, told
        finally:
            await feed.stop()


async def waits(relay: Relay) -> None:
    await until(lambda: relay.state.cause == "relay.store-mismatch")
    assert "`heraldry replay identity`" in relay.state.detail


@pytest.mark.parametrize("epoch", ["", "restored"])
async def test_a_restored_store_waits_for_the_command_and_is_then_what_is_said(
    bench: Bench, epoch: str
) -> None:
    await bench.say("one", "two", "lost")
    async with bench.relaying(), viewing(bench) as (model, told):
        await bench.published()
        await until(lambda: seen(model) == ["one", "two", "lost"])
    await bench.restore(2, epoch)
    async with viewing(bench) as (model, told), bench.relaying() as relay:
        await waits(relay)
        await bench.say("new")
        assert seen(model) == ["one", "two", "lost"]
        assert await bench.words() == ["one", "two", "lost"]
        await relay.begin_anew()
        await bench.published()
        await until(lambda: seen(model) == ["one", "two", "new"])
        assert relay.state.cause == ""
        assert await bench.words() == ["one", "two", "lost", "one", "two", "new"]
        marker, _ = await last_marker(bench.js, "identity")
        assert marker is not None
        assert (marker.count, marker.begins > 0) == (3, True)
    async with viewing(bench) as (model, told):  # it goes on where it was
        assert (seen(model), told) == (["one", "two", "new"], [])


async def test_a_view_that_was_away_forgets_what_is_no_longer_said(bench: Bench) -> None:
    await bench.say("one", "lost")
    async with bench.relaying(), viewing(bench) as (model, _):
        await bench.published()
        await until(lambda: seen(model) == ["one", "lost"])
    await bench.restore(1, "restored")
    await (await bench.relay()).begin_anew()
    async with bench.relaying():
        await bench.say("new")
        await bench.published()
    async with viewing(bench) as (model, _):
        assert seen(model) == ["one", "new"]
    (bench.folder / "view.sqlite3").unlink()
    async with viewing(bench) as (model, _):
        assert seen(model) == ["one", "new"]


async def test_asked_twice_at_once_or_by_two_it_is_done_once(bench: Bench) -> None:
    await bench.say("one")
    async with bench.relaying():
        await bench.published()
    relays = [await bench.relay() for _ in range(3)]
    fences = {await relay.begin_anew() for relay in relays}
    fences |= set(await asyncio.gather(*(relay.begin_anew() for relay in relays)))
    assert fences == {await fence_of(bench.js, "identity")}
    async with bench.relaying():
        await bench.published()
        await bench.say("two")
        await bench.published()
    assert await bench.words() == ["one", "one", "two"]


async def test_while_it_runs_and_another_publishes_it_begins_anew_all_the_same(bench: Bench) -> None:
    await bench.say("one")
    async with bench.relaying(), bench.relaying() as other, viewing(bench) as (model, _):
        await bench.published()
        await other.begin_anew()
        await bench.published()
        await bench.say("two")
        await bench.published()
        await until(lambda: seen(model) == ["one", "two"])
        assert await bench.words() == ["one", "one", "two"]


async def test_whoever_publishes_goes_on_at_once_and_never_says_that_another_publishes(bench: Bench) -> None:
    await bench.say("one")
    with capture_logs() as logs:
        async with bench.relaying() as relay:
            await bench.published()
            await relay.begin_anew()
            await bench.published()
            assert relay.state.active
    said = [one["event"] for one in logs]
    assert "another relay publishes; this one stands by" not in said
    assert "this relay publishes from the beginning" in said


async def test_struck_down_midway_it_is_done_again(bench: Bench) -> None:
    await bench.say(*map(str, range(40)))
    async with bench.relaying():
        await bench.published()
    for wanted in Step:

        async def strike(step: Step) -> None:
            if step is wanted:  # noqa: B023  awaited before the next round
                raise StruckDown

        doomed = await bench.relay(strike)
        with suppress(StruckDown):
            await doomed.begin_anew()
        with suppress(StruckDown):
            await asyncio.wait_for(doomed.run(), 1)
    async with bench.relaying(), viewing(bench) as (model, _):
        await bench.published()
        await until(lambda: seen(model) == list(map(str, range(40))))


async def test_word_left_for_a_context_that_does_not_run_is_heeded_once(bench: Bench) -> None:
    await bench.say("one")
    async with bench.relaying():
        await bench.published()
    await leave_word(bench.js, "identity")
    for _ in range(2):
        async with bench.relaying():
            await bench.say("more")
            await bench.published()
    assert await bench.words() == ["one", "one", "more", "more"]


async def test_a_marker_nobody_can_read_is_passed(bench: Bench) -> None:
    await bench.say("one")
    await bench.js.publish(subjects.relay("identity"), b'{"no": "marker"}')
    async with bench.relaying() as relay:
        await waits(relay)
        await relay.begin_anew()
        await bench.published()
    assert await bench.words() == ["one"]


async def test_a_lost_stream_comes_back_and_views_are_of_the_new_one(bench: Bench) -> None:
    ended = asyncio.Event()
    watch = asyncio.create_task(until_another_stream(await bench.server.client("gateway"), ended.set, 0.05))
    await bench.say(*"abcde")
    async with bench.relaying():
        async with viewing(bench) as (model, _):
            await bench.published()
            await until(lambda: seen(model) == list("abcde"))
        await bench.js.delete_stream(subjects.STREAM)
        await bench.say("f")
        assert not ended.is_set()
        await ensure(bench.js, SMALL)
        await asyncio.wait_for(ended.wait(), 10)
        await bench.published()
        assert await bench.words() == list("abcdef")
        async with viewing(bench) as (model, _):
            assert seen(model) == list("abcdef")
    await watch
