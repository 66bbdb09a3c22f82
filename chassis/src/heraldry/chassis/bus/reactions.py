"""Reactions: when an event arrives, commands go out. Durable consumers, no promise of order.

Declared in a service's `subscriptions.py` and nowhere else. A handler is pure; a command's id derives from the event,
the reaction's name and its place among the commands, so a repeat is recognised by whoever is asked.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, Protocol, TypeVar, cast
from uuid import NAMESPACE_URL, UUID, uuid5

import orjson
import structlog
from faststream import AckPolicy
from faststream.exceptions import NackMessage
from faststream.nats import JStream, NatsBroker, NatsMessage, NatsRouter, PullSub
from faststream.security import SASLPlaintext
from heraldry.chassis import tracing
from heraldry.chassis.bus import border, rights
from heraldry.chassis.bus.client import BusClient
from heraldry.chassis.bus.parking import Parking, Pointer, redacted
from heraldry.chassis.settings import Settings
from heraldry.chassis.store.port import StoreUnavailableError
from heraldry.chassis.tasks import end
from heraldry.contracts import registry, subjects
from heraldry.contracts.base import NEWER_RELEASE, By, Command, Envelope, Event, Refused
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import ConnectionClosedError, NoRespondersError
from nats.js import JetStreamContext
from nats.js.api import AckPolicy as Acknowledge
from nats.js.api import ConsumerConfig, DeliverPolicy
from nats.js.errors import NotFoundError, ServiceUnavailableError

log = structlog.stdlib.get_logger(__name__)

E = TypeVar("E", bound=Event)
ATTEMPTS: Final = 8  # failures of one message before it is parked
BACK_OFF: Final = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0)  # seconds, by number of deliveries
LONGEST_LEFT: Final = 30.0  # seconds; the newer process that shares the consumer may take it meanwhile
ACK_WAIT: Final = 30.0
STILL_WORKING: Final = ACK_WAIT / 3
AT_ONCE: Final = 16
UNACKNOWLEDGED: Final = 1000  # those in back-off included
PULL: Final = 5.0  # seconds of one pull; also how long one that a dead server forgot is waited for
UNAVAILABLE: Final = 503
OUT_OF_REACH: Final = (
    StoreUnavailableError,
    TimeoutError,
    ConnectionClosedError,
    NoRespondersError,
    ServiceUnavailableError,
)
GRACE: Final = 2.0  # seconds a stopping process leaves to handlers; what they do not finish comes again
LOST_FOR_GOOD: Final = 75  # exit code: try again
EVENTS: Final = JStream(subjects.STREAM, declare=False)  # provisioned once; a subscriber never changes it
_COMMANDS: Final = uuid5(NAMESPACE_URL, "heraldry:reaction")  # a storage format


class Send(Protocol):
    """How commands go out: `Caller.send`."""

    async def __call__(self, command: Command, *, by: By, id: UUID) -> object: ...  # noqa: A002  as Caller.send


@dataclass(frozen=True, slots=True)
class Reaction:
    """Event in, commands out. `name` is the durable consumer's and the checkpoint's: never renamed."""

    name: str
    events: tuple[type[Event], ...]
    handler: Callable[[Envelope[Event]], Sequence[Command]]
    from_start: bool
    former: tuple[type[Event], ...] = ()


def reaction(
    name: str,
    events: Sequence[type[E]],
    handler: Callable[[Envelope[E]], Sequence[Command]],
    *,
    from_start: bool,
    former: Sequence[type[Event]] = (),
) -> Reaction:
    """A reaction to these types. `from_start`: also to all that happened before it existed.

    `former`: types that it once reacted to. Any other type that its consumer is asked for is a newer release's.
    """
    general = cast("Callable[[Envelope[Event]], Sequence[Command]]", handler)
    return Reaction(subjects.token(name), tuple(events), general, from_start, tuple(former))


def command_id(cause: str, name: str, index: int) -> UUID:
    """The id of the `index`-th command of a reaction to an event: the same on every delivery."""
    return uuid5(_COMMANDS, f"{cause}/{name}/{index}")


class UnknownEventError(Exception):
    """A type or version that a newer release publishes, or that only its reaction takes: it is left to that release."""


def left_to_a_newer_release(error: Exception) -> bool:
    """Whether only a process of a newer release can do it: it is never parked."""
    return isinstance(error, UnknownEventError) or (
        isinstance(error, Refused) and error.code == NEWER_RELEASE
    )


def read(body: bytes) -> Envelope[Event]:
    """The event of a message. Raises UnknownEventError, and pydantic's ValidationError for a damaged one."""
    head = Envelope[_Any].model_validate_json(body)
    data = cast("dict[str, dict[str, object]]", orjson.loads(body))["data"]
    event = registry.event(head.type, head.dataschema, data)
    if event is None:
        raise UnknownEventError(f"{head.type} {head.dataschema}")
    return cast("Envelope[Event]", head.model_copy(update={"data": event}))


