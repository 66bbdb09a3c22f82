"""Profiles read for their data: out of what the sender has of its own, then out of the organization's pool."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from heraldry.contracts.base import Refused
from heraldry.contracts.campaigns import (
    OF_PROFILE,
    CampaignSettings,
    LeadData,
    PreviewSteps,
    ReadProfile,
    SendEmail,
    SendMessage,
)
from heraldry.contracts.linkedin import ProfileData, ProfileScraped
from heraldry.contracts.linkedin_steps import (
    GetLinkedInUsage,
    LinkedInStepDispatched,
    LinkedInUsage,
    ReadProfileOnLinkedIn,
)
from heraldry.contracts.scheduler import (
    ChangeLinkedInLimits,
    LinkedInLimits,
    PoolUse,
    QuotaConsumed,
    QuotaExhausted,
    QuotaReleased,
)
from heraldry.scheduler.application import Account
from heraldry.scheduler.domain.scraping_pool import USED_UP, PoolPermitTaken

from services.scheduler.tests.parts import ADA, BOB, NORTHWIND, Parts, asking, parts
from services.scheduler.tests.test_linkedin_steps import Works, works

pytestmark = pytest.mark.parts
LEA = ProfileData(
    first_name="Léa",
    last_name="Fournier",
    headline="Owner of Maison Verte",
    location="Lyon, France",
    company="Maison Verte",
    job_title="Owner",
)


@pytest.fixture
async def here(tmp_path: Path) -> AsyncGenerator[Parts]:
    async with parts(tmp_path, shared=2) as made:
        await made.identity(ADA)
        await made.inbox("ada@northwind.example")
        yield made


async def read(here: Parts, identity: UUID = ADA) -> UUID:
    """By hand; the attempt."""
    request = asking()
    command = ReadProfileOnLinkedIn(
        identity=identity, person=uuid4(), profile=f"https://www.linkedin.com/in/p-{request.id}"
    )
    await here.linkedin.read_profile(command, request)
    return request.id


async def refused(here: Parts, identity: UUID = ADA) -> Refused:
    with pytest.raises(Refused) as told:
        await read(here, identity)
    return told.value


async def usage(here: Parts, identity: UUID = ADA) -> LinkedInUsage:
    return await here.linkedin.usage(GetLinkedInUsage(identity=identity), asking())


async def said(here: Parts, kind: type[QuotaConsumed]) -> Sequence[QuotaConsumed]:
    return [event for _, event in await here.log() if isinstance(event, kind)]


@pytest.mark.requirement("R-LIM-2")
async def test_sales_navigator_is_used_first_and_the_pool_is_everybodys(here: Parts) -> None:
    await here.member(navigator=True)
    await here.identity(BOB, "Bob Berg")
    await here.member("member-2", BOB)
    limits = LinkedInLimits(scrapings=1)
    await here.linkedin.change_limits(ChangeLinkedInLimits(identity=ADA, limits=limits), asking())
    for identity in (ADA, ADA, BOB):
        await read(here, identity)
    told = [(one.identity, one.used_today, one.pool) for one in await said(here, QuotaConsumed)]
    assert told == [
        (ADA, 1, None),
        (ADA, 2, PoolUse(used=1, allowed=2)),
        (BOB, 1, PoolUse(used=2, allowed=2)),
    ]
    ada, bob = await refused(here), await refused(here, BOB)
    assert (ada.code, bob.code, bob.detail) == ("quota.exhausted", "quota.exhausted", USED_UP)
    assert ada.detail == f"{USED_UP} The 1 of this identity's own are used, too."
    found, other = await usage(here), await usage(here, BOB)
    assert (found.pool.left, other.pool.left, other.own_scrapings) == (0, 0, None)
    assert found.own_scrapings is not None
    assert (found.own_scrapings.used_today, found.own_scrapings.allowed) == (1, 1)
    use = {one.kind: (one.used_today, one.allowed, one.why) for one in found.use}
    assert use["scraping"] == (2, 3, ada.detail)
    ends = [event for _, event in await here.log() if isinstance(event, QuotaExhausted)]
    assert {(one.kind, one.identity) for one in ends} == {("scraping", ADA), ("scraping", BOB)}


@pytest.mark.requirement("R-LIM-2")
async def test_a_capacity_of_its_own_is_taken_of_an_account_with_sales_navigator_only(here: Parts) -> None:
    await here.member()
    change = ChangeLinkedInLimits(identity=ADA, limits=LinkedInLimits(invitations=5, scrapings=7))
    with pytest.raises(Refused) as told:
        await here.linkedin.change_limits(change, asking())
    assert (told.value.code, told.value.status, told.value.field) == (
        "linkedin.no-sales-navigator",
        409,
        "scrapings",
    )
    assert (await usage(here)).limits == LinkedInLimits()
    here.clock.forward(timedelta(minutes=1))
    await here.member(navigator=True, revision=1)
    await here.linkedin.change_limits(change, asking())
    without = LinkedInLimits(invitations=6)
    await here.linkedin.change_limits(ChangeLinkedInLimits(identity=ADA, limits=without), asking())
    assert (await usage(here)).limits == LinkedInLimits(invitations=6, scrapings=7)


async def test_a_try_that_was_cut_off_between_the_pool_and_the_sender_finds_its_permit(here: Parts) -> None:
    await here.member()
    attempt = asking()
    await here.scrapings.take(Account("member-1", ADA, NORTHWIND), attempt.id, asking())
    await read(here)
    command = ReadProfileOnLinkedIn(
        identity=ADA, person=uuid4(), profile="https://www.linkedin.com/in/lea-fournier"
    )
    await here.linkedin.read_profile(command, attempt)
    taken = [event for _, event in await here.log() if isinstance(event, PoolPermitTaken)]
    steps = [event for _, event in await here.log() if isinstance(event, LinkedInStepDispatched)]
    assert (len(taken), len(steps)) == (2, 2)
    assert (await refused(here)).code == "quota.exhausted"


async def test_what_provably_was_not_read_gives_its_place_in_the_pool_back_and_what_was_lost_does_not(
    here: Parts,
) -> None:
    await here.member()
    lost, not_there = await read(here), await read(here)
    await here.linkedin.settle(lost, asking(), proven_not_done=False)
    assert (await usage(here)).pool.left == 0
    for _ in range(2):
        await here.linkedin.settle(not_there, asking(), proven_not_done=True)
    assert (await usage(here)).pool.left == 1
    released = [event for _, event in await here.log() if isinstance(event, QuotaReleased)]
    assert [(one.kind, one.used_today) for one in released] == [("scraping", 1)]
    await read(here)
    assert (await refused(here)).code == "quota.exhausted"


async def scraped(one: Works, data: ProfileData = LEA) -> LinkedInStepDispatched:
    """The driver read the last one's profile."""
    step = await one.last()
    event = ProfileScraped.model_validate(
        {**one.about(step), "proof": "It was open.", "profile": step.profile, "data": data}
    )
    await one.says(event)
    await one.parts.linkedin.settle(step.attempt, asking(), proven_not_done=False)
    return step


