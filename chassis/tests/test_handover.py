"""A new replica's read model comes from a sibling, over a real NATS server, or from the log."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from sqlite3 import Connection
from typing import Final

import pytest
from heraldry.chassis import handover as handovers
from heraldry.chassis.bus import border, rights
from heraldry.chassis.codec import Codec, Meta
from heraldry.chassis.handover import Handover
from heraldry.chassis.projection import Fact, Projection
from heraldry.chassis.readmodel import ReadModel, StoreFeed
from heraldry.chassis.store.port import NO_STREAM
from heraldry.chassis.store.sqlite import SqliteStore
from heraldry.chassis.testing.bus import NOW, TYPES, Noted
from heraldry.chassis.testing.memory import KeysInMemory
from heraldry.chassis.testing.nats import NatsServer
from heraldry.chassis.vault.keys import Key
from nats.aio.client import Client
from nats.aio.msg import Msg

pytestmark = pytest.mark.parts
CONTEXT: Final = "identity"
KEY: Final = Key("service-identity", bytes(32))
COUNT: Final = 2000  # events of 1 KB: several parts
PORTION: Final = 500
META: Final = Meta(command="00000000-0000-7000-8000-000000000001", actor="user:test", time=NOW.isoformat())


def notes(version: int = 1) -> tuple[Projection, list[str]]:
    """A projection, and what its handler was called with."""
    made = Projection(
        name="notes",
        version=version,
        schema="CREATE TABLE notes (id TEXT PRIMARY KEY, text TEXT NOT NULL) STRICT",
        tables=("notes",),
    )
    handled: list[str] = []

    @made.on(Noted)
    def note(db: Connection, event: Noted, fact: Fact) -> None:
        handled.append(event.text)
        db.execute("INSERT OR REPLACE INTO notes VALUES (?, ?)", (fact.id, event.text))

    return made, handled


def count(model: ReadModel) -> int:
    return len(model.read(lambda db: db.execute("SELECT id FROM notes").fetchall()))


def unfinished(folder: Path) -> list[str]:
    return [one.name for one in folder.iterdir() if one.suffix in {".leaving", ".coming"}]


class Replica:
    """A process' read model of the one store, with what its handlers did."""

    def __init__(self, nc: Client, store: SqliteStore, path: Path, version: int = 1) -> None:
        self.projection, self.handled = notes(version)
        self.handover = Handover(nc, CONTEXT, "read-model", path, [self.projection], KEY)
        self.path, self._store = path, store
        self._codec = Codec(TYPES, KeysInMemory())

    async def start(self) -> bool:
        taken = await self.handover.take_over()
        self.model = ReadModel(self.path, [self.projection])
        self.feed = StoreFeed(CONTEXT, self._store, self._codec, self.model)
        await self.feed.start()
        await self.handover.start()
        return taken

    async def stop(self) -> None:
        await self.handover.stop()
        await self.feed.stop()
        self.model.close()


@pytest.fixture
async def server() -> AsyncIterator[NatsServer]:
    async with NatsServer() as running:
        yield running


@pytest.fixture
async def nc(server: NatsServer) -> Client:
    return await server.client(CONTEXT)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    opened = SqliteStore(tmp_path / "log.sqlite3")
    await write(opened, NO_STREAM, COUNT)
    yield opened
    await opened.close()


async def write(store: SqliteStore, revision: int, events: int) -> None:
    made = [Noted(at=NOW, text=f"{number} {'secret words ' * 60}") for number in range(events)]
    new = await Codec(TYPES, KeysInMemory()).encode(made, META)
    for first in range(0, events, PORTION):
        portion = new[first : first + PORTION]
        await store.append("identity.thing-1", portion, expected=revision + first)


@pytest.fixture
async def first(nc: Client, store: SqliteStore, tmp_path: Path) -> AsyncIterator[Replica]:
    """A replica that has built its model from the log."""
    replica = Replica(nc, store, tmp_path / "first.sqlite3")
    assert not await replica.start()
    assert len(replica.handled) == COUNT
    yield replica
    await replica.stop()


