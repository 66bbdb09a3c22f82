"""Accounts follow what other contexts say, in whatever order it comes, and a pause finds all of them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from itertools import permutations
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from heraldry.contracts.base import By, Refused
from heraldry.contracts.identity import WorkingHours
from heraldry.contracts.linkedin_steps import GetLinkedInUsage
from heraldry.contracts.scheduler import (
    EmailRate,
    FindSender,
    GetUsage,
    RaiseRateCeiling,
    RequestRateIncrease,
    SendMail,
    StepCancelled,
)
from heraldry.scheduler.application import Scheduling
from heraldry.scheduler.domain.enrollment import attempt_of
from heraldry.scheduler.domain.sender import Sender
from heraldry.scheduler.projections import senders as rows
from heraldry.scheduler.standing import Connected

from services.scheduler.tests.parts import ADA, ALWAYS, BOB, NORTHWIND, STRANGER, Parts, asking, parts

ADDRESS = "ada@northwind.example"
SPRING = UUID(int=77)
OPERATOR = By(organization=None, actor="system:operator")


@pytest.fixture
async def here(tmp_path: Path) -> AsyncGenerator[Parts]:
    async with parts(tmp_path) as found:
        yield found


async def account(here: Parts, inbox: UUID) -> Sender:
    await here.scheduling.up_to_date()
    row = here.model.read(lambda db: rows.of_inbox(db, str(inbox)))
    assert row is not None
    state = await here.scheduling.state(row.sender)
    assert isinstance(state, Sender)
    return state


async def said(here: Parts, inbox: UUID, address: str, what: str, revision: int) -> None:
    match what:
        case "connected":
            await here.standing.connected(Connected(NORTHWIND, inbox, ADA, address, revision), asking())
        case "paused" | "resumed":
            await here.standing.paused(inbox, revision, asking(), paused=what == "paused")
        case _:
            await here.standing.closed(inbox, "reconnect", revision, asking())


@pytest.mark.parametrize(
    ("facts", "closed"),
    [
        (("connected", "reconnect", "connected"), ""),
        (("connected", "paused", "resumed"), ""),
        (("connected", "reconnect", "paused"), "reconnect"),
        (("connected", "paused", "reconnect", "connected"), "paused"),
    ],
)
async def test_facts_in_any_order_lead_to_the_same_account(
    here: Parts, facts: Sequence[str], closed: str
) -> None:
    await here.identity(ADA)
    for number, order in enumerate(permutations(enumerate(facts))):
        inbox, address = uuid4(), f"ada{number}@northwind.example"
        for revision, what in order:
            for _ in range(2):  # delivered twice
                await said(here, inbox, address, what, revision)
        await here.scheduling.up_to_date()
        if here.model.read(lambda db, inbox=inbox: rows.of_inbox(db, str(inbox))) is None:
            assert closed == "reconnect"  # it was never heard of as connected: there is no account at all
        else:
            assert (await account(here, inbox)).closed == closed, order


async def test_a_mail_by_hand_is_refused_from_a_paused_inbox_and_to_whom_nobody_writes_any_more(
    here: Parts,
) -> None:
    await here.identity(ADA)
    inbox = await here.inbox(ADDRESS)
    mail = SendMail(inbox=inbox, person=uuid4(), to="lea@maison.example", subject="Hello", text="Hi")

    async def suppressed(organization: UUID, address: str) -> bool:
        return (organization, address) == (NORTHWIND, mail.to)

    strict = Scheduling(here.runner, here.store, here.model, here.keys, here.clock, suppressed)
    with pytest.raises(Refused) as refused:
        await strict.send_mail(mail, asking())
    assert refused.value.code == "recipient.suppressed"
    await here.standing.paused(inbox, 5, asking(), paused=True)
    with pytest.raises(Refused) as refused:
        await here.scheduling.send_mail(mail, asking())
    assert (refused.value.code, refused.value.extra) == ("sender.closed", {"code": "paused"})


async def test_other_hours_reach_every_account_of_the_identity_and_a_deletion_closes_it_for_good(
    here: Parts,
) -> None:
    await here.identity(ADA)
    inboxes = [await here.inbox(f"ada{number}@northwind.example") for number in range(2)]
    nights = WorkingHours(zone="Asia/Tokyo")
    await here.standing.hours(ADA, nights, 3, asking())
    await here.standing.hours(ADA, ALWAYS, 2, asking())  # late
    for inbox in inboxes:
        assert (await account(here, inbox)).hours == nights
    await here.standing.deleted(ADA, asking())
    await here.standing.connected(
        Connected(NORTHWIND, inboxes[0], ADA, "ada0@northwind.example", 9), asking()
    )
    await here.standing.closed(inboxes[1], "disconnected", 9, asking())
    for inbox in inboxes:
        assert (await account(here, inbox)).closed == "identity-deleted"


async def test_an_address_that_moves_to_another_identity_takes_its_hours_from_there(here: Parts) -> None:
    await here.identity(ADA)
    await here.identity(BOB, "Bo Ek")
    inbox = await here.inbox(ADDRESS)
    await here.standing.hours(BOB, WorkingHours(zone="Asia/Tokyo"), 1, asking())
    await here.standing.closed(inbox, "disconnected", 1, asking())
    await here.standing.connected(Connected(NORTHWIND, inbox, BOB, ADDRESS, 2), asking())
    await here.standing.deleted(ADA, asking())
    found = await account(here, inbox)
    assert (found.identity, found.zone, found.closed) == (BOB, "Asia/Tokyo", "")


async def test_a_pause_stands_in_every_account_the_campaign_sends_from_before_it_is_answered(
    here: Parts,
) -> None:
    await here.identity(ADA)
    await here.identity(BOB, "Bo Ek")
    inboxes = [await here.inbox(f"ada{number}@northwind.example") for number in range(3)]
    accounts = [await account(here, inbox) for inbox in inboxes]
    for one in accounts[:2]:
        await here.scheduling.open_campaign(one.id, SPRING, 3, asking())
        assert await here.dispatch(SPRING, uuid4(), one.id)
    # the second belongs to somebody else by now; what left in Ada's name may still be on its way
    await here.standing.closed(inboxes[1], "disconnected", 1, asking())
    moved = Connected(NORTHWIND, inboxes[1], BOB, "ada1@northwind.example", 2)
    await here.standing.connected(moved, asking())
    assert await here.scheduling.leaving(SPRING, ADA) == 2
    request = asking()
    assert await here.scheduling.stop_campaign(SPRING, ADA, 4, request) == 2
    assert await here.scheduling.stop_campaign(SPRING, ADA, 4, request) == 2  # asked again
    assert await here.scheduling.stop_campaign(SPRING, ADA, 4, asking()) == 2
    cancelled = [event for _, event in await here.log() if isinstance(event, StepCancelled)]
    assert [event.identity for event in cancelled] == [ADA, ADA]
    for one in accounts:
        with pytest.raises(Refused) as refused:
            await here.dispatch(SPRING, uuid4(), one.id)
        assert refused.value.code == "campaign.not-open"
        late = await here.scheduling.open_campaign(one.id, SPRING, 3, asking())  # read before the pause
        assert not late.fresh


async def test_exhaustion_is_said_with_the_refusal_and_once_a_window(here: Parts) -> None:
    await here.identity(ADA)
    one = await account(here, await here.inbox(ADDRESS))
    await here.scheduling.open_campaign(one.id, SPRING, 1, asking())
    for _ in range(5):
        assert await here.dispatch(SPRING, uuid4(), one.id)
    for _ in range(3):
        with pytest.raises(Refused) as refused:
            await here.dispatch(SPRING, uuid4(), one.id)
        assert refused.value.extra["window"] == "hour"
    types = [stored.type for stored in await here.stored(f"sender-{one.id}")]
    assert types.count("QuotaExhausted") == 1


async def test_what_a_replica_remembers_of_an_account_neither_refuses_nor_permits_what_its_stream_does_not(
    here: Parts,
) -> None:
    await here.identity(ADA)
    inbox = await here.inbox(ADDRESS)
    one = await account(here, inbox)
    other = Scheduling(here.runner, here.store, here.model, here.keys, here.clock)
    await here.scheduling.open_campaign(one.id, SPRING, 1, asking())
    enrollments = [uuid4() for _ in range(5)]
    for enrollment in enrollments:
        assert await here.dispatch(SPRING, enrollment, one.id)
    assert not await here.dispatch(SPRING, enrollments[0], one.id)  # asked again
    with pytest.raises(Refused):
        await here.dispatch(SPRING, uuid4(), one.id)
    back = attempt_of(enrollments[0], 0, 0)
    await other.settle(inbox, back, proven_not_sent=True, asking=asking())
    assert await here.dispatch(SPRING, uuid4(), one.id)
    await other.settle(inbox, attempt_of(enrollments[1], 0, 0), proven_not_sent=True, asking=asking())
    await here.scheduling.state(one.id)
    await other.stop_campaign(SPRING, ADA, 2, asking())
    with pytest.raises(Refused) as refused:
        await here.dispatch(SPRING, uuid4(), one.id)
    assert refused.value.code == "campaign.not-open"


async def test_only_support_raises_a_ceiling_and_the_figures_say_until_when(here: Parts) -> None:
    await here.identity(ADA)
    inbox = await here.inbox(ADDRESS)
    top = EmailRate(per_day=200, per_hour=40)
    until = here.clock.now().replace(day=20)
    wish = RequestRateIncrease(inbox=inbox, wanted=top, reason="we send this already")
    with pytest.raises(Refused) as refused:
        await here.scheduling.request_increase(wish, asking(STRANGER))
    assert refused.value.code == "inbox.unknown"
    await here.scheduling.request_increase(wish, asking())
    usage = await here.scheduling.usage(GetUsage(inbox=inbox), asking())
    assert (usage.requested, usage.ceiling, usage.ceiling_until) == (
        top,
        EmailRate(per_day=80, per_hour=10),
        None,
    )
    grant = RaiseRateCeiling(inbox=inbox, ceiling=top, reason="since March", until=until)
    with pytest.raises(Refused) as refused:
        await here.scheduling.raise_ceiling(grant, asking())
    assert (refused.value.code, refused.value.status) == ("operator.needed", 403)
    await here.scheduling.raise_ceiling(grant, asking(OPERATOR))
    usage = await here.scheduling.usage(GetUsage(inbox=inbox), asking())
    assert (usage.requested, usage.ceiling, usage.ceiling_until) == (None, top, until)
    here.clock.at = until
    usage = await here.scheduling.usage(GetUsage(inbox=inbox), asking())
    assert (usage.ceiling, usage.ceiling_until) == (EmailRate(per_day=80, per_hour=10), None)


async def test_operators_learn_whose_a_sending_account_is_by_the_name_its_figures_say(here: Parts) -> None:
    await here.identity(ADA)
    inbox = await here.inbox(ADDRESS)
    await here.member("member-1")
    names = (
        (await here.scheduling.usage(GetUsage(inbox=inbox), asking())).sender,
        (await here.linkedin.usage(GetLinkedInUsage(identity=ADA), asking())).sender,
    )
    found = [await here.scheduling.find(FindSender(sender=name), asking(OPERATOR)) for name in names]
    assert [(one.organization, one.identity, one.inbox) for one in found] == [
        (NORTHWIND, ADA, inbox),
        (NORTHWIND, ADA, None),
    ]
    for name, by, code in (
        (names[0], asking(), "operator.needed"),
        ("0" * 64, asking(OPERATOR), "sender.unknown"),
    ):
        with pytest.raises(Refused) as refused:
            await here.scheduling.find(FindSender(sender=name), by)
        assert refused.value.code == code
