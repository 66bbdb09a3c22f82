"""The mail host misbehaves on command, and its log of effects says what truly happened."""

from __future__ import annotations

import asyncio
import base64
import ssl
import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import cast

import pytest
from heraldry.chassis.testing.waiting import until
from heraldry.sandbox.errors import SandboxError
from heraldry.sandbox.mail.faults import Action, Fault, ImapPoint, SmtpPoint
from heraldry.sandbox.mailhost import MailHost

pytestmark = pytest.mark.parts
ADA, LEA, INES = "ada@northwind.example", "lea.fournier@maison-verte.example", "ines.carvalho@brisa.example"
GONE = "gone@brisa.example"
FINE = b"250"
MAIL = b"From: ada@northwind.example\r\nMessage-ID: <%d@x>\r\n\r\n" + (b"x" * 98 + b"\r\n") * 100 + b".\r\n"
SMTP_POINTS: tuple[SmtpPoint, ...] = (
    "smtp.connect",
    "smtp.ehlo",
    "smtp.auth",
    "smtp.mail",
    "smtp.rcpt",
    "smtp.data",
    "smtp.content",
    "smtp.final-dot",
    "smtp.accepted",
)
IMAP_POINTS: tuple[ImapPoint, ...] = (
    "imap.connect",
    "imap.login",
    "imap.select",
    "imap.fetch",
    "imap.append",
    "imap.appended",
    "imap.idle",
)


@pytest.fixture
async def host(tmp_path: Path) -> AsyncGenerator[MailHost]:
    async with MailHost.start(tmp_path) as running:
        yield running


@dataclass
class Client:
    """A client that says what it is told to, and hears every byte."""

    host: MailHost
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    @classmethod
    async def to(cls, host: MailHost, port: int) -> Client:
        context = ssl.create_default_context(cafile=str(host.ca_file))
        return cls(host, *await asyncio.open_connection(host.host, port, ssl=context, limit=1 << 25))

    async def line(self) -> bytes:
        line = await asyncio.wait_for(self.reader.readline(), 10)
        if not line:
            raise ConnectionResetError("the server hung up")
        return line

    async def smtp(self, words: bytes = b"") -> bytes:
        """Say it, and return the last line of the answer."""
        self.writer.write(words)
        while (line := await self.line())[3:4] == b"-":
            pass
        return line

    async def imap(self, words: bytes, tag: bytes = b"a") -> bytes:
        """Say it, and return all of the answer."""
        self.writer.write(tag + b" " + words + b"\r\n")
        heard = b""
        while not (line := await self.line()).startswith((tag + b" ", b"+ ")):
            heard += line
        return heard + line

    def credentials(self, address: str = ADA) -> bytes:
        account = self.host.account(address)
        return base64.b64encode(f"\0{account.address}\0{account.password}".encode())

    def close(self) -> None:
        self.writer.transport.abort()


async def smtp_as_far_as(host: MailHost, point: SmtpPoint, *, to: str = LEA, n: int = 1) -> bytes:
    """Speak until the answer at this point, which is returned. The conversation is fine before."""
    client = await Client.to(host, host.ports.smtps)
    words = {
        "smtp.connect": b"",
        "smtp.ehlo": b"EHLO here\r\n",
        "smtp.auth": b"AUTH PLAIN " + client.credentials() + b"\r\n",
        "smtp.mail": b"MAIL FROM:<%b>\r\n" % ADA.encode(),
        "smtp.rcpt": b"RCPT TO:<%b>\r\n" % to.encode(),
        "smtp.data": b"DATA\r\n",
        "smtp.content": MAIL % n,
    }
    try:
        for name, said in words.items():
            answer = await client.smtp(said)
            if name == point or (name == "smtp.content" and point in {"smtp.final-dot", "smtp.accepted"}):
                return answer
            assert answer[:1] in b"23", answer
        raise AssertionError(point)
    finally:
        client.close()


