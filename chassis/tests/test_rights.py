"""Every user of NATS may do what it needs; what it must not do is tried against a real server."""

from __future__ import annotations

import asyncio
import base64
import json
import os
from collections.abc import AsyncIterator
from uuid import uuid4

import nats.errors
import pytest
from heraldry.chassis.bus import border, rights
from heraldry.chassis.bus.follow import Follower
from heraldry.chassis.bus.rpc import Asking, Caller, Server
from heraldry.chassis.testing.nats import NatsServer
from heraldry.chassis.testing.waiting import until
from heraldry.chassis.vault.blobs import Blobs, BlobUnknownError
from heraldry.chassis.vault.keys import Key, Record
from heraldry.contracts.base import Accepted, By
from heraldry.contracts.erasure import RequestErasure
from nats.aio.msg import Msg
from nats.js import JetStreamContext
from nats.js.errors import APIError, NotFoundError

from chassis.tests.violations import deaf, refused, violated

parts = pytest.mark.parts
SHORT = 0.4  # seconds; a refused request is never answered


@pytest.fixture
async def server() -> AsyncIterator[NatsServer]:
    async with NatsServer() as running:
        yield running


def test_no_service_has_a_right_that_reaches_another_ones_keys_consumers_or_inbox() -> None:
    table = rights.users()
    for context in rights.CONTEXTS:
        mine = table[context]
        for other in set(rights.CONTEXTS) - {context}:
            for subject in mine.publish:
                assert f"heraldry.keys.{other}" not in subject
                assert f"$KV.VAULT.{other}" not in subject
                assert f"heraldry.events.*.{other}" not in subject
                assert rights.blob_store(other) not in subject or "STREAM.INFO" in subject
                assert all(f".{name}" not in subject for name in rights.DURABLES[other]), subject
            assert not any(f"_INBOX_{other}" in subject for subject in mine.subscribe)
        assert ">" not in mine.publish
        assert "*" not in {subject.split(".")[0] for subject in (*mine.publish, *mine.subscribe)}
        assert not any(subject.startswith("$JS.API.STREAM.UPDATE") for subject in mine.publish)


def test_a_service_asks_for_checkpoints_of_its_own_log_only_and_the_signer_asks_nobody() -> None:
    table = rights.users()
    for context in rights.CONTEXTS:
        signer = {subject for subject in table[context].publish if subject.startswith("heraldry.signer.")}
        assert signer == {f"{rights.SIGN}.{context}"}
        assert not any(subject.startswith("heraldry.signer.") for subject in table[context].subscribe)
    assert all(subject.startswith("_INBOX_") for subject in table[rights.SIGNER].publish)
    assert rights.SANDBOX in table
    assert not any("signer" in subject for subject in table[rights.SANDBOX].publish)


def test_a_service_answers_only_who_may_ask_it() -> None:
    table = rights.users()
    for context in rights.CONTEXTS:
        answered = {one.split(".")[0] for one in table[context].publish if one.startswith("_INBOX_")}
        asking = {other for other in rights.CONTEXTS if context in rights.SENDS[other]}
        assert answered == {f"_INBOX_{user}" for user in (*asking, context, rights.OPERATOR)}


FORBIDDEN = (
    "$KV.HALT.system",
    "heraldry.relay.identity",
    "heraldry.keys.scheduler.someone",
    "$KV.VAULT.scheduler.someone.password",
    "heraldry.commands.identity.RequestErasure",
    "heraldry.signer.begin.identity",
)


