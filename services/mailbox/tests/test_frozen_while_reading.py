"""Whoever reads an inbox is frozen for longer than its lease, at every step: each answer is recorded once, none is missed.

A real Dovecot keeps the inbox. Another replica takes over while the first is frozen, reads what comes meanwhile, and
stays the only one when the first goes on: that one finds by itself that it is not its turn any more.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from uuid import UUID

import pytest
from heraldry.chassis.testing.mail_dovecot import Dovecot
from heraldry.chassis.testing.waiting import until
from heraldry.contracts.mailbox import ReplyReceived, Server

from services.mailbox.tests.processes import ADA, ADDRESS, KIM, PASSWORD, Service, running, step
from services.mailbox.tests.test_nats_away import connections

pytestmark = [pytest.mark.parts, pytest.mark.timeout(300)]

LEASE: Final = 2.0  # seconds
CONNECTING: Final = ("reading.leased", "reading.connected", "reading.selected")
READING: Final = (
    "reading.news",
    "reading.fetched",
    "reading.known",
    "reading.recorded",
    "reading.before-place",
    "reading.before-renewal",
)
TWICE_AROUND: Final = 2 * (*CONNECTING, *READING)


@dataclass(frozen=True, slots=True)
class Blow:
    """`anew`: meanwhile the server gives the folder another UIDVALIDITY, and every mail in it another UID."""

    point: str
    anew: bool = False
    at_least: float = 0.0  # seconds it is frozen, also where another took over before


@dataclass(slots=True)
class Trial:
    service: Service
    server: Dovecot
    attempt: UUID
    texts: list[str] = field(default_factory=list[str])  # of all answers so far

    def answered(self) -> None:
        """Somebody answers; the mail lies in the inbox."""
        text = f"Answer {len(self.texts) + 1}."
        self.texts.append(text)
        ours = f"<{self.attempt}@northwind.example>"
        head = f"From: {KIM}\r\nTo: {ADDRESS}\r\nSubject: Re: Hello\r\nMessage-ID: <{len(self.texts)}@fabrikam.example>\r\n"
        self.server.deliver(ADDRESS, f"{head}In-Reply-To: {ours}\r\n\r\n{text}\r\n".encode())

    def recorded(self) -> Counter[str]:
        """How often each answer was told to the world."""
        return Counter(
            str(event.text) for event in self.service.said(ReplyReceived) if isinstance(event, ReplyReceived)
        )

    def is_told(self) -> bool:
        """Whether the world was told of each."""
        return set(self.texts) <= self.recorded().keys()

    def readers(self) -> list[str]:
        """The replicas that have a connection to the inbox."""
        port = self.server.ports.imap
        processes = self.service.processes.items()
        return [name for name, process in processes if connections(process.pid, port)]

    async def hand_over(self, point: str) -> None:
        """Somebody else connects, and comes to a point on the way: whoever reads now is frozen until then."""
        await until(lambda: len(self.readers()) == 1, seconds=60)
        (reader,) = self.readers()
        self.service.stop(reader)
        await until(lambda: bool(self.service.held(point)), seconds=60)
        self.service.go_on(reader)

    def begin_anew(self) -> None:
        """What the server knows of the folder is lost: it numbers all mails anew."""
        for file in (self.server.folder / "mail" / ADDRESS).glob("dovecot*"):
            file.unlink()

    async def strike(self, blow: Blow) -> float:
        """Seconds it was frozen. AssertionError where an answer is missing or recorded twice."""
        service, loop = self.service, asyncio.get_running_loop()
        service.hold(blow.point)
        if blow.point in CONNECTING:
            await self.hand_over(blow.point)
        self.answered()
        await until(lambda: bool(service.held(blow.point)), seconds=60)
        frozen = service.replica_of(service.held(blow.point)[0])
        service.stop(frozen)
        since = loop.time()
        service.release(blow.point)
        if blow.anew:
            self.begin_anew()
        self.answered()
        await until(self.is_told, seconds=60)
        (other,) = (name for name in self.readers() if name != frozen)
        await asyncio.sleep(max(LEASE, blow.at_least) - (loop.time() - since))
        service.go_on(frozen)
        took = loop.time() - since
        await until(lambda: self.readers() == [other], seconds=30)
        self.answered()
        await until(self.is_told, seconds=60)
        assert self.recorded() == Counter(self.texts), f"{blow}"
        return took


@asynccontextmanager
async def reading(folder: Path) -> AsyncGenerator[Trial]:
    """Two replicas, one inbox, and a mail that was sent from it."""
    lease = {"HERALDRY_LEASE_SECONDS": str(LEASE)}
    async with Dovecot() as server, running(folder, lease, trusting=[server.ca_file]) as service:
        await service.start("1")
        server.add_account(ADDRESS, PASSWORD)
        await service.identity(ADA, "Ada Bergström")
        await service.connect(imap=Server(host="localhost", port=server.ports.imap, security="starttls"))
        inbox = (await service.inbox(lambda view: view.state == "connected")).inbox
        wanted = step(inbox, service.clock.now())
        await service.dispatch(wanted)
        await service.email(wanted.attempt, lambda view: view.state == "sent")
        trial = Trial(service, server, wanted.attempt)
        trial.answered()
        await until(trial.is_told, seconds=60)
        yield trial


async def test_frozen_for_longer_than_its_lease_a_reader_records_nothing_twice_and_misses_nothing(
    tmp_path: Path,
) -> None:
    async with reading(tmp_path) as trial:
        await trial.strike(Blow("reading.known", anew=True))


@pytest.mark.long
@pytest.mark.timeout(1200)
async def test_frozen_at_every_step_of_reading(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with reading(tmp_path) as trial:
        for number, point in enumerate(TWICE_AROUND):
            anew = number >= len(TWICE_AROUND) // 2
            took = await trial.strike(Blow(point, anew, at_least=5))
            told = {"point": point, "folder begun anew": anew, "frozen": round(took, 1), "answers": 3}
            with capsys.disabled():
                print(json.dumps({**told, "recorded": 3}), flush=True)  # noqa: T201  the table for whoever runs it
