"""`heraldry kurrent-stand-in`: a database for trying things out where no KurrentDB is at hand."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sqlite3
import sys
from collections.abc import Sequence
from pathlib import Path

from heraldry.chassis.testing.kurrent.access import User
from heraldry.chassis.testing.kurrent.node import LARGEST_APPEND, LARGEST_EVENT, Limits
from heraldry.chassis.testing.kurrent.server import BOTH_LOCAL, KurrentStandIn, Tls

GRACE = 1.0  # seconds that calls under way have to end


def main(arguments: Sequence[str]) -> int:
    parser = _parser()
    given = parser.parse_args(arguments)
    if (given.tls_cert is None) != (given.tls_key is None):
        parser.error("--tls-cert and --tls-key belong together")
    if given.user and given.tls_cert is None:
        parser.error("--user needs --tls-cert: without TLS a client does not say who it is")
    server = KurrentStandIn(
        host=given.host,
        port=given.port,
        data=given.data,
        tls=None if given.tls_cert is None else Tls(given.tls_cert, given.tls_key),
        more_users=given.user,
        limits=Limits(given.max_append_size, min(given.max_append_event_size, given.max_append_size)),
        advertised=given.advertise,
    )
    try:
        asyncio.run(_serve(server))
    except OSError as error:
        sys.stderr.write(f"heraldry: {error}\n")
        return 1
    except sqlite3.Error as error:
        sys.stderr.write(
            f"heraldry: the log in {given.data} cannot be opened: {error}; is another using it?\n"
        )
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="heraldry kurrent-stand-in",
        description="A stand-in for a KurrentDB server, to try things out. SIGUSR1 drops its subscriptions.",
    )
    parser.add_argument("--host", default=BOTH_LOCAL, help="where to listen (default: %(default)s)")
    parser.add_argument("--port", type=int, default=2113, help="0 takes a free one (default: %(default)s)")
    parser.add_argument("--data", type=Path, help="a folder for the log; without it nothing is kept")
    parser.add_argument("--tls-cert", type=Path, help="PEM file of the server's certificate chain")
    parser.add_argument("--tls-key", type=Path, help="PEM file of its key")
    parser.add_argument(
        "--user",
        action="append",
        default=[],
        type=_user,
        metavar="LOGIN:PASSWORD[:GROUP,…]",
        help="another user beside admin and ops (both with the password changeit), or another password of one",
    )
    parser.add_argument(
        "--max-append-size", type=int, default=LARGEST_APPEND, help="bytes (default: %(default)s)"
    )
    parser.add_argument(
        "--max-append-event-size", type=int, default=LARGEST_EVENT, help="bytes (default: %(default)s)"
    )
    parser.add_argument(
        "--advertise", type=_endpoint, metavar="HOST:PORT", help="what gossip tells, if not where it listens"
    )
    return parser


def _endpoint(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    return host, int(port)


def _user(text: str) -> User:
    login, _, rest = text.partition(":")
    password, _, groups = rest.partition(":")
    if not (login and password):
        raise argparse.ArgumentTypeError("a login and a password, with a colon between them")
    return User(login, password, frozenset(filter(None, groups.split(","))))


async def _serve(server: KurrentStandIn) -> None:
    loop, stopping = asyncio.get_running_loop(), asyncio.Event()
    for each in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(each, stopping.set)
    await server.start()
    loop.add_signal_handler(signal.SIGUSR1, server.drop_subscriptions)
    sys.stderr.write(f"heraldry: a stand-in for KurrentDB listens at {server.uri}\n")
    await stopping.wait()
    await server.stop(GRACE)
