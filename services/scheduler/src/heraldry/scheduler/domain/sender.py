"""The sender: one per sending account. Stream `sender-<keyed hash of the normalised address>`.

Everything a permit depends on stands in this one stream, so that no concurrency can exceed a limit: the
rate and its ceiling, the working hours, opening and closing, every campaign that sends through it, and every
permit with its outcome. It is never per day and never per identity: disconnecting, deleting and reconnecting
start nothing anew. Time in it never goes back. What is decided on it is in `permits`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final, Literal, TypeAlias, assert_never
from uuid import UUID

from heraldry.contracts.identity import WorkingHours
from heraldry.contracts.scheduler import (
    EmailRate,
    LimitsChanged,
    QuotaConsumed,
    QuotaExhausted,
    QuotaReleased,
    RateCeilingExpired,
    RateCeilingRaised,
    RateIncreaseRequested,
    StepCancelled,
    StepDispatched,
)
from heraldry.scheduler.domain.calendar import HOUR, LONGEST_DAY
from heraldry.scheduler.domain.days import LEAVES_WITHIN, moved, still_counting
from heraldry.scheduler.domain.sender_events import (
    Event,
    Mark,
    PermitSettled,
    QuotasAssumedUsed,
    SenderCampaignOpened,
    SenderCampaignStopped,
    SenderClosed,
    SenderHoursChanged,
    SenderOpened,
    SenderZoneChanged,
    SettingsRepeated,
    Window,
    Zone,
)

CEILING: Final = EmailRate(per_day=80, per_hour=10)

Code: TypeAlias = Literal["disconnected", "reconnect", "paused", "identity-deleted"]
_REASONS: Final[Mapping[str, Code]] = {  # of events that had no code yet
    "it needs to be reconnected.": "reconnect",
    "its identity was deleted.": "identity-deleted",
}


@dataclass(frozen=True, slots=True)
class Open:
    """The account can send for this identity; `closed`: not yet, for this reason."""

    sender: str
    organization: UUID
    inbox: UUID
    identity: UUID
    hours: WorkingHours
    at: datetime
    closed: Code | None = None


@dataclass(frozen=True, slots=True)
class ChangeHours:
    """The hours of an identity; they bind its own accounts only."""

    identity: UUID
    hours: WorkingHours
    at: datetime


@dataclass(frozen=True, slots=True)
class Close:
    code: Code
    at: datetime


@dataclass(frozen=True, slots=True)
class OpenCampaign:
    """`source_revision`: of the campaign's own stream; what is not newer than what is known changes nothing."""

    campaign: UUID
    source_revision: int
    at: datetime


@dataclass(frozen=True, slots=True)
class StopCampaign:
    """Also cancels what of it was dispatched and may still leave."""

    campaign: UUID
    source_revision: int
    at: datetime


@dataclass(frozen=True, slots=True)
class ChangeRate:
    organization: UUID
    rate: EmailRate
    at: datetime


@dataclass(frozen=True, slots=True)
class RequestIncrease:
    organization: UUID
    wanted: EmailRate
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True)
class RaiseCeiling:
    ceiling: EmailRate
    reason: str
    until: datetime
    at: datetime


@dataclass(frozen=True, slots=True)
class Letter:
    """What a step is to send, to whom. `person` is the data subject; `references` oldest first."""

    person: UUID
    to: str
    subject: str
    text: str
    html: str = ""
    in_reply_to: str = ""
    references: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Dispatch:
    """Without a campaign it was written by hand. `identity`: in whose name; None: whoever has the account."""

    organization: UUID
    attempt: UUID
    letter: Letter
    at: datetime
    campaign: UUID | None = None
    enrollment: UUID | None = None
    identity: UUID | None = None


@dataclass(frozen=True, slots=True)
class SayExhausted:
    at: datetime


@dataclass(frozen=True, slots=True)
class Settle:
    """The attempt has an outcome. `proven_not_sent`: its permit goes back."""

    attempt: UUID
    proven_not_sent: bool
    at: datetime


@dataclass(frozen=True, slots=True)
class AssumeUsed:
    """What was done until now is not known: the day and the hour count as used up."""

    at: datetime


@dataclass(frozen=True, slots=True)
class Withdraw:
    """There is no news of this step: ask that it be closed."""

    attempt: UUID
    at: datetime


