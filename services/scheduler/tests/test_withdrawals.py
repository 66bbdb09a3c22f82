"""Invitations that are pending are withdrawn by hand and by themselves, and their people are left alone afterwards."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from heraldry.chassis.halt import Halt
from heraldry.contracts.base import Envelope, Refused
from heraldry.contracts.base import Event as AnyEvent
from heraldry.contracts.identity import WorkingHours
from heraldry.contracts.linkedin import (
    InvitationAccepted,
    InvitationSent,
    InvitationWithdrawn,
    LinkedInActionFailed,
    LinkedInActionOutcomeUnknown,
    Obstacle,
)
from heraldry.contracts.linkedin_steps import InviteOnLinkedIn, LinkedInStepDispatched
from heraldry.contracts.scheduler import (
    ChangeWithdrawalPolicy,
    GetWithdrawalResults,
    WithdrawalPolicy,
    WithdrawInvitations,
)
from heraldry.scheduler.automatic import Automatic
from heraldry.scheduler.leads import Leads
from heraldry.scheduler.linkedin_leads import LinkedInLeads
from heraldry.scheduler.linkedin_subscriptions import REACTIONS, OwnLinkedIn
from heraldry.scheduler.suppressions import Suppressions

from services.scheduler.tests.parts import ADA, BOB, NORTHWIND, STRANGER, Parts, asking, parts

DAY = timedelta(days=1)
LEA = "https://www.linkedin.com/in/lea-martin"


class Halted:
    """The halt flags."""

    def __init__(self) -> None:
        self.scopes = set[str]()

    def halted(self, *scopes: str) -> Halt | None:
        found = self.scopes.intersection(scopes)
        return Halt(min(found), "user:ada", "stop", None) if found else None


@pytest.fixture
async def here(tmp_path: Path) -> AsyncGenerator[Parts]:
    async with parts(tmp_path) as found:
        await found.identity(ADA)
        await found.member("m")
        yield found


async def said(here: Parts, event: AnyEvent) -> None:
    """As the driver said it, and carried out as the scheduler's consumers do."""
    suppressions = Suppressions(here.runner, here.keys, here.clock)
    leads = Leads(
        here.runner, here.model, here.keys, here.clock, here.scheduling, suppressions, here.linkedin
    )
    own = OwnLinkedIn(
        here.linkedin,
        here.linkedin_standing,
        here.withdrawals,
        LinkedInLeads(here.runner, here.clock, leads),
        here.scrapings,
    )
    envelope = Envelope[AnyEvent](
        id=str(uuid4()),
        source="/heraldry/linkedin-driver",
        type=type(event).__name__,
        time=event.at,
        dataschema=f"heraldry:{type(event).__name__}:1",
        organization=str(NORTHWIND),
        stream="linkedin-driver.action",
        revision=1,
        position="linkedin-driver:test:1",
        data=event,
    )
    for reaction in REACTIONS:
        if type(event) in reaction.events:
            for command in reaction.handler(envelope):
                await own(command, asking())
    await here.scheduling.up_to_date()


def about(step: LinkedInStepDispatched) -> dict[str, Any]:
    return {
        "attempt": step.attempt,
        "account": step.account,
        "identity": step.identity,
        "person": step.person,
    }


async def steps(here: Parts, kind: str = "withdrawal") -> Sequence[LinkedInStepDispatched]:
    found = [event for _, event in await here.log() if isinstance(event, LinkedInStepDispatched)]
    return [step for step in found if step.kind == kind]


async def pending(here: Parts, profile: str = "", identity: UUID = ADA) -> UUID:
    """An invitation that was sent, as the driver proved it."""
    request, person = asking(), uuid4()
    profile = profile or f"{LEA}-{uuid4()}"
    await here.linkedin.invite(
        InviteOnLinkedIn(identity=identity, person=person, profile=profile, name="Lea Martin"), request
    )
    step = (await steps(here, "invitation"))[-1]
    await said(here, InvitationSent(**about(step), proof="seen", at=here.clock.now()))
    return request.id


async def withdrawn(
    here: Parts, step: LinkedInStepDispatched, at: datetime | None = None
) -> InvitationWithdrawn:
    at = at or here.clock.now()
    event = InvitationWithdrawn(
        **about(step),
        proof="gone",
        invitation=step.invitation,
        name="Lea Martin",
        sent_at=step.invited_at,
        automatic=step.automatic,
        blocked_until=at + 21 * DAY,
        at=at,
    )
    await said(here, event)
    return event


def failed(step: LinkedInStepDispatched, code: str, at: datetime) -> LinkedInActionFailed:
    diagnosis = Obstacle(code=code, cause="It was not done.", resolution="See LinkedIn.")
    return LinkedInActionFailed(**about(step), kind=step.kind, diagnosis=diagnosis, at=at)


async def wish(here: Parts, *invitations: UUID) -> UUID:
    """Asked for and carried out."""
    request = uuid4()
    command = WithdrawInvitations(identity=ADA, request=request, invitations=invitations)
    await here.withdrawals.request(command, asking())
    for _ in range(2):  # the reaction may be repeated
        await here.withdrawals.carry_out(request, "user:ada", asking())
    await here.scheduling.up_to_date()
    return request


