"""What every context does when a person is erased: it seals their keys, stops, drops its rows and says when it is done.

One replica carries the commands out; every replica drops the rows of its own files as soon as it hears of the seal, and
says in the bucket LEASES how far it has heard. Nothing counts as cleared before all that are there have said so.
"""

from __future__ import annotations

import asyncio
import re
import sqlite3
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

import structlog
from heraldry.chassis.bus import border
from heraldry.chassis.bus.follow import Entry, Follower
from heraldry.chassis.bus.relay import Relay
from heraldry.chassis.bus.rpc import Asking, Server
from heraldry.chassis.points import Points
from heraldry.chassis.readmodel import ReadModel
from heraldry.chassis.store.port import EventStore
from heraldry.chassis.tasks import end
from heraldry.chassis.vault.keys import KeyRing
from heraldry.contracts.base import Accepted, Refused, Value
from heraldry.contracts.erasure import (
    ContextStanding,
    DestroySubjectsKeys,
    EraseSubjects,
    FindPerson,
    GetStanding,
    Kind,
    ListSubjects,
    Person,
)
from nats.aio.client import Client
from nats.errors import Error as NatsError
from pydantic import ValidationError

log = structlog.stdlib.get_logger(__name__)
STREAM: Final = "KV_LEASES"
BEAT: Final = 15.0  # seconds between two words of a replica
ABSENT: Final = timedelta(
    seconds=90
)  # a replica not heard of for so long is not waited for: it forgets when it starts
LOOK: Final = 0.05
PERSON: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(frozen=True, slots=True)
class Erased:
    """Who is to be erased, as commands name them."""

    kind: Kind
    subjects: tuple[UUID, ...]
    organization: UUID

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(map(str, self.subjects))


Stop = Callable[[Erased, Asking], Awaitable[None]]
Awaited = Callable[[Kind, tuple[UUID, ...]], Awaitable[str]]
Forget = Callable[[Mapping[str, int]], None]
Find = Callable[[Kind, UUID], Awaitable[Person]]
Named = Callable[[UUID, Sequence[str], Sequence[str]], Awaitable[Sequence[UUID]]]


class _Word(Value):
    """What a replica says: every record of the keys up to `heard` is heeded. A format between releases."""

    heard: int


@dataclass(slots=True)
class Part:
    """A context's own part: what it does and knows beside its keys and rows. `build` fills in what there is.

    `stop`: end what is meant for them, in streams; repeated until nothing is `awaited`, which says so in words.
    `forgets`: what else of this replica's files goes, given who is erased, each with the sequence of that record.
    `find`: what is known of somebody. `named`: the ids a lead with these addresses and profiles has here.
    """

    stop: Stop | None = None
    awaited: Awaited | None = None
    find: Find | None = None
    named: Named | None = None
    forgets: list[Forget] = field(default_factory=list[Forget])