Note: TypeAlias = (
    ChangeHours | Close | OpenCampaign | StopCampaign | SayExhausted | Settle | AssumeUsed | Withdraw
)
Command: TypeAlias = Open | Note | ChangeRate | RequestIncrease | RaiseCeiling | Dispatch


@dataclass(frozen=True, slots=True)
class Permit:
    at: datetime
    valid_until: datetime
    until: datetime  # when its hour ends: outcome, or the last moment it may leave, and 60 minutes
    identity: UUID
    campaign: UUID | None = None  # None: written by hand
    enrollment: UUID | None = None
    settled: bool = False
    returned: bool = False  # it provably did not leave: it counts nothing, and is not given again

    def leaving(self, now: datetime) -> bool:
        """Whether it may be on its way: no outcome is known and it may still begin."""
        return not self.settled and now < self.valid_until


@dataclass(frozen=True, slots=True)
class Unopened:
    """Nothing can be sent from here yet."""


@dataclass(frozen=True, slots=True)
class Sender:
    id: str
    organization: UUID
    inbox: UUID
    identity: UUID
    rate: EmailRate
    zones: tuple[Zone, ...]  # the present one last
    hours: WorkingHours | None
    last: datetime
    repeated: datetime  # when all settings were last written down together
    ceiling: EmailRate = CEILING
    ceiling_until: datetime | None = None  # None: it is the usual one
    requested: EmailRate | None = None
    closed: str = ""  # a code; empty: open
    reason: str = ""  # why it is closed, for people
    campaigns: Mapping[UUID, Mark] = field(default_factory=dict[UUID, Mark])
    permits: Mapping[UUID, Permit] = field(default_factory=dict[UUID, Permit])
    said: frozenset[tuple[Window, datetime]] = frozenset()  # what was published of limits that are reached
    assumed: datetime | None = None  # until then all that is allowed was done, as far as anybody knows

    @property
    def zone(self) -> str:
        return self.zones[-1].name

    def ceiling_at(self, now: datetime) -> EmailRate:
        """What a raise allowed is over at its end, whether that was written down or not."""
        return CEILING if self.ceiling_until is not None and self.ceiling_until <= now else self.ceiling

    def rate_at(self, now: datetime) -> EmailRate:
        """What is allowed: a rate above the ceiling went back to it when the raise ended."""
        return lowered(self.rate, self.ceiling_at(now))

    def leaving(self, campaign: UUID, now: datetime) -> tuple[UUID, ...]:
        """The attempts of a campaign that may be on their way."""
        return tuple(
            attempt
            for attempt, permit in self.permits.items()
            if permit.campaign == campaign and permit.leaving(now)
        )


State: TypeAlias = Unopened | Sender
UNOPENED: Final = Unopened()


def lowered(rate: EmailRate, most: EmailRate) -> EmailRate:
    if rate.per_day <= most.per_day and rate.per_hour <= most.per_hour:
        return rate
    return EmailRate(per_day=min(rate.per_day, most.per_day), per_hour=min(rate.per_hour, most.per_hour))


def enough(newest_first: Sequence[Event], now: datetime) -> bool:
    """Whether these events say all a decision at `now` needs: the permits that may still count, and all
    settings from before them.
    """
    horizon = now - LONGEST_DAY - HOUR - LEAVES_WITHIN
    return any(isinstance(event, SettingsRepeated) and event.at <= horizon for event in newest_first)


def evolve(state: State, event: Event) -> State:
    if isinstance(event, SenderOpened):
        return _opened(state, event)
    if isinstance(event, SettingsRepeated):
        return _repeated(state, event)
    if isinstance(state, Unopened):
        return state  # before the settings in the part of the stream that was read: too old to count
    return _evolved(as_of(state, event.at), event)


