"""The workers of one process: they look for work when the log moved, and every second."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

import structlog
from heraldry.chassis.readmodel import ReadModel
from heraldry.chassis.tasks import check_cancelled, end
from heraldry.mailbox.workers.checking import CheckWorker
from heraldry.mailbox.workers.reading import ReadWorker
from heraldry.mailbox.workers.sending import SendWorker

log = structlog.stdlib.get_logger(__name__)
LOOK_AGAIN: Final = 1.0  # seconds between two looks when nothing moved
AT_MOST_EVERY: Final = 0.02  # seconds


@dataclass(slots=True)
class Crew:
    """`run` it in a task. Cancelled, it drops everything at once: what was begun is found again."""

    model: ReadModel
    checking: CheckWorker
    sending: SendWorker
    reading: ReadWorker
    _moved: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> None:
        noticing = asyncio.create_task(self._notice())
        try:
            while True:
                check_cancelled()
                self._moved.clear()
                for worker in (self.checking, self.sending, self.reading):
                    worker.look()
                with suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_AGAIN):
                        await self._moved.wait()
                await asyncio.sleep(AT_MOST_EVERY)
        finally:
            await asyncio.gather(
                end(noticing), self.checking.stop(), self.sending.stop(), self.reading.stop()
            )

    async def _notice(self) -> None:
        """Wake the workers when something new is in the read model they look in."""
        async for _ in self.model.changes():
            self._moved.set()