class Erasing:
    """Answers for one context, and forgets for one replica. `start` before anything is served."""

    def __init__(  # noqa: PLR0913, PLR0917  a composition root names each part once
        self,
        nc: Client,
        context: str,
        process: str,
        keys: KeyRing,
        store: EventStore,
        relay: Relay,
        part: Part,
        reach: Points,
    ) -> None:
        self._js, self._context = border.jetstream(nc), context
        self._process = re.sub(r"[^A-Za-z0-9_-]", "-", process)
        self._keys, self._store, self._relay, self._part, self._reach = keys, store, relay, part, reach
        self._models: list[ReadModel] = []
        self._words: dict[str, tuple[int, datetime]] = {}
        self._follower = Follower(nc, STREAM, f"$KV.LEASES.{context}.>", self._take, newest_only=True)
        self._tasks: list[asyncio.Task[None]] = []
        self._said = 0

    def forgets_in(self, model: ReadModel) -> None:
        """Drop rows in this model too, now and from now on."""
        self._models.append(model)
        if model.forget(self._people()):
            model.scour()

    def register(self, rpc: Server) -> None:
        rpc.command(EraseSubjects, self.erase)
        rpc.command(DestroySubjectsKeys, self.destroy)
        rpc.query(GetStanding, self.standing)
        rpc.query(FindPerson, self.find)
        rpc.query(ListSubjects, self.subjects)

    async def start(self) -> None:
        await self._follower.start()
        self._tasks = [
            asyncio.create_task(self._heed(), name="forgetting"),
            asyncio.create_task(self._repeat(), name="saying what is forgotten"),
        ]

    async def stop(self) -> None:
        """A replica that stops is not waited for."""
        await end(*self._tasks)
        await self._follower.stop()
        try:
            await self._js.publish(self._where, b"", stream=STREAM, headers={"KV-Operation": "DEL"})
        except (NatsError, TimeoutError):
            log.info("the others wait a while for this replica", process=self._process)

    # --- what one replica is asked for the context

    async def erase(self, command: EraseSubjects, asking: Asking) -> Accepted:
        """Nothing is encrypted for them any more; what is meant for them stops."""
        erased = Erased(command.kind, command.subjects, command.organization)
        for name in erased.names:
            await self._keys.seal(name)
        await self._reach(f"erasing-{self._context}.sealed")
        if self._part.stop is not None:
            await self._part.stop(erased, asking)
        await self._reach(f"erasing-{self._context}.stopped")
        return Accepted(position=await self._position(), fresh=True)

    async def destroy(self, command: DestroySubjectsKeys, asking: Asking) -> Accepted:
        del asking
        left = [name for name in map(str, command.subjects) if not await self._keys.is_destroyed(name)]
        if left and (waiting := await self._waiting(command.kind, command.subjects)):
            raise Refused("erasure.not-cleared", f"{self._context} is not done: {waiting}.")
        for name in left:
            await self._keys.destroy(name)
        await self._reach(f"erasing-{self._context}.destroyed")
        return Accepted(position=await self._position(), fresh=True)

    async def standing(self, query: GetStanding, asking: Asking) -> ContextStanding:
        del asking
        names = tuple(map(str, query.subjects))
        return ContextStanding(
            waiting=await self._waiting(query.kind, query.subjects),
            rows=sum(model.forgotten(names) for model in self._models),
            replicas=len(self._present()),
            superseded=tuple(self._keys.superseded()),
        )

    async def find(self, query: FindPerson, asking: Asking) -> Person:
        del asking
        return Person() if self._part.find is None else await self._part.find(query.kind, query.subject)

    async def subjects(self, query: ListSubjects, asking: Asking) -> tuple[UUID, ...]:
        del asking
        if self._part.named is None:
            return ()
        return tuple(await self._part.named(query.organization, query.addresses, query.profiles))

    async def _waiting(self, kind: Kind, subjects: tuple[UUID, ...]) -> str:
        erased, names = self._keys.erased(), tuple(map(str, subjects))
        if any(name not in erased for name in names):
            return "the seal on the keys"
        needed = max(erased[name] for name in names)
        behind = sorted(process for process, heard in self._present().items() if heard < needed)
        if behind:
            return f"{', '.join(behind)} to drop the rows"
        return "" if self._part.awaited is None else await self._part.awaited(kind, subjects)

    def _present(self) -> Mapping[str, int]:
        since = datetime.now(UTC) - ABSENT
        return {process: heard for process, (heard, at) in self._words.items() if at > since}

    async def _position(self) -> str:
        return f"{self._context}:{self._store.epoch}:{await self._store.head()}"

    # --- what every replica does

    async def _heed(self) -> None:
        async for _ in self._keys.changes():
            heard, erased = self._keys.heard, self._people()
            while True:
                try:
                    await self._forget(erased)
                except (sqlite3.Error, OSError) as error:
                    log.error("rows are dropped later", because=str(error))  # noqa: TRY400  the reason is all there is
                    await asyncio.sleep(BEAT)
                else:
                    break
            await self._reach(f"erasing-{self._context}.forgotten")
            await self._published()
            self._said = heard
            await self._say()

    async def _forget(self, erased: Mapping[str, int]) -> None:
        for model in self._models:
            if model.forget(erased):
                await asyncio.to_thread(model.scour)
        for forget in self._part.forgets:
            forget(erased)

    def _people(self) -> Mapping[str, int]:
        """Who is erased; not what else had a key, such as a file that was imported."""
        return {name: sequence for name, sequence in self._keys.erased().items() if PERSON.fullmatch(name)}

    async def _published(self) -> None:
        """Return when nothing that was read before the seal is on its way to the bus."""
        head = await self._store.head()
        while self._relay.state.position < head:  # noqa: ASYNC110  the relay tells nobody
            await asyncio.sleep(LOOK)

    async def _repeat(self) -> None:
        while True:
            await asyncio.sleep(BEAT)
            await self._say()

    async def _say(self) -> None:
        try:
            await self._js.publish(
                self._where, _Word(heard=self._said).model_dump_json().encode(), stream=STREAM
            )
        except (NatsError, TimeoutError) as error:
            log.info("what is forgotten is said again later", because=type(error).__name__)

    def _take(self, entry: Entry) -> None:
        kind, _, process = entry.subject.removeprefix(f"$KV.LEASES.{self._context}.").partition(".")
        if kind != "replica":
            return
        if not entry.data:
            self._words.pop(process, None)
            return
        try:
            self._words[process] = (_Word.model_validate_json(entry.data).heard, entry.time)
        except ValidationError:
            log.warning("what a replica says was not understood", process=process)

    @property
    def _where(self) -> str:
        return f"$KV.LEASES.{self._context}.replica.{self._process}"
