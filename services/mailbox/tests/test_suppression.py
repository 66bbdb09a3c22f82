from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from uuid import UUID

from heraldry.chassis.decider import Decider
from heraldry.chassis.testing.scenario import Scenario
from heraldry.contracts.base import Erased
from heraldry.contracts.mailbox import RecipientSuppressed, RecipientUnsuppressed, SuppressionReason
from heraldry.mailbox.domain import conversation
from heraldry.mailbox.domain.conversation import ConversationStopBegun, ConversationStopped
from heraldry.mailbox.domain.suppression import (
    NOT_SUPPRESSED,
    Begin,
    Command,
    Event,
    Finish,
    Lift,
    NotSuppressed,
    State,
    SuppressionBegun,
    decide,
    evolve,
)
from hypothesis import given as any_of
from hypothesis import strategies as st

NOW = datetime(2026, 5, 4, 9, 30, tzinfo=UTC)
NORTHWIND, OTHERS, KIM, ENROLLMENT = (UUID(int=n) for n in range(1, 5))
WHO, ADDRESS = "a1b2", "kim@fabrikam.example"
decider: Decider[Command, State, Event] = Decider(NOT_SUPPRESSED, decide, evolve)


def begun(reason: SuppressionReason = "by hand") -> SuppressionBegun:
    return SuppressionBegun(
        organization=NORTHWIND, recipient=WHO, person=KIM, address=ADDRESS, reason=reason, at=NOW
    )


def said(reason: SuppressionReason = "by hand") -> RecipientSuppressed:
    return RecipientSuppressed(
        organization=NORTHWIND, recipient=WHO, person=KIM, address=ADDRESS, reason=reason, at=NOW
    )


def begin(reason: SuppressionReason = "by hand") -> Begin:
    return Begin(NORTHWIND, WHO, KIM, ADDRESS, reason, NOW)


LIFTED = RecipientUnsuppressed(organization=NORTHWIND, recipient=WHO, person=KIM, address=ADDRESS, at=NOW)
nothing = Scenario(decider)
beginning = nothing.given(begun())
suppressed = beginning.given(said())


def test_who_was_erased_stays_on_the_list() -> None:
    kept = said().model_copy(update={"address": Erased()})
    beginning.given(kept).when(Lift(NORTHWIND, NOW)).then_refused("recipient.erased")
    beginning.given(kept).when(Lift(OTHERS, NOW)).then_refused("suppression.unknown")


def test_an_address_is_suppressed_in_two_steps_and_said_after_the_second() -> None:
    nothing.when(begin()).then(begun())
    beginning.when(begin()).then_nothing()
    beginning.when(Finish(NOW)).then(said())
    suppressed.when(begin()).then_nothing()
    suppressed.when(Finish(NOW, "bounced")).then_nothing()
    nothing.when(Finish(NOW)).then_nothing()


def test_who_unsubscribes_is_recorded_as_such_whatever_was_the_reason_before() -> None:
    suppressed.when(Finish(NOW, "unsubscribed")).then(said("unsubscribed"))
    beginning.when(Finish(NOW, "unsubscribed")).then(said("unsubscribed"))
    unsubscribed = suppressed.given(said("unsubscribed"))
    unsubscribed.when(Finish(NOW, "bounced")).then_nothing()
    unsubscribed.when(Finish(NOW, "unsubscribed")).then_nothing()


def test_only_its_organization_takes_an_address_off_the_list() -> None:
    suppressed.when(Lift(NORTHWIND, NOW)).then(LIFTED)
    for known in (nothing, beginning, suppressed.given(LIFTED)):
        assert known.when(Lift(NORTHWIND, NOW)).then_refused("suppression.unknown").status == 404
    suppressed.when(Lift(OTHERS, NOW)).then_refused("suppression.unknown")
    suppressed.given(LIFTED).when(begin()).then(begun())


def test_of_an_erased_person_the_suppression_stays() -> None:
    erased = nothing.given(begun().model_copy(update={"address": Erased()}))
    (event,) = erased.when(Finish(NOW)).events
    assert isinstance(event, RecipientSuppressed)
    assert event.address == Erased()


reasons = st.sampled_from(["bounced", "unsubscribed", "by hand"])
commands: st.SearchStrategy[Command] = st.one_of(
    st.builds(begin, reasons),
    st.builds(Finish, st.just(NOW), st.none() | reasons),
    st.just(Lift(NORTHWIND, NOW)),
)


@any_of(st.lists(commands, max_size=30))
def test_nothing_is_said_twice_and_whoever_unsubscribed_stays_so(asked: list[Command]) -> None:
    state, told = decider.initial, list[Event]()
    for command in asked:
        if isinstance(command, Lift) and (isinstance(state, NotSuppressed) or not state.said):
            continue
        events = decider.decide(command, state)
        for event in events:
            state = decider.evolve(state, event)
            if not isinstance(event, SuppressionBegun):
                told.append(event)
        if not isinstance(command, Lift):
            assert not decider.decide(command, state)
    for before, after in pairwise(told):
        if isinstance(before, RecipientSuppressed) and isinstance(after, RecipientSuppressed):
            assert before.reason != "unsubscribed" == after.reason


def test_a_conversation_is_stopped_once_in_two_steps_for_the_first_reason() -> None:
    going_on = Scenario(Decider(conversation.GOING_ON, conversation.decide, conversation.evolve))
    start = ConversationStopBegun(enrollment=ENROLLMENT, person=KIM, why="replied", at=NOW)
    end = ConversationStopped(enrollment=ENROLLMENT, person=KIM, why="replied", at=NOW)
    later = NOW + timedelta(days=1)
    going_on.when(conversation.Begin(ENROLLMENT, KIM, "replied", NOW)).then(start)
    going_on.when(conversation.Finish(NOW)).then_nothing()
    stopping = going_on.given(start)
    stopping.when(conversation.Begin(ENROLLMENT, KIM, "bounced", later)).then_nothing()
    stopping.when(conversation.Finish(NOW)).then(end)
    stopped = stopping.given(end)
    stopped.when(conversation.Begin(ENROLLMENT, KIM, "unsubscribed", later)).then_nothing()
    stopped.when(conversation.Finish(later)).then_nothing()
