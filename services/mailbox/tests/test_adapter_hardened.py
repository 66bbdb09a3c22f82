"""A server that misbehaves on purpose; one test for each proven defect of the library underneath, and
more.
"""

from __future__ import annotations

import asyncio
import base64
import json
import re
import time
import tracemalloc
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import cast

import pytest
from heraldry.chassis.testing.waiting import until
from heraldry.mailbox.adapters.hardened import Limits
from heraldry.mailbox.adapters.imap import ImapMailbox, Session
from heraldry.mailbox.ports import Account, Endpoint, FolderChanged, MailProblem, Patience, Trust
from pydantic import SecretStr

QUICK = Patience(connect=5.0, command=1.0, transfer=5.0, idle=0.05)
SELECTED = "* 3 EXISTS\r\n* OK [UIDVALIDITY 7] fine\r\n* OK [UIDNEXT 9] fine\r\n{tag} OK done\r\n"
CAPABILITIES = "* CAPABILITY IMAP4rev1 IDLE SASL-IR\r\n{tag} OK done\r\n"


@dataclass
class Script:
    """Answers by command; `{tag}` is filled in. A callable gets the writer and the tag. None says nothing."""

    answers: dict[str, object] = field(default_factory=dict[str, object])
    greeting: str = "* OK hello\r\n"
    heard: list[str] = field(default_factory=list[str])
    port: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(self.greeting.encode())
        try:
            while line := await reader.readline():
                text = line.decode().strip()
                while found := re.search(r"\{(\d+)\}$", text):
                    writer.write(b"+ go\r\n")
                    text += " " + (await reader.readexactly(int(found[1]))).decode()
                    text += (await reader.readline()).decode().rstrip("\r\n")
                self.heard.append(text)
                tag, _, rest = text.partition(" ")
                await self._answer(writer, tag, rest)
        except (ConnectionError, asyncio.IncompleteReadError):
            return
        finally:
            writer.close()

    async def _answer(self, writer: asyncio.StreamWriter, tag: str, rest: str) -> None:
        usual = {
            "CAPABILITY": CAPABILITIES, "LOGIN": "{tag} OK in\r\n", "SELECT": SELECTED,
            "LOGOUT": "* BYE\r\n{tag} OK\r\n", "NOOP": "{tag} OK\r\n", "IDLE": "+ idling\r\n",
            "LIST": "{tag} OK\r\n",
        }  # fmt: skip
        known = {**usual, **self.answers}
        if tag == "DONE":
            tag, rest = self.heard[-2].partition(" ")[0], "DONE"
        answer = known.get(next((name for name in known if rest.upper().startswith(name)), ""))
        if rest == "DONE" and "DONE" not in known:
            answer = "{tag} OK done\r\n"
        if callable(answer):
            await cast("Callable[[asyncio.StreamWriter, str], Awaitable[None]]", answer)(writer, tag)
        elif isinstance(answer, bytes):
            writer.write(answer.replace(b"{tag}", tag.encode()))
        elif isinstance(answer, str):
            writer.write(answer.replace("{tag}", tag).encode())
        await writer.drain()


def account(port: int, **changed: str) -> Account:
    here = Endpoint("127.0.0.1", port, "starttls")
    values = {"user": "ada", "password": "secret", **changed}
    return Account("ada@x.example", values["user"], SecretStr(values["password"]), here, here)


@asynccontextmanager
async def opened(
    script: Script,
    patience: Patience = QUICK,
    limits: Limits | None = None,
    auth: str = "password",
    **changed: str,
) -> AsyncGenerator[Session]:
    server = await asyncio.start_server(script.serve, "127.0.0.1", 0)
    script.port = cast("int", server.sockets[0].getsockname()[1])
    known = account(script.port, **changed)
    if auth == "xoauth2":
        known = Account(known.address, known.user, known.password, known.imap, known.smtp, "xoauth2")
    session = Session(known, patience, limits or Limits())

    async def plain(*_: object, **__: object) -> object:
        session.connection.known = frozenset()
        return type("Upgraded", (), {"ok": True})()

    script.answers.setdefault("CAPABILITY", CAPABILITIES.replace("IDLE", "IDLE STARTTLS"))
    # the conversation after the encryption, so that a script can be read in this file
    setattr(session.connection, "upgrade", plain)  # noqa: B010  one method of this one connection
    try:
        await session.enter(Trust(allow_private_addresses=True))
        yield session
    finally:
        await session.leave()
        server.close()


