from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Coroutine, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from heraldry.chassis.bus.envelopes import Envelopes
from heraldry.chassis.bus.reactions import react
from heraldry.chassis.bus.rpc import Asking
from heraldry.chassis.tasks import end
from heraldry.chassis.testing.waiting import until
from heraldry.contracts.base import Accepted, By, Command, Event, Refused
from heraldry.contracts.campaigns import (
    CampaignPaused,
    CampaignSettings,
    CampaignView,
    ChangeCampaign,
    CreateCampaign,
    FinishCampaign,
    GetCampaign,
    GiveIdentity,
    LeadData,
    LeadFailed,
    LeadFinished,
    ListCampaigns,
    PauseCampaign,
    PreviewSteps,
    ResumeCampaign,
    SendEmail,
    StartCampaign,
)
from heraldry.contracts.scheduler import StepCancelled, StepDispatched
from heraldry.scheduler.application import CONTEXT
from heraldry.scheduler.campaign_reactions import StopCampaign
from heraldry.scheduler.domain.campaign import Campaign
from heraldry.scheduler.projections import senders
from heraldry.scheduler.service import TYPES
from heraldry.scheduler.subscriptions import OWN

from services.scheduler.tests.parts import ADA, BOB, EVE, STRANGER, Parts, asking, parts

STEPS = (
    SendEmail(
        subject="Hello {{ first_name }}", text="Good morning {{ first_name }}, {{ identity.first_name }}"
    ),
    SendEmail(delay=72, text='Still thinking, {{ first_name | default: "you" }}?'),
)
pytestmark = pytest.mark.parts
LEA = LeadData(first_name="Lea", email="lea@maison.example")
KIM = LeadData(first_name="Kim", email="kim@fabrikam.example")


@pytest.fixture
async def one(tmp_path: Path) -> AsyncGenerator[Parts]:
    async with parts(tmp_path) as made:
        await made.identity(ADA)
        yield made


def spring(identity: UUID = ADA, **more: object) -> CampaignSettings:
    return CampaignSettings.model_validate({"name": "Spring", "identity": identity, "steps": STEPS, **more})


async def created(made: Parts, settings: CampaignSettings | None = None) -> UUID:
    campaign = uuid4()
    await made.campaigns.create(CreateCampaign(campaign=campaign, settings=settings or spring()), asking())
    return campaign


async def running(made: Parts, *leads: LeadData) -> UUID:
    campaign = await created(made)
    await made.leads(campaign, *(leads or (LEA,)))
    await made.campaigns.start(StartCampaign(campaign=campaign), asking())
    return campaign


async def seen(made: Parts, campaign: UUID) -> CampaignView:
    await made.scheduling.up_to_date()
    return await made.questions.get(GetCampaign(campaign=campaign), asking())


async def opened(made: Parts, campaign: UUID, inbox: UUID) -> str:
    """The account of an inbox, with the campaign open in it, as the engine opens it."""
    row = made.model.read(lambda db: senders.of_inbox(db, str(inbox)))
    assert row is not None
    loaded = await made.campaigns.load(campaign)
    await made.scheduling.open_campaign(row.sender, campaign, loaded.revision, asking())
    return row.sender


async def refused(done: Coroutine[None, None, object]) -> Refused:
    with pytest.raises(Refused) as refusal:
        await done
    return refusal.value


async def test_a_campaign_is_created_changed_started_paused_resumed_and_finished(one: Parts) -> None:
    await one.inbox("ada@northwind.example")
    campaign = await created(one)
    view = await seen(one, campaign)
    assert (view.state, view.settings, view.counts.waiting) == ("draft", spring(), 0)
    change = ChangeCampaign(campaign=campaign, settings=spring(name="Fall"))
    await one.campaigns.change(change, asking())
    await one.leads(campaign, LEA, KIM)
    states: list[str] = []
    for act in (
        lambda: one.campaigns.start(StartCampaign(campaign=campaign), asking()),
        lambda: one.campaigns.pause(PauseCampaign(campaign=campaign), asking()),
        lambda: one.campaigns.resume(ResumeCampaign(campaign=campaign), asking()),
        lambda: one.campaigns.finish(FinishCampaign(campaign=campaign), asking()),
    ):
        accepted = await act()
        assert isinstance(accepted, Accepted)
        assert accepted.fresh
        states.append((await seen(one, campaign)).state)
    assert states == ["active", "paused", "active", "finished"]
    view = await seen(one, campaign)
    assert (view.settings.name, view.counts.waiting, view.leaving) == ("Fall", 2, 0)
    listed = await one.questions.list(ListCampaigns(identity=ADA), asking())
    assert [each.campaign for each in listed] == [campaign]
    assert not await one.questions.list(ListCampaigns(identity=BOB), asking())


