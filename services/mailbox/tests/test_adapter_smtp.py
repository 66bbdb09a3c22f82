"""Servers that refuse, break off and talk nonsense at every stage of handing over a mail."""

from __future__ import annotations

import asyncio
import base64
import socket
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import cast

import aiosmtplib
import pytest
from heraldry.mailbox.adapters import smtp
from heraldry.mailbox.adapters.kept import KeptConnections
from heraldry.mailbox.ports import (
    Accepted,
    Account,
    Endpoint,
    NotSent,
    Outcome,
    Patience,
    Submission,
    Trust,
    Unknown,
)
from pydantic import SecretStr

HERE = Trust(allow_private_addresses=True)
QUICK = Patience(connect=5.0, command=1.0, verdict=1.0)
MAIL = Submission("ada@x.example", "bob@y.example", b"Subject: hi\r\n\r\n.\r\nHello\r\n")


@dataclass
class Script:
    """Answers by the command's first word; `.` answers the content. None says nothing, "" hangs up."""

    answers: dict[str, str | None] = field(default_factory=dict[str, "str | None"])
    heard: list[str] = field(default_factory=list[str])
    content: bytes = b""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        usual = {
            "CONNECT": "220 hello", "EHLO": "250-here\r\n250-SIZE 1000000\r\n250 AUTH PLAIN LOGIN", "AUTH":
            "235 2.7.0 in", "MAIL": "250 ok", "RCPT": "250 ok", "DATA": "354 go",
            ".": "250 2.0.0 queued as 1", "QUIT": "221 bye" }  # fmt: skip
        known: dict[str, str | None] = {**usual, **self.answers}
        try:
            if not await self._say(writer, known["CONNECT"]):
                return
            while line := await reader.readline():
                self.heard.append(line.decode().strip())
                word = line.split()[0].decode().upper()
                if not await self._say(writer, known.get(word, "500 what")):
                    return
                if word == "DATA" and (known["DATA"] or "").startswith("354"):
                    self.content = await reader.readuntil(b"\r\n.\r\n")
                    if not await self._say(writer, known["."]):
                        return
        except (ConnectionError, asyncio.IncompleteReadError) as error:
            self.content = getattr(error, "partial", b"")
        finally:
            writer.close()

    @staticmethod
    async def _say(writer: asyncio.StreamWriter, answer: str | None) -> bool:
        if answer == "":
            return False
        if answer is not None:
            writer.write(answer.encode() + b"\r\n")
            await writer.drain()
        return True


@asynccontextmanager
async def served(script: Script) -> AsyncGenerator[Account]:
    server = await asyncio.start_server(script.serve, "127.0.0.1", 0)
    here = Endpoint("127.0.0.1", cast("int", server.sockets[0].getsockname()[1]), "starttls")
    try:
        yield Account("ada@x.example", "ada", SecretStr("secret"), here, here)
    finally:
        server.close()


@pytest.fixture
def unencrypted(monkeypatch: pytest.MonkeyPatch) -> None:
    """The conversation after the encryption, so that a script can be read in this file."""

    async def plain(client: aiosmtplib.SMTP) -> None:
        await client.ehlo()

    monkeypatch.setattr(smtp, "_encrypt", plain)


async def sent(script: Script, before: Callable[[], None] = lambda: None) -> tuple[Outcome, int]:
    calls = 0

    async def before_content() -> None:
        nonlocal calls
        calls += 1
        before()

    async with served(script) as account:
        outcome = await KeptConnections(HERE, QUICK).submit(account, MAIL, before_content=before_content)
    return outcome, calls


@pytest.mark.usefixtures("unencrypted")
async def test_a_mail_is_accepted_with_the_servers_words() -> None:
    script = Script()
    outcome, calls = await sent(script)
    assert outcome == Accepted("250 2.0.0 queued as 1")
    assert calls == 1
    assert script.content == b"Subject: hi\r\n\r\n..\r\nHello\r\n.\r\n"
    assert script.heard[0] == "EHLO [127.0.0.1]"
    assert f"MAIL FROM:<ada@x.example> SIZE={len(MAIL.content)}" in script.heard


@pytest.mark.usefixtures("unencrypted")
async def test_the_event_stands_before_the_first_byte_of_content() -> None:
    script = Script()
    seen: list[tuple[list[str], bytes]] = []
    await sent(script, lambda: seen.append((list(script.heard), script.content)))
    assert seen[0][0][-1] == "DATA"
    assert seen[0][1] == b""


@pytest.mark.usefixtures("unencrypted")
async def test_nothing_is_sent_when_the_event_cannot_be_stored() -> None:
    script = Script()

    def refuse() -> None:
        raise RuntimeError("too late")

    with pytest.raises(RuntimeError, match="too late"):
        await sent(script, refuse)
    assert script.content == b""
    assert script.heard[-1] == "DATA"


BEFORE = ("CONNECT", "EHLO", "AUTH", "MAIL", "RCPT", "DATA")


