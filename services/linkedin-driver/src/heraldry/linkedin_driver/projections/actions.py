"""What became of every action, and which are to be done and looked up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from sqlite3 import Connection
from typing import Literal, cast
from uuid import UUID

from heraldry.chassis.projection import Fact, Holds, Projection
from heraldry.contracts.base import Erased
from heraldry.contracts.linkedin import (
    ActionStep,
    ActionView,
    InvitationAccepted,
    InvitationSent,
    InvitationWithdrawn,
    LinkedInActionClaimed,
    LinkedInActionFailed,
    LinkedInActionOutcomeUnknown,
    LinkedInActionQueued,
    LinkedInActionStarted,
    LinkedInMessageSent,
    LinkedInReplyReceived,
    Obstacle,
    ProfileData,
    ProfileScraped,
    UndecidedAction,
    UndecidedPage,
)
from heraldry.contracts.markers import Position
from heraldry.linkedin_driver.domain.action import ActionPutBack

actions = Projection(
    name="actions",
    version=3,
    tables=("actions", "action_steps", "replies"),
    schema="""CREATE TABLE actions (
  attempt TEXT PRIMARY KEY, position INTEGER NOT NULL, organization TEXT NOT NULL, account TEXT NOT NULL,
  identity TEXT NOT NULL, person TEXT NOT NULL, kind TEXT NOT NULL, profile TEXT NOT NULL, name TEXT NOT NULL,
  text TEXT NOT NULL, state TEXT NOT NULL, valid_until TEXT NOT NULL, held_until TEXT, invitation TEXT,
  automatic INTEGER NOT NULL, campaign TEXT, enrollment TEXT, member TEXT NOT NULL DEFAULT '', started_at TEXT,
  unknown_position INTEGER, reason TEXT NOT NULL DEFAULT '', diagnosis TEXT, accepted_at TEXT,
  data TEXT) STRICT;
CREATE INDEX actions_to_do ON actions (position) WHERE state IN ('queued', 'claimed');
CREATE INDEX actions_started ON actions (position) WHERE state = 'started';
CREATE INDEX actions_undecided ON actions (organization, unknown_position) WHERE state = 'outcome unknown';
CREATE INDEX actions_withdrawing ON actions (invitation) WHERE invitation IS NOT NULL;
CREATE INDEX actions_with ON actions (account, member, started_at) WHERE state = 'done';
CREATE TABLE action_steps (
  attempt TEXT NOT NULL, stream TEXT NOT NULL, revision INTEGER NOT NULL, type TEXT NOT NULL, at TEXT NOT NULL,
  actor TEXT NOT NULL, detail TEXT NOT NULL, PRIMARY KEY (attempt, stream, revision)) STRICT;
CREATE TABLE replies (
  stream TEXT PRIMARY KEY, attempt TEXT NOT NULL, at TEXT NOT NULL, text TEXT NOT NULL) STRICT;
