"""What the scheduler says and is asked: limits, permits, dispatch."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Annotated, ClassVar, Final, Literal
from uuid import UUID

from heraldry.contracts.addresses import travelling
from heraldry.contracts.base import Command, Erased, Internal, Moment, Personal, Published, Query, Value
from pydantic import AfterValidator, AwareDatetime, Field, field_validator, model_validator

Recipient = Personal("person")
LARGEST_TEXT: Final = 150_000  # bytes as JSON: encrypted, a mail fits into one event of every context
RECOMMENDED_INVITATIONS: Final = 20
RECOMMENDED_MESSAGES: Final = 100
OWN_SCRAPINGS: Final = 100  # a day, with Sales Navigator, where nobody has chosen
WITHDRAWALS_PER_DAY: Final = 20  # automatic and by hand together
ABOVE_RECOMMENDED: Final = "LinkedIn may detect automation and restrict the account temporarily."
QuotaKind = Literal["email", "invitation", "message", "withdrawal", "scraping"]


def _mailable(address: str) -> str:
    travelling(address)
    return address.strip()


def _one_line(text: str) -> str:
    if not text.strip() or any(ord(char) < ord(" ") or ord(char) == 0x7F for char in text):  # noqa: PLR2004  DEL
        raise ValueError("Write one line of text.")
    return text


def _fits(text: str) -> str:
    if len(json.dumps(text, ensure_ascii=False).encode()) > LARGEST_TEXT:
        raise ValueError("This is too long for one mail. Shorten it.")
    return text


MailAddress = Annotated[str, Field(min_length=3, max_length=254), AfterValidator(_mailable)]
SubjectLine = Annotated[str, Field(min_length=1, max_length=500), AfterValidator(_one_line)]
MailHtml = Annotated[str, Field(max_length=100_000)]
MailText = Annotated[str, Field(min_length=1, max_length=100_000), AfterValidator(_fits)]


class EmailRate(Value):
    """R-RATE-1 and 2: per local day of the identity, and per any 60 minutes."""

    per_day: Annotated[int, Field(ge=0)] = 30
    per_hour: Annotated[int, Field(ge=0)] = 5


class LinkedInLimits(Value):
    """R-LIM-1 and 2: per local day of the identity.

    `scrapings`: what an identity with Sales Navigator has of its own beside the organization's shared pool; without
    Sales Navigator it counts for nothing. None: nobody has chosen, and it is 100.
    """

    invitations: Annotated[int, Field(ge=0, le=1000)] = RECOMMENDED_INVITATIONS
    messages: Annotated[int, Field(ge=0, le=1000)] = RECOMMENDED_MESSAGES
    scrapings: Annotated[int, Field(ge=0, le=1000)] | None = None

    @property
    def warnings(self) -> tuple[str, ...]:
        """The names of the limits that are above what is recommended: they are shown with a warning."""
        above = {
            "invitations": self.invitations > RECOMMENDED_INVITATIONS,
            "messages": self.messages > RECOMMENDED_MESSAGES,
        }
        return tuple(name for name, so in above.items() if so)


def allowed(kind: QuotaKind, limits: LinkedInLimits | None) -> int:
    """How many actions of a kind LinkedIn is asked for in a day. Of scrapings: of its own, with Sales Navigator."""
    of = limits or LinkedInLimits()
    own = OWN_SCRAPINGS if of.scrapings is None else of.scrapings
    most = {"invitation": of.invitations, "message": of.messages, "scraping": own}
    return most.get(kind, WITHDRAWALS_PER_DAY)


class PoolUse(Value):
    """A scraping drawn from the organization's shared pool: how much of it is used in the organization's day, this
    one included.
    """

    used: int
    allowed: int


class LimitsChanged(Published):
    """The limits of a sending account from now on. `sender` names the account for good."""

    sender: str
    inbox: UUID
    identity: UUID
    rate: EmailRate


class QuotaConsumed(Published):
    """One action was permitted: one per email, invitation, message, withdrawal, and one per scraping, which is a
    LinkedIn profile read for its data. Figures are totals after it, of its kind, with the settings in force.

    An email has `inbox` and `rate`; an action on LinkedIn has `account` and `limits`, and no hour's limit. `pool`: of
    a scraping that draws on the organization's shared pool; None: it draws on the identity's own capacity.
    """

    version: ClassVar[int] = 2  # since then not every action is an email
    sender: str
    organization: UUID
    inbox: UUID | None = None
    identity: UUID
    attempt: UUID
    kind: QuotaKind = "email"
    used_today: int
    used_this_hour: int = 0
    rate: EmailRate | None = None
    zone: str
    valid_until: datetime
    campaign: UUID | None = None
    enrollment: UUID | None = None
    account: UUID | None = None
    limits: LinkedInLimits | None = None
    pool: PoolUse | None = None


class QuotaReleased(Published):
    """A permitted action provably did not happen; its permit was given back."""

    version: ClassVar[int] = 2
    sender: str
    inbox: UUID | None = None
    identity: UUID
    attempt: UUID
    used_today: int
    used_this_hour: int = 0
    kind: QuotaKind = "email"
    account: UUID | None = None


class RateCeilingRaised(Published):
    """Support lets an inbox send more for a time (R-RATE-3). `reason`: support's own words."""

    sender: str
    inbox: UUID
    identity: UUID
    ceiling: EmailRate
    reason: str
    until: datetime


