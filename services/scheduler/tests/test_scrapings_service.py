"""The pool an organization shares, in a scheduler of two processes: never one profile more than it has."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import orjson
import pytest
from heraldry.chassis.testing.bus import eventually
from heraldry.contracts.base import Refused
from heraldry.contracts.campaigns import (
    CampaignSettings,
    CheckImport,
    ConfirmImport,
    CreateCampaign,
    LeadView,
    ListLeads,
    ReadProfile,
    StartCampaign,
)
from heraldry.contracts.gateway import OrganizationCreated
from heraldry.contracts.linkedin import LinkedInLinked, LinkedInProfile
from heraldry.contracts.linkedin_steps import ReadProfileOnLinkedIn
from heraldry.contracts.scheduler import ChangeLinkedInLimits, LinkedInLimits, QuotaConsumed
from heraldry.scheduler.domain.scraping_pool import USED_UP

from services.scheduler.tests.processes import ADA, NORTHWIND, USER
from services.scheduler.tests.test_linkedin_service import MEMBER, World, now, world

pytestmark = [pytest.mark.parts, pytest.mark.timeout(240)]
STOCKHOLM = ZoneInfo("Europe/Stockholm")


async def started(here: World, count: int) -> UUID:
    """A campaign that reads the profiles of so many leads."""
    campaign, service = uuid4(), here.service
    settings = CampaignSettings(name="Spring", identity=ADA, pace="at once", steps=(ReadProfile(),))
    await service.send(CreateCampaign(campaign=campaign, settings=settings))
    rows = [
        {"name": f"Lea {number}", "linkedin_url": f"https://www.linkedin.com/in/lea-{number}"}
        for number in range(count)
    ]
    import_id = await service.bring(campaign, b"\n".join(map(orjson.dumps, rows)), "jsonl")
    await service.send(CheckImport(import_id=import_id))
    await service.send(ConfirmImport(import_id=import_id))
    await service.view(import_id, lambda view: view.state == "imported")
    await service.send(StartCampaign(campaign=campaign))
    return campaign


async def waiting(here: World, campaign: UUID) -> Sequence[LeadView]:
    """Those whose profile is not being read."""
    page = await here.service.caller.ask(ListLeads(campaign=campaign), by=USER, deadline=60)
    return [one for one in page.leads if one.waiting is not None and one.waiting.code != "leaving"]


@pytest.mark.requirement("R-LIM-2")
async def test_two_schedulers_read_what_the_pool_and_sales_navigator_have_and_never_one_profile_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HERALDRY_SCRAPING_POOL", "3")
    async with world(tmp_path) as here:
        morning = datetime.combine(now().date() + timedelta(days=1), time(9), UTC)  # far from any midnight
        await here.service.advance(morning - now())
        created = OrganizationCreated(
            organization=NORTHWIND, name="Northwind", zone="Europe/Stockholm", at=now()
        )
        await here.say(created, f"gateway.organization-{NORTHWIND}")
        await here.usage_is(lambda one: one.pool.zone == "Europe/Stockholm")
        own = ChangeLinkedInLimits(identity=ADA, limits=LinkedInLimits(scrapings=1))
        with pytest.raises(Refused) as told:
            await here.service.send(own)
        assert told.value.code == "linkedin.no-sales-navigator"
        campaign = await started(here, 5)
        await here.dispatched(3, "scraping")
        midnight = datetime.combine(morning.date() + timedelta(days=1), time(0), STOCKHOLM).astimezone(UTC)

        async def two_wait() -> bool:
            found = [one.waiting for one in await waiting(here, campaign)]
            return [(one.code, one.text, one.until) for one in found if one is not None] == [
                ("pool-limit", USED_UP, midnight)
            ] * 2

        await eventually(two_wait, "two wait for the pool, and say until when", 90)
        linked = LinkedInLinked(
            account=ADA,
            identity=ADA,
            linking=uuid4(),
            sender=MEMBER,
            profile=LinkedInProfile(first_name="Ada"),
            sales_navigator=True,
            at=now(),
        )
        await here.say(linked, f"linkedin-driver.account-{ADA}")
        await here.usage_is(lambda one: one.own_scrapings is not None)
        # its own is 100 as long as nobody chooses: both go on
        await here.dispatched(5, "scraping")
        await here.service.send(own)
        for replica in ("0", "1"):
            await here.service.kill(replica)
        await here.service.start("1")
        command = ReadProfileOnLinkedIn(
            identity=ADA, person=uuid4(), profile="https://www.linkedin.com/in/one-more"
        )
        with pytest.raises(Refused) as told:
            await here.service.send(command)
        assert (told.value.code, told.value.extra["until"]) == ("quota.exhausted", midnight.isoformat())
        await here.usage_is(lambda one: one.pool.left == 0 and one.use[3].used_today == 5)
        consumed = [one for one in here.service.said(QuotaConsumed) if isinstance(one, QuotaConsumed)]
        drawn = sorted(one.pool.used for one in consumed if one.pool is not None)
        assert (drawn, sum(one.pool is None for one in consumed)) == ([1, 2, 3], 2)
