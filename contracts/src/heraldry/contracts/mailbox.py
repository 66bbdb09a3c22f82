"""What the mailbox context says and is asked: inboxes, mails, replies."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, ClassVar, Literal
from uuid import UUID

from heraldry.contracts.base import Command, Erased, Moment, Personal, Published, Query, Value
from pydantic import AwareDatetime, Field

Owner = Personal("identity")
Recipient = Personal("person")
Security = Literal["tls", "starttls"]


class Server(Value):
    host: Annotated[str, Field(min_length=1, max_length=253)]
    port: Annotated[int, Field(ge=1, le=65535)]
    security: Security


class Diagnosed(Value):
    """Why something with a mail server failed, for the person who can do something about it."""

    code: str
    cause: str
    resolution: str
    protocol: str = ""  # imap, smtp
    kind: str = "person"  # who can mend it: person, administrator, operator, transient


class MailboxConnected(Published):
    """The inbox can send and be read: both protocols were validated."""

    inbox: UUID
    identity: UUID
    address: Annotated[str | Erased, Owner]
    provider: Literal["imap"] = "imap"


class MailboxConnectionFailed(Published):
    inbox: UUID
    identity: UUID
    diagnosis: Diagnosed


class MailboxNeedsReconnect(Published):
    inbox: UUID
    identity: UUID
    diagnosis: Diagnosed


class MailboxDisconnected(Published):
    inbox: UUID
    identity: UUID


class MailboxPaused(Published):
    """Nothing is sent from the inbox until somebody resumes it (R-RATE-5). Figures of its last mails."""

    inbox: UUID
    identity: UUID
    code: str  # bounce-rate
    reason: str
    sent: int
    bounced: int


class MailboxResumed(Published):
    """A person lets it send again; only mails sent from now on count for the next pause."""

    inbox: UUID
    identity: UUID


SuppressionReason = Literal["bounced", "unsubscribed", "by hand"]


class RecipientSuppressed(Published):
    """The organization writes to this address no more (R-BOX-16). `recipient`: keyed hash of the address, the
    suppression's own name in the mailbox context.
    """

    organization: UUID
    recipient: str
    person: UUID
    address: Annotated[str | Erased, Recipient]
    reason: SuppressionReason


class RecipientUnsuppressed(Published):
    organization: UUID
    recipient: str
    person: UUID
    address: Annotated[str | Erased, Recipient]


class EmailQueued(Published):
    """The dispatched step arrived here. From now on only this context closes the attempt."""

    attempt: UUID
    inbox: UUID
    identity: UUID
    person: UUID
    to: Annotated[str | Erased, Recipient]
    subject: Annotated[str | Erased, Recipient]
    text: Annotated[str | Erased, Recipient]
    html: Annotated[str | Erased, Recipient] = ""
    valid_until: datetime
    sender: str = ""  # the sending account, as the scheduler names it
    campaign: UUID | None = None  # None: written by hand
    enrollment: UUID | None = None
    in_reply_to: str = ""  # Message-ID of the predecessor in its thread
    references: tuple[str, ...] = ()  # oldest first


class EmailClaimed(Published):
    """One worker has the mail in hand; nothing has left yet.

    `held_until` is by the real clock: from then on another worker may take it over.
    """

    attempt: UUID
    inbox: UUID
    identity: UUID
    claim: UUID
    held_until: datetime | None = None


class EmailSubmissionStarted(Published):
    """The content begins to leave: from here on the mail is never sent again, only looked up."""

    attempt: UUID
    inbox: UUID
    identity: UUID
    claim: UUID
    message_id: str


class EmailSent(Published):
    """The mail server took the mail. `answer` are the server's own words."""

    attempt: UUID
    inbox: UUID
    identity: UUID
    person: UUID
    message_id: str
    answer: str
    campaign: UUID | None = None
    enrollment: UUID | None = None


class EmailFailed(Published):
    """The message was provably never submitted; its permit goes back.

    Not `proven`: a person decided that it did not leave. Then the permit stays used.
    """

    attempt: UUID
    inbox: UUID
    identity: UUID
    person: UUID
    diagnosis: Diagnosed
    proven: bool = True
    campaign: UUID | None = None
    enrollment: UUID | None = None
    again: bool = False  # proven not sent for a reason that passes: the same step may be tried again


class EmailOutcomeUnknown(Published):
    """It may have left or not: a person decides. The permit stays used."""

    attempt: UUID
    inbox: UUID
    identity: UUID
    person: UUID
    reason: str
    campaign: UUID | None = None
    enrollment: UUID | None = None


class EmailBounced(Published):
    """A mail server reported that a mail of ours did not reach its recipient.

    `hard`: it never will. `category` is a stable word, `status` as in RFC 3463, `answer` the reporting
    server's own words.
    """

    inbox: UUID
    identity: UUID
    attempt: UUID  # the mail it is about
    person: UUID
    hard: bool
    category: str
    status: str
    answer: Annotated[str | Erased, Recipient]
    campaign: UUID | None = None
    enrollment: UUID | None = None


