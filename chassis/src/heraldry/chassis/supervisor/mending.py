"""NATS that goes on refusing writes after its disk was full is started again, once there is room."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from heraldry.chassis.supervisor.child import Child

CODE: Final = "nats.refuses-writes"
WORDS: Final = (
    b"critical write error"  # the server's, in small letters, once for each stream it closes for writing
)
LOOK: Final = 1.0  # seconds between two looks whether there is room
PAUSES: Final = (
    60.0,
    300.0,
    1800.0,
)  # seconds from one start again to the next at least, the last one for ever


class Mending:
    """Listens to what NATS says. `has_room`: whether its disk has space again."""

    def __init__(
        self,
        nats: Child,
        has_room: Callable[[], bool],
        say: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._nats, self._has_room, self._say, self._clock = nats, has_room, say, clock
        self._refusing = 0  # the process that does; 0: none
        self._mended: list[float] = []

    @property
    def patience(self) -> float | None:
        """How long nobody needs to look; None: until NATS says something."""
        return LOOK if self._refusing else None

    def hear(self, line: bytes) -> None:
        running = self._nats.running
        if running is None or WORDS not in line.lower() or running.pid == self._refusing:
            return
        self._refusing = running.pid
        self._say(
            f"NATS refuses writes, and will until it is started again: that is done once its disk has space [{CODE}]"
        )

    def is_due(self) -> bool:
        """Whether NATS is to be started again now; True once for each time that it is."""
        if not self._refusing:
            return False
        if self._nats.running is None or self._nats.running.pid != self._refusing:
            self._refusing = 0  # it has ended by itself
            return False
        now, before = self._clock(), len(self._mended)
        if before and now - self._mended[-1] < PAUSES[min(before, len(PAUSES)) - 1]:
            return False
        if not self._has_room():
            return False
        self._mended.append(now)
        self._refusing = 0
        self._say(f"the disk of NATS has space again, so NATS is started again [{CODE}]")
        return True
