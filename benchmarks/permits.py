"""Permits a second of 8 scheduler processes at once ÷ raw compare-and-set on SQLite by 8 processes.

Each process decides permits for all accounts of one store's file, several accounts at a time as the engine does, so
that processes meet on accounts: load the account's stream, fold, decide (limits lifted, all other rules as they are),
encrypt the mail, append permit and dispatch at the expected revision; who lost reads again. Written is what is
written in the product, with `synchronous=FULL`; the bus has no part in it.

The floor does what no arbiter can do without, in as many processes: BEGIN IMMEDIATE, read the stream's revision,
insert two rows of the same size, COMMIT, on disk each.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import count
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Final
from uuid import UUID, uuid4

from heraldry.chassis.bus.rpc import Asking
from heraldry.chassis.clock import SystemClock
from heraldry.chassis.codec import Codec, Meta
from heraldry.chassis.readmodel import ReadModel
from heraldry.chassis.runner import Runner
from heraldry.chassis.store.port import NO_STREAM
from heraldry.chassis.store.sqlite import SqliteStore
from heraldry.chassis.testing.memory import MemoryKeys
from heraldry.chassis.vault.keys import KEY_BYTES, Key, Known
from heraldry.contracts.base import By
from heraldry.contracts.identity import Interval, WorkingHours
from heraldry.contracts.scheduler import EmailRate, RateCeilingRaised
from heraldry.scheduler.application import CONTEXT, Scheduling
from heraldry.scheduler.domain.sender import Dispatch, Letter
from heraldry.scheduler.domain.sender_events import SenderCampaignOpened, SenderOpened
from heraldry.scheduler.service import TYPES
from measure import Figure, in_turns, quiet, ratio, tell

PROCESSES: Final = 8
ACCOUNTS: Final = 32
PERMITS: Final = 2  # of each process for each account
AT_ONCE: Final = 8  # accounts one process serves at the same time, as the engine does
ROUNDS: Final = 3
LONGEST: Final = 120.0  # seconds one of the two may take, else it has failed
LIFTED: Final = EmailRate(per_day=1_000_000, per_hour=1_000_000)
ORG, IDENTITY, INBOX, PERSON, CAMPAIGN = (UUID(int=n) for n in range(1, 6))
TEXT: Final = "Good morning,\n\n" + "we spoke about your spring collection at the fair in Lyon. " * 12
LETTER: Final = Letter(PERSON, "lea@maison.example", "The fair in Lyon", TEXT)
BY: Final = By(organization=ORG, actor="system:scheduler")
ALWAYS: Final = WorkingHours(
    zone="UTC", week=tuple(Interval(day=day, start="00:00", end="24:00") for day in range(1, 8))
)


class SharedKeys(MemoryKeys):
    """The same key in every process."""

    def __init__(self) -> None:
        super().__init__(CONTEXT)
        self._known[str(PERSON)] = Known(1, Key(str(PERSON), bytes(KEY_BYTES)))


def prepared(path: Path) -> None:
    """A store in which every account is open, for the campaign too."""

    async def write() -> None:
        store, codec = SqliteStore(path), Codec(TYPES, SharedKeys())
        now = datetime.now(UTC) - timedelta(hours=1)
        for number in range(ACCOUNTS):
            name = str(number)
            opened = SenderOpened(
                sender=name,
                organization=ORG,
                inbox=INBOX,
                identity=IDENTITY,
                zone="UTC",
                rate=LIFTED,
                hours=ALWAYS,
                at=now,
            )
            raised = RateCeilingRaised(
                sender=name,
                inbox=INBOX,
                identity=IDENTITY,
                ceiling=LIFTED,
                reason="a benchmark",
                until=now + timedelta(days=1),
                at=now,
            )
            lets = SenderCampaignOpened(sender=name, campaign=CAMPAIGN, source_revision=1, at=now)
            meta = Meta(command=str(uuid4()), actor=BY.actor, time=now.isoformat(), organization=str(ORG))
            await store.append(
                f"{CONTEXT}.sender-{name}",
                await codec.encode((opened, raised, lets), meta),
                expected=NO_STREAM,
            )
        await store.close()

    asyncio.run(write())


def ours(path: Path, number: int, together: Barrier) -> None:
    """One process' share of the permits."""
    quiet()

    async def work() -> None:
        store, keys, clock = SqliteStore(path), SharedKeys(), SystemClock()
        model = ReadModel(path.with_name(f"{path.name}-read-{number}"), ())
        runner = Runner(CONTEXT, store, Codec(TYPES, keys))
        scheduling = Scheduling(runner, store, model, keys, clock)
        free = asyncio.Semaphore(AT_ONCE)

        async def serve(account: int) -> None:
            async with free:
                for _ in range(PERMITS):
                    step = Dispatch(ORG, uuid4(), LETTER, clock.now(), CAMPAIGN, uuid4(), IDENTITY)
                    ran = await scheduling.dispatch_step(str(account), step, Asking(step.attempt, BY))
                    assert ran.fresh

        together.wait()
        first = number * ACCOUNTS // PROCESSES
        await asyncio.gather(*(serve((first + one) % ACCOUNTS) for one in range(ACCOUNTS)))
        together.wait()
        await store.close()
        model.close()

    asyncio.run(work())


