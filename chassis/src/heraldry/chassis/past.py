"""A context's log as it stood at an instant: streams up to it, folded as they were then.

A question about the past is answered by the projections and deciders that answer it now, from what was recorded up to
then and from nothing else. What was erased since is erased in the past, too.
"""

from __future__ import annotations

import asyncio
import heapq
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Final, TypeVar

from heraldry.chassis.clock import Clock
from heraldry.chassis.codec import Codec, UnknownTypeError, recorded
from heraldry.chassis.projection import Fact, Projection, prepare
from heraldry.chassis.readmodel import RecordedFact
from heraldry.chassis.store.port import NO_STREAM, START, EventStore, StoredEvent
from heraldry.contracts.base import Event, Moment, Refused
from heraldry.contracts.markers import Position

T = TypeVar("T")
PAGE: Final = 500
MOST: Final = 100_000  # events that one question looks at
AT_ONCE: Final = 50


def instant(as_of: datetime, clock: Clock) -> datetime:
    """The moment that is asked about. Refused `as-of.future` (422)."""
    if as_of > clock.now():
        raise Refused(
            "as-of.future",
            "That moment has not come yet. Ask for one that has passed, or leave as_of away.",
            status=422,
            field="as_of",
        )
    return as_of


def before_it_was() -> Refused:
    """What is asked about exists now and did not then."""
    return Refused(
        "as-of.before", "It did not exist yet at that moment. Ask for a later one.", status=404, field="as_of"
    )


class Pasts:
    """The past of one context, moment by moment."""

    def __init__(self, context: str, store: EventStore, codec: Codec, clock: Clock) -> None:
        self._context, self._store, self._codec, self._clock = context, store, codec, clock

    def at(self, as_of: datetime) -> Past:
        """Refused `as-of.future` (422)."""
        return Past(self._context, self._store, self._codec, instant(as_of, self._clock))


class Past:
    """The log of a context as it was at `at`; what was recorded at that very instant counts."""

    def __init__(self, context: str, store: EventStore, codec: Codec, at: datetime) -> None:
        self._context, self._store, self._codec, self._at = context, store, codec.veiled(), at
        self._looked_at = 0

    def moment(self, position: int) -> Moment:
        """What an answer says of itself; `position`: of the last event in it."""
        return Moment(at=self._at, position=str(Position(self._context, self._store.epoch, position)))

    async def events(
        self, streams: Iterable[str], but: Callable[[StoredEvent], bool] | None = None
    ) -> Sequence[StoredEvent]:
        """Those of these streams, in the log's order; without those that `but` names.

        Refused `as-of.too-much` (422) where that is more than can be looked at for one answer.
        """
        found = [await self._stream(f"{self._context}.{name}", but) for name in dict.fromkeys(streams)]
        return tuple(heapq.merge(*found, key=lambda one: one.position))

    async def model(self, projections: Sequence[Projection], events: Sequence[StoredEvent]) -> PastModel:
        """What these projections show of these events. Refused `service.newer-release`."""
        model = PastModel(projections, self.moment(events[-1].position if events else START))
        for number, one in enumerate(events):
            if number % AT_ONCE == 0:
                await asyncio.sleep(0)  # others get their turn
            try:
                kind = self._codec.kind(one)
            except UnknownTypeError as newer:
                raise newer.refused() from newer
            if model.shows(kind):
                fact = RecordedFact(self._context, self._store.epoch, one)
                model.apply(await self._codec.event(one), fact)
        return model

    async def _stream(self, name: str, but: Callable[[StoredEvent], bool] | None) -> Sequence[StoredEvent]:
        found: list[StoredEvent] = []
        after = NO_STREAM
        while True:
            page = await self._store.read_stream(name, after=after, limit=PAGE)
            self._looked_at += len(page)
            if self._looked_at > MOST:
                raise Refused(
                    "as-of.too-much",
                    "More has happened there than can be looked at for one answer. Ask for an earlier moment, or"
                    " about less.",
                    status=422,
                    field="as_of",
                )
            for one in page:
                if recorded(one) > self._at:  # time in a stream never goes back
                    return found
                if but is None or not but(one):
                    found.append(one)
            if len(page) < PAGE:
                return found
            after = page[-1].revision


class PastModel:
    """A read model in memory, as it was; `moment` is which one."""

    def __init__(self, projections: Sequence[Projection], moment: Moment) -> None:
        self.moment, self._projections = moment, tuple(projections)
        self._db = sqlite3.connect(":memory:", isolation_level=None)
        prepare(self._db, self._projections)
        self._db.execute("BEGIN")  # one transaction that never ends is quicker than many

    def shows(self, kind: type[Event]) -> bool:
        """Whether a projection has a handler for events of this type."""
        return any(kind in one.handlers for one in self._projections)

    def apply(self, event: Event, fact: Fact) -> None:
        for projection in self._projections:
            projection.apply(self._db, event, fact)

    def read(self, query: Callable[[sqlite3.Connection], T]) -> T:
        """As `ReadModel.read`."""
        return query(self._db)