CREATE INDEX replies_to ON replies (attempt);
CREATE INDEX actions_of_person ON actions (person)""",
    holds=(
        Holds("replies", "attempt IN (SELECT attempt FROM actions WHERE person = ?1)", "text = ''"),
        Holds("actions", "person = ?1", "profile = '', name = '', text = '', data = NULL"),
    ),
)


@actions.on(LinkedInActionQueued)
def queued(db: Connection, event: LinkedInActionQueued, fact: Fact) -> None:
    db.execute(
        "INSERT OR REPLACE INTO actions (attempt, position, organization, account, identity, person, kind, profile,"
        " name, text, state, valid_until, invitation, automatic, campaign, enrollment)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'queued', ?, ?, ?, ?, ?)",
        (
            str(event.attempt),
            _number(fact),
            fact.organization,
            str(event.account),
            str(event.identity),
            str(event.person),
            event.kind,
            shown(event.profile),
            shown(event.name),
            shown(event.text),
            event.valid_until.isoformat(),
            _id(event.invitation),
            int(event.automatic),
            _id(event.campaign),
            _id(event.enrollment),
        ),
    )
    _step(db, event.attempt, event.at, fact, "Ready to be done until its time is over.")


@actions.on(LinkedInActionClaimed)
def claimed(db: Connection, event: LinkedInActionClaimed, fact: Fact) -> None:
    _set(db, event.attempt, state="claimed", held_until=event.held_until.isoformat())
    _step(db, event.attempt, event.at, fact, "A worker took it in hand. Nothing was done yet.")


@actions.on(ActionPutBack)
def put_back(db: Connection, event: ActionPutBack, fact: Fact) -> None:
    _set(db, event.attempt, state="queued", held_until=event.not_before.isoformat(), reason=event.reason)
    _step(db, event.attempt, event.at, fact, f"Nothing was done; it is tried again. {event.reason}")


@actions.on(LinkedInActionStarted)
def started(db: Connection, event: LinkedInActionStarted, fact: Fact) -> None:
    _set(db, event.attempt, state="started", member=event.member, started_at=event.at.isoformat(), reason="")
    _step(db, event.attempt, event.at, fact, _begun(db, event.attempt))


def _begun(db: Connection, attempt: UUID) -> str:
    row = one_of(db, "SELECT kind FROM actions WHERE attempt = ?", (str(attempt),))
    if row is not None and row["kind"] == "scraping":
        return "The person's profile is opened next."
    return "The person's page is open and ready; the click comes next."


def done(
    db: Connection, event: InvitationSent | LinkedInMessageSent | InvitationWithdrawn, fact: Fact
) -> None:
    _set(db, event.attempt, state="done", unknown_position=None)
    _step(db, event.attempt, event.at, fact, event.proof)


actions.on(InvitationSent)(done)
actions.on(LinkedInMessageSent)(done)
actions.on(InvitationWithdrawn)(done)


@actions.on(ProfileScraped)
def scraped(db: Connection, event: ProfileScraped, fact: Fact) -> None:
    data = None if isinstance(event.data, Erased) else event.data.model_dump_json()
    _set(db, event.attempt, state="done", unknown_position=None, data=data)
    _step(db, event.attempt, event.at, fact, event.proof)


@actions.on(LinkedInActionFailed)
def failed(db: Connection, event: LinkedInActionFailed, fact: Fact) -> None:
    diagnosis = event.diagnosis.model_dump_json()
    _set(db, event.attempt, state="failed", diagnosis=diagnosis, unknown_position=None)
    _step(db, event.attempt, event.at, fact, f"{event.diagnosis.cause} {event.diagnosis.resolution}")


@actions.on(LinkedInActionOutcomeUnknown)
def outcome_unknown(db: Connection, event: LinkedInActionOutcomeUnknown, fact: Fact) -> None:
    _set(db, event.attempt, state="outcome unknown", reason=event.reason, unknown_position=_number(fact))
    _step(db, event.attempt, event.at, fact, event.reason)


@actions.on(InvitationAccepted)
def accepted(db: Connection, event: InvitationAccepted, fact: Fact) -> None:
    _set(db, event.attempt, accepted_at=event.at.isoformat())
    _step(db, event.attempt, event.at, fact, "The person accepted.")


@actions.on(LinkedInReplyReceived)
def replied(db: Connection, event: LinkedInReplyReceived, fact: Fact) -> None:
    db.execute(
        "INSERT OR REPLACE INTO replies VALUES (?, ?, ?, ?)",
        (fact.stream, str(event.attempt), event.at.isoformat(), shown(event.text)),
    )


# --- what people ask


def action_of(db: Connection, organization: str, attempt: str) -> ActionView | None:
    """The organization's action with everything that is recorded of it, oldest first."""
    row = one_of(
        db,
        "SELECT attempt, kind, account, identity, person, name, profile, text, state, automatic, campaign,"
        " diagnosis, accepted_at, data, (SELECT attempt FROM actions AS w WHERE w.invitation = actions.attempt"
        " ORDER BY w.position DESC LIMIT 1) AS withdrawal FROM actions WHERE attempt = ? AND organization = ?",
        (attempt, organization),
    )
    if row is None:
        return None
    steps = cast(
        "list[tuple[str, str, str, str]]",
        db.execute(
            "SELECT type, at, actor, detail FROM action_steps WHERE attempt = ? ORDER BY at, stream, revision",
            (attempt,),
        ).fetchall(),
    )
    replies = cast(
        "list[tuple[str]]",
        db.execute("SELECT text FROM replies WHERE attempt = ? ORDER BY at, stream", (attempt,)).fetchall(),
    )
    told, read = row["diagnosis"], row["data"]
    return ActionView.model_validate(
        {
            **row,
            "diagnosis": None if told is None else Obstacle.model_validate_json(str(told)),
            "data": None if read is None else ProfileData.model_validate_json(str(read)),
            "steps": [
                ActionStep(type=kind, at=datetime.fromisoformat(at), actor=actor, detail=detail)
                for kind, at, actor, detail in steps
            ],
            "replies": [text for (text,) in replies],
        }
    )


