from __future__ import annotations

import asyncio
from typing import cast
from uuid import UUID

import pytest
from heraldry.chassis.bus import connect
from heraldry.chassis.bus.control import Control
from heraldry.chassis.bus.parking import Parking
from heraldry.chassis.tasks import end
from heraldry.chassis.testing.nats import NatsServer
from heraldry.chassis.testing.waiting import until
from heraldry.contracts.base import By, Command
from heraldry.contracts.subjects import PARTITIONS
from nats.aio.client import Client
from nats.aio.subscription import Subscription


async def nobody(command: Command, *, by: By, id: UUID) -> None:  # noqa: A002  as `Caller.send`
    raise AssertionError("nothing was asked")


@pytest.mark.parts
async def test_a_stopped_consumer_leaves_nothing_for_a_drain_to_wait_for() -> None:
    async with NatsServer() as server:
        nc = await connect.connect(server.settings("mailbox"))
        work = asyncio.create_task(Control(nc, "mailbox", (), nobody, Parking(nc, "mailbox")).run())
        await until(lambda: len(pulls(nc)) == PARTITIONS)
        await end(work)
        assert pulls(nc) == []
        await connect.close(nc)


def pulls(nc: Client) -> list[Subscription]:
    """nats-py's subscriptions without a callback: those that are pulled."""
    found = cast("dict[int, Subscription]", vars(nc)["_subs"]).values()
    return [one for one in found if vars(one)["_cb"] is None]
