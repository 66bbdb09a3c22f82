"""The connection of a process to NATS."""

from __future__ import annotations

import os
from collections.abc import Callable

import structlog
from heraldry.chassis.bus.client import BusClient
from heraldry.chassis.bus.rights import inbox_prefix
from heraldry.chassis.settings import Settings
from heraldry.chassis.tasks import check_cancelled
from nats.aio.client import Client
from nats.errors import Error as NatsError

log = structlog.stdlib.get_logger(__name__)

RECONNECT_WAIT = 1  # seconds between two tries
REFUSED_TRIES = 5  # a password refused so often is wrong
CLOSE_DEADLINE = 3  # seconds for what is on its way to leave
LOST_FOR_GOOD = 75  # exit code: try again (EX_TEMPFAIL)


def end_process() -> None:
    # without its bus a service only looks alive; nothing is lost, the store is the truth
    os._exit(LOST_FOR_GOOD)


class _Connection(BusClient):
    """A client that knows whether it was meant to close, and says what happens to it."""

    def __init__(self, settings: Settings, lost: Callable[[], None]) -> None:
        super().__init__()
        self._lost = lost
        self._user = settings.nats_user
        self._address = _without_secrets(settings.nats_url)
        self._meant_to_close = False
        self._refusals = 0

    async def close(self) -> None:
        self._meant_to_close = True
        await super().close()

    async def on_error(self, error: Exception) -> None:
        check_cancelled()  # nats-py goes on looking for a server, for ever, if its cancellation was swallowed
        detail = _without_secrets(str(error))
        log.warning("nats error", error=type(error).__name__, detail=detail, server=self._address)
        if "authorization violation" in detail.lower():
            self._refusals += 1
            if self._refusals == REFUSED_TRIES:
                log.critical("nats refuses this user's password; this process ends", user=self._user)
                self._lost()

    async def on_disconnect(self) -> None:
        if not self._meant_to_close:
            log.warning("nats connection lost", server=self._address)

    async def on_reconnect(self) -> None:
        self._refusals = 0
        log.info("nats connection is back", server=self._address)

    async def on_closed(self) -> None:
        if not self._meant_to_close:
            log.critical("nats connection closed for good; this process ends", server=self._address)
            self._lost()


async def connect(settings: Settings, *, lost: Callable[[], None] = end_process) -> Client:
    """A connection of this process, with its own rights and private inbox. It reconnects for ever.

    Returns when the server was reached; until then every failed try is in the log. If the connection closes
    for good otherwise than by `close`, or the server refuses the password again and again (nats-py would try
    for ever), `lost` is called: it ends the process with exit code 75, and the supervisor starts it again.
    """
    user = settings.nats_user
    nc = _Connection(settings, lost)
    await nc.connect(
        settings.nats_url,
        user=user or None,
        password=settings.nats_password.get_secret_value() or None,
        name=settings.process,
        inbox_prefix=inbox_prefix(user or settings.process),
        max_reconnect_attempts=-1,
        reconnect_time_wait=RECONNECT_WAIT,
        error_cb=nc.on_error,
        disconnected_cb=nc.on_disconnect,
        reconnected_cb=nc.on_reconnect,
        closed_cb=nc.on_closed,
    )
    return nc


async def close(nc: Client) -> None:
    """Let what was sent leave, for at most 3 seconds; then close.

    Nothing is drained: a pull subscription whose task has ended would never become empty.
    """
    if nc.is_closed:
        return
    if nc.is_connected:
        try:
            await nc.flush(CLOSE_DEADLINE)
        except (NatsError, TimeoutError):
            log.warning("nats connection closed before everything had left")
    await nc.close()


def _without_secrets(text: str) -> str:
    """An address may carry user and password before the @."""
    head, at, tail = text.rpartition("@")
    scheme, separator, _ = head.partition("://")
    return f"{scheme}{separator}…@{tail}" if at and separator else text
