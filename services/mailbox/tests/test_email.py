from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from heraldry.chassis.decider import Decider
from heraldry.chassis.testing.scenario import Scenario
from heraldry.contracts.mailbox import (
    Diagnosed,
    EmailClaimed,
    EmailFailed,
    EmailOutcomeUnknown,
    EmailQueued,
    EmailSent,
    EmailSubmissionStarted,
)
from heraldry.mailbox.domain.email import (
    DECIDED,
    DECIDED_NOT_SENT,
    EXPIRED,
    HELD,
    LOOKED_UP_FOR,
    MARGIN,
    NO_MAIL,
    WITHDRAWN,
    Accept,
    Cancel,
    Claim,
    ClaimCopy,
    Command,
    Decide,
    EmailCancelled,
    EmailCopyClaimed,
    EmailCopyKept,
    EmailPutBack,
    Event,
    Gate,
    GiveUp,
    KeepCopy,
    Queue,
    Refuse,
    Start,
    State,
    Stop,
    decide,
    evolve,
)
from heraldry.mailbox.domain.reply import attempt_in, shortened
from hypothesis import given as any_of
from hypothesis import strategies as st

NOW = datetime(2026, 5, 4, 9, 30, tzinfo=UTC)
REAL = datetime(2026, 5, 4, 9, 30, tzinfo=UTC)
END = NOW + timedelta(minutes=10)
ATTEMPT, INBOX, ADA, KIM = (UUID(int=n) for n in range(1, 5))
ONE, TWO = UUID(int=11), UUID(int=12)
OURS = f"<{ATTEMPT}@northwind.example>"
AWAY = Diagnosed(code="network.failed", cause="Away.", resolution="Wait.", kind="transient")
NO_INBOX = Diagnosed(code="inbox.not-connected", cause="Gone.", resolution="Reconnect.")
OPEN = Gate()
decider: Decider[Command, State, Event] = Decider(NO_MAIL, decide, evolve)

QUEUED = EmailQueued(
    attempt=ATTEMPT,
    inbox=INBOX,
    identity=ADA,
    person=KIM,
    to="kim@fabrikam.example",
    subject="Hello",
    text="Hi Kim",
    valid_until=END,
    at=NOW,
)


def claimed(by: UUID = ONE, at: datetime = NOW, until: datetime = REAL + HELD) -> EmailClaimed:
    return EmailClaimed(attempt=ATTEMPT, inbox=INBOX, identity=ADA, claim=by, held_until=until, at=at)


def failed(diagnosis: Diagnosed, at: datetime = NOW, *, again: bool = False) -> EmailFailed:
    return EmailFailed(
        attempt=ATTEMPT, inbox=INBOX, identity=ADA, person=KIM, diagnosis=diagnosis, again=again, at=at
    )


STARTED = EmailSubmissionStarted(
    attempt=ATTEMPT, inbox=INBOX, identity=ADA, claim=ONE, message_id=OURS, at=NOW
)
SENT = EmailSent(
    attempt=ATTEMPT, inbox=INBOX, identity=ADA, person=KIM, message_id=OURS, answer="250 ok", at=NOW
)
nothing = Scenario(decider)
waiting = nothing.given(QUEUED)
in_hand = waiting.given(claimed())
leaving = in_hand.given(STARTED)
sent = leaving.given(SENT)


def test_a_mail_goes_its_way() -> None:
    nothing.when(Queue(QUEUED)).then(QUEUED)
    waiting.when(Claim(ONE, OPEN, REAL, NOW)).then(claimed())
    in_hand.when(Start(ONE, OURS, OPEN, NOW)).then(STARTED)
    leaving.when(Accept("250 ok", NOW)).then(SENT)
    sent.when(Accept("250 ok", NOW)).then_nothing()


def test_a_step_that_arrives_twice_is_one_mail() -> None:
    for known in (waiting, in_hand, leaving, sent):
        known.when(Queue(QUEUED)).then_nothing()


def test_a_claim_keeps_others_away_for_a_minute_of_the_real_clock() -> None:
    in_hand.when(Claim(TWO, OPEN, REAL + HELD - timedelta(seconds=1), NOW)).then_nothing()
    later = REAL + HELD
    in_hand.when(Claim(TWO, OPEN, later, NOW)).then(claimed(TWO, until=later + HELD))
    in_hand.given(claimed(TWO)).when(Start(ONE, OURS, OPEN, NOW)).then_nothing()


def test_what_began_to_leave_is_never_claimed_again() -> None:
    leaving.when(Claim(TWO, OPEN, REAL + timedelta(days=1), NOW)).then_nothing()
    leaving.when(Start(ONE, OURS, OPEN, NOW)).then_nothing()
    leaving.when(Start(TWO, OURS, OPEN, NOW)).then_nothing()


