"""The LinkedIn driver as its own processes beside the stand-in of LinkedIn, spoken to as its neighbours do; for tests."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import psutil
from heraldry.chassis.bus import border
from heraldry.chassis.bus.follow import Entry, Follower
from heraldry.chassis.bus.reactions import read
from heraldry.chassis.bus.rpc import Caller
from heraldry.chassis.health import listen
from heraldry.chassis.testing.nats import NatsServer
from heraldry.chassis.testing.replicas import Replicas
from heraldry.chassis.vault import master
from heraldry.chassis.vault.sealed import public_key, seal
from heraldry.contracts import subjects
from heraldry.contracts.base import By, Envelope, Event, Internal, Refused
from heraldry.contracts.identity import IdentityCreated, IdentityDeleted, WorkingHours
from heraldry.contracts.linkedin import AccountView, EnterCode, LinkLinkedIn, ListLinkedInAccounts
from heraldry.sandbox.clock import SandboxClock
from heraldry.sandbox.errors import SandboxError
from heraldry.sandbox.linkedin.people import Scenario
from heraldry.sandbox.linkedin.site import LinkedIn
from heraldry.sandbox.linkedin.web.application import site_application
from heraldry.sandbox.web.serving import serving
from nats.aio.client import Client

NORTHWIND, OTHERS, ADA, BOB = (UUID(int=n) for n in range(1, 5))
USER = By(organization=NORTHWIND, actor="user:ada")
EMAIL = "ada@northwind.example"  # of an account at the stand-in


@dataclass
class Service(Replicas):
    """One installation with this service alone; `events` is what it published."""

    module = "heraldry.linkedin_driver"

    nats: NatsServer
    linkedin: LinkedIn  # the stand-in: its effects say what truly happened
    environment: dict[str, str]
    caller: Caller
    gateway: Client
    events: list[Envelope[Event]]
    points: Path  # where tests hold its processes
    clock: SandboxClock  # business time
    processes: dict[str, asyncio.subprocess.Process] = field(
        default_factory=dict[str, asyncio.subprocess.Process]
    )

    async def kill_all(self) -> Sequence[str]:
        """kill -9 of every replica; their names."""
        names = list(self.processes)
        for name in names:
            await self.kill(name)
        return names

    async def health(self, replica: str = "0") -> dict[str, Any]:
        """What a replica says of itself."""
        told = json.loads((self.nats.data / "run" / f"linkedin-driver-{replica}.json").read_text())
        async with httpx.AsyncClient() as client:
            return (await client.get(f"{told['url']}/health/ready")).json()

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

    async def identity(self, name: str = "Ada", identity: UUID | None = None) -> UUID:
        """A new identity of Northwind, as its context tells of it."""
        found = identity or uuid4()
        created = IdentityCreated(
            identity=found,
            organization=NORTHWIND,
            name=name,
            details={},  # pyright: ignore[reportArgumentType]  pydantic fills it
            hours=WorkingHours(zone="Europe/Stockholm"),
            at=datetime.now(UTC),
        )
        await self.publish("identity", found, created)
        return found

    async def deleted(self, identity: UUID) -> None:
        gone = IdentityDeleted(identity=identity, at=datetime.now(UTC))
        await self.publish("identity", identity, gone, revision=1)

    async def publish(self, context: str, identity: UUID, event: Event, *, revision: int = 0) -> None:
        """An event of another context."""
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
        subject = (
            subjects.internal(context, str(identity), kind)
            if isinstance(event, Internal)
            else subjects.event(str(NORTHWIND), context, str(identity), kind)
        )
        body = envelope.model_dump_json(serialize_as_any=True).encode()
        await border.jetstream(await self.nats.client(context)).publish(subject, body)

    # --- linking

    async def sealed(self, secret: str) -> str:
        """As the gateway seals what a person types."""
        key = None
        while key is None:
            key = await public_key(self.gateway, "linkedin-driver")
        return seal(key, secret.encode())

    async def link(self, identity: UUID, email: str = EMAIL, password: str | None = None) -> None:
        """Ask for it; without a password the right one is given."""
        right = self.linkedin.account(email).password if password is None else password
        command = LinkLinkedIn(identity=identity, email=email, password=await self.sealed(right))
        await self.caller.send(command, by=USER, id=uuid4(), deadline=30)

    async def enter(self, identity: UUID, code: str) -> None:
        command = EnterCode(identity=identity, code=await self.sealed(code))
        await self.caller.send(command, by=USER, id=uuid4(), deadline=30)

    def code(self, email: str = EMAIL) -> str:
        """The newest one LinkedIn has sent."""
        return list(self.linkedin.sign_in.challenges(email).values())[-1].code

    async def account(self, identity: UUID, condition: Callable[[AccountView], bool]) -> AccountView:
        """The identity's LinkedIn account as soon as it is so."""
        async with asyncio.timeout(60):
            while True:
                with suppress(Refused):  # nobody is ready to answer yet
                    for view in await self.caller.ask(ListLinkedInAccounts(identity=identity), by=USER):
                        if condition(view):
                            return view
                await asyncio.sleep(0.05)

    async def state(self, identity: UUID, state: str) -> AccountView:
        return await self.account(identity, lambda view: view.state == state)

    async def linked(self, email: str = EMAIL, name: str = "Ada") -> AccountView:
        """A new identity whose LinkedIn account is linked, without a challenge."""
        self.scenario(email, challenge="none")
        identity = await self.identity(name)
        await self.link(identity, email)
        return await self.state(identity, "linked")

    def scenario(self, email: str = EMAIL, **changes: Any) -> None:
        """Treat the account like this from now on."""
        self.linkedin.change_scenario(email, replace(Scenario(), **changes))

    def new_account(self, email: str, name: str, **scenario: Any) -> str:
        """Another account at the stand-in; its address."""
        self.linkedin.add_account(email, name=name)
        self.scenario(email, **scenario)
        return email

    def happened(self, what: str, email: str = EMAIL) -> int:
        """How often this truly happened with the account."""
        return sum(
            effect.what == what and effect.facts.get("account") == email for effect in self.linkedin.effects()
        )

    def said(self, kind: type[Event]) -> list[Any]:
        return [envelope.data for envelope in self.events if isinstance(envelope.data, kind)]


