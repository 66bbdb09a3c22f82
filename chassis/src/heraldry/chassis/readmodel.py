"""Read models: projections in a SQLite file of this replica, kept up to date, rebuilt when the file is gone.

Fed from the context's own store (`StoreFeed`) or from JetStream (`heraldry.chassis.views`). A position says
how far a model has come; whoever wrote something waits until it is there.
"""

from __future__ import annotations

import asyncio
import dataclasses
import gc
import sqlite3
from collections.abc import AsyncIterator, Callable, Generator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from datetime import datetime
from pathlib import Path
from time import sleep
from typing import TypeVar, cast

import structlog
from heraldry.chassis.codec import Codec, Meta, UnknownTypeError
from heraldry.chassis.projection import Fact, Projection, handlers_by_type, prepare
from heraldry.chassis.store.port import (
    START,
    EventStore,
    StoredEvent,
    StoreUnavailableError,
    oldest_after,
)
from heraldry.chassis.tasks import end
from heraldry.chassis.vault.keys import KeyUnknownError
from heraldry.chassis.writes import Writes
from heraldry.contracts.base import Event
from heraldry.contracts.markers import Position
from prometheus_client import Gauge

log = structlog.stdlib.get_logger(__name__)
T = TypeVar("T")
FIELDS = frozenset(field.name for field in dataclasses.fields(Fact))
RETRY = 1.0  # seconds between two tries to go on after a failure
SCOUR_WITHIN = 60.0  # seconds to wait for whoever writes at the moment
LOOK = 0.01
_LAG = Gauge(
    "heraldry_projections_lag_positions", "Head of the log minus what is projected", ["context", "projection"]
)
_OLDEST = Gauge(
    "heraldry_projections_oldest_seconds",
    "How long the oldest event that is not projected waits",
    ["context", "projection"],
)


