"""Leases on a real server: one holder at a time, by the real clock; given back, taken over, never torn."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from heraldry.chassis.bus import border
from heraldry.chassis.leases import HELD, STREAM, KvLeases
from heraldry.chassis.testing.nats import NatsServer

pytestmark = pytest.mark.parts
KIND = "mailbox.reader"


@dataclass(slots=True)
class MovedClock:
    at: datetime = field(default_factory=lambda: datetime(2026, 5, 4, 9, 30, tzinfo=UTC))

    def now(self) -> datetime:
        return self.at


@asynccontextmanager
async def replicas(*names: str) -> AsyncGenerator[tuple[MovedClock, list[KvLeases], NatsServer]]:
    clock = MovedClock()
    async with NatsServer() as server:
        made = [
            KvLeases(border.jetstream(await server.client("mailbox")), KIND, name, clock) for name in names
        ]
        yield clock, made, server


async def test_of_many_at_once_one_has_it_until_it_runs_out() -> None:
    names = [f"mailbox-{number}" for number in range(8)]
    async with replicas(*names) as (clock, found, _):
        what = uuid4()
        got = await asyncio.gather(*(one.take(what) for one in found))
        assert sum(got) == 1
        holder = found[got.index(True)]
        other = found[got.index(False)]
        clock.at += HELD - timedelta(seconds=1)
        assert not await other.take(what)
        assert await holder.take(what)  # renewed
        clock.at += HELD - timedelta(seconds=1)
        assert not await other.take(what)
        clock.at += timedelta(seconds=1)
        assert await other.take(what)
        assert not await holder.take(what)


async def test_what_is_given_back_is_free_at_once_and_only_its_holder_gives_it_back() -> None:
    async with replicas("mailbox-0", "mailbox-1") as (_, (one, other), _):
        what = uuid4()
        assert await one.take(what)
        await other.release(what)
        assert not await other.take(what)
        await one.release(what)
        assert await other.take(what)
        await other.release(uuid4())  # what nobody holds


async def test_a_restarted_process_takes_over_from_itself() -> None:
    async with replicas("mailbox-0", "mailbox-0") as (_, (before, after), _):
        what = uuid4()
        assert await before.take(what)
        assert await after.take(what)


async def test_a_lease_nobody_can_read_is_nobodys() -> None:
    async with replicas("mailbox-0") as (_, (one,), server):
        what = uuid4()
        js = border.jetstream(await server.client("mailbox"))
        await js.publish(f"$KV.LEASES.{KIND}.{what}", b"\xff{", stream=STREAM)
        assert await one.take(what)
