"""What handlers write, statement by statement in their order; the same statement in a row goes to SQLite in one go.

In a rebuild the same events often come in a row, and a statement run for many rows takes a fifth less for each.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import cache
from sqlite3 import Connection, Cursor
from typing import Final, Never, cast

Values = tuple[str | int | float | bytes | None, ...]
_WRITES: Final = re.compile(
    r"\s*(INSERT|REPLACE|UPDATE|DELETE)\b(?!.*\bRETURNING\b)", re.IGNORECASE | re.DOTALL
)


class Writes:
    """Stands for the connection before handlers, within a transaction. Whatever they read is of all they wrote.

    A statement that fails does so when the next one differs, or at `flush`: the transaction goes back in any case.
    """

    __slots__ = ("_db", "_rows", "_statement", "_write")

    def __init__(self, db: Connection) -> None:
        self._db, self._write = db, db.cursor().execute
        self._statement = ""  # the last one, if it was a write
        self._rows: list[Values] = []  # with which it is still to be run

    def for_handlers(self) -> Connection:
        """As handlers know it."""
        return cast("Connection", self)

    def execute(self, sql: str, values: Sequence[object] = ()) -> Cursor | Outcome:
        """As of a connection; what came of a write is not known yet, and asking for it is an error."""
        if sql == self._statement and type(values) is tuple:
            self._rows.append(cast("Values", values))
            return OUTCOME
        if self._rows:
            self.flush()
        if not _writes(sql):
            self._statement = ""
            return self._db.execute(sql, cast("Values", values))
        self._statement = sql
        self._write(sql, cast("Values", values))
        return OUTCOME

    def executemany(self, sql: str, rows: Iterable[Values]) -> Cursor:
        """As of a connection."""
        self.flush()
        return self._db.executemany(sql, rows)

    def flush(self) -> None:
        """Write what is kept."""
        rows, self._rows = self._rows, []
        if rows:
            self._db.executemany(self._statement, rows)


@cache
def _writes(sql: str) -> bool:
    """Whether it only writes. Handlers have few statements."""
    return _WRITES.match(sql) is not None


class Outcome:
    """Of a write that may still be kept."""

    __slots__ = ()

    def __getattr__(self, name: str) -> Never:
        raise AttributeError(f"a handler cannot ask for the {name} of a write: it may not have happened yet")


OUTCOME: Final = Outcome()
