"""From a reply's delivery until it is recorded ÷ the time a bare client needs to hear of a mail and fetch it.

Both have an IMAP connection with TLS to the same mail host, the sandbox's in a process of its own, and wait in IDLE.
The clock starts where the host begins to deliver. Ours ends when ReplyReceived is committed, on disk, in the log of
the mailbox service (a process of its own; its file is looked into every millisecond); until then it has fetched the
mail, told what it is, found the mail it answers and looked whether it was recorded before. The floor is aioimaplib:
IDLE, DONE, one FETCH of the new mail, nothing else. Told beside it, and no part of the figure: when the event was
published, one relay's batch later.
"""

from __future__ import annotations

import asyncio
import re
import sqlite3
import ssl
import statistics
import tempfile
import time
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid
from itertools import chain
from pathlib import Path
from typing import Final, cast

from _mailbox import DEADLINE, TEXT, Account, Mailbox, step
from _mailhost import HostProcess
from aioimaplib import aioimaplib  # pyright: ignore[reportMissingTypeStubs]  it ships none
from heraldry.chassis.bus.follow import Entry, Follower
from measure import Figure, in_turns, percentile, quiet, tell

EACH: Final = 10  # deliveries of each in a round
ROUNDS: Final = 10
LOOK: Final = 0.001  # seconds between two looks into the log
APART: Final = 0.1  # seconds before each delivery, in which whoever is to hear of it begins to wait
OURS, BARE, KIM, PASSWORD = (
    "ada@northwind.example",
    "bo@northwind.example",
    "kim@fabrikam.example",
    "correct horse",
)
EXISTS: Final = re.compile(rb"(\d+) EXISTS")
Samples = tuple[float, ...]  # milliseconds


class Service:
    """The mailbox service with one inbox, through which one mail was sent."""

    def __init__(self, host: HostProcess, log: sqlite3.Connection, message_id: str) -> None:
        self._host, self._log, self._message_id = host, log, message_id
        self._published: list[float] = []
        self.until_published: list[float] = []  # milliseconds, of every delivery

    @classmethod
    @asynccontextmanager
    async def running(cls, folder: Path, host: HostProcess) -> AsyncGenerator[Service]:
        async with Mailbox.running(folder, host.ca_file) as mailbox:
            identity = await mailbox.identity()
            inbox = await mailbox.connect(identity, Account(OURS, PASSWORD, host.imap, host.smtp))
            sent = step(identity, inbox, KIM)
            await mailbox.dispatch([sent])
            log = sqlite3.connect(f"file:{mailbox.store}?mode=ro", uri=True)
            service = cls(host, log, f"<{sent.attempt}@{OURS.partition('@')[2]}>")
            await service.recorded("EmailCopyKept", 1)
            replies = "heraldry.events.*.mailbox.*.ReplyReceived"
            follower = Follower(mailbox.operator, "HERALDRY", replies, service.took)
            await follower.start()
            try:
                yield service
            finally:
                await follower.stop()
                log.close()

    def took(self, _: Entry) -> None:
        self._published.append(time.perf_counter())

    async def recorded(self, kind: str, count: int) -> float:
        """When so many events of this type were seen in the log."""
        async with asyncio.timeout(DEADLINE):
            while self._count(kind) < count:  # noqa: ASYNC110  another process writes it
                await asyncio.sleep(LOOK)
        return time.perf_counter()

    def _count(self, kind: str) -> int:
        row = self._log.execute("SELECT count(*) FROM events WHERE type = ?", (kind,)).fetchone()
        return cast("tuple[int]", row)[0]

    async def replies(self) -> Samples:
        return tuple([await self._reply() for _ in range(EACH)])

    async def _reply(self) -> float:
        content, before = reply_to(self._message_id, OURS), self._count("ReplyReceived")
        await asyncio.sleep(APART)
        began = await self._host.deliver(OURS, content)
        seen = await self.recorded("ReplyReceived", before + 1)
        async with asyncio.timeout(DEADLINE):
            while len(self._published) <= before:  # noqa: ASYNC110  it mostly has come
                await asyncio.sleep(LOOK)
        self.until_published.append((self._published[before] - began) * 1000)
        return (seen - began) * 1000


