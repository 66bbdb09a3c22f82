from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from heraldry.chassis.decider import Decider
from heraldry.chassis.testing.scenario import Scenario
from heraldry.contracts.campaigns import (
    LeadBounced,
    LeadData,
    LeadFailed,
    LeadFinished,
    LeadRecovered,
    LeadReplied,
    LeadUnsubscribed,
)
from heraldry.scheduler.domain.enrollment import (
    NOT_ENROLLED,
    Enrollment,
    Event,
    InboxAssigned,
    LeadDropped,
    LeadEnrolled,
    State,
    StepFailed,
    StepSent,
    StepUndecided,
    StepUnknown,
    attempt_of,
    enrollment_of,
    evolve,
)
from heraldry.scheduler.domain.sequence import (
    Assign,
    AssignLinkedIn,
    Command,
    CountAsSent,
    Drop,
    Enroll,
    Fail,
    Finish,
    LoseIdentity,
    LoseInbox,
    Planned,
    RecordBounce,
    RecordFailed,
    RecordReply,
    RecordSent,
    RecordUnknown,
    RegainInbox,
    Retry,
    Skip,
    Suppress,
    decide,
    pause_after,
)

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
CAMPAIGN, ORG, ADA, BOB, LEA, IMPORT, INBOX, OTHER = (UUID(int=n) for n in range(1, 9))
LEAD = enrollment_of(CAMPAIGN, LEA)
PLAN = tuple(Planned("email", delay) for delay in (timedelta(0), 2 * DAY, 3 * DAY))
decider: Decider[Command, State, Event] = Decider(NOT_ENROLLED, decide, evolve)
ENROLL = Enroll(LEAD, CAMPAIGN, ORG, ADA, LEA, IMPORT, 1, LeadData(email="lea@maison.example"), NOON)
ASSIGN = Assign(ADA, INBOX, "s", NOON)


def attempt(step: int, tries: int = 0) -> UUID:
    return attempt_of(LEAD, step, tries)


def sent(step: int, tries: int = 0, at: datetime = NOON) -> RecordSent:
    return RecordSent(attempt(step, tries), f"<{step}@x>", "Hello", at, PLAN, at)


def not_sent(
    step: int, tries: int = 0, *, again: bool = False, bounced: bool = False, costly: bool = False
) -> RecordFailed:
    return RecordFailed(
        attempt(step, tries), "mail.expired", "Too late.", "Wait.", NOON, again, bounced, costly
    )


def unknown(step: int, tries: int = 0) -> RecordUnknown:
    return RecordUnknown(attempt(step, tries), NOON)


def after(*commands: Command) -> Scenario[Command, State, Event]:
    scenario = Scenario(decider)
    for command in (ENROLL, *commands):
        outcome = scenario.when(command)
        assert outcome.refusal is None, outcome.refusal
        scenario = scenario.given(*outcome.events)
    return scenario


def lead(scenario: Scenario[Command, State, Event]) -> Enrollment:
    assert isinstance(scenario.state, Enrollment)
    return scenario.state


def test_a_person_is_enrolled_in_a_campaign_once() -> None:
    after().when(ENROLL).then_nothing()
    assert lead(after()).state == "waiting"
    assert not lead(after()).begun


def test_what_an_undone_import_brought_can_be_enrolled_again() -> None:
    undone = after(Drop(IMPORT, NOON))
    assert isinstance(undone.past[-1], LeadDropped)
    (again,) = undone.when(ENROLL).events
    assert isinstance(again, LeadEnrolled)
    after().when(Drop(OTHER, NOON)).then_nothing()
    after(ASSIGN).when(Drop(IMPORT, NOON)).then_nothing()


def test_a_lead_keeps_the_inbox_its_sequence_began_through() -> None:
    begun = after(ASSIGN)
    assert begun.past[-1] == InboxAssigned(enrollment=LEAD, identity=ADA, inbox=INBOX, sender="s", at=NOON)
    begun.when(Assign(BOB, OTHER, "t", NOON)).then_nothing()


def test_the_next_step_is_due_its_delay_after_the_one_before_was_sent() -> None:
    (step,) = after(ASSIGN).when(sent(0)).events
    assert isinstance(step, StepSent)
    assert step.next_due == NOON + 2 * DAY
    gone_on = lead(after(ASSIGN, sent(0)))
    assert (gone_on.state, gone_on.step, gone_on.due) == ("in progress", 1, NOON + 2 * DAY)
    assert [mail.message_id for mail in gone_on.thread] == ["<0@x>"]


