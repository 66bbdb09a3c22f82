"""A context is cleared when every replica that is there has heard of the seal and dropped its rows, and not before."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from types import SimpleNamespace
from typing import cast
from uuid import UUID, uuid4

import pytest
from heraldry.chassis import points
from heraldry.chassis.bus.relay import Relay
from heraldry.chassis.bus.rpc import Asking
from heraldry.chassis.erasing import Erased, Erasing, Part
from heraldry.chassis.readmodel import ReadModel
from heraldry.chassis.store.port import EventStore
from heraldry.chassis.testing.nats import NatsServer
from heraldry.chassis.testing.waiting import until
from heraldry.chassis.vault.keys import Destroyed, KeyRing
from heraldry.chassis.vault.master import MasterKey
from heraldry.contracts.base import By, Refused
from heraldry.contracts.erasure import DestroySubjectsKeys, EraseSubjects, GetStanding

pytestmark = pytest.mark.parts
MASTER = MasterKey(os.urandom(32))
ADA, NORTHWIND = uuid4(), uuid4()
ASKING = Asking(uuid4(), By(organization=NORTHWIND, actor="system:identity"))
ERASE = EraseSubjects(kind="lead", subjects=(ADA,), organization=NORTHWIND)
DESTROY = DestroySubjectsKeys(kind="lead", subjects=(ADA,))
STANDING = GetStanding(kind="lead", subjects=(ADA,))


class Log:
    """As much of a store as is asked."""

    epoch = "e"

    async def head(self) -> int:
        return 7


class Rows(ReadModel):
    """A read model that says when it was told to forget."""

    def __init__(self) -> None:  # pyright: ignore[reportMissingSuperCall]  there is no file
        self.told: list[str] = []

    def forget(self, erased: object) -> bool:
        self.told += map(str, cast("dict[str, int]", erased))
        return False

    def forgotten(self, subjects: object) -> int:
        del subjects
        return len(self.told)


@dataclass
class Replica:
    keys: KeyRing
    relay: SimpleNamespace
    erasing: Erasing
    rows: Rows


@asynccontextmanager
async def replica(server: NatsServer, name: str, part: Part) -> AsyncGenerator[Replica]:
    nc = await server.client("mailbox")
    keys = KeyRing(nc, "mailbox", MASTER)
    await keys.start()
    relay, rows = SimpleNamespace(state=SimpleNamespace(position=7)), Rows()
    erasing = Erasing(
        nc,
        "mailbox",
        name,
        keys,
        cast("EventStore", Log()),
        cast("Relay", cast("object", relay)),
        part,
        points.none,
    )
    erasing.forgets_in(rows)
    await erasing.start()
    try:
        yield Replica(keys, relay, erasing, rows)
    finally:
        await erasing.stop()
        await keys.stop()


async def waits_for(one: Replica) -> str:
    return (await one.erasing.standing(STANDING, ASKING)).waiting


async def comes_to_wait_for(one: Replica, what: str) -> None:
    async with asyncio.timeout(20):
        while await waits_for(one) != what:  # noqa: ASYNC110  it is asked, it tells nobody
            await asyncio.sleep(0.02)


async def test_nothing_is_destroyed_before_every_replica_has_answered_and_nothing_is_on_its_way() -> None:
    stopped: list[tuple[UUID, ...]] = []
    awaited = "a mail"

    async def stop(erased: Erased, asking: Asking) -> None:
        del asking
        stopped.append(erased.subjects)

    async def what(kind: object, subjects: object) -> str:
        del kind, subjects
        return awaited

    async with NatsServer() as server, AsyncExitStack() as stack:
        one = await stack.enter_async_context(replica(server, "mailbox-0", Part(stop=stop, awaited=what)))
        other = await stack.enter_async_context(replica(server, "mailbox-1", Part()))
        await one.keys.create(str(ADA))
        assert await waits_for(one) == "the seal on the keys"
        other.relay.state.position = 3  # it still publishes what it read before
        await one.erasing.erase(ERASE, ASKING)
        await one.erasing.erase(ERASE, ASKING)
        assert stopped == [(ADA,), (ADA,)]
        await until(lambda: str(ADA) in one.rows.told and str(ADA) in other.rows.told)
        with pytest.raises(Refused) as refused:
            await one.erasing.destroy(DESTROY, ASKING)
        assert refused.value.code == "erasure.not-cleared"

        await comes_to_wait_for(one, "mailbox-1 to drop the rows")
        other.relay.state.position = 7
        await comes_to_wait_for(one, "a mail")
        awaited = ""
        standing = await one.erasing.standing(STANDING, ASKING)
        assert (standing.waiting, standing.replicas) == ("", 2)
        await one.erasing.destroy(DESTROY, ASKING)
        await one.erasing.destroy(DESTROY, ASKING)
        assert one.keys.get(str(ADA)) == Destroyed(str(ADA))
        assert one.keys.superseded() == [1, 2]


async def test_a_replica_that_stopped_is_not_waited_for_and_one_that_starts_has_forgotten_before_it_serves() -> (
    None
):
    async with NatsServer() as server, AsyncExitStack() as stack:
        one = await stack.enter_async_context(replica(server, "mailbox-0", Part()))
        async with replica(server, "mailbox-1", Part()):
            pass
        await one.erasing.erase(ERASE, ASKING)

        await comes_to_wait_for(one, "")
        assert (await one.erasing.standing(STANDING, ASKING)).replicas == 1
        late = await stack.enter_async_context(replica(server, "mailbox-2", Part()))
        assert late.rows.told == [str(ADA)]
