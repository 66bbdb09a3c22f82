"""The stand-in of LinkedIn as a process of its own: a site that takes no processor time of who measures.

`_linkedinhost.py FOLDER` prints its address as JSON when it listens. Then each line of standard input is a JSON
document, answered with one: `{"people": N}` makes N people, of whom it tells the slugs; `{"account": …, "password":
…}` makes an account; `{"session": …}` is the browser's state of an account that has just signed in.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast
from uuid import uuid4

from heraldry.sandbox.linkedin.people import Person
from heraldry.sandbox.linkedin.site import LinkedIn
from heraldry.sandbox.linkedinhost import linkedin_host, session_of


class SiteProcess:
    """The other end: `async with SiteProcess.running(folder) as site:`."""

    def __init__(self, process: asyncio.subprocess.Process, url: str) -> None:
        self._process, self.url = process, url

    @classmethod
    @asynccontextmanager
    async def running(cls, folder: Path) -> AsyncGenerator[SiteProcess]:
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            sys.executable, __file__, str(folder), stdin=pipe, stdout=pipe
        )
        try:
            assert process.stdout is not None
            yield cls(process, json.loads(await process.stdout.readline())["url"])
        finally:
            process.terminate()
            await process.wait()

    async def people(self, number: int) -> list[str]:
        """So many new ones; their slugs."""
        return cast("list[str]", await self._ask({"people": number}))

    async def add_account(self, email: str, password: str) -> None:
        await self._ask({"account": email, "password": password})

    async def session(self, email: str) -> bytes:
        return cast("str", await self._ask({"session": email})).encode()

    async def _ask(self, question: Mapping[str, str | int]) -> object:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(question).encode() + b"\n")
        return json.loads(await self._process.stdout.readline())


def answer(linkedin: LinkedIn, asked: Mapping[str, str | int]) -> object:
    if "people" in asked:
        slugs = [f"kim-{uuid4().hex[:12]}" for _ in range(int(asked["people"]))]
        for slug in slugs:
            linkedin.add_person(Person(slug, "Kim", slug))
        return slugs
    if "account" in asked:
        email = str(asked["account"])
        return linkedin.add_account(email, str(asked["password"]), slug=email.partition("@")[0]).slug
    return session_of(linkedin, str(asked["session"])).decode()


async def main(folder: Path) -> None:
    reader = asyncio.StreamReader(limit=1 << 20)
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    async with linkedin_host(folder) as linkedin:
        print(json.dumps({"url": linkedin.url}), flush=True)
        while line := await reader.readline():
            print(json.dumps(answer(linkedin, json.loads(line))), flush=True)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
