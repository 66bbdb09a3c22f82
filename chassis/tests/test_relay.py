from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from time import monotonic
from uuid import UUID

import pytest
from heraldry.chassis.bus import border
from heraldry.chassis.bus.envelopes import PERSONS
from heraldry.chassis.bus.markers import Tip, last_marker
from heraldry.chassis.bus.relay import QUIET, Relay, Step
from heraldry.chassis.store.port import NewEvent, StoredEvent
from heraldry.chassis.store.sqlite import SqliteStore
from heraldry.chassis.tasks import end
from heraldry.chassis.testing.bus import NOW, TYPES, PlainCodec, append, eventually, messages, new, noted
from heraldry.chassis.testing.nats import NatsServer
from heraldry.chassis.vault.keys import KeyUnknownError
from heraldry.contracts import subjects
from heraldry.contracts.base import Envelope, Event
from heraldry.contracts.evolution import Document
from heraldry.contracts.identity import IdentityDeleted
from nats.js import JetStreamContext

pytestmark = [pytest.mark.parts, pytest.mark.timeout(90)]
WHO = "018f4e9a-7b1c-7c3d-9e5f-a1b2c3d4e5f6"
EVENTS = "heraldry.events.>"


class StruckDown(BaseException):
    """The relay's process dies here."""


def deleted() -> Event:
    return IdentityDeleted(identity=UUID(WHO), at=NOW)


async def write(store: SqliteStore, count: int, stream: str = f"identity.identity-{WHO}") -> list[str]:
    """Published events with private ones between them; gives the ids of the published."""
    events = [event for _ in range(count) for event in (noted("secret"), new(deleted(), identity=WHO))]
    for start in range(0, len(events), 50):
        await append(store, stream, *events[start : start + 50])
    return [str(event.id) for event in events[1::2]]


@asynccontextmanager
async def relaying(relay: Relay) -> AsyncGenerator[asyncio.Task[None]]:
    task = asyncio.create_task(relay.run())
    try:
        yield task
    finally:
        await end(task)


async def published(js: JetStreamContext) -> list[str]:
    return [message.id for message in await messages(js, EVENTS)]


async def all_published(js: JetStreamContext, store: SqliteStore) -> None:
    head = await store.head()

    async def reached() -> bool:
        with suppress(Exception):
            marker, _ = await last_marker(js, "identity")
            return marker is not None and marker.position == head
        return False

    await eventually(reached, f"a marker at {head}", deadline=40)


async def refuses(relay: Relay) -> None:
    """It publishes nothing, and says which command mends it."""

    async def waits() -> bool:
        return relay.state.cause == "relay.store-mismatch"

    async with relaying(relay):
        await eventually(waits, "the relay says that it waits")
        assert "`heraldry replay identity`" in relay.state.detail


async def test_published_in_order_with_envelope_and_marker(tmp_path: Path) -> None:
    async with NatsServer() as server:
        nc = await server.client("identity")
        js = border.jetstream(await server.client("operator"))
        store = SqliteStore(tmp_path / "identity.db")
        ids = await write(store, 5)
        async with relaying(Relay(nc, "identity", store, PlainCodec(), TYPES)):
            await all_published(js, store)
            ids += await write(store, 3)
            await append(store, "identity.note-1", noted())
            await all_published(js, store)
        found = await messages(js, EVENTS)
        assert [message.id for message in found] == ids
        assert {message.subject for message in found} == {f"heraldry.events._.identity.{WHO}.IdentityDeleted"}
        assert {message.headers[PERSONS] for message in found} == {WHO}
        stored = await store.read_all()
        envelope = Envelope[IdentityDeleted].model_validate(found[0].body)
        assert (envelope.source, envelope.type) == ("/heraldry/identity", "IdentityDeleted")
        assert (envelope.stream, envelope.revision) == (stored[1].stream, 1)
        assert envelope.position == f"identity:{store.epoch}:{stored[1].position}"
        assert envelope.dataschema == "heraldry:IdentityDeleted:1"
        assert envelope.data == deleted()
        marker, _ = await last_marker(js, "identity")
        assert marker is not None
        assert (marker.count, marker.event) == (17, str(stored[-1].id))
        assert marker.hash == Tip().past(stored).hash.hex()
        assert not any("secret" in str(message.body) for message in await messages(js))
        await store.close()