async def problem(awaited: Awaitable[object]) -> str:
    with pytest.raises(MailProblem) as raised:
        await awaited
    assert "secret" not in repr(raised.value.diagnosis)
    return raised.value.diagnosis.code


async def all_of(session: Session, uid: int = 0) -> Sequence[tuple[int, bytes]]:
    return [(message.uid, message.raw) async for message in session.fetch_since(uid, 7)]


def messages(bodies: dict[int, bytes]) -> dict[str, object]:
    """A server that says everything it has, whatever was asked for."""
    fetched = b"".join(
        b"* %d FETCH (UID %d RFC822.SIZE %d BODY[] {%d}\r\n%s)\r\n" % (n, n, len(body), len(body), body)
        for n, body in bodies.items()
    )
    found = b" ".join(b"%d" % n for n in bodies)
    return {
        "UID SEARCH": b"* SEARCH " + found + b"\r\n{tag} OK done\r\n",
        "UID FETCH": fetched + b"{tag} OK done\r\n",
    }


# --- the seven defects ----------------------------------------------------------------------------


async def test_defect_1_thousands_of_lines_in_one_read() -> None:
    lines = b"".join(b"* %d RECENT\r\n" % n for n in range(20_000))
    async with opened(Script({"NOOP": lines + b"{tag} OK done\r\n"})) as session:
        begun = time.process_time()
        reply = await session.connection.perform("NOOP", silence=5, total=5)
        assert len(reply.responses) == 20_000
        assert time.process_time() - begun < 8


async def test_defect_2_a_refused_token_is_answered_and_its_reason_kept() -> None:
    reason = base64.b64encode(json.dumps({"status": "400"}).encode())

    async def refuse(writer: asyncio.StreamWriter, tag: str) -> None:
        writer.write(b"+ " + reason + b"\r\n")
        script.answers[""] = f"{tag} NO [AUTHENTICATIONFAILED] AUTHENTICATE failed.\r\n"

    script = Script({"AUTHENTICATE": refuse})
    with pytest.raises(MailProblem) as raised:
        async with opened(script, auth="xoauth2"):
            pass
    assert raised.value.diagnosis.code == "credentials.invalid"
    assert '"status": "400"' in raised.value.diagnosis.words
    assert script.heard[-1] != "LOGOUT"


async def test_defect_3_a_lost_connection_ends_what_waits_and_what_comes_after() -> None:
    async def hang_up(writer: asyncio.StreamWriter, _: str) -> None:
        writer.close()

    async with opened(Script({"NOOP": hang_up}), Patience(command=30)) as session:
        begun = time.monotonic()
        await session.folder()
        session.connection.known = frozenset({"IMAP4REV1"})
        with pytest.raises(Exception, match=r"connection\.closed"):
            await session.connection.perform("NOOP", silence=30, total=30)
        assert await problem(session.folder()) == "connection.closed"
        assert await problem(session.wait(30)) == "connection.closed"
        assert await problem(session.append_sent(b"x")) == "connection.closed"
        assert time.monotonic() - begun < 1.0


async def test_defect_3_after_one_timeout_nothing_is_trusted_any_more() -> None:
    async with opened(Script({"SELECT": None})) as session:
        assert await problem(session.folder()) == "host.timeout"
        begun = time.monotonic()
        assert await problem(session.folder()) == "host.timeout"
        assert time.monotonic() - begun < 0.05


async def test_defect_4_what_looks_like_an_answer_inside_a_message_stays() -> None:
    body = b"Subject: 5* hotel\r\n\r\n* 1 EXISTS\r\nA1 OK done\r\n+ go\r\n{99}\r\n)"
    async with opened(Script(messages({8: body}))) as session:
        await session.folder()
        assert await all_of(session, 7) == [(8, body)]


