"""A store and a read model on a disk that becomes full and has space again: `python -m … FOLDER`.

FOLDER lies on a small file system of its own. Prints one JSON document: what was said, and what is there afterwards.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
import sys
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from typing import TypedDict, cast

from heraldry.chassis.codec import Codec, Meta
from heraldry.chassis.projection import Fact, Projection
from heraldry.chassis.readmodel import ReadModel, StoreFeed
from heraldry.chassis.store.port import NO_STREAM, StoreUnavailableError
from heraldry.chassis.store.sqlite import SqliteStore
from heraldry.chassis.testing.bus import NOW, TYPES, Noted, eventually
from heraldry.chassis.testing.memory import KeysInMemory

BALLAST = 1024 * 1024  # bytes that are there from the beginning, and are removed to make space
STREAM = "disk.thing-1"
META = Meta(command="00000000-0000-7000-8000-000000000001", actor="user:test", time=NOW.isoformat())


class Told(TypedDict):
    """What became of it."""

    acknowledged: int  # appends that were answered while the disk became full
    refused: str  # what the store said when it was
    refused_again: int  # further appends that were refused while it was
    projections_stopped: str  # what the projections said while the disk was full
    stored: int  # events in the log at the end
    projected: int  # rows at the end
    in_order: bool  # revisions without a gap
    sound: list[str]  # SQLite's own check of both files


NOTES = Projection(
    name="noted",
    version=1,
    schema="CREATE TABLE noted (id TEXT PRIMARY KEY, text TEXT NOT NULL) STRICT",
    tables=("noted",),
)


@NOTES.on(Noted)
def _note(db: sqlite3.Connection, event: Noted, fact: Fact) -> None:
    db.execute("INSERT OR REPLACE INTO noted VALUES (?, ?)", (fact.id, event.text))


async def play(folder: Path) -> Told:
    ballast = folder / "ballast"
    ballast.write_bytes(bytes(BALLAST))
    store = SqliteStore(folder / "log.sqlite3")
    codec = Codec(TYPES, KeysInMemory())
    model = ReadModel(folder / "read.sqlite3", [NOTES])
    feed = StoreFeed("disk", store, codec, model)
    revision, again = NO_STREAM, 0

    async def append() -> None:
        nonlocal revision
        new = await codec.encode([Noted(at=NOW, text="x" * 1000)], META)
        revision = (await store.append(STREAM, new, expected=revision)).revision

    refused = await _until_refused(append)
    acknowledged = revision + 1
    for _ in range(10):
        try:
            await append()
        except StoreUnavailableError:
            again += 1
    starting = asyncio.create_task(feed.start())  # the log took all the space: there is none for what follows
    stopped = await _stopped(feed)
    ballast.unlink()
    await starting
    for _ in range(20):
        await append()

    async def caught_up() -> bool:
        return feed.problem is None and _rows(model) == revision + 1

    await eventually(caught_up, "projections go on")
    events = await store.read_stream(STREAM)
    await feed.stop()
    model.close()
    await store.close()
    return Told(
        acknowledged=acknowledged,
        refused=refused,
        refused_again=again,
        projections_stopped=stopped,
        stored=len(events),
        projected=_count(folder / "read.sqlite3"),
        in_order=[one.revision for one in events] == list(range(len(events))),
        sound=[_check(folder / name) for name in ("log.sqlite3", "read.sqlite3")],
    )


async def _until_refused(append: Callable[[], Awaitable[None]]) -> str:
    while True:
        try:
            await append()
        except StoreUnavailableError as error:
            return str(error)


async def _stopped(feed: StoreFeed) -> str:
    """What the projections say once they cannot go on."""

    async def has_stopped() -> bool:
        return feed.problem is not None

    await eventually(has_stopped, "projections stop")
    return feed.problem or ""


def _rows(model: ReadModel) -> int:
    return model.read(_counted)


def _counted(db: sqlite3.Connection) -> int:
    return cast("int", db.execute("SELECT count(*) FROM noted").fetchone()[0])


def _count(file: Path) -> int:
    with closing(sqlite3.connect(file)) as db:
        return _counted(db)


def _check(file: Path) -> str:
    with closing(sqlite3.connect(file)) as db:
        return cast("str", db.execute("PRAGMA integrity_check").fetchone()[0])


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asyncio.run(play(Path(sys.argv[1])))) + "\n")
