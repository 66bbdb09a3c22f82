"""The sandbox's mail host as a process of its own: a counterpart that takes no processor time of who measures.

`_mailhost.py FOLDER` prints its ports and its certificate's file as JSON when it listens. Then each line of standard
input is a JSON document, answered with one: `{"account": …, "password": …}` makes an account; `{"deliver": …,
"content": …}` puts a mail into an INBOX and says when that began (the machine's monotonic clock, nanoseconds).
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Final

from heraldry.contracts.mailbox import Server
from heraldry.sandbox.mailhost import MailHost

NAME: Final = "localhost"  # as its certificate says


class HostProcess:
    """The other end: `async with HostProcess.running(folder) as host:`."""

    def __init__(self, process: asyncio.subprocess.Process, ports: Mapping[str, int], ca_file: Path) -> None:
        self._process, self._ports, self.ca_file = process, ports, ca_file
        self._turn = asyncio.Lock()

    @classmethod
    @asynccontextmanager
    async def running(cls, folder: Path) -> AsyncGenerator[HostProcess]:
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            sys.executable, __file__, str(folder), stdin=pipe, stdout=pipe
        )
        try:
            assert process.stdout is not None
            told = json.loads(await process.stdout.readline())
            yield cls(process, told["ports"], Path(told["ca_file"]))
        finally:
            process.terminate()
            await process.wait()

    @property
    def imap(self) -> Server:
        return Server(host=NAME, port=self._ports["imaps"], security="tls")

    @property
    def smtp(self) -> Server:
        return Server(host=NAME, port=self._ports["smtps"], security="tls")

    async def add_account(self, address: str, password: str) -> None:
        await self._ask({"account": address, "password": password})

    async def deliver(self, address: str, content: bytes) -> float:
        """When it began, as `time.perf_counter` counts."""
        told = await self._ask({"deliver": address, "content": content.decode("ascii")})
        return told["at"] / 1e9

    async def _ask(self, question: Mapping[str, str]) -> dict[str, int]:
        async with self._turn:
            assert self._process.stdin is not None
            assert self._process.stdout is not None
            self._process.stdin.write(json.dumps(question).encode() + b"\n")
            return dict(json.loads(await self._process.stdout.readline()))


async def main(folder: Path) -> None:
    reader = asyncio.StreamReader(limit=1 << 20)
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    async with MailHost.start(folder, people=()) as host:
        print(json.dumps({"ports": asdict(host.ports), "ca_file": str(host.ca_file)}), flush=True)
        while line := await reader.readline():
            asked = json.loads(line)
            at = time.perf_counter_ns()
            if "account" in asked:
                host.add_account(asked["account"], asked["password"])
            else:
                host.deliver(asked["deliver"], asked["content"].encode("ascii"))
            print(json.dumps({"at": at}), flush=True)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
