"""Ending tasks that may not notice at once that they are told to."""

from __future__ import annotations

import asyncio
from typing import Any, Final

AGAIN: Final = 0.1  # seconds between two cancellations of the same task


async def end(*tasks: asyncio.Task[Any] | None) -> None:
    """Cancel the tasks and return when all have ended, whatever they ended with.

    Again and again: before Python 3.12 `asyncio.wait_for`, which nats-py waits with, swallows a cancellation
    that meets a result. Raises CancelledError only if the caller itself is cancelled.
    """
    while waiting := [task for task in tasks if task is not None and not task.done()]:
        for task in waiting:
            task.cancel()
        await asyncio.wait(waiting, timeout=AGAIN)
    for task in tasks:
        if task is not None and not task.cancelled():
            task.exception()  # seen: the loop need not complain that nobody asked


def check_cancelled() -> None:
    """For the head of an endless loop. Raises CancelledError if this task was told to end and something
    below it swallowed that.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
