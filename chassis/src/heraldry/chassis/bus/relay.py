"""The relay: what is stored is published, once, in order, and nothing else is.

The store is the outbox. Events go to JetStream in atomic batches whose last message is a marker on
`heraldry.relay.<context>`; the fence is that subject's last sequence and resuming means reading it, so two
relays cannot interleave and a lost tail is published again. There is no other checkpoint, and no message ids.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from time import monotonic
from typing import Final, Protocol
from uuid import uuid4

import structlog
from heraldry.chassis import tracing
from heraldry.chassis.bus import border
from heraldry.chassis.bus.envelopes import Decoder, Envelopes, Message, NewerReleaseError
from heraldry.chassis.bus.markers import StoreMismatchError, Tip, fence_of, last_marker, resume
from heraldry.chassis.store.port import START, EventStore, StoredEvent, StoreUnavailableError, oldest_after
from heraldry.chassis.tasks import check_cancelled, end
from heraldry.chassis.vault.keys import KeyUnknownError
from heraldry.contracts import subjects
from heraldry.contracts.base import Event
from heraldry.contracts.checkpoints import Checkpoint
from heraldry.contracts.markers import Marker
from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.js.errors import Error as JetStreamError
from nats.js.errors import NotFoundError
from prometheus_client import Counter, Gauge
from pydantic import BaseModel, ConfigDict

log = structlog.stdlib.get_logger(__name__)

LARGEST_BATCH: Final = 200  # events; the server takes 1,000 messages
LARGEST_BYTES: Final = 8 * 1024 * 1024
ACK_DEADLINE: Final = 5.0  # seconds; the server drops an open batch after 10
QUIET: Final = 0.02  # seconds between two markers that cover private events only
STANDBY: Final = 1.0  # seconds the other relay's marker must stand still before this one takes over
IDLE: Final = 2.0  # seconds without anything to publish until the relay looks whether its marker still stands
LOOK: Final = 0.25  # seconds between looks of a standby
PAUSE: Final = (0.2, 0.5, 1.0, 2.0, 5.0)  # seconds between tries after a failure, the last one for ever
TIPS: Final = 64  # batches whose hash is remembered for checkpoints
LOST_THE_FENCE: Final = (10071, 10164)  # the server's codes: somebody else has published
BUDGET_EXHAUSTED: Final = (10077, 10047, 10122)  # the stream, the store or the account is full

_LAG = Gauge("heraldry_relay_lag_positions", "Head of the log minus what is published", ["context"])
_OLDEST = Gauge(
    "heraldry_relay_oldest_seconds", "How long the oldest event that is not published waits", ["context"]
)
_PROGRESS = Gauge("heraldry_relay_progress_timestamp_seconds", "When the relay last moved", ["context"])
_BATCHES = Counter("heraldry_relay_batches", "Batches published, markers alone included", ["context"])
_EVENTS = Counter("heraldry_relay_events", "Events published", ["context"])
_WAITING = Gauge(
    "heraldry_relay_waiting", "1 while the relay waits for the named cause", ["context", "cause"]
)


FLAGS_STREAM: Final = "KV_CHECKPOINTS"


def replay_flag(context: str) -> str:
    """Where it is left for a context that does not run that its log is to be published anew. A storage format."""
    return f"$KV.CHECKPOINTS.{context}.relay.replay"


class Step(StrEnum):
    """Where a relay can be struck down; the names are for tests."""

    RESUMED = "resumed"
    BUILT = "built"
    STAGED = "staged"
    COMMITTED = "committed"
    ACKNOWLEDGED = "acknowledged"


class Hook(Protocol):
    async def __call__(self, step: Step) -> None: ...


async def _go_on(step: Step) -> None:
    """Nothing strikes the relay down."""


@dataclass(frozen=True, slots=True)
class RelayState:
    """What health and readiness are answered from. `cause` is empty while all is well."""

    position: int = START
    count: int = 0
    active: bool = False  # False: another replica publishes, or this one waits
    cause: str = ""  # a stable code: relay.store-mismatch, relay.key-unknown, relay.budget …
    detail: str = ""
    moved: float = 0.0  # of the monotonic clock


class _Ack(BaseModel):
    """The server's answer to a marker, with or without a batch before it."""

    model_config = ConfigDict(extra="ignore")

    class Problem(BaseModel):
        model_config = ConfigDict(extra="ignore")

        err_code: int = 0
        description: str = ""

    seq: int = 0
    error: Problem | None = None


class RefusedBatchError(Exception):
    """The server stored nothing of the batch."""

    def __init__(self, problem: _Ack.Problem) -> None:
        super().__init__(f"{problem.description} ({problem.err_code})")
        self.code = problem.err_code


