"""What the scheduler has the LinkedIn driver do, and is asked of the limits it keeps there."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, ClassVar, Literal
from uuid import UUID

from heraldry.contracts.base import Command, Erased, Internal, Moment, Personal, Query, Value
from heraldry.contracts.linkedin import ActionKind, SlowedDown
from heraldry.contracts.scheduler import LinkedInLimits, WithdrawalPolicy
from heraldry.contracts.texts import OneLine, PlainText
from pydantic import AwareDatetime, Field

Invitee = Personal("person")
LONGEST_NOTE = 300  # characters
LONGEST_FREE_NOTE = 200  # of an account without Premium; LinkedIn itself says so
LONGEST_MESSAGE = 8000
Allowance = Literal["invitation", "message", "withdrawal", "scraping"]


class LinkedInStepDispatched(Internal):
    """Do this once, not after `valid_until`. Stored together with its QuotaConsumed.

    `text`: of a message or of an invitation's note. `invitation`, `invited_at`: what a withdrawal withdraws.
    """

    attempt: UUID
    kind: ActionKind
    sender: str
    account: UUID
    identity: UUID
    person: UUID
    profile: Annotated[str | Erased, Invitee]
    name: Annotated[str | Erased, Invitee] = ""
    text: Annotated[str | Erased, Invitee] = ""
    valid_until: datetime
    invitation: UUID | None = None
    invited_at: datetime | None = None
    automatic: bool = False
    campaign: UUID | None = None  # None: by hand, or an automatic withdrawal
    enrollment: UUID | None = None


class LinkedInStepCancelled(Internal):
    """Do not do it any more, if it was not begun."""

    attempt: UUID
    identity: UUID


class InviteOnLinkedIn(Command):
    """Invite one person by hand, now. The attempt id is the command's id.

    Refused `linkedin.unknown` (404), `linkedin.not-linked` (409), `linkedin.slowed-down` (409) with `until`,
    `quota.exhausted` (409) with `until`, `invitation.withdrawn-lately` (409) with `until`: the instant from
    which this LinkedIn account may invite the person again.
    `person` is the data subject: who is invited.
    """

    context: ClassVar[str] = "scheduler"
    identity: UUID
    person: UUID
    profile: Annotated[str, Field(min_length=1, max_length=500)]
    name: Annotated[OneLine, Field(max_length=200)] = ""
    note: Annotated[PlainText, Field(max_length=LONGEST_NOTE)] = ""


class ReadProfileOnLinkedIn(Command):
    """Read one person's profile for its data by hand, now (R-LIM-2). The attempt id is the command's id; what was
    read is asked with GetLinkedInAction.

    Refused `linkedin.unknown` (404), `linkedin.not-linked` (409), `linkedin.slowed-down` (409) with `until`,
    `quota.exhausted` (409) with `until`.
    `person` is the data subject: whose profile is read.
    """

    context: ClassVar[str] = "scheduler"
    identity: UUID
    person: UUID
    profile: Annotated[str, Field(min_length=1, max_length=500)]
    name: Annotated[OneLine, Field(max_length=200)] = ""


class LinkedInUse(Value):
    """One kind of action in the identity's local day. `next_possible` None: now.

    Of scrapings, `allowed` is the organization's shared pool and the identity's own capacity together.
    """

    kind: Allowance
    used_today: int
    allowed: int
    next_possible: datetime | None
    why: str = ""  # why nothing is possible before `next_possible`


class SharedPool(Value):
    """The organization's scrapings in its day, whoever of its identities did them. `zone`: whose midnight begins it.

    `next_possible`: when it can be drawn on again; None: now.
    """

    used_today: int
    allowed: int
    zone: str
    next_possible: datetime | None = None

    @property
    def left(self) -> int:
        return max(0, self.allowed - self.used_today)


class OwnScrapings(Value):
    """What Sales Navigator adds to the pool, in the identity's local day."""

    used_today: int
    allowed: int


class LinkedInUsage(Value):
    """`warnings`: the names of the limits above what is recommended (R-LIM-1).

    `pool`: what the organization's identities share of scrapings. `own_scrapings`: what the identity has beside it
    and has used of it today, None without Sales Navigator.
    `closed`: why nothing can be done at all, as a code (disconnected, reconnect, restricted, identity-deleted), and
    `reason` for people; empty: it is linked.
    """

    identity: UUID
    account: UUID
    limits: LinkedInLimits
    warnings: tuple[str, ...]
    policy: WithdrawalPolicy
    use: tuple[LinkedInUse, ...]
    zone: str
    slowed: tuple[tuple[SlowedDown, datetime], ...] = ()
    pool: SharedPool
    own_scrapings: OwnScrapings | None = None
    closed: str = ""
    reason: str = ""
    as_of: Moment | None = None
    sender: str = ""  # names the account for good, for operators and in events


class GetLinkedInUsage(Query[LinkedInUsage]):
    """`as_of`: as it was then; the size of the pool is the present one.

    Refused `linkedin.unknown` (404): this identity never had a LinkedIn account; `as-of.before` (404),
    `as-of.future` (422).
    """

    context: ClassVar[str] = "scheduler"
    answer: ClassVar[object] = LinkedInUsage
    identity: UUID
    as_of: AwareDatetime | None = None
