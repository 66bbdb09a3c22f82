"""What became of each invitation of a wish to withdraw them (R-WD-5)."""

from __future__ import annotations

from collections.abc import Sequence
from sqlite3 import Connection
from typing import cast
from uuid import UUID

from heraldry.chassis.projection import Fact, Projection
from heraldry.contracts.scheduler import WithdrawalResult
from heraldry.scheduler.domain.invitation import WithdrawalTried
from heraldry.scheduler.domain.withdrawal import WithdrawalRequested, WithdrawalsAnswered, attempt_of

withdrawals = Projection(
    name="withdrawals",
    version=1,
    tables=("withdrawal",),
    schema="""CREATE TABLE withdrawal (
  attempt TEXT PRIMARY KEY, request TEXT NOT NULL, ordinal INTEGER NOT NULL, organization TEXT NOT NULL,
  invitation TEXT NOT NULL, outcome TEXT NOT NULL DEFAULT 'waiting', detail TEXT NOT NULL DEFAULT '')
  STRICT, WITHOUT ROWID;
CREATE INDEX withdrawal_of ON withdrawal (request, ordinal)""",
)


@withdrawals.on(WithdrawalRequested)
def requested(db: Connection, event: WithdrawalRequested, fact: Fact) -> None:
    del fact
    for ordinal, invitation in enumerate(event.invitations):
        db.execute(
            "INSERT OR REPLACE INTO withdrawal (attempt, request, ordinal, organization, invitation)"
            " VALUES (?, ?, ?, ?, ?)",
            (
                str(attempt_of(event.request, invitation)),
                str(event.request),
                ordinal,
                str(event.organization),
                str(invitation),
            ),
        )


@withdrawals.on(WithdrawalsAnswered)
def answered(db: Connection, event: WithdrawalsAnswered, fact: Fact) -> None:
    del fact
    for one in event.answers:
        attempt = attempt_of(event.request, one.invitation)
        _say(db, attempt, one.outcome, one.detail)


@withdrawals.on(WithdrawalTried)
def tried(db: Connection, event: WithdrawalTried, fact: Fact) -> None:
    del fact
    _say(db, event.attempt, event.outcome, event.detail)


def _say(db: Connection, attempt: UUID, outcome: str, detail: str) -> None:
    db.execute(
        "UPDATE withdrawal SET outcome = ?, detail = ? WHERE attempt = ?", (outcome, detail, str(attempt))
    )


def of_request(db: Connection, organization: str, request: str) -> Sequence[WithdrawalResult]:
    found = db.execute(
        "SELECT invitation, outcome, detail FROM withdrawal WHERE request = ? AND organization = ?"
        " ORDER BY ordinal",
        (request, organization),
    )
    return [
        WithdrawalResult.model_validate({"invitation": invitation, "outcome": outcome, "detail": detail})
        for invitation, outcome, detail in cast("list[tuple[str, str, str]]", found.fetchall())
    ]
