from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from heraldry.chassis.decider import Decider
from heraldry.chassis.testing.scenario import Scenario
from heraldry.contracts.base import Erased
from heraldry.contracts.linkedin import (
    InvitationSent,
    InvitationWithdrawn,
    LinkedInActionClaimed,
    LinkedInActionFailed,
    LinkedInActionOutcomeUnknown,
    LinkedInActionQueued,
    LinkedInActionStarted,
    LinkedInMessageSent,
    Obstacle,
    ProfileData,
    ProfileScraped,
)
from heraldry.linkedin_driver.domain.action import (
    CANCELLED,
    DECIDED,
    DECIDED_NOT_DONE,
    EXPIRED,
    HELD,
    LOOKED_UP_FOR,
    MARGIN,
    NO_ACTION,
    ActionCancelled,
    ActionPutBack,
    Begin,
    Cancel,
    Claim,
    Command,
    Decide,
    Event,
    Finish,
    Gate,
    GiveUp,
    Queue,
    Refuse,
    State,
    Stop,
    decide,
    evolve,
)
from heraldry.linkedin_driver.domain.obstacles import (
    ACCEPTED_MEANWHILE,
    ALREADY_CONNECTED,
    NOT_LINKED,
    UNREACHABLE,
)
from heraldry.linkedin_driver.domain.pending import BLOCKED_FOR
from hypothesis import given as any_of
from hypothesis import strategies as st

NOW = datetime(2026, 5, 4, 9, 30, tzinfo=UTC)
REAL = datetime(2026, 5, 4, 9, 31, tzinfo=UTC)
END = NOW + timedelta(minutes=10)
ATTEMPT, ACCOUNT, ADA, KIM, FIRST = (UUID(int=n) for n in range(1, 6))
ONE, TWO = UUID(int=11), UUID(int=12)
PENDING = "The profile shows the invitation as pending."
OPEN = Gate()
OF: dict[str, Any] = {"attempt": ATTEMPT, "account": ACCOUNT, "identity": ADA}
decider: Decider[Command, State, Event] = Decider(NO_ACTION, decide, evolve)

QUEUED = LinkedInActionQueued(
    **OF,
    kind="invitation",
    person=KIM,
    profile="https://www.linkedin.com/in/kim",
    name="Kim",
    valid_until=END,
    at=NOW,
)


def claimed(by: UUID = ONE, at: datetime = NOW, until: datetime = REAL + HELD) -> LinkedInActionClaimed:
    return LinkedInActionClaimed(**OF, claim=by, held_until=until, at=at)


def failed(diagnosis: Obstacle, at: datetime = NOW, *, again: bool = False) -> LinkedInActionFailed:
    return LinkedInActionFailed(**OF, person=KIM, kind="invitation", diagnosis=diagnosis, again=again, at=at)


STARTED = LinkedInActionStarted(**OF, claim=ONE, at=NOW)
SENT = InvitationSent(**OF, person=KIM, proof=PENDING, at=NOW)
nothing = Scenario(decider)
waiting = nothing.given(QUEUED)
in_hand = waiting.given(claimed())
begun = in_hand.given(STARTED)
sent = begun.given(SENT)


def begun_as(action: LinkedInActionQueued) -> Scenario[Command, State, Event]:
    return nothing.given(action, claimed(), STARTED)


def test_an_invitation_goes_its_way() -> None:
    nothing.when(Queue(QUEUED)).then(QUEUED)
    waiting.when(Claim(ONE, OPEN, REAL, NOW)).then(claimed())
    in_hand.when(Begin(ONE, OPEN, NOW)).then(STARTED)
    begun.when(Finish(PENDING, NOW)).then(SENT)
    sent.when(Finish(PENDING, NOW)).then_nothing()