async def imap_as_far_as(host: MailHost, point: ImapPoint, address: str = LEA) -> bytes:
    client = await Client.to(host, host.ports.imaps)
    mail = MAIL.removesuffix(b".\r\n") % 7
    words = {
        "imap.login": b"AUTHENTICATE PLAIN",
        "imap.select": b"SELECT INBOX",
        "imap.fetch": b"UID FETCH 1:* (UID BODY.PEEK[])",
        "imap.append": b"APPEND Sent {%d+}\r\n" % len(mail) + mail,
        "imap.idle": b"IDLE",
    }
    try:
        answer = await client.line()
        if point == "imap.connect":
            return answer
        assert answer.startswith(b"* OK")
        for name, said in words.items():
            answer = await client.imap(said)
            if name == "imap.login":
                client.writer.write(client.credentials(address) + b"\r\n")
                answer = await client.line()
            if name == point or (name, point) == ("imap.append", "imap.appended"):
                return answer if point != "imap.idle" else await idle_told(client, answer)
            assert b"a OK" in answer, answer
        raise AssertionError(point)
    finally:
        client.close()


async def idle_told(client: Client, answer: bytes) -> bytes:
    """What comes after IDLE's `+`, or in its place."""
    if not answer.startswith(b"+"):
        return answer
    client.host.send(ADA, to=LEA, subject="News", text="x")
    return await client.line()


def delivered(host: MailHost, message_id: str) -> int:
    return sum(one.what == "delivered" and one.facts["message_id"] == message_id for one in host.effects())


def happened(host: MailHost, *, since: int = 0) -> list[str]:
    """What happened from the fault on."""
    what = [one.what for one in host.effects(since)]
    return what[what.index("fault") :]


@pytest.mark.parametrize("point", SMTP_POINTS)
async def test_smtp_answers_with_a_given_line(host: MailHost, point: SmtpPoint) -> None:
    host.add_fault(Fault(point, "answer", answer="451-4.3.0 Try\n451 4.3.0 later", times=1))
    assert await smtp_as_far_as(host, point) == b"451 4.3.0 later\r\n"
    assert delivered(host, "<1@x>") == (point == "smtp.accepted")
    assert await smtp_as_far_as(host, "smtp.accepted", n=2) >= FINE
    assert delivered(host, "<2@x>") == 1


@pytest.mark.parametrize("point", SMTP_POINTS)
async def test_smtp_drops_the_connection(host: MailHost, point: SmtpPoint) -> None:
    host.add_fault(Fault(point, "drop", times=1))
    with pytest.raises(ConnectionResetError):
        await smtp_as_far_as(host, point)
    assert delivered(host, "<1@x>") == (point == "smtp.accepted")
    told = {"smtp.final-dot": ["fault", "dropped", "unanswered"]}
    told["smtp.accepted"] = told["smtp.final-dot"]
    await until(lambda: happened(host) == told.get(point, ["fault", "dropped"]))


@pytest.mark.parametrize("point", SMTP_POINTS)
async def test_smtp_holds_an_answer_until_it_is_released(host: MailHost, point: SmtpPoint) -> None:
    key = host.add_fault(
        Fault(point, "hold", account="" if point in {"smtp.connect", "smtp.ehlo"} else ADA)
    ).id
    asking = asyncio.create_task(smtp_as_far_as(host, point))
    await host.wait_until_held(key)
    (held,) = host.fault(key).waiting
    assert held.session == "smtp-1"
    assert held.message_id == ("<1@x>" if point in {"smtp.final-dot", "smtp.accepted"} else "")
    assert delivered(host, "<1@x>") == (point == "smtp.accepted")
    assert not asking.done()
    assert host.release_fault(key) == 1
    answer = await asking
    assert answer[:1] in b"23", answer
    assert host.fault(key).waiting == []
    assert host.fault(key).applied == 1
    end = ["fault", "released"]
    tails = {
        "smtp.auth": ["authenticated"],
        "smtp.mail": ["mail"],
        "smtp.rcpt": ["recipient"],
        "smtp.content": ["accepted", "delivered", "answered"],
        "smtp.final-dot": ["accepted", "delivered", "answered"],
        "smtp.accepted": ["answered"],
    }
    assert happened(host) == [*end, *tails.get(point, [])]


@pytest.mark.parametrize(
    ("point", "times"), [("smtp.final-dot", 0), ("smtp.accepted", 1), ("smtp.content", 0)]
)
async def test_a_client_that_goes_while_it_is_held_is_told_of(
    host: MailHost, point: SmtpPoint, times: int
) -> None:
    key = host.add_fault(Fault(point, "hold")).id
    asking = asyncio.create_task(smtp_as_far_as(host, point))
    await host.wait_until_held(key)
    asking.cancel()
    await until(lambda: "client gone" in happened(host))
    assert host.fault(key).waiting == []
    assert delivered(host, "<1@x>") == times
    await until(lambda: ("unanswered" in happened(host)) == (point != "smtp.content"))
    assert host.release_fault(key) == 0
    assert delivered(host, "<1@x>") == times


