"""Tests wait for a condition with a deadline, never for a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import monotonic

SHORTEST, LONGEST = 0.02, 0.2  # seconds between two looks at what another process does


class Pauses:
    """Between two looks: a tenth of what was waited already, so that a long wait asks little and ends hardly late."""

    def __init__(self) -> None:
        self._since = monotonic()

    def next(self) -> float:
        """Seconds."""
        return min(max((monotonic() - self._since) / 10, SHORTEST), LONGEST)


async def until(condition: Callable[[], bool], *, seconds: float = 15.0) -> None:
    """Return when the condition holds. Raises TimeoutError after so many seconds."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110  any condition: it has no event of its own
            await asyncio.sleep(0.01)
