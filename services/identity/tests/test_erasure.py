"""The erasure of a person: one process, each step recorded once, none skipped."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

from heraldry.contracts.erasure import Cleared, ErasureCompleted, ErasureRequested
from heraldry.identity.domain.erasure import (
    CONTEXTS,
    NO_ERASURE,
    Command,
    Complete,
    ContextCleared,
    Erasure,
    Event,
    KeysDestroyed,
    MessagesDeleted,
    NoteCleared,
    NoteDestroyed,
    NoteMessages,
    Request,
    State,
    decide,
    erasure_of,
    evolve,
)
from hypothesis import given as hypothesis
from hypothesis import strategies as st

NORTHWIND, LEA, ALIAS = UUID(int=1), UUID(int=2), UUID(int=3)
ABOUT = erasure_of("lead", LEA)
NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
REQUEST = Request(ABOUT, NORTHWIND, "lead", (LEA, ALIAS), "asked by letter", NOW)
REQUESTED = ErasureRequested(
    erasure=ABOUT,
    organization=NORTHWIND,
    kind="lead",
    subjects=(LEA, ALIAS),
    reason="asked by letter",
    at=NOW,
)
CLEARED = tuple(
    ContextCleared(erasure=ABOUT, cleared=Cleared(context=one, rows=number, replicas=1), at=NOW)
    for number, one in enumerate(CONTEXTS)
)
DELETED = MessagesDeleted(erasure=ABOUT, messages=7, at=NOW)
DESTROYED = KeysDestroyed(erasure=ABOUT, records=4, at=NOW)
COMPLETED = ErasureCompleted(
    erasure=ABOUT,
    organization=NORTHWIND,
    kind="lead",
    subjects=(LEA, ALIAS),
    contexts=tuple(one.cleared for one in CLEARED),
    messages=9,
    keys=4,
    at=NOW,
)


def state_after(*events: Event) -> State:
    state: State = NO_ERASURE
    for event in events:
        state = evolve(state, event)
    return state


def given(*events: Event) -> Erasure:
    state = state_after(*events)
    assert isinstance(state, Erasure)
    return state


def test_it_is_requested_once_however_often_it_is_asked_for() -> None:
    assert decide(REQUEST, NO_ERASURE) == (REQUESTED,)
    assert decide(REQUEST, given(REQUESTED)) == ()


def test_every_context_is_cleared_before_messages_are_deleted_and_those_before_the_keys() -> None:
    begun = given(REQUESTED, *CLEARED[:-1])
    assert (begun.step, begun.uncleared) == ("stopping", (CONTEXTS[-1],))
    assert decide(NoteMessages(7, NOW), begun) == ()
    assert decide(NoteDestroyed(4, NOW), begun) == ()
    assert decide(Complete(2, NOW), begun) == ()
    assert decide(NoteCleared(CLEARED[-1].cleared, NOW), begun) == (CLEARED[-1],)
    cleared = given(REQUESTED, *CLEARED)
    assert cleared.step == "deleting messages"
    assert decide(NoteDestroyed(4, NOW), cleared) == ()
    assert decide(NoteMessages(7, NOW), cleared) == (DELETED,)
    deleted = given(REQUESTED, *CLEARED, DELETED)
    assert deleted.step == "destroying keys"
    assert decide(Complete(2, NOW), deleted) == ()
    assert decide(NoteDestroyed(4, NOW), deleted) == (DESTROYED,)


def test_it_is_completed_with_what_every_context_said_and_nothing_follows() -> None:
    last = given(REQUESTED, *CLEARED, DELETED, DESTROYED)
    assert decide(Complete(2, NOW), last) == (COMPLETED,)
    ended = given(REQUESTED, *CLEARED, DELETED, DESTROYED, COMPLETED)
    assert (ended.step, ended.messages) == ("completed", 9)
    for command in (REQUEST, NoteMessages(1, NOW), NoteDestroyed(1, NOW), Complete(1, NOW)):
        assert decide(command, ended) == ()


commands: st.SearchStrategy[Command] = st.one_of(
    st.just(REQUEST),
    st.sampled_from([NoteCleared(one.cleared, NOW) for one in CLEARED]),
    st.builds(NoteMessages, st.integers(0, 9), st.just(NOW)),
    st.builds(NoteDestroyed, st.integers(0, 9), st.just(NOW)),
    st.builds(Complete, st.integers(0, 9), st.just(NOW)),
)


@hypothesis(st.lists(commands, max_size=40))
def test_whoever_repeats_what_in_whatever_order_every_step_is_recorded_once_and_in_order(
    asked: Sequence[Command],
) -> None:
    state: State = NO_ERASURE
    recorded: list[Event] = []
    for command in asked:
        for event in decide(command, state):
            state = evolve(state, event)
            recorded.append(event)
        assert not decide(command, state), "a decision that was taken leaves nothing to do"
    kinds = [type(one) for one in recorded]
    order = [
        ErasureRequested,
        *[ContextCleared] * len(CONTEXTS),
        MessagesDeleted,
        KeysDestroyed,
        ErasureCompleted,
    ]
    assert kinds == order[: len(kinds)]


def test_the_same_person_has_the_same_erasure_and_another_another() -> None:
    assert erasure_of("lead", LEA) == ABOUT
    assert len({ABOUT, erasure_of("identity", LEA), erasure_of("lead", ALIAS)}) == 3
