"""LinkedIn steps of campaigns: an email, an invitation, a message to who is connected, each in its turn and once."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import cast
from uuid import UUID, uuid4

import pytest
from heraldry.chassis.halt import HaltFlags
from heraldry.contracts.base import Event, Refused
from heraldry.contracts.campaigns import (
    CampaignSettings,
    CreateCampaign,
    GetCampaign,
    GetConsequences,
    GetLead,
    LeadData,
    LeadFailed,
    LeadView,
    PauseCampaign,
    ResumeCampaign,
    RetryLead,
    SendEmail,
    SendInvitation,
    SendMessage,
    StartCampaign,
    Step,
    StepSkipped,
)
from heraldry.contracts.linkedin import (
    InvitationAccepted,
    InvitationSent,
    LinkedInActionFailed,
    LinkedInActionOutcomeUnknown,
    LinkedInMessageSent,
    LinkedInReplyReceived,
    Obstacle,
)
from heraldry.contracts.linkedin_steps import LinkedInStepCancelled, LinkedInStepDispatched
from heraldry.contracts.mailbox import EmailSent, ReplyReceived
from heraldry.contracts.scheduler import (
    ChangeLinkedInLimits,
    LinkedInLimits,
    QuotaReleased,
    StepCancelled,
    StepDispatched,
)
from heraldry.scheduler.adapters.templates import LiquidTemplates
from heraldry.scheduler.blocks import Blocks
from heraldry.scheduler.channels import channels
from heraldry.scheduler.domain.enrollment import Enrollment
from heraldry.scheduler.engine import Engine
from heraldry.scheduler.lead_questions import LeadQuestions
from heraldry.scheduler.leads import Leads
from heraldry.scheduler.letters import Letters
from heraldry.scheduler.linkedin_leads import LinkedInLeads
from heraldry.scheduler.linkedin_reactions import LinkedInOutcome
from heraldry.scheduler.suppressions import Suppressions

from services.scheduler.tests.parts import ADA, NORTHWIND, Parts, asking, parts
from services.scheduler.tests.test_engine import Flags

pytestmark = pytest.mark.parts
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
EMAIL = SendEmail(subject="Hello {{ first_name }}", text="Good morning {{ first_name }}")
INVITE = SendInvitation(note="Shall we connect, {{ first_name }}?")
WRITE = SendMessage(delay=24, only_if="connected", text="Thanks for connecting, {{ first_name }}")
LAST_ALONE = SendEmail(delay=24, subject="Hello", text="Hi")
LAST = SendEmail(delay=24, text="Did you see my mail?")
SPRING: Sequence[Step] = (EMAIL, INVITE, WRITE, LAST)


@dataclass(slots=True)
class Works:
    """One replica of the scheduler, and what the mailbox and the LinkedIn driver say."""

    parts: Parts
    leads: Leads
    linkedin: LinkedInLeads
    engine: Engine
    questions: LeadQuestions

    async def campaign(self, *names: str, steps: Sequence[Step] = SPRING) -> tuple[UUID, Sequence[UUID]]:
        campaign = uuid4()
        settings = CampaignSettings(name="Spring", identity=ADA, steps=tuple(steps), pace="at once")
        await self.parts.campaigns.create(CreateCampaign(campaign=campaign, settings=settings), asking())
        people = [
            LeadData(
                first_name=name,
                email=f"{name}@fabrikam.example",
                linkedin_url=f"https://www.linkedin.com/in/{name.lower()}",
            )
            for name in names
        ]
        enrolled = await self.parts.leads(campaign, *people)
        await self.parts.campaigns.start(StartCampaign(campaign=campaign), asking())
        return campaign, enrolled

    async def until_quiet(
        self, after: timedelta = timedelta()
    ) -> Sequence[StepDispatched | LinkedInStepDispatched]:
        """All that has left so far, after so long."""
        self.parts.clock.forward(after)
        before = -1
        while len(found := await self.steps()) != before:
            before = len(found)
            self.engine.look_again(str(ADA))
            await self.engine.tick()
            self.parts.clock.forward(timedelta(seconds=3))
        return found

    async def steps(self) -> Sequence[StepDispatched | LinkedInStepDispatched]:
        return [
            event
            for _, event in await self.parts.log()
            if isinstance(event, StepDispatched | LinkedInStepDispatched)
        ]

    async def kinds(self, after: timedelta = timedelta()) -> Sequence[str]:
        found = await self.until_quiet(after)
        return [step.kind if isinstance(step, LinkedInStepDispatched) else "email" for step in found]

    async def last(self) -> LinkedInStepDispatched:
        step = (await self.steps())[-1]
        assert isinstance(step, LinkedInStepDispatched)
        return step

    async def mailed(self) -> None:
        """The mail server took the last one."""
        step = (await self.steps())[-1]
        assert isinstance(step, StepDispatched)
        assert step.enrollment is not None
        event = EmailSent(
            attempt=step.attempt,
            inbox=step.inbox,
            identity=step.identity,
            person=step.person,
            message_id=f"<{step.attempt}@northwind.example>",
            answer="250 OK",
            enrollment=step.enrollment,
            at=self.parts.clock.now(),
        )
        await self.leads.record(step.enrollment, event, asking())
        await self.parts.scheduling.settle(step.inbox, step.attempt, proven_not_sent=False, asking=asking())
        await self._heard(step.identity)

    async def done(self) -> LinkedInStepDispatched:
        """LinkedIn shows that the last step was done."""
        step = await self.last()
        kind = InvitationSent if step.kind == "invitation" else LinkedInMessageSent
        await self.says(kind.model_validate({**self.about(step), "proof": "the page"}))
        await self.parts.linkedin.settle(step.attempt, asking(), proven_not_done=False)
        await self._heard(step.identity)
        return step

    async def failed(self, code: str, *, again: bool = False, proven: bool = True) -> LinkedInStepDispatched:
        """It was not done. Not `proven`: its permit stays used."""
        step = await self.last()
        found = Obstacle(code=code, cause="So it is.", resolution="Do something.")
        event = LinkedInActionFailed.model_validate(
            {
                **self.about(step),
                "kind": step.kind,
                "diagnosis": found,
                "again": again,
                "proven": proven,
            }
        )
        await self.says(event)
        await self.parts.linkedin.settle(step.attempt, asking(), proven_not_done=proven)
        await self._heard(step.identity)
        return step

    async def unknown(self) -> LinkedInStepDispatched:
        step = await self.last()
        event = LinkedInActionOutcomeUnknown.model_validate(
            {**self.about(step), "kind": step.kind, "reason": "The page did not say."}
        )
        await self.says(event)
        await self.parts.linkedin.settle(step.attempt, asking(), proven_not_done=False)
        return step

    async def accepted(self, step: LinkedInStepDispatched) -> None:
        await self.says(InvitationAccepted.model_validate(self.about(step)))

    async def answered(self, step: LinkedInStepDispatched) -> None:
        await self.says(LinkedInReplyReceived.model_validate({**self.about(step), "text": "Gladly"}))
        assert step.enrollment is not None
        await self.leads.recall(step.enrollment, asking())

    async def says(self, outcome: LinkedInOutcome) -> None:
        await self.linkedin.record(outcome, asking())
        await self._heard(outcome.identity)

    def about(self, step: LinkedInStepDispatched) -> dict[str, object]:
        return {
            "attempt": step.attempt,
            "account": step.account,
            "identity": step.identity,
            "person": step.person,
            "campaign": step.campaign,
            "enrollment": step.enrollment,
            "at": self.parts.clock.now(),
        }

    async def _heard(self, identity: UUID) -> None:
        await self.parts.scheduling.up_to_date()
        self.engine.look_again(str(identity))

    async def view(self, enrollment: UUID) -> LeadView:
        await self.parts.scheduling.up_to_date()
        return await self.questions.get(GetLead(enrollment=enrollment), asking())

    async def waits(self, enrollment: UUID) -> tuple[str, datetime | None]:
        waiting = (await self.view(enrollment)).waiting
        assert waiting is not None
        return waiting.code, waiting.until

    async def lead(self, enrollment: UUID) -> Enrollment:
        found = await self.leads.load(enrollment)
        assert isinstance(found, Enrollment)
        return found

    async def said(self, kind: type[Event]) -> Sequence[Event]:
        return [event for _, event in await self.parts.log() if isinstance(event, kind)]


def works(made: Parts) -> Works:
    suppressions = Suppressions(made.runner, made.keys, made.clock)
    leads = Leads(
        made.runner, made.model, made.keys, made.clock, made.scheduling, suppressions, made.linkedin
    )
    letters = Letters(LiquidTemplates(), made.speakers.speaker)
    linkedin, flags = LinkedInLeads(made.runner, made.clock, leads), Flags()
    engine = Engine(
        made.store,
        made.model,
        made.clock,
        flags,
        made.campaigns,
        leads,
        channels(made.clock, made.scheduling, made.linkedin, leads, letters),
        linkedin.connected,
    )
    questions = LeadQuestions(made.model, made.clock, cast("HaltFlags", flags), made.scrapings.size)
    return Works(made, leads, linkedin, engine, questions)


@pytest.fixture
async def one(tmp_path: Path) -> AsyncGenerator[Works]:
    async with parts(tmp_path) as made:
        await made.identity(ADA)
        await made.inbox("ada@northwind.example")
        await made.member()
        yield works(made)


async def test_a_sequence_goes_through_both_channels_when_the_invitation_is_accepted(one: Works) -> None:
    _, (lead,) = await one.campaign("Lea")
    assert await one.kinds() == ["email"]
    await one.mailed()
    assert await one.kinds() == ["email", "invitation"]
    invited = await one.done()
    assert (invited.profile, invited.text) == (
        "https://www.linkedin.com/in/lea",
        "Shall we connect, Lea?",
    )
    assert await one.kinds(after=23 * HOUR) == ["email", "invitation"]
    await one.accepted(invited)
    assert (await one.view(lead)).connected
    assert await one.kinds(after=HOUR) == ["email", "invitation", "message"]
    assert (await one.done()).text == "Thanks for connecting, Lea"
    assert await one.kinds(after=DAY) == ["email", "invitation", "message", "email"]
    last = (await one.steps())[-1]
    assert isinstance(last, StepDispatched)
    assert last.subject == "Hello Lea"
    assert last.in_reply_to == f"<{(await one.steps())[0].attempt}@northwind.example>"
    await one.mailed()
    found = await one.view(lead)
    assert (found.state, found.skipped, len(found.attempts)) == ("finished", (), 4)


async def test_who_is_not_connected_gets_no_message_and_the_sequence_goes_on(one: Works) -> None:
    _, (lead,) = await one.campaign("Lea")
    await one.until_quiet()
    await one.mailed()
    await one.until_quiet()
    await one.done()
    assert await one.kinds(after=DAY) == ["email", "invitation"]
    (skipped,) = cast("Sequence[StepSkipped]", await one.said(StepSkipped))
    assert (skipped.step, skipped.kind, skipped.only_if) == (2, "message", "connected")
    assert (await one.view(lead)).skipped == (2,)
    assert await one.waits(lead) == ("delay", skipped.next_due)
    assert await one.kinds(after=DAY) == ["email", "invitation", "email"]


async def test_an_email_only_to_who_is_not_connected_is_left_out_for_who_is(one: Works) -> None:
    steps = (INVITE, SendEmail(delay=24, subject="Hello", text="Hi", only_if="not connected"))
    _, (lea, kim) = await one.campaign("Lea", "Kim", steps=steps)
    await one.until_quiet()
    for step in cast("Sequence[LinkedInStepDispatched]", await one.steps()):
        assert step.kind == "invitation"
    first, second = cast("Sequence[LinkedInStepDispatched]", await one.steps())
    for step in (first, second):
        await one.says(InvitationSent.model_validate({**one.about(step), "proof": "the page"}))
    await one.accepted(first)
    assert await one.kinds(after=DAY) == ["invitation", "invitation", "email"]
    assert (await one.steps())[-1].enrollment == kim
    assert (await one.view(lea)).state == "finished"


async def test_unlinking_names_the_campaigns_and_counts_the_leads_that_would_wait(one: Works) -> None:
    ask = GetConsequences(unlinked=ADA)
    campaign, (first, _) = await one.campaign("Lea", "Kim", steps=(INVITE, LAST_ALONE))
    await one.campaign("Ann", steps=(EMAIL,))
    await one.parts.scheduling.up_to_date()
    found = await one.questions.consequences(ask, asking())
    assert (found.campaigns, found.begun, found.waiting) == (((campaign, "Spring"),), 0, 2)
    assert await one.kinds() == ["email", "invitation", "invitation"]
    step = next(s for s in await one.steps() if s.enrollment == first)
    assert isinstance(step, LinkedInStepDispatched)
    await one.says(InvitationSent.model_validate({**one.about(step), "proof": "the page"}))
    await one.parts.scheduling.up_to_date()
    found = await one.questions.consequences(ask, asking())
    assert found.waiting == 1, "only mails are before the other"
    nothing = await one.questions.consequences(GetConsequences(unlinked=uuid4()), asking())
    assert (nothing.campaigns, nothing.waiting) == ((), 0)


async def test_an_acceptance_is_known_in_every_campaign_of_the_identity(one: Works) -> None:
    _, (lead,) = await one.campaign("Lea", steps=(SendMessage(text="Hello", only_if="connected"),))
    found = await one.lead(lead)
    await one.says(
        InvitationAccepted(
            attempt=uuid4(), account=uuid4(), identity=ADA, person=found.person, at=one.parts.clock.now()
        )
    )
    assert await one.kinds() == ["message"]


@pytest.mark.requirement("R-LIM-4")
@pytest.mark.parametrize("code", ["invitation.already-connected", "invitation.already-invited"])
async def test_who_is_connected_or_invited_already_counts_nothing_and_the_sequence_goes_on(
    one: Works, code: str
) -> None:
    _, (lead,) = await one.campaign("Lea", steps=(INVITE, WRITE))
    await one.until_quiet()
    step = await one.failed(code)
    assert [cast("QuotaReleased", one_).attempt for one_ in await one.said(QuotaReleased)] == [step.attempt]
    assert (await one.view(lead)).connected == (code == "invitation.already-connected")
    expected = ["invitation", "message"] if code == "invitation.already-connected" else ["invitation"]
    assert await one.kinds(after=DAY) == expected


async def test_a_step_that_did_not_happen_for_a_reason_that_passes_is_tried_again(one: Works) -> None:
    _, (lead,) = await one.campaign("Lea", steps=(INVITE,))
    await one.until_quiet()
    first = await one.failed("action.expired", again=True)
    assert (await one.waits(lead))[0] == "retry"
    await one.until_quiet(after=timedelta(minutes=2))
    second = await one.done()
    assert first.attempt != second.attempt
    assert (await one.view(lead)).state == "finished"


@pytest.mark.requirement("R-CAMP-5")
async def test_a_lead_fails_with_what_resolves_it_and_can_be_retried(one: Works) -> None:
    _, (lead,) = await one.campaign("Lea", steps=(INVITE, LAST.model_copy(update={"subject": "Hi"})))
    await one.until_quiet()
    await one.failed("profile.not-found")
    found = await one.view(lead)
    assert (found.state, found.failure) == ("failed", ("profile.not-found", "So it is.", "Do something."))
    await one.leads.retry(RetryLead(enrollment=lead), asking())
    await one.parts.scheduling.up_to_date()
    one.engine.look_again(str(ADA))
    assert await one.kinds() == ["invitation", "invitation"]


@pytest.mark.requirement("R-CAMP-5")
async def test_undecided_for_seven_days_a_linkedin_step_counts_as_done(one: Works) -> None:
    _, (lead,) = await one.campaign("Lea", steps=(INVITE, LAST.model_copy(update={"subject": "Hi"})))
    await one.until_quiet()
    await one.unknown()
    assert (await one.view(lead)).state == "outcome unknown"
    assert await one.kinds(after=7 * DAY - HOUR) == ["invitation"]
    assert (await one.view(lead)).state == "outcome unknown"
    await one.until_quiet(after=2 * HOUR)
    assert (await one.view(lead)).state == "in progress"
    assert await one.kinds(after=DAY) == ["invitation", "email"]


async def test_an_answer_on_linkedin_ends_the_sequence_in_every_channel(one: Works) -> None:
    _, (lead,) = await one.campaign("Lea", steps=(INVITE, EMAIL))
    await one.until_quiet()
    invited = await one.done()
    assert await one.kinds() == ["invitation", "email"]
    await one.answered(invited)
    (cancelled,) = cast("Sequence[StepCancelled]", await one.said(StepCancelled))
    assert cancelled.attempt == (await one.steps())[-1].attempt
    assert (await one.view(lead)).state == "replied"


async def test_an_answer_by_mail_calls_a_linkedin_step_back(one: Works) -> None:
    _, (lead,) = await one.campaign("Lea", steps=(EMAIL, INVITE, LAST))
    await one.until_quiet()
    mail = (await one.steps())[0]
    assert isinstance(mail, StepDispatched)
    await one.mailed()
    assert await one.kinds() == ["email", "invitation"]
    reply = ReplyReceived.model_validate(
        {
            "attempt": mail.attempt,
            "inbox": mail.inbox,
            "identity": mail.identity,
            "person": mail.person,
            "enrollment": lead,
            "message_id": "<r@fabrikam.example>",
            "subject": "Re: Hello",
            "text": "Gladly",
            "received_at": one.parts.clock.now(),
            "at": one.parts.clock.now(),
        }
    )
    await one.leads.record(lead, reply, asking())
    await one.leads.recall(lead, asking())
    (cancelled,) = cast("Sequence[LinkedInStepCancelled]", await one.said(LinkedInStepCancelled))
    assert cancelled.attempt == (await one.last()).attempt
    assert await one.kinds(after=3 * DAY) == ["email", "invitation"]


async def test_an_invitation_withdrawn_lately_waits_for_its_date_and_others_go_on(one: Works) -> None:
    _, (lea, kim) = await one.campaign("Lea", "Kim", steps=(INVITE,))
    until = one.parts.clock.now() + 21 * DAY
    blocks = Blocks(one.parts.runner, one.parts.keys, one.parts.clock)
    profile = "https://www.linkedin.com/in/lea"
    person = (await one.lead(lea)).person
    await blocks.block(NORTHWIND, "member-1", person, profile, until, asking())
    steps = await one.until_quiet()
    assert [step.enrollment for step in steps] == [kim]
    assert await one.waits(lea) == ("withdrawn-lately", until)
    await one.done()
    assert len(await one.until_quiet(after=21 * DAY - HOUR)) == 1
    assert [step.enrollment for step in await one.until_quiet(after=2 * HOUR)] == [kim, lea]


@pytest.mark.requirement("R-LIM-6")
async def test_every_waiting_linkedin_step_says_why_and_until_when(one: Works) -> None:
    limits = ChangeLinkedInLimits(identity=ADA, limits=LinkedInLimits(invitations=1))
    await one.parts.linkedin.change_limits(limits, asking())
    campaign, (lea, kim) = await one.campaign("Lea", "Kim", steps=(INVITE, WRITE))
    assert await one.kinds() == ["invitation"]
    assert (await one.waits(lea))[0] == "leaving"
    midnight = datetime.fromisoformat("2026-05-05T00:00:00+00:00")
    assert await one.waits(kim) == ("day-limit", midnight)
    await one.parts.campaigns.pause(PauseCampaign(campaign=campaign), asking())
    await one.parts.scheduling.up_to_date()
    view = await one.parts.questions.get(GetCampaign(campaign=campaign), asking())
    assert (view.state, view.leaving) == ("paused", 1)
    assert (await one.waits(kim))[0] == "campaign-paused"
    await one.done()
    view = await one.parts.questions.get(GetCampaign(campaign=campaign), asking())
    assert view.leaving == 0
    await one.parts.campaigns.resume(ResumeCampaign(campaign=campaign), asking())
    account = (await one.last()).account
    now = one.parts.clock.now()
    slowed = now + 10 * DAY
    await one.parts.linkedin_standing.slowed(account, "invitation", slowed, 1, asking())
    assert await one.waits(kim) == ("slowed-down", slowed)
    await one.parts.linkedin_standing.closed(account, "reconnect", 2, now, asking())
    assert await one.waits(kim) == ("reconnect", None)
    await one.parts.linkedin_standing.closed(account, "disconnected", 3, now, asking())
    assert await one.waits(kim) == ("not-linked", None)
    await one.parts.member(revision=4)
    one.engine.look_again(str(ADA))
    assert await one.kinds(after=10 * DAY + HOUR) == ["invitation", "invitation"]


@pytest.mark.requirement("R-ID-2")
async def test_a_campaign_is_refused_the_channel_its_identity_lacks_and_needs_no_other(
    tmp_path: Path,
) -> None:
    async with parts(tmp_path) as made:
        await made.identity(ADA)
        one = works(made)
        await made.member()
        _, (lead,) = await one.campaign("Lea", steps=(INVITE, WRITE))
        assert await one.kinds() == ["invitation"]
        with pytest.raises(Refused) as refused:
            await one.campaign("Kim")
        assert (refused.value.code, refused.value.extra) == ("campaign.channel-missing", {"channel": "email"})
        account = (await one.last()).account
        await made.linkedin_standing.closed(account, "disconnected", 1, made.clock.now(), asking())
        await made.inbox("ada@northwind.example")
        with pytest.raises(Refused) as refused:
            await one.campaign("Kim")
        assert refused.value.extra == {"channel": "linkedin"}
        assert (await one.view(lead)).state == "waiting"


async def test_a_lead_without_a_profile_fails_at_its_linkedin_step_and_says_so(one: Works) -> None:
    campaign, (lead,) = await one.campaign("Lea", steps=(EMAIL, INVITE))
    (bare,) = await one.parts.leads(campaign, LeadData(first_name="Kim", email="kim@fabrikam.example"))
    await one.until_quiet()
    for step in cast("Sequence[StepDispatched]", await one.steps()):
        event = EmailSent(
            attempt=step.attempt,
            inbox=step.inbox,
            identity=step.identity,
            person=step.person,
            message_id="<x>",
            answer="250",
            enrollment=step.enrollment,
            at=one.parts.clock.now(),
        )
        await one.leads.record(cast("UUID", step.enrollment), event, asking())
    await one.parts.scheduling.up_to_date()
    one.engine.look_again(str(ADA))
    assert [step.enrollment for step in await one.until_quiet()][2:] == [lead]
    (failed,) = cast("Sequence[LeadFailed]", await one.said(LeadFailed))
    assert (failed.enrollment, failed.code) == (bare, "lead.no-profile")


async def test_two_engines_do_every_linkedin_step_once(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(parts(tmp_path))
        second = await stack.enter_async_context(parts(tmp_path, "1", keys=first.keys, clock=first.clock))
        await first.identity(ADA)
        await first.member()
        one, other = works(first), works(second)
        await one.campaign("Lea", "Kim", "Bo", steps=(INVITE,))
        await second.scheduling.up_to_date()
        for _ in range(6):
            await other.engine.tick()
            await one.engine.tick()
            first.clock.forward(timedelta(seconds=3))
        steps = await one.steps()
        assert len(steps) == len({step.enrollment for step in steps}) == 3