async def outcomes(here: Parts, request: UUID) -> list[str]:
    await here.scheduling.up_to_date()
    found = await here.withdrawals.results(GetWithdrawalResults(request=request), asking())
    return [one.outcome for one in found]


async def test_each_of_a_bulk_withdrawal_has_its_own_answer(here: Parts) -> None:
    sent = [await pending(here) for _ in range(6)]
    accepted = InvitationAccepted(
        attempt=sent[5], account=uuid4(), identity=ADA, person=uuid4(), at=here.clock.now()
    )
    await said(here, accepted)
    request = await wish(here, *sent, uuid4())
    assert await outcomes(here, request) == [*["waiting"] * 5, "accepted meanwhile", "not found"]
    dispatched = await steps(here)
    assert [(step.invitation, step.automatic) for step in dispatched] == [(one, False) for one in sent[:5]]
    now = here.clock.now()
    await withdrawn(here, dispatched[0])
    await said(here, failed(dispatched[1], "withdrawal.accepted-meanwhile", now))
    await said(here, failed(dispatched[2], "withdrawal.not-found", now))
    await said(here, failed(dispatched[3], "linkedin.unrecognised", now))
    unknown = LinkedInActionOutcomeUnknown(
        **about(dispatched[4]), kind="withdrawal", reason="The browser stopped.", at=now
    )
    await said(here, unknown)
    assert await outcomes(here, request) == [
        "withdrawn",
        "accepted meanwhile",
        "not found",
        "failed",
        "outcome unknown",
        "accepted meanwhile",
        "not found",
    ]
    await withdrawn(here, dispatched[4])  # a person decided
    assert (await outcomes(here, request))[4] == "withdrawn"
    again = await wish(here, *sent[:4])
    assert await outcomes(here, again) == ["not found", "accepted meanwhile", "not found", "waiting"]


async def test_who_asked_stands_in_what_is_dispatched(here: Parts) -> None:
    await wish(here, await pending(here))
    actors = [stored.meta for stored, event in await here.log() if isinstance(event, LinkedInStepDispatched)]
    assert b'"actor":"user:ada"' in actors[-1]


async def test_what_the_allowance_does_not_cover_is_not_attempted(here: Parts) -> None:
    sent: list[UUID] = []
    for _ in range(2):
        sent += [await pending(here) for _ in range(15)]
        here.clock.at += DAY
    request = await wish(here, *sent)
    assert await outcomes(here, request) == [*["waiting"] * 20, *["not attempted"] * 10]
    found = await here.withdrawals.results(GetWithdrawalResults(request=request), asking())
    assert found[-1].detail.startswith("20 withdrawals are allowed a day from this LinkedIn account")
    first = (await steps(here))[0]
    await said(here, failed(first, "linkedin.unrecognised", here.clock.now()))
    assert await outcomes(here, await wish(here, sent[-1])) == ["waiting"]  # its permit came back


async def test_nobody_else_sees_or_asks_for_withdrawals(here: Parts) -> None:
    sent = await pending(here)
    request = await wish(here, sent)
    with pytest.raises(Refused) as refused:
        await here.withdrawals.results(GetWithdrawalResults(request=request), asking(STRANGER))
    assert (refused.value.code, refused.value.status) == ("withdrawal.unknown", 404)
    command = WithdrawInvitations(identity=ADA, request=uuid4(), invitations=(sent,))
    with pytest.raises(Refused) as refused:
        await here.withdrawals.request(command, asking(STRANGER))
    assert refused.value.code == "linkedin.unknown"
    other = WithdrawInvitations(identity=ADA, request=request, invitations=(uuid4(),))
    with pytest.raises(Refused) as refused:
        await here.withdrawals.request(other, asking())
    assert refused.value.code == "withdrawal.known"


@pytest.mark.parametrize("who", ["same", "another identity"])
async def test_three_weeks_to_the_second_nobody_invites_the_person_from_that_account(
    here: Parts, who: str
) -> None:
    invitation = await pending(here, f"{LEA}/")
    await wish(here, invitation)
    event = await withdrawn(here, (await steps(here))[0])
    identity = ADA
    if who == "another identity":
        await here.standing.deleted(ADA, asking())
        await here.identity(BOB, "Bob Berg")
        here.clock.at += timedelta(seconds=1)
        await here.member("m", BOB)
        identity = BOB
    invite = InviteOnLinkedIn(identity=identity, person=uuid4(), profile="linkedin.com/in/Lea-Martin?x=1")
    here.clock.at = event.blocked_until - timedelta(seconds=1)
    with pytest.raises(Refused) as refused:
        await here.linkedin.invite(invite, asking())
    assert refused.value.code == "invitation.withdrawn-lately"
    assert refused.value.extra["until"] == event.blocked_until.isoformat()
    here.clock.at = event.blocked_until
    await here.linkedin.invite(invite, asking())


