"""What is decided on a sender: above all, whether one more action is permitted.

A permit and its dispatch are one append, so there is neither without the other. Everything else here changes
what binds the permits after it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, assert_never

from heraldry.contracts.base import Refused
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
from heraldry.scheduler.domain.calendar import HOUR, day_end
from heraldry.scheduler.domain.days import LEAVES_WITHIN, assumed_used, day_ends, day_use, working_end
from heraldry.scheduler.domain.sender import (
    CEILING,
    AssumeUsed,
    ChangeHours,
    ChangeRate,
    Close,
    Code,
    Command,
    Dispatch,
    Note,
    Open,
    OpenCampaign,
    RaiseCeiling,
    RequestIncrease,
    SayExhausted,
    Sender,
    Settle,
    State,
    StopCampaign,
    Unopened,
    Withdraw,
    as_of,
    evolve,
    lowered,
)
from heraldry.scheduler.domain.sender_events import (
    Event,
    PermitSettled,
    QuotasAssumedUsed,
    Said,
    SenderCampaignOpened,
    SenderCampaignStopped,
    SenderClosed,
    SenderHoursChanged,
    SenderOpened,
    SettingsRepeated,
    Window,
)

REPEATED_EVERY: Final = timedelta(hours=12)
MARKS_KEPT: Final = timedelta(days=30)  # of stopped campaigns: what was read before is no longer on its way
REASONS: Final[Mapping[Code, str]] = {
    "disconnected": "it was disconnected.",
    "reconnect": "it needs to be reconnected.",
    "paused": "it is paused until somebody resumes it.",
    "identity-deleted": "its identity was deleted.",
}


@dataclass(frozen=True, slots=True)
class Use:
    """What is used at an instant, and from when one more is possible."""

    today: int
    this_hour: int
    next_possible: datetime | None
    window: Window | None  # which limit it waits for


def use(sender: Sender, at: datetime) -> Use:
    """R-LIM-3, R-RATE-1: the strictest of the zones in force within 25 hours, and any 60 minutes."""
    now = max(at, sender.last)
    rate = sender.rate_at(now)
    permits = [permit for permit in sender.permits.values() if not permit.returned]
    assumed = assumed_used(sender.assumed, rate.per_day)
    in_day = day_use(sender.zones, [*(permit.at for permit in permits), *assumed], rate.per_day, now)
    hours = [*(permit.until for permit in permits), *(at + HOUR for at in assumed[: rate.per_hour])]
    ends = sorted(end for end in hours if end > now)
    day = in_day.until
    hour: datetime | None = None
    if len(ends) >= rate.per_hour:
        hour = ends[len(ends) - rate.per_hour] if rate.per_hour else day_end(now, sender.zone)
    today, this_hour = in_day.used, len(ends)
    if day is None and hour is None:
        return Use(today, this_hour, None, None)
    if hour is None or (day is not None and day >= hour):
        return Use(today, this_hour, day, "day")
    return Use(today, this_hour, hour, "hour")


def decide(command: Command, state: State) -> Sequence[Event]:
    if isinstance(state, Unopened):
        return _unopened(command)
    at = max(command.at, state.last)
    overdue = _overdue(state, at)
    sender = _after(as_of(state, at), overdue)
    events = _decided(command, sender, at)
    if not events:
        return ()
    return (*overdue, *events, *_settings_again(_after(sender, events), events, at))


def _unopened(command: Command) -> Sequence[Event]:
    match command:
        case Open():
            return (
                _opened(command, EmailRate(), command.at),
                *_closed(command.sender, command.closed, command.at),
            )
        case Dispatch() | ChangeRate() | RequestIncrease() | RaiseCeiling():
            raise _unknown()
        case _:
            return ()


def _decided(command: Command, sender: Sender, at: datetime) -> Sequence[Event]:
    match command:
        case Open():
            return _open(command, sender, at)
        case Dispatch():
            return _dispatch(command, _own(command.organization, sender), at)
        case ChangeRate():
            return _change_rate(command, _own(command.organization, sender), at)
        case RequestIncrease():
            return _request_increase(command, _own(command.organization, sender), at)
        case RaiseCeiling():
            return _raise_ceiling(command, sender, at)
        case _:
            return _note(command, sender, at)


def _note(command: Note, sender: Sender, at: datetime) -> Sequence[Event]:
    match command:
        case ChangeHours(identity=identity, hours=hours):
            if identity != sender.identity or hours == sender.hours:
                return ()
            return (SenderHoursChanged(sender=sender.id, hours=hours, at=at),)
        case Close(code=code):
            return () if code == sender.closed else _closed(sender.id, code, at)
        case OpenCampaign(campaign=campaign, source_revision=revision):
            if _known(sender, command):
                return ()
            opened = SenderCampaignOpened(
                sender=sender.id, campaign=campaign, source_revision=revision, at=at
            )
            return (opened,)
        case StopCampaign():
            return _stop_campaign(command, sender, at)
        case SayExhausted():
            return _say_exhausted(sender, at)
        case Settle():
            return _settle(command, sender, at)
        case AssumeUsed():
            known = sender.assumed is not None and at <= sender.assumed
            return () if known else (QuotasAssumedUsed(sender=sender.id, at=at),)
        case Withdraw(attempt=attempt):
            permit = sender.permits.get(attempt)
            if permit is None or permit.settled:
                return ()
            return (StepCancelled(attempt=attempt, identity=permit.identity, at=at),)
        case _:
            assert_never(command)


# --- opening and closing


def _open(command: Open, sender: Sender, at: datetime) -> Sequence[Event]:
    same = (sender.inbox, sender.identity, sender.hours) == (command.inbox, command.identity, command.hours)
    wanted = command.closed or ""
    if same and sender.closed == wanted:
        return ()
    opened = () if same and wanted else (_opened(command, sender.rate, at),)
    return (*opened, *_closed(sender.id, command.closed, at))


def _opened(command: Open, rate: EmailRate, at: datetime) -> SenderOpened:
    return SenderOpened(
        sender=command.sender,
        organization=command.organization,
        inbox=command.inbox,
        identity=command.identity,
        zone=command.hours.zone,
        rate=rate,
        hours=command.hours,
        at=at,
    )


def _closed(sender: str, code: Code | None, at: datetime) -> Sequence[SenderClosed]:
    return () if code is None else (SenderClosed(sender=sender, reason=REASONS[code], code=code, at=at),)


# --- campaigns


def _known(sender: Sender, command: OpenCampaign | StopCampaign) -> bool:
    mark = sender.campaigns.get(command.campaign)
    return mark is not None and command.source_revision <= mark.revision


def _stop_campaign(command: StopCampaign, sender: Sender, at: datetime) -> Sequence[Event]:
    if _known(sender, command):
        return ()
    stopped = SenderCampaignStopped(
        sender=sender.id, campaign=command.campaign, source_revision=command.source_revision, at=at
    )
    cancelled = [
        StepCancelled(attempt=attempt, identity=sender.permits[attempt].identity, at=at)
        for attempt in sender.leaving(command.campaign, at)
    ]
    return (stopped, *cancelled)


# --- permits


def _dispatch(command: Dispatch, sender: Sender, at: datetime) -> Sequence[Event]:
    if command.attempt in sender.permits:
        return ()  # asked again: already dispatched
    _may_send(command, sender)
    ends = list(day_ends(sender.zones, at))
    if command.campaign is not None:
        ends.append(working_end(sender.hours, at, ends))
    used = use(sender, at)
    if used.next_possible is not None:
        raise _exhausted(sender.rate_at(at), used)
    valid_until = min(at + LEAVES_WITHIN, *ends)
    letter = command.letter
    return (
        QuotaConsumed(
            sender=sender.id,
            organization=sender.organization,
            inbox=sender.inbox,
            identity=sender.identity,
            attempt=command.attempt,
            used_today=used.today + 1,
            used_this_hour=used.this_hour + 1,
            rate=sender.rate,
            zone=sender.zone,
            valid_until=valid_until,
            campaign=command.campaign,
            enrollment=command.enrollment,
            at=at,
        ),
        StepDispatched(
            attempt=command.attempt,
            sender=sender.id,
            inbox=sender.inbox,
            identity=sender.identity,
            person=letter.person,
            to=letter.to,
            subject=letter.subject,
            text=letter.text,
            html=letter.html,
            in_reply_to=letter.in_reply_to,
            references=letter.references,
            valid_until=valid_until,
            campaign=command.campaign,
            enrollment=command.enrollment,
            at=at,
        ),
    )


def _may_send(command: Dispatch, sender: Sender) -> None:
    if sender.closed and command.campaign is None and sender.closed != "paused":
        raise Refused(
            "inbox.not-connected",
            f"Nothing can be sent from this inbox: {sender.reason}",
            extra={"code": sender.closed},
        )
    if sender.closed:
        raise Refused(
            "sender.closed",
            f"Nothing can be sent from this inbox: {sender.reason}",
            extra={"code": sender.closed},
        )
    if command.identity is not None and command.identity != sender.identity:
        raise Refused(
            "sender.closed", "This inbox belongs to another identity now.", extra={"code": "disconnected"}
        )
    if command.campaign is not None:
        mark = sender.campaigns.get(command.campaign)
        if mark is None or not mark.open:
            raise Refused("campaign.not-open", "The campaign does not send from this inbox at the moment.")


def _settle(command: Settle, sender: Sender, at: datetime) -> Sequence[Event]:
    permit = sender.permits.get(command.attempt)
    if permit is None or permit.settled:
        return ()
    if not command.proven_not_sent:
        return (PermitSettled(sender=sender.id, attempt=command.attempt, at=at),)
    others = {key: one for key, one in sender.permits.items() if key != command.attempt}
    used = use(replace(sender, permits=others), at)
    return (
        QuotaReleased(
            sender=sender.id,
            inbox=sender.inbox,
            identity=sender.identity,
            attempt=command.attempt,
            used_today=used.today,
            used_this_hour=used.this_hour,
            at=at,
        ),
    )


def _say_exhausted(sender: Sender, at: datetime) -> Sequence[Event]:
    used = use(sender, at)
    if used.next_possible is None or used.window is None or (used.window, used.next_possible) in sender.said:
        return ()
    return (
        QuotaExhausted(
            sender=sender.id,
            inbox=sender.inbox,
            identity=sender.identity,
            window=used.window,
            until=used.next_possible,
            at=at,
        ),
    )


def _exhausted(rate: EmailRate, used: Use) -> Refused:
    until = "" if used.next_possible is None else used.next_possible.isoformat()
    limit, in_what = (rate.per_day, "today") if used.window == "day" else (rate.per_hour, "in 60 minutes")
    count, used_up = ("1 email is", "it is used") if limit == 1 else (f"{limit} emails are", "they are used")
    return Refused(
        "quota.exhausted",
        f"{count} allowed {in_what} from this inbox, and {used_up}.",
        extra={"until": until, "window": used.window or ""},
    )


# --- rates and ceilings


def _change_rate(command: ChangeRate, sender: Sender, at: datetime) -> Sequence[Event]:
    rate, ceiling = command.rate, sender.ceiling_at(at)
    for name, asked, most in (
        ("per_day", rate.per_day, ceiling.per_day),
        ("per_hour", rate.per_hour, ceiling.per_hour),
    ):
        if asked > most:
            raise Refused(
                "rate.above-ceiling",
                f"This inbox may send at most {ceiling.per_day} emails a day and {ceiling.per_hour} an hour."
                " Ask support for a temporary increase.",
                status=422,
                field=name,
            )
    return () if rate == sender.rate else (_limits(sender, rate, at),)


def _limits(sender: Sender, rate: EmailRate, at: datetime) -> LimitsChanged:
    return LimitsChanged(sender=sender.id, inbox=sender.inbox, identity=sender.identity, rate=rate, at=at)


def _request_increase(command: RequestIncrease, sender: Sender, at: datetime) -> Sequence[Event]:
    return (
        RateIncreaseRequested(
            sender=sender.id,
            inbox=sender.inbox,
            identity=sender.identity,
            wanted=command.wanted,
            reason=command.reason,
            at=at,
        ),
    )


def _raise_ceiling(command: RaiseCeiling, sender: Sender, at: datetime) -> Sequence[Event]:
    ceiling = command.ceiling
    if command.until <= at:
        raise Refused("rate.end-passed", "This end has passed. Name a later one.", status=422, field="until")
    for name, asked, usual in (
        ("per_day", ceiling.per_day, CEILING.per_day),
        ("per_hour", ceiling.per_hour, CEILING.per_hour),
    ):
        if asked < usual:
            raise Refused(
                "rate.below-ceiling",
                f"Every inbox may send {CEILING.per_day} emails a day and {CEILING.per_hour} an hour."
                " A raise names at least these.",
                status=422,
                field=name,
            )
    if (ceiling, command.until) == (sender.ceiling, sender.ceiling_until):
        return ()
    raised = RateCeilingRaised(
        sender=sender.id,
        inbox=sender.inbox,
        identity=sender.identity,
        ceiling=ceiling,
        reason=command.reason,
        until=command.until,
        at=at,
    )
    rate = lowered(sender.rate, ceiling)
    return (raised,) if rate == sender.rate else (raised, _limits(sender, rate, at))


def _overdue(sender: Sender, at: datetime) -> Sequence[RateCeilingExpired]:
    """R-RATE-3. The end of a raise is written down with the next decision after it."""
    if sender.ceiling_until is None or sender.ceiling_until > at:
        return ()
    return (
        RateCeilingExpired(
            sender=sender.id,
            inbox=sender.inbox,
            identity=sender.identity,
            rate=sender.rate_at(at),
            at=at,
        ),
    )


# --- all settings once more


def _settings_again(sender: Sender, events: Sequence[Event], at: datetime) -> Sequence[SettingsRepeated]:
    """So that the stream need not be read from its start, however long it becomes."""
    if at - sender.repeated < REPEATED_EVERY or not any(isinstance(one, QuotaConsumed) for one in events):
        return ()
    return (
        SettingsRepeated(
            sender=sender.id,
            organization=sender.organization,
            inbox=sender.inbox,
            identity=sender.identity,
            rate=sender.rate,
            ceiling=sender.ceiling,
            ceiling_until=sender.ceiling_until,
            requested=sender.requested,
            zones=sender.zones,
            hours=sender.hours,
            closed=sender.closed,
            reason=sender.reason,
            campaigns=tuple(
                mark for mark in sender.campaigns.values() if mark.open or mark.at > at - MARKS_KEPT
            ),
            said=tuple(
                Said(window=window, until=until) for window, until in sorted(sender.said) if until > at
            ),
            at=at,
        ),
    )


def _after(sender: Sender, events: Sequence[Event]) -> Sender:
    state: State = sender
    for event in events:
        state = evolve(state, event)
    assert isinstance(state, Sender)  # noqa: S101  it was one before
    return state


def _own(organization: object, sender: Sender) -> Sender:
    if sender.organization != organization:
        raise _unknown()
    return sender


def _unknown() -> Refused:
    return Refused("inbox.unknown", "There is no such inbox in your organization.", status=404)
