"""What an idle installation takes of the machine's memory, without the sandbox.

The sum of what the kernel counts as each process' own share (PSS): a page that several use is counted once.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path
from typing import Final

from heraldry.chassis.testing.stack import Stack
from measure import Figure, tell

MB: Final = 1_000_000
LOOKS: Final = 15
PAUSE: Final = 1.0  # seconds between two looks


def main() -> None:
    with (
        tempfile.TemporaryDirectory(prefix="heraldry-bench-") as folder,
        Stack.running(Path(folder) / "data", sandbox=False) as stack,
    ):
        looks = [look(stack) for _ in range(LOOKS)]
    tell(
        Figure(
            "memory of the idle installation",
            statistics.median(sum(taken.values()) for taken in looks),
            450,
            at_most=True,
            unit="MB",
            measured={f"{name}, MB": statistics.median(taken[name] for taken in looks) for name in looks[0]},
        )
    )


def look(stack: Stack) -> dict[str, float]:
    time.sleep(PAUSE)
    return {name: taken / MB for name, taken in stack.memory().items()}


if __name__ == "__main__":
    main()
