"""Which LinkedIn accounts there are, how they stand, and what is to be done about them."""

from __future__ import annotations

import json
from datetime import datetime
from sqlite3 import Connection
from typing import Final, cast
from uuid import UUID

from heraldry.chassis.projection import Fact, Holds, Projection
from heraldry.contracts.base import Erased
from heraldry.contracts.linkedin import (
    AccountView,
    LinkedInApprovalRequested,
    LinkedInLinked,
    LinkedInLinkingFailed,
    LinkedInLinkingStarted,
    LinkedInNeedsReconnect,
    LinkedInRestricted,
    LinkedInSlowedDown,
    LinkedInUnlinked,
    Obstacle,
    VerificationCodeRequested,
)
from heraldry.linkedin_driver.domain.account import LinkingAccepted
from heraldry.linkedin_driver.domain.linking import (
    SignedIn,
    SignInClaimed,
    VerificationCodeEntered,
    VerificationCodeMissed,
)

accounts = Projection(
    name="accounts",
    version=2,
    tables=("accounts",),
    schema="""CREATE TABLE accounts (
  account TEXT PRIMARY KEY, organization TEXT NOT NULL, identity TEXT NOT NULL, email TEXT NOT NULL DEFAULT '',
  standing TEXT NOT NULL DEFAULT 'failed', linking TEXT NOT NULL DEFAULT '', stage TEXT NOT NULL DEFAULT '',
  until TEXT NOT NULL DEFAULT '', code_by TEXT, hint TEXT NOT NULL DEFAULT '', rejected TEXT NOT NULL DEFAULT '',
  sender TEXT NOT NULL DEFAULT '', profile TEXT, sales_navigator INTEGER NOT NULL DEFAULT 0, diagnosis TEXT,
  slowed TEXT NOT NULL DEFAULT '{}', since TEXT NOT NULL) STRICT;
CREATE INDEX accounts_of ON accounts (organization, identity);
CREATE INDEX accounts_being_linked ON accounts (stage) WHERE stage <> ''""",
    holds=(Holds("accounts", "identity = ?1", "email = '', hint = '', profile = NULL"),),
)
_OPEN: Final = "linking = '', stage = '', until = '', code_by = NULL, hint = '', rejected = ''"


@accounts.on(LinkingAccepted)
def linking_accepted(db: Connection, event: LinkingAccepted, _: Fact) -> None:
    db.execute(
        "INSERT INTO accounts (account, organization, identity, linking, stage, since)"
        " VALUES (?1, ?2, ?3, ?4, 'unclaimed', ?5) ON CONFLICT (account) DO UPDATE SET"
        f" {_OPEN}",
        (
            str(event.account),
            str(event.organization),
            str(event.identity),
            str(event.linking),
            event.at.isoformat(),
        ),
    )
    db.execute(
        "UPDATE accounts SET linking = ?, stage = 'unclaimed', since = ? WHERE account = ?",
        (str(event.linking), event.at.isoformat(), str(event.account)),
    )


@accounts.on(LinkedInLinkingStarted)
def linking_started(db: Connection, event: LinkedInLinkingStarted, _: Fact) -> None:
    email = "" if isinstance(event.email, Erased) else event.email
    db.execute("UPDATE accounts SET email = ? WHERE account = ?", (email, str(event.account)))


def _goes_on(db: Connection, linking: UUID, stage: str, until: datetime) -> None:
    db.execute(
        "UPDATE accounts SET stage = ?, until = ?, rejected = '' WHERE linking = ?",
        (stage, until.isoformat(), str(linking)),
    )


@accounts.on(SignInClaimed)
def claimed(db: Connection, event: SignInClaimed, _: Fact) -> None:
    _goes_on(db, event.linking, "working", event.held_until)


@accounts.on(VerificationCodeEntered)
def code_entered(db: Connection, event: VerificationCodeEntered, _: Fact) -> None:
    _goes_on(db, event.linking, "entering", event.held_until)


@accounts.on(VerificationCodeMissed)
def code_missed(db: Connection, event: VerificationCodeMissed, _: Fact) -> None:
    _goes_on(db, event.linking, "working", event.held_until)


@accounts.on(SignedIn)
def signed_in(db: Connection, event: SignedIn, _: Fact) -> None:
    _goes_on(db, event.linking, "inside", event.held_until)


@accounts.on(VerificationCodeRequested)
def code_wanted(db: Connection, event: VerificationCodeRequested, _: Fact) -> None:
    hint = "" if isinstance(event.hint, Erased) else event.hint
    db.execute(
        "UPDATE accounts SET stage = 'code', until = ?, code_by = ?, hint = ?, rejected = ? WHERE linking = ?",
        (event.until.isoformat(), event.by, hint, event.rejected, str(event.linking)),
    )


@accounts.on(LinkedInApprovalRequested)
def approval_wanted(db: Connection, event: LinkedInApprovalRequested, _: Fact) -> None:
    _goes_on(db, event.linking, "approval", event.until)


@accounts.on(LinkedInLinked)
def now_linked(db: Connection, event: LinkedInLinked, _: Fact) -> None:
    profile = None if isinstance(event.profile, Erased) else event.profile.model_dump_json()
    db.execute(
        f"UPDATE accounts SET {_OPEN}, standing = 'linked', profile = ?, sales_navigator = ?, diagnosis = NULL,"
        " slowed = CASE sender WHEN ? THEN slowed ELSE '{}' END, sender = ?, since = ? WHERE account = ?",
        (
            profile,
            int(event.sales_navigator),
            event.sender,
            event.sender,
            event.at.isoformat(),
            str(event.account),
        ),
    )


