"""The engine: what is due and possible leaves once, in order, within hours and limits, through whoever may."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from heraldry.chassis.halt import Halt, HaltUnknownError
from heraldry.contracts.campaigns import (
    CampaignSettings,
    CreateCampaign,
    LeadData,
    PauseCampaign,
    ResumeCampaign,
    SendEmail,
    StartCampaign,
)
from heraldry.contracts.identity import Interval, WorkingHours
from heraldry.contracts.mailbox import Diagnosed, EmailFailed, EmailSent
from heraldry.contracts.scheduler import EmailRate, StepDispatched
from heraldry.scheduler.adapters.templates import LiquidTemplates
from heraldry.scheduler.application import Account
from heraldry.scheduler.channels import channels
from heraldry.scheduler.domain.enrollment import Enrollment
from heraldry.scheduler.domain.sender import ChangeRate
from heraldry.scheduler.engine import Engine
from heraldry.scheduler.leads import Leads
from heraldry.scheduler.letters import Letters
from heraldry.scheduler.linkedin_leads import LinkedInLeads
from heraldry.scheduler.projections.senders import of_inbox
from heraldry.scheduler.suppressions import Suppressions

from services.scheduler.tests.parts import ADA, MONDAY_NOON, NORTHWIND, Parts, asking, parts

pytestmark = pytest.mark.parts
A_DAY_LATER = SendEmail(delay=24, text="Did you see my mail, {{ first_name }}?")
STEPS = (SendEmail(subject="Hello {{ first_name }}", text="Good morning {{ first_name }}"), A_DAY_LATER)
HOUR = timedelta(minutes=61)
EXPIRED = Diagnosed(code="mail.expired", cause="Too late.", resolution="Send it again.")


@dataclass(slots=True)
class Flags:
    """What the halt flags say."""

    set: Halt | None = None
    unknown: bool = False

    def halted(self, *scopes: str) -> Halt | None:
        del scopes
        if self.unknown:
            raise HaltUnknownError("nobody can say")
        return self.set


@dataclass(slots=True)
class Works:
    """One replica of the scheduler with its engine, and the mailbox service's part of it."""

    parts: Parts
    leads: Leads
    engine: Engine
    flags: Flags

    async def campaign(
        self,
        count: int,
        *,
        steps: Sequence[SendEmail] = STEPS,
        pace: str = "at once",
        inbox: UUID | None = None,
    ) -> tuple[UUID, Sequence[UUID]]:
        """A running one, and its enrollments."""
        campaign = uuid4()
        settings = CampaignSettings.model_validate(
            {"name": "Spring", "identity": ADA, "steps": steps, "pace": pace, "inbox": inbox}
        )
        await self.parts.campaigns.create(CreateCampaign(campaign=campaign, settings=settings), asking())
        people = [
            LeadData(first_name=f"L{n}", email=f"l{n}-{campaign}@fabrikam.example") for n in range(count)
        ]
        enrolled = await self.parts.leads(campaign, *people)
        await self.parts.campaigns.start(StartCampaign(campaign=campaign), asking())
        return campaign, enrolled

    async def tick(self, times: int = 1) -> Sequence[StepDispatched]:
        """All that has been dispatched so far, after so many breaths."""
        for _ in range(times):
            await self.engine.tick()
            self.parts.clock.forward(timedelta(seconds=3))
        return await self.dispatched()

    async def until_quiet(self) -> Sequence[StepDispatched]:
        before = -1
        while len(found := await self.tick()) != before:
            before = len(found)
        return found

    async def dispatched(self) -> Sequence[StepDispatched]:
        return [event for _, event in await self.parts.log() if isinstance(event, StepDispatched)]

    async def sent(self, step: StepDispatched) -> None:
        """The mail server took it."""
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
        assert step.enrollment is not None
        await self.leads.record(step.enrollment, event, asking())
        await self.parts.scheduling.settle(step.inbox, step.attempt, proven_not_sent=False, asking=asking())
        await self.parts.scheduling.up_to_date()
        self.engine.look_again(str(step.identity))

    async def expired(self, step: StepDispatched) -> None:
        """It could not be sent in time."""
        event = EmailFailed(
            attempt=step.attempt,
            inbox=step.inbox,
            identity=step.identity,
            person=step.person,
            diagnosis=EXPIRED,
            enrollment=step.enrollment,
            again=True,
            at=self.parts.clock.now(),
        )
        assert step.enrollment is not None
        await self.leads.record(step.enrollment, event, asking())
        await self.parts.scheduling.settle(step.inbox, step.attempt, proven_not_sent=True, asking=asking())
        await self.parts.scheduling.up_to_date()
        self.engine.look_again(str(step.identity))

    async def lead(self, enrollment: UUID) -> Enrollment:
        found = await self.leads.load(enrollment)
        assert isinstance(found, Enrollment)
        return found


