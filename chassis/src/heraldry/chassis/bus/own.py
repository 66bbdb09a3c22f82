"""Reactions of a context to its own events, which come from its store, private ones included.

The checkpoint is in the KV bucket CHECKPOINTS, beside no read model: a rebuild never runs reactions.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, cast

import orjson
import structlog
from heraldry.chassis.bus import border
from heraldry.chassis.bus.envelopes import Decoder, Envelopes, NewerReleaseError
from heraldry.chassis.bus.markers import StoreMismatchError, belongs
from heraldry.chassis.bus.parking import Parking, Pointer, redacted
from heraldry.chassis.bus.reactions import (
    LONGEST_LEFT,
    Patience,
    Reaction,
    Send,
    left_to_a_newer_release,
    react,
)
from heraldry.chassis.store.port import (
    START,
    EventStore,
    StoredEvent,
    StoreUnavailableError,
    oldest_after,
)
from heraldry.chassis.tasks import check_cancelled, end
from heraldry.contracts.base import Event, Value
from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.js.errors import Error as JetStreamError
from nats.js.errors import NotFoundError
from nats.js.kv import KeyValue
from prometheus_client import Gauge

log = structlog.stdlib.get_logger(__name__)

_LAG = Gauge(
    "heraldry_own_reaction_lag_positions", "Head of the log minus what is reacted to", ["context", "reaction"]
)
_OLDEST = Gauge(
    "heraldry_own_reaction_oldest_seconds",
    "How long the oldest event that is not reacted to waits",
    ["context", "reaction"],
)
BUCKET: Final = "CHECKPOINTS"
AFTER_TROUBLE: Final = 1.0  # seconds


class _Checkpoint(Value):
    """How far a reaction is. A storage format."""

    epoch: str
    position: int
    event: str


@dataclass(frozen=True, slots=True)
class _Own:
    reaction: Reaction
    names: frozenset[str]


class OwnReactions:
    """Runs reactions on the own log, each from its own checkpoint. `run` it in a task, in one or more replicas.

    `types`: every type this release knows in the log; reactions name classes of it.
    """

    def __init__(  # noqa: PLR0913, PLR0917  a composition root names each part once
        self,
        nc: Client,
        context: str,
        store: EventStore,
        decoder: Decoder,
        types: Mapping[str, type[Event]],
        reactions: Sequence[Reaction],
        send: Send,
        parking: Parking,
        *,
        patience: Patience | None = None,
    ) -> None:
        self._js, self._context, self._store = border.jetstream(nc), context, store
        self._envelopes = Envelopes(context, store.epoch, decoder, types)
        self._send, self._parking, self._patience = send, parking, patience or Patience()
        self._own = [
            _Own(each, frozenset(name for name, kind in types.items() if kind in each.events))
            for each in reactions
        ]
        self.problem: str | None = None  # for readiness
        self._done: dict[str, int] = {}  # by reaction: what its checkpoint says and what does not concern it
        for own in self._own:
            parking.handles(own.reaction.name, self._again(own.reaction))

    async def run(self) -> None:
        """Until cancelled. While a checkpoint is of another store than what is published, it waits and says so."""
        following = [asyncio.create_task(self._follow(own)) for own in self._own]
        try:
            await asyncio.gather(*following)
        finally:
            await end(*following)

    async def _follow(self, own: _Own) -> None:
        while True:
            check_cancelled()
            try:
                bucket = await self._js.key_value(BUCKET)
                await self._from_checkpoint(own, bucket)
            except StoreMismatchError as error:
                if self.problem is None:
                    log.critical("own reactions stopped", reaction=own.reaction.name, detail=str(error))
                self.problem = str(error)
                await asyncio.sleep(AFTER_TROUBLE)
            except (NatsError, JetStreamError, StoreUnavailableError, TimeoutError) as error:
                log.warning("own reactions wait", reaction=own.reaction.name, error=type(error).__name__)
                await asyncio.sleep(AFTER_TROUBLE)
            except NewerReleaseError as error:
                log.warning(
                    "own reactions wait for a newer release", reaction=own.reaction.name, what=str(error)
                )
                await asyncio.sleep(LONGEST_LEFT)

    async def _from_checkpoint(self, own: _Own, bucket: KeyValue) -> None:
        after = await self._resume(own.reaction, bucket)
        self.problem = None
        self._done[own.reaction.name] = after
        async for events in self._store.subscribe(after=after):
            check_cancelled()
            done, newer = await self._take(own, events)
            if done is not None:  # what is repeated after a crash has the same command ids
                await self._save(own.reaction, bucket, done)
            if newer is not None:
                raise newer
            self._done[own.reaction.name] = events[-1].position

    async def _take(
        self, own: _Own, events: Sequence[StoredEvent]
    ) -> tuple[StoredEvent | None, NewerReleaseError | None]:
        """The last one reacted to, and why it goes no further."""
        done: StoredEvent | None = None
        try:
            for event in events:
                if self._envelopes.is_newer(
                    event
                ):  # whether the newer release reacts to it, this one cannot know
                    raise NewerReleaseError(event)
                if event.type in own.names:
                    await self._handle(own.reaction, event)
                    done = event
        except NewerReleaseError as newer:
            return done, newer
        return done, None

    async def measure(self) -> None:
        """Sets the metrics."""
        head = await self._store.head()
        for name, done in self._done.items():
            lag = max(head - done, 0)
            _LAG.labels(self._context, name).set(lag)
            _OLDEST.labels(self._context, name).set(await oldest_after(self._store, done) if lag else 0.0)

    async def _resume(self, each: Reaction, bucket: KeyValue) -> int:
        try:
            entry = await bucket.get(self._key(each))
        except NotFoundError:
            newest = await self._store.head()
            if each.from_start or newest == START:
                return START
            at = await self._store.read_at(newest)
            if at is None:
                reason = f"it has no event at its own end, {newest}"
                raise StoreMismatchError(self._context, reason) from None
            await self._save(each, bucket, at)
            return newest
        saved = _Checkpoint.model_validate_json(entry.value or b"")
        at = await self._store.read_at(saved.position)
        if at is not None and str(at.id) == saved.event:
            return saved.position
        if not await belongs(self._js, self._context, self._store):
            raise StoreMismatchError(self._context, f"the checkpoint of {each.name} is of another store")
        log.warning("own reaction begins anew with this store", reaction=each.name)
        return START if each.from_start else await self._store.head()

    async def _save(self, each: Reaction, bucket: KeyValue, event: StoredEvent) -> None:
        saved = _Checkpoint(epoch=self._store.epoch, position=event.position, event=str(event.id))
        await bucket.put(self._key(each), saved.model_dump_json().encode())

    def _key(self, each: Reaction) -> str:
        return f"{self._context}.{each.name}"

    async def _handle(self, each: Reaction, stored: StoredEvent) -> None:
        deliveries = 0
        while True:
            deliveries += 1
            try:
                envelope = await self._envelopes.envelope(stored)
                await react(each, envelope, self._send, service=self._context)
            except Exception as error:  # whatever it raises is parked, never lost
                if left_to_a_newer_release(error):
                    raise NewerReleaseError(stored) from error
                if tries := self._patience.exhausted(stored.position, error):
                    await self._parking.park(_pointer(each, stored, error, tries))
                    break
                pause = self._patience.pause(deliveries)
                log.warning(
                    "reaction failed",
                    consumer=each.name,
                    position=stored.position,
                    error=type(error).__name__,
                    detail=redacted(error),
                    again_in=pause,
                )
                await asyncio.sleep(pause)
            else:
                break
        self._patience.forget(stored.position)

    def _again(self, each: Reaction) -> Callable[[Pointer], Awaitable[None]]:
        async def again(pointer: Pointer) -> None:
            at = await self._store.read_at(pointer.sequence)
            if at is not None and str(at.id) == pointer.event:
                await react(each, await self._envelopes.envelope(at), self._send, service=self._context)

        return again


def _pointer(each: Reaction, stored: StoredEvent, error: Exception, tries: int) -> Pointer:
    meta = cast("dict[str, str]", orjson.loads(stored.meta))
    return Pointer(
        source="store",
        sequence=stored.position,
        consumer=each.name,
        type=stored.type,
        event=str(stored.id),
        identity=meta.get("identity", ""),
        organization=meta.get("organization", ""),
        error=type(error).__name__,
        detail=redacted(error),
        tries=tries,
        first_seen=datetime.now(UTC),
    )