async def test_nothing_of_another_organization_can_be_used_or_seen(one: Parts) -> None:
    await one.identity(EVE, "Eve Rival", STRANGER)
    inbox = await one.inbox("eve@rival.example", EVE, STRANGER)
    mine = await one.inbox("ada@northwind.example")
    campaign = await created(one)
    foreign = CreateCampaign(campaign=uuid4(), settings=spring(EVE))
    assert (await refused(one.campaigns.create(foreign, asking()))).code == "identity.unknown"
    through = CreateCampaign(campaign=uuid4(), settings=spring(inbox=inbox))
    assert (await refused(one.campaigns.create(through, asking()))).code == "inbox.unknown"
    to_eve = ChangeCampaign(campaign=campaign, settings=spring(EVE))
    assert (await refused(one.campaigns.change(to_eve, asking()))).code == "identity.unknown"
    await one.campaigns.change(ChangeCampaign(campaign=campaign, settings=spring(inbox=mine)), asking())
    eve = asking(STRANGER)
    for done in (
        one.campaigns.create(CreateCampaign(campaign=campaign, settings=spring(EVE)), eve),
        one.campaigns.change(ChangeCampaign(campaign=campaign, settings=spring(EVE)), eve),
        one.campaigns.start(StartCampaign(campaign=campaign), eve),
        one.campaigns.pause(PauseCampaign(campaign=campaign), eve),
        one.campaigns.resume(ResumeCampaign(campaign=campaign), eve),
        one.campaigns.finish(FinishCampaign(campaign=campaign), eve),
        one.campaigns.give_identity(GiveIdentity(campaign=campaign, identity=EVE), eve),
        one.questions.get(GetCampaign(campaign=campaign), eve),
        one.questions.preview(PreviewSteps(campaign=campaign, settings=spring(EVE)), eve),
    ):
        refusal = await refused(done)
        assert (refusal.code, refusal.status) == ("campaign.unknown", 404)
    assert not await one.questions.list(ListCampaigns(), eve)
    leak = PreviewSteps(campaign=campaign, settings=spring(EVE))
    assert (await refused(one.questions.preview(leak, asking()))).code == "identity.unknown"


async def test_a_start_needs_the_channel_of_its_steps(one: Parts) -> None:
    campaign = await created(one)
    await one.leads(campaign, LEA)
    start = StartCampaign(campaign=campaign)
    refusal = await refused(one.campaigns.start(start, asking()))
    assert (refusal.code, refusal.extra) == ("campaign.channel-missing", {"channel": "email"})
    inbox = await one.inbox("ada@northwind.example")
    await one.standing.closed(inbox, "disconnected", 1, asking())
    assert (await refused(one.campaigns.start(start, asking()))).code == "campaign.channel-missing"
    other = await one.inbox("sales@northwind.example")
    through_the_first = ChangeCampaign(campaign=campaign, settings=spring(inbox=inbox))
    await one.campaigns.change(through_the_first, asking())
    assert (await refused(one.campaigns.start(start, asking()))).code == "campaign.channel-missing"
    await one.campaigns.change(ChangeCampaign(campaign=campaign, settings=spring(inbox=other)), asking())
    await one.campaigns.start(start, asking())
    assert (await seen(one, campaign)).state == "active"


