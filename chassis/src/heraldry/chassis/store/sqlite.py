"""The embedded event store: one SQLite file a context, shared by the replicas of a service on one machine.

WAL with `synchronous=FULL`: what `append` returned for is on disk. One writer thread commits what waits in
one transaction (group commit); `BEGIN IMMEDIATE` keeps other processes out while it reads what it depends
on, which also makes positions safe to poll: nobody ever sees a later event before an earlier one.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Final, cast

from heraldry.chassis.store.port import (
    NO_STREAM,
    START,
    Appended,
    ConflictError,
    NewEvent,
    StoredEvent,
    StoreUnavailableError,
    check,
)
from heraldry.chassis.tasks import end
from uuid_utils.compat import uuid7

LARGEST_GROUP: Final = 256
NOTICE_OTHERS_EVERY: Final = 0.02  # seconds between looks for commits of other processes
LOCK_PATIENCE: Final = 10.0  # seconds another process may keep the file locked
_COLUMNS = "position, stream, revision, id, type, version, data, meta"
_INSERT = "INSERT INTO events (stream, revision, id, type, version, data, meta)"
_REVISION = f"(SELECT coalesce(max(revision), {NO_STREAM}) FROM events WHERE stream = ?)"
_SCHEMA = """
CREATE TABLE IF NOT EXISTS events (
  position INTEGER PRIMARY KEY, stream TEXT NOT NULL, revision INTEGER NOT NULL, id BLOB NOT NULL,
  type TEXT NOT NULL, version INTEGER NOT NULL, data BLOB NOT NULL, meta BLOB NOT NULL,
  UNIQUE (stream, revision)) STRICT;
CREATE TABLE IF NOT EXISTS store (epoch TEXT NOT NULL) STRICT;
"""
Row = tuple[int, str, int, bytes, str, int, bytes, bytes]


@dataclass(frozen=True, slots=True)
class _Append:
    stream: str
    events: Sequence[NewEvent]
    expected: int
    done: asyncio.Future[Appended]


class SqliteStore:
    """An `EventStore` in the SQLite file at `path`, which is made if it is missing.

    Construct it inside a running event loop; `close` it there. `patience`: seconds for which another process
    may keep the file locked. Raises StoreUnavailableError if the file cannot be opened or made.
    """

    def __init__(self, path: Path, *, patience: float = LOCK_PATIENCE) -> None:
        self._path = path
        try:
            self._writer = _connect(path, patience)
            self._reader = _connect(path, patience)
            self._epoch = _prepare(self._writer)
        except sqlite3.Error as error:
            raise _unavailable(path, error) from error
        self._loop = asyncio.get_running_loop()
        self._queue: SimpleQueue[_Append | None] = SimpleQueue()
        self._waiting: set[asyncio.Event] = set()
        self._poll: asyncio.Task[None] | None = None
        self._thread = Thread(target=self._write, name=f"store {path.name}", daemon=True)
        self._thread.start()

    @property
    def epoch(self) -> str:
        return self._epoch

    async def append(self, stream: str, events: Sequence[NewEvent], *, expected: int) -> Appended:
        check(events)
        done: asyncio.Future[Appended] = self._loop.create_future()
        self._queue.put(_Append(stream, events, expected, done))
        return await asyncio.shield(done)  # a caller that gives up does not take others of its group along

    async def read_stream(
        self, stream: str, *, after: int = NO_STREAM, limit: int = 1_000_000
    ) -> Sequence[StoredEvent]:
        return self._read(
            f"SELECT {_COLUMNS} FROM events WHERE stream = ? AND revision > ? ORDER BY revision LIMIT ?",
            (stream, after, limit),
        )

    async def read_stream_backwards(
        self, stream: str, *, before: int | None = None, limit: int = 100
    ) -> Sequence[StoredEvent]:
        return self._read(
            f"SELECT {_COLUMNS} FROM events WHERE stream = ? AND revision < ? ORDER BY revision DESC LIMIT ?",
            (stream, 2**62 if before is None else before, limit),
        )

    async def read_all(self, *, after: int = START, limit: int = 1000) -> Sequence[StoredEvent]:
        return self._read(
            f"SELECT {_COLUMNS} FROM events WHERE position > ? ORDER BY position LIMIT ?", (after, limit)
        )

    async def read_at(self, position: int) -> StoredEvent | None:
        found = self._read(f"SELECT {_COLUMNS} FROM events WHERE position = ?", (position,))
        return found[0] if found else None

    async def subscribe(
        self, *, after: int = START, limit: int = 500
    ) -> AsyncIterator[Sequence[StoredEvent]]:
        moved = asyncio.Event()
        self._waiting.add(moved)
        if self._poll is None:
            self._poll = asyncio.create_task(self._notice_others())
        try:
            while True:
                moved.clear()
                batch = await self.read_all(after=after, limit=limit)
                if batch:
                    after = batch[-1].position
                    yield batch
                    await asyncio.sleep(0)  # others get their turn, however much there is to read
                else:
                    await moved.wait()
        finally:
            self._waiting.discard(moved)

    async def head(self) -> int:
        try:
            row = cast(
                "tuple[int | None]", self._reader.execute("SELECT max(position) FROM events").fetchone()
            )
        except sqlite3.Error as error:
            raise _unavailable(self._path, error) from error
        return row[0] or START

    async def close(self) -> None:
        """Store what waits, then let the file go."""
        await end(self._poll)
        self._queue.put(None)
        await asyncio.to_thread(self._thread.join)
        self._reader.close()

    def _read(self, sql: str, values: tuple[str | int, ...]) -> Sequence[StoredEvent]:
        try:
            rows = cast("list[Row]", self._reader.execute(sql, values).fetchall())
        except sqlite3.Error as error:
            raise _unavailable(self._path, error) from error
        return list(map(StoredEvent._make, rows))

    def _notify(self) -> None:
        for moved in self._waiting:
            moved.set()

    async def _notice_others(self) -> None:
        seen = -1
        while True:
            await asyncio.sleep(NOTICE_OTHERS_EVERY)
            with suppress(sqlite3.Error):  # a reader that cannot look now looks again
                (version,) = cast("tuple[int]", self._reader.execute("PRAGMA data_version").fetchone())
                if version != seen:
                    seen = version
                    self._notify()

    def _write(self) -> None:
        stop = False
        while not stop:
            group = [self._queue.get()]
            with suppress(Empty):
                while len(group) < LARGEST_GROUP:
                    group.append(self._queue.get_nowait())
            stop = None in group
            appends = [item for item in group if item is not None]
            if appends:
                outcomes = self._commit(appends)
                with suppress(RuntimeError):  # the loop is gone: nobody waits for an answer any more
                    self._loop.call_soon_threadsafe(self._answer, appends, outcomes)
        self._writer.close()

    def _answer(self, appends: Sequence[_Append], outcomes: Sequence[Appended | Exception]) -> None:
        for append, outcome in zip(appends, outcomes, strict=True):
            if append.done.done():
                continue
            if isinstance(outcome, Exception):
                append.done.set_exception(outcome)
                append.done.exception()  # a caller that gave up must not leave "never retrieved" in the log
            else:
                append.done.set_result(outcome)
        self._notify()

    def _commit(self, appends: Sequence[_Append]) -> Sequence[Appended | Exception]:
        db = self._writer
        try:
            db.execute("BEGIN IMMEDIATE")
            outcomes = [_append(db, append) for append in appends]
            db.execute("COMMIT")
        except sqlite3.Error as error:
            with suppress(sqlite3.Error):
                if db.in_transaction:
                    db.execute("ROLLBACK")
            return [_unavailable(self._path, error) for _ in appends]
        except Exception as error:  # noqa: BLE001  one that cannot be stored at all (a name that is no text)
            if db.in_transaction:
                db.execute("ROLLBACK")
            if len(appends) == 1:
                return [error]
            return [self._commit([each])[0] for each in appends]
        return outcomes


def _append(db: sqlite3.Connection, append: _Append) -> Appended | Exception:
    """One statement for the first event, which also looks at the revision: each one waits for the event loop's thread."""
    stream, expected = append.stream, append.expected
    first, *others = (
        (stream, revision, event.id.bytes, event.type, event.version, event.data, event.meta)
        for revision, event in enumerate(append.events, start=expected + 1)
    )
    added = db.execute(f"{_INSERT} SELECT ?,?,?,?,?,?,? WHERE {_REVISION} = ?", (*first, stream, expected))
    if added.rowcount != 1:
        return _refused(db, append)
    position = added.lastrowid
    for values in others:
        position = db.execute(f"{_INSERT} VALUES (?,?,?,?,?,?,?)", values).lastrowid
    return Appended(expected + len(append.events), position or START, fresh=True)


