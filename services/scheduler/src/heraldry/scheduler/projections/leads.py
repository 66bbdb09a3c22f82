"""The leads of the campaigns: how far each has come, and what may be sent next. Decisions rest on streams.

A step that leaves is in the sender's stream, its outcome in the enrollment's: the log's order makes them one row.
"""

from __future__ import annotations

import json
from datetime import datetime
from sqlite3 import Connection
from typing import Final, cast
from uuid import UUID

from heraldry.chassis.projection import Fact, Holds, Projection
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
    StepSkipped,
)
from heraldry.contracts.linkedin_steps import LinkedInStepDispatched
from heraldry.contracts.scheduler import StepDispatched
from heraldry.scheduler.domain.enrollment import (
    InboxAssigned,
    LeadDropped,
    LeadEnrolled,
    LeadProfileRead,
    LinkedInAssigned,
    NextKind,
    StepFailed,
    StepPutOff,
    StepSent,
    StepUndecided,
    StepUnknown,
    with_profile,
)
from heraldry.scheduler.domain.people import profile_of
from pydantic import TypeAdapter

leads = Projection(
    name="leads",
    version=4,
    tables=("lead",),
    # via: the sender its next step goes through; offer: 'first' has not begun, 'next' goes on through its sender,
    # 'join' has none of its next step's channel yet, '' is leaving or has ended; held: why its next step is put off
    schema="""CREATE TABLE lead (
  enrollment TEXT PRIMARY KEY, campaign TEXT NOT NULL, organization TEXT NOT NULL, identity TEXT NOT NULL,
  person TEXT NOT NULL, import_id TEXT NOT NULL, ordinal INTEGER NOT NULL, ready INTEGER NOT NULL DEFAULT 0,
  state TEXT NOT NULL DEFAULT 'waiting', step INTEGER NOT NULL DEFAULT 0, tries INTEGER NOT NULL DEFAULT 0,
  sender TEXT NOT NULL DEFAULT '', inbox TEXT NOT NULL DEFAULT '', linkedin TEXT NOT NULL DEFAULT '',
  next_kind TEXT NOT NULL DEFAULT 'email', due_at TEXT NOT NULL DEFAULT '', held TEXT NOT NULL DEFAULT '',
  attempt TEXT NOT NULL DEFAULT '', valid_until TEXT NOT NULL DEFAULT '', unknown TEXT NOT NULL DEFAULT '',
  attempts TEXT NOT NULL DEFAULT '[]', skipped TEXT NOT NULL DEFAULT '[]', read TEXT NOT NULL DEFAULT '', subject TEXT NOT NULL DEFAULT '',
  code TEXT NOT NULL DEFAULT '', reason TEXT NOT NULL DEFAULT '', resolution TEXT NOT NULL DEFAULT '',
  name TEXT NOT NULL, email TEXT NOT NULL, profile TEXT NOT NULL, since TEXT NOT NULL, data TEXT NOT NULL,
  via TEXT GENERATED ALWAYS AS (CASE next_kind WHEN 'email' THEN sender ELSE linkedin END) VIRTUAL,
  offer TEXT GENERATED ALWAYS AS (CASE
    WHEN state NOT IN ('waiting', 'in progress') OR attempt <> '' THEN ''
    WHEN via <> '' THEN 'next' WHEN due_at = '' THEN 'first' ELSE 'join' END) VIRTUAL) STRICT;
CREATE INDEX lead_next ON lead (via, next_kind, campaign, due_at) WHERE offer = 'next' AND ready = 1;
CREATE INDEX lead_due ON lead (via, next_kind, due_at) WHERE offer = 'next' AND ready = 1;
CREATE INDEX lead_joining ON lead (campaign, next_kind, due_at) WHERE offer = 'join' AND ready = 1;
CREATE INDEX lead_first ON lead (campaign, ordinal) WHERE offer = 'first' AND ready = 1;
CREATE INDEX lead_listed ON lead (campaign, ready, ordinal, enrollment);
CREATE INDEX lead_in_state ON lead (campaign, ready, state, ordinal, enrollment);
CREATE INDEX lead_person ON lead (person);
CREATE INDEX lead_profile ON lead (organization, profile) WHERE profile <> '';
CREATE INDEX lead_importing ON lead (import_id) WHERE ready = 0;
CREATE INDEX lead_of_sender ON lead (sender, state, enrollment) WHERE sender <> '';
CREATE INDEX lead_of_identity ON lead (identity, state);
CREATE INDEX lead_leaving ON lead (valid_until) WHERE attempt <> '';
CREATE INDEX lead_undecided ON lead (since) WHERE state = 'outcome unknown'""",
    holds=(
        Holds(
            "lead",
            "person = ?1",
            f"name = '', email = '', profile = '', read = '', subject = '', data = '{Erased().model_dump_json()}'",
        ),
    ),
)
_DATA: Final[TypeAdapter[LeadData | Erased]] = TypeAdapter(LeadData | Erased)
UNENDED: Final = "('waiting', 'in progress', 'outcome unknown')"


