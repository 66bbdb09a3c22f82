"""The LinkedIn sender: one per member of LinkedIn. Stream `linkedin-<the member, as LinkedInLinked.sender names it>`.

As the sender of an inbox it is never per day and never per identity, and everything a permit depends on stands in
this one stream: limits, zone and working hours, LinkedIn's own signals, closing, every campaign that acts through
it, and every permit with its outcome. Time in it never goes back. What is decided on it is in `linkedin_permits`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final, Literal, TypeAlias, cast
from uuid import UUID

from heraldry.contracts.identity import WorkingHours
from heraldry.contracts.linkedin import ActionKind, SlowedDown
from heraldry.contracts.linkedin_steps import LinkedInStepDispatched
from heraldry.contracts.scheduler import (
    LinkedInLimits,
    LinkedInLimitsChanged,
    PoolUse,
    QuotaConsumed,
    QuotaExhausted,
    QuotaReleased,
    WithdrawalPolicy,
    WithdrawalPolicyChanged,
    allowed,
)
from heraldry.scheduler.domain.calendar import HOUR, LONGEST_DAY
from heraldry.scheduler.domain.days import LEAVES_WITHIN, DayUse, assumed_used, day_use, moved, still_counting
from heraldry.scheduler.domain.linkedin_sender_events import (
    Event,
    LinkedInSenderOpened,
    LinkedInSenderSlowedDown,
    LinkedInSettingsRepeated,
)
from heraldry.scheduler.domain.sender import AssumeUsed, ChangeHours, OpenCampaign, Settle, StopCampaign
from heraldry.scheduler.domain.sender_events import (
    Mark,
    PermitSettled,
    QuotasAssumedUsed,
    SenderCampaignOpened,
    SenderCampaignStopped,
    SenderClosed,
    SenderHoursChanged,
    Zone,
)

EACH_TAKES: Final = timedelta(
    minutes=1
)  # longest, with the pause after it: a browser does one after the other

Code: TypeAlias = Literal["disconnected", "reconnect", "restricted", "identity-deleted"]


@dataclass(frozen=True, slots=True)
class Open:
    """The identity acts as the member. `linked_at`: of two accounts of one member the later is right."""

    sender: str
    organization: UUID
    account: UUID
    identity: UUID
    hours: WorkingHours
    linked_at: datetime
    at: datetime
    sales_navigator: bool = False


@dataclass(frozen=True, slots=True)
class Close:
    """`account`: one that is not the member's any more closes nothing."""

    account: UUID
    code: Code
    at: datetime


@dataclass(frozen=True, slots=True)
class SlowDown:
    kind: SlowedDown
    until: datetime
    at: datetime


@dataclass(frozen=True, slots=True)
class ChangeLimits:
    organization: UUID
    limits: LinkedInLimits
    at: datetime


@dataclass(frozen=True, slots=True)
class ChangePolicy:
    organization: UUID
    policy: WithdrawalPolicy
    at: datetime


@dataclass(frozen=True, slots=True)
class Action:
    """What is done, to whom. `person` is the data subject; `text`: of a message or of an invitation's note.

    `invitation`, `invited_at`: what a withdrawal withdraws; `automatic`: by the identity's policy.
    """

    kind: ActionKind
    person: UUID
    profile: str
    name: str = ""
    text: str = ""
    invitation: UUID | None = None
    invited_at: datetime | None = None
    automatic: bool = False


@dataclass(frozen=True, slots=True)
class Shared:
    """What a scraping draws on where nothing of the sender's own is left: a permit of the organization's pool, and
    when the day ends it is for.
    """

    use: PoolUse
    ends: datetime


@dataclass(frozen=True, slots=True)
class Dispatch:
    """Of a campaign, or by hand, or an automatic withdrawal. `identity`: in whose name; None: whoever has the
    account. `shared`: a scraping that draws on the pool.
    """

    organization: UUID
    attempt: UUID
    action: Action
    at: datetime
    campaign: UUID | None = None
    enrollment: UUID | None = None
    identity: UUID | None = None
    shared: Shared | None = None

    @property
    def waits_for_hours(self) -> bool:
        return self.campaign is not None or self.action.automatic


@dataclass(frozen=True, slots=True)
class SayExhausted:
    """`until`: of scrapings, which are not decided here alone."""

    kind: ActionKind
    at: datetime
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Cancel:
    """There is no news of this step: ask that it be closed."""

    attempt: UUID
    at: datetime


Note: TypeAlias = (
    ChangeHours | Close | SlowDown | OpenCampaign | StopCampaign | SayExhausted | Settle | AssumeUsed | Cancel
)
Command: TypeAlias = Open | Note | ChangeLimits | ChangePolicy | Dispatch