@parts
@pytest.mark.parametrize("forbidden", FORBIDDEN)
async def test_a_service_cannot_answer_itself_where_it_may_not_write(
    server: NatsServer, forbidden: str
) -> None:
    nc, operator = await server.client("linkedin-driver"), await server.client(rights.OPERATOR)
    heard: list[Msg] = []
    asked: asyncio.Queue[Msg] = asyncio.Queue()

    async def hear(message: Msg) -> None:
        heard.append(message)

    await border.subscribe(operator, forbidden, cb=hear)
    await operator.flush()
    await border.subscribe(nc, "heraldry.commands.linkedin-driver.Own", cb=asked.put)
    await nc.publish("heraldry.commands.linkedin-driver.Own", b"", reply=forbidden)
    message = await asyncio.wait_for(asked.get(), 5)
    await message.respond(b"forged")
    assert await violated(nc, rights.written(forbidden))
    await operator.flush()
    assert heard == []


@parts
async def test_what_the_server_was_made_to_send_in_a_service_s_stead_is_not_carried_out(
    server: NatsServer,
) -> None:
    """JetStream answers wherever it is told to, with its own rights: a service could have a command sent so."""
    nc = await server.client("linkedin-driver")
    identity = await server.client("identity")
    ran: list[str] = []
    serving = Server(identity, "identity")

    async def carry_out(command: RequestErasure, asking: Asking) -> Accepted:
        ran.append(asking.by.actor)
        return Accepted(position="identity:e:1", fresh=True)

    serving.command(RequestErasure, carry_out)
    await serving.start()
    await identity.flush()
    where = "$KV.LEASES.linkedin-driver.x"
    request = {
        "id": str(uuid4()),
        "by": {"organization": None, "actor": "operator"},
        "data": {"kind": "lead", "subject": str(uuid4()), "reason": "forged"},
    }
    await border.jetstream(nc).publish(where, json.dumps(request).encode())
    forbidden = "heraldry.commands.identity.RequestErasure"
    reached: asyncio.Queue[Msg] = asyncio.Queue()
    operator = await server.client(rights.OPERATOR)
    await border.subscribe(operator, forbidden, cb=reached.put)
    await operator.flush()
    await nc.publish(f"$JS.API.DIRECT.GET.KV_LEASES.{where}", b"", reply=forbidden)
    message = await asyncio.wait_for(reached.get(), 5)
    assert b"forged" in message.data  # it came there: that is the server's way
    await Caller(operator).send(
        RequestErasure(kind="lead", subject=uuid4(), reason="asked"),
        by=By(organization=None, actor="operator"),
        id=uuid4(),
    )
    assert ran == ["operator"]  # the second one only
    await serving.stop()


FOREIGN = {  # what a service would like to have stored, and where it would stand
    "$KV.HALT.system": "KV_HALT",
    "$KV.CLOCK.offset": "KV_CLOCK",
    "$KV.VAULT.mailbox.someone.password": "KV_VAULT",
    "$KV.LEASES.mailbox.x": "KV_LEASES",
    "$KV.CHECKPOINTS.mailbox.relay.replay": "KV_CHECKPOINTS",
    "$O.BLOBS_scheduler.M.x": "OBJ_BLOBS_scheduler",
    "heraldry.parked.mailbox.mailbox-imports._": "PARKED_mailbox",
    "heraldry.keys.mailbox.someone": "KEYS",
    "heraldry.relay.mailbox": "HERALDRY",
    "heraldry.events.o.mailbox._.Forged": "HERALDRY",
    "heraldry.internal.scheduler.0.x.StepDispatched": "HERALDRY",
}