class Bare:
    """aioimaplib, waiting in IDLE and fetching what comes."""

    def __init__(self, host: HostProcess, client: aioimaplib.IMAP4_SSL) -> None:
        self._host, self._client = host, client

    @classmethod
    @asynccontextmanager
    async def running(cls, host: HostProcess) -> AsyncGenerator[Bare]:
        context = ssl.create_default_context(cafile=str(host.ca_file))
        client = aioimaplib.IMAP4_SSL(host.imap.host, host.imap.port, ssl_context=context, timeout=DEADLINE)
        await client.wait_hello_from_server()
        await client.login(BARE, PASSWORD)
        await client.select()
        try:
            yield cls(host, client)
        finally:
            await client.logout()

    async def replies(self) -> Samples:
        return tuple([await self._reply() for _ in range(EACH)])

    async def _reply(self) -> float:
        content = reply_to(make_msgid(), BARE)
        idling = await self._client.idle_start()  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        await asyncio.sleep(APART)
        delivering = asyncio.create_task(self._host.deliver(BARE, content))
        number = None
        while number is None:
            for line in cast("list[bytes]", await self._client.wait_server_push()):
                number = EXISTS.match(line) or number
        self._client.idle_done()
        await idling
        fetched = await self._client.fetch(number[1].decode(), "(UID BODY.PEEK[])")
        seen = time.perf_counter()
        lines = cast("list[bytes]", fetched.lines)  # pyright: ignore[reportUnknownMemberType]
        assert any(b"Yes, on Monday." in line for line in lines)
        return (seen - await delivering) * 1000


def reply_to(message_id: str, to: str) -> bytes:
    """What Kim answers, with the original quoted."""
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = f"Kim Larsen <{KIM}>", to, "Re: Your growing team"
    mail["Message-ID"], mail["In-Reply-To"], mail["References"] = make_msgid(), message_id, message_id
    mail["Date"] = format_datetime(datetime.now(UTC))
    quoted = "\n".join(f"> {line}" for line in TEXT.splitlines())
    mail.set_content(f"Yes, on Monday.\n\n{quoted}\n")
    return mail.as_bytes().replace(b"\n", b"\r\n")


def measured(folder: Path) -> tuple[dict[str, Samples], Samples]:
    """All samples, in milliseconds, and beside them what was published when."""
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        try:
            host = runner.run(stack.enter_async_context(HostProcess.running(folder / "host")))
            for address in (OURS, BARE, KIM):
                runner.run(host.add_account(address, PASSWORD))
            service = runner.run(stack.enter_async_context(Service.running(folder, host)))
            bare = runner.run(stack.enter_async_context(Bare.running(host)))
            rounds = in_turns(
                {"ours": lambda: runner.run(service.replies()), "bare": lambda: runner.run(bare.replies())},
                rounds=ROUNDS,
            )
        finally:
            runner.run(stack.aclose())
    samples = {name: tuple(chain.from_iterable(taken)) for name, taken in rounds.items()}
    return samples, tuple(service.until_published)


def main() -> None:
    quiet()
    with tempfile.TemporaryDirectory(prefix="heraldry-bench-") as folder:
        samples, published = measured(Path(folder))
    ours, bare = samples["ours"], samples["bare"]
    tell(
        Figure(
            "a reply recorded ÷ bare IDLE and FETCH, median",
            statistics.median(ours) / statistics.median(bare),
            1.5,
            at_most=True,
            unit="×",
            measured={
                "ours, ms": statistics.median(ours),
                "bare, ms": statistics.median(bare),
                "ours, 99th percentile, ms": percentile(ours, 0.99),
                "bare, 99th percentile, ms": percentile(bare, 0.99),
                "(not in it) published, ms": statistics.median(published),
            },
        )
    )


if __name__ == "__main__":
    main()
