"""Addresses nothing may be written to, by the keyed hash that names their stream: many are asked about at once."""

from __future__ import annotations

from collections.abc import Sequence
from sqlite3 import Connection
from typing import cast

from heraldry.chassis.projection import Fact, Projection
from heraldry.scheduler.domain.suppression import SuppressionImported, SuppressionLifted

suppressed = Projection(
    name="suppressed",
    version=1,
    tables=("suppressed",),
    schema="CREATE TABLE suppressed (hash TEXT PRIMARY KEY) STRICT, WITHOUT ROWID",
)


@suppressed.on(SuppressionImported)
def imported(db: Connection, event: SuppressionImported, fact: Fact) -> None:
    del event
    db.execute("INSERT OR IGNORE INTO suppressed VALUES (?)", (_hash(fact),))


@suppressed.on(SuppressionLifted)
def lifted(db: Connection, event: SuppressionLifted, fact: Fact) -> None:
    del event
    db.execute("DELETE FROM suppressed WHERE hash = ?", (_hash(fact),))


def among(db: Connection, hashes: Sequence[str]) -> frozenset[str]:
    """Which of these stand on the list."""
    marks = ", ".join("?" * len(hashes))
    found = db.execute(f"SELECT hash FROM suppressed WHERE hash IN ({marks})", tuple(hashes)).fetchall()
    return frozenset(row[0] for row in cast("list[tuple[str]]", found))


def _hash(fact: Fact) -> str:
    return fact.stream.partition("suppressed-")[2]
