"""A connection to NATS that publishes what is to be stored where the streams listen."""

from __future__ import annotations

from heraldry.chassis.bus.rights import written
from nats.aio.client import Client


class BusClient(Client):
    """Whoever publishes, JetStream's side included, names the subject under which a message is kept."""

    async def publish(
        self, subject: str, payload: bytes = b"", reply: str = "", headers: dict[str, str] | None = None
    ) -> None:
        await super().publish(written(subject), payload, reply, headers)
