"""The mail host, asked by clients that share no code with it."""

from __future__ import annotations

import asyncio
import imaplib
import smtplib
import socket
import ssl
import time
from collections.abc import AsyncGenerator, Callable
from dataclasses import astuple, replace
from email.message import EmailMessage
from pathlib import Path

import aiosmtplib
import pytest
from heraldry.sandbox.errors import SandboxError
from heraldry.sandbox.mail.accounts import Account
from heraldry.sandbox.mailhost import MailHost

pytestmark = pytest.mark.parts
ADA, LEA = "ada@northwind.example", "lea.fournier@maison-verte.example"


@pytest.fixture
async def host(tmp_path: Path) -> AsyncGenerator[MailHost]:
    async with MailHost.start(tmp_path) as running:
        yield running


def trusting(host: MailHost) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(host.ca_file))


def imap(host: MailHost, account: Account, *, tls: bool = True, password: str = "") -> imaplib.IMAP4:
    client: imaplib.IMAP4
    if tls:
        client = imaplib.IMAP4_SSL(host.host, host.ports.imaps, ssl_context=trusting(host), timeout=10)
    else:
        client = imaplib.IMAP4(host.host, host.ports.imap, timeout=10)
        client.starttls(trusting(host))
    client.login(account.address, password or account.password)
    return client


def smtp(host: MailHost, account: Account, *, tls: bool = True, password: str = "") -> smtplib.SMTP:
    client: smtplib.SMTP
    if tls:
        client = smtplib.SMTP_SSL(host.host, host.ports.smtps, context=trusting(host), timeout=10)
    else:
        client = smtplib.SMTP(host.host, host.ports.smtp, timeout=10)
        client.starttls(context=trusting(host))
    client.login(account.address, password or account.password)
    return client


def mail(
    sender: str, to: str, *, text: str = "Bonjour", message_id: str = "<1@northwind.example>"
) -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"], message["Message-ID"] = (
        sender,
        to,
        "Hello",
        message_id,
    )
    message["X-Own"] = "attempt-1"
    message.set_content(text)
    return message


async def test_an_answer_of_several_lines_comes_at_once(host: MailHost) -> None:
    def fastest() -> float:
        took: list[float] = []
        with imap(host, host.account(ADA)) as client:
            client.select()
            for _ in range(40):
                started = time.monotonic()
                client.search(None, "ALL")
                took.append(time.monotonic() - started)
        return min(took[20:])  # at first the client's kernel acknowledges each packet at once

    assert await asyncio.to_thread(fastest) < 0.03


@pytest.mark.parametrize("tls", [True, False])
async def test_a_submitted_mail_is_in_the_recipients_inbox(host: MailHost, tls: bool) -> None:  # noqa: FBT001
    ada, lea = host.account(ADA), host.account(LEA)

    def send() -> None:
        with smtp(host, ada, tls=tls) as client:
            client.send_message(mail(ADA, LEA, text="5* hotel\n.dot at the start\n* 1 FETCH\n"))

    def fetch() -> tuple[bytes, bytes]:
        with imap(host, lea, tls=tls) as client:
            client.select("INBOX")
            uid = client.uid("SEARCH", "HEADER", "X-Own", "attempt-1")[1][0]
            return uid, client.uid("FETCH", uid.decode(), "(BODY.PEEK[])")[1][0][1]

    await asyncio.to_thread(send)
    uid, content = await asyncio.to_thread(fetch)
    assert uid == b"1"
    assert content == host.messages(LEA)[0].letter.raw
    assert b"\r\n5* hotel\r\n.dot at the start\r\n* 1 FETCH\r\n" in content
    what = [one.what for one in host.effects() if one.session.startswith("smtp") or not one.session]
    assert what == ["connected", "authenticated", "mail", "recipient", "accepted", "delivered", "answered"]


@pytest.mark.parametrize("port", ["smtp", "smtps"])
async def test_aiosmtplib_reuses_a_connection(host: MailHost, port: str) -> None:
    ada = host.account(ADA)
    client = aiosmtplib.SMTP(
        hostname=host.host,
        port=getattr(host.ports, port),
        use_tls=port == "smtps",
        start_tls=port == "smtp",
        tls_context=trusting(host),
        username=ada.address,
        password=ada.password,
    )
    async with client:
        for n in range(3):
            await client.send_message(mail(ADA, LEA, message_id=f"<{n}@northwind.example>"))
    assert [one.uid for one in host.messages(LEA)] == [1, 2, 3]
    message = await host.wait_for_message(LEA, "<2@northwind.example>")
    assert message.letter.text == "Bonjour\n"


async def test_a_wrong_password_is_refused_at_once(host: MailHost) -> None:
    ada = host.account(ADA)
    for tls in (True, False):
        began = time.monotonic()
        with pytest.raises(imaplib.IMAP4.error, match="AUTHENTICATIONFAILED"):
            await asyncio.to_thread(imap, host, ada, tls=tls, password="wrong")
        with pytest.raises(smtplib.SMTPAuthenticationError) as refused:
            await asyncio.to_thread(smtp, host, ada, tls=tls, password="wrong")
        assert refused.value.smtp_code == 535
        assert "5.7.8" in str(refused.value)
        assert time.monotonic() - began < 2
    assert ada.password not in (host.folder / "effects.jsonl").read_text()
    assert "wrong" not in (host.folder / "effects.jsonl").read_text()


