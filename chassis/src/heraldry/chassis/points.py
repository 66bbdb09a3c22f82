"""Named points in the code at which a test can hold a process, to kill it exactly there.

Without the setting `test_points` nothing is looked at. With it, whoever comes to a point `x` for which the
folder has a file `x.hold` says so in a file `x.<n>.reached` (its process id) and waits until `x.hold` is gone.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Final, Protocol
from uuid import uuid4

import structlog

log = structlog.stdlib.get_logger(__name__)
LOOK: Final = 0.01  # seconds


class Points(Protocol):
    async def __call__(self, name: str) -> None:
        """Somebody comes to the point of this name."""
        ...


async def none(name: str) -> None:
    """No point holds anybody."""


def points(folder: Path | None) -> Points:
    """Those of a folder; none without one."""
    if folder is None:
        return none
    log.warning("this process can be held at named points: it runs in a test", folder=str(folder))

    async def reach(name: str) -> None:
        hold = folder / f"{name}.hold"
        if not hold.exists():
            return
        told = folder / f"{name}.{uuid4()}"
        told.write_text(str(os.getpid()), encoding="ascii")
        told.replace(told.with_name(f"{told.name}.reached"))  # whole or not at all
        while hold.exists():  # noqa: ASYNC110  another process says when
            await asyncio.sleep(LOOK)

    return reach
