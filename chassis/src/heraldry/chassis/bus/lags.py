"""How far consumers are behind, and since when: metrics and alerts. No readiness hangs on them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from heraldry.chassis.bus import border
from heraldry.chassis.bus.direct import DirectGet
from heraldry.contracts import subjects
from nats.aio.client import Client
from nats.js.api import ConsumerInfo
from nats.js.errors import NotFoundError
from prometheus_client import Gauge

MESSAGES: Final = Gauge(
    "heraldry_consumer_lag_messages", "Messages a consumer has not finished", ["context", "consumer"]
)
OLDEST: Final = Gauge(
    "heraldry_consumer_oldest_seconds",
    "How long the oldest message a consumer has not finished stands in the stream",
    ["context", "consumer"],
)
PARKED: Final = Gauge("heraldry_parked_messages", "Messages that wait for a person", ["context"])
BYTES: Final = Gauge("heraldry_stream_bytes", "Bytes a stream of the bus takes", ["stream"])
BUDGET: Final = Gauge("heraldry_stream_budget_bytes", "Bytes it may take", ["stream"])


class Lags:
    """The durable consumers of one context, its parked messages, and the budgets of some streams."""

    def __init__(self, nc: Client, context: str, durables: Sequence[str], streams: Sequence[str]) -> None:
        self._js, self._context = border.jetstream(nc), context
        self._durables, self._streams = tuple(durables), tuple(streams)
        self._direct = DirectGet(nc, subjects.STREAM)

    async def measure(self) -> None:
        await asyncio.gather(
            *(self._consumer(name) for name in self._durables),
            *(self._stream(name) for name in self._streams),
            self._parked(),
        )

    async def stop(self) -> None:
        await self._direct.stop()

    async def _consumer(self, name: str) -> None:
        try:
            info = await self._js.consumer_info(subjects.STREAM, name)
        except NotFoundError:
            return  # it is made when its service starts the first time
        waiting = (info.num_pending or 0) + (info.num_ack_pending or 0)
        MESSAGES.labels(self._context, name).set(waiting)
        OLDEST.labels(self._context, name).set(await self._age(info) if waiting else 0.0)

    async def _age(self, info: ConsumerInfo) -> float:
        """Seconds by the real clock: NATS' clock is what a message's time is of."""
        config = info.config
        filters = config.filter_subjects or [config.filter_subject or ">"]
        done = info.ack_floor.stream_seq if info.ack_floor else 0
        found = [
            message.time
            for subject in filters
            for message in await self._direct.following(subject, done or 0, 1)
        ]
        return max(0.0, (datetime.now(UTC) - min(found)).total_seconds()) if found else 0.0

    async def _parked(self) -> None:
        info = await self._js.stream_info(subjects.parked_stream(self._context))
        PARKED.labels(self._context).set(info.state.messages)

    async def _stream(self, name: str) -> None:
        info = await self._js.stream_info(name)
        BYTES.labels(name).set(info.state.bytes)
        BUDGET.labels(name).set(info.config.max_bytes or 0)