def _evolved(sender: Sender, event: Event) -> Sender:
    match event:
        case SenderHoursChanged(hours=hours):
            return replace(sender, hours=hours, zones=moved(sender.zones, hours.zone, event.at))
        case SenderZoneChanged(zone=zone):
            hours = None if sender.hours is None else sender.hours.model_copy(update={"zone": zone})
            return replace(sender, hours=hours, zones=moved(sender.zones, zone, event.at))
        case SenderClosed(reason=reason, code=code):
            return replace(sender, closed=code or _REASONS.get(reason, "disconnected"), reason=reason)
        case SenderCampaignOpened(campaign=campaign, source_revision=revision):
            return _marked(sender, Mark(campaign=campaign, revision=revision, open=True, at=event.at))
        case SenderCampaignStopped(campaign=campaign, source_revision=revision):
            return _marked(sender, Mark(campaign=campaign, revision=revision, open=False, at=event.at))
        case LimitsChanged() | RateIncreaseRequested() | RateCeilingRaised() | RateCeilingExpired():
            return _rates(sender, event)
        case QuotaConsumed():
            return replace(sender, permits={**sender.permits, event.attempt: _permit(event)})
        case PermitSettled(attempt=attempt) | QuotaReleased(attempt=attempt):
            return _settled(sender, attempt, event.at, returned=isinstance(event, QuotaReleased))
        case QuotaExhausted(window=window, until=until):
            return replace(sender, said=sender.said | {(window, until)})
        case QuotasAssumedUsed(at=at):
            return replace(sender, assumed=at)
        case StepDispatched() | StepCancelled() | SenderOpened() | SettingsRepeated():
            return sender  # a step stands for what its QuotaConsumed counted, until it has an outcome
        case _:
            assert_never(event)


def _rates(
    sender: Sender, event: LimitsChanged | RateIncreaseRequested | RateCeilingRaised | RateCeilingExpired
) -> Sender:
    match event:
        case LimitsChanged(rate=rate):
            return replace(sender, rate=rate)
        case RateIncreaseRequested(wanted=wanted):
            return replace(sender, requested=wanted)
        case RateCeilingRaised(ceiling=ceiling, until=until):
            return replace(sender, ceiling=ceiling, ceiling_until=until, requested=None)
        case RateCeilingExpired(rate=rate):
            return replace(sender, ceiling=CEILING, ceiling_until=None, rate=rate)
        case _:
            assert_never(event)


def _opened(state: State, event: SenderOpened) -> Sender:
    if isinstance(state, Unopened):
        return Sender(
            id=event.sender,
            organization=event.organization,
            inbox=event.inbox,
            identity=event.identity,
            rate=event.rate,
            zones=(Zone(name=event.zone),),
            hours=event.hours,
            last=event.at,
            repeated=event.at,
        )
    sender = as_of(state, event.at)
    return replace(
        sender,
        inbox=event.inbox,
        identity=event.identity,
        rate=event.rate,
        zones=moved(sender.zones, event.zone, event.at),
        hours=event.hours,
        closed="",
        reason="",
    )


def _repeated(state: State, event: SettingsRepeated) -> Sender:
    before = UNOPENED if isinstance(state, Unopened) else as_of(state, event.at)
    return Sender(
        id=event.sender,
        organization=event.organization,
        inbox=event.inbox,
        identity=event.identity,
        rate=event.rate,
        zones=event.zones,
        hours=event.hours,
        last=event.at if isinstance(before, Unopened) else before.last,
        repeated=event.at,
        ceiling=event.ceiling,
        ceiling_until=event.ceiling_until,
        requested=event.requested,
        closed=event.closed,
        reason=event.reason,
        campaigns={mark.campaign: mark for mark in event.campaigns},
        permits={} if isinstance(before, Unopened) else before.permits,
        said=frozenset((one.window, one.until) for one in event.said),
        assumed=None if isinstance(before, Unopened) else before.assumed,
    )


def as_of(sender: Sender, at: datetime) -> Sender:
    """The sender at a later time: permits that can count no more are forgotten, wherever reading began."""
    if at <= sender.last:
        return sender
    return replace(sender, last=at, permits=still_counting(sender.permits, at))


def _marked(sender: Sender, mark: Mark) -> Sender:
    return replace(sender, campaigns={**sender.campaigns, mark.campaign: mark})


def _permit(event: QuotaConsumed) -> Permit:
    return Permit(
        at=event.at,
        valid_until=event.valid_until,
        until=event.valid_until + HOUR,
        identity=event.identity,
        campaign=event.campaign,
        enrollment=event.enrollment,
    )


def _settled(sender: Sender, attempt: UUID, at: datetime, *, returned: bool) -> Sender:
    permit = sender.permits.get(attempt)
    if permit is None:
        return sender
    late = at > permit.at + LONGEST_DAY  # by then nothing reads back to it any more
    until = permit.until if returned or late else at + HOUR
    settled = replace(permit, until=until, settled=True, returned=returned)
    return replace(sender, permits={**sender.permits, attempt: settled})
