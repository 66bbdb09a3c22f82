from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

from heraldry.chassis.decider import Decider
from heraldry.chassis.testing.scenario import Scenario
from heraldry.contracts.linkedin import InvitationAccepted
from heraldry.linkedin_driver.domain.obstacles import ALREADY_CONNECTED, ALREADY_INVITED, WITHDRAWN_LATELY
from heraldry.linkedin_driver.domain.pending import (
    BLOCKED_FOR,
    NOTHING,
    Accept,
    Command,
    Event,
    InvitationGone,
    InvitationNoted,
    Miss,
    Note,
    NoteWithdrawal,
    State,
    WithdrawalNoted,
    blocked_until,
    decide,
    evolve,
    in_the_way,
)
from hypothesis import given as any_of
from hypothesis import strategies as st

NOW = datetime(2026, 5, 4, 9, 30, tzinfo=UTC)
SECOND = timedelta(seconds=1)
FIRST, NEXT, ACCOUNT, ADA, KIM, CAMPAIGN, LEAD = (UUID(int=n) for n in range(1, 8))
decider: Decider[Command, State, Event] = Decider(NOTHING, decide, evolve)


def noted(invitation: UUID = FIRST, at: datetime = NOW) -> InvitationNoted:
    return InvitationNoted(
        invitation=invitation,
        account=ACCOUNT,
        identity=ADA,
        person=KIM,
        sent_at=at,
        campaign=CAMPAIGN,
        enrollment=LEAD,
        at=at,
    )


ACCEPTED = InvitationAccepted(
    attempt=FIRST, account=ACCOUNT, identity=ADA, person=KIM, campaign=CAMPAIGN, enrollment=LEAD, at=NOW
)
WITHDRAWN = WithdrawalNoted(withdrawn_at=NOW, at=NOW)
nothing = Scenario(decider)
invited = nothing.given(noted(at=NOW - timedelta(days=7)))
accepted = invited.given(ACCEPTED)
withdrawn = invited.given(WITHDRAWN)


def test_an_invitation_is_accepted_once() -> None:
    nothing.when(Note(noted())).then(noted())
    invited.when(Note(noted())).then_nothing()
    invited.when(Accept(NOW)).then(ACCEPTED)
    accepted.when(Accept(NOW)).then_nothing()
    nothing.when(Accept(NOW)).then_nothing()


def test_what_was_seen_of_an_invitation_says_nothing_of_a_later_one() -> None:
    again = invited.given(InvitationGone(invitation=FIRST, at=NOW), noted(NEXT))
    for late in (Accept(NOW, FIRST), Miss(NOW, FIRST)):
        again.when(late).then_nothing()
    again.when(Accept(NOW, NEXT)).then(ACCEPTED.model_copy(update={"attempt": NEXT}))
    again.when(Miss(NOW, NEXT)).then(InvitationGone(invitation=NEXT, at=NOW))
    invited.when(Accept(NOW, FIRST)).then(ACCEPTED)


def test_nobody_is_invited_who_is_invited_or_connected() -> None:
    assert in_the_way(nothing.state, NOW) is None
    assert in_the_way(invited.state, NOW) == ALREADY_INVITED
    assert in_the_way(accepted.state, NOW) == ALREADY_CONNECTED


def test_for_three_weeks_to_the_second_after_a_withdrawal_nobody_is_invited() -> None:
    invited.when(NoteWithdrawal(NOW, NOW)).then(WITHDRAWN)
    assert timedelta(days=21) == BLOCKED_FOR
    assert blocked_until(withdrawn.state) == NOW + BLOCKED_FOR
    early = in_the_way(withdrawn.state, NOW + BLOCKED_FOR - SECOND)
    assert early is not None
    assert early.code == WITHDRAWN_LATELY.code
    assert early.resolution == "Invite them again from 25 May 2026, 09:30:00 UTC."
    assert in_the_way(withdrawn.state, NOW + BLOCKED_FOR) is None


def test_what_was_withdrawn_on_linkedin_itself_counts_too() -> None:
    nothing.when(NoteWithdrawal(NOW, NOW)).then(WITHDRAWN)
    assert in_the_way(nothing.given(WITHDRAWN).state, NOW) is not None
    withdrawn.when(NoteWithdrawal(NOW - SECOND, NOW)).then_nothing()


def test_the_block_outlasts_what_happens_in_between() -> None:
    gone = InvitationGone(invitation=NEXT, at=NOW + SECOND)
    again = withdrawn.given(noted(NEXT, NOW + SECOND), gone)
    assert blocked_until(again.state) == NOW + BLOCKED_FOR
    assert in_the_way(again.state, NOW + 2 * SECOND) is not None


def test_an_acceptance_that_came_first_is_said_after_a_withdrawal_too() -> None:
    withdrawn.when(Accept(NOW)).then(ACCEPTED)
    assert in_the_way(withdrawn.given(ACCEPTED).state, NOW) == ALREADY_CONNECTED


def test_news_that_come_late_do_not_bring_an_invitation_back() -> None:
    withdrawn.when(Note(noted(NEXT, NOW - SECOND))).then_nothing()
    later = noted(NEXT, NOW + BLOCKED_FOR)
    withdrawn.when(Note(later)).then(later)


def test_what_linkedin_shows_no_more_is_not_pending() -> None:
    gone = InvitationGone(invitation=FIRST, at=NOW)
    invited.when(Miss(NOW)).then(gone)
    for other in (nothing, accepted, withdrawn, invited.given(gone)):
        other.when(Miss(NOW)).then_nothing()
    assert in_the_way(invited.given(gone).state, NOW) is None


moments = st.integers(0, 60 * 86_400).map(lambda seconds: NOW + timedelta(seconds=seconds))
commands: st.SearchStrategy[Command] = st.one_of(
    st.builds(Note, st.builds(noted, st.sampled_from([FIRST, NEXT, UUID(int=9)]), moments)),
    st.builds(NoteWithdrawal, moments, moments),
    st.builds(Accept, moments),
    st.builds(Miss, moments),
)


@any_of(st.lists(commands, max_size=30), moments)
def test_whatever_happens_nobody_is_invited_within_three_weeks_of_a_withdrawal(
    asked: list[Command], now: datetime
) -> None:
    state, history = decider.initial, list[Event]()
    for command in asked:
        events = decider.decide(command, state)
        for event in events:
            state = decider.evolve(state, event)
        history.extend(events)
        assert not decider.decide(command, state)
    withdrawals = [event.withdrawn_at for event in history if isinstance(event, WithdrawalNoted)]
    if any(when <= now < when + BLOCKED_FOR for when in withdrawals):
        assert in_the_way(state, now) is not None
