"""Publishing a log anew, when what is published and what is stored do not belong together any more."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

import structlog
from heraldry.chassis.bus import border
from heraldry.chassis.bus.relay import FLAGS_STREAM, RefusedBatchError, Relay, replay_flag
from heraldry.chassis.bus.rpc import Asking, Server
from heraldry.chassis.store.port import EventStore
from heraldry.contracts import subjects
from heraldry.contracts.base import Accepted, Refused
from heraldry.contracts.markers import Position
from heraldry.contracts.operations import ReplayLog
from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.js import JetStreamContext
from nats.js.errors import Error as JetStreamError
from nats.js.errors import NotFoundError

log = structlog.stdlib.get_logger(__name__)
LOOK: Final = 5.0  # seconds between two looks whether the stream is still the same


def register(server: Server, context: str, store: EventStore, relay: Relay) -> None:
    """Answer operators who want the log published anew."""

    async def replay(_: ReplayLog, asking: Asking) -> Accepted:
        if asking.by.organization is not None:
            raise Refused("access.denied", "You may not do this.", status=403)
        try:
            await relay.begin_anew()
        except RefusedBatchError as error:
            raise Refused("relay.budget", f"JetStream takes nothing: {error}. Raise its budget.") from error
        except NotFoundError as error:
            raise Refused("relay.stream-missing", "The stream of the events is not there.") from error
        return Accepted(position=str(Position(context, store.epoch, await store.head())), fresh=True)

    server.command(ReplayLog, replay)


async def leave_word(js: JetStreamContext, context: str) -> None:
    """For a context that does not run: its log is published anew when it starts. On disk when this returns."""
    await js.publish(replay_flag(context), b"asked", stream=FLAGS_STREAM)


async def until_another_stream(nc: Client, failed: Callable[[], None], look: float = LOOK) -> None:
    """Call `failed` when the stream of the events was lost and made again: consumers have to be made anew."""
    js, known = border.jetstream(nc), None
    while True:
        try:
            created = (await js.stream_info(subjects.STREAM)).created
        except (NatsError, JetStreamError, TimeoutError):
            created = known  # it cannot be seen now
        if known is not None and created != known:
            log.critical("the stream of the events is another one; this process starts again")
            failed()
            return
        known = created
        await asyncio.sleep(look)
