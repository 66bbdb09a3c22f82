"""What is asked of the past is what was answered then, whatever has happened since."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import TypeVar
from uuid import UUID, uuid4

import pytest
from heraldry.contracts.base import By, Refused
from heraldry.contracts.campaigns import (
    CampaignSettings,
    CampaignView,
    ChangeCampaign,
    CreateCampaign,
    GetCampaign,
    LeadData,
    PauseCampaign,
    ResumeCampaign,
    SendEmail,
    StartCampaign,
)
from heraldry.contracts.linkedin_steps import GetLinkedInUsage, InviteOnLinkedIn, LinkedInUsage
from heraldry.contracts.scheduler import (
    ChangeEmailRate,
    ChangeLinkedInLimits,
    ChangeWithdrawalPolicy,
    EmailRate,
    GetUsage,
    LinkedInLimits,
    Usage,
    WithdrawalPolicy,
)
from heraldry.scheduler.domain import sequence
from heraldry.scheduler.domain.enrollment import attempt_of
from heraldry.scheduler.leads import Leads, plan_of
from heraldry.scheduler.projections import senders
from heraldry.scheduler.suppressions import Suppressions

from services.scheduler.tests.parts import ADA, STRANGER, USER, Parts, asking, parts

pytestmark = pytest.mark.parts
STEPS = (SendEmail(subject="Hello", text="Good morning"), SendEmail(delay=1, text="Still there?"))
LEADS = tuple(LeadData(name=f"Lead {n}", email=f"lead-{n}@maison.example") for n in range(5))
OPERATIONS, DRAFT = 45, 4  # so many while the campaign is a draft
V = TypeVar("V", Usage, LinkedInUsage, CampaignView)


@dataclass(frozen=True, slots=True)
class Answered:
    """What was answered at an instant."""

    at: datetime
    usage: Usage
    linkedin: LinkedInUsage
    campaign: CampaignView


@dataclass(slots=True)
class History:
    """A replica of the scheduler in which anything happens, and all that was answered meanwhile."""

    made: Parts
    random: Random
    inbox: UUID
    campaign: UUID
    enrollments: Sequence[UUID]
    leads: Leads
    revision: int = 1
    answered: list[Answered] = field(default_factory=list[Answered])

    @classmethod
    async def begin(cls, made: Parts, seed: int) -> History:
        await made.identity(ADA)
        inbox, campaign = await made.inbox("ada@northwind.example"), uuid4()
        await made.member()
        settings = CampaignSettings(name="Spring", identity=ADA, steps=STEPS)
        await made.campaigns.create(CreateCampaign(campaign=campaign, settings=settings), asking())
        enrollments = await made.leads(campaign, *LEADS)
        suppressions = Suppressions(made.runner, made.keys, made.clock)
        leads = Leads(
            made.runner, made.model, made.keys, made.clock, made.scheduling, suppressions, made.linkedin
        )
        return cls(made, Random(seed), inbox, campaign, enrollments, leads)

    @property
    def now(self) -> datetime:
        return self.made.clock.now()

    async def play(self, operations: int) -> None:
        """Every one at an instant of its own; what is refused changes nothing."""
        start = StartCampaign(campaign=self.campaign)
        for number in range(operations):
            self.made.clock.forward(timedelta(seconds=self.random.choice((1, 60, 1800, 20_000))))
            with suppress(Refused):
                if number == DRAFT:
                    await self.made.campaigns.start(start, asking())
                await self.random.choice(self._operations())()
            await self.made.scheduling.up_to_date()
            self.answered.append(await self.answers())

    async def answers(self, as_of: datetime | None = None) -> Answered:
        made, by = self.made, asking()
        return Answered(
            as_of or self.now,
            await made.scheduling.usage(GetUsage(inbox=self.inbox, as_of=as_of), by),
            await made.linkedin.usage(GetLinkedInUsage(identity=ADA, as_of=as_of), by),
            await made.questions.get(GetCampaign(campaign=self.campaign, as_of=as_of), by),
        )

    def _operations(self) -> Sequence[Callable[[], Awaitable[object]]]:
        made, draw, which = self.made, self.random, self.campaign
        rate = EmailRate(per_day=draw.randint(1, 60), per_hour=draw.randint(1, 8))
        limits = LinkedInLimits(invitations=draw.randint(1, 30), messages=draw.randint(1, 90))
        settings = CampaignSettings(name=f"Spring {draw.random()}", identity=ADA, steps=STEPS)
        policy = WithdrawalPolicy(days=draw.choice((None, 7, 30)))
        changed = ChangeCampaign(campaign=which, settings=settings)
        return (
            lambda: made.scheduling.change_rate(ChangeEmailRate(inbox=self.inbox, rate=rate), asking()),
            lambda: made.linkedin.change_limits(ChangeLinkedInLimits(identity=ADA, limits=limits), asking()),
            lambda: made.linkedin.change_policy(
                ChangeWithdrawalPolicy(identity=ADA, policy=policy), asking()
            ),
            lambda: made.campaigns.change(changed, asking()),
            lambda: made.campaigns.pause(PauseCampaign(campaign=which), asking()),
            lambda: made.campaigns.resume(ResumeCampaign(campaign=which), asking()),
            self._pause_inbox,
            self._slow_down,
            self._invite,
            *(3 * (self._send,)),
            *(2 * (self._outcome,)),
        )

    async def _pause_inbox(self) -> None:
        self.revision += 1
        await self.made.standing.paused(
            self.inbox, self.revision, asking(), paused=self.random.random() < 0.4
        )

    async def _slow_down(self) -> None:
        self.revision += 1
        until = self.now + timedelta(hours=self.random.randint(1, 30))
        account = (await self.answers()).linkedin.account
        await self.made.linkedin_standing.slowed(account, "invitation", until, self.revision, asking())

    async def _invite(self) -> None:
        who = f"https://www.linkedin.com/in/lea-{self.random.randint(1, 10_000)}"
        wish = InviteOnLinkedIn(identity=ADA, person=uuid4(), profile=who, name="Lea Martin")
        await self.made.linkedin.invite(wish, asking())

    async def _send(self) -> None:
        """As the engine does it."""
        row = self.made.model.read(lambda db: senders.of_inbox(db, str(self.inbox)))
        assert row is not None
        loaded = await self.made.campaigns.load(self.campaign)
        await self.made.scheduling.open_campaign(row.sender, self.campaign, loaded.revision, asking())
        lead = await self.leads.load(self.random.choice(self.enrollments))
        if isinstance(lead, sequence.Enrollment):
            await self.leads.assign(lead, self.inbox, row.sender, ADA, asking())
            await self.made.dispatch(self.campaign, lead.id, row.sender, lead.step)

    async def _outcome(self) -> None:
        enrollment, now = self.random.choice(self.enrollments), self.now
        lead = await self.leads.load(enrollment)
        if not isinstance(lead, sequence.Enrollment):
            return
        attempt = attempt_of(enrollment, lead.step, 0)
        sent = sequence.RecordSent(
            attempt,
            "<1@northwind.example>",
            "Hello",
            now,
            plan_of((await self.answers()).campaign.settings),
            now,
        )
        unsent = sequence.RecordFailed(attempt, "mail.refused", "Refused.", "Ask.", now, again=True)
        command = self.random.choice(
            (
                *(3 * (sent,)),
                unsent,
                sequence.RecordUnknown(attempt, now),
                sequence.RecordReply(attempt, now),
                sequence.RecordBounce(attempt, now),
            )
        )
        await self.leads.decide(enrollment, command, asking())
        proven = self.random.random() < 0.3
        await self.made.scheduling.settle(self.inbox, attempt, proven_not_sent=proven, asking=asking())


@pytest.fixture
async def made(tmp_path: Path) -> AsyncGenerator[Parts]:
    async with parts(tmp_path) as one:
        yield one


@pytest.mark.parametrize("seed", range(2))
async def test_every_answer_about_the_past_is_the_one_that_was_given_then(made: Parts, seed: int) -> None:
    history = await History.begin(made, seed)
    await history.play(OPERATIONS)
    states = {one.campaign.state for one in history.answered}
    assert (len(states) > 1, len({one.usage.used_today for one in history.answered}) > 1) == (True, True)
    for was in history.answered:
        now = await history.answers(was.at)
        assert (now.usage.as_of, now.linkedin.as_of, now.campaign.as_of) != (None, None, None)
        assert _plain(now.usage) == was.usage
        assert _plain(now.linkedin) == was.linkedin
        assert _plain(now.campaign) == was.campaign


def _plain(view: V) -> V:
    assert view.as_of is not None
    return view.model_copy(update={"as_of": None})


async def test_an_answer_names_its_moment_and_the_last_event_in_it(made: Parts) -> None:
    history = await History.begin(made, 0)
    at = history.now
    made.clock.forward(timedelta(hours=1))
    await made.scheduling.change_rate(
        ChangeEmailRate(inbox=history.inbox, rate=EmailRate(per_day=9, per_hour=2)), asking()
    )
    before = (await history.answers(at)).usage
    after = (await history.answers(history.now)).usage
    assert (before.rate.per_day, after.rate.per_day) == (30, 9)
    assert before.as_of is not None
    assert after.as_of is not None
    assert (before.as_of.at, after.as_of.at) == (at, history.now)
    number = [int(one.position.rpartition(":")[2]) for one in (before.as_of, after.as_of)]
    assert number[0] < number[1] == await made.store.head()


async def test_what_is_to_come_is_refused_and_so_is_what_was_not_there_yet(made: Parts) -> None:
    start = made.clock.now()
    made.clock.forward(timedelta(days=1))
    history = await History.begin(made, 0)

    async def refusals(at: datetime, by: By = USER) -> set[tuple[str, int]]:
        who = asking(by)
        found: set[tuple[str, int]] = set()
        for ask in (
            lambda: made.scheduling.usage(GetUsage(inbox=history.inbox, as_of=at), who),
            lambda: made.linkedin.usage(GetLinkedInUsage(identity=ADA, as_of=at), who),
            lambda: made.questions.get(GetCampaign(campaign=history.campaign, as_of=at), who),
        ):
            with pytest.raises(Refused) as refused:
                await ask()
            found.add((refused.value.code, refused.value.status))
        return found

    assert await refusals(start) == {("as-of.before", 404)}
    assert await refusals(history.now + timedelta(seconds=1)) == {("as-of.future", 422)}
    unknown = {(f"{what}.unknown", 404) for what in ("inbox", "linkedin", "campaign")}
    assert await refusals(start, STRANGER) == unknown
    assert await refusals(history.now, STRANGER) == unknown