async def test_what_happened_elsewhere_a_moment_ago_is_waited_for(tmp_path: Path) -> None:
    async with parts(tmp_path, heard_within=30) as one:
        create = CreateCampaign(campaign=uuid4(), settings=spring())
        creating = asyncio.create_task(one.campaigns.create(create, asking()))
        await asyncio.sleep(0)
        await one.identity(ADA)
        assert (await creating).fresh
        await one.leads(create.campaign, LEA)
        start = StartCampaign(campaign=create.campaign)
        starting = asyncio.create_task(one.campaigns.start(start, asking()))
        await asyncio.sleep(0)
        await one.inbox("ada@northwind.example")
        assert (await starting).fresh


async def test_what_no_lead_could_get_is_refused_where_it_is_written(one: Parts) -> None:
    for steps, field in (
        ((STEPS[0], SendEmail(text="{{ first_name")), "steps.1.text"),
        ((SendEmail(subject="{{ }}", text="x"),), "steps.0.subject"),
        ((SendEmail(subject="x", text="x", html="{% for a in b %}{% endfor %}"),), "steps.0.html"),
        ((SendEmail(text="x"),), "steps.0.subject"),
    ):
        create = CreateCampaign(campaign=uuid4(), settings=spring(steps=steps))
        refusal = await refused(one.campaigns.create(create, asking()))
        assert (refusal.code, refusal.status, refusal.field) == ("template.invalid", 422, field)
        campaign = await created(one)
        change = ChangeCampaign(campaign=campaign, settings=spring(steps=steps))
        assert (await refused(one.campaigns.change(change, asking()))).field == field


async def test_an_empty_campaign_does_not_start(one: Parts) -> None:
    await one.inbox("ada@northwind.example")
    campaign = await created(one)
    start = StartCampaign(campaign=campaign)
    assert (await refused(one.campaigns.start(start, asking()))).code == "campaign.empty"
    without = await created(one, spring(steps=()))
    await one.leads(without, LEA)
    assert (
        await refused(one.campaigns.start(StartCampaign(campaign=without), asking()))
    ).code == "campaign.empty"


async def test_a_preview_shows_a_real_lead_and_says_what_is_missing(one: Parts) -> None:
    campaign = await created(one)
    typed = spring(
        steps=(STEPS[0], SendEmail(text="{{ company }}, {{ first_name }}", html="<b>{{ company }}</b>"))
    )
    ask = PreviewSteps(campaign=campaign, settings=typed)
    first, second = await one.questions.preview(ask, asking())
    assert (first.subject, first.text) == ("Hello Alex", "Good morning Alex, Ada")
    assert (second.subject, second.text, second.html) == ("Hello Alex", "[company], Alex", "<b>[company]</b>")
    lea, kim = await one.leads(campaign, LEA, KIM.model_copy(update={"own": {"company": "Fabrikam"}}))
    first, second = await one.questions.preview(ask, asking())
    assert (first.text, second.text) == ("Good morning Lea, Ada", "")
    assert "company" in second.problem
    _, second = await one.questions.preview(ask.model_copy(update={"enrollment": kim}), asking())
    assert (second.text, second.problem) == ("Fabrikam, Kim", "")
    elsewhere = await created(one)
    foreign = PreviewSteps(campaign=elsewhere, settings=typed, enrollment=lea)
    assert (await refused(one.questions.preview(foreign, asking()))).code == "lead.unknown"


async def test_a_pause_counts_and_cancels_what_is_leaving(one: Parts) -> None:
    inbox = await one.inbox("ada@northwind.example")
    campaign = await running(one, LEA, KIM)
    name = await opened(one, campaign, inbox)
    lea = uuid4()
    assert await one.dispatch(campaign, lea, name)
    await one.campaigns.pause(PauseCampaign(campaign=campaign), asking())
    assert (await one.scheduling.leaving(campaign, ADA)) == 1
    assert (await refused(one.dispatch(campaign, uuid4(), name))).code == "campaign.not-open"
    await one.campaigns.resume(ResumeCampaign(campaign=campaign), asking())
    await opened(one, campaign, inbox)
    assert await one.dispatch(campaign, uuid4(), name)
    assert not await one.dispatch(campaign, lea, name)  # nothing is sent twice on resume