@pytest.mark.parametrize("step", Step)
async def test_killed_at_any_step_nothing_is_lost_or_doubled(tmp_path: Path, step: Step) -> None:
    async with NatsServer() as server:
        js = border.jetstream(await server.client("operator"))
        store = SqliteStore(tmp_path / "identity.db")
        ids = await write(store, 450)
        wanted = step
        for nth in (1, 2):
            met = 0

            async def strike(step: Step) -> None:
                nonlocal met
                met += step is wanted
                if met == nth:  # noqa: B023  awaited before the next round
                    raise StruckDown

            doomed = await server.client("identity")
            with suppress(StruckDown):
                relay = Relay(doomed, "identity", store, PlainCodec(), TYPES, hook=strike)
                async with relaying(relay) as task:
                    await asyncio.wait([task], timeout=1 if step is Step.RESUMED else 10)
            await doomed.close()
            ids += await write(store, 2)
        async with relaying(Relay(await server.client("identity"), "identity", store, PlainCodec(), TYPES)):
            await all_published(js, store)
        assert await published(js) == ids
        await store.close()


async def test_two_relays_at_once_do_not_interleave(tmp_path: Path) -> None:
    async with NatsServer() as server:
        js = border.jetstream(await server.client("operator"))
        store = SqliteStore(tmp_path / "identity.db")
        other = SqliteStore(tmp_path / "identity.db")
        ids = await write(store, 300)
        first = Relay(await server.client("identity"), "identity", store, PlainCodec(), TYPES)
        second = Relay(await server.client("identity"), "identity", other, PlainCodec(), TYPES)
        async with relaying(second) as surviving:
            async with relaying(first):
                ids += await write(store, 100)
                await all_published(js, store)
            ids += await write(store, 100)
            await all_published(js, store)
            assert not surviving.done()
        assert await published(js) == ids
        markers = [message.body["position"] for message in await messages(js, "heraldry.relay.identity")]
        positions = [int(str(position)) for position in markers]
        assert positions == sorted(set(positions))
        await store.close()
        await other.close()


