"""The gateway's views of all contexts' published events: the history, who and what there is, the figures.

Nothing here depends on how contexts interleave: rows of one context are never read to write those of another.
Names are put together when a question is asked (`views.py`).
"""

from __future__ import annotations

from sqlite3 import Connection
from typing import Any, Final

from heraldry.chassis.projection import Fact, Holds, Projection
from heraldry.contracts import campaigns, gateway, identity, linkedin, mailbox, scheduler
from heraldry.contracts.base import Erased, Event
from heraldry.contracts.registry import PUBLISHED
from heraldry.gateway.instants import instant
from heraldry.gateway.linkedin_views import LINKEDIN


def _text(value: str | Erased) -> str:
    return "" if isinstance(value, Erased) else value


OF_PERSON: Final = "SELECT cursor FROM history_person WHERE person = ?1"
# what of an erased person is on the bus is deleted from it: so are the rows that came of it
HISTORY: Final = Projection(
    name="history",
    version=4,
    schema="""
CREATE TABLE history (
  cursor TEXT PRIMARY KEY, id TEXT NOT NULL, organization TEXT NOT NULL, identity TEXT NOT NULL,
  type TEXT NOT NULL, at TEXT NOT NULL, actor TEXT NOT NULL, causation TEXT NOT NULL, inbox TEXT NOT NULL,
  attempt TEXT NOT NULL, data TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE INDEX history_of_organization ON history (organization, cursor);
CREATE INDEX history_of_identity ON history (organization, identity, cursor);
CREATE INDEX history_of_attempt ON history (attempt) WHERE attempt <> '';
CREATE INDEX history_unknown ON history (organization, cursor) WHERE type = 'EmailOutcomeUnknown';
CREATE INDEX history_unknown_steps ON history (organization) WHERE type = 'LinkedInActionOutcomeUnknown';
CREATE UNIQUE INDEX history_id ON history (id);
CREATE TABLE history_person (person TEXT NOT NULL, cursor TEXT NOT NULL, PRIMARY KEY (person, cursor))
  STRICT, WITHOUT ROWID
""",
    tables=("history", "history_person"),
    holds=(
        Holds("history", f"cursor IN ({OF_PERSON})"),
        Holds("history_person", f"cursor IN ({OF_PERSON})"),
    ),
)


def _remember(db: Connection, event: Any, fact: Fact) -> None:
    cursor = f"{instant(event.at)}|{fact.stream}|{fact.revision:010}"
    db.executemany(
        "INSERT OR IGNORE INTO history_person VALUES (?, ?)",
        [(person, cursor) for person in fact.persons.split()],
    )
    db.execute(
        "INSERT OR REPLACE INTO history VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            cursor,
            fact.id,
            fact.organization,
            fact.identity or _id(event, "identity"),
            fact.type,
            instant(event.at),
            fact.actor,
            fact.causation,
            _id(event, "inbox"),
            _id(event, "attempt"),
            event.model_dump_json(),
        ),
    )


def _id(event: Event, name: str) -> str:
    return str(getattr(event, name, "") or "")


for _types in PUBLISHED.values():
    for _kind in _types.values():
        HISTORY.on(_kind)(_remember)


DIRECTORY: Final = Projection(
    name="directory",
    version=2,
    schema="""
CREATE TABLE organization (id TEXT PRIMARY KEY, name TEXT NOT NULL, zone TEXT NOT NULL) STRICT;
CREATE TABLE person (id TEXT PRIMARY KEY, organization TEXT NOT NULL, name TEXT NOT NULL, email TEXT NOT NULL,
  role TEXT NOT NULL) STRICT;
CREATE TABLE subscriber (id TEXT PRIMARY KEY, organization TEXT NOT NULL, name TEXT NOT NULL,
  created TEXT NOT NULL, actor TEXT NOT NULL, revoked INTEGER NOT NULL) STRICT;
CREATE TABLE identity (id TEXT PRIMARY KEY, organization TEXT NOT NULL, name TEXT NOT NULL,
  job_title TEXT NOT NULL, picture TEXT NOT NULL, hours TEXT NOT NULL, deleted INTEGER NOT NULL) STRICT;
CREATE INDEX identity_of ON identity (organization, deleted);
CREATE TABLE inbox (id TEXT PRIMARY KEY, organization TEXT NOT NULL, identity TEXT NOT NULL,
  address TEXT NOT NULL, state TEXT NOT NULL, since TEXT NOT NULL, detail TEXT NOT NULL) STRICT;
CREATE INDEX inbox_of ON inbox (organization);
CREATE TABLE waiting (inbox TEXT NOT NULL, window TEXT NOT NULL, organization TEXT NOT NULL,
  until TEXT NOT NULL, PRIMARY KEY (inbox, window)) STRICT;
CREATE TABLE campaign (id TEXT PRIMARY KEY, organization TEXT NOT NULL, name TEXT NOT NULL) STRICT
""",
    tables=("organization", "person", "subscriber", "identity", "inbox", "waiting", "campaign"),
    holds=(Holds("person", "id = ?1"), Holds("identity", "id = ?1"), Holds("inbox", "identity = ?1")),
)


