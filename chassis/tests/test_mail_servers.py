"""The throw-away Dovecot and Postfix: they serve, they report what cannot be delivered, they leave nobody behind."""

from __future__ import annotations

import asyncio
import imaplib
import os
import smtplib
import ssl
from collections.abc import AsyncGenerator
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import cast

import pytest
import pytest_asyncio
from heraldry.chassis.testing import mail_process
from heraldry.chassis.testing.mail import MailServers, skip_unless_root
from heraldry.chassis.testing.mail_dovecot import Dovecot

pytestmark = [pytest.mark.parts, pytest.mark.asyncio(loop_scope="module")]
ADA, LEA = "ada@northwind.example", "lea@maison-verte.example"
MAIL = (
    b"From: <ada@northwind.example>\r\nTo: <%b>\r\nMessage-ID: <%b>\r\nSubject: Hello\r\n"
    b"Date: Mon, 04 May 2026 09:30:00 +0000\r\n\r\n5* hotel\r\n"
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared() -> AsyncGenerator[MailServers]:
    skip_unless_root()
    async with MailServers.start() as running:
        yield running


@pytest.fixture
def host(shared: MailServers) -> MailServers:
    """The shared servers, as good as new."""
    shared.add_account(ADA, 'a "quoted": \\ word')
    shared.add_account(LEA)
    for address in (ADA, LEA):
        shared.dovecot.forget(address)
    return shared


def trusting(ca_file: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(ca_file))


def imap(host: MailServers, address: str, *, tls: bool) -> imaplib.IMAP4:
    client: imaplib.IMAP4
    if tls:
        client = imaplib.IMAP4_SSL(
            host.host, host.ports.imaps, ssl_context=trusting(host.ca_file), timeout=10
        )
    else:
        client = imaplib.IMAP4(host.host, host.ports.imap, timeout=10)
        client.starttls(trusting(host.ca_file))
    plain = f"\0{address}\0{host.account(address).password}".encode()
    client.authenticate("PLAIN", lambda _: plain)
    return client


def smtp(host: MailServers, address: str, *, tls: bool) -> smtplib.SMTP:
    client: smtplib.SMTP
    if tls:
        client = smtplib.SMTP_SSL(host.host, host.ports.smtps, context=trusting(host.ca_file), timeout=10)
    else:
        client = smtplib.SMTP(host.host, host.ports.smtp, timeout=10)
        client.starttls(context=trusting(host.ca_file))
    client.login(address, host.account(address).password)
    return client


@pytest.mark.parametrize("tls", [True, False])
async def test_a_mail_is_submitted_delivered_and_read(host: MailServers, tls: bool) -> None:  # noqa: FBT001
    def send() -> None:
        with smtp(host, ADA, tls=tls) as client:
            client.sendmail(ADA, [LEA], MAIL % (LEA.encode(), b"1@x"))

    def fetch() -> bytes:
        with imap(host, LEA, tls=tls) as client:
            client.select("INBOX")
            return client.uid("FETCH", "1", "(BODY.PEEK[])")[1][0][1]

    await asyncio.to_thread(send)
    lies_there = await host.wait_for_message(LEA, b"Message-ID: <1@x>")
    assert lies_there.startswith(b"Return-Path: <ada@northwind.example>\r\n")
    assert lies_there.endswith(MAIL % (LEA.encode(), b"1@x"))
    assert await asyncio.to_thread(fetch) == lies_there
    assert host.messages(LEA) == (lies_there,)
    assert host.messages(ADA) == ()


async def test_what_cannot_be_delivered_comes_back_as_a_report(host: MailServers) -> None:
    def send() -> None:
        with smtp(host, ADA, tls=True) as client:
            assert client.sendmail(ADA, ["gone@brisa.example"], MAIL % (b"gone@brisa.example", b"2@x")) == {}

    await asyncio.to_thread(send)
    raw = await host.wait_for_message(ADA, b"multipart/report")
    report = message_from_bytes(raw, policy=policy.default)
    assert report["Return-Path"] == "<>"
    assert report["Auto-Submitted"] == "auto-replied"
    _, fields, original = cast("list[EmailMessage]", report.get_payload())
    recipient = cast("list[EmailMessage]", fields.get_payload())[1]
    assert recipient["Final-Recipient"] == "rfc822; gone@brisa.example"
    assert (recipient["Action"], recipient["Status"]) == ("failed", "5.1.1")
    assert cast("list[EmailMessage]", original.get_payload())[0]["Message-ID"] == "<2@x>"


async def test_strangers_and_other_people_s_addresses_are_refused(host: MailServers) -> None:
    def ask() -> tuple[int, int]:
        with smtp(host, ADA, tls=False) as client:
            client.mail(LEA)
            foreign = client.rcpt(LEA)[0]
        with smtplib.SMTP_SSL(
            host.host, host.ports.smtps, context=trusting(host.ca_file), timeout=10
        ) as nobody:
            nobody.ehlo()
            nobody.mail(ADA)
            return foreign, nobody.rcpt(LEA)[0]

    assert await asyncio.to_thread(ask) == (553, 554)
    host.add_account(ADA, "another")
    with pytest.raises(smtplib.SMTPAuthenticationError):
        await asyncio.to_thread(lambda: smtplib_login(host, "wrong"))
    await asyncio.to_thread(lambda: smtplib_login(host, "another"))


def smtplib_login(host: MailServers, password: str) -> None:
    with smtplib.SMTP_SSL(host.host, host.ports.smtps, context=trusting(host.ca_file), timeout=10) as client:
        client.login(ADA, password)


async def test_mails_put_into_a_maildir_are_served_in_turn(host: MailServers) -> None:
    for n in range(5):
        host.deliver(LEA, MAIL % (LEA.encode(), b"%d@x" % n))

    def count() -> list[bytes]:
        with imap(host, LEA, tls=True) as client:
            return [one[1] for one in client_messages(client)]

    found = await asyncio.to_thread(count)
    assert found == list(host.messages(LEA))
    assert [b"<%d@x>" % n in one for n, one in enumerate(found)] == [True] * 5


def client_messages(client: imaplib.IMAP4) -> list[tuple[bytes, bytes]]:
    client.select("INBOX")
    return [one for one in client.uid("FETCH", "1:*", "(BODY.PEEK[])")[1] if isinstance(one, tuple)]


async def test_nobody_and_nothing_is_left_behind() -> None:
    skip_unless_root()
    async with MailServers.start() as host:
        servers = [host.dovecot.program.pid, host.postfix.program.pid]
        folders = [host.dovecot.folder, host.postfix.folder]
        host.add_account(ADA)
        host.deliver(ADA, b"Subject: x\r\n\r\n\r\n")
        await asyncio.to_thread(lambda: imap(host, ADA, tls=True).select("INBOX"))
        everybody = [one for pid in servers for one in mail_process.family(pid)]
        assert {"anvil", "auth", "imap-login", "qmgr"} <= {one.name() for one in everybody}
    assert not any(map(mail_process.lives, everybody))
    assert not any(map(Path.exists, folders))


async def test_a_killed_server_is_gone_at_once() -> None:
    async with Dovecot() as dovecot:
        everybody = mail_process.family(dovecot.program.pid)
        await dovecot.program.kill()
        assert not any(map(mail_process.lives, everybody))
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(dovecot.host, dovecot.ports.imap)


async def test_missing_programs_are_said_with_what_installs_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mail_process, "SYSTEM_FOLDERS", ())
    monkeypatch.setenv("PATH", os.devnull)
    with pytest.raises(LookupError, match=r"Dovecot was not found; `\./justw setup-system` installs it"):
        async with MailServers.start():
            pass
