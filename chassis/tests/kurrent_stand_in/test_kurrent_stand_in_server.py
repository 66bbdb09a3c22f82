"""The stand-in for KurrentDB as a server: who it is, whom it lets in, what it keeps, how it misbehaves."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sqlite3
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import grpc.aio
import pytest
import pytest_asyncio
import trustme
from google.protobuf.json_format import MessageToDict
from heraldry.chassis.testing.kurrent.access import User
from heraldry.chassis.testing.kurrent.command import main
from heraldry.chassis.testing.kurrent.database import Database, Written
from heraldry.chassis.testing.kurrent.features import METHOD, SERVICE
from heraldry.chassis.testing.kurrent.log import Log
from heraldry.chassis.testing.kurrent.protocol import message_class
from heraldry.chassis.testing.kurrent.records import Expected, Proposed
from heraldry.chassis.testing.kurrent.server import KurrentStandIn, Tls
from heraldry.chassis.testing.mail_process import ServerProgram, free_ports
from heraldry.chassis.testing.waiting import until
from kurrentdbclient import AsyncKurrentDBClient, KurrentDBClient, NewEvent, NewEvents, StreamState
from kurrentdbclient.exceptions import (
    AccessDeniedError,
    ConsumerTooSlowError,
    FollowerNotFoundError,
    GrpcError,
    KurrentDBClientError,
    NodeIsNotLeaderError,
    ServiceUnavailableError,
    UnauthenticatedError,
)
from kurrentdbclient.protos.v1.gossip_pb2 import ClusterInfo, MemberInfo
from kurrentdbclient.protos.v1.shared_pb2 import Empty as Nothing

pytestmark = pytest.mark.parts
LEADER, FOLLOWER = MemberInfo.VNodeState.Leader, MemberInfo.VNodeState.Follower
NO_STREAM, ANY = StreamState.NO_STREAM, StreamState.ANY


def an_event() -> NewEvent:
    return NewEvent("Happened", b"{}")


@pytest_asyncio.fixture
async def server() -> AsyncIterator[KurrentStandIn]:
    async with KurrentStandIn() as server:
        yield server


async def members(server: KurrentStandIn) -> dict[tuple[str, int], MemberInfo.VNodeState.ValueType]:
    """What its gossip says: the nodes' states by where they are."""
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        ask = channel.unary_unary(
            "/event_store.client.gossip.Gossip/Read",
            request_serializer=Nothing.SerializeToString,
            response_deserializer=ClusterInfo.FromString,
        )
        told = (await ask(Nothing())).members
    assert all(member.is_alive for member in told)
    return {(member.http_end_point.address, member.http_end_point.port): member.state for member in told}


# ── who it is ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "scheme", ["kdb", "esdb", "kurrentdb", "kdb+discover", "esdb+discover", "kurrentdb+discover"]
)
async def test_a_client_finds_it_by_every_scheme(server: KurrentStandIn, scheme: str) -> None:
    client = AsyncKurrentDBClient(server.uri.replace("kdb:", f"{scheme}:"))
    await client.append_to_stream("a-1", events=an_event(), current_version=NO_STREAM)
    assert len(await client.get_stream("a-1")) == 1
    await client.close()


async def test_it_is_the_only_node_and_leads(server: KurrentStandIn) -> None:
    assert await members(server) == {(server.node.host, server.node.port): LEADER}
    uri = server.uri.replace("kdb:", "kdb+discover:") + "&NodePreference={}&MaxDiscoverAttempts=1"
    anybody = AsyncKurrentDBClient(uri.format("random"))
    await anybody.connect()
    await anybody.close()
    with pytest.raises(FollowerNotFoundError):
        await AsyncKurrentDBClient(uri.format("follower")).connect()


async def test_it_tells_the_address_it_is_given() -> None:
    async with KurrentStandIn(advertised=("database", 2113)) as server:
        assert await members(server) == {("database", 2113): LEADER}
        assert server.uri == "kdb://database:2113?Tls=false"


async def test_it_names_what_it_can(server: KurrentStandIn) -> None:
    kind = message_class("SupportedMethods")
    async with grpc.aio.insecure_channel(f"{server.node.host}:{server.node.port}") as channel:
        ask = channel.unary_unary(
            f"/{SERVICE}/{METHOD}",
            request_serializer=Nothing.SerializeToString,
            response_deserializer=kind.FromString,
        )
        answer = MessageToDict(await ask(Nothing()))
    methods = {each["methodName"]: each.get("features", []) for each in answer["methods"]}
    assert methods["batchappend"] == ["deadline_duration"]
    assert {"read", "append", "delete", "tombstone", "appendsession", "appendrecords"} <= set(methods)
    assert answer["eventStoreServerVersion"].count(".") == 2


