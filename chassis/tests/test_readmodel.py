from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from sqlite3 import Connection
from typing import Annotated
from uuid import UUID

import pytest
from heraldry.chassis.codec import Codec, Meta
from heraldry.chassis.projection import Fact, Projection
from heraldry.chassis.readmodel import ReadModel, StoreFeed
from heraldry.chassis.store.port import NO_STREAM, NewEvent
from heraldry.chassis.store.sqlite import SqliteStore
from heraldry.chassis.testing.memory import KeysInMemory
from heraldry.chassis.testing.waiting import until
from heraldry.contracts.base import Erased, Event, Personal
from heraldry.contracts.markers import Position
from uuid_utils.compat import uuid7

NOW = datetime(2026, 5, 4, 9, 30, tzinfo=UTC)
ADA = UUID(int=1)
SHOP = "shop"


class Sold(Event):
    what: str
    left: int


class Praised(Event):
    person: UUID
    words: Annotated[str | Erased, Personal("person")]


class Cursed(Event):
    """Its handler fails."""


def stock(version: int = 1) -> Projection:
    made = Projection(
        name="stock",
        version=version,
        schema="CREATE TABLE stock (what TEXT PRIMARY KEY, left INTEGER NOT NULL) STRICT",
        tables=("stock",),
    )

    @made.on(Sold)
    def sold(db: Connection, event: Sold, fact: Fact) -> None:
        db.execute("INSERT OR REPLACE INTO stock VALUES (?, ?)", (event.what, event.left * version))

    return made


def journal() -> Projection:
    made = Projection(
        name="journal",
        version=1,
        schema="CREATE TABLE journal (id TEXT PRIMARY KEY, what TEXT NOT NULL) STRICT;\n"
        "CREATE TABLE runs (id TEXT NOT NULL) STRICT",
        tables=("journal", "runs"),
    )

    @made.on(Sold)
    def sold(db: Connection, event: Sold, fact: Fact) -> None:
        db.execute("INSERT OR REPLACE INTO journal VALUES (?, ?)", (fact.id, event.what))
        db.execute("INSERT INTO runs VALUES (?)", (fact.id,))

    @made.on(Praised)
    def praised(db: Connection, event: Praised, fact: Fact) -> None:
        db.execute("INSERT OR REPLACE INTO journal VALUES (?, ?)", (fact.id, str(event.words)))

    @made.on(Cursed)
    def cursed(db: Connection, event: Cursed, fact: Fact) -> None:
        raise ValueError("the handler cannot do that")

    return made


def fact(number: int) -> Fact:
    return Fact(f"id-{number}", "Sold", NOW, "shop.till-1", number, f"shop:e:{number}", "", "", "user:ada")


def sale(number: int, what: str = "pear") -> tuple[int, Event, Fact]:
    return number, Sold(at=NOW, what=what, left=10 - number), fact(number)


def at(number: int, epoch: str = "e") -> Position:
    return Position(SHOP, epoch, number)


def rows(model: ReadModel, table: str) -> list[tuple[object, ...]]:
    return model.read(lambda db: db.execute(f"SELECT * FROM {table} ORDER BY 1").fetchall())


def test_rows_and_checkpoint_move_together_and_are_there_after_opening_again(tmp_path: Path) -> None:
    file = tmp_path / "m.sqlite3"
    with closing(ReadModel(file, [stock(), journal()])) as model:
        model.apply([sale(1), sale(2)], upto=3, reached=[at(3)])
    with closing(ReadModel(file, [stock(), journal()])) as model:
        assert (rows(model, "stock"), model.checkpoint()) == ([("pear", 8)], 3)
        assert model.reached() == {SHOP: at(3)}


