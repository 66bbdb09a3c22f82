"""The log as it stood at an instant: what was recorded up to then, and nothing else."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from sqlite3 import Connection
from typing import Annotated, cast
from uuid import UUID

import pytest
from heraldry.chassis import past
from heraldry.chassis.clock import FrozenClock
from heraldry.chassis.codec import Codec, Meta
from heraldry.chassis.decider import Decider
from heraldry.chassis.past import PastModel, Pasts
from heraldry.chassis.projection import Fact, Projection
from heraldry.chassis.runner import Runner
from heraldry.chassis.store.port import NO_STREAM, NewEvent
from heraldry.chassis.store.sqlite import SqliteStore
from heraldry.chassis.testing.memory import KeysInMemory
from heraldry.contracts.base import Erased, Event, Personal, Refused
from uuid_utils.compat import uuid7

START = datetime(2026, 5, 4, 9, tzinfo=UTC)
ADA = UUID(int=1)


class Said(Event):
    person: UUID = ADA
    text: Annotated[str | Erased, Personal("person")]


saying: Decider[Said, tuple[str, ...], Said] = Decider(
    (), lambda command, _: (command,), lambda state, event: (*state, str(event.text))
)


def what_was_said() -> Projection:
    made = Projection("said", 1, "CREATE TABLE said (position TEXT, text TEXT) STRICT", ("said",))

    @made.on(Said)
    def said(db: Connection, event: Said, fact: Fact) -> None:
        text = "" if isinstance(event.text, Erased) else event.text
        db.execute("INSERT INTO said VALUES (?, ?)", (fact.position, text))

    return made


def texts(model: PastModel) -> list[str]:
    rows = model.read(lambda db: db.execute("SELECT text FROM said").fetchall())
    return [row[0] for row in cast("list[tuple[str]]", rows)]


class Log:
    """Two streams in which somebody says something every minute, in turn."""

    def __init__(self, store: SqliteStore) -> None:
        self.store, self.keys = store, KeysInMemory(ADA)
        self.codec = Codec({"Said": Said}, self.keys)
        self.pasts = Pasts("test", store, self.codec, FrozenClock(after(100)))

    async def fill(self, count: int) -> None:
        for number in range(count):
            at = after(number)
            meta = Meta(command=str(number), actor="user:ada", time=at.isoformat())
            new = await self.codec.encode([Said(text=f"{number}", at=at)], meta)
            await self.store.append(f"test.talk-{number % 2}", new, expected=number // 2 - 1)

    async def at(self, minutes: float, *streams: str) -> PastModel:
        past = self.pasts.at(after(minutes))
        return await past.model([what_was_said()], await past.events(streams or ("talk-0", "talk-1")))


def after(minutes: float) -> datetime:
    return START + timedelta(minutes=minutes)


@pytest.fixture
async def log(tmp_path: Path) -> AsyncGenerator[Log]:
    store = SqliteStore(tmp_path / "store.sqlite3")
    yield Log(store)
    await store.close()


async def test_what_was_recorded_up_to_that_instant_is_there_in_the_log_s_order(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(past, "PAGE", 3)
    await log.fill(20)
    assert texts(await log.at(13)) == [str(number) for number in range(14)]  # that very instant counts
    assert texts(await log.at(12.9)) == [str(number) for number in range(13)]
    assert texts(await log.at(13, "talk-0", "talk-0", "talk-9")) == ["0", "2", "4", "6", "8", "10", "12"]
    assert texts(await log.at(-1)) == []


async def test_an_answer_names_the_last_event_in_it(log: Log) -> None:
    await log.fill(6)
    model = await log.at(3)
    assert (model.moment.at, model.moment.position) == (after(3), f"test:{log.store.epoch}:4")
    assert (await log.at(-1)).moment.position == f"test:{log.store.epoch}:0"


async def test_a_stream_is_folded_up_to_then_also_where_only_its_end_is_read(log: Log) -> None:
    await log.fill(1200)
    runner = Runner("test", log.store, log.codec)
    loaded = await runner.load(saying, "talk-0", until=after(5))
    assert (loaded.state, loaded.revision, loaded.position) == (("0", "2", "4"), 2, 5)
    window = await runner.load(saying, "talk-0", until=after(5), enough=lambda found: len(found) >= 2)
    assert window.state == ("0", "2", "4")
    assert (await runner.load(saying, "talk-0", until=after(-1), enough=lambda _: True)).state == ()
    end = await runner.load(saying, "talk-0", until=after(1100), enough=lambda found: len(found) >= 2)
    assert (end.state[-1], len(end.state) < 550) == ("1100", True)


async def test_what_was_erased_since_is_erased_then(log: Log) -> None:
    await log.fill(2)
    assert texts(await log.at(5)) == ["0", "1"]
    log.keys.destroy(ADA)
    assert texts(await log.at(5)) == ["", ""]


async def test_the_future_is_refused_and_so_is_more_than_one_answer_may_cost(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    await log.fill(20)
    with pytest.raises(Refused) as ahead:
        await log.at(100.1)
    assert (ahead.value.code, ahead.value.status, ahead.value.field) == ("as-of.future", 422, "as_of")
    monkeypatch.setattr(past, "MOST", 12)
    with pytest.raises(Refused) as dear:
        await log.at(15)
    assert (dear.value.code, dear.value.status) == ("as-of.too-much", 422)


async def test_what_a_newer_release_recorded_cannot_be_answered_by_an_older_one(log: Log) -> None:
    await log.fill(2)
    meta = Meta(command="x", actor="user:ada", time=after(2).isoformat()).model_dump_json().encode()
    await log.store.append("test.new-1", [NewEvent(uuid7(), "Sung", 1, b"{}", meta)], expected=NO_STREAM)
    with pytest.raises(Refused) as refused:
        await log.at(5, "talk-0", "new-1")
    assert (refused.value.code, refused.value.status) == ("service.newer-release", 503)
    assert texts(await log.at(1, "talk-0", "new-1")) == ["0"]
