"""What is decided on a LinkedIn sender: above all, whether one more action is permitted.

A permit and its dispatch are one append, so there is neither without the other. The day's rules are those of every
sending account (`days`); LinkedIn's own signals, and what is said of its kinds, are here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final, assert_never

from heraldry.contracts.base import Refused
from heraldry.contracts.linkedin import ActionKind
from heraldry.contracts.linkedin_steps import LinkedInStepCancelled, LinkedInStepDispatched
from heraldry.contracts.scheduler import (
    LinkedInLimits,
    LinkedInLimitsChanged,
    QuotaConsumed,
    QuotaExhausted,
    QuotaReleased,
    WithdrawalPolicy,
    WithdrawalPolicyChanged,
)
from heraldry.scheduler.domain.days import day_ends, working_end
from heraldry.scheduler.domain.linkedin_sender import (
    Cancel,
    ChangeLimits,
    ChangePolicy,
    Close,
    Code,
    Command,
    Dispatch,
    LinkedInSender,
    Note,
    Open,
    SayExhausted,
    SlowDown,
    State,
    Unopened,
    as_of,
    evolve,
)
from heraldry.scheduler.domain.linkedin_sender_events import (
    Event,
    LinkedInSenderOpened,
    LinkedInSenderSlowedDown,
    LinkedInSettingsRepeated,
    Pause,
    SaidOf,
)
from heraldry.scheduler.domain.permits import MARKS_KEPT, REPEATED_EVERY
from heraldry.scheduler.domain.sender import AssumeUsed, ChangeHours, OpenCampaign, Settle, StopCampaign
from heraldry.scheduler.domain.sender_events import (
    PermitSettled,
    QuotasAssumedUsed,
    SenderCampaignOpened,
    SenderCampaignStopped,
    SenderClosed,
    SenderHoursChanged,
)

REASONS: Final[Mapping[Code, str]] = {
    "disconnected": "it is not linked.",
    "reconnect": "it needs to be linked again.",
    "restricted": "LinkedIn has restricted it; link it again when it is free.",
    "identity-deleted": "its identity was deleted.",
}
MANY: Final[Mapping[ActionKind, tuple[str, str]]] = {
    "invitation": ("invitation", "invitations"),
    "message": ("message", "messages"),
    "withdrawal": ("withdrawal", "withdrawals"),
    "scraping": ("read profile", "read profiles"),
}


def decide(command: Command, state: State) -> Sequence[Event]:
    if isinstance(state, Unopened):
        return _unopened(command)
    at = max(command.at, state.last)
    sender = as_of(state, at)
    events = _decided(command, sender, at)
    if not events:
        return ()
    return (*events, *_settings_again(_after(sender, events), events, at))


def _unopened(command: Command) -> Sequence[Event]:
    match command:
        case Open():
            return (_opened(command, LinkedInLimits(), WithdrawalPolicy(), command.at),)
        case Dispatch() | ChangeLimits() | ChangePolicy():
            raise unknown()
        case _:
            return ()


def _decided(command: Command, sender: LinkedInSender, at: datetime) -> Sequence[Event]:
    match command:
        case Open():
            return _open(command, sender, at)
        case Dispatch():
            return _dispatch(command, _own(command.organization, sender), at)
        case ChangeLimits(organization=organization, limits=limits):
            return _change_limits(limits, _own(organization, sender), at)
        case ChangePolicy(organization=organization, policy=policy):
            return _change_policy(policy, _own(organization, sender), at)
        case _:
            return _note(command, sender, at)


def _note(command: Note, sender: LinkedInSender, at: datetime) -> Sequence[Event]:
    match command:
        case ChangeHours(identity=identity, hours=hours):
            if identity != sender.identity or hours == sender.hours:
                return ()
            return (SenderHoursChanged(sender=sender.id, hours=hours, at=at),)
        case Close(account=account, code=code):
            if account != sender.account or code == sender.closed:
                return ()
            return (SenderClosed(sender=sender.id, reason=REASONS[code], code=code, at=at),)
        case SlowDown(kind=kind, until=until):
            if until <= at or until <= sender.pauses.get(kind, at):
                return ()
            return (LinkedInSenderSlowedDown(sender=sender.id, kind=kind, until=until, at=at),)
        case OpenCampaign() | StopCampaign():
            return _campaign(command, sender, at)
        case SayExhausted():
            return _say_exhausted(command, sender, at)
        case Settle():
            return _settle(command, sender, at)
        case AssumeUsed():
            known = sender.assumed is not None and at <= sender.assumed
            return () if known else (QuotasAssumedUsed(sender=sender.id, at=at),)
        case Cancel(attempt=attempt):
            permit = sender.permits.get(attempt)
            if permit is not None and not permit.settled:
                return (LinkedInStepCancelled(attempt=attempt, identity=permit.identity, at=at),)
            return ()
        case _:
            assert_never(command)


# --- who acts as the member


def _open(command: Open, sender: LinkedInSender, at: datetime) -> Sequence[Event]:
    others = command.account != sender.account
    if others and command.linked_at <= sender.linked_at:
        return ()  # of another identity that had the member before
    now = (command.identity, command.hours, command.sales_navigator)
    if not others and not sender.closed and now == (sender.identity, sender.hours, sender.sales_navigator):
        return ()
    policy = sender.policy if command.identity == sender.identity else WithdrawalPolicy()
    return (_opened(command, sender.limits, policy, at),)


def _opened(
    command: Open, limits: LinkedInLimits, policy: WithdrawalPolicy, at: datetime
) -> LinkedInSenderOpened:
    return LinkedInSenderOpened(
        sender=command.sender,
        organization=command.organization,
        account=command.account,
        identity=command.identity,
        linked_at=command.linked_at,
        sales_navigator=command.sales_navigator,
        limits=limits,
        policy=policy,
        hours=command.hours,
        at=at,
    )


# --- campaigns


def _campaign(command: OpenCampaign | StopCampaign, sender: LinkedInSender, at: datetime) -> Sequence[Event]:
    which, revision = command.campaign, command.source_revision
    mark = sender.campaigns.get(which)
    if mark is not None and revision <= mark.revision:
        return ()
    if isinstance(command, OpenCampaign):
        return (SenderCampaignOpened(sender=sender.id, campaign=which, source_revision=revision, at=at),)
    cancelled = [
        LinkedInStepCancelled(attempt=attempt, identity=sender.permits[attempt].identity, at=at)
        for attempt in sender.leaving(which, at)
    ]
    stopped = SenderCampaignStopped(sender=sender.id, campaign=which, source_revision=revision, at=at)
    return (stopped, *cancelled)


# --- permits


def _dispatch(command: Dispatch, sender: LinkedInSender, at: datetime) -> Sequence[Event]:
    if command.attempt in sender.permits:
        return ()  # asked again: already dispatched
    action = command.action
    _may_act(command, sender)
    ends = list(day_ends(sender.zones, at))
    if command.waits_for_hours:
        ends.append(working_end(sender.hours, at, ends))
    paused = sender.paused_until(action.kind, at, noted=action.text != "")
    if paused is not None:
        raise slowed_down(action.kind, paused)
    used = sender.use(action.kind, at)
    if command.shared is None and used.until is not None:
        raise exhausted(action.kind, sender.allowed(action.kind), used.until)
    if command.shared is not None:
        if at >= command.shared.ends:
            raise Refused("pool.day-over", "The day of this permit has ended. Try again.", status=503)
        ends.append(command.shared.ends)
    if action.kind == "withdrawal" and action.invitation in sender.withdrawing(at):
        raise Refused("withdrawal.under-way", "This invitation is being withdrawn already.")
    valid_until = min(at + sender.begins_within(at), *ends)
    return _permitted(command, sender, sender.done(action.kind, at) + 1, valid_until, at)


def _permitted(
    command: Dispatch, sender: LinkedInSender, used: int, valid_until: datetime, at: datetime
) -> Sequence[Event]:
    action = command.action
    return (
        QuotaConsumed(
            sender=sender.id,
            organization=sender.organization,
            account=sender.account,
            identity=sender.identity,
            attempt=command.attempt,
            kind=action.kind,
            used_today=used,
            limits=sender.limits,
            zone=sender.zone,
            valid_until=valid_until,
            campaign=command.campaign,
            enrollment=command.enrollment,
            pool=command.shared.use if command.shared else None,
            at=at,
        ),
        LinkedInStepDispatched(
            attempt=command.attempt,
            kind=action.kind,
            sender=sender.id,
            account=sender.account,
            identity=sender.identity,
            person=action.person,
            profile=action.profile,
            name=action.name,
            text=action.text,
            valid_until=valid_until,
            invitation=action.invitation,
            invited_at=action.invited_at,
            automatic=action.automatic,
            campaign=command.campaign,
            enrollment=command.enrollment,
            at=at,
        ),
    )


def _may_act(command: Dispatch, sender: LinkedInSender) -> None:
    if sender.closed:
        raise Refused(
            "linkedin.not-linked",
            f"Nothing can be done with this LinkedIn account: {sender.reason}",
            extra={"code": sender.closed},
        )
    if command.identity is not None and command.identity != sender.identity:
        raise Refused(
            "linkedin.not-linked",
            "This LinkedIn account belongs to another identity now.",
            extra={"code": "disconnected"},
        )
    if command.campaign is not None:
        mark = sender.campaigns.get(command.campaign)
        if mark is None or not mark.open:
            raise Refused(
                "campaign.not-open", "The campaign does nothing with this LinkedIn account at the moment."
            )


def _settle(command: Settle, sender: LinkedInSender, at: datetime) -> Sequence[Event]:
    permit = sender.permits.get(command.attempt)
    if permit is None or permit.settled:
        return ()
    if not command.proven_not_sent:
        return (PermitSettled(sender=sender.id, attempt=command.attempt, at=at),)
    others = {key: one for key, one in sender.permits.items() if key != command.attempt}
    return (
        QuotaReleased(
            sender=sender.id,
            account=permit.account,
            identity=permit.identity,
            attempt=command.attempt,
            kind=permit.kind,
            used_today=replace(sender, permits=others).done(permit.kind, at),
            at=at,
        ),
    )


def _say_exhausted(command: SayExhausted, sender: LinkedInSender, at: datetime) -> Sequence[Event]:
    kind = command.kind
    until = command.until or sender.use(kind, at).until
    if until is None or until <= at or (kind, until) in sender.said:
        return ()
    return (
        QuotaExhausted(
            sender=sender.id,
            account=sender.account,
            identity=sender.identity,
            kind=kind,
            window="day",
            until=until,
            at=at,
        ),
    )


def slowed_down(kind: ActionKind, until: datetime) -> Refused:
    """R-LIM-5: LinkedIn's own signal."""
    return Refused(
        "linkedin.slowed-down",
        f"LinkedIn wants no more {MANY[kind][1]} from this account for now.",
        extra={"until": until.isoformat(), "kind": kind},
    )


