"""The LinkedIn senders: who acts as which member, under which settings, and what is in the way. Decisions rest on
streams.
"""

from __future__ import annotations

from dataclasses import dataclass
from sqlite3 import Connection
from typing import Final, cast

from heraldry.chassis.projection import Fact, Projection
from heraldry.contracts.scheduler import (
    LinkedInLimitsChanged,
    QuotaConsumed,
    QuotaExhausted,
    QuotaReleased,
    WithdrawalPolicyChanged,
)
from heraldry.scheduler.domain.linkedin_sender_events import LinkedInSenderOpened, LinkedInSenderSlowedDown
from heraldry.scheduler.domain.sender_events import PermitSettled, SenderClosed, SenderHoursChanged

linkedin_senders = Projection(
    name="linkedin-senders",
    version=1,
    tables=("linkedin_sender", "linkedin_wait"),
    # closed: '' open, else a code; policy_days: 0 off; changed: the position of what changed last
    schema="""CREATE TABLE linkedin_sender (
  sender TEXT PRIMARY KEY, organization TEXT NOT NULL, identity TEXT NOT NULL, account TEXT NOT NULL,
  linked_at TEXT NOT NULL, closed TEXT NOT NULL DEFAULT '', hours TEXT NOT NULL,
  policy_days INTEGER NOT NULL, changed TEXT NOT NULL) STRICT;
CREATE INDEX linkedin_sender_of_identity ON linkedin_sender (identity, linked_at);
CREATE INDEX linkedin_sender_of_account ON linkedin_sender (account, linked_at);
CREATE INDEX linkedin_sender_withdrawing ON linkedin_sender (policy_days) WHERE policy_days > 0 AND closed = '';
CREATE TABLE linkedin_wait (
  sender TEXT NOT NULL, kind TEXT NOT NULL, why TEXT NOT NULL, until TEXT NOT NULL,
  PRIMARY KEY (sender, kind, why)) STRICT, WITHOUT ROWID""",
)
COLUMNS: Final = "sender, organization, identity, account, closed, hours, policy_days, changed"


@dataclass(frozen=True, slots=True)
class Row:
    sender: str
    organization: str
    identity: str
    account: str
    closed: str
    hours: str
    policy_days: int
    changed: str


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing of a kind before `until`; `why`: quota, or slowed-down."""

    kind: str
    why: str
    until: str


@linkedin_senders.on(LinkedInSenderOpened)
def opened(db: Connection, event: LinkedInSenderOpened, fact: Fact) -> None:
    db.execute(
        "INSERT OR REPLACE INTO linkedin_sender VALUES (?, ?, ?, ?, ?, '', ?, ?, ?)",
        (
            event.sender,
            str(event.organization),
            str(event.identity),
            str(event.account),
            event.linked_at.isoformat(),
            event.hours.model_dump_json(),
            event.policy.days or 0,
            fact.position,
        ),
    )


@linkedin_senders.on(SenderClosed)
def closed(db: Connection, event: SenderClosed, fact: Fact) -> None:
    db.execute(
        "UPDATE linkedin_sender SET closed = ?, changed = ? WHERE sender = ?",
        (event.code, fact.position, event.sender),
    )


@linkedin_senders.on(SenderHoursChanged)
def hours_changed(db: Connection, event: SenderHoursChanged, fact: Fact) -> None:
    db.execute(
        "UPDATE linkedin_sender SET hours = ?, changed = ? WHERE sender = ?",
        (event.hours.model_dump_json(), fact.position, event.sender),
    )
    _go_on(db, event.sender)


@linkedin_senders.on(WithdrawalPolicyChanged)
def policy_changed(db: Connection, event: WithdrawalPolicyChanged, fact: Fact) -> None:
    db.execute(
        "UPDATE linkedin_sender SET policy_days = ?, changed = ? WHERE sender = ?",
        (event.policy.days or 0, fact.position, event.sender),
    )


@linkedin_senders.on(LinkedInLimitsChanged)
def limits_changed(db: Connection, event: LinkedInLimitsChanged, fact: Fact) -> None:
    del fact
    _go_on(db, event.sender)


@linkedin_senders.on(LinkedInSenderSlowedDown)
def slowed_down(db: Connection, event: LinkedInSenderSlowedDown, fact: Fact) -> None:
    db.execute(
        "INSERT OR REPLACE INTO linkedin_wait VALUES (?, ?, 'slowed-down', ?)",
        (event.sender, event.kind, event.until.isoformat()),
    )
    db.execute("UPDATE linkedin_sender SET changed = ? WHERE sender = ?", (fact.position, event.sender))


@linkedin_senders.on(QuotaExhausted)
def exhausted(db: Connection, event: QuotaExhausted, fact: Fact) -> None:
    del fact
    if event.account is not None:
        db.execute(
            "INSERT OR REPLACE INTO linkedin_wait VALUES (?, ?, 'quota', ?)",
            (event.sender, event.kind, event.until.isoformat()),
        )


@linkedin_senders.on(QuotaConsumed)
def consumed(db: Connection, event: QuotaConsumed, fact: Fact) -> None:
    del fact
    if event.account is not None:
        _go_on(db, event.sender, event.kind)


@linkedin_senders.on(QuotaReleased)
def released(db: Connection, event: QuotaReleased, fact: Fact) -> None:
    if event.account is not None:
        _go_on(db, event.sender, event.kind)
        db.execute("UPDATE linkedin_sender SET changed = ? WHERE sender = ?", (fact.position, event.sender))


@linkedin_senders.on(PermitSettled)
def settled(db: Connection, event: PermitSettled, fact: Fact) -> None:
    db.execute("UPDATE linkedin_sender SET changed = ? WHERE sender = ?", (fact.position, event.sender))


def _go_on(db: Connection, sender: str, kind: str = "") -> None:
    db.execute(
        "DELETE FROM linkedin_wait WHERE sender = ? AND why = 'quota' AND ? IN ('', kind)", (sender, kind)
    )


def of_sender(db: Connection, sender: str) -> Row | None:
    return _one(db, "sender = ?", sender)


def of_identity(db: Connection, identity: str) -> Row | None:
    """Whom the identity acts as, or acted as last."""
    return _one(db, "identity = ?", identity)


def of_account(db: Connection, account: str) -> Row | None:
    """As of the identity: an account is one identity's."""
    return _one(db, "account = ?", account)