@dataclass(frozen=True, slots=True)
class _Batch:
    id: str
    messages: Sequence[Message]
    tip: Tip  # where the log is when this batch stands in the stream


class Relay:
    """Publishes the log of one context. Every replica runs one: one publishes, the others stand by.

    `types`: every type this release knows in the log. `run` ends only by cancellation;
    whatever is wrong, it waits, says why in `state`, the log and the metrics, and goes on. What a person has to mend
    (the log and JetStream do not belong together) it waits for, too.
    """

    def __init__(
        self,
        nc: Client,
        context: str,
        store: EventStore,
        decoder: Decoder,
        types: Mapping[str, type[Event]],
        *,
        hook: Hook = _go_on,
    ) -> None:
        self._nc, self._js = nc, border.jetstream(nc)
        self._context, self._store, self._hook = context, store, hook
        self._envelopes = Envelopes(context, store.epoch, decoder, types)
        self._subject = subjects.relay(context)
        self._state = RelayState(moved=monotonic())
        self._feed = _Feed(store, self._envelopes.is_newer)
        self._newer: NewerReleaseError | None = None  # met behind private events
        self._tips: deque[Tip] = deque(maxlen=TIPS)
        self._checkpoint: Checkpoint | None = None
        self._unsaid = False  # the newest checkpoint stands in no marker yet

    @property
    def state(self) -> RelayState:
        return self._state

    @property
    def tips(self) -> Sequence[Tip]:
        """Where the newest batches ended that this relay has published, oldest first; none while it stands by."""
        return tuple(self._tips) if self._state.active else ()

    def tell(self, checkpoint: Checkpoint) -> None:
        """Have the markers say this newest checkpoint; if there is nothing else to publish, a marker of its own."""
        self._checkpoint, self._unsaid = checkpoint, True
        self._feed.wake()

    async def run(self) -> None:
        """Publish for ever."""
        failures, standby = 0, False
        while True:
            check_cancelled()
            before = self._state.position
            try:
                if standby:
                    await self._stand_by()
                await self._publish()
            except StoreMismatchError as error:
                self._wait_for(error.code, str(error))
            except RefusedBatchError as error:
                standby = error.code in LOST_THE_FENCE
                if standby:
                    self._set(active=False)
                    continue
                cause = "relay.budget" if error.code in BUDGET_EXHAUSTED else "relay.refused"
                self._wait_for(cause, f"{cause}: JetStream takes nothing: {error}. Raise its budget.")
            except KeyUnknownError as error:
                self._wait_for(
                    "relay.key-unknown", f"relay.key-unknown: {error}; is the key stream in reach?"
                )
            except NewerReleaseError as error:
                self._wait_for(error.code, f"{error.code}: {error}")
            except StoreUnavailableError as error:
                self._wait_for("relay.store-unavailable", str(error))
            except (NatsError, JetStreamError, TimeoutError) as error:
                self._wait_for(
                    "relay.nats-unavailable", f"JetStream does not answer ({type(error).__name__})"
                )
            finally:
                await self._feed.stop()
            failures = 0 if self._state.position != before else failures + 1
            await asyncio.sleep(PAUSE[min(failures, len(PAUSE) - 1)])

    async def begin_anew(self) -> int:
        """Have the whole log published under a new marker, whatever is published; gives that marker's sequence.

        Whoever publishes goes on from there. Done twice before anything was published, it is done once. Raises
        RefusedBatchError, and what nats-py raises.
        """
        while True:
            fence = await fence_of(self._js, self._context)
            if fence and await self._begins(fence):
                break
            anew = _Batch(uuid4().hex, (), Tip())
            try:
                fence = await self._commit(anew, fence)
            except RefusedBatchError as error:
                if error.code not in LOST_THE_FENCE:
                    raise
            else:
                log.warning("the log is published from its beginning", context=self._context, fence=fence)
                break
        await self._js.publish(replay_flag(self._context), b"")
        return fence

    async def _begins(self, fence: int) -> bool:
        """Whether the newest marker is one that begins this log anew."""
        try:
            marker, newest = await last_marker(self._js, self._context)
        except StoreMismatchError:
            return False
        return self._is_beginning(marker) and newest == fence

    def _is_beginning(self, marker: Marker | None) -> bool:
        return marker is not None and marker.begins_anew and marker.epoch == self._store.epoch

    async def _asked_to_begin_anew(self) -> bool:
        """Whether somebody has left word while nobody of this context ran."""
        try:
            found = await self._js.get_msg(FLAGS_STREAM, subject=replay_flag(self._context), direct=True)
        except NotFoundError:
            return False
        return bool(found.data)

    async def _publish(self) -> None:
        """Publish until something is wrong.

        At most one commit is under way; the next batch is staged meanwhile.
        """
        if await self._asked_to_begin_anew():
            await self.begin_anew()
        tip = await resume(self._js, self._context, self._store)
        await self._hook(Step.RESUMED)
        self._tips.clear()
        self._newer = None
        self._moved(tip)
        self._unsaid = self._checkpoint is not None
        self._feed.start(after=tip.position)
        under_way: asyncio.Task[int] | None = None
        try:
            while True:
                check_cancelled()
                batch = await self._next_batch(tip, idle=under_way)
                if batch is not None:
                    await self._stage(batch)
                    await self._hook(Step.STAGED)
                if under_way is not None:
                    fence = await under_way
                    under_way = None
                    await self._hook(Step.ACKNOWLEDGED)
                    tip = replace(tip, fence=fence)
                    self._moved(tip)
                if batch is not None:
                    under_way = asyncio.create_task(self._commit(batch, tip.fence))
                    tip = replace(batch.tip, fence=tip.fence)
        except NewerReleaseError:
            if under_way is not None:  # what stands before it is published all the same
                await under_way
            raise
        finally:
            await end(under_way)

    async def _next_batch(self, tip: Tip, *, idle: asyncio.Task[int] | None) -> _Batch | None:
        """The next events as messages; a marker alone for a new checkpoint. None: nothing new after all."""
        if self._newer is not None:
            raise self._newer
        if idle is not None:
            stored = await self._feed.next_or(idle)
            if not stored:
                return None
        else:
            stored = await self._feed.next(0 if self._has_news(tip) else IDLE)
            if not stored and not self._has_news(tip):
                await self._require_fence(tip)
        messages = await self._built(stored)
        if not messages:  # private events only: they need no batch of their own each
            quiet_until = self._state.moved + QUIET
            while not messages and (left := quiet_until - monotonic()) > 0:
                more = await self._feed.next(left)
                try:
                    messages = await self._built(more)
                except NewerReleaseError as newer:
                    self._newer = newer  # once what stands before it is covered
                    break
                stored = [*stored, *more]
        if not stored and not self._has_news(tip):
            return None
        await self._hook(Step.BUILT)
        return _Batch(uuid4().hex, messages, tip.past(stored))

    async def _require_fence(self, tip: Tip) -> None:
        """Whoever has nothing to publish hears of no other marker otherwise. Raises RefusedBatchError."""
        if await fence_of(self._js, self._context) != tip.fence:
            raise RefusedBatchError(_Ack.Problem(err_code=LOST_THE_FENCE[0], description="another marker"))

    def _has_news(self, tip: Tip) -> bool:
        return self._unsaid and tip.position > START

    async def _built(self, stored: Sequence[StoredEvent]) -> list[Message]:
        built = [await self._envelopes.message(event) for event in stored]
        return [message for message in built if message is not None]

    async def _stage(self, batch: _Batch) -> None:
        publish, id_ = self._nc.publish, batch.id
        for number, message in enumerate(batch.messages, start=1):
            headers = {"Nats-Batch-Id": id_, "Nats-Batch-Sequence": str(number), **message.headers}
            await publish(message.subject, message.body, headers=headers)

    async def _commit(self, batch: _Batch, fence: int) -> int:
        """The marker closes the batch; its sequence is the next fence. Raises RefusedBatchError.

        A marker alone is no batch: for each one the server makes files and syncs six times instead of once.
        """
        headers = {
            "Nats-Expected-Last-Subject-Sequence": str(fence),
            "Nats-Expected-Last-Subject-Sequence-Subject": self._subject,
        }
        if batch.messages:
            headers |= {
                "Nats-Batch-Id": batch.id,
                "Nats-Batch-Sequence": str(len(batch.messages) + 1),
                "Nats-Batch-Commit": "1",
            }
        marker = batch.tip.marker(self._context, self._store.epoch, self._checkpoint)
        self._unsaid = False
        await self._hook(Step.COMMITTED)
        facts = {"heraldry.context": self._context, "heraldry.events": len(batch.messages)}
        with tracing.span("publish", "producer", facts):
            answer = await self._nc.request(self._subject, marker, timeout=ACK_DEADLINE, headers=headers)
            ack = _Ack.model_validate_json(answer.data)
            if ack.error is not None:
                raise RefusedBatchError(ack.error)
        _BATCHES.labels(self._context).inc()
        _EVENTS.labels(self._context).inc(len(batch.messages))
        return ack.seq

    async def _stand_by(self) -> None:
        """Return when the other relay has stood still although there is something to publish.

        At once where the newest marker only says that the log begins anew: nobody else publishes.
        """
        marker, fence = await last_marker(self._js, self._context)
        if self._is_beginning(marker):
            log.info("this relay publishes from the beginning", context=self._context)
            return
        log.info("another relay publishes; this one stands by", context=self._context)
        still_since = monotonic()
        while monotonic() - still_since < STANDBY:
            await asyncio.sleep(LOOK)
            check_cancelled()
            marker, now = await last_marker(self._js, self._context)
            published = START if marker is None else marker.position
            if now != fence or await self._store.head() <= published:
                fence, still_since = now, monotonic()
                self._set(position=published, active=False)

    def _moved(self, tip: Tip) -> None:
        if self._state.cause:
            log.info("relay goes on", context=self._context, position=tip.position)
            _WAITING.labels(self._context, self._state.cause).set(0)
        self._tips.append(tip)
        self._state = RelayState(tip.position, tip.count, active=True, moved=monotonic())
        _PROGRESS.labels(self._context).set_to_current_time()

    async def measure(self) -> int:
        """How many positions the log is ahead of what is published; also sets the metrics."""
        published = self._state.position
        lag = max(await self._store.head() - published, 0)
        _LAG.labels(self._context).set(lag)
        _OLDEST.labels(self._context).set(await oldest_after(self._store, published) if lag else 0.0)
        return lag

    def _wait_for(self, cause: str, detail: str) -> None:
        if self._state.cause != cause:
            log.warning("relay waits", context=self._context, code=cause, detail=detail)
            if self._state.cause:
                _WAITING.labels(self._context, self._state.cause).set(0)
        _WAITING.labels(self._context, cause).set(1)
        self._state = RelayState(
            self._state.position, self._state.count, cause=cause, detail=detail, moved=self._state.moved
        )

    def _set(self, *, active: bool, position: int | None = None) -> None:
        self._state = RelayState(
            self._state.position if position is None else position,
            self._state.count,
            active=active,
            moved=monotonic(),
        )