def test_after_the_last_step_the_lead_is_finished() -> None:
    step, end = after(ASSIGN, sent(0), sent(1)).when(sent(2)).events
    assert isinstance(step, StepSent)
    assert step.next_due is None
    assert isinstance(end, LeadFinished)
    assert lead(after(ASSIGN, sent(0), sent(1), sent(2))).state == "finished"


def test_an_outcome_told_twice_counts_once() -> None:
    after(ASSIGN, sent(0)).when(sent(0)).then_nothing()
    after(ASSIGN, not_sent(0, again=True)).when(not_sent(0, again=True)).then_nothing()
    after(ASSIGN, unknown(0)).when(unknown(0)).then_nothing()


def test_what_did_not_leave_for_a_reason_that_passes_is_tried_again_under_another_id() -> None:
    (step,) = after(ASSIGN).when(not_sent(0, again=True)).events
    assert isinstance(step, StepFailed)
    assert (step.again, step.tries, step.next_due) == (True, 1, NOON + MINUTE)
    again = lead(after(ASSIGN, not_sent(0, again=True)))
    assert (again.attempt, again.goes_on) == (attempt(0, 1), True)
    assert pause_after(1) == 2 * MINUTE
    assert pause_after(100) == timedelta(hours=1)


def test_what_failed_for_good_says_why_and_what_resolves_it() -> None:
    step, failed = after(ASSIGN).when(not_sent(0)).events
    assert isinstance(step, StepFailed)
    assert isinstance(failed, LeadFailed)
    assert (failed.code, failed.reason, failed.resolution) == ("mail.expired", "Too late.", "Wait.")


def test_a_recipient_refused_for_good_is_a_bounce() -> None:
    _, bounced = after(ASSIGN).when(not_sent(0, bounced=True)).events
    assert isinstance(bounced, LeadBounced)


def test_a_step_whose_every_try_uses_a_permit_is_tried_three_times() -> None:
    def costly(tries: int) -> RecordFailed:
        return not_sent(0, tries, again=True, costly=True)

    twice = after(ASSIGN, costly(0), costly(1))
    assert lead(twice).attempt == attempt(0, 2)
    assert lead(twice.given(*twice.when(costly(2)).events)).state == "failed"
    free = twice.when(not_sent(0, 2, again=True))  # this one gave its permit back
    assert lead(twice.given(*free.events)).attempt == attempt(0, 3)


def test_an_older_try_changes_nothing_unless_it_proves_that_the_step_was_sent() -> None:
    second = after(ASSIGN, not_sent(0, again=True))
    second.when(not_sent(0)).then_nothing()
    second.when(unknown(0)).then_nothing()
    assert lead(after(ASSIGN, not_sent(0, again=True), sent(0, 0))).step == 1


def test_an_unknown_outcome_waits_for_a_person_and_goes_on_with_what_they_found() -> None:
    waiting = after(ASSIGN, unknown(0))
    assert waiting.past[-1] == StepUnknown(enrollment=LEAD, step=0, attempt=attempt(0), at=NOON)
    assert (lead(waiting).state, lead(waiting).goes_on) == ("outcome unknown", False)
    assert lead(after(ASSIGN, unknown(0), sent(0))).step == 1
    again = lead(after(ASSIGN, unknown(0), not_sent(0, again=True)))
    assert (again.state, again.attempt) == ("waiting", attempt(0, 1))


def test_undecided_for_7_days_an_unknown_outcome_counts_as_sent() -> None:
    waiting = after(ASSIGN, unknown(0))
    waiting.when(CountAsSent(PLAN, NOON + 7 * DAY - MINUTE)).then_nothing()
    week_later = CountAsSent(PLAN, NOON + 7 * DAY)
    (counted,) = waiting.when(week_later).events
    assert isinstance(counted, StepUndecided)
    gone_on = lead(after(ASSIGN, unknown(0), week_later))
    assert (gone_on.state, gone_on.step, gone_on.due) == ("in progress", 1, NOON + 9 * DAY)
    after(ASSIGN, unknown(0), week_later).when(week_later).then_nothing()
    after(ASSIGN, unknown(0), week_later).when(not_sent(0, again=True)).then_nothing()