def works(made: Parts) -> Works:
    suppressions = Suppressions(made.runner, made.keys, made.clock)
    leads = Leads(
        made.runner, made.model, made.keys, made.clock, made.scheduling, suppressions, made.linkedin
    )
    flags = Flags()
    letters = Letters(LiquidTemplates(), made.speakers.speaker)
    engine = Engine(
        made.store,
        made.model,
        made.clock,
        flags,
        made.campaigns,
        leads,
        channels(made.clock, made.scheduling, made.linkedin, leads, letters),
        LinkedInLeads(made.runner, made.clock, leads).connected,
    )
    return Works(made, leads, engine, flags)


@pytest.fixture
async def one(tmp_path: Path) -> AsyncGenerator[Works]:
    async with parts(tmp_path) as made:
        await made.identity(ADA)
        yield works(made)


async def test_five_leave_then_the_hour_limit_holds_the_rest(one: Works) -> None:
    await one.parts.inbox("ada@northwind.example")
    await one.campaign(7)
    first = await one.until_quiet()
    assert len(first) == 5
    assert one.engine.next_instant() > one.parts.clock.now() + timedelta(minutes=50)
    for step in first:
        await one.sent(step)
    assert len(await one.until_quiet()) == 5
    one.parts.clock.forward(HOUR)
    assert len(await one.until_quiet()) == 7


async def test_each_lead_gets_each_step_once_and_the_follow_up_in_the_thread(one: Works) -> None:
    await one.parts.inbox("ada@northwind.example")
    _, (enrollment,) = await one.campaign(1)
    (first,) = await one.until_quiet()
    await one.sent(first)
    assert len(await one.until_quiet()) == 1
    one.parts.clock.forward(timedelta(hours=24))
    _, second = await one.until_quiet()
    assert second.subject == first.subject == "Hello L0"
    assert second.in_reply_to == f"<{first.attempt}@northwind.example>"
    assert second.references == (second.in_reply_to,)
    await one.sent(second)
    assert (await one.lead(enrollment)).state == "finished"
    one.parts.clock.forward(timedelta(days=3))
    assert len(await one.until_quiet()) == 2


async def test_all_that_comes_of_a_step_has_its_attempt_as_the_correlation(one: Works) -> None:
    await one.parts.inbox("ada@northwind.example")
    await one.campaign(2)
    attempts = {str(step.attempt) for step in await one.until_quiet()}
    stored = [event for event, told in await one.parts.log() if isinstance(told, StepDispatched)]
    assert {json.loads(event.meta)["correlation"] for event in stored} == attempts
    assert len(attempts) == 2


async def test_follow_ups_go_before_first_contacts(one: Works) -> None:
    await one.parts.inbox("ada@northwind.example")
    _, older = await one.campaign(2)
    for step in await one.until_quiet():
        await one.sent(step)
    one.parts.clock.forward(timedelta(hours=24))
    _, newer = await one.campaign(2)
    later = (await one.until_quiet())[2:]
    assert [step.enrollment in older for step in later] == [True, True, False, False]
    assert {step.enrollment for step in later} == {*older, *newer}


async def test_campaigns_take_turns(one: Works) -> None:
    await one.parts.inbox("ada@northwind.example")
    campaigns = [(await one.campaign(3))[0] for _ in range(2)]
    found = await one.until_quiet()
    assert Counter(step.campaign for step in found[:4]) == dict.fromkeys(campaigns, 2)


async def test_nothing_leaves_outside_the_working_hours(one: Works) -> None:
    await one.parts.inbox("ada@northwind.example")
    hours = WorkingHours(zone="UTC", week=(Interval(day=2, start="10:00", end="11:00"),))
    await one.parts.standing.hours(ADA, hours, 1, asking())  # it is Monday noon
    await one.campaign(1)
    assert await one.until_quiet() == []
    opening = datetime(2026, 5, 5, 10, tzinfo=one.parts.clock.now().tzinfo)
    assert one.engine.next_instant() == opening
    one.parts.clock.forward(opening - one.parts.clock.now())
    (step,) = await one.until_quiet()
    assert step.valid_until <= opening + timedelta(hours=1)


async def test_an_even_pace_spreads_a_day(one: Works) -> None:
    await one.parts.inbox("ada@northwind.example")
    await one.campaign(40, pace="even")
    end = one.parts.clock.now() + timedelta(hours=12)
    instants: list[datetime] = []
    while one.parts.clock.now() < end:
        for step in (await one.tick())[len(instants) :]:
            instants.append(step.at)
            await one.sent(step)
        one.parts.clock.forward(timedelta(minutes=2))
    gaps = [after - before for before, after in pairwise(instants)]
    assert 28 <= len(instants) <= 30
    assert min(gaps) > timedelta(minutes=8)


