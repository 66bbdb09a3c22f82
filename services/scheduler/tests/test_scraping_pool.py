"""The scrapings an organization shares: never one more than its pool has in a day of the organization."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TypeAlias
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from heraldry.chassis.decider import Decider
from heraldry.chassis.testing.scenario import Scenario
from heraldry.contracts.base import Refused
from heraldry.scheduler.domain.scraping_pool import (
    EMPTY,
    USED_UP,
    Command,
    Event,
    GiveBack,
    ImportZone,
    Pool,
    PoolAssumedUsed,
    PoolPermitReturned,
    PoolPermitTaken,
    PoolZoneImported,
    Take,
    decide,
    enough,
    evolve,
    used_up,
)
from hypothesis import given as any_of
from hypothesis import settings
from hypothesis import strategies as st

ORG, ADA, BOB = (UUID(int=n) for n in range(1, 4))
NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
ZONES = ("Europe/Stockholm", "UTC", "Pacific/Auckland", "America/Los_Angeles")
STARTS = (  # the clocks of Stockholm go forward, and back, in the days around the first two
    datetime(2026, 3, 28, 6, tzinfo=UTC),
    datetime(2026, 10, 24, 6, tzinfo=UTC),
    NOON,
)
decider: Decider[Command, Pool, Event] = Decider(EMPTY, decide, evolve)


def take(number: int, at: datetime = NOON, allowed: int = 3, identity: UUID = ADA) -> Take:
    return Take(ORG, identity, UUID(int=1000 + number), allowed, at)


def after(*commands: Command) -> Scenario[Command, Pool, Event]:
    scenario = Scenario(decider)
    for command in commands:
        outcome = scenario.when(command)
        assert outcome.refusal is None, outcome.refusal
        scenario = scenario.given(*outcome.events)
    return scenario


@pytest.mark.requirement("R-LIM-2")
def test_all_identities_of_an_organization_draw_on_one_pool_until_its_day_ends() -> None:
    stockholm = ImportZone(ORG, "Europe/Stockholm", 0, NOON)
    full = after(stockholm, take(1), take(2, identity=BOB), take(3))
    refusal = full.when(take(4, identity=BOB)).refusal
    assert refusal is not None
    assert (refusal.code, refusal.detail) == ("quota.exhausted", USED_UP)
    assert refusal.extra["until"] == "2026-05-04T22:00:00+00:00"  # midnight in Stockholm
    (tomorrow,) = full.when(take(4, datetime(2026, 5, 4, 22, tzinfo=UTC))).events
    assert isinstance(tomorrow, PoolPermitTaken)
    assert (tomorrow.used, tomorrow.ends) == (1, datetime(2026, 5, 5, 22, tzinfo=UTC))


def test_the_same_attempt_finds_its_permit_and_takes_no_second_one() -> None:
    assert after(take(1)).when(take(1, NOON + MINUTE)).events == ()


def test_a_permit_nobody_used_before_its_day_ended_is_taken_anew() -> None:
    (again,) = after(take(1)).when(take(1, NOON + timedelta(days=1))).events
    assert isinstance(again, PoolPermitTaken)
    assert again.used == 1


def test_what_provably_was_not_read_is_given_back_once_and_not_taken_by_the_same_attempt() -> None:
    (returned,) = after(take(1), take(2)).when(GiveBack(UUID(int=1001), NOON)).events
    assert isinstance(returned, PoolPermitReturned)
    assert (returned.used, returned.identity) == (1, ADA)
    back = after(take(1), take(2), GiveBack(UUID(int=1001), NOON))
    assert back.when(GiveBack(UUID(int=1001), NOON)).events == ()
    assert back.when(take(1)).events == ()
    assert len(back.given(*back.when(take(3)).events).when(take(4)).events) == 1


def test_what_drew_on_nothing_has_nothing_to_give_back() -> None:
    assert after().when(GiveBack(UUID(int=1), NOON)).events == ()


def test_an_operator_may_close_the_pool() -> None:
    assert after().when(take(1, allowed=0)).refusal is not None


def test_a_zone_is_known_once_and_an_older_word_changes_nothing() -> None:
    scenario = after(ImportZone(ORG, "Europe/Stockholm", 4, NOON))
    assert scenario.when(ImportZone(ORG, "UTC", 3, NOON)).events == ()
    assert scenario.when(ImportZone(ORG, "Europe/Stockholm", 5, NOON)).events == ()


def test_after_a_change_of_zone_the_strictest_day_decides() -> None:
    """In Auckland the new day has begun; in UTC, which was in force until now, it has not."""
    late, early = NOON + 9 * HOUR, NOON - HOUR
    scenario = after(
        *(take(number, early) for number in (1, 2, 3)), ImportZone(ORG, "Pacific/Auckland", 1, late)
    )
    refusal = scenario.when(take(4, late)).refusal
    assert refusal is not None
    assert refusal.extra["until"] == "2026-05-05T00:00:00+00:00"


def test_a_refusal_says_what_the_identity_has_of_its_own_too() -> None:
    assert used_up(NOON, 50).detail == f"{USED_UP} The 50 of this identity's own are used, too."


Act: TypeAlias = tuple[str, int, int]  # what, which, minutes since the last
acts = st.lists(
    st.tuples(
        st.sampled_from((*("take",) * 10, *("again",) * 3, *("back",) * 2, "zone", "size")),
        st.integers(0, 11),
        st.sampled_from((0, 0, 0, 1, 5, 65, 240, 700, 1500, -60, -1500)),
    ),
    min_size=20,
    max_size=60,
)


@dataclass
class History:
    """A pool's stream as several clocks and processes write it."""

    at: datetime
    events: list[Event] = field(default_factory=list[Event])
    state: Pool = EMPTY
    allowed: int = 2
    attempts: list[UUID] = field(default_factory=list[UUID])
    revision: int = 0

    def act(self, what: str, which: int) -> None:
        command = self._command(what, which)
        try:
            events = decide(command, self.state)
        except Refused:
            return
        for event in events:
            self.state = evolve(self.state, event)
        self.events += events
        assert decide(command, self.state) == ()  # asked again, it changes nothing

    def _command(self, what: str, which: int) -> Command:
        match what:
            case "again" if self.attempts:
                return self._take(self.attempts[which % len(self.attempts)])
            case "back" if self.attempts:
                return GiveBack(self.attempts[which % len(self.attempts)], self.at)
            case "zone":
                self.revision += 1
                return ImportZone(ORG, ZONES[which % len(ZONES)], self.revision, self.at)
            case _:
                if what == "size":
                    self.allowed = which % 4
                self.attempts.append(UUID(int=1000 + len(self.attempts)))
                return self._take(self.attempts[-1])

    def _take(self, attempt: UUID) -> Take:
        return Take(ORG, ADA, attempt, self.allowed, self.at)