async def test_what_it_cannot_is_not_implemented(server: KurrentStandIn) -> None:
    client = AsyncKurrentDBClient(server.uri)
    with pytest.raises(GrpcError, match="UNIMPLEMENTED"):
        await client.create_subscription_to_all("group")
    await client.close()


async def test_nobody_else_can_listen_where_it_does(server: KurrentStandIn) -> None:
    with pytest.raises(OSError, match=f"{server.node.port}"):
        await KurrentStandIn(port=server.node.port).start()


# ── how it misbehaves ────────────────────────────────────────────────────────────────────────────────────────


async def test_a_client_is_sent_to_the_leader(server: KurrentStandIn) -> None:
    async with KurrentStandIn() as other:
        server.step_down(other.node.host, other.node.port)
        single = AsyncKurrentDBClient(server.uri)
        with pytest.raises(NodeIsNotLeaderError) as refused:
            await single.append_to_stream("a-1", events=an_event(), current_version=NO_STREAM)
        assert (refused.value.host, refused.value.port) == (other.node.host, other.node.port)
        with pytest.raises(NodeIsNotLeaderError):
            await single.get_stream("a-1")
        assert await members(server) == {
            (server.node.host, server.node.port): FOLLOWER,
            (other.node.host, other.node.port): LEADER,
        }
        discovering = AsyncKurrentDBClient(server.uri.replace("kdb:", "kdb+discover:"))
        await discovering.append_to_stream("a-1", events=an_event(), current_version=NO_STREAM)
        assert discovering.connection_target == f"{other.node.host}:{other.node.port}"
        server.lead()
        await single.append_to_stream("a-1", events=an_event(), current_version=NO_STREAM)
        await asyncio.gather(single.close(), discovering.close())


async def test_a_client_follows_when_the_leader_changes_under_way(server: KurrentStandIn) -> None:
    async with KurrentStandIn() as other:
        client = AsyncKurrentDBClient(server.uri.replace("kdb:", "kdb+discover:"))
        await client.append_to_stream("a-1", events=an_event(), current_version=NO_STREAM)
        server.step_down(other.node.host, other.node.port)
        await client.append_to_stream("b-1", events=an_event(), current_version=NO_STREAM)
        assert client.connection_target == f"{other.node.host}:{other.node.port}"
        await client.close()


async def test_who_needs_no_leader_is_answered_by_a_follower(server: KurrentStandIn) -> None:
    client = AsyncKurrentDBClient(server.uri + "&NodePreference=random")
    await client.append_to_stream("a-1", events=an_event(), current_version=NO_STREAM)
    server.step_down("127.0.0.1", 1)
    assert len(await client.get_stream("a-1")) == 1
    await client.close()


async def test_a_read_only_replica_is_found_by_those_who_prefer_one(server: KurrentStandIn) -> None:
    async with KurrentStandIn() as other:
        server.step_down(other.node.host, other.node.port, read_only=True)
        uri = server.uri.replace("kdb:", "kdb+discover:") + "&NodePreference=readonlyreplica"
        client = AsyncKurrentDBClient(uri)
        assert [event async for event in await client.read_all(filter_exclude=())]
        assert client.connection_target == f"{server.node.host}:{server.node.port}"
        with pytest.raises(NodeIsNotLeaderError):
            await client.append_to_stream("a-1", events=an_event(), current_version=NO_STREAM)
        await client.close()


async def test_while_it_is_not_ready_nothing_is_stored(server: KurrentStandIn) -> None:
    client = AsyncKurrentDBClient(server.uri)
    server.suspend()
    plain = await asyncio.to_thread(KurrentDBClient, server.uri)
    with pytest.raises(ServiceUnavailableError, match="Not Ready"):
        await asyncio.to_thread(plain.append_to_stream, "a-1", events=an_event(), current_version=NO_STREAM)
    with pytest.raises(ServiceUnavailableError, match="Not Ready"):
        await client.get_stream("a-1")
    for call in (
        client.append_to_stream("a-1", events=an_event(), current_version=NO_STREAM),  # BatchAppend
        client.multi_append_to_stream(NewEvents("a-1", [an_event()], NO_STREAM)),
    ):
        with pytest.raises(KurrentDBClientError, match=r"(?i)not (yet )?ready") as refused:
            await call
        assert not isinstance(refused.value, ServiceUnavailableError)
    server.resume()
    await client.append_to_stream("a-1", events=an_event(), current_version=NO_STREAM)
    await client.close()
    await asyncio.to_thread(plain.close)


# ── whom it lets in ──────────────────────────────────────────────────────────────────────────────────────────


