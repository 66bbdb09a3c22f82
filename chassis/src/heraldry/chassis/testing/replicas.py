"""Real processes of one service, for tests that kill them or hold them at named points (`heraldry.chassis.points`)."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from heraldry.chassis.testing.warm import Forked, warm


class Replicas:
    """What a test's own service has in common with every other. `module` is the one whose `main` runs it."""

    module: ClassVar[str]
    environment: dict[str, str]
    points: Path  # where tests hold its processes
    processes: dict[str, Forked]  # by replica

    async def start(self, replica: str = "0") -> None:
        self.processes[replica] = await asyncio.to_thread(
            lambda: warm(self.module).fork({**self.environment, "HERALDRY_REPLICA": replica})
        )

    async def kill(self, replica: str = "0") -> None:
        """kill -9, as a power cut would."""
        process = self.processes.pop(replica, None)
        if process is not None:
            process.send_signal(signal.SIGKILL)
            await process.wait()

    def hold(self, point: str) -> None:
        """Whoever comes to this point waits."""
        (self.points / f"{point}.hold").touch()

    def release(self, point: str) -> None:
        (self.points / f"{point}.hold").unlink(missing_ok=True)
        for told in self.points.glob(f"{point}.*.reached"):
            told.unlink()

    def held(self, point: str) -> Sequence[int]:
        """The process ids of those who wait there, one for each piece of work."""
        return [int(told.read_text(encoding="ascii")) for told in self.points.glob(f"{point}.*.reached")]
