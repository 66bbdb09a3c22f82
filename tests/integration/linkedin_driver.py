"""The LinkedIn driver as its own processes, spoken to as the scheduler and the gateway do; for tests."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID, uuid4

import httpx
import psutil
from heraldry.chassis.bus import border
from heraldry.chassis.bus.follow import Entry, Follower
from heraldry.chassis.bus.reactions import read
from heraldry.chassis.bus.rpc import Caller
from heraldry.chassis.leases import STREAM as LEASES
from heraldry.chassis.testing.nats import NatsServer
from heraldry.chassis.testing.replicas import Replicas
from heraldry.chassis.testing.waiting import Pauses
from heraldry.chassis.testing.warm import Forked
from heraldry.chassis.vault import master
from heraldry.chassis.vault.sealed import public_key, seal
from heraldry.contracts import subjects
from heraldry.contracts.base import By, Envelope, Event, Internal, Refused
from heraldry.contracts.identity import IdentityCreated, WorkingHours
from heraldry.contracts.linkedin import (
    AccountView,
    ActionKind,
    ActionView,
    GetLinkedInAction,
    LinkedInLinked,
    LinkLinkedIn,
    ListLinkedInAccounts,
)
from heraldry.contracts.linkedin_steps import LinkedInStepDispatched
from heraldry.sandbox.clock import SandboxClock
from heraldry.sandbox.errors import SandboxError
from heraldry.sandbox.linkedin.people import Person
from heraldry.sandbox.linkedin.site import LinkedIn
from heraldry.sandbox.linkedinhost import linkedin_host
from nats.aio.client import Client
from nats.js.errors import NotFoundError

NORTHWIND, ADA = (UUID(int=n) for n in range(1, 3))
USER = By(organization=NORTHWIND, actor="user:ada")
EMAIL, ME = "ada@northwind.example", "ada-bergstrom"
CONTEXT = "linkedin-driver"
PROFILE = "https://www.linkedin.com/in/{}"
BROWSER = "--heraldry-run="  # on the command line of every browser the driver starts
ENDED = frozenset({"done", "failed", "outcome unknown"})


@dataclass
class Driver(Replicas):
    """One installation with this service alone; `events` is what it published."""

    module = "heraldry.linkedin_driver.service"

    nats: NatsServer
    linkedin: LinkedIn
    environment: dict[str, str]
    caller: Caller
    gateway: Client
    events: list[Envelope[Event]]
    points: Path  # where tests hold its processes
    clock: SandboxClock  # business time
    processes: dict[str, Forked] = field(default_factory=dict[str, Forked])
    number: int = 0

    async def kill_all(self) -> Sequence[str]:
        names = list(self.processes)
        for name in names:
            await self.kill(name)
        return names

    def kill_browsers(self) -> int:
        """kill -9 of every Chromium, and of nothing else; how many there were."""
        found = [each for process in self.processes.values() for each in browsers_of(process.pid)]
        for each in found:
            with suppress(psutil.NoSuchProcess):
                each.kill()
        return len(found)

    def replica_of(self, pid: int) -> str:
        return next(name for name, process in self.processes.items() if process.pid == pid)

    def freeze(self, replica: str) -> None:
        self.processes[replica].send_signal(signal.SIGSTOP)

    def go_on(self, replica: str) -> None:
        self.processes[replica].send_signal(signal.SIGCONT)

    async def taken_over(self, account: UUID, replica: str) -> None:
        """Return when another than this replica has the lease of an account."""
        js = border.jetstream(await self.nats.client("operator"))
        where, holder = f"$KV.LEASES.{CONTEXT}.browser.{account}", f"{CONTEXT}-{replica}"
        async with asyncio.timeout(60):
            while True:
                with suppress(NotFoundError):
                    lease = await js.get_msg(LEASES, subject=where, direct=True)
                    if json.loads(lease.data or b"{}")["holder"] != holder:
                        return
                await asyncio.sleep(0.05)

    async def restart(self, more: Mapping[str, str], *replicas: str) -> None:
        """Kill all, and start these with other settings."""
        await self.kill_all()
        self.environment |= more
        await asyncio.gather(*map(self.start, replicas))

    async def health(self, replica: str = "0") -> dict[str, Any]:
        """What a replica says of itself."""
        told = json.loads((self.nats.data / "run" / f"{CONTEXT}-{replica}.json").read_text())
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

    # --- what other contexts say

    async def link(self) -> LinkedInLinked:
        """Make the identity and sign in to LinkedIn; what was said of it."""
        created = IdentityCreated(
            identity=ADA,
            organization=NORTHWIND,
            name="Ada Bergström",
            details={},  # pyright: ignore[reportArgumentType]  pydantic fills it
            hours=WorkingHours(zone="Europe/Stockholm"),
            at=datetime.now(UTC),
        )
        await self.publish("identity", ADA, created)
        return await self.sign_in()

    async def sign_in(self) -> LinkedInLinked:
        before = len(self.said(LinkedInLinked))
        key = None
        while key is None:
            key = await public_key(self.gateway, CONTEXT)
        password = seal(key, self.linkedin.account(EMAIL).password.encode())
        async with asyncio.timeout(60):
            while True:
                command = LinkLinkedIn(identity=ADA, email=EMAIL, password=password)
                try:
                    await self.caller.send(command, by=USER, id=uuid4(), deadline=30)
                except Refused as refusal:
                    if refusal.status != 503:
                        raise
                    await asyncio.sleep(0.1)
                else:
                    break
        async with asyncio.timeout(60):
            while len(found := self.said(LinkedInLinked)) == before:  # noqa: ASYNC110  another process says so
                await asyncio.sleep(0.05)
        return found[-1]

    async def dispatch(self, step: LinkedInStepDispatched) -> UUID:
        await self.publish("scheduler", step.identity, step)
        return step.attempt

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

    # --- people at the stand-in

    def person(self, *, connected: bool = False, invited: bool = False) -> str:
        """Somebody new there; the slug."""
        self.number += 1
        slug = f"kim-{self.number}"
        self.linkedin.add_person(Person(slug, "Kim", f"Nr{self.number}"))
        if connected:
            self.linkedin.network.connect(ME, slug)
        if invited:
            self.linkedin.network.invite(self.linkedin.account(EMAIL), self.linkedin.person(slug))
        return slug

    def happened(self, what: str, slug: str) -> int:
        return sum(
            one.what == what and slug in {one.facts.get("to"), one.facts.get("of")}
            for one in self.linkedin.effects()
        )

    def strangers(self) -> list[Mapping[str, object]]:
        return [one.facts for one in self.linkedin.effects() if one.what == "clicked another person"]

    # --- what it answers

    async def account(self, condition: Callable[[AccountView], bool]) -> AccountView:
        pauses = Pauses()
        async with asyncio.timeout(60):
            while True:
                with suppress(Refused):
                    for view in await self.caller.ask(ListLinkedInAccounts(identity=ADA), by=USER):
                        if condition(view):
                            return view
                await asyncio.sleep(pauses.next())

    async def action(
        self, attempt: UUID, condition: Callable[[ActionView], bool] = lambda view: view.state in ENDED
    ) -> ActionView:
        """The action as soon as it is so; when it has ended, if nothing else is asked."""
        pauses = Pauses()
        async with asyncio.timeout(120):
            while True:
                with suppress(Refused):
                    view = await self.caller.ask(GetLinkedInAction(attempt=attempt), by=USER)
                    if condition(view):
                        return view
                await asyncio.sleep(pauses.next())

    def said(self, kind: type[Any]) -> list[Any]:
        return [envelope.data for envelope in self.events if isinstance(envelope.data, kind)]


D = TypeVar("D", bound=Driver)


def browsers_of(process: int) -> list[psutil.Process]:
    """The browsers that a process has started."""
    found: list[psutil.Process] = []
    for child in psutil.Process(process).children(recursive=True):
        with suppress(psutil.Error):  # it has just ended
            if any(word.startswith(BROWSER) for word in child.cmdline()):
                found.append(child)
    return found


@asynccontextmanager
async def driving(
    folder: Path, more: Mapping[str, str] | None = None, *, kind: type[D] = Driver
) -> AsyncGenerator[D]:
    """`more`: settings beside the usual ones. It is started, and nobody is linked."""
    points = folder / "points"
    points.mkdir()
    async with NatsServer() as nats:
        clock = SandboxClock(await border.jetstream(await nats.client("sandbox")).key_value("CLOCK"))
        settings = nats.settings(CONTEXT)
        master.create(master.default_path(settings))
        async with linkedin_host(folder / "linkedin", clock.now) as linkedin:
            environment = {
                **os.environ,
                "HERALDRY_SERVICE": CONTEXT,
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
                await nats.client("operator"), "HERALDRY", f"heraldry.events.*.{CONTEXT}.>", take
            )
            await follower.start()
            driver = kind(nats, linkedin, environment, Caller(gateway), gateway, events, points, clock)
            try:
                await driver.start()
                yield driver
            finally:
                await driver.kill_all()
                await follower.stop()


def step(
    linked: LinkedInLinked, kind: ActionKind, slug: str, now: datetime, **more: Any
) -> LinkedInStepDispatched:
    """An action that may be done for ten minutes from `now`, business time. `more`: text, invitation …"""
    return LinkedInStepDispatched(
        attempt=uuid4(),
        kind=kind,
        sender=linked.sender,
        account=linked.account,
        identity=linked.identity,
        person=uuid4(),
        profile=PROFILE.format(slug),
        name="Kim",
        valid_until=now + timedelta(minutes=10),
        at=now,
    ).model_copy(update=more)