class RateCeilingExpired(Published):
    """The raise ended; a rate above the usual ceiling went back to it."""

    sender: str
    inbox: UUID
    identity: UUID
    rate: EmailRate


class RateIncreaseRequested(Published):
    """A user asks support for more. `reason`: the user's own words."""

    sender: str
    inbox: UUID
    identity: UUID
    wanted: EmailRate
    reason: str


class QuotaExhausted(Published):
    """Nothing more is permitted before `until`. Said once per account, kind and window.

    Of scrapings: the organization's shared pool is used up, and so is what the identity has of its own.
    """

    version: ClassVar[int] = 2
    sender: str
    inbox: UUID | None = None
    identity: UUID
    kind: QuotaKind = "email"
    window: Literal["day", "hour"]
    until: datetime
    account: UUID | None = None


class StepDispatched(Internal):
    """Do this once, not after `valid_until`. Stored together with its QuotaConsumed."""

    attempt: UUID
    sender: str
    inbox: UUID
    identity: UUID
    person: UUID
    to: Annotated[str | Erased, Recipient]
    subject: Annotated[str | Erased, Recipient]
    text: Annotated[str | Erased, Recipient]
    html: Annotated[str | Erased, Recipient] = ""  # empty: the mail has only its text
    valid_until: datetime
    campaign: UUID | None = None  # None: written by hand
    enrollment: UUID | None = None
    in_reply_to: str = ""  # Message-ID of the predecessor in its thread
    references: tuple[str, ...] = ()  # oldest first


class StepCancelled(Internal):
    """Do not do it any more, if it was not begun."""

    attempt: UUID
    identity: UUID


class SendMail(Command):
    """Send one mail by hand, now. The attempt id is the command's id.

    Refused `quota.exhausted` (409) with `until` and `window`; `inbox.unknown` (404); `recipient.suppressed`
    (409).
    `person` is the data subject: the recipient.
    """

    context: ClassVar[str] = "scheduler"
    inbox: UUID
    person: UUID
    to: MailAddress
    subject: SubjectLine
    text: MailText
    html: MailHtml = ""  # what is shown instead of the text where it can be

    @model_validator(mode="after")
    def _fit(self) -> SendMail:
        _fits(self.text + self.html)
        return self


class ChangeEmailRate(Command):
    """Refused `rate.above-ceiling` (422) beyond 80 a day or 10 an hour, with a pointer to support."""

    context: ClassVar[str] = "scheduler"
    inbox: UUID
    rate: EmailRate


class RaiseRateCeiling(Command):
    """Support only: refused `operator.needed` (403) to an organization. Refused `rate.end-passed` (422)."""

    context: ClassVar[str] = "scheduler"
    inbox: UUID
    ceiling: EmailRate
    reason: Annotated[str, Field(min_length=1, max_length=1000)]
    until: datetime


