"""What the LinkedIn driver says and is asked: accounts, invitations, messages."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, ClassVar, Literal
from uuid import UUID, uuid5

from heraldry.contracts.addresses import travelling
from heraldry.contracts.base import Command, Erased, Moment, Personal, Published, Query, Value
from pydantic import AfterValidator, AwareDatetime, Field

Owner = Personal("identity")
Invitee = Personal("person")
CodeBy = Literal["authenticator", "SMS", "email"]
ActionKind = Literal["invitation", "message", "withdrawal", "scraping"]
SlowedDown = Literal["invitation", "note", "message", "everything"]


def _address(email: str) -> str:
    """As it was given, if somebody can have it. Raises Malformed."""
    travelling(email)
    return email


SignInAddress = Annotated[str, Field(max_length=254), AfterValidator(_address)]


def account_of(identity: UUID) -> UUID:
    """The id of an identity's LinkedIn account, whether it has one or not."""
    return uuid5(identity, "linkedin")


class Obstacle(Value):
    """What stands between us and LinkedIn, for the person who can do something about it.

    `identity`: the other identity it is about, where there is one.
    """

    code: str
    cause: str
    resolution: str
    kind: str = "person"  # who can mend it: person, operator, transient
    identity: UUID | None = None


class LinkedInProfile(Value):
    """What LinkedIn says of the member itself. Empty: it says nothing."""

    first_name: str = ""
    last_name: str = ""
    headline: str = ""
    url: str = ""
    picture: str = ""  # content hash of the stored picture


class ProfileData(Value):
    """What LinkedIn's page of a person says to this account. Empty: it says nothing.

    First and last name are parted at the first space, for the page shows one name. The job title is the headline's
    part before the company the page names ("Head of purchasing at Brisa"), and empty where the headline is another.
    """

    first_name: str = ""
    last_name: str = ""
    headline: str = ""
    location: str = ""
    company: str = ""
    job_title: str = ""


class LinkedInLinkingStarted(Published):
    """A browser is to sign in with these credentials, once. `linking` names the try."""

    account: UUID
    identity: UUID
    linking: UUID
    email: Annotated[str | Erased, Owner]


class VerificationCodeRequested(Published):
    """LinkedIn wants a code; its page is held open until `until` (real clock).

    `hint`: LinkedIn's own words on where it was sent. `rejected`: what LinkedIn said of the code before.
    """

    account: UUID
    identity: UUID
    linking: UUID
    by: CodeBy
    hint: Annotated[str | Erased, Owner] = ""
    rejected: Literal["", "wrong", "expired"] = ""
    until: datetime


class VerificationCodeGiven(Published):
    """A person gave the code; the browser that holds the page open enters it. What comes next says how it went."""

    account: UUID
    identity: UUID
    linking: UUID


class LinkedInApprovalRequested(Published):
    """LinkedIn wants a tap on Yes in its app; its page is held open until `until` (real clock)."""

    account: UUID
    identity: UUID
    linking: UUID
    until: datetime


class LinkedInLinked(Published):
    """The identity acts as this LinkedIn member. `sender`: the member, as the scheduler names it."""

    account: UUID
    identity: UUID
    linking: UUID
    sender: str
    profile: Annotated[LinkedInProfile | Erased, Owner]
    sales_navigator: bool = False


class LinkedInLinkingFailed(Published):
    """An account that was linked before stays as it was."""

    account: UUID
    identity: UUID
    linking: UUID
    diagnosis: Obstacle


class LinkedInNeedsReconnect(Published):
    account: UUID
    identity: UUID
    diagnosis: Obstacle


class LinkedInRestricted(Published):
    """LinkedIn restricted the account; nothing is done with it until it is linked again."""

    account: UUID
    identity: UUID
    diagnosis: Obstacle


class LinkedInSlowedDown(Published):
    """LinkedIn wants no more of this kind before `until` (R-LIM-5)."""

    account: UUID
    identity: UUID
    kind: SlowedDown
    until: datetime
    diagnosis: Obstacle


class LinkedInUnlinked(Published):
    account: UUID
    identity: UUID


class LinkedInActionQueued(Published):
    """The dispatched step arrived here. From now on only this context closes the attempt.

    `text`: of a message or of an invitation's note. `invitation`, `invited_at`: what a withdrawal withdraws.
    """

    attempt: UUID
    kind: ActionKind
    account: UUID
    identity: UUID
    person: UUID
    profile: Annotated[str | Erased, Invitee]  # address of the person's profile
    name: Annotated[str | Erased, Invitee] = ""
    text: Annotated[str | Erased, Invitee] = ""
    valid_until: datetime
    sender: str = ""
    invitation: UUID | None = None
    invited_at: datetime | None = None
    automatic: bool = False
    campaign: UUID | None = None  # None: by hand, or an automatic withdrawal
    enrollment: UUID | None = None


