from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from heraldry.chassis.decider import Decider
from heraldry.chassis.testing.scenario import Scenario
from heraldry.contracts.identity import WorkingHours
from heraldry.contracts.scheduler import (
    EmailRate,
    LimitsChanged,
    QuotaConsumed,
    QuotaExhausted,
    QuotaReleased,
    StepDispatched,
)
from heraldry.scheduler.domain.permits import decide, use
from heraldry.scheduler.domain.sender import (
    UNOPENED,
    ChangeHours,
    ChangeRate,
    Close,
    Command,
    Dispatch,
    Letter,
    Open,
    SayExhausted,
    Sender,
    Settle,
    State,
    enough,
    evolve,
)
from heraldry.scheduler.domain.sender_events import Event, SenderOpened
from hypothesis import given as any_of
from hypothesis import settings
from hypothesis import strategies as st

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
ORG, OTHERS, INBOX, ADA, LEA = (UUID(int=n) for n in range(1, 6))
LETTER = Letter(LEA, "lea@maison.example", "Hello", "Good morning")
decider: Decider[Command, State, Event] = Decider(UNOPENED, decide, evolve)
MINUTE = timedelta(minutes=1)


def opened(zone: str = "UTC", per_day: int = 30, per_hour: int = 5) -> Scenario[Command, State, Event]:
    rate = EmailRate(per_day=per_day, per_hour=per_hour)
    return Scenario(decider).given(
        SenderOpened(
            sender="s",
            organization=ORG,
            inbox=INBOX,
            identity=ADA,
            zone=zone,
            rate=rate,
            hours=hours(zone),
            at=NOON - timedelta(hours=1),
        )
    )


def hours(zone: str) -> WorkingHours:
    return WorkingHours(zone=zone)


def dispatch(number: int, at: datetime = NOON) -> Dispatch:
    return Dispatch(ORG, UUID(int=1000 + number), LETTER, at)


def after(scenario: Scenario[Command, State, Event], *commands: Command) -> Scenario[Command, State, Event]:
    for command in commands:
        outcome = scenario.when(command)
        assert outcome.refusal is None, outcome.refusal
        scenario = scenario.given(*outcome.events)
    return scenario


def test_permit_and_dispatch_are_one_decision() -> None:
    quota, step = opened().when(dispatch(1)).events
    assert isinstance(quota, QuotaConsumed)
    assert isinstance(step, StepDispatched)
    assert (quota.used_today, quota.used_this_hour, quota.rate) == (1, 1, EmailRate())
    assert quota.valid_until == step.valid_until == NOON + 10 * MINUTE


def test_the_same_attempt_is_dispatched_once() -> None:
    after(opened(), dispatch(1)).when(dispatch(1)).then_nothing()


def test_one_an_hour_refuses_the_second_and_says_from_when() -> None:
    past = after(opened(per_hour=1), dispatch(1))
    refusal = past.when(dispatch(2, NOON + MINUTE)).then_refused("quota.exhausted")
    assert refusal.extra == {"window": "hour", "until": (NOON + 70 * MINUTE).isoformat()}
    settled = after(past, Settle(UUID(int=1001), proven_not_sent=False, at=NOON + 2 * MINUTE))
    refusal = settled.when(dispatch(2, NOON + 3 * MINUTE)).then_refused("quota.exhausted")
    assert refusal.extra["until"] == (NOON + 62 * MINUTE).isoformat()
    assert settled.when(dispatch(2, NOON + 62 * MINUTE)).events


def test_what_provably_did_not_leave_gives_its_permit_back() -> None:
    past = after(opened(per_hour=1), dispatch(1))
    back = Settle(UUID(int=1001), proven_not_sent=True, at=NOON + MINUTE)
    (released,) = past.when(back).events
    assert isinstance(released, QuotaReleased)
    assert (released.used_today, released.used_this_hour) == (0, 0)
    again = after(past, back)
    again.when(back).then_nothing()
    assert again.when(dispatch(2, NOON + MINUTE)).events


def test_an_outcome_is_taken_once_and_a_success_gives_nothing_back() -> None:
    sent = Settle(UUID(int=1001), proven_not_sent=False, at=NOON + MINUTE)
    past = after(opened(), dispatch(1), sent)
    past.when(Settle(UUID(int=1001), proven_not_sent=True, at=NOON + 2 * MINUTE)).then_nothing()


def test_the_day_is_the_identitys_local_day() -> None:
    late = datetime(2026, 5, 4, 21, 55, tzinfo=UTC)  # 23:55 in Stockholm
    past = after(opened("Europe/Stockholm", per_day=1), dispatch(1, late))
    (quota, _) = opened("Europe/Stockholm").when(dispatch(1, late)).events
    assert isinstance(quota, QuotaConsumed)
    assert quota.valid_until == datetime(2026, 5, 4, 22, tzinfo=UTC)  # not after the local day
    refusal = past.when(dispatch(2, late + MINUTE)).then_refused("quota.exhausted")
    assert refusal.extra == {"window": "day", "until": "2026-05-04T22:00:00+00:00"}
    assert past.when(dispatch(2, late + 6 * MINUTE)).events


def test_sixty_minutes_count_across_midnight() -> None:
    late = datetime(2026, 5, 4, 23, 58, tzinfo=UTC)
    past = after(opened(per_hour=1), dispatch(1, late))
    past.when(dispatch(2, late + 5 * MINUTE)).then_refused("quota.exhausted")


