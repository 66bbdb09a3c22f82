"""Projections: read-model rows and the checkpoint move in one transaction, so a repeat changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from sqlite3 import Connection
from typing import Any, TypeVar, cast

from heraldry.contracts.base import Event

E = TypeVar("E", bound=Event)


@dataclass(frozen=True, slots=True)
class Fact:
    """Where and by whom an event was recorded; the same for stored events and for envelopes."""

    id: str
    type: str
    time: datetime
    stream: str
    revision: int
    position: str  # <context>:<epoch>:<n>
    organization: str
    identity: str
    actor: str
    causation: str = ""
    correlation: str = ""
    persons: str = ""


Handler = Callable[[Connection, Any, Fact], None]


@dataclass(frozen=True, slots=True)
class Holds:
    """Where a table holds what is personal: its rows `of` a data subject (a condition in which `?1` is the id), and
    what they become: `blank` gives columns their values in SQL; without it the rows go.
    """

    table: str
    of: str
    blank: str = ""

    def forget(self, db: Connection, subject: str) -> int:
        """Exactly what a rebuild would leave; how many rows that were."""
        what = f"UPDATE {self.table} SET {self.blank}" if self.blank else f"DELETE FROM {self.table}"
        return db.execute(f"{what} WHERE {self.of}", (subject,)).rowcount


@dataclass(frozen=True, slots=True)
class Projection:
    """One question's answer, kept ready. Handlers assign absolute values: a repeat must do no harm."""

    name: str  # never renamed: it is the checkpoint's key
    version: int  # raised when the shape or a handler changes: the model is rebuilt
    schema: str  # CREATE statements, separated by ";\n"
    tables: tuple[str, ...]  # what a rebuild drops
    holds: tuple[Holds, ...] = ()  # what is personal in them, in the order in which it is forgotten
    handlers: dict[type[Event], Handler] = field(default_factory=dict[type[Event], Handler])

    def on(
        self, kind: type[E]
    ) -> Callable[[Callable[[Connection, E, Fact], None]], Callable[[Connection, E, Fact], None]]:
        def register(
            handler: Callable[[Connection, E, Fact], None],
        ) -> Callable[[Connection, E, Fact], None]:
            self.handlers[kind] = cast("Handler", handler)
            return handler

        return register

    def apply(self, db: Connection, event: Event, fact: Fact) -> None:
        if handler := self.handlers.get(type(event)):
            handler(db, event, fact)


def handlers_by_type(
    projections: Sequence[Projection],
) -> Mapping[type[Event], Sequence[tuple[str, Handler]]]:
    """For each type the handlers of all projections that show it, each with its projection's name."""
    found: dict[type[Event], list[tuple[str, Handler]]] = {}
    for projection in projections:
        for kind, handler in projection.handlers.items():
            found.setdefault(kind, []).append((projection.name, handler))
    return found


def prepare(db: Connection, projections: Sequence[Projection]) -> None:
    """Make missing tables; drop and remake those of a projection whose version changed."""
    db.execute("BEGIN IMMEDIATE")
    db.execute(
        "CREATE TABLE IF NOT EXISTS projection"
        " (name TEXT PRIMARY KEY, version INTEGER NOT NULL, position INTEGER NOT NULL) STRICT"
    )
    for one in projections:
        row = cast(
            "tuple[int] | None",
            db.execute("SELECT version FROM projection WHERE name = ?", (one.name,)).fetchone(),
        )
        if row == (one.version,):
            continue
        for table in one.tables:
            db.execute(f"DROP TABLE IF EXISTS {table}")
        for statement in filter(None, (part.strip() for part in one.schema.split(";\n"))):
            db.execute(statement)
        db.execute("INSERT OR REPLACE INTO projection VALUES (?, ?, 0)", (one.name, one.version))
    db.execute("COMMIT")