async def test_defect_5_capabilities_are_asked_again_after_the_sign_in() -> None:
    script = Script({"LOGIN": "{tag} OK [CAPABILITY IMAP4rev1 IDLE MOVE] in\r\n"})
    async with opened(script) as session:
        assert "MOVE" in await session.capabilities()
    script = Script()
    async with opened(script) as session:
        await session.capabilities()
        assert sum("CAPABILITY" in line for line in script.heard) >= 2


@pytest.mark.parametrize("password", ['pa"ss\\word', "grün", "a b", "x" * 2000, "line\r\nA2 NOOP", "(){}%*"])
async def test_defect_6_user_and_password_arrive_as_they_are(password: str) -> None:
    script = Script()
    async with opened(script, user='a"da', password=password):
        login = next(line for line in script.heard if " LOGIN " in line)
        written = '"' + password.replace("\\", "\\\\").replace('"', '\\"') + '"'
        assert login.startswith(login.split()[0] + ' LOGIN "a\\"da" ')
        assert login.endswith((written, "} " + password))


async def test_defect_6_folder_names_are_quoted_and_encoded() -> None:
    script = Script({"UID SEARCH": "* SEARCH 4\r\n{tag} OK\r\n"})
    async with opened(script) as session:
        assert await session.find_by_header('Ä "x"', "X-A", 'v"') == (4,)
    assert any(line.endswith('SELECT "&AMQ- \\"x\\""') for line in script.heard)
    assert any(line.endswith('UID SEARCH HEADER "X-A" "v\\""') for line in script.heard)


# --- bounds ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "answer",
    [
        b"* " + b"x" * 3_000_000,
        b"* 1 FETCH (BODY[] {999999999999}\r\n",
        b"* 1 FETCH (BODY[] {99999999}\r\nx",
        b"* 1 RECENT\r\n" * 60_000,
        b"garbage\r\n",
        b"ZZ OK done\r\n",
        b"+ go\r\n",
        b"\0\1\2\r\n",
    ],
)
async def test_a_server_that_talks_nonsense_is_left(answer: bytes) -> None:
    async with opened(Script({"NOOP": answer})) as session:
        with pytest.raises(Exception, match=r"host\.not-mail"):
            await session.connection.perform("NOOP", silence=5, total=5)


@pytest.mark.parametrize(
    "greeting",
    [
        "* BYE Too many connections, temporarily unavailable\r\n",
        "HTTP/1.1 200 OK\r\n",
        "* NO\r\n",
        "* PREAUTH x\r\n",
    ],
)
async def test_the_greeting_decides_at_once(greeting: str) -> None:
    begun = time.monotonic()
    with pytest.raises(MailProblem) as raised:
        async with opened(Script(greeting=greeting)):
            pass
    assert raised.value.diagnosis.code in {"provider.unavailable", "host.not-mail", "connection.closed"}
    assert time.monotonic() - begun < 1.0


async def test_a_literal_that_lies_ends_by_time() -> None:
    lying = b"* 8 FETCH (UID 8 BODY[] {500}\r\nshort"
    async with opened(Script({"UID SEARCH": "* SEARCH 8\r\n{tag} OK\r\n", "UID FETCH": lying})) as session:
        await session.folder()
        assert await problem(all_of(session)) == "host.timeout"


async def test_a_server_that_drips_is_left_in_the_end() -> None:
    async def drip(writer: asyncio.StreamWriter, _: str) -> None:
        for _n in range(100):
            writer.write(b"x")
            await asyncio.sleep(0.02)

    async with opened(Script({"NOOP": drip})) as session:
        with pytest.raises(Exception, match=r"host\.timeout"):
            await session.connection.perform("NOOP", silence=0.1, total=0.2)


@pytest.mark.parts
async def test_an_endless_line_costs_no_memory() -> None:
    async def pour(writer: asyncio.StreamWriter, _: str) -> None:
        for _n in range(160):
            writer.write(b"x" * 65_536)
            await writer.drain()

    async with opened(Script({"NOOP": pour})) as session:
        tracemalloc.start()
        with pytest.raises(Exception, match=r"host\.not-mail"):
            await session.connection.perform("NOOP", silence=5, total=5)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 16 << 20


# --- the reader -----------------------------------------------------------------------------------


