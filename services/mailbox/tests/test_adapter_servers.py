"""The adapters on real servers: sign in, send, read, wait, file a copy; over TLS and STARTTLS."""

from __future__ import annotations

import asyncio
import tracemalloc
from collections.abc import AsyncGenerator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal
from uuid import UUID, uuid4

import pytest
from heraldry.mailbox.adapters.check import MailChecker
from heraldry.mailbox.adapters.imap import OWN_HEADER, ImapMailbox
from heraldry.mailbox.adapters.kept import KeptConnections
from heraldry.mailbox.domain.compose import Draft, compose, message_id
from heraldry.mailbox.domain.replies import read
from heraldry.mailbox.ports import (
    Accepted,
    Account,
    Checker,
    Endpoint,
    Mailbox,
    MailProblem,
    Patience,
    Submission,
    Submitter,
    Trust,
)
from heraldry.sandbox.mailhost import MailHost
from pydantic import SecretStr

pytestmark = pytest.mark.parts

NOW = datetime(2026, 5, 4, 9, 30, tzinfo=UTC)
ADA, BOB, EVE = "ada@northwind.example", "bob@northwind.example", "eve@northwind.example"
PASSWORD = 'secret "und" \\ mehr'
Mode = Literal["tls", "starttls"]


@pytest.fixture
async def host(tmp_path: Path) -> AsyncGenerator[MailHost]:
    async with MailHost.start(tmp_path / "mail", people=()) as running:
        for address in (ADA, BOB):
            running.add_account(address, PASSWORD)
        running.add_account(EVE, 'ascii "quoted" \\ word')
        yield running


def account(host: MailHost, mode: Mode, address: str = ADA, password: str = PASSWORD) -> Account:
    ports = host.ports
    imap = Endpoint("localhost", ports.imaps if mode == "tls" else ports.imap, mode)
    smtp = Endpoint("localhost", ports.smtps if mode == "tls" else ports.smtp, mode)
    return Account(address, address, SecretStr(password), imap, smtp)


def trust(host: MailHost) -> Trust:
    return Trust(host.ca_file, allow_private_addresses=True)


def written(attempt: UUID, text: str = "Hello Bob") -> bytes:
    return compose(Draft(attempt, ADA, "Ada", BOB, "Grüße", text, NOW, html="<p>Hello Bob</p>"))


async def nothing() -> None:
    """Nothing has to happen before the content."""


async def send(host: MailHost, attempt: UUID, mode: Mode = "tls") -> None:
    mail = Submission(ADA, BOB, written(attempt))
    outcome = await KeptConnections(trust(host)).submit(account(host, mode), mail, before_content=nothing)
    assert isinstance(outcome, Accepted)


def test_the_adapters_are_what_the_ports_ask_for() -> None:
    trusting = Trust()
    ports: tuple[Checker, Submitter, Mailbox] = (
        MailChecker(trusting),
        KeptConnections(trusting),
        ImapMailbox(trusting),
    )
    assert all(ports)


@pytest.mark.parametrize("mode", ["tls", "starttls"])
@pytest.mark.parametrize(("address", "password"), [(ADA, PASSWORD), (EVE, 'ascii "quoted" \\ word')])
async def test_both_protocols_are_really_tried(
    host: MailHost, mode: Mode, address: str, password: str
) -> None:
    checked = await MailChecker(trust(host)).check(account(host, mode, address, password))
    assert checked.inbox == "INBOX"
    assert checked.sent == "Sent"
    assert "IDLE" in checked.capabilities
    assert [hint.code for hint in checked.advice] == ["inbox.empty"]


@pytest.mark.parametrize("mode", ["tls", "starttls"])
async def test_a_wrong_password_is_told_and_tried_once(host: MailHost, mode: Mode) -> None:
    with pytest.raises(MailProblem) as raised:
        await MailChecker(trust(host)).check(account(host, mode, password="wr0ng-secret"))
    assert raised.value.diagnosis.code == "credentials.invalid"
    assert raised.value.diagnosis.protocol == "imap"
    assert "wr0ng" not in repr(raised.value.diagnosis)
    refused = [effect for effect in host.effects() if effect.what == "refused credentials"]
    assert len(refused) == 1


