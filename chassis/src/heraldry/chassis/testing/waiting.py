"""Tests wait for a condition with a deadline, never for a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


async def until(condition: Callable[[], bool], *, seconds: float = 15.0) -> None:
    """Return when the condition holds. Raises TimeoutError after so many seconds."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110  any condition: it has no event of its own
            await asyncio.sleep(0.01)
