"""Who drives an account, and whose session is kept: on a real NATS server, with a browser that is none."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, cast
from uuid import UUID

import pytest
from heraldry.chassis.bus import border
from heraldry.chassis.clock import SystemClock
from heraldry.chassis.leases import KvLeases
from heraldry.chassis.points import Points, none
from heraldry.chassis.testing.nats import NatsServer
from heraldry.chassis.vault.keys import KeyRing
from heraldry.chassis.vault.master import MasterKey
from heraldry.chassis.vault.secrets import NONE_THERE, Secrets
from heraldry.linkedin_driver.application import session_name
from heraldry.linkedin_driver.domain import account
from heraldry.linkedin_driver.ports import Browsers, DrivenElsewhere, Visit
from heraldry.linkedin_driver.workers.desk import Desk
from heraldry.linkedin_driver.workers.driving import Driving

pytestmark = pytest.mark.parts
CONTEXT = "linkedin-driver"
NORTHWIND, ADA, ID, SESSION = (UUID(int=n) for n in range(1, 5))
LEASE = timedelta(seconds=1)


@dataclass
class Left:
    """A visit that leaves this behind."""

    leaves: bytes
    alive: bool = True

    async def state(self) -> bytes:
        return self.leaves


@dataclass
class NoBrowser:
    leaves: bytes
    opened: list[bytes | None] = field(default_factory=list[bytes | None])

    @asynccontextmanager
    async def visit(self, state: bytes | None = None) -> AsyncGenerator[Visit]:
        self.opened.append(state)
        yield cast("Visit", Left(self.leaves))


@dataclass
class House:
    server: NatsServer
    keys: KeyRing
    secrets: Secrets

    async def driving(self, name: str, leaves: bytes = b"", points: Points = none) -> Driving:
        leases = KvLeases(
            border.jetstream(await self.server.client(CONTEXT)),
            f"{CONTEXT}.browser",
            name,
            SystemClock(),
            LEASE,
        )
        nobody: Any = None
        real = SystemClock()
        desk = Desk(
            application=nobody,
            secrets=self.secrets,
            halt=nobody,
            model=nobody,
            clock=real,
            real=real,
            held=LEASE,
            points=points,
        )
        return Driving(desk, cast("Browsers", NoBrowser(leaves)), leases)

    async def kept(self) -> bytes:
        return (await self.secrets.get(str(ADA), session_name(SESSION))).value


@pytest.fixture
async def house() -> AsyncGenerator[House]:
    async with NatsServer() as server:
        nc = await server.client(CONTEXT)
        keys = KeyRing(nc, CONTEXT, MasterKey(bytes(range(32))))
        await keys.start()
        await keys.create(str(ADA))
        secrets = Secrets(nc, CONTEXT, keys)
        await secrets.put(str(ADA), session_name(SESSION), b"signed in", expected_revision=NONE_THERE)
        yield House(server, keys, secrets)
        await keys.stop()


LINKED = account.Account(ID, NORTHWIND, ADA, standing="linked", session=SESSION)


def frozen(seconds: float) -> None:
    """Nothing of this process goes on, as after SIGSTOP."""
    time.sleep(seconds)


async def held_up_inside(driving: Driving) -> None:
    async with driving.alone(ID), driving.inside(LINKED):
        frozen(1.5 * LEASE.total_seconds())
        await asyncio.sleep(60)  # whatever is next


async def test_whoever_is_held_up_past_its_lease_is_ended_and_leaves_no_session_behind(house: House) -> None:
    late = await house.driving("late", b"long ago")
    other = await house.driving("other", b"by the other")
    with pytest.raises(TimeoutError):
        await held_up_inside(late)
    assert await house.kept() == b"signed in"
    async with other.alone(ID), other.inside(LINKED):
        pass
    assert await house.kept() == b"by the other"


async def test_a_session_written_late_gives_way_to_that_of_who_holds_the_lease(house: House) -> None:
    holder = await house.driving("holder", b"by the holder")
    async with holder.alone(ID), holder.inside(LINKED):
        before = await house.secrets.get(str(ADA), session_name(SESSION))
        await house.secrets.put(
            str(ADA), session_name(SESSION), b"long ago", expected_revision=before.revision
        )
    assert await house.kept() == b"by the holder"


async def test_a_lease_counts_from_when_it_was_asked_for(house: House) -> None:
    async def held_up(name: str) -> None:
        if name == "driving.leased":
            frozen(1.5 * LEASE.total_seconds())

    late = await house.driving("late", points=held_up)
    with pytest.raises(DrivenElsewhere):
        async with late.alone(ID):
            pytest.fail("it drives, and its lease has run out")


async def test_a_renewed_lease_is_kept_from_others_and_given_back_at_the_end(house: House) -> None:
    holder, other = await house.driving("holder"), await house.driving("other")
    async with holder.alone(ID):
        await asyncio.sleep(2 * LEASE.total_seconds())  # that it goes on for longer is what is tested
        assert await other.is_driven(ID)
    assert not await other.is_driven(ID)


async def test_while_it_is_asked_who_drives_nobody_here_begins_to(house: House) -> None:
    here = await house.driving("here")
    asking = asyncio.create_task(here.is_driven(ID))
    await asyncio.sleep(0)
    with pytest.raises(DrivenElsewhere):
        async with here.alone(ID):
            pytest.fail("its lease is given back in a moment")
    assert not await asking
    async with here.alone(ID):
        assert await here.is_driven(ID)
