"""LinkedIn accounts follow what the driver and the identity say, and a permit is decided on what stands there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from datetime import timedelta
from itertools import permutations
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from heraldry.contracts.base import Refused
from heraldry.contracts.linkedin_steps import GetLinkedInUsage, InviteOnLinkedIn, LinkedInStepDispatched
from heraldry.contracts.scheduler import (
    ChangeLinkedInLimits,
    ChangeWithdrawalPolicy,
    LinkedInLimits,
    QuotaConsumed,
    QuotaReleased,
    WithdrawalPolicy,
)
from heraldry.scheduler.domain.linkedin_sender import Action, Dispatch
from heraldry.scheduler.domain.sender import AssumeUsed
from heraldry.scheduler.linkedin_standing import Linked

from services.scheduler.tests.parts import ADA, ALWAYS, BOB, NORTHWIND, STRANGER, Parts, asking, parts

SPRING = UUID(int=77)
PROFILE = "https://www.linkedin.com/in/lea-martin"


@pytest.fixture
async def here(tmp_path: Path) -> AsyncGenerator[Parts]:
    async with parts(tmp_path) as found:
        await found.identity(ADA)
        yield found


def invitation(person: UUID | None = None, profile: str = PROFILE, identity: UUID = ADA) -> InviteOnLinkedIn:
    return InviteOnLinkedIn(identity=identity, person=person or uuid4(), profile=profile)


async def usage(here: Parts, identity: UUID = ADA) -> dict[str, int]:
    found = await here.linkedin.usage(GetLinkedInUsage(identity=identity), asking())
    return {one.kind: one.used_today for one in found.use}


async def test_an_invitation_by_hand_is_permitted_and_dispatched_and_counts_in_its_kind(here: Parts) -> None:
    account = await here.member()
    request = asking()
    await here.linkedin.invite(command := invitation(), request)
    await here.linkedin.invite(command, request)  # asked again
    steps = [event for _, event in await here.log() if isinstance(event, LinkedInStepDispatched)]
    assert [(step.attempt, step.account, step.profile) for step in steps] == [(request.id, account, PROFILE)]
    assert await usage(here) == {"invitation": 1, "message": 0, "withdrawal": 0, "scraping": 0}
    await here.linkedin.settle(request.id, asking(), proven_not_done=True)
    assert await usage(here) == {"invitation": 0, "message": 0, "withdrawal": 0, "scraping": 0}
    released = [event for _, event in await here.log() if isinstance(event, QuotaReleased)]
    assert [(event.attempt, event.kind) for event in released] == [(request.id, "invitation")]


async def test_after_a_restore_all_that_is_allowed_is_told_as_used_as_it_is_refused(here: Parts) -> None:
    await here.member()
    limits = LinkedInLimits(invitations=2)
    await here.linkedin.change_limits(ChangeLinkedInLimits(identity=ADA, limits=limits), asking())
    await here.linkedin.invite(invitation(), asking())
    account = here.linkedin.mine(ADA, asking())
    await here.linkedin.run(account, AssumeUsed(here.clock.now()), asking())
    found = await here.linkedin.usage(GetLinkedInUsage(identity=ADA), asking())
    told = {one.kind: (one.used_today, one.allowed, one.why != "") for one in found.use}
    assert told["invitation"] == (2, 2, True)
    assert told["message"] == (100, 100, True)
    assert told["withdrawal"] == (20, 20, True)
    here.clock.at += timedelta(days=1, hours=1)
    assert set((await usage(here)).values()) == {0}


async def test_another_organization_knows_nothing_of_it(here: Parts) -> None:
    await here.member()
    for refusing in (
        here.linkedin.invite(invitation(), asking(STRANGER)),
        here.linkedin.usage(GetLinkedInUsage(identity=ADA), asking(STRANGER)),
        here.linkedin.change_limits(
            ChangeLinkedInLimits(identity=ADA, limits=LinkedInLimits()), asking(STRANGER)
        ),
        here.linkedin.invite(invitation(identity=BOB), asking()),
    ):
        with pytest.raises(Refused) as refused:
            await refusing
        assert (refused.value.code, refused.value.status) == ("linkedin.unknown", 404)


async def test_limits_above_what_is_recommended_are_taken_and_named(here: Parts) -> None:
    await here.member()
    limits = LinkedInLimits(invitations=21, messages=100)
    await here.linkedin.change_limits(ChangeLinkedInLimits(identity=ADA, limits=limits), asking())
    policy = WithdrawalPolicy(days=7)
    await here.linkedin.change_policy(ChangeWithdrawalPolicy(identity=ADA, policy=policy), asking())
    found = await here.linkedin.usage(GetLinkedInUsage(identity=ADA), asking())
    assert (found.limits, found.warnings, found.policy) == (limits, ("invitations",), policy)
    assert [(one.kind, one.allowed) for one in found.use] == [
        ("invitation", 21),
        ("message", 100),
        ("withdrawal", 20),
        ("scraping", 100),
    ]


async def test_the_day_is_the_members_whoever_links_it(here: Parts) -> None:
    """Unlinking, deleting, linking under another identity starts nothing anew."""
    account = await here.member("m")
    for _ in range(20):
        await here.linkedin.invite(invitation(profile=f"{PROFILE}-{uuid4()}"), asking())
    now = here.clock.now()
    await here.linkedin_standing.closed(account, "disconnected", 1, now, asking())
    await here.standing.deleted(ADA, asking())
    await here.identity(BOB, "Bob Berg")
    here.clock.at = now + timedelta(minutes=1)
    await here.member("m", BOB)
    with pytest.raises(Refused) as refused:
        await here.linkedin.invite(invitation(identity=BOB), asking())
    assert refused.value.code == "quota.exhausted"
    assert (await usage(here, BOB))["invitation"] == 20
    with pytest.raises(Refused) as refused:
        await here.linkedin.invite(invitation(), asking())
    assert refused.value.code == "linkedin.unknown"  # the member is Bob's now


@pytest.mark.parametrize("facts", list(permutations(("linked", "slowed", "reconnect", "linked again"))))
async def test_facts_about_an_account_may_come_in_any_order(here: Parts, facts: tuple[str, ...]) -> None:
    account = UUID(int=500)
    until = here.clock.now() + timedelta(days=2)
    for fact in facts:
        match fact:
            case "linked" | "linked again":
                revision = 3 if fact == "linked again" else 0
                linked = Linked(
                    account,
                    ADA,
                    "m",
                    sales_navigator=False,
                    revision=revision,
                    said_at=here.clock.now() + revision * timedelta(seconds=1),
                )
                await here.linkedin_standing.linked(linked, asking())
            case "slowed":
                await here.linkedin_standing.slowed(account, "invitation", until, 1, asking())
            case _:
                await here.linkedin_standing.closed(account, "reconnect", 2, here.clock.now(), asking())
    await here.scheduling.up_to_date()
    found = await here.linkedin.usage(GetLinkedInUsage(identity=ADA), asking())
    assert (found.closed, found.slowed) == ("", (("invitation", until),))
    waits = {one.kind: one.next_possible for one in found.use}
    assert waits == {"invitation": until, "message": None, "withdrawal": None, "scraping": None}
    with pytest.raises(Refused) as refused:
        await here.linkedin.invite(invitation(), asking())
    assert (refused.value.code, refused.value.extra["until"]) == ("linkedin.slowed-down", until.isoformat())


async def test_a_campaigns_action_is_dispatched_once_and_stopped_with_its_campaign(here: Parts) -> None:
    await here.member("m")
    attempt, enrollment = uuid4(), uuid4()
    action = Action("message", uuid4(), PROFILE, "Lea", "Hello Lea")
    step = Dispatch(
        NORTHWIND, attempt, action, here.clock.now(), campaign=SPRING, enrollment=enrollment, identity=ADA
    )
    with pytest.raises(Refused) as refused:
        await here.linkedin.dispatch("m", step, asking())
    assert refused.value.code == "campaign.not-open"
    await here.linkedin.open_campaign("m", SPRING, 1, asking())
    assert (await here.linkedin.dispatch("m", step, asking())).fresh
    assert not (await here.linkedin.dispatch("m", step, asking())).events
    assert await here.scheduling.leaving(SPRING, ADA) == 1
    assert await here.scheduling.stop_campaign(SPRING, ADA, 2, asking()) == 1
    with pytest.raises(Refused) as refused:
        await here.linkedin.dispatch(
            "m", Dispatch(NORTHWIND, uuid4(), action, here.clock.now(), campaign=SPRING), asking()
        )
    assert refused.value.code == "campaign.not-open"


async def test_two_replicas_never_permit_more_than_the_day_allows(here: Parts, tmp_path: Path) -> None:
    await here.member("m")
    async with parts(tmp_path, "1", here.keys, here.clock) as there:
        await there.scheduling.up_to_date()

        async def tries(which: Parts) -> int:
            count = 0
            for _ in range(15):
                try:
                    await which.linkedin.invite(invitation(profile=f"{PROFILE}-{uuid4()}"), asking())
                except Refused:
                    continue
                count += 1
            return count

        assert sum(await asyncio.gather(tries(here), tries(there))) == 20
    granted = [event for _, event in await here.log() if isinstance(event, QuotaConsumed)]
    assert [event.used_today for event in granted] == list(range(1, 21))


async def test_working_hours_follow_the_identity(here: Parts) -> None:
    await here.member("m")
    moved = ALWAYS.model_copy(update={"zone": "Asia/Tokyo"})
    await here.standing.hours(ADA, moved, 1, asking())
    found = await here.linkedin.usage(GetLinkedInUsage(identity=ADA), asking())
    assert found.zone == "Asia/Tokyo"
