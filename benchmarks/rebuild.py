"""A read model built anew from a million events ÷ orjson + executemany, and ÷ pyeventsourcing's projection runner.

All three keep a row for each mail in SQLite: whose inbox, what state, since when. The floor reads our log, decodes JSON
and writes whole portions; ours decodes and validates typed events, calls a projection's handlers, and moves the
checkpoint with each portion. The peer does one event in a transaction, as it always does, so it has fewer of them; and
since its SQLite recorder has no subscriptions, it reads them from memory. `--events N`: another size.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import resource
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import ClassVar, Final, cast
from uuid import UUID, uuid4

import orjson
from eventsourcing.application import Application
from eventsourcing.dispatch import singledispatchmethod
from eventsourcing.domain import Aggregate, event
from eventsourcing.persistence import ApplicationRecorder, Tracking
from eventsourcing.popo import POPOApplicationRecorder
from eventsourcing.projection import Projection as PeerProjection
from eventsourcing.projection import ProjectionRunner
from eventsourcing.sqlite import SQLiteTrackingRecorder
from heraldry.chassis.codec import Codec, Meta
from heraldry.chassis.projection import Fact, Projection
from heraldry.chassis.readmodel import ReadModel, StoreFeed
from heraldry.chassis.store.sqlite import SqliteStore
from heraldry.chassis.testing.memory import KeysInMemory
from heraldry.contracts.mailbox import EmailClaimed, EmailSent, EmailSubmissionStarted
from heraldry.contracts.registry import types_of
from measure import Figure, in_turns, quiet, ratio, tell
from uuid_utils.compat import uuid7

CONTEXT: Final = "mailbox"
TYPES: Final = types_of(CONTEXT)
EVENTS: Final = 1_000_000
PORTION: Final = 500  # events a transaction, as the store's subscription gives them
PEER_SHARE: Final = 200  # the peer has one event for so many of ours
ROUNDS: Final = 3
START: Final = datetime(2026, 1, 5, 9, tzinfo=UTC)
ROW: Final = "INSERT OR REPLACE INTO mails VALUES (?, ?, ?, ?)"
TABLE: Final = "CREATE TABLE mails (attempt TEXT PRIMARY KEY, inbox TEXT NOT NULL, state TEXT NOT NULL, at TEXT NOT NULL) STRICT"

MAILS: Final = Projection(name="mails", version=1, schema=TABLE, tables=("mails",))


def keep(
    db: sqlite3.Connection, event: EmailClaimed | EmailSubmissionStarted | EmailSent, state: str
) -> None:
    db.execute(ROW, (str(event.attempt), str(event.inbox), state, event.at.isoformat()))


@MAILS.on(EmailClaimed)
def _claimed(db: sqlite3.Connection, event: EmailClaimed, _: Fact) -> None:
    keep(db, event, "claimed")


@MAILS.on(EmailSubmissionStarted)
def _started(db: sqlite3.Connection, event: EmailSubmissionStarted, _: Fact) -> None:
    keep(db, event, "started")


@MAILS.on(EmailSent)
def _sent(db: sqlite3.Connection, event: EmailSent, _: Fact) -> None:
    keep(db, event, "sent")


def events_of_a_mail(number: int) -> Iterator[tuple[str, int, str, bytes, bytes]]:
    """Stream, revision, type, data, meta of the three events of one mail, as our codec stores them."""
    attempt, inbox, identity, claim = UUID(int=number), UUID(int=number % 200), UUID(int=7), uuid4()
    at = START + timedelta(seconds=number)
    message_id = f"<{attempt}@example.com>"
    kinds = (
        EmailClaimed(at=at, attempt=attempt, inbox=inbox, identity=identity, claim=claim),
        EmailSubmissionStarted(
            at=at, attempt=attempt, inbox=inbox, identity=identity, claim=claim, message_id=message_id
        ),
        EmailSent(
            at=at,
            attempt=attempt,
            inbox=inbox,
            identity=identity,
            person=UUID(int=number),
            message_id=message_id,
            answer="250 2.0.0 Ok: queued as 4F2A91C0D3",
        ),
    )
    meta = Meta(
        command=str(claim),
        actor="system:mailbox",
        time=at.isoformat(),
        organization=str(UUID(int=1)),
        identity=str(identity),
        correlation=str(attempt),
    )
    beside = meta.model_dump_json().encode()
    for revision, one in enumerate(kinds):
        yield (
            f"mailbox.email-{attempt}",
            revision,
            type(one).__name__,
            one.model_dump_json().encode(),
            beside,
        )


async def write(path: Path, events: int) -> None:
    """A log of so many events, written past the store's own door: how it came to be is not measured."""
    await SqliteStore(path).close()
    rows = (
        (stream, revision, uuid7().bytes, kind, 1, data, meta)
        for number in range(events // 3 + 1)
        for stream, revision, kind, data, meta in events_of_a_mail(number)
    )
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("PRAGMA synchronous = OFF")
        db.executemany(
            "INSERT INTO events (stream, revision, id, type, version, data, meta) VALUES (?, ?, ?, ?, ?, ?, ?)",
            rows,
        )


@dataclass(frozen=True, slots=True)
class Rebuilt:
    speed: float  # events a second
    memory: float  # MB, the most the process had


def apart(work: Callable[[Path, Path], float], log: Path, folder: Path) -> Rebuilt:
    """In a process of its own, so that the memory is its own."""
    told = multiprocessing.get_context("fork").SimpleQueue()

    def run() -> None:
        read = folder / f"{uuid4().hex}.sqlite3"
        told.put((work(log, read), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024))
        for file in folder.glob(f"{read.name}*"):
            file.unlink()

    process = multiprocessing.get_context("fork").Process(target=run)
    process.start()
    process.join()
    if process.exitcode:
        raise SystemExit(f"a round ended with {process.exitcode}")
    speed, memory = cast("tuple[float, float]", told.get())
    return Rebuilt(speed, memory)


def ours(log: Path, read: Path) -> float:
    async def rebuild() -> float:
        store, model = SqliteStore(log), ReadModel(read, [MAILS])
        feed = StoreFeed(CONTEXT, store, Codec(TYPES, KeysInMemory()), model)
        started = time.perf_counter()
        await feed.start()
        took = time.perf_counter() - started
        await feed.stop()
        found = len(model.read(lambda db: db.execute("SELECT attempt FROM mails").fetchall()))
        head = await store.head()
        await store.close()
        if found * 3 != head:
            raise SystemExit(f"{found} rows of {head} events")
        return head / took

    return asyncio.run(rebuild())


STATES: Final = {"EmailClaimed": "claimed", "EmailSubmissionStarted": "started", "EmailSent": "sent"}


def prepare(db: sqlite3.Connection) -> None:
    """The floor's own table and checkpoint, with the settings of a read model."""
    for pragma in ("journal_mode = WAL", "synchronous = NORMAL", "secure_delete = ON"):
        db.execute(f"PRAGMA {pragma}")
    db.execute(TABLE)
    db.execute("CREATE TABLE checkpoint (position INTEGER NOT NULL) STRICT")
    db.execute("INSERT INTO checkpoint VALUES (0)")


def floor(log: Path, read: Path) -> float:
    """The same rows by the shortest way: no types, no checks, whole portions."""
    with closing(sqlite3.connect(log)) as source, closing(sqlite3.connect(read, isolation_level=None)) as db:
        prepare(db)
        started, after = time.perf_counter(), 0
        while stored := source.execute(
            "SELECT position, stream, revision, id, type, version, data, meta FROM events"
            " WHERE position > ? ORDER BY position LIMIT ?",
            (after, PORTION),
        ).fetchall():
            rows: list[tuple[str, str, str, str]] = []
            for _, _, _, _, kind, _, data, meta in stored:
                event = cast("dict[str, str]", orjson.loads(data))
                orjson.loads(meta)
                rows.append((event["attempt"], event["inbox"], STATES[kind], event["at"]))
            after = stored[-1][0]
            db.execute("BEGIN IMMEDIATE")
            db.executemany(ROW, rows)
            db.execute("UPDATE checkpoint SET position = ?", (after,))
            db.execute("COMMIT")
        return after / (time.perf_counter() - started)


class Mail(Aggregate):
    """The same three events by the peer's own means."""

    @event("Claimed")
    def __init__(self, inbox: str) -> None:
        self.inbox, self.state = inbox, "claimed"

    @event("Started")
    def start(self, message_id: str) -> None:
        self.message_id, self.state = message_id, "started"

    @event("Sent")
    def send(self, answer: str) -> None:
        self.answer, self.state = answer, "sent"


class Mails(Application[UUID]):
    """Keeps the peer's mails: in memory, since its SQLite recorder has no subscriptions."""

    kept: ClassVar = POPOApplicationRecorder()

    def construct_recorder(self) -> ApplicationRecorder:
        return self.kept


class PeerRows(SQLiteTrackingRecorder):
    """The peer's read model: its row and its tracking record in one transaction, as its documentation does it."""

    def construct_create_table_statements(self) -> list[str]:
        return [
            *super().construct_create_table_statements(),
            TABLE.replace("TABLE mails", "TABLE IF NOT EXISTS mails"),
        ]

    def keep(self, row: tuple[str, str, str, str], tracking: Tracking) -> None:
        with self.datastore.transaction(commit=True) as cursor:
            cursor.execute(ROW, row)
            self._insert_tracking(cursor, tracking)


class PeerMails(PeerProjection[PeerRows]):
    """Turns the peer's events into rows."""

    name = "rows"
    topics = ()

    @singledispatchmethod
    def process_event(self, domain_event: object, tracking: Tracking) -> None:
        made = cast("Mail.Event", domain_event)
        state = type(made).__name__.lower()
        inbox = str(getattr(made, "inbox", ""))
        self.view.keep((str(made.originator_id), inbox, state, made.timestamp.isoformat()), tracking)


def peer(events: int, folder: Path) -> float:
    rows = folder / f"{uuid4().hex}.sqlite3"
    environment = {"ROWS_PERSISTENCE_MODULE": "eventsourcing.sqlite", "ROWS_SQLITE_DBNAME": str(rows)}
    Mails.kept = POPOApplicationRecorder()
    mails = Mails()
    for number in range(events // 3):
        mail = Mail(inbox=str(number % 200))
        mail.start(message_id=f"<{number}@example.com>")
        mail.send(answer="250 2.0.0 Ok: queued as 4F2A91C0D3")
        mails.save(mail)
    head = Mails.kept.max_notification_id()
    started = time.perf_counter()
    with ProjectionRunner(
        application_class=Mails, projection_class=PeerMails, view_class=PeerRows, env=environment
    ) as runner:
        runner.wait(head, timeout=600)
        took = time.perf_counter() - started
    for file in folder.glob(f"{rows.name}*"):
        file.unlink()
    return (head or 0) / took


def main() -> None:
    quiet()
    parser = argparse.ArgumentParser(description="Measure how fast a read model is built anew.")
    parser.add_argument("--events", type=int, default=EVENTS)
    events = int(parser.parse_args().events)
    with tempfile.TemporaryDirectory(prefix="heraldry-bench-") as name:
        folder, log = Path(name), Path(name) / "mailbox.sqlite3"
        asyncio.run(write(log, events))
        taken = in_turns(
            {
                "ours": lambda: apart(ours, log, folder),
                "floor": lambda: apart(floor, log, folder),
                "peer": lambda: Rebuilt(peer(events // PEER_SHARE, folder), 0.0),
            },
            rounds=ROUNDS,
        )
    speed = {name: tuple(one.speed for one in values) for name, values in taken.items()}
    measured = {f"{name}, events/s": statistics.median(values) for name, values in speed.items()}
    for promise, other, goal in (
        ("rebuild ÷ orjson + executemany", "floor", 0.5),
        ("rebuild ÷ pyeventsourcing's projection runner", "peer", 3),
    ):
        tell(
            Figure(
                promise, ratio(speed["ours"], speed[other]), goal, at_most=False, unit="×", measured=measured
            )
        )
    tell(
        Figure(
            "memory while rebuilding",
            max(one.memory for one in taken["ours"]),
            150,
            at_most=True,
            unit="MB",
            measured={"events": float(events)},
        )
    )


if __name__ == "__main__":
    main()
