"""The scheduler as its own processes, spoken to as the gateway does; for tests."""

from __future__ import annotations

import asyncio
import base64
import os
import sqlite3
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Literal, cast
from uuid import UUID, uuid4

import orjson
from heraldry.chassis.bus import border
from heraldry.chassis.bus.follow import Entry, Follower
from heraldry.chassis.bus.reactions import read
from heraldry.chassis.bus.rpc import Caller
from heraldry.chassis.testing.nats import NatsServer
from heraldry.chassis.testing.replicas import Replicas
from heraldry.chassis.testing.waiting import Pauses
from heraldry.chassis.testing.warm import Forked
from heraldry.chassis.vault import master
from heraldry.contracts import registry, subjects
from heraldry.contracts.base import Accepted, By, Command, Envelope, Event
from heraldry.contracts.campaigns import (
    AddImportPart,
    CampaignSettings,
    CheckImport,
    Column,
    CreateCampaign,
    GetImport,
    ImportView,
    OpenImport,
    Step,
)
from heraldry.contracts.identity import ContactDetails, IdentityCreated, WorkingHours
from heraldry.sandbox.clock import SandboxClock
from heraldry.sandbox.errors import SandboxError
from nats.js import JetStreamContext

NORTHWIND, OTHERS, ADA, BOB = (UUID(int=n) for n in range(1, 5))
USER = By(organization=NORTHWIND, actor="user:ada")
STRANGER = By(organization=OTHERS, actor="user:eve")
PART = 512 * 1024


@dataclass
class Service(Replicas):
    """One installation with the scheduler alone; `events` is what it published."""

    module = "heraldry.scheduler.service"

    nats: NatsServer
    environment: dict[str, str]
    caller: Caller
    events: list[Envelope[Event]]
    points: Path  # where tests hold its processes
    clock: SandboxClock  # business time
    operator: JetStreamContext
    since: int = 0  # the position from which on a test looks at the log
    processes: dict[str, Forked] = field(default_factory=dict[str, Forked])

    def begin(self) -> None:
        """Forget what was published and stored so far."""
        self.events.clear()
        with self._log() as db:
            self.since = cast("tuple[int]", db.execute("SELECT max(position) FROM events").fetchone())[0]

    async def lose_lease(self, kind: str, what: UUID) -> None:
        """Let nobody hold it, whatever its holder believes."""
        await self.operator.publish(f"$KV.LEASES.{kind}.{what}", b"nobody")

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

    async def send(self, command: Command, by: By = USER) -> Accepted:
        return await self.caller.send(command, by=by, id=uuid4(), deadline=60)

    async def identity(self, identity: UUID = ADA) -> None:
        """As its own context says it."""
        created = IdentityCreated(
            identity=identity,
            organization=NORTHWIND,
            name="Ada Bergström",
            details=ContactDetails(first_name="Ada", last_name="Bergström"),
            hours=WorkingHours(zone="Europe/Stockholm"),
            at=datetime.now(UTC),
        )
        await self.say(created, f"identity.identity-{identity}", 0, identity)

    async def say(
        self, event: Event, stream: str, revision: int, identity: UUID = ADA, *, times: int = 1
    ) -> None:
        """As its context says it, so many times under the same id."""
        entry = registry.of(type(event))
        envelope = Envelope[Event](
            id=str(uuid4()),
            source=f"/heraldry/{entry.context}",
            type=entry.name,
            time=event.at,
            dataschema=f"heraldry:{entry.name}:{entry.kind.version}",
            organization=str(NORTHWIND),
            identity=str(identity),
            actor="user:ada",
            stream=stream,
            revision=revision,
            position=f"{entry.context}:test:1",
            data=event,
        )
        body = orjson.dumps({**envelope.model_dump(mode="json"), "data": event.model_dump(mode="json")})
        js = border.jetstream(await self.nats.client(entry.context))
        for _ in range(times):
            await js.publish(subjects.event(str(NORTHWIND), entry.context, str(identity), entry.name), body)

    async def campaign(self, *steps: Step, identity: UUID = ADA) -> UUID:
        campaign = uuid4()
        settings = CampaignSettings(name="Spring", identity=identity, steps=steps)
        await self.send(CreateCampaign(campaign=campaign, settings=settings))
        return campaign

    async def bring(
        self, campaign: UUID, content: bytes, form: Literal["csv", "jsonl"] = "csv", by: By = USER
    ) -> UUID:
        """Hand a file over, part by part."""
        import_id = uuid4()
        opened = OpenImport(
            import_id=import_id, campaign=campaign, filename="leads.csv", size=len(content), format=form
        )
        await self.send(opened, by)
        for number, start in enumerate(range(0, len(content), PART)):
            text = base64.b64encode(content[start : start + PART]).decode()
            await self.send(AddImportPart(import_id=import_id, number=number, content=text), by)
        return import_id

    async def checked(self, campaign: UUID, content: bytes, *columns: Column) -> ImportView:
        import_id = await self.bring(campaign, content)
        await self.send(CheckImport(import_id=import_id, columns=columns))
        return await self.view(import_id)

    async def view(
        self, import_id: UUID, condition: Callable[[ImportView], bool] = lambda _: True
    ) -> ImportView:
        """The import as soon as it is so."""
        pauses = Pauses()
        async with asyncio.timeout(90):
            while True:
                view = await self.caller.ask(GetImport(import_id=import_id), by=USER, deadline=60)
                if condition(view):
                    return view
                await asyncio.sleep(pauses.next())

    def said(self, kind: type[Event]) -> list[Event]:
        return [envelope.data for envelope in self.events if isinstance(envelope.data, kind)]

    def stored(self, kind: str) -> Sequence[tuple[int, str]]:
        """Position and stream of events of this type, read from the file as anybody could."""
        with self._log() as db:
            found = db.execute(
                "SELECT position, stream FROM events WHERE type = ? AND position > ? ORDER BY position",
                (kind, self.since),
            )
            return cast("list[tuple[int, str]]", found.fetchall())

    def _log(self) -> closing[sqlite3.Connection]:
        file = self.nats.data / "store" / "scheduler.sqlite3"
        return closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True))


@asynccontextmanager
async def running(folder: Path) -> AsyncGenerator[Service]:
    points = folder / "points"
    points.mkdir()
    async with NatsServer() as nats:
        settings = nats.settings("scheduler")
        master.create(master.default_path(settings))
        environment = {
            **os.environ,
            "HERALDRY_SERVICE": "scheduler",
            "HERALDRY_DATA": str(nats.data),
            "HERALDRY_NATS_URL": settings.nats_url,
            "HERALDRY_NATS_USER": settings.nats_user,
            "HERALDRY_NATS_PASSWORD": settings.nats_password.get_secret_value(),
            "HERALDRY_MODE": "demo",  # business time follows the sandbox's clock
            "HERALDRY_TEST_POINTS": str(points),
        }
        events: list[Envelope[Event]] = []

        def take(entry: Entry) -> None:
            events.append(read(entry.data))

        operator = await nats.client("operator")
        follower = Follower(operator, "HERALDRY", "heraldry.events.*.scheduler.>", take)
        await follower.start()
        clock = SandboxClock(await border.jetstream(await nats.client("sandbox")).key_value("CLOCK"))
        caller = Caller(await nats.client("gateway"))
        service = Service(nats, environment, caller, events, points, clock, border.jetstream(operator))
        try:
            await service.start()
            await service.identity()
            await service.campaign()  # answered when it is there and knows the identity
            yield service
        finally:
            for replica in list(service.processes):
                await service.kill(replica)
            await follower.stop()
