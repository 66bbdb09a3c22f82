"""The bare counterparts of latency.py, each a process of its own: the smallest that does the same kind of thing.

`_bare.py http`: a Litestar application behind uvicorn as the gateway runs it; prints its port when it listens.
`_bare.py nats`: answers requests with nats-py; signs in as its environment says; prints `ready`.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import AsyncGenerator

import uvicorn
from heraldry.chassis.bus import border
from heraldry.chassis.health import listen
from litestar import Litestar, get, post
from litestar.params import FromPath, JSONBody
from litestar.response import Stream
from nats.aio.client import Client
from nats.aio.msg import Msg

APART = 0.005  # seconds between two messages of a stream


@post("/things", status_code=200)
async def change(data: JSONBody[dict[str, str]]) -> dict[str, str]:
    return {"position": "thing:1", "id": data["name"]}


@get("/events/{count:int}")
async def events(count: FromPath[int]) -> Stream:
    async def messages() -> AsyncGenerator[bytes]:
        for _ in range(count):
            await asyncio.sleep(APART)
            yield f"event: things\ndata: {time.perf_counter_ns()}\n\n".encode()

    return Stream(messages(), media_type="text/event-stream")


def http() -> None:
    listening = listen("127.0.0.1", 0)
    print(listening.getsockname()[1], flush=True)
    config = uvicorn.Config(
        Litestar(route_handlers=[change, events], logging_config=None, openapi_config=None),
        log_config=None,
        access_log=False,
        ws="none",
        server_header=False,
        date_header=False,
    )
    uvicorn.Server(config).run(sockets=[listening])


async def nats() -> None:
    nc = Client()
    user = os.environ["BARE_USER"]
    await nc.connect(os.environ["BARE_URL"], user=user, password=os.environ["BARE_PASSWORD"])

    async def answer(message: Msg) -> None:
        await message.respond(message.data)

    await border.subscribe(nc, os.environ["BARE_SUBJECT"], cb=answer)
    await nc.flush()
    print("ready", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    http() if sys.argv[1] == "http" else asyncio.run(nats())
