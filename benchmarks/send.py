"""1,000 mails of one account sent by the mailbox service ÷ a bare aiosmtplib loop to the same server.

Measured is from the scheduler's StepDispatched to the published EmailSent, not from the person's command: what comes
before, the permit, is limited to 80 mails a day and 10 an hour for every inbox, and nothing lifts that. All steps are
published in one atomic batch, as the scheduler's relay publishes them, and the clock starts before it. Each then goes
the whole way: control consumer, the recipient's key, the log (SQLite, `synchronous=FULL`), claim behind the last gate
with the halt flags read from NATS, the server's readiness, the gate once more, the content, the outcome, the relay.
The copy for the Sent folder is put there meanwhile and is told beside it.

The floor sends finished mails of the same size over four connections that are open and signed in, as the service may
keep to one account, and does nothing else. The server is a throw-away Postfix, which has a mail on disk before it
takes it, with Dovecot behind it; where these are not installed or nobody is root, the sandbox's mail host in a process
of its own. The figure says which.
"""

from __future__ import annotations

import asyncio
import imaplib
import os
import sqlite3
import ssl
import statistics
import tempfile
import time
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, cast
from uuid import UUID, uuid4

import aiosmtplib
from _mailbox import DEADLINE, LOOK, SUBJECT, TEXT, Account, Mailbox, step
from _mailhost import NAME, HostProcess
from heraldry.chassis.bus.follow import Entry, Follower
from heraldry.chassis.testing.mail import MailServers
from heraldry.contracts.mailbox import Server
from heraldry.mailbox.adapters.kept import MOST
from heraldry.mailbox.domain.compose import Draft, compose
from measure import Figure, in_turns, quiet, ratio, tell

MAILS: Final = 1000
ROUNDS: Final = 3
LONGEST: Final = 300.0  # seconds for all of them
ADA, KIM, PASSWORD = "ada@northwind.example", "kim@fabrikam.example", "correct-horse"


@dataclass(frozen=True, slots=True)
class Host:
    """A mail host with the accounts of both."""

    name: str
    ca_file: Path
    imap: Server
    smtp: Server

    @classmethod
    @asynccontextmanager
    async def running(cls, folder: Path) -> AsyncGenerator[Host]:
        async with AsyncExitStack() as stack:
            try:
                if os.geteuid() != 0:
                    raise LookupError("Postfix starts as root only")
                servers = await stack.enter_async_context(MailServers.start())
            except LookupError:
                host = await stack.enter_async_context(HostProcess.running(folder / "host"))
                for address in (ADA, KIM):
                    await host.add_account(address, PASSWORD)
                yield cls("the sandbox's mail host", host.ca_file, host.imap, host.smtp)
                return
            for address in (ADA, KIM):
                servers.add_account(address, PASSWORD)
            imap, smtp = (
                Server(host=NAME, port=port, security="tls")
                for port in (servers.ports.imaps, servers.ports.smtps)
            )
            yield cls("Postfix", Path(servers.ca_file), imap, smtp)

    @property
    def context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.ca_file))

    def wait_for(self, address: str, folder: str, count: int) -> None:
        """Return when so many mails lie there, so that nothing of one measurement is left for the next."""
        with imaplib.IMAP4_SSL(self.imap.host, self.imap.port, ssl_context=self.context) as client:
            client.login(address, PASSWORD)
            until = time.monotonic() + LONGEST
            while True:
                told = cast("bytes", client.status(folder, "(MESSAGES)")[1][0])
                if int(told.rpartition(b" ")[2].rstrip(b")")) >= count:
                    return
                if time.monotonic() > until:
                    raise RuntimeError(f"{folder} of {address} has fewer than {count} mails: {told.decode()}")
                time.sleep(LOOK)


