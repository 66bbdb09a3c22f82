"""The workers on a real store, a real NATS server and a real mail host; what truly happened says the host."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal
from uuid import UUID, uuid4

import pytest
from heraldry.chassis import tracing
from heraldry.chassis.bus import border
from heraldry.chassis.bus.rpc import Asking
from heraldry.chassis.clock import MovableClock
from heraldry.chassis.codec import Codec
from heraldry.chassis.crew import Crew
from heraldry.chassis.halt import HaltFlags, organization
from heraldry.chassis.leases import KvLeases
from heraldry.chassis.readmodel import ReadModel, StoreFeed
from heraldry.chassis.runner import Runner
from heraldry.chassis.settings import Settings
from heraldry.chassis.store.sqlite import SqliteStore
from heraldry.chassis.testing.collector import Collector
from heraldry.chassis.testing.nats import NatsServer
from heraldry.chassis.testing.waiting import until
from heraldry.chassis.vault.keys import KeyRing
from heraldry.chassis.vault.master import MasterKey
from heraldry.chassis.vault.sealed import own_private_key, seal
from heraldry.chassis.vault.secrets import Secrets
from heraldry.contracts.base import By, Refused
from heraldry.contracts.mailbox import ConnectInbox, DisconnectInbox, EmailView, InboxView, Server
from heraldry.contracts.scheduler import StepDispatched
from heraldry.mailbox import projections
from heraldry.mailbox.adapters.check import MailChecker
from heraldry.mailbox.adapters.imap import ImapMailbox
from heraldry.mailbox.adapters.kept import KeptConnections
from heraldry.mailbox.adapters.traced import TracedChecker, TracedMailbox, TracedSubmitter
from heraldry.mailbox.application import Application
from heraldry.mailbox.domain.diagnosis import Failure, diagnose_failure
from heraldry.mailbox.ports import Accepted, Account, NotSent, Outcome, Submission, Submitter, Trust
from heraldry.mailbox.service import PROJECTIONS, TYPES
from heraldry.mailbox.streams import CONTEXT
from heraldry.mailbox.workers.checking import CheckWorker
from heraldry.mailbox.workers.desk import Desk
from heraldry.mailbox.workers.reading import Places, ReadWorker
from heraldry.mailbox.workers.sending import SendWorker
from heraldry.sandbox.mailhost import MailHost
from nacl.public import PrivateKey

pytestmark = pytest.mark.parts
NORTHWIND, OTHERS, ADA, BOB = (UUID(int=n) for n in range(1, 5))
MASTER = MasterKey(bytes(range(32)))
ADDRESS, KIM, PASSWORD = "ada@northwind.example", "kim@fabrikam.example", "correct horse"
Named = Literal["tls", "starttls"]


class Interrupted(Submitter):
    """The real submitter, stopped for ever at a point: as a kill -9 there, seen from outside."""

    def __init__(self, real: Submitter, at: Literal["before content", "after content"]) -> None:
        self._real, self._at = real, at
        self.reached = asyncio.Event()

    async def submit(
        self, account: Account, mail: Submission, *, before_content: Callable[[], Awaitable[None]]
    ) -> Outcome:
        if self._at == "before content":
            self.reached.set()
            await asyncio.Event().wait()
        outcome = await self._real.submit(account, mail, before_content=before_content)
        assert isinstance(outcome, Accepted)
        self.reached.set()
        await asyncio.Event().wait()
        return outcome


class CutBefore(Submitter):
    """Begins the content on paper, and is stopped before a byte of it is written."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()

    async def submit(
        self,
        account: Account,  # noqa: ARG002  the port's
        mail: Submission,  # noqa: ARG002  the port's
        *,
        before_content: Callable[[], Awaitable[None]],
    ) -> Outcome:
        await before_content()
        self.reached.set()
        await asyncio.Event().wait()
        raise AssertionError


