"""What a context answers about its parked messages: to operators all, to an organization its own, and nothing personal."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from heraldry.chassis.bus import border
from heraldry.chassis.bus.parked import ParkedApi
from heraldry.chassis.bus.parking import Parking, Pointer
from heraldry.chassis.bus.rpc import Caller, Server
from heraldry.chassis.commands.parked import main
from heraldry.chassis.store.sqlite import SqliteStore
from heraldry.chassis.testing.bus import append, noted
from heraldry.chassis.testing.nats import NatsServer
from heraldry.contracts.base import By, Refused
from heraldry.contracts.operations import DiscardParked, ListParked, ReplayParked, ShowParked

pytestmark = [pytest.mark.parts, pytest.mark.timeout(60)]
OURS, THEIRS = uuid4(), uuid4()
OPERATOR = By(organization=None, actor="system:operator")
SECRET = "Quendolina"


@dataclass(slots=True)
class Replica:
    """One process of the context. `handled`: the events it was given again."""

    parking: Parking
    server: Server
    handled: list[str]
    held: asyncio.Event

    @classmethod
    async def of(cls, nats: NatsServer, store: SqliteStore) -> Replica:
        nc = await nats.client("mailbox")
        parking, server = Parking(nc, "mailbox"), Server(nc, "mailbox")
        replica = cls(parking, server, [], asyncio.Event())
        replica.held.set()
        parking.handles("mailbox-imports", replica.again)
        ParkedApi("mailbox", parking, store).register(server)
        await server.start()
        return replica

    async def again(self, pointer: Pointer) -> None:
        self.handled.append(pointer.event)
        await self.held.wait()
        if pointer.type == "Broken":
            raise ValueError(f"{SECRET} is 'nobody'")


@dataclass(slots=True)
class Bench:
    nats: NatsServer
    store: SqliteStore
    replicas: tuple[Replica, Replica]
    caller: Caller

    async def park(self, organization: UUID | None = OURS, **changes: object) -> Pointer:
        told: dict[str, object] = {
            "source": "stream",
            "sequence": 1,
            "consumer": "mailbox-imports",
            "type": "IdentityRenamed",
            "event": str(uuid4()),
            "organization": str(organization or ""),
            "first_seen": datetime.now(UTC),
        }
        pointer = Pointer.model_validate({**told, **changes})
        await self.replicas[0].parking.park(pointer)
        return pointer

    async def numbers(self, by: By = OPERATOR) -> list[int]:
        found = await self.caller.ask(ListParked(), by=by, to="mailbox")
        return [int(one.id.removeprefix("mailbox:")) for one in found]

    @property
    def handled(self) -> list[str]:
        return [event for replica in self.replicas for event in replica.handled]


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncGenerator[Bench]:
    async with NatsServer() as nats:
        store = SqliteStore(tmp_path / "mailbox.db")
        replicas = (await Replica.of(nats, store), await Replica.of(nats, store))
        yield Bench(nats, store, replicas, Caller(await nats.client("gateway")))
        for one in replicas:
            await one.server.stop()
        await store.close()


async def test_an_organization_sees_and_touches_its_own_and_operators_all(bench: Bench) -> None:
    for organization in (OURS, THEIRS, None):
        await bench.park(organization)
    ours, theirs, nobodys = await bench.numbers()
    us = By(organization=OURS, actor="user:ada")
    assert await bench.numbers(us) == [ours]
    for number in (theirs, nobodys, 99):
        for command in (ReplayParked(number=number), DiscardParked(number=number)):
            with pytest.raises(Refused, match="no such parked message") as refused:
                await bench.caller.send(command, by=us, id=uuid4(), to="mailbox")
            assert refused.value.code == "parked.unknown"
        with pytest.raises(Refused, match="no such parked message"):
            await bench.caller.ask(ShowParked(number=number), by=us, to="mailbox")
    assert bench.handled == []
    await bench.caller.send(DiscardParked(number=ours), by=us, id=uuid4(), to="mailbox")
    assert await bench.numbers() == [theirs, nobodys]


async def test_of_several_who_replay_the_same_exactly_one_does(bench: Bench) -> None:
    pointer = await bench.park()
    (number,) = await bench.numbers()
    for replica in bench.replicas:
        replica.held.clear()

    async def replay() -> str:
        try:
            await bench.caller.send(ReplayParked(number=number), by=OPERATOR, id=uuid4(), to="mailbox")
        except Refused as refusal:
            return refusal.code
        return "done"

    asked = [asyncio.create_task(replay()) for _ in range(6)]
    done, waiting = await asyncio.wait(asked, timeout=10, return_when=asyncio.FIRST_COMPLETED)
    while len(waiting) > 1:  # all but the one that is under way
        more, waiting = await asyncio.wait(waiting, timeout=10, return_when=asyncio.FIRST_COMPLETED)
        done |= more
    assert {task.result() for task in done} == {"parked.under-way"}
    for replica in bench.replicas:
        replica.held.set()
    assert [await task for task in waiting] == ["done"]
    assert bench.handled == [pointer.event]
    assert await bench.numbers() == []


async def test_what_fails_again_stays_and_may_be_tried_at_once(bench: Bench) -> None:
    await bench.park(type="Broken")
    (number,) = await bench.numbers()
    for _ in range(2):
        with pytest.raises(Refused, match="It stays parked") as refused:
            await bench.caller.send(ReplayParked(number=number), by=OPERATOR, id=uuid4(), to="mailbox")
        assert refused.value.code == "parked.failed-again"
        assert "nobody" not in refused.value.detail
    assert len(bench.handled) == 2
    assert await bench.numbers() == [number]


async def test_it_is_shown_with_its_envelope_and_without_what_the_event_says(bench: Bench) -> None:
    (event,) = await append(bench.store, "mailbox.note-1", noted(SECRET))
    (stored,) = await bench.store.read_all()
    await bench.park(source="store", sequence=stored.position, event=str(event), type="Noted")
    envelope = {
        "id": str(event),
        "stream": "identity.identity-1",
        "revision": 4,
        "position": "identity:e:7",
        "data": {"name": SECRET},
    }
    js = border.jetstream(await bench.nats.client("operator"))
    subject = f"heraldry.events.{OURS}.identity._.IdentityRenamed"
    sent = await js.publish(subject, json.dumps(envelope).encode())
    await bench.park(sequence=sent.seq, event=str(event))
    await bench.park(sequence=sent.seq, event=str(uuid4()))  # that place is another event's now
    first, second, third = [
        await bench.caller.ask(ShowParked(number=number), by=OPERATOR, to="mailbox")
        for number in await bench.numbers()
    ]
    assert (first.stream, first.revision, first.actor) == ("mailbox.note-1", 0, "user:ada")
    assert (second.stream, second.revision, second.position) == ("identity.identity-1", 4, "identity:e:7")
    assert (third.stream, third.revision) == ("", None)
    assert SECRET not in "".join(one.model_dump_json() for one in (first, second, third))


async def test_by_command_each_id_has_its_answer_in_order(
    bench: Bench, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HERALDRY_NATS_URL", raising=False)
    for kind in ("Broken", "IdentityRenamed"):
        await bench.park(type=kind)
    broken, fine = (f"mailbox:{number}" for number in await bench.numbers())

    async def command(*words: str) -> tuple[int, list[dict[str, object]]]:
        ended = await asyncio.to_thread(main, [*words, "--data", str(bench.nats.data)])
        lines = capsys.readouterr().out.splitlines()  # the bench's own log is there, too
        return ended, [json.loads(line) for line in lines if line.startswith("{")]

    ended, listed = await command("list", "--context", "mailbox")
    assert (ended, [one["id"] for one in listed]) == (0, [broken, fine])
    ended, told = await command("replay", "mailbox:99", broken, fine)
    assert (ended, [(one["id"], one.get("code", "")) for one in told]) == (
        1,
        [("mailbox:99", "parked.unknown"), (broken, "parked.failed-again"), (fine, "")],
    )
    ended, (shown,) = await command("show", broken)
    assert (ended, shown["type"], shown["error"]) == (0, "Broken", "")
    ended, (gone,) = await command("discard", broken)
    assert (ended, gone["id"], gone["discarded"], gone["data"]) == (0, broken, True, str(bench.nats.data))
    assert await command("list", "--context", "mailbox") == (0, [])
