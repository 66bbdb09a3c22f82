"""Pace: even over the working day, the same in every replica, never past its end."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

from heraldry.contracts.identity import Interval, WorkingHours
from heraldry.scheduler.domain.pacing import BREATH, Today, at_once, even, working_between
from hypothesis import given
from hypothesis import strategies as st

NINE = datetime(2026, 3, 2, 9, tzinfo=UTC)
DAY = timedelta(hours=9)
MORNING = Today("sender", date(2026, 3, 2), used=0, left=30, last=NINE, working=DAY)
SENDERS = st.text(min_size=1, max_size=20)


def spread(today: Today) -> list[datetime]:
    """When the day's mails leave, if every one leaves as soon as its pace allows."""
    left: list[datetime] = []
    while today.left > 0:
        at = even(today)
        left.append(at)
        today = replace(
            today,
            used=today.used + 1,
            left=today.left - 1,
            last=at,
            working=today.working - (at - today.last),
        )
    return left


@given(SENDERS, st.integers(1, 80))
def test_a_days_mails_all_leave_within_it(sender: str, mails: int) -> None:
    left = spread(replace(MORNING, sender=sender, left=mails))
    assert len(left) == mails
    assert all(NINE < at < NINE + DAY for at in left)


@given(SENDERS, st.integers(5, 80))
def test_they_are_spread_over_it(sender: str, mails: int) -> None:
    left = spread(replace(MORNING, sender=sender, left=mails))
    morning = sum(at < NINE + DAY / 2 for at in left)
    assert abs(morning - mails / 2) <= 1 + mails * 0.2


@given(SENDERS, st.integers(0, 80))
def test_every_replica_finds_the_same_instant(sender: str, used: int) -> None:
    today = replace(MORNING, sender=sender, used=used)
    assert even(today) == even(replace(today))
    assert at_once(today) == at_once(replace(today))


def test_two_senders_do_not_keep_step() -> None:
    assert even(MORNING) != even(replace(MORNING, sender="another"))


@given(SENDERS, st.integers(1, 80))
def test_at_once_only_takes_a_breath(sender: str, used: int) -> None:
    today = replace(MORNING, sender=sender, used=used)
    assert today.last <= at_once(today) <= today.last + timedelta(seconds=BREATH)


def test_the_first_mail_at_once_waits_for_nothing() -> None:
    assert at_once(MORNING) == NINE


def test_working_time_is_counted_within_the_hours_only() -> None:
    hours = WorkingHours(
        zone="UTC",
        week=(Interval(day=1, start="09:00", end="12:00"), Interval(day=1, start="13:00", end="17:00")),
    )
    assert working_between(NINE, NINE + timedelta(hours=15), hours) == timedelta(hours=7)
    assert working_between(NINE + timedelta(hours=1), NINE + timedelta(hours=5), hours) == timedelta(hours=3)
    assert working_between(NINE + timedelta(hours=9), NINE + timedelta(days=1), hours) == timedelta()


def test_an_hour_that_comes_twice_is_working_time_twice() -> None:
    night = WorkingHours(zone="Europe/Berlin", week=(Interval(day=7, start="00:00", end="06:00"),))
    start = datetime(2026, 10, 24, 22, tzinfo=UTC)  # midnight before the clocks go back
    assert working_between(start, start + timedelta(days=1), night) == timedelta(hours=7)