class _Any(Event):
    """What every event has."""


async def react(reaction: Reaction, envelope: Envelope[Event], send: Send, *, service: str) -> None:
    """Have a reaction's commands carried out, in order. Raises what the handler and `send` raise."""
    by = By(
        organization=UUID(envelope.organization) if envelope.organization else None,
        actor=f"system:{service}",
        correlation=envelope.correlationid,
        causation=envelope.id,
    )
    facts = {"heraldry.reaction": reaction.name, "heraldry.event": envelope.type}
    with tracing.span(f"reaction {reaction.name}", "consumer", facts, correlation=envelope.correlationid):
        for index, command in enumerate(reaction.handler(envelope)):
            await send(command, by=by, id=command_id(envelope.id, reaction.name, index))


@dataclass(slots=True)
class Patience:
    """Counts the failures of messages this process has in hand, and says when to park."""

    attempts: int = ATTEMPTS
    back_off: Sequence[float] = BACK_OFF
    _failed: dict[int, int] = field(default_factory=dict[int, int])

    def pause(self, deliveries: int) -> float:
        return self.back_off[min(max(deliveries, 1), len(self.back_off)) - 1]

    def exhausted(self, sequence: int, error: Exception) -> int:
        """How often the message failed if that is enough, else 0. What is only out of reach is never enough."""
        if isinstance(error, OUT_OF_REACH) or (isinstance(error, Refused) and error.status == UNAVAILABLE):
            return 0
        count = self._failed[sequence] = self._failed.get(sequence, 0) + 1
        return count if count >= self.attempts else 0

    def forget(self, sequence: int) -> None:
        self._failed.pop(sequence, None)


def pointer_of(
    message: Msg, envelope: Envelope[Event] | None, consumer: str, error: Exception, tries: int
) -> Pointer:
    """The pointer to a message of the stream; its subject says what the body may not."""
    *_, identity, type_ = message.subject.split(".")
    return Pointer(
        source="stream",
        sequence=message.metadata.sequence.stream,
        consumer=consumer,
        type=type_,
        event=envelope.id if envelope else "",
        identity="" if identity == subjects.NONE else identity,
        organization=envelope.organization if envelope else "",
        error=type(error).__name__,
        detail=redacted(error),
        tries=tries,
        first_seen=datetime.now(UTC),
    )


@asynccontextmanager
async def working(message: Msg, every: float = STILL_WORKING) -> AsyncGenerator[None]:
    """Tell the server that the message is still being worked on, so that nobody else gets it."""

    async def tell() -> None:
        while True:
            await asyncio.sleep(every)
            await message.in_progress()

    telling = asyncio.create_task(tell())
    try:
        yield
    finally:
        await end(telling)


async def ensure_consumer(
    js: JetStreamContext, config: ConsumerConfig, *, former: Sequence[str] = ()
) -> None:
    """Make a durable consumer of the events, or add the present filters to those of the one there; its place is kept.

    Only the `former` filters go: any other is a newer release's, and what it is asked for would be passed over.
    """
    name = config.durable_name or ""
    try:
        there = await js.consumer_info(subjects.STREAM, name)
    except NotFoundError:
        pass
    else:
        config.deliver_policy = there.config.deliver_policy
        config.opt_start_seq = there.config.opt_start_seq
        if wanted := config.filter_subjects:
            before = there.config.filter_subjects or [there.config.filter_subject or wanted[0]]
            config.filter_subjects = [*wanted, *(one for one in before if one not in {*wanted, *former})]
    await border.add_consumer(js, subjects.STREAM, config)


def filters_of(kinds: Sequence[type[Event]]) -> list[str]:
    """The subjects of these types, in every organization."""
    entries = [registry.of(kind) for kind in kinds]
    return [
        subjects.internal_filter(entry.context, entry.name)
        if entry.internal
        else subjects.event("*", entry.context, "*", entry.name)
        for entry in entries
    ]


class _Broker(NatsBroker):
    """A broker on a connection of ours."""

    async def _connect(self) -> Client:
        connection = BusClient()
        await connection.connect(**self._connection_kwargs)
        self.config.connect(connection)
        return connection


def broker(settings: Settings, *, lost: Callable[[], Awaitable[None]] | None = None) -> NatsBroker:
    """A FastStream broker with this process's rights, that loses no message whose handler raises.

    It reconnects for ever. If the connection closes for good, `lost` is called: by default the process ends.
    """
    user = settings.nats_user
    return _Broker(
        settings.nats_url,
        security=SASLPlaintext(user, settings.nats_password.get_secret_value()) if user else None,
        name=f"{settings.process}-reactions",
        inbox_prefix=rights.inbox_prefix(user or settings.process),
        max_reconnect_attempts=-1,
        reconnect_time_wait=1,
        closed_cb=lost or _end_process,
        ack_policy=AckPolicy.NACK_ON_ERROR,
        graceful_timeout=GRACE,
        logger=None,
    )


