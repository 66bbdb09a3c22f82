"""Appending to the log: our SQLite store ÷ a bare sqlite3 loop (1 writer) and ÷ pyeventsourcing's recorder (64 writers);
our store on KurrentDB ÷ its client's own append (1 writer and 64).

All write events of about 300 bytes. With SQLite, what is counted is on disk: in a WAL file with `synchronous=FULL`. The
server is the one that KURRENTDB_URI names, or our stand-in in a process of its own that keeps nothing; what is compared is
the client's side.
"""

from __future__ import annotations

import asyncio
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from typing import Final
from uuid import UUID, uuid4

from _kurrent import server
from eventsourcing.persistence import StoredEvent as PeerEvent
from eventsourcing.sqlite import SQLiteApplicationRecorder, SQLiteDatastore
from heraldry.chassis.store.address import parse
from heraldry.chassis.store.kurrent import KurrentStore
from heraldry.chassis.store.port import NewEvent
from heraldry.chassis.store.sqlite import SqliteStore
from kurrentdbclient import AsyncKurrentDBClient, StreamState
from kurrentdbclient import NewEvent as Sent
from measure import Figure, in_turns, ratio, tell
from uuid_utils.compat import uuid7

ALONE: Final = 1500  # events a round with 1 writer
TOGETHER: Final = 6400  # events a round with many
WRITERS: Final = 64
STREAMS: Final = 100
OVER_THE_WIRE: Final = 480  # events a round to a server
TYPE: Final = "EmailSent"
DATA: Final = b'{"text":"' + b"x" * 140 + b'"}'
META: Final = (
    b'{"command":"0192d3f0-7f4e-7c4e-8a52-3f1c5b7e9d20","actor":"user:1","time":"2026-01-01T00:00:00Z"}'
)


def ours(path: Path, writers: int, events: int) -> float:
    """Events a second through `SqliteStore.append`, one event a call."""

    async def write() -> float:
        store = SqliteStore(path)

        async def append(stream: str, expected: int) -> object:
            return await store.append(
                f"bench.{stream}", [NewEvent(uuid7(), TYPE, 1, DATA, META)], expected=expected
            )

        speed = await written(append, writers, events)
        await store.close()
        return speed

    return asyncio.run(write())


def on_kurrent(uri: str, writers: int, events: int) -> float:
    """The same through `KurrentStore.append`."""

    async def write() -> float:
        context = f"bench{uuid7().hex}"
        store = await KurrentStore.open(parse(uri, context), context)

        async def append(stream: str, expected: int) -> object:
            return await store.append(
                f"{context}.{stream}", [NewEvent(uuid7(), TYPE, 1, DATA, META)], expected=expected
            )

        speed = await written(append, writers, events)
        await store.close()
        return speed

    return asyncio.run(write())


def its_client(uri: str, writers: int, events: int) -> float:
    """The same through what KurrentDB's client has for it."""

    async def write() -> float:
        client = AsyncKurrentDBClient(uri)
        await client.connect()
        prefix = f"client{uuid7().hex}"

        async def append(stream: str, expected: int) -> object:
            version = StreamState.NO_STREAM if expected < 0 else expected
            return await client.append_to_stream(
                f"{prefix}.{stream}",
                current_version=version,
                events=Sent(type=TYPE, data=DATA, metadata=META),
            )

        speed = await written(append, writers, events)
        await client.close()
        return speed

    return asyncio.run(write())