async def test_only_smtp_failing_is_told(host: MailHost) -> None:
    good = account(host, "tls")
    with pytest.raises(MailProblem) as raised:
        await MailChecker(trust(host), Patience(connect=2)).check(
            replace(good, smtp=Endpoint("localhost", 9, "tls"))
        )
    assert raised.value.diagnosis.code == "smtp.failed-imap-works"
    assert [each.code for each in raised.value.failures] == ["host.refused"]


async def test_both_failing_are_both_told(host: MailHost) -> None:
    nowhere = Endpoint("localhost", 9, "tls")
    with pytest.raises(MailProblem) as raised:
        await MailChecker(trust(host)).check(replace(account(host, "tls"), imap=nowhere, smtp=nowhere))
    assert [each.protocol for each in raised.value.failures] == ["imap", "smtp"]


async def test_a_certificate_nobody_vouches_for_is_refused(host: MailHost) -> None:
    with pytest.raises(MailProblem) as raised:
        await MailChecker(Trust(allow_private_addresses=True)).check(account(host, "tls"))
    assert {each.code for each in raised.value.failures} == {"tls.untrusted"}
    with pytest.raises(MailProblem) as raised:
        await MailChecker(Trust(allow_private_addresses=True)).check(account(host, "starttls"))
    assert {each.code for each in raised.value.failures} == {"tls.untrusted"}


async def test_a_certificate_of_another_name_is_refused(host: MailHost) -> None:
    good = account(host, "tls")
    other = replace(good, imap=replace(good.imap, host="127.0.0.2"))
    with pytest.raises(MailProblem) as raised:
        await MailChecker(trust(host), Patience(connect=2)).check(other)
    assert raised.value.diagnosis.code in {"tls.wrong-name", "host.refused"}


@pytest.mark.parametrize("kind", ["imap", "smtp"])
async def test_encryption_and_port_that_do_not_fit_are_told(host: MailHost, kind: str) -> None:
    good, ports = account(host, "tls"), host.ports
    wrong = (
        replace(good, imap=Endpoint("localhost", ports.imap, "tls"))
        if kind == "imap"
        else replace(good, smtp=Endpoint("localhost", ports.smtp, "tls"))
    )
    with pytest.raises(MailProblem) as raised:
        await MailChecker(trust(host), Patience(connect=2)).check(wrong)
    assert raised.value.diagnosis.code == "tls.wrong-mode"


@pytest.mark.parametrize("mode", ["tls", "starttls"])
async def test_a_mail_arrives_and_its_reply_is_read(host: MailHost, mode: Mode) -> None:
    attempt = uuid4()
    await send(host, attempt, mode)
    arrived = await host.wait_for_message(BOB, message_id(attempt, ADA))
    assert arrived.letter.subject == "Grüße"
    async with ImapMailbox(trust(host)).open(account(host, mode)) as reader:
        state = await reader.folder()
        waiting = asyncio.ensure_future(reader.wait(10))
        await asyncio.sleep(0)
        host.reply(BOB, "Gern!", message_id=message_id(attempt, ADA))
        assert await waiting
        (message,) = [each async for each in reader.fetch_since(0, state.uidvalidity)]
    found = read(message.raw)
    assert found.answers[0] == message_id(attempt, ADA)
    assert found.reply_text == "Gern!"
    assert not found.automatic


async def test_odd_payloads_come_as_they_were_sent(host: MailHost) -> None:
    bodies = [
        b"Subject: 5* hotel\r\n\r\n* 1 EXISTS\r\nA1 OK\r\n)",
        b"Subject: (((\r\n\r\n{12}\r\n+ go\r\n",
        b"X: \xff\xfe\r\n\r\n\x80" + b"x" * 300_000,
    ]
    for body in bodies:
        host.deliver(ADA, body)
    async with ImapMailbox(trust(host)).open(account(host, "tls")) as reader:
        state = await reader.folder()
        found = [message.raw async for message in reader.fetch_since(0, state.uidvalidity)]
    assert [raw.rstrip() for raw in found] == [body.rstrip() for body in bodies]


async def test_mails_behind_a_gap_of_many_removed_ones_are_found(host: MailHost) -> None:
    body = b"Subject: Hello\r\n\r\nHi\r\n"
    for _ in range(450):
        host.deliver(ADA, body)
    host.folders(ADA)["INBOX"].remove([*range(3, 450)])
    mailbox: Mailbox = ImapMailbox(trust(host))
    async with mailbox.open(account(host, "tls")) as reader:
        state, seen = await reader.folder(), [0]
        while batch := [each.uid async for each in reader.fetch_since(seen[-1], state.uidvalidity)]:
            seen += batch
    assert seen == [0, 1, 2, 450]