def _refused(db: sqlite3.Connection, append: _Append) -> Appended | Exception:
    """The stream is at another revision: perhaps by these very events."""
    stream, expected, events = append.stream, append.expected, append.events
    there = cast(
        "list[tuple[bytes, int, int]]",
        db.execute(
            "SELECT id, revision, position FROM events WHERE stream = ? AND revision > ? ORDER BY revision LIMIT ?",
            (stream, expected, len(events)),
        ).fetchall(),
    )
    if [id_ for id_, _, _ in there] == [event.id.bytes for event in events]:
        return Appended(there[-1][1], there[-1][2], fresh=False)
    (actual,) = cast("tuple[int]", db.execute(f"SELECT {_REVISION}", (stream,)).fetchone())
    return ConflictError(stream, expected, actual)


def _connect(path: Path, patience: float) -> sqlite3.Connection:
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=patience)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")
    return db


def _prepare(db: sqlite3.Connection) -> str:
    db.execute("BEGIN IMMEDIATE")
    for statement in _SCHEMA.split(";\n"):
        db.execute(statement)
    row = cast("tuple[str] | None", db.execute("SELECT epoch FROM store").fetchone())
    if row is None:
        row = (uuid7().hex,)
        db.execute("INSERT INTO store VALUES (?)", row)
    db.execute("COMMIT")
    return row[0]


def _unavailable(path: Path, error: sqlite3.Error) -> StoreUnavailableError:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # without the extended part
    if code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
        remedy = "Another program keeps the file locked (a copy, a database tool): end it"
    else:
        remedy = "Free disk space or make the file reachable"
    return StoreUnavailableError(
        f"The event store {path} cannot be used now ({error}). {remedy}; work goes on by itself. Nothing was stored."
    )