async def written(append: Callable[[str, int], Awaitable[object]], writers: int, events: int) -> float:
    """Events a second, each writer with its own streams and one event a call."""

    async def writer(name: int, streams: int) -> None:
        for n in range(events // writers):
            await append(f"thing-{name}-{n % streams}", n // streams - 1)

    started = time.perf_counter()
    await asyncio.gather(*(writer(name, max(1, STREAMS // writers)) for name in range(writers)))
    return events // writers * writers / (time.perf_counter() - started)


def loop(path: Path, events: int) -> float:
    """Events a second of the smallest program that does it: an INSERT that commits by itself, in a loop."""
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")
    db.execute(
        "CREATE TABLE events (position INTEGER PRIMARY KEY, stream TEXT NOT NULL, revision INTEGER NOT NULL,"
        " id BLOB NOT NULL, type TEXT NOT NULL, version INTEGER NOT NULL, data BLOB NOT NULL,"
        " meta BLOB NOT NULL, UNIQUE (stream, revision)) STRICT"
    )
    insert = (
        "INSERT INTO events (stream, revision, id, type, version, data, meta) VALUES (?, ?, ?, ?, ?, ?, ?)"
    )
    started = time.perf_counter()
    for n in range(events):
        db.execute(insert, (f"bench.thing-0-{n % STREAMS}", n // STREAMS, uuid7().bytes, TYPE, 1, DATA, META))
    took = time.perf_counter() - started
    db.close()
    return events / took


def peer(path: Path, writers: int, events: int) -> float:
    """Events a second of pyeventsourcing's recorder, as many threads as writers (it knows no asyncio)."""
    datastore = SQLiteDatastore(str(path), lock_timeout=60, pool_timeout=60)
    recorder = SQLiteApplicationRecorder(datastore)
    recorder.create_table()
    state = DATA + META

    def writer(stream: UUID) -> None:
        for n in range(events // writers):
            recorder.insert_events([PeerEvent(stream, n, TYPE, state)])

    with ThreadPoolExecutor(writers) as threads:
        streams = [uuid4() for _ in range(writers)]
        started = time.perf_counter()
        for written in [threads.submit(writer, stream) for stream in streams]:
            written.result()
        took = time.perf_counter() - started
    datastore.close()
    return events // writers * writers / took


def main() -> None:
    with (
        tempfile.TemporaryDirectory(prefix="heraldry-bench-") as folder,
        server() as uri,
    ):
        numbers = count()

        def fresh(measure: Callable[[Path], float]) -> float:
            path = Path(folder) / f"{next(numbers)}.sqlite3"
            try:
                return measure(path)
            finally:
                for file in Path(folder).glob(f"{path.name}*"):
                    file.unlink()

        taken = in_turns(
            {
                "ours with 1": lambda: fresh(lambda path: ours(path, 1, ALONE)),
                "loop": lambda: fresh(lambda path: loop(path, ALONE)),
                "peer with 1": lambda: fresh(lambda path: peer(path, 1, ALONE)),
                "ours with 64": lambda: fresh(lambda path: ours(path, WRITERS, TOGETHER)),
                "peer with 64": lambda: fresh(lambda path: peer(path, WRITERS, TOGETHER // 4)),
                "ours on KurrentDB with 1": lambda: on_kurrent(uri, 1, OVER_THE_WIRE),
                "its client with 1": lambda: its_client(uri, 1, OVER_THE_WIRE),
                "ours on KurrentDB with 64": lambda: on_kurrent(uri, WRITERS, 2 * OVER_THE_WIRE),
                "its client with 64": lambda: its_client(uri, WRITERS, 2 * OVER_THE_WIRE),
            }
        )
    speed = {f"{name}, events/s": statistics.median(values) for name, values in taken.items()}

    def figure(promise: str, numerator: str, floor: str, goal: float) -> Figure:
        names = (f"{numerator}, events/s", f"{floor}, events/s")
        measured = {name: speed[name] for name in names}
        return Figure(
            promise, ratio(taken[numerator], taken[floor]), goal, at_most=False, unit="×", measured=measured
        )

    tell(figure("append with 1 writer ÷ sqlite3 loop", "ours with 1", "loop", 0.6))
    tell(figure("append with 64 writers ÷ pyeventsourcing", "ours with 64", "peer with 64", 6))
    for writers in (1, WRITERS):
        tell(
            figure(
                f"append to KurrentDB with {writers} writer{'s' if writers > 1 else ''} ÷ its client",
                f"ours on KurrentDB with {writers}",
                f"its client with {writers}",
                0.8,
            )
        )


if __name__ == "__main__":
    main()
