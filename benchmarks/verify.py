"""A log of a million events verified ÷ reading and hashing the same rows.

The floor reads the rows in portions and rolls BLAKE2b over each one's bytes, with nothing between the parts. Ours reads
as `heraldry audit verify` does, hashes each part behind its length, checks every checkpoint's signature and chain,
compares, and looks every event up where a service would.
Both run in a process of their own; told beside it, the memory of ours at its most. `--events N`: another size.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import multiprocessing
import resource
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast
from uuid import uuid4

from heraldry.chassis.audit.history import Problem
from heraldry.chassis.audit.trail import Trail
from heraldry.chassis.audit.verify import verify
from heraldry.chassis.store.reading import SqliteReading
from heraldry.chassis.store.sqlite import SqliteStore
from heraldry.chassis.testing.audit import KEY, SignerInHand, sign
from measure import Figure, in_turns, quiet, ratio, tell
from uuid_utils.compat import uuid7

CONTEXT: Final = "mailbox"
EVENTS: Final = 1_000_000
A_STREAM: Final = 4  # events
PORTION: Final = 1000
ROUNDS: Final = 3
DATA: Final = b'{"at":"2026-01-05T09:00:00Z","attempt":"%s","inbox":"%s","identity":"%s","text":"%s"}'
META: Final = b'{"command":"%s","actor":"system:mailbox","time":"2026-01-05T09:00:00Z","organization":"%s","identity":"%s"}'
Row = tuple[str, int, bytes, str, int, bytes, bytes]


@dataclass(frozen=True, slots=True)
class Verified:
    """What one pass took."""

    a_second: float  # events
    peak: float  # MB


async def write(data: Path, events: int) -> None:
    """A log of this size, and its checkpoints."""
    (data / "store").mkdir(parents=True)
    log = data / "store" / f"{CONTEXT}.sqlite3"
    await SqliteStore(log).close()
    text = b"Hello Bo, I saw that your team is growing, and thought of you. " * 4

    def rows() -> list[Row]:
        attempt, person = str(uuid4()).encode(), str(uuid4()).encode()
        data = DATA % (attempt, person, person, text)
        meta = META % (attempt, person, person)
        name = f"{CONTEXT}.email-{attempt.decode()}"
        return [(name, at, uuid7().bytes, "EmailQueued", 1, data, meta) for at in range(A_STREAM)]

    with closing(sqlite3.connect(log)) as db:
        for _ in range(0, events, PORTION):
            many = [row for _ in range(PORTION // A_STREAM) for row in rows()]
            db.executemany(
                "INSERT INTO events (stream, revision, id, type, version, data, meta) VALUES (?,?,?,?,?,?,?)",
                many,
            )
        db.commit()
    store = SqliteStore(log)
    await sign(store, data, CONTEXT, SignerInHand(data / "signer"), deadline=events / 1000 + 60)
    await store.close()


def ours(data: Path) -> float:
    """Events a second."""

    async def run() -> int:
        with closing(SqliteReading(data / "store" / f"{CONTEXT}.sqlite3")) as store:

            def hidden() -> list[Problem]:
                return [Problem("hidden", flaw) for flaw in store.flaws()]

            finding = await verify(
                CONTEXT, store, Trail.beside(data, CONTEXT), [KEY.verify_key], problems=hidden
            )
        if not finding.ok or finding.proven != finding.events:
            raise RuntimeError(f"the log does not verify: {finding}")
        return finding.events

    started = time.perf_counter()
    events = asyncio.run(run())
    return events / (time.perf_counter() - started)


def floor(data: Path) -> float:
    """Events a second that are only read and hashed."""
    started = time.perf_counter()
    position, count, rolling = 0, 0, bytes(32)
    with closing(sqlite3.connect(data / "store" / f"{CONTEXT}.sqlite3")) as db:
        while rows := cast(
            "list[tuple[int, str, int, bytes, str, int, bytes, bytes]]",
            db.execute(
                "SELECT position, stream, revision, id, type, version, data, meta FROM events"
                " WHERE position > ? ORDER BY position LIMIT ?",
                (position, PORTION),
            ).fetchall(),
        ):
            for _, stream, revision, id_, type_, version, content, meta in rows:
                digest = hashlib.blake2b(rolling, digest_size=32)
                digest.update(f"{stream}{revision}{type_}{version}".encode())
                digest.update(id_)
                digest.update(content)
                digest.update(meta)
                rolling = digest.digest()
            position, count = rows[-1][0], count + len(rows)
    return count / (time.perf_counter() - started)


def apart(measure: Callable[[Path], float], data: Path) -> Verified:
    """In a process of its own, so that its memory is its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(alone, (measure, data))


def alone(measure: Callable[[Path], float], data: Path) -> Verified:
    quiet()
    a_second = measure(data)
    return Verified(a_second, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000)


def main() -> None:
    quiet()
    parser = argparse.ArgumentParser(description="Measure how fast a log is verified.")
    parser.add_argument("--events", type=int, default=EVENTS)
    events = int(parser.parse_args().events)
    with tempfile.TemporaryDirectory(prefix="heraldry-bench-") as folder:
        data = Path(folder)
        asyncio.run(write(data, events))
        taken = in_turns(
            {"verify": lambda: apart(ours, data), "floor": lambda: apart(floor, data)}, rounds=ROUNDS
        )
    speeds = {name: [one.a_second for one in passes] for name, passes in taken.items()}
    peak = max(one.peak for one in taken["verify"])
    tell(
        Figure(
            "verifying a log ÷ reading and hashing it",
            ratio(speeds["verify"], speeds["floor"]),
            0.4,
            at_most=False,
            unit="×",
            measured={
                "verify, events/s": statistics.median(speeds["verify"]),
                "reading and hashing, events/s": statistics.median(speeds["floor"]),
                "events": events,
            },
        )
    )
    tell(
        Figure(
            "memory while verifying a log", peak, 150, at_most=True, unit="MB", measured={"events": events}
        )
    )


if __name__ == "__main__":
    main()