def bare(path: Path, number: int, together: Barrier) -> None:
    """As many compare-and-sets, and nothing else."""
    db = sqlite3.connect(path, isolation_level=None, timeout=60)
    db.execute("PRAGMA synchronous = FULL")
    sizes = (520, 2100)  # bytes of a QuotaConsumed and a StepDispatched with their metadata
    together.wait()
    first = number * ACCOUNTS // PROCESSES
    for one in range(ACCOUNTS):
        stream = f"scheduler.sender-{(first + one) % ACCOUNTS}"
        for _ in range(PERMITS):
            db.execute("BEGIN IMMEDIATE")
            (last,) = db.execute(
                "SELECT coalesce(max(revision), -1) FROM events WHERE stream = ?", (stream,)
            ).fetchone()
            db.executemany(
                "INSERT INTO events (stream, revision, data) VALUES (?, ?, ?)",
                [(stream, last + 1 + n, b"x" * size) for n, size in enumerate(sizes)],
            )
            db.execute("COMMIT")
    together.wait()
    db.close()


def empty(path: Path) -> None:
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute(
        "CREATE TABLE events (position INTEGER PRIMARY KEY, stream TEXT NOT NULL, revision INTEGER NOT NULL,"
        " data BLOB NOT NULL, UNIQUE (stream, revision)) STRICT"
    )
    db.close()


def speed(path: Path, prepare: Callable[[Path], None], work: Callable[[Path, int, Barrier], None]) -> float:
    """Permits a second, all processes together; the clock runs while all of them work."""
    prepare(path)
    of = multiprocessing.get_context("fork")  # what is imported is imported; no thread runs here
    together = of.Barrier(PROCESSES + 1, timeout=LONGEST)
    workers = [of.Process(target=work, args=(path, number, together)) for number in range(PROCESSES)]
    for worker in workers:
        worker.start()
    together.wait()
    started = time.perf_counter()
    together.wait()
    took = time.perf_counter() - started
    for worker in workers:
        worker.join()
        if worker.exitcode != 0:
            raise RuntimeError("a process did not do its share")
    return PROCESSES * ACCOUNTS * PERMITS / took


def median(values: Sequence[float]) -> float:
    return statistics.median(values)


def main() -> None:
    quiet()
    with tempfile.TemporaryDirectory(prefix="heraldry-bench-") as folder:
        numbers = count()

        def fresh() -> Path:
            return Path(folder) / f"{next(numbers)}.sqlite3"

        taken = in_turns(
            {"ours": lambda: speed(fresh(), prepared, ours), "bare": lambda: speed(fresh(), empty, bare)},
            rounds=ROUNDS,
        )
    tell(
        Figure(
            f"permits by {PROCESSES} processes ÷ raw compare-and-set by as many",
            ratio(taken["ours"], taken["bare"]),
            0.3,
            at_most=False,
            unit="×",
            measured={
                "ours, permits/s": median(taken["ours"]),
                "bare, permits/s": median(taken["bare"]),
            },
        )
    )


if __name__ == "__main__":
    main()