@dataclass(frozen=True, slots=True)
class Permit:
    at: datetime
    valid_until: datetime
    kind: ActionKind
    account: UUID
    identity: UUID
    campaign: UUID | None = None  # None: by hand, or an automatic withdrawal
    enrollment: UUID | None = None
    invitation: UUID | None = None  # what a withdrawal withdraws
    settled: bool = False
    returned: bool = False  # it was provably not done: it counts nothing, and is not given again
    shared: bool = False  # of the organization's pool

    def leaving(self, now: datetime) -> bool:
        """Whether it may be on its way: no outcome is known and it may still begin."""
        return not self.settled and now < self.valid_until


@dataclass(frozen=True, slots=True)
class Unopened:
    """Nobody ever acted as this member here."""


@dataclass(frozen=True, slots=True)
class LinkedInSender:
    id: str
    organization: UUID
    account: UUID
    identity: UUID
    linked_at: datetime
    limits: LinkedInLimits
    policy: WithdrawalPolicy
    zones: tuple[Zone, ...]  # the present one last
    hours: WorkingHours
    last: datetime
    repeated: datetime  # when all settings were last written down together
    sales_navigator: bool = False
    closed: str = ""  # a code; empty: open
    reason: str = ""  # why it is closed, for people
    pauses: Mapping[SlowedDown, datetime] = field(default_factory=dict[SlowedDown, datetime])
    campaigns: Mapping[UUID, Mark] = field(default_factory=dict[UUID, Mark])
    permits: Mapping[UUID, Permit] = field(default_factory=dict[UUID, Permit])
    said: frozenset[tuple[ActionKind, datetime]] = (
        frozenset()
    )  # what was published of limits that are reached
    assumed: datetime | None = None  # until then all that is allowed was done, as far as anybody knows

    @property
    def zone(self) -> str:
        return self.zones[-1].name

    def use(self, kind: ActionKind, at: datetime) -> DayUse:
        """R-LIM-1 and 3: what of a kind is used today, and from when one more is possible. Of scrapings: of its own."""
        own, most = [one.at for one in self._counting(kind) if not one.shared], self.allowed(kind)
        return day_use(self.zones, [*own, *assumed_used(self.assumed, most)], most, max(at, self.last))

    def allowed(self, kind: ActionKind) -> int:
        """How many a day; R-LIM-2: only Sales Navigator adds scrapings of its own."""
        return 0 if kind == "scraping" and not self.sales_navigator else allowed(kind, self.limits)

    def done(self, kind: ActionKind, at: datetime) -> int:
        """How many of a kind today, whatever they draw on."""
        every = [one.at for one in self._counting(kind)]
        return day_use(self.zones, every, len(every), max(at, self.last)).used

    def counted(self, kind: ActionKind, at: datetime) -> int:
        """How many of a kind count as done today: after a restore all that is allowed of its own, known or not."""
        return max(self.done(kind, at), min(self.use(kind, at).used, self.allowed(kind)))

    def _counting(self, kind: ActionKind) -> list[Permit]:
        return [one for one in self.permits.values() if one.kind == kind and not one.returned]

    def paused_until(self, kind: ActionKind, at: datetime, *, noted: bool = False) -> datetime | None:
        """R-LIM-5: until when LinkedIn wants nothing of a kind; `noted`: an invitation with a note."""
        kinds: tuple[SlowedDown, ...] = ("everything",)
        if kind in {"invitation", "message"}:
            kinds = (cast("SlowedDown", kind), "everything")
        if kind == "invitation" and noted:
            kinds = (*kinds, "note")
        ends = [self.pauses[one] for one in kinds if one in self.pauses and self.pauses[one] > at]
        return max(ends, default=None)

    def leaving(self, campaign: UUID, now: datetime) -> tuple[UUID, ...]:
        """The attempts of a campaign that may be on their way."""
        return tuple(
            attempt
            for attempt, permit in self.permits.items()
            if permit.campaign == campaign and permit.leaving(now)
        )

    def begins_within(self, now: datetime) -> timedelta:
        """How long one more action may wait: for all that are on their way it has to."""
        return LEAVES_WITHIN + EACH_TAKES * sum(one.leaving(now) for one in self.permits.values())

    def withdrawing(self, now: datetime) -> frozenset[UUID | None]:
        """The invitations that are being withdrawn, as far as is known."""
        return frozenset(
            one.invitation for one in self.permits.values() if one.kind == "withdrawal" and one.leaving(now)
        )


State: TypeAlias = Unopened | LinkedInSender
UNOPENED: Final = Unopened()


def enough(newest_first: Sequence[Event], now: datetime) -> bool:
    """Whether these events say all a decision at `now` needs: the permits that may still count, and all
    settings from before them.
    """
    horizon = now - LONGEST_DAY - HOUR - LEAVES_WITHIN
    return any(isinstance(event, LinkedInSettingsRepeated) and event.at <= horizon for event in newest_first)


def evolve(state: State, event: Event) -> State:
    if isinstance(event, LinkedInSenderOpened):
        return _opened(state, event)
    if isinstance(event, LinkedInSettingsRepeated):
        return _repeated(state, event)
    if isinstance(state, Unopened):
        return state  # before the settings in the part of the stream that was read: too old to count
    return _evolved(as_of(state, event.at), event)


