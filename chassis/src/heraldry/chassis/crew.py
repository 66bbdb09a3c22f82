"""The workers of one process, and how they hold their pieces of work.

A worker claims, calls out, records; whatever a crash leaves behind is found again in the read model.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final, Protocol
from uuid import UUID

import structlog
from heraldry.chassis.readmodel import ReadModel
from heraldry.chassis.store.port import StoreUnavailableError
from heraldry.chassis.tasks import check_cancelled, end
from heraldry.chassis.vault.keys import KeyUnknownError
from heraldry.contracts.base import NEWER_RELEASE, Refused
from nats.errors import Error as NatsError

log = structlog.stdlib.get_logger(__name__)
LOOK_AGAIN: Final = 1.0  # seconds between two looks when nothing moved
AT_MOST_EVERY: Final = 0.02  # seconds
OUR_TROUBLE: Final = (NatsError, TimeoutError, StoreUnavailableError, OSError, KeyUnknownError)


class Worker(Protocol):
    def look(self) -> None:
        """Take in hand what the read model says is to be done."""
        ...

    async def stop(self) -> None:
        """Drop everything; what was begun is found again."""
        ...


class Crew:
    """Looks for work when the log moved, and every second. `run` it in a task.

    Cancelled, it drops everything at once: what was begun is found again.
    """

    def __init__(self, model: ReadModel, *workers: Worker) -> None:
        self._model, self._workers = model, workers
        self._moved = asyncio.Event()

    async def run(self) -> None:
        noticing = asyncio.create_task(self._notice())
        try:
            while True:
                check_cancelled()
                self._moved.clear()
                for worker in self._workers:
                    worker.look()
                with suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_AGAIN):
                        await self._moved.wait()
                await asyncio.sleep(AT_MOST_EVERY)
        finally:
            await asyncio.gather(end(noticing), *(worker.stop() for worker in self._workers))

    async def _notice(self) -> None:
        """Wake the workers when something new is in the read model they look in."""
        async for _ in self._model.changes():
            self._moved.set()


@dataclass(slots=True)
class Hands:
    """Pieces of work of one kind, each in one hand of this process at most, so many at once.

    At most `each` of them go through one account, so that one that says nothing does not hold up all others.
    """

    work: Callable[[UUID], Awaitable[None]]
    at_once: int
    each: int = 1
    _running: dict[UUID, asyncio.Task[None]] = field(default_factory=dict[UUID, asyncio.Task[None]])
    _busy: Counter[UUID] = field(default_factory=Counter[UUID])

    def take(self, what: UUID, through: UUID | None = None) -> None:
        """Begin, unless it is in hand or no hand is free (then it is found again by the next look)."""
        through = through or what
        if (
            what not in self._running
            and len(self._running) < self.at_once
            and self._busy[through] < self.each
        ):
            self._busy[through] += 1
            self._running[what] = asyncio.create_task(self._do(what, through))

    def holds(self, what: UUID) -> bool:
        return what in self._running

    @property
    def free(self) -> bool:
        """Whether a hand is free."""
        return len(self._running) < self.at_once

    @property
    def busy(self) -> tuple[UUID, ...]:
        """For whom no more can be taken in hand."""
        return tuple(through for through, count in self._busy.items() if count >= self.each)

    async def stop(self) -> None:
        """Drop everything; what was begun is found again."""
        await end(*self._running.values())

    async def _do(self, what: UUID, through: UUID) -> None:
        try:
            await self.work(what)
        except OUR_TROUBLE as error:
            log.warning("work is put off", what=str(what), because=type(error).__name__)
        except Refused as refusal:
            if refusal.code != NEWER_RELEASE:
                log.exception("work failed and is tried again", what=str(what))
            else:
                log.warning("work is left to a newer release", what=str(what))
        except Exception:
            log.exception("work failed and is tried again", what=str(what))
        finally:
            self._running.pop(what, None)
            self._busy[through] -= 1
            self._busy += Counter()  # forgets whoever has nothing in hand