def test_a_failing_handler_leaves_neither_rows_nor_checkpoint(tmp_path: Path) -> None:
    with closing(ReadModel(tmp_path / "m.sqlite3", [stock(), journal()])) as model:
        model.apply([sale(1)], upto=1, reached=[at(1)])
        with pytest.raises(ValueError, match="cannot do that"):
            model.apply([sale(2), (3, Cursed(at=NOW), fact(3))], upto=3, reached=[at(3)])
        assert (rows(model, "stock"), len(rows(model, "journal"))) == ([("pear", 9)], 1)
        assert (model.checkpoint(), model.reached()) == (1, {SHOP: at(1)})
        model.apply([sale(2)], upto=2, reached=[at(2)])
        assert rows(model, "stock") == [("pear", 8)]


def test_a_write_that_sqlite_refuses_leaves_neither_rows_nor_checkpoint(tmp_path: Path) -> None:
    """However late it is refused: the same statement in a row is written in one go."""
    strict = stock()

    @strict.on(Cursed)
    def cursed(db: Connection, event: Cursed, fact: Fact) -> None:
        db.execute("INSERT OR REPLACE INTO stock VALUES (?, ?)", ("plum", None))

    with closing(ReadModel(tmp_path / "m.sqlite3", [strict])) as model:
        with pytest.raises(sqlite3.IntegrityError, match="NOT NULL"):
            model.apply([sale(1), sale(2), (3, Cursed(at=NOW), fact(3))], upto=3, reached=[at(3)])
        assert (rows(model, "stock"), model.checkpoint(), model.reached()) == ([], 0, {})


def test_a_repeat_changes_nothing(tmp_path: Path) -> None:
    with closing(ReadModel(tmp_path / "m.sqlite3", [stock(), journal()])) as model:
        batch = [sale(1), sale(2)]
        model.apply(batch, upto=2, reached=[at(2)])
        before = model.read(lambda db: list(db.iterdump()))
        model.apply(batch, upto=2, reached=[at(2)])
        assert model.read(lambda db: list(db.iterdump())) == before
        assert len(rows(model, "runs")) == 2


def test_a_new_version_rebuilds_that_projection_and_leaves_the_others(tmp_path: Path) -> None:
    file, batch = tmp_path / "m.sqlite3", [sale(1), sale(2)]
    with closing(ReadModel(file, [stock(), journal()])) as model:
        model.apply(batch, upto=2, reached=[at(2)])
    with closing(ReadModel(file, [stock(version=2), journal()])) as model:
        assert (rows(model, "stock"), model.checkpoint()) == ([], 0)
        assert len(rows(model, "journal")) == 2
        assert model.reached() == {}, "what begins anew must not be taken for complete"
        model.apply(batch, upto=2, reached=[at(2)])
        assert (rows(model, "stock"), len(rows(model, "runs"))) == ([("pear", 16)], 2)


def test_what_is_marked_for_rebuild_begins_anew_at_the_next_start_only(tmp_path: Path) -> None:
    file = tmp_path / "m.sqlite3"
    with closing(ReadModel(file, [stock()])) as model:
        model.apply([sale(1)], upto=1, reached=[at(1)])
        model.mark_for_rebuild()
        assert rows(model, "stock") == [("pear", 9)]
    with closing(ReadModel(file, [stock()])) as model:
        assert (rows(model, "stock"), model.checkpoint()) == ([], 0)


def test_a_projection_that_is_added_is_built_from_the_beginning(tmp_path: Path) -> None:
    file = tmp_path / "m.sqlite3"
    with closing(ReadModel(file, [stock()])) as model:
        model.apply([sale(1)], upto=1, reached=[at(1)])
    with closing(ReadModel(file, [stock(), journal()])) as model:
        assert (model.checkpoint(), rows(model, "stock")) == (0, [("pear", 9)])


async def test_who_waits_is_woken_when_the_position_is_there(tmp_path: Path) -> None:
    with closing(ReadModel(tmp_path / "m.sqlite3", [stock()])) as model:
        waiting = asyncio.create_task(model.wait_for([str(at(2))], 10))
        await asyncio.sleep(0)
        model.apply([sale(1)], upto=1, reached=[at(1)])
        await asyncio.sleep(0)
        assert not waiting.done()
        model.apply([sale(2)], upto=2, reached=[at(2)])
        assert await waiting


