"""Leads on a real store with its read model: what happens to one, and to many at once."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import cast
from uuid import UUID, uuid4

import pytest
from heraldry.chassis.halt import Halt, HaltFlags
from heraldry.contracts.base import Event, Refused
from heraldry.contracts.campaigns import (
    CampaignSettings,
    CreateCampaign,
    FinishCampaign,
    GetConsequences,
    GetLead,
    GiveIdentity,
    LeadBounced,
    LeadData,
    LeadFailed,
    LeadRecovered,
    LeadReplied,
    LeadsImported,
    LeadUnsubscribed,
    LeadView,
    ListLeads,
    PauseCampaign,
    RetryLead,
    SendEmail,
    StartCampaign,
    StopIdentity,
)
from heraldry.contracts.gateway import RecipientUnsubscribed
from heraldry.contracts.identity import WorkingHours
from heraldry.contracts.mailbox import (
    Diagnosed,
    EmailBounced,
    EmailFailed,
    EmailOutcomeUnknown,
    EmailSent,
    RecipientSuppressed,
    RecipientUnsuppressed,
    ReplyReceived,
    SuppressionReason,
)
from heraldry.contracts.scheduler import ChangeEmailRate, EmailRate, SendMail, StepCancelled, StepDispatched
from heraldry.scheduler.application import Scheduling
from heraldry.scheduler.continuity import Continuity
from heraldry.scheduler.domain import sender
from heraldry.scheduler.domain.enrollment import Enrollment, enrollment_of
from heraldry.scheduler.domain.pacing import even, today_of
from heraldry.scheduler.lead_questions import LeadQuestions
from heraldry.scheduler.leads import Became, Leads, NewLead
from heraldry.scheduler.projections import senders
from heraldry.scheduler.standing import Connected
from heraldry.scheduler.subscriptions import OWN
from heraldry.scheduler.suppressions import Suppressions

from services.scheduler.tests.parts import ADA, BOB, NORTHWIND, OTHERS, STRANGER, Parts, asking, parts

pytestmark = pytest.mark.parts
HOUR, DAY, MINUTE = timedelta(hours=1), timedelta(days=1), timedelta(minutes=1)
STEPS = (SendEmail(subject="Hello", text="Good morning"), SendEmail(delay=48, text="Still there?"))
LEA = LeadData(name="Lea Martin", email="Lea@Maison.example")
KIM = LeadData(name="Kim Ünal", email="kim@fabrikam.example")


@dataclass
class Flags:
    """The halt flags, as a test sets them."""

    set: str = ""

    def halted(self, *scopes: str) -> Halt | None:
        return Halt(self.set, "user:ada", "Stop.", None) if self.set in scopes else None


@dataclass
class Works:
    """One replica, and what the other contexts say to it."""

    parts: Parts
    leads: Leads
    continuity: Continuity
    questions: LeadQuestions
    suppressions: Suppressions
    flags: Flags = field(default_factory=Flags)
    revision: int = 0

    @property
    def now(self) -> datetime:
        return self.parts.clock.now()

    async def campaign(self, *, pace: str = "at once", inbox: UUID | None = None, start: bool = True) -> UUID:
        campaign = uuid4()
        settings = CampaignSettings.model_validate(
            {"name": "Spring", "identity": ADA, "steps": STEPS, "pace": pace, "inbox": inbox}
        )
        await self.parts.campaigns.create(CreateCampaign(campaign=campaign, settings=settings), asking())
        if start:
            await self.enroll(campaign, LeadData(email=f"nobody-{campaign}@fabrikam.example"))
            await self.parts.campaigns.start(StartCampaign(campaign=campaign), asking())
        return campaign

    async def enroll(self, campaign: UUID, *data: LeadData) -> list[UUID]:
        """Import these leads completely; their enrollments."""
        import_id = uuid4()
        for ordinal, one in enumerate(data, 1):
            assert await self.bring(campaign, one, import_id, ordinal) == "enrolled"
        done = LeadsImported(
            import_id=import_id, campaign=campaign, identity=ADA, leads=len(data), at=self.now
        )
        await self.parts.append(f"import-{import_id}", done)
        await self.parts.scheduling.up_to_date()
        return [enrollment_of(campaign, await self.suppressions.person_of(NORTHWIND, one)) for one in data]

    async def bring(self, campaign: UUID, data: LeadData, import_id: UUID, ordinal: int = 1) -> Became:
        return await self.leads.enroll(NewLead(campaign, NORTHWIND, ADA, import_id, ordinal, data), asking())

    async def begin(self, enrollment: UUID, inbox: UUID) -> StepDispatched:
        """As the engine does it."""
        name = self.sender(inbox)
        lead = await self.lead(enrollment)
        lead = await self.leads.assign(lead, inbox, name, ADA, asking())
        assert isinstance(lead, Enrollment)
        return await self.dispatch(lead)

    async def dispatch(self, lead: Enrollment) -> StepDispatched:
        await self.parts.scheduling.open_campaign(lead.sender, lead.campaign, 1, asking())
        letter = sender.Letter(lead.person, "lea@maison.example", "Hello", "Good morning")
        step = sender.Dispatch(
            NORTHWIND, lead.attempt, letter, self.now, campaign=lead.campaign, enrollment=lead.id
        )
        ran = await self.parts.scheduling.dispatch_step(lead.sender, step, asking())
        return next(event for event in ran.events if isinstance(event, StepDispatched))

    def sender(self, inbox: UUID) -> str:
        row = self.parts.model.read(lambda db: senders.of_inbox(db, str(inbox)))
        assert row is not None
        return row.sender

    async def say_sent(self, step: StepDispatched) -> None:
        assert step.enrollment is not None
        sent = EmailSent(
            attempt=step.attempt,
            inbox=step.inbox,
            identity=step.identity,
            person=step.person,
            message_id=f"<{step.attempt}@x>",
            answer="250",
            at=self.now,
        )
        await self.leads.record(step.enrollment, sent, asking())

    async def say_failed(self, step: StepDispatched, code: str, *, again: bool = False) -> None:
        assert step.enrollment is not None
        failed = EmailFailed(
            attempt=step.attempt,
            inbox=step.inbox,
            identity=step.identity,
            person=step.person,
            diagnosis=Diagnosed(code=code, cause="It could not leave.", resolution="Change it."),
            again=again,
            at=self.now,
        )
        await self.leads.record(step.enrollment, failed, asking())

    async def say_unknown(self, step: StepDispatched) -> None:
        assert step.enrollment is not None
        unknown = EmailOutcomeUnknown(
            attempt=step.attempt,
            inbox=step.inbox,
            identity=step.identity,
            person=step.person,
            reason="It broke.",
            at=self.now,
        )
        await self.leads.record(step.enrollment, unknown, asking())

    async def say_replied(self, step: StepDispatched) -> None:
        assert step.enrollment is not None
        reply = ReplyReceived(
            inbox=step.inbox,
            identity=step.identity,
            attempt=step.attempt,
            person=step.person,
            message_id="<r@x>",
            subject="Re",
            text="Yes",
            at=self.now,
        )
        await self.leads.record(step.enrollment, reply, asking())

    async def say_bounced(self, step: StepDispatched) -> None:
        assert step.enrollment is not None
        bounced = EmailBounced(
            inbox=step.inbox,
            identity=step.identity,
            attempt=step.attempt,
            person=step.person,
            hard=True,
            category="unknown-address",
            status="5.1.1",
            answer="No such user",
            at=self.now,
        )
        await self.leads.record(step.enrollment, bounced, asking())

    async def say_suppressed(self, address: str, reason: SuppressionReason, by: UUID = NORTHWIND) -> None:
        self.revision += 1
        said = RecipientSuppressed(
            organization=by, recipient="r", person=uuid4(), address=address, reason=reason, at=self.now
        )
        await self.continuity.suppressed(said, self.revision, asking())

    async def say_lifted(self, address: str) -> None:
        self.revision += 1
        said = RecipientUnsuppressed(
            organization=NORTHWIND, recipient="r", person=uuid4(), address=address, at=self.now
        )
        await self.continuity.lifted(said, self.revision, asking())

    async def reconnect(self, inbox: UUID, identity: UUID, revision: int) -> None:
        found = Connected(NORTHWIND, inbox, identity, "ada@northwind.example", revision)
        await self.parts.standing.connected(found, asking())
        await self.continuity.follow_account(self.sender(inbox), asking())

    async def close(self, inbox: UUID, code: sender.Code, revision: int = 1) -> None:
        await self.parts.standing.closed(inbox, code, revision, asking())
        await self.continuity.follow_account(self.sender(inbox), asking())

    async def lead(self, enrollment: UUID) -> Enrollment:
        found = await self.leads.load(enrollment)
        assert isinstance(found, Enrollment)
        return found

    async def view(self, enrollment: UUID) -> LeadView:
        await self.parts.scheduling.up_to_date()
        return await self.questions.get(GetLead(enrollment=enrollment), asking())

    async def why(self, enrollment: UUID) -> tuple[str, datetime | None]:
        """Why its next step waits, and until when."""
        waiting = (await self.view(enrollment)).waiting
        assert waiting is not None
        assert waiting.text
        return waiting.code, waiting.until

    async def said(self, kind: type[Event]) -> list[Event]:
        return [event for _, event in await self.parts.log() if isinstance(event, kind)]


@pytest.fixture
async def one(tmp_path: Path) -> AsyncGenerator[Works]:
    async with parts(tmp_path) as made:
        await made.identity(ADA)
        yield works(made)


def works(made: Parts) -> Works:
    suppressions = Suppressions(made.runner, made.keys, made.clock)
    leads = Leads(
        made.runner, made.model, made.keys, made.clock, made.scheduling, suppressions, made.linkedin
    )
    continuity = made.continuity(leads, suppressions)
    flags = Flags()
    questions = LeadQuestions(made.model, made.clock, cast("HaltFlags", flags), made.scrapings.size)
    return Works(made, leads, continuity, questions, suppressions, flags)


# --- enrolling


async def test_a_person_is_one_lead_of_a_campaign_however_the_address_is_written(one: Works) -> None:
    campaign, first, second = uuid4(), uuid4(), uuid4()
    assert await one.bring(campaign, LEA, first) == "enrolled"
    assert await one.bring(campaign, LEA, first) == "enrolled"
    assert await one.bring(campaign, LeadData(email="lea@MAISON.example."), second) == "there already"
    assert await one.bring(uuid4(), LEA, second) == "enrolled"


async def test_a_profile_names_a_lead_without_an_address(one: Works) -> None:
    written = ("https://www.linkedin.com/in/Lea/", "linkedin.com/in/lea", "http://fr.linkedin.com/in/lea?x=1")
    people = {await one.suppressions.person_of(NORTHWIND, LeadData(linkedin_url=url)) for url in written}
    assert len(people) == 1
    assert await one.suppressions.person_of(OTHERS, LeadData(linkedin_url=written[0])) not in people


async def test_what_an_import_brought_is_dropped_with_it_and_may_come_again(one: Works) -> None:
    campaign, first, second = uuid4(), uuid4(), uuid4()
    await one.bring(campaign, LEA, first)
    enrollment = enrollment_of(campaign, await one.suppressions.person_of(NORTHWIND, LEA))
    await one.leads.drop(enrollment, first, asking())
    await one.parts.scheduling.up_to_date()
    assert one.parts.model.read(lambda db: db.execute("SELECT * FROM lead").fetchall()) == []
    assert await one.bring(campaign, LEA, second) == "enrolled"


async def test_nobody_on_the_list_and_nobody_erased_is_enrolled(one: Works) -> None:
    await one.say_suppressed("lea@maison.example", "unsubscribed")
    assert await one.bring(uuid4(), LEA, uuid4()) == "suppressed"
    person = str(await one.suppressions.person_of(NORTHWIND, KIM))
    await one.parts.keys.create(person)
    await one.parts.keys.destroy(person)
    assert await one.bring(uuid4(), KIM, uuid4()) == "erased"
    await one.say_suppressed(KIM.email, "by hand")  # as an erasure does
    assert await one.bring(uuid4(), KIM, uuid4()) == "erased"


async def test_leads_are_shown_only_when_their_import_is_complete(one: Works) -> None:
    campaign = await one.campaign(start=False)
    await one.bring(campaign, LEA, uuid4())
    await one.parts.scheduling.up_to_date()
    assert (await one.questions.list(ListLeads(campaign=campaign), asking())).total == 0


# --- outcomes


async def test_the_sequence_goes_on_after_what_was_sent_and_ends_after_the_last(one: Works) -> None:
    inbox = await one.parts.inbox("ada@northwind.example")
    (lea,) = await one.enroll(await one.campaign(), LEA)
    first = await one.begin(lea, inbox)
    await one.say_sent(first)
    await one.say_sent(first)
    seen = await one.view(lea)
    assert (seen.state, seen.step, seen.steps, seen.attempts) == ("in progress", 1, 2, (first.attempt,))
    assert await one.why(lea) == ("delay", one.now + 2 * DAY)
    assert [mail.subject for mail in (await one.lead(lea)).thread] == ["Hello"]
    one.parts.clock.forward(2 * DAY)
    await one.say_sent(await one.dispatch(await one.lead(lea)))
    seen = await one.view(lea)
    assert (seen.state, seen.waiting, len(seen.attempts)) == ("finished", None, 2)


async def test_what_did_not_leave_is_tried_again_or_says_what_resolves_it(one: Works) -> None:
    inbox = await one.parts.inbox("ada@northwind.example")
    lea, kim = await one.enroll(await one.campaign(), LEA, KIM)
    step = await one.begin(lea, inbox)
    await one.say_failed(step, "mail.expired", again=True)
    assert await one.why(lea) == ("retry", one.now + MINUTE)
    assert (await one.lead(lea)).attempt != step.attempt
    await one.say_failed(await one.begin(kim, inbox), "content.refused")
    assert (await one.view(kim)).failure == ("content.refused", "It could not leave.", "Change it.")
    await one.leads.retry(RetryLead(enrollment=kim), asking())
    assert (await one.view(kim)).state == "waiting"
    with pytest.raises(Refused) as refused:
        await one.leads.retry(RetryLead(enrollment=kim), asking())
    assert refused.value.code == "lead.not-failed"
    with pytest.raises(Refused) as refused:
        await one.leads.retry(RetryLead(enrollment=lea), asking(STRANGER))
    assert refused.value.code == "lead.unknown"


async def test_a_recipient_refused_for_good_and_a_hard_bounce_end_the_lead(one: Works) -> None:
    inbox = await one.parts.inbox("ada@northwind.example")
    lea, kim = await one.enroll(await one.campaign(), LEA, KIM)
    await one.say_failed(await one.begin(lea, inbox), "recipient.unknown")
    step = await one.begin(kim, inbox)
    await one.say_sent(step)
    await one.say_bounced(step)
    assert {(await one.view(one_)).state for one_ in (lea, kim)} == {"bounced"}
    assert len(await one.said(LeadBounced)) == 2
    assert not await one.said(LeadFailed)


@pytest.mark.parametrize("reply_first", [True, False])
async def test_a_step_held_back_because_the_recipient_replied_fails_nobody(
    one: Works, *, reply_first: bool
) -> None:
    inbox = await one.parts.inbox("ada@northwind.example")
    (lea,) = await one.enroll(await one.campaign(), LEA)
    first = await one.begin(lea, inbox)
    await one.say_sent(first)
    one.parts.clock.forward(2 * DAY)
    held = await one.dispatch(await one.lead(lea))
    if reply_first:
        await one.say_replied(first)
    await one.say_failed(held, "conversation.stopped")
    if not reply_first:
        await one.say_replied(first)
    seen = await one.view(lea)
    assert (seen.state, seen.waiting, seen.attempts) == ("replied", None, (first.attempt,))
    assert len(await one.said(LeadReplied)) == 1
    assert not await one.said(LeadFailed)


async def test_what_the_mailbox_holds_back_ends_with_what_is_known_of_the_address(one: Works) -> None:
    """Enrolled at the very moment in which the address came onto the list."""
    inbox = await one.parts.inbox("ada@northwind.example")
    (lea,) = await one.enroll(await one.campaign(), LEA)
    step = await one.begin(lea, inbox)
    await one.suppressions.suppressed(NORTHWIND, LEA.email, "unsubscribed", 7, one.now, asking())
    await one.say_failed(step, "recipient.suppressed")
    assert (await one.view(lea)).state == "unsubscribed"


# --- the suppression list


async def test_an_address_on_the_list_ends_every_sequence_of_it_in_the_organization(one: Works) -> None:
    inbox = await one.parts.inbox("ada@northwind.example")
    spring, autumn = await one.campaign(), await one.campaign()
    (first,) = await one.enroll(spring, LEA)
    (second,) = await one.enroll(autumn, LEA)
    (kim,) = await one.enroll(spring, KIM)
    await one.begin(first, inbox)
    await one.say_suppressed("LEA@maison.example", "unsubscribed", by=OTHERS)
    assert (await one.view(first)).state == "waiting"
    gone = RecipientUnsubscribed(
        organization=NORTHWIND,
        identity=ADA,
        person=uuid4(),
        address="LEA@maison.example",
        attempt=uuid4(),
        at=one.now,
    )
    for _ in range(2):
        await one.continuity.suppressed(gone, 0, asking())
    assert {(await one.view(each)).state for each in (first, second)} == {"unsubscribed"}
    assert (await one.view(kim)).state == "waiting"
    assert len(await one.said(LeadUnsubscribed)) == 2


async def test_who_was_put_on_the_list_by_hand_is_written_to_no_more(one: Works) -> None:
    (lea,) = await one.enroll(await one.campaign(start=False), LEA)
    assert not (await one.view(lea)).retryable  # it did not fail
    await one.say_suppressed(LEA.email, "by hand")
    found = await one.view(lea)
    assert (found.state, found.retryable) == ("unsubscribed", False)
    one.parts.clock.forward(MINUTE)
    await one.say_lifted(LEA.email)
    with pytest.raises(Refused) as refused:
        await one.leads.retry(RetryLead(enrollment=lea), asking())
    assert refused.value.code == "lead.not-failed"


async def test_a_lead_whose_address_came_onto_the_list_is_not_begun(one: Works) -> None:
    inbox = await one.parts.inbox("ada@northwind.example")
    (lea,) = await one.enroll(await one.campaign(), LEA)
    await one.suppressions.suppressed(NORTHWIND, LEA.email, "bounced", 1, one.now, asking())
    lead = await one.leads.assign(await one.lead(lea), inbox, one.sender(inbox), ADA, asking())
    assert isinstance(lead, Enrollment)
    assert (lead.state, lead.begun) == ("bounced", False)


async def test_older_news_about_an_address_changes_nothing(one: Works) -> None:
    await one.suppressions.suppressed(NORTHWIND, LEA.email, "by hand", 3, one.now, asking())
    await one.suppressions.lifted(NORTHWIND, LEA.email, 2, one.now, asking())
    assert await one.suppressions.includes(NORTHWIND, LEA.email)
    later = one.now + MINUTE
    await one.suppressions.lifted(NORTHWIND, LEA.email, 4, later, asking())
    await one.suppressions.suppressed(NORTHWIND, LEA.email, "by hand", 3, one.now, asking())
    await one.suppressions.suppressed(NORTHWIND, LEA.email, "unsubscribed", None, one.now, asking())
    assert not await one.suppressions.includes(NORTHWIND, LEA.email)
    again = one.now + 2 * MINUTE
    await one.suppressions.suppressed(NORTHWIND, LEA.email, "unsubscribed", None, again, asking())
    await one.suppressions.lifted(NORTHWIND, LEA.email, 5, later, asking())
    assert await one.suppressions.includes(NORTHWIND, LEA.email)


async def test_a_mail_by_hand_to_an_address_on_the_list_is_refused(one: Works) -> None:
    inbox = await one.parts.inbox("ada@northwind.example")
    await one.say_suppressed(LEA.email, "by hand")
    made = one.parts
    guarded = Scheduling(
        made.runner, made.store, made.model, made.keys, made.clock, one.suppressions.includes
    )
    mail = SendMail(inbox=inbox, person=uuid4(), to=LEA.email, subject="Hello", text="Hi")
    with pytest.raises(Refused) as refused:
        await guarded.send_mail(mail, asking())
    assert refused.value.code == "recipient.suppressed"
    await made.keys.seal(str(mail.person))  # by their erasure, which puts them on the list, too
    with pytest.raises(Refused) as refused:
        await guarded.send_mail(mail, asking())
    assert refused.value.code == "person.erased"


# --- inboxes and identities


async def test_leads_that_have_begun_fail_with_their_inbox_and_go_on_when_it_is_back(one: Works) -> None:
    inbox = await one.parts.inbox("ada@northwind.example")
    lea, kim = await one.enroll(await one.campaign(), LEA, KIM)
    await one.say_sent(await one.begin(lea, inbox))
    await one.close(inbox, "disconnected")
    failed = await one.view(lea)
    assert failed.failure is not None
    assert failed.failure[0] == "inbox.disconnected"
    assert failed.retryable
    assert (await one.view(kim)).state == "waiting"
    with pytest.raises(Refused) as refused:
        await one.leads.retry(RetryLead(enrollment=lea), asking())
    assert refused.value.code == "lead.not-resolved"
    await one.reconnect(inbox, ADA, 2)
    assert (await one.view(lea)).state == "in progress"
    assert await one.why(lea) == ("delay", one.now + 2 * DAY)
    assert len(await one.said(LeadRecovered)) == 1


async def test_the_same_address_under_another_identity_brings_no_lead_back(one: Works) -> None:
    inbox = await one.parts.inbox("ada@northwind.example")
    (lea,) = await one.enroll(await one.campaign(), LEA)
    await one.say_sent(await one.begin(lea, inbox))
    await one.close(inbox, "disconnected")
    await one.parts.identity(BOB, "Bob")
    await one.reconnect(inbox, BOB, 2)
    assert (await one.view(lea)).state == "failed"
    await one.close(inbox, "disconnected", 3)
    await one.reconnect(inbox, ADA, 4)
    assert (await one.view(lea)).state == "in progress"


async def test_a_deleted_identity_fails_who_has_begun_and_leaves_the_others_to_another_one(
    one: Works,
) -> None:
    inbox = await one.parts.inbox("ada@northwind.example")
    campaign = await one.campaign()
    lea, kim = await one.enroll(campaign, LEA, KIM)
    await one.say_sent(await one.begin(lea, inbox))
    with pytest.raises(Refused) as refused:
        await one.continuity.stop_identity(StopIdentity(identity=ADA), asking(STRANGER))
    assert refused.value.code == "identity.unknown"
    await one.continuity.stop_identity(StopIdentity(identity=ADA), asking())
    state = await one.parts.scheduling.state(one.sender(inbox))
    assert isinstance(state, sender.Sender)
    assert state.closed == "identity-deleted"
    assert (await one.why(kim))[0] == "campaign-paused"
    for _ in range(2):
        await one.continuity.leave_identity(ADA, asking())
    failed = await one.view(lea)
    assert failed.failure is not None
    assert failed.failure[0] == "identity.deleted"
    assert not failed.retryable
    assert len(await one.said(LeadFailed)) == 1
    await one.parts.identity(BOB, "Bob")
    await one.parts.campaigns.give_identity(GiveIdentity(campaign=campaign, identity=BOB), asking())
    assert (await one.view(kim)).identity == BOB
    assert (await one.view(lea)).identity == ADA
    with pytest.raises(Refused) as refused:
        await one.leads.retry(RetryLead(enrollment=lea), asking())
    assert refused.value.code == "lead.not-resolved"


async def test_a_campaign_ended_by_a_person_ends_its_leads(one: Works) -> None:
    inbox = await one.parts.inbox("ada@northwind.example")
    campaign = await one.campaign()
    lea, kim = await one.enroll(campaign, LEA, KIM)
    step = await one.begin(lea, inbox)
    await one.parts.campaigns.finish(FinishCampaign(campaign=campaign), asking())
    for _ in range(2):
        await one.continuity.end_campaign(campaign, asking())
    assert {(await one.view(each)).state for each in (lea, kim)} == {"finished"}
    await one.say_replied(step)
    assert (await one.view(lea)).state == "replied"


async def test_leads_that_come_in_while_their_campaign_is_ended_end_with_it(one: Works) -> None:
    await one.parts.inbox("ada@northwind.example")
    campaign = await one.campaign()
    (lea,) = await one.enroll(campaign, LEA)
    (reaction,) = [each for each in OWN if each.name == "scheduler-ends-leads"]
    assert LeadsImported in reaction.events
    await one.continuity.end_campaign(campaign, asking())
    assert (await one.view(lea)).state == "waiting"  # it goes on: nothing ends
    await one.parts.campaigns.finish(FinishCampaign(campaign=campaign), asking())
    (kim,) = await one.enroll(campaign, KIM)
    await one.continuity.end_campaign(campaign, asking())
    assert (await one.view(kim)).state == "finished"


async def test_what_a_deletion_or_a_disconnection_would_do_is_said_before(one: Works) -> None:
    inbox = await one.parts.inbox("ada@northwind.example")
    campaign = await one.campaign()
    lea, _ = await one.enroll(campaign, LEA, KIM)
    await one.begin(lea, inbox)
    await one.parts.scheduling.up_to_date()
    for query in (GetConsequences(identity=ADA), GetConsequences(inbox=inbox)):
        found = await one.questions.consequences(query, asking())
        assert (found.campaigns, found.begun, found.waiting) == (((campaign, "Spring"),), 1, 2)
        nothing = await one.questions.consequences(query, asking(STRANGER))
        assert (nothing.campaigns, nothing.begun, nothing.waiting) == ((), 0, 0)
    await one.parts.inbox("sales@northwind.example")
    found = await one.questions.consequences(GetConsequences(inbox=inbox), asking())
    assert (found.campaigns, found.begun, found.waiting) == (((campaign, "Spring"),), 1, 0)
    with pytest.raises(Refused):
        await one.questions.consequences(GetConsequences(), asking())


# --- the watchdog


async def test_a_step_without_news_is_asked_to_be_closed_and_never_tried_anew(one: Works) -> None:
    inbox = await one.parts.inbox("ada@northwind.example")
    (lea,) = await one.enroll(await one.campaign(), LEA)
    step = await one.begin(lea, inbox)
    await one.parts.scheduling.up_to_date()
    one.parts.clock.forward(44 * MINUTE)
    await one.leads.watch(one.now)
    assert not await one.said(StepCancelled)
    one.parts.clock.forward(2 * MINUTE)
    for _ in range(3):
        await one.leads.watch(one.now)
    (cancelled,) = await one.said(StepCancelled)
    assert isinstance(cancelled, StepCancelled)
    assert cancelled.attempt == step.attempt
    assert (await one.lead(lea)).attempt == step.attempt
    assert (await one.why(lea))[0] == "leaving"
    await one.say_failed(step, "mail.cancelled", again=True)
    assert (await one.lead(lea)).attempt != step.attempt


async def test_an_outcome_nobody_decides_on_counts_as_sent_after_7_days(one: Works) -> None:
    inbox = await one.parts.inbox("ada@northwind.example")
    (lea,) = await one.enroll(await one.campaign(), LEA)
    await one.say_unknown(await one.begin(lea, inbox))
    unknown = await one.view(lea)
    assert (unknown.state, unknown.waiting) == ("outcome unknown", None)
    one.parts.clock.forward(7 * DAY - MINUTE)
    await one.leads.watch(one.now)
    assert (await one.view(lea)).state == "outcome unknown"
    one.parts.clock.forward(MINUTE)
    await one.leads.watch(one.now)
    assert (await one.view(lea)).step == 1
    assert await one.why(lea) == ("delay", one.now + 2 * DAY)


# --- why a step waits


async def test_every_wait_says_why_and_until_when(one: Works) -> None:
    draft = await one.campaign(start=False)
    (lea,) = await one.enroll(draft, LEA)
    assert await one.why(lea) == ("campaign-draft", None)
    inbox = await one.parts.inbox("ada@northwind.example")
    campaign = await one.campaign()
    (kim,) = await one.enroll(campaign, KIM)
    assert (await one.why(kim)) == ("turn", one.now)
    step = await one.begin(kim, inbox)
    assert await one.why(kim) == ("leaving", step.valid_until)
    await one.say_sent(step)
    one.parts.clock.forward(3 * DAY)
    assert await one.why(kim) == ("turn", one.now)
    one.flags.set = f"organization.{NORTHWIND}"
    assert await one.why(kim) == ("halted", None)
    one.flags.set = ""
    await one.parts.campaigns.pause(PauseCampaign(campaign=campaign), asking())
    assert await one.why(kim) == ("campaign-paused", None)


async def test_a_closed_inbox_says_what_it_waits_for(one: Works) -> None:
    inbox = await one.parts.inbox("ada@northwind.example")
    lea, kim = await one.enroll(await one.campaign(), LEA, KIM)
    await one.say_sent(await one.begin(lea, inbox))
    await one.parts.standing.paused(inbox, 1, asking(), paused=True)
    for each in (lea, kim):
        assert await one.why(each) == ("inbox-paused", None)
    await one.parts.standing.paused(inbox, 2, asking(), paused=False)
    await one.close(inbox, "reconnect", 1)
    for each in (lea, kim):
        assert await one.why(each) == ("reconnect", None)
    await one.close(inbox, "disconnected", 2)
    assert await one.why(kim) == ("inbox-disconnected", None)
    assert (await one.view(lea)).waiting is None
    await one.parts.identity(BOB, "Bob")
    await one.reconnect(inbox, BOB, 3)
    assert await one.why(kim) == ("no-inbox", None)


async def test_limits_and_working_hours_say_until_when(one: Works) -> None:
    inbox = await one.parts.inbox("ada@northwind.example")
    lea, kim = await one.enroll(await one.campaign(), LEA, KIM)
    await one.parts.scheduling.change_rate(
        ChangeEmailRate(inbox=inbox, rate=EmailRate(per_day=5, per_hour=1)), asking()
    )
    step = await one.begin(lea, inbox)
    with pytest.raises(Refused):
        await one.begin(kim, inbox)
    assert await one.why(kim) == ("hour-limit", step.valid_until + HOUR)
    await one.parts.scheduling.change_rate(
        ChangeEmailRate(inbox=inbox, rate=EmailRate(per_day=1, per_hour=1)), asking()
    )
    midnight = one.now.replace(hour=0) + DAY
    assert await one.why(kim) == ("day-limit", midnight)
    hours = WorkingHours(zone="UTC")  # 9 to 18
    await one.parts.standing.hours(ADA, hours, 1, asking())
    assert await one.why(kim) == ("day-limit", midnight + 9 * HOUR)
    one.parts.clock.forward(8 * HOUR)
    assert await one.why(kim) == ("hours", midnight + 9 * HOUR)


async def test_a_spread_campaign_says_when_its_pace_lets_it_go_on(one: Works) -> None:
    inbox = await one.parts.inbox("ada@northwind.example")
    campaign = await one.campaign(pace="even")
    lea, kim = await one.enroll(campaign, LEA, KIM)
    await one.say_sent(await one.begin(lea, inbox))
    state = await one.parts.scheduling.state(one.sender(inbox))
    assert isinstance(state, sender.Sender)
    assert state.hours is not None
    code, until = await one.why(kim)
    assert (code, until) == ("pace", even(today_of(state, state.hours, one.now)))


# --- lists


async def test_leads_are_listed_in_their_order_page_by_page(one: Works) -> None:
    campaign = await one.campaign(start=False)
    people = [LeadData(name=f"L{n} 100%", email=f"l{n}@fabrikam.example") for n in range(5)]
    await one.enroll(campaign, *people)
    await one.enroll(campaign, LEA)
    seen: list[str] = []
    after, total = "", 0
    while True:
        page = await one.questions.list(ListLeads(campaign=campaign, limit=2, after=after), asking())
        seen += [lead.data.email for lead in page.leads if isinstance(lead.data, LeadData)]
        after, total = page.next, max(total, page.total)
        if not after:
            break
    assert sorted(seen) == sorted({*seen})
    assert (len(seen), total) == (6, 6)
    assert seen[-4:] == [f"l{n}@fabrikam.example" for n in range(1, 5)]

    async def found(**wanted: object) -> int:
        query = ListLeads.model_validate({"campaign": campaign, **wanted})
        return (await one.questions.list(query, asking())).total

    assert await found(search="MARTIN") == 1
    assert await found(search="100%") == 5
    assert await found(search="_") == 0
    assert await found(search="fabrikam", state="waiting") == 5
    assert await found(state="failed") == 0
    with pytest.raises(Refused) as refused:
        await one.questions.list(ListLeads(campaign=campaign), asking(STRANGER))
    assert refused.value.code == "campaign.unknown"
    with pytest.raises(Refused) as refused:
        await one.questions.list(ListLeads(campaign=campaign, after="x"), asking())
    assert refused.value.code == "cursor.invalid"


async def test_another_organizations_lead_is_unknown(one: Works) -> None:
    (lea,) = await one.enroll(await one.campaign(start=False), LEA)
    with pytest.raises(Refused) as refused:
        await one.questions.get(GetLead(enrollment=lea), asking(STRANGER))
    assert refused.value.code == "lead.unknown"
