"""The adapters on Dovecot and Postfix: other people's servers, and the proven defects of the library underneath."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Literal
from uuid import uuid4

import pytest
import pytest_asyncio
from heraldry.chassis.testing.mail import MailServers, skip_unless_root
from heraldry.chassis.testing.mail_dovecot import Dovecot
from heraldry.mailbox.adapters import smtp
from heraldry.mailbox.adapters.check import MailChecker
from heraldry.mailbox.adapters.imap import ImapMailbox
from heraldry.mailbox.domain.compose import Draft, compose
from heraldry.mailbox.ports import Accepted, Account, Endpoint, MailProblem, Patience, Submission, Trust
from pydantic import SecretStr

pytestmark = [pytest.mark.parts, pytest.mark.asyncio(loop_scope="module")]
NOW = datetime(2026, 5, 4, 9, 30, tzinfo=UTC)
PASSWORD = 'secret "und" \\ mehr: grün'
TEXT = "Grüße,\r\n.\r\n..\r\n* 1 FETCH\r\n".encode()
Mode = Literal["tls", "starttls"]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def host() -> AsyncGenerator[MailServers]:
    skip_unless_root()
    async with MailServers.start() as running:
        yield running


@pytest.fixture
def ada(host: MailServers) -> str:
    """The address of a fresh account."""
    return host.add_account(f"ada-{uuid4().hex[:8]}@northwind.example", PASSWORD).address


@pytest.fixture
def bob(host: MailServers) -> str:
    return host.add_account(f"bob-{uuid4().hex[:8]}@maison-verte.example").address


def account(host: MailServers, address: str, mode: Mode = "tls") -> Account:
    ports = host.ports
    imap = Endpoint("localhost", ports.imaps if mode == "tls" else ports.imap, mode)
    smtp = Endpoint("localhost", ports.smtps if mode == "tls" else ports.smtp, mode)
    return Account(address, address, SecretStr(host.account(address).password), imap, smtp)


def with_token(known: Account, token: str) -> Account:
    return replace(known, auth="xoauth2", password=SecretStr(token))


def trust(host: MailServers | Dovecot) -> Trust:
    return Trust(host.ca_file, allow_private_addresses=True)


async def nothing() -> None:
    """Nothing has to happen before the content."""


async def send(host: MailServers, sender: str, to: str, mode: Mode = "tls") -> str:
    """Send a mail and return its Message-ID."""
    sent = f"<{uuid4()}@northwind.example>"
    head = f"From: <{sender}>\r\nTo: <{to}>\r\nMessage-ID: {sent}\r\nSubject: 5* hotel\r\n\r\n"
    mail = Submission(sender, to, head.encode() + TEXT)
    session = smtp.Session(account(host, sender, mode), Patience())
    try:
        await session.enter(trust(host))
        outcome = await session.submit(mail, nothing)
    finally:
        await session.leave()
    assert isinstance(outcome, Accepted), outcome
    return sent


# --- the ports --------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["tls", "starttls"])
async def test_both_protocols_are_really_tried(host: MailServers, ada: str, mode: Mode) -> None:
    checked = await MailChecker(trust(host)).check(account(host, ada, mode))
    assert (checked.inbox, checked.sent, checked.messages) == ("INBOX", "Sent", 0)
    assert {"IDLE", "MOVE", "UIDPLUS"} <= checked.capabilities
    assert "SIZE" in checked.extensions


@pytest.mark.parametrize("mode", ["tls", "starttls"])
async def test_a_wrong_password_is_told(host: MailServers, ada: str, mode: Mode) -> None:
    wrong = replace(account(host, ada, mode), password=SecretStr("wr0ng-secret"))
    with pytest.raises(MailProblem) as raised:
        await MailChecker(trust(host)).check(wrong)
    assert raised.value.diagnosis.code == "credentials.invalid"
    assert "wr0ng" not in repr(raised.value.diagnosis)


@pytest.mark.parametrize("mode", ["tls", "starttls"])
async def test_a_mail_is_sent_waited_for_and_read(host: MailServers, ada: str, bob: str, mode: Mode) -> None:
    async with ImapMailbox(trust(host)).open(account(host, bob, mode)) as reader:
        state = await reader.folder()
        waiting = asyncio.ensure_future(reader.wait(20))
        await asyncio.sleep(0)
        sent = await send(host, ada, bob, mode)
        assert await waiting
        (message,) = [each async for each in reader.fetch_since(0, state.uidvalidity)]
    assert sent.encode() in message.raw
    assert message.raw.endswith(b"\r\n\r\n" + TEXT)
    assert host.messages(bob) == (message.raw,)


async def test_a_mail_to_nobody_comes_back_as_a_report(host: MailServers, ada: str) -> None:
    sent = await send(host, ada, f"gone-{uuid4().hex[:8]}@brisa.example")
    async with ImapMailbox(trust(host)).open(account(host, ada)) as reader:
        state = await reader.folder()
        if not state.messages:
            assert await reader.wait(20)
        (report,) = [each async for each in reader.fetch_since(0, state.uidvalidity)]
    assert b"multipart/report" in report.raw
    assert sent.encode() in report.raw


async def test_a_copy_lies_in_sent_once(host: MailServers, ada: str) -> None:
    copy = compose(Draft(uuid4(), ada, "Ada", "bob@x.example", "Grüße", "Hi", NOW))
    async with ImapMailbox(trust(host)).open(account(host, ada, "starttls")) as reader:
        assert await reader.append_sent(copy) is True
        assert await reader.append_sent(copy) is False
    assert host.messages(ada, "Sent") == (copy,)


# --- the seven defects ------------------------------------------------------------------------------


async def test_defect_1_thousands_of_lines_in_one_read(host: MailServers, ada: str) -> None:
    for n in range(1_500):
        host.deliver(ada, b"Subject: %d\r\n\r\nHi\r\n" % n)
    async with ImapMailbox(trust(host)).open(account(host, ada)) as reader:
        state = await reader.folder()
        assert state.messages == 1_500
        reply = await reader.connection.perform(
            "UID FETCH", (b"1:* (UID FLAGS INTERNALDATE)",), kind="FETCH", silence=20, total=20
        )
        assert len(reply.responses) == 1_500
        first = [message async for message in reader.fetch_since(0, state.uidvalidity)]
        assert [message.uid for message in first] == list(range(1, 201))
        last = [message async for message in reader.fetch_since(1_450, state.uidvalidity)]
        assert [message.raw for message in last][-1] == b"Subject: 1499\r\n\r\nHi\r\n"


async def test_defect_2_a_refused_token_is_answered_and_its_reason_kept(host: MailServers, ada: str) -> None:
    expired = with_token(account(host, ada), host.dovecot.token(ada, seconds=-10))
    began = time.monotonic()
    with pytest.raises(MailProblem) as raised:
        async with ImapMailbox(trust(host)).open(expired):
            pass
    assert time.monotonic() - began < Patience().command / 2
    assert raised.value.diagnosis.code == "credentials.invalid"
    assert '{"status":"401","schemes":"bearer"' in raised.value.diagnosis.words
    assert expired.password.get_secret_value() not in repr(raised.value.diagnosis)


async def test_defect_3_a_lost_connection_ends_what_waits_and_what_comes_after() -> None:
    async with Dovecot() as dovecot:
        address = dovecot.add_account("ada@northwind.example").address
        here = Endpoint("localhost", dovecot.ports.imaps, "tls")
        known = Account(address, address, SecretStr(dovecot.account(address).password), here, here)
        async with ImapMailbox(trust(dovecot)).open(known) as reader:
            await reader.folder()
            waiting = asyncio.ensure_future(reader.wait(60))
            await asyncio.sleep(0)
            began = time.monotonic()
            await dovecot.program.kill()
            for awaited in (waiting, reader.folder(), reader.wait(60), reader.append_sent(b"x")):
                with pytest.raises(MailProblem) as raised:
                    await awaited
                assert raised.value.diagnosis.kind == "transient"
            assert time.monotonic() - began < 10


async def test_defect_4_what_looks_like_an_answer_inside_a_message_stays(host: MailServers, ada: str) -> None:
    body = b"Subject: 5* hotel\r\n\r\n* 1 EXISTS\r\nA1 OK done\r\n+ go\r\n{99}\r\n)\r\n* BYE\r\n"
    host.deliver(ada, body)
    async with ImapMailbox(trust(host)).open(account(host, ada)) as reader:
        state = await reader.folder()
        assert [message.raw async for message in reader.fetch_since(0, state.uidvalidity)] == [body]


@pytest.mark.parametrize("mode", ["tls", "starttls"])
async def test_defect_5_starttls_and_what_the_server_can_after_a_token(
    host: MailServers, ada: str, mode: Mode
) -> None:
    known = with_token(account(host, ada, mode), host.dovecot.token(ada))
    async with ImapMailbox(trust(host)).open(known) as reader:
        after = await reader.capabilities()
        assert {"MOVE", "SPECIAL-USE", "LIST-EXTENDED"} <= after
        assert "AUTH=XOAUTH2" not in after
        assert (await reader.folder()).messages == 0


async def test_defect_6_names_and_passwords_are_quoted_and_encoded(host: MailServers, ada: str) -> None:
    folder = 'Ärger "mit" \\ & 日本'
    async with ImapMailbox(trust(host)).open(account(host, ada)) as reader:
        made = await reader.connection.perform(
            "CREATE", (b'"&AMQ-rger \\"mit\\" \\\\ &- &ZeVnLA-"',), silence=10, total=10
        )
        assert made.ok, made.words
        assert (await reader.folder(folder)).messages == 0
        assert await reader.find_by_header(folder, "Subject", 'a "b" \\ c') == ()


async def test_defect_7_a_tls_connection_has_a_small_buffer(host: MailServers, ada: str) -> None:
    async with ImapMailbox(trust(host)).open(account(host, ada)) as reader:
        host.deliver(ada, b"Subject: large\r\n\r\n" + b"x" * 70 + b"\r\n" + (b"y" * 70 + b"\r\n") * 5_000)
        state = await reader.folder()
        (message,) = [each async for each in reader.fetch_since(0, state.uidvalidity)]
        assert len(message.raw) > 350_000
        protocol: object = getattr(reader.connection.transport, "_ssl_protocol", None)
        assert len(getattr(protocol, "_ssl_buffer", b"")) == 16 * 1024