async def _end_process() -> None:
    # the pull loop of a closed connection starves the event loop; the supervisor starts the process again
    os._exit(LOST_FOR_GOOD)


class Reactions:
    """The reactions of one process to events of other contexts. `start` returns when all are consuming."""

    def __init__(  # noqa: PLR0913  a composition root names each part once
        self,
        nc: Client,
        settings: Settings,
        reactions: Sequence[Reaction],
        send: Send,
        parking: Parking,
        *,
        patience: Patience | None = None,
        still_working: float = STILL_WORKING,
        ack_wait: float = ACK_WAIT,
    ) -> None:
        self._js, self._settings, self._reactions = border.jetstream(nc), settings, tuple(reactions)
        self._send, self._parking, self._patience = send, parking, patience or Patience()
        self._still_working, self._ack_wait = still_working, ack_wait
        self._stopping = False
        self.broker = broker(settings, lost=self._lost)
        self.broker.include_router(self._routes())
        for each in self._reactions:
            parking.handles(each.name, self._again(each))

    async def start(self) -> None:
        for each in self._reactions:
            await ensure_consumer(self._js, _consumer(each, self._ack_wait), former=filters_of(each.former))
        await self.broker.start()

    async def stop(self) -> None:
        """Let go; a message whose handler was cut off is delivered again."""
        self._stopping = True
        await self.broker.stop()

    async def _lost(self) -> None:
        if not self._stopping:
            log.critical("nats connection of the reactions closed for good; this process ends")
            await _end_process()

    def _routes(self) -> NatsRouter:
        router = NatsRouter(
            ack_policy=AckPolicy.NACK_ON_ERROR
        )  # a broker's own policy does not reach routers
        prefix = rights.inbox_prefix(self._settings.nats_user or self._settings.process)
        for each in self._reactions:
            subscriber = router.subscriber(
                filters_of(each.events)[0],
                stream=EVENTS,
                durable=each.name,
                config=_consumer(each, self._ack_wait),
                pull_sub=PullSub(batch_size=AT_ONCE, timeout=PULL),
                inbox_prefix=f"{prefix}.".encode(),
                ack_policy=AckPolicy.NACK_ON_ERROR,
            )
            subscriber(self._handler(each))
        return router

    def _handler(self, each: Reaction) -> Callable[[NatsMessage], Awaitable[None]]:
        async def handle(message: NatsMessage) -> None:
            await self._deliver(each, message.raw_message)

        return handle

    async def _deliver(self, each: Reaction, message: Msg) -> None:
        sequence, deliveries = message.metadata.sequence.stream, message.metadata.num_delivered or 1
        envelope: Envelope[Event] | None = None
        try:
            async with working(message, self._still_working):
                envelope = read(message.data)
                if type(envelope.data) in each.events:
                    await react(each, envelope, self._send, service=self._settings.service)
                elif type(envelope.data) not in each.former:
                    raise UnknownEventError(f"{envelope.type}, to which this release does not react")
        except Exception as error:
            if left_to_a_newer_release(error):
                log.warning("event left to a newer release", consumer=each.name, what=str(error))
                pause = min(self._patience.pause(deliveries), LONGEST_LEFT)
                raise NackMessage(delay=pause) from error
            tries = self._patience.exhausted(sequence, error)
            if not tries:
                pause = self._patience.pause(deliveries)
                log.warning(
                    "reaction failed",
                    consumer=each.name,
                    sequence=sequence,
                    deliveries=deliveries,
                    error=type(error).__name__,
                    detail=redacted(error),
                    again_in=pause,
                )
                raise NackMessage(delay=pause) from error
            await self._parking.park(pointer_of(message, envelope, each.name, error, tries))
        self._patience.forget(sequence)

    def _again(self, each: Reaction) -> Callable[[Pointer], Awaitable[None]]:
        async def again(pointer: Pointer) -> None:
            body = await self._parking.message(pointer)
            if body is not None:  # else erased since: nothing to react to
                await react(each, read(body), self._send, service=self._settings.service)

        return again


def _consumer(each: Reaction, ack_wait: float) -> ConsumerConfig:
    return ConsumerConfig(
        name=each.name,
        durable_name=each.name,
        filter_subjects=filters_of(each.events),
        deliver_policy=DeliverPolicy.ALL if each.from_start else DeliverPolicy.NEW,
        ack_policy=Acknowledge.EXPLICIT,
        ack_wait=ack_wait,
        max_deliver=-1,
        max_ack_pending=UNACKNOWLEDGED,
    )
