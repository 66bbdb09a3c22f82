"""How many leads of a campaign are where, and one of them to show: from the table of leads."""

from __future__ import annotations

from collections.abc import Mapping
from sqlite3 import Connection
from typing import cast
from uuid import UUID

from heraldry.contracts.base import Erased
from heraldry.contracts.campaigns import CampaignCounts, LeadData
from heraldry.scheduler.projections import imports
from heraldry.scheduler.projections.lead_rows import GOING_ON
from pydantic import TypeAdapter

_DATA: TypeAdapter[LeadData | Erased] = TypeAdapter(LeadData | Erased)


def counts(db: Connection, campaign: str) -> CampaignCounts:
    """Of the leads that count: imported completely."""
    rows = cast(
        "list[tuple[str, int]]",
        db.execute(
            "SELECT state, count(*) FROM lead WHERE campaign = ? AND ready = 1 GROUP BY state", (campaign,)
        ).fetchall(),
    )
    by_state: Mapping[str, int] = {state.replace(" ", "_"): count for state, count in rows}
    return CampaignCounts.model_validate(by_state)


def ready(db: Connection, campaign: str) -> int:
    """How many leads count."""
    return _number(db, "SELECT count(*) FROM lead WHERE campaign = ? AND ready = 1", campaign)


def going_on(db: Connection, campaign: str) -> int:
    """How many may still get a step; an import that brings more counts as one."""
    more = int(imports.is_under_way(db, UUID(campaign)))
    return more + _number(
        db,
        f"SELECT count(*) FROM lead WHERE campaign = ? AND (ready = 0 OR {GOING_ON})",
        campaign,
    )


def begun(db: Connection, campaign: str) -> int:
    """To how many a step was sent, or may have been: some have ended without any."""
    return _number(
        db,
        "SELECT count(*) FROM lead WHERE campaign = ? AND ready = 1 AND state <> 'waiting'"
        " AND (step > 0 OR attempts <> '[]')",
        campaign,
    )


def leaving(db: Connection, campaign: str) -> int:
    """How many steps were dispatched and have no outcome here."""
    return _number(db, "SELECT count(*) FROM lead WHERE campaign = ? AND attempt <> ''", campaign)


def data_of(db: Connection, campaign: str, enrollment: str = "") -> LeadData | None:
    """What is known of a lead of this campaign; without `enrollment` of its first."""
    row = cast(
        "tuple[str] | None",
        db.execute(
            "SELECT data FROM lead WHERE campaign = ? AND (enrollment = ? OR (? = '' AND ready = 1))"
            " ORDER BY ordinal LIMIT 1",
            (campaign, enrollment, enrollment),
        ).fetchone(),
    )
    if row is None:
        return None
    data = _DATA.validate_json(row[0])
    return LeadData() if isinstance(data, Erased) else data


def _number(db: Connection, question: str, campaign: str) -> int:
    return cast("tuple[int]", db.execute(question, (campaign,)).fetchone())[0]
