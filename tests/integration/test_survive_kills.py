"""What a client was told stays true, whatever is killed; nothing is lost, nothing is there twice."""

from __future__ import annotations

import asyncio
import os
import signal
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from uuid import UUID, uuid4

import orjson
import pytest
from heraldry.chassis.bus.follow import Follower
from heraldry.chassis.testing.callers import Calls, calling, rows_of
from heraldry.chassis.testing.stack import Stack
from heraldry.chassis.testing.waiting import until
from heraldry.contracts.base import By
from heraldry.contracts.identity import CreateIdentity, GetIdentity, RenameIdentity, WorkingHours

IDENTITY_ONLY = {
    "HERALDRY_SERVICES": "identity=heraldry.identity.service:main,"
    "linkedin-driver=heraldry.linkedin_driver.service:main"
}
BY = By(organization=uuid4(), actor="user:ada")
BETWEEN_KILLS = 15.5  # seconds: five crashes in a minute would keep a service down
Disturb = Callable[[], Awaitable[None]]


@dataclass(slots=True)
class Writer:
    """Renames one identity again and again; every now and then it repeats a command it has sent before."""

    calls: Calls
    random: Random
    identity: UUID = field(default_factory=uuid4)
    told: dict[UUID, str] = field(default_factory=dict[UUID, str])  # command → the position it was told
    sent: dict[UUID, RenameIdentity] = field(default_factory=dict[UUID, RenameIdentity])
    name: str = ""

    async def begin(self) -> None:
        id_ = uuid4()
        command = CreateIdentity(identity=self.identity, name="Ada", hours=WorkingHours(zone="UTC"))
        self.told[id_] = (await self.calls.insist(command, by=BY, id=id_)).position

    async def write(self, enough: asyncio.Event) -> None:
        while not enough.is_set():
            id_, self.name = uuid4(), f"Ada {len(self.told)}"
            self.sent[id_] = RenameIdentity(identity=self.identity, name=self.name)
            self.told[id_] = (await self.calls.insist(self.sent[id_], by=BY, id=id_)).position
            if self.random.random() < 0.2:
                await self.repeat(self.random.choice(list(self.sent)))

    async def repeat(self, id_: UUID) -> None:
        again = await self.calls.insist(self.sent[id_], by=BY, id=id_)
        assert (again.fresh, again.position) == (False, self.told[id_])


@asynccontextmanager
async def house(folder: Path, identities: int = 1) -> AsyncGenerator[tuple[Stack, Calls]]:
    stack = await asyncio.to_thread(
        Stack.start, folder, sandbox=False, env=IDENTITY_ONLY, replicas={"identity": identities}
    )
    try:
        async with calling(folder) as calls:
            yield stack, calls
    finally:
        await asyncio.to_thread(stack.stop)


async def write_while(calls: Calls, disturb: Disturb, seed: int, count: int = 3) -> list[Writer]:
    """Several clients write until what disturbs them is over and all is answered."""
    enough = asyncio.Event()
    writers = [Writer(calls, Random(seed + number)) for number in range(count)]
    for writer in writers:
        await writer.begin()
    writing = [asyncio.create_task(writer.write(enough)) for writer in writers]
    try:
        await disturb()
    finally:
        enough.set()
        await asyncio.gather(*writing)
    return writers


async def assert_all_there_once(folder: Path, calls: Calls, writers: list[Writer]) -> None:
    """In the store, in JetStream, in the answers."""
    rows = rows_of(folder, "identity")
    assert len(rows) > 30, "too little was written to say anything"
    times = Counter(row.command for row in rows)
    acknowledged = {str(id_): position for writer in writers for id_, position in writer.told.items()}
    assert times == dict.fromkeys(acknowledged, 1)
    for row in rows:
        assert acknowledged[row.command].endswith(f":{row.position}")
    for writer in writers:
        last = list(writer.told.values())[-1]
        view = await calls.caller.ask(GetIdentity(identity=writer.identity), by=BY, seen=[last])
        assert view.name == writer.name
        for id_ in list(writer.sent)[-3:]:
            await writer.repeat(id_)
    assert rows_of(folder, "identity") == rows

    found = await published(calls, len(rows))
    assert [envelope["id"] for envelope in found] == [row.id for row in rows]
    revisions: dict[object, list[object]] = {}
    for envelope in found:
        revisions.setdefault(envelope["stream"], []).append(envelope["revision"])
    assert all(seen == list(range(len(seen))) for seen in revisions.values())