def test_every_kind_says_in_its_own_words_that_it_was_done() -> None:
    noted = QUEUED.model_copy(update={"text": "We met in Malmö."})
    begun_as(noted).when(Finish(PENDING, NOW)).then(SENT.model_copy(update={"with_note": True}))
    forgotten = QUEUED.model_copy(update={"text": Erased()})
    begun_as(forgotten).when(Finish(PENDING, NOW)).then(SENT.model_copy(update={"with_note": True}))
    message = QUEUED.model_copy(update={"kind": "message", "text": "Hello"})
    begun_as(message).when(Finish("It stands in the conversation.", NOW)).then(
        LinkedInMessageSent(**OF, person=KIM, proof="It stands in the conversation.", at=NOW)
    )


@pytest.mark.parametrize("automatic", [True, False])
def test_a_withdrawal_says_what_was_withdrawn_and_until_when_the_person_is_left_alone(
    *,
    automatic: bool,
) -> None:
    before = NOW - timedelta(days=30)
    withdrawal = QUEUED.model_copy(
        update={
            "kind": "withdrawal",
            "invitation": FIRST,
            "invited_at": before,
            "automatic": automatic,
        }
    )
    begun_as(withdrawal).when(Finish("The profile offers to connect.", NOW)).then(
        InvitationWithdrawn(
            **OF,
            person=KIM,
            proof="The profile offers to connect.",
            invitation=FIRST,
            name="Kim",
            sent_at=before,
            automatic=automatic,
            blocked_until=NOW + BLOCKED_FOR,
            at=NOW,
        )
    )


def test_a_step_that_arrives_twice_is_one_action() -> None:
    for known in (waiting, in_hand, begun, sent):
        known.when(Queue(QUEUED)).then_nothing()


def test_a_claim_keeps_others_away_for_a_minute_of_the_real_clock() -> None:
    in_hand.when(Claim(TWO, OPEN, REAL + HELD - timedelta(seconds=1), NOW)).then_nothing()
    later = REAL + HELD
    in_hand.when(Claim(TWO, OPEN, later, NOW)).then(claimed(TWO, until=later + HELD))
    in_hand.given(claimed(TWO)).when(Begin(ONE, OPEN, NOW)).then_nothing()


def test_what_was_begun_is_never_claimed_or_begun_again() -> None:
    begun.when(Claim(TWO, OPEN, REAL + timedelta(days=1), NOW)).then_nothing()
    begun.when(Begin(ONE, OPEN, NOW)).then_nothing()
    begun.when(Begin(TWO, OPEN, NOW)).then_nothing()
    begun.when(Cancel(ATTEMPT, NOW)).then_nothing()


def test_whoever_finds_it_past_its_time_closes_it() -> None:
    waiting.when(Claim(ONE, OPEN, REAL, END)).then(failed(EXPIRED, END, again=True))
    in_hand.when(Claim(TWO, OPEN, REAL, END)).then(failed(EXPIRED, END, again=True))
    late = END - MARGIN
    in_hand.when(Begin(ONE, OPEN, late)).then(failed(EXPIRED, late, again=True))
    in_hand.when(Begin(ONE, OPEN, late - timedelta(seconds=1))).then(
        STARTED.model_copy(update={"at": late - timedelta(seconds=1)})
    )
    begun.when(Claim(TWO, OPEN, REAL, END)).then_nothing()


def test_the_last_gate() -> None:
    waiting.when(Claim(ONE, Gate(halted=True), REAL, NOW)).then_nothing()
    for closed in (Gate(NOT_LINKED), Gate(NOT_LINKED, halted=True)):
        waiting.when(Claim(ONE, closed, REAL, NOW)).then(failed(NOT_LINKED))
        in_hand.when(Begin(ONE, closed, NOW)).then(failed(NOT_LINKED))
    passing = Gate(NOT_LINKED, again=True)
    waiting.when(Claim(ONE, passing, REAL, NOW)).then(failed(NOT_LINKED, again=True))
    in_hand.when(Claim(TWO, passing, REAL, NOW)).then(failed(NOT_LINKED, again=True))
    in_hand.when(Begin(ONE, passing, NOW)).then(failed(NOT_LINKED, again=True))
    in_hand.when(Begin(TWO, passing, NOW)).then_nothing()
    in_hand.when(Begin(ONE, Gate(halted=True), NOW)).then_nothing()