def test_whoever_finds_it_past_its_time_closes_it() -> None:
    waiting.when(Claim(ONE, OPEN, REAL, END)).then(failed(EXPIRED, END, again=True))
    in_hand.when(Claim(TWO, OPEN, REAL, END)).then(failed(EXPIRED, END, again=True))
    late = END - MARGIN
    in_hand.when(Start(ONE, OURS, OPEN, late)).then(failed(EXPIRED, late, again=True))
    leaving.when(Claim(TWO, OPEN, REAL, END)).then_nothing()


def test_the_last_gate() -> None:
    waiting.when(Claim(ONE, Gate(halted=True), REAL, NOW)).then_nothing()
    for closed in (Gate(NO_INBOX), Gate(NO_INBOX, halted=True)):
        waiting.when(Claim(ONE, closed, REAL, NOW)).then(failed(NO_INBOX))
        in_hand.when(Start(ONE, OURS, closed, NOW)).then(failed(NO_INBOX))
    passing = Gate(NO_INBOX, again=True)
    waiting.when(Claim(ONE, passing, REAL, NOW)).then(failed(NO_INBOX, again=True))
    in_hand.when(Claim(TWO, passing, REAL, NOW)).then(failed(NO_INBOX, again=True))
    in_hand.when(Start(ONE, OURS, passing, NOW)).then(failed(NO_INBOX, again=True))
    in_hand.when(Start(TWO, OURS, passing, NOW)).then_nothing()
    in_hand.when(Start(ONE, OURS, Gate(halted=True), NOW)).then_nothing()


def test_what_is_withdrawn_does_not_leave() -> None:
    waiting.when(Cancel(ATTEMPT, NOW)).then(failed(WITHDRAWN, again=True))
    in_hand.when(Cancel(ATTEMPT, NOW)).then(failed(WITHDRAWN, again=True))
    in_hand.given(failed(WITHDRAWN, again=True)).when(Start(ONE, OURS, OPEN, NOW)).then_nothing()
    leaving.when(Cancel(ATTEMPT, NOW)).then_nothing()
    cancelled = EmailCancelled(attempt=ATTEMPT, at=NOW)
    nothing.when(Cancel(ATTEMPT, NOW)).then(cancelled)
    nothing.given(cancelled).when(Queue(QUEUED)).then(QUEUED, failed(WITHDRAWN, again=True))


def test_what_is_stopped_does_not_leave_unless_it_has_begun() -> None:
    stop = Stop(NO_INBOX, again=False, at=NOW)
    for open_ in (waiting, in_hand):
        open_.when(stop).then(failed(NO_INBOX))
        open_.when(replace(stop, again=True)).then(failed(NO_INBOX, again=True))
    in_hand.given(failed(NO_INBOX)).when(Start(ONE, OURS, OPEN, NOW)).then_nothing()
    for other in (nothing, leaving, sent):
        other.when(stop).then_nothing()


def test_every_outcome_says_which_lead_of_which_campaign_it_is_about() -> None:
    campaign, enrollment = UUID(int=21), UUID(int=22)
    mail = QUEUED.model_copy(update={"campaign": campaign, "enrollment": enrollment})
    queued = nothing.given(mail)
    begun = queued.given(claimed(), STARTED)
    outcomes = (
        queued.when(Cancel(ATTEMPT, NOW)),
        begun.when(Accept("250 ok", NOW)),
        begun.when(GiveUp(NOW + LOOKED_UP_FOR)),
    )
    for outcome in outcomes:
        (event,) = outcome.events
        assert isinstance(event, EmailFailed | EmailSent | EmailOutcomeUnknown)
        assert (event.campaign, event.enrollment) == (campaign, enrollment)


def test_a_refusal_before_the_content_is_tried_again_and_after_it_is_not() -> None:
    then = REAL + timedelta(seconds=5)
    back = EmailPutBack(attempt=ATTEMPT, claim=ONE, reason="Away.", not_before=then, at=NOW)
    in_hand.when(Refuse(ONE, AWAY, then, NOW)).then(back)
    in_hand.when(Refuse(ONE, AWAY, None, NOW)).then(failed(AWAY))
    in_hand.when(Refuse(TWO, AWAY, None, NOW)).then_nothing()
    leaving.when(Refuse(ONE, AWAY, then, NOW)).then(failed(AWAY))
    leaving.when(Refuse(ONE, AWAY, then, NOW, again=True)).then(failed(AWAY, again=True))
    again = in_hand.given(back)
    again.when(Claim(TWO, OPEN, then - timedelta(seconds=1), NOW)).then_nothing()
    again.when(Claim(TWO, OPEN, then, NOW)).then(claimed(TWO, until=then + HELD))
    ended = again.when(Claim(TWO, OPEN, then, END)).events[0]
    assert isinstance(ended, EmailFailed)
    assert "Away." in ended.diagnosis.cause


