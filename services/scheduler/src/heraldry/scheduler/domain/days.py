"""What counts today, wherever today is: the rules every sending account has in common.

A permit lies in the local day of every zone in force within 25 hours, and the strictest decides (R-LIM-3).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol, TypeVar
from uuid import UUID

from heraldry.contracts.base import Refused
from heraldry.contracts.identity import WorkingHours
from heraldry.scheduler.domain.calendar import (
    HOUR,
    LONGEST_DAY,
    day_end,
    day_start,
    next_opening,
    working_until,
)
from heraldry.scheduler.domain.sender_events import Zone

LEAVES_WITHIN: Final = timedelta(minutes=10)
LEAST_TIME: Final = timedelta(seconds=30)  # for less than this nothing begins in working hours


class Permitted(Protocol):
    """What was permitted; `at`: when."""

    @property
    def at(self) -> datetime: ...


P = TypeVar("P", bound=Permitted)


@dataclass(frozen=True, slots=True)
class DayUse:
    """`until`: when one more is possible; None: now."""

    used: int
    until: datetime | None


def day_use(zones: Sequence[Zone], permitted: Sequence[datetime], most: int, now: datetime) -> DayUse:
    """R-LIM-3, R-RATE-1. `permitted`: when each action that counts was permitted."""
    per_zone = {zone: _since(day_start(now, zone), permitted) for zone in zones_at(zones, now)}
    full = [day_end(now, zone) for zone, used in per_zone.items() if used >= most]
    return DayUse(max(per_zone.values(), default=0), max(full, default=None))


def _since(start: datetime, permitted: Sequence[datetime]) -> int:
    return sum(at >= start for at in permitted)


def assumed_used(at: datetime | None, most: int) -> tuple[datetime, ...]:
    """What stands for the actions nobody knows of, where a restored backup forgot them: all that is allowed."""
    return () if at is None else (at,) * most


def zones_at(zones: Sequence[Zone], now: datetime) -> frozenset[str]:
    """The zones in force in the last 25 hours."""
    return frozenset(zone.name for zone in zones if zone.until is None or zone.until > now - LONGEST_DAY)


def moved(zones: Sequence[Zone], zone: str, at: datetime) -> tuple[Zone, ...]:
    """The zones when another one is in force; the present one last."""
    if zone == zones[-1].name:
        return tuple(zones)
    past = tuple(one if one.until else Zone(name=one.name, until=at) for one in zones)
    return (*(one for one in past if one.until and one.until > at - LONGEST_DAY), Zone(name=zone))


def still_counting(permits: Mapping[UUID, P], at: datetime) -> Mapping[UUID, P]:
    """Those that can count at `at`, or later, in any zone. The oldest come first: time never goes back."""
    oldest = at - LONGEST_DAY - HOUR
    first = next(iter(permits.values()), None)
    if first is None or first.at > oldest:
        return permits
    return {key: permit for key, permit in permits.items() if permit.at > oldest}


def day_ends(zones: Sequence[Zone], at: datetime) -> tuple[datetime, ...]:
    """When the day ends that `at` lies in, under every zone that counts."""
    return tuple(day_end(at, zone) for zone in zones_at(zones, at))


def working_end(hours: WorkingHours | None, at: datetime, ends: Sequence[datetime]) -> datetime:
    """R-ID-6. When what waits for working hours and begins now must be done. Refused `hours.unknown` (503),
    `hours.outside` with `until`.
    """
    if hours is None:
        raise Refused("hours.unknown", "The working hours of this identity are not known yet.", status=503)
    end, day = working_until(at, hours), min(ends)
    if end is not None and min(end, day) - at >= LEAST_TIME:
        return end
    opening = next_opening(at if end is None else min(end, day), hours)
    until = "" if opening is None else opening.isoformat()
    raise Refused(
        "hours.outside",
        "Campaigns send only inside the working hours of their identity.",
        extra={"until": until},
    )
