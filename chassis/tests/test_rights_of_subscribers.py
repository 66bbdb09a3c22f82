"""A subscriber hears its organization's events and nothing else; what it must not do is tried against a real server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import nats.errors
import pytest
from heraldry.chassis.bus import border, rights
from heraldry.chassis.bus.rights import SubscriberRights
from heraldry.chassis.bus.subscribers import answer_callouts, delete_consumer, make_consumer
from heraldry.chassis.testing.nats import NatsServer
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js import JetStreamContext
from nats.js.errors import APIError, NotFoundError

from chassis.tests.violations import deaf, refused

pytestmark = pytest.mark.parts
SHORT = 0.4  # seconds; a refused request is never answered


@pytest.fixture
async def server() -> AsyncIterator[NatsServer]:
    async with NatsServer() as running:
        yield running


class Subscribers:
    """The gateway's part: who is known with which password."""

    def __init__(self) -> None:
        self.known: dict[str, tuple[str, SubscriberRights]] = {}
        self.asked: list[str] = []

    async def lookup(self, user: str, password: str) -> SubscriberRights | None:
        self.asked.append(user)
        if user == "sub_broken":
            raise RuntimeError(password)
        found = self.known.get(user)
        return found[1] if found and found[0] == password else None


async def subscriber(server: NatsServer, known: Subscribers, organization: UUID) -> tuple[UUID, Client]:
    gateway = await server.client("gateway")
    identifier = uuid4()
    granted = await make_consumer(border.jetstream(gateway), identifier, organization)
    known.known[granted.consumer] = ("secret", granted)
    return identifier, await server.sign_in(granted.consumer, "secret")


async def test_a_subscriber_reads_its_organization_and_no_other(server: NatsServer) -> None:
    known, acme, other = Subscribers(), uuid4(), uuid4()
    gateway = await server.client("gateway")
    await answer_callouts(gateway, server.files.callout_seed, known.lookup)
    publisher = border.jetstream(await server.client("mailbox"))
    identifier, nc = await subscriber(server, known, acme)
    await publisher.publish(f"heraldry.events.{other}.mailbox._.MailboxConnected", b"theirs")
    await publisher.publish(f"heraldry.events.{acme}.mailbox._.MailboxConnected", b"ours")
    await publisher.publish(f"heraldry.internal.mailbox.0.{acme}.StepDispatched", b"private")
    await publisher.publish("heraldry.relay.mailbox", b"marker")

    events = await border.jetstream(nc).pull_subscribe_bind(
        consumer=rights.subscriber_name(str(identifier)), stream="HERALDRY"
    )
    seen: list[bytes] = []
    async with asyncio.timeout(10):
        while len(seen) < 2:
            for message in await events.fetch(10, timeout=1):
                seen.append(message.data)
                await message.ack()
    assert seen == [b"ours", b"marker"]
    await nc.flush()

    neighbour, theirs = await subscriber(server, known, other)
    consumer, mine = rights.subscriber_name(str(neighbour)), rights.subscriber_name(str(identifier))
    for subject in (
        f"$JS.API.CONSUMER.MSG.NEXT.HERALDRY.{consumer}",
        f"$JS.ACK.HERALDRY.{consumer}.1.1.1.1.0",
        f"$JS.API.CONSUMER.INFO.HERALDRY.{mine}",
        f"$JS.API.CONSUMER.CREATE.HERALDRY.{mine}",
        f"$JS.API.CONSUMER.DELETE.HERALDRY.{mine}",
        "$JS.API.STREAM.MSG.GET.HERALDRY",
        "$JS.API.DIRECT.GET.HERALDRY",
        "$JS.API.STREAM.INFO.HERALDRY",
        "$JS.API.INFO",
        "$JS.ACK.HERALDRY.mailbox-reactions.1.1.1.1.0",
        f"heraldry.events.{acme}.mailbox._.MailboxConnected",
        "heraldry.commands.gateway.X",
        "heraldry.server.state",
        "heraldry.server.health",
        f"_INBOX_{consumer}.x",
        "$SYS.REQ.USER.AUTH",
    ):
        assert await refused(nc, subject, {}), subject
    for subject in (">", "_INBOX.>", f"_INBOX_{consumer}.>", f"heraldry.events.{acme}.>", "$SYS.>"):
        assert await deaf(nc, subject), subject

    await delete_consumer(border.jetstream(gateway), identifier)
    await delete_consumer(border.jetstream(gateway), identifier)
    await publisher.publish(f"heraldry.events.{acme}.mailbox._.MailboxPaused", b"later")
    with pytest.raises((nats.errors.Error, APIError, NotFoundError)):
        await events.fetch(1, timeout=SHORT)
    assert theirs.is_connected


