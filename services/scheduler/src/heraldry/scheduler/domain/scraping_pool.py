"""The scrapings an organization's identities share (R-LIM-2). Stream `scraping-pool-<organization>`.

Counted by the organization's day, whichever identity reads. As with a sender, everything a permit depends on stands in
this one stream, time in it never goes back, and after a change of zone the strictest of those in force decides. It is
asked after the sender's own capacity, and before the sender's stream dispatches: a try that finds its permit here,
after a crash between both, takes no second one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final, TypeAlias, assert_never
from uuid import UUID

from heraldry.contracts.base import Event as AnyEvent
from heraldry.contracts.base import Refused
from heraldry.scheduler.domain.calendar import HOUR, LONGEST_DAY
from heraldry.scheduler.domain.days import DayUse, assumed_used, day_ends, day_use, moved, still_counting
from heraldry.scheduler.domain.sender_events import Zone

USED_UP: Final = "The organization's shared pool of LinkedIn profiles for today is used up."
BEFORE_ANY: Final = "UTC"  # until the organization's own zone is known here


class PoolZoneImported(AnyEvent):
    """Private. `zone`: of the organization's day, from now on. `source_revision`: of the organization's stream."""

    organization: UUID
    zone: str
    source_revision: int


class PoolPermitTaken(AnyEvent):
    """Private. One scraping of the pool. Figures are totals after it; the settings in force are repeated, so that the
    stream need not be read from its start. `ends`: when the day ends it was taken in.
    """

    organization: UUID
    identity: UUID
    attempt: UUID
    used: int
    allowed: int
    zones: tuple[Zone, ...]
    source_revision: int
    ends: datetime


class PoolPermitReturned(AnyEvent):
    """Private. That profile was provably not read."""

    organization: UUID
    identity: UUID
    attempt: UUID
    used: int


class PoolAssumedUsed(AnyEvent):
    """Private. A backup was restored, and what was read since it was taken is not known: the day counts as used up."""

    organization: UUID


Event: TypeAlias = PoolZoneImported | PoolPermitTaken | PoolPermitReturned | PoolAssumedUsed


@dataclass(frozen=True, slots=True)
class ImportZone:
    organization: UUID
    zone: str
    source_revision: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Take:
    """`allowed`: how many scrapings the operator gives the organization a day."""

    organization: UUID
    identity: UUID
    attempt: UUID
    allowed: int
    at: datetime


@dataclass(frozen=True, slots=True)
class GiveBack:
    attempt: UUID
    at: datetime


@dataclass(frozen=True, slots=True)
class AssumeUsed:
    organization: UUID
    at: datetime


Command: TypeAlias = ImportZone | Take | GiveBack | AssumeUsed


@dataclass(frozen=True, slots=True)
class Permit:
    at: datetime
    ends: datetime
    organization: UUID
    identity: UUID
    returned: bool = False


@dataclass(frozen=True, slots=True)
class Pool:
    zones: tuple[Zone, ...] = ()  # the present one last; none: nothing is known of it yet
    source_revision: int = -1
    last: datetime | None = None
    permits: Mapping[UUID, Permit] = field(default_factory=dict[UUID, Permit])
    assumed: datetime | None = None  # until then all that is allowed was read, as far as anybody knows

    @property
    def zone(self) -> str:
        return self.zones[-1].name if self.zones else BEFORE_ANY

    def use(self, allowed: int, at: datetime) -> DayUse:
        """What is used of the pool today, and from when one more is possible."""
        counting = [one.at for one in self.permits.values() if not one.returned]
        counting += assumed_used(self.assumed, allowed)
        return day_use(self._zones, counting, allowed, self.now(at))

    def now(self, at: datetime) -> datetime:
        return at if self.last is None else max(at, self.last)

    def permit_at(self, attempt: UUID, at: datetime) -> Permit | None:
        """What an attempt took, while its day lasts; a permit of another day is none today."""
        found = self.permits.get(attempt)
        return found if found is not None and (found.returned or self.now(at) < found.ends) else None

    @property
    def _zones(self) -> tuple[Zone, ...]:
        return self.zones or (Zone(name=BEFORE_ANY),)

    def ends(self, at: datetime) -> datetime:
        """When the day ends, under every zone that counts."""
        return min(day_ends(self._zones, at))


EMPTY: Final = Pool()


def enough(newest_first: Sequence[Event], now: datetime) -> bool:
    """Whether these events say all a decision at `now` needs."""
    horizon = now - LONGEST_DAY - HOUR
    return any(isinstance(event, PoolPermitTaken) and event.at <= horizon for event in newest_first)


def decide(command: Command, state: Pool) -> Sequence[Event]:
    at = state.now(command.at)
    match command:
        case ImportZone(organization=organization, zone=zone, source_revision=revision):
            if revision <= state.source_revision or (state.zones and zone == state.zone):
                return ()
            return (PoolZoneImported(organization=organization, zone=zone, source_revision=revision, at=at),)
        case Take():
            return _take(command, state, at)
        case GiveBack(attempt=attempt):
            permit = state.permits.get(attempt)
            if permit is None or permit.returned:
                return ()
            without = {key: one for key, one in state.permits.items() if key != attempt}
            returned = PoolPermitReturned(
                organization=permit.organization,
                identity=permit.identity,
                attempt=attempt,
                used=replace(state, permits=without).use(0, at).used,
                at=at,
            )
            return (returned,)
        case AssumeUsed(organization=organization):
            if state.assumed is not None and at <= state.assumed:
                return ()
            return (PoolAssumedUsed(organization=organization, at=at),)
        case _:
            assert_never(command)


def _take(command: Take, state: Pool, at: datetime) -> Sequence[Event]:
    if state.permit_at(command.attempt, at) is not None:
        return ()
    used = state.use(command.allowed, at)
    if used.until is not None:
        raise used_up(used.until)
    return (
        PoolPermitTaken(
            organization=command.organization,
            identity=command.identity,
            attempt=command.attempt,
            used=used.used + 1,
            allowed=command.allowed,
            zones=state.zones or (Zone(name=BEFORE_ANY),),
            source_revision=state.source_revision,
            ends=state.ends(at),
            at=at,
        ),
    )


def evolve(state: Pool, event: Event) -> Pool:
    state = replace(
        state, last=state.now(event.at), permits=still_counting(state.permits, state.now(event.at))
    )
    match event:
        case PoolZoneImported(zone=zone, source_revision=revision):
            zones = moved(state.zones, zone, event.at) if state.zones else (Zone(name=zone),)
            return replace(state, zones=zones, source_revision=revision)
        case PoolPermitTaken():
            permit = Permit(event.at, event.ends, event.organization, event.identity)
            permits = {key: one for key, one in state.permits.items() if key != event.attempt}
            return replace(
                state,
                zones=event.zones,
                source_revision=max(state.source_revision, event.source_revision),
                permits={**permits, event.attempt: permit},
            )
        case PoolPermitReturned(attempt=attempt):
            permit = state.permits.get(attempt)
            if permit is None:
                return state
            return replace(state, permits={**state.permits, attempt: replace(permit, returned=True)})
        case PoolAssumedUsed(at=at):
            return replace(state, assumed=at)
        case _:
            assert_never(event)


def used_up(until: datetime, own: int = 0) -> Refused:
    """`own`: how many the identity has beside the pool, which it has used, too."""
    beside = f" The {own:,} of this identity's own are used, too." if own else ""
    return Refused(
        "quota.exhausted",
        f"{USED_UP}{beside}",
        extra={"until": until.isoformat(), "window": "day", "kind": "scraping"},
    )