def all_of_identity(db: Connection, identity: str) -> tuple[Row, ...]:
    """Every member the identity ever acted as, unless another one does now."""
    found = db.execute(
        f"SELECT {COLUMNS} FROM linkedin_sender WHERE identity = ? ORDER BY sender", (identity,)
    )
    return tuple(Row(*row) for row in _rows(found.fetchall()))


def every(db: Connection) -> tuple[Row, ...]:
    """All members anybody ever acted as."""
    found = db.execute(f"SELECT {COLUMNS} FROM linkedin_sender ORDER BY sender")
    return tuple(Row(*row) for row in _rows(found.fetchall()))


def open_ones(db: Connection) -> tuple[Row, ...]:
    found = db.execute(f"SELECT {COLUMNS} FROM linkedin_sender WHERE closed = '' ORDER BY sender")
    return tuple(Row(*row) for row in _rows(found.fetchall()))


def withdrawing(db: Connection) -> tuple[Row, ...]:
    """Those whose invitations are withdrawn by themselves."""
    found = db.execute(
        f"SELECT {COLUMNS} FROM linkedin_sender WHERE policy_days > 0 AND closed = '' ORDER BY sender"
    )
    return tuple(Row(*row) for row in _rows(found.fetchall()))


def waits_of(db: Connection, sender: str) -> tuple[Wait, ...]:
    """What is in the way of a sender; one whose `until` has passed is in nobody's way."""
    found = db.execute("SELECT kind, why, until FROM linkedin_wait WHERE sender = ?", (sender,))
    return tuple(Wait(*row) for row in cast("list[tuple[str, str, str]]", found.fetchall()))


def _one(db: Connection, where: str, value: str) -> Row | None:
    found = db.execute(
        f"SELECT {COLUMNS} FROM linkedin_sender WHERE {where} ORDER BY linked_at DESC LIMIT 1", (value,)
    ).fetchall()
    return next((Row(*row) for row in _rows(found)), None)


def _rows(found: list[object]) -> list[tuple[str, str, str, str, str, str, int, str]]:
    return cast("list[tuple[str, str, str, str, str, str, int, str]]", found)
