"""The LinkedIn driver as a process of its own, spoken to as the other services and the gateway do."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager, suppress
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
from heraldry.contracts.base import By, Envelope, Event, Internal, Refused
from heraldry.contracts.identity import ContactDetails, IdentityCreated, WorkingHours
from heraldry.contracts.linkedin import (
    ActionView,
    GetLinkedInAction,
    LinkLinkedIn,
    ListLinkedInAccounts,
    account_of,
)
from heraldry.contracts.linkedin_steps import LinkedInStepDispatched
from nats.aio.client import Client

ORGANIZATION: Final = uuid4()
USER: Final = By(organization=ORGANIZATION, actor="user:ada")
CONTEXT: Final = "linkedin-driver"
DEADLINE: Final = 120.0  # seconds for anything that is waited for
LOOK: Final = 0.02  # seconds between two looks whether it is so
ENDED: Final = frozenset({"done", "failed", "outcome unknown"})


@dataclass(slots=True)
class Driver:
    """One installation with this service alone. Make one with `Driver.running`."""

    nats: NatsServer
    _caller: Caller
    _gateway: Client
    _others: Mapping[str, Client]  # as whom events are published
    _process: asyncio.subprocess.Process

    @classmethod
    @asynccontextmanager
    async def running(cls, folder: Path, site: str) -> AsyncGenerator[Driver]:
        """`site`: where LinkedIn is. What it logs goes to a file in `folder`."""
        async with NatsServer() as nats:
            settings = nats.settings(CONTEXT)
            master.create(master.default_path(settings))
            environment = {
                **os.environ,
                "HERALDRY_SERVICE": CONTEXT,
                "HERALDRY_DATA": str(nats.data),
                "HERALDRY_NATS_URL": settings.nats_url,
                "HERALDRY_NATS_USER": settings.nats_user,
                "HERALDRY_NATS_PASSWORD": settings.nats_password.get_secret_value(),
                "HERALDRY_LINKEDIN_URL": site,
                "HERALDRY_LINKEDIN_PAUSE_SECONDS": "0",
            }
            gateway = await nats.client("gateway")
            others = {user: await nats.client(user) for user in ("identity", "scheduler")}
            with (folder / "driver.log").open("ab") as log:
                process = await asyncio.create_subprocess_exec(
                    sys.executable, "-m", "heraldry.linkedin_driver", env=environment, stdout=log, stderr=log
                )
            try:
                yield cls(nats, Caller(gateway), gateway, others, process)
            finally:
                process.terminate()
                await process.wait()

    @property
    def pid(self) -> int:
        return self._process.pid

    async def link(self, email: str, password: str) -> UUID:
        """A new identity, linked to this account."""
        identity = uuid4()
        created = IdentityCreated(
            identity=identity,
            organization=ORGANIZATION,
            name="Ada Holm",
            details=ContactDetails(),
            hours=WorkingHours(zone="UTC"),
            at=datetime.now(UTC),
        )
        await self._publish("identity", identity, created)
        key = None
        while key is None:
            key = await public_key(self._gateway, CONTEXT)
        command = LinkLinkedIn(identity=identity, email=email, password=seal(key, password.encode()))
        asked = uuid4()
        async with asyncio.timeout(DEADLINE):
            while True:
                with suppress(Refused):
                    await self._caller.send(command, by=USER, id=asked, deadline=DEADLINE)
                    break
                await asyncio.sleep(LOOK)
            while True:
                views = await self._caller.ask(ListLinkedInAccounts(identity=identity), by=USER)
                if views and views[0].state == "linked":
                    return identity
                if views and views[0].diagnosis is not None:
                    raise RuntimeError(f"{email} cannot be linked: {views[0].diagnosis.cause}")
                await asyncio.sleep(LOOK)

    async def invite(self, identity: UUID, slug: str) -> None:
        """Return once its history says that the invitation was sent."""
        now = datetime.now(UTC)
        step = LinkedInStepDispatched(
            attempt=uuid4(),
            kind="invitation",
            sender="",
            account=account_of(identity),
            identity=identity,
            person=uuid4(),
            profile=f"https://www.linkedin.com/in/{slug}",
            valid_until=now + timedelta(minutes=10),
            at=now,
        )
        await self._publish("scheduler", identity, step)
        async with asyncio.timeout(DEADLINE):
            while True:
                with suppress(Refused):
                    view: ActionView = await self._caller.ask(
                        GetLinkedInAction(attempt=step.attempt), by=USER
                    )
                    if view.state in ENDED:
                        break
                await asyncio.sleep(LOOK)
        if view.state != "done":
            raise RuntimeError(f"the invitation was not sent: {view.steps[-1].detail}")

    async def _publish(self, context: str, identity: UUID, event: Event) -> None:
        kind = type(event).__name__
        envelope = Envelope[Event](
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
        subject = (
            subjects.internal(context, str(identity), kind)
            if isinstance(event, Internal)
            else subjects.event(str(ORGANIZATION), context, str(identity), kind)
        )
        body = envelope.model_dump_json(serialize_as_any=True).encode()
        await border.jetstream(self._others[context]).publish(subject, body)
