"""A new replica's read model taken over from a sibling ÷ built from the log, a million events; and long streams.

The same read model as in `rebuild.py`. Told beside it, for the decision where a stream needs a snapshot: what a command
costs on a sending account's stream after a year of mails, which is read backwards as far as the decision needs, ÷ on
a day-old one; and what folding costs for each event of a stream that is read whole.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from pathlib import Path
from typing import Final

from heraldry.chassis.codec import Codec
from heraldry.chassis.handover import Handover
from heraldry.chassis.readmodel import ReadModel, StoreFeed
from heraldry.chassis.store.sqlite import SqliteStore
from heraldry.chassis.testing.memory import KeysInMemory
from heraldry.chassis.testing.nats import NatsServer
from heraldry.chassis.vault.keys import Key
from measure import Figure, quiet, tell
from rebuild import CONTEXT, EVENTS, MAILS, TYPES, write

ROUNDS: Final = 3
KEY: Final = Key("service-mailbox", bytes(32))


async def built(log: Path, read: Path) -> float:
    """Seconds."""
    store, model = SqliteStore(log), ReadModel(read, [MAILS])
    feed = StoreFeed(CONTEXT, store, Codec(TYPES, KeysInMemory()), model)
    started = time.perf_counter()
    await feed.start()
    took = time.perf_counter() - started
    await feed.stop()
    model.close()
    await store.close()
    return took


async def taken(server: NatsServer, log: Path, first: Path, second: Path) -> float:
    """Seconds until the second has what the first has, and is open."""
    nc, other = await server.client(CONTEXT), await server.client(CONTEXT)
    giver = Handover(nc, CONTEXT, "read-model", first, [MAILS], KEY)
    await giver.start()
    started = time.perf_counter()
    if not await Handover(other, CONTEXT, "read-model", second, [MAILS], KEY).take_over():
        raise SystemExit("nothing was handed over")
    store, model = SqliteStore(log), ReadModel(second, [MAILS])
    feed = StoreFeed(CONTEXT, store, Codec(TYPES, KeysInMemory()), model)
    await feed.start()
    took = time.perf_counter() - started
    await feed.stop()
    model.close()
    await store.close()
    await giver.stop()
    await nc.close()
    await other.close()
    return took


async def rounds(folder: Path, events: int) -> tuple[float, float]:
    log, first = folder / "log.sqlite3", folder / "first.sqlite3"
    await write(log, events)
    replayed = [await built(log, first)]
    copied: list[float] = []
    async with NatsServer() as server:
        for number in range(ROUNDS):
            copied.append(await taken(server, log, first, folder / f"copy-{number}.sqlite3"))
            if number:
                replayed.append(await built(log, folder / f"replayed-{number}.sqlite3"))
    return statistics.median(copied), statistics.median(replayed)


def main() -> None:
    quiet()
    parser = argparse.ArgumentParser(description="Measure how fast a new replica has its read model.")
    parser.add_argument("--events", type=int, default=EVENTS)
    events = int(parser.parse_args().events)
    with tempfile.TemporaryDirectory(prefix="heraldry-bench-") as folder:
        copied, replayed = asyncio.run(rounds(Path(folder), events))
    tell(
        Figure(
            "read model from a sibling ÷ from the log",
            copied / replayed,
            0.2,
            at_most=True,
            unit="×",
            measured={"s, from a sibling": copied, "s, from the log": replayed, "events": float(events)},
        )
    )


if __name__ == "__main__":
    main()