def test_what_is_called_off_is_not_done() -> None:
    waiting.when(Cancel(ATTEMPT, NOW)).then(failed(CANCELLED, again=True))
    in_hand.when(Cancel(ATTEMPT, NOW)).then(failed(CANCELLED, again=True))
    in_hand.given(failed(CANCELLED, again=True)).when(Begin(ONE, OPEN, NOW)).then_nothing()
    cancelled = ActionCancelled(attempt=ATTEMPT, at=NOW)
    nothing.when(Cancel(ATTEMPT, NOW)).then(cancelled)
    nothing.given(cancelled).when(Queue(QUEUED)).then(QUEUED, failed(CANCELLED, again=True))


def test_what_is_stopped_is_not_done_unless_it_was_begun() -> None:
    stop = Stop(NOT_LINKED, again=False, at=NOW)
    for open_ in (waiting, in_hand):
        open_.when(stop).then(failed(NOT_LINKED))
        open_.when(replace(stop, again=True)).then(failed(NOT_LINKED, again=True))
    for other in (nothing, begun, sent):
        other.when(stop).then_nothing()


@pytest.mark.parametrize("found", [ALREADY_CONNECTED, ACCEPTED_MEANWHILE])
def test_what_the_page_shows_to_be_done_already_is_not_done_and_gives_its_permit_back(
    found: Obstacle,
) -> None:
    in_hand.when(Refuse(ONE, found, None, NOW)).then(failed(found))
    in_hand.given(failed(found)).when(Begin(ONE, OPEN, NOW)).then_nothing()


def test_every_outcome_says_which_lead_of_which_campaign_it_is_about() -> None:
    campaign, enrollment = UUID(int=21), UUID(int=22)
    action = QUEUED.model_copy(update={"campaign": campaign, "enrollment": enrollment})
    outcomes = (
        nothing.given(action).when(Cancel(ATTEMPT, NOW)),
        begun_as(action).when(Finish(PENDING, NOW)),
        begun_as(action).when(GiveUp(NOW + LOOKED_UP_FOR)),
    )
    for outcome in outcomes:
        (event,) = outcome.events
        assert isinstance(event, LinkedInActionFailed | InvitationSent | LinkedInActionOutcomeUnknown)
        assert (event.campaign, event.enrollment) == (campaign, enrollment)


def test_an_obstacle_before_the_click_is_tried_again_and_after_it_is_not() -> None:
    then = REAL + timedelta(seconds=5)
    back = ActionPutBack(attempt=ATTEMPT, claim=ONE, reason=UNREACHABLE.cause, not_before=then, at=NOW)
    in_hand.when(Refuse(ONE, UNREACHABLE, then, NOW)).then(back)
    in_hand.when(Refuse(ONE, UNREACHABLE, None, NOW)).then(failed(UNREACHABLE))
    in_hand.when(Refuse(TWO, UNREACHABLE, None, NOW)).then_nothing()
    begun.when(Refuse(ONE, UNREACHABLE, then, NOW)).then(failed(UNREACHABLE))
    begun.when(Refuse(TWO, UNREACHABLE, None, NOW)).then_nothing()
    again = in_hand.given(back)
    again.when(Claim(TWO, OPEN, then - timedelta(seconds=1), NOW)).then_nothing()
    again.when(Claim(TWO, OPEN, then, NOW)).then(claimed(TWO, until=then + HELD))
    ended = again.when(Claim(TWO, OPEN, then, END)).events[0]
    assert isinstance(ended, LinkedInActionFailed)
    assert UNREACHABLE.cause in ended.diagnosis.cause


def test_not_found_proves_nothing_until_a_person_decides() -> None:
    begun.when(GiveUp(NOW + LOOKED_UP_FOR - timedelta(seconds=1))).then_nothing()
    outcome = begun.when(GiveUp(NOW + LOOKED_UP_FOR)).events[0]
    assert isinstance(outcome, LinkedInActionOutcomeUnknown)
    unknown = begun.given(outcome)
    unknown.when(Claim(TWO, OPEN, REAL + timedelta(days=1), NOW)).then_nothing()
    unknown.when(Begin(ONE, OPEN, NOW)).then_nothing()
    unknown.when(Finish(PENDING, NOW)).then(SENT)


