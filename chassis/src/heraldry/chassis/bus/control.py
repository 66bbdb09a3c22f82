"""The control consumer: internal events of one context, strictly in order within each of 16 partitions.

One durable per partition, one message delivered at a time; replicas share the durables. A message that keeps
failing is parked, and so is everything after it of the same identity, until somebody replays or discards the first.

With `lane` only what is in the same lane (of one partition) has an order. Whoever has a message then also reads what
stands behind it in the partition and carries all that out at once, one lane beside the other, in order within each;
what was carried out ahead is only acknowledged when it is delivered. The order holds whoever dies or freezes: a message
is delivered only when everything before it was acknowledged, and whoever reads ahead goes on from there in order. So
the first who carries a message out has carried out all before it of its lane, or they were done before; every later
time is a repeat, which the command's id tells.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import structlog
from heraldry.chassis.bus import border
from heraldry.chassis.bus.direct import DirectGet
from heraldry.chassis.bus.parking import Parking, Pointer
from heraldry.chassis.bus.reactions import (
    ACK_WAIT,
    LONGEST_LEFT,
    PULL,
    STILL_WORKING,
    Patience,
    Reaction,
    Send,
    ensure_consumer,
    left_to_a_newer_release,
    pointer_of,
    react,
    read,
    redacted,
    working,
)
from heraldry.chassis.tasks import check_cancelled
from heraldry.contracts import subjects
from heraldry.contracts.base import Envelope, Event
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import ConnectionClosedError
from nats.errors import Error as NatsError
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy
from nats.js.errors import Error as JetStreamError
from nats.js.errors import FetchTimeoutError

log = structlog.stdlib.get_logger(__name__)

AFTER_TROUBLE: Final = 1.0  # seconds
AHEAD: Final = 63  # messages read behind the one in hand
Lane = Callable[[Envelope[Event]], str]


class ParkedBehindError(Exception):
    """An earlier message of the same identity is parked."""


@dataclass(frozen=True, slots=True)
class _Piece:
    """A message that is to be carried out."""

    sequence: int
    envelope: Envelope[Event]


class Control:
    """Consumes `heraldry.internal.<source>` for `context`. `run` it in a task; it ends only by cancellation.

    `reactions` handle the types they name; other types that this release knows are passed over. `lane` names what
    has to stay in order; without it that is the whole partition.
    """

    def __init__(  # noqa: PLR0913  a composition root names each part once
        self,
        nc: Client,
        context: str,
        reactions: Sequence[Reaction],
        send: Send,
        parking: Parking,
        *,
        source: str = "scheduler",
        lane: Lane | None = None,
        patience: Patience | None = None,
        still_working: float = STILL_WORKING,
        ack_wait: float = ACK_WAIT,
    ) -> None:
        self._js, self._context, self._source = border.jetstream(nc), context, source
        self._send, self._parking, self._patience = send, parking, patience or Patience()
        self._still_working, self._ack_wait = still_working, ack_wait
        self._handlers = {kind: each for each in reactions for kind in each.events}
        self._lane, self._direct = lane, DirectGet(nc, subjects.STREAM)
        self._turn = [asyncio.Lock() for _ in range(subjects.PARTITIONS)]
        self._ahead = [
            set[int]() for _ in range(subjects.PARTITIONS)
        ]  # sequences carried out, not delivered yet
        for partition in range(subjects.PARTITIONS):
            parking.handles(self.durable(partition), self._again(partition))

    def durable(self, partition: int) -> str:
        """The consumer's name: a checkpoint, never renamed."""
        return f"{self._context}-control-{partition}"

    async def run(self) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                for partition in range(subjects.PARTITIONS):
                    group.create_task(self._consume(partition))
        finally:
            with suppress(NatsError):
                await self._direct.stop()

    async def _consume(self, partition: int) -> None:
        while True:
            check_cancelled()
            try:
                await ensure_consumer(self._js, self._config(partition))
                await self._pull(partition)
            except ConnectionClosedError:
                return  # the process is being stopped, or ended by whoever watches the connection
            except (NatsError, JetStreamError) as error:
                log.warning(
                    "control consumer waits for nats", partition=partition, error=type(error).__name__
                )
                await asyncio.sleep(AFTER_TROUBLE)

    async def _pull(self, partition: int) -> None:
        subscription = await self._js.pull_subscribe_bind(
            durable=self.durable(partition), stream=subjects.STREAM
        )
        try:
            while True:
                check_cancelled()
                with suppress(FetchTimeoutError, TimeoutError):
                    for message in await subscription.fetch(1, timeout=PULL):
                        async with self._turn[partition]:
                            left = await self._deliver(partition, message)
                        if left:  # so that whoever can do it is the next to be given it
                            await asyncio.sleep(LONGEST_LEFT)
        finally:
            # nats-py never counts a pull's last status message as handled: a drain would wait for it for ever
            with suppress(NatsError):
                await subscription.unsubscribe()

    async def _deliver(self, partition: int, message: Msg) -> bool:
        """True: it was left to a process of a newer release."""
        durable, sequence = self.durable(partition), message.metadata.sequence.stream
        if self._was_ahead(partition, sequence):
            await message.ack()
            return False
        envelope: Envelope[Event] | None = None
        try:
            async with working(message, self._still_working):
                envelope = read(message.data)
                if not await self._parked_before(durable, message, envelope):
                    following = await self._following(partition, message) if self._lane else ()
                    await self._carry_out(partition, _Piece(sequence, envelope), following)
        except (NatsError, JetStreamError):
            raise  # parking is out of reach: delivered again after ack_wait
        except Exception as error:  # noqa: BLE001  whatever it raises is parked, never lost
            pause = self._patience.pause(message.metadata.num_delivered or 1)
            if left_to_a_newer_release(error):
                log.warning("event left to a newer release", consumer=durable, what=str(error))
                await message.nak(delay=min(pause, LONGEST_LEFT))
                return True
            tries = self._patience.exhausted(sequence, error)
            if not tries:
                log.warning(
                    "control message failed",
                    consumer=durable,
                    sequence=sequence,
                    error=type(error).__name__,
                    detail=redacted(error),
                    again_in=pause,
                )
                await message.nak(delay=pause)
                return False
            pointer = pointer_of(message, envelope, durable, error, tries)
            await self._parking.park(pointer.model_copy(update={"ordered": True}))
        self._patience.forget(sequence)
        await message.ack()
        return False

    def _was_ahead(self, partition: int, sequence: int) -> bool:
        """Whether it was carried out already; what stands before it is somebody else's and forgotten."""
        ahead = self._ahead[partition]
        found = sequence in ahead
        ahead -= {each for each in ahead if each <= sequence}
        return found

    async def _following(self, partition: int, message: Msg) -> Sequence[_Piece]:
        """What stands behind a message and may be carried out with it: up to the first that cannot be read."""
        if not message.metadata.num_pending:
            return ()
        subject = subjects.partition_filter(self._source, partition)
        found: list[_Piece] = []
        parked = {_identity(message.subject): False}
        try:
            for stored in await self._direct.following(subject, message.metadata.sequence.stream, AHEAD):
                identity = _identity(stored.subject)
                if identity not in parked:
                    last = await self._parking.last_of(self.durable(partition), identity)
                    parked[identity] = last is not None
                if not parked[identity]:
                    found.append(_Piece(stored.sequence, read(stored.data)))
        except Exception as error:  # noqa: BLE001  it is met again when it is delivered
            log.info(
                "control consumer reads no further ahead", partition=partition, error=type(error).__name__
            )
        return found

    async def _carry_out(self, partition: int, first: _Piece, following: Sequence[_Piece]) -> None:
        """Raises what the first one's handler raises. What fails ahead is met again when it is delivered."""
        if self._lane is None or not following:
            await self._react(first.envelope)
            return
        lanes: dict[str, list[_Piece]] = {}
        for piece in (first, *following):
            lanes.setdefault(self._lane(piece.envelope), []).append(piece)
        own, *others = [self._in_order(partition, pieces) for pieces in lanes.values()]
        failed, *_ = await asyncio.gather(own, *others)
        if failed is not None and failed[0] == first.sequence:
            raise failed[1]

    async def _in_order(self, partition: int, pieces: Sequence[_Piece]) -> tuple[int, Exception] | None:
        """Until one fails: its sequence and its error."""
        ahead = self._ahead[partition]
        for piece in pieces:
            if piece.sequence in ahead:
                continue
            try:
                await self._react(piece.envelope)
            except Exception as error:  # noqa: BLE001  whoever gets it delivered says what becomes of it
                return piece.sequence, error
            ahead.add(piece.sequence)
        return None

    async def _parked_before(self, durable: str, message: Msg, envelope: Envelope[Event]) -> bool:
        """Park behind what is parked of the same identity. True: this message is parked now."""
        identity = _identity(message.subject)
        last = await self._parking.last_of(durable, identity)
        if last is None:
            return False
        if (
            last.sequence < message.metadata.sequence.stream
        ):  # else it is this one, parked and not acknowledged
            behind = ParkedBehindError(f"behind {last.event}")
            pointer = pointer_of(message, envelope, durable, behind, 0)
            await self._parking.park(pointer.model_copy(update={"ordered": True, "behind": True}))
        return True

    async def _react(self, envelope: Envelope[Event]) -> None:
        if each := self._handlers.get(type(envelope.data)):
            await react(each, envelope, self._send, service=self._context)

    def _again(self, partition: int) -> Callable[[Pointer], Awaitable[None]]:
        async def again(pointer: Pointer) -> None:
            async with self._turn[partition]:
                body = await self._parking.message(pointer)
                if body is not None:  # else erased since: nothing to react to
                    await self._react(read(body))

        return again

    def _config(self, partition: int) -> ConsumerConfig:
        return ConsumerConfig(
            name=self.durable(partition),
            durable_name=self.durable(partition),
            filter_subject=subjects.partition_filter(self._source, partition),
            deliver_policy=DeliverPolicy.ALL,
            ack_policy=AckPolicy.EXPLICIT,
            ack_wait=self._ack_wait,
            max_deliver=-1,
            max_ack_pending=1,  # strict order, also while one is in back-off
        )


def _identity(subject: str) -> str:
    token = subject.split(".")[4]
    return "" if token == subjects.NONE else token