@asynccontextmanager
async def running(folder: Path, more: Mapping[str, str] | None = None) -> AsyncGenerator[Service]:
    """`more`: settings beside the usual ones."""
    points = folder / "points"
    points.mkdir()
    with listen("127.0.0.1", 0) as listener:
        linkedin = LinkedIn(folder / "linkedin", f"http://127.0.0.1:{listener.getsockname()[1]}")
        async with NatsServer() as nats, serving((site_application(linkedin), listener)):
            settings = nats.settings("linkedin-driver")
            master.create(master.default_path(settings))
            environment = {
                **os.environ,
                "HERALDRY_SERVICE": "linkedin-driver",
                "HERALDRY_DATA": str(nats.data),
                "HERALDRY_NATS_URL": settings.nats_url,
                "HERALDRY_NATS_USER": settings.nats_user,
                "HERALDRY_NATS_PASSWORD": settings.nats_password.get_secret_value(),
                "HERALDRY_LINKEDIN_URL": linkedin.url,
                "HERALDRY_LINKEDIN_PAUSE_SECONDS": "0",
                "HERALDRY_MODE": "demo",  # business time follows the sandbox's clock
                "HERALDRY_TEST_POINTS": str(points),
                **(more or {}),
            }
            gateway = await nats.client("gateway")
            events: list[Envelope[Event]] = []

            def take(entry: Entry) -> None:
                events.append(read(entry.data))

            follower = Follower(
                await nats.client("operator"), "HERALDRY", "heraldry.events.*.linkedin-driver.>", take
            )
            await follower.start()
            clock = SandboxClock(await border.jetstream(await nats.client("sandbox")).key_value("CLOCK"))
            service = Service(nats, linkedin, environment, Caller(gateway), gateway, events, points, clock)
            try:
                await service.start()
                yield service
            finally:
                await service.kill_all()
                await follower.stop()
                with suppress(OSError):
                    linkedin.close()


def browsers_of(process: int) -> list[psutil.Process]:
    """The browsers that a process of the driver has started."""
    found: list[psutil.Process] = []
    for child in psutil.Process(process).children(recursive=True):
        with suppress(psutil.Error):  # it has just ended
            if any(word.startswith("--heraldry-run=") for word in child.cmdline()):
                found.append(child)
    return found