@parts
async def test_nothing_is_stored_in_a_service_s_stead_where_it_may_not_write(server: NatsServer) -> None:
    """JetStream's answers, its deliveries, and the server's own: each is sent with the server's rights."""
    nc, operator = await server.client("linkedin-driver"), await server.client(rights.OPERATOR)
    js, all_rights = border.jetstream(nc), border.jetstream(operator)
    lease, event = "$KV.LEASES.linkedin-driver.x", "heraldry.events.o.linkedin-driver._.E"
    forged = Record(state="destroyed").model_dump_json().encode()
    for subject in (lease, event):
        await js.publish(subject, forged, headers={"Nats-Expected-Last-Subject-Sequence": "0"})
    durable = rights.DURABLES["linkedin-driver"][0]
    config: dict[str, object] = {"name": durable, "durable_name": durable, "ack_policy": "explicit"}
    make = f"$JS.API.CONSUMER.DURABLE.CREATE.HERALDRY.{durable}"
    await nc.request(make, json.dumps({"stream_name": "HERALDRY", "config": config}).encode(), timeout=2)
    asked = (
        (f"$JS.API.DIRECT.GET.KV_LEASES.{lease}", b""),
        ("$JS.API.DIRECT.GET.HERALDRY", json.dumps({"last_by_subj": event}).encode()),
        ("$JS.API.DIRECT.GET.HERALDRY", json.dumps({"seq": 1, "batch": 9}).encode()),
        ("$JS.API.STREAM.MSG.GET.HERALDRY", json.dumps({"last_by_subj": event}).encode()),
        (f"$JS.API.CONSUMER.MSG.NEXT.HERALDRY.{durable}", b'{"batch":1,"no_wait":true}'),
        (f"$JS.ACK.HERALDRY.{durable}.1.1.1.1.0", b"+NXT"),
        ("$JS.API.INFO", b""),
        (rights.SERVER_STATE, b""),
        (event, b"stored, and acknowledged"),
    )
    before = await _kept(all_rights)
    own = 0
    for number, target in enumerate([*FOREIGN, *map(rights.written, FOREIGN)]):
        for subject, body in asked:
            await nc.publish(subject, body, reply=target)
            own += subject == event and not target.startswith(rights.WRITTEN)
        deliver = {
            "name": f"push-{number}",
            "deliver_subject": target,
            "filter_subject": lease,
            "ack_policy": "none",
            "idle_heartbeat": 100_000_000,
            "flow_control": True,
        }
        await nc.request(
            f"$JS.API.CONSUMER.CREATE.KV_LEASES.push-{number}.{lease}",
            json.dumps({"stream_name": "KV_LEASES", "config": deliver}).encode(),
            timeout=2,
        )
        if target.startswith(rights.WRITTEN):
            assert await violated(nc, target)
    await js.publish(event, b"last")  # what was asked before is answered by now
    before["HERALDRY"] += own + 1
    after = await _kept(all_rights)
    assert after == before
    for subject, stream in FOREIGN.items():
        with pytest.raises(NotFoundError):
            await all_rights.get_last_msg(stream, subject)


@parts
async def test_nobody_has_the_server_ask_jetstream_for_what_he_may_not(server: NatsServer) -> None:
    """An answer of JetStream that goes to its API would be a request with the server's rights."""
    nc, operator = await server.client("linkedin-driver"), border.jetstream(await server.client("operator"))
    for subject in ("heraldry.keys.mailbox.someone", "$KV.VAULT.mailbox.someone.password"):
        await operator.publish(subject, b"kept")
    js, lease = border.jetstream(nc), "$KV.LEASES.linkedin-driver.x"
    durable = rights.DURABLES["linkedin-driver"][0]
    make = {"stream_name": "HERALDRY", "config": {"durable_name": durable, "ack_policy": "explicit"}}
    await nc.request(
        f"$JS.API.CONSUMER.DURABLE.CREATE.HERALDRY.{durable}", json.dumps(make).encode(), timeout=2
    )
    copy = {"stream_name": "KEYS", "config": {"durable_name": "copy", "ack_policy": "none"}}
    for asked, body in (
        ("$JS.API.STREAM.PURGE.KV_VAULT", b"{}"),
        ("$JS.API.STREAM.MSG.DELETE.KEYS", b'{"seq":1}'),
        ("$JS.API.CONSUMER.DURABLE.CREATE.KEYS.copy", json.dumps(copy).encode()),
        ("$JS.API.STREAM.PURGE.KEYS", b""),
        ("$JS.API.STREAM.DELETE.KEYS", b""),
    ):
        await js.publish(lease, body)
        for target in (asked, rights.written(asked)):
            await nc.publish(f"$JS.API.DIRECT.GET.KV_LEASES.{lease}", b"", reply=target)
            await nc.publish(
                f"$JS.API.CONSUMER.MSG.NEXT.HERALDRY.{durable}", b'{"batch":1,"no_wait":true}', reply=target
            )
            await nc.publish("$JS.API.INFO", b"", reply=target)
        assert await violated(nc, rights.written(asked))
    await js.publish(lease, b"last")  # what was asked before is answered by now
    keys, vault = await operator.stream_info("KEYS"), await operator.stream_info("KV_VAULT")
    assert (keys.state.messages, keys.state.consumer_count, vault.state.messages) == (1, 0, 1)


