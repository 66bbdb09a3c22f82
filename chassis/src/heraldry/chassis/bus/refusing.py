"""Which streams the NATS server refuses to write to, as it says itself.

A write that met a full disk closes its stream for writing until the server is started again, whatever space there is by
then. Whoever publishes there is not even answered; reading goes on.
"""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import Final

import structlog
from heraldry.chassis.bus import rights
from heraldry.chassis.bus.server import ACCOUNT
from nats.aio.client import Client
from nats.errors import Error as NatsError
from prometheus_client import Gauge
from pydantic import BaseModel, ConfigDict, ValidationError

log = structlog.stdlib.get_logger(__name__)

CODE: Final = "nats.refuses-writes"
FRESH: Final = 2.0  # seconds an answer is good for
PATIENCE: Final = 1.0
WORDS: Final = "write error"  # the server's
ASKED: Final = f'{{"details": true, "account": "{ACCOUNT}"}}'.encode()
REFUSING: Final = Gauge(
    "heraldry_bus_refuses_writes", "1 while NATS refuses writes to this stream", ["stream"]
)


class _Found(BaseModel):
    model_config = ConfigDict(extra="ignore")

    stream: str = ""
    error: str = ""


class _Health(BaseModel):
    model_config = ConfigDict(extra="ignore")

    errors: tuple[_Found, ...] = ()


class _Answer(BaseModel):
    """The part of the server's answer to $SYS.REQ.SERVER.PING.HEALTHZ that is needed."""

    model_config = ConfigDict(extra="ignore")

    data: _Health


class RefusedWrites:
    """Asks the server when somebody wants to know. In a cluster the first server to answer speaks."""

    def __init__(self, nc: Client, clock: Callable[[], float] = monotonic) -> None:
        self._nc, self._clock = nc, clock
        self._refusing: frozenset[str] = frozenset()
        self._asked: float | None = None

    async def problem(self) -> str | None:
        """What a person has to know and do; None while everything can be written."""
        await self.measure()
        if not self._refusing:
            return None
        return (
            f"{CODE}: NATS refuses what is written to {', '.join(sorted(self._refusing))}."
            " Its disk is or was full: free some space there and start NATS again."
        )

    async def measure(self) -> None:
        """Sets the metric. Who does not answer, or may not be asked, leaves it as it is."""
        now = self._clock()
        if self._asked is not None and now - self._asked < FRESH:
            return
        self._asked = now
        try:
            answer = await self._nc.request(rights.SERVER_HEALTH, ASKED, timeout=PATIENCE)
            found = _Answer.model_validate_json(answer.data).data.errors
        except (NatsError, TimeoutError, ValidationError):
            return
        self._tell(frozenset(one.stream for one in found if one.stream and WORDS in one.error))

    def _tell(self, refusing: frozenset[str]) -> None:
        for stream in refusing | self._refusing:
            REFUSING.labels(stream).set(stream in refusing)
        if refusing - self._refusing:
            log.error("NATS refuses writes", code=CODE, streams=sorted(refusing))
        elif self._refusing and not refusing:
            log.info("NATS takes writes again", streams=sorted(self._refusing))
        self._refusing = refusing
