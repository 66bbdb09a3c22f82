"""Invitations nobody has answered yet, and the tries to withdraw them. Decisions rest on streams."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from sqlite3 import Connection
from typing import cast

from heraldry.chassis.projection import Fact, Projection
from heraldry.contracts.linkedin_steps import LinkedInStepDispatched
from heraldry.scheduler.domain.invitation import InvitationEnded, InvitationImported, WithdrawalTried

invitations = Projection(
    name="invitations",
    version=1,
    tables=("invitation", "withdrawing"),
    # not_before: it is not withdrawn by itself before; empty: never tried
    schema="""CREATE TABLE invitation (
  invitation TEXT PRIMARY KEY, sender TEXT NOT NULL, sent_at TEXT NOT NULL, not_before TEXT NOT NULL DEFAULT '',
  ended INTEGER NOT NULL DEFAULT 0) STRICT, WITHOUT ROWID;
CREATE INDEX invitation_pending ON invitation (sender, sent_at) WHERE ended = 0;
CREATE TABLE withdrawing (
  attempt TEXT PRIMARY KEY, invitation TEXT NOT NULL, sender TEXT NOT NULL, organization TEXT NOT NULL,
  valid_until TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE INDEX withdrawing_of ON withdrawing (invitation)""",
)


@dataclass(frozen=True, slots=True)
class Lost:
    """A withdrawal without news."""

    attempt: str
    sender: str
    organization: str


@invitations.on(InvitationImported)
def imported(db: Connection, event: InvitationImported, fact: Fact) -> None:
    del fact
    db.execute(
        "INSERT INTO invitation (invitation, sender, sent_at) VALUES (?, ?, ?)"
        " ON CONFLICT (invitation) DO UPDATE SET sender = excluded.sender, sent_at = excluded.sent_at",
        (str(event.invitation), event.sender, event.sent_at.isoformat()),
    )


@invitations.on(InvitationEnded)
def ended(db: Connection, event: InvitationEnded, fact: Fact) -> None:
    del fact
    db.execute(
        "INSERT INTO invitation VALUES (?, '', '', '', 1) ON CONFLICT (invitation) DO UPDATE SET ended = 1",
        (str(event.invitation),),
    )


@invitations.on(WithdrawalTried)
def tried(db: Connection, event: WithdrawalTried, fact: Fact) -> None:
    del fact
    db.execute("DELETE FROM withdrawing WHERE attempt = ?", (str(event.attempt),))
    again = "9999" if event.outcome == "outcome unknown" else event.not_before.isoformat()
    db.execute("UPDATE invitation SET not_before = ? WHERE invitation = ?", (again, str(event.invitation)))


@invitations.on(LinkedInStepDispatched)
def dispatched(db: Connection, event: LinkedInStepDispatched, fact: Fact) -> None:
    if event.kind == "withdrawal":
        db.execute(
            "INSERT OR REPLACE INTO withdrawing VALUES (?, ?, ?, ?, ?)",
            (
                str(event.attempt),
                str(event.invitation),
                event.sender,
                fact.organization,
                event.valid_until.isoformat(),
            ),
        )


def next_pending(db: Connection, sender: str, now: datetime) -> tuple[str, str] | None:
    """The oldest invitation of a member that may be withdrawn by itself, and since when it is pending."""
    found = db.execute(
        "SELECT invitation, sent_at FROM invitation INDEXED BY invitation_pending"
        " WHERE sender = ? AND ended = 0 AND not_before <= ?"
        " AND NOT EXISTS (SELECT 1 FROM withdrawing WHERE withdrawing.invitation = invitation.invitation)"
        " ORDER BY sent_at LIMIT 1",
        (sender, now.isoformat()),
    )
    return cast("tuple[str, str] | None", found.fetchone())


def lost_on_their_way(db: Connection, before: datetime) -> Sequence[Lost]:
    """Withdrawals that ought to have had an outcome long ago: they could begin no more after `before`."""
    found = db.execute(
        "SELECT attempt, sender, organization FROM withdrawing WHERE valid_until < ? ORDER BY attempt",
        (before.isoformat(),),
    )
    return [Lost(*row) for row in cast("list[tuple[str, str, str]]", found.fetchall())]
