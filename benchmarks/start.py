"""How long a person waits: `up` on an installation that has run before, and Ctrl-C. With the sandbox, as a demo runs."""

from __future__ import annotations

import signal
import statistics
import tempfile
import time
from pathlib import Path
from typing import Final

from heraldry.chassis.testing.stack import Stack
from measure import Figure, tell

TIMES: Final = 5


def main() -> None:
    ready: list[float] = []
    stopped: list[float] = []
    with tempfile.TemporaryDirectory(prefix="heraldry-bench-") as folder:
        for _ in range(TIMES + 1):
            took = once(Path(folder) / "data")
            ready.append(took[0])
            stopped.append(took[1])
    first, *warm = ready
    tell(
        Figure(
            "`up`, warm, until all is ready",
            statistics.median(warm),
            6,
            at_most=True,
            unit="s",
            measured={"fastest, s": min(warm), "slowest, s": max(warm), "the very first, s": first},
        )
    )
    tell(
        Figure(
            "Ctrl-C, the slowest",
            max(stopped),
            5,
            at_most=True,
            unit="s",
            measured={"median, s": statistics.median(stopped)},
        )
    )


def once(data: Path) -> tuple[float, float]:
    """Seconds to ready, and from Ctrl-C to the end."""
    with Stack.running(data) as stack:
        asked = time.monotonic()
        if code := stack.stop(signal.SIGINT):
            raise SystemExit(f"`up` ended with {code}.\n{stack.tail()}")
        return stack.seconds_to_ready, time.monotonic() - asked


if __name__ == "__main__":
    main()
