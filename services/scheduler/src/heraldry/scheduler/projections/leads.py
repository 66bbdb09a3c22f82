"""The leads of the campaigns: how far each has come, and what may be sent next. Decisions rest on streams.

A step that leaves is in the sender's stream, its outcome in the enrollment's: the log's order makes them one row.
"""

from __future__ import annotations

import json
from datetime import datetime
from sqlite3 import Connection
from typing import Final, cast
from uuid import UUID

from heraldry.chassis.projection import Fact, Projection
from heraldry.contracts.base import Erased
from heraldry.contracts.campaigns import (
    CampaignChanged,
    LeadBounced,
    LeadData,
    LeadFailed,
    LeadFinished,
    LeadRecovered,
    LeadReplied,
    LeadsImported,
    LeadUnsubscribed,
)
from heraldry.contracts.scheduler import StepDispatched
from heraldry.scheduler.domain.enrollment import (
    InboxAssigned,
    LeadDropped,
    LeadEnrolled,
    StepFailed,
    StepSent,
    StepUndecided,
    StepUnknown,
)

leads = Projection(
    name="leads",
    version=2,
    tables=("lead",),
    # offer: 'first' has not begun, 'next' goes on through its inbox, '' is leaving or has ended
    schema="""CREATE TABLE lead (
  enrollment TEXT PRIMARY KEY, campaign TEXT NOT NULL, organization TEXT NOT NULL, identity TEXT NOT NULL,
  person TEXT NOT NULL, import_id TEXT NOT NULL, ordinal INTEGER NOT NULL, ready INTEGER NOT NULL DEFAULT 0,
  state TEXT NOT NULL DEFAULT 'waiting', step INTEGER NOT NULL DEFAULT 0, tries INTEGER NOT NULL DEFAULT 0,
  sender TEXT NOT NULL DEFAULT '', inbox TEXT NOT NULL DEFAULT '', due_at TEXT NOT NULL DEFAULT '',
  attempt TEXT NOT NULL DEFAULT '', valid_until TEXT NOT NULL DEFAULT '', unknown TEXT NOT NULL DEFAULT '',
  attempts TEXT NOT NULL DEFAULT '[]', subject TEXT NOT NULL DEFAULT '',
  code TEXT NOT NULL DEFAULT '', reason TEXT NOT NULL DEFAULT '', resolution TEXT NOT NULL DEFAULT '',
  name TEXT NOT NULL, email TEXT NOT NULL, since TEXT NOT NULL, data TEXT NOT NULL,
  offer TEXT GENERATED ALWAYS AS (CASE
    WHEN state NOT IN ('waiting', 'in progress') OR attempt <> '' THEN ''
    WHEN sender = '' THEN 'first' ELSE 'next' END) VIRTUAL) STRICT;
CREATE INDEX lead_next ON lead (sender, campaign, due_at) WHERE offer = 'next' AND ready = 1;
CREATE INDEX lead_due ON lead (sender, due_at) WHERE offer = 'next' AND ready = 1;
CREATE INDEX lead_first ON lead (campaign, ordinal) WHERE offer = 'first' AND ready = 1;
CREATE INDEX lead_listed ON lead (campaign, ready, ordinal, enrollment);
CREATE INDEX lead_in_state ON lead (campaign, ready, state, ordinal, enrollment);
CREATE INDEX lead_person ON lead (person);
CREATE INDEX lead_importing ON lead (import_id) WHERE ready = 0;
CREATE INDEX lead_of_sender ON lead (sender, state, enrollment) WHERE sender <> '';
CREATE INDEX lead_of_identity ON lead (identity, state);
CREATE INDEX lead_leaving ON lead (valid_until) WHERE attempt <> '';
CREATE INDEX lead_undecided ON lead (since) WHERE state = 'outcome unknown'""",
)
UNENDED: Final = "('waiting', 'in progress', 'outcome unknown')"


@leads.on(LeadEnrolled)
def enrolled(db: Connection, event: LeadEnrolled, fact: Fact) -> None:
    del fact
    data = LeadData() if isinstance(event.data, Erased) else event.data
    db.execute(
        "INSERT OR REPLACE INTO lead"
        " (enrollment, campaign, organization, identity, person, import_id, ordinal, name, email, since, data)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            str(event.enrollment),
            str(event.campaign),
            str(event.organization),
            str(event.identity),
            str(event.person),
            str(event.import_id),
            event.ordinal,
            data.name or f"{data.first_name} {data.last_name}".strip(),
            data.email,
            event.at.isoformat(),
            event.data.model_dump_json(),
        ),
    )


@leads.on(LeadDropped)
def dropped(db: Connection, event: LeadDropped, fact: Fact) -> None:
    del fact
    db.execute("DELETE FROM lead WHERE enrollment = ?", (str(event.enrollment),))


@leads.on(LeadsImported)
def imported(db: Connection, event: LeadsImported, fact: Fact) -> None:
    del fact
    db.execute("UPDATE lead SET ready = 1 WHERE import_id = ? AND ready = 0", (str(event.import_id),))


@leads.on(CampaignChanged)
def given_another_identity(db: Connection, event: CampaignChanged, fact: Fact) -> None:
    """Only those that have not begun (R-ID-4)."""
    del fact
    identity = str(event.identity)
    db.execute(
        "UPDATE lead SET identity = ? WHERE campaign = ? AND sender = '' AND identity <> ?",
        (identity, str(event.campaign), identity),
    )


@leads.on(InboxAssigned)
def assigned(db: Connection, event: InboxAssigned, fact: Fact) -> None:
    del fact
    db.execute(
        "UPDATE lead SET sender = ?, inbox = ?, identity = ?, due_at = ? WHERE enrollment = ?",
        (
            event.sender,
            str(event.inbox),
            str(event.identity),
            event.at.isoformat(),
            str(event.enrollment),
        ),
    )