class LinkedInActionClaimed(Published):
    """One worker has it in hand; nothing was done yet. From `held_until` (real clock) another may take over."""

    attempt: UUID
    account: UUID
    identity: UUID
    claim: UUID
    held_until: datetime


class LinkedInActionStarted(Published):
    """The irrevocable click comes next: from here on it is never done again, only looked up. Of a scraping: the
    person's profile is opened next.

    `member`: whom the open page is about, as a keyed hash. `alike`: how many messages of ours with the same text
    stood there before.
    """

    attempt: UUID
    account: UUID
    identity: UUID
    claim: UUID
    member: str = ""
    alike: int = 0


class Done(Published):
    """What every action that was done says. `proof`: by what it is known."""

    attempt: UUID
    account: UUID
    identity: UUID
    person: UUID
    proof: str
    campaign: UUID | None = None
    enrollment: UUID | None = None


class InvitationSent(Done):
    """LinkedIn shows the invitation as pending."""

    with_note: bool = False


class InvitationWithdrawn(Done):
    """`automatic`: by the identity's policy, not by a person; the envelope says by whom."""

    invitation: UUID | None  # the attempt that sent it; None: it was sent by hand, on LinkedIn
    name: Annotated[str | Erased, Invitee]
    sent_at: datetime | None
    automatic: bool
    blocked_until: datetime  # no new invitation to this person before


class LinkedInMessageSent(Done):
    """LinkedIn shows the message in the conversation."""


class ProfileScraped(Done):
    """The person's profile was read for its data: one scraping (R-LIM-2)."""

    profile: Annotated[str | Erased, Invitee]  # its address
    data: Annotated[ProfileData | Erased, Invitee]


class InvitationAccepted(Published):
    attempt: UUID  # the invitation's
    account: UUID
    identity: UUID
    person: UUID
    campaign: UUID | None = None
    enrollment: UUID | None = None


class LinkedInReplyReceived(Published):
    """A person who was written to wrote back."""

    account: UUID
    identity: UUID
    person: UUID
    attempt: UUID  # the message or invitation before it
    text: Annotated[str | Erased, Invitee]
    campaign: UUID | None = None
    enrollment: UUID | None = None


class LinkedInActionFailed(Published):
    """It was provably not done; its permit goes back.

    Not `proven`: a person decided that it was not done, or a profile was opened and what it says was lost. Then the
    permit stays used.
    """

    attempt: UUID
    kind: ActionKind
    account: UUID
    identity: UUID
    person: UUID
    diagnosis: Obstacle
    proven: bool = True
    campaign: UUID | None = None
    enrollment: UUID | None = None
    again: bool = (
        False  # the same step may be tried again: the reason passes, or a person says it was not done
    )


class LinkedInActionOutcomeUnknown(Published):
    """It may have been done or not: a person decides. The permit stays used."""

    attempt: UUID
    kind: ActionKind
    account: UUID
    identity: UUID
    person: UUID
    reason: str
    campaign: UUID | None = None
    enrollment: UUID | None = None


class LinkedInCommand(Command):
    context: ClassVar[str] = "linkedin-driver"
    identity: UUID


class LinkLinkedIn(LinkedInCommand):
    """R-ADD-2. Answered at once; the outcome comes as LinkedInLinked or LinkedInLinkingFailed.

    `password` is sealed to the driver's public key. Refused `linkedin.linking-under-way` (409).
    """

    email: SignInAddress
    password: str  # sealed box, base64


class EnterCode(LinkedInCommand):
    """R-ADD-3. Refused `linkedin.no-code-wanted` (409), `linkedin.code-too-late` (409)."""

    code: str  # sealed box, base64


class ResendCode(LinkedInCommand):
    """Ask LinkedIn for a new code. Refused as EnterCode, and `linkedin.code-by-authenticator` (409)."""


class TryLinkingAgain(LinkedInCommand):
    """Once more with the credentials given last.

    Refused `linkedin.unknown` (404), `linkedin.linking-under-way` (409), `linkedin.linked` (409), and
    `linkedin.password-needed` (409) where LinkedIn took neither address nor password.
    """


class UnlinkLinkedIn(LinkedInCommand):
    """Forget credentials and session. Refused `linkedin.unknown` (404)."""


class DecideActionOutcome(Command):
    """What a person found out about an action whose outcome is unknown.

    Refused `action.unknown` (404), `action.outcome-known` (409).
    """

    context: ClassVar[str] = "linkedin-driver"
    attempt: UUID
    done: bool