def test_not_found_proves_nothing_until_a_person_decides() -> None:
    leaving.when(GiveUp(NOW + LOOKED_UP_FOR - timedelta(seconds=1))).then_nothing()
    outcome = leaving.when(GiveUp(NOW + LOOKED_UP_FOR)).events[0]
    assert isinstance(outcome, EmailOutcomeUnknown)
    unknown = leaving.given(outcome)
    unknown.when(Claim(TWO, OPEN, REAL + timedelta(days=1), NOW)).then_nothing()
    unknown.when(Accept("250 ok", NOW)).then(SENT)


def test_one_puts_the_copy_into_the_sent_folder() -> None:
    held = EmailCopyClaimed(attempt=ATTEMPT, claim=ONE, held_until=REAL + HELD, at=NOW)
    sent.when(ClaimCopy(ONE, REAL, NOW)).then(held)
    sent.given(held).when(ClaimCopy(TWO, REAL, NOW)).then_nothing()
    kept = EmailCopyKept(attempt=ATTEMPT, put=True, at=NOW)
    sent.given(held).when(KeepCopy(put=True, at=NOW)).then(kept)
    sent.given(held, kept).when(ClaimCopy(TWO, REAL + timedelta(days=1), NOW)).then_nothing()
    leaving.when(ClaimCopy(ONE, REAL, NOW)).then_nothing()


moments = st.integers(0, 3600).map(lambda seconds: NOW + timedelta(seconds=seconds))
gates = st.builds(Gate, st.sampled_from([None, NO_INBOX]), st.booleans(), st.booleans())
claims = st.sampled_from([ONE, TWO, UUID(int=13)])
commands: st.SearchStrategy[Command] = st.one_of(
    st.just(Queue(QUEUED)),
    st.builds(Cancel, st.just(ATTEMPT), moments),
    st.builds(Claim, claims, gates, moments, moments),
    st.builds(Stop, st.just(NO_INBOX), st.booleans(), moments),
    st.builds(Claim, claims, st.just(OPEN), moments, st.just(NOW)),
    st.builds(Start, claims, st.just(OURS), st.just(OPEN), st.just(NOW)),
    st.builds(Start, claims, st.just(OURS), gates, moments),
    st.builds(Accept, st.just("250 ok"), moments),
    st.builds(Refuse, claims, st.just(AWAY), st.none() | moments, moments),
    st.builds(GiveUp, moments),
    st.builds(ClaimCopy, claims, moments, moments),
    st.builds(KeepCopy, st.booleans(), moments),
)


@any_of(st.lists(commands, max_size=40))
def test_no_sequence_of_commands_submits_an_attempt_twice(asked: list[Command]) -> None:
    state, history = decider.initial, list[Event]()
    for command in (Queue(QUEUED), *asked):
        events = decider.decide(command, state)
        for event in events:
            state = decider.evolve(state, event)
        history.extend(events)
        assert not decider.decide(Queue(QUEUED), state)
    kinds = [type(event) for event in history]
    assert kinds.count(EmailSubmissionStarted) <= 1
    assert kinds.count(EmailSent) + kinds.count(EmailFailed) <= 1
    assert kinds.count(EmailOutcomeUnknown) <= 1
    if EmailSubmissionStarted in kinds:
        at = kinds.index(EmailSubmissionStarted)
        begun = history[at]
        before = [event for event in history[:at] if isinstance(event, EmailClaimed)]
        assert isinstance(begun, EmailSubmissionStarted)
        assert before[-1].claim == begun.claim
        assert begun.at < END - MARGIN
        assert EmailClaimed not in kinds[at:]


def test_only_a_message_id_of_ours_names_an_attempt() -> None:
    assert attempt_in(OURS) == ATTEMPT
    assert attempt_in("<CAB+1234@mail.example>") is None
    assert attempt_in(f"<{ATTEMPT.hex}@northwind.example>") is None


def test_a_long_answer_is_cut_between_characters() -> None:
    assert shortened("åäö" * 10, 5) == "åä"
    assert shortened("a\x00b\x1b[0m\nc", 100) == "ab[0m\nc"


def test_a_person_decides_what_nobody_could_find_out_and_no_permit_goes_back() -> None:
    gone = EmailOutcomeUnknown(
        attempt=ATTEMPT, inbox=INBOX, identity=ADA, person=KIM, reason="It was not found.", at=NOW
    )
    unknown = leaving.given(gone)
    said_sent = SENT.model_copy(update={"answer": DECIDED})
    said_not = failed(DECIDED_NOT_SENT).model_copy(update={"proven": False})
    unknown.when(Decide(sent=True, at=NOW)).then(said_sent)
    unknown.when(Decide(sent=False, at=NOW)).then(said_not)
    for known in (
        nothing,
        waiting,
        in_hand,
        leaving,
        sent,
        unknown.given(said_sent),
        unknown.given(said_not),
    ):
        known.when(Decide(sent=True, at=NOW)).then_refused("email.outcome-known")
    unknown.given(said_not).when(Claim(TWO, OPEN, REAL, NOW)).then_nothing()