@pytest.mark.requirement("R-LIM-2")
@settings(max_examples=150, deadline=None)
@any_of(st.sampled_from(STARTS), acts)
def test_no_history_permits_one_more_than_the_pool_has_in_a_day(start: datetime, done: Sequence[Act]) -> None:
    history = History(start)
    for what, which, minutes in done:
        history.at += minutes * MINUTE
        history.act(what, which)
    _holds(history.events)
    assert decider.fold(history.events) == history.state


def _holds(events: Sequence[Event]) -> None:
    """Counted anew from the events alone: in the day of every zone in force within 25 hours."""
    zones: list[tuple[str, datetime]] = [("UTC", events[0].at)] if events else []
    times = [event.at for event in events]
    assert times == sorted(times)
    counting: dict[UUID, datetime] = {}
    for event in events:
        match event:
            case PoolZoneImported():
                zones = [] if event is events[0] else zones
                zones.append((event.zone, event.at))
            case PoolPermitReturned():
                counting.pop(event.attempt)
            case PoolAssumedUsed():
                pytest.fail("none of these histories restores a backup")
            case PoolPermitTaken():
                counting[event.attempt] = event.at
                until = [at for _, at in zones[1:]]
                for (zone, _), end in zip(zones, [*until, None], strict=True):
                    if end is None or end > event.at - timedelta(hours=25):
                        today = _day(event.at, zone)
                        used = sum(_day(at, zone) == today for at in counting.values())
                        assert used <= event.allowed
                        assert event.used >= used


def _day(at: datetime, zone: str) -> object:
    return at.astimezone(ZoneInfo(zone)).date()


@settings(max_examples=60, deadline=None)
@any_of(acts)
def test_the_newest_part_of_the_stream_says_all_a_permit_depends_on(done: Sequence[Act]) -> None:
    history = History(NOON)
    for what, which, minutes in (*done, *[("take", 0, 700)] * 6):
        history.at += minutes * MINUTE
        history.act(what, which)
    now = history.state.now(history.at)
    for count in range(1, len(history.events)):
        newest_first = history.events[: -count - 1 : -1]
        if enough(newest_first, now):
            part = decider.fold(newest_first[::-1])
            assert part.zones[-1:] == history.state.zones[-1:]
            assert part.use(2, now) == history.state.use(2, now)
            break
