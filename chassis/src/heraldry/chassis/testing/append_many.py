"""A process that appends COUNT events to STREAM in FILE, as one of several: `python -m … FILE STREAM
COUNT`.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from heraldry.chassis.store.port import NO_STREAM, ConflictError, NewEvent
from heraldry.chassis.store.sqlite import SqliteStore
from uuid_utils.compat import uuid7


async def append_many(file: Path, stream: str, count: int) -> None:
    store, revision = SqliteStore(file), NO_STREAM
    for _ in range(count):
        event = NewEvent(uuid7(), "ThingHappened", 1, b"{}", b"{}")
        while True:
            try:
                revision = (await store.append(stream, [event], expected=revision)).revision
                break
            except ConflictError as conflict:
                revision = conflict.actual
    await store.close()


if __name__ == "__main__":
    asyncio.run(append_many(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
