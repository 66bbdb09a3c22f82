"""A SQLite log as evidence: it is read as it stands, whatever stands in it, and nothing is made or changed.

SQLite makes files beside a log in WAL mode also for who only reads. So a log that nobody has open is read without them,
and without locks; should a service open it meanwhile, that is told instead of a finding.

Services read a stream through SQLite's index, and an audit reads the rows. An event that its index leaves out stands in
the log and is to nobody, so the two are compared, too.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Final, cast

from heraldry.chassis.store.port import START, StoredEvent, StoreUnavailableError

NO_EVENT: Final = bytes(16)  # the id of a row that cannot be an event: no event has it
_BEFORE_ALL: Final = -(2**63)
_ID: Final = 16  # bytes
_LOCK_PATIENCE: Final = 10.0
_COLUMNS: Final = "position, stream, revision, id, type, version, data, meta"
_INDEX: Final = "sqlite_autoindex_events_1"  # of UNIQUE (stream, revision)
_FOUND: Final = (  # the row that who asks for an event's place in its stream gets
    f"(SELECT i.position FROM events AS i INDEXED BY {_INDEX}"
    " WHERE i.stream = e.stream AND i.revision = e.revision)"
)
_HIDDEN: Final = f"{_FOUND} IS NOT e.position"
_STREAMS: Final = (
    "SELECT stream, count(*) AS many, {} AS different, min(revision) AS first, max(revision) AS last"
    " FROM events {} GROUP BY stream"
)
_BROKEN: Final = "first <> 0 OR last <> many - 1 OR different <> many"
_NAMED: Final = 3  # of what is wrong in one way, so many are told; the others are counted


class LogDamagedError(StoreUnavailableError):
    """The file is there, and it is no log that can be read. The text says why."""

    code = "audit.log-damaged"


class SqliteReading:
    """The log in the file at `path`; `close` it in the end.

    Raises LogDamagedError; StoreUnavailableError where it cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._appearing = self._db = None
        self._lacks: list[str] = []
        self._indexed = False
        try:
            self._open()
            self._epoch = self._look()
        except sqlite3.Error as error:
            self.close()
            raise self._told(error) from error
        except BaseException:
            self.close()
            raise

    @property
    def epoch(self) -> str:
        """Empty if the file names none."""
        return self._epoch

    async def read_all(self, *, after: int = START, limit: int = 1000) -> Sequence[StoredEvent]:
        """As an `EventStore` does, and from the very first row, whatever its position."""
        from_ = _BEFORE_ALL if after == START else after
        rows = self._rows(
            f"SELECT {_COLUMNS} FROM events WHERE position > ? ORDER BY position LIMIT ?", (from_, limit)
        )
        return [self._stored(row) for row in rows]

    def flaws(self) -> Sequence[str]:
        """What it lacks that is not an event; and events that are not found where their stream is read. It looks up
        every event. Raises StoreUnavailableError.
        """
        try:
            return [*self._lacks, *self._lost()]
        except LogDamagedError as error:
            return [*self._lacks, f"the index of the streams in {self._path.name} cannot be read: {error}"]

    def close(self) -> None:
        if self._db is not None:
            self._db.close()

    def _open(self) -> None:
        log, memory = (self._path.with_name(f"{self._path.name}-{end}") for end in ("wal", "shm"))
        how = "mode=ro"
        if not log.exists():
            self._appearing, how = log, "mode=ro&immutable=1"
        elif not memory.exists():
            self._appearing, how = memory, "mode=ro&vfs=unix-none"
        self._db = sqlite3.connect(
            f"{self._path.resolve().as_uri()}?{how}",
            uri=True,
            isolation_level=None,
            check_same_thread=False,
            timeout=_LOCK_PATIENCE,
        )
        self._db.text_factory = bytes
        self._db.execute("PRAGMA query_only = ON")
        if self._appearing is not None:
            self._db.execute("PRAGMA locking_mode = EXCLUSIVE")

    def _look(self) -> str:
        tables = {row[0] for row in self._rows("SELECT name FROM sqlite_schema WHERE type = 'table'")}
        if b"events" not in tables:
            raise LogDamagedError(f"{self._path} has no table of events. Restore it from a backup.")
        for kind, name in self._rows(
            "SELECT type, name FROM sqlite_schema WHERE tbl_name = 'events' AND type <> 'table'"
        ):
            if _text(name) == _INDEX:
                self._indexed = True
            else:
                self._lacks.append(
                    f"{self._path.name} has the {_text(kind)} {_text(name)}: no service made it"
                )
        if b"store" not in tables:
            self._lacks.append(f"{self._path.name} has no table `store`, which names the epoch")
            return ""
        epochs = self._rows("SELECT epoch FROM store ORDER BY rowid")
        if len(epochs) != 1:
            self._lacks.append(f"{self._path.name} names {len(epochs) or 'no'} epochs; a log has one")
        return _text(epochs[0][0]) if epochs else ""

    def _lost(self) -> Sequence[str]:
        """All of it at one moment, for a service may be writing."""
        self._rows("BEGIN")
        try:
            if not self._indexed:  # the table was made anew: who reads a stream gets all its rows, if slowly
                return self._misnumbered(_STREAMS.format("count(DISTINCT revision)", ""))
            ((events, hidden),) = self._rows(
                f"SELECT count(*), count(CASE WHEN {_HIDDEN} THEN 1 END) FROM events AS e NOT INDEXED"
            )
            if hidden:
                return self._hidden(hidden)
            streams = _STREAMS.format("count(*)", f"INDEXED BY {_INDEX}")
            ((entries, broken),) = self._rows(
                f"SELECT coalesce(sum(many), 0), count(CASE WHEN {_BROKEN} THEN 1 END) FROM ({streams})"
            )
            if entries != events:
                return [
                    f"the index of the streams in {self._path.name} names {entries} events, there are {events}"
                ]
            return self._misnumbered(streams) if broken else ()
        finally:
            self._rows("ROLLBACK")

    def _hidden(self, count: object) -> Sequence[str]:
        rows = self._rows(
            f"SELECT e.position, e.stream, e.revision, hex(e.id), {_FOUND} FROM events AS e NOT INDEXED"
            f" WHERE {_HIDDEN} ORDER BY e.position LIMIT {_NAMED}"
        )
        told = [
            f"event {_text(id_).lower()} at position {position} is hidden from the services: where {_text(stream)} is"
            f" read, {f'that at position {found}' if found else 'nothing'} stands at revision {revision}"
            for position, stream, revision, id_, found in rows
        ]
        return [*told, f"{count} events of {self._path.name} are hidden so, through its index of the streams"]

    def _misnumbered(self, streams: str) -> Sequence[str]:
        return [
            f"{_text(stream)} has {many} events, {different} revisions, from {_text(first)} to {_text(last)}"
            for stream, many, different, first, last in self._rows(
                f"SELECT * FROM ({streams}) WHERE {_BROKEN} LIMIT {_NAMED}"
            )
        ]

    def _rows(self, sql: str, values: tuple[int, ...] = ()) -> Sequence[tuple[object, ...]]:
        if self._db is None:
            raise StoreUnavailableError(f"{self._path} is closed.")
        try:
            rows = cast("list[tuple[object, ...]]", self._db.execute(sql, values).fetchall())
        except sqlite3.Error as error:
            raise self._told(error) from error
        if self._appearing is not None and self._appearing.exists():
            raise StoreUnavailableError(f"A service began to use {self._path} while it was read. Ask again.")
        return rows

    def _stored(self, row: tuple[object, ...]) -> StoredEvent:
        """A row that is no event gets an id that no event has, so that it is as nothing that was ever signed."""
        position, stream, revision, id_, type_, version, data, meta = row
        if not isinstance(position, int):
            raise LogDamagedError(f"{self._path} has a row without a position: its table was made anew.")
        whole = (
            *(
                isinstance(id_, bytes) and len(id_) == _ID,
                isinstance(stream, bytes),
                isinstance(type_, bytes),
            ),
            *(isinstance(revision, int), isinstance(version, int)),
            *(isinstance(data, bytes), isinstance(meta, bytes)),
        )
        return StoredEvent(
            position,
            _text(stream),
            revision if isinstance(revision, int) else 0,
            id_ if all(whole) and isinstance(id_, bytes) else NO_EVENT,
            _text(type_),
            version if isinstance(version, int) else 0,
            data if isinstance(data, bytes) else b"",
            meta if isinstance(meta, bytes) else b"",
        )

    def _told(self, error: sqlite3.Error) -> StoreUnavailableError:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # without the extended part
        if code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
            return StoreUnavailableError(
                f"{self._path} cannot be read now ({error}): another program keeps it locked. End it."
            )
        return LogDamagedError(f"{self._path} cannot be read ({error}). Keep it, and restore from a backup.")


def _text(found: object) -> str:
    return found.decode(errors="backslashreplace") if isinstance(found, bytes) else str(found)