@leads.on(LeadEnrolled)
def enrolled(db: Connection, event: LeadEnrolled, fact: Fact) -> None:
    del fact
    data = LeadData() if isinstance(event.data, Erased) else event.data
    db.execute(
        "INSERT OR REPLACE INTO lead"
        " (enrollment, campaign, organization, identity, person, import_id, ordinal, name, email, profile, since,"
        " data) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            str(event.enrollment),
            str(event.campaign),
            str(event.organization),
            str(event.identity),
            str(event.person),
            str(event.import_id),
            event.ordinal,
            _name(data),
            data.email,
            profile_of(data.linkedin_url) if data.linkedin_url else "",
            event.at.isoformat(),
            event.data.model_dump_json(),
        ),
    )


@leads.on(LeadProfileRead)
def profile_read(db: Connection, event: LeadProfileRead, fact: Fact) -> None:
    del fact
    row = cast(
        "tuple[str] | None",
        db.execute("SELECT data FROM lead WHERE enrollment = ?", (str(event.enrollment),)).fetchone(),
    )
    data = _DATA.validate_json(row[0]) if row else Erased()
    if isinstance(data, Erased) or isinstance(event.read, Erased):
        return
    data = with_profile(data, event.read)
    db.execute(
        "UPDATE lead SET read = ?, data = ?, name = ? WHERE enrollment = ?",
        (event.read.model_dump_json(), data.model_dump_json(), _name(data), str(event.enrollment)),
    )


def _name(data: LeadData) -> str:
    return data.name or f"{data.first_name} {data.last_name}".strip()


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
        "UPDATE lead SET identity = ? WHERE campaign = ? AND sender = '' AND linkedin = '' AND identity <> ?",
        (identity, str(event.campaign), identity),
    )


@leads.on(InboxAssigned)
def assigned(db: Connection, event: InboxAssigned, fact: Fact) -> None:
    del fact
    db.execute(
        "UPDATE lead SET sender = ?, inbox = ?, identity = ?, due_at = ?, next_kind = 'email' WHERE enrollment = ?",
        (
            event.sender,
            str(event.inbox),
            str(event.identity),
            event.at.isoformat(),
            str(event.enrollment),
        ),
    )


@leads.on(LinkedInAssigned)
def linkedin_assigned(db: Connection, event: LinkedInAssigned, fact: Fact) -> None:
    del fact
    db.execute(
        "UPDATE lead SET linkedin = ?, identity = ?, due_at = ?, next_kind = ? WHERE enrollment = ?",
        (event.sender, str(event.identity), event.at.isoformat(), event.kind, str(event.enrollment)),
    )


@leads.on(StepDispatched)
def dispatched(db: Connection, event: StepDispatched, fact: Fact) -> None:
    del fact
    if event.enrollment is not None:
        subject = "" if isinstance(event.subject, Erased) else event.subject
        _leaves(db, event.enrollment, event.attempt, event.valid_until, subject)


@leads.on(LinkedInStepDispatched)
def linkedin_dispatched(db: Connection, event: LinkedInStepDispatched, fact: Fact) -> None:
    del fact
    if event.enrollment is not None:
        _leaves(db, event.enrollment, event.attempt, event.valid_until, "")


def _leaves(db: Connection, enrollment: UUID, attempt: UUID, valid_until: datetime, subject: str) -> None:
    attempts = json.dumps([*_attempts(db, enrollment, but=attempt), str(attempt)])
    db.execute(
        "UPDATE lead SET attempt = ?, valid_until = ?, subject = ?, attempts = ?, held = '' WHERE enrollment = ?",
        (str(attempt), valid_until.isoformat(), subject, attempts, str(enrollment)),
    )


@leads.on(StepSent)
def sent(db: Connection, event: StepSent, fact: Fact) -> None:
    del fact
    _went_on(db, event, event.next_kind)


@leads.on(StepUndecided)
def undecided(db: Connection, event: StepUndecided, fact: Fact) -> None:
    del fact
    _went_on(db, event, event.next_kind)


@leads.on(StepSkipped)
def skipped(db: Connection, event: StepSkipped, fact: Fact) -> None:
    del fact
    _went_on(db, event, event.next_kind)
    db.execute(
        "UPDATE lead SET skipped = json_insert(skipped, '$[#]', ?) WHERE enrollment = ?",
        (event.step, str(event.enrollment)),
    )


@leads.on(StepPutOff)
def put_off(db: Connection, event: StepPutOff, fact: Fact) -> None:
    del fact
    db.execute(
        "UPDATE lead SET due_at = ?, held = ? WHERE enrollment = ? AND step = ?",
        (event.until.isoformat(), event.code, str(event.enrollment), event.step),
    )


def _went_on(db: Connection, event: StepSent | StepUndecided | StepSkipped, kind: NextKind) -> None:
    """A late proof of a step before changes nothing: the sequence is beyond it."""
    due = "" if event.next_due is None else event.next_due.isoformat()
    db.execute(
        f"UPDATE lead SET step = ?, tries = 0, due_at = ?, next_kind = ?, held = '', attempt = '', unknown = '',"
        f" since = CASE WHEN state IN ('waiting', 'outcome unknown') THEN ? ELSE since END,"
        f" state = CASE WHEN state IN {UNENDED} THEN 'in progress' ELSE state END"
        f" WHERE enrollment = ? AND step <= ?",
        (event.step + 1, due, kind or "email", event.at.isoformat(), str(event.enrollment), event.step),
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