@pytest.mark.requirement("R-LIM-2")
async def test_what_a_step_reads_is_the_leads_for_what_follows_and_never_takes_the_imports_place(
    here: Parts,
) -> None:
    await here.member()
    one = works(here)
    text = "{{ first_name }}, {{ headline }}, {{ company }}, {{ job_title }}, {{ location }}"
    steps = (ReadProfile(), SendMessage(text=text))
    _, (lead,) = await one.campaign("Lea", steps=steps)
    assert await one.kinds() == ["scraping"]
    assert (await scraped(one)).profile == "https://www.linkedin.com/in/lea"
    assert await one.kinds() == ["scraping", "message"]
    assert (await one.last()).text == "Lea, Owner of Maison Verte, Maison Verte, Owner, Lyon, France"
    view = await one.view(lead)
    assert isinstance(view.data, LeadData)
    assert (view.data.first_name, view.data.last_name) == ("Lea", "Fournier")
    assert {name: view.data.own[name] for name in OF_PROFILE} == {
        name: getattr(LEA, name) for name in OF_PROFILE
    }
    assert view.read == LEA
    state = await one.lead(lead)
    assert state.data == view.data


async def test_a_column_of_the_customers_is_not_overwritten_by_what_linkedin_says(here: Parts) -> None:
    await here.member()
    one = works(here)
    campaign, _ = await one.campaign("Lea", steps=(ReadProfile(), SendMessage(text="{{ company }}")))
    data = LeadData(name="Kim", linkedin_url="https://www.linkedin.com/in/kim", own={"company": "Acme"})
    (lead,) = await here.leads(campaign, data)
    await one.until_quiet()
    await scraped(one)
    assert await one.kinds() == ["scraping", "scraping", "message"]
    assert (await one.last()).text == "Acme"
    found = (await one.view(lead)).data
    assert isinstance(found, LeadData)
    assert (found.name, found.own["company"], found.own["headline"]) == ("Kim", "Acme", LEA.headline)


