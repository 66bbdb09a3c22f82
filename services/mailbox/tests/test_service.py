"""The mailbox service as its own process, spoken to as the other services and the gateway do."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from heraldry.chassis.bus import border
from heraldry.chassis.bus.follow import Entry, Follower
from heraldry.chassis.bus.reactions import read
from heraldry.chassis.bus.rpc import Caller
from heraldry.chassis.testing.nats import NatsServer
from heraldry.chassis.testing.waiting import until
from heraldry.chassis.vault import master
from heraldry.chassis.vault.sealed import public_key, seal
from heraldry.contracts import subjects
from heraldry.contracts.base import By, Envelope, Event, Refused
from heraldry.contracts.identity import IdentityCreated, IdentityDeleted, WorkingHours
from heraldry.contracts.mailbox import (
    ConnectInbox,
    EmailSent,
    EmailView,
    FindInbox,
    GetEmail,
    InboxView,
    ListInboxes,
    MailboxConnected,
    MailboxDisconnected,
    ReplyReceived,
    Server,
)
from heraldry.contracts.scheduler import StepDispatched
from heraldry.sandbox.mailhost import MailHost
from nats.aio.client import Client

pytestmark = [pytest.mark.parts, pytest.mark.timeout(120)]
NORTHWIND, OTHERS, ADA, BOB = (UUID(int=n) for n in range(1, 5))
USER = By(organization=NORTHWIND, actor="user:ada")
ADDRESS, KIM, PASSWORD = "ada@northwind.example", "kim@fabrikam.example", "correct horse battery"


@dataclass
class Service:
    """One installation with this service alone; `events` is what it published."""

    nats: NatsServer
    host: MailHost
    environment: dict[str, str]
    caller: Caller
    gateway: Client
    events: list[Envelope[Event]]
    process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        self.process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "heraldry.mailbox", env=self.environment
        )

    async def kill(self) -> None:
        if self.process is not None and self.process.returncode is None:
            self.process.kill()
            await self.process.wait()

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

    async def connect(self, password: str = PASSWORD, identity: UUID = ADA) -> str:
        key = None
        while key is None:
            key = await public_key(self.gateway, "mailbox")
        ports = self.host.ports
        command = ConnectInbox(
            identity=identity,
            address=ADDRESS,
            imap=Server(host="localhost", port=ports.imap, security="starttls"),
            smtp=Server(host="localhost", port=ports.smtps, security="tls"),
            password=seal(key, password.encode()),
        )
        accepted = await self.caller.send(command, by=USER, id=uuid4(), deadline=30)
        return accepted.position

    async def inbox(self, condition: Callable[[InboxView], bool]) -> InboxView:
        """The inbox as soon as it is so."""
        async with asyncio.timeout(30):
            while True:
                view = await self.caller.ask(FindInbox(address=ADDRESS), by=USER)
                if condition(view):
                    return view
                await asyncio.sleep(0.02)

    async def email(self, attempt: UUID, condition: Callable[[EmailView], bool]) -> EmailView:
        async with asyncio.timeout(90):
            while True:
                try:
                    view = await self.caller.ask(GetEmail(attempt=attempt), by=USER)
                except Refused:
                    pass
                else:
                    if condition(view):
                        return view
                await asyncio.sleep(0.02)

    def said(self, kind: type[Event]) -> list[Event]:
        return [envelope.data for envelope in self.events if isinstance(envelope.data, kind)]


@asynccontextmanager
async def running(folder: Path) -> AsyncGenerator[Service]:
    async with NatsServer() as nats, MailHost.start(folder / "host", people=()) as host:
        host.add_account(ADDRESS, PASSWORD)
        host.add_account(KIM, PASSWORD)
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
            "HERALDRY_EXTRA_CA_FILE": str(host.ca_file),
        }
        gateway = await nats.client("gateway")
        events: list[Envelope[Event]] = []

        def take(entry: Entry) -> None:
            events.append(read(entry.data))

        follower = Follower(await nats.client("operator"), "HERALDRY", "heraldry.events.*.mailbox.>", take)
        await follower.start()
        service = Service(nats, host, environment, Caller(gateway), gateway, events)
        try:
            await service.start()
            yield service
        finally:
            await service.kill()
            await follower.stop()


@pytest.fixture
async def service(tmp_path: Path) -> AsyncGenerator[Service]:
    async with running(tmp_path) as made:
        yield made


def step(inbox: UUID) -> StepDispatched:
    now = datetime.now(UTC)
    return StepDispatched(
        attempt=uuid4(),
        sender="a1b2",
        inbox=inbox,
        identity=ADA,
        person=uuid4(),
        to=KIM,
        subject="Hello",
        text="Hi Kim",
        valid_until=now + timedelta(minutes=10),
        at=now,
    )


@pytest.mark.requirement("R-BOX-7", "R-BOX-18")
async def test_an_inbox_is_connected_when_both_protocols_work(service: Service) -> None:
    await service.identity(ADA, "Ada Bergström")
    await service.identity(BOB, "Bob")
    await service.connect("wrong")
    failed = await service.inbox(lambda view: view.state == "failed")
    assert failed.diagnosis is not None
    assert failed.diagnosis.code == "credentials.invalid"
    assert not await service.caller.ask(ListInboxes(), by=USER)

    await service.connect()
    connected = await service.inbox(lambda view: view.state == "connected")
    assert connected.inbox == failed.inbox
    assert [view.inbox for view in await service.caller.ask(ListInboxes(identity=ADA), by=USER)] == [
        connected.inbox
    ]
    await until(lambda: bool(service.said(MailboxConnected)))
    with pytest.raises(Refused) as refused:
        await service.connect(identity=BOB)
    assert refused.value.code == "inbox.belongs-to-another-identity"
    assert "Ada Bergström" in refused.value.detail
    others = By(organization=OTHERS, actor="user:eve")
    with pytest.raises(Refused) as refused:
        await service.caller.ask(FindInbox(inbox=connected.inbox), by=others)
    assert (refused.value.code, refused.value.status) == ("inbox.unknown", 404)
    await service.deleted(ADA)
    await until(lambda: bool(service.said(MailboxDisconnected)))


@pytest.mark.requirement("R-BOX-9")
async def test_a_dispatched_step_arrives_and_its_answer_is_read(service: Service) -> None:
    await service.identity(ADA, "Ada Bergström")
    await service.connect()
    inbox = (await service.inbox(lambda view: view.state == "connected")).inbox
    wanted = step(inbox)
    await service.dispatch(wanted)
    await service.dispatch(wanted)
    sent = await service.email(wanted.attempt, lambda view: view.state == "sent")
    assert [one.type for one in sent.steps][:4] == [
        "EmailQueued",
        "EmailClaimed",
        "EmailSubmissionStarted",
        "EmailSent",
    ]
    service.host.reply(KIM, "Yes, on Monday.", message_id=sent.message_id)
    answered = await service.email(wanted.attempt, lambda view: bool(view.replies))
    assert answered.replies == ("Yes, on Monday.",)
    assert [one.letter.message_id for one in service.host.messages(KIM)] == [sent.message_id]
    await until(lambda: bool(service.said(EmailSent)) and bool(service.said(ReplyReceived)))
    with pytest.raises(Refused) as refused:
        await service.caller.ask(
            GetEmail(attempt=wanted.attempt), by=By(organization=OTHERS, actor="user:eve")
        )
    assert (refused.value.code, refused.value.status) == ("email.unknown", 404)


async def test_the_process_killed_and_started_again_has_sent_every_mail_once(service: Service) -> None:
    await service.identity(ADA, "Ada Bergström")
    await service.connect()
    inbox = (await service.inbox(lambda view: view.state == "connected")).inbox
    wanted = [step(inbox) for _ in range(6)]
    for one in wanted[:3]:
        await service.dispatch(one)
    await service.email(wanted[0].attempt, lambda view: view.state == "sent")
    await service.kill()
    for one in wanted[3:]:
        await service.dispatch(one)
    await service.start()
    for one in wanted[3:]:
        await service.email(one.attempt, lambda view: view.state == "sent")
    arrived = [one.letter.message_id for one in service.host.messages(KIM)]
    assert len(arrived) == len(set(arrived))
    assert {f"<{one.attempt}@northwind.example>" for one in wanted[3:]} <= set(arrived)