def test_the_proof_of_what_counted_as_sent_joins_the_thread_and_moves_nothing() -> None:
    late = lead(after(ASSIGN, unknown(0), CountAsSent(PLAN, NOON + 7 * DAY), sent(0)))
    assert (late.step, late.due, len(late.thread)) == (1, NOON + 9 * DAY, 1)
    after(ASSIGN, unknown(0), CountAsSent(PLAN, NOON + 7 * DAY), sent(0)).when(sent(0)).then_nothing()


def test_the_last_step_undecided_finishes_the_lead() -> None:
    steps = (sent(0), sent(1), unknown(2))
    events = after(ASSIGN, *steps).when(CountAsSent(PLAN, NOON + 7 * DAY)).events
    assert [type(event) for event in events] == [StepUndecided, LeadFinished]


@pytest.mark.parametrize(
    "before",
    [
        (ASSIGN, sent(0)),
        (ASSIGN, sent(0), sent(1), sent(2)),
        (ASSIGN, unknown(0)),
        (ASSIGN, sent(0), LoseInbox(INBOX, NOON)),
        (ASSIGN, sent(0), RecordBounce(attempt(0), NOON)),
    ],
)
def test_a_reply_ends_the_sequence_whatever_was_recorded_before(before: tuple[Command, ...]) -> None:
    (replied,) = after(*before).when(RecordReply(attempt(0), NOON)).events
    assert isinstance(replied, LeadReplied)
    stopped = after(*before, RecordReply(attempt(0), NOON))
    assert lead(stopped).state == "replied"
    stopped.when(RecordReply(attempt(0), NOON)).then_nothing()
    stopped.when(RecordBounce(attempt(0), NOON)).then_nothing()


def test_who_unsubscribed_stays_so_whatever_they_write() -> None:
    gone = after(ASSIGN, sent(0), Suppress("unsubscribed", NOON))
    assert isinstance(gone.past[-1], LeadUnsubscribed)
    assert isinstance(gone.when(RecordReply(attempt(0), NOON)).events[0], LeadReplied)
    assert (
        lead(after(ASSIGN, Suppress("unsubscribed", NOON), RecordReply(attempt(0), NOON))).state
        == "unsubscribed"
    )
    assert (
        lead(after(ASSIGN, RecordReply(attempt(0), NOON), Suppress("unsubscribed", NOON))).state
        == "unsubscribed"
    )


def test_a_suppressed_address_ends_what_goes_on_by_its_reason() -> None:
    assert isinstance(after().when(Suppress("unsubscribed", NOON)).events[0], LeadUnsubscribed)
    assert isinstance(after(ASSIGN, sent(0)).when(Suppress("bounced", NOON)).events[0], LeadBounced)
    assert isinstance(after().when(Suppress("by hand", NOON)).events[0], LeadUnsubscribed)
    assert isinstance(after(ASSIGN, sent(0)).when(Suppress("by hand", NOON)).events[0], LeadUnsubscribed)
    lost = after(ASSIGN, LoseInbox(INBOX, NOON))
    assert isinstance(lost.when(Suppress("by hand", NOON)).events[0], LeadUnsubscribed)
    after(ASSIGN, sent(0), sent(1), sent(2)).when(Suppress("by hand", NOON)).then_nothing()


def test_leads_that_have_begun_fail_with_their_inbox_and_recover_with_it() -> None:
    lose, regain = LoseInbox(INBOX, NOON), RegainInbox(INBOX, ADA, NOON)
    (failed,) = after(ASSIGN, sent(0)).when(lose).events
    assert isinstance(failed, LeadFailed)
    assert failed.code == "inbox.disconnected"
    assert "same address" in failed.resolution
    after().when(lose).then_nothing()
    after(ASSIGN).when(LoseInbox(OTHER, NOON)).then_nothing()
    lost = after(ASSIGN, sent(0), lose)
    lost.when(RegainInbox(INBOX, BOB, NOON)).then_nothing()
    assert isinstance(lost.when(regain).events[0], LeadRecovered)
    back = after(ASSIGN, sent(0), lose, regain)
    assert (lead(back).state, lead(back).step, lead(back).due) == ("in progress", 1, NOON + 2 * DAY)
    back.when(regain).then_nothing()


