"""Mails of campaigns through the service as its own process: in their thread, and stopped when they must not go on."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path
from typing import Final, TypeVar
from uuid import UUID, uuid4

import pytest
from heraldry.chassis.testing.waiting import until
from heraldry.chassis.vault.keys import KeyRing
from heraldry.chassis.vault.master import load
from heraldry.chassis.vault.sealed import open_from_link, own_private_key
from heraldry.chassis.vault.secrets import Secrets
from heraldry.contracts.base import Event, Refused
from heraldry.contracts.gateway import UnsubscribeToken
from heraldry.contracts.mailbox import (
    EmailBounced,
    EmailClaimed,
    EmailFailed,
    EmailSent,
    EmailView,
    ListSuppressions,
    MailboxPaused,
    MailboxResumed,
    RecipientSuppressed,
    RecipientUnsuppressed,
    ReplyReceived,
    ResumeInbox,
    SuppressRecipient,
    UnsuppressRecipient,
)
from heraldry.contracts.scheduler import StepDispatched
from heraldry.sandbox.mail.faults import Fault

from services.mailbox.tests.processes import ADA, ADDRESS, KIM, USER, Service, running, step

pytestmark = [pytest.mark.parts, pytest.mark.timeout(300)]

Told = TypeVar("Told", bound=Event)
CAMPAIGN: Final = uuid4()
LEE: Final = "lee@fabrikam.example"
PUBLIC: Final = "https://heraldry.northwind.example"
WITHIN: Final = 2.0  # seconds an unsubscription may take to be recorded here


@pytest.fixture
async def service(tmp_path: Path) -> AsyncGenerator[Service]:
    async with running(tmp_path, {"HERALDRY_PUBLIC_URL": PUBLIC}) as made:
        made.host.add_account(LEE)
        yield made


async def connected(service: Service) -> UUID:
    await service.identity(ADA, "Ada Bergström")
    await service.connect()
    return (await service.inbox(lambda view: view.state == "connected")).inbox


def mail_of(
    inbox: UUID, service: Service, enrollment: UUID, after: StepDispatched | None = None
) -> StepDispatched:
    """A step of a campaign; `after`: the one whose thread it goes on."""
    mail = step(inbox, service.clock.now(), campaign=CAMPAIGN, enrollment=enrollment)
    if after is None:
        return mail
    thread = {"in_reply_to": ours(after), "references": (ours(after),)}
    return mail.model_copy(update={**thread, "person": after.person, "to": after.to})


def ours(mail: StepDispatched) -> str:
    return f"<{mail.attempt}@northwind.example>"


async def sent(service: Service, mail: StepDispatched) -> EmailView:
    await service.dispatch(mail)
    return await service.email(mail.attempt, lambda view: view.state == "sent")


async def failed(service: Service, mail: StepDispatched) -> EmailFailed:
    await service.email(mail.attempt, lambda view: view.state == "failed")
    await until(lambda: any(event.attempt == mail.attempt for event in of(service, EmailFailed)))
    return next(event for event in of(service, EmailFailed) if event.attempt == mail.attempt)


def of(service: Service, kind: type[Told]) -> list[Told]:
    return [event for event in service.said(kind) if isinstance(event, kind)]


def arrived(service: Service, address: str = KIM) -> Sequence[str]:
    return [one.letter.message_id for one in service.host.messages(address)]


async def gateway_opens(service: Service, token: str) -> UnsubscribeToken:
    """What the gateway reads in a link."""
    keys = KeyRing(service.gateway, "gateway", load(service.nats.settings("gateway")))
    await keys.start()
    try:
        private = await own_private_key(
            service.gateway, "gateway", keys, Secrets(service.gateway, "gateway", keys)
        )
    finally:
        await keys.stop()
    opened = open_from_link(private, token)
    assert opened is not None
    return UnsubscribeToken.model_validate_json(opened)


@pytest.mark.requirement("R-BOX-17", "R-BOX-9")
async def test_a_follow_up_is_in_the_thread_and_can_be_unsubscribed_from_by_one_click(
    service: Service,
) -> None:
    """Without a link that works no mail of a campaign leaves; one by hand needs none."""
    inbox, enrollment = await connected(service), uuid4()
    first = mail_of(inbox, service, enrollment)
    await service.dispatch(first)
    waits = await service.email(
        first.attempt, lambda view: "EmailPutBack" in [one.type for one in view.steps]
    )
    assert "unsubscribe link" in waits.steps[-1].detail
    by_hand = step(inbox, service.clock.now())
    await sent(service, by_hand)
    assert arrived(service) == [ours(by_hand)]

    await gateway_starts(service)
    await service.email(first.attempt, lambda view: view.state == "sent")
    follow_up = mail_of(inbox, service, enrollment, after=first)
    await sent(service, follow_up)
    letters = {one.letter.message_id: one.letter for one in service.host.messages(KIM)}
    before, after = letters[ours(first)], letters[ours(follow_up)]
    assert before.header("In-Reply-To") == before.header("References") == ""
    assert after.header("In-Reply-To") == after.header("References") == ours(first)
    assert after.subject == before.subject
    assert after.header("List-Unsubscribe-Post") == "List-Unsubscribe=One-Click"
    link = after.header("List-Unsubscribe").strip("<>")
    assert link.startswith(f"{PUBLIC}/unsubscribe/")
    token = await gateway_opens(service, link.rpartition("/")[2])
    assert (token.attempt, token.identity, token.person) == (follow_up.attempt, ADA, follow_up.person)
    assert (token.address, token.organization) == (KIM, USER.organization)
    assert letters[ours(by_hand)].header("List-Unsubscribe") == ""

    await service.email(follow_up.attempt, lambda view: "EmailCopyKept" in [one.type for one in view.steps])
    copy = next(
        one.letter
        for one in service.host.messages(ADDRESS, "Sent")
        if one.letter.message_id == ours(follow_up)
    )
    assert copy.header("List-Unsubscribe") == after.header("List-Unsubscribe")
    await until(lambda: len(of(service, EmailSent)) == 3)
    campaign_mails = [event for event in of(service, EmailSent) if event.enrollment == enrollment]
    assert [event.campaign for event in campaign_mails] == [CAMPAIGN, CAMPAIGN]
    service.host.reply(KIM, "Yes.", message_id=ours(follow_up))
    await until(lambda: bool(of(service, ReplyReceived)))
    (reply,) = of(service, ReplyReceived)
    assert (reply.campaign, reply.enrollment, reply.attempt) == (CAMPAIGN, enrollment, follow_up.attempt)


async def gateway_starts(service: Service) -> None:
    """The gateway starts for the first time: its public key is there from now on."""
    keys = KeyRing(service.gateway, "gateway", load(service.nats.settings("gateway")))
    await keys.start()
    try:
        await own_private_key(service.gateway, "gateway", keys, Secrets(service.gateway, "gateway", keys))
    finally:
        await keys.stop()


@pytest.mark.requirement("R-BOX-15")
async def test_a_reply_between_dispatch_and_send_stops_the_sequence(service: Service) -> None:
    await gateway_starts(service)
    inbox = await connected(service)
    for point in ("mail.before-claim", "mail.claimed", "mail.before-start"):
        enrollment, before = uuid4(), len(of(service, ReplyReceived))
        first = mail_of(inbox, service, enrollment)
        await sent(service, first)
        service.hold(point)
        follow_up = mail_of(inbox, service, enrollment, after=first)
        await service.dispatch(follow_up)
        await until(lambda at=point: bool(service.held(at)), seconds=30)
        service.host.reply(KIM, "Let us talk.", message_id=ours(first))
        await until(lambda n=before: len(of(service, ReplyReceived)) > n, seconds=30)
        service.release(point)
        stopped = await failed(service, follow_up)
        assert (stopped.diagnosis.code, stopped.again) == ("conversation.stopped", False)
        assert (stopped.campaign, stopped.enrollment) == (CAMPAIGN, enrollment)
        later = mail_of(inbox, service, enrollment, after=first)
        await service.dispatch(later)
        assert (await failed(service, later)).diagnosis.code == "conversation.stopped"
        somebody_else = mail_of(inbox, service, uuid4())
        await sent(service, somebody_else)
        assert arrived(service)[-2:] == [ours(first), ours(somebody_else)]
        assert later.attempt not in {event.attempt for event in of(service, EmailClaimed)}


@pytest.mark.requirement("R-BOX-15")
async def test_answers_of_programs_stop_nothing_and_a_bounce_in_words_stops_and_suppresses(
    service: Service,
) -> None:
    await gateway_starts(service)
    inbox, enrollment = await connected(service), uuid4()
    first = mail_of(inbox, service, enrollment)
    await sent(service, first)
    service.host.auto_reply(KIM, message_id=ours(first))
    service.host.deliver(ADDRESS, absence(ours(first)))
    service.host.bounce(KIM, "5.2.2", message_id=ours(first))
    await until(lambda: bool(of(service, EmailBounced)), seconds=30)  # read after the answers of programs
    second = mail_of(inbox, service, enrollment, after=first)
    await sent(service, second)
    assert of(service, ReplyReceived) == []
    assert of(service, RecipientSuppressed) == []

    service.host.deliver(ADDRESS, returned(ours(second)))
    await until(lambda: bool(of(service, RecipientSuppressed)), seconds=30)
    (soft, hard) = of(service, EmailBounced)
    assert (soft.hard, hard.hard, hard.category) == (False, True, "unknown-address")
    assert (hard.campaign, hard.enrollment, hard.attempt) == (CAMPAIGN, enrollment, second.attempt)
    (suppressed,) = of(service, RecipientSuppressed)
    assert (suppressed.reason, suppressed.address, suppressed.person) == ("bounced", KIM, second.person)
    third = mail_of(inbox, service, enrollment, after=second)
    await service.dispatch(third)
    assert (await failed(service, third)).diagnosis.code == "conversation.stopped"
    by_hand = step(inbox, service.clock.now())
    await service.dispatch(by_hand)
    assert (await failed(service, by_hand)).diagnosis.code == "recipient.suppressed"
    assert arrived(service) == [ours(first), ours(second)]


@pytest.mark.requirement("R-BOX-15")
async def test_a_recipient_whom_their_server_does_not_know_is_suppressed_though_nothing_left(
    service: Service,
) -> None:
    await gateway_starts(service)
    inbox = await connected(service)
    service.host.add_fault(Fault("smtp.rcpt", "answer", answer="550 5.1.1 No such user"))
    wanted = mail_of(inbox, service, uuid4())
    await service.dispatch(wanted)
    assert (await failed(service, wanted)).diagnosis.code == "recipient.unknown"
    await until(lambda: bool(of(service, RecipientSuppressed)), seconds=30)
    (suppressed,) = of(service, RecipientSuppressed)
    assert (suppressed.reason, suppressed.address) == ("bounced", KIM)
    assert arrived(service) == []


def absence(message_id: str) -> bytes:
    """In words only: nothing in its headers says that a program wrote it."""
    return (
        f"From: {KIM}\r\nTo: {ADDRESS}\r\nSubject: Abwesenheitsnotiz: Hello\r\n"
        f"Message-ID: <away-2@fabrikam.example>\r\nIn-Reply-To: {message_id}\r\n"
        "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
        "Ich bin bis Montag nicht im Büro.\r\n"
    ).encode()


def returned(message_id: str) -> bytes:
    """In words only, without a standard report."""
    return (
        f"Return-Path: <>\r\nFrom: MAILER-DAEMON@fabrikam.example\r\nTo: {ADDRESS}\r\n"
        "Subject: Unzustellbar: Hello\r\nMessage-ID: <back@fabrikam.example>\r\n"
        "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
        f"Ihre Nachricht konnte nicht zugestellt werden:\r\n\r\n{KIM}\r\nDer Empfänger ist unbekannt.\r\n\r\n"
        f"--- Kopie ---\r\n\r\nFrom: {ADDRESS}\r\nTo: {KIM}\r\nSubject: Hello\r\nMessage-ID: {message_id}\r\n"
    ).encode()


@pytest.mark.requirement("R-BOX-16")
async def test_who_unsubscribes_is_written_to_no_more_from_two_seconds_on(service: Service) -> None:
    await gateway_starts(service)
    inbox = await connected(service)
    for address, point in ((KIM, "mail.before-claim"), (LEE, "mail.before-start")):
        enrollment, before = uuid4(), len(of(service, RecipientSuppressed))
        first = mail_of(inbox, service, enrollment).model_copy(update={"to": address})
        await sent(service, first)
        service.hold(point)
        follow_up = mail_of(inbox, service, enrollment, after=first)
        await service.dispatch(follow_up)
        await until(lambda at=point: bool(service.held(at)), seconds=30)
        begun = time.monotonic()
        await service.unsubscribed(first)
        await until(lambda n=before: len(of(service, RecipientSuppressed)) > n)
        assert time.monotonic() - begun < WITHIN
        service.release(point)
        assert (await failed(service, follow_up)).diagnosis.code == "conversation.stopped"
        by_hand = step(inbox, service.clock.now(), to=address.upper())
        await service.dispatch(by_hand)
        assert (await failed(service, by_hand)).diagnosis.code == "recipient.suppressed"
        assert arrived(service, address) == [ours(first)]


@pytest.mark.requirement("R-BOX-16")
async def test_the_suppression_list_is_kept_by_people_too(service: Service) -> None:
    inbox, person = await connected(service), uuid4()
    command, asked = SuppressRecipient(address=f" {KIM} ", person=person), uuid4()
    accepted = await service.caller.send(command, by=USER, id=asked, deadline=30)
    again = await service.caller.send(command, by=USER, id=asked, deadline=30)
    assert again.position == accepted.position
    page = await service.caller.ask(ListSuppressions(search="KIM"), by=USER, seen=(accepted.position,))
    (listed,) = page.suppressions
    assert (listed.address, listed.reason, listed.actor, page.total) == (KIM, "by hand", USER.actor, 1)
    wanted = step(inbox, service.clock.now())
    await service.dispatch(wanted)
    assert (await failed(service, wanted)).diagnosis.code == "recipient.suppressed"

    theirs = USER.model_copy(update={"organization": uuid4()})
    assert (await service.caller.ask(ListSuppressions(), by=theirs)).total == 0
    lift = UnsuppressRecipient(recipient=listed.recipient)
    for who, command in ((theirs, lift), (USER, UnsuppressRecipient(recipient="0" * 64))):
        with pytest.raises(Refused) as refused:
            await service.caller.send(command, by=who, id=uuid4())
        assert (refused.value.code, refused.value.status) == ("suppression.unknown", 404)
    with pytest.raises(Refused) as refused:
        await service.caller.send(SuppressRecipient(address="no address", person=person), by=USER, id=uuid4())
    assert (refused.value.code, refused.value.status) == ("address.invalid", 422)
    with pytest.raises(Refused) as refused:
        await service.caller.ask(ListSuppressions(after="x"), by=USER)
    assert refused.value.code == "cursor.malformed"

    await service.caller.send(lift, by=USER, id=uuid4(), deadline=30)
    await sent(service, step(inbox, service.clock.now()))
    await until(lambda: bool(of(service, RecipientUnsuppressed)))


@pytest.mark.requirement("R-RATE-5")
async def test_an_inbox_of_which_too_many_mails_come_back_is_paused_until_it_is_resumed(
    service: Service,
) -> None:
    inbox = await connected(service)
    with pytest.raises(Refused) as refused:
        await service.caller.send(ResumeInbox(inbox=inbox), by=USER, id=uuid4(), deadline=30)
    assert refused.value.code == "inbox.not-paused"
    mails = [step(inbox, service.clock.now()) for _ in range(19)]
    for mail in mails:
        await service.dispatch(mail)
    await asyncio.gather(*(service.email(one.attempt, lambda view: view.state == "sent") for one in mails))
    for number, mail in enumerate(mails[:2]):
        service.host.bounce(KIM, "5.1.1", message_id=ours(mail))
        await until(lambda n=number: len(of(service, EmailBounced)) > n, seconds=30)
    (listed,) = (await service.caller.ask(ListSuppressions(), by=USER)).suppressions
    await service.caller.send(
        UnsuppressRecipient(recipient=listed.recipient), by=USER, id=uuid4(), deadline=30
    )
    assert of(service, MailboxPaused) == []

    await sent(service, step(inbox, service.clock.now()))  # the twentieth
    view = await service.inbox(lambda view: view.state == "paused")
    assert view.diagnosis is not None
    assert view.diagnosis.code == "bounce-rate"
    assert "2 of its last 20" in view.diagnosis.cause
    await until(lambda: bool(of(service, MailboxPaused)))
    (paused,) = of(service, MailboxPaused)
    assert (paused.sent, paused.bounced, paused.identity) == (20, 2, ADA)
    waits = step(inbox, service.clock.now())
    await service.dispatch(waits)
    refusal = await failed(service, waits)
    assert (refusal.diagnosis.code, refusal.again) == ("inbox.paused", True)
    service.host.reply(KIM, "Yes.", message_id=ours(mails[5]))
    await service.email(mails[5].attempt, lambda view: view.replies == ("Yes.",))

    await service.caller.send(ResumeInbox(inbox=inbox), by=USER, id=uuid4(), deadline=30)
    await service.inbox(lambda view: view.state == "connected")
    await until(lambda: bool(of(service, MailboxResumed)))
    service.host.bounce(KIM, "5.1.1", message_id=ours(mails[3]))  # of before: it counts no more
    await until(lambda: len(of(service, EmailBounced)) == 3, seconds=30)
    other = step(inbox, service.clock.now(), to=ADDRESS)
    await sent(service, other)
    assert len(of(service, MailboxPaused)) == 1