def _evolved(sender: LinkedInSender, event: Event) -> LinkedInSender:
    match event:
        case LinkedInSenderSlowedDown(kind=kind, until=until):
            return replace(sender, pauses={**sender.pauses, kind: until})
        case LinkedInLimitsChanged(limits=limits):
            return replace(sender, limits=limits)
        case WithdrawalPolicyChanged(policy=policy):
            return replace(sender, policy=policy)
        case SenderHoursChanged(hours=hours):
            return replace(sender, hours=hours, zones=moved(sender.zones, hours.zone, event.at))
        case SenderClosed(reason=reason, code=code):
            return replace(sender, closed=code, reason=reason)
        case SenderCampaignOpened(campaign=campaign, source_revision=revision):
            return _marked(sender, Mark(campaign=campaign, revision=revision, open=True, at=event.at))
        case SenderCampaignStopped(campaign=campaign, source_revision=revision):
            return _marked(sender, Mark(campaign=campaign, revision=revision, open=False, at=event.at))
        case _:
            return _counted(sender, event)


def _counted(sender: LinkedInSender, event: Event) -> LinkedInSender:
    match event:
        case QuotaConsumed():
            return replace(sender, permits={**sender.permits, event.attempt: _permit(event)})
        case LinkedInStepDispatched(attempt=attempt, invitation=invitation):
            permit = sender.permits.get(attempt)
            if permit is None or invitation is None:
                return sender
            return replace(
                sender, permits={**sender.permits, attempt: replace(permit, invitation=invitation)}
            )
        case PermitSettled(attempt=attempt) | QuotaReleased(attempt=attempt):
            permit = sender.permits.get(attempt)
            if permit is None:
                return sender
            settled = replace(permit, settled=True, returned=isinstance(event, QuotaReleased))
            return replace(sender, permits={**sender.permits, attempt: settled})
        case QuotaExhausted(until=until):
            return replace(sender, said=sender.said | {(cast("ActionKind", event.kind), until)})
        case QuotasAssumedUsed(at=at):
            return replace(sender, assumed=at)
        case _:
            return sender  # a step stands for what its QuotaConsumed counted, until it has an outcome


def _opened(state: State, event: LinkedInSenderOpened) -> LinkedInSender:
    if isinstance(state, Unopened):
        return LinkedInSender(
            id=event.sender,
            organization=event.organization,
            account=event.account,
            identity=event.identity,
            linked_at=event.linked_at,
            limits=event.limits,
            policy=event.policy,
            zones=(Zone(name=event.hours.zone),),
            hours=event.hours,
            last=event.at,
            repeated=event.at,
            sales_navigator=event.sales_navigator,
        )
    sender = as_of(state, event.at)
    return replace(
        sender,
        account=event.account,
        identity=event.identity,
        linked_at=event.linked_at,
        limits=event.limits,
        policy=event.policy,
        zones=moved(sender.zones, event.hours.zone, event.at),
        hours=event.hours,
        sales_navigator=event.sales_navigator,
        closed="",
        reason="",
    )


def _repeated(state: State, event: LinkedInSettingsRepeated) -> LinkedInSender:
    before = UNOPENED if isinstance(state, Unopened) else as_of(state, event.at)
    return LinkedInSender(
        id=event.sender,
        organization=event.organization,
        account=event.account,
        identity=event.identity,
        linked_at=event.linked_at,
        limits=event.limits,
        policy=event.policy,
        zones=event.zones,
        hours=event.hours,
        last=event.at if isinstance(before, Unopened) else before.last,
        repeated=event.at,
        sales_navigator=event.sales_navigator,
        closed=event.closed,
        reason=event.reason,
        pauses={one.kind: one.until for one in event.pauses},
        campaigns={mark.campaign: mark for mark in event.campaigns},
        permits={} if isinstance(before, Unopened) else before.permits,
        said=frozenset((one.kind, one.until) for one in event.said),
        assumed=None if isinstance(before, Unopened) else before.assumed,
    )


def as_of(sender: LinkedInSender, at: datetime) -> LinkedInSender:
    """The sender at a later time: permits that can count no more are forgotten, wherever reading began."""
    if at <= sender.last:
        return sender
    return replace(sender, last=at, permits=still_counting(sender.permits, at))


def _marked(sender: LinkedInSender, mark: Mark) -> LinkedInSender:
    return replace(sender, campaigns={**sender.campaigns, mark.campaign: mark})


def _permit(event: QuotaConsumed) -> Permit:
    return Permit(
        at=event.at,
        valid_until=event.valid_until,
        kind=cast("ActionKind", event.kind),
        account=event.account or event.identity,
        identity=event.identity,
        campaign=event.campaign,
        enrollment=event.enrollment,
        shared=event.pool is not None,
    )