def undecided(db: Connection, organization: str, identity: str, after: int, limit: int) -> UndecidedPage:
    """Actions of an unknown outcome, oldest first; of one identity where it is named."""
    where = "state = 'outcome unknown' AND organization = ?1 AND ?2 IN ('', identity)"
    (total,) = cast(
        "tuple[int]",
        db.execute(f"SELECT count(*) FROM actions WHERE {where}", (organization, identity)).fetchone(),
    )
    found = rows_of(
        db,
        "SELECT attempt, kind, identity, person, name, profile, text, reason, started_at, campaign,"
        f" unknown_position FROM actions WHERE {where} AND unknown_position > ?3"
        " ORDER BY unknown_position LIMIT ?4",
        (organization, identity, after, limit + 1),
    )
    page = found[:limit]
    return UndecidedPage(
        actions=tuple(UndecidedAction.model_validate(row) for row in page),
        next=str(page[-1]["unknown_position"]) if len(found) > limit else "",
        total=total,
    )


# --- what workers look for


@dataclass(frozen=True, slots=True)
class Due:
    """An action as its workers look for it."""

    attempt: UUID
    account: UUID


def to_do(
    db: Connection, now: datetime, real_now: datetime, *, most: int, busy: Sequence[UUID] = ()
) -> tuple[Due, ...]:
    """Actions that wait and that nobody has in hand, and those whose time is over; the oldest first.

    At most so many, and none of the busy accounts.
    """
    return _due(
        db,
        "SELECT attempt, account FROM actions WHERE state IN ('queued', 'claimed')"
        " AND (held_until IS NULL OR held_until <= ? OR valid_until <= ?)"
        f" AND account NOT IN ({', '.join('?' * len(busy))}) ORDER BY position LIMIT ?",
        (real_now.isoformat(), now.isoformat(), *map(str, busy), most),
    )


def to_look_up(db: Connection) -> tuple[Due, ...]:
    """Actions whose click came next and that have no outcome."""
    return _due(db, "SELECT attempt, account FROM actions WHERE state = 'started' ORDER BY position", ())


@dataclass(frozen=True, slots=True)
class Addressed:
    """What was written to somebody last before a moment."""

    attempt: UUID
    organization: UUID
    identity: UUID
    person: UUID
    campaign: UUID | None
    enrollment: UUID | None