async def test_a_new_replica_takes_its_read_model_over_and_goes_on_from_there(
    nc: Client, store: SqliteStore, first: Replica, tmp_path: Path
) -> None:
    second = Replica(nc, store, tmp_path / "second.sqlite3")
    assert await second.start()
    assert (count(second.model), second.handled) == (COUNT, [])
    await write(store, COUNT - 1, 3)
    position = f"{CONTEXT}:{store.epoch}:{await store.head()}"
    assert await second.model.wait_for([position], 10)
    assert len(second.handled) == 3
    third = Replica(nc, store, tmp_path / "third.sqlite3")
    assert await third.start()  # from either of them
    assert count(third.model) == COUNT + 3
    await third.stop()
    await second.stop()
    assert await first.model.wait_for([position], 10)
    assert unfinished(tmp_path) == []


async def test_what_is_there_stays(nc: Client, store: SqliteStore, first: Replica, tmp_path: Path) -> None:
    (tmp_path / "mine.sqlite3").touch()
    mine = Replica(nc, store, tmp_path / "mine.sqlite3")
    assert not await mine.start()
    assert len(mine.handled) == len(first.handled)
    await mine.stop()


async def test_another_release_s_read_model_is_not_taken(
    nc: Client, store: SqliteStore, first: Replica, tmp_path: Path
) -> None:
    newer = Replica(nc, store, tmp_path / "newer.sqlite3", version=2)
    assert not await newer.start()
    assert len(newer.handled) == len(first.handled)
    await newer.stop()


async def test_nobody_hears_what_is_in_it(
    server: NatsServer, nc: Client, store: SqliteStore, first: Replica, tmp_path: Path
) -> None:
    heard: list[bytes] = []
    operator = await server.client(rights.OPERATOR)

    async def hear(message: Msg) -> None:
        heard.append(message.data)

    await border.subscribe(operator, ">", cb=hear)
    await operator.flush()
    second = Replica(nc, store, tmp_path / "second.sqlite3")
    assert await second.start()
    await second.stop()
    await operator.flush()
    size = sum(len(one) for one in heard)
    assert size > COUNT * 700
    assert not any(b"secret words" in one or b"SQLite format" in one for one in heard)


async def test_whoever_has_another_key_gets_nothing(
    nc: Client, first: Replica, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handovers, "COPYING", 0.5)
    stranger = Handover(
        nc, CONTEXT, "read-model", tmp_path / "x.sqlite3", [first.projection], Key("other", bytes([1] * 32))
    )
    assert not await stranger.take_over()
    assert unfinished(tmp_path) == []
    assert not (tmp_path / "x.sqlite3").exists()


@pytest.mark.parametrize("ends", ["a part is changed", "the sibling dies"])
async def test_what_does_not_arrive_whole_is_built_from_the_log(
    nc: Client,
    store: SqliteStore,
    first: Replica,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    ends: str,
) -> None:
    monkeypatch.setattr(handovers, "ARRIVING", 0.5)
    respond = Msg.respond
    answered = 0

    async def worse(message: Msg, data: bytes) -> None:
        nonlocal answered
        answered += 1
        if answered < 3:
            await respond(message, data)
        elif ends == "a part is changed":
            await respond(message, data[:-1] + bytes([data[-1] ^ 1]))

    monkeypatch.setattr(Msg, "respond", worse)
    second = Replica(nc, store, tmp_path / "second.sqlite3")
    assert not await second.start()
    assert len(second.handled) == len(first.handled)
    assert not (tmp_path / "second.sqlite3.coming").exists()
    await second.stop()


async def test_what_a_killed_process_left_is_removed(nc: Client, store: SqliteStore, tmp_path: Path) -> None:
    for name in ("one.sqlite3.0a.leaving", "one.sqlite3.coming"):
        (tmp_path / name).touch()
    one = Replica(nc, store, tmp_path / "one.sqlite3")
    await one.start()
    await one.stop()
    assert unfinished(tmp_path) == []