async def test_content_is_cut_off_after_so_many_bytes(host: MailHost) -> None:
    key = host.add_fault(Fault("smtp.content", "drop", after=5_000)).id
    with pytest.raises(ConnectionResetError):
        await smtp_as_far_as(host, "smtp.content")
    host.remove_fault(key)
    host.add_fault(Fault("smtp.content", "drop", after=50_000))
    assert await smtp_as_far_as(host, "smtp.content", n=2) >= FINE
    assert [delivered(host, f"<{n}@x>") for n in (1, 2)] == [0, 1]


async def test_content_is_read_slowly(host: MailHost) -> None:
    host.add_fault(Fault("smtp.content", "slow", rate=40_000, times=1))
    began = time.monotonic()
    assert await smtp_as_far_as(host, "smtp.content") >= FINE
    assert time.monotonic() - began > 0.2
    assert delivered(host, "<1@x>") == 1


@pytest.mark.parametrize(
    "fault", [Fault("smtp.final-dot", "slow", seconds=0.2), Fault("smtp.accepted", "slow", rate=100)]
)
async def test_smtp_answers_slowly(host: MailHost, fault: Fault) -> None:
    host.add_fault(fault)
    began = time.monotonic()
    assert (await smtp_as_far_as(host, "smtp.accepted")).startswith(b"250 2.0.0 Ok: queued as ")
    assert time.monotonic() - began > 0.15


@pytest.mark.parametrize("point", ["smtp.connect", "smtp.rcpt", "smtp.accepted"])
async def test_smtp_talks_garbage(host: MailHost, point: SmtpPoint) -> None:
    host.add_fault(Fault(point, "garbage"))
    assert b"\x80\x81\x82" in await smtp_as_far_as(host, point)
    assert delivered(host, "<1@x>") == (point == "smtp.accepted")


@pytest.mark.parametrize("point", ["smtp.connect", "smtp.final-dot", "imap.fetch", "imap.login"])
async def test_silence_lasts_and_cannot_be_released(host: MailHost, point: SmtpPoint | ImapPoint) -> None:
    key = host.add_fault(Fault(point, "silence")).id
    asking = asyncio.create_task(
        imap_as_far_as(host, cast("ImapPoint", point))
        if point.startswith("imap")
        else smtp_as_far_as(host, cast("SmtpPoint", point))
    )
    await host.wait_until_held(key)
    with pytest.raises(SandboxError) as refused:
        host.release_fault(key)
    assert refused.value.code == "fault_holds_nothing"
    host.remove_fault(key)
    assert not (await asyncio.wait((asking,), timeout=0.1))[0]
    asking.cancel()
    await until(lambda: "client gone" in happened(host))


async def test_a_fault_is_for_one_account_one_recipient_and_so_many_times(host: MailHost) -> None:
    other = host.add_fault(Fault("smtp.final-dot", "answer", answer="451 no", account=LEA))
    elsewhere = host.add_fault(Fault("smtp.final-dot", "answer", answer="451 no", recipient=INES))
    twice = host.add_fault(Fault("smtp.final-dot", "answer", answer="452 no", times=2))
    answers = [(await smtp_as_far_as(host, "smtp.final-dot", n=n))[:3] for n in range(3)]
    assert answers == [b"452", b"452", b"250"]
    assert (await smtp_as_far_as(host, "smtp.final-dot", to=INES))[:3] == b"451"
    assert [one.applied for one in (other, elsewhere, twice)] == [0, 1, 2]
    assert host.faults() == (other, elsewhere, twice)


async def test_a_locked_account_cannot_sign_in_with_any_password(host: MailHost) -> None:
    locks = host.lock(LEA)
    assert b"NO [CONTACTADMIN] The account is locked" in await imap_as_far_as(host, "imap.login")
    assert (await smtp_as_far_as(host, "smtp.auth"))[:3] == b"235"
    host.lock(ADA, smtp="534 5.7.9 Application-specific password required")
    assert (await smtp_as_far_as(host, "smtp.auth")).startswith(b"534 5.7.9 Application")
    for lock in locks:
        host.remove_fault(lock.id)
    assert b"a OK" in await imap_as_far_as(host, "imap.login")
    assert host.account(LEA).password not in (host.folder / "effects.jsonl").read_text()


