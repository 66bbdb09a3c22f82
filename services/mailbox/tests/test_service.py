"""The mailbox service as its own process, spoken to as the other services and the gateway do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from heraldry.chassis.bus import border
from heraldry.chassis.testing.waiting import until
from heraldry.contracts.base import By, Refused
from heraldry.contracts.mailbox import (
    EmailSent,
    FindInbox,
    GetEmail,
    ListInboxes,
    MailboxConnected,
    MailboxDisconnected,
    ReplyReceived,
)

from services.mailbox.tests.processes import ADA, BOB, KIM, OTHERS, USER, Service, running, step

pytestmark = [pytest.mark.parts, pytest.mark.timeout(120)]


@pytest.fixture
async def service(tmp_path: Path) -> AsyncGenerator[Service]:
    async with running(tmp_path) as made:
        yield made


@pytest.mark.requirement("R-BOX-7", "R-BOX-18")
async def test_an_inbox_is_connected_when_both_protocols_work(service: Service) -> None:
    await service.identity(ADA, "Ada Bergström")
    await service.identity(BOB, "Bob")
    await service.connect("wrong")
    failed = await service.inbox(lambda view: view.state == "failed")
    assert failed.diagnosis is not None
    assert failed.diagnosis.code == "credentials.invalid"
    assert not await service.caller.ask(ListInboxes(), by=USER)

    await service.connect()
    connected = await service.inbox(lambda view: view.state == "connected")
    assert connected.inbox == failed.inbox
    assert [view.inbox for view in await service.caller.ask(ListInboxes(identity=ADA), by=USER)] == [
        connected.inbox
    ]
    await until(lambda: bool(service.said(MailboxConnected)))
    with pytest.raises(Refused) as refused:
        await service.connect(identity=BOB)
    assert refused.value.code == "inbox.belongs-to-another-identity"
    assert "Ada Bergström" in refused.value.detail
    others = By(organization=OTHERS, actor="user:eve")
    with pytest.raises(Refused) as refused:
        await service.caller.ask(FindInbox(inbox=connected.inbox), by=others)
    assert (refused.value.code, refused.value.status) == ("inbox.unknown", 404)
    await service.deleted(ADA)
    await until(lambda: bool(service.said(MailboxDisconnected)))


@pytest.mark.requirement("R-BOX-9")
async def test_a_dispatched_step_arrives_and_its_answer_is_read(service: Service) -> None:
    await service.identity(ADA, "Ada Bergström")
    await service.connect()
    inbox = (await service.inbox(lambda view: view.state == "connected")).inbox
    wanted = step(inbox)
    await service.dispatch(wanted)
    await service.dispatch(wanted)
    sent = await service.email(wanted.attempt, lambda view: view.state == "sent")
    assert [one.type for one in sent.steps][:4] == [
        "EmailQueued",
        "EmailClaimed",
        "EmailSubmissionStarted",
        "EmailSent",
    ]
    service.host.reply(KIM, "Yes, on Monday.", message_id=sent.message_id)
    answered = await service.email(wanted.attempt, lambda view: bool(view.replies))
    assert answered.replies == ("Yes, on Monday.",)
    assert [one.letter.message_id for one in service.host.messages(KIM)] == [sent.message_id]
    await until(lambda: bool(service.said(EmailSent)) and bool(service.said(ReplyReceived)))
    with pytest.raises(Refused) as refused:
        await service.caller.ask(
            GetEmail(attempt=wanted.attempt), by=By(organization=OTHERS, actor="user:eve")
        )
    assert (refused.value.code, refused.value.status) == ("email.unknown", 404)


async def test_the_process_killed_and_started_again_has_sent_every_mail_once(service: Service) -> None:
    await service.identity(ADA, "Ada Bergström")
    await service.connect()
    inbox = (await service.inbox(lambda view: view.state == "connected")).inbox
    wanted = [step(inbox) for _ in range(6)]
    for one in wanted[:3]:
        await service.dispatch(one)
    await service.email(wanted[0].attempt, lambda view: view.state == "sent")
    await service.kill()
    for one in wanted[3:]:
        await service.dispatch(one)
    await service.start()
    for one in wanted[3:]:
        await service.email(one.attempt, lambda view: view.state == "sent")
    arrived = [one.letter.message_id for one in service.host.messages(KIM)]
    assert len(arrived) == len(set(arrived))
    assert {f"<{one.attempt}@northwind.example>" for one in wanted[3:]} <= set(arrived)


async def test_only_the_password_that_is_in_use_stays_in_the_vault(service: Service) -> None:
    js = border.jetstream(await service.nats.client("operator"))

    async def kept() -> int:
        state = await js.stream_info("KV_VAULT", subjects_filter=f"$KV.VAULT.mailbox.{ADA}.>")
        names = state.state.subjects or {}
        found = [await js.get_msg("KV_VAULT", subject=name, direct=True) for name in names]
        return sum(bool(message.data) for message in found)  # what was deleted is empty

    async def comes_to(count: int) -> None:
        async with asyncio.timeout(30):
            while await kept() != count:  # noqa: ASYNC110  another process's state
                await asyncio.sleep(0.05)

    await service.identity(ADA, "Ada Bergström")
    await service.connect("wrong")
    await service.inbox(lambda view: view.state == "failed")
    for _ in range(3):  # each supersedes the one before
        await service.connect()
    await service.inbox(lambda view: view.state == "connected")
    await comes_to(1)
    await service.deleted(ADA)
    await comes_to(0)
