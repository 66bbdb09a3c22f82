"""The bus of an installation, whether it runs or not: for commands that need no service."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Final

from heraldry.chassis.bus.operator import operator
from heraldry.chassis.bus.server import ServerFiles, ServerFilesError, binary, prepare
from heraldry.chassis.supervisor import folder as folders
from heraldry.chassis.supervisor import ports
from heraldry.chassis.supervisor.folder import Folder
from heraldry.chassis.supervisor.problems import CannotStart
from nats.aio.client import Client

START_WITHIN: Final = 30.0  # seconds
STOP_WITHIN: Final = 10.0
LOOK: Final = 0.02


@asynccontextmanager
async def bus(data: Path) -> AsyncGenerator[tuple[Client, bool]]:
    """A connection as the operator, and whether services may be there.

    Where nothing runs on the folder, NATS is started for as long as this lasts, and nothing else can start
    meanwhile. Raises NotRunningError, CannotStart.
    """
    if os.environ.get("HERALDRY_NATS_URL") or folders.running(data):
        async with operator(data) as nc:
            yield nc, True
        return
    with claimed(data) as folder:
        async with nats(folder.path), operator(folder.path) as nc:
            yield nc, False


@contextmanager
def claimed(data: Path) -> Generator[Folder]:
    """A data folder that nothing runs on, and nothing can start on meanwhile. Raises CannotStart."""
    mode = folders.mode_of(data)
    if mode not in {"demo", "live"}:
        raise CannotStart("no-installation", f"{data} is no data folder of Heraldry. Name one with --data.")
    folder = Folder.claim(data, "demo" if mode == "demo" else "live")
    try:
        yield folder
    finally:
        folder.release()


@asynccontextmanager
async def nats(data: Path) -> AsyncGenerator[ServerFiles]:
    """NATS on this folder, and nothing else of the installation. Raises CannotStart."""
    try:
        files = prepare(data)
        with (data / "run" / "log" / "nats.log").open("ab") as output:
            server = await asyncio.create_subprocess_exec(
                str(binary()), "--config", str(files.config), stdout=output, stderr=output
            )
    except ServerFilesError as error:
        raise CannotStart("nats-files", str(error)) from error
    try:
        await _listening(files, server)
        yield files
    finally:
        if server.returncode is None:
            server.terminate()
            try:
                await asyncio.wait_for(server.wait(), STOP_WITHIN)
            except TimeoutError:
                server.kill()
                await server.wait()


async def _listening(files: ServerFiles, server: asyncio.subprocess.Process) -> None:
    try:
        async with asyncio.timeout(START_WITHIN):
            while not ports.listening(files.port):
                if server.returncode is not None:
                    raise CannotStart("nats-failed", "The NATS server ends at once: see run/log/nats.log.")
                await asyncio.sleep(LOOK)
    except TimeoutError as error:
        raise CannotStart(
            "nats-failed", f"The NATS server does not start within {START_WITHIN:g} s."
        ) from error