@DIRECTORY.on(gateway.OrganizationCreated)
def organization_created(db: Connection, event: gateway.OrganizationCreated, fact: Fact) -> None:  # noqa: ARG001  a handler's signature
    row = (str(event.organization), event.name, event.zone)
    db.execute("INSERT OR REPLACE INTO organization VALUES (?, ?, ?)", row)


@DIRECTORY.on(gateway.OrganizationZoneChanged)
def zone_changed(db: Connection, event: gateway.OrganizationZoneChanged, fact: Fact) -> None:  # noqa: ARG001  a handler's signature
    db.execute("UPDATE organization SET zone = ? WHERE id = ?", (event.zone, str(event.organization)))


@DIRECTORY.on(gateway.UserJoined)
def user_joined(db: Connection, event: gateway.UserJoined, fact: Fact) -> None:  # noqa: ARG001  a handler's signature
    row = (str(event.user), str(event.organization), _text(event.name), _text(event.email), event.role)
    db.execute("INSERT OR REPLACE INTO person VALUES (?, ?, ?, ?, ?)", row)


@DIRECTORY.on(gateway.SubscriberCreated)
def subscriber_created(db: Connection, event: gateway.SubscriberCreated, fact: Fact) -> None:
    row = (str(event.subscriber), str(event.organization), event.name, instant(event.at), fact.actor)
    db.execute("INSERT OR REPLACE INTO subscriber VALUES (?, ?, ?, ?, ?, 0)", row)


@DIRECTORY.on(gateway.SubscriberRevoked)
def subscriber_revoked(db: Connection, event: gateway.SubscriberRevoked, fact: Fact) -> None:  # noqa: ARG001  a handler's signature
    db.execute("UPDATE subscriber SET revoked = 1 WHERE id = ?", (str(event.subscriber),))


@DIRECTORY.on(identity.IdentityCreated)
def identity_created(db: Connection, event: identity.IdentityCreated, fact: Fact) -> None:  # noqa: ARG001  a handler's signature
    title = "" if isinstance(event.details, Erased) else event.details.job_title
    row = (str(event.identity), str(event.organization), _text(event.name), title, event.picture)
    db.execute(
        "INSERT OR REPLACE INTO identity VALUES (?, ?, ?, ?, ?, ?, 0)", (*row, event.hours.model_dump_json())
    )


@DIRECTORY.on(identity.IdentityRenamed)
def identity_renamed(db: Connection, event: identity.IdentityRenamed, fact: Fact) -> None:  # noqa: ARG001  a handler's signature
    db.execute("UPDATE identity SET name = ? WHERE id = ?", (_text(event.name), str(event.identity)))


@DIRECTORY.on(identity.ContactDetailsChanged)
def details_changed(db: Connection, event: identity.ContactDetailsChanged, fact: Fact) -> None:  # noqa: ARG001  a handler's signature
    title = "" if isinstance(event.details, Erased) else event.details.job_title
    db.execute("UPDATE identity SET job_title = ? WHERE id = ?", (title, str(event.identity)))


@DIRECTORY.on(identity.ProfilePictureChanged)
def picture_changed(db: Connection, event: identity.ProfilePictureChanged, fact: Fact) -> None:  # noqa: ARG001  a handler's signature
    db.execute("UPDATE identity SET picture = ? WHERE id = ?", (event.picture, str(event.identity)))


@DIRECTORY.on(identity.WorkingHoursChanged)
def hours_changed(db: Connection, event: identity.WorkingHoursChanged, fact: Fact) -> None:  # noqa: ARG001  a handler's signature
    db.execute(
        "UPDATE identity SET hours = ? WHERE id = ?", (event.hours.model_dump_json(), str(event.identity))
    )


@DIRECTORY.on(identity.IdentityDeleted)
def identity_deleted(db: Connection, event: identity.IdentityDeleted, fact: Fact) -> None:  # noqa: ARG001  a handler's signature
    db.execute("UPDATE identity SET deleted = 1 WHERE id = ?", (str(event.identity),))