async def test_no_password_is_taken_before_tls(host: MailHost) -> None:
    def ask() -> tuple[tuple[str, ...], str, bool]:
        with imaplib.IMAP4(host.host, host.ports.imap, timeout=10) as client:
            capabilities = client.capabilities
            with pytest.raises(imaplib.IMAP4.error) as refused:
                client.login(ADA, "irrelevant")
        with smtplib.SMTP(host.host, host.ports.smtp, timeout=10) as plain:
            plain.ehlo()
            return capabilities, str(refused.value), plain.has_extn("auth")

    capabilities, refusal, offered = await asyncio.to_thread(ask)
    assert "LOGINDISABLED" in capabilities
    assert "disabled" in refusal
    assert not offered


async def test_unknown_recipients_relay_and_foreign_senders_are_refused(host: MailHost) -> None:
    def refusals() -> list[tuple[int, bytes]]:
        with smtp(host, host.account(ADA)) as client:
            foreign = client.mail(LEA)
            client.rset()
            client.mail(ADA)
            return [foreign, client.rcpt("nobody@northwind.example"), client.rcpt("x@elsewhere.example")]

    foreign, unknown, relay = await asyncio.to_thread(refusals)
    assert (foreign[0], foreign[1][:5]) == (553, b"5.7.1")
    assert (unknown[0], unknown[1][:5]) == (550, b"5.1.1")
    assert (relay[0], relay[1][:5]) == (550, b"5.7.1")


async def test_everything_is_there_after_a_restart(tmp_path: Path) -> None:
    async with MailHost.start(tmp_path) as first:
        authority, account = first.ca_file.read_bytes(), first.account(LEA)
        first.send(ADA, to=LEA, subject="One", text="1")
        first.send(ADA, to=LEA, subject="Two", text="2")
        before = first.messages(LEA)

        def remove() -> object:
            with imap(first, account) as client:
                client.select("INBOX")
                client.uid("STORE", "1", "+FLAGS", "(\\Deleted)")
                client.expunge()
                client.create("Kept/Deep")
                return client.status("INBOX", "(UIDVALIDITY UIDNEXT MESSAGES)")[1]

        status = await asyncio.to_thread(remove)
        effects = len(first.effects())
    async with MailHost.start(tmp_path) as second:

        def look() -> tuple[object, list[object]]:
            with imap(second, account) as client:
                return client.status("INBOX", "(UIDVALIDITY UIDNEXT MESSAGES)")[1], list(client.list()[1])

        assert second.ca_file.read_bytes() == authority
        again, folders = await asyncio.to_thread(look)
        assert again == status
        assert b'(\\HasNoChildren) "/" Kept/Deep' in folders
        assert b'(\\HasNoChildren \\Sent) "/" Sent' in folders
        assert second.messages(LEA) == before[1:]
        assert [one.letter.subject for one in second.messages(ADA, "Sent")] == ["One", "Two"]
        second.send(ADA, to=LEA, subject="Three", text="3")
        assert [one.uid for one in second.messages(LEA)] == [2, 3]
        assert [one.n for one in second.effects()][:effects] == list(range(1, effects + 1))
    assert (tmp_path / "accounts.json").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "ca-key.pem").stat().st_mode & 0o777 == 0o600


async def test_idle_is_told_of_a_delivery(host: MailHost) -> None:
    lea = host.account(LEA)
    reader, writer = await asyncio.open_connection(host.host, host.ports.imaps, ssl=trusting(host))

    async def until(start: bytes) -> bytes:
        while not (line := await asyncio.wait_for(reader.readline(), 5)).startswith(start):
            assert line
        return line

    for tag, command in ((b"a", f"LOGIN {lea.address} {lea.password}"), (b"b", "SELECT INBOX")):
        writer.write(tag + b" " + command.encode() + b"\r\n")
        assert b" OK " in await until(tag)
    for n in (1, 2):
        writer.write(b"c%d IDLE\r\n" % n)
        await until(b"+")
        began = time.monotonic()
        host.send(ADA, to=LEA, subject="Push", text="now")
        assert (await until(b"* %d EXISTS" % n)).strip() == b"* %d EXISTS" % n
        assert time.monotonic() - began < 0.5
        writer.write(b"DONE\r\n")
        assert b" OK " in await until(b"c%d" % n)
    writer.close()


async def test_what_came_between_two_commands_is_told_when_idling_begins(host: MailHost) -> None:
    folder = host.folders(LEA)["INBOX"]
    seen = folder.change
    host.send(ADA, to=LEA, subject="Before", text="x")
    assert await folder.wait_beyond(seen, 0.01)
    assert not await folder.wait_beyond(folder.change, 0.01)


