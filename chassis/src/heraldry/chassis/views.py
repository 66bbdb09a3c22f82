"""Views over several contexts: a read model fed from JetStream, one relay's batch at a time.

A batch ends with its marker, so an event and what its context says it has reached become visible together.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from math import inf
from typing import Any, cast
from zlib import crc32

import orjson
import structlog
from heraldry.chassis.bus import border
from heraldry.chassis.bus.direct import DirectGet
from heraldry.chassis.bus.follow import Entry, Follower
from heraldry.chassis.projection import Fact
from heraldry.chassis.readmodel import RETRY, ReadModel
from heraldry.chassis.tasks import end
from heraldry.contracts import registry
from heraldry.contracts.base import Event
from heraldry.contracts.markers import Marker, Position
from nats.aio.client import Client
from nats.js.api import StreamInfo
from prometheus_client import Gauge

log = structlog.stdlib.get_logger(__name__)
STREAM = "HERALDRY"
_LAG = Gauge(
    "heraldry_views_lag_positions", "What a context has published minus what is in the view", ["context"]
)
_OLDEST = Gauge(
    "heraldry_views_oldest_seconds", "How long the oldest batch that is not in the view waits", ["context"]
)
RELAYS = "heraldry.relay."
FILTERS = ("heraldry.events.>", f"{RELAYS}>")
Seen = tuple[int, Event, Fact]


class ViewFeed:
    """Follows every context's published events. `moved` is told what a transaction brought, after it.

    What names somebody who is erased is passed over, as if it were deleted from the bus already.
    """

    def __init__(
        self,
        nc: Client,
        model: ReadModel,
        moved: Callable[[Sequence[Seen]], None],
        is_erased: Callable[[str], bool],
    ) -> None:
        self._model, self._moved, self._is_erased = model, moved, is_erased
        self._direct = DirectGet(nc, STREAM)
        self._nc = nc
        self._entries: asyncio.Queue[Entry] = asyncio.Queue()
        self._follower = self._following(0)
        self._begins: dict[str, int] = {}  # what of a context stands before this is no longer said
        self._over_until = 0  # the view is built anew and complete when it has come here
        self._task: asyncio.Task[None] | None = None
        self._catching_up: asyncio.Task[None] | None = None
        self.problem: str | None = None

    async def start(self) -> None:
        """Return when all that is in JetStream now is in the view."""
        info = await border.jetstream(self._nc).stream_info(STREAM)
        if not self._model.fed_by(_mark(info)) or info.state.last_seq < self._model.checkpoint():
            log.warning("the stream is another one: the view is built anew")
            self._model.start_over()
        for newest in await self._direct.newest([f"{RELAYS}*"]):
            marker = Marker.model_validate_json(newest.data)
            self._begins[_context(newest.subject)] = newest.sequence if marker.begins_anew else marker.begins
        if max(self._begins.values(), default=0) > self._model.checkpoint():
            self._model.start_over()
        self._follower = self._following(self._model.checkpoint())
        self._task = asyncio.create_task(self._run(), name="views")
        await self._follower.start()
        await self._entries.join()

    async def stop(self) -> None:
        await end(self._task)
        await end(self._catching_up)
        await self._follower.stop()
        await self._direct.stop()

    def _following(self, after: int) -> Follower:
        return Follower(self._nc, STREAM, FILTERS, self._entries.put_nowait, after=after)

    async def _begin_anew(self, context: str, sequence: int) -> None:
        """A context publishes its log from its beginning: what it said before is no longer said."""
        log.warning("a log is published from its beginning: the view is built anew", context=context)
        self._begins[context], self._over_until = sequence, sequence
        self.problem = "the view is built anew"
        await end(self._catching_up)
        await self._follower.stop()
        while not self._entries.empty():
            self._entries.get_nowait()
            self._entries.task_done()
        self._model.start_over()
        self._follower = self._following(0)
        self._catching_up = asyncio.create_task(self._follower.start(deadline=inf), name="views anew")

    async def measure(self) -> None:
        """Sets the metrics."""
        done, reached = self._model.checkpoint(), self._model.reached()
        for newest in await self._direct.newest([f"{RELAYS}*"]):
            context = _context(newest.subject)
            marker = Marker.model_validate_json(newest.data)
            here = reached.get(context)
            lag = 0
            if newest.sequence > done:
                lag = marker.position - (here.number if here and here.epoch == marker.epoch else 0)
            waiting = await self._direct.following(newest.subject, done, 1) if lag > 0 else ()
            _LAG.labels(context).set(max(lag, 0))
            since = (datetime.now(UTC) - waiting[0].time).total_seconds() if waiting else 0.0
            _OLDEST.labels(context).set(max(since, 0.0))

    async def _run(self) -> None:
        waiting: dict[str, list[Seen]] = {}
        while True:
            entry = await self._entries.get()
            context = _context(entry.subject)
            try:
                if entry.sequence > self._begins.get(context, 0) and await self._take(
                    entry, context, waiting
                ):
                    await self._begin_anew(context, entry.sequence)
                    waiting.clear()
                elif self._over_until and entry.sequence >= self._over_until:
                    self._over_until, self.problem = 0, None
            except (KeyError, TypeError, ValueError) as error:  # a damaged one must not keep back the rest
                log.error(  # noqa: TRY400  without the values in it: they may be personal
                    "an entry was not understood", sequence=entry.sequence, because=type(error).__name__
                )
                self._model.mark_for_rebuild()
            self._entries.task_done()

    async def _take(self, entry: Entry, context: str, waiting: dict[str, list[Seen]]) -> bool:
        """Put a batch into the view when its marker comes. True: the context's log begins anew here."""
        if not entry.subject.startswith(RELAYS):
            if (seen := self._read(entry)) is not None:
                waiting.setdefault(context, []).append(seen)
            return False
        marker = Marker.model_validate_json(entry.data)
        if marker.begins_anew:
            return True
        await self._apply(waiting.pop(context, []), entry.sequence, marker.reached)
        return False

    async def _apply(self, batch: Sequence[Seen], upto: int, reached: Position) -> None:
        while True:
            batch = [one for one in batch if not any(map(self._is_erased, one[2].persons.split()))]
            try:
                self._model.apply(batch, upto=upto, reached=[reached])
            except sqlite3.Error as error:
                self.problem = f"{type(error).__name__}: {error}"
                log.error("views stopped and try again", because=self.problem)  # noqa: TRY400  the reason is all
                await asyncio.sleep(RETRY)
            else:
                if not self._over_until:  # else browsers have seen it all
                    self.problem = None
                    self._moved(batch)
                return

    def _read(self, entry: Entry) -> Seen | None:
        envelope = cast("dict[str, Any]", orjson.loads(entry.data))
        event = registry.event(str(envelope["type"]), str(envelope["dataschema"]), envelope["data"])
        if event is None:
            log.warning(
                "an event of a newer release was skipped",
                type=str(envelope["type"]),
                dataschema=str(envelope["dataschema"]),
            )
            self._model.mark_for_rebuild()
            return None
        fact = Fact(
            id=str(envelope["id"]),
            type=str(envelope["type"]),
            time=datetime.fromisoformat(str(envelope["time"])),
            stream=str(envelope["stream"]),
            revision=int(envelope["revision"]),
            position=str(envelope["position"]),
            organization=str(envelope["organization"]),
            identity=str(envelope["identity"]),
            actor=str(envelope["actor"]),
            causation=str(envelope["causationid"]),
            correlation=str(envelope["correlationid"]),
            persons=str(envelope["persons"]),
        )
        return entry.sequence, event, fact


def _context(subject: str) -> str:
    parts = subject.split(".")
    return parts[2] if parts[1] == "relay" else parts[3]


def _mark(info: StreamInfo) -> int:
    """Names one stream: its configuration is the same when it was lost and made again, its time is not."""
    return crc32(str(info.created).encode()) & 0x7FFF_FFFF or 1