def exhausted(kind: ActionKind, most: int, until: datetime) -> Refused:
    one, many = MANY[kind]
    count, used = (f"1 {one} is", "it is used") if most == 1 else (f"{most} {many} are", "they are used")
    return Refused(
        "quota.exhausted",
        f"{count} allowed a day from this LinkedIn account, and {used}.",
        extra={"until": until.isoformat(), "window": "day", "kind": kind},
    )


# --- limits and the withdrawal policy


def _change_limits(limits: LinkedInLimits, sender: LinkedInSender, at: datetime) -> Sequence[Event]:
    if limits.scrapings is None:
        limits = limits.model_copy(update={"scrapings": sender.limits.scrapings})
    elif not sender.sales_navigator:
        raise Refused(
            "linkedin.no-sales-navigator",
            "This LinkedIn account has no Sales Navigator, so it reads profiles from the organization's shared pool"
            " only: there is no limit of its own to set.",
            field="scrapings",
        )
    if limits == sender.limits:
        return ()
    changed = LinkedInLimitsChanged(
        sender=sender.id, account=sender.account, identity=sender.identity, limits=limits, at=at
    )
    return (changed,)


def _change_policy(policy: WithdrawalPolicy, sender: LinkedInSender, at: datetime) -> Sequence[Event]:
    if policy == sender.policy:
        return ()
    changed = WithdrawalPolicyChanged(
        sender=sender.id, account=sender.account, identity=sender.identity, policy=policy, at=at
    )
    return (changed,)