async def test_nothing_is_dispatched_after_a_pause_was_answered(tmp_path: Path) -> None:
    """Eight engines of two replicas dispatch as fast as they can through four accounts while one is asked to pause."""
    async with parts(tmp_path) as one, parts(tmp_path, "1", one.keys, one.clock) as two:
        await one.identity(ADA)
        inboxes = [await one.inbox(f"ada{number}@northwind.example") for number in range(4)]
        campaign = await running(one, LEA)
        await two.scheduling.up_to_date()
        names = [await opened(one, campaign, inbox) for inbox in inboxes]
        for _ in range(2):
            engines = [Engine(made, campaign, name) for made in (one, two) for name in names]
            tasks = [asyncio.create_task(each.run()) for each in engines]
            await until(lambda engines=engines: sum(each.dispatched for each in engines) > 2, seconds=30)
            await one.campaigns.pause(PauseCampaign(campaign=campaign), asking())
            answered = await one.store.head()
            counted = await two.scheduling.leaving(campaign, ADA)
            for each in engines:
                each.refused = 0
            await until(lambda engines=engines: all(each.refused > 2 for each in engines), seconds=30)
            await end(*tasks)
            steps = [(at, event) for at, event in await log(one) if isinstance(event, StepDispatched)]
            assert [at for at, _ in steps if at > answered] == []
            leaving = {event.attempt for _, event in steps if event.valid_until > one.clock.now()}
            cancelled = {event.attempt for _, event in await log(one) if isinstance(event, StepCancelled)}
            assert len(leaving) == counted
            assert leaving <= cancelled
            one.clock.forward(timedelta(minutes=71))  # what did not leave by now never does: the hour is free
            await one.campaigns.resume(ResumeCampaign(campaign=campaign), asking())


@dataclass
class Engine:
    """Dispatches through one account without a pause, as an engine would that is always a little late."""

    made: Parts
    campaign: UUID
    name: str
    dispatched: int = 0
    refused: int = 0

    async def run(self) -> None:
        while True:
            loaded = await self.made.campaigns.load(self.campaign)
            try:
                self.dispatched += await self.made.dispatch(self.campaign, uuid4(), self.name)
            except Refused as refusal:
                self.refused += 1
                if refusal.code == "campaign.not-open" and _active(loaded.state):
                    await self.made.scheduling.open_campaign(
                        self.name, self.campaign, loaded.revision, asking()
                    )
            await asyncio.sleep(0)


def _active(state: object) -> bool:
    return isinstance(state, Campaign) and state.state == "active"


async def log(made: Parts) -> Sequence[tuple[int, Event]]:
    return [(stored.position, event) for stored, event in await made.log()]


async def test_a_pause_that_a_crash_interrupted_is_brought_to_the_senders_by_its_reaction(one: Parts) -> None:
    inbox = await one.inbox("ada@northwind.example")
    campaign = await running(one)
    name = await opened(one, campaign, inbox)
    paused = CampaignPaused(campaign=campaign, identity=ADA, reason="by hand", at=one.clock.now())
    await one.append(f"campaign-{campaign}", paused)  # and the process ended
    stored = (await one.stored(f"campaign-{campaign}"))[-1]
    envelope = await Envelopes(CONTEXT, one.store.epoch, one.codec, TYPES).envelope(stored)
    reaction = next(each for each in OWN if CampaignPaused in each.events)

    async def own(command: Command, *, by: By, id: UUID) -> None:  # noqa: A002  as `Caller.send`
        assert isinstance(command, StopCampaign)
        await one.campaigns.stop(command.campaign, command.revision, Asking(id, by))

    for _ in range(2):
        await react(reaction, envelope, own, service=CONTEXT)
        assert (await refused(one.dispatch(campaign, uuid4(), name))).code == "campaign.not-open"
    await one.campaigns.resume(ResumeCampaign(campaign=campaign), asking())
    await opened(one, campaign, inbox)
    await react(reaction, envelope, own, service=CONTEXT)  # late: it goes on by now
    assert await one.dispatch(campaign, uuid4(), name)


