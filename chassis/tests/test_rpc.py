"""Commands and queries by request and reply, on a real server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from sqlite3 import Connection
from time import monotonic
from typing import ClassVar, cast
from uuid import UUID, uuid4

import orjson
import pytest
from heraldry.chassis.bus import rpc
from heraldry.chassis.bus.rpc import Asking, Caller, Server
from heraldry.chassis.codec import Codec
from heraldry.chassis.projection import Fact, Projection
from heraldry.chassis.readmodel import ReadModel, StoreFeed
from heraldry.chassis.store.port import StoreUnavailableError
from heraldry.chassis.store.sqlite import SqliteStore
from heraldry.chassis.testing.bus import TYPES, Noted, append, eventually, noted
from heraldry.chassis.testing.memory import KeysInMemory
from heraldry.chassis.testing.nats import NatsServer
from heraldry.chassis.testing.waiting import until
from heraldry.contracts.base import Accepted, By, Command, Query, Refused, Value
from heraldry.contracts.markers import Position
from nats.aio.client import Client
from nats.errors import NoRespondersError
from structlog.testing import capture_logs

pytestmark = pytest.mark.parts
BY = By(organization=uuid4(), actor="user:ada", correlation="of-a-request")
PASSWORD = "correct horse battery"


class Rename(Command):
    context: ClassVar[str] = "mailbox"
    inbox: UUID
    name: str


class Named(Value):
    name: str
    since: datetime
    tags: tuple[str, ...] = ()


class GetNames(Query[tuple[Named, ...]]):
    context: ClassVar[str] = "mailbox"
    answer: ClassVar[object] = tuple[Named, ...]
    inbox: UUID


SINCE = datetime(2026, 5, 4, 9, 30, tzinfo=UTC)


def rename(name: str = "Ada") -> Rename:
    return Rename(inbox=UUID(int=1), name=name)


@dataclass(slots=True)
class Service:
    """One replica of the mailbox service. `answers` says what happens to a name."""

    name: str = "one"
    asked: list[tuple[Rename, Asking]] = field(default_factory=list[tuple[Rename, Asking]])
    raises: Exception | None = None
    hold: asyncio.Event | None = None

    async def rename(self, command: Rename, asking: Asking) -> Accepted:
        self.asked.append((command, asking))
        if self.hold is not None:
            await self.hold.wait()
        if self.raises is not None:
            raise self.raises
        return Accepted(position="mailbox:e1:7", fresh=True)

    async def names(self, query: GetNames, _: Asking) -> tuple[Named, ...]:
        if self.raises is not None:
            raise self.raises
        return (Named(name=f"{query.inbox}", since=SINCE, tags=("a",)),)

    @asynccontextmanager
    async def serving(self, nc: Client, at_once: int = rpc.AT_ONCE) -> AsyncGenerator[Server]:
        server = Server(nc, "mailbox", at_once=at_once)
        server.command(Rename, self.rename)
        server.query(GetNames, self.names)
        await server.start()
        await nc.flush()
        try:
            yield server
        finally:
            await server.stop()


@dataclass(slots=True)
class Bench:
    server: NatsServer
    gateway: Client
    caller: Caller

    async def raw(self, body: object, name: str = "commands.mailbox.Rename") -> dict[str, object]:
        """The problem that anything a client may send is answered with."""
        data = body if isinstance(body, bytes) else orjson.dumps(body)
        reply = await self.gateway.request(f"heraldry.{name}", data, timeout=5)
        return cast("dict[str, dict[str, object]]", orjson.loads(reply.data))["problem"]

    async def heard(self) -> bool:
        """Whether the server has told both sides of each other."""
        try:
            await self.raw(b"")
        except NoRespondersError:
            return False
        return True


@pytest.fixture
async def bench() -> AsyncGenerator[Bench]:
    async with NatsServer() as server:
        gateway = await server.client("gateway")
        yield Bench(server, gateway, Caller(gateway))


async def test_a_command_reaches_its_context_with_who_asked_and_is_accepted(bench: Bench) -> None:
    service, id_ = Service(), uuid4()
    async with service.serving(await bench.server.client("mailbox")):
        accepted = await bench.caller.send(rename("Åsa"), by=BY, id=id_)
    assert accepted == Accepted(position="mailbox:e1:7", fresh=True)
    assert service.asked == [(rename("Åsa"), Asking(id_, BY))]


async def test_a_query_is_answered_with_the_types_it_promises(bench: Bench) -> None:
    async with Service().serving(await bench.server.client("mailbox")):
        answer = await bench.caller.ask(GetNames(inbox=UUID(int=1)), by=BY)
    assert answer == (Named(name=str(UUID(int=1)), since=SINCE, tags=("a",)),)


async def test_a_refusal_comes_back_as_it_was_said(bench: Bench) -> None:
    said = Refused("name.taken", "Choose another.", status=409, field="name", extra={"until": "2026-05-05"})
    async with Service(raises=said).serving(await bench.server.client("mailbox")):
        for asked in (
            bench.caller.send(rename(), by=BY, id=uuid4()),
            bench.caller.ask(GetNames(inbox=uuid4()), by=BY),
        ):
            with pytest.raises(Refused) as heard:
                await asked
            assert heard.value.problem() == said.problem()


async def test_what_cannot_be_read_is_refused_with_the_field_and_without_the_value(bench: Bench) -> None:
    service = Service()
    good = {"id": str(uuid4()), "by": BY.model_dump(mode="json")}
    bad: list[tuple[object, str]] = [
        (b"", ""),
        (b"{", ""),
        (b"\xff\xfe", ""),
        ([], ""),
        ({**good, "id": PASSWORD, "data": {}}, "id"),
        ({"id": str(uuid4()), "data": {}}, "by"),
        ({**good, "data": {"inbox": PASSWORD, "name": "x"}}, "inbox"),
        ({**good, "data": {"inbox": str(uuid4()), "name": {"password": PASSWORD}}}, "name"),
    ]
    async with service.serving(await bench.server.client("mailbox")):
        await eventually(bench.heard, "the service is heard of")
        for body, where in bad:
            problem = await bench.raw(body)
            assert (problem["code"], problem["status"], problem["field"]) == ("input.invalid", 422, where)
            assert PASSWORD not in str(problem)
        problem = await bench.raw({**good, "data": {}}, "queries.mailbox.GetNames")
        assert (problem["code"], problem["field"]) == ("input.invalid", "inbox")
    assert service.asked == []


async def test_an_unknown_command_is_unavailable_after_the_deadline_and_not_before(bench: Bench) -> None:
    class Unheard(Command):
        context: ClassVar[str] = "mailbox"

    async with Service().serving(await bench.server.client("mailbox")):
        begun = monotonic()
        with pytest.raises(Refused) as refused:
            await bench.caller.send(Unheard(), by=BY, id=uuid4(), deadline=0.5)
        assert 0.5 <= monotonic() - begun < 5
    assert (refused.value.code, refused.value.status) == ("service.unavailable", 503)


async def test_a_command_waits_for_a_service_that_is_being_started(bench: Bench) -> None:
    service = Service()
    sending = asyncio.create_task(bench.caller.send(rename(), by=BY, id=uuid4(), deadline=20))
    query = asyncio.create_task(bench.caller.ask(GetNames(inbox=uuid4()), by=BY, deadline=20))
    await asyncio.sleep(0)
    async with service.serving(await bench.server.client("mailbox")):
        assert (await sending).fresh
        assert len(await query) == 1


async def test_without_an_answer_nobody_knows_and_the_same_id_is_sent_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rpc, "ONE_TRY", 0.2)
    service, id_ = Service(hold=asyncio.Event()), uuid4()
    async with service.serving(await bench.server.client("mailbox")):
        with pytest.raises(Refused) as refused:
            await bench.caller.send(rename(), by=BY, id=id_, deadline=0.7)
        assert (refused.value.code, refused.value.status) == ("command.unconfirmed", 503)
        assert "the same Idempotency-Key" in refused.value.detail  # a request without one gets another id
        assert len(service.asked) >= 2
        assert {asking.id for _, asking in service.asked} == {id_}
        with pytest.raises(Refused) as query:
            await Caller(await bench.server.client("gateway")).ask(_Silent(), by=BY, deadline=0.3)
        assert query.value.code == "service.unavailable"
        assert service.hold is not None
        service.hold.set()
        assert (await bench.caller.send(rename(), by=BY, id=id_)).position == "mailbox:e1:7"


class _Silent(Query[str]):
    context: ClassVar[str] = "mailbox"
    answer: ClassVar[object] = str


async def test_a_bug_in_a_handler_answers_a_problem_and_tells_nothing(bench: Bench) -> None:
    service = Service(raises=RuntimeError(f"SELECT … {PASSWORD}"))
    async with service.serving(await bench.server.client("mailbox")):
        with capture_logs() as logs, pytest.raises(Refused) as refused:
            await bench.caller.send(rename(), by=BY, id=uuid4())
        problem = refused.value.problem()
        assert (problem.code, problem.status) == ("internal.error", 500)
        assert problem.extra == {"correlation": "of-a-request"}
        assert not any(word in problem.model_dump_json() for word in (PASSWORD, "RuntimeError", "Traceback"))
        assert [entry["correlation"] for entry in logs if entry["log_level"] == "error"] == ["of-a-request"]
        service.raises = None
        assert (await bench.caller.send(rename(), by=BY, id=uuid4())).fresh


async def test_a_store_out_of_reach_is_said_as_what_it_is(bench: Bench) -> None:
    service = Service(raises=StoreUnavailableError("disk full at /var/lib/x"))
    async with service.serving(await bench.server.client("mailbox")):
        with pytest.raises(Refused) as refused:
            await bench.caller.send(rename(), by=BY, id=uuid4())
    assert (refused.value.code, refused.value.status) == ("store.unavailable", 503)
    assert "/var" not in refused.value.detail


async def test_replicas_share_the_load_and_none_does_what_another_did(bench: Bench) -> None:
    one, two = Service("one"), Service("two")
    async with (
        one.serving(await bench.server.client("mailbox")),
        two.serving(await bench.server.client("mailbox")),
    ):
        ids = [uuid4() for _ in range(60)]
        await asyncio.gather(*(bench.caller.send(rename(), by=BY, id=id_) for id_ in ids))
    assert sorted(asking.id for _, asking in one.asked + two.asked) == sorted(ids)
    assert min(len(one.asked), len(two.asked)) > 5


async def test_no_more_than_so_many_are_worked_on_at_once_and_all_are_answered(bench: Bench) -> None:
    service = Service(hold=asyncio.Event())
    async with service.serving(await bench.server.client("mailbox"), at_once=3):
        sent = [asyncio.create_task(bench.caller.send(rename(), by=BY, id=uuid4())) for _ in range(10)]
        await until(lambda: len(service.asked) == 3)
        await bench.gateway.flush()
        assert len(service.asked) == 3
        assert service.hold is not None
        service.hold.set()
        assert len(await asyncio.gather(*sent)) == 10


async def test_stopping_finishes_what_was_begun_and_answers_it(bench: Bench) -> None:
    service = Service(hold=asyncio.Event())
    assert service.hold is not None
    nc = await bench.server.client("mailbox")
    async with service.serving(nc) as server:
        sending = asyncio.create_task(bench.caller.send(rename(), by=BY, id=uuid4()))
        await until(lambda: len(service.asked) == 1)
        stopping = asyncio.create_task(server.stop(10))

        async def deaf() -> bool:
            try:
                await bench.raw(b"nothing to do")
            except NoRespondersError:
                return True
            return False

        await eventually(deaf, "nothing new is taken")
        assert not stopping.done()
        service.hold.set()
        await stopping
        assert (await sending).fresh
    assert [command.name for command, _ in service.asked] == ["Ada"]


async def test_a_command_survives_that_nats_is_killed(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rpc, "ONE_TRY", 0.3)
    service = Service()
    async with service.serving(await bench.server.client("mailbox")):
        await bench.server.kill()
        sending = asyncio.create_task(bench.caller.send(rename(), by=BY, id=uuid4(), deadline=30))
        await asyncio.sleep(0.1)
        await bench.server.start()
        assert (await sending).position == "mailbox:e1:7"


async def test_a_query_waits_for_what_its_caller_has_seen_and_no_longer_than_promised(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rpc, "VIEW_DEADLINE", 0.3)
    reached = asyncio.Event()
    seen: list[str] = []

    async def wait(position: str, timeout: float) -> bool:  # noqa: ASYNC109  as the port says
        seen.append(position)
        try:
            await asyncio.wait_for(reached.wait(), timeout)
        except TimeoutError:
            return False
        return True

    server = Server(await bench.server.client("mailbox"), "mailbox", reached=wait)
    server.query(GetNames, Service().names)
    await server.start()
    with pytest.raises(Refused) as early:
        await bench.caller.ask(GetNames(inbox=uuid4()), by=BY, seen=["mailbox:e1:7"])
    assert (early.value.code, early.value.status) == ("view.behind", 503)
    assert early.value.extra == {"position": "mailbox:e1:7"}
    reached.set()
    assert await bench.caller.ask(GetNames(inbox=uuid4()), by=BY, seen=["mailbox:e1:7", "scheduler:e9:1"])
    assert seen == ["mailbox:e1:7", "mailbox:e1:7", "scheduler:e9:1"]
    await server.stop()


async def test_who_has_written_reads_it_at_once(bench: Bench, tmp_path: Path) -> None:
    names = Projection("names", 1, "CREATE TABLE names (name TEXT NOT NULL) STRICT", tables=("names",))

    @names.on(Noted)
    def put(db: Connection, event: Noted, _: Fact) -> None:
        db.execute("INSERT INTO names VALUES (?)", (event.text,))

    store = SqliteStore(tmp_path / "mailbox.sqlite3")
    model = ReadModel(tmp_path / "read.sqlite3", [names])
    feed = StoreFeed("mailbox", store, Codec(TYPES, KeysInMemory()), model)

    async def write(command: Rename, _: Asking) -> Accepted:
        await append(store, "mailbox.thing-1", noted(command.name))
        return Accepted(position=str(Position("mailbox", store.epoch, await store.head())), fresh=True)

    async def read(_: GetNames, __: Asking) -> tuple[Named, ...]:
        rows = model.read(lambda db: db.execute("SELECT name FROM names").fetchall())
        return tuple(Named(name=name, since=SINCE) for (name,) in cast("list[tuple[str]]", rows))

    async def reached(position: str, timeout: float) -> bool:  # noqa: ASYNC109  as the port says
        return await model.wait_for([position], timeout)

    server = Server(await bench.server.client("mailbox"), "mailbox", reached=reached)
    server.command(Rename, write)
    server.query(GetNames, read)
    await server.start()
    await feed.start()
    for number in range(30):
        accepted = await bench.caller.send(rename(str(number)), by=BY, id=uuid4())
        found = await bench.caller.ask(GetNames(inbox=uuid4()), by=BY, seen=[accepted.position])
        assert [one.name for one in found] == [str(earlier) for earlier in range(number + 1)]
    await server.stop()
    await feed.stop()
    model.close()
    await store.close()
