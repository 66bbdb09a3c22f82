"""How much of each kind of LinkedIn step a sender may do a day, and has done. Decisions rest on streams.

Of scrapings: what it has of its own, beside its organization's pool, and what it has done of both.
"""

from __future__ import annotations

from sqlite3 import Connection
from typing import Final

from heraldry.chassis.projection import Fact, Projection
from heraldry.contracts.linkedin import ActionKind
from heraldry.contracts.scheduler import (
    LinkedInLimits,
    LinkedInLimitsChanged,
    QuotaConsumed,
    QuotaReleased,
    allowed,
)
from heraldry.scheduler.domain.linkedin_sender_events import LinkedInSenderOpened

linkedin_lanes = Projection(
    name="linkedin-lanes",
    version=2,
    tables=("linkedin_lane",),
    schema="""CREATE TABLE linkedin_lane (
  sender TEXT NOT NULL, kind TEXT NOT NULL, most INTEGER NOT NULL, navigator INTEGER NOT NULL DEFAULT 0,
  per_day INTEGER GENERATED ALWAYS AS (CASE WHEN kind = 'scraping' AND navigator = 0 THEN 0 ELSE most END) VIRTUAL,
  used_today INTEGER NOT NULL DEFAULT 0, last_at TEXT NOT NULL DEFAULT '',
  PRIMARY KEY (sender, kind)) STRICT, WITHOUT ROWID""",
)
KINDS: Final[tuple[ActionKind, ...]] = ("invitation", "message", "scraping")


@linkedin_lanes.on(LinkedInSenderOpened)
def opened(db: Connection, event: LinkedInSenderOpened, fact: Fact) -> None:
    del fact
    _limited(db, event.sender, event.limits)
    db.execute(
        "UPDATE linkedin_lane SET navigator = ? WHERE sender = ?", (int(event.sales_navigator), event.sender)
    )


@linkedin_lanes.on(LinkedInLimitsChanged)
def limits_changed(db: Connection, event: LinkedInLimitsChanged, fact: Fact) -> None:
    del fact
    _limited(db, event.sender, event.limits)


@linkedin_lanes.on(QuotaConsumed)
def consumed(db: Connection, event: QuotaConsumed, fact: Fact) -> None:
    del fact
    db.execute(
        "UPDATE linkedin_lane SET used_today = ?, last_at = ? WHERE sender = ? AND kind = ?",
        (event.used_today, event.at.isoformat(), event.sender, event.kind),
    )


@linkedin_lanes.on(QuotaReleased)
def released(db: Connection, event: QuotaReleased, fact: Fact) -> None:
    del fact
    db.execute(
        "UPDATE linkedin_lane SET used_today = ? WHERE sender = ? AND kind = ?",
        (event.used_today, event.sender, event.kind),
    )


def _limited(db: Connection, sender: str, limits: LinkedInLimits) -> None:
    for kind in KINDS:
        db.execute(
            "INSERT INTO linkedin_lane (sender, kind, most) VALUES (?, ?, ?)"
            " ON CONFLICT (sender, kind) DO UPDATE SET most = excluded.most",
            (sender, kind, allowed(kind, limits)),
        )
