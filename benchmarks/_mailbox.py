"""The mailbox service as a process of its own, spoken to as the other services and the gateway do."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final
from uuid import UUID, uuid4

from heraldry.chassis.bus import border
from heraldry.chassis.bus.rpc import Caller
from heraldry.chassis.testing.nats import NatsServer
from heraldry.chassis.vault import master
from heraldry.chassis.vault.sealed import public_key, seal
from heraldry.contracts import subjects
from heraldry.contracts.base import By, Envelope, Event
from heraldry.contracts.identity import ContactDetails, IdentityCreated, WorkingHours
from heraldry.contracts.mailbox import ConnectInbox, FindInbox, InboxView, Server
from heraldry.contracts.scheduler import StepDispatched
from nats.aio.client import Client

ORGANIZATION: Final = uuid4()
USER: Final = By(organization=ORGANIZATION, actor="user:ada")
DEADLINE: Final = 60.0  # seconds for anything that is waited for
LOOK: Final = 0.02  # seconds between two looks whether it is so
SUBJECT: Final = "Your growing team"
TEXT: Final = "Hello Kim,\n\nI saw that your team is growing, and thought of you.\n" * 8


@dataclass(frozen=True, slots=True)
class Account:
    """An account at a mail host, and how it is reached there."""

    address: str
    password: str
    imap: Server
    smtp: Server


@dataclass(slots=True)
class Mailbox:
    """One installation with this service alone. Make one with `Mailbox.running`."""

    nats: NatsServer
    operator: Client  # may read everything
    _caller: Caller
    _gateway: Client
    _scheduler: Client
    _environment: dict[str, str]
    _notes: Path
    _process: asyncio.subprocess.Process | None = None

    @classmethod
    @asynccontextmanager
    async def running(cls, folder: Path, ca_file: Path) -> AsyncGenerator[Mailbox]:
        """`ca_file`: whom it trusts besides. What it logs goes to a file in `folder`."""
        async with NatsServer() as nats:
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
                "HERALDRY_EXTRA_CA_FILE": str(ca_file),
            }
            operator, gateway, scheduler = [
                await nats.client(user) for user in ("operator", "gateway", "scheduler")
            ]
            mailbox = cls(
                nats, operator, Caller(gateway), gateway, scheduler, environment, folder / "mailbox.log"
            )
            await mailbox.start()
            try:
                yield mailbox
            finally:
                await mailbox.stop()

    @property
    def pid(self) -> int:
        return self._process.pid if self._process else 0

    @property
    def store(self) -> Path:
        """The file of its log."""
        return self.nats.data / "store" / "mailbox.sqlite3"

    async def start(self) -> None:
        with self._notes.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "heraldry.mailbox", env=self._environment, stdout=log, stderr=log
            )

    async def stop(self) -> None:
        process, self._process = self._process, None
        if process is not None and process.returncode is None:
            process.terminate()
            await process.wait()

    async def identity(self) -> UUID:
        """A new one, as its own context publishes it."""
        identity = uuid4()
        created = IdentityCreated(
            identity=identity,
            organization=ORGANIZATION,
            name="Ada Holm",
            details=ContactDetails(),
            hours=WorkingHours(zone="UTC"),
            at=datetime.now(UTC),
        )
        subject = subjects.event(str(ORGANIZATION), "identity", str(identity), "IdentityCreated")
        js = border.jetstream(await self.nats.client("identity"))
        await js.publish(subject, _envelope("identity", identity, created))
        return identity

    async def connect(self, identity: UUID, account: Account) -> UUID:
        """Connect an inbox by the form; its id once both protocols have been tried."""
        key = None
        while key is None:
            key = await public_key(self._gateway, "mailbox")
        command = ConnectInbox(
            identity=identity,
            address=account.address,
            imap=account.imap,
            smtp=account.smtp,
            password=seal(key, account.password.encode()),
        )
        await self._caller.send(command, by=USER, id=uuid4(), deadline=DEADLINE)
        return (await self._inbox(account.address, "connected")).inbox

    async def _inbox(self, address: str, state: str) -> InboxView:
        async with asyncio.timeout(DEADLINE):
            while True:
                view = await self._caller.ask(FindInbox(address=address), by=USER)
                if view.state == state:
                    return view
                if view.diagnosis is not None:
                    raise RuntimeError(f"{address} cannot be connected: {view.diagnosis.cause}")
                await asyncio.sleep(LOOK)

    async def dispatch(self, steps: Sequence[StepDispatched]) -> None:
        """Publish up to 1,000 steps in one atomic batch, as the scheduler's relay does."""
        batch = uuid4().hex
        for number, step in enumerate(steps, start=1):
            subject = subjects.internal("scheduler", str(step.identity), "StepDispatched")
            headers = {"Nats-Batch-Id": batch, "Nats-Batch-Sequence": str(number)}
            body = _envelope("scheduler", step.identity, step)
            if number < len(steps):
                await self._scheduler.publish(subject, body, headers=headers)
                continue
            headers["Nats-Batch-Commit"] = "1"
            answer = await self._scheduler.request(subject, body, timeout=DEADLINE, headers=headers)
            if b'"error"' in answer.data:
                raise RuntimeError(f"the steps were not taken: {answer.data.decode()}")


def step(identity: UUID, inbox: UUID, to: str) -> StepDispatched:
    """A mail that may leave for ten minutes."""
    now = datetime.now(UTC)
    return StepDispatched(
        attempt=uuid4(),
        sender="a1b2",
        inbox=inbox,
        identity=identity,
        person=uuid4(),
        to=to,
        subject=SUBJECT,
        text=TEXT,
        valid_until=now + timedelta(minutes=10),
        at=now,
    )


def _envelope(context: str, identity: UUID, event: Event) -> bytes:
    kind = type(event).__name__
    return (
        Envelope[Event](
            id=str(uuid4()),
            source=f"/heraldry/{context}",
            type=kind,
            time=datetime.now(UTC),
            dataschema=f"heraldry:{kind}:1",
            organization=str(ORGANIZATION),
            identity=str(identity),
            actor="user:ada",
            stream=f"{context}.x-{uuid4()}",
            revision=0,
            position=f"{context}:bench:1",
            data=event,
        )
        .model_dump_json(serialize_as_any=True)
        .encode()
    )
