"""The gateway's view of LinkedIn: how its accounts stand, and what figures are counted from."""

from __future__ import annotations

from sqlite3 import Connection
from typing import Final

from heraldry.chassis.projection import Fact, Holds, Projection
from heraldry.contracts import linkedin, scheduler
from heraldry.gateway.instants import instant

LINKEDIN: Final = Projection(
    name="linkedin",
    version=4,
    schema="""
CREATE TABLE linkedin_account (id TEXT PRIMARY KEY, organization TEXT NOT NULL, identity TEXT NOT NULL,
  state TEXT NOT NULL, since TEXT NOT NULL, detail TEXT NOT NULL) STRICT;
CREATE INDEX linkedin_account_of ON linkedin_account (organization);
CREATE TABLE linkedin_slowed (account TEXT NOT NULL, kind TEXT NOT NULL, organization TEXT NOT NULL,
  until TEXT NOT NULL, PRIMARY KEY (account, kind)) STRICT;
CREATE TABLE linkedin_waiting (account TEXT NOT NULL, kind TEXT NOT NULL, organization TEXT NOT NULL,
  until TEXT NOT NULL, PRIMARY KEY (account, kind)) STRICT;
CREATE TABLE linkedin_link (account TEXT NOT NULL, at TEXT NOT NULL, organization TEXT NOT NULL,
  identity TEXT NOT NULL, linked INTEGER NOT NULL, PRIMARY KEY (account, at)) STRICT;
CREATE INDEX linkedin_link_of ON linkedin_link (organization);
CREATE TABLE message_limit (account TEXT NOT NULL, at TEXT NOT NULL, organization TEXT NOT NULL,
  per_day INTEGER NOT NULL, PRIMARY KEY (account, at)) STRICT;
CREATE INDEX message_limit_of ON message_limit (organization);
CREATE TABLE invited (attempt TEXT PRIMARY KEY, organization TEXT NOT NULL, identity TEXT NOT NULL,
  at TEXT NOT NULL) STRICT;
CREATE INDEX invited_when ON invited (organization, identity, at);
CREATE TABLE accepted (attempt TEXT PRIMARY KEY, organization TEXT NOT NULL, identity TEXT NOT NULL,
  at TEXT NOT NULL) STRICT;
CREATE INDEX accepted_when ON accepted (organization, identity, at);
CREATE TABLE messaged (attempt TEXT PRIMARY KEY, organization TEXT NOT NULL, identity TEXT NOT NULL,
  at TEXT NOT NULL) STRICT;
CREATE INDEX messaged_when ON messaged (organization, identity, at)
""",
    tables=(
        *("linkedin_account", "linkedin_slowed", "linkedin_waiting", "linkedin_link", "message_limit"),
        *("invited", "accepted", "messaged"),
    ),
    holds=(
        Holds("linkedin_account", "identity = ?1"),
        Holds("linkedin_link", "identity = ?1 AND linked"),
    ),
)


@LINKEDIN.on(linkedin.LinkedInLinkingStarted)
def linking_started(db: Connection, event: linkedin.LinkedInLinkingStarted, fact: Fact) -> None:
    """What is linked or was stays as it is until the try has ended."""
    row = (str(event.account), fact.organization, str(event.identity), instant(event.at))
    db.execute(
        "INSERT INTO linkedin_account VALUES (?, ?, ?, 'linking', ?, '') ON CONFLICT DO UPDATE"
        " SET state = 'linking', since = excluded.since, detail = '' WHERE state IN ('failed', 'unlinked')",
        row,
    )


@LINKEDIN.on(linkedin.VerificationCodeRequested)
def code_requested(db: Connection, event: linkedin.VerificationCodeRequested, fact: Fact) -> None:  # noqa: ARG001  a handler's signature
    _linking(db, event, "code wanted")


@LINKEDIN.on(linkedin.VerificationCodeGiven)
def code_given(db: Connection, event: linkedin.VerificationCodeGiven, fact: Fact) -> None:  # noqa: ARG001  a handler's signature
    _linking(db, event, "code given")


@LINKEDIN.on(linkedin.LinkedInApprovalRequested)
def approval_requested(db: Connection, event: linkedin.LinkedInApprovalRequested, fact: Fact) -> None:  # noqa: ARG001  a handler's signature
    _linking(db, event, "approval wanted")


@LINKEDIN.on(linkedin.LinkedInLinkingFailed)
def linking_failed(db: Connection, event: linkedin.LinkedInLinkingFailed, fact: Fact) -> None:  # noqa: ARG001  a handler's signature
    _linking(db, event, "failed", event.diagnosis.cause)


def _linking(
    db: Connection,
    event: linkedin.VerificationCodeRequested
    | linkedin.VerificationCodeGiven
    | linkedin.LinkedInApprovalRequested
    | linkedin.LinkedInLinkingFailed,
    state: str,
    detail: str = "",
) -> None:
    db.execute(
        "UPDATE linkedin_account SET state = ?, since = ?, detail = ?"
        " WHERE id = ? AND state IN ('linking', 'code wanted', 'code given', 'approval wanted')",
        (state, instant(event.at), detail, str(event.account)),
    )