@leads.on(StepDispatched)
def dispatched(db: Connection, event: StepDispatched, fact: Fact) -> None:
    del fact
    if event.enrollment is None:
        return
    subject = "" if isinstance(event.subject, Erased) else event.subject
    db.execute(
        "UPDATE lead SET attempt = ?, valid_until = ?, subject = ?, attempts = ? WHERE enrollment = ?",
        (
            str(event.attempt),
            event.valid_until.isoformat(),
            subject,
            json.dumps([*_attempts(db, event.enrollment, but=event.attempt), str(event.attempt)]),
            str(event.enrollment),
        ),
    )


@leads.on(StepSent)
def sent(db: Connection, event: StepSent, fact: Fact) -> None:
    del fact
    _went_on(db, event.enrollment, event.step, event.next_due, event.at)


@leads.on(StepUndecided)
def undecided(db: Connection, event: StepUndecided, fact: Fact) -> None:
    del fact
    _went_on(db, event.enrollment, event.step, event.next_due, event.at)


def _went_on(db: Connection, enrollment: UUID, step: int, due: datetime | None, at: datetime) -> None:
    """A late proof of a step before changes nothing: the sequence is beyond it."""
    db.execute(
        f"UPDATE lead SET step = ?, tries = 0, due_at = ?, attempt = '', unknown = '',"
        f" since = CASE WHEN state IN ('waiting', 'outcome unknown') THEN ? ELSE since END,"
        f" state = CASE WHEN state IN {UNENDED} THEN 'in progress' ELSE state END"
        f" WHERE enrollment = ? AND step <= ?",
        (step + 1, "" if due is None else due.isoformat(), at.isoformat(), str(enrollment), step),
    )


@leads.on(StepFailed)
def failed_once(db: Connection, event: StepFailed, fact: Fact) -> None:
    del fact
    attempt = str(event.attempt)
    db.execute(
        f"UPDATE lead SET tries = ?, due_at = ?, attempts = ?, unknown = '',"
        f" attempt = CASE WHEN attempt = ? THEN '' ELSE attempt END,"
        f" since = CASE WHEN state = 'outcome unknown' THEN ? ELSE since END,"
        f" state = CASE WHEN state IN {UNENDED} THEN {_OPEN} ELSE state END WHERE enrollment = ?",
        (
            event.tries,
            event.next_due.isoformat(),
            json.dumps(_attempts(db, event.enrollment, but=event.attempt)),
            attempt,
            event.at.isoformat(),
            str(event.enrollment),
        ),
    )


@leads.on(StepUnknown)
def unknown(db: Connection, event: StepUnknown, fact: Fact) -> None:
    del fact
    attempt = str(event.attempt)
    db.execute(
        f"UPDATE lead SET unknown = ?, attempt = CASE WHEN attempt = ? THEN '' ELSE attempt END,"
        f" since = CASE WHEN state IN {UNENDED} THEN ? ELSE since END,"
        f" state = CASE WHEN state IN {UNENDED} THEN 'outcome unknown' ELSE state END WHERE enrollment = ?",
        (attempt, attempt, event.at.isoformat(), str(event.enrollment)),
    )


@leads.on(LeadReplied)
def replied(db: Connection, event: LeadReplied, fact: Fact) -> None:
    """Who wants no more mail is shown as that, whatever else they wrote."""
    del fact
    _ended(db, event, "replied", but="unsubscribed")


@leads.on(LeadBounced)
def bounced(db: Connection, event: LeadBounced, fact: Fact) -> None:
    del fact
    _ended(db, event, "bounced")


@leads.on(LeadUnsubscribed)
def unsubscribed(db: Connection, event: LeadUnsubscribed, fact: Fact) -> None:
    del fact
    _ended(db, event, "unsubscribed")


@leads.on(LeadFinished)
def finished(db: Connection, event: LeadFinished, fact: Fact) -> None:
    del fact
    _ended(db, event, "finished")


@leads.on(LeadFailed)
def failed(db: Connection, event: LeadFailed, fact: Fact) -> None:
    del fact
    db.execute(
        "UPDATE lead SET state = 'failed', code = ?, reason = ?, resolution = ?, since = ? WHERE enrollment = ?",
        (event.code, event.reason, event.resolution, event.at.isoformat(), str(event.enrollment)),
    )


@leads.on(LeadRecovered)
def recovered(db: Connection, event: LeadRecovered, fact: Fact) -> None:
    del fact
    db.execute(
        f"UPDATE lead SET state = CASE WHEN unknown <> '' THEN 'outcome unknown' ELSE {_OPEN} END,"
        f" code = '', reason = '', resolution = '', since = ? WHERE enrollment = ?",
        (event.at.isoformat(), str(event.enrollment)),
    )


_OPEN: Final = "CASE WHEN step > 0 THEN 'in progress' ELSE 'waiting' END"


def _ended(
    db: Connection,
    event: LeadReplied | LeadBounced | LeadUnsubscribed | LeadFinished,
    state: str,
    *,
    but: str = "",
) -> None:
    db.execute(
        "UPDATE lead SET state = ?, code = '', reason = '', resolution = '', since = ?"
        " WHERE enrollment = ? AND state <> ?",
        (state, event.at.isoformat(), str(event.enrollment), but),
    )


def _attempts(db: Connection, enrollment: UUID, *, but: UUID) -> list[str]:
    row = cast(
        "tuple[str] | None",
        db.execute("SELECT attempts FROM lead WHERE enrollment = ?", (str(enrollment),)).fetchone(),
    )
    return [] if row is None else [one for one in cast("list[str]", json.loads(row[0])) if one != str(but)]
