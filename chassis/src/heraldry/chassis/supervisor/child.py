"""What the supervisor knows of one process: its state, its crashes, its last words."""

from __future__ import annotations

import signal
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum

from heraldry.chassis.supervisor.output import Lines, LogFile
from heraldry.chassis.supervisor.process import Running
from heraldry.chassis.supervisor.services import Service

CRASHES = 5  # within the window below: the process stays down
WINDOW = 60.0  # seconds
PAUSES = (0.0, 0.5, 1.0, 2.0)  # seconds before the first, second … restart within the window
LAST_LINES = 12


class State(Enum):
    """Of a process, as the supervisor sees it."""

    WAITING = "waiting"  # to be started, at first or again
    STARTING = "starting"
    READY = "ready"
    DOWN = "down"  # crashed too often, not started again
    STOPPED = "stopped"


@dataclass(slots=True)
class Child:
    """One process of the installation, over all its restarts. Times are of the monotonic clock."""

    name: str
    work: Callable[[], int]
    environment: Mapping[str, str]
    log: LogFile
    service: Service | None = None  # None: the NATS server and what prepares it
    listens: Callable[[], bool] | None = None  # how to see that it is ready, if it does not say so itself
    once: bool = False  # it is done when it ends well
    hears: Callable[[bytes], None] | None = None  # who listens to its output, line by line
    again: bool = False  # it is ended to be started again
    state: State = State.WAITING
    running: Running | None = None
    started: float = 0.0
    start_at: float = 0.0
    crashes: deque[float] = field(default_factory=deque[float])
    restarts: int = 0
    proven: bool = False  # it has been ready before
    reason: str = ""  # how it ended the last time
    lines: Lines = field(default_factory=Lines)
    last_words: deque[bytes] = field(default_factory=lambda: deque[bytes](maxlen=LAST_LINES))
    said: bytes = b""  # on the pipe for readiness

    def crashed(self, now: float, status: int) -> bool:
        """Note that it ended unasked. True if it is to be started again (at `start_at`)."""
        self.reason = how_it_ended(status)
        self.crashes.append(now)
        while self.crashes and self.crashes[0] <= now - WINDOW:
            self.crashes.popleft()
        self.said = b""
        if len(self.crashes) >= CRASHES:
            self.state = State.DOWN
            return False
        self.state = State.WAITING
        self.start_at = now + PAUSES[min(len(self.crashes), len(PAUSES)) - 1]
        return True


def how_it_ended(status: int) -> str:
    """In words, from what `waitpid` says."""
    if status < 0:
        return f"was killed by {signal.Signals(-status).name}"
    return f"ended with exit code {status}"
