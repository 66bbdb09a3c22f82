"""Real processes of one service, for tests that kill them or hold them at named points (`heraldry.chassis.points`)."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar


class Replicas:
    """What a test's own service has in common with every other. `module` is what `python -m` runs."""

    module: ClassVar[str]
    environment: dict[str, str]
    points: Path  # where tests hold its processes
    processes: dict[str, asyncio.subprocess.Process]  # by replica

    async def start(self, replica: str = "0") -> None:
        self.processes[replica] = await asyncio.create_subprocess_exec(
            sys.executable, "-m", self.module, env={**self.environment, "HERALDRY_REPLICA": replica}
        )

    async def kill(self, replica: str = "0") -> None:
        """kill -9, as a power cut would."""
        process = self.processes.pop(replica, None)
        if process is not None and process.returncode is None:
            process.kill()
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