async def test_who_is_not_known_does_not_get_in_and_services_are_not_asked_about(server: NatsServer) -> None:
    known = Subscribers()
    await answer_callouts(await server.client("gateway"), server.files.callout_seed, known.lookup)
    for user, password in (("sub_x", "secret"), ("sub_broken", "secret"), ("", ""), ("mailbox", "wrong")):
        with pytest.raises(nats.errors.Error):
            await server.sign_in(user, password, reconnect=False)
    await server.client("mailbox")
    await server.client("operator")
    assert known.asked == ["sub_x", "sub_broken", ""]


@pytest.mark.parametrize(
    "asked",
    [
        b'{"batch":1,"expires":1000000000,"max_bytes":1}',  # answered with a status
        b'{"batch":1,"no_wait":true}',  # answered with an event
    ],
)
async def test_a_subscriber_cannot_have_answers_written_where_it_may_not_write(
    server: NatsServer, asked: bytes
) -> None:
    known, acme = Subscribers(), uuid4()
    await answer_callouts(await server.client("gateway"), server.files.callout_seed, known.lookup)
    operator = border.jetstream(await server.client("operator"))
    identifier, nc = await subscriber(server, known, acme)
    consumer = rights.subscriber_name(str(identifier))
    event = f"heraldry.events.{acme}.mailbox._.MailboxConnected"
    await border.jetstream(await server.client("mailbox")).publish(event, b"ours")
    targets = {
        "$KV.HALT.organization.x": "KV_HALT",
        "$KV.HALT.system": "KV_HALT",
        "heraldry.relay.identity": "HERALDRY",
        f"heraldry.events.{uuid4()}.identity._.Forged": "HERALDRY",
        "heraldry.keys.identity.x": "KEYS",
    }
    before = {name: (await operator.stream_info(name)).state.last_seq for name in targets.values()}
    for target in targets:
        await nc.publish(f"$JS.API.CONSUMER.MSG.NEXT.HERALDRY.{consumer}", asked, reply=target)
        for token in ("1.1.1.1.0", "1.1.1.1.1"):
            await nc.publish(f"$JS.ACK.HERALDRY.{consumer}.{token}", b"+ACK", reply=target)
            await nc.publish(f"$JS.ACK.HERALDRY.{consumer}.{token}", b"+NXT", reply=target)
    await nc.flush()
    events = await border.jetstream(nc).pull_subscribe_bind(consumer=consumer, stream="HERALDRY")
    await border.jetstream(await server.client("mailbox")).publish(event, b"last")
    async with asyncio.timeout(30):  # what was asked before is answered by the time this one comes
        while b"last" not in [message.data for message in await _fetched(events)]:
            pass
    after = {name: (await operator.stream_info(name)).state.last_seq for name in targets.values()}
    after["HERALDRY"] -= 1  # the last event
    assert after == before


async def _fetched(events: JetStreamContext.PullSubscription) -> list[Msg]:
    try:
        return await events.fetch(10, timeout=1)
    except (nats.errors.TimeoutError, TimeoutError):
        return []
