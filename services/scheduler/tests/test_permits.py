"""What binds a campaign's permits: working hours, pauses, ceilings, and whose account it is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from heraldry.chassis.decider import Decider
from heraldry.chassis.testing.scenario import Scenario
from heraldry.contracts.identity import Interval, WorkingHours
from heraldry.contracts.scheduler import (
    EmailRate,
    LimitsChanged,
    QuotaConsumed,
    QuotaReleased,
    RateCeilingExpired,
    RateCeilingRaised,
    RateIncreaseRequested,
    StepCancelled,
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
    OpenCampaign,
    RaiseCeiling,
    RequestIncrease,
    Sender,
    Settle,
    State,
    StopCampaign,
    evolve,
)
from heraldry.scheduler.domain.sender_events import (
    Event,
    PermitSettled,
    SenderCampaignOpened,
    SenderCampaignStopped,
    SenderClosed,
    SenderHoursChanged,
    SenderOpened,
    SenderZoneChanged,
    SettingsRepeated,
)

MONDAY = datetime(2026, 5, 4, 12, tzinfo=UTC)
ORG, INBOX, ADA, BOB, LEA, SPRING, AUTUMN = (UUID(int=n) for n in range(1, 8))
OFFICE = WorkingHours(zone="UTC")
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
decider: Decider[Command, State, Event] = Decider(UNOPENED, decide, evolve)


def opened(
    hours: WorkingHours | None = OFFICE, rate: EmailRate | None = None
) -> Scenario[Command, State, Event]:
    return Scenario(decider).given(
        SenderOpened(
            sender="s",
            organization=ORG,
            inbox=INBOX,
            identity=ADA,
            zone="UTC" if hours is None else hours.zone,
            rate=rate or EmailRate(),
            hours=hours,
            at=MONDAY - HOUR,
        )
    )


def running(rate: EmailRate | None = None) -> Scenario[Command, State, Event]:
    return after(opened(rate=rate), OpenCampaign(SPRING, 3, MONDAY - MINUTE))


def step(number: int, at: datetime = MONDAY, campaign: UUID = SPRING, identity: UUID = ADA) -> Dispatch:
    letter = Letter(LEA, "lea@maison.example", "Hello", "Good morning", "", "<1@us>", ("<0@us>", "<1@us>"))
    return Dispatch(ORG, attempt(number), letter, at, campaign, UUID(int=number), identity)


def by_hand(number: int, at: datetime = MONDAY) -> Dispatch:
    return Dispatch(ORG, attempt(number), Letter(LEA, "lea@maison.example", "Hello", "Hi"), at)


def attempt(number: int) -> UUID:
    return UUID(int=1000 + number)


def after(scenario: Scenario[Command, State, Event], *commands: Command) -> Scenario[Command, State, Event]:
    for command in commands:
        outcome = scenario.when(command)
        assert outcome.refusal is None, outcome.refusal
        scenario = scenario.given(*outcome.events)
    return scenario


def sender(scenario: Scenario[Command, State, Event]) -> Sender:
    state = scenario.state
    assert isinstance(state, Sender)
    return state


# --- campaigns


def test_a_step_says_whose_it_is_and_in_which_thread() -> None:
    quota, dispatched = running().when(step(7)).events
    assert isinstance(quota, QuotaConsumed)
    assert isinstance(dispatched, StepDispatched)
    assert (quota.campaign, quota.enrollment) == (dispatched.campaign, dispatched.enrollment)
    assert (quota.campaign, quota.enrollment) == (SPRING, UUID(int=7))
    assert (dispatched.in_reply_to, dispatched.references) == ("<1@us>", ("<0@us>", "<1@us>"))


def test_a_campaign_sends_only_where_it_was_opened_and_not_stopped_since() -> None:
    opened().when(step(1)).then_refused("campaign.not-open")
    past = after(running(), StopCampaign(SPRING, 4, MONDAY))
    past.when(step(1)).then_refused("campaign.not-open")
    after(past, OpenCampaign(SPRING, 5, MONDAY), step(1))
    running().when(step(1, campaign=AUTUMN)).then_refused("campaign.not-open")


def test_what_is_not_newer_than_what_is_known_of_a_campaign_changes_nothing() -> None:
    stopped = after(running(), StopCampaign(SPRING, 4, MONDAY))
    for late in (
        OpenCampaign(SPRING, 3, MONDAY),
        OpenCampaign(SPRING, 4, MONDAY),
        StopCampaign(SPRING, 4, MONDAY),
    ):
        stopped.when(late).then_nothing()
    running().when(StopCampaign(SPRING, 2, MONDAY)).then_nothing()
    opened().when(StopCampaign(SPRING, 4, MONDAY)).then(
        SenderCampaignStopped(sender="s", campaign=SPRING, source_revision=4, at=MONDAY)
    )
    early = after(opened(), StopCampaign(SPRING, 4, MONDAY))
    early.when(OpenCampaign(SPRING, 3, MONDAY)).then_nothing()
    early.when(OpenCampaign(SPRING, 5, MONDAY)).then(
        SenderCampaignOpened(sender="s", campaign=SPRING, source_revision=5, at=MONDAY)
    )


def test_stopping_cancels_in_the_same_append_what_may_still_leave_and_nothing_else() -> None:
    past = after(
        running(EmailRate(per_day=30, per_hour=9)),
        step(1, MONDAY - MINUTE),  # can leave no more
        OpenCampaign(AUTUMN, 1, MONDAY + 9 * MINUTE),
        step(2),
        step(3),
        step(4),
        step(5, campaign=AUTUMN),
        by_hand(6),
        Settle(attempt(3), proven_not_sent=False, at=MONDAY),
        Settle(attempt(4), proven_not_sent=True, at=MONDAY),
    )
    now = MONDAY + 10 * MINUTE
    past.when(StopCampaign(SPRING, 4, now)).then(
        SenderCampaignStopped(sender="s", campaign=SPRING, source_revision=4, at=now),
        StepCancelled(attempt=attempt(2), identity=ADA, at=now),
    )
    stopped = after(past, StopCampaign(SPRING, 4, now))
    assert sender(stopped).leaving(SPRING, now) == (attempt(2),)
    closed = after(stopped, Settle(attempt(2), proven_not_sent=True, at=now))
    assert sender(closed).leaving(SPRING, now) == ()


def test_an_attempt_that_was_permitted_is_not_permitted_again_whatever_became_of_it() -> None:
    past = after(running(), step(1))
    past.when(step(1, MONDAY + MINUTE)).then_nothing()
    returned = after(past, Settle(attempt(1), proven_not_sent=True, at=MONDAY + MINUTE))
    returned.when(step(1, MONDAY + 2 * MINUTE)).then_nothing()
    stopped = after(past, StopCampaign(SPRING, 4, MONDAY + MINUTE))
    stopped.when(step(1, MONDAY + 2 * MINUTE)).then_nothing()
    assert use(sender(returned), MONDAY + 2 * MINUTE).today == 0


# --- working hours


def test_campaigns_send_inside_the_working_hours_and_people_whenever_they_like() -> None:
    early = MONDAY.replace(hour=8, minute=59)
    past = after(
        Scenario(decider).given(
            SenderOpened(
                sender="s",
                organization=ORG,
                inbox=INBOX,
                identity=ADA,
                zone="UTC",
                rate=EmailRate(),
                hours=OFFICE,
                at=early - HOUR,
            )
        ),
        OpenCampaign(SPRING, 1, early - HOUR),
    )
    refusal = past.when(step(1, early)).then_refused("hours.outside")
    assert refusal.extra == {"until": "2026-05-04T09:00:00+00:00"}
    assert past.when(by_hand(1, early)).events
    assert past.when(step(1, early + MINUTE)).events


def test_a_step_is_valid_no_longer_than_the_working_hours_last() -> None:
    late = MONDAY.replace(hour=17, minute=55)
    (quota, _) = running().when(step(1, late)).events
    assert isinstance(quota, QuotaConsumed)
    assert quota.valid_until == MONDAY.replace(hour=18)
    refusal = running().when(step(1, late + 4 * MINUTE + timedelta(seconds=45))).then_refused("hours.outside")
    assert refusal.extra == {"until": "2026-05-05T09:00:00+00:00"}


def test_who_never_works_sends_nothing_and_is_told_no_time() -> None:
    never = WorkingHours(zone="UTC", week=())
    past = after(running(), ChangeHours(ADA, never, MONDAY))
    assert past.when(step(1)).then_refused("hours.outside").extra == {"until": ""}


def test_other_hours_bind_the_permits_after_them() -> None:
    nights = WorkingHours(zone="UTC", week=(Interval(day=1, start="00:00", end="06:00"),))
    change = ChangeHours(ADA, nights, MONDAY)
    running().when(change).then(SenderHoursChanged(sender="s", hours=nights, at=MONDAY))
    past = after(running(), change)
    past.when(change).then_nothing()
    past.when(step(1)).then_refused("hours.outside")
    running().when(ChangeHours(BOB, nights, MONDAY)).then_nothing()  # another identity's


def test_logs_of_an_older_release_are_read_as_they_were_meant() -> None:
    old = opened(hours=None)
    past = after(old, OpenCampaign(SPRING, 1, MONDAY))
    assert past.when(step(1)).then_refused("hours.unknown").status == 503
    after(past, ChangeHours(ADA, OFFICE, MONDAY), step(1))
    moved = after(old.given(SenderZoneChanged(sender="s", zone="Asia/Tokyo", at=MONDAY)), by_hand(1))
    assert sender(moved).zone == "Asia/Tokyo"
    for reason, code in (
        ("it was disconnected.", "disconnected"),
        ("it needs to be reconnected.", "reconnect"),
        ("its identity was deleted.", "identity-deleted"),
    ):
        closed = old.given(SenderClosed(sender="s", reason=reason, at=MONDAY))
        assert sender(closed).closed == code


# --- opening and closing


@pytest.mark.parametrize("code", ["disconnected", "reconnect", "paused", "identity-deleted"])
def test_a_closed_account_says_why_to_campaigns(code: str) -> None:
    closed: Close = Close(code, MONDAY)  # pyright: ignore[reportArgumentType]  one of the codes
    past = after(running(), closed)
    assert past.when(step(1)).then_refused("sender.closed").extra == {"code": code}
    by_hand_code = "sender.closed" if code == "paused" else "inbox.not-connected"
    past.when(by_hand(1)).then_refused(by_hand_code)
    past.when(closed).then_nothing()


def test_another_reason_to_be_closed_is_recorded_and_opening_ends_all_of_them() -> None:
    past = after(running(), Close("paused", MONDAY), Close("reconnect", MONDAY))
    assert sender(past).closed == "reconnect"
    back = Open("s", ORG, INBOX, ADA, OFFICE, MONDAY)
    after(past, back, step(1))
    after(past, back).when(back).then_nothing()


def test_a_paused_account_that_is_connected_again_opens_closed() -> None:
    again = Open("s", ORG, INBOX, BOB, OFFICE, MONDAY, closed="paused")
    kinds = [type(event) for event in after(running(), Close("disconnected", MONDAY)).when(again).events]
    assert kinds == [SenderOpened, SenderClosed]
    past = after(running(), Close("disconnected", MONDAY), again)
    assert (sender(past).closed, sender(past).identity) == ("paused", BOB)
    past.when(again).then_nothing()


def test_a_step_in_the_name_of_who_had_the_account_before_is_refused() -> None:
    moved = after(running(), Close("disconnected", MONDAY), Open("s", ORG, INBOX, BOB, OFFICE, MONDAY))
    assert moved.when(step(1)).then_refused("sender.closed").extra == {"code": "disconnected"}
    after(moved, step(1, identity=BOB))
    took = after(
        running(), step(1), Close("disconnected", MONDAY), Open("s", ORG, INBOX, BOB, OFFICE, MONDAY)
    )
    cancelled = took.when(StopCampaign(SPRING, 9, MONDAY)).events[1]
    assert isinstance(cancelled, StepCancelled)
    assert cancelled.identity == ADA  # as its StepDispatched


# --- ceilings

TOP = EmailRate(per_day=200, per_hour=40)


def test_support_raises_the_ceiling_with_a_reason_and_an_end() -> None:
    opened().when(ChangeRate(ORG, TOP, MONDAY)).then_refused("rate.above-ceiling")
    grant = RaiseCeiling(TOP, "sends this since March", MONDAY + 7 * DAY, MONDAY)
    opened().when(grant).then(
        RateCeilingRaised(
            sender="s",
            inbox=INBOX,
            identity=ADA,
            ceiling=TOP,
            reason="sends this since March",
            until=MONDAY + 7 * DAY,
            at=MONDAY,
        )
    )
    raised = after(opened(), grant)
    raised.when(grant).then_nothing()
    raised.when(ChangeRate(ORG, TOP, MONDAY)).then(
        LimitsChanged(sender="s", inbox=INBOX, identity=ADA, rate=TOP, at=MONDAY)
    )
    raised.when(ChangeRate(ORG, EmailRate(per_day=201), MONDAY)).then_refused("rate.above-ceiling")


def test_a_raise_that_is_none_is_refused() -> None:
    past = RaiseCeiling(TOP, "x", MONDAY, MONDAY)
    assert opened().when(past).then_refused("rate.end-passed").field == "until"
    low = RaiseCeiling(EmailRate(per_day=200, per_hour=9), "x", MONDAY + DAY, MONDAY)
    assert opened().when(low).then_refused("rate.below-ceiling").field == "per_hour"


def test_at_the_end_of_a_raise_a_higher_rate_goes_back_to_the_usual_ceiling() -> None:
    end = MONDAY + 30 * MINUTE
    past = after(
        opened(), RaiseCeiling(TOP, "x", end, MONDAY), ChangeRate(ORG, TOP, MONDAY), *map(by_hand, range(12))
    )
    assert past.when(by_hand(12, end - MINUTE)).events
    refusal = past.when(by_hand(12, end)).then_refused("quota.exhausted")
    assert "10 emails" in refusal.detail
    assert use(sender(past), end).next_possible == MONDAY + 70 * MINUTE
    later = MONDAY + 80 * MINUTE
    expired, quota, _ = past.when(by_hand(12, later)).events
    usual = EmailRate(per_day=80, per_hour=10)
    assert expired == RateCeilingExpired(sender="s", inbox=INBOX, identity=ADA, rate=usual, at=later)
    assert isinstance(quota, QuotaConsumed)
    assert quota.rate == usual
    after(past, by_hand(12, later)).when(ChangeRate(ORG, TOP, later)).then_refused("rate.above-ceiling")
    past.when(OpenCampaign(SPRING, 1, end)).then(
        RateCeilingExpired(sender="s", inbox=INBOX, identity=ADA, rate=usual, at=end),
        SenderCampaignOpened(sender="s", campaign=SPRING, source_revision=1, at=end),
    )
    past.when(Settle(attempt(99), proven_not_sent=True, at=end)).then_nothing()


def test_a_lower_grant_takes_the_rate_with_it() -> None:
    past = after(opened(), RaiseCeiling(TOP, "x", MONDAY + DAY, MONDAY), ChangeRate(ORG, TOP, MONDAY))
    less = EmailRate(per_day=100, per_hour=40)
    raised, limits = past.when(RaiseCeiling(less, "too many bounces", MONDAY + DAY, MONDAY)).events
    assert isinstance(raised, RateCeilingRaised)
    assert limits == LimitsChanged(sender="s", inbox=INBOX, identity=ADA, rate=less, at=MONDAY)


def test_what_a_user_asks_of_support_stands_until_it_is_granted() -> None:
    wish = RequestIncrease(ORG, TOP, "we send this already", MONDAY)
    opened().when(wish).then(
        RateIncreaseRequested(
            sender="s", inbox=INBOX, identity=ADA, wanted=TOP, reason="we send this already", at=MONDAY
        )
    )
    asked = after(opened(), wish)
    assert sender(asked).requested == TOP
    granted = after(asked, RaiseCeiling(TOP, "x", MONDAY + DAY, MONDAY))
    assert sender(granted).requested is None


# --- the settings once more


def test_the_settings_are_repeated_with_a_permit_twice_a_day() -> None:
    past = after(running(), RaiseCeiling(TOP, "x", MONDAY + 30 * DAY, MONDAY), step(1))
    assert not any(isinstance(event, SettingsRepeated) for event in past.past)
    tuesday = MONDAY + DAY
    past.when(OpenCampaign(AUTUMN, 1, tuesday)).then(
        SenderCampaignOpened(sender="s", campaign=AUTUMN, source_revision=1, at=tuesday)
    )
    quota, dispatched, settings = past.when(step(2, tuesday)).events
    assert isinstance(quota, QuotaConsumed)
    assert isinstance(dispatched, StepDispatched)
    assert isinstance(settings, SettingsRepeated)
    assert (settings.ceiling, settings.hours, settings.closed) == (TOP, OFFICE, "")
    assert [(mark.campaign, mark.open) for mark in settings.campaigns] == [(SPRING, True)]
    again = past.given(quota, dispatched, settings)
    assert len(again.when(step(3, tuesday + HOUR)).events) == 2
    assert decider.fold([settings]) == sender(Scenario(decider).given(settings))


def test_a_stopped_campaign_is_forgotten_after_a_month_and_an_open_one_never() -> None:
    month = MONDAY + 35 * DAY
    past = after(running(), OpenCampaign(AUTUMN, 1, MONDAY), StopCampaign(SPRING, 4, MONDAY))
    settings = past.when(by_hand(1, month)).events[-1]
    assert isinstance(settings, SettingsRepeated)
    assert [mark.campaign for mark in settings.campaigns] == [AUTUMN]


def test_an_outcome_that_comes_after_a_day_changes_no_hour() -> None:
    """By then reading back does not reach the permit any more, so nothing may depend on it."""
    late = MONDAY + timedelta(hours=25, minutes=30)
    past = after(running(), step(1))
    settled = past.when(Settle(attempt(1), proven_not_sent=False, at=late))
    settled.then(PermitSettled(sender="s", attempt=attempt(1), at=late))
    assert use(sender(past.given(*settled.events)), late).this_hour == 0
    returned = past.when(Settle(attempt(1), proven_not_sent=True, at=MONDAY + HOUR)).events[0]
    assert isinstance(returned, QuotaReleased)
