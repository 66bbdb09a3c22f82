"""The imports under way, and how far each has come. What is decided on is read from the stream."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from sqlite3 import Connection
from typing import Final, cast
from uuid import UUID

from heraldry.chassis.projection import Fact, Projection
from heraldry.contracts.campaigns import LeadsImported
from heraldry.scheduler.domain.enrollment import LeadDropped, LeadEnrolled
from heraldry.scheduler.domain.importing import (
    UNCONFIRMED_FOR,
    Import,
    ImportCleared,
    ImportConfirmed,
    ImportOpened,
    ImportRefused,
    ImportUndone,
)
from heraldry.scheduler.projections.lead_rows import GOING_ON

imports = Projection(
    name="imports",
    version=1,
    tables=("import",),
    # work: 'file' waits for a person until `until`, 'enroll', 'clear', '' has nothing left to do
    schema="""CREATE TABLE import (
  id TEXT PRIMARY KEY, campaign TEXT NOT NULL, work TEXT NOT NULL, until TEXT NOT NULL,
  enrolled INTEGER NOT NULL DEFAULT 0) STRICT;
CREATE INDEX import_work ON import (work, until) WHERE work <> '';
CREATE INDEX import_of_campaign ON import (campaign) WHERE work = 'enroll'""",
)
AT_ONCE: Final = 500  # persons in one question


@imports.on(ImportOpened)
def opened(db: Connection, event: ImportOpened, fact: Fact) -> None:
    del fact
    db.execute(
        "INSERT OR REPLACE INTO import (id, campaign, work, until) VALUES (?, ?, 'file', ?)",
        (str(event.import_id), str(event.campaign), (event.at + UNCONFIRMED_FOR).isoformat()),
    )


@imports.on(ImportConfirmed)
def confirmed(db: Connection, event: ImportConfirmed, fact: Fact) -> None:
    del fact
    _has(db, event.import_id, "enroll")


@imports.on(LeadsImported)
def done(db: Connection, event: LeadsImported, fact: Fact) -> None:
    del fact
    _has(db, event.import_id, "clear")


@imports.on(ImportRefused)
def refused(db: Connection, event: ImportRefused, fact: Fact) -> None:
    del fact
    _has(db, event.import_id, "clear")


@imports.on(ImportUndone)
def undone(db: Connection, event: ImportUndone, fact: Fact) -> None:
    del fact
    _has(db, event.import_id, "clear")


@imports.on(ImportCleared)
def cleared(db: Connection, event: ImportCleared, fact: Fact) -> None:
    del fact
    _has(db, event.import_id, "")


@imports.on(LeadEnrolled)
def enrolled(db: Connection, event: LeadEnrolled, fact: Fact) -> None:
    """A count is exact: the checkpoint moves in the same transaction."""
    del fact
    db.execute("UPDATE import SET enrolled = enrolled + 1 WHERE id = ?", (str(event.import_id),))


@imports.on(LeadDropped)
def dropped(db: Connection, event: LeadDropped, fact: Fact) -> None:
    del fact
    db.execute("UPDATE import SET enrolled = enrolled - 1 WHERE id = ?", (str(event.import_id),))


@dataclass(frozen=True, slots=True)
class Work:
    import_id: UUID
    what: str  # enroll, clear, expire


def work(db: Connection, now: datetime) -> tuple[Work, ...]:
    """What a worker finds to do; costs what there is to do."""
    rows = cast(
        "list[tuple[str, str]]",
        db.execute(
            "SELECT id, work FROM import WHERE work IN ('enroll', 'clear')"
            " UNION ALL SELECT id, 'expire' FROM import WHERE work = 'file' AND until <= ?",
            (now.isoformat(),),
        ).fetchall(),
    )
    return tuple(Work(UUID(import_id), what) for import_id, what in rows)


def enrolled_so_far(db: Connection, import_id: UUID) -> int:
    row = cast(
        "tuple[int] | None",
        db.execute("SELECT enrolled FROM import WHERE id = ?", (str(import_id),)).fetchone(),
    )
    return 0 if row is None else row[0]


def is_under_way(db: Connection, campaign: UUID) -> bool:
    """Whether a confirmed import still brings leads to this campaign."""
    asked = "SELECT 1 FROM import WHERE campaign = ? AND work = 'enroll' LIMIT 1"
    return db.execute(asked, (str(campaign),)).fetchone() is not None


def next_ordinal(db: Connection, campaign: UUID) -> int:
    """The first place behind all leads of a campaign."""
    asked = "SELECT max(ordinal) FROM lead WHERE campaign = ?"
    row = cast("tuple[int | None]", db.execute(asked, (str(campaign),)).fetchone())
    return 0 if row[0] is None else row[0] + 1


def leads_among(db: Connection, present: Import, persons: Sequence[str]) -> Mapping[str, str]:
    """Who of these is in the campaign already, or may still get a step of another one; and that campaign."""
    return _among(db, "person", persons, present)


def profiles_among(db: Connection, present: Import, profiles: Sequence[str]) -> Mapping[str, str]:
    """The same of profiles, whatever address stands beside them."""
    return _among(db, "profile", profiles, present)


def _among(db: Connection, column: str, values: Sequence[str], present: Import) -> Mapping[str, str]:
    marks = ", ".join("?" * len(values))
    found = db.execute(
        f"SELECT {column}, campaign FROM lead WHERE {column} IN ({marks}) AND {column} <> '' AND organization = ? AND import_id <> ?"
        f" AND (campaign = ? OR ({GOING_ON}"
        f" AND campaign NOT IN (SELECT id FROM campaign WHERE organization = ? AND state = 'finished')))"
        f" ORDER BY campaign = ?",
        (
            *values,
            str(present.organization),
            str(present.id),
            str(present.campaign),
            str(present.organization),
            str(present.campaign),
        ),
    )
    return dict(cast("list[tuple[str, str]]", found.fetchall()))


def uncounted(db: Connection, import_id: UUID) -> tuple[UUID, ...]:
    """The enrollments of an import whose leads do not count."""
    asked = "SELECT enrollment FROM lead WHERE import_id = ? AND ready = 0"
    found = cast("list[tuple[str]]", db.execute(asked, (str(import_id),)).fetchall())
    return tuple(UUID(row[0]) for row in found)


def batches(digests: Sequence[str]) -> Iterator[Sequence[str]]:
    every = iter(digests)
    while some := tuple(islice(every, AT_ONCE)):
        yield some


def _has(db: Connection, import_id: UUID, work: str) -> None:
    db.execute("UPDATE import SET work = ? WHERE id = ?", (work, str(import_id)))