async def test_shuffle_spreads_over_all_inboxes_and_a_lead_stays_with_its_own(one: Works) -> None:
    inboxes = [await one.parts.inbox(f"ada{n}@northwind.example") for n in range(3)]
    await one.campaign(9)
    first = await one.until_quiet()
    assert Counter(step.inbox for step in first) == dict.fromkeys(inboxes, 3)
    for step in first:
        await one.sent(step)
    one.parts.clock.forward(timedelta(hours=25))
    second = (await one.until_quiet())[9:]
    assert {step.enrollment: step.inbox for step in second} == {step.enrollment: step.inbox for step in first}


async def test_one_inbox_is_the_only_one_if_the_campaign_says_so(one: Works) -> None:
    chosen, _ = [await one.parts.inbox(f"ada{n}@northwind.example") for n in range(2)]
    await one.campaign(4, inbox=chosen)
    assert {step.inbox for step in await one.until_quiet()} == {chosen}


async def test_who_has_more_left_takes_more(one: Works) -> None:
    small, large = [await one.parts.inbox(f"ada{n}@northwind.example") for n in range(2)]
    for inbox, most in ((small, 2), (large, 10)):
        await one.parts.scheduling.run(account_of(one, inbox), rate(most), asking())
    await one.campaign(20)
    assert Counter(step.inbox for step in await one.until_quiet()) == {small: 2, large: 10}


async def test_a_paused_campaign_dispatches_nothing_until_it_is_resumed(one: Works) -> None:
    await one.parts.inbox("ada@northwind.example")
    campaign, _ = await one.campaign(3)
    await one.tick()
    await one.parts.campaigns.pause(PauseCampaign(campaign=campaign), asking())
    before = len(await one.dispatched())
    assert len(await one.until_quiet()) == before == 1
    await one.parts.campaigns.resume(ResumeCampaign(campaign=campaign), asking())
    await one.parts.scheduling.up_to_date()
    one.engine.look_again(str(ADA))
    assert len(await one.until_quiet()) == 3


async def test_nothing_is_dispatched_while_a_halt_is_set_or_nobody_can_say(one: Works) -> None:
    await one.parts.inbox("ada@northwind.example")
    await one.campaign(1)
    one.flags.set = Halt("system", "user:ada", "stop", None)
    assert await one.until_quiet() == []
    one.flags.set, one.flags.unknown = None, True
    one.parts.clock.forward(timedelta(seconds=10))
    assert await one.until_quiet() == []
    one.flags.unknown = False
    one.parts.clock.forward(timedelta(seconds=10))
    assert len(await one.until_quiet()) == 1


async def test_what_expires_is_tried_again_and_never_above_the_limit(one: Works) -> None:
    """The mailbox service is away for two hours: nothing it finds then is above the limit."""
    await one.parts.inbox("ada@northwind.example")
    await one.campaign(10)
    for _ in range(12):
        await one.until_quiet()
        one.parts.clock.forward(timedelta(minutes=10))
    dispatched = await one.dispatched()
    assert all(step.valid_until < one.parts.clock.now() for step in dispatched[:5])
    known = {step.attempt for step in dispatched}
    for step in dispatched:
        if step.valid_until < one.parts.clock.now():
            await one.expired(step)
    new = [step for step in await one.until_quiet() if step.attempt not in known]
    still = [step for step in dispatched if step.valid_until >= one.parts.clock.now()]
    assert len(new) + len(still) <= 5


async def test_what_cannot_be_written_fails_with_what_resolves_it(one: Works) -> None:
    await one.parts.inbox("ada@northwind.example")
    steps = (SendEmail(subject="Hello", text="Good morning {{ nickname }}"),)
    _, (enrollment,) = await one.campaign(1, steps=steps)
    assert await one.until_quiet() == []
    lead = await one.lead(enrollment)
    assert (lead.state, lead.failure) == ("failed", "template.variable-missing")


async def test_two_engines_at_once_dispatch_every_step_once(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(parts(tmp_path))
        second = await stack.enter_async_context(parts(tmp_path, "1", first.keys, first.clock))
        await first.identity(ADA)
        several = works(first), works(second)
        for number in range(3):
            await first.inbox(f"ada{number}@northwind.example")
        await several[0].campaign(12)
        await second.scheduling.up_to_date()
        for _ in range(20):
            await asyncio.gather(*(each.engine.tick() for each in several))
            first.clock.forward(timedelta(seconds=3))
        found = await several[0].dispatched()
        assert Counter(step.enrollment for step in found).most_common(1)[0][1] == 1
        assert len(found) == 12
        assert len({step.enrollment for step in found}) == 12


def account_of(one: Works, inbox: UUID) -> Account:
    row = one.parts.model.read(lambda db: of_inbox(db, str(inbox)))
    assert row is not None
    return Account(row.sender, ADA, NORTHWIND)


def rate(per_hour: int) -> ChangeRate:
    return ChangeRate(NORTHWIND, EmailRate(per_day=30, per_hour=per_hour), MONDAY_NOON)