class Secured:
    """A server with a certificate, and clients of it."""

    def __init__(self, server: KurrentStandIn, authority: bytes) -> None:
        self.server, self._authority = server, authority

    def client(self, login: str, password: str, more: str = "") -> AsyncKurrentDBClient:
        uri = self.server.uri.replace("kdb://127.0.0.1", f"kdb://{login}:{password}@localhost") + more
        return AsyncKurrentDBClient(uri, root_certificates=self._authority)


@pytest_asyncio.fixture
async def secured(tmp_path: Path) -> AsyncIterator[Secured]:
    authority = trustme.CA()
    issued = authority.issue_cert("localhost", "127.0.0.1")
    tls = Tls(tmp_path / "cert.pem", tmp_path / "key.pem")
    tls.certificate.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
    tls.key.write_bytes(issued.private_key_pem.bytes())
    more = [User("ann", "secret"), User("bob", "secret", frozenset({"writers"}))]
    async with KurrentStandIn(tls=tls, more_users=more) as server:
        yield Secured(server, authority.cert_pem.bytes())


async def test_only_who_is_known_is_let_in(secured: Secured) -> None:
    for login, password in (("admin", "changeit"), ("ops", "changeit"), ("ann", "secret")):
        client = secured.client(login, password)
        await client.append_to_stream(f"a-{login}", events=an_event(), current_version=NO_STREAM)
        assert len(await client.get_stream(f"a-{login}")) == 1
        await client.close()
    for login, password in (("admin", "secret"), ("nobody", "secret")):
        client = secured.client(login, password)
        with pytest.raises(UnauthenticatedError):
            await client.append_to_stream("a-1", events=an_event(), current_version=NO_STREAM)
        with pytest.raises(UnauthenticatedError):
            await client.get_stream("a-1")
        await client.close()


async def test_a_call_may_bring_credentials_of_its_own(secured: Secured) -> None:
    client = secured.client("admin", "changeit")
    wrong = client.construct_call_credentials("admin", "wrong")
    with pytest.raises(UnauthenticatedError):
        await client.append_to_stream("a-1", events=an_event(), current_version=ANY, credentials=wrong)
    await client.append_to_stream("a-1", events=an_event(), current_version=ANY)
    await client.close()


async def test_the_databases_own_streams_are_for_admins(secured: Secured) -> None:
    ann, admin = secured.client("ann", "secret"), secured.client("admin", "changeit")
    with pytest.raises(AccessDeniedError):
        _ = [event async for event in await ann.read_all()]
    with pytest.raises(AccessDeniedError):
        await ann.get_stream("$users")
    with pytest.raises(AccessDeniedError):
        await ann.append_to_stream("$mine", events=an_event(), current_version=ANY)
    assert len(await admin.get_stream("$users")) == 2
    assert [event async for event in await admin.read_all(filter_exclude=())]
    await asyncio.gather(ann.close(), admin.close())


async def test_a_streams_own_list_says_who_may_do_what(secured: Secured) -> None:
    ann, bob = secured.client("ann", "secret"), secured.client("bob", "secret")
    admin = secured.client("admin", "changeit")
    acl = {"$w": "writers", "$r": ["ann", "$admins"], "$d": "$admins"}
    await admin.set_stream_metadata("a-1", metadata={"$acl": acl})
    await bob.append_to_stream("a-1", events=an_event(), current_version=NO_STREAM)
    assert len(await ann.get_stream("a-1")) == 1
    with pytest.raises(AccessDeniedError):
        await ann.append_to_stream("a-1", events=an_event(), current_version=ANY)
    with pytest.raises(AccessDeniedError):
        await bob.get_stream("a-1")
    with pytest.raises(AccessDeniedError):
        await bob.subscribe_to_stream("a-1")
    with pytest.raises(AccessDeniedError):
        await bob.delete_stream("a-1", current_version=ANY)
    await admin.delete_stream("a-1", current_version=ANY)
    await asyncio.gather(ann.close(), bob.close(), admin.close())


async def test_who_loses_the_right_to_read_loses_the_subscription(secured: Secured) -> None:
    ann, admin = secured.client("ann", "secret"), secured.client("admin", "changeit")
    await admin.append_to_stream("a-1", events=an_event(), current_version=NO_STREAM)
    subscription = await ann.subscribe_to_stream("a-1")
    await anext(subscription)
    await admin.set_stream_metadata("a-1", metadata={"$acl": {"$r": "$admins"}})
    await admin.append_to_stream("a-1", events=an_event(), current_version=0)
    with pytest.raises(AccessDeniedError):
        async with asyncio.timeout(10):
            await anext(subscription)
    await asyncio.gather(ann.close(), admin.close())


