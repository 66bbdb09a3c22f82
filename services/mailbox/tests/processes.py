"""The mailbox service as its own processes, spoken to as the other services and the gateway do; for tests."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from uuid import UUID, uuid4

from heraldry.chassis.bus import border
from heraldry.chassis.bus.follow import Entry, Follower
from heraldry.chassis.bus.reactions import read
from heraldry.chassis.bus.rpc import Caller
from heraldry.chassis.testing.nats import NatsServer
from heraldry.chassis.testing.replicas import Replicas
from heraldry.chassis.testing.waiting import Pauses
from heraldry.chassis.testing.warm import Forked
from heraldry.chassis.vault import master
from heraldry.chassis.vault.sealed import public_key, seal
from heraldry.contracts import subjects
from heraldry.contracts.base import By, Envelope, Event, Refused
from heraldry.contracts.gateway import RecipientUnsubscribed
from heraldry.contracts.identity import IdentityCreated, IdentityDeleted, WorkingHours
from heraldry.contracts.mailbox import ConnectInbox, EmailView, FindInbox, GetEmail, InboxView, Server
from heraldry.contracts.scheduler import StepDispatched
from heraldry.sandbox.clock import SandboxClock
from heraldry.sandbox.errors import SandboxError
from heraldry.sandbox.mailhost import MailHost
from nats.aio.client import Client

NORTHWIND, OTHERS, ADA, BOB = (UUID(int=n) for n in range(1, 5))
USER = By(organization=NORTHWIND, actor="user:ada")
ADDRESS, KIM, PASSWORD = "ada@northwind.example", "kim@fabrikam.example", "correct horse battery"


@dataclass
class Service(Replicas):
    """One installation with this service alone; `events` is what it published."""

    module = "heraldry.mailbox.service"

    nats: NatsServer
    host: MailHost
    environment: dict[str, str]
    caller: Caller
    gateway: Client
    events: list[Envelope[Event]]
    points: Path  # where tests hold its processes
    clock: SandboxClock  # business time
    processes: dict[str, Forked] = field(default_factory=dict[str, Forked])

    async def leave(self, replica: str) -> int:
        """Ask a replica to stop, and wait until it has; its exit code."""
        process = self.processes.pop(replica)
        process.send_signal(signal.SIGTERM)
        return await process.wait()

    async def kill_all(self) -> Sequence[str]:
        """kill -9 of every replica; their names."""
        names = list(self.processes)
        for name in names:
            await self.kill(name)
        return names

    def replica_of(self, pid: int) -> str:
        return next(name for name, process in self.processes.items() if process.pid == pid)

    def stop(self, replica: str) -> None:
        self.processes[replica].send_signal(signal.SIGSTOP)

    def go_on(self, replica: str) -> None:
        self.processes[replica].send_signal(signal.SIGCONT)

    async def advance(self, by: timedelta) -> None:
        """Move business time forward, also where a busy machine answers late."""
        async with asyncio.timeout(60):
            while True:
                try:
                    await self.clock.advance(Decimal(by.total_seconds()))
                except SandboxError:
                    await asyncio.sleep(0.1)
                else:
                    return

    async def identity(self, identity: UUID, name: str) -> None:
        created = IdentityCreated(
            identity=identity,
            organization=NORTHWIND,
            name=name,
            details={},  # pyright: ignore[reportArgumentType]  pydantic fills it
            hours=WorkingHours(zone="Europe/Stockholm"),
            at=datetime.now(UTC),
        )
        await self._publish("identity", identity, created, 0)

    async def deleted(self, identity: UUID) -> None:
        await self._publish("identity", identity, IdentityDeleted(identity=identity, at=datetime.now(UTC)), 1)

    async def dispatch(self, step: StepDispatched) -> None:
        await self._publish("scheduler", step.identity, step, 0)

    async def unsubscribed(self, step: StepDispatched) -> None:
        """Somebody used the link of this mail."""
        event = RecipientUnsubscribed(
            organization=NORTHWIND,
            identity=step.identity,
            person=step.person,
            address=step.to,
            attempt=step.attempt,
            at=datetime.now(UTC),
        )
        await self._publish("gateway", step.identity, event, 0)

    async def _publish(self, context: str, identity: UUID, event: Event, revision: int) -> None:
        kind, now = type(event).__name__, datetime.now(UTC)
        envelope = Envelope[Event](
            id=str(uuid4()),
            source=f"/heraldry/{context}",
            type=kind,
            time=now,
            dataschema=f"heraldry:{kind}:1",
            organization=str(NORTHWIND),
            identity=str(identity),
            actor="user:ada",
            stream=f"{context}.x-{identity}",
            revision=revision,
            position=f"{context}:test:{revision + 1}",
            data=event,
        ).model_copy(update={"data": event})
        body = envelope.model_dump_json(serialize_as_any=True).encode()
        subject = (
            subjects.internal(context, str(identity), kind)
            if isinstance(event, StepDispatched)
            else subjects.event(str(NORTHWIND), context, str(identity), kind)
        )
        await border.jetstream(await self.nats.client(context)).publish(subject, body)

    async def connect(
        self,
        password: str = PASSWORD,
        identity: UUID = ADA,
        address: str = ADDRESS,
        imap: Server | None = None,
    ) -> str:
        """`imap`: where it is read, if not at the mail host."""
        key = None
        while key is None:
            key = await public_key(self.gateway, "mailbox")
        ports = self.host.ports
        command = ConnectInbox(
            identity=identity,
            address=address,
            imap=imap or Server(host="localhost", port=ports.imap, security="starttls"),
            smtp=Server(host="localhost", port=ports.smtps, security="tls"),
            password=seal(key, password.encode()),
        )
        accepted = await self.caller.send(command, by=USER, id=uuid4(), deadline=30)
        return accepted.position

    async def inbox(self, condition: Callable[[InboxView], bool], address: str = ADDRESS) -> InboxView:
        """The inbox as soon as it is so."""
        pauses = Pauses()
        async with asyncio.timeout(30):
            while True:
                with suppress(Refused):  # a replica that has not heard of it yet
                    view = await self.caller.ask(FindInbox(address=address), by=USER)
                    if condition(view):
                        return view
                await asyncio.sleep(pauses.next())

    async def email(self, attempt: UUID, condition: Callable[[EmailView], bool]) -> EmailView:
        pauses = Pauses()
        async with asyncio.timeout(90):
            while True:
                try:
                    view = await self.caller.ask(GetEmail(attempt=attempt), by=USER)
                except Refused:
                    pass
                else:
                    if condition(view):
                        return view
                await asyncio.sleep(pauses.next())

    def said(self, kind: type[Event]) -> list[Event]:
        return [envelope.data for envelope in self.events if isinstance(envelope.data, kind)]


@asynccontextmanager
async def running(
    folder: Path, more: Mapping[str, str] | None = None, *, trusting: Sequence[Path] = ()
) -> AsyncGenerator[Service]:
    """`more`: settings beside the usual ones. `trusting`: certificates of further servers."""
    points = folder / "points"
    points.mkdir()
    async with NatsServer() as nats, MailHost.start(folder / "host", people=()) as host:
        host.add_account(ADDRESS, PASSWORD)
        host.add_account(KIM, PASSWORD)
        trusted = folder / "trusted.pem"
        trusted.write_bytes(b"\n".join(file.read_bytes() for file in (host.ca_file, *trusting)))
        settings = nats.settings("mailbox")
        master.create(master.default_path(settings))
        environment = {
            **os.environ,
            "HERALDRY_SERVICE": "mailbox",
            "HERALDRY_DATA": str(nats.data),
            "HERALDRY_NATS_URL": settings.nats_url,
            "HERALDRY_NATS_USER": settings.nats_user,
            "HERALDRY_NATS_PASSWORD": settings.nats_password.get_secret_value(),
            "HERALDRY_ALLOW_PRIVATE_ADDRESSES": "true",
            "HERALDRY_EXTRA_CA_FILE": str(trusted),
            "HERALDRY_MODE": "demo",  # business time follows the sandbox's clock
            "HERALDRY_TEST_POINTS": str(points),
            **(more or {}),
        }
        gateway = await nats.client("gateway")
        events: list[Envelope[Event]] = []

        def take(entry: Entry) -> None:
            events.append(read(entry.data))

        follower = Follower(await nats.client("operator"), "HERALDRY", "heraldry.events.*.mailbox.>", take)
        await follower.start()
        clock = SandboxClock(await border.jetstream(await nats.client("sandbox")).key_value("CLOCK"))
        service = Service(nats, host, environment, Caller(gateway), gateway, events, points, clock)
        try:
            await service.start()
            yield service
        finally:
            await service.kill_all()
            await follower.stop()


def step(inbox: UUID, now: datetime | None = None, to: str = KIM, **more: object) -> StepDispatched:
    """A mail that may leave for ten minutes from `now`, business time. `more`: campaign, enrollment …"""
    now = now or datetime.now(UTC)
    return StepDispatched(
        attempt=uuid4(),
        sender="a1b2",
        inbox=inbox,
        identity=ADA,
        person=uuid4(),
        to=to,
        subject="Hello",
        text="Hi Kim",
        valid_until=now + timedelta(minutes=10),
        at=now,
    ).model_copy(update=more)
