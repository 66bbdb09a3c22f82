from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from heraldry.chassis.decider import Decider
from heraldry.chassis.testing.scenario import Scenario
from heraldry.contracts.identity import WorkingHours
from heraldry.contracts.linkedin import ActionKind, SlowedDown
from heraldry.contracts.linkedin_steps import LinkedInStepCancelled, LinkedInStepDispatched
from heraldry.contracts.scheduler import (
    LinkedInLimits,
    LinkedInLimitsChanged,
    QuotaConsumed,
    QuotaExhausted,
    QuotaReleased,
    WithdrawalPolicy,
    WithdrawalPolicyChanged,
)
from heraldry.scheduler.domain.linkedin_permits import decide
from heraldry.scheduler.domain.linkedin_sender import (
    UNOPENED,
    Action,
    Cancel,
    ChangeLimits,
    ChangePolicy,
    Close,
    Code,
    Command,
    Dispatch,
    LinkedInSender,
    Open,
    SayExhausted,
    SlowDown,
    State,
    evolve,
)
from heraldry.scheduler.domain.linkedin_sender_events import Event
from heraldry.scheduler.domain.sender import ChangeHours, OpenCampaign, Settle, StopCampaign
from heraldry.scheduler.domain.sender_events import PermitSettled

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)  # a Monday
ORG, OTHERS, ACCOUNT, ADA, BOB, LEA, SPRING, ENROLLMENT = (UUID(int=n) for n in range(1, 9))
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
LINKED = NOON - 2 * HOUR
OPEN = Open("m", ORG, ACCOUNT, ADA, WorkingHours(zone="UTC"), LINKED, LINKED)
decider: Decider[Command, State, Event] = Decider(UNOPENED, decide, evolve)


def after(*commands: Command) -> Scenario[Command, State, Event]:
    scenario = Scenario(decider)
    for command in (OPEN, *commands):
        outcome = scenario.when(command)
        assert outcome.refusal is None, outcome.refusal
        scenario = scenario.given(*outcome.events)
    return scenario


def act(kind: ActionKind, number: int, at: datetime = NOON, text: str = "") -> Dispatch:
    action = Action(kind, UUID(int=5000 + number), f"https://www.linkedin.com/in/p{number}", text=text)
    if kind == "withdrawal":
        action = replace(action, invitation=UUID(int=7000 + number))
    return Dispatch(ORG, UUID(int=1000 + number), action, at)


def many(kind: ActionKind, count: int, at: datetime = NOON) -> list[Dispatch]:
    return [act(kind, number, at) for number in range(count)]


def settled(number: int, *, proven: bool, at: datetime = NOON) -> Settle:
    return Settle(UUID(int=1000 + number), proven_not_sent=proven, at=at)


def test_permit_and_dispatch_are_one_decision_and_say_what_is_in_force() -> None:
    quota, step = after().when(act("invitation", 1, text="Hello")).events
    assert isinstance(quota, QuotaConsumed)
    assert isinstance(step, LinkedInStepDispatched)
    assert (quota.kind, quota.used_today, quota.limits, quota.inbox) == (
        "invitation",
        1,
        LinkedInLimits(),
        None,
    )
    assert (quota.account, quota.attempt) == (step.account, step.attempt) == (ACCOUNT, UUID(int=1001))
    assert (step.text, step.profile) == ("Hello", "https://www.linkedin.com/in/p1")
    assert quota.valid_until == step.valid_until == NOON + 10 * MINUTE


def test_what_waits_for_others_of_the_account_may_begin_later() -> None:
    """A browser does one after the other."""
    scenario = after(*many("withdrawal", 5), settled(0, proven=False), settled(1, proven=True))
    quota = scenario.when(act("message", 9)).events[0]
    assert isinstance(quota, QuotaConsumed)
    assert quota.valid_until == NOON + 13 * MINUTE


def test_the_same_attempt_is_dispatched_once() -> None:
    after(act("message", 1)).when(act("message", 1)).then_nothing()


@pytest.mark.parametrize(("kind", "most"), [("invitation", 20), ("message", 100), ("withdrawal", 20)])
def test_each_kind_has_its_own_limit_and_says_once_until_when_it_is_used_up(
    kind: ActionKind, most: int
) -> None:
    full = after(*many(kind, most))
    refused = full.when(act(kind, 999)).then_refused("quota.exhausted")
    midnight = datetime(2026, 5, 5, tzinfo=UTC)
    assert refused.extra == {"until": midnight.isoformat(), "window": "day", "kind": kind}
    said = QuotaExhausted(
        sender="m", account=ACCOUNT, identity=ADA, kind=kind, window="day", until=midnight, at=NOON
    )
    full.when(SayExhausted(kind, NOON)).then(said)
    full.given(said).when(SayExhausted(kind, NOON)).then_nothing()
    other: ActionKind = "message" if kind != "message" else "invitation"
    assert full.when(act(other, 998)).refusal is None
    assert full.when(act(kind, 999, midnight)).refusal is None