# --- all settings once more


def _settings_again(
    sender: LinkedInSender, events: Sequence[Event], at: datetime
) -> Sequence[LinkedInSettingsRepeated]:
    """So that the stream need not be read from its start, however long it becomes."""
    if at - sender.repeated < REPEATED_EVERY or not any(isinstance(one, QuotaConsumed) for one in events):
        return ()
    return (
        LinkedInSettingsRepeated(
            sender=sender.id,
            organization=sender.organization,
            account=sender.account,
            identity=sender.identity,
            linked_at=sender.linked_at,
            sales_navigator=sender.sales_navigator,
            limits=sender.limits,
            policy=sender.policy,
            zones=sender.zones,
            hours=sender.hours,
            closed=sender.closed,
            reason=sender.reason,
            pauses=tuple(
                Pause(kind=kind, until=until) for kind, until in sender.pauses.items() if until > at
            ),
            campaigns=tuple(
                mark for mark in sender.campaigns.values() if mark.open or mark.at > at - MARKS_KEPT
            ),
            said=tuple(SaidOf(kind=kind, until=until) for kind, until in sorted(sender.said) if until > at),
            at=at,
        ),
    )


def _after(sender: LinkedInSender, events: Sequence[Event]) -> LinkedInSender:
    state: State = sender
    for event in events:
        state = evolve(state, event)
    assert isinstance(state, LinkedInSender)  # noqa: S101  it was one before
    return state


def _own(organization: object, sender: LinkedInSender) -> LinkedInSender:
    if sender.organization != organization:
        raise unknown()
    return sender


def unknown() -> Refused:
    return Refused("linkedin.unknown", "This identity has no LinkedIn account.", status=404)