def written_before(db: Connection, account: str, member: str, at: datetime) -> Addressed | None:
    """The newest of our invitations and messages to a member that was done before a moment."""
    row = one_of(
        db,
        "SELECT attempt, organization, identity, person, campaign, enrollment FROM actions"
        " WHERE account = ? AND member = ? AND state = 'done' AND kind IN ('invitation', 'message') AND started_at <= ?"
        " ORDER BY started_at DESC, position DESC LIMIT 1",
        (account, member, at.isoformat()),
    )
    if row is None:
        return None
    ids = {name: None if value is None else UUID(str(value)) for name, value in row.items()}
    return Addressed(**ids)  # pyright: ignore[reportArgumentType]  the columns say which may be missing


def listening(db: Connection, since: datetime) -> tuple[UUID, ...]:
    """Accounts that wrote to somebody since then."""
    rows = db.execute(
        "SELECT DISTINCT account FROM actions WHERE state = 'done' AND kind IN ('invitation', 'message')"
        " AND started_at >= ?",
        (since.isoformat(),),
    ).fetchall()
    return tuple(UUID(account) for (account,) in cast("list[tuple[str]]", rows))


# --- rows


def shown(value: str | Erased) -> str:
    """A personal field, empty if it was erased."""
    return "" if isinstance(value, Erased) else value


def one_of(db: Connection, sql: str, values: tuple[str | int, ...]) -> dict[str, object] | None:
    return next(iter(rows_of(db, sql, values)), None)


def rows_of(db: Connection, sql: str, values: tuple[str | int, ...]) -> list[dict[str, object]]:
    cursor = db.execute(sql, values)
    names = [column[0] for column in cursor.description]
    rows = cast("list[tuple[object, ...]]", cursor.fetchall())
    return [dict(zip(names, row, strict=True)) for row in rows]


def _due(db: Connection, sql: str, values: tuple[str | int, ...]) -> tuple[Due, ...]:
    rows = cast("list[tuple[str, str]]", db.execute(sql, values).fetchall())
    return tuple(Due(UUID(attempt), UUID(account)) for attempt, account in rows)


def _set(db: Connection, attempt: UUID, **columns: str | int | None) -> None:
    assignments = ", ".join(f"{name} = ?" for name in columns)
    db.execute(f"UPDATE actions SET {assignments} WHERE attempt = ?", (*columns.values(), str(attempt)))


def _step(db: Connection, attempt: UUID, at: datetime, fact: Fact, detail: str) -> None:
    db.execute(
        "INSERT OR REPLACE INTO action_steps VALUES (?, ?, ?, ?, ?, ?, ?)",
        (str(attempt), fact.stream, fact.revision, fact.type, at.isoformat(), fact.actor, detail),
    )


def _number(fact: Fact) -> int:
    return Position.parse(fact.position).number


def _id(value: UUID | None) -> str | None:
    return None if value is None else str(value)


# --- when a person is erased


@dataclass(frozen=True, slots=True)
class Undone:
    """An action that has no outcome."""

    attempt: UUID
    organization: UUID
    identity: UUID


def undone(db: Connection, column: Literal["person", "identity"], of: str) -> tuple[Undone, ...]:
    """Actions for a person, or in the name of an identity, that have no outcome."""
    asked = f"SELECT attempt, organization, identity FROM actions WHERE {column} = ? AND state IN ('queued', 'claimed', 'started')"
    rows = cast("list[tuple[str, str, str]]", db.execute(asked, (of,)).fetchall())
    return tuple(Undone(*map(UUID, row)) for row in rows)


def acted_on(db: Connection, subject: str) -> tuple[str, str, tuple[str, ...]] | None:
    """Organization, person and profiles of somebody, by their id, or that of an enrollment or an action."""
    rows = cast(
        "list[tuple[str, str, str]]",
        db.execute(
            "SELECT DISTINCT organization, person, profile FROM actions WHERE person ="
            " (SELECT person FROM actions WHERE ?1 IN (person, enrollment, attempt) LIMIT 1)",
            (subject,),
        ).fetchall(),
    )
    if not rows:
        return None
    return rows[0][0], rows[0][1], tuple(profile for _, _, profile in rows if profile)
