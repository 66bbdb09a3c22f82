"""What one more inbox that waits for mail takes of the mailbox service's memory.

The service is a process of its own, and so is the mail host (the sandbox's). A first inbox is connected by the form, so
that everything it takes to connect and to read one is loaded; then 200 more, each with a connection over TLS that waits
in IDLE. The figure is the difference of the process' own share of memory (PSS) ÷ 200: connection, tasks, lease, state,
and what trying the settings left behind. Told beside it: the same after a restart, when nothing was tried before.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import UUID

import psutil
from _mailbox import DEADLINE, LOOK, Account, Mailbox
from _mailhost import HostProcess
from measure import Figure, pss, quiet, tell

KB: Final = 1000
INBOXES: Final = 200
AT_ONCE: Final = 8  # tried at the same time
LOOKS: Final = 5
PAUSE: Final = 1.0  # seconds before each look
PASSWORD: Final = "correct horse"


@dataclass(frozen=True, slots=True)
class Waiting:
    """The service and its inboxes, numbered."""

    host: HostProcess
    mailbox: Mailbox
    identity: UUID
    free: asyncio.Semaphore

    async def connect(self, number: int) -> None:
        address = f"ada.{number}@northwind.example"
        async with self.free:
            await self.host.add_account(address, PASSWORD)
            account = Account(address, PASSWORD, self.host.imap, self.host.smtp)
            await self.mailbox.connect(self.identity, account)

    async def memory(self, inboxes: int) -> float:
        """Bytes, once so many connections to read from stand and nothing moves any more."""
        async with asyncio.timeout(DEADLINE):
            while self._connections() != inboxes:  # noqa: ASYNC110  another process makes them
                await asyncio.sleep(LOOK)
        looks: list[float] = []
        for _ in range(LOOKS):
            await asyncio.sleep(PAUSE)
            looks.append(pss(self.mailbox.pid))
        if self._connections() != inboxes:
            raise RuntimeError("a connection was lost meanwhile")
        return statistics.median(looks)

    async def memory_anew(self, inboxes: int) -> float:
        """The same after a restart."""
        await self.mailbox.stop()
        await self.mailbox.start()
        return await self.memory(inboxes)

    def _connections(self) -> int:
        service, port = psutil.Process(self.mailbox.pid), self.host.imap.port
        return sum(one.raddr != () and one.raddr.port == port for one in service.net_connections("tcp"))


async def measured(folder: Path) -> dict[str, float]:
    """Bytes."""
    async with HostProcess.running(folder / "host") as host, Mailbox.running(folder, host.ca_file) as mailbox:
        waiting = Waiting(host, mailbox, await mailbox.identity(), asyncio.Semaphore(AT_ONCE))
        await waiting.connect(0)
        one = await waiting.memory(1)
        one_anew = await waiting.memory_anew(1)
        started = time.perf_counter()
        await asyncio.gather(*(waiting.connect(number) for number in range(1, INBOXES + 1)))
        took = time.perf_counter() - started
        many = await waiting.memory(INBOXES + 1)
        many_anew = await waiting.memory_anew(INBOXES + 1)
        return {"one": one, "many": many, "one anew": one_anew, "many anew": many_anew, "seconds": took}


def main() -> None:
    quiet()
    with tempfile.TemporaryDirectory(prefix="heraldry-bench-") as folder:
        found = asyncio.run(measured(Path(folder)))
    tell(
        Figure(
            "memory of an inbox that waits for mail",
            (found["many"] - found["one"]) / INBOXES / KB,
            100,
            at_most=True,
            unit="KB",
            measured={
                "with 1, MB": found["one"] / KB / KB,
                f"with {INBOXES + 1}, MB": found["many"] / KB / KB,
                "each after a restart, KB": (found["many anew"] - found["one anew"]) / INBOXES / KB,
                "connecting all, s": found["seconds"],
            },
        )
    )


if __name__ == "__main__":
    main()
