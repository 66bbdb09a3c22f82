"""The KurrentDB adapter on our stand-in for the server, also when it, the way to it or the cluster fails."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import trustme
from heraldry.chassis.store import kurrent, kurrent_client
from heraldry.chassis.store.address import parse
from heraldry.chassis.store.kurrent import KurrentStore
from heraldry.chassis.store.kurrent_client import Client
from heraldry.chassis.store.port import (
    NO_STREAM,
    START,
    ConflictError,
    NewEvent,
    OutcomeUnknownError,
    StoreUnavailableError,
)
from heraldry.chassis.testing.kurrent.access import User
from heraldry.chassis.testing.kurrent.node import Limits
from heraldry.chassis.testing.kurrent.server import KurrentStandIn, Tls
from heraldry.chassis.testing.store_conformance import STREAM, Another, StoreConformance, new_event
from heraldry.chassis.testing.waiting import until
from kurrentdbclient import NewEvent as Sent
from kurrentdbclient.exceptions import ServiceUnavailableError
from uuid_utils.compat import uuid7

CONTEXT = "conformance"


@pytest.fixture
async def server() -> AsyncIterator[KurrentStandIn]:
    async with KurrentStandIn() as running:
        yield running


@pytest.fixture
async def another(server: KurrentStandIn) -> AsyncIterator[Another]:
    async with AsyncExitStack() as stack:

        async def opened() -> KurrentStore:
            store = await KurrentStore.open(parse(server.uri, CONTEXT), CONTEXT)
            stack.push_async_callback(store.close)
            return store

        yield opened


@pytest.fixture
async def store(another: Another) -> KurrentStore:
    store = await another()
    assert isinstance(store, KurrentStore)
    return store


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kurrent, "PATIENCE", 0.3)
    monkeypatch.setattr(kurrent, "START_PATIENCE", 0.3)


class TestKurrentStore(StoreConformance):
    pass


class Wire:
    """The way of appends to the server: `fate` says of each try whether it arrives, and whether the answer comes."""

    def __init__(self, client: Client, monkeypatch: pytest.MonkeyPatch, *fate: str) -> None:
        self._real, self._fate, self.tries = client.append_once, list(fate), 0
        monkeypatch.setattr(client, "append_once", self)

    async def __call__(self, stream: str, events: Sequence[Sent], expected: int) -> int:
        self.tries += 1
        fate = self._fate.pop(0) if len(self._fate) > 1 else self._fate[0]
        if fate == "refused":
            raise ServiceUnavailableError("failed to connect to all addresses; last error: refused")
        position = await self._real(stream, events, expected) if fate in {"arrives", "stored"} else 0
        if fate == "arrives":
            return position
        raise ServiceUnavailableError("Socket closed")


def wired(store: KurrentStore, monkeypatch: pytest.MonkeyPatch, *fate: str) -> Wire:
    return Wire(store.client, monkeypatch, *fate)


@pytest.mark.parametrize(
    "fate",
    [
        ("stored", "arrives"),
        ("lost", "arrives"),
        ("refused", "lost", "arrives"),
        ("stored", "refused", "stored", "arrives"),
    ],
)
async def test_an_append_whose_answer_is_lost_is_stored_once_and_fresh(
    store: KurrentStore, monkeypatch: pytest.MonkeyPatch, fate: Sequence[str]
) -> None:
    wire = wired(store, monkeypatch, *fate)
    appended = await store.append(STREAM, [new_event(1), new_event(2)], expected=NO_STREAM)
    assert (appended.fresh, appended.revision, wire.tries) == (True, 1, len(fate))
    assert len(await store.read_stream(STREAM)) == 2
    assert appended.position == await store.head()


@pytest.mark.usefixtures("impatient")
async def test_who_never_gets_an_answer_reads_the_stream(
    store: KurrentStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    wired(store, monkeypatch, "stored")
    appended = await store.append(STREAM, [new_event(1)], expected=NO_STREAM)
    assert (appended.fresh, appended.position) == (True, await store.head())


@pytest.mark.usefixtures("impatient")
async def test_what_may_still_be_under_way_is_neither_stored_nor_refused(
    store: KurrentStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    wired(store, monkeypatch, "lost")
    with pytest.raises(OutcomeUnknownError, match="the stream will tell"):
        await store.append(STREAM, [new_event(1)], expected=NO_STREAM)


@pytest.mark.usefixtures("impatient")
async def test_what_was_never_sent_is_said_to_be_stored_nowhere(
    store: KurrentStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    wired(store, monkeypatch, "refused")
    with pytest.raises(StoreUnavailableError, match=r"store\.unreachable") as refused:
        await store.append(STREAM, [new_event(1)], expected=NO_STREAM)
    assert not isinstance(refused.value, OutcomeUnknownError)


async def test_another_s_append_in_the_place_of_a_lost_one_is_a_conflict(
    store: KurrentStore, another: Another, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = await another()
    wired(store, monkeypatch, "lost", "arrives")
    mine = asyncio.create_task(store.append(STREAM, [new_event(1)], expected=NO_STREAM))
    await other.append(STREAM, [new_event(2)], expected=NO_STREAM)
    with pytest.raises(ConflictError):
        await mine


async def collect(store: KurrentStore, count: int, *, limit: int = 500) -> list[bytes]:
    got: list[bytes] = []
    async with asyncio.timeout(30):
        async for batch in store.subscribe(limit=limit):
            got.extend(event.data for event in batch)
            if len(got) >= count:
                return got
    return got


def numbered(count: int) -> list[bytes]:
    return [b'{"number":%d}' % n for n in range(count)]


async def fill(store: KurrentStore, first: int, upto: int) -> None:
    for n in range(first, upto):
        await store.append(STREAM, [new_event(n)], expected=n - 1)


async def test_one_subscription_feeds_all_who_follow_and_is_made_again_when_it_is_dropped(
    server: KurrentStandIn, store: KurrentStore
) -> None:
    followers = [asyncio.create_task(collect(store, 60)) for _ in range(5)]
    await fill(store, 0, 20)
    await until(lambda: len(server.node.subscriptions) == 1)
    for upto in (40, 60):
        assert server.drop_subscriptions() == 1
        await fill(store, upto - 20, upto)
        await until(lambda: len(server.node.subscriptions) == 1)
        assert await store.head() == (await store.read_stream_backwards(STREAM, limit=1))[0].position
    for follower in followers:
        assert await follower == numbered(60)
    await fill(store, 60, 260)
    assert await store.head() == (await store.read_stream_backwards(STREAM, limit=1))[0].position


async def test_what_was_appended_together_comes_together(
    store: KurrentStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To who follows closely and to who is behind; only a limit below its size divides an append."""
    sizes, revision = [1, 3, 2, 5, 1, 4] * 6, NO_STREAM
    monkeypatch.setattr(kurrent, "TAIL_BYTES", 2_000)
    following = asyncio.create_task(batches(store, sum(sizes), limit=7))
    for size in sizes:
        appended = await store.append(STREAM, [new_event() for _ in range(size)], expected=revision)
        revision = appended.revision
    ends = {sum(sizes[: n + 1]) for n in range(len(sizes))}
    for got in (await following, await batches(store, sum(sizes), limit=7)):
        assert {sum(got[: n + 1]) for n in range(len(got))} <= ends
    assert await batches(store, 4, limit=2) == [1, 2, 1]