def test_after_a_change_of_zone_the_strictest_day_decides() -> None:
    past = after(
        opened("Pacific/Auckland", per_day=1),
        dispatch(1, NOON - MINUTE),  # 23:59 there: its day is about to end
        ChangeHours(ADA, hours("UTC"), NOON),
        Settle(UUID(int=1001), proven_not_sent=False, at=NOON),
    )
    refusal = past.when(dispatch(2, NOON + timedelta(hours=2))).then_refused("quota.exhausted")
    assert refusal.extra["until"] == "2026-05-05T00:00:00+00:00"
    back = after(past, ChangeHours(ADA, hours("Pacific/Auckland"), NOON + timedelta(hours=2)))
    back.when(dispatch(2, NOON + timedelta(hours=3))).then_refused("quota.exhausted")


def test_a_clock_set_back_gives_nothing() -> None:
    past = after(opened(per_hour=1), dispatch(1))
    past.when(dispatch(2, NOON - timedelta(hours=2))).then_refused("quota.exhausted")


def test_reconnecting_starts_nothing_anew() -> None:
    past = after(
        opened(per_hour=1),
        dispatch(1),
        Close("disconnected", NOON),
        Open("s", ORG, INBOX, ADA, hours("UTC"), NOON + MINUTE),
    )
    past.when(dispatch(2, NOON + 2 * MINUTE)).then_refused("quota.exhausted")


def test_nothing_leaves_from_a_closed_account() -> None:
    past = after(opened(), Close("disconnected", NOON))
    past.when(dispatch(1)).then_refused("inbox.not-connected")
    past.when(Close("disconnected", NOON)).then_nothing()


def test_the_ceilings_point_to_support() -> None:
    for rate, name in ((EmailRate(per_day=81), "per_day"), (EmailRate(per_hour=11), "per_hour")):
        refusal = opened().when(ChangeRate(ORG, rate, NOON)).then_refused("rate.above-ceiling")
        assert (refusal.status, refusal.field) == (422, name)
        assert "support" in refusal.detail
    top = EmailRate(per_day=80, per_hour=10)
    opened().when(ChangeRate(ORG, top, NOON)).then(
        LimitsChanged(sender="s", inbox=INBOX, identity=ADA, rate=top, at=NOON)
    )


def test_another_organization_sees_no_inbox() -> None:
    stranger = Dispatch(OTHERS, UUID(int=9), LETTER, NOON)
    assert opened().when(stranger).then_refused("inbox.unknown").status == 404
    assert opened().when(ChangeRate(OTHERS, EmailRate(), NOON)).then_refused("inbox.unknown").status == 404


def test_exhaustion_is_said_once_a_window() -> None:
    past = after(opened(per_hour=1), dispatch(1))
    said = QuotaExhausted(
        sender="s", inbox=INBOX, identity=ADA, window="hour", until=NOON + 70 * MINUTE, at=NOON + MINUTE
    )
    past.when(SayExhausted(NOON + MINUTE)).then(said)
    past.given(said).when(SayExhausted(NOON + 2 * MINUTE)).then_nothing()
    opened().when(SayExhausted(NOON)).then_nothing()


steps = st.lists(
    st.one_of(
        st.tuples(st.just("dispatch"), st.integers(0, 40)),
        st.tuples(st.just("settle"), st.integers(0, 40)),
        st.tuples(st.just("fail"), st.integers(0, 40)),
        st.tuples(st.just("zone"), st.integers(0, 3)),
        st.tuples(st.just("reopen"), st.integers(0, 3)),
    ),
    max_size=60,
)
ZONES = ("UTC", "Pacific/Auckland", "America/Los_Angeles", "Europe/Stockholm")


@any_of(steps, st.lists(st.integers(-90, 400), min_size=60, max_size=60), st.integers(1, 4))
@settings(max_examples=60, deadline=None)
def test_no_history_sends_more_than_allowed_in_any_hour(
    history: list[tuple[str, int]], pauses: list[int], per_hour: int
) -> None:
    """What can really have left within any 60 minutes never exceeds the limit, whatever the clock does."""
    scenario, at = opened(per_hour=per_hour, per_day=30), NOON
    for (what, number), pause in zip(history, pauses, strict=False):
        at += timedelta(minutes=pause)
        command: Command
        match what:
            case "dispatch":
                command = dispatch(number, at)
            case "zone":
                command = ChangeHours(ADA, hours(ZONES[number]), at)
            case "reopen":
                command = Open("s", ORG, INBOX, ADA, hours(ZONES[number]), at)
            case _:
                command = Settle(UUID(int=1000 + number), proven_not_sent=what == "fail", at=at)
        scenario = scenario.given(*scenario.when(command).events)
    granted = [event.at for event in scenario.past if isinstance(event, QuotaConsumed)]
    returned = sum(isinstance(event, QuotaReleased) for event in scenario.past)
    for first in granted:
        assert sum(first <= one < first + timedelta(hours=1) for one in granted) <= per_hour + returned


@any_of(st.lists(st.integers(1, 2000), min_size=1, max_size=40), st.integers(0, 3))
@settings(max_examples=60, deadline=None)
def test_the_newest_part_of_the_stream_decides_as_the_whole(pauses: list[int], zone: int) -> None:
    scenario, at = opened(ZONES[zone], per_hour=3, per_day=6), NOON
    for number, pause in enumerate(pauses):
        at += timedelta(minutes=pause)
        scenario = scenario.given(*scenario.when(dispatch(number, at)).events)
    newest: list[Event] = []
    for event in reversed(scenario.past):
        newest.append(event)
        if enough(newest, at):
            break
    whole, part = scenario.state, decider.fold(newest[::-1])
    assert isinstance(whole, Sender)
    assert isinstance(part, Sender)
    assert use(whole, at) == use(part, at)


@pytest.mark.parametrize("zone", ZONES)
def test_a_limit_of_none_never_sends(zone: str) -> None:
    opened(zone, per_day=0, per_hour=0).when(dispatch(1)).then_refused("quota.exhausted")
