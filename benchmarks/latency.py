"""From a command over HTTP to its event in the browser ÷ the sum of what no such system can do without.

The parts, each measured alone against a bare counterpart in a process of its own: a Litestar POST, a nats-py
request, a commit of SQLite that is on disk, a JetStream publish that is on disk, a server-sent message. The median
is compared with the sum of the parts' medians. A sum of 99th percentiles would be a floor nobody meets, since five
parts are rarely slow at once; so the 99th percentile is compared with that of five parts measured one after the
other: sums of the n-th measurements of each part in a round. Told beside it, and no part of the floor: an atomic
batch of two messages, for each of which the server makes files and syncs them.
"""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Generator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from itertools import chain, count
from pathlib import Path
from typing import Final
from uuid import uuid4

import httpx
from heraldry.chassis.bus import border
from heraldry.chassis.testing.nats import NatsServer
from heraldry.chassis.testing.stack import Stack
from heraldry.contracts import subjects
from measure import Figure, in_turns, percentile, quiet, tell
from nats.aio.client import Client

EACH: Final = 100  # measurements of each in a round
ROUNDS: Final = 10
DEADLINE: Final = 20.0  # seconds for one of them
API: Final = "/api/v1"
BODY: Final = json.dumps({"name": "x" * 700}).encode()  # as long as the event that is published
SUBJECT: Final = subjects.command("identity", "RenameIdentity")
MARKERS: Final = subjects.relay("identity")
BATCH: Final = "(not in the floor) a batch of event and marker"
Samples = tuple[float, ...]  # milliseconds


class Browser:
    """Signed in, with identities to rename and the stream of events open."""

    def __init__(self, http: httpx.AsyncClient, identities: Sequence[str], lines: AsyncIterator[str]) -> None:
        self._http, self._identities, self._lines = http, identities, lines
        self._names = count()

    @classmethod
    @asynccontextmanager
    async def open(cls, stack: Stack) -> AsyncGenerator[Browser]:
        who = {"email": stack.sign_in.email, "password": stack.sign_in.password}
        async with httpx.AsyncClient(base_url=stack.url, timeout=DEADLINE) as http:
            session = (await http.post(f"{API}/sessions", json=who)).raise_for_status().json()
            http.headers["Authorization"] = f"Bearer {session['token']}"
            identities: list[str] = []
            for _ in range(EACH):  # many, because a command reads what its identity has been through
                made = await http.post(f"{API}/identities", json={"name": "Bo", "hours": {"zone": "UTC"}})
                identities.append(made.raise_for_status().json()["id"])
                http.headers["X-Position"] = made.headers["X-Position"]
            (await http.get(f"{API}/history")).raise_for_status()
            async with http.stream("GET", "/events") as events:
                lines = events.raise_for_status().aiter_lines()
                await anext(lines)
                yield cls(http, identities, lines)

    async def renames(self) -> Samples:
        """Each from sending the request until its event has come; the answer has come too before the next."""
        return tuple([await self._rename(identity) for identity in self._identities])

    async def _rename(self, identity: str) -> float:
        address, name = f"{API}/identities/{identity}/name", f"Astrid {next(self._names)}"
        started = time.perf_counter()
        async with asyncio.timeout(DEADLINE):
            sending = asyncio.create_task(self._http.put(address, json={"name": name}))
            seen = await self._told()
            (await sending).raise_for_status()
        return (seen - started) * 1000

    async def _told(self) -> float:
        """When the event has come; what else it is told as (one line for each kind of thing) is read over."""
        seen = 0.0
        async for line in self._lines:
            if line.startswith("data: ") and json.loads(line[6:])["type"] == "IdentityRenamed":
                seen = seen or time.perf_counter()
            elif line == "event: identities":
                await anext(self._lines)
                return seen
        raise RuntimeError("the stream of events has ended")


