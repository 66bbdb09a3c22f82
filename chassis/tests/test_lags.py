"""How far a consumer is behind and since when is measured, and keeps nobody from being ready."""

from __future__ import annotations

import asyncio

import pytest
from heraldry.chassis.bus import border
from heraldry.chassis.bus.lags import Lags
from heraldry.chassis.bus.parking import Parking
from heraldry.chassis.bus.reactions import ensure_consumer
from heraldry.chassis.health import Health
from heraldry.chassis.testing.nats import NatsServer
from nats.js.api import AckPolicy, ConsumerConfig
from prometheus_client import REGISTRY

pytestmark = pytest.mark.parts
NAME = "mailbox-imports"
EVENT = "heraldry.events._.identity._.IdentityCreated"


def told(metric: str, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(f"heraldry_{metric}", labels)


async def test_a_consumer_that_is_behind_is_told_of_and_its_service_is_ready() -> None:
    async with NatsServer() as server:
        nc = await server.client("mailbox")
        js, events = border.jetstream(nc), border.jetstream(await server.client("identity"))
        config = ConsumerConfig(durable_name=NAME, filter_subjects=[EVENT], ack_policy=AckPolicy.EXPLICIT)
        await ensure_consumer(js, config)
        health = Health(REGISTRY)
        lags = Lags(nc, "mailbox", (NAME, "mailbox-reactions"), ("PARKED_mailbox",))
        health.measure(lags.measure)
        for subject in (EVENT, "heraldry.relay.identity", EVENT):
            await events.publish(subject, b"{}")
        pulled = await js.pull_subscribe_bind(durable=NAME, stream="HERALDRY")
        first, second = await pulled.fetch(2, timeout=5)  # in hand, and not finished

        assert (await health.answer("/metrics")).ok
        before = told("consumer_oldest_seconds", context="mailbox", consumer=NAME)
        assert told("consumer_lag_messages", context="mailbox", consumer=NAME) == 2
        assert before is not None
        assert 0 < before < 60
        assert (await health.answer("/health/ready")).ok

        await second.ack_sync()  # not the oldest
        await lags.measure()
        assert (told("consumer_oldest_seconds", context="mailbox", consumer=NAME) or 0) > before
        await first.ack_sync()
        await asyncio.gather(lags.measure(), lags.measure())
        assert told("consumer_lag_messages", context="mailbox", consumer=NAME) == 0
        assert told("consumer_oldest_seconds", context="mailbox", consumer=NAME) == 0
        assert told("parked_messages", context="mailbox") == len(await Parking(nc, "mailbox").list()) == 0
        assert (told("stream_budget_bytes", stream="PARKED_mailbox") or 0) > 0
        await lags.stop()
