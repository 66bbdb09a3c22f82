"""Working hours and local days where clocks jump."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from heraldry.contracts.identity import Interval, WorkingHours
from heraldry.scheduler.domain.calendar import day_end, day_start, next_opening, working_until
from hypothesis import given as any_of
from hypothesis import settings
from hypothesis import strategies as st

STOCKHOLM = "Europe/Stockholm"
EVERY_DAY = range(1, 8)
QUARTER = timedelta(minutes=15)


def week(zone: str, start: str, end: str, days: range = EVERY_DAY) -> WorkingHours:
    return WorkingHours(zone=zone, week=tuple(Interval(day=day, start=start, end=end) for day in days))


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def test_a_working_day_begins_at_nine_and_ends_at_six_by_the_wall_clock() -> None:
    office = WorkingHours(zone=STOCKHOLM)
    friday = at("2026-05-08T17:59:59+02:00")
    assert working_until(friday, office) == at("2026-05-08T18:00+02:00")
    assert next_opening(friday, office) == friday
    evening = at("2026-05-08T18:00+02:00")
    assert working_until(evening, office) is None
    assert next_opening(evening, office) == at("2026-05-11T09:00+02:00")
    assert next_opening(at("2026-05-11T08:59:59+02:00"), office) == at("2026-05-11T09:00+02:00")


def test_the_hours_follow_the_wall_clock_when_it_jumps() -> None:
    office = WorkingHours(zone=STOCKHOLM)
    before, after = at("2026-03-27T18:00+01:00"), at("2026-03-30T09:00+02:00")
    assert next_opening(before, office) == after
    assert next_opening(at("2026-10-23T18:00+02:00"), office) == at("2026-10-26T09:00+01:00")


def test_no_working_hours_at_all_never_open() -> None:
    never = WorkingHours(zone=STOCKHOLM, week=())
    assert working_until(at("2026-05-08T12:00+02:00"), never) is None
    assert next_opening(at("2026-05-08T12:00+02:00"), never) is None


def test_intervals_that_touch_are_one() -> None:
    whole = week(STOCKHOLM, "00:00", "24:00")
    assert working_until(at("2026-05-08T12:00+02:00"), whole) is not None
    split = WorkingHours(
        zone=STOCKHOLM,
        week=(Interval(day=5, start="09:00", end="12:00"), Interval(day=5, start="12:00", end="18:00")),
    )
    assert working_until(at("2026-05-08T10:00+02:00"), split) == at("2026-05-08T18:00+02:00")


@pytest.mark.parametrize(("day", "length"), [("2026-03-29", 23), ("2026-10-25", 25), ("2026-05-08", 24)])
def test_days_of_23_24_and_25_hours_are_whole_days(day: str, length: int) -> None:
    noon = datetime.fromisoformat(f"{day}T12:00").replace(tzinfo=ZoneInfo(STOCKHOLM)).astimezone(UTC)
    assert day_end(noon, STOCKHOLM) - day_start(noon, STOCKHOLM) == timedelta(hours=length)
    only = WorkingHours(zone=STOCKHOLM, week=(Interval(day=noon.isoweekday(), start="00:00", end="24:00"),))
    start = day_start(noon, STOCKHOLM)
    assert next_opening(start - QUARTER, only) == start
    assert working_until(start, only) == start + timedelta(hours=length)


def test_an_hour_that_comes_twice_is_worked_twice_and_one_that_is_skipped_never_comes() -> None:
    night = week(STOCKHOLM, "02:00", "03:00", range(7, 8))
    first = at("2026-10-25T02:00+02:00")
    assert working_until(first, night) == first + timedelta(hours=2)
    half = week(STOCKHOLM, "02:00", "02:30", range(7, 8))
    assert working_until(first, half) == first + 2 * QUARTER
    assert next_opening(first + 2 * QUARTER, half) == at("2026-10-25T02:00+01:00")
    assert next_opening(at("2026-03-28T12:00+01:00"), night) == at("2026-04-05T02:00+02:00")
    assert next_opening(at("2026-03-23T12:00+01:00"), night) == at("2026-04-05T02:00+02:00")


def test_a_day_without_a_midnight_begins_when_the_skipped_hour_ends() -> None:
    zone = "Africa/Cairo"  # 2026-04-24 begins at 01:00
    noon = at("2026-04-24T12:00+03:00")
    assert day_start(noon, zone) == at("2026-04-23T22:00+00:00")
    assert day_end(noon, zone) - day_start(noon, zone) == timedelta(hours=23)
    assert next_opening(
        day_start(noon, zone) - QUARTER, week(zone, "00:00", "02:00", range(5, 6))
    ) == day_start(noon, zone)


ZONES = (
    STOCKHOLM,
    "Africa/Cairo",
    "America/Havana",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "America/St_Johns",
)
intervals = st.tuples(st.integers(1, 7), st.integers(0, 94), st.integers(1, 95)).map(
    lambda one: Interval(
        day=one[0],
        start=f"{one[1] // 4:02}:{one[1] % 4 * 15:02}",
        end="24:00" if (end := min(one[1] + one[2], 96)) == 96 else f"{end // 4:02}:{end % 4 * 15:02}",
    )
)


def by_the_wall(instant: datetime, hours: WorkingHours) -> bool:
    local = instant.astimezone(ZoneInfo(hours.zone))
    wall = f"{local:%H:%M}"
    return any(one.day == local.isoweekday() and one.start <= wall < one.end for one in hours.week)


@any_of(
    st.sampled_from(ZONES),
    st.dictionaries(st.integers(1, 7), intervals, min_size=1, max_size=3),
    st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1)),  # noqa: DTZ001  made aware below
)
@settings(max_examples=60, deadline=None)
def test_the_calendar_agrees_with_the_clock_on_the_wall(
    zone: str, chosen: dict[int, Interval], start: datetime
) -> None:
    days = {one.day: one for one in chosen.values()}
    hours = WorkingHours(zone=zone, week=tuple(days.values()))
    start = start.replace(minute=start.minute // 15 * 15, second=0, microsecond=0, tzinfo=UTC)
    for number in range(0, 400, 7):
        instant = start + number * QUARTER
        until, opening = working_until(instant, hours), next_opening(instant, hours)
        assert (until is not None) == by_the_wall(instant, hours)
        assert opening is not None
        assert opening >= instant
        assert by_the_wall(opening, hours)
        if until is None:
            assert not by_the_wall(opening - timedelta(seconds=1), hours)
        else:
            assert opening == instant
            assert not by_the_wall(until, hours)
            assert by_the_wall(until - timedelta(seconds=1), hours)
            assert by_the_wall(instant + (until - instant) / 2, hours)
