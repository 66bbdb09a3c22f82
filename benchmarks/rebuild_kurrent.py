"""A read model built anew from a log in KurrentDB ÷ its client's own reading with orjson + executemany.

The same read model and events as in `rebuild.py`; both sides read through the server, one after the other. The server is
the one that KURRENTDB_URI names, or our stand-in in a process of its own, on the same processors as those who are measured.
`--events N`: another size.
"""

from __future__ import annotations

import argparse
import asyncio
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Coroutine
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Final, cast
from uuid import uuid4

import orjson
from _kurrent import server
from heraldry.chassis.codec import Codec
from heraldry.chassis.readmodel import ReadModel, StoreFeed
from heraldry.chassis.store.address import parse
from heraldry.chassis.store.kurrent import KurrentStore
from heraldry.chassis.store.port import NO_STREAM, NewEvent
from heraldry.chassis.testing.memory import KeysInMemory
from kurrentdbclient import AsyncKurrentDBClient
from measure import Figure, in_turns, quiet, ratio, tell
from rebuild import CONTEXT, MAILS, PORTION, ROW, STATES, TYPES, events_of_a_mail, prepare
from uuid_utils.compat import uuid7

EVENTS: Final = 30_000
ROUNDS: Final = 3
TOGETHER: Final = 4  # mails whose events are one append: how they came there is not measured


async def write(uri: str, events: int) -> int:
    """A log of at least so many events of this context. How many there are."""
    store = await KurrentStore.open(parse(uri, CONTEXT), CONTEXT)
    mails, written = iter(range(events // 3 + 1)), 0
    while portion := tuple(islice(mails, TOGETHER)):
        made = [
            NewEvent(uuid7(), kind, 1, data, meta)
            for number in portion
            for _, _, kind, data, meta in events_of_a_mail(number)
        ]
        await store.append(f"{CONTEXT}.email-{uuid4()}", made, expected=NO_STREAM)
        written += len(made)
    await store.close()
    return written


async def ours(uri: str, events: int, read: Path) -> float:
    """Events a second through `StoreFeed`, until the read model has all."""
    store = await KurrentStore.open(parse(uri, CONTEXT), CONTEXT)
    model = ReadModel(read, [MAILS])
    feed = StoreFeed(CONTEXT, store, Codec(TYPES, KeysInMemory()), model)
    started = time.perf_counter()
    await feed.start()
    took = time.perf_counter() - started
    await feed.stop()
    found = len(model.read(lambda db: db.execute("SELECT attempt FROM mails").fetchall()))
    await store.close()
    if found * 3 != events:
        raise SystemExit(f"{found} rows of {events} events")
    return events / took


async def floor(uri: str, events: int, read: Path) -> float:
    """The same rows by the shortest way: what the client reads, no types, no checks, whole portions."""
    client = AsyncKurrentDBClient(uri)
    await client.connect()
    with closing(sqlite3.connect(read, isolation_level=None)) as db:
        prepare(db)
        started, found = time.perf_counter(), 0
        rows: list[tuple[str, str, str, str]] = []

        def keep(position: int) -> None:
            db.execute("BEGIN IMMEDIATE")
            db.executemany(ROW, rows)
            db.execute("UPDATE checkpoint SET position = ?", (position,))
            db.execute("COMMIT")
            rows.clear()

        reached = 0
        async for one in await client.read_all(
            filter_include=(rf"{CONTEXT}\..*",), filter_by_stream_name=True
        ):
            event = cast("dict[str, str]", orjson.loads(one.data))
            orjson.loads(one.metadata)
            rows.append((event["attempt"], event["inbox"], STATES[one.type], event["at"]))
            found, reached = found + 1, one.commit_position or 0
            if len(rows) == PORTION:
                keep(reached)
        keep(reached)
        took = time.perf_counter() - started
    await client.close()
    if found != events:
        raise SystemExit(f"{found} of {events} events")
    return events / took


def main() -> None:
    quiet()
    parser = argparse.ArgumentParser(
        description="Measure how fast a read model is built anew from KurrentDB."
    )
    parser.add_argument("--events", type=int, default=EVENTS)
    asked = int(parser.parse_args().events)
    with (
        tempfile.TemporaryDirectory(prefix="heraldry-bench-") as name,
        server() as uri,
        asyncio.Runner() as loop,
    ):
        events = loop.run(write(uri, asked))

        def fresh(measure: Callable[[str, int, Path], Coroutine[None, None, float]]) -> float:
            path = Path(name) / f"{uuid4().hex}.sqlite3"
            try:
                return loop.run(measure(uri, events, path))
            finally:
                for file in Path(name).glob(f"{path.name}*"):
                    file.unlink()

        taken = in_turns({"ours": lambda: fresh(ours), "its client": lambda: fresh(floor)}, rounds=ROUNDS)
    tell(
        Figure(
            "rebuild from KurrentDB ÷ its client + orjson + executemany",
            ratio(taken["ours"], taken["its client"]),
            0.5,
            at_most=False,
            unit="×",
            measured={
                **{f"{name}, events/s": statistics.median(values) for name, values in taken.items()},
                "events": float(events),
            },
        )
    )


if __name__ == "__main__":
    main()