async def batches(store: KurrentStore, count: int, *, limit: int) -> list[int]:
    got: list[int] = []
    async with asyncio.timeout(30):
        async for batch in store.subscribe(limit=limit):
            got.append(len(batch))
            if sum(got) >= count:
                return got
    return got


async def test_who_is_slow_misses_nothing_and_costs_no_memory(
    store: KurrentStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    largest = 4_000
    monkeypatch.setattr(kurrent, "TAIL_BYTES", largest)
    monkeypatch.setattr(kurrent, "PAGE_BYTES", 2_000)
    got: list[bytes] = []
    async with asyncio.timeout(30):
        await fill(store, 0, 1)
        async for batch in store.subscribe():
            got.extend(event.data for event in batch)
            if len(got) == 1:
                await fill(store, 1, 200)  # while nobody takes anything
            if len(got) == 200:
                break
    assert got == numbered(200)
    tail = store.tail
    assert tail is not None
    assert tail.size <= largest


async def test_a_server_that_is_started_again_is_found_again_by_all(tmp_path: Path) -> None:
    first = KurrentStandIn(data=tmp_path)
    await first.start()
    store = await KurrentStore.open(parse(first.uri, CONTEXT), CONTEXT)
    following = asyncio.create_task(collect(store, 20))
    await fill(store, 0, 10)
    await first.stop()
    appending = asyncio.create_task(fill(store, 10, 20))
    reading = asyncio.create_task(store.read_all())
    second = KurrentStandIn(data=tmp_path, port=first.node.port)
    await second.start()
    await appending
    assert len(await reading) >= 10
    assert await following == numbered(20)
    await store.close()
    await second.stop()


@pytest.mark.usefixtures("impatient")
async def test_who_follows_a_store_that_is_away_is_told(tmp_path: Path) -> None:
    server = KurrentStandIn(data=tmp_path)
    await server.start()
    store = await KurrentStore.open(parse(server.uri, CONTEXT), CONTEXT)
    following = asyncio.create_task(collect(store, 1))
    await until(lambda: bool(server.node.subscriptions))
    await server.stop()
    with pytest.raises(StoreUnavailableError, match=r"store\.unreachable: KurrentDB at kdb://127\.0\.0\.1"):
        await following
    for ask in (
        store.head(),
        store.read_stream(STREAM),
        store.read_all(),
        store.read_stream_backwards(STREAM),
    ):
        with pytest.raises(StoreUnavailableError, match=r"store\.unreachable"):
            await ask
    await store.close()


async def test_a_store_that_was_restored_to_an_older_state_is_not_followed_on(tmp_path: Path) -> None:
    server = KurrentStandIn(data=tmp_path / "data")
    await server.start()
    store = await KurrentStore.open(parse(server.uri, CONTEXT), CONTEXT)
    await fill(store, 0, 5)
    await server.stop()
    shutil.copytree(tmp_path / "data", tmp_path / "older")
    server = KurrentStandIn(data=tmp_path / "data", port=server.node.port)
    await server.start()
    following = asyncio.create_task(collect(store, 100))
    await fill(store, 5, 10)
    await until(lambda: store.tail is not None and store.tail.newest is not None)
    await server.stop()
    server = KurrentStandIn(data=tmp_path / "older", port=server.node.port)
    await server.start()
    with pytest.raises(StoreUnavailableError, match=r"store\.restored"):
        await following
    await store.close()
    await server.stop()


async def test_a_new_leader_is_found_in_a_cluster(server: KurrentStandIn) -> None:
    async with KurrentStandIn() as second:
        servers = f"{server.node.host}:{server.node.port},{second.node.host}:{second.node.port}"
        store = await KurrentStore.open(parse(f"kdb://{servers}?Tls=false", CONTEXT), CONTEXT)
        server.step_down(second.node.host, second.node.port)
        await store.append(STREAM, [new_event()], expected=NO_STREAM)
        assert second.node.database.last_revision(STREAM) == 0
        await store.close()


@pytest.mark.usefixtures("impatient")
async def test_a_server_that_is_not_the_leader_and_the_only_one_named_is_said(
    server: KurrentStandIn, store: KurrentStore
) -> None:
    server.step_down("127.0.0.1", 1)
    with pytest.raises(StoreUnavailableError, match=r"store\.not-leader.*name all its servers") as refused:
        await store.append(STREAM, [new_event()], expected=NO_STREAM)
    assert not isinstance(refused.value, OutcomeUnknownError)


@pytest.mark.usefixtures("impatient")
async def test_of_a_server_that_is_not_ready_it_is_certain_that_it_stored_nothing(
    server: KurrentStandIn, store: KurrentStore
) -> None:
    server.suspend()
    with pytest.raises(StoreUnavailableError, match=r"store\.unreachable") as refused:
        await store.append(STREAM, [new_event()], expected=NO_STREAM)
    assert not isinstance(refused.value, OutcomeUnknownError)
    server.resume()
    await store.append(STREAM, [new_event()], expected=NO_STREAM)


async def test_what_the_server_finds_too_large_is_refused_and_not_tried_for_ever() -> None:
    async with KurrentStandIn(limits=Limits(append=1_000)) as server:
        store = await KurrentStore.open(parse(server.uri, CONTEXT), CONTEXT)
        large = NewEvent(uuid7(), "ThingHappened", 1, b'"' + b"x" * 2_000 + b'"', b"{}")
        with pytest.raises(StoreUnavailableError, match=r"store\.append-too-large"):
            await store.append(STREAM, [large], expected=NO_STREAM)
        await store.close()


async def test_the_largest_append_there_is_fits_into_an_old_server_as_it_comes() -> None:
    async with KurrentStandIn(limits=Limits(append=1024 * 1024)) as server:
        store = await KurrentStore.open(parse(server.uri, CONTEXT), CONTEXT)
        largest = [NewEvent(uuid7(), "T" * 80, 1, b"1", b"{}") for _ in range(4_000)]
        appended = await store.append(STREAM, largest, expected=NO_STREAM)
        assert appended.revision == 3_999
        await store.close()


async def test_an_event_of_somebody_else_in_our_streams_is_said(store: KurrentStore) -> None:
    await store.client.append_once(STREAM, [Sent(type="Foreign", data=b"{}")], NO_STREAM)
    with pytest.raises(StoreUnavailableError, match=r"store\.foreign-event"):
        await store.read_stream(STREAM)


async def test_contexts_on_one_server_see_nothing_of_each_other(
    server: KurrentStandIn, store: KurrentStore
) -> None:
    other = await KurrentStore.open(parse(server.uri, "conform"), "conform")
    await store.append(STREAM, [new_event(1)], expected=NO_STREAM)
    theirs = await other.append("conform.thing-1", [new_event(2)], expected=NO_STREAM)
    assert other.epoch != store.epoch
    assert [event.data for event in await store.read_all()] == [b'{"number":1}']
    assert [event.data for event in await other.read_all()] == [b'{"number":2}']
    assert await other.read_at(await store.head()) is None
    assert (await other.head(), await store.read_at(theirs.position)) == (theirs.position, None)
    await other.close()


@pytest.fixture
async def guarded(tmp_path: Path) -> AsyncIterator[KurrentStandIn]:
    """A server with TLS that knows one user of ours beside its own."""
    authority = trustme.CA(key_type=trustme.KeyType.ECDSA)
    issued = authority.issue_cert("127.0.0.1", "localhost", key_type=trustme.KeyType.ECDSA)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    issued.private_key_pem.write_to_path(tmp_path / "key.pem")
    for part in issued.cert_chain_pems:
        part.write_to_path(tmp_path / "certificate.pem", append=True)
    tls = Tls(tmp_path / "certificate.pem", tmp_path / "key.pem")
    mine = User(CONTEXT, "p@ss/word:1", frozenset({"heraldry"}))
    async with KurrentStandIn(tls=tls, more_users=[mine]) as running:
        root = parse(
            f"{running.uri}&TlsCaFile={tmp_path / 'ca.pem'}", CONTEXT, user="admin", password="changeit"
        )
        admin = Client(root)
        await admin.set_stream_metadata("$all", metadata={"$acl": {"$r": ["heraldry", "$admins"]}})
        await admin.leave()
        yield running


async def test_a_server_with_tls_is_spoken_to_as_the_user_of_the_context(
    guarded: KurrentStandIn, tmp_path: Path
) -> None:
    where = f"{guarded.uri}&TlsCaFile={tmp_path / 'ca.pem'}"
    named = where.replace("kdb://", "kdb://{context}:p%40ss%2Fword%3A1@")
    for address in (
        parse(named, CONTEXT),
        parse(where, CONTEXT, user="{context}", password="p@ss/word:1"),
    ):
        store = await KurrentStore.open(address, CONTEXT)
        await store.append(f"{CONTEXT}.thing-{uuid7()}", [new_event()], expected=NO_STREAM)
        assert await store.head() > START
        await store.close()


async def test_who_may_not_read_the_log_is_told_so(guarded: KurrentStandIn, tmp_path: Path) -> None:
    where = f"{guarded.uri}&TlsCaFile={tmp_path / 'ca.pem'}"
    store = await KurrentStore.open(parse(where, CONTEXT, user="ops", password="changeit"), CONTEXT)
    with pytest.raises(StoreUnavailableError, match=r"store\.access-denied"):
        await store.head()
    await store.close()


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    ("user", "password", "authority", "code"),
    [
        (CONTEXT, "hunter2-wrong", "ca.pem", "store.wrong-password"),
        ("nobody", "hunter2-wrong", "ca.pem", "store.wrong-password"),
        (CONTEXT, "hunter2-wrong", "missing.pem", "store.address"),
        (CONTEXT, "hunter2-wrong", "", "store.tls"),
    ],
)
async def test_a_wrong_password_or_certificate_is_said_and_the_password_is_not(
    guarded: KurrentStandIn,
    tmp_path: Path,
    user: str,
    password: str,
    authority: str,
    code: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    where = guarded.uri + (f"&TlsCaFile={tmp_path / authority}" if authority else "")
    with pytest.raises(StoreUnavailableError) as refused:
        await KurrentStore.open(parse(where, CONTEXT, user=user, password=password), CONTEXT)
    chain: list[BaseException] = [refused.value]
    while cause := chain[-1].__cause__ or chain[-1].__context__:
        chain.append(cause)
    assert str(refused.value).startswith(code)
    assert not [error for error in chain if password in repr(error)]
    assert password not in caplog.text


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("scheme", ["kdb", "kdb+discover"])
async def test_a_server_that_is_nowhere_is_said_with_its_address(scheme: str) -> None:
    with pytest.raises(StoreUnavailableError, match=r"^store\.(unreachable|no-leader): .*127\.0\.0\.1:9"):
        await KurrentStore.open(
            parse(f"{scheme}://127.0.0.1:9?Tls=false&MaxDiscoverAttempts=1", CONTEXT), CONTEXT
        )


async def test_a_closed_store_says_so(store: KurrentStore) -> None:
    await store.close()
    await store.close()
    for ask in (store.head(), store.append(STREAM, [new_event()], expected=NO_STREAM)):
        with pytest.raises(StoreUnavailableError, match=r"store\.closed"):
            await ask


def test_an_address_shows_no_password_and_keeps_its_options() -> None:
    address = parse(
        "kdb+discover://ada:hunter2@db.example:2114?TlsCaFile=/ca.pem&keepaliveinterval=5", CONTEXT
    )
    assert "hunter2" not in repr(address) + address.uri + address.shown
    assert (address.user, address.password, address.shown) == (
        "ada",
        "hunter2",
        "kdb+discover://db.example:2114",
    )
    assert "keepaliveinterval=5" in address.uri
    assert "KeepAliveInterval" not in address.uri
    assert (address.tls, address.cluster) == (True, True)


def test_patience_is_short_enough_for_a_command() -> None:
    """Callers of a service wait 10 seconds for its answer."""
    assert kurrent.PATIENCE + kurrent_client.ANSWER < 10
