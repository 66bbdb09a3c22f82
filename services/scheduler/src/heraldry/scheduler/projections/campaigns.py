"""The campaigns of an organization, as they are now. What a decision rests on is read from the stream."""

from __future__ import annotations

from dataclasses import dataclass
from sqlite3 import Connection
from typing import Final, cast

from heraldry.chassis.projection import Fact, Projection
from heraldry.contracts.campaigns import (
    CampaignChanged,
    CampaignCreated,
    CampaignFinished,
    CampaignPaused,
    CampaignResumed,
    CampaignSettings,
    CampaignStarted,
)

campaigns = Projection(
    name="campaigns",
    version=1,
    tables=("campaign",),
    schema="""CREATE TABLE campaign (
  id TEXT PRIMARY KEY, organization TEXT NOT NULL, identity TEXT NOT NULL, state TEXT NOT NULL,
  pause_reason TEXT NOT NULL DEFAULT '', inbox TEXT NOT NULL, pace TEXT NOT NULL, settings TEXT NOT NULL,
  started_at TEXT NOT NULL DEFAULT '', created TEXT NOT NULL, revision INTEGER NOT NULL) STRICT;
CREATE INDEX campaign_of_organization ON campaign (organization, created);
CREATE INDEX campaign_of_identity ON campaign (identity, state)""",
)
COLUMNS: Final = (
    "id, organization, identity, state, pause_reason, inbox, pace, settings, started_at, created, revision"
)


@dataclass(frozen=True, slots=True)
class Row:
    """`inbox` empty: Shuffle. `settings`: CampaignSettings as JSON. `started_at` empty: never."""

    id: str
    organization: str
    identity: str
    state: str
    pause_reason: str
    inbox: str
    pace: str
    settings: str
    started_at: str
    created: str
    revision: int


@campaigns.on(CampaignCreated)
def created(db: Connection, event: CampaignCreated, fact: Fact) -> None:
    db.execute(
        "INSERT OR REPLACE INTO campaign"
        " (id, organization, identity, state, inbox, pace, settings, created, revision)"
        " VALUES (?, ?, ?, 'draft', ?, ?, ?, ?, ?)",
        (
            str(event.campaign),
            str(event.organization),
            str(event.identity),
            *_of(event.settings),
            event.at.isoformat(),
            fact.revision,
        ),
    )


@campaigns.on(CampaignChanged)
def changed(db: Connection, event: CampaignChanged, fact: Fact) -> None:
    db.execute(
        "UPDATE campaign SET inbox = ?, pace = ?, settings = ?, revision = ?, identity = ?,"
        " pause_reason = CASE WHEN identity <> ? AND pause_reason <> '' THEN 'by hand' ELSE pause_reason END"
        " WHERE id = ?",
        (*_of(event.settings), fact.revision, *(2 * (str(event.identity),)), str(event.campaign)),
    )


@campaigns.on(CampaignStarted)
def started(db: Connection, event: CampaignStarted, fact: Fact) -> None:
    db.execute(
        "UPDATE campaign SET state = 'active', started_at = ?, revision = ? WHERE id = ?",
        (event.at.isoformat(), fact.revision, str(event.campaign)),
    )


@campaigns.on(CampaignPaused)
def paused(db: Connection, event: CampaignPaused, fact: Fact) -> None:
    _set(db, "paused", event.reason, str(event.campaign), fact)


@campaigns.on(CampaignResumed)
def resumed(db: Connection, event: CampaignResumed, fact: Fact) -> None:
    _set(db, "active", "", str(event.campaign), fact)


@campaigns.on(CampaignFinished)
def finished(db: Connection, event: CampaignFinished, fact: Fact) -> None:
    _set(db, "finished", "", str(event.campaign), fact)


def one(db: Connection, campaign: str) -> Row | None:
    row = cast(
        "tuple[object, ...] | None",
        db.execute(f"SELECT {COLUMNS} FROM campaign WHERE id = ?", (campaign,)).fetchone(),
    )
    return None if row is None else _row(row)


def of_organization(db: Connection, organization: str, identity: str = "") -> tuple[Row, ...]:
    """Newest first; `identity` empty: of all identities."""
    found = db.execute(
        f"SELECT {COLUMNS} FROM campaign WHERE organization = ? AND (? = '' OR identity = ?)"
        " ORDER BY created DESC, id",
        (organization, identity, identity),
    )
    return tuple(_row(row) for row in cast("list[tuple[object, ...]]", found.fetchall()))


def of_identity(db: Connection, identity: str, *states: str) -> tuple[Row, ...]:
    """The campaigns of an identity that are in one of these states, oldest first."""
    marks = ", ".join("?" * len(states))
    found = db.execute(
        f"SELECT {COLUMNS} FROM campaign WHERE identity = ? AND state IN ({marks}) ORDER BY created, id",
        (identity, *states),
    )
    return tuple(_row(row) for row in cast("list[tuple[object, ...]]", found.fetchall()))


def _row(row: tuple[object, ...]) -> Row:
    return Row(*row)  # pyright: ignore[reportArgumentType]  as the table's STRICT columns are


def _of(settings: CampaignSettings) -> tuple[str, str, str]:
    inbox = "" if settings.inbox is None else str(settings.inbox)
    return inbox, settings.pace, settings.model_dump_json()


def _set(db: Connection, state: str, reason: str, campaign: str, fact: Fact) -> None:
    db.execute(
        "UPDATE campaign SET state = ?, pause_reason = ?, revision = ? WHERE id = ?",
        (state, reason, fact.revision, campaign),
    )
