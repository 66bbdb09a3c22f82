"""Streams are made once, grown when asked, never changed otherwise; a server that may lose writes is
refused.
"""

from __future__ import annotations

import asyncio
import dataclasses
import os
from collections.abc import AsyncGenerator

import pytest
from heraldry.chassis.bus import border
from heraldry.chassis.bus.provision import (
    Budgets,
    ProvisionError,
    assert_synchronous,
    ensure,
    streams,
    wait_until_ready,
)
from heraldry.chassis.bus.rights import WRITTEN, written
from heraldry.chassis.bus.server import MIB
from heraldry.chassis.bus.shared import put_blobs_before
from heraldry.chassis.halt import SYSTEM, HaltFlags
from heraldry.chassis.testing.nats import SMALL, NatsServer
from heraldry.chassis.vault import blobs
from heraldry.chassis.vault.blobs import BlobReference, Blobs
from heraldry.chassis.vault.keys import Key
from nats.aio.client import Client
from nats.js.errors import APIError, NotFoundError

pytestmark = pytest.mark.parts


@pytest.fixture
async def server_without_streams() -> AsyncGenerator[NatsServer]:
    async with NatsServer(provision=False) as running:
        yield running


async def test_it_may_be_done_again_and_by_several_at_once() -> None:
    async with NatsServer(provision=False) as server:
        operators = [border.jetstream(await server.client("operator")) for _ in range(3)]
        await asyncio.gather(*(ensure(js, SMALL) for js in operators))
        before = {info.config.name: info.config.as_dict() for info in await operators[0].streams_info()}
        await ensure(operators[0], SMALL)
        after = {info.config.name: info.config.as_dict() for info in await operators[0].streams_info()}
        assert after == before
        assert set(after) == {config.name for config in streams(SMALL)}
        assert after["HERALDRY"]["allow_atomic"] is True
        assert after["HERALDRY"]["discard"] == "new"


async def test_a_budget_grows_and_never_shrinks() -> None:
    async with NatsServer() as server:
        js = border.jetstream(await server.client("operator"))
        await js.publish("heraldry.relay.mailbox", b"kept")
        await ensure(js, dataclasses.replace(SMALL, events=128 * MIB))
        assert (await js.stream_info("HERALDRY")).config.max_bytes == 128 * MIB
        await ensure(js, dataclasses.replace(SMALL, events=1 * MIB))
        info = await js.stream_info("HERALDRY")
        assert (info.config.max_bytes, info.state.messages) == (128 * MIB, 1)


async def test_a_stream_that_heard_where_it_keeps_hears_elsewhere_now_and_keeps_what_it_has(
    server_without_streams: NatsServer,
) -> None:
    js = border.jetstream(await server_without_streams.client("operator"))
    for wanted in streams(SMALL):
        plain = [subject.removeprefix(f"{WRITTEN}.") for subject in wanted.subjects or ()]
        rollups = str(wanted.name).startswith(("KV_", "OBJ_"))
        before = dataclasses.replace(
            wanted, subjects=plain, subject_transform=None, allow_rollup_hdrs=rollups
        )
        await border.add_stream(js, before)
    nc = await server_without_streams.client("mailbox")
    await Client.publish(await server_without_streams.client("operator"), "heraldry.relay.mailbox", b"before")
    await ensure(js, SMALL)
    sent = await border.jetstream(nc).publish("heraldry.relay.mailbox", b"after")
    assert [(await js.get_msg("HERALDRY", seq=seq)).data for seq in (1, sent.seq)] == [b"before", b"after"]
    assert (await js.get_last_msg("HERALDRY", "heraldry.relay.mailbox")).seq == sent.seq == 2
    for wanted in streams(SMALL):
        assert (await js.stream_info(str(wanted.name))).config.subjects == wanted.subjects


async def test_a_stream_of_another_shape_is_left_alone_and_named() -> None:
    async with NatsServer(provision=False) as server:
        js = border.jetstream(await server.client("operator"))
        strange = dataclasses.replace(streams(SMALL)[0], max_age=60.0)
        await border.add_stream(js, strange)
        with pytest.raises(ProvisionError, match=r"HERALDRY .*max_age"):
            await ensure(js, SMALL)
        assert (await js.stream_info("HERALDRY")).config.max_age == 60.0


