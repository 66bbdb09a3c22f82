"""The log on disk: one SQLite file, or one that lives only in memory.

`PRAGMA synchronous=FULL`: what a committed transaction wrote is there after a kill or a power cut.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, cast
from uuid import UUID

from heraldry.chassis.testing.kurrent.records import Record

FILE: Final = "log.db"
RECENT: Final = 100_000  # events whose ids are recognised wherever they are sent again

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS log (
  position INTEGER PRIMARY KEY, stream TEXT NOT NULL, revision INTEGER NOT NULL, id BLOB NOT NULL,
  type TEXT NOT NULL, json INTEGER NOT NULL, data BLOB NOT NULL, metadata BLOB NOT NULL,
  created INTEGER NOT NULL, UNIQUE (stream, revision)) STRICT;
CREATE TABLE IF NOT EXISTS room (position INTEGER PRIMARY KEY, until INTEGER NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS node (id TEXT NOT NULL) STRICT;
"""
_COLUMNS: Final = "position, stream, revision, id, type, json, data, metadata, created"
_Row = tuple[int, str, int, bytes, str, int, bytes, bytes, int]
_SELECT: Final = f"SELECT {_COLUMNS} FROM log"


class Log:
    """Use it from one thread."""

    def __init__(self, folder: Path | None) -> None:
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
        self._connection = sqlite3.connect(
            ":memory:" if folder is None else folder / FILE, isolation_level=None, timeout=0
        )
        if folder is not None:
            # Another process on the same folder would overwrite what this one acknowledged.
            self._connection.execute("PRAGMA locking_mode=EXCLUSIVE")
            self._connection.execute("PRAGMA journal_mode=WAL")
            self._connection.execute("PRAGMA synchronous=FULL")
        self._connection.executescript(_SCHEMA)

    @contextmanager
    def transaction(self) -> Generator[None]:
        """All that is appended within is kept, or nothing."""
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise

    def append(self, records: Iterable[Record]) -> None:
        self._connection.executemany(
            f"INSERT INTO log ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", map(_row, records)
        )

    def node(self, fresh: UUID) -> UUID:
        """The id of the node whose log this is: `fresh` if it has none."""
        found = cast("tuple[str] | None", self._connection.execute("SELECT id FROM node").fetchone())
        if found is None:
            self._connection.execute("INSERT INTO node (id) VALUES (?)", (str(fresh),))
            return fresh
        return UUID(found[0])

    def leave_room(self, position: int, until: int) -> None:
        """A place where nothing is; the next event does not come before its end."""
        self._connection.execute("INSERT INTO room (position, until) VALUES (?, ?)", (position, until))

    def room(self) -> int:
        """The end of the last such place."""
        row = self._connection.execute("SELECT coalesce(max(until), 0) FROM room").fetchone()
        return cast("tuple[int]", row)[0]

    def last(self) -> Record | None:
        return self._one(f"{_SELECT} ORDER BY position DESC LIMIT 1")

    def last_of(self, stream: str) -> Record | None:
        return self._one(f"{_SELECT} WHERE stream = ? ORDER BY revision DESC LIMIT 1", stream)

    def at(self, stream: str, revision: int) -> Record | None:
        return self._one(f"{_SELECT} WHERE stream = ? AND revision = ?", stream, revision)

    def is_position(self, position: int) -> bool:
        """Whether an event begins there, or a place where nothing is."""
        found: object = self._connection.execute(
            "SELECT 1 FROM log WHERE position = ? UNION ALL SELECT 1 FROM room WHERE position = ?",
            (position, position),
        ).fetchone()
        return found is not None

    def recent(self, count: int = RECENT) -> Sequence[tuple[UUID, str, int]]:
        """Id, stream and revision of the newest events, oldest first."""
        rows = cast(
            "list[tuple[bytes, str, int]]",
            self._connection.execute(
                "SELECT id, stream, revision FROM log ORDER BY position DESC LIMIT ?", (count,)
            ).fetchall(),
        )
        return [(UUID(bytes=id_), stream, revision) for id_, stream, revision in reversed(rows)]

    def of_stream(
        self, stream: str, first: int, last: int, limit: int, *, backwards: bool
    ) -> Sequence[Record]:
        """Revisions from `first` to `last`, in reading order."""
        order = "DESC" if backwards else "ASC"
        return self._many(
            f"{_SELECT} WHERE stream = ? AND revision BETWEEN ? AND ? ORDER BY revision {order} LIMIT ?",
            *(stream, first, last, limit),
        )

    def forwards(self, position: int, limit: int) -> Sequence[Record]:
        """From this position on."""
        return self._many(f"{_SELECT} WHERE position >= ? ORDER BY position LIMIT ?", position, limit)

    def backwards(self, position: int, limit: int) -> Sequence[Record]:
        """What lies before this position, newest first."""
        return self._many(f"{_SELECT} WHERE position < ? ORDER BY position DESC LIMIT ?", position, limit)

    def close(self) -> None:
        self._connection.close()

    def _one(self, sql: str, *values: str | int) -> Record | None:
        row = cast("_Row | None", self._connection.execute(sql, values).fetchone())
        return None if row is None else _record(row)

    def _many(self, sql: str, *values: str | int) -> Sequence[Record]:
        return [_record(row) for row in cast("list[_Row]", self._connection.execute(sql, values).fetchall())]


def _row(record: Record) -> _Row:
    return (
        record.position,
        record.stream,
        record.revision,
        record.id.bytes,
        record.type,
        int(record.json),
        record.data,
        record.metadata,
        record.created,
    )


def _record(row: _Row) -> Record:
    position, stream, revision, id_, type_, json, data, metadata, created = row
    return Record(position, stream, revision, UUID(bytes=id_), type_, bool(json), data, metadata, created)