@dataclass
class Replica:
    """One process of the mailbox service, without the bus."""

    application: Application
    model: ReadModel
    halt: HaltFlags
    private: PrivateKey
    clock: MovableClock
    real: MovableClock
    crew: Crew
    stack: AsyncExitStack
    running: asyncio.Task[None] | None = None

    def start(self) -> None:
        self.running = asyncio.create_task(self.crew.run())

    async def kill(self) -> None:
        """Its work stops where it is; nothing is put in order."""
        if self.running is not None:
            self.running.cancel()
            await asyncio.gather(self.running, return_exceptions=True)
            self.running = None

    def inbox(self, found: UUID) -> InboxView | None:
        return self.model.read(lambda db: projections.inbox_of(db, str(NORTHWIND), str(found)))

    def email(self, attempt: UUID) -> EmailView | None:
        return self.model.read(lambda db: projections.email_of(db, str(NORTHWIND), str(attempt)))

    def state(self, attempt: UUID) -> str:
        email = self.email(attempt)
        return "" if email is None else email.state

    def steps(self, attempt: UUID) -> list[str]:
        email = self.email(attempt)
        return [] if email is None else [step.type for step in email.steps]


@dataclass
class World:
    folder: Path
    nats: NatsServer
    host: MailHost
    stack: AsyncExitStack
    clock: MovableClock
    real: MovableClock

    async def replica(self, name: str = "mailbox-0", submitter: Submitter | None = None) -> Replica:
        nc = await self.nats.client(CONTEXT)
        stack = await self.stack.enter_async_context(AsyncExitStack())
        keys = KeyRing(nc, CONTEXT, MASTER)
        await keys.start()
        stack.push_async_callback(keys.stop)
        halt = HaltFlags(nc)
        await halt.start()
        stack.push_async_callback(halt.stop)
        secrets = Secrets(nc, CONTEXT, keys)
        private = await own_private_key(nc, CONTEXT, keys, secrets)
        store = SqliteStore(self.folder / "mailbox.sqlite3")
        stack.push_async_callback(store.close)
        codec = Codec(TYPES, keys)
        model = ReadModel(self.folder / f"{name}.sqlite3", PROJECTIONS)
        stack.callback(model.close)
        feed = StoreFeed(CONTEXT, store, codec, model)
        await feed.start()
        stack.push_async_callback(feed.stop)
        runner = Runner(CONTEXT, store, codec)
        application = Application(runner, store, model, keys, secrets, private, self.clock)
        trust = Trust(self.host.ca_file, allow_private_addresses=True)
        desk = Desk(application, secrets, halt, model, self.clock, self.real)
        mailbox = TracedMailbox(ImapMailbox(trust))
        leases = KvLeases(border.jetstream(nc), "mailbox.reader", name, self.real)
        crew = Crew(
            model,
            CheckWorker(desk, TracedChecker(MailChecker(trust))),
            SendWorker(desk, submitter or TracedSubmitter(KeptConnections(trust)), mailbox),
            ReadWorker(desk, mailbox, leases, Places(self.folder / f"{name}-places")),
        )
        replica = Replica(application, model, halt, private, self.clock, self.real, crew, stack)
        stack.push_async_callback(replica.kill)
        return replica

    def connect(self, private: PrivateKey, password: str = PASSWORD, identity: UUID = ADA) -> ConnectInbox:
        ports = self.host.ports
        return ConnectInbox(
            identity=identity,
            address=ADDRESS,
            imap=Server(host="localhost", port=ports.imaps, security="tls"),
            smtp=Server(host="localhost", port=ports.smtp, security="starttls"),
            password=seal(private.public_key, password.encode()),
        )

    async def connected(self, replica: Replica) -> UUID:
        await replica.application.know(ADA, "Ada Bergström", 0, asking())
        await replica.application.connect(self.connect(replica.private), asking())
        found = await replica.application.inbox_id(NORTHWIND, ADDRESS)
        running = replica.running is not None
        if not running:
            replica.start()
        await until(lambda: _state(replica, found) == "connected")
        if not running:
            await replica.kill()
        return found

    def delivered(self) -> list[str]:
        return [message.letter.message_id for message in self.host.messages(KIM)]


