"""Views over several contexts, fed by real relays through a real JetStream."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import asynccontextmanager, closing
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from sqlite3 import Connection
from uuid import UUID

import pytest
from heraldry.chassis.bus import border
from heraldry.chassis.bus.relay import Relay
from heraldry.chassis.projection import Fact, Projection
from heraldry.chassis.readmodel import ReadModel
from heraldry.chassis.store.port import NO_STREAM, NewEvent
from heraldry.chassis.store.sqlite import SqliteStore
from heraldry.chassis.tasks import end
from heraldry.chassis.testing.bus import NOW, TYPES, PlainCodec, append, new, noted
from heraldry.chassis.testing.nats import NatsServer
from heraldry.chassis.views import Seen, ViewFeed
from heraldry.contracts import subjects
from heraldry.contracts.identity import IdentityDeleted, IdentityRenamed
from heraldry.contracts.markers import Position
from heraldry.contracts.scheduler import QuotaExhausted
from nats.aio.client import Client

WHO = [UUID(int=n + 1) for n in range(3)]
INBOX = UUID(int=77)


def overview() -> Projection:
    """One row of each identity, written by events of both contexts, each its own columns."""
    made = Projection(
        name="overview",
        version=1,
        schema="CREATE TABLE overview (identity TEXT PRIMARY KEY, name TEXT NOT NULL DEFAULT '',"
        " until TEXT NOT NULL DEFAULT '') STRICT, WITHOUT ROWID;\n"
        "CREATE TABLE log (id TEXT PRIMARY KEY, position TEXT NOT NULL) STRICT, WITHOUT ROWID",
        tables=("overview", "log"),
    )

    def put(db: Connection, identity: UUID, column: str, value: str, fact: Fact) -> None:
        db.execute(
            f"INSERT INTO overview (identity, {column}) VALUES (?, ?)"
            f" ON CONFLICT DO UPDATE SET {column} = excluded.{column}",
            (str(identity), value),
        )
        db.execute("INSERT OR REPLACE INTO log VALUES (?, ?)", (fact.id, fact.position))

    @made.on(IdentityRenamed)
    def renamed(db: Connection, event: IdentityRenamed, fact: Fact) -> None:
        put(db, event.identity, "name", str(event.name), fact)

    @made.on(QuotaExhausted)
    def exhausted(db: Connection, event: QuotaExhausted, fact: Fact) -> None:
        put(db, event.identity, "until", event.until.isoformat(), fact)

    return made


def until(number: int) -> datetime:
    return NOW + timedelta(hours=number)


def renamed(number: int) -> NewEvent:
    who = WHO[number % 3]
    return new(IdentityRenamed(identity=who, name=f"Ada {number}", at=NOW), identity=str(who))


def exhausted(number: int) -> NewEvent:
    who = WHO[number % 3]
    event = QuotaExhausted(
        sender=f"email-{INBOX}", inbox=INBOX, identity=who, window="hour", until=until(number), at=NOW
    )
    return new(event, identity=str(who))


def dump(model: ReadModel) -> list[str]:
    """The rows themselves; where each batch ended in JetStream is no answer to anything."""
    return model.read(lambda db: [line for line in db.iterdump() if '"projection"' not in line])


class Contexts:
    """Two contexts with their logs and relays, on one server."""

    def __init__(self, server: NatsServer, folder: Path) -> None:
        self.server, self._tasks = server, list[asyncio.Task[None]]()
        self.stores = {name: SqliteStore(folder / f"{name}.sqlite3") for name in ("identity", "scheduler")}

    async def relay(self, *contexts: str) -> None:
        for name in contexts:
            nc = await self.server.client(name)
            relay = Relay(nc, name, self.stores[name], PlainCodec(), TYPES)
            self._tasks.append(asyncio.create_task(relay.run()))

    async def write(self, context: str, *events: NewEvent) -> str:
        """The position, as a client is told it."""
        store = self.stores[context]
        await append(store, f"{context}.thing-1", *events)
        return str(Position(context, store.epoch, await store.head()))

    async def close(self) -> None:
        await end(*self._tasks)
        for store in self.stores.values():
            await store.close()


@asynccontextmanager
async def contexts(folder: Path) -> AsyncGenerator[tuple[Contexts, Client]]:
    async with NatsServer() as server:
        both = Contexts(server, folder)
        try:
            yield both, await server.client("gateway")
        finally:
            await both.close()


@asynccontextmanager
async def viewing(nc: Client, file: Path) -> AsyncGenerator[tuple[ReadModel, list[Sequence[Seen]]]]:
    told: list[Sequence[Seen]] = []
    with closing(ReadModel(file, [overview()])) as model:
        feed = ViewFeed(nc, model, told.append, lambda _: False)
        await feed.start()
        try:
            yield model, told
        finally:
            await feed.stop()


def ids(told: Sequence[Sequence[Seen]]) -> Iterator[str]:
    return (fact.id for batch in told for _, _, fact in batch)


@pytest.mark.parts
async def test_an_event_is_visible_together_with_what_its_context_has_reached(tmp_path: Path) -> None:
    async with contexts(tmp_path) as (both, nc), viewing(nc, tmp_path / "v.sqlite3") as (model, told):
        await both.relay("identity", "scheduler")
        for number in range(5):
            seen = [
                await both.write("identity", renamed(number), noted("private")),
                await both.write("scheduler", exhausted(number)),
            ]
            assert await model.wait_for(seen, 10)
            who = str(WHO[number % 3])
            row = model.read(
                lambda db, who=who: db.execute(
                    "SELECT name, until FROM overview WHERE identity = ?", (who,)
                ).fetchone()
            )
            assert row == (f"Ada {number}", until(number).isoformat())
        private = await both.write("identity", noted("private only"))
        assert await model.wait_for([private], 10)
        assert len(list(ids(told))) == len(set(ids(told))) == 10


@pytest.mark.parts
async def test_a_view_goes_on_where_it_was_and_comes_back_the_same_when_deleted(tmp_path: Path) -> None:
    file, random = tmp_path / "v.sqlite3", Random(7)
    async with contexts(tmp_path) as (both, nc):
        await both.relay("identity", "scheduler")
        last: dict[str, str] = {}

        async def write(count: int) -> None:
            for number in range(count):
                context = random.choice(("identity", "scheduler"))
                make = renamed if context == "identity" else exhausted
                last[context] = await both.write(
                    context, *(make(number) for _ in range(random.randint(1, 4)))
                )

        async with viewing(nc, file) as (model, told):
            await write(20)
            assert await model.wait_for(list(last.values()), 10)
            first = set(ids(told))
        await write(20)
        async with viewing(nc, file) as (model, told):
            assert await model.wait_for(list(last.values()), 10)
            assert not first & set(ids(told)), "what was seen is not read again"
            before = dump(model)
        file.unlink()
        async with viewing(nc, file) as (model, _):
            assert model.reached() == {name: Position.parse(text) for name, text in last.items()}
            assert dump(model) == before


@pytest.mark.parts
async def test_rows_do_not_depend_on_which_context_was_published_first(tmp_path: Path) -> None:
    """The same two logs, published by two servers in opposite orders."""
    dumps: list[list[str]] = []
    events = {
        "identity": [renamed(number) for number in range(30)],
        "scheduler": [exhausted(number) for number in range(30)],
    }
    made = {name: SqliteStore(tmp_path / f"{name}.sqlite3") for name in events}
    for name, store in made.items():
        await store.append(f"{name}.thing-1", events[name], expected=NO_STREAM)
        await store.close()
    for order in (("identity", "scheduler"), ("scheduler", "identity")):
        async with contexts(tmp_path) as (both, nc), viewing(nc, tmp_path / f"{order[0]}.view") as (model, _):
            for name in order:
                await both.relay(name)
                store = both.stores[name]
                assert await model.wait_for([str(Position(name, store.epoch, await store.head()))], 10)
            dumps.append(sorted(dump(model)))
    assert dumps[0] == dumps[1]
    assert len(dumps[0]) > 60


@pytest.mark.parts
async def test_what_nobody_can_read_keeps_nothing_else_back(tmp_path: Path) -> None:
    """A newer release's type and a damaged entry are skipped; the model is marked to be built anew."""
    async with contexts(tmp_path) as (both, nc), viewing(nc, tmp_path / "v.sqlite3") as (model, told):
        js = border.jetstream(await both.server.client("identity"))
        for body in (b'{"type": "Unheard"}', b'{"type": "IdentityRenamed"}', b"no json"):
            await js.publish(subjects.event("_", "identity", str(WHO[0]), "Unheard"), body)
        await both.relay("identity")
        deleted = new(IdentityDeleted(identity=WHO[0], at=NOW), identity=str(WHO[0]))
        seen = await both.write("identity", renamed(1), deleted)
        assert await model.wait_for([seen], 10)
        assert len(list(ids(told))) == 2
        versions = model.read(lambda db: db.execute("SELECT version FROM projection").fetchall())
        assert versions == [(-1,)]