async def test_where_a_profile_says_nothing_a_step_without_a_fallback_says_what_it_lacks(
    here: Parts,
) -> None:
    await here.member()
    one = works(here)
    _, (lead,) = await one.campaign("Lea", steps=(ReadProfile(), SendMessage(text="{{ company }}")))
    await one.until_quiet()
    await scraped(one, ProfileData(first_name="Lea"))
    assert await one.kinds() == ["scraping"]
    failure = (await one.view(lead)).failure
    assert failure is not None
    assert failure[0] == "template.variable-missing"


@pytest.mark.parametrize(("again", "times"), [(True, 3), (False, 1)])
async def test_a_reading_that_costs_its_place_and_brings_nothing_is_not_tried_for_ever(
    here: Parts, *, again: bool, times: int
) -> None:
    """The browser breaks off each time; or the page is somebody else's, which another try does not change."""
    await here.member()
    one = works(here)
    _, (lead,) = await one.campaign("Lea", steps=(ReadProfile(),))
    for _ in range(times):
        await one.until_quiet(after=timedelta(days=1))  # the pool of a day has two
        await one.failed("scraping.interrupted", again=again, proven=False)
    found = await one.view(lead)
    assert (found.state, found.failure and found.failure[0]) == ("failed", "scraping.interrupted")
    assert await one.kinds(after=timedelta(days=1)) == ["scraping"] * times


@pytest.mark.requirement("R-LIM-2")
@pytest.mark.requirement("R-LIM-6")
async def test_what_the_pool_has_no_place_for_says_so_and_until_when(here: Parts) -> None:
    await here.member()
    one = works(here)
    _, leads = await one.campaign("Lea", "Kim", "Tom", steps=(ReadProfile(),))
    assert await one.kinds() == ["scraping", "scraping"]
    waiting = (await one.view(leads[2])).waiting
    assert waiting is not None
    assert (waiting.code, waiting.text) == ("pool-limit", USED_UP)
    assert waiting.until is not None
    assert waiting.until.isoformat() == "2026-05-05T00:00:00+00:00"
    assert await one.kinds(after=timedelta(hours=12)) == ["scraping"] * 3


async def test_a_place_in_the_pool_that_comes_back_wakes_every_identity_of_the_organization(
    here: Parts,
) -> None:
    await here.member()
    await here.identity(BOB, "Bob Berg")
    await here.member("member-2", BOB)
    one = works(here)
    not_there, _ = await read(here, BOB), await read(here, BOB)
    await one.campaign("Lea", steps=(ReadProfile(),))
    assert await one.kinds() == ["scraping"] * 2  # Bob's: there is nothing left for Ada
    head = await here.store.head()
    await here.linkedin.settle(not_there, asking(), proven_not_done=True)
    await here.scheduling.up_to_date()
    one.engine.hear(await here.store.read_all(after=head))
    await one.engine.tick()
    assert len(await one.steps()) == 3


async def test_a_preview_shows_what_is_not_read_yet_by_its_name(here: Parts) -> None:
    await here.member()
    one = works(here)
    steps = (ReadProfile(), SendEmail(subject="Hello", text="{{ first_name }} of {{ company }}"))
    campaign, (lead,) = await one.campaign("Lea", steps=steps)
    settings = CampaignSettings(name="Spring", identity=ADA, steps=steps)
    query = PreviewSteps(campaign=campaign, settings=settings, enrollment=lead)
    read_step, mail = await here.questions.preview(query, asking())
    assert (read_step.kind, read_step.text, read_step.problem) == ("scraping", "", "")
    assert mail.text == "Lea of [company]"
