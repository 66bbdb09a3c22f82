"""The rules users rely on, checked on what truly left. Written apart from the scheduler: it decides nothing."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from uuid import UUID
from zoneinfo import ZoneInfo

from simulation.outside import Left

HOUR = timedelta(hours=1)
OPENS, CLOSES, FRIDAY = 9, 18, 4


def broken(
    left: Sequence[Left],
    stopped: Mapping[UUID, datetime],
    zones: Mapping[UUID, str],
    *,
    per_day: int,
    per_hour: int,
    delay: timedelta,
) -> Iterator[str]:
    """Every rule that was broken, in words. `zones`: of identities, whose hours are 9 to 18, Monday to Friday."""
    by_inbox: dict[UUID, list[datetime]] = defaultdict(list)
    by_lead: dict[UUID, list[Left]] = defaultdict(list)
    for one in left:
        step = one.step
        by_inbox[step.inbox].append(one.at)
        by_lead[one.lead].append(one)
        local = one.at.astimezone(ZoneInfo(zones[step.identity]))
        if not (local.weekday() <= FRIDAY and OPENS <= local.hour < CLOSES):
            yield f"a mail left outside the working hours, at {local}"
        if one.at >= step.valid_until:
            yield f"a mail left after it was valid, at {one.at}"
        since = stopped.get(one.lead)
        if since is not None and one.at > since:
            yield f"a mail left after its conversation had stopped, at {one.at}"
    zone_of = {one.step.inbox: zones[one.step.identity] for one in left}
    for inbox, instants in by_inbox.items():
        yield from _limits(sorted(instants), ZoneInfo(zone_of[inbox]), per_day, per_hour)
    for mails in by_lead.values():
        yield from _sequence(mails, delay)


def _limits(instants: Sequence[datetime], zone: ZoneInfo, per_day: int, per_hour: int) -> Iterator[str]:
    days = Counter(at.astimezone(zone).date() for at in instants)
    for day, number in days.items():
        if number > per_day:
            yield f"{number} mails left on {day}, {per_day} are allowed"
    for number, at in enumerate(instants):
        first = instants[max(number - per_hour, 0)]
        if number >= per_hour and at - first < HOUR:
            yield f"{per_hour + 1} mails left within an hour, until {at}"


def _sequence(mails: Sequence[Left], delay: timedelta) -> Iterator[str]:
    subjects = {str(one.step.subject) for one in mails}
    texts = [str(one.step.text) for one in mails]
    if len(set(texts)) != len(texts):
        yield f"a lead got a step twice: {mails[0].lead}"
    if len(subjects) > 1 or len({one.step.inbox for one in mails}) > 1:
        yield f"a lead got mails under several subjects or from several inboxes: {mails[0].lead}"
    ordered = sorted(mails, key=lambda one: one.at)
    for before, after in pairwise(ordered):
        if after.at - before.at < delay:
            yield f"a follow-up left {after.at - before.at} after the mail before it"