def test_a_lead_fails_with_its_inbox_only_once_its_next_step_is_an_email() -> None:
    plan = tuple(Planned(kind, DAY) for kind in ("email", "invitation", "message", "email"))
    lose, member = LoseInbox(INBOX, NOON), AssignLinkedIn(ADA, OTHER, "m", "invitation", NOON)

    def done(step: int) -> RecordSent:
        return replace(sent(step), plan=plan)

    for before in ((), (member,), (member, done(1)), (member, unknown(1), CountAsSent(plan, NOON + 7 * DAY))):
        after(ASSIGN, done(0), *before).when(lose).then_nothing()
    joined = after(member, done(0), done(1), done(2), ASSIGN)
    skipped = after(ASSIGN, done(0), member, done(1), Skip(2, "connected", plan, NOON))
    for reached in (after(ASSIGN), joined, skipped, after(ASSIGN, done(0), member, done(1), done(2))):
        (failed,) = reached.when(lose).events
        assert isinstance(failed, LeadFailed)


def test_what_left_while_the_inbox_was_lost_is_not_sent_again_when_it_is_back() -> None:
    lose, regain = LoseInbox(INBOX, NOON), RegainInbox(INBOX, ADA, NOON)
    assert lead(after(ASSIGN, lose, sent(0), regain)).step == 1
    assert lead(after(ASSIGN, lose, unknown(0), regain)).state == "outcome unknown"
    assert lead(after(ASSIGN, lose, not_sent(0, again=True), regain)).attempt == attempt(0, 1)
    assert lead(after(ASSIGN, sent(0), sent(1), lose, sent(2))).state == "finished"


@pytest.mark.parametrize("before", [(), (LoseInbox(INBOX, NOON),)])
def test_leads_that_have_begun_fail_for_good_with_their_identity(before: tuple[Command, ...]) -> None:
    begun = after(ASSIGN, sent(0), *before)
    (failed,) = begun.when(LoseIdentity(ADA, NOON)).events
    assert isinstance(failed, LeadFailed)
    assert failed.code == "identity.deleted"
    lost = after(ASSIGN, sent(0), *before, LoseIdentity(ADA, NOON))
    lost.when(RegainInbox(INBOX, ADA, NOON)).then_nothing()
    lost.when(LoseIdentity(ADA, NOON)).then_nothing()
    lost.when(LoseInbox(INBOX, NOON)).then_nothing()
    after().when(LoseIdentity(ADA, NOON)).then_nothing()
    begun.when(LoseIdentity(BOB, NOON)).then_nothing()


def test_a_failed_lead_is_retried_only_when_what_failed_is_resolved() -> None:
    Scenario(decider).when(Retry(ORG, "", NOON)).then_refused("lead.unknown")
    after(ASSIGN).when(Retry(ORG, "", NOON)).then_refused("lead.not-failed")
    failed = after(ASSIGN, not_sent(0))
    assert (
        failed.when(Retry(ORG, "Reconnect it.", NOON)).then_refused("lead.not-resolved").detail
        == "Reconnect it."
    )
    assert isinstance(failed.when(Retry(ORG, "", NOON)).events[0], LeadRecovered)
    assert lead(after(ASSIGN, not_sent(0), Retry(ORG, "", NOON))).attempt == attempt(0, 1)


def test_what_cannot_be_sent_at_all_fails_before_it_is_dispatched() -> None:
    fail = Fail("template.invalid", "The text cannot be made.", "Change the step.", NOON)
    assert isinstance(after(ASSIGN).when(fail).events[0], LeadFailed)
    after(ASSIGN, RecordReply(attempt(0), NOON)).when(fail).then_nothing()


def test_a_campaign_ended_by_a_person_finishes_what_goes_on() -> None:
    assert isinstance(after(ASSIGN).when(Finish(NOON)).events[0], LeadFinished)
    assert isinstance(after(ASSIGN, unknown(0)).when(Finish(NOON)).events[0], LeadFinished)
    after(ASSIGN, not_sent(0)).when(Finish(NOON)).then_nothing()
    still_left = lead(after(ASSIGN, Finish(NOON), sent(0)))
    assert (still_left.state, len(still_left.thread)) == ("finished", 1)


def test_what_was_dispatched_before_the_end_is_closed_after_it() -> None:
    """So that nothing is shown as leaving for ever."""
    replied = after(ASSIGN, RecordReply(attempt(0), NOON))
    (closed,) = replied.when(not_sent(0)).events
    assert isinstance(closed, StepFailed)
    assert isinstance(replied.when(unknown(0)).events[0], StepUnknown)