async def test_messages_come_oldest_first_and_at_most_200_at_a_time() -> None:
    script = Script(messages({n: b"m%d" % n for n in range(300, 0, -1)}))
    async with opened(script) as session:
        await session.folder()
        found = await all_of(session)
        assert [uid for uid, _ in found] == list(range(1, 201))
        assert found[4] == (5, b"m5")
        assert [uid for uid, _ in await all_of(session, 295)] == list(range(296, 301))


async def test_small_messages_come_with_one_question_and_a_longer_one_with_a_second() -> None:
    longer = b"y" * 70_000
    bodies = {1: b"one", 2: longer, 3: b"three"}

    async def fetch(writer: asyncio.StreamWriter, tag: str) -> None:
        _, _, command, wanted, items = script.heard[-1].split(maxsplit=4)
        assert command == "FETCH"
        first, _, last = wanted.partition(":")
        asked = [n for n in bodies if int(first) <= n <= int(last or first)]
        limit = 65_536 if "<0.65536>" in items else 1 << 20
        for n in asked:
            body = bodies[n][:limit]
            part = b"<0>" if limit == 65_536 else b""
            head = b"* %d FETCH (UID %d RFC822.SIZE %d BODY[]%s {%d}\r\n"
            writer.write(head % (n, n, len(bodies[n]), part, len(body)) + body + b")\r\n")
        writer.write(tag.encode() + b" OK\r\n")

    script = Script({"UID FETCH": fetch})
    async with opened(script) as session:
        await session.folder()
        assert await all_of(session) == [(1, b"one"), (2, longer), (3, b"three")]
        asked = [line.split(maxsplit=1)[1] for line in script.heard if " UID FETCH " in line]
        assert asked == [
            "UID FETCH 1:20 (UID RFC822.SIZE BODY.PEEK[]<0.65536>)",
            "UID FETCH 2 (UID BODY.PEEK[])",
        ]


async def test_a_server_that_knows_no_beginnings_is_asked_for_sizes_and_then_for_the_messages() -> None:
    async def fetch(writer: asyncio.StreamWriter, tag: str) -> None:
        asked = script.heard[-1]
        if "<0." in asked:
            writer.write(tag.encode() + b" BAD what is that\r\n")
            return
        item = b"RFC822.SIZE 3" if "RFC822.SIZE" in asked else b"BODY[] {3}\r\none"
        writer.write(b"* 1 FETCH (UID 1 " + item + b")\r\n" + tag.encode() + b" OK\r\n")

    script = Script({"UID FETCH": fetch})
    async with opened(script) as session:
        await session.folder()
        assert await all_of(session) == [(1, b"one")]


async def test_the_last_message_is_not_read_again() -> None:
    """`n:*` always names the last message, also when it is older than n."""
    async with opened(Script(messages({8: b"x"}))) as session:
        await session.folder()
        assert await all_of(session, 8) == []


async def test_a_large_message_comes_as_its_headers() -> None:
    async def fetch(writer: asyncio.StreamWriter, tag: str) -> None:
        asked = "BODY.PEEK[HEADER]" in script.heard[-1]
        answer = b"BODY[HEADER] {3}\r\nA:b)" if asked else b"RFC822.SIZE 99999999)"
        writer.write(b"* 8 FETCH (UID 8 " + answer + b"\r\n" + tag.encode() + b" OK\r\n")

    script = Script({"UID SEARCH": "* SEARCH 8\r\n{tag} OK\r\n", "UID FETCH": fetch})
    async with opened(script) as session:
        await session.folder()
        found = [message async for message in session.fetch_since(0, 7)]
        assert [(message.raw, message.complete) for message in found] == [(b"A:b", False)]


async def test_a_folder_made_anew_is_noticed() -> None:
    async with opened(Script()) as session:
        await session.folder()
        with pytest.raises(FolderChanged) as changed:
            await anext(session.fetch_since(0, 6))
        assert changed.value.state.uidvalidity == 7


async def test_a_login_that_cannot_select_is_no_inbox() -> None:
    async with opened(
        Script({"SELECT": "{tag} BAD User is authenticated but not connected.\r\n"})
    ) as session:
        assert await problem(session.folder()) == "inbox.unreadable"