def _state(replica: Replica, found: UUID) -> str:
    view = replica.inbox(found)
    return "" if view is None else view.state


def asking(organization_id: UUID = NORTHWIND) -> Asking:
    return Asking(uuid4(), By(organization=organization_id, actor="user:ada"))


def step(inbox: UUID, clock: MovableClock, attempt: UUID | None = None) -> StepDispatched:
    return StepDispatched(
        attempt=attempt or uuid4(),
        sender="a1b2",
        inbox=inbox,
        identity=ADA,
        person=uuid4(),
        to=KIM,
        subject="Hello",
        text="Hi Kim, shall we talk?\n",
        valid_until=clock.now() + timedelta(minutes=10),
        at=clock.now(),
    )


@asynccontextmanager
async def running(folder: Path) -> AsyncGenerator[World]:
    async with (
        NatsServer() as nats,
        MailHost.start(folder / "host", people=()) as host,
        AsyncExitStack() as stack,
    ):
        host.add_account(ADDRESS, PASSWORD)
        host.add_account(KIM, PASSWORD)
        now = datetime.now(UTC)
        yield World(folder, nats, host, stack, MovableClock(now), MovableClock(now))


@pytest.fixture
async def world(tmp_path: Path) -> AsyncGenerator[World]:
    async with running(tmp_path) as made:
        yield made


async def test_a_mail_leaves_once_is_copied_once_and_its_answer_is_read(world: World) -> None:
    replica = await world.replica()
    replica.start()
    inbox = await world.connected(replica)
    wanted = step(inbox, world.clock)
    await replica.application.queue(wanted, asking())
    await replica.application.queue(wanted, asking())
    await until(lambda: "EmailCopyKept" in replica.steps(wanted.attempt))
    assert replica.steps(wanted.attempt) == [
        "EmailQueued",
        "EmailClaimed",
        "EmailSubmissionStarted",
        "EmailSent",
        "EmailCopyKept",
    ]
    (message_id,) = world.delivered()
    assert message_id == f"<{wanted.attempt}@northwind.example>"
    (copy,) = world.host.messages(ADDRESS, "Sent")
    (arrived,) = world.host.messages(KIM)
    assert copy.letter.message_id == message_id
    assert arrived.letter.header("From") == "=?utf-8?b?QWRhIEJlcmdzdHLDtm0=?= <ada@northwind.example>" or (
        "Ada Bergström" in arrived.letter.header("From")
    )

    world.host.deliver(ADDRESS, automatic(message_id))
    world.host.reply(KIM, "Yes, on Monday.", message_id=message_id)
    await until(lambda: bool((found := replica.email(wanted.attempt)) and found.replies))
    email = replica.email(wanted.attempt)
    assert email is not None
    assert email.replies == ("Yes, on Monday.",)


