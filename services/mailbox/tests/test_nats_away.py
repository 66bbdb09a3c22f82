"""NATS away and killed in the midst of sends: every mail is delivered once, or a person is told; readers recover.

And two replicas with one inbox: one of them reads, and the other goes on when the first has left.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Final, TypeVar
from uuid import UUID

import pytest
from heraldry.chassis.leases import HELD
from heraldry.chassis.testing.waiting import until
from heraldry.contracts.base import Event
from heraldry.contracts.mailbox import EmailQueued, EmailSent, EmailView, MailboxNeedsReconnect, ReplyReceived
from heraldry.sandbox.mail.faults import Fault

from services.mailbox.tests.processes import ADA, KIM, Service, running, step

pytestmark = [pytest.mark.parts, pytest.mark.timeout(300)]

Told = TypeVar("Told", bound=Event)
MAILS: Final = 12
HALF_AN_HOUR: Final = timedelta(minutes=31)


async def connected(service: Service) -> UUID:
    await service.identity(ADA, "Ada Bergström")
    await service.connect()
    return (await service.inbox(lambda view: view.state == "connected")).inbox


def delivered(service: Service) -> Counter[str]:
    """How often each mail was delivered, by its Message-ID."""
    return Counter(
        str(effect.facts["message_id"])
        for effect in service.host.effects()
        if effect.what == "delivered" and effect.facts["recipient"] == KIM
    )


def ours(attempt: UUID) -> str:
    return f"<{attempt}@northwind.example>"


async def in_the_midst_of_sends(service: Service, inbox: UUID, *, queued: bool) -> Sequence[UUID]:
    """Mails dispatched, some of them sent, most of them not yet; `queued`: all have arrived where they leave."""
    service.host.add_fault(Fault("smtp.mail", "slow", seconds=1.0))
    wanted = [step(inbox, service.clock.now()) for _ in range(MAILS)]
    for one in wanted:
        await service.dispatch(one)
    await until(lambda: len(delivered(service)) > 0, seconds=30)
    if queued:
        await asyncio.gather(*(service.email(one.attempt, lambda _: True) for one in wanted))
    return [one.attempt for one in wanted]


def readers(service: Service) -> Sequence[str]:
    """The replicas that have a connection to the IMAP server."""
    return [
        name
        for name, process in service.processes.items()
        if connections(process.pid, service.host.ports.imap)
    ]


def connections(pid: int, port: int) -> int:
    """How many connections a process has to a port of this machine."""
    rows = (line.split() for line in Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:])
    there = {
        f"socket:[{row[9]}]" for row in rows if row[3] == "01" and int(row[2].partition(":")[2], 16) == port
    }
    held: set[str] = set()
    for file in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):
            held.add(str(file.readlink()))
    return len(there & held)


async def nats_away(service: Service, seconds: float) -> None:
    """It says nothing for so long, is then killed, and starts again with what it had stored."""
    service.nats.freeze()
    await asyncio.sleep(seconds)  # the time it is away is what is tested
    await service.nats.restart()


async def end(service: Service, attempt: UUID) -> EmailView:
    """How a mail ended; business time goes on only where nothing else can bring an end."""
    await service.email(attempt, lambda view: view.state in {"sent", "failed", "leaving"})
    try:
        async with asyncio.timeout(5):
            return await service.email(attempt, lambda view: view.state != "leaving")
    except TimeoutError:
        await service.advance(HALF_AN_HOUR)
    return await service.email(attempt, lambda view: view.state != "leaving")


async def every_mail_once(folder: Path, seconds: float, *, queued: bool) -> None:
    async with running(folder) as service:
        inbox = await connected(service)
        attempts = await in_the_midst_of_sends(service, inbox, queued=queued)
        before = service.processes["0"].pid
        await nats_away(service, seconds)
        views = await asyncio.gather(*(end(service, attempt) for attempt in attempts))
        times = delivered(service)
        for view in views:
            assert view.state in {"sent", "outcome unknown"}, [one.type for one in view.steps]
            assert times[ours(view.attempt)] <= 1
            assert view.state == "outcome unknown" or times[ours(view.attempt)] == 1
        later = step(inbox, service.clock.now())
        await service.dispatch(later)
        await service.email(later.attempt, lambda view: view.state == "sent")
        service.host.reply(KIM, "Yes.", message_id=ours(later.attempt))
        await service.email(later.attempt, lambda view: view.replies == ("Yes.",))
        sent = {view.attempt for view in views if view.state == "sent"} | {later.attempt}
        await until(lambda: sent <= {event.attempt for event in of(service, EmailSent)}, seconds=30)
        assert len(of(service, EmailSent)) == len(sent)
        assert len(of(service, EmailQueued)) == MAILS + 1
        assert of(service, MailboxNeedsReconnect) == []
        assert (service.processes["0"].pid, service.processes["0"].lives) == (before, True)


async def answered(service: Service, attempt: UUID, text: str) -> None:
    service.host.reply(KIM, text, message_id=ours(attempt))
    await service.email(attempt, lambda view: text in view.replies)


def of(service: Service, kind: type[Told]) -> list[Told]:
    return [event for event in service.said(kind) if isinstance(event, kind)]


async def test_nats_away_and_killed_in_the_midst_of_sends(tmp_path: Path) -> None:
    await every_mail_once(tmp_path, 3, queued=True)


@pytest.mark.long
@pytest.mark.timeout(300)
async def test_nats_away_for_twenty_seconds_in_the_midst_of_sends(tmp_path: Path) -> None:
    """A dispatch that was on its way then comes again after half a minute."""
    await every_mail_once(tmp_path, 20, queued=False)


async def test_of_two_replicas_one_reads_and_the_other_goes_on_when_it_leaves(tmp_path: Path) -> None:
    """While NATS is away nobody can say whose turn it is, so both may read; afterwards it is one again."""
    async with running(tmp_path) as service:
        await service.start("1")
        inbox = await connected(service)
        await until(lambda: len(readers(service)) == 1, seconds=30)
        wanted = step(inbox, service.clock.now())
        await service.dispatch(wanted)
        await service.email(wanted.attempt, lambda view: "EmailCopyKept" in [one.type for one in view.steps])

        await answered(service, wanted.attempt, "One.")
        await until(lambda: len(readers(service)) == 1, seconds=30)
        await nats_away(service, 3)
        await answered(service, wanted.attempt, "Two.")
        await until(lambda: len(readers(service)) == 1, seconds=60)

        (reader,) = readers(service)
        assert await service.leave(reader) == 0
        begun = asyncio.get_running_loop().time()
        await answered(service, wanted.attempt, "Three.")
        assert asyncio.get_running_loop().time() - begun < HELD.total_seconds()
        await until(lambda: len(of(service, ReplyReceived)) >= 3, seconds=30)
        assert [event.attempt for event in of(service, ReplyReceived)] == [wanted.attempt] * 3