@LINKEDIN.on(linkedin.LinkedInLinked)
def linked(db: Connection, event: linkedin.LinkedInLinked, fact: Fact) -> None:
    row = (str(event.account), fact.organization, str(event.identity), instant(event.at))
    db.execute("INSERT OR REPLACE INTO linkedin_account VALUES (?, ?, ?, 'linked', ?, '')", row)
    _link(db, event, fact, linked=True)


@LINKEDIN.on(linkedin.LinkedInNeedsReconnect)
def needs_reconnect(db: Connection, event: linkedin.LinkedInNeedsReconnect, fact: Fact) -> None:
    _interrupted(db, event, "needs reconnect", event.diagnosis.cause)
    _link(db, event, fact, linked=False)


@LINKEDIN.on(linkedin.LinkedInRestricted)
def restricted(db: Connection, event: linkedin.LinkedInRestricted, fact: Fact) -> None:
    _interrupted(db, event, "restricted", event.diagnosis.cause)
    _link(db, event, fact, linked=False)


@LINKEDIN.on(linkedin.LinkedInUnlinked)
def unlinked(db: Connection, event: linkedin.LinkedInUnlinked, fact: Fact) -> None:
    _interrupted(db, event, "unlinked", "")
    db.execute("DELETE FROM linkedin_slowed WHERE account = ?", (str(event.account),))
    _link(db, event, fact, linked=False)


@LINKEDIN.on(linkedin.LinkedInSlowedDown)
def slowed_down(db: Connection, event: linkedin.LinkedInSlowedDown, fact: Fact) -> None:
    row = (str(event.account), event.kind, fact.organization, instant(event.until))
    db.execute("INSERT OR REPLACE INTO linkedin_slowed VALUES (?, ?, ?, ?)", row)


@LINKEDIN.on(scheduler.LinkedInLimitsChanged)
def limits_changed(db: Connection, event: scheduler.LinkedInLimitsChanged, fact: Fact) -> None:
    row = (str(event.account), instant(event.at), fact.organization, event.limits.messages)
    db.execute("INSERT OR REPLACE INTO message_limit VALUES (?, ?, ?, ?)", row)
    db.execute("DELETE FROM linkedin_waiting WHERE account = ?", (str(event.account),))


@LINKEDIN.on(scheduler.QuotaExhausted)
def quota_exhausted(db: Connection, event: scheduler.QuotaExhausted, fact: Fact) -> None:
    if event.account is not None:
        row = (str(event.account), event.kind, fact.organization, instant(event.until))
        db.execute("INSERT OR REPLACE INTO linkedin_waiting VALUES (?, ?, ?, ?)", row)


@LINKEDIN.on(scheduler.QuotaConsumed)
def quota_consumed(db: Connection, event: scheduler.QuotaConsumed, fact: Fact) -> None:  # noqa: ARG001  a handler's signature
    if event.account is not None:
        of = (str(event.account), event.kind)
        db.execute("DELETE FROM linkedin_waiting WHERE account = ? AND kind = ?", of)


@LINKEDIN.on(linkedin.InvitationSent)
def invitation_sent(db: Connection, event: linkedin.InvitationSent, fact: Fact) -> None:
    db.execute("INSERT OR REPLACE INTO invited VALUES (?, ?, ?, ?)", _row(event, fact))


@LINKEDIN.on(linkedin.InvitationAccepted)
def invitation_accepted(db: Connection, event: linkedin.InvitationAccepted, fact: Fact) -> None:
    """An invitation is accepted once, whoever finds out again."""
    db.execute("INSERT INTO accepted VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING", _row(event, fact))


@LINKEDIN.on(linkedin.LinkedInMessageSent)
def message_sent(db: Connection, event: linkedin.LinkedInMessageSent, fact: Fact) -> None:
    db.execute("INSERT OR REPLACE INTO messaged VALUES (?, ?, ?, ?)", _row(event, fact))


def _row(
    event: linkedin.InvitationSent | linkedin.InvitationAccepted | linkedin.LinkedInMessageSent, fact: Fact
) -> tuple[str, str, str, str]:
    return str(event.attempt), fact.organization, str(event.identity), instant(event.at)


def _interrupted(
    db: Connection,
    event: linkedin.LinkedInNeedsReconnect | linkedin.LinkedInRestricted | linkedin.LinkedInUnlinked,
    state: str,
    detail: str,
) -> None:
    db.execute(
        "UPDATE linkedin_account SET state = ?, since = ?, detail = ? WHERE id = ?",
        (state, instant(event.at), detail, str(event.account)),
    )


def _link(
    db: Connection,
    event: linkedin.LinkedInLinked
    | linkedin.LinkedInNeedsReconnect
    | linkedin.LinkedInRestricted
    | linkedin.LinkedInUnlinked,
    fact: Fact,
    *,
    linked: bool,
) -> None:
    row = (str(event.account), instant(event.at), fact.organization, str(event.identity), linked)
    db.execute("INSERT OR REPLACE INTO linkedin_link VALUES (?, ?, ?, ?, ?)", row)
