"""Why a lead's next step waits, and until when."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from heraldry.contracts.identity import WorkingHours
from heraldry.scheduler.domain.waiting import Account, Step, reason

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)  # a Wednesday
HOURS = WorkingHours(zone="UTC")
LATER = WorkingHours(zone="America/New_York")


def account(hours: WorkingHours | None = HOURS, closed: str = "") -> Account:
    return Account(
        "sender", closed, halted=False, hours=hours, per_day=9, used_today=0, last=None, exhausted=None
    )


def step(due: datetime, *accounts: Account, again: bool = False) -> Step:
    return Step(
        state="in progress",
        leaving_until=None,
        due=due,
        ahead=False,
        campaign="active",
        pause=None,
        even=False,
        accounts=accounts,
        again=again,
    )


def test_a_pause_after_a_try_that_did_not_leave_is_called_so() -> None:
    due = NOON + timedelta(minutes=2)
    found = reason(step(due, account(), again=True), NOON)
    assert found is not None
    assert (found.code, found.until) == ("retry", due)
    assert "tried again" in found.text
    delayed = reason(step(due, account()), NOON)
    assert delayed is not None
    assert (delayed.code, delayed.until) == ("delay", due)


@pytest.mark.requirement("R-LIM-6")
@pytest.mark.parametrize("again", [False, True])
def test_what_becomes_due_outside_of_the_working_hours_waits_for_the_next_ones(again: bool) -> None:  # noqa: FBT001
    thursday, saturday = NOON + timedelta(hours=8), NOON + timedelta(days=3)
    for due, opening in (
        (thursday, datetime(2026, 3, 5, 9, tzinfo=UTC)),
        (saturday, datetime(2026, 3, 9, 9, tzinfo=UTC)),
    ):
        found = reason(step(due, account(), again=again), NOON)
        assert found is not None
        assert found.until == opening


def test_of_several_inboxes_the_one_that_opens_first_says_until_when() -> None:
    due = NOON + timedelta(hours=8)
    found = reason(step(due, account(), account(LATER)), NOON)
    assert found is not None
    assert found.until == due
    shut = reason(step(due, account(), account(LATER, closed="paused")), NOON)
    assert shut is not None
    assert shut.until == datetime(2026, 3, 5, 9, tzinfo=UTC)