def test_a_person_decides_what_nobody_could_find_out_and_no_permit_goes_back() -> None:
    unknown = begun.given(*begun.when(GiveUp(NOW + LOOKED_UP_FOR)).events)
    said_done = SENT.model_copy(update={"proof": DECIDED})
    said_not = failed(DECIDED_NOT_DONE, again=True).model_copy(update={"proven": False})
    unknown.when(Decide(done=True, at=NOW)).then(said_done)
    unknown.when(Decide(done=False, at=NOW)).then(said_not)
    closed = (unknown.given(said_done), unknown.given(said_not))
    for known in (nothing, waiting, in_hand, begun, sent, *closed):
        known.when(Decide(done=True, at=NOW)).then_refused("action.outcome-known")


moments = st.integers(0, 3600).map(lambda seconds: NOW + timedelta(seconds=seconds))
gates = st.builds(Gate, st.sampled_from([None, NOT_LINKED]), st.booleans(), st.booleans())
claims = st.sampled_from([ONE, TWO, UUID(int=13)])
commands: st.SearchStrategy[Command] = st.one_of(
    st.just(Queue(QUEUED)),
    st.builds(Cancel, st.just(ATTEMPT), moments),
    st.builds(Claim, claims, gates, moments, moments),
    st.builds(Claim, claims, st.just(OPEN), moments, st.just(NOW)),
    st.builds(Stop, st.just(NOT_LINKED), st.booleans(), moments),
    st.builds(Begin, claims, st.just(OPEN), st.just(NOW)),
    st.builds(Begin, claims, gates, moments),
    st.builds(Finish, st.just(PENDING), moments),
    st.builds(Refuse, claims, st.just(UNREACHABLE), st.none() | moments, moments),
    st.builds(GiveUp, moments),
)


@any_of(st.lists(commands, max_size=40))
def test_no_sequence_of_commands_clicks_twice(asked: list[Command]) -> None:
    state, history = decider.initial, list[Event]()
    for command in (Queue(QUEUED), *asked):
        events = decider.decide(command, state)
        for event in events:
            state = decider.evolve(state, event)
        history.extend(events)
        assert not decider.decide(Queue(QUEUED), state)
    kinds = [type(event) for event in history]
    assert kinds.count(LinkedInActionStarted) <= 1
    assert kinds.count(InvitationSent) + kinds.count(LinkedInActionFailed) <= 1
    assert kinds.count(LinkedInActionOutcomeUnknown) <= 1
    if InvitationSent in kinds:
        assert LinkedInActionStarted in kinds
    if LinkedInActionStarted in kinds:
        at = kinds.index(LinkedInActionStarted)
        start = history[at]
        before = [event for event in history[:at] if isinstance(event, LinkedInActionClaimed)]
        assert isinstance(start, LinkedInActionStarted)
        assert before[-1].claim == start.claim
        assert start.at < END - MARGIN
        assert LinkedInActionClaimed not in kinds[at:]


READING = QUEUED.model_copy(update={"kind": "scraping"})


def test_a_profile_that_was_read_says_what_stood_there() -> None:
    data = ProfileData(first_name="Kim", headline="Baker")
    (read,) = (
        Scenario(decider).given(READING, claimed(), STARTED).when(Finish("It was open.", NOW, data)).events
    )
    assert isinstance(read, ProfileScraped)
    assert (read.data, read.profile, read.proof) == (data, READING.profile, "It was open.")


def test_what_was_read_and_lost_may_be_read_again_and_stays_counted() -> None:
    lost = Refuse(ONE, UNREACHABLE, None, NOW, again=True, proven=False)
    (told,) = Scenario(decider).given(READING, claimed(), STARTED).when(lost).events
    assert isinstance(told, LinkedInActionFailed)
    assert (told.kind, told.proven, told.again) == ("scraping", False, True)
