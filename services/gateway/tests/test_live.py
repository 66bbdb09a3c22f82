"""Server-sent events: what a browser that comes back is told."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from uuid import UUID

import pytest
from heraldry.chassis.projection import Fact
from heraldry.chassis.views import Seen
from heraldry.contracts.identity import IdentityDeleted
from heraldry.gateway.live import KEPT, QUEUED, Live

AT = datetime(2026, 11, 24, 12, tzinfo=UTC)


def seen(sequence: int, organization: str = "us") -> Seen:
    fact = Fact(
        str(sequence), "IdentityDeleted", AT, "identity.identity-1", 0, "", organization, "1", "user:1"
    )
    return sequence, IdentityDeleted(at=AT, identity=UUID(int=1)), fact


async def chunks(live: Live, organization: str, last: int | None, count: int) -> list[bytes]:
    stream = live.stream(organization, last)
    found = [await asyncio.wait_for(anext(stream), 5) for _ in range(count)]
    await stream.aclose()
    return found


async def test_a_browser_that_comes_back_gets_what_it_missed_and_nothing_of_others() -> None:
    live = Live()
    live.moved([seen(1), seen(2, "them"), seen(3)])
    found = await chunks(live, "us", 1, 2)
    assert b"id: 3\n" in found[1]
    assert b"id: 2\n" not in b"".join(found)


async def test_what_happens_before_a_page_listens_is_told_when_it_does() -> None:
    live = Live()
    live.started(1)
    made = live.newest
    live.moved([seen(2)])
    found = await chunks(live, "us", made, 2)
    assert b"id: 2\n" in found[1]
    assert live.newest == 2


async def test_a_browser_that_missed_too_much_looks_at_everything_again() -> None:
    live = Live()
    live.moved([seen(number) for number in range(1, KEPT + 3)])
    assert b"event: refresh" in (await chunks(live, "us", 1, 2))[1]
    assert live.listening == 0


async def test_a_slow_browser_is_told_to_look_at_everything_again() -> None:
    live = Live()
    stream = live.stream("us", None)
    await anext(stream)
    pending = asyncio.ensure_future(anext(stream))
    await asyncio.sleep(0)
    live.moved([seen(number) for number in range(1, QUEUED + 10)])
    found = [await pending]
    assert b"event: refresh" in found[0]
    await stream.aclose()


async def test_a_quiet_connection_is_kept_alive() -> None:
    found = await chunks(Live(heartbeat=0.01), "us", None, 2)
    assert found[1].startswith(b":")


async def test_an_interrupted_connection_ends_and_its_browser_may_come_back() -> None:
    live = Live()
    stream = live.stream("us", None)
    await anext(stream)
    pending = asyncio.ensure_future(anext(stream))
    await asyncio.sleep(0)
    live.interrupt()
    with pytest.raises(StopAsyncIteration):
        await asyncio.wait_for(pending, 5)
    assert live.listening == 0
    assert len(await chunks(live, "us", None, 1)) == 1
