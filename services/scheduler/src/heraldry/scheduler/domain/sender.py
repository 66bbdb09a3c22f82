"""The sender: one per sending account. Stream `sender-<keyed hash of the normalised address>`.

Everything a permit depends on stands in this one stream, so that no concurrency can exceed a limit: the
rate, the zone, opening and closing, and every permit with its outcome. It is never per day and never per
identity: disconnecting, deleting and reconnecting start nothing anew. Time in it never goes back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final, Literal, TypeAlias, assert_never
from uuid import UUID

from heraldry.contracts.base import Event as AnyEvent
from heraldry.contracts.base import Refused
from heraldry.contracts.scheduler import (
    EmailRate,
    LimitsChanged,
    QuotaConsumed,
    QuotaExhausted,
    QuotaReleased,
    StepDispatched,
)
from heraldry.scheduler.domain.calendar import HOUR, LONGEST_DAY, day_end, day_start

CEILING: Final = EmailRate(per_day=80, per_hour=10)
LEAVES_WITHIN: Final = timedelta(minutes=10)


class SenderOpened(AnyEvent):
    """Private. The account can send, for this inbox, under these settings."""

    sender: str
    organization: UUID
    inbox: UUID
    identity: UUID
    zone: str
    rate: EmailRate


class SenderZoneChanged(AnyEvent):
    """Private. The identity's working hours are in another zone from now on."""

    sender: str
    zone: str


class SenderClosed(AnyEvent):
    """Private. The account cannot send: disconnected, needs reconnecting, or its identity was deleted."""

    sender: str
    reason: str


class PermitSettled(AnyEvent):
    """Private. What was permitted has an outcome; from now its hour runs."""

    sender: str
    attempt: UUID


@dataclass(frozen=True, slots=True)
class Open:
    sender: str
    organization: UUID
    inbox: UUID
    identity: UUID
    zone: str
    at: datetime


@dataclass(frozen=True, slots=True)
class ChangeZone:
    zone: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Close:
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True)
class ChangeRate:
    organization: UUID
    rate: EmailRate
    at: datetime


@dataclass(frozen=True, slots=True)
class Letter:
    """What a step is to send, to whom. `person` is the data subject."""

    person: UUID
    to: str
    subject: str
    text: str
    html: str = ""


@dataclass(frozen=True, slots=True)
class Dispatch:
    organization: UUID
    attempt: UUID
    letter: Letter
    at: datetime


@dataclass(frozen=True, slots=True)
class SayExhausted:
    at: datetime


@dataclass(frozen=True, slots=True)
class Settle:
    """The attempt has an outcome. `proven_not_sent`: its permit goes back."""

    attempt: UUID
    proven_not_sent: bool
    at: datetime


Command: TypeAlias = Open | ChangeZone | Close | ChangeRate | Dispatch | SayExhausted | Settle
Event: TypeAlias = (
    SenderOpened
    | SenderZoneChanged
    | SenderClosed
    | PermitSettled
    | LimitsChanged
    | QuotaConsumed
    | StepDispatched
    | QuotaReleased
    | QuotaExhausted
)


@dataclass(frozen=True, slots=True)
class Permit:
    at: datetime
    until: datetime  # when its hour ends: outcome, or the last moment it may leave, and 60 minutes
    settled: bool = False


@dataclass(frozen=True, slots=True)
class Zone:
    """A zone and when it was in force; `until` None: it is now."""

    name: str
    until: datetime | None = None


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
    last: datetime
    closed: str = ""  # why it is closed; empty: open
    permits: dict[UUID, Permit] = field(default_factory=dict[UUID, Permit])
    said: frozenset[tuple[str, datetime]] = frozenset()

    @property
    def zone(self) -> str:
        return self.zones[-1].name


State: TypeAlias = Unopened | Sender
UNOPENED = Unopened()


@dataclass(frozen=True, slots=True)
class Use:
    """What is used at an instant, and from when one more is possible."""

    today: int
    this_hour: int
    next_possible: datetime | None
    window: Literal["day", "hour"] | None  # which limit it waits for


