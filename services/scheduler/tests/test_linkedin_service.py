"""LinkedIn accounts in a scheduler of two processes, told over the bus what the driver does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from heraldry.chassis.bus.follow import Entry, Follower
from heraldry.chassis.bus.reactions import read
from heraldry.chassis.testing.bus import eventually
from heraldry.chassis.testing.waiting import until
from heraldry.contracts import subjects
from heraldry.contracts.base import Event, Refused
from heraldry.contracts.identity import IdentityDeleted, Interval, WorkingHours, WorkingHoursChanged
from heraldry.contracts.linkedin import (
    InvitationSent,
    InvitationWithdrawn,
    LinkedInActionFailed,
    LinkedInActionOutcomeUnknown,
    LinkedInLinked,
    LinkedInProfile,
    LinkedInSlowedDown,
    LinkedInUnlinked,
    Obstacle,
)
from heraldry.contracts.linkedin_steps import (
    GetLinkedInUsage,
    InviteOnLinkedIn,
    LinkedInStepDispatched,
    LinkedInUsage,
)
from heraldry.contracts.scheduler import (
    ChangeLinkedInLimits,
    ChangeWithdrawalPolicy,
    GetWithdrawalResults,
    LinkedInLimits,
    LinkedInLimitsChanged,
    QuotaConsumed,
    QuotaExhausted,
    QuotaReleased,
    WithdrawalPolicy,
    WithdrawalPolicyChanged,
    WithdrawInvitations,
)

from services.scheduler.tests.processes import ADA, BOB, USER, Service, running

pytestmark = [pytest.mark.parts, pytest.mark.timeout(240)]
MEMBER = "5ca1ab1e" * 8
LEA = "https://www.linkedin.com/in/lea-martin"
DAYS_21 = timedelta(days=21)


def always(zone: str) -> WorkingHours:
    return WorkingHours(
        zone=zone, week=tuple(Interval(day=day, start="00:00", end="24:00") for day in range(1, 8))
    )


@dataclass
class World:
    """The scheduler, and the driver as far as it speaks. `steps`: what the driver was told to do."""

    service: Service
    steps: list[LinkedInStepDispatched]
    revisions: dict[str, int] = field(
        default_factory=lambda: {f"identity.identity-{one}": 0 for one in (ADA, BOB)}
    )

    async def say(self, event: Event, stream: str, identity: UUID = ADA) -> None:
        revision = self.revisions[stream] = self.revisions.get(stream, -1) + 1
        await self.service.say(event, stream, revision, identity, times=2)

    async def link(self, identity: UUID = ADA) -> None:
        linked = LinkedInLinked(
            account=identity,
            identity=identity,
            linking=uuid4(),
            sender=MEMBER,
            profile=LinkedInProfile(first_name="Ada"),
            at=now(),
        )
        await self.say(linked, f"linkedin-driver.account-{identity}", identity)
        await self.usage_is(lambda one: not one.closed, identity)

    async def usage_is(self, condition: Callable[[LinkedInUsage], bool], identity: UUID = ADA) -> None:
        async def so() -> bool:
            query = GetLinkedInUsage(identity=identity)
            try:
                return condition(await self.service.caller.ask(query, by=USER, deadline=60))
            except Refused as refusal:
                if refusal.code != "linkedin.unknown":
                    raise
                return False

        await eventually(so, "the account is so", 90)

    async def used(self, count: int) -> None:
        await self.usage_is(lambda one: one.use[0].used_today == count)

    async def invite(self, profile: str, identity: UUID = ADA) -> None:
        command = InviteOnLinkedIn(identity=identity, person=uuid4(), profile=profile, name="Lea Martin")
        await self.service.send(command)

    async def refused(self, profile: str, identity: UUID = ADA) -> Refused:
        with pytest.raises(Refused) as refused:
            await self.invite(profile, identity)
        return refused.value

    async def dispatched(self, count: int, kind: str) -> Sequence[LinkedInStepDispatched]:
        await until(lambda: len([one for one in self.steps if one.kind == kind]) >= count, seconds=90)
        found = [one for one in self.steps if one.kind == kind]
        assert len(found) == count
        return found

    async def outcome(self, event: Event, step: LinkedInStepDispatched) -> None:
        await self.say(event, f"linkedin-driver.action-{step.attempt}", step.identity)


@asynccontextmanager
async def world(folder: Path) -> AsyncGenerator[World]:
    async with running(folder) as service:
        steps: list[LinkedInStepDispatched] = []

        def take(entry: Entry) -> None:
            event = read(entry.data).data
            assert isinstance(event, LinkedInStepDispatched)
            steps.append(event)

        wanted = subjects.internal_filter("scheduler", "LinkedInStepDispatched")
        follower = Follower(await service.nats.client("operator"), "HERALDRY", wanted, take)
        await follower.start()
        made = World(service, steps)
        try:
            await service.start("1")
            await made.say(
                WorkingHoursChanged(identity=ADA, hours=always("UTC"), at=now()), f"identity.identity-{ADA}"
            )
            await made.link()
            yield made
        finally:
            await follower.stop()


def now() -> datetime:
    return datetime.now(UTC)


def about(step: LinkedInStepDispatched) -> dict[str, Any]:
    return {
        "attempt": step.attempt,
        "account": step.account,
        "identity": step.identity,
        "person": step.person,
        "at": now(),
    }


def failed(step: LinkedInStepDispatched, code: str) -> LinkedInActionFailed:
    diagnosis = Obstacle(code=code, cause="It was not done.", resolution="Nothing needs to be done.")
    return LinkedInActionFailed(**about(step), kind=step.kind, diagnosis=diagnosis)


@pytest.mark.requirement("R-LIM-3")
async def test_a_limit_holds_under_concurrency_restarts_and_a_change_of_zone_and_gives_back_what_was_not_done(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as here:
        limits = LinkedInLimits(invitations=3, messages=101)
        await here.service.send(ChangeLinkedInLimits(identity=ADA, limits=limits))
        await here.usage_is(lambda one: (one.limits, one.warnings) == (limits, ("messages",)))
        tries = [here.invite(f"{LEA}-{number}") for number in range(12)]
        answers = await asyncio.gather(*tries, return_exceptions=True)
        codes = sorted(one.code for one in answers if isinstance(one, Refused))
        assert (answers.count(None), codes) == (3, ["quota.exhausted"] * 9)
        for replica in ("0", "1"):
            await here.service.kill(replica)
        await here.service.start("1")
        await here.used(3)
        moved = WorkingHoursChanged(identity=ADA, hours=always("Pacific/Auckland"), at=now())
        await here.say(moved, f"identity.identity-{ADA}")
        await here.usage_is(lambda one: one.zone == "Pacific/Auckland")
        assert (await here.refused(LEA)).code == "quota.exhausted"
        first, second, third = await here.dispatched(3, "invitation")
        await here.outcome(failed(first, "invitation.already-connected"), first)
        unknown = LinkedInActionOutcomeUnknown(**about(second), kind="invitation", reason="It stopped.")
        await here.outcome(unknown, second)
        await here.used(2)
        slowed = LinkedInSlowedDown(
            account=ADA,
            identity=ADA,
            kind="invitation",
            until=now() + timedelta(days=400),
            diagnosis=Obstacle(code="linkedin.slowed-down", cause="Weekly limit.", resolution="Wait."),
            at=now(),
        )
        await here.say(slowed, f"linkedin-driver.account-{ADA}")
        await here.usage_is(lambda one: one.slowed == (("invitation", slowed.until),))
        refused = await here.refused(LEA)
        assert (refused.code, refused.extra["until"]) == ("linkedin.slowed-down", slowed.until.isoformat())
        for kind, count in ((QuotaConsumed, 3), (QuotaReleased, 1), (LinkedInLimitsChanged, 1)):
            await until(lambda kind=kind, count=count: len(here.service.said(kind)) == count, seconds=60)
        assert {one.kind for one in here.service.said(QuotaExhausted) if isinstance(one, QuotaExhausted)} == {
            "invitation"
        }
        assert third.valid_until > third.at


@pytest.mark.requirement("R-WD-4")
@pytest.mark.requirement("R-WD-5")
async def test_invitations_are_withdrawn_by_hand_and_by_themselves_and_their_people_are_left_alone(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as here:
        for number in range(4):
            await here.invite(f"{LEA}-{number}")
        sent = await here.dispatched(4, "invitation")
        for step in sent:
            await here.outcome(InvitationSent(**about(step), proof="LinkedIn shows it as pending."), step)
        request, ids = uuid4(), tuple(step.attempt for step in sent[:3])

        async def results() -> list[str]:
            query = GetWithdrawalResults(request=request)
            return [one.outcome for one in await here.service.caller.ask(query, by=USER, deadline=60)]

        async def imported() -> bool:
            return len(here.service.stored("InvitationImported")) == len(sent)

        await eventually(imported, "the invitations are known", 90)
        await here.service.send(
            WithdrawInvitations(identity=ADA, request=request, invitations=(*ids, uuid4()))
        )
        first, second, third = await here.dispatched(3, "withdrawal")
        assert [step.invitation for step in (first, second, third)] == list(ids)
        withdrawn = InvitationWithdrawn(
            **about(first),
            proof="LinkedIn shows it no more.",
            invitation=first.invitation,
            name="Lea Martin",
            sent_at=first.invited_at,
            automatic=False,
            blocked_until=now() + DAYS_21,
        )
        await here.outcome(withdrawn, first)
        await here.outcome(failed(second, "withdrawal.accepted-meanwhile"), second)
        await here.outcome(failed(third, "linkedin.unrecognised"), third)

        async def answered() -> bool:
            return await results() == ["withdrawn", "accepted meanwhile", "failed", "not found"]

        await eventually(answered, "each has its answer", 90)
        refused = await here.refused(f"{LEA}-0/")
        assert refused.code == "invitation.withdrawn-lately"
        assert refused.extra["until"] == withdrawn.blocked_until.isoformat()
        # the member under another identity is the same member
        await here.say(
            LinkedInUnlinked(account=ADA, identity=ADA, at=now()), f"linkedin-driver.account-{ADA}"
        )
        await here.say(IdentityDeleted(identity=ADA, at=now()), f"identity.identity-{ADA}")
        await here.service.identity(BOB)
        await here.link(BOB)
        assert (await here.refused(f"{LEA}-0", BOB)).code == "invitation.withdrawn-lately"
        moved = WorkingHoursChanged(identity=BOB, hours=always("UTC"), at=now())
        await here.say(moved, f"identity.identity-{BOB}", BOB)
        await here.usage_is(lambda one: one.zone == "UTC", BOB)
        await here.service.send(ChangeWithdrawalPolicy(identity=BOB, policy=WithdrawalPolicy(days=7)))
        await here.service.advance(timedelta(days=8))
        last = (await here.dispatched(4, "withdrawal"))[3]
        assert (last.automatic, last.invitation) in {(True, sent[2].attempt), (True, sent[3].attempt)}
        await here.service.advance(timedelta(days=14))

        async def invited_again() -> bool:  # as soon as the scheduler, too, has seen the clock move
            with suppress(Refused):
                await here.invite(f"{LEA}-0", BOB)
                return True
            return False

        await eventually(invited_again, "the three weeks are over", 60)
        await until(lambda: len(here.service.said(WithdrawalPolicyChanged)) == 1, seconds=60)