@DIRECTORY.on(mailbox.MailboxConnected)
def mailbox_connected(db: Connection, event: mailbox.MailboxConnected, fact: Fact) -> None:
    row = (str(event.inbox), fact.organization, str(event.identity), _text(event.address), instant(event.at))
    db.execute("INSERT OR REPLACE INTO inbox VALUES (?, ?, ?, ?, 'connected', ?, '')", row)


@DIRECTORY.on(mailbox.MailboxNeedsReconnect)
def mailbox_needs_reconnect(db: Connection, event: mailbox.MailboxNeedsReconnect, fact: Fact) -> None:  # noqa: ARG001  a handler's signature
    db.execute(
        "UPDATE inbox SET state = 'reconnect', since = ?, detail = ? WHERE id = ?",
        (instant(event.at), event.diagnosis.cause, str(event.inbox)),
    )


@DIRECTORY.on(mailbox.MailboxDisconnected)
def mailbox_disconnected(db: Connection, event: mailbox.MailboxDisconnected, fact: Fact) -> None:  # noqa: ARG001  a handler's signature
    db.execute(
        "UPDATE inbox SET state = 'disconnected', since = ?, detail = '' WHERE id = ?",
        (instant(event.at), str(event.inbox)),
    )


@DIRECTORY.on(mailbox.MailboxPaused)
def mailbox_paused(db: Connection, event: mailbox.MailboxPaused, fact: Fact) -> None:  # noqa: ARG001  a handler's signature
    db.execute(
        "UPDATE inbox SET state = 'paused', since = ?, detail = ? WHERE id = ?",
        (instant(event.at), event.reason, str(event.inbox)),
    )


@DIRECTORY.on(mailbox.MailboxResumed)
def mailbox_resumed(db: Connection, event: mailbox.MailboxResumed, fact: Fact) -> None:  # noqa: ARG001  a handler's signature
    db.execute(
        "UPDATE inbox SET state = 'connected', since = ?, detail = '' WHERE id = ? AND state = 'paused'",
        (instant(event.at), str(event.inbox)),
    )


@DIRECTORY.on(campaigns.CampaignCreated)
def campaign_created(db: Connection, event: campaigns.CampaignCreated, fact: Fact) -> None:
    row = (str(event.campaign), fact.organization, event.settings.name)
    db.execute("INSERT OR REPLACE INTO campaign VALUES (?, ?, ?)", row)


@DIRECTORY.on(campaigns.CampaignChanged)
def campaign_changed(db: Connection, event: campaigns.CampaignChanged, fact: Fact) -> None:  # noqa: ARG001  a handler's signature
    db.execute("UPDATE campaign SET name = ? WHERE id = ?", (event.settings.name, str(event.campaign)))


@DIRECTORY.on(scheduler.QuotaExhausted)
def quota_exhausted(db: Connection, event: scheduler.QuotaExhausted, fact: Fact) -> None:
    if event.inbox is None:
        return
    row = (str(event.inbox), event.window, fact.organization, instant(event.until))
    db.execute("INSERT OR REPLACE INTO waiting VALUES (?, ?, ?, ?)", row)


@DIRECTORY.on(scheduler.LimitsChanged)
def limits_changed(db: Connection, event: scheduler.LimitsChanged, fact: Fact) -> None:  # noqa: ARG001  a handler's signature
    db.execute("DELETE FROM waiting WHERE inbox = ?", (str(event.inbox),))


@DIRECTORY.on(scheduler.QuotaConsumed)
def quota_consumed(db: Connection, event: scheduler.QuotaConsumed, fact: Fact) -> None:  # noqa: ARG001  a handler's signature
    db.execute("DELETE FROM waiting WHERE inbox = ?", (str(event.inbox),))