async def test_waiting_ends_with_its_patience(tmp_path: Path) -> None:
    with closing(ReadModel(tmp_path / "m.sqlite3", [stock()])) as model:
        model.apply([sale(1)], upto=1, reached=[at(1)])
        assert not await model.wait_for([str(at(1)), str(at(2))], 0.01)
        assert await model.wait_for([], 0.01)
        assert await model.wait_for([str(at(1))], 0.01)


async def test_positions_of_another_epoch_or_log(tmp_path: Path) -> None:
    """An older epoch is contained in the present log; a log nobody has heard of is at its start."""
    with closing(ReadModel(tmp_path / "m.sqlite3", [stock()])) as model:
        assert not await model.wait_for([str(at(1))], 0.01)
        assert await model.wait_for([str(at(0))], 0.01)
        model.apply([sale(1)], upto=1, reached=[at(1)])
        assert await model.wait_for([str(at(99, epoch="before"))], 0.01)
        assert not await model.wait_for(["elsewhere:e:1"], 0.01)


@pytest.mark.parametrize("text", ["", "shop", "shop:e", "shop:e:-1", "shop:e:1:2", "shop:e:x"])
async def test_what_is_no_position_is_said(tmp_path: Path, text: str) -> None:
    with (
        closing(ReadModel(tmp_path / "m.sqlite3", [stock()])) as model,
        pytest.raises(ValueError, match="is no position"),
    ):
        await model.wait_for([text], 0.01)


TYPES: dict[str, type[Event]] = {"Sold": Sold, "Praised": Praised, "Cursed": Cursed}
META = Meta(command="c", actor="user:ada", time=NOW.isoformat())


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    opened = SqliteStore(tmp_path / "shop.sqlite3")
    yield opened
    await opened.close()


async def append(store: SqliteStore, codec: Codec, *events: Event) -> int:
    last = await store.read_stream_backwards("shop.till-1", limit=1)
    expected = last[0].revision if last else NO_STREAM
    new = await codec.encode(events, META)
    return (await store.append("shop.till-1", new, expected=expected)).position


def sold(*left: int) -> Sequence[Event]:
    return [Sold(at=NOW, what="pear", left=one) for one in left]


@asynccontextmanager
async def feeding(
    store: SqliteStore, codec: Codec, file: Path, *projections: Projection
) -> AsyncGenerator[tuple[StoreFeed, ReadModel]]:
    with closing(ReadModel(file, projections or [stock(), journal()])) as model:
        feed = StoreFeed(SHOP, store, codec, model)
        await feed.start()
        try:
            yield feed, model
        finally:
            await feed.stop()


async def test_a_feed_has_caught_up_when_it_has_started_and_follows_then(
    store: SqliteStore, tmp_path: Path
) -> None:
    codec = Codec(TYPES, KeysInMemory())
    await append(store, codec, *sold(3, 2))
    async with feeding(store, codec, tmp_path / "m.sqlite3") as (_, model):
        assert rows(model, "stock") == [("pear", 2)]
        position = await append(store, codec, *sold(1))
        assert await model.wait_for([f"shop:{store.epoch}:{position}"], 5)
        assert rows(model, "stock") == [("pear", 1)]


async def test_an_empty_log_is_reached_soon(store: SqliteStore, tmp_path: Path) -> None:
    async with feeding(store, Codec(TYPES, KeysInMemory()), tmp_path / "m.sqlite3") as (_, model):
        await until(lambda: SHOP in model.reached())
        assert model.reached()[SHOP].number == 0


async def test_a_deleted_model_comes_back_the_same(store: SqliteStore, tmp_path: Path) -> None:
    codec, file = Codec(TYPES, KeysInMemory()), tmp_path / "m.sqlite3"
    async with feeding(store, codec, file) as (_, model):
        for number in range(20):
            await append(store, codec, *sold(number))
        await model.wait_for([f"shop:{store.epoch}:{await store.head()}"], 5)
        before = model.read(lambda db: list(db.iterdump()))
    file.unlink()
    async with feeding(store, codec, file) as (_, model):
        assert model.read(lambda db: list(db.iterdump())) == before


