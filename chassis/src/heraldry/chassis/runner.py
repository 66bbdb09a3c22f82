"""The command runner: load → decide → append at the expected revision; a conflict decides again.

A repeated command is found by its id while folding. Event ids are fresh, so exactly one append at a revision
succeeds and whoever is told *fresh* is the one who did it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Generic, Protocol, TypeVar, cast
from uuid import UUID

from heraldry.chassis import tracing
from heraldry.chassis.codec import Codec, Decoded, Meta, UnknownTypeError, recorded
from heraldry.chassis.decider import Decider
from heraldry.chassis.store.port import (
    ADDED,
    LARGEST_APPEND,
    LARGEST_EVENT,
    NO_STREAM,
    START,
    Appended,
    ConflictError,
    EventStore,
    NewEvent,
    StoredEvent,
)
from heraldry.contracts.base import Accepted, By, Event, Refused

C = TypeVar("C")
S = TypeVar("S")
S_co = TypeVar("S_co", covariant=True)
E = TypeVar("E", bound=Event)
PAGE: Final = 256


@dataclass(frozen=True, slots=True)
class Asked:
    """A command's id and on whose behalf it is asked; `identity` names whom its events are about."""

    id: UUID
    by: By
    at: datetime
    identity: UUID | None = None
    organization: UUID | None = None  # where By names none: an operator's, or a new organization's

    def meta(self) -> Meta:
        organization = self.organization or self.by.organization
        return Meta(
            command=str(self.id),
            actor=self.by.actor,
            time=self.at.isoformat(),
            organization="" if organization is None else str(organization),
            identity="" if self.identity is None else str(self.identity),
            causation=self.by.causation,
            correlation=self.by.correlation,
        )


@dataclass(frozen=True, slots=True)
class Ran(Generic[S, E]):
    """What became of a command. `fresh`: its events were appended by this call and by nobody else.

    `position` is that of the last event this command appended, now or earlier. Where it had nothing to do, it
    is that of the stream's last event: what it found done is to be seen there.
    """

    events: tuple[E, ...]
    state: S
    position: int
    revision: int
    fresh: bool


@dataclass(frozen=True, slots=True)
class Loaded(Generic[S, E]):
    state: S
    revision: int
    position: int
    decoded: tuple[Decoded, ...]  # oldest first; the window's part of the stream

    @property
    def correlation(self) -> str:
        """Of the first event that was read: in the stream of one attempt, of what had it begun."""
        return self.decoded[0].meta.correlation if self.decoded else ""


class Known(Protocol[S_co]):
    """A stream's state at a revision: what `load` and `run` answered."""

    @property
    def state(self) -> S_co: ...
    @property
    def revision(self) -> int: ...
    @property
    def position(self) -> int: ...