def enough(newest_first: Sequence[Event], now: datetime) -> bool:
    """Whether these events say all a decision at `now` needs: 25 hours, and settings from before them."""
    horizon = now - LONGEST_DAY - LEAVES_WITHIN - HOUR
    return any(
        isinstance(event, SenderOpened | QuotaConsumed) and event.at <= horizon for event in newest_first
    )


def use(sender: Sender, at: datetime) -> Use:
    """R-LIM-3, R-RATE-1: the strictest of the zones in force within 25 hours, and any 60 minutes."""
    now = max(at, sender.last)
    zones = {zone.name for zone in sender.zones if zone.until is None or zone.until > now - LONGEST_DAY}
    per_zone = {
        zone: sum(permit.at >= day_start(now, zone) for permit in sender.permits.values()) for zone in zones
    }
    ends = sorted(permit.until for permit in sender.permits.values() if permit.until > now)
    full = [day_end(now, zone) for zone, used in per_zone.items() if used >= sender.rate.per_day]
    day = max(full, default=None)
    hour: datetime | None = None
    if len(ends) >= sender.rate.per_hour:
        hour = ends[len(ends) - sender.rate.per_hour] if sender.rate.per_hour else day_end(now, sender.zone)
    today, this_hour = max(per_zone.values(), default=0), len(ends)
    if day is None and hour is None:
        return Use(today, this_hour, None, None)
    if hour is None or (day is not None and day >= hour):
        return Use(today, this_hour, day, "day")
    return Use(today, this_hour, hour, "hour")


def decide(command: Command, state: State) -> Sequence[Event]:
    match command:
        case Open():
            return _open(command, state)
        case Dispatch():
            return _dispatch(command, _own(command.organization, state))
        case ChangeRate():
            return _change_rate(command, _own(command.organization, state))
        case ChangeZone() | Close() | SayExhausted() | Settle():
            return () if isinstance(state, Unopened) else _note(command, state)
        case _:
            assert_never(command)


def _open(command: Open, state: State) -> Sequence[Event]:
    if isinstance(state, Sender):
        same = (state.inbox, state.identity, state.zone) == (command.inbox, command.identity, command.zone)
        if same and not state.closed:
            return ()
    return (
        SenderOpened(
            sender=command.sender,
            organization=command.organization,
            inbox=command.inbox,
            identity=command.identity,
            zone=command.zone,
            rate=state.rate if isinstance(state, Sender) else EmailRate(),
            at=_now(command.at, state),
        ),
    )


def _note(command: ChangeZone | Close | SayExhausted | Settle, sender: Sender) -> Sequence[Event]:
    at = _now(command.at, sender)
    match command:
        case ChangeZone(zone=zone):
            return () if zone == sender.zone else (SenderZoneChanged(sender=sender.id, zone=zone, at=at),)
        case Close(reason=reason):
            return () if sender.closed else (SenderClosed(sender=sender.id, reason=reason, at=at),)
        case SayExhausted():
            return _say_exhausted(sender, at)
        case Settle():
            return _settle(command, sender, at)
        case _:
            assert_never(command)


def _dispatch(command: Dispatch, sender: Sender) -> Sequence[Event]:
    if command.attempt in sender.permits:
        return ()  # asked again: already dispatched
    if sender.closed:
        raise Refused("inbox.not-connected", f"Nothing can be sent from this inbox: {sender.closed}")
    at = _now(command.at, sender)
    used = use(sender, at)
    if used.next_possible is not None:
        raise _exhausted(sender, used)
    valid_until = min(at + LEAVES_WITHIN, *(day_end(at, zone.name) for zone in sender.zones))
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
            valid_until=valid_until,
            at=at,
        ),
    )


def _change_rate(command: ChangeRate, sender: Sender) -> Sequence[Event]:
    rate = command.rate
    for name, asked, most in (
        ("per_day", rate.per_day, CEILING.per_day),
        ("per_hour", rate.per_hour, CEILING.per_hour),
    ):
        if asked > most:
            raise Refused(
                "rate.above-ceiling",
                f"An inbox may send at most {CEILING.per_day} emails a day and {CEILING.per_hour} an hour."
                " Ask support for a temporary increase.",
                status=422,
                field=name,
            )
    if rate == sender.rate:
        return ()
    at = _now(command.at, sender)
    return (LimitsChanged(sender=sender.id, inbox=sender.inbox, identity=sender.identity, rate=rate, at=at),)


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


