"""Where the engine looks: which senders are open, and what is due for one. Every question is an index's own.

Rows of other projections, read together; nothing here decides. The two questions asked at every look name their
index: left to itself, SQLite takes one that walks through all leads of a campaign.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from sqlite3 import Connection
from typing import Final, cast

from heraldry.contracts.campaigns import StepKind
from heraldry.scheduler.projections.lead_rows import GOING_ON

LINKEDIN_KINDS: Final[tuple[StepKind, ...]] = ("message", "invitation", "scraping")


@dataclass(frozen=True, slots=True)
class Lane:
    """A sender that is open, for one kind of step. `account`: the inbox, or the LinkedIn account."""

    sender: str
    organization: str
    identity: str
    account: str
    kind: StepKind = "email"

    @property
    def key(self) -> tuple[str, StepKind]:
        return self.sender, self.kind


@dataclass(frozen=True, slots=True)
class Running:
    """An active campaign. `inbox` empty: Shuffle."""

    id: str
    inbox: str
    pace: str
    settings: str
    started_at: str
    revision: int


def lanes(db: Connection) -> Sequence[Lane]:
    inboxes = db.execute("SELECT sender, organization, identity, inbox FROM account WHERE closed = ''")
    members = db.execute(
        "SELECT sender, organization, identity, account FROM linkedin_sender WHERE closed = ''"
    )
    return [
        *(Lane(*row) for row in cast("list[tuple[str, str, str, str]]", inboxes.fetchall())),
        *(
            Lane(*row, kind)
            for row in cast("list[tuple[str, str, str, str]]", members.fetchall())
            for kind in LINKEDIN_KINDS
        ),
    ]


def running(db: Connection, identity: str) -> Sequence[Running]:
    """The active campaigns of an identity, oldest first."""
    rows = db.execute(
        "SELECT id, inbox, pace, settings, started_at, revision FROM campaign"
        " WHERE identity = ? AND state = 'active' ORDER BY created, id",
        (identity,),
    )
    return [Running(*row) for row in cast("list[tuple[str, str, str, str, str, int]]", rows.fetchall())]


def next_of(db: Connection, lane: Lane, campaign: str) -> tuple[str, str] | None:
    """The lead of a campaign whose next step of this kind through this sender is due first, and when."""
    found = db.execute(
        "SELECT enrollment, due_at FROM lead INDEXED BY lead_next WHERE via = ? AND next_kind = ? AND campaign = ?"
        " AND offer = 'next' AND ready = 1 AND due_at > '' ORDER BY due_at LIMIT 1",
        (lane.sender, lane.kind, campaign),
    )
    return cast("tuple[str, str] | None", found.fetchone())


def joining_of(db: Connection, lane: Lane, campaign: str, without: Collection[str]) -> tuple[str, str] | None:
    """The lead in mid-sequence that has no sender for its next step yet, whose step is due first, and when."""
    found = db.execute(
        "SELECT enrollment, due_at FROM lead INDEXED BY lead_joining WHERE campaign = ? AND next_kind = ?"
        " AND offer = 'join' AND ready = 1 AND identity = ? ORDER BY due_at LIMIT ?",
        (campaign, lane.kind, lane.identity, len(without) + 1),
    )
    rows = cast("list[tuple[str, str]]", found.fetchall())
    return next((row for row in rows if row[0] not in without), None)


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
