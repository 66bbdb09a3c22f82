"""Local days, rolling hours and working hours. Pure: the instant and the zone come in as arguments."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from heraldry.contracts.identity import WorkingHours

HOUR: Final = timedelta(minutes=60)
LONGEST_DAY: Final = timedelta(hours=25)  # the day on which clocks go back
FAR_ENOUGH: Final = 16  # days: an hour a week that clocks skip comes again within two weeks
SECOND: Final = timedelta(seconds=1)


def day_start(instant: datetime, zone: str) -> datetime:
    """When the local day that `instant` lies in began, in UTC."""
    local = instant.astimezone(ZoneInfo(zone))
    return _midnight(local.date(), zone)


def day_end(instant: datetime, zone: str) -> datetime:
    """When the local day that `instant` lies in ends, in UTC."""
    local = instant.astimezone(ZoneInfo(zone))
    return _midnight(local.date() + timedelta(days=1), zone)


def working_until(instant: datetime, hours: WorkingHours) -> datetime | None:
    """When the working interval that `instant` lies in ends; None: it lies in none."""
    for span in _working(instant, hours):
        if span.start > instant:
            return None
        if instant < span.end:
            return span.end
    return None


def next_opening(instant: datetime, hours: WorkingHours) -> datetime | None:
    """The first working instant from `instant` on: itself, if it is one. None: there are no working hours."""
    for span in _working(instant, hours):
        if instant < span.end:
            return max(instant, span.start)
    return None


@dataclass(frozen=True, slots=True)
class _Span:
    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class _Piece:
    """A part of a local day in which clocks run on without a jump."""

    span: _Span
    offset: timedelta


def _working(instant: datetime, hours: WorkingHours) -> Iterator[_Span]:
    """Working time in order from before `instant` on; what touches is one. By the wall clock: an hour that
    comes twice counts twice, one that is skipped never comes.
    """
    first = instant.astimezone(ZoneInfo(hours.zone)).date() - timedelta(days=1)
    before: _Span | None = None
    for number in range(FAR_ENOUGH):
        for span in _of_day(first + timedelta(days=number), hours):
            if before is not None and span.start <= before.end:
                before = _Span(before.start, span.end)
                continue
            if before is not None:
                yield before
            before = span
    if before is not None:
        yield before


def _of_day(day: date, hours: WorkingHours) -> Sequence[_Span]:
    weekday = day.isoweekday()
    return _spans(day, hours.zone, tuple([(one.start, one.end) for one in hours.week if one.day == weekday]))


@lru_cache(maxsize=4096)  # every lane of an account asks for the same days again and again
def _spans(day: date, zone: str, intervals: tuple[tuple[str, str], ...]) -> Sequence[_Span]:
    if not intervals:
        return ()
    wall = datetime.combine(day, time(), UTC)
    found = list[_Span]()
    for piece in _pieces(day, zone):
        for begins, ends in intervals:
            start = max(wall + _clock(begins) - piece.offset, piece.span.start)
            end = min(wall + _clock(ends) - piece.offset, piece.span.end)
            if start < end:
                found.append(_Span(start, end))
    return tuple(found)


def _pieces(day: date, zone: str) -> tuple[_Piece, ...]:
    start, end = _midnight(day, zone), _midnight(day + timedelta(days=1), zone)
    first, last = _offset(start, zone), _offset(end - SECOND, zone)
    if first == last:
        return (_Piece(_Span(start, end), first),)
    low, high = start, end
    while high - low > SECOND:  # clocks jump on a whole second
        middle = low + (high - low) // 2
        middle -= timedelta(microseconds=middle.microsecond)
        low, high = (middle, high) if _offset(middle, zone) == first else (low, middle)
    return (_Piece(_Span(start, high), first), _Piece(_Span(high, end), last))


def _offset(instant: datetime, zone: str) -> timedelta:
    return instant.astimezone(ZoneInfo(zone)).utcoffset() or timedelta()


def _clock(text: str) -> timedelta:
    hour, minute = text.split(":")
    return timedelta(hours=int(hour), minutes=int(minute))


def _midnight(day: date, zone: str) -> datetime:
    """A zone whose clocks skip midnight begins its day when the skipped hour ends: what UTC makes of it."""
    return datetime.combine(day, time(), ZoneInfo(zone)).astimezone(UTC)
