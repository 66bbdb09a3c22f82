"""A connection to NATS that publishes where streams and JetStream listen."""

from __future__ import annotations

from heraldry.chassis.bus.rights import written
from nats.aio.client import Client


class BusClient(Client):
    """Whoever publishes, JetStream's side included, names the subject as everybody knows it; see `rights.written`."""

    async def publish(
        self, subject: str, payload: bytes = b"", reply: str = "", headers: dict[str, str] | None = None
    ) -> None:
        await super().publish(written(subject), payload, reply, headers)