async def test_a_lost_tail_is_published_again(tmp_path: Path) -> None:
    async with NatsServer() as server:
        js = border.jetstream(await server.client("operator"))
        store = SqliteStore(tmp_path / "identity.db")
        ids: list[str] = []
        for _ in range(3):
            ids += await write(store, 40)
            async with relaying(
                Relay(await server.client("identity"), "identity", store, PlainCodec(), TYPES)
            ):
                await all_published(js, store)
        there = await messages(js)
        for message in there[len(there) // 2 :]:
            await js.delete_msg(subjects.STREAM, message.sequence)
        assert len(await published(js)) < len(ids)
        async with relaying(Relay(await server.client("identity"), "identity", store, PlainCodec(), TYPES)):
            await all_published(js, store)
        found = await published(js)
        assert set(found) == set(ids)
        await store.close()


async def test_another_store_is_refused_with_the_command_that_mends_it(tmp_path: Path) -> None:
    async with NatsServer() as server:
        nc = await server.client("identity")
        store = SqliteStore(tmp_path / "identity.db")
        await write(store, 3)
        async with relaying(Relay(nc, "identity", store, PlainCodec(), TYPES)):
            await all_published(border.jetstream(await server.client("operator")), store)
        swapped = SqliteStore(tmp_path / "other.db")
        await write(swapped, 9)
        relay = Relay(nc, "identity", swapped, PlainCodec(), TYPES)
        await refuses(relay)
        assert len(await published(border.jetstream(await server.client("operator")))) == 3
        await store.close()
        await swapped.close()


async def test_an_older_copy_of_the_store_is_refused(tmp_path: Path) -> None:
    async with NatsServer() as server:
        nc = await server.client("identity")
        store = SqliteStore(tmp_path / "identity.db")
        await write(store, 3)
        await store.close()
        copy = (tmp_path / "identity.db").read_bytes()
        store = SqliteStore(tmp_path / "identity.db")
        await write(store, 3)
        async with relaying(Relay(nc, "identity", store, PlainCodec(), TYPES)):
            await all_published(border.jetstream(await server.client("operator")), store)
        await store.close()
        (tmp_path / "restored.db").write_bytes(copy)
        restored = SqliteStore(tmp_path / "restored.db")
        for _ in range(2):  # older, and also once it has grown past the marker again
            await refuses(Relay(nc, "identity", restored, PlainCodec(), TYPES))
            await write(restored, 9)
        await restored.close()


async def test_the_server_is_killed_while_publishing(tmp_path: Path) -> None:
    async with NatsServer() as server:
        store = SqliteStore(tmp_path / "identity.db")
        ids: list[str] = []
        stop = asyncio.Event()

        async def keep_writing() -> None:
            while not stop.is_set():
                ids.extend(await write(store, 5))
                await asyncio.sleep(0.01)

        async with relaying(Relay(await server.client("identity"), "identity", store, PlainCodec(), TYPES)):
            writing = asyncio.create_task(keep_writing())
            for down in (0.5, 5.0):
                await asyncio.sleep(0.5)
                await server.kill()
                await asyncio.sleep(down)
                await server.restart()
            stop.set()
            await writing
            js = border.jetstream(await server.client("operator"))
            await all_published(js, store)
        assert await published(js) == ids
        await store.close()


async def test_private_events_move_the_marker_without_a_flood(tmp_path: Path) -> None:
    async with NatsServer() as server:
        nc = await server.client("identity")
        js = border.jetstream(await server.client("operator"))
        store = SqliteStore(tmp_path / "identity.db")
        began = monotonic()
        async with relaying(Relay(nc, "identity", store, PlainCodec(), TYPES)):
            for number in range(200):
                await append(store, f"identity.note-{number}", noted())
            await all_published(js, store)
        most = (monotonic() - began) / QUIET + 2  # far below 200, unless the machine is slow
        assert len(await messages(js, "heraldry.relay.identity")) <= most
        assert await published(js) == []
        await store.close()


async def test_a_marker_alone_is_no_batch_and_is_fenced_like_one(tmp_path: Path) -> None:
    async with NatsServer() as server:
        js = border.jetstream(await server.client("operator"))
        store, other = SqliteStore(tmp_path / "identity.db"), SqliteStore(tmp_path / "identity.db")
        first = Relay(await server.client("identity"), "identity", store, PlainCodec(), TYPES)
        second = Relay(await server.client("identity"), "identity", other, PlainCodec(), TYPES)
        async with relaying(first), relaying(second):
            for number in range(100):
                await append(store, f"identity.note-{number}", noted())
            await all_published(js, store)
        markers = await messages(js, "heraldry.relay.identity")
        assert not any("Nats-Batch-Id" in marker.headers for marker in markers)
        positions = [int(str(marker.body["position"])) for marker in markers]
        assert positions == sorted(set(positions))
        await store.close()
        await other.close()


class ForgetfulCodec(PlainCodec):
    """Some keys are unknown until somebody makes them known; others are destroyed."""

    def __init__(self) -> None:
        self.unknown = True

    async def document(self, stored: StoredEvent) -> Document:
        if self.unknown:
            raise KeyUnknownError("identity", WHO)
        return await super().document(stored)

    def is_erased(self, stored: StoredEvent) -> bool:
        return b"destroyed" in stored.data


def sealed(key: str) -> NewEvent:
    event = new(deleted(), identity=WHO)
    data = event.data[:-1] + b',"name":{"$enc":"AAAA","$key":"%s"}}' % key.encode()
    return replace(event, data=data)


async def test_a_destroyed_key_is_skipped_and_an_unknown_one_stops(tmp_path: Path) -> None:
    async with NatsServer() as server:
        nc = await server.client("identity")
        js = border.jetstream(await server.client("operator"))
        store, codec = SqliteStore(tmp_path / "identity.db"), ForgetfulCodec()
        stream = "identity.identity-1"

        events = [sealed("destroyed"), sealed("there")]
        await append(store, stream, *events)
        relay = Relay(nc, "identity", store, codec, TYPES)
        async with relaying(relay):

            async def waits() -> bool:
                return relay.state.cause == "relay.key-unknown"

            await eventually(waits, "the relay says that it waits for a key")
            assert await messages(js) == []
            codec.unknown = False
            await all_published(js, store)
        assert await published(js) == [str(events[1].id)]
        assert relay.state.cause == ""
        await store.close()


async def test_a_newer_release_s_type_stops_what_follows_and_never_counts_as_private(tmp_path: Path) -> None:
    async with NatsServer() as server:
        nc = await server.client("identity")
        store = SqliteStore(tmp_path / "identity.db")
        before, newer, after = new(deleted()), new(deleted(), type_="IdentityMerged"), new(deleted())
        await append(store, "identity.identity-1", before, noted(), newer, after)
        relay = Relay(nc, "identity", store, PlainCodec(), TYPES)
        async with relaying(relay):

            async def waits() -> bool:
                return relay.state.cause == "relay.newer-release"

            await eventually(waits, "the relay says that it waits for the newer release")
            await eventually(lambda: reached(relay, 2), "what stands before it is covered")
        assert await published(border.jetstream(await server.client("operator"))) == [str(before.id)]
        await store.close()


async def reached(relay: Relay, position: int) -> bool:
    return relay.state.position == position


async def test_at_its_budget_the_relay_waits_and_loses_nothing(tmp_path: Path) -> None:
    async with NatsServer() as server:
        js = border.jetstream(await server.client("operator"))
        config = (await js.stream_info(subjects.STREAM)).config
        await border.update_stream(js, replace(config, max_bytes=100_000))
        store = SqliteStore(tmp_path / "identity.db")
        ids = await write(store, 400)
        relay = Relay(await server.client("identity"), "identity", store, PlainCodec(), TYPES)
        async with relaying(relay):

            async def waits() -> bool:
                return relay.state.cause == "relay.budget"

            await eventually(waits, "the relay says that the stream is full")
            await border.update_stream(js, replace(config, max_bytes=64_000_000))
            await all_published(js, store)
        assert await published(js) == ids
        await store.close()
