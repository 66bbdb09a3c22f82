"""How far apart mails of one inbox leave within its limits, so that a day's mails do not leave in one burst.

Pure, and the same in every replica: what looks random is seeded by the sender, the day and the count.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from random import Random
from typing import Final
from zoneinfo import ZoneInfo

from heraldry.contracts.identity import WorkingHours
from heraldry.contracts.linkedin import ActionKind
from heraldry.scheduler.domain.calendar import day_end, day_start, next_opening, working_until
from heraldry.scheduler.domain.linkedin_sender import LinkedInSender
from heraldry.scheduler.domain.sender import Sender

LEAST, MOST = 0.7, 1.3  # of the even gap
BREATH: Final = 2.0  # seconds; the longest pause of who sends as soon as the limits allow


@dataclass(frozen=True, slots=True)
class Today:
    """A sender's working day. `last`: its last permit of the day, else when its working hours began.

    `working`: working time left in the day after `last`. `left`: permits left in the day.
    """

    sender: str
    day: date
    used: int
    left: int
    last: datetime
    working: timedelta


def even(today: Today) -> datetime:
    """When the next mail may leave so that all that is left spreads over the working day, jitter included.

    One gap more than there are mails: the last one, however late its jitter, still lies within the day.
    """
    gap = today.working / (max(today.left, 0) + 1)
    return today.last + gap * _chance(today).uniform(LEAST, MOST)


def at_once(today: Today) -> datetime:
    """When the next mail may leave where only the limits count: people do not send two in a second."""
    if today.used == 0:
        return today.last
    return today.last + timedelta(seconds=_chance(today).uniform(0.0, BREATH))


def _chance(today: Today) -> Random:
    return Random(f"{today.sender}/{today.day}/{today.used}")  # noqa: S311  spreads, hides nothing


def today_of(sender: Sender, hours: WorkingHours, now: datetime) -> Today:
    """How far a sender's day is at `now`, which lies in its working hours."""
    start, end = day_start(now, hours.zone), day_end(now, hours.zone)
    permits = [one.at for one in sender.permits.values() if one.at >= start and not one.returned]
    opened = next_opening(start, hours) or now
    last = max((*permits, opened))
    left = max(sender.rate_at(now).per_day - len(permits), 0)
    day = now.astimezone(ZoneInfo(hours.zone)).date()
    return Today(sender.id, day, len(permits), left, last, working_between(last, end, hours))


def today_on_linkedin(sender: LinkedInSender, kind: ActionKind, now: datetime, most: int) -> Today:
    """The same, of one kind of LinkedIn step, of which there are `most` in a day."""
    start, end = day_start(now, sender.hours.zone), day_end(now, sender.hours.zone)
    permits = [
        one.at for one in sender.permits.values() if one.kind == kind and one.at >= start and not one.returned
    ]
    last = max((*permits, next_opening(start, sender.hours) or now))
    left = max(most - len(permits), 0)
    day = now.astimezone(ZoneInfo(sender.hours.zone)).date()
    working = working_between(last, end, sender.hours)
    return Today(f"{sender.id} {kind}", day, len(permits), left, last, working)


def working_between(start: datetime, end: datetime, hours: WorkingHours) -> timedelta:
    """How much of the time from `start` to `end` is working time."""
    working, at = timedelta(), start
    while at < end and (opening := next_opening(at, hours)) is not None and opening < end:
        at = min(working_until(opening, hours) or end, end)
        working += at - opening
    return working