@pytest.mark.usefixtures("unencrypted")
@pytest.mark.parametrize("stage", BEFORE)
@pytest.mark.parametrize(
    ("answer", "duration"),
    [
        ("421 4.3.0 later", "transient"),
        ("554 5.3.0 no", "permanent"),
        ("", "transient"),
        (None, ""),
        ("nonsense", ""),
    ],
)
async def test_before_the_content_nothing_left(stage: str, answer: str | None, duration: str) -> None:
    outcome, calls = await sent(Script({stage: answer}))
    assert isinstance(outcome, NotSent)
    assert calls == 0
    assert outcome.duration == (duration or outcome.duration)


@pytest.mark.usefixtures("unencrypted")
@pytest.mark.parametrize(
    ("answer", "duration", "code"),
    [
        ("451 4.3.0 later", "transient", "provider.unavailable"),
        ("554 5.6.0 no", "permanent", "message.refused"),
        ("550 5.4.5 Daily user sending limit exceeded", "transient", "provider.quota-exceeded"),
        ("550-5.7.26 This mail\r\n550 5.7.26 is unauthenticated", "permanent", "deliverability.poor"),
    ],
)
async def test_a_clear_refusal_of_the_content_is_not_sent(answer: str, duration: str, code: str) -> None:
    outcome, calls = await sent(Script({".": answer}))
    assert isinstance(outcome, NotSent)
    assert (outcome.duration, outcome.diagnosis.code, calls) == (duration, code, 1)
    assert outcome.words.startswith(answer[:3])


@pytest.mark.usefixtures("unencrypted")
@pytest.mark.parametrize("answer", ["", None, "nonsense", "354 again", "x" * 50_000, "250-never ends"])
async def test_without_a_clear_word_after_the_content_the_outcome_is_unknown(answer: str | None) -> None:
    outcome, calls = await sent(Script({".": answer}))
    assert isinstance(outcome, Unknown)
    assert calls == 1


@pytest.mark.usefixtures("unencrypted")
async def test_a_connection_lost_while_the_event_is_stored_is_not_sent() -> None:
    script = Script({"DATA": "354 go"})

    async with served(script) as account:
        session = smtp.Session(account, QUICK)
        await session.enter(HERE)

        async def cut() -> None:
            session.drop()

        assert isinstance(await session.submit(MAIL, cut), NotSent)


@pytest.mark.usefixtures("unencrypted")
@pytest.mark.parametrize("offered", ["PLAIN LOGIN CRAM-MD5", "LOGIN CRAM-MD5", "CRAM-MD5"])
async def test_a_wrong_password_is_tried_once(offered: str) -> None:
    script = Script({"EHLO": f"250-here\r\n250 AUTH {offered}", "AUTH": "535 5.7.8 not accepted"})
    outcome, _ = await sent(script)
    assert isinstance(outcome, NotSent)
    assert outcome.diagnosis.code == "credentials.invalid"
    assert sum(line.startswith("AUTH") for line in script.heard) == 1


@pytest.mark.usefixtures("unencrypted")
async def test_an_echoed_password_reaches_nobody() -> None:
    blob = base64.b64encode(b"\0ada\0secret").decode()
    outcome, _ = await sent(Script({"AUTH": f"535 5.7.8 no: AUTH PLAIN {blob} secret"}))
    assert isinstance(outcome, NotSent)
    assert "secret" not in repr(outcome)
    assert blob not in repr(outcome)


async def test_no_encryption_means_no_sign_in() -> None:
    script = Script()
    outcome, _ = await sent(script)
    assert isinstance(outcome, NotSent)
    assert outcome.diagnosis.code == "tls.no-starttls"
    assert not any(line.startswith("AUTH") for line in script.heard)


async def test_private_addresses_are_refused() -> None:
    here = Endpoint("127.0.0.1", 25, "tls")
    account = Account("ada@x.example", "ada", SecretStr("secret"), here, here)

    async def never() -> None:
        raise AssertionError

    outcome = await KeptConnections(Trust()).submit(account, MAIL, before_content=never)
    assert isinstance(outcome, NotSent)
    assert outcome.diagnosis.code == "host.private-address"


async def test_tls_at_a_port_without_it_is_told() -> None:
    script = Script()
    async with served(script) as account:
        wrong = Endpoint("127.0.0.1", account.smtp.port, "tls")
        changed = Account(account.address, account.user, account.password, account.imap, wrong)

        async def never() -> None:
            raise AssertionError

        outcome = await KeptConnections(HERE, QUICK).submit(changed, MAIL, before_content=never)
    assert isinstance(outcome, NotSent)
    assert outcome.diagnosis.code == "tls.wrong-mode"


async def test_a_closed_port_is_told() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        here = Endpoint("127.0.0.1", cast("int", free.getsockname()[1]), "tls")
    account = Account("ada@x.example", "ada", SecretStr("secret"), here, here)

    async def never() -> None:
        raise AssertionError

    outcome = await KeptConnections(HERE, QUICK).submit(account, MAIL, before_content=never)
    assert isinstance(outcome, NotSent)
    assert outcome.diagnosis.code == "host.refused"