async def test_another_member_may_invite_the_person_at_once(here: Parts) -> None:
    await wish(here, await pending(here, LEA))
    await withdrawn(here, (await steps(here))[0])
    await here.identity(BOB, "Bob Berg")
    await here.member("other", BOB)
    await here.linkedin.invite(InviteOnLinkedIn(identity=BOB, person=uuid4(), profile=LEA), asking())


async def policy(here: Parts, days: int | None) -> None:
    command = ChangeWithdrawalPolicy(identity=ADA, policy=WithdrawalPolicy(days=days))
    await here.linkedin.change_policy(command, asking())
    await here.scheduling.up_to_date()


def automatic(here: Parts, halt: Halted | None = None) -> Automatic:
    return Automatic(here.model, here.clock, halt or Halted(), here.linkedin, here.withdrawals)


async def look(here: Parts, worker: Automatic) -> Sequence[UUID | None]:
    await worker.tick()
    await here.scheduling.up_to_date()
    return [step.invitation for step in await steps(here) if step.automatic]


async def test_only_what_is_pending_longer_than_the_policy_says_is_withdrawn_by_itself(here: Parts) -> None:
    worker, sent_at = automatic(here), here.clock.now()
    first = await pending(here)
    here.clock.at = sent_at + timedelta(hours=1)
    second = await pending(here)
    here.clock.at = sent_at + 30 * DAY
    assert await look(here, worker) == []  # it is off
    await policy(here, 31)
    assert await look(here, worker) == []
    here.clock.at = sent_at + 31 * DAY - timedelta(seconds=1)
    assert await look(here, worker) == []
    here.clock.at = sent_at + 31 * DAY
    assert await look(here, worker) == [first]
    assert await look(here, automatic(here)) == [first]  # another replica
    await withdrawn(here, (await steps(here))[0])
    here.clock.at += timedelta(minutes=1)
    assert await look(here, worker) == [first]
    await policy(here, 7)
    assert await look(here, worker) == [first, second]


async def test_automatic_withdrawals_wait_for_working_hours(here: Parts) -> None:
    worker = automatic(here)
    await pending(here)
    await here.standing.hours(ADA, WorkingHours(zone="UTC"), 1, asking())
    await policy(here, 1)
    here.clock.at = datetime(2026, 5, 9, 12, tzinfo=UTC)  # a Saturday
    assert await look(here, worker) == []
    here.clock.at = datetime(2026, 5, 11, 8, 59, 59, tzinfo=UTC)
    assert await look(here, worker) == []
    here.clock.at = datetime(2026, 5, 11, 9, tzinfo=UTC)
    assert len(await look(here, worker)) == 1


async def test_automatic_withdrawals_and_those_by_hand_share_one_allowance(here: Parts) -> None:
    worker = automatic(here)
    sent = [await pending(here) for _ in range(20)]
    here.clock.at += DAY
    sent.append(await pending(here))
    here.clock.at += 2 * DAY
    await wish(here, *sent[:19])
    for step in await steps(here):
        await withdrawn(here, step)
    await policy(here, 1)
    assert await look(here, worker) == [sent[19]]
    await withdrawn(here, (await steps(here))[-1])
    assert await look(here, worker) == [sent[19]]
    here.clock.at = (here.clock.now() + DAY).replace(hour=0)
    assert await look(here, worker) == [sent[19], sent[20]]


async def test_a_withdrawal_that_failed_is_tried_again_later_and_one_nobody_knows_about_is_not(
    here: Parts,
) -> None:
    worker = automatic(here)
    first = await pending(here)
    here.clock.at += timedelta(seconds=1)
    second = await pending(here)
    await policy(here, 1)
    here.clock.at += 2 * DAY
    assert await look(here, worker) == [first]
    await said(here, failed((await steps(here))[0], "linkedin.unreachable", here.clock.now()))
    assert await look(here, worker) == [first, second]  # the other one meanwhile
    now = here.clock.now()
    unknown = LinkedInActionOutcomeUnknown(
        **about((await steps(here))[1]), kind="withdrawal", reason="The browser stopped.", at=now
    )
    await said(here, unknown)
    here.clock.at = now + timedelta(minutes=59)
    assert await look(here, worker) == [first, second]
    here.clock.at = now + timedelta(minutes=61)
    assert await look(here, worker) == [first, second, first]
    await said(here, failed((await steps(here))[2], "withdrawal.not-found", here.clock.now()))
    here.clock.at += 5 * DAY
    assert await look(here, worker) == [first, second, first]  # one is gone, of the other nobody knows


async def test_nothing_is_withdrawn_by_itself_while_it_is_halted_or_not_linked(here: Parts) -> None:
    halt = Halted()
    worker = automatic(here, halt)
    await pending(here)
    await policy(here, 1)
    here.clock.at += 2 * DAY
    halt.scopes.add(f"organization.{NORTHWIND}")
    assert await look(here, worker) == []
    halt.scopes.clear()
    account = (await steps(here, "invitation"))[0].account
    await here.linkedin_standing.closed(account, "reconnect", 1, here.clock.now(), asking())
    await here.scheduling.up_to_date()
    here.clock.at += timedelta(minutes=2)
    assert await look(here, worker) == []
