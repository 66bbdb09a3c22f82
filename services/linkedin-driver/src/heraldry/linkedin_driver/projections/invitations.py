"""Whose answers are awaited, and what was withdrawn."""

from __future__ import annotations

from dataclasses import dataclass
from sqlite3 import Connection
from typing import cast
from uuid import UUID

from heraldry.chassis.projection import Fact, Holds, Projection
from heraldry.contracts.linkedin import (
    InvitationAccepted,
    InvitationSent,
    InvitationWithdrawn,
    LinkedInActionFailed,
    LinkedInActionOutcomeUnknown,
    LinkedInActionQueued,
    PendingInvitation,
    PendingPage,
    Withdrawal,
    WithdrawalPage,
)
from heraldry.contracts.markers import Position
from heraldry.linkedin_driver.domain.pending import InvitationGone
from heraldry.linkedin_driver.projections.actions import rows_of, shown

invitations = Projection(
    name="invitations",
    version=1,
    tables=("invitations", "withdrawals"),
    schema="""CREATE TABLE invitations (
  invitation TEXT PRIMARY KEY, organization TEXT NOT NULL, account TEXT NOT NULL, identity TEXT NOT NULL,
  person TEXT NOT NULL, name TEXT NOT NULL, profile TEXT NOT NULL, standing TEXT NOT NULL, sent_at TEXT,
  position INTEGER) STRICT;
CREATE INDEX invitations_pending ON invitations (identity, position) WHERE standing = 'pending';
CREATE INDEX invitations_awaited ON invitations (account, position) WHERE standing = 'pending';
CREATE TABLE withdrawals (
  attempt TEXT PRIMARY KEY, position INTEGER, organization TEXT NOT NULL, identity TEXT NOT NULL,
  actor TEXT NOT NULL, invitation TEXT, person TEXT, name TEXT, sent_at TEXT, withdrawn_at TEXT,
  automatic INTEGER, blocked_until TEXT, open INTEGER NOT NULL) STRICT;
CREATE INDEX withdrawals_of ON withdrawals (identity, position) WHERE position IS NOT NULL;
CREATE INDEX withdrawals_open ON withdrawals (invitation) WHERE open = 1""",
    holds=(
        Holds("invitations", "person = ?1", "name = '', profile = ''"),
        Holds("withdrawals", "person = ?1", "name = ''"),
    ),
)


@invitations.on(LinkedInActionQueued)
def queued(db: Connection, event: LinkedInActionQueued, fact: Fact) -> None:
    match event.kind:
        case "invitation":
            db.execute(
                "INSERT OR REPLACE INTO invitations (invitation, organization, account, identity, person, name,"
                " profile, standing) VALUES (?, ?, ?, ?, ?, ?, ?, 'not sent')",
                (
                    str(event.attempt),
                    fact.organization,
                    str(event.account),
                    str(event.identity),
                    str(event.person),
                    shown(event.name),
                    shown(event.profile),
                ),
            )
        case "withdrawal":
            invitation = None if event.invitation is None else str(event.invitation)
            db.execute(
                "INSERT OR REPLACE INTO withdrawals (attempt, organization, identity, actor, invitation, open)"
                " VALUES (?, ?, ?, ?, ?, 1)",
                (str(event.attempt), fact.organization, str(event.identity), fact.actor, invitation),
            )
        case "message" | "scraping":
            return


@invitations.on(InvitationSent)
def sent(db: Connection, event: InvitationSent, fact: Fact) -> None:
    db.execute(
        "UPDATE invitations SET standing = 'pending', sent_at = ?, position = ? WHERE invitation = ?",
        (event.at.isoformat(), Position.parse(fact.position).number, str(event.attempt)),
    )


@invitations.on(InvitationAccepted)
def accepted(db: Connection, event: InvitationAccepted, _: Fact) -> None:
    _stands(db, event.attempt, "accepted")


@invitations.on(InvitationGone)
def gone(db: Connection, event: InvitationGone, _: Fact) -> None:
    _stands(db, event.invitation, "gone")


