"""Leads by what they have in common. Only where to look: every decision is taken on the lead's own stream."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from sqlite3 import Connection
from typing import Final, cast

AT_ONCE: Final = 200  # of many
_COLUMNS: Final = "enrollment, campaign, organization, identity, person, sender, attempt, subject, linkedin, next_kind, valid_until"
_UNENDED: Final = "('waiting', 'in progress', 'outcome unknown')"
# whose sequence may go on: by itself, or when what failed is resolved
GOING_ON: Final = f"(state IN {_UNENDED} OR (state = 'failed' AND code <> 'identity.deleted'))"


@dataclass(frozen=True, slots=True)
class Row:
    """`attempt`: the one that is leaving, else empty. `subject`: of the last one dispatched. `linkedin`: the sender
    of its LinkedIn steps; `next_kind`: of the step that is next, or leaving.
    """

    enrollment: str
    campaign: str
    organization: str
    identity: str
    person: str
    sender: str
    attempt: str
    subject: str
    linkedin: str
    next_kind: str
    valid_until: str


def one(db: Connection, enrollment: str) -> Row | None:
    return next(iter(_rows(db, "enrollment = ?", (enrollment,))), None)


def of_person(db: Connection, organization: str, person: str) -> Sequence[Row]:
    """In every campaign of the organization."""
    return _rows(db, "person = ? AND organization = ?", (person, organization))


def some(db: Connection, enrollments: Sequence[str]) -> Sequence[Row]:
    marks = ", ".join("?" * len(enrollments))
    return _rows(db, f"enrollment IN ({marks})", enrollments)


def streams_of(db: Connection, campaign: str) -> tuple[Sequence[str], Sequence[str]]:
    """The enrollments of a campaign, and the imports that brought them."""
    found = db.execute("SELECT DISTINCT import_id FROM lead WHERE campaign = ?", (campaign,)).fetchall()
    imports = [row[0] for row in cast("list[tuple[str]]", found)]
    return _ids(db, "campaign = ?", campaign), imports


def begun_through(db: Connection, sender: str) -> Sequence[str]:
    """Leads in mid-sequence of an account."""
    return _ids(db, f"sender = ? AND state IN {_UNENDED}", sender)


def lost_with(db: Connection, sender: str) -> Sequence[str]:
    """Leads that failed because the inbox of this account was disconnected."""
    return _ids(db, "sender = ? AND state = 'failed' AND code = 'inbox.disconnected'", sender)


def begun_by(db: Connection, identity: str) -> Sequence[str]:
    """Leads in mid-sequence of an identity, those that lost its inbox included."""
    where = (
        f"identity = ? AND (sender <> '' OR linkedin <> '') AND (state IN {_UNENDED}"
        " OR (state = 'failed' AND code = 'inbox.disconnected'))"
    )
    return _ids(db, where, identity)


def going_on_in(db: Connection, campaign: str) -> Sequence[str]:
    """Leads of a campaign whose sequence has not ended."""
    return _ids(db, f"campaign = ? AND state IN {_UNENDED}", campaign)


def lost_on_their_way(db: Connection, before: datetime) -> Sequence[Row]:
    """Leads whose step ought to have had an outcome long ago: it could leave no more after `before`."""
    return _rows(db, "attempt <> '' AND valid_until < ? ORDER BY valid_until", (before.isoformat(),))


def undecided(db: Connection, before: datetime) -> Sequence[Row]:
    """Leads with an unknown outcome since before `before`."""
    where = "state = 'outcome unknown' AND since <= ? ORDER BY since LIMIT ?"
    return _rows(db, where, (before.isoformat(), AT_ONCE))


def due_without_inbox(db: Connection, now: datetime) -> Sequence[Row]:
    """Leads whose next step is an email that is due, whose inbox was disconnected before they came to it or
    belongs to another identity by now.
    """
    where = (
        "rowid IN (SELECT lead.rowid FROM account CROSS JOIN lead INDEXED BY lead_due"
        " ON via = account.sender AND next_kind = 'email' AND due_at > '' AND due_at <= ? AND offer = 'next' AND ready = 1"
        " WHERE account.closed = 'disconnected' OR account.identity <> lead.identity LIMIT ?)"
    )
    return _rows(db, where, (now.isoformat(), AT_ONCE))


def _ids(db: Connection, where: str, value: str) -> Sequence[str]:
    found = db.execute(f"SELECT enrollment FROM lead WHERE {where}", (value,)).fetchall()
    return [row[0] for row in cast("list[tuple[str]]", found)]


def _rows(db: Connection, where: str, values: Sequence[str | int]) -> Sequence[Row]:
    found = db.execute(f"SELECT {_COLUMNS} FROM lead WHERE {where}", values).fetchall()
    return [Row(*row) for row in cast("list[tuple[str, ...]]", found)]