AccountState = Literal[
    "linking",
    "code wanted",
    "code given",
    "approval wanted",
    "failed",
    "linked",
    "needs reconnect",
    "restricted",
    "unlinked",
]


class AccountView(Value):
    """`wanted`: what linking waits for. `slowed`: until when which kind of action pauses."""

    account: UUID
    identity: UUID
    state: AccountState
    email: str
    profile: LinkedInProfile | None
    diagnosis: Obstacle | None
    code_by: CodeBy | None = None
    hint: str = ""
    rejected: Literal["", "wrong", "expired"] = ""
    wanted_until: datetime | None = None
    slowed: tuple[tuple[SlowedDown, datetime], ...] = ()
    sales_navigator: bool = False
    since: datetime
    as_of: Moment | None = None


class ListLinkedInAccounts(Query[tuple[AccountView, ...]]):
    """The organization's LinkedIn accounts, or one identity's; `as_of`: as they were then.

    Refused `as-of.future` (422).
    """

    context: ClassVar[str] = "linkedin-driver"
    answer: ClassVar[object] = tuple[AccountView, ...]
    identity: UUID | None = None
    as_of: AwareDatetime | None = None


class PendingInvitation(Value):
    invitation: UUID
    identity: UUID
    person: UUID
    name: str
    profile: str
    sent_at: datetime
    withdrawing: bool = False


class PendingPage(Value):
    """`next`: the cursor to go on with; empty: there are no more."""

    invitations: tuple[PendingInvitation, ...]
    next: str
    total: int


class ListPendingInvitations(Query[PendingPage]):
    """The identity's invitations nobody accepted yet, oldest first."""

    context: ClassVar[str] = "linkedin-driver"
    answer: ClassVar[object] = PendingPage
    identity: UUID
    after: str = ""
    limit: Annotated[int, Field(ge=1, le=500)] = 50


class Withdrawal(Value):
    """R-WD-3. `actor` as in the envelope."""

    invitation: UUID | None
    person: UUID
    name: str
    sent_at: datetime | None
    withdrawn_at: datetime
    automatic: bool
    actor: str
    blocked_until: datetime


class WithdrawalPage(Value):
    withdrawals: tuple[Withdrawal, ...]
    next: str
    total: int


class ListWithdrawals(Query[WithdrawalPage]):
    """What was withdrawn in the identity's name, newest first."""

    context: ClassVar[str] = "linkedin-driver"
    answer: ClassVar[object] = WithdrawalPage
    identity: UUID
    after: str = ""
    limit: Annotated[int, Field(ge=1, le=500)] = 50


ActionState = Literal["queued", "claimed", "started", "done", "failed", "outcome unknown"]


class ActionStep(Value):
    """One line of an action's history. `actor` as in the envelope."""

    type: str
    at: datetime
    actor: str
    detail: str


class ActionView(Value):
    """One action with everything that is recorded of it, oldest first.

    `accepted_at`, `withdrawal`: of an invitation; the latter is the newest attempt to withdraw it. `data`: what a
    scraping read.
    """

    attempt: UUID
    kind: ActionKind
    account: UUID
    identity: UUID
    person: UUID
    name: str
    profile: str
    text: str
    state: ActionState
    automatic: bool = False
    campaign: UUID | None = None
    diagnosis: Obstacle | None = None  # why it failed
    accepted_at: datetime | None = None
    withdrawal: UUID | None = None
    steps: tuple[ActionStep, ...] = ()
    replies: tuple[str, ...] = ()
    data: ProfileData | None = None


class GetLinkedInAction(Query[ActionView]):
    """Refused `action.unknown` (404)."""

    context: ClassVar[str] = "linkedin-driver"
    answer: ClassVar[object] = ActionView
    attempt: UUID


class UndecidedAction(Value):
    """An action of which nobody could find out whether it was done. `started_at`: when its click came next."""

    attempt: UUID
    kind: ActionKind
    identity: UUID
    person: UUID
    name: str
    profile: str
    text: str
    reason: str
    started_at: datetime
    campaign: UUID | None = None


class UndecidedPage(Value):
    actions: tuple[UndecidedAction, ...]
    next: str
    total: int


class ListUndecidedActions(Query[UndecidedPage]):
    """What a person has to decide with DecideActionOutcome, oldest first: the organization's, or one identity's."""

    context: ClassVar[str] = "linkedin-driver"
    answer: ClassVar[object] = UndecidedPage
    identity: UUID | None = None
    after: str = ""
    limit: Annotated[int, Field(ge=1, le=500)] = 50