class _Feed:
    """The store's subscription, read ahead in a task, in portions that fit one batch; `stop_at` begins a new one."""

    def __init__(self, store: EventStore, stop_at: Callable[[StoredEvent], bool]) -> None:
        self._store, self._stop_at = store, stop_at
        self._queue: asyncio.Queue[Sequence[StoredEvent] | Exception] = asyncio.Queue(maxsize=2)
        self._task: asyncio.Task[None] | None = None

    def start(self, *, after: int) -> None:
        self._queue = asyncio.Queue(maxsize=2)
        self._task = asyncio.create_task(self._read(after))

    async def stop(self) -> None:
        await end(self._task)
        self._task = None

    def wake(self) -> None:
        """Have whoever waits for the next portion go on, with an empty one."""
        if self._queue.empty():
            self._queue.put_nowait(())

    async def next(self, deadline: float | None = None) -> Sequence[StoredEvent]:
        """The next portion; empty if none came in `deadline` seconds. Raises what the store raises."""
        try:
            async with asyncio.timeout(deadline):
                got = await self._queue.get()
        except TimeoutError:
            return ()
        if isinstance(got, Exception):
            raise got
        return got

    async def next_or(self, other: asyncio.Task[int]) -> Sequence[StoredEvent]:
        """The next portion, or empty as soon as `other` is done and nothing waits."""
        if self._queue.empty():
            get = asyncio.create_task(self._queue.get())
            await asyncio.wait((get, other), return_when=asyncio.FIRST_COMPLETED)
            if not get.done():
                await end(get)
            if get.cancelled():
                return ()
            got = get.result()
            if isinstance(got, Exception):
                raise got
            return got
        return await self.next()

    async def _read(self, after: int) -> None:
        try:
            async for events in self._store.subscribe(after=after, limit=LARGEST_BATCH):
                for portion in _portions(events, self._stop_at):
                    await self._queue.put(portion)
        except Exception as error:  # noqa: BLE001  handed to whoever reads the feed
            await self._queue.put(error)


def _portions(
    events: Sequence[StoredEvent], stop_at: Callable[[StoredEvent], bool]
) -> Sequence[Sequence[StoredEvent]]:
    """Cut where the bytes would become too many for one batch, and before what cannot be published."""
    portions: list[list[StoredEvent]] = [[]]
    size = 0
    for event in events:
        size += len(event.data) + len(event.meta)
        if portions[-1] and (size > LARGEST_BYTES or len(portions[-1]) == LARGEST_BATCH or stop_at(event)):
            portions.append([])
            size = len(event.data) + len(event.meta)
        portions[-1].append(event)
    return portions
