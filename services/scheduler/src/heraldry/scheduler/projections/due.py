"""Where the engine looks: which senders are open, and what is due for one. Every question is an index's own.

Rows of other projections, read together; nothing here decides. The two questions asked at every look name their
index: left to itself, SQLite takes one that walks through all leads of a campaign.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from sqlite3 import Connection
from typing import cast

from heraldry.scheduler.projections.lead_rows import GOING_ON


@dataclass(frozen=True, slots=True)
class Account:
    """A sender that is open."""

    sender: str
    organization: str
    identity: str
    inbox: str


@dataclass(frozen=True, slots=True)
class Running:
    """An active campaign. `inbox` empty: Shuffle."""

    id: str
    inbox: str
    pace: str
    settings: str
    started_at: str
    revision: int


def accounts(db: Connection) -> Sequence[Account]:
    rows = db.execute("SELECT sender, organization, identity, inbox FROM account WHERE closed = ''")
    return [Account(*row) for row in cast("list[tuple[str, str, str, str]]", rows.fetchall())]


def running(db: Connection, identity: str) -> Sequence[Running]:
    """The active campaigns of an identity, oldest first."""
    rows = db.execute(
        "SELECT id, inbox, pace, settings, started_at, revision FROM campaign"
        " WHERE identity = ? AND state = 'active' ORDER BY created, id",
        (identity,),
    )
    return [Running(*row) for row in cast("list[tuple[str, str, str, str, str, int]]", rows.fetchall())]


def next_of(db: Connection, sender: str, campaign: str) -> tuple[str, str] | None:
    """The lead of a campaign whose next step through this sender is due first, and when."""
    found = db.execute(
        "SELECT enrollment, due_at FROM lead INDEXED BY lead_next WHERE sender = ? AND campaign = ? AND offer = 'next' AND ready = 1"
        " ORDER BY due_at LIMIT 1",
        (sender, campaign),
    )
    return cast("tuple[str, str] | None", found.fetchone())


def first_of(db: Connection, campaign: str, without: Collection[str]) -> str | None:
    """The lead of a campaign that is to begin next; `without`: those that others have in hand."""
    found = db.execute(
        "SELECT enrollment FROM lead INDEXED BY lead_first WHERE campaign = ? AND offer = 'first' AND ready = 1"
        " ORDER BY ordinal LIMIT ?",
        (campaign, len(without) + 1),
    )
    rows = cast("list[tuple[str]]", found.fetchall())
    return next((row[0] for row in rows if row[0] not in without), None)


def ended(db: Connection) -> Sequence[str]:
    """Active campaigns of which no lead may get another step."""
    rows = db.execute(
        "SELECT id FROM campaign WHERE state = 'active'"
        f" AND NOT EXISTS (SELECT 1 FROM lead WHERE campaign = id AND {GOING_ON})"
    )
    return [row[0] for row in cast("list[tuple[str]]", rows.fetchall())]