class ReplyReceived(Published):
    """Somebody answered a mail of ours. `text` is without the quoted part."""

    inbox: UUID
    identity: UUID
    attempt: UUID  # the mail it answers
    person: UUID
    message_id: str
    subject: Annotated[str | Erased, Recipient]
    text: Annotated[str | Erased, Recipient]
    campaign: UUID | None = None
    enrollment: UUID | None = None


class MailboxCommand(Command):
    context: ClassVar[str] = "mailbox"


class ConnectInbox(MailboxCommand):
    """R-BOX-7. Answered at once; the outcome comes as MailboxConnected or MailboxConnectionFailed.

    `inbox` and the stream are derived from organization and address: connecting the same address again
    reconnects. `password` is sealed to the mailbox service's public key. Refused
    `inbox.belongs-to-another-identity`.
    """

    identity: UUID
    address: Annotated[str, Field(min_length=3, max_length=254)]
    imap: Server
    smtp: Server
    password: str  # sealed box, base64


class DisconnectInbox(MailboxCommand):
    inbox: UUID


class DecideOutcome(MailboxCommand):
    """What a person found out about a mail whose outcome is unknown.

    Refused `email.unknown` (404), `email.outcome-known` (409).
    """

    attempt: UUID
    sent: bool


class ResumeInbox(MailboxCommand):
    """Let a paused inbox send again. Refused `inbox.unknown` (404), `inbox.not-paused` (409)."""

    inbox: UUID


class SuppressRecipient(MailboxCommand):
    """Never write to this address again. `person`: the data subject. Refused `address.invalid` (422)."""

    address: Annotated[str, Field(min_length=3, max_length=254)]
    person: UUID
    reason: SuppressionReason = "by hand"


class UnsuppressRecipient(MailboxCommand):
    """Take an address off the list. Refused `suppression.unknown` (404), `recipient.erased` (409)."""

    recipient: str


class Suppression(Value):
    recipient: str
    address: str  # empty: erased
    reason: SuppressionReason
    since: datetime
    actor: str


class SuppressionPage(Value):
    """`next`: the cursor to go on with; empty: there are no more."""

    suppressions: tuple[Suppression, ...]
    next: str
    total: int


class ListSuppressions(Query[SuppressionPage]):
    """The organization's suppression list, newest first. `search`: part of an address."""

    context: ClassVar[str] = "mailbox"
    answer: ClassVar[object] = SuppressionPage
    search: str = ""
    after: str = ""
    limit: Annotated[int, Field(ge=1, le=500)] = 50


InboxState = Literal["connecting", "connected", "failed", "needs reconnect", "paused", "disconnected"]


class InboxView(Value):
    inbox: UUID
    identity: UUID
    address: str
    provider: str
    state: InboxState
    diagnosis: Diagnosed | None
    imap: Server
    smtp: Server
    since: datetime
    as_of: Moment | None = None


class ListInboxes(Query[tuple[InboxView, ...]]):
    """The organization's inboxes, or one identity's. `failed` ones never connected: tries, not inboxes.

    `as_of`: as they were then. Refused `as-of.future` (422).
    """

    context: ClassVar[str] = "mailbox"
    answer: ClassVar[object] = tuple[InboxView, ...]
    identity: UUID | None = None
    as_of: AwareDatetime | None = None


class FindInbox(Query[InboxView]):
    """By address within the organization, or by id; `as_of`: as it was then.

    Refused `inbox.unknown`, `as-of.before` (404), `as-of.future` (422).
    """

    context: ClassVar[str] = "mailbox"
    answer: ClassVar[object] = InboxView
    inbox: UUID | None = None
    address: str = ""
    as_of: AwareDatetime | None = None


class PublicKey(Value):
    key: str  # base64


class GetPublicKey(Query[PublicKey]):
    """What passwords are sealed to."""

    context: ClassVar[str] = "mailbox"
    answer: ClassVar[object] = PublicKey


class EmailStep(Value):
    """One recorded step of a mail."""

    type: str
    at: datetime
    actor: str
    detail: str


class Bounce(Value):
    """What a mail server reported about a mail of ours."""

    hard: bool
    category: str
    status: str
    answer: str
    at: datetime


class EmailView(Value):
    attempt: UUID
    inbox: UUID
    identity: UUID
    to: str
    subject: str
    text: str
    state: Literal["queued", "claimed", "leaving", "sent", "failed", "outcome unknown"]
    message_id: str
    steps: tuple[EmailStep, ...]
    replies: tuple[str, ...]
    bounces: tuple[Bounce, ...] = ()


class GetEmail(Query[EmailView]):
    context: ClassVar[str] = "mailbox"
    answer: ClassVar[object] = EmailView
    attempt: UUID