async def _kept(js: JetStreamContext) -> dict[str, int]:
    return {name: (await js.stream_info(name)).state.last_seq for name in sorted({*FOREIGN.values()})}


@parts
async def test_no_context_empties_a_bucket_that_others_share(server: NatsServer) -> None:
    nc = await server.client("scheduler")
    theirs, mine = border.jetstream(await server.client("mailbox")), border.jetstream(nc)
    operator = border.jetstream(await server.client("operator"))
    for bucket in ("VAULT", "LEASES", "CHECKPOINTS"):
        await theirs.publish(f"$KV.{bucket}.mailbox.x", b"kept")
        for what in ("all", "sub"):
            with pytest.raises(APIError, match="rollup"):
                await mine.publish(f"$KV.{bucket}.scheduler.x", b"", headers={"Nats-Rollup": what})
        assert await refused(nc, f"$JS.API.STREAM.PURGE.KV_{bucket}", {})
        assert (await operator.get_last_msg(f"KV_{bucket}", f"$KV.{bucket}.mailbox.x")).data == b"kept"


@parts
async def test_a_service_does_its_own_work(server: NatsServer) -> None:
    nc = await server.client("mailbox")
    js = border.jetstream(nc)
    await js.publish(f"heraldry.events.{uuid4()}.mailbox._.MailboxConnected", b"{}")
    await js.publish("heraldry.relay.mailbox", b"{}")
    assert (await js.get_last_msg("HERALDRY", "heraldry.relay.mailbox")).data == b"{}"
    durable = rights.DURABLES["mailbox"][0]
    events = await js.pull_subscribe("heraldry.events.>", durable=durable, stream="HERALDRY")
    for message in await events.fetch(1, timeout=5):
        await message.ack_sync(timeout=2)
    leases = await js.key_value("LEASES")
    await leases.put("mailbox.one", b"me")
    assert (await leases.get("mailbox.one")).value == b"me"

    async def answer(message: Msg) -> None:
        await message.respond(b"yes")

    await border.subscribe(nc, "heraldry.commands.mailbox.Send", queue="mailbox", cb=answer)
    await nc.flush()
    gateway = await server.client("gateway")
    assert (await gateway.request("heraldry.commands.mailbox.Send", b"", timeout=2)).data == b"yes"