async def test_waiting_hears_of_news() -> None:
    script = Script({"IDLE": "+ idling\r\n* 4 EXISTS\r\n"})
    async with opened(script) as session:
        await session.folder()
        assert await session.wait(5) is True
        assert script.heard[-1] == "DONE"


async def test_waiting_begins_anew_until_it_is_told_otherwise() -> None:
    script = Script()
    async with opened(script, replace(QUICK, command=30.0)) as session:
        await session.folder()
        waiting = asyncio.ensure_future(session.wait(60))
        await until(lambda: sum("IDLE" in line for line in script.heard) >= 3)
        script.answers["IDLE"] = "+ idling\r\n* 4 EXISTS\r\n"
        assert await waiting is True


async def test_waiting_ends_in_time() -> None:
    async with opened(Script(), replace(QUICK, command=30.0)) as session:
        await session.folder()
        async with asyncio.timeout(15):
            assert await session.wait(0.13) is False


async def test_a_server_gone_silent_in_idle_is_noticed() -> None:
    async with opened(Script({"DONE": None})) as session:
        await session.folder()
        assert await problem(session.wait(5)) == "host.timeout"


async def test_news_between_two_waits_is_not_lost() -> None:
    async with opened(Script({"NOOP": "* 9 EXISTS\r\n{tag} OK\r\n"})) as session:
        await session.folder()
        await session.connection.perform("NOOP", silence=1, total=1)
        assert await session.wait(5) is True


async def test_a_cancelled_command_leaves_no_connection_behind() -> None:
    async with opened(Script({"NOOP": None}), Patience()) as session:
        waiting = asyncio.ensure_future(session.connection.perform("NOOP", silence=9, total=9))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert session.connection.lost is not None


async def test_a_copy_is_put_into_sent_once() -> None:
    script = Script(
        {
            "LIST": '* LIST (\\Sent) "/" "Gesendet"\r\n{tag} OK\r\n',
            "UID SEARCH": "* SEARCH\r\n{tag} OK\r\n",
            "APPEND": "{tag} OK\r\n",
        }
    )
    raw = b"Message-ID: <a@x>\r\nX-Heraldry-Attempt: 1-2\r\n\r\nHi\r\n"
    async with opened(script) as session:
        assert await session.append_sent(raw) is True
        script.answers["UID SEARCH"] = "* SEARCH 3\r\n{tag} OK\r\n"
        assert await session.append_sent(raw) is False
    assert sum(" APPEND " in line for line in script.heard) == 1


async def test_an_echoed_password_reaches_nobody() -> None:
    answer = '{tag} BAD unknown: LOGIN "ada" "secret"\r\n'
    with pytest.raises(MailProblem) as raised:
        async with opened(Script({"LOGIN": answer})):
            pass
    assert "secret" not in raised.value.diagnosis.words
    assert "•••" in raised.value.diagnosis.words


async def test_no_encryption_means_no_sign_in() -> None:
    script = Script({"CAPABILITY": CAPABILITIES})
    server = await asyncio.start_server(script.serve, "127.0.0.1", 0)
    here = cast("int", server.sockets[0].getsockname()[1])
    with pytest.raises(MailProblem) as raised:
        async with ImapMailbox(Trust(allow_private_addresses=True), QUICK).open(account(here)):
            pass
    server.close()
    assert raised.value.diagnosis.code == "tls.no-starttls"
    assert not any("LOGIN" in line for line in script.heard)


async def test_words_slipped_in_before_the_encryption_are_an_attack() -> None:
    script = Script(
        {
            "CAPABILITY": CAPABILITIES.replace("IDLE", "IDLE STARTTLS"),
            "STARTTLS": "{tag} OK go\r\n* CAPABILITY IMAP4rev1 AUTH=EVIL\r\n",
        }
    )
    server = await asyncio.start_server(script.serve, "127.0.0.1", 0)
    here = cast("int", server.sockets[0].getsockname()[1])
    with pytest.raises(MailProblem) as raised:
        async with ImapMailbox(Trust(allow_private_addresses=True), QUICK).open(account(here)):
            pass
    server.close()
    assert raised.value.diagnosis.code == "tls.failed"