class ReadModel:
    """A SQLite file and the projections in it. Everything in it may be deleted while it is not in use."""

    def __init__(self, path: Path, projections: Sequence[Projection]) -> None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._path = path
        self._projections = tuple(projections)
        self._handlers = handlers_by_type(self._projections)
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")  # what a crash takes is projected again
        self._db.execute("PRAGMA secure_delete = ON")
        self._db.execute(
            "CREATE TABLE IF NOT EXISTS reached (context TEXT PRIMARY KEY, epoch TEXT NOT NULL,"
            " number INTEGER NOT NULL) STRICT"
        )
        self._db.execute(
            "CREATE TABLE IF NOT EXISTS forgotten (subject TEXT PRIMARY KEY, sequence INTEGER NOT NULL,"
            " rows INTEGER NOT NULL, scoured INTEGER NOT NULL) STRICT"
        )
        self._reached: dict[str, Position] = {}
        self._moved: set[asyncio.Event] = set()
        self._prepare()

    def read(self, query: Callable[[sqlite3.Connection], T]) -> T:
        """Run a query (SELECT only) on what is projected now."""
        return query(self._db)

    def checkpoint(self) -> int:
        """The position from which the projection that is furthest behind goes on."""
        row = cast("tuple[int | None]", self._db.execute("SELECT min(position) FROM projection").fetchone())
        return row[0] or START

    def positions(self) -> Mapping[str, int]:
        """How far each projection is."""
        return dict(
            cast(
                "list[tuple[str, int]]", self._db.execute("SELECT name, position FROM projection").fetchall()
            )
        )

    def reached(self) -> Mapping[str, Position]:
        """How far each context's events are in the model."""
        return dict(self._reached)

    async def wait_for(self, seen: Sequence[str], patience: float) -> bool:
        """Whether all `seen` positions were in the model within `patience` seconds.

        Raises ValueError for what is no position. A position of another epoch than the log's present one is
        older than everything in it.
        """
        wanted = [Position.parse(text) for text in seen]
        moved = asyncio.Event()
        self._moved.add(moved)
        try:
            async with asyncio.timeout(patience):
                while not all(self._has(one) for one in wanted):
                    moved.clear()
                    await moved.wait()
        except TimeoutError:
            return False
        else:
            return True
        finally:
            self._moved.discard(moved)

    async def changes(self) -> AsyncIterator[None]:
        """Whenever something was applied since the last time."""
        moved = asyncio.Event()
        self._moved.add(moved)
        try:
            while True:
                await moved.wait()
                moved.clear()
                yield
        finally:
            self._moved.discard(moved)

    def apply(
        self, batch: Sequence[tuple[int, Event, Fact]], *, upto: int, reached: Sequence[Position]
    ) -> None:
        """Apply events (with the feed's own position, increasing) and the checkpoint in one transaction."""
        done, handlers, writes = self.positions(), self._handlers, Writes(self._db)
        db = writes.for_handlers()
        self._db.execute("BEGIN IMMEDIATE")
        try:
            for position, event, fact in batch:
                for name, handler in handlers.get(type(event), ()):
                    if position > done[name]:
                        handler(db, event, fact)
            writes.flush()
            self._db.execute("UPDATE projection SET position = max(position, ?)", (upto,))
            self._db.executemany(
                "INSERT OR REPLACE INTO reached VALUES (?, ?, ?)",
                [(one.context, one.epoch, one.number) for one in reached],
            )
            self._db.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):
                self._db.execute("ROLLBACK")
            raise
        for one in reached:
            self._reached[one.context] = one
        for moved in self._moved:
            moved.set()

    def shows(self, kind: type[Event]) -> bool:
        """Whether a projection has a handler for events of this type."""
        return kind in self._handlers

    def forget(self, erased: Mapping[str, int]) -> bool:
        """Drop or blank what the projections hold of erased people. Whether the file is to be scoured then.

        `erased`: people, each with the sequence of what was recorded of their key; what was heeded before is not
        looked at again. The feed reads nothing of theirs any more, so that a rebuild comes to the same.
        """
        before = dict(
            cast(
                "list[tuple[str, int]]",
                self._db.execute("SELECT subject, sequence FROM forgotten").fetchall(),
            )
        )
        new = {subject: sequence for subject, sequence in erased.items() if sequence > before.get(subject, 0)}
        if not new:
            return (
                self._db.execute("SELECT 1 FROM forgotten WHERE NOT scoured LIMIT 1").fetchone() is not None
            )
        self._db.execute("BEGIN IMMEDIATE")
        try:
            for subject, sequence in new.items():
                rows = sum(
                    holds.forget(self._db, subject) for each in self._projections for holds in each.holds
                )
                self._db.execute(
                    "INSERT INTO forgotten VALUES (?, ?, ?, 0) ON CONFLICT (subject) DO UPDATE"
                    " SET sequence = excluded.sequence, rows = rows + excluded.rows, scoured = 0",
                    (subject, sequence, rows),
                )
            self._db.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):
                self._db.execute("ROLLBACK")
            raise
        for moved in self._moved:
            moved.set()
        return True

    def scour(self) -> None:
        """Write the file anew: when this returns, no byte of what was dropped or blanked is in it.

        SQLite leaves bytes in the unused parts of pages it has filled anew, even when it overwrites what is deleted.
        May be called in a thread, and may take long for a large file. Raises sqlite3.Error.
        """
        with closing(sqlite3.connect(self._path, isolation_level=None, timeout=SCOUR_WITHIN)) as apart:
            dropped = apart.execute("SELECT subject, sequence FROM forgotten WHERE NOT scoured").fetchall()
            apart.execute("VACUUM")
            while _busy(apart.execute("PRAGMA wal_checkpoint(TRUNCATE)")):  # the log of changes has it, too
                sleep(LOOK)
            apart.executemany("UPDATE forgotten SET scoured = 1 WHERE subject = ? AND sequence = ?", dropped)

    def forgotten(self, subjects: Sequence[str]) -> int:
        """How many rows were dropped or blanked of these people."""
        marks = ", ".join("?" * len(subjects))
        asked = f"SELECT coalesce(sum(rows), 0) FROM forgotten WHERE subject IN ({marks})"
        return cast("tuple[int]", self._db.execute(asked, tuple(subjects)).fetchone())[0]

    def mark_for_rebuild(self) -> None:
        """A newer release's event was skipped: the release that knows it builds the model anew."""
        self._db.execute("UPDATE projection SET version = -1")

    def start_over(self) -> None:
        """Forget everything: it was built from a log that is not the present one (a backup was restored)."""
        self.mark_for_rebuild()
        self._db.execute("DELETE FROM forgotten")
        self._prepare()

    def fed_by(self, source: int) -> bool:
        """Note from where it is fed. False: it was from elsewhere before, so its positions mean nothing here."""
        (before,) = cast("tuple[int]", self._db.execute("PRAGMA user_version").fetchone())
        if before != source:
            self._db.execute(f"PRAGMA user_version = {source}")
        return before in {0, source}

    def close(self) -> None:
        self._db.close()

    def _prepare(self) -> None:
        prepare(self._db, self._projections)
        if self.checkpoint() == START:  # a projection begins anew: nobody may take it for complete meanwhile
            self._db.execute("DELETE FROM reached")
        rows = cast("list[tuple[str, str, int]]", self._db.execute("SELECT * FROM reached").fetchall())
        self._reached = {row[0]: Position(*row) for row in rows}

    def _has(self, wanted: Position) -> bool:
        reached = self._reached.get(wanted.context)
        if reached is None:
            return wanted.number == START
        return reached.epoch != wanted.epoch or reached.number >= wanted.number


def _busy(checkpointed: sqlite3.Cursor) -> bool:
    return cast("tuple[int, int, int]", checkpointed.fetchone())[0] != 0