async def test_a_service_waits_for_the_streams_and_for_a_server_that_syncs() -> None:
    async with NatsServer(provision=False) as server:
        nc = await server.client("mailbox")
        with pytest.raises(ProvisionError, match="supervisor"):
            await wait_until_ready(nc, deadline=0.3)
        waiting = asyncio.create_task(wait_until_ready(nc, deadline=20))
        await ensure(border.jetstream(await server.client("operator")), SMALL)
        await waiting


async def test_a_server_that_may_lose_acknowledged_writes_is_refused() -> None:
    server = NatsServer(provision=False)
    lax = server.files.config.read_text().replace('"sync_interval": "always"', '"sync_interval": "2m"')
    server.files.config.write_text(lax)
    async with server:
        with pytest.raises(ProvisionError, match="sync_interval: always"):
            await assert_synchronous(await server.client("mailbox"))


async def test_a_full_stream_refuses_what_is_new_and_keeps_what_it_has() -> None:
    budgets = Budgets(events=MIB, keys=MIB, parked=MIB, vault=MIB, small=MIB, blobs=MIB)
    async with NatsServer(provision=False) as server:
        js = border.jetstream(await server.client("operator"))
        await ensure(js, budgets)

        async def fill() -> None:
            while True:
                await js.publish("heraldry.relay.mailbox", b"x" * 100_000)

        with pytest.raises(APIError, match="maximum bytes"):
            await fill()
        assert (await js.stream_info("HERALDRY")).state.messages > 0

        # keys, secrets, halts and pointers have budgets of their own
        await js.publish("heraldry.keys.mailbox.someone", b"wrapped")
        await js.publish("$KV.VAULT.mailbox.someone.password", b"sealed")
        await js.publish("heraldry.parked.mailbox.mailbox-imports._", b"pointer")
        flags = HaltFlags(await server.client("operator"))
        await flags.set(SYSTEM, actor="system:operator", reason="full")
        assert (await flags.check_now()) is not None
        await flags.stop()


async def test_pointers_that_all_contexts_kept_together_are_handed_out(
    server_without_streams: NatsServer,
) -> None:
    js = border.jetstream(await server_without_streams.client("operator"))
    before = dataclasses.replace(
        streams(SMALL)[0], name="PARKED", subjects=[written("heraldry.parked.>")], allow_atomic=None
    )
    await border.add_stream(js, before)
    for number, context in enumerate(("mailbox", "scheduler", "mailbox")):
        await js.publish(f"heraldry.parked.{context}.{context}-imports._", str(number).encode())
    for _ in range(2):
        await ensure(js, SMALL)
    for context, kept in (("mailbox", [b"0", b"2"]), ("scheduler", [b"1"]), ("identity", [])):
        name = f"PARKED_{context}"
        assert (await js.stream_info(name)).state.messages == len(kept)
        assert [(await js.get_msg(name, seq=at)).data for at in range(1, len(kept) + 1)] == kept
    with pytest.raises(NotFoundError):
        await js.stream_info("PARKED")


def one_for_all(_: str) -> str:
    return "BLOBS"


async def test_blobs_that_all_contexts_kept_together_are_handed_out(
    server_without_streams: NatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = server_without_streams
    js = border.jetstream(await server.client("operator"))
    await put_blobs_before(js, [("$O.BLOBS.M.x", b"of nobody")])
    key, contents = Key("someone", os.urandom(32)), {"identity": os.urandom(300_000), "scheduler": b"leads"}
    references: dict[str, BlobReference] = {}
    with monkeypatch.context() as before:
        before.setattr(blobs, "blob_store", one_for_all)
        for context, content in contents.items():
            shared_store = Blobs(await server.client("operator"), context)
            references[context] = await shared_store.put(key, content, max_size=MIB)
            await shared_store.delete(await shared_store.put(key, b"no more", max_size=MIB))
    named = await js.object_store("BLOBS")
    told = await named.get_info(f"identity.someone.{references['identity'].digest}")
    (own,) = (one for one in streams(SMALL) if one.name == "OBJ_BLOBS_identity")
    await border.add_stream(js, own)
    await js.publish(f"$O.BLOBS_identity.C.{told.nuid}", b"of a try that was cut short")

    for _ in range(2):
        await ensure(js, SMALL)
    for context, content in contents.items():
        kept = Blobs(await server.client(context), context)
        assert await kept.get(key, references[context]) == content
    assert (await js.stream_info("OBJ_BLOBS_scheduler")).state.messages == 2  # one piece, one name
    with pytest.raises(NotFoundError):
        await js.stream_info("OBJ_BLOBS")