class Parts:
    """The bare counterparts."""

    def __init__(self, http: httpx.AsyncClient, asking: Client, publishing: Client, path: Path) -> None:
        self._http, self._asking, self._publishing = http, asking, publishing
        self._js = border.jetstream(publishing)
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")
        self._db.execute("CREATE TABLE events (position INTEGER PRIMARY KEY, data BLOB NOT NULL) STRICT")
        self._address = subjects.event(str(uuid4()), "identity", str(uuid4()), "IdentityRenamed")

    async def post(self) -> Samples:
        return await _each(lambda: self._http.post("/things", json={"name": "Astrid"}))

    async def request(self) -> Samples:
        return await _each(lambda: self._asking.request(SUBJECT, BODY, timeout=DEADLINE))

    async def commit(self) -> Samples:
        async def insert() -> None:
            self._db.execute("INSERT INTO events (data) VALUES (?)", (BODY,))

        return await _each(insert)

    async def publish(self) -> Samples:
        return await _each(lambda: self._js.publish(self._address, BODY))

    async def batch(self) -> Samples:
        """What the relay publishes instead, because nothing else is never lost, doubled or interleaved."""

        async def publish() -> None:
            batch = {"Nats-Batch-Id": uuid4().hex, "Nats-Batch-Sequence": "1"}
            await self._publishing.publish(self._address, BODY, headers=batch)
            batch |= {"Nats-Batch-Sequence": "2", "Nats-Batch-Commit": "1"}
            await self._publishing.request(MARKERS, BODY, timeout=DEADLINE, headers=batch)

        return await _each(publish)

    async def message(self) -> Samples:
        """From the server's sending to its arrival here; both read the machine's monotonic clock."""
        async with self._http.stream("GET", f"/events/{EACH}") as events:
            return tuple(
                [
                    (time.perf_counter_ns() - int(line[6:])) / 1e6
                    async for line in events.aiter_lines()
                    if line.startswith("data: ")
                ]
            )


async def _each(act: Callable[[], Coroutine[object, object, object]]) -> Samples:
    found: list[float] = []
    for _ in range(EACH):
        started = time.perf_counter()
        await act()
        found.append((time.perf_counter() - started) * 1000)
    return tuple(found)


@contextmanager
def bare(kind: str, env: Mapping[str, str] | None = None) -> Generator[str]:
    """A bare counterpart as a process; what it says when it is ready."""
    words = [sys.executable, str(Path(__file__).with_name("_bare.py")), kind]
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, text=True, env={**os.environ, **(env or {})}
    ) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


@asynccontextmanager
async def parts(folder: Path) -> AsyncGenerator[Parts]:
    async with NatsServer() as server:
        answering = server.credentials["identity"]
        env = {
            "BARE_URL": server.url,
            "BARE_USER": answering.user,
            "BARE_PASSWORD": answering.password,
            "BARE_SUBJECT": SUBJECT,
        }
        with bare("nats", env), bare("http") as port:
            async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=DEADLINE) as http:
                asking, publishing = await server.client("gateway"), await server.client("identity")
                yield Parts(http, asking, publishing, folder / "floor.sqlite3")


def measured(folder: Path) -> dict[str, tuple[Samples, ...]]:
    """The samples of each round, in milliseconds: `ours` and the parts."""
    with Stack.running(folder / "data") as stack, asyncio.Runner() as runner:
        opened_parts, opened_browser = parts(folder), Browser.open(stack)
        floor = runner.run(opened_parts.__aenter__())
        browser = runner.run(opened_browser.__aenter__())
        try:
            return in_turns(
                {
                    "ours": lambda: runner.run(browser.renames()),
                    "POST": lambda: runner.run(floor.post()),
                    "request": lambda: runner.run(floor.request()),
                    "commit": lambda: runner.run(floor.commit()),
                    "publish": lambda: runner.run(floor.publish()),
                    "SSE": lambda: runner.run(floor.message()),
                    BATCH: lambda: runner.run(floor.batch()),
                },
                rounds=ROUNDS,
            )
        finally:
            runner.run(opened_browser.__aexit__(None, None, None))
            runner.run(opened_parts.__aexit__(None, None, None))


def main() -> None:
    quiet()
    with tempfile.TemporaryDirectory(prefix="heraldry-bench-") as folder:
        rounds = measured(Path(folder))
    ours = tuple(chain.from_iterable(rounds.pop("ours")))
    alone = {name: tuple(chain.from_iterable(samples)) for name, samples in rounds.items()}
    batch = {BATCH: alone.pop(BATCH)}
    in_a_row = tuple(map(sum, zip(*alone.values(), strict=True)))
    figure(
        "median",
        statistics.median(ours),
        sum(map(statistics.median, alone.values())),
        2,
        ours,
        alone | batch,
        0.5,
    )
    figure(
        "99th percentile", percentile(ours, 0.99), percentile(in_a_row, 0.99), 5, ours, alone | batch, 0.99
    )


def figure(
    name: str,
    value: float,
    floor: float,
    goal: float,
    ours: Sequence[float],
    alone: Mapping[str, Sequence[float]],
    share: float,
) -> None:
    told = {"ours, ms": percentile(ours, share), "floor, ms": floor}
    told |= {f"{part}, ms": percentile(samples, share) for part, samples in alone.items()}
    tell(
        Figure(
            f"command to event, {name} ÷ the sum of its parts",
            value / floor,
            goal,
            at_most=True,
            unit="×",
            measured=told,
        )
    )


if __name__ == "__main__":
    main()
