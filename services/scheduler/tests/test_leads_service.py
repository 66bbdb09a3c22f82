"""Leads in a scheduler of two processes, told over the bus what becomes of their mails, inboxes and identities."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from heraldry.chassis.bus.follow import Entry, Follower
from heraldry.chassis.bus.reactions import read
from heraldry.chassis.testing.bus import eventually
from heraldry.chassis.testing.waiting import until
from heraldry.contracts import subjects
from heraldry.contracts.base import Event
from heraldry.contracts.campaigns import (
    CampaignSettings,
    CampaignView,
    ConfirmImport,
    CreateCampaign,
    GetCampaign,
    LeadBounced,
    LeadData,
    LeadFailed,
    LeadRecovered,
    LeadReplied,
    LeadUnsubscribed,
    LeadView,
    ListLeads,
    SendEmail,
    StartCampaign,
)
from heraldry.contracts.gateway import RecipientUnsubscribed
from heraldry.contracts.identity import IdentityDeleted, Interval, WorkingHours, WorkingHoursChanged
from heraldry.contracts.mailbox import (
    Diagnosed,
    EmailFailed,
    EmailOutcomeUnknown,
    EmailSent,
    MailboxConnected,
    MailboxDisconnected,
    ReplyReceived,
)
from heraldry.contracts.scheduler import StepDispatched

from services.scheduler.tests.processes import ADA, NORTHWIND, USER, Service, running

pytestmark = [pytest.mark.parts, pytest.mark.timeout(180)]
STEPS = (SendEmail(subject="Hello {{ first_name }}", text="Hi"), SendEmail(delay=48, text="Still there?"))
ALWAYS = WorkingHours(
    zone="UTC", week=tuple(Interval(day=day, start="00:00", end="24:00") for day in range(1, 8))
)
ADDRESS = "ada@northwind.example"


@dataclass
class World:
    """The scheduler, and what every other context says."""

    service: Service
    steps: list[StepDispatched]
    inbox: UUID = field(default_factory=uuid4)
    revisions: dict[str, int] = field(default_factory=lambda: {f"identity.identity-{ADA}": 0})

    async def say(self, event: Event, stream: str, *, times: int = 1) -> None:
        """As a context says it, so many times under the same id."""
        revision = self.revisions[stream] = self.revisions.get(stream, -1) + 1
        await self.service.say(event, stream, revision, times=times)

    async def connect(self) -> None:
        connected = MailboxConnected(inbox=self.inbox, identity=ADA, address=ADDRESS, at=now())
        await self.say(connected, f"mailbox.inbox-{self.inbox}")

    async def campaign(self, *names: str) -> UUID:
        """A running one with these leads."""
        campaign = uuid4()
        settings = CampaignSettings(name="Spring", identity=ADA, pace="at once", steps=STEPS)
        await self.service.send(CreateCampaign(campaign=campaign, settings=settings))
        rows = "".join(f"{name},{name.lower()}@fabrikam.example\n" for name in names)
        view = await self.service.checked(campaign, f"First name,Email\n{rows}".encode())
        await self.service.send(ConfirmImport(import_id=view.import_id))
        await self.service.view(view.import_id, lambda one: one.state == "imported")
        await self.service.send(StartCampaign(campaign=campaign))
        return campaign

    async def leads(self, campaign: UUID) -> Mapping[str, LeadView]:
        page = await self.service.caller.ask(ListLeads(campaign=campaign), by=USER, deadline=60)
        return {lead.data.first_name: lead for lead in page.leads if isinstance(lead.data, LeadData)}

    async def states(self, campaign: UUID, **wanted: str) -> None:
        """Return as soon as these leads are in these states."""

        async def so() -> bool:
            return {name: lead.state for name, lead in (await self.leads(campaign)).items()} == wanted

        await eventually(so, f"leads are {wanted}", 90)

    async def dispatched(self, campaign: UUID, count: int) -> Mapping[str, StepDispatched]:
        """The first step of every lead, by its name."""
        await until(lambda: len(self.steps) >= count, seconds=90)
        names = {lead.enrollment: name for name, lead in (await self.leads(campaign)).items()}
        return {names[step.enrollment]: step for step in self.steps if step.enrollment is not None}

    async def seen(self, campaign: UUID) -> CampaignView:
        return await self.service.caller.ask(GetCampaign(campaign=campaign), by=USER, deadline=60)


@asynccontextmanager
async def world(folder: Path) -> AsyncGenerator[World]:
    async with running(folder) as service:
        steps: list[StepDispatched] = []

        def take(entry: Entry) -> None:
            event = read(entry.data).data
            assert isinstance(event, StepDispatched)
            steps.append(event)

        wanted = subjects.internal_filter("scheduler", "StepDispatched")
        follower = Follower(await service.nats.client("operator"), "HERALDRY", wanted, take)
        await follower.start()
        made = World(service, steps)
        try:
            await service.start("1")
            hours = WorkingHoursChanged(identity=ADA, hours=ALWAYS, at=now())
            await made.say(hours, f"identity.identity-{ADA}")
            await made.connect()
            yield made
        finally:
            await follower.stop()


def now() -> datetime:
    return datetime.now(UTC)


def sent(step: StepDispatched) -> EmailSent:
    return EmailSent(
        attempt=step.attempt,
        inbox=step.inbox,
        identity=ADA,
        person=step.person,
        message_id=f"<{step.attempt}@x>",
        answer="250 OK",
        enrollment=step.enrollment,
        at=now(),
    )


def failed(step: StepDispatched, code: str) -> EmailFailed:
    return EmailFailed(
        attempt=step.attempt,
        inbox=step.inbox,
        identity=ADA,
        person=step.person,
        diagnosis=Diagnosed(code=code, cause="Refused.", resolution="Change it."),
        enrollment=step.enrollment,
        at=now(),
    )


def unknown(step: StepDispatched) -> EmailOutcomeUnknown:
    return EmailOutcomeUnknown(
        attempt=step.attempt,
        inbox=step.inbox,
        identity=ADA,
        person=step.person,
        reason="It broke.",
        enrollment=step.enrollment,
        at=now(),
    )


def replied(step: StepDispatched) -> ReplyReceived:
    return ReplyReceived(
        inbox=step.inbox,
        identity=ADA,
        attempt=step.attempt,
        person=step.person,
        message_id="<r@x>",
        subject="Re: Hello",
        text="Yes",
        enrollment=step.enrollment,
        at=now(),
    )


@pytest.mark.requirement("R-CAMP-5")
async def test_each_lead_ends_or_goes_on_by_what_becomes_of_its_mail_told_twice_and_in_any_order(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as made:
        campaign = await made.campaign("Rae", "Ben", "Una", "Stu", "Fay")
        steps = await made.dispatched(campaign, 5)

        def stream(name: str) -> str:
            return f"mailbox.email-{steps[name].attempt}"

        await made.say(replied(steps["Rae"]), stream("Rae"), times=2)
        await made.say(sent(steps["Rae"]), stream("Rae"), times=2)
        await made.say(failed(steps["Ben"], "recipient.unknown"), stream("Ben"), times=2)
        await made.say(unknown(steps["Una"]), stream("Una"), times=2)
        await made.say(failed(steps["Fay"], "content.refused"), stream("Fay"), times=2)
        gone = RecipientUnsubscribed(
            organization=NORTHWIND,
            identity=ADA,
            person=uuid4(),
            address="STU@fabrikam.example",
            attempt=steps["Stu"].attempt,
            at=now(),
        )
        await made.service.kill("1")
        await made.say(gone, "gateway.unsubscribed-1", times=2)
        await made.service.start("1")
        await made.states(
            campaign, Rae="replied", Ben="bounced", Una="outcome unknown", Stu="unsubscribed", Fay="failed"
        )
        assert (await made.seen(campaign)).begun == 3  # of Stu and Fay no mail is known to have left
        assert (await made.leads(campaign))["Fay"].failure == ("content.refused", "Refused.", "Change it.")
        await made.say(sent(steps["Una"]), stream("Una"))
        await made.states(
            campaign, Rae="replied", Ben="bounced", Una="in progress", Stu="unsubscribed", Fay="failed"
        )
        una = (await made.leads(campaign))["Una"]
        assert una.waiting is not None
        assert una.waiting.code == "delay"
        for kind in (LeadReplied, LeadBounced, LeadUnsubscribed, LeadFailed):
            assert len(made.service.stored(kind.__name__)) == 1, kind
            await until(lambda kind=kind: len(made.service.said(kind)) == 1, seconds=60)
        assert len(made.steps) == 5, "nobody was written to twice"


@pytest.mark.requirement("R-BOX-11")
async def test_a_lead_stays_with_the_inbox_that_began_it_and_an_identity_deleted_ends_it(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as made:
        campaign = await made.campaign("Lea", "Kim")
        steps = await made.dispatched(campaign, 2)
        for step in steps.values():
            await made.say(sent(step), f"mailbox.email-{step.attempt}")
        await made.states(campaign, Lea="in progress", Kim="in progress")
        gone = MailboxDisconnected(inbox=made.inbox, identity=ADA, at=now())
        await made.say(gone, f"mailbox.inbox-{made.inbox}")
        await made.states(campaign, Lea="failed", Kim="failed")
        lea = (await made.leads(campaign))["Lea"]
        assert lea.failure is not None
        assert lea.failure[0] == "inbox.disconnected"
        assert lea.inbox == made.inbox
        await made.connect()
        await made.states(campaign, Lea="in progress", Kim="in progress")
        await until(lambda: len(made.service.said(LeadRecovered)) == 2, seconds=60)

        deleted = IdentityDeleted(identity=ADA, at=now())
        await made.say(deleted, f"identity.identity-{ADA}", times=2)
        await made.states(campaign, Lea="failed", Kim="failed")
        found = (await made.leads(campaign))["Kim"].failure
        assert found is not None
        assert found[0] == "identity.deleted"
        assert (await made.seen(campaign)).pause_reason == "identity deleted"
        assert len(made.service.stored("LeadFailed")) == 4
        await until(lambda: len(made.service.said(LeadFailed)) == 4, seconds=60)
        codes = [event.code for event in made.service.said(LeadFailed) if isinstance(event, LeadFailed)]
        assert sorted(codes) == 2 * ["identity.deleted"] + 2 * ["inbox.disconnected"]
        assert len(made.steps) == 2
