from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from typing import Final

import pytest
from heraldry.chassis.writes import Writes
from hypothesis import given
from hypothesis import strategies as st

PUT: Final = "INSERT OR REPLACE INTO sold VALUES (?, ?)"
MOVE: Final = "UPDATE sold SET left = left - ? WHERE what = ?"
DROP: Final = "DELETE FROM sold WHERE what = ?"
COPY: Final = "INSERT OR IGNORE INTO sold SELECT ? || what, left FROM sold WHERE what = ?"
ALL: Final = "SELECT what, left FROM sold ORDER BY what"

names = st.sampled_from("abc")
numbers = st.integers(0, 9)
statements = st.one_of(
    st.tuples(st.just(PUT), st.tuples(names, numbers)),
    st.tuples(st.just(MOVE), st.tuples(numbers, names)),
    st.tuples(st.just(DROP), st.tuples(names)),
    st.tuples(st.just(COPY), st.tuples(names, names)),
    st.tuples(st.just(ALL), st.just(())),
)


def opened() -> sqlite3.Connection:
    db = sqlite3.connect(":memory:", isolation_level=None)
    db.execute("CREATE TABLE sold (what TEXT PRIMARY KEY, left INTEGER NOT NULL) STRICT")
    return db


@pytest.fixture
def db() -> Iterator[sqlite3.Connection]:
    with closing(opened()) as made:
        yield made


@given(st.lists(statements, max_size=30))
def test_it_does_and_tells_what_the_connection_would(steps: list[tuple[str, tuple[str | int, ...]]]) -> None:
    with closing(opened()) as plain, closing(opened()) as other:
        writes = Writes(other)
        stand_in = writes.for_handlers()
        for sql, values in steps:
            there = plain.execute(sql, values)
            here = stand_in.execute(sql, values)
            if sql == ALL:
                assert here.fetchall() == there.fetchall()
        writes.flush()
        assert other.execute(ALL).fetchall() == plain.execute(ALL).fetchall()


def test_the_same_write_in_a_row_goes_to_sqlite_in_one_go(db: sqlite3.Connection) -> None:
    seen: list[str] = []
    db.set_trace_callback(seen.append)
    writes = Writes(db)
    for number in range(3):
        writes.execute(PUT, ("pear", number))
    assert len(seen) == 1, "the first does not wait for others like it"
    writes.flush()
    assert len(seen) == 3
    assert db.execute(ALL).fetchall() == [("pear", 2)]


def test_what_fails_is_said_at_the_latest_when_all_is_written(db: sqlite3.Connection) -> None:
    writes = Writes(db)
    writes.execute(PUT, ("pear", 1))
    writes.execute(PUT, ("plum", None))
    with pytest.raises(sqlite3.IntegrityError, match="NOT NULL"):
        writes.flush()


def test_a_list_of_values_may_change_after_the_call(db: sqlite3.Connection) -> None:
    writes, values = Writes(db), ["pear", 1]
    for number in (2, 1):
        values[1] = number
        writes.execute(PUT, values)
    values[1] = 3
    writes.flush()
    assert db.execute(ALL).fetchall() == [("pear", 1)]


def test_a_write_that_returns_something_happens_at_once(db: sqlite3.Connection) -> None:
    found = Writes(db).for_handlers().execute(f"{PUT} RETURNING left", ("pear", 3)).fetchone()
    assert found == (3,)


def test_many_rows_come_after_what_was_written_before(db: sqlite3.Connection) -> None:
    writes = Writes(db)
    writes.execute(PUT, ("pear", 1))
    writes.executemany(PUT, [("pear", 2), ("plum", 3)])
    assert db.execute(ALL).fetchall() == [("pear", 2), ("plum", 3)]


def test_what_came_of_a_write_cannot_be_asked(db: sqlite3.Connection) -> None:
    done = Writes(db).for_handlers().execute(PUT, ("pear", 1))
    with pytest.raises(AttributeError, match="cannot ask for the rowcount of a write"):
        _ = done.rowcount
