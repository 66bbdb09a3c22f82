"""After a restore the running day and the last hour count as used up, whatever the stream says was done."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from heraldry.contracts.base import Refused
from heraldry.contracts.identity import WorkingHours
from heraldry.scheduler.domain import linkedin_sender, permits, scraping_pool
from heraldry.scheduler.domain.linkedin_permits import decide as decide_linkedin
from heraldry.scheduler.domain.linkedin_sender import evolve as evolve_linkedin
from heraldry.scheduler.domain.sender import (
    UNOPENED,
    AssumeUsed,
    Command,
    Dispatch,
    Letter,
    Open,
    State,
    evolve,
)

MIDNIGHT = datetime(2026, 5, 5, tzinfo=UTC)
RESTORED = MIDNIGHT - timedelta(minutes=20)
ORGANIZATION, INBOX, IDENTITY = uuid4(), uuid4(), uuid4()
HOURS = WorkingHours(zone="UTC")


def after(state: State, *commands: Command) -> State:
    for command in commands:
        for event in permits.decide(command, state):
            state = evolve(state, event)
    return state


def opened() -> State:
    at = RESTORED - timedelta(days=3)
    return after(UNOPENED, Open("hash", ORGANIZATION, INBOX, IDENTITY, HOURS, at))


def mail(at: datetime) -> Dispatch:
    letter = Letter(uuid4(), "lea@northwind.example", "Hello", "Shall we talk?")
    return Dispatch(ORGANIZATION, uuid4(), letter, at)


def test_nothing_more_is_permitted_in_the_day_of_the_restore() -> None:
    state = after(opened(), AssumeUsed(RESTORED))
    with pytest.raises(Refused) as refused:
        permits.decide(mail(RESTORED + timedelta(minutes=1)), state)
    assert refused.value.code == "quota.exhausted"


def test_its_last_hour_counts_across_midnight_and_then_all_is_as_ever() -> None:
    state = after(opened(), AssumeUsed(RESTORED))
    with pytest.raises(Refused) as refused:
        permits.decide(mail(MIDNIGHT + timedelta(minutes=1)), state)
    assert refused.value.extra["until"] == (RESTORED + timedelta(hours=1)).isoformat()
    assert permits.decide(mail(RESTORED + timedelta(hours=1, seconds=1)), state)


def test_said_again_it_changes_nothing() -> None:
    state = after(opened(), AssumeUsed(RESTORED))
    assert permits.decide(AssumeUsed(RESTORED), state) == ()
    assert permits.decide(AssumeUsed(RESTORED), UNOPENED) == ()


def test_of_linkedin_no_kind_of_action_is_left_that_day() -> None:
    state: linkedin_sender.State = linkedin_sender.UNOPENED
    opening = linkedin_sender.Open(
        "member", ORGANIZATION, uuid4(), IDENTITY, HOURS, MIDNIGHT, RESTORED, sales_navigator=True
    )
    for command in (opening, AssumeUsed(RESTORED)):
        for event in decide_linkedin(command, state):
            state = evolve_linkedin(state, event)
    assert isinstance(state, linkedin_sender.LinkedInSender)
    for kind in ("invitation", "message", "withdrawal", "scraping"):
        assert state.use(kind, RESTORED + timedelta(minutes=5)).until == MIDNIGHT
        assert state.use(kind, MIDNIGHT).used == 0


def test_nor_of_the_shared_pool() -> None:
    pool = scraping_pool.EMPTY
    for event in scraping_pool.decide(scraping_pool.AssumeUsed(ORGANIZATION, RESTORED), pool):
        pool = scraping_pool.evolve(pool, event)
    take = scraping_pool.Take(ORGANIZATION, UUID(int=1), UUID(int=2), 100, RESTORED)
    with pytest.raises(Refused) as refused:
        scraping_pool.decide(take, pool)
    assert refused.value.extra["until"] == MIDNIGHT.isoformat()
    assert pool.use(100, MIDNIGHT).until is None