class Runner:
    """Runs commands on the streams of one context's store."""

    def __init__(self, context: str, store: EventStore, codec: Codec) -> None:
        self._context, self._store, self._codec = context, store, codec

    async def load(
        self,
        decider: Decider[C, S, E],
        stream: str,
        *,
        enough: Callable[[Sequence[E]], bool] | None = None,
        since: Known[S] | None = None,
        until: datetime | None = None,
    ) -> Loaded[S, E]:
        """Fold a stream. `enough` is asked with the newest events (newest first) and ends the reading back.

        `since`: how it was a moment ago; only what was appended since is read, and is all `decoded` has.
        `until`: as it was then; what was recorded later is passed over.
        Raises Refused `service.newer-release`: nothing is decided on a stream that a newer release wrote in.
        """
        if since is not None:
            return await self._newer(decider, stream, since)
        decoded = await self._window(stream, cast("Callable[[Sequence[Event]], bool] | None", enough), until)
        events = cast("list[E]", [one.event for one in decoded])
        last = decoded[-1].stored if decoded else None
        return Loaded(
            decider.fold(events),
            NO_STREAM if last is None else last.revision,
            START if last is None else last.position,
            decoded,
        )

    async def run(
        self,
        decider: Decider[C, S, E],
        stream: str,
        command: C,
        asked: Asked,
        *,
        enough: Callable[[Sequence[E]], bool] | None = None,
        known: Known[S] | None = None,
    ) -> Ran[S, E]:
        """Carry a command out on a stream (`<category>-<id>`; the context is put before it).

        `known` is the stream as it was a moment ago, for a command whose id is new: it is decided on first, and
        the stream is read only where somebody appended since. Raises what `decide` refuses, what `load` raises,
        StoreUnavailableError, and Refused `event.too-large`.
        """
        while True:
            if known is not None:
                loaded, known = known, None
            else:
                read = loaded = await self.load(decider, stream, enough=enough)
                done = [one for one in read.decoded if one.meta.command == str(asked.id)]
                if done:
                    events = cast("tuple[E, ...]", tuple(one.event for one in done))
                    return Ran(events, read.state, done[-1].stored.position, read.revision, fresh=False)
            events = tuple(decider.decide(command, loaded.state))
            if not events:
                return Ran((), loaded.state, loaded.position, loaded.revision, fresh=False)
            new = await self._codec.encode(events, asked.meta())
            _limit(new)
            appended = await self._append(stream, new, loaded.revision, asked.by.correlation)
            if appended is None:
                continue
            state = loaded.state
            for event in events:
                state = decider.evolve(state, event)
            return Ran(events, state, appended.position, appended.revision, fresh=appended.fresh)

    def accepted(self, ran: Ran[S, E]) -> Accepted:
        return Accepted(position=f"{self._context}:{self._store.epoch}:{ran.position}", fresh=ran.fresh)

    async def _append(
        self, stream: str, events: Sequence[NewEvent], expected: int, correlation: str
    ) -> Appended | None:
        """None: somebody else appended meanwhile."""
        facts: dict[str, tracing.Fact] = {
            "heraldry.context": self._context,
            "heraldry.category": stream.partition("-")[0],
            "heraldry.events": len(events),
        }
        with tracing.span("append", "client", facts, correlation=correlation) as told:
            try:
                return await self._store.append(f"{self._context}.{stream}", events, expected=expected)
            except ConflictError:
                told.tell({"heraldry.conflict": True})
                return None

    async def _newer(self, decider: Decider[C, S, E], stream: str, since: Known[S]) -> Loaded[S, E]:
        stored = await self._store.read_stream(f"{self._context}.{stream}", after=since.revision)
        decoded, state = await self._decoded(stored), since.state
        for one in decoded:
            state = decider.evolve(state, cast("E", one.event))
        last = stored[-1] if stored else since
        return Loaded(state, last.revision, last.position, decoded)

    async def _window(
        self, stream: str, enough: Callable[[Sequence[Event]], bool] | None, until: datetime | None
    ) -> tuple[Decoded, ...]:
        name = f"{self._context}.{stream}"
        if enough is None:
            return await self._decoded(_up_to(until, await self._store.read_stream(name)))
        newest_first: list[Decoded] = []
        before: int | None = None
        while True:
            page = await self._store.read_stream_backwards(name, before=before, limit=PAGE)
            newest_first.extend(await self._decoded(_up_to(until, page)))
            if len(page) < PAGE or (newest_first and enough([one.event for one in newest_first])):
                return tuple(newest_first[::-1])
            before = page[-1].revision

    async def _decoded(self, stored: Sequence[StoredEvent]) -> tuple[Decoded, ...]:
        try:
            return tuple(await self._codec.decode(stored))
        except UnknownTypeError as newer:
            raise newer.refused() from newer


def _up_to(until: datetime | None, stored: Sequence[StoredEvent]) -> Sequence[StoredEvent]:
    return stored if until is None else [one for one in stored if recorded(one) <= until]


def _limit(events: Sequence[NewEvent]) -> None:
    sizes = [len(event.data) + len(event.meta) for event in events]
    if max(sizes) > LARGEST_EVENT:
        raise Refused(
            "event.too-large",
            "That is more than fits into one entry of the history (256 KiB). Shorten it and try again.",
            status=413,
        )
    if sum(sizes) + ADDED * len(sizes) > LARGEST_APPEND:
        raise Refused(
            "event.too-large",
            "That is more than the history takes at once (1 MiB). Do it in smaller parts.",
            status=413,
        )
