"""Through which accounts a campaign ever sent, so that a pause finds every permit of it."""

from __future__ import annotations

from sqlite3 import Connection
from typing import cast

from heraldry.chassis.projection import Fact, Projection
from heraldry.scheduler.domain.sender_events import SenderCampaignOpened

campaign_senders = Projection(
    name="campaign-senders",
    version=1,
    tables=("campaign_sender",),
    schema="""CREATE TABLE campaign_sender (
  campaign TEXT NOT NULL, sender TEXT NOT NULL, PRIMARY KEY (campaign, sender)) STRICT, WITHOUT ROWID""",
)


@campaign_senders.on(SenderCampaignOpened)
def opened(db: Connection, event: SenderCampaignOpened, fact: Fact) -> None:
    del fact
    db.execute("INSERT OR IGNORE INTO campaign_sender VALUES (?, ?)", (str(event.campaign), event.sender))


def of_campaign(db: Connection, campaign: str) -> tuple[str, ...]:
    found = db.execute("SELECT sender FROM campaign_sender WHERE campaign = ? ORDER BY sender", (campaign,))
    return tuple(row[0] for row in cast("list[tuple[str]]", found.fetchall()))