def test_changed_limits_bind_the_next_permit_and_are_kept_by_who_links_the_member_next() -> None:
    scenario = after(*many("invitation", 5))
    limits = LinkedInLimits(invitations=5, messages=120)
    changed = LinkedInLimitsChanged(sender="m", account=ACCOUNT, identity=ADA, limits=limits, at=NOON)
    scenario.when(ChangeLimits(ORG, limits, NOON)).then(changed)
    lowered = scenario.given(changed)
    lowered.when(ChangeLimits(ORG, limits, NOON)).then_nothing()
    lowered.when(act("invitation", 9)).then_refused("quota.exhausted")
    later = NOON + MINUTE
    again = replace(OPEN, account=BOB, identity=BOB, linked_at=later, at=later)
    opened = lowered.given(*lowered.when(again).events)
    opened.when(act("invitation", 9, later)).then_refused("quota.exhausted")
    lowered.when(ChangeLimits(OTHERS, limits, NOON)).then_refused("linkedin.unknown")


def test_a_withdrawal_policy_is_the_identitys_and_off_for_another_one() -> None:
    policy = WithdrawalPolicy(days=7)
    scenario = after(ChangePolicy(ORG, policy, NOON))
    assert scenario.past[-1] == WithdrawalPolicyChanged(
        sender="m", account=ACCOUNT, identity=ADA, policy=policy, at=NOON
    )
    scenario.when(ChangePolicy(ORG, policy, NOON)).then_nothing()
    again = replace(OPEN, linked_at=NOON, at=NOON)
    for identity, kept in ((ADA, policy), (BOB, WithdrawalPolicy())):
        relinked = replace(again, identity=identity, account=identity)
        state = scenario.given(*scenario.when(relinked).events).state
        assert isinstance(state, LinkedInSender)
        assert state.policy == kept


def test_what_provably_was_not_done_gives_its_permit_back_and_what_is_not_known_does_not() -> None:
    full = after(*many("invitation", 20))
    released = QuotaReleased(
        sender="m",
        account=ACCOUNT,
        identity=ADA,
        attempt=UUID(int=1003),
        kind="invitation",
        used_today=19,
        at=NOON,
    )
    full.when(settled(3, proven=True)).then(released)
    back = full.given(released)
    back.when(settled(3, proven=True)).then_nothing()
    assert back.when(act("invitation", 77)).refusal is None
    kept = PermitSettled(sender="m", attempt=UUID(int=1004), at=NOON)
    full.when(settled(4, proven=False)).then(kept)
    full.given(kept).when(act("invitation", 77)).then_refused("quota.exhausted")


@pytest.mark.parametrize(
    ("signal", "paused", "free"),
    [
        (
            "invitation",
            (("invitation", ""), ("invitation", "Hello")),
            (("message", "Hi"), ("withdrawal", "")),
        ),
        ("note", (("invitation", "Hello"),), (("invitation", ""), ("message", "Hi"), ("withdrawal", ""))),
        ("message", (("message", "Hi"),), (("invitation", "Hello"), ("withdrawal", ""))),
        ("everything", (("invitation", ""), ("message", "Hi"), ("withdrawal", "")), ()),
    ],
)
def test_linkedins_signals_pause_their_kind_until_it_can_go_on(
    signal: SlowedDown, paused: tuple[tuple[ActionKind, str], ...], free: tuple[tuple[ActionKind, str], ...]
) -> None:
    until = NOON + timedelta(days=3)
    scenario = after(SlowDown(signal, until, NOON))
    for kind, text in paused:
        refused = scenario.when(act(kind, 1, text=text)).then_refused("linkedin.slowed-down")
        assert refused.extra["until"] == until.isoformat()
        assert scenario.when(act(kind, 1, until, text=text)).refusal is None
    for kind, text in free:
        assert scenario.when(act(kind, 1, text=text)).refusal is None
    scenario.when(SlowDown(signal, until - HOUR, NOON)).then_nothing()


def test_campaigns_and_automatic_withdrawals_wait_for_working_hours_and_people_do_not() -> None:
    evening = NOON + 8 * HOUR
    scenario = after(OpenCampaign(SPRING, 1, NOON))
    by_hand = act("withdrawal", 1, evening)
    automatic = replace(by_hand, action=replace(by_hand.action, automatic=True))
    of_campaign = replace(act("invitation", 2, evening), campaign=SPRING, enrollment=ENROLLMENT)
    assert scenario.when(by_hand).refusal is None
    tomorrow = datetime(2026, 5, 5, 9, tzinfo=UTC).isoformat()
    for waiting in (automatic, of_campaign):
        assert scenario.when(waiting).then_refused("hours.outside").extra["until"] == tomorrow


