"""The application and its senders in one process, without bus and mail server; a test says who appends next.

Whatever is about to be appended waits until the test lets it: so every order of every append can be tried.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, TypeVar
from uuid import UUID, uuid4

from heraldry.chassis.bus.rpc import Asking
from heraldry.chassis.clock import MovableClock
from heraldry.chassis.codec import Codec
from heraldry.chassis.halt import Halt, HaltFlags
from heraldry.chassis.readmodel import ReadModel, StoreFeed
from heraldry.chassis.recipients import ANYBODY, Recipients
from heraldry.chassis.runner import Asked, Runner
from heraldry.chassis.store.port import START, Appended, NewEvent, StoredEvent
from heraldry.chassis.store.sqlite import SqliteStore
from heraldry.chassis.testing.memory import MemoryKeys
from heraldry.chassis.vault.secrets import Secret, Secrets
from heraldry.contracts.base import By, Event
from heraldry.contracts.mailbox import Server
from heraldry.contracts.scheduler import StepDispatched
from heraldry.mailbox.application import Application
from heraldry.mailbox.domain import inbox
from heraldry.mailbox.domain.compose import ATTEMPT_HEADER
from heraldry.mailbox.ports import Accepted, Account, Mailbox, Outcome, Submission, Submitter
from heraldry.mailbox.service import PROJECTIONS, TYPES
from heraldry.mailbox.streams import CONTEXT, INBOX, inbox_stream
from heraldry.mailbox.workers.desk import Desk
from heraldry.mailbox.workers.sending import SendWorker
from nacl.public import PrivateKey
from nats.aio.client import Client

T = TypeVar("T")
NORTHWIND, ADA, INBOX_ID = (UUID(int=n) for n in range(1, 4))
HERE: Final = By(organization=NORTHWIND, actor="user:ada")
NOW: Final = datetime(2026, 5, 4, 9, 30, tzinfo=UTC)
SERVER: Final = Server(host="mail.example", port=993, security="tls")
_whose: ContextVar[int] = ContextVar("whose", default=-1)


class HeldStore:
    """A store in which appends wait for `release`; those of no one's do not."""

    def __init__(self, real: SqliteStore) -> None:
        self._real = real
        self.waiting: list[tuple[int, str, asyncio.Future[None]]] = []  # whose, to which stream
        self.busy = 0

    @property
    def epoch(self) -> str:
        return self._real.epoch

    async def append(self, stream: str, events: Sequence[NewEvent], *, expected: int) -> Appended:
        if _whose.get() >= 0:
            turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self.waiting.append((_whose.get(), f"{stream} {events[0].type}", turn))
            await turn
        return await self._counted(self._real.append(stream, events, expected=expected))

    def release(self, number: int) -> None:
        self.waiting.sort(key=lambda one: one[:2])  # by whom and where, not by which thread was quicker
        _, _, turn = self.waiting.pop(number % len(self.waiting))
        if not turn.done():
            turn.set_result(None)

    async def read_stream(
        self, stream: str, *, after: int = -1, limit: int = 1_000_000
    ) -> Sequence[StoredEvent]:
        return await self._counted(self._real.read_stream(stream, after=after, limit=limit))

    async def read_stream_backwards(
        self, stream: str, *, before: int | None = None, limit: int = 100
    ) -> Sequence[StoredEvent]:
        return await self._counted(self._real.read_stream_backwards(stream, before=before, limit=limit))

    async def read_all(self, *, after: int = START, limit: int = 1000) -> Sequence[StoredEvent]:
        return await self._counted(self._real.read_all(after=after, limit=limit))

    async def read_at(self, position: int) -> StoredEvent | None:
        return await self._counted(self._real.read_at(position))

    def subscribe(self, *, after: int = START, limit: int = 500) -> AsyncIterator[Sequence[StoredEvent]]:
        return self._real.subscribe(after=after, limit=limit)

    async def head(self) -> int:
        return await self._counted(self._real.head())

    async def close(self) -> None:
        await self._real.close()

    async def _counted(self, call: Awaitable[T]) -> T:
        self.busy += 1
        try:
            return await call
        finally:
            self.busy -= 1


class NoVault(Secrets):
    async def get(self, subject: str, name: str) -> Secret:  # noqa: ARG002  the vault's
        return Secret(b"correct horse", 1)


class NoHalt(HaltFlags):
    async def check_now(self, *scopes: str) -> Halt | None:  # noqa: ARG002  the flags'
        return None


class Recorder(Submitter):
    """A mail server that takes everything; `left` is what it got."""

    def __init__(self) -> None:
        self.left: list[UUID] = []

    async def submit(
        self,
        account: Account,  # noqa: ARG002  the port's
        mail: Submission,
        *,
        before_content: Callable[[], Awaitable[None]],
    ) -> Outcome:
        await before_content()
        (line,) = (
            line for line in mail.content.splitlines() if line.startswith(f"{ATTEMPT_HEADER}:".encode())
        )
        self.left.append(UUID(line.partition(b":")[2].decode().strip()))
        return Accepted("250 ok")


class NoMailbox(Mailbox):
    def open(self, account: Account) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]  never called
        raise AssertionError(f"nobody reads here, not even {account.address}")