# --- IMAP -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("point", IMAP_POINTS)
async def test_imap_answers_with_a_given_line(host: MailHost, point: ImapPoint) -> None:
    host.deliver(LEA, b"Subject: a\r\n\r\nb\r\n")
    host.add_fault(Fault(point, "answer", answer="NO [UNAVAILABLE] Try later", times=1))
    answer = await imap_as_far_as(host, point)
    assert answer.endswith(b"NO [UNAVAILABLE] Try later\r\n")
    assert answer.startswith(b"* " if point == "imap.connect" else b"a ")
    assert len(host.messages(LEA, "Sent")) == (point in {"imap.appended", "imap.idle"})


@pytest.mark.parametrize("point", IMAP_POINTS)
async def test_imap_drops_the_connection(host: MailHost, point: ImapPoint) -> None:
    host.add_fault(Fault(point, "drop", times=1))
    with pytest.raises(ConnectionResetError):
        await imap_as_far_as(host, point)
    assert happened(host)[:2] == ["fault", "dropped"]
    assert len(host.messages(LEA, "Sent")) == (point in {"imap.appended", "imap.idle"})
    assert b"EXISTS" in await imap_as_far_as(host, "imap.idle")


@pytest.mark.parametrize("point", IMAP_POINTS)
async def test_imap_holds_an_answer_until_it_is_released(host: MailHost, point: ImapPoint) -> None:
    key = host.add_fault(Fault(point, "hold", account="" if point == "imap.connect" else LEA)).id
    asking = asyncio.create_task(imap_as_far_as(host, point))
    await host.wait_until_held(key)
    assert host.fault(key).waiting[0].account == ("" if point == "imap.connect" else LEA)
    assert len(host.messages(LEA, "Sent")) == (point in {"imap.appended", "imap.idle"})
    assert host.release_fault(key) == 1
    answer = await asking
    assert b"OK" in answer or b"EXISTS" in answer
    assert "released" in happened(host)


@pytest.mark.parametrize("point", ["imap.connect", "imap.append", "imap.appended", "imap.idle"])
async def test_an_imap_client_that_goes_while_it_is_held_is_told_of(host: MailHost, point: ImapPoint) -> None:
    key = host.add_fault(Fault(point, "hold")).id
    asking = asyncio.create_task(imap_as_far_as(host, point))
    await host.wait_until_held(key)
    asking.cancel()
    await until(lambda: "client gone" in happened(host))
    await until(lambda: host.fault(key).waiting == [])
    assert len(host.messages(LEA, "Sent")) == (point in {"imap.appended", "imap.idle"})


async def test_a_farewell_ends_the_connection(host: MailHost) -> None:
    host.add_fault(Fault("imap.select", "answer", answer="BYE Shutting down"))
    client = await Client.to(host, host.ports.imaps)
    await client.line()
    await client.imap(b"LOGIN %b %b" % (LEA.encode(), host.account(LEA).password.encode()))
    client.writer.write(b"b SELECT INBOX\r\n")
    assert await client.line() == b"* BYE Shutting down\r\n"
    assert await client.reader.read() == b""
    client.close()


async def test_several_lines_get_the_tag_at_the_last(host: MailHost) -> None:
    lines = "* NO [WEBALERT x] Web login required\nNO [ALERT] Please log in via your web browser"
    host.add_fault(Fault("imap.login", "answer", answer=lines))
    client = await Client.to(host, host.ports.imaps)
    await client.line()
    assert await client.imap(b"LOGIN %b wrong" % LEA.encode()) == (
        b"* NO [WEBALERT x] Web login required\r\na NO [ALERT] Please log in via your web browser\r\n"
    )
    client.close()


async def test_a_huge_line_comes_before_the_answer(host: MailHost) -> None:
    host.add_fault(Fault("imap.select", "huge-line"))
    answer = await imap_as_far_as(host, "imap.select")
    first, _, rest = answer.partition(b"\r\n")
    assert len(first) > 10_000_000
    assert b"a OK" in rest