async def published(calls: Calls, count: int) -> list[dict[str, object]]:
    """All that stands in JetStream in the end, in its order; at least so many or TimeoutError."""
    found: list[dict[str, object]] = []
    follower = Follower(
        calls.operator, "HERALDRY", "heraldry.events.>", lambda entry: found.append(orjson.loads(entry.data))
    )
    await follower.start()
    try:
        await until(lambda: len(found) >= count, seconds=30)
    finally:
        await follower.stop()
    return found


async def kill_identity(stack: Stack, times: int, random: Random, pause: float) -> None:
    for number in range(times):
        await asyncio.sleep(random.uniform(0.2, 0.9) + (pause if number else 0.0))  # a random moment
        await asyncio.to_thread(stack.kill_and_wait, "identity")


@pytest.mark.parts
@pytest.mark.requirement("R-AUD-3")
async def test_kill_9_of_the_service_at_any_moment(tmp_path: Path) -> None:
    async with house(tmp_path / "data") as (stack, calls):
        writers = await write_while(calls, lambda: kill_identity(stack, 3, Random(1), 0.0), 1)
        assert stack.restarts("identity") == 3
        await assert_all_there_once(tmp_path / "data", calls, writers)


@pytest.mark.long
@pytest.mark.timeout(900)
async def test_kill_9_of_the_service_twenty_times(tmp_path: Path) -> None:
    async with house(tmp_path / "data") as (stack, calls):
        writers = await write_while(calls, lambda: kill_identity(stack, 20, Random(2), BETWEEN_KILLS), 2)
        assert stack.restarts("identity") == 20
        await assert_all_there_once(tmp_path / "data", calls, writers)


async def nats_away(stack: Stack, seconds: float) -> None:
    """It does not answer for so long, and is then killed: the supervisor starts it again."""
    await asyncio.sleep(0.5)
    pid = stack.kill("nats", signal.SIGSTOP)
    await asyncio.sleep(seconds)  # the time it is away is what is tested
    os.kill(pid, signal.SIGKILL)
    await asyncio.to_thread(
        stack.wait, lambda: stack.process_state("nats") == "ready" and stack.pid_of("nats") != pid
    )
    await asyncio.sleep(0.5)


@pytest.mark.parts
async def test_nats_away_and_killed_while_commands_go_on(tmp_path: Path) -> None:
    async with house(tmp_path / "data") as (stack, calls):
        writers = await write_while(calls, lambda: nats_away(stack, 3), 3)
        await assert_all_there_once(tmp_path / "data", calls, writers)
        assert stack.restarts("identity") == 0


@pytest.mark.long
@pytest.mark.timeout(300)
async def test_nats_away_for_twenty_seconds(tmp_path: Path) -> None:
    async with house(tmp_path / "data") as (stack, calls):
        writers = await write_while(calls, lambda: nats_away(stack, 20), 4)
        await assert_all_there_once(tmp_path / "data", calls, writers)


@pytest.mark.parts
@pytest.mark.requirement("R-AUD-3")
async def test_two_relays_of_one_log_publish_every_event_once_and_in_order(tmp_path: Path) -> None:
    """Both replicas write and could publish; the one that is killed was perhaps the one that did."""

    async def kill_both() -> None:
        for replica in (0, 1):
            await asyncio.sleep(0.5)
            await asyncio.to_thread(stack.kill_and_wait, "identity", replica=replica)

    async with house(tmp_path / "data", identities=2) as (stack, calls):
        writers = await write_while(calls, kill_both, 5, count=6)
        await assert_all_there_once(tmp_path / "data", calls, writers)
