from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import AsyncExitStack, aclosing
from pathlib import Path
from typing import cast

import pytest
from heraldry.chassis.store.port import NO_STREAM, StoredEvent, StoreUnavailableError
from heraldry.chassis.store.sqlite import SqliteStore
from heraldry.chassis.testing.store_conformance import STREAM, Another, StoreConformance, new_event


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    opened = SqliteStore(tmp_path / "events.sqlite3")
    yield opened
    await opened.close()


@pytest.fixture
async def another(tmp_path: Path) -> AsyncIterator[Another]:
    async with AsyncExitStack() as stack:

        async def opened() -> SqliteStore:
            store = SqliteStore(tmp_path / "events.sqlite3")
            stack.push_async_callback(store.close)
            return store

        yield opened


class TestSqliteStore(StoreConformance):
    pass


async def test_what_was_appended_is_there_after_reopening(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "events.sqlite3")
    await store.append(STREAM, [new_event()], expected=NO_STREAM)
    epoch = store.epoch
    await store.close()
    again = SqliteStore(tmp_path / "events.sqlite3")
    assert (again.epoch, len(await again.read_stream(STREAM))) == (epoch, 1)
    await again.close()


async def test_what_cannot_be_stored_at_all_is_refused_alone_and_holds_nobody_up(
    store: SqliteStore, another: Another
) -> None:
    async with asyncio.timeout(20):
        asked = [store.append(f"s-{number}", [new_event()], expected=NO_STREAM) for number in range(5)]
        no_text = store.append("s-\ud800", [new_event()], expected=NO_STREAM)
        *_, refused, last = await asyncio.gather(
            *asked, no_text, store.append("s-5", [new_event()], expected=NO_STREAM), return_exceptions=True
        )
        assert isinstance(refused, UnicodeEncodeError)
        assert not isinstance(last, BaseException)
        await (await another()).append("s-6", [new_event()], expected=NO_STREAM)
    assert [event.stream for event in await store.read_all()] == [f"s-{number}" for number in range(7)]


async def test_a_file_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailableError, match="Nothing was stored"):
        SqliteStore(tmp_path / "missing" / "events.sqlite3")


async def test_a_full_disk_refuses_the_append_and_goes_on_afterwards(
    store: SqliteStore, tmp_path: Path
) -> None:
    store._writer.execute("PRAGMA max_page_count = 10")  # pyright: ignore[reportPrivateUsage]  a full disk
    stored = NO_STREAM
    with pytest.raises(StoreUnavailableError, match="full"):  # noqa: PT012  one of many appends fills it
        for _ in range(2000):
            stored = (await store.append(STREAM, [new_event()], expected=stored)).revision
    store._writer.execute("PRAGMA max_page_count = 1000000")  # pyright: ignore[reportPrivateUsage]
    await store.append(STREAM, [new_event()], expected=stored)
    assert len(await store.read_stream(STREAM)) == stored + 2
    (answer,) = sqlite3.connect(tmp_path / "events.sqlite3").execute("PRAGMA integrity_check").fetchone()
    assert answer == "ok"


@pytest.mark.parts
async def test_several_processes_share_one_file(store: SqliteStore, tmp_path: Path) -> None:
    """Three processes append to one stream; a fourth follows and misses nothing."""
    count, command = 100, [sys.executable, "-m", "heraldry.chassis.testing.append_many"]
    file = tmp_path / "events.sqlite3"
    writers = [subprocess.Popen([*command, file, STREAM, str(count)]) for _ in range(3)]  # noqa: ASYNC220  three of them, at once
    seen: list[int] = []

    async def follow() -> None:
        async for batch in store.subscribe():
            seen.extend(event.revision for event in batch)
            if len(seen) == 3 * count:
                return

    following = asyncio.create_task(follow())
    await asyncio.wait_for(following, 50)
    assert seen == list(range(3 * count))
    assert [await asyncio.to_thread(writer.wait, 10) for writer in writers] == [0, 0, 0]


async def test_others_get_their_turn_while_a_long_log_is_read(store: SqliteStore) -> None:
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    await store.append(STREAM, [new_event(number) for number in range(4)], expected=NO_STREAM)
    beside, seen = asyncio.create_task(other()), list[int]()
    async with aclosing(cast("AsyncGenerator[Sequence[StoredEvent]]", store.subscribe(limit=1))) as batches:
        async for _ in batches:
            seen.append(turns)
            if len(seen) == 4:
                break
    beside.cancel()
    assert seen == sorted(set(seen))