async def test_a_start_after_a_change_of_version_waits_for_the_rebuilt_rows(
    store: SqliteStore, tmp_path: Path
) -> None:
    codec, file = Codec(TYPES, KeysInMemory()), tmp_path / "m.sqlite3"
    await append(store, codec, *sold(3))
    async with feeding(store, codec, file, stock()):
        pass
    async with feeding(store, codec, file, stock(version=2)) as (_, model):
        assert rows(model, "stock") == [("pear", 6)]


async def test_a_restored_log_builds_the_model_anew(store: SqliteStore, tmp_path: Path) -> None:
    """The model knows of more than the backup holds, and its positions are another epoch's."""
    codec, file = Codec(TYPES, KeysInMemory()), tmp_path / "m.sqlite3"
    await append(store, codec, *sold(3, 2, 1))
    async with feeding(store, codec, file):
        pass
    restored = SqliteStore(tmp_path / "restored.sqlite3")
    try:
        await append(restored, codec, *sold(3))
        async with feeding(restored, codec, file) as (_, model):
            assert (rows(model, "stock"), len(rows(model, "journal"))) == ([("pear", 3)], 1)
    finally:
        await restored.close()


async def test_a_newer_release_s_event_is_skipped_and_the_model_marked(
    store: SqliteStore, tmp_path: Path
) -> None:
    codec, file = Codec(TYPES, KeysInMemory()), tmp_path / "m.sqlite3"
    await append(store, codec, *sold(3))
    await store.append("shop.new-1", [NewEvent(uuid7(), "Unheard", 1, b"{}", b"{}")], expected=NO_STREAM)
    await append(store, codec, *sold(2))
    async with feeding(store, codec, file) as (feed, model):
        assert (rows(model, "stock"), feed.problem) == ([("pear", 2)], None)
    with closing(sqlite3.connect(file)) as db:
        assert db.execute("SELECT DISTINCT version FROM projection").fetchall() == [(-1,)]


async def test_a_missing_key_stops_the_feed_visibly_until_it_is_there(
    store: SqliteStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("heraldry.chassis.readmodel.RETRY", 0.01)
    keys = KeysInMemory(ADA)
    codec = Codec(TYPES, keys)
    async with feeding(store, codec, tmp_path / "m.sqlite3") as (feed, model):
        late = dict(keys.known)
        new = await codec.encode([Praised(at=NOW, person=ADA, words="well done"), *sold(1)], META)
        keys.known.clear()
        await store.append("shop.till-1", new, expected=NO_STREAM)
        await until(lambda: feed.problem is not None)
        assert feed.problem is not None
        assert feed.problem.startswith("KeyUnknownError")
        assert rows(model, "stock") == []
        keys.known.update(late)
        await until(lambda: feed.problem is None)
        assert rows(model, "stock") == [("pear", 1)]


async def test_what_no_projection_shows_is_not_even_decrypted(store: SqliteStore, tmp_path: Path) -> None:
    keys = KeysInMemory(ADA)
    codec = Codec(TYPES, keys)
    new = await codec.encode([Praised(at=NOW, person=ADA, words="well done"), *sold(1)], META)
    keys.known.clear()
    await store.append("shop.till-1", new, expected=NO_STREAM)
    async with feeding(store, codec, tmp_path / "m.sqlite3", stock()) as (feed, model):
        assert (feed.problem, rows(model, "stock")) == (None, [("pear", 1)])


async def test_whatever_goes_wrong_is_said_without_quoting_the_event_and_tried_again(
    store: SqliteStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("heraldry.chassis.readmodel.RETRY", 0.01)
    codec = Codec(TYPES, KeysInMemory())
    async with feeding(store, codec, tmp_path / "m.sqlite3") as (feed, model):
        (good,) = await codec.encode(sold(1), META)
        await store.append("shop.till-1", [replace(good, data=b'{"what": "a secret"}')], expected=NO_STREAM)
        await until(lambda: feed.problem is not None)
        assert feed.problem == "ValidationError"
        assert model.checkpoint() == 0