@parts
@pytest.mark.parametrize(
    "subject",
    [
        "heraldry.events.o.scheduler._.QuotaConsumed",
        "heraldry.internal.scheduler.0.x.StepDispatched",
        "heraldry.relay.scheduler",
        "heraldry.keys.scheduler.someone",
        "heraldry.parked.scheduler.c",
        "heraldry.signer.sign.scheduler",
        "heraldry.signer.begin.mailbox",
        "heraldry.commands.gateway.MakeAdmin",
        "$KV.VAULT.scheduler.someone.password",
        "$KV.VAULT.public.scheduler",
        "$KV.HALT.system",
        "$KV.CLOCK.offset",
        "$KV.SESSIONS.x",
        "$JS.API.DIRECT.GET.KEYS.heraldry.keys.scheduler.someone",
        "$JS.API.DIRECT.GET.KEYS",
        "$JS.API.STREAM.MSG.GET.KEYS",
        "$JS.API.STREAM.MSG.GET.KV_VAULT",
        "$JS.API.DIRECT.GET.KV_VAULT.$KV.VAULT.scheduler.someone.password",
        "$JS.API.CONSUMER.CREATE.KEYS",
        "$JS.API.CONSUMER.CREATE.KEYS.mine",
        "$JS.API.CONSUMER.CREATE.KEYS.mine.heraldry.keys.>",
        "$JS.API.CONSUMER.CREATE.KEYS.mine.heraldry.keys.scheduler.>",
        "$JS.API.CONSUMER.DURABLE.CREATE.KEYS.mine",
        "$JS.API.CONSUMER.CREATE.KV_VAULT.mine.$KV.VAULT.>",
        "$JS.API.CONSUMER.CREATE.HERALDRY.scheduler-reactions",
        "$JS.API.CONSUMER.MSG.NEXT.HERALDRY.scheduler-reactions",
        "$JS.API.CONSUMER.DELETE.HERALDRY.scheduler-reactions",
        "$JS.ACK.HERALDRY.scheduler-reactions.1.1.1.1.0",
        "$JS.API.STREAM.UPDATE.HERALDRY",
        "$JS.API.STREAM.DELETE.HERALDRY",
        "$JS.API.STREAM.PURGE.HERALDRY",
        "$JS.API.STREAM.MSG.DELETE.HERALDRY",
        "$JS.API.STREAM.MSG.GET.PARKED_scheduler",
        "$JS.API.STREAM.MSG.DELETE.PARKED_scheduler",
        "$JS.API.DIRECT.GET.PARKED_scheduler.heraldry.parked.scheduler.scheduler-imports._",
        "$O.BLOBS_scheduler.M.x",
        "$JS.API.STREAM.MSG.GET.OBJ_BLOBS_scheduler",
        "$JS.API.STREAM.PURGE.OBJ_BLOBS_scheduler",
        "$JS.API.STREAM.INFO.KEYS",
        "$JS.API.STREAM.CREATE.MINE",
        "_INBOX_linkedin-driver.x",
        "$SYS.REQ.USER.AUTH",
    ],
)
async def test_a_service_may_not_publish(server: NatsServer, subject: str) -> None:
    assert await refused(await server.client("mailbox"), subject, {})


@parts
async def test_a_service_may_not_listen_to_others(server: NatsServer) -> None:
    nc = await server.client("mailbox")
    for subject in (
        ">",
        "_INBOX_scheduler.>",
        "_INBOX.>",
        "heraldry.commands.scheduler.*",
        "heraldry.signer.>",
        "heraldry.keys.>",
        "heraldry.events.>",
        rights.written("heraldry.keys.>"),
        "$JS.API.>",
        "$SYS.REQ.USER.AUTH",
        "_INBOX_gateway.>",
    ):
        assert await deaf(nc, subject), subject


@parts
async def test_a_context_s_blobs_are_its_own(server: NatsServer) -> None:
    identity, scheduler = await server.client("identity"), await server.client("scheduler")
    key, leads = Key("someone", os.urandom(32)), Blobs(scheduler, "scheduler")
    reference = await leads.put(key, b"a file of leads", max_size=100)
    operator = border.jetstream(await server.client("operator"))
    told = await (await operator.object_store("BLOBS_scheduler")).get_info(
        f"scheduler.someone.{reference.digest}"
    )
    name = base64.urlsafe_b64encode(told.name.encode()).decode()
    for subject, document in (
        ("$JS.API.STREAM.PURGE.OBJ_BLOBS_scheduler", {}),
        ("$JS.API.STREAM.PURGE.OBJ_BLOBS_scheduler", {"filter": f"$O.BLOBS_scheduler.C.{told.nuid}"}),
        ("$JS.API.STREAM.MSG.DELETE.OBJ_BLOBS_scheduler", {"seq": 1}),
        ("$JS.API.STREAM.DELETE.OBJ_BLOBS_scheduler", {}),
        ("$JS.API.CONSUMER.CREATE.OBJ_BLOBS_scheduler", {}),
        (f"$O.BLOBS_scheduler.M.{name}", {"deleted": True}),
        (f"$O.BLOBS_scheduler.C.{told.nuid}", {}),
    ):
        assert await refused(identity, subject, document), subject
    assert await leads.get(key, reference) == b"a file of leads"
    await leads.delete(reference)
    with pytest.raises(BlobUnknownError):
        await leads.get(key, reference)


