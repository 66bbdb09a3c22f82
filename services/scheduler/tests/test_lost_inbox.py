"""Leads of both channels whose inbox is disconnected: each fails by what its next step needs, and by nothing else."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import pytest
from heraldry.contracts.base import Refused
from heraldry.contracts.campaigns import GetConsequences, RetryLead
from heraldry.contracts.scheduler import StepDispatched
from heraldry.scheduler.continuity import Continuity
from heraldry.scheduler.standing import Connected
from heraldry.scheduler.suppressions import Suppressions

from services.scheduler.tests.parts import ADA, NORTHWIND, asking, parts
from services.scheduler.tests.test_linkedin_steps import DAY, EMAIL, INVITE, LAST, Works, works

pytestmark = pytest.mark.parts
ADDRESS = "ada@northwind.example"


@dataclass(slots=True)
class Inbox:
    """Ada's, and what follows for the leads from what becomes of it."""

    works: Works
    continuity: Continuity
    id: UUID
    revision: int = 0

    async def mailed(self) -> StepDispatched:
        """The last email there is arrived."""
        step = (await self.works.until_quiet())[-1]
        assert isinstance(step, StepDispatched)
        await self.works.mailed()
        return step

    async def disconnected(self, sender: str) -> None:
        self.revision += 1
        await self.works.parts.standing.closed(self.id, "disconnected", self.revision, asking())
        await self._follow(sender)

    async def connected(self, sender: str) -> None:
        self.revision += 1
        again = Connected(NORTHWIND, self.id, ADA, ADDRESS, self.revision)
        await self.works.parts.standing.connected(again, asking())
        await self._follow(sender)

    async def _follow(self, sender: str) -> None:
        await self.continuity.follow_account(sender, asking())
        await self.works.parts.scheduling.up_to_date()

    async def failed(self) -> int:
        """How many leads would, if it were disconnected."""
        await self.works.parts.scheduling.up_to_date()
        question = GetConsequences(inbox=self.id)
        return (await self.works.questions.consequences(question, asking())).begun

    async def failure(self, lead: UUID) -> str:
        found = await self.works.view(lead)
        return found.failure[0] if found.failure else found.state


@pytest.fixture
async def inbox(tmp_path: Path) -> AsyncGenerator[Inbox]:
    async with parts(tmp_path) as made:
        await made.identity(ADA)
        found = await made.inbox(ADDRESS)
        await made.member()
        one = works(made)
        continuity = made.continuity(one.leads, Suppressions(made.runner, made.keys, made.clock))
        yield Inbox(one, continuity, found)


async def test_whose_next_step_is_on_linkedin_goes_on_and_fails_when_its_next_email_is_due(
    inbox: Inbox,
) -> None:
    one = inbox.works
    _, leads = await one.campaign("Lea", "Kim", steps=(EMAIL, INVITE, LAST))
    mail = await inbox.mailed()  # the other one's is still leaving
    (beyond,) = (lead for lead in leads if lead == mail.enrollment)
    (at_its_email,) = (lead for lead in leads if lead != beyond)
    assert await inbox.failed() == 2
    await inbox.disconnected(mail.sender)
    assert await inbox.failure(at_its_email) == "inbox.disconnected"
    assert await one.kinds() == ["email", "email", "invitation"]
    await one.done()
    assert await one.waits(beyond) == ("inbox-disconnected", None)
    await one.until_quiet(after=2 * DAY)
    assert await inbox.failure(beyond) == "inbox.disconnected"
    with pytest.raises(Refused, match="Connect the same address again"):
        await one.leads.retry(RetryLead(enrollment=beyond), asking())
    await inbox.connected(mail.sender)
    assert await inbox.failure(beyond) == "in progress"
    assert await one.kinds() == ["email", "email", "invitation", "email"]


async def test_who_has_only_steps_on_linkedin_before_it_needs_no_inbox_any_more(inbox: Inbox) -> None:
    one = inbox.works
    _, (lead,) = await one.campaign("Lea", steps=(EMAIL, INVITE))
    mail = await inbox.mailed()
    assert await inbox.failed() == 0
    await inbox.disconnected(mail.sender)
    assert await one.kinds() == ["email", "invitation"]
    await one.failed("profile.not-found")
    await one.leads.retry(RetryLead(enrollment=lead), asking())
    await one.parts.scheduling.up_to_date()
    assert await one.kinds() == ["email", "invitation", "invitation"]
    await one.done()
    assert await inbox.failure(lead) == "finished"