@invitations.on(InvitationWithdrawn)
def withdrawn(db: Connection, event: InvitationWithdrawn, fact: Fact) -> None:
    if event.invitation is not None:
        _stands(db, event.invitation, "withdrawn")
    db.execute(
        "UPDATE withdrawals SET position = ?, person = ?, name = ?, sent_at = ?, withdrawn_at = ?, automatic = ?,"
        " blocked_until = ?, open = 0 WHERE attempt = ?",
        (
            Position.parse(fact.position).number,
            str(event.person),
            shown(event.name),
            None if event.sent_at is None else event.sent_at.isoformat(),
            event.at.isoformat(),
            int(event.automatic),
            event.blocked_until.isoformat(),
            str(event.attempt),
        ),
    )


def ended(db: Connection, event: LinkedInActionFailed | LinkedInActionOutcomeUnknown, _: Fact) -> None:
    db.execute("UPDATE withdrawals SET open = 0 WHERE attempt = ?", (str(event.attempt),))


invitations.on(LinkedInActionFailed)(ended)
invitations.on(LinkedInActionOutcomeUnknown)(ended)


# --- what people ask


def pending_of(db: Connection, organization: str, identity: str, after: int, limit: int) -> PendingPage:
    """The identity's invitations nobody answered yet, oldest first."""
    where = "standing = 'pending' AND organization = ?1 AND identity = ?2"
    found = rows_of(
        db,
        "SELECT invitation, identity, person, name, profile, sent_at, position, EXISTS (SELECT 1 FROM withdrawals"
        " WHERE withdrawals.invitation = invitations.invitation AND open = 1) AS withdrawing FROM invitations"
        f" WHERE {where} AND position > ?3 ORDER BY position LIMIT ?4",
        (organization, identity, after, limit + 1),
    )
    page = found[:limit]
    return PendingPage(
        invitations=tuple(PendingInvitation.model_validate(row) for row in page),
        next=str(page[-1]["position"]) if len(found) > limit else "",
        total=_count(db, f"FROM invitations WHERE {where}", (organization, identity)),
    )


def withdrawals_of(
    db: Connection, organization: str, identity: str, before: int, limit: int
) -> WithdrawalPage:
    """What was withdrawn in the identity's name, newest first."""
    where = "position IS NOT NULL AND organization = ?1 AND identity = ?2"
    found = rows_of(
        db,
        "SELECT invitation, person, name, sent_at, withdrawn_at, automatic, actor, blocked_until, position"
        f" FROM withdrawals WHERE {where} AND position < ?3 ORDER BY position DESC LIMIT ?4",
        (organization, identity, before, limit + 1),
    )
    page = found[:limit]
    return WithdrawalPage(
        withdrawals=tuple(Withdrawal.model_validate(row) for row in page),
        next=str(page[-1]["position"]) if len(found) > limit else "",
        total=_count(db, f"FROM withdrawals WHERE {where}", (organization, identity)),
    )


# --- what workers look for


@dataclass(frozen=True, slots=True)
class Awaited:
    """An invitation that waits for an answer."""

    invitation: UUID
    organization: UUID
    identity: UUID
    profile: str


def awaiting(db: Connection) -> tuple[UUID, ...]:
    """Accounts that wait for answers."""
    rows = db.execute("SELECT DISTINCT account FROM invitations WHERE standing = 'pending'").fetchall()
    return tuple(UUID(account) for (account,) in cast("list[tuple[str]]", rows))


def awaited_by(db: Connection, account: str) -> tuple[Awaited, ...]:
    """Whose answers an account waits for, oldest first."""
    rows = cast(
        "list[tuple[str, str, str, str]]",
        db.execute(
            "SELECT invitation, organization, identity, profile FROM invitations"
            " WHERE standing = 'pending' AND account = ? ORDER BY position",
            (account,),
        ).fetchall(),
    )
    return tuple(
        Awaited(UUID(invitation), UUID(organization), UUID(identity), profile)
        for invitation, organization, identity, profile in rows
    )


def _stands(db: Connection, invitation: UUID, standing: str) -> None:
    db.execute("UPDATE invitations SET standing = ? WHERE invitation = ?", (standing, str(invitation)))


def _count(db: Connection, what: str, values: tuple[str, ...]) -> int:
    return cast("tuple[int]", db.execute(f"SELECT count(*) {what}", values).fetchone())[0]