@pytest.mark.requirement("R-OPS-3", "R-ACC-5")
async def test_a_mail_is_one_trace_up_to_its_answer_and_nothing_is_told_of_whom(world: World) -> None:
    correlation = uuid4()
    with Collector() as collector:
        with tracing.told(Settings(service="mailbox", otlp_endpoint=collector.url)):
            replica = await world.replica()
            replica.start()
            await replica.application.know(ADA, "Ada Bergström", 0, asking())
            await replica.application.connect(world.connect(replica.private, "wrong horse"), asking())
            failed = await replica.application.inbox_id(NORTHWIND, ADDRESS)
            await until(lambda: _state(replica, failed) == "failed")
            inbox = await world.connected(replica)
            wanted = step(inbox, world.clock)
            by = By(organization=NORTHWIND, actor="user:ada", correlation=str(correlation))
            await replica.application.queue(wanted, Asking(uuid4(), by))
            await until(lambda: "EmailCopyKept" in replica.steps(wanted.attempt))
            world.host.reply(KIM, "Yes, on Monday.", message_id=f"<{wanted.attempt}@northwind.example>")
            await until(lambda: bool((found := replica.email(wanted.attempt)) and found.replies))
            await replica.kill()
        await until(lambda: any(span.facts.get("heraldry.category") == "reply" for span in collector.spans))
        of_mail = collector.of(correlation.hex)
    (mail,) = [span for span in of_mail.values() if span.name == "mail"]
    within = [span for span in of_mail.values() if span.parent == mail.id]
    (smtp,) = [span for span in within if span.name == "smtp"]
    assert (smtp.facts, smtp.failed) == ({"heraldry.outcome": "Accepted"}, False)
    begun = [span for span in of_mail.values() if span.parent == smtp.id]
    assert {span.facts["heraldry.category"] for span in begun} == {"email"}
    appends = [span.facts["heraldry.category"] for span in of_mail.values() if span.name == "append"]
    assert appends.count("email") >= 6  # queued, claimed, begun, sent, copy claimed, copy kept
    assert appends.count("reply") == 1
    tried = [span for span in collector.spans if span.name == "mail servers tried"]
    assert [span.facts.get("error.type") for span in tried] == ["credentials.invalid", None]
    assert any(span.name == "imap" and not span.failed for span in collector.spans)
    words = (ADDRESS, KIM, "northwind", "fabrikam", "horse", "Bergstr", "Hello", "shall we talk", "Monday")
    told = collector.bytes.lower()
    assert [word for word in words if word.lower().encode() in told] == []


def automatic(message_id: str) -> bytes:
    return (
        f"From: {KIM}\r\nTo: {ADDRESS}\r\nSubject: Away\r\nMessage-ID: <away@fabrikam.example>\r\n"
        f"In-Reply-To: {message_id}\r\nAuto-Submitted: auto-replied\r\n\r\nI am away.\r\n"
    ).encode()


async def test_a_person_who_answers_under_our_own_subject_is_no_program(world: World) -> None:
    """Whatever it is about: their mail program has put no "Re:" before it."""
    replica = await world.replica()
    replica.start()
    inbox = await world.connected(replica)
    subject = "Absence: how do you track it?"
    wanted = step(inbox, world.clock).model_copy(update={"subject": subject})
    await replica.application.queue(wanted, asking())
    await until(lambda: replica.state(wanted.attempt) == "sent")
    (message_id,) = world.delivered()
    for said, text in (("Absence: back on Monday", "I am away."), (subject, "On paper.")):
        world.host.deliver(
            ADDRESS,
            f"From: {KIM}\r\nTo: {ADDRESS}\r\nSubject: {said}\r\nMessage-ID: <{uuid4()}@fabrikam.example>\r\n"
            f"In-Reply-To: {message_id}\r\n\r\n{text}\r\n".encode(),
        )
    await until(lambda: bool((found := replica.email(wanted.attempt)) and found.replies))
    email = replica.email(wanted.attempt)
    assert email is not None
    assert email.replies == ("On paper.",)


async def test_a_report_is_a_bounce_once_and_a_delay_or_an_automatic_answer_is_none(world: World) -> None:
    replica = await world.replica()
    replica.start()
    inbox = await world.connected(replica)
    wanted = step(inbox, world.clock)
    await replica.application.queue(wanted, asking())
    await until(lambda: replica.state(wanted.attempt) == "sent")
    (message_id,) = world.delivered()
    forged = message_id.replace(str(wanted.attempt), str(uuid4()))

    world.host.deliver(ADDRESS, report(forged))
    world.host.auto_reply(KIM, message_id=message_id)
    world.host.bounce(KIM, "4.4.1", message_id=message_id)
    for _ in range(2):
        world.host.bounce(KIM, "5.1.1", message_id=message_id)
    world.host.reply(KIM, "I did get it.", message_id=message_id)
    await until(lambda: bool((found := replica.email(wanted.attempt)) and found.replies))
    email = replica.email(wanted.attempt)
    assert email is not None
    (bounce,) = email.bounces
    assert (bounce.hard, bounce.category, bounce.status) == (True, "unknown-address", "5.1.1")
    assert email.replies == ("I did get it.",)


