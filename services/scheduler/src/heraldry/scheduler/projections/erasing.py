"""Where to look when a person is erased."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from sqlite3 import Connection
from typing import Literal, cast
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Known:
    """A lead in a campaign, while it is not erased."""

    organization: str
    person: str
    email: str
    profile: str


def who(db: Connection, subject: str) -> Sequence[Known]:
    """Everything known of a person, by their id or that of one of their enrollments."""
    found = db.execute(
        "SELECT organization, person, email, profile FROM lead WHERE person ="
        " (SELECT person FROM lead WHERE enrollment = ?1 OR person = ?1 LIMIT 1) ORDER BY enrollment",
        (subject,),
    )
    return [Known(*row) for row in cast("list[tuple[str, str, str, str]]", found.fetchall())]


def leaving(db: Connection, column: Literal["person", "identity"], names: Sequence[str]) -> int:
    """How many steps for these people, or in the name of these identities, have no outcome."""
    marks = ", ".join("?" * len(names))
    asked = f"SELECT count(*) FROM lead WHERE {column} IN ({marks}) AND attempt <> ''"
    return cast("tuple[int]", db.execute(asked, tuple(names)).fetchone())[0]


def unconfirmed(db: Connection, organization: str) -> Sequence[UUID]:
    """Imports of an organization that wait for a person."""
    found = db.execute(
        "SELECT import.id FROM import JOIN campaign ON campaign.id = import.campaign"
        " WHERE work = 'file' AND organization = ?",
        (organization,),
    )
    return [UUID(one) for (one,) in cast("list[tuple[str]]", found.fetchall())]


def imports_with(db: Connection, persons: Sequence[str]) -> int:
    """How many imports that have something left to do may hold these people."""
    marks = ", ".join("?" * len(persons))
    found = db.execute(
        "SELECT count(*) FROM import JOIN campaign ON campaign.id = import.campaign WHERE work IN ('enroll', 'clear')"
        f" AND organization IN (SELECT organization FROM lead WHERE person IN ({marks}))",
        tuple(persons),
    )
    return cast("tuple[int]", found.fetchone())[0]