async def test_a_literal_announces_another_size_than_it_has(host: MailHost) -> None:
    host.add_fault(Fault("imap.fetch", "lying-literal", size=123))
    answer = await imap_as_far_as(host, "imap.fetch")
    assert answer.startswith(b"* 1 FETCH (UID 1 BODY[] {123}\r\nshort)\r\n")


@pytest.mark.parametrize("point", ["imap.connect", "imap.fetch", "imap.idle"])
async def test_imap_talks_garbage(host: MailHost, point: ImapPoint) -> None:
    host.add_fault(Fault(point, "garbage"))
    client = asyncio.create_task(imap_as_far_as(host, point))
    if point == "imap.connect":
        assert b"\x80\x81" in await client
        return
    await until(lambda: "fault" in [one.what for one in host.effects()])
    client.cancel()


async def test_imap_answers_slowly(host: MailHost) -> None:
    host.add_fault(Fault("imap.login", "slow", seconds=0.1, rate=300))
    began = time.monotonic()
    assert b"a OK" in await imap_as_far_as(host, "imap.login")
    assert time.monotonic() - began > 0.25


# --- bounces and machines ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "action", "says"),
    [("5.1.1", "failed", "550 5.1.1"), ("4.4.1", "delayed", "451 4.4.1"), ("5.9.9", "failed", "550 5.9.9")],
)
async def test_an_address_bounces_after_its_mail_was_accepted(
    host: MailHost, status: str, action: str, says: str
) -> None:
    host.add_fault(Fault("smtp.rcpt", "bounce", recipient=GONE, status=status))
    assert (await smtp_as_far_as(host, "smtp.accepted", to=GONE))[:3] == FINE
    await until(lambda: len(host.messages(ADA)) == 1)
    assert delivered(host, "<1@x>") == 0
    bounced = next(one for one in host.effects() if one.what == "bounced")
    assert bounced.facts == {"recipient": GONE, "status": status, "message_id": "<1@x>"}
    assert happened(host) == ["fault", "recipient", "accepted", "answered", "bounced", "delivered"]
    report = message_from_bytes(host.messages(ADA)[0].letter.raw, policy=policy.default)
    assert report.get_content_type() == "multipart/report"
    assert report.get_param("report-type") == "delivery-status"
    assert report["Return-Path"] == "<>"
    assert report["Auto-Submitted"] == "auto-replied"
    assert report.defects == []
    text, fields, original = cast("list[EmailMessage]", report.get_payload())
    assert GONE in text.get_content()
    assert fields.get_content_type() == "message/delivery-status"
    host_part, recipient = cast("list[EmailMessage]", fields.get_payload())
    assert host_part["Reporting-MTA"] == "dns; mail.sandbox.test"
    assert recipient["Final-Recipient"] == f"rfc822; {GONE}"
    assert recipient["Action"] == action
    assert recipient["Status"] == status
    assert recipient["Diagnostic-Code"].startswith(f"smtp; {says}")
    assert (recipient["Will-Retry-Until"] is not None) == (action == "delayed")
    assert original.get_content_type() == "message/rfc822"
    assert cast("list[EmailMessage]", original.get_payload())[0]["Message-ID"] == "<1@x>"


async def test_a_report_comes_also_to_who_never_got_an_answer(host: MailHost) -> None:
    host.add_fault(Fault("smtp.rcpt", "bounce", recipient=LEA))
    host.add_fault(Fault("smtp.accepted", "drop"))
    with pytest.raises(ConnectionResetError):
        await smtp_as_far_as(host, "smtp.accepted")
    await until(lambda: len(host.messages(ADA)) == 1)
    assert host.messages(LEA) == ()


async def test_a_report_that_is_due_is_delivered_when_the_host_ends(tmp_path: Path) -> None:
    async with MailHost.start(tmp_path) as host:
        host.add_fault(Fault("smtp.rcpt", "bounce"))
        await smtp_as_far_as(host, "smtp.accepted")
    async with MailHost.start(tmp_path) as again:
        assert len(again.messages(ADA)) == 1