# ── what it keeps ────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_database_opened_again_goes_on_where_it_was(tmp_path: Path) -> None:
    database = Database(tmp_path)
    events = [Proposed(uuid4(), "Happened", b"{}") for _ in range(3)]
    first = await database.append("a-1", Expected.NO_STREAM, events)
    await database.append("b-1", Expected.NO_STREAM, [Proposed(uuid4(), "Happened", b"{}")])
    await database.delete("b-1", Expected.ANY)
    before = database.page_of_all(0)
    database.close()
    database = Database(tmp_path)
    assert database.page_of_all(0) == before
    assert not database.exists("b-1")
    assert await database.append("a-1", Expected.ANY, events) == first  # still recognised
    more = await database.append("a-1", 2, [Proposed(uuid4(), "Happened", b"{}")])
    assert isinstance(more, Written)
    assert more.position > before[-1].position
    database.close()


async def test_a_folder_belongs_to_one_database_at_a_time(tmp_path: Path) -> None:
    database = Database(tmp_path)
    with pytest.raises(sqlite3.Error, match="locked"):
        Database(tmp_path)
    database.close()


async def test_a_group_that_cannot_be_stored_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    database = Database()
    await database.append("a-1", Expected.NO_STREAM, [Proposed(uuid4(), "Happened", b"{}")])
    before, end = database.page_of_all(0), database.end

    def disk_full(_: Log, __: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as full:
        full.setattr(Log, "append", disk_full)
        outcomes = await asyncio.gather(
            *(
                database.append(stream, Expected.ANY, [Proposed(uuid4(), "Happened", b"{}")])
                for stream in ("a-1", "b-1")
            ),
            return_exceptions=True,
        )
    assert all(isinstance(outcome, sqlite3.OperationalError) for outcome in outcomes)
    assert (database.page_of_all(0), database.end) == (before, end)
    stored = await database.append("b-1", Expected.NO_STREAM, [Proposed(uuid4(), "Happened", b"{}")])
    assert stored == Written(0, end)


def stand_in_process(port: int, folder: Path, *more: str) -> ServerProgram:
    code = "import sys; from heraldry.chassis.cli import main; sys.exit(main())"
    return ServerProgram(
        [
            *(sys.executable, "-c", code, "kurrent-stand-in", "--port", str(port)),
            *("--data", str(folder / "data"), *more),
        ],
        folder / "stand-in.log",
    )


async def test_what_was_acknowledged_outlives_a_kill(tmp_path: Path) -> None:
    port, next_port = free_ports(2)
    process = stand_in_process(port, tmp_path)
    await process.start(port)
    client = AsyncKurrentDBClient(f"kdb://127.0.0.1:{port}?Tls=false")
    acknowledged: dict[str, int] = {}

    async def append_for_ever(worker: int) -> None:
        for number in range(100_000):
            stream = f"a{worker}-{number}"
            acknowledged[stream] = await client.append_to_stream(
                stream, events=[an_event(), an_event()], current_version=NO_STREAM
            )

    try:
        workers = [asyncio.create_task(append_for_ever(worker)) for worker in range(4)]
        await until(lambda: len(acknowledged) >= 100)
        await process.kill()
        for worker in workers:
            worker.cancel()
        await asyncio.wait(workers)
        await client.close()
        process = stand_in_process(next_port, tmp_path)
        await process.start(next_port)
        client = AsyncKurrentDBClient(f"kdb://127.0.0.1:{next_port}?Tls=false")
        stored: dict[str, int] = {}
        count: dict[str, int] = {}
        async for event in await client.read_all():
            stored[event.stream_name] = event.commit_position
            count[event.stream_name] = count.get(event.stream_name, 0) + 1
        assert {stream: stored.get(stream) for stream in acknowledged} == acknowledged
        assert set(count.values()) == {2}  # of one append all events or none
        await client.append_to_stream("a0-0", events=an_event(), current_version=1)
        subscription = await client.subscribe_to_all(from_end=True)
        os.kill(process.pid, signal.SIGUSR1)
        with pytest.raises(ConsumerTooSlowError):
            async with asyncio.timeout(10):
                await anext(subscription)
    finally:
        await client.close()
        await process.stop()


@pytest.mark.parametrize(
    "wrong",
    [
        ["--tls-cert", "a.pem"],
        ["--user", "ann:secret"],
        ["--user", "ann"],
        ["--port", "many"],
        ["--advertise", "nowhere"],
    ],
)
def test_the_command_says_what_is_wrong_with_its_options(
    wrong: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        main(wrong)
    assert left.value.code == 2
    assert "usage: heraldry kurrent-stand-in" in capsys.readouterr().err


def test_the_command_says_that_the_port_is_taken(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = int(taken.getsockname()[1])
        assert main(["--port", str(port)]) == 1
    assert f"cannot listen on localhost:{port}" in capsys.readouterr().err
