"""A NATS cluster of three, and one of its servers killed: what the bus promises holds on."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Final
from uuid import UUID, uuid4

import pytest
from heraldry.chassis.bus import border, rights
from heraldry.chassis.bus.relay import Relay
from heraldry.chassis.store.sqlite import SqliteStore
from heraldry.chassis.tasks import end
from heraldry.chassis.testing.bus import NOW, TYPES, PlainCodec, append, eventually, messages, new
from heraldry.chassis.testing.nats import NatsCluster
from heraldry.chassis.vault.keys import KeyRing
from heraldry.chassis.vault.master import MasterKey
from heraldry.contracts.identity import IdentityRenamed

pytestmark = [pytest.mark.parts, pytest.mark.timeout(120)]
CONTEXT: Final = "identity"


async def test_the_leader_is_killed_and_nothing_is_lost_twice_or_out_of_order(tmp_path: Path) -> None:
    async with NatsCluster() as cluster:
        leader = await cluster.leader(rights.EVENTS)
        client = await leader.client(CONTEXT)  # so that relay and keys lose their server as well
        store = SqliteStore(tmp_path / "log.sqlite3")
        keys = KeyRing(client, CONTEXT, MasterKey(bytes(32)))
        await keys.start()
        relay = Relay(client, CONTEXT, store, PlainCodec(), TYPES)
        running = asyncio.create_task(relay.run())
        organization, identity = str(uuid4()), str(uuid4())

        async def rename(count: int) -> list[str]:
            events = [
                new(
                    IdentityRenamed(at=NOW, identity=UUID(identity), name=f"Name {n}"),
                    identity=identity,
                    organization=organization,
                )
                for n in range(count)
            ]
            return [str(one) for one in await append(store, f"identity.identity-{identity}", *events)]

        async def published() -> bool:
            return relay.state.position == await store.head()

        async def a_key_is_made() -> bool:
            try:
                return bool(await keys.create("after"))
            except Exception:  # noqa: BLE001  no leader yet: whatever it is called, it is tried again
                return False

        wanted = await rename(100)
        before = await keys.create("before")
        await eventually(published, "all is published")
        wanted += await rename(100)
        await leader.kill()
        wanted += await rename(100)
        await eventually(a_key_is_made, "a key can be made with two servers", 60)
        await eventually(published, "all is published through the other two", 60)
        assert keys.get("before") == before
        await leader.restart()
        wanted += await rename(100)
        await eventually(published, "all is published")
        operator = await next(one for one in cluster.servers if one is not leader).client(rights.OPERATOR)
        seen = await messages(border.jetstream(operator), "heraldry.events.>")
        assert [one.id for one in seen] == wanted
        await end(running)
        await keys.stop()
        await store.close()
