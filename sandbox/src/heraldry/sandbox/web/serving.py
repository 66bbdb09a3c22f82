"""An application on a socket, inside a process that has other things to do as well."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import uvicorn
from heraldry.chassis.health import QuietServer
from litestar.types import ASGIApp
from uvicorn.protocols.http.h11_impl import STATUS_PHRASES

GRACE = 1  # seconds for requests that are on their way when it ends
DENIED = 999  # LinkedIn's own status, which no table of uvicorn has


@asynccontextmanager
async def serving(*what: tuple[ASGIApp, socket.socket]) -> AsyncGenerator[None]:
    """While it is entered, each application answers at its socket; they end together."""
    STATUS_PHRASES.setdefault(DENIED, b"Request Denied")
    servers = [QuietServer(_config(app)) for app, _ in what]
    tasks = [
        asyncio.create_task(server.serve(sockets=[listener]))
        for server, (_, listener) in zip(servers, what, strict=True)
    ]
    try:
        for server, task in zip(servers, tasks, strict=True):
            while not server.started:
                if task.done():
                    await task
                    raise OSError("a web server ended at once")
                await asyncio.sleep(0.005)
        yield
    finally:
        for server in servers:
            server.should_exit = True
        await asyncio.gather(*tasks)


def _config(app: ASGIApp) -> uvicorn.Config:
    return uvicorn.Config(
        app,  # pyright: ignore[reportArgumentType]  Litestar's and uvicorn's types of the same protocol differ
        http="h11",
        log_config=None,
        access_log=False,
        lifespan="off",
        ws="none",
        server_header=False,
        timeout_graceful_shutdown=GRACE,
    )