def report(message_id: str) -> bytes:
    """Of a mail that was never ours."""
    return (
        f"From: MAILER-DAEMON@fabrikam.example\r\nTo: {ADDRESS}\r\nSubject: Undelivered\r\nReturn-Path: <>\r\n"
        "MIME-Version: 1.0\r\n"
        'Content-Type: multipart/report; report-type=delivery-status; boundary="b"\r\n\r\n'
        "--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.fabrikam.example\r\n\r\n"
        f"Final-Recipient: rfc822; {KIM}\r\nAction: failed\r\nStatus: 5.1.1\r\n\r\n"
        f"--b\r\nContent-Type: text/rfc822-headers\r\n\r\nMessage-ID: {message_id}\r\nTo: {KIM}\r\n\r\n--b--\r\n"
    ).encode()


async def test_an_answer_read_again_is_one(world: World) -> None:
    replica = await world.replica()
    inbox = await world.connected(replica)
    wanted = step(inbox, world.clock)
    await replica.application.queue(wanted, asking())
    replica.start()
    await until(lambda: replica.state(wanted.attempt) == "sent")
    world.host.reply(KIM, "Yes.", message_id=f"<{wanted.attempt}@northwind.example>")
    await until(lambda: bool((found := replica.email(wanted.attempt)) and found.replies))
    await replica.kill()
    other = await world.replica("mailbox-1")  # it has no place of its own, so it reads everything again
    world.real.forward(timedelta(minutes=1))
    other.start()
    second = step(inbox, world.clock)
    await other.application.queue(second, asking())
    await until(lambda: other.state(second.attempt) == "sent")
    world.host.reply(KIM, "Once more.", message_id=f"<{second.attempt}@northwind.example>")
    await until(lambda: bool((found := other.email(second.attempt)) and found.replies))
    email = other.email(wanted.attempt)
    assert email is not None
    assert email.replies == ("Yes.",)


async def test_a_wrong_password_gets_its_diagnosis_and_no_inbox(world: World) -> None:
    replica = await world.replica()
    replica.start()
    await replica.application.know(ADA, "Ada Bergström", 0, asking())
    await replica.application.connect(world.connect(replica.private, "wrong"), asking())
    found = await replica.application.inbox_id(NORTHWIND, ADDRESS)
    await until(lambda: _state(replica, found) == "failed")
    view = replica.inbox(found)
    assert view is not None
    assert view.diagnosis is not None
    assert view.diagnosis.code == "credentials.invalid"
    assert view.diagnosis.resolution
    assert not replica.model.read(lambda db: projections.inboxes_of(db, str(NORTHWIND), ""))
    await world.connected(replica)
    assert len(replica.model.read(lambda db: projections.inboxes_of(db, str(NORTHWIND), str(ADA)))) == 1


async def test_an_address_belongs_to_one_identity_of_an_organization(world: World) -> None:
    replica = await world.replica()
    inbox = await world.connected(replica)
    await replica.application.know(BOB, "Bob", 0, asking())
    with pytest.raises(Refused) as refused:
        await replica.application.connect(world.connect(replica.private, identity=BOB), asking())
    assert refused.value.code == "inbox.belongs-to-another-identity"
    assert "Ada Bergström" in str(refused.value)
    with pytest.raises(Refused) as refused:
        await replica.application.disconnect(DisconnectInbox(inbox=inbox), asking(OTHERS))
    assert (refused.value.code, refused.value.status) == ("inbox.unknown", 404)
    assert await replica.application.inbox_id(OTHERS, ADDRESS) != inbox