@dataclass(slots=True)
class Service:
    """The mailbox service with the account connected."""

    mailbox: Mailbox
    identity: UUID
    inbox: UUID
    sent: int = 0  # EmailSent that were published
    speed_with_copies: tuple[float, ...] = ()  # mails a second until all copies were kept, each time

    @classmethod
    @asynccontextmanager
    async def running(cls, folder: Path, host: Host) -> AsyncGenerator[Service]:
        async with Mailbox.running(folder, host.ca_file) as mailbox:
            identity = await mailbox.identity()
            inbox = await mailbox.connect(identity, Account(ADA, PASSWORD, host.imap, host.smtp))
            service = cls(mailbox, identity, inbox)
            outcomes = "heraldry.events.*.mailbox.*.EmailSent"
            follower = Follower(mailbox.operator, "HERALDRY", outcomes, service.took)
            await follower.start()
            try:
                yield service
            finally:
                await follower.stop()

    def took(self, _: Entry) -> None:
        self.sent += 1

    async def send(self) -> float:
        """Mails a second."""
        wanted = self.sent + MAILS
        steps = [step(self.identity, self.inbox, KIM) for _ in range(MAILS)]
        started = time.perf_counter()
        await self.mailbox.dispatch(steps)
        async with asyncio.timeout(LONGEST):
            while self.sent < wanted:  # noqa: ASYNC110  another process sends them
                await asyncio.sleep(LOOK)
            took = time.perf_counter() - started
            with closing(sqlite3.connect(f"file:{self.mailbox.store}?mode=ro", uri=True)) as log:
                while _copies(log) < wanted:  # noqa: ASYNC110  another process writes it
                    await asyncio.sleep(LOOK)
        self.speed_with_copies += (MAILS / (time.perf_counter() - started),)
        return MAILS / took


def _copies(log: sqlite3.Connection) -> int:
    row = log.execute("SELECT count(*) FROM events WHERE type = 'EmailCopyKept'").fetchone()
    return cast("tuple[int]", row)[0]


class Bare:
    """Four connections, signed in, and a loop that sends."""

    def __init__(self, clients: Sequence[aiosmtplib.SMTP]) -> None:
        self._clients = clients

    @classmethod
    @asynccontextmanager
    async def running(cls, host: Host) -> AsyncGenerator[Bare]:
        async with AsyncExitStack() as stack:
            clients: list[aiosmtplib.SMTP] = []
            for _ in range(MOST):
                client = aiosmtplib.SMTP(
                    hostname=host.smtp.host,
                    port=host.smtp.port,
                    use_tls=True,
                    tls_context=host.context,
                    username=ADA,
                    password=PASSWORD,
                    timeout=DEADLINE,
                )
                clients.append(await stack.enter_async_context(client))
            yield cls(clients)

    async def send(self) -> float:
        """Mails a second."""
        draft = Draft(uuid4(), ADA, "Ada Holm", KIM, SUBJECT, TEXT, datetime.now(UTC))
        mails = iter([compose(draft)] * MAILS)
        started = time.perf_counter()
        await asyncio.gather(*(self._through(client, mails) for client in self._clients))
        return MAILS / (time.perf_counter() - started)

    @staticmethod
    async def _through(client: aiosmtplib.SMTP, mails: Iterator[bytes]) -> None:
        for mail in mails:
            await client.sendmail(ADA, [KIM], mail)


async def with_bare(host: Host) -> float:
    async with Bare.running(host) as bare:
        return await bare.send()


def measured(folder: Path) -> tuple[str, dict[str, tuple[float, ...]]]:
    """The server's name, and mails a second of each round."""
    with asyncio.Runner() as runner:
        stack, arrived = AsyncExitStack(), 0
        try:
            host = runner.run(stack.enter_async_context(Host.running(folder)))
            service = runner.run(stack.enter_async_context(Service.running(folder, host)))

            def settled(speed: float) -> float:
                nonlocal arrived
                arrived += MAILS
                host.wait_for(KIM, "INBOX", arrived)
                return speed

            taken = in_turns(
                {
                    "ours": lambda: settled(runner.run(service.send())),
                    "bare": lambda: settled(runner.run(with_bare(host))),
                },
                rounds=ROUNDS,
            )
            return host.name, {**taken, "with copies": service.speed_with_copies[1:]}
        finally:
            runner.run(stack.aclose())


def main() -> None:
    quiet()
    with tempfile.TemporaryDirectory(prefix="heraldry-bench-") as folder:
        name, taken = measured(Path(folder))
    tell(
        Figure(
            f"mails sent ÷ a bare loop over {MOST} connections, to {name}",
            ratio(taken["ours"], taken["bare"]),
            0.6,
            at_most=False,
            unit="×",
            measured={
                "ours, mails/s": statistics.median(taken["ours"]),
                "bare, mails/s": statistics.median(taken["bare"]),
                "(not in it) with the copies, mails/s": statistics.median(taken["with copies"]),
            },
        )
    )


if __name__ == "__main__":
    main()