async def test_append_copy_move_and_flags(host: MailHost) -> None:
    ada = host.account(ADA)
    raw = mail(ADA, LEA).as_bytes().replace(b"\n", b"\r\n")

    def work() -> tuple[bytes, bytes, bytes, list[bytes]]:
        with imap(host, ada) as client:
            offered = client.capability()[1][0].split()
            assert {b"UIDPLUS", b"MOVE", b"IDLE", b"SPECIAL-USE"} <= set(offered)
            appended = client.append("Sent", "(\\Seen)", imaplib.Time2Internaldate(1_800_000_000), raw)[1][0]
            client.select("Sent")
            client.uid("COPY", "1", "Drafts")
            copied = client.response("COPYUID")[1][0]
            client.uid("MOVE", "1", "Trash")
            client.select("Trash")
            found = client.uid("FETCH", "1", "(FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[])")[1][0]
            missing = client.uid("SEARCH", "HEADER", "Message-ID", "<none@x>")[1]
            return appended, copied, found[0] + found[1], missing

    appended, copied, found, missing = await asyncio.to_thread(work)
    assert appended.startswith(b"[APPENDUID ")
    assert copied.endswith(b" 1 1")
    assert b"\\Seen" in found
    assert b"15-Jan-2027" in found
    assert found.endswith(raw)
    assert missing in ([b""], [None])
    assert host.messages(ADA, "Sent") == ()
    assert [one.letter.raw for one in host.messages(ADA, "Trash")] == [raw]


async def test_renaming_the_inbox_moves_its_mails(host: MailHost) -> None:
    host.send(ADA, to=LEA, subject="Old", text="x")

    def rename() -> str:
        with imap(host, host.account(LEA)) as client:
            return client.rename("INBOX", "Archive")[0]

    assert await asyncio.to_thread(rename) == "OK"
    host.send(ADA, to=LEA, subject="New", text="x")
    assert [one.letter.subject for one in host.messages(LEA)] == ["New"]
    assert [one.letter.subject for one in host.messages(LEA, "Archive")] == ["Old"]


async def test_a_reply_is_threaded_and_quotes(host: MailHost) -> None:
    sent = host.send(ADA, to=LEA, subject="Bonjour à tous", text="First line\nSecond line")
    answer = host.reply(LEA, "Merci", message_id=sent.message_id)
    got = host.messages(ADA)[0].letter
    assert got == answer
    assert got.header("In-Reply-To") == sent.message_id
    assert got.header("References") == sent.message_id
    assert got.subject == "Re: Bonjour à tous"
    assert got.text.startswith("Merci\n\nOn ")
    assert "> First line\n> Second line" in got.text
    again = host.reply(ADA, "De rien", uid=1)
    assert again.header("References") == f"{sent.message_id} {answer.message_id}"
    assert again.subject == "Re: Bonjour à tous"
    assert "\\Answered" in host.messages(LEA)[0].flags


REFUSALS: dict[str, Callable[[MailHost], object]] = {
    "account_exists": lambda host: host.add_account("Ada@northwind.example"),
    "address_malformed": lambda host: host.add_account("no address"),
    "account_unknown": lambda host: host.messages("nobody@x.example"),
    "folder_unknown": lambda host: host.messages(ADA, "Nowhere"),
    "message_unknown": lambda host: host.reply(ADA, "x", uid=9),
    "recipient_unknown": lambda host: host.send(ADA, to="x@elsewhere.example", subject="s", text="t"),
    "header_refused": lambda host: host.send(
        ADA, to=LEA, subject="s", text="t", headers={"X-A": "b\r\nBcc: c"}
    ),
}


@pytest.mark.parametrize("code", REFUSALS)
async def test_refusals_have_codes(host: MailHost, code: str) -> None:
    with pytest.raises(SandboxError) as refused:
        REFUSALS[code](host)
    assert refused.value.code == code


async def test_each_mail_host_chooses_ports_of_its_own_and_keeps_them(tmp_path: Path) -> None:
    async with MailHost.start(tmp_path / "one") as one:
        pass
    async with MailHost.start(tmp_path / "two") as two:  # also beside one that is stopped
        assert not {*astuple(one.ports)} & {*astuple(two.ports)}
    async with MailHost.start(tmp_path / "one") as again:
        assert again.ports == one.ports  # inboxes that were connected stay connected


async def test_a_kept_port_that_is_taken_is_said_and_taken_again_when_it_is_free(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with MailHost.start(tmp_path) as host:
        kept = host.ports
    with socket.create_server((host.host, kept.imaps)):
        async with MailHost.start(tmp_path) as other:
            assert replace(other.ports, imaps=kept.imaps) == kept
            assert other.ports.imaps != kept.imaps
    assert f"port {kept.imaps} (imaps) of this sandbox's mail host is taken by another program" in caplog.text
    async with MailHost.start(tmp_path) as again:
        assert again.ports == kept


async def test_a_changed_password_counts_from_then_on(host: MailHost) -> None:
    old = host.account(ADA)
    new = host.change_password(ADA, "brand new")
    with pytest.raises(imaplib.IMAP4.error):
        await asyncio.to_thread(imap, host, old)
    await asyncio.to_thread(lambda: imap(host, new).logout())