async def test_a_deleted_identity_loses_its_inboxes(world: World) -> None:
    replica = await world.replica()
    inbox = await world.connected(replica)
    await replica.application.forget(ADA, 1, asking())
    await until(lambda: _state(replica, inbox) == "disconnected")
    with pytest.raises(Refused) as refused:
        await replica.application.connect(world.connect(replica.private), asking())
    assert refused.value.code == "identity.unknown"
    wanted = step(inbox, world.clock)
    replica.start()
    await replica.application.queue(wanted, asking())
    await until(lambda: replica.state(wanted.attempt) == "failed")
    assert not world.delivered()


async def test_a_password_that_changed_needs_a_reconnection_and_one_restores_it(world: World) -> None:
    replica = await world.replica()
    inbox = await world.connected(replica)
    world.host.change_password(ADDRESS, "another horse")
    replica.start()
    await until(lambda: _state(replica, inbox) == "needs reconnect")
    view = replica.inbox(inbox)
    assert view is not None
    assert view.diagnosis is not None
    assert view.diagnosis.code == "credentials.changed"
    await replica.application.connect(world.connect(replica.private, "another horse"), asking())
    await until(lambda: _state(replica, inbox) == "connected")


async def test_killed_between_claim_and_content_it_is_delivered_once_by_another(world: World) -> None:
    trust = Trust(world.host.ca_file, allow_private_addresses=True)
    stuck = Interrupted(KeptConnections(trust), "before content")
    first = await world.replica(submitter=stuck)
    inbox = await world.connected(first)
    wanted = step(inbox, world.clock)
    await first.application.queue(wanted, asking())
    first.start()
    await stuck.reached.wait()
    await first.kill()
    second = await world.replica("mailbox-1")
    assert second.state(wanted.attempt) == "claimed"
    second.start()
    world.real.forward(timedelta(seconds=61))
    await until(lambda: second.state(wanted.attempt) == "sent")
    assert world.delivered() == [f"<{wanted.attempt}@northwind.example>"]


async def test_killed_after_the_content_it_is_never_sent_again_and_found_by_a_look_up(world: World) -> None:
    trust = Trust(world.host.ca_file, allow_private_addresses=True)
    stuck = Interrupted(KeptConnections(trust), "after content")
    first = await world.replica(submitter=stuck)
    inbox = await world.connected(first)
    wanted = step(inbox, world.clock)
    await first.application.queue(wanted, asking())
    first.start()
    await stuck.reached.wait()
    await first.kill()
    second = await world.replica("mailbox-1")
    second.start()
    world.real.forward(timedelta(seconds=61))
    world.clock.forward(timedelta(minutes=1))
    world.host.reply(KIM, "Got it.", message_id=f"<{wanted.attempt}@northwind.example>")
    await until(lambda: second.state(wanted.attempt) == "sent")
    await until(lambda: bool((found := second.email(wanted.attempt)) and found.replies))
    assert len(world.delivered()) == 1


async def test_begun_and_not_found_for_half_an_hour_a_person_decides(world: World) -> None:
    cut = CutBefore()
    first = await world.replica(submitter=cut)
    inbox = await world.connected(first)
    wanted = step(inbox, world.clock)
    await first.application.queue(wanted, asking())
    first.start()
    await cut.reached.wait()
    await first.kill()
    second = await world.replica("mailbox-1")
    second.start()
    world.clock.forward(timedelta(minutes=31))
    await until(lambda: second.state(wanted.attempt) == "outcome unknown")
    assert not world.delivered()
    assert "EmailClaimed" not in second.steps(wanted.attempt)[2:]