def test_batches_in_any_order_of_contexts_give_the_same_rows(tmp_path: Path) -> None:
    """Each context's own order kept, as JetStream keeps it; two hundred ways to mix them."""
    dumps: set[tuple[str, ...]] = set()
    logs: dict[str, list[Seen]] = {"identity": [], "scheduler": []}
    for number in range(8):
        for context, made in (("identity", renamed(number)), ("scheduler", exhausted(number))):
            event = TYPES[made.type].model_validate_json(made.data)
            position = str(Position(context, "e", number + 1))
            fact = Fact(f"{context}-{number}", made.type, NOW, f"{context}.t-1", number, position, "", "", "")
            logs[context].append((0, event, fact))
    for seed in range(200):
        random, waiting, sequence = Random(seed), {name: list(log) for name, log in logs.items()}, 0
        with closing(ReadModel(tmp_path / f"{seed}.sqlite3", [overview()])) as model:
            while any(waiting.values()):
                context = random.choice([name for name, log in waiting.items() if log])
                taken = [
                    waiting[context].pop(0) for _ in range(min(len(waiting[context]), random.randint(1, 3)))
                ]
                batch = [(sequence + n, event, fact) for n, (_, event, fact) in enumerate(taken, start=1)]
                sequence = batch[-1][0] + 1
                model.apply(batch, upto=sequence, reached=[Position.parse(batch[-1][2].position)])
            dumps.add(tuple(sorted(dump(model))))
    assert len(dumps) == 1