async def test_many_messages_are_read_in_turn(host: MailHost) -> None:
    for n in range(450):
        host.deliver(ADA, b"Subject: %d\r\n\r\nHi\r\n" % n)
    seen: list[int] = []
    async with ImapMailbox(trust(host)).open(account(host, "tls")) as reader:
        state = await reader.folder()
        while batch := [m.uid async for m in reader.fetch_since(seen[-1] if seen else 0, state.uidvalidity)]:
            assert len(batch) <= 200
            seen += batch
    assert len(seen) == 450
    assert seen == sorted(set(seen))


async def test_a_copy_lies_in_sent_once_and_is_found(host: MailHost) -> None:
    attempt = uuid4()
    async with ImapMailbox(trust(host)).open(account(host, "starttls")) as reader:
        await reader.folder()
        assert await reader.append_sent(written(attempt)) is True
        assert await reader.append_sent(written(attempt)) is False
        assert len(await reader.find_by_header("Sent", OWN_HEADER, str(attempt))) == 1
        assert len(await reader.find_by_header("Sent", "Message-ID", message_id(attempt, ADA))) == 1
        assert await reader.find_by_header("Sent", OWN_HEADER, str(uuid4())) == ()
        await send(host, uuid4())
        host.send(BOB, to=ADA, subject="news", text="Hi")
        assert await reader.wait(10)
        inbox = await reader.folder()
        assert await reader.append_sent(written(uuid4())) is True
        assert [message.uid async for message in reader.fetch_since(0, inbox.uidvalidity)] == [1]
    copy, *_ = host.messages(ADA, "Sent")
    assert copy.letter.raw == written(attempt)


async def test_an_idle_connection_is_small(host: MailHost) -> None:
    async with ImapMailbox(trust(host)).open(account(host, "tls")) as first:
        await first.folder()
        tracemalloc.start()
        async with ImapMailbox(trust(host)).open(account(host, "tls")) as second:
            await second.folder()
            protocol: object = getattr(second.connection.transport, "_ssl_protocol", None)
            assert len(getattr(protocol, "_ssl_buffer", b"")) == 16 * 1024
        tracemalloc.stop()


async def test_a_server_that_ends_is_noticed(tmp_path: Path) -> None:
    async with MailHost.start(tmp_path / "mail", people=()) as host:
        host.add_account(ADA, PASSWORD)
        running = ImapMailbox(trust(host), Patience(command=2)).open(account(host, "tls"))
        reader = await running.__aenter__()
        await reader.folder()
        waiting = asyncio.ensure_future(reader.wait(20))
        await asyncio.sleep(0.05)
    with pytest.raises(MailProblem) as raised:
        await asyncio.wait_for(waiting, 5)
    assert raised.value.diagnosis.kind == "transient"
    await running.__aexit__(None, None, None)


async def test_a_quiet_folder_is_waited_for_longer_than_a_server_may_be_silent(host: MailHost) -> None:
    impatient = ImapMailbox(trust(host), Patience(command=0.3))
    async with impatient.open(account(host, "tls")) as reader:
        await reader.folder()
        for _ in range(2):
            assert not await reader.wait(0.9)
        waiting = asyncio.create_task(reader.wait(20))
        await asyncio.sleep(0.5)  # longer than its patience with an answer
        host.deliver(ADA, written(uuid4()))
        assert await waiting


@pytest.mark.parametrize("protocol", ["imap", "smtp"])
async def test_starttls_at_a_port_that_speaks_tls_only_is_told_within_seconds(
    host: MailHost, protocol: Literal["imap", "smtp"]
) -> None:
    right, port = account(host, "starttls"), host.ports.imaps if protocol == "imap" else host.ports.smtps
    wrong = replace(right, **{protocol: Endpoint("localhost", port, "starttls")})
    async with asyncio.timeout(10):
        with pytest.raises(MailProblem) as raised:
            await MailChecker(trust(host)).check(wrong)
    assert (raised.value.diagnosis.code, raised.value.diagnosis.protocol) == ("tls.wrong-mode", protocol)