def test_a_permit_ends_with_the_day_and_with_the_working_hours() -> None:
    scenario = after(OpenCampaign(SPRING, 1, NOON))
    late = datetime(2026, 5, 4, 23, 55, tzinfo=UTC)
    quota = scenario.when(act("invitation", 1, late)).events[0]
    assert isinstance(quota, QuotaConsumed)
    assert quota.valid_until == datetime(2026, 5, 5, tzinfo=UTC)
    closing = datetime(2026, 5, 4, 17, 57, tzinfo=UTC)
    quota, _ = scenario.when(replace(act("invitation", 1, closing), campaign=SPRING)).events
    assert isinstance(quota, QuotaConsumed)
    assert quota.valid_until == datetime(2026, 5, 4, 18, tzinfo=UTC)


def test_after_a_change_of_zone_the_strictest_of_both_days_counts() -> None:
    evening = datetime(2026, 5, 4, 23, tzinfo=UTC)  # the 5th in Auckland since 12:00
    scenario = after(*many("invitation", 20, evening))
    moved = ChangeHours(ADA, WorkingHours(zone="Pacific/Auckland"), evening)
    there = scenario.given(*scenario.when(moved).events)
    past_midnight = datetime(2026, 5, 5, 0, 30, tzinfo=UTC)
    refused = there.when(act("invitation", 99, past_midnight)).then_refused("quota.exhausted")
    assert refused.extra["until"] == datetime(2026, 5, 5, 12, tzinfo=UTC).isoformat()


def test_a_clock_that_goes_back_opens_no_day_anew() -> None:
    tomorrow = NOON + timedelta(days=1)
    scenario = after(act("invitation", 500, tomorrow))
    for number in range(19):
        scenario = scenario.given(*scenario.when(act("invitation", number, NOON)).events)
    scenario.when(act("invitation", 99, NOON)).then_refused("quota.exhausted")


def test_nothing_is_done_with_an_account_that_is_not_linked_and_the_reason_is_told() -> None:
    codes: tuple[Code, ...] = ("disconnected", "reconnect", "restricted", "identity-deleted")
    for code in codes:
        closed = after(Close(ACCOUNT, code, NOON))
        refused = closed.when(act("message", 1)).then_refused("linkedin.not-linked")
        assert refused.extra == {"code": code}
        closed.when(Close(ACCOUNT, code, NOON)).then_nothing()
        again = replace(OPEN, linked_at=NOON, at=NOON)
        assert closed.given(*closed.when(again).events).when(act("message", 1)).refusal is None


def test_what_an_identity_says_late_takes_the_member_from_nobody() -> None:
    later = replace(OPEN, account=BOB, identity=BOB, linked_at=NOON, at=NOON)
    taken = after(later)
    taken.when(OPEN).then_nothing()
    taken.when(Close(ACCOUNT, "disconnected", NOON)).then_nothing()
    taken.when(replace(act("message", 1), identity=ADA)).then_refused("linkedin.not-linked")
    assert taken.when(replace(act("message", 1), identity=BOB)).refusal is None


def test_a_campaign_acts_only_while_it_is_open_here_and_a_stop_calls_off_what_may_still_leave() -> None:
    step = replace(act("invitation", 1), campaign=SPRING, enrollment=ENROLLMENT)
    after().when(step).then_refused("campaign.not-open")
    scenario = after(OpenCampaign(SPRING, 1, NOON), step)
    stopped, cancelled = scenario.when(StopCampaign(SPRING, 2, NOON)).events
    assert cancelled == LinkedInStepCancelled(attempt=step.attempt, identity=ADA, at=NOON)
    over = scenario.given(stopped, cancelled)
    over.when(replace(step, attempt=LEA)).then_refused("campaign.not-open")
    over.when(OpenCampaign(SPRING, 1, NOON)).then_nothing()  # read before the stop


def test_a_step_without_news_is_asked_to_be_closed_until_it_has_an_outcome() -> None:
    scenario = after(act("message", 1))
    attempt = UUID(int=1001)
    asked = LinkedInStepCancelled(attempt=attempt, identity=ADA, at=NOON)
    scenario.when(Cancel(attempt, NOON)).then(asked)
    scenario.given(*scenario.when(settled(1, proven=False)).events).when(Cancel(attempt, NOON)).then_nothing()


def test_an_invitation_that_is_being_withdrawn_is_not_withdrawn_once_more() -> None:
    first = act("withdrawal", 1)
    second = replace(first, attempt=UUID(int=4000))
    scenario = after(first)
    scenario.when(second).then_refused("withdrawal.under-way")
    failed = scenario.given(*scenario.when(settled(1, proven=True)).events)
    assert failed.when(second).refusal is None


def test_a_member_nobody_linked_has_no_account() -> None:
    scenario = Scenario(decider)
    scenario.when(act("invitation", 1)).then_refused("linkedin.unknown")
    scenario.when(ChangePolicy(ORG, WithdrawalPolicy(days=7), NOON)).then_refused("linkedin.unknown")
    scenario.when(Close(ACCOUNT, "reconnect", NOON)).then_nothing()
