"""`heraldry kurrent-stand-in`: a database for trying things out where no KurrentDB is at hand."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from heraldry.chassis.testing.kurrent.server import LOCAL, KurrentStandIn


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="heraldry kurrent-stand-in",
        description="A stand-in for a KurrentDB server, to try things out: one node, no cluster.",
    )
    parser.add_argument("--host", default=LOCAL, help="where to listen (default: %(default)s)")
    parser.add_argument("--port", type=int, default=2113, help="0 takes a free one (default: %(default)s)")
    parser.add_argument("--data", type=Path, help="a folder for the log; without it nothing is kept")
    given = parser.parse_args(arguments)
    try:
        asyncio.run(_serve(KurrentStandIn(host=given.host, port=given.port, data=given.data)))
    except OSError as error:
        sys.stderr.write(f"heraldry: {error}\n")
        return 1
    return 0


async def _serve(server: KurrentStandIn) -> None:
    await server.start()
    sys.stderr.write(f"heraldry: a stand-in for KurrentDB listens at {server.uri}\n")
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    for each in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(each, stopping.set)
    await stopping.wait()
    await server.stop()