@dataclass(frozen=True, slots=True)
class Told:
    """An event as it stands in the log."""

    position: int
    event: Event


class Interleaved:
    """One installation of the mailbox context with a connected inbox, and whoever is at work in it."""

    def __init__(self, recipients: Recipients = ANYBODY) -> None:
        self.folder, self.recipients = Path(tempfile.mkdtemp()), recipients
        self.runner = asyncio.Runner()
        self.clock, self.real = MovableClock(NOW), MovableClock(NOW)
        self.tasks: list[asyncio.Task[None]] = []
        self.recorder = Recorder()
        self.run(self._open())

    def run(self, work: Coroutine[None, None, T]) -> T:
        return self.runner.run(work)

    async def _open(self) -> None:
        self.store = HeldStore(SqliteStore(self.folder / "store.sqlite3"))
        keys = MemoryKeys(CONTEXT)
        self.codec = Codec(TYPES, keys)
        self.model = ReadModel(self.folder / "read.sqlite3", PROJECTIONS)
        self.feed = StoreFeed(CONTEXT, self.store, self.codec, self.model)
        await self.feed.start()
        nc, private = Client(), PrivateKey.generate()
        secrets, runner = NoVault(nc, CONTEXT, keys), Runner(CONTEXT, self.store, self.codec)
        self.application = Application(runner, self.store, self.model, keys, secrets, private, self.clock)
        self._runner = runner
        desk = Desk(
            self.application,
            secrets,
            NoHalt(nc),
            self.model,
            self.clock,
            self.real,
            recipients=self.recipients,
        )
        self.worker = SendWorker(desk, self.recorder, NoMailbox())
        await self.application.know(ADA, "Ada Bergström", 0, asking())
        await self._connect()

    async def _connect(self) -> None:
        trial, at = uuid4(), self.clock.now()
        connect = inbox.Connect(
            inbox=INBOX_ID,
            organization=NORTHWIND,
            identity=ADA,
            trial=trial,
            address="ada@northwind.example",
            imap=SERVER,
            smtp=SERVER,
            secret="one",
            holder="",
            at=at,
        )
        later = self.real.now() + timedelta(minutes=1)
        for command in (
            connect,
            inbox.ClaimCheck(trial, later, self.real.now(), at),
            inbox.FinishCheck(trial, None, at),
        ):
            await self._runner.run(INBOX, inbox_stream(INBOX_ID), command, Asked(uuid4(), HERE, at, ADA))

    def reconnect(self) -> None:
        self.run(self._connect())

    def begin(self, work: Coroutine[None, None, object]) -> None:
        """Somebody begins: until the first append."""
        whose = len(self.tasks)

        async def named() -> None:
            _whose.set(whose)
            await work

        async def start() -> None:
            self.tasks.append(asyncio.create_task(named()))
            await self._settled()

        self.run(start())

    def release(self, number: int) -> None:
        """Let one append happen, and everybody go on to their next."""
        if self.store.waiting:
            self.store.release(number)
            self.run(self._settled())

    def kill(self, number: int) -> None:
        """Whoever is about to append never will."""
        if not self.store.waiting:
            return
        whose, _, _ = sorted(self.store.waiting, key=lambda one: one[:2])[number % len(self.store.waiting)]
        self.tasks[whose].cancel()
        self.store.waiting = [one for one in self.store.waiting if one[0] != whose]
        self.run(self._settled())

    def finish(self) -> None:
        """Everybody comes to an end."""
        while self.store.waiting:
            self.release(0)

    async def _settled(self) -> None:
        """Return when nobody can go on: all wait for their turn, or have ended."""
        quiet = 0
        async with asyncio.timeout(30):
            while quiet < 4:
                await asyncio.sleep(0)
                going = {number for number, task in enumerate(self.tasks) if not task.done()}
                waits = going <= {whose for whose, _, _ in self.store.waiting}
                quiet = quiet + 1 if waits and not self.store.busy else 0
                if not quiet:
                    await asyncio.sleep(0.0005)
        for task in self.tasks:
            if task.done() and not task.cancelled() and (error := task.exception()):
                raise error

    def log(self) -> Sequence[Told]:
        """The whole log, in order."""

        async def read() -> Sequence[Told]:
            stored = await self.store.read_all(limit=100_000)
            return [Told(one.position, await self.codec.event(one)) for one in stored]

        return self.run(read())

    def close(self) -> None:
        async def close() -> None:
            for task in self.tasks:
                task.cancel()
            await asyncio.gather(*self.tasks, return_exceptions=True)
            await self.feed.stop()
            self.model.close()
            await self.store.close()

        self.run(close())
        self.runner.close()
        shutil.rmtree(self.folder)


def asking() -> Asking:
    return Asking(uuid4(), HERE)


def step(enrollment: UUID, to: str, person: UUID, at: datetime) -> StepDispatched:
    return StepDispatched(
        attempt=uuid4(),
        sender="a1b2",
        inbox=INBOX_ID,
        identity=ADA,
        person=person,
        to=to,
        subject="Hello",
        text="Hi",
        campaign=UUID(int=50),
        enrollment=enrollment,
        valid_until=at + timedelta(minutes=10),
        at=at,
    )