@pytest.mark.parametrize("whole", [True, False])
async def test_a_mail_bounces_afterwards(host: MailHost, whole: bool) -> None:  # noqa: FBT001
    sent = host.send(ADA, to=LEA, subject="Grüße", text="Ä first line")
    letter = host.bounce(LEA, "5.2.2", message_id=sent.message_id, whole=whole)
    assert host.messages(ADA)[0].letter == letter
    assert "552 5.2.2" in letter.text
    assert sent.message_id.encode() in letter.raw
    assert (b"first line" in letter.raw) is whole
    assert (b"text/rfc822-headers" in letter.raw) is not whole


async def test_an_automatic_reply_says_that_it_is_one(host: MailHost) -> None:
    sent = host.send(ADA, to=LEA, subject="Offer", text="x")
    host.auto_reply(LEA, uid=1)
    got = host.messages(ADA)[0].letter
    assert got.header("Auto-Submitted") == "auto-replied"
    assert got.header("In-Reply-To") == sent.message_id
    assert got.header("Return-Path") == "<>"
    assert got.subject == "Automatic reply: Offer"
    for answering in (host.auto_reply, host.bounce):
        with pytest.raises(SandboxError) as refused:
            answering(ADA, uid=1)
        assert refused.value.code == "automatic_mail"


# --- what is refused, and the end -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "field"),
    [
        (Fault("smtp.connect", "drop", account=ADA), "account"),
        (Fault("imap.connect", "drop", account=ADA), "account"),
        (Fault("smtp.auth", "drop", recipient=ADA), "recipient"),
        (Fault("imap.fetch", "drop", recipient=ADA), "recipient"),
        (Fault("smtp.data", "huge-line"), "action"),
        (Fault("smtp.data", "bounce"), "action"),
        (Fault("smtp.data", "drop", times=0), "times"),
        (Fault("smtp.data", "drop", after=5), "after"),
        (Fault("smtp.data", "slow"), "rate"),
        (Fault("smtp.data", "slow", seconds=-1), "seconds"),
        (Fault("smtp.data", "answer"), "answer"),
        (Fault("smtp.data", "answer", answer="Try later"), "answer"),
        (Fault("imap.fetch", "answer", answer="451 later"), "answer"),
        (Fault("imap.fetch", "huge-line", size=10**9), "size"),
        (Fault("smtp.rcpt", "bounce", status="2.0.0"), "status"),
    ],
)
async def test_faults_without_sense_are_refused(host: MailHost, fault: Fault, field: str) -> None:
    with pytest.raises(SandboxError) as refused:
        host.add_fault(fault)
    assert (refused.value.code, refused.value.field) == ("fault_malformed", field)
    assert host.faults() == ()


async def test_a_fault_of_nobody_is_refused(host: MailHost) -> None:
    with pytest.raises(SandboxError) as refused:
        host.add_fault(Fault("smtp.data", "drop", account="nobody@x.example"))
    assert refused.value.code == "account_unknown"
    with pytest.raises(SandboxError) as refused:
        host.remove_fault("fault-9")
    assert refused.value.code == "fault_unknown"


async def test_removing_a_hold_lets_go_whom_it_holds(host: MailHost) -> None:
    key = host.add_fault(Fault("smtp.accepted", "hold")).id
    asking = asyncio.create_task(smtp_as_far_as(host, "smtp.accepted"))
    await host.wait_until_held(key)
    host.remove_fault(key)
    assert (await asking)[:3] == FINE


@pytest.mark.parametrize("action", ["hold", "silence"])
async def test_a_host_that_ends_waits_for_nobody(tmp_path: Path, action: Action) -> None:
    async with MailHost.start(tmp_path) as host:
        first = host.add_fault(Fault("smtp.final-dot", action)).id
        second = host.add_fault(Fault("imap.fetch", action)).id
        asking = (
            asyncio.create_task(smtp_as_far_as(host, "smtp.final-dot")),
            asyncio.create_task(imap_as_far_as(host, "imap.fetch")),
        )
        await host.wait_until_held(first)
        await host.wait_until_held(second)
        began = time.monotonic()
    assert time.monotonic() - began < 2
    results = await asyncio.gather(*asking, return_exceptions=True)
    assert all(isinstance(one, OSError) for one in results)
    assert [one.what for one in host.effects()].count("client gone") == 2
    async with MailHost.start(tmp_path) as again:
        assert again.faults() == ()
        assert (await smtp_as_far_as(again, "smtp.accepted"))[:3] == FINE
