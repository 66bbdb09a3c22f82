"""What deleting an identity, disconnecting an inbox or unlinking LinkedIn would do to campaigns and leads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from sqlite3 import Connection
from typing import Final, cast

from heraldry.scheduler.projections.leads import UNENDED

_BEGUN: Final = f"state IN {UNENDED} AND (sender <> '' OR linkedin <> '') AND ready = 1"
# an email is among the steps it has not got yet
_TO_BE_MAILED: Final = (
    "EXISTS (SELECT 1 FROM campaign, json_each(campaign.settings, '$.steps') AS step WHERE campaign.id = lead.campaign"
    " AND step.key >= lead.step AND json_extract(step.value, '$.kind') = 'email')"
)
_RUNNING: Final = "campaign.state IN ('active', 'paused')"


@dataclass(frozen=True, slots=True)
class Found:
    """`campaigns`: id and settings. `begun`: leads that would fail. `waiting`: those that have not begun, or that
    would wait for a LinkedIn step.
    """

    campaigns: Sequence[tuple[str, str]]
    begun: int
    waiting: int


def of_deletion(db: Connection, organization: str, identity: str) -> Found:
    campaigns = _campaigns(db, f"organization = ? AND identity = ? AND {_RUNNING}", (organization, identity))
    begun = f"organization = ? AND identity = ? AND {_BEGUN}"
    return Found(campaigns, _count(db, begun, (organization, identity)), _waiting(db, campaigns))


def of_disconnection(db: Connection, organization: str, inbox: str) -> Found:
    """Shuffle goes on through the identity's other inboxes: only where there is none, its campaigns stop. A lead
    with steps on LinkedIn alone before it needs no inbox.
    """
    chosen = (
        f"organization = ? AND {_RUNNING} AND (inbox = ? OR (inbox = '' AND identity IN"
        " (SELECT identity FROM account WHERE inbox = ? AND closed NOT IN ('disconnected', 'identity-deleted'))"
        " AND NOT EXISTS (SELECT 1 FROM account WHERE account.identity = campaign.identity"
        " AND account.inbox <> ? AND closed NOT IN ('disconnected', 'identity-deleted'))))"
    )
    stopped = _campaigns(db, chosen, (organization, inbox, inbox, inbox))
    begun = f"organization = ? AND sender IN (SELECT sender FROM account WHERE inbox = ?) AND {_BEGUN} AND {_TO_BE_MAILED}"
    count = _count(db, begun, (organization, inbox))
    using = _campaigns(
        db,
        f"organization = ? AND {_RUNNING} AND id IN (SELECT campaign FROM lead WHERE {begun})",
        (organization, organization, inbox),
    )
    return Found(sorted({*stopped, *using}, key=lambda one: one[0]), count, _waiting(db, stopped))


def of_unlinking(db: Connection, organization: str, identity: str) -> Found:
    """Nothing fails: whoever has a LinkedIn step before them waits there."""
    steps = (
        "EXISTS (SELECT 1 FROM json_each(campaign.settings, '$.steps') AS step"
        " WHERE json_extract(step.value, '$.kind') <> 'email'"
    )
    using = f"organization = ? AND identity = ? AND {_RUNNING} AND {steps})"
    ahead = (
        f"state IN {UNENDED} AND ready = 1 AND EXISTS (SELECT 1 FROM campaign WHERE campaign.id = lead.campaign"
        f" AND {_RUNNING} AND {steps} AND step.key >= lead.step))"
    )
    values = (organization, identity)
    waiting = _count(db, f"organization = ? AND identity = ? AND {ahead}", values)
    return Found(_campaigns(db, using, values), 0, waiting)


def _campaigns(db: Connection, where: str, values: Sequence[str]) -> Sequence[tuple[str, str]]:
    found = db.execute(f"SELECT id, settings FROM campaign WHERE {where} ORDER BY created, id", values)
    return cast("list[tuple[str, str]]", found.fetchall())


def _waiting(db: Connection, campaigns: Sequence[tuple[str, str]]) -> int:
    return sum(
        _count(
            db,
            "campaign = ? AND state = 'waiting' AND sender = '' AND linkedin = '' AND ready = 1",
            (campaign,),
        )
        for campaign, _ in campaigns
    )


def _count(db: Connection, where: str, values: Sequence[str]) -> int:
    return cast("tuple[int]", db.execute(f"SELECT count(*) FROM lead WHERE {where}", values).fetchone())[0]