class StoreFeed:
    """Follows a context's own store and applies it to a read model. `codec`: a veiled one, for rows stay."""

    def __init__(
        self,
        context: str,
        store: EventStore,
        codec: Codec,
        model: ReadModel,
    ) -> None:
        self._context, self._store, self._codec, self._model = context, store, codec, model
        self._readers: dict[tuple[str, int], Callable[[StoredEvent], Event | None]] = {}
        self._task: asyncio.Task[None] | None = None
        self.problem: str | None = None

    async def start(self) -> None:
        """Return when the model has come to where the log ended at the call."""
        head = await self._store.head()
        before = self._model.reached().get(self._context)
        if before is not None and before.epoch != self._store.epoch:
            self._model.start_over()
        self._task = asyncio.create_task(self._run(), name=f"projections {self._context}")
        wanted = str(Position(self._context, self._store.epoch, head))
        while not await self._model.wait_for([wanted], 0.5):
            if self._task.done():
                self._task.result()

    async def stop(self) -> None:
        await end(self._task)

    async def measure(self) -> int:
        """How many positions the log is ahead of the projection that is furthest behind; also sets the metrics."""
        head, worst = await self._store.head(), 0
        for name, position in self._model.positions().items():
            lag = max(head - position, 0)
            _LAG.labels(self._context, name).set(lag)
            waiting = await oldest_after(self._store, position) if lag else 0.0
            _OLDEST.labels(self._context, name).set(waiting)
            worst = max(worst, lag)
        return worst

    async def _run(self) -> None:
        if await self._store.head() == START:
            reached = Position(self._context, self._store.epoch, START)
            self._model.apply((), upto=START, reached=[reached])
        while True:
            try:
                async for stored in self._store.subscribe(after=self._model.checkpoint()):
                    await self._take(stored)
                    self.problem = None
            except Exception as error:  # noqa: BLE001  whatever it is, health says it and it is tried again
                self.problem = _said(error)
                log.error("projections stopped and try again", context=self._context, because=self.problem)  # noqa: TRY400  the reason is all there is
            await asyncio.sleep(RETRY)

    async def _take(self, stored: Sequence[StoredEvent]) -> None:
        while True:
            try:
                self._take_now(stored)
            except KeyUnknownError as unknown:
                await self._codec.learn(unknown.subject)
            else:
                return

    def _take_now(self, stored: Sequence[StoredEvent]) -> None:
        """What is made on the way goes with it, so to look for garbage meanwhile would cost a fifth and find nothing."""
        last = stored[-1].position
        with uncollected():
            self._model.apply(
                self._read(stored), upto=last, reached=[Position(self._context, self._store.epoch, last)]
            )

    def _read(self, stored: Sequence[StoredEvent]) -> Sequence[tuple[int, Event, Fact]]:
        """All in one moment, and applied in it: nothing is kept in the clear whose key was sealed meanwhile."""
        context, epoch, readers = self._context, self._store.epoch, self._readers
        batch: list[tuple[int, Event, Fact]] = []
        for one in stored:
            read = readers.get((one.type, one.version))
            if read is None:
                read = readers[one.type, one.version] = self._reader(one)
            if (event := read(one)) is not None:
                batch.append((one.position, event, RecordedFact(context, epoch, one)))
        return batch

    def _reader(self, stored: StoredEvent) -> Callable[[StoredEvent], Event | None]:
        """How events of its type and version are read: most are of few, so what is to be done is found out once."""
        try:
            kind = self._codec.kind(stored)
        except UnknownTypeError:
            return self._skip
        return self._codec.reader(kind, stored.version) if self._model.shows(kind) else _pass_over

    def _skip(self, stored: StoredEvent) -> None:
        log.warning("an event of a newer release was skipped", what=str(UnknownTypeError(stored)))
        self._model.mark_for_rebuild()


def _pass_over(_: StoredEvent) -> None:
    """Nothing shows it, so it is not even decrypted."""


@contextmanager
def uncollected() -> Generator[None]:
    """Python looks for no garbage within it."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


class RecordedFact(Fact):
    """The fact of a stored event. Most handlers ask little of it, so its meta is read when they do."""

    __slots__ = ("_recorded",)

    _recorded: tuple[str, str, StoredEvent]

    def __init__(self, context: str, epoch: str, stored: StoredEvent) -> None:  # pyright: ignore[reportMissingSuperCall]  its fields are set when one is asked for
        object.__setattr__(self, "_recorded", (context, epoch, stored))

    def __getattr__(self, name: str) -> object:
        """Called for a field that is not set yet: sets all."""
        if name not in FIELDS:
            raise AttributeError(name)
        context, epoch, stored = self._recorded
        meta = Meta.read(stored)
        super().__init__(
            id=str(stored.id),
            type=stored.type,
            time=datetime.fromisoformat(meta.time),
            stream=stored.stream,
            revision=stored.revision,
            position=str(Position(context, epoch, stored.position)),
            organization=meta.organization,
            identity=meta.identity,
            actor=meta.actor,
            causation=meta.causation,
            correlation=meta.correlation,
            persons=" ".join(meta.persons),
        )
        return cast("object", getattr(self, name))


def _said(error: Exception) -> str:
    """What may stand in a log: a text that might quote an event is left out."""
    name = type(error).__name__
    told = isinstance(error, KeyUnknownError | StoreUnavailableError | sqlite3.Error | OSError)
    return f"{name}: {error}" if told else name