async def test_a_pause_that_is_repeated_stops_nothing_that_goes_on(one: Parts) -> None:
    inbox = await one.inbox("ada@northwind.example")
    campaign = await running(one)
    pause, once = PauseCampaign(campaign=campaign), asking()
    await one.campaigns.pause(pause, once)
    await one.campaigns.resume(ResumeCampaign(campaign=campaign), asking())
    name = await opened(one, campaign, inbox)
    assert not (await one.campaigns.pause(pause, once)).fresh
    assert await one.dispatch(campaign, uuid4(), name)


async def test_campaigns_of_a_deleted_identity_lose_it_and_can_be_given_another(one: Parts) -> None:
    inbox = await one.inbox("ada@northwind.example")
    campaign, other = await running(one), await created(one)
    name = await opened(one, campaign, inbox)
    await one.standing.deleted(ADA, asking())
    for _ in range(2):
        await one.campaigns.lose_identity(ADA, asking())
    view = await seen(one, campaign)
    assert (view.state, view.pause_reason) == ("paused", "identity deleted")
    assert (await seen(one, other)).state == "draft"
    with pytest.raises(Refused):
        await one.dispatch(campaign, uuid4(), name)
    resume = ResumeCampaign(campaign=campaign)
    assert (await refused(one.campaigns.resume(resume, asking()))).code == "campaign.identity-deleted"
    to_ada = GiveIdentity(campaign=campaign, identity=ADA)
    assert (await refused(one.campaigns.give_identity(to_ada, asking()))).code == "identity.unknown"
    await one.identity(BOB, "Bob Byrne")
    await one.inbox("bob@northwind.example", BOB)
    await one.campaigns.give_identity(GiveIdentity(campaign=campaign, identity=BOB), asking())
    view = await seen(one, campaign)
    assert (view.settings.identity, view.pause_reason) == (BOB, "by hand")
    await one.campaigns.resume(resume, asking())
    assert (await seen(one, campaign)).state == "active"
    listed = await one.questions.list(ListCampaigns(identity=BOB), asking())
    assert [each.campaign for each in listed] == [campaign]


async def test_a_start_that_meets_a_deletion_loses_the_identity_too(one: Parts) -> None:
    await one.inbox("ada@northwind.example")
    campaign = await created(one)
    await one.leads(campaign, LEA)
    starting = one.campaigns.start(StartCampaign(campaign=campaign), asking())
    await asyncio.gather(starting, one.standing.deleted(ADA, asking()), return_exceptions=True)
    await one.campaigns.lose_identity(ADA, asking())
    view = await seen(one, campaign)
    assert (view.state, view.pause_reason) in {("draft", None), ("paused", "identity deleted")}


async def test_it_ends_by_itself_when_every_lead_has_ended(one: Parts) -> None:
    await one.inbox("ada@northwind.example")
    campaign = await created(one)
    enrolled = await one.leads(campaign, LEA, KIM)
    assert not await one.campaigns.finish_if_done(campaign)
    await one.campaigns.start(StartCampaign(campaign=campaign), asking())
    for left, enrollment in enumerate(enrolled):
        assert not await one.campaigns.finish_if_done(campaign), left
        failed = LeadFailed(
            campaign=campaign,
            enrollment=enrollment,
            identity=ADA,
            person=uuid4(),
            code="inbox.disconnected",
            reason="It is gone.",
            resolution="Connect it again.",
            at=one.clock.now(),
        )
        await one.append(f"enrollment-{enrollment}", failed)
        assert not await one.campaigns.finish_if_done(campaign), "it may recover"
        ended = LeadFinished(
            campaign=campaign, enrollment=enrollment, identity=ADA, person=uuid4(), at=one.clock.now()
        )
        await one.append(f"enrollment-{enrollment}", ended)
    assert await one.campaigns.finish_if_done(campaign)
    view = await seen(one, campaign)
    assert (view.state, view.counts.finished) == ("finished", 2)


async def test_a_name_that_was_imported_is_encrypted_for_its_owner(one: Parts) -> None:
    stored = await one.stored(f"profile-{ADA}")
    assert not [each for each in stored if b"Bergstr" in each.data]
    assert (await one.speakers.speaker(ADA)).details.first_name == "Ada"
    await one.keys.destroy(str(ADA))
    assert (await one.speakers.speaker(ADA)).name == ""
