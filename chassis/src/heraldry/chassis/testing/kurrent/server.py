"""The stand-in as a server: start it, use it, make it behave badly, stop it."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import grpc
import grpc.aio
from heraldry.chassis.testing.kurrent.access import Access, User, users
from heraldry.chassis.testing.kurrent.database import Database
from heraldry.chassis.testing.kurrent.node import LARGEST_OF_ALL, Limits, Node
from heraldry.chassis.testing.kurrent.refusals import Refusal, consumer_too_slow, shutting_down
from heraldry.chassis.testing.kurrent.services import add_services

LOCAL: Final = "127.0.0.1"
BOTH_LOCAL: Final = "localhost"  # in version 4 and 6 of the protocol, where the machine has both
AS_IT_COMES: Final = Limits()
_OPTIONS: Final = (
    ("grpc.max_receive_message_length", LARGEST_OF_ALL),
    ("grpc.so_reuseport", 0),  # two servers on one port would each have half of the clients
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_ping_interval_without_data_ms", 100),  # as patient with a client's pings as KurrentDB
    ("grpc.http2.max_ping_strikes", 0),
)


@dataclass(frozen=True, slots=True)
class Tls:
    """PEM files of the server: its certificate with what it is issued by, and its key."""

    certificate: Path
    key: Path


class KurrentStandIn:
    """One node. `async with KurrentStandIn() as server:` listens on a free port until the block ends.

    Without a folder for `data` its log is gone with it. `advertised` is the host and port that clients are told,
    where these are not those it listens on. With `tls` it asks who calls (`admin`, `ops` and
    `more_users`); without, everybody may do everything.
    """

    def __init__(
        self,
        *,
        host: str = LOCAL,
        port: int = 0,
        data: Path | None = None,
        tls: Tls | None = None,
        more_users: Iterable[User] = (),
        limits: Limits = AS_IT_COMES,
        advertised: tuple[str, int] | None = None,
    ) -> None:
        self._host, self._port, self._data, self._tls = host, port, data, tls
        self._users = None if tls is None else users(*more_users)
        self._limits, self._advertised = limits, advertised
        self._server: grpc.aio.Server | None = None
        self._node: Node | None = None

    @property
    def node(self) -> Node:
        if self._node is None:
            raise RuntimeError("the stand-in has not been started")
        return self._node

    @property
    def port(self) -> int:
        """Where it listens."""
        return self._port

    @property
    def uri(self) -> str:
        """How a client finds it; with TLS it adds a user before the host, and the authority."""
        return f"kdb://{self.node.host}:{self.node.port}?Tls={str(self._tls is not None).lower()}"

    async def start(self) -> None:
        """Listen. Raises OSError if the port is taken, sqlite3.Error if the folder is."""
        database = Database(self._data)
        server = grpc.aio.server(options=_OPTIONS)
        try:
            port = self._listen(server)
        except OSError:
            database.close()
            raise
        told = self._advertised or (self._host, port)
        self._node = Node(database, Access(database, self._users), *told, self._limits)
        self._port = port
        add_services(self._node, server)
        await server.start()
        self._server = server

    def _listen(self, server: grpc.aio.Server) -> int:
        address = f"{self._host}:{self._port}"
        try:
            require_free(self._host, self._port)
            if self._tls is None:
                return server.add_insecure_port(address)
            pair = self._tls.key.read_bytes(), self._tls.certificate.read_bytes()
            return server.add_secure_port(address, grpc.ssl_server_credentials([pair]))
        except (RuntimeError, OSError) as error:
            raise OSError(f"cannot listen on {address}: {error}") from error

    async def stop(self, grace: float | None = None) -> None:
        """Take no more calls; what is under way has this many seconds to end."""
        server, self._server = self._server, None
        if server is not None:
            self._end_subscriptions(shutting_down())
            await server.stop(grace)
            self.node.database.close()

    # ── what a cluster does to its clients ───────────────────────────────────────────────────────────────────

    def step_down(self, host: str, port: int, *, read_only: bool = False) -> None:
        """Follow: another node leads now, and whoever needs the leader is sent there."""
        self.node.leader, self.node.read_only = (host, port), read_only

    def lead(self) -> None:
        self.node.leader, self.node.read_only = None, False

    def suspend(self) -> None:
        """Until `resume` every call is answered that the server is unavailable."""
        self.node.ready = False

    def resume(self) -> None:
        self.node.ready = True

    def drop_subscriptions(self) -> int:
        """End all that are open, as a server does whose consumers are too slow for it; how many there were."""
        return self._end_subscriptions(consumer_too_slow())

    def _end_subscriptions(self, refusal: Refusal) -> int:
        ended = tuple(self.node.subscriptions)
        for subscription in ended:
            subscription.drop(refusal)
        return len(ended)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()


def require_free(host: str, port: int) -> None:
    """Raises OSError if somebody listens on this port of any address of the host: gRPC would take the others."""
    if port == 0:
        return
    for family, kind, protocol, _, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(address)
            except OSError as error:
                if error.errno == errno.EADDRINUSE:
                    raise
