from __future__ import annotations

from datetime import UTC, datetime, timedelta

from heraldry.chassis.clock import FrozenClock, MovableClock, SandboxClock, SystemClock
from hypothesis import given
from hypothesis import strategies as st

NOW = datetime(2026, 5, 4, 9, 30, tzinfo=UTC)


def test_the_system_clock_goes_and_is_in_utc() -> None:
    before = datetime.now(UTC)
    now = SystemClock().now()
    assert before <= now <= datetime.now(UTC)
    assert now.utcoffset() == timedelta()


def test_a_frozen_clock_stands_and_a_movable_one_is_moved() -> None:
    assert FrozenClock(NOW).now() == FrozenClock(NOW).now() == NOW
    clock = MovableClock(NOW)
    clock.forward(timedelta(hours=2))
    assert clock.now() == NOW + timedelta(hours=2)


@given(st.lists(st.integers(min_value=0, max_value=10**8), max_size=20))
def test_the_sandbox_s_clock_never_goes_back(offsets: list[int]) -> None:
    clock = SandboxClock(lambda: NOW)
    shown = [clock.now()]
    for offset in offsets:
        clock.moved(str(offset))
        shown.append(clock.now())
    assert shown == sorted(shown)
    assert shown[-1] == NOW + timedelta(seconds=max(offsets, default=0))
