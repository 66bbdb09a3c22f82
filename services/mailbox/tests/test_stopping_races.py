"""Whatever stops a mail, recorded at whatever moment: nothing is claimed or begun after it was recorded."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from typing import Final
from uuid import UUID, uuid4

import pytest
from heraldry.chassis.recipients import Recipients
from heraldry.chassis.settings import Settings
from heraldry.contracts.base import Event, Refused
from heraldry.contracts.gateway import RecipientUnsubscribed
from heraldry.contracts.mailbox import (
    DisconnectInbox,
    EmailClaimed,
    EmailFailed,
    EmailQueued,
    EmailSubmissionStarted,
    MailboxConnected,
    MailboxDisconnected,
    MailboxPaused,
    MailboxResumed,
    RecipientSuppressed,
    RecipientUnsuppressed,
    ReplyReceived,
    ResumeInbox,
    SuppressRecipient,
    UnsuppressRecipient,
)
from heraldry.contracts.scheduler import StepCancelled
from heraldry.mailbox.domain.conversation import ConversationStopBegun, ConversationStopped
from heraldry.mailbox.domain.inbox import Inbox, MailboxClosing, MailboxPausing, Pause
from heraldry.mailbox.domain.suppression import SuppressionBegun
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from services.mailbox.tests.interleaved import ADA, HERE, INBOX_ID, NORTHWIND, Interleaved, asking, step

LEADS: Final = tuple(UUID(int=100 + n) for n in range(2))
PEOPLE: Final = tuple(UUID(int=200 + n) for n in range(2))
ADDRESSES: Final = ("kim@fabrikam.example", "Kim@Fabrikam.example")
numbers = st.integers(0, 5)
leads = st.integers(0, len(LEADS) - 1)


class Racing(RuleBasedStateMachine):
    """Senders, people who reply, unsubscribe, disconnect or cancel, and kill -9, append by append."""

    @initialize()
    def open(self) -> None:
        self.house = Interleaved()
        self.mails: list[tuple[UUID, int]] = []  # attempt, lead

    @rule(lead=leads)
    def dispatch(self, lead: int) -> None:
        wanted = step(LEADS[lead], ADDRESSES[lead], PEOPLE[lead], self.house.clock.now())
        self.house.run(self.house.application.queue(wanted, asking()))
        self.mails.append((wanted.attempt, lead))
        self.house.begin(self.house.worker.send(wanted.attempt))

    @rule(number=numbers)
    def send(self, number: int) -> None:
        if self.mails:
            self.house.begin(self.house.worker.send(self.mails[-1 - number % len(self.mails)][0]))

    @rule(lead=leads)
    def reply(self, lead: int) -> None:
        mine = [attempt for attempt, of in self.mails if of == lead]
        if mine:
            self.house.begin(self._replied(mine[-1], lead))

    async def _replied(self, attempt: UUID, lead: int) -> None:
        application = self.house.application
        await application.stopping.stop_conversation(LEADS[lead], PEOPLE[lead], ADA, "replied", HERE)
        found = ReplyReceived(
            inbox=INBOX_ID,
            identity=ADA,
            attempt=attempt,
            person=PEOPLE[lead],
            message_id=f"<{uuid4()}@b.example>",
            subject="Re: Hello",
            text="Yes.",
            enrollment=LEADS[lead],
            at=self.house.clock.now(),
        )
        await application.record_incoming(found, NORTHWIND, "")

    @rule(number=numbers)
    def unsubscribe(self, number: int) -> None:
        if not self.mails:
            return
        attempt, lead = self.mails[-1 - number % len(self.mails)]
        event = RecipientUnsubscribed(
            organization=NORTHWIND,
            identity=ADA,
            person=PEOPLE[lead],
            address=ADDRESSES[lead],
            attempt=attempt,
            at=self.house.clock.now(),
        )
        self.house.begin(self.house.application.stopping.unsubscribe(event, asking()))

    @rule(lead=leads)
    def suppress(self, lead: int) -> None:
        command = SuppressRecipient(address=ADDRESSES[lead], person=PEOPLE[lead])
        self.house.begin(self.house.application.stopping.suppress(command, asking()))

    @rule()
    def unsuppress(self) -> None:
        """Only when nobody is at it: the log must say which way it is."""
        self.house.finish()
        page = [told.event for told in self.house.log() if isinstance(told.event, RecipientSuppressed)]
        lifted = {
            told.event.recipient: told.position
            for told in self.house.log()
            if isinstance(told.event, RecipientUnsuppressed)
        }
        if page and page[-1].recipient not in lifted:
            command = UnsuppressRecipient(recipient=page[-1].recipient)
            self.house.run(self.house.application.stopping.unsuppress(command, asking()))

    @rule(number=numbers)
    def cancel(self, number: int) -> None:
        if self.mails:
            attempt = self.mails[-1 - number % len(self.mails)][0]
            cancelled = StepCancelled(attempt=attempt, identity=ADA, at=self.house.clock.now())
            self.house.begin(self.house.application.cancel(cancelled, asking()))

    @rule()
    def disconnect(self) -> None:
        self.house.begin(self.house.application.disconnect(DisconnectInbox(inbox=INBOX_ID), asking()))

    @rule()
    def pause(self) -> None:
        """As if too many of its mails had come back."""
        self.house.begin(self._paused())

    async def _paused(self) -> None:
        application = self.house.application
        state = await application.inbox(INBOX_ID)
        assert isinstance(state, Inbox)
        pause = Pause("Too many.", 20, 2, state.resumed, self.house.clock.now())
        await application.about_inbox(state, pause, ADA)
        await application.pausing.finish(INBOX_ID)

    @rule()
    def resume(self) -> None:
        self.house.finish()
        with suppress(Refused):
            self.house.run(self.house.application.pausing.resume(ResumeInbox(inbox=INBOX_ID), asking()))

    @rule()
    def reconnect(self) -> None:
        self.house.finish()
        self.house.reconnect()

    @rule(number=numbers)
    def go_on(self, number: int) -> None:
        self.house.release(number)

    @rule(number=numbers)
    def and_on(self, number: int) -> None:
        self.house.release(number)

    @rule(number=numbers)
    def kill(self, number: int) -> None:
        self.house.kill(number)

    @rule()
    def a_minute_passes(self) -> None:
        self.house.real.forward(timedelta(seconds=61))

    def teardown(self) -> None:
        house = self.house
        try:
            house.finish()
            for told in house.log():  # as this context's own reactions do
                match told.event:
                    case SuppressionBegun(recipient=recipient):
                        house.run(house.application.stopping.finish_suppression(recipient, asking()))
                    case ConversationStopBegun(enrollment=enrollment):
                        house.run(house.application.stopping.finish_conversation(enrollment, ADA, HERE))
                    case MailboxPausing():
                        house.run(house.application.pausing.finish(INBOX_ID))
                    case MailboxClosing():
                        house.run(house.application.finish_closing(INBOX_ID, asking()))
                    case _:
                        pass
            Judge().judge([told.event for told in house.log()])
            assert len(house.recorder.left) == len(set(house.recorder.left))
        finally:
            house.close()


class Judge:
    """Reads the log in its order."""

    def __init__(self) -> None:
        self.mails: dict[UUID, EmailQueued] = {}
        self.stopped: set[UUID] = set()  # enrollments
        self.suppressed: dict[str, str] = {}  # address by recipient
        self.failed: set[UUID] = set()
        self.started: set[UUID] = set()
        self.connected = False
        self.paused = False

    def judge(self, log: list[Event]) -> None:
        for event in log:
            match event:
                case EmailQueued():
                    self.mails[event.attempt] = event
                case EmailClaimed() | EmailSubmissionStarted():
                    self._begun(event)
                case EmailFailed():
                    self.failed.add(event.attempt)
                case ConversationStopped(enrollment=enrollment):
                    self.stopped.add(enrollment)
                case ReplyReceived(enrollment=UUID() as enrollment):
                    assert enrollment in self.stopped
                case RecipientSuppressed():
                    self.suppressed[event.recipient] = str(event.address).casefold()
                case RecipientUnsuppressed():
                    self.suppressed.pop(event.recipient)
                case MailboxConnected():
                    self.connected = True
                case MailboxPaused() | MailboxResumed():
                    self.paused = isinstance(event, MailboxPaused)
                case MailboxDisconnected():
                    self.connected = False
                case _:
                    pass

    def _begun(self, event: EmailClaimed | EmailSubmissionStarted) -> None:
        mail = self.mails[event.attempt]
        assert event.attempt not in self.failed
        assert mail.enrollment not in self.stopped, type(event).__name__
        assert str(mail.to).casefold() not in self.suppressed.values(), type(event).__name__
        assert self.connected, type(event).__name__
        assert not self.paused, type(event).__name__
        if isinstance(event, EmailSubmissionStarted):
            assert event.attempt not in self.started
            self.started.add(event.attempt)


@pytest.mark.parts  # no bus, but a store whose every append waits for its turn
def test_nothing_is_claimed_or_begun_after_what_stops_it_was_recorded() -> None:
    told_as_found = (Phase.explicit, Phase.reuse, Phase.generate)  # to shorten a history takes minutes
    run_state_machine_as_test(
        Racing,
        settings=settings(max_examples=20, stateful_step_count=40, deadline=None, phases=told_as_found),
    )


@pytest.fixture
def house() -> Iterator[Interleaved]:
    made = Interleaved()
    yield made
    made.close()


def dispatched(house: Interleaved) -> UUID:
    wanted = step(LEADS[0], ADDRESSES[0], PEOPLE[0], house.clock.now())
    house.run(house.application.queue(wanted, asking()))
    return wanted.attempt


def sent(house: Interleaved, attempt: UUID) -> EmailFailed | None:
    """Try to send it; how it failed, if it did."""
    house.run(house.worker.send(attempt))
    failed = [told.event for told in house.log() if isinstance(told.event, EmailFailed)]
    return next((one for one in failed if one.attempt == attempt), None)


def test_the_last_gate_says_what_stops_for_good_and_what_passes(house: Interleaved) -> None:
    application, stopping = house.application, house.application.stopping
    assert sent(house, dispatched(house)) is None
    assert len(house.recorder.left) == 1

    suppress = SuppressRecipient(address=ADDRESSES[1], person=PEOPLE[1])
    open_then = dispatched(house)
    house.run(stopping.suppress(suppress, asking()))
    told = [sent(house, attempt) for attempt in (open_then, dispatched(house))]
    assert [(one.diagnosis.code, one.again) for one in told if one] == [("recipient.suppressed", False)] * 2
    (recipient,) = {one.event.recipient for one in house.log() if isinstance(one.event, RecipientSuppressed)}
    house.run(stopping.unsuppress(UnsuppressRecipient(recipient=recipient), asking()))

    open_then = dispatched(house)
    house.run(application.disconnect(DisconnectInbox(inbox=INBOX_ID), asking()))
    told = [sent(house, attempt) for attempt in (open_then, dispatched(house))]
    assert [(one.diagnosis.code, one.again) for one in told if one] == [("inbox.not-connected", True)] * 2
    house.reconnect()

    late = dispatched(house)
    house.clock.forward(timedelta(minutes=10))
    failed = sent(house, late)
    assert failed is not None
    assert (failed.diagnosis.code, failed.again) == ("mail.expired", True)

    cancelled = dispatched(house)
    house.run(
        application.cancel(StepCancelled(attempt=cancelled, identity=ADA, at=house.clock.now()), asking())
    )
    failed = sent(house, cancelled)
    assert failed is not None
    assert (failed.diagnosis.code, failed.again) == ("mail.cancelled", True)

    open_then = dispatched(house)
    house.run(stopping.stop_conversation(LEADS[0], PEOPLE[0], ADA, "replied", HERE))
    told = [sent(house, attempt) for attempt in (open_then, dispatched(house))]
    assert [(one.diagnosis.code, one.again) for one in told if one] == [("conversation.stopped", False)] * 2
    assert len(house.recorder.left) == 1


@pytest.mark.parametrize("staging", [True, False])
def test_the_last_gate_lets_mails_leave_only_to_whom_the_installation_may_write(staging: bool) -> None:  # noqa: FBT001  a table
    told = Settings(staging=staging, recipient_allow_list=f"test.example, {ADDRESSES[0]}")
    house = Interleaved(Recipients.of(told))
    try:
        on_the_list = dispatched(house)
        assert sent(house, on_the_list) is None
        wanted = step(LEADS[1], "lea@fabrikam.example", PEOPLE[1], house.clock.now())
        house.run(house.application.queue(wanted, asking()))
        failed = sent(house, wanted.attempt)
        assert failed is not None
        assert (failed.diagnosis.code, failed.proven, failed.again) == ("recipient.not-allowed", True, False)
        assert house.recorder.left == [on_the_list]
        begun = [one.event for one in house.log() if isinstance(one.event, EmailClaimed)]
        assert {one.attempt for one in begun} == {on_the_list}
    finally:
        house.close()


@pytest.mark.long
def test_nothing_is_claimed_or_begun_after_what_stops_it_was_recorded_in_a_thousand_histories() -> None:
    run_state_machine_as_test(
        Racing, settings=settings(max_examples=1000, stateful_step_count=60, deadline=None)
    )