@accounts.on(LinkedInLinkingFailed)
def linking_failed(db: Connection, event: LinkedInLinkingFailed, _: Fact) -> None:
    db.execute(
        f"UPDATE accounts SET {_OPEN}, diagnosis = ?, since = ?,"
        " standing = CASE standing WHEN 'unlinked' THEN 'failed' ELSE standing END WHERE account = ?",
        (event.diagnosis.model_dump_json(), event.at.isoformat(), str(event.account)),
    )


def _lost(db: Connection, account: UUID, standing: str, diagnosis: Obstacle, at: datetime) -> None:
    db.execute(
        "UPDATE accounts SET standing = ?, diagnosis = ?, since = ? WHERE account = ?",
        (standing, diagnosis.model_dump_json(), at.isoformat(), str(account)),
    )


@accounts.on(LinkedInNeedsReconnect)
def needs_reconnect(db: Connection, event: LinkedInNeedsReconnect, _: Fact) -> None:
    _lost(db, event.account, "needs reconnect", event.diagnosis, event.at)


@accounts.on(LinkedInRestricted)
def restricted(db: Connection, event: LinkedInRestricted, _: Fact) -> None:
    _lost(db, event.account, "restricted", event.diagnosis, event.at)


@accounts.on(LinkedInSlowedDown)
def slowed_down(db: Connection, event: LinkedInSlowedDown, _: Fact) -> None:
    row = db.execute("SELECT slowed FROM accounts WHERE account = ?", (str(event.account),)).fetchone()
    if row is None:
        return
    slowed = cast("dict[str, str]", json.loads(cast("tuple[str]", row)[0]))
    slowed[event.kind] = event.until.isoformat()
    db.execute(
        "UPDATE accounts SET slowed = ? WHERE account = ?",
        (json.dumps(slowed, sort_keys=True), str(event.account)),
    )


@accounts.on(LinkedInUnlinked)
def unlinked(db: Connection, event: LinkedInUnlinked, _: Fact) -> None:
    db.execute(
        f"UPDATE accounts SET {_OPEN}, standing = 'unlinked', diagnosis = NULL, email = '', profile = NULL,"
        " sales_navigator = 0, since = ? WHERE account = ?",
        (event.at.isoformat(), str(event.account)),
    )


# --- questions


_STATE: Final = {"code": "code wanted", "entering": "code given", "approval": "approval wanted"}
_Row = tuple[str, str, str, str, str, str, str | None, str, str, str | None, int, str | None, str, str]


def accounts_of(db: Connection, organization: str, identity: str) -> tuple[AccountView, ...]:
    """The organization's LinkedIn accounts, or one identity's."""
    rows = db.execute(
        "SELECT account, identity, email, standing, stage, until, code_by, hint, rejected, profile,"
        " sales_navigator, diagnosis, slowed, since FROM accounts"
        " WHERE organization = ?1 AND (?2 = '' OR identity = ?2) ORDER BY account",
        (organization, identity),
    ).fetchall()
    return tuple(_view(row) for row in cast("list[_Row]", rows))


def _view(row: _Row) -> AccountView:
    (
        account,
        identity,
        email,
        standing,
        stage,
        until,
        by,
        hint,
        rejected,
        profile,
        sales,
        why,
        slowed,
        since,
    ) = row
    wanted = stage in {"code", "approval"}
    return AccountView.model_validate(
        {
            "account": account,
            "identity": identity,
            "state": _STATE.get(stage, "linking") if stage else standing,
            "email": email,
            "profile": None if profile is None else json.loads(profile),
            "diagnosis": None if stage or why is None else json.loads(why),
            "code_by": by if stage == "code" else None,
            "hint": hint if stage == "code" else "",
            "rejected": rejected if stage == "code" else "",
            "wanted_until": until if wanted else None,
            "slowed": tuple(sorted(json.loads(slowed).items())),
            "sales_navigator": bool(sales),
            "since": since,
        }
    )


def to_sign_in(db: Connection) -> tuple[UUID, ...]:
    """Accounts whose credentials nobody has submitted."""
    return _ids(db, "SELECT account FROM accounts WHERE stage = 'unclaimed'", ())


def to_abandon(db: Connection, real_now: datetime) -> tuple[UUID, ...]:
    """Accounts whose page nobody holds open any more."""
    return _ids(
        db,
        "SELECT account FROM accounts"
        " WHERE stage IN ('working', 'entering', 'inside', 'code', 'approval') AND until <= ?",
        (real_now.isoformat(),),
    )


def held_open(db: Connection) -> tuple[UUID, ...]:
    """Accounts for whose linking somebody holds a page open, or did."""
    return _ids(
        db, "SELECT account FROM accounts WHERE stage IN ('working', 'entering', 'code', 'approval')", ()
    )


def linked(db: Connection) -> tuple[UUID, ...]:
    """Accounts that can be used."""
    return _ids(db, "SELECT account FROM accounts WHERE standing = 'linked'", ())


def _ids(db: Connection, sql: str, values: tuple[str, ...]) -> tuple[UUID, ...]:
    return tuple(UUID(row[0]) for row in cast("list[tuple[str]]", db.execute(sql, values).fetchall()))
