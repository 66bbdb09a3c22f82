"""A process that appends for ever and says what was acknowledged: `python -m … FILE NAME WRITERS`.

A line for each append that was answered: `<stream> <revision> <event id>`. Whoever strikes the process down has to
find each of them in the file afterwards.
"""

from __future__ import annotations

import asyncio
import os
import sys
from itertools import count
from pathlib import Path

from heraldry.chassis.store.port import NewEvent
from heraldry.chassis.store.sqlite import SqliteStore
from uuid_utils.compat import uuid7

STDOUT = 1


async def main(file: Path, name: str, writers: int) -> None:
    store = SqliteStore(file)

    async def write(stream: str) -> None:
        for revision in count():
            event = NewEvent(uuid7(), "ThingHappened", 1, b'{"text":"%s"}' % (b"x" * 200), b"{}")
            await store.append(stream, [event], expected=revision - 1)
            os.write(STDOUT, f"{stream} {revision} {event.id}\n".encode())  # whole, or not at all

    await asyncio.gather(*(write(f"{name}.thing-{number}") for number in range(writers)))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
