"""Where the engine looks costs what is due, not what exists."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest
from heraldry.chassis.projection import prepare
from heraldry.scheduler.projections.due import Lane, first_of, joining_of, next_of
from heraldry.scheduler.projections.leads import leads

ENDED = 20_000
ROW = """INSERT INTO lead (enrollment, campaign, organization, identity, person, import_id, ordinal, ready, state,
  sender, due_at, name, email, profile, since, data)
  VALUES (?, 'c', 'o', 'i', 'p', 'm', ?, 1, ?, ?, ?, 'L', 'l', '', '', '{}')"""
LANE = Lane("s", "o", "i", "inbox")


@pytest.fixture(scope="module")
def db() -> Iterator[sqlite3.Connection]:
    """A campaign in which nearly everybody has ended before those who have not begun."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as made:
        prepare(made, [leads])
        made.execute("BEGIN")
        made.executemany(ROW, ((f"e{n}", n, "finished", "s", "") for n in range(ENDED)))
        made.execute(ROW, ("later", ENDED, "in progress", "s", "2026-06-01"))
        made.execute(ROW, ("new", ENDED + 1, "waiting", "", ""))
        # Their last step was sent, and that they have finished is not projected yet.
        made.execute(ROW, ("done", ENDED + 3, "in progress", "s", ""))
        made.execute(ROW, ("joining", ENDED + 2, "in progress", "", "2026-06-02"))
        made.execute("COMMIT")
        yield made


def thousands_of_steps(db: sqlite3.Connection, ask: Callable[[], object]) -> int:
    """How many thousand steps SQLite's machine takes to answer."""
    taken: list[int] = []
    db.set_progress_handler(lambda: taken.append(1), 1000)
    try:
        ask()
    finally:
        db.set_progress_handler(None, 0)
    return len(taken)


def test_who_begins_next_is_found_without_walking_through_who_has_ended(db: sqlite3.Connection) -> None:
    assert first_of(db, "c", ()) == "new"
    assert thousands_of_steps(db, lambda: first_of(db, "c", ())) == 0


def test_whose_next_step_is_due_first_is_found_without_walking_either(db: sqlite3.Connection) -> None:
    assert next_of(db, LANE, "c") == ("later", "2026-06-01")
    assert thousands_of_steps(db, lambda: next_of(db, LANE, "c")) == 0


def test_who_comes_to_a_channel_in_mid_sequence_is_found_without_walking_either(
    db: sqlite3.Connection,
) -> None:
    assert joining_of(db, LANE, "c", ()) == ("joining", "2026-06-02")
    assert joining_of(db, LANE, "c", ("joining",)) is None
    assert joining_of(db, Lane("s", "o", "another identity", "inbox"), "c", ()) is None
    assert thousands_of_steps(db, lambda: joining_of(db, LANE, "c", ())) == 0