FIGURES: Final = Projection(
    name="figures",
    version=5,
    schema="""
CREATE TABLE sent (attempt TEXT PRIMARY KEY, organization TEXT NOT NULL, identity TEXT NOT NULL,
  inbox TEXT NOT NULL, at TEXT NOT NULL) STRICT;
CREATE INDEX sent_when ON sent (organization, identity, at);
CREATE INDEX sent_from ON sent (organization, inbox, at);
CREATE TABLE replied (identity TEXT NOT NULL, person TEXT NOT NULL, channel TEXT NOT NULL,
  organization TEXT NOT NULL, at TEXT NOT NULL, PRIMARY KEY (identity, person, channel)) STRICT;
CREATE INDEX replied_when ON replied (organization, identity, at);
CREATE INDEX replied_by ON replied (person);
CREATE TABLE bounced (attempt TEXT PRIMARY KEY, organization TEXT NOT NULL, identity TEXT NOT NULL,
  inbox TEXT NOT NULL, at TEXT NOT NULL, person TEXT NOT NULL) STRICT;
CREATE INDEX bounced_for ON bounced (person);
CREATE INDEX bounced_when ON bounced (organization, identity, at);
CREATE INDEX bounced_from ON bounced (organization, inbox, at);
CREATE TABLE connection (inbox TEXT NOT NULL, at TEXT NOT NULL, organization TEXT NOT NULL,
  identity TEXT NOT NULL, connected INTEGER NOT NULL, PRIMARY KEY (inbox, at)) STRICT;
CREATE INDEX connection_of ON connection (organization);
CREATE TABLE rate (inbox TEXT NOT NULL, at TEXT NOT NULL, organization TEXT NOT NULL, per_day INTEGER NOT NULL,
  PRIMARY KEY (inbox, at)) STRICT;
CREATE INDEX rate_of ON rate (organization)
""",
    tables=("sent", "replied", "bounced", "connection", "rate"),
    holds=(
        Holds("replied", "person = ?1"),
        Holds("bounced", "person = ?1"),
        Holds("connection", "identity = ?1 AND connected"),
    ),
)


@FIGURES.on(mailbox.EmailSent)
def email_sent(db: Connection, event: mailbox.EmailSent, fact: Fact) -> None:
    row = (str(event.attempt), fact.organization, str(event.identity), str(event.inbox), instant(event.at))
    db.execute("INSERT OR REPLACE INTO sent VALUES (?, ?, ?, ?, ?)", row)


@FIGURES.on(mailbox.EmailBounced)
def email_bounced(db: Connection, event: mailbox.EmailBounced, fact: Fact) -> None:
    """A mail counts once, by its first hard bounce."""
    if event.hard:
        db.execute(
            "INSERT INTO bounced VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET at = min(at, excluded.at)",
            (
                str(event.attempt),
                fact.organization,
                str(event.identity),
                str(event.inbox),
                instant(event.at),
                str(event.person),
            ),
        )


@FIGURES.on(mailbox.ReplyReceived)
def reply_received(db: Connection, event: mailbox.ReplyReceived, fact: Fact) -> None:
    _replied(db, event, fact, "email")


@FIGURES.on(linkedin.LinkedInReplyReceived)
def linkedin_reply_received(db: Connection, event: linkedin.LinkedInReplyReceived, fact: Fact) -> None:
    _replied(db, event, fact, "linkedin")


def _replied(
    db: Connection, event: mailbox.ReplyReceived | linkedin.LinkedInReplyReceived, fact: Fact, channel: str
) -> None:
    """A conversation, a lead on one channel, counts by its first reply."""
    db.execute(
        "INSERT INTO replied VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET at = min(at, excluded.at)",
        (str(event.identity), str(event.person), channel, fact.organization, instant(event.at)),
    )


@FIGURES.on(mailbox.MailboxConnected)
def sending_begins(db: Connection, event: mailbox.MailboxConnected, fact: Fact) -> None:
    _connection(db, event, fact, connected=True)


@FIGURES.on(mailbox.MailboxNeedsReconnect)
def sending_interrupted(db: Connection, event: mailbox.MailboxNeedsReconnect, fact: Fact) -> None:
    _connection(db, event, fact, connected=False)


@FIGURES.on(mailbox.MailboxDisconnected)
def sending_ends(db: Connection, event: mailbox.MailboxDisconnected, fact: Fact) -> None:
    _connection(db, event, fact, connected=False)


@FIGURES.on(scheduler.LimitsChanged)
def rate_changed(db: Connection, event: scheduler.LimitsChanged, fact: Fact) -> None:
    _rate(db, event, fact)


@FIGURES.on(scheduler.RateCeilingExpired)
def rate_went_back(db: Connection, event: scheduler.RateCeilingExpired, fact: Fact) -> None:
    _rate(db, event, fact)


def _rate(db: Connection, event: scheduler.LimitsChanged | scheduler.RateCeilingExpired, fact: Fact) -> None:
    row = (str(event.inbox), instant(event.at), fact.organization, event.rate.per_day)
    db.execute("INSERT OR REPLACE INTO rate VALUES (?, ?, ?, ?)", row)


def _connection(
    db: Connection,
    event: mailbox.MailboxConnected | mailbox.MailboxNeedsReconnect | mailbox.MailboxDisconnected,
    fact: Fact,
    *,
    connected: bool,
) -> None:
    row = (str(event.inbox), instant(event.at), fact.organization, str(event.identity), connected)
    db.execute("INSERT OR REPLACE INTO connection VALUES (?, ?, ?, ?, ?)", row)


VIEWS: Final = (HISTORY, DIRECTORY, FIGURES, LINKEDIN)