class KnownSender(Value):
    """Whose sending account it is. `inbox`: None for a LinkedIn account."""

    organization: UUID
    identity: UUID
    inbox: UUID | None


class FindSender(Query[KnownSender]):
    """Of operators. Refused `operator.needed` (403) to an organization, and `sender.unknown` (404)."""

    context: ClassVar[str] = "scheduler"
    answer: ClassVar[object] = KnownSender
    sender: str


class RequestRateIncrease(Command):
    """R-RATE-3: asks support. Refused `inbox.unknown` (404)."""

    context: ClassVar[str] = "scheduler"
    inbox: UUID
    wanted: EmailRate
    reason: Annotated[str, Field(min_length=1, max_length=1000)]


class Usage(Value):
    """What is used and allowed now, in the identity's local day and in the last 60 minutes."""

    inbox: UUID
    identity: UUID
    used_today: int
    used_this_hour: int
    rate: EmailRate
    zone: str
    next_possible: datetime | None  # None: now
    ceiling: EmailRate = EmailRate(per_day=80, per_hour=10)
    ceiling_until: datetime | None = None  # end of a temporary raise
    requested: EmailRate | None = None  # asked of support, not granted yet
    closed: str = (
        ""  # why nothing leaves at all, as a code: disconnected, reconnect, paused, identity-deleted
    )
    as_of: Moment | None = None
    sender: str = ""  # names the account for good, for operators and in events


class GetUsage(Query[Usage]):
    """`as_of`: as it was then. Refused `inbox.unknown`, `as-of.before` (404), `as-of.future` (422)."""

    context: ClassVar[str] = "scheduler"
    answer: ClassVar[object] = Usage
    inbox: UUID
    as_of: AwareDatetime | None = None


class WithdrawalPolicy(Value):
    """R-WD-1: invitations pending longer than this are withdrawn. None: off."""

    days: Annotated[int, Field(ge=1, le=180)] | None = None


class LinkedInLimitsChanged(Published):
    """The limits of a LinkedIn account from now on. `sender` names the account for good."""

    sender: str
    account: UUID
    identity: UUID
    limits: LinkedInLimits


class WithdrawalPolicyChanged(Published):
    sender: str = ""
    account: UUID
    identity: UUID
    policy: WithdrawalPolicy


class ChangeLinkedInLimits(Command):
    """`limits.scrapings` None: it stays as it is.

    Refused `linkedin.unknown` (404), `linkedin.no-sales-navigator` (409): only an account with Sales Navigator has
    scrapings of its own.
    """

    context: ClassVar[str] = "scheduler"
    identity: UUID
    limits: LinkedInLimits


class ChangeWithdrawalPolicy(Command):
    """Refused `linkedin.unknown` (404)."""

    context: ClassVar[str] = "scheduler"
    identity: UUID
    policy: WithdrawalPolicy


class WithdrawInvitations(Command):
    """R-WD-2. Answered at once; what became of each is asked with GetWithdrawalResults.

    `request` names this wish. What the day's allowance does not cover is not attempted. Refused
    `linkedin.unknown` (404).
    """

    context: ClassVar[str] = "scheduler"
    identity: UUID
    request: UUID
    invitations: Annotated[tuple[UUID, ...], Field(min_length=1, max_length=500)]

    @field_validator("invitations")
    @classmethod
    def _each_once(cls, invitations: tuple[UUID, ...]) -> tuple[UUID, ...]:
        return tuple(dict.fromkeys(invitations))


WithdrawalOutcome = Literal[
    "waiting", "withdrawn", "accepted meanwhile", "not found", "failed", "not attempted", "outcome unknown"
]


class WithdrawalResult(Value):
    invitation: UUID
    outcome: WithdrawalOutcome
    detail: str = ""


class GetWithdrawalResults(Query[tuple[WithdrawalResult, ...]]):
    """R-WD-5, in the order they were asked for. Refused `withdrawal.unknown` (404)."""

    context: ClassVar[str] = "scheduler"
    answer: ClassVar[object] = tuple[WithdrawalResult, ...]
    request: UUID
