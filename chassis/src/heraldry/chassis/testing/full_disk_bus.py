"""`heraldry up` on a disk that becomes full under NATS and has space again: `python -m … FOLDER`.

FOLDER lies on a small file system of its own. Prints one JSON document: what was said, and what is there afterwards.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, TypedDict

from heraldry.chassis.bus import rights
from heraldry.chassis.bus.client import BusClient
from heraldry.chassis.bus.refusing import RefusedWrites
from heraldry.chassis.testing.bus import eventually
from nats.aio.client import Client
from nats.errors import Error as NatsError

SERVICES: Final = "gateway=heraldry.chassis.testing.services:well"
SUBJECT: Final = "heraldry.internal.identity.0"


class Told(TypedDict):
    """What became of it."""

    refused: str  # what a service knows of it while the disk is full
    still: str  # and once there is space again
    refused_afterwards: str | None  # and when NATS was started again
    stored: int  # messages in the stream
    answered: int  # those that were acknowledged
    restarts: int
    said: list[str]  # by `heraldry up`


async def play(folder: Path) -> Told:
    data, ballast = folder / "data", folder / "ballast"
    up = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "heraldry.chassis.cli", "up", "--data", str(data), "--port", "0"),
        env={**os.environ, "HERALDRY_SERVICES": SERVICES},
        stdout=DEVNULL,
        stderr=PIPE,
    )

    async def is_up() -> bool:
        return _told(data).get("state") == "ready"

    await eventually(is_up, "it runs")
    operator, service = [await _connected(data, user) for user in (rights.OPERATOR, "identity")]
    js = operator.jetstream()  # pyright: ignore[reportUnknownMemberType]  untyped options
    answered = 0

    async def takes() -> bool:
        nonlocal answered
        try:
            await js.publish(SUBJECT, bytes(16_384), timeout=0.3)
        except (NatsError, TimeoutError):
            return False
        answered += 1
        return True

    async def takes_nothing() -> bool:
        return not await takes()

    async def problem() -> str | None:
        return await RefusedWrites(service).problem()

    assert await takes()
    _fill(ballast)
    await eventually(takes_nothing, "the disk is full")
    refused = await problem()
    ballast.unlink()
    still = await problem()
    await eventually(takes, "NATS takes writes again")
    after = await problem()
    stored = (await js.stream_info(rights.EVENTS)).state.messages
    restarts = int(_told(data)["processes"]["nats"]["restarts"])
    for client in (operator, service):
        await client.close()
    up.terminate()
    _, said = await up.communicate()
    return Told(
        refused=refused or "",
        still=still or "",
        refused_afterwards=after,
        stored=stored,
        answered=answered,
        restarts=restarts,
        said=said.decode().splitlines(),
    )


def _told(data: Path) -> Mapping[str, Any]:
    try:
        return json.loads((data / "run" / "up.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


async def _connected(data: Path, user: str) -> Client:
    passwords = json.loads((data / "keys" / "nats.json").read_text(encoding="utf-8"))["passwords"]
    port = json.loads((data / "run" / "nats.conf").read_text(encoding="utf-8"))["port"]
    client = BusClient()

    async def trouble(_: Exception) -> None:
        """The server is started again."""

    await client.connect(
        f"nats://127.0.0.1:{port}",
        user=user,
        password=passwords[user],
        inbox_prefix=rights.inbox_prefix(user),
        max_reconnect_attempts=-1,
        reconnect_time_wait=0.05,  # pyright: ignore[reportArgumentType]  seconds; declared int, used as float
        error_cb=trouble,
    )
    return client


def _fill(ballast: Path) -> None:
    with ballast.open("wb", buffering=0) as file:
        for size in (1024 * 1024, 4096):
            try:
                while True:
                    file.write(bytes(size))
            except OSError:
                continue


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asyncio.run(play(Path(sys.argv[1])))) + "\n")