@parts
async def test_the_filter_of_a_consumer_is_what_its_subject_says(server: NatsServer) -> None:
    operator = await server.client("operator")
    await border.jetstream(operator).publish("heraldry.keys.scheduler.someone", b"wrapped")
    nc = await server.client("mailbox")
    inbox = nc.new_inbox()
    heard = await border.subscribe(nc, inbox)
    config = {"name": "mine", "deliver_subject": inbox, "ack_policy": "none", "deliver_policy": "all"}
    for filters in (
        {"filter_subject": "heraldry.keys.scheduler.>"},
        {"filter_subjects": ["heraldry.keys.scheduler.>"]},
        {},
    ):
        answer = await nc.request(
            "$JS.API.CONSUMER.CREATE.KEYS.mine.heraldry.keys.mailbox.>",
            json.dumps({"stream_name": "KEYS", "config": {**config, **filters}}).encode(),
            timeout=2,
        )
        assert "error" in json.loads(answer.data), filters
    with pytest.raises(nats.errors.TimeoutError):
        await heard.next_msg(timeout=SHORT)


@parts
async def test_the_gateway_makes_subscribers_but_touches_no_services_consumer(server: NatsServer) -> None:
    gateway = await server.client("gateway")
    for subject in (
        "$JS.API.CONSUMER.CREATE.HERALDRY.mailbox-control-0",
        "$JS.API.CONSUMER.DELETE.HERALDRY.mailbox-control-0",
        "$JS.API.DIRECT.GET.KEYS.heraldry.keys.mailbox.someone",
        "$JS.API.DIRECT.GET.KV_VAULT.$KV.VAULT.mailbox.service-mailbox.sealing",
        "$KV.VAULT.public.mailbox",
        "$JS.API.CONSUMER.MSG.NEXT.HERALDRY.sub_x",
    ):
        assert await refused(gateway, subject, {}), subject


@parts
async def test_a_view_of_the_gateway_follows_several_subjects_from_where_it_was(server: NatsServer) -> None:
    publisher = border.jetstream(await server.client("mailbox"))
    event = f"heraldry.events.{uuid4()}.mailbox._.MailboxConnected"
    for subject in (event, "heraldry.relay.mailbox", "heraldry.internal.mailbox.0.x.Y", event):
        await publisher.publish(subject, b"{}")
    seen: list[int] = []
    follower = Follower(
        await server.client("gateway"),
        rights.EVENTS,
        ("heraldry.events.>", "heraldry.relay.>"),
        lambda entry: seen.append(entry.sequence),
        after=1,
    )
    await follower.start()
    assert seen == [2, 4]
    await publisher.publish(event, b"{}")
    await until(lambda: seen == [2, 4, 5])
    await follower.stop()


@parts
async def test_the_sandbox_moves_the_clock_and_nothing_else(server: NatsServer) -> None:
    nc = await server.client("sandbox")
    clock = await border.jetstream(nc).key_value("CLOCK")
    await clock.put("offset", b"60")
    mailbox = await server.client("mailbox")
    assert (await (await border.jetstream(mailbox).key_value("CLOCK")).get("offset")).value == b"60"
    for subject in ("$KV.HALT.system", "heraldry.commands.gateway.X", "$JS.API.STREAM.MSG.GET.HERALDRY"):
        assert await refused(nc, subject, {})
    assert await deaf(nc, "heraldry.>")