def _settle(command: Settle, sender: Sender, at: datetime) -> Sequence[Event]:
    permit = sender.permits.get(command.attempt)
    if permit is None or permit.settled:
        return ()
    if not command.proven_not_sent:
        return (PermitSettled(sender=sender.id, attempt=command.attempt, at=at),)
    without = replace(sender, permits=_without(sender, command.attempt))
    used = use(without, at)
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


def evolve(state: State, event: Event) -> State:
    if isinstance(event, SenderOpened | QuotaConsumed):
        return _with_settings(state, event)
    if isinstance(state, Unopened):
        return state  # before the settings in the part of the stream that was read: too old to count
    state = replace(state, last=max(state.last, event.at))
    match event:
        case SenderZoneChanged(zone=zone):
            return replace(state, zones=_zones(state, zone, event.at))
        case SenderClosed(reason=reason):
            return replace(state, closed=reason)
        case PermitSettled(attempt=attempt):
            return _settled(state, attempt, event.at)
        case LimitsChanged(rate=rate):
            return replace(state, rate=rate)
        case StepDispatched():
            return state  # stands for what its QuotaConsumed counted
        case QuotaReleased(attempt=attempt):
            return replace(state, permits=_without(state, attempt))
        case QuotaExhausted(window=window, until=until):
            return replace(state, said=state.said | {(window, until)})
        case _:
            assert_never(event)


def _with_settings(state: State, event: SenderOpened | QuotaConsumed) -> Sender:
    if isinstance(state, Unopened):
        sender = Sender(
            event.sender,
            event.organization,
            event.inbox,
            event.identity,
            event.rate,
            (Zone(event.zone),),
            event.at,
        )
    else:
        sender = replace(
            state,
            inbox=event.inbox,
            identity=event.identity,
            rate=event.rate,
            zones=_zones(state, event.zone, event.at),
            last=max(state.last, event.at),
            closed="",
        )
    if isinstance(event, QuotaConsumed):
        permit = Permit(event.at, event.valid_until + HOUR)
        return replace(sender, permits={**_recent(sender, event.at), event.attempt: permit})
    return sender


def _settled(sender: Sender, attempt: UUID, at: datetime) -> Sender:
    permit = sender.permits.get(attempt)
    if permit is None:
        return sender
    return replace(
        sender, permits={**sender.permits, attempt: replace(permit, until=at + HOUR, settled=True)}
    )


def _zones(sender: Sender, zone: str, at: datetime) -> tuple[Zone, ...]:
    if zone == sender.zone:
        return sender.zones
    past = tuple(one if one.until else replace(one, until=at) for one in sender.zones)
    return (*(one for one in past if one.until and one.until > at - LONGEST_DAY), Zone(zone))


def _recent(sender: Sender, now: datetime) -> dict[UUID, Permit]:
    oldest = now - LONGEST_DAY
    return {
        key: permit for key, permit in sender.permits.items() if permit.at >= oldest or permit.until > now
    }


def _without(sender: Sender, attempt: UUID) -> dict[UUID, Permit]:
    return {key: permit for key, permit in sender.permits.items() if key != attempt}


def _now(at: datetime, state: State) -> datetime:
    return at if isinstance(state, Unopened) else max(at, state.last)


def _own(organization: UUID, state: State) -> Sender:
    if isinstance(state, Unopened) or state.organization != organization:
        raise Refused("inbox.unknown", "There is no such inbox in your organization.", status=404)
    return state


def _exhausted(sender: Sender, used: Use) -> Refused:
    until = "" if used.next_possible is None else used.next_possible.isoformat()
    limit, in_what = (
        (sender.rate.per_day, "today") if used.window == "day" else (sender.rate.per_hour, "in 60 minutes")
    )
    count = "1 email is" if limit == 1 else f"{limit} emails are"
    return Refused(
        "quota.exhausted",
        f"{count} allowed {in_what} from this inbox, and they are used.",
        extra={"until": until, "window": used.window or ""},
    )