async def test_two_replicas_at_once_deliver_every_mail_once(world: World) -> None:
    first, second = await world.replica(), await world.replica("mailbox-1")
    inbox = await world.connected(first)
    first.start()
    second.start()
    wanted = [step(inbox, world.clock) for _ in range(12)]
    await asyncio.gather(*(first.application.queue(one, asking()) for one in wanted))
    await until(lambda: all("EmailCopyKept" in first.steps(one.attempt) for one in wanted), seconds=40)
    expected = sorted(f"<{one.attempt}@northwind.example>" for one in wanted)
    assert sorted(world.delivered()) == expected
    assert sorted(copy.letter.message_id for copy in world.host.messages(ADDRESS, "Sent")) == expected


async def test_the_copies_of_many_mails_share_a_connection(world: World) -> None:
    replica = await world.replica()
    inbox = await world.connected(replica)
    replica.start()
    wanted = [step(inbox, world.clock) for _ in range(12)]
    await asyncio.gather(*(replica.application.queue(one, asking()) for one in wanted))
    await until(lambda: all("EmailCopyKept" in replica.steps(one.attempt) for one in wanted), seconds=40)
    appended = [effect.session for effect in world.host.effects() if effect.what == "appended"]
    assert len(appended) == len(wanted)
    assert len(set(appended)) <= 3  # one, unless this machine pauses for longer than it is kept


async def test_nothing_leaves_while_a_halt_is_set(world: World) -> None:
    replica = await world.replica()
    inbox = await world.connected(replica)
    gateway = HaltFlags(await world.nats.client("gateway"))
    await gateway.set(organization(NORTHWIND), actor="user:ada", reason="stop")
    replica.start()
    wanted, later = step(inbox, world.clock), step(inbox, world.clock)
    await replica.application.queue(wanted, asking())
    world.clock.forward(timedelta(minutes=10))
    await until(lambda: replica.state(wanted.attempt) == "failed")
    later = step(inbox, world.clock)
    await replica.application.queue(later, asking())
    await until(lambda: replica.state(later.attempt) == "queued")
    await gateway.clear(organization(NORTHWIND), actor="user:ada", reason="go on")
    await until(lambda: replica.state(later.attempt) == "sent")
    assert world.delivered() == [f"<{later.attempt}@northwind.example>"]


async def test_an_inbox_that_works_goes_on_when_a_reconnection_fails(world: World) -> None:
    replica = await world.replica()
    inbox = await world.connected(replica)
    closed = Server(host="localhost", port=1, security="tls")
    command = world.connect(replica.private).model_copy(update={"smtp": closed})
    await replica.application.connect(command, asking())
    replica.start()
    await until(lambda: bool((view := replica.inbox(inbox)) and view.diagnosis))
    view = replica.inbox(inbox)
    assert view is not None
    assert (view.state, view.smtp.port) == ("connected", world.host.ports.smtp)
    wanted = step(inbox, world.clock)
    await replica.application.queue(wanted, asking())
    await until(lambda: replica.state(wanted.attempt) == "sent")


class AwayOnce(Submitter):
    """The server is away the first time."""

    def __init__(self, real: Submitter) -> None:
        self._real, self.tries = real, 0

    async def submit(
        self, account: Account, mail: Submission, *, before_content: Callable[[], Awaitable[None]]
    ) -> Outcome:
        self.tries += 1
        if self.tries == 1:
            return NotSent(diagnose_failure("smtp", Failure.TIMEOUT, connected_before=True), "transient")
        return await self._real.submit(account, mail, before_content=before_content)


async def test_a_server_that_was_away_gets_the_mail_later(world: World) -> None:
    away = AwayOnce(KeptConnections(Trust(world.host.ca_file, allow_private_addresses=True)))
    replica = await world.replica(submitter=away)
    inbox = await world.connected(replica)
    replica.start()
    wanted = step(inbox, world.clock)
    await replica.application.queue(wanted, asking())
    await until(lambda: "EmailPutBack" in replica.steps(wanted.attempt))
    assert replica.state(wanted.attempt) == "queued"
    assert _state(replica, inbox) == "connected"
    world.real.forward(timedelta(seconds=6))
    await until(lambda: replica.state(wanted.attempt) == "sent")
    assert len(world.delivered()) == 1
