"""The stand-in as a server: start it, use it, stop it."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Final, Self

import grpc.aio
from heraldry.chassis.testing.kurrent.database import Database
from heraldry.chassis.testing.kurrent.node import LARGEST_APPEND, Node
from heraldry.chassis.testing.kurrent.services import add_services

LOCAL: Final = "127.0.0.1"
_LARGEST_MESSAGE: Final = 17 * 1024 * 1024
_OPTIONS: Final = (
    ("grpc.max_receive_message_length", _LARGEST_MESSAGE),
    ("grpc.so_reuseport", 0),  # two servers on one port would each have half of the clients
)


class KurrentStandIn:
    """One node. `async with KurrentStandIn() as server:` listens on a free port until the block ends."""

    def __init__(
        self,
        *,
        host: str = LOCAL,
        port: int = 0,
        data: Path | None = None,
        largest_append: int = LARGEST_APPEND,
    ) -> None:
        self._host, self._wanted_port, self._data, self._largest_append = host, port, data, largest_append
        self._server: grpc.aio.Server | None = None
        self._node: Node | None = None

    @property
    def node(self) -> Node:
        if self._node is None:
            raise RuntimeError("the stand-in has not been started")
        return self._node

    @property
    def uri(self) -> str:
        """How a client finds it."""
        return f"kdb://{self.node.host}:{self.node.port}?Tls=false"

    async def start(self) -> None:
        """Listen. Raises OSError if the port is taken."""
        server = grpc.aio.server(options=_OPTIONS)
        try:
            port = server.add_insecure_port(f"{self._host}:{self._wanted_port}")
        except RuntimeError as error:
            raise OSError(f"nobody can listen on {self._host}:{self._wanted_port}: {error}") from error
        node = self._node = Node(Database(self._data), self._host, port, self._largest_append)
        add_services(node, server)
        await server.start()
        self._server = server

    async def stop(self, grace: float = 0.5) -> None:
        """Take no more calls; what is under way has this many seconds to end."""
        server, self._server = self._server, None
        if server is not None:
            await server.stop(grace)
            self.node.database.close()

    async def serve(self) -> None:
        """Until it is stopped."""
        if self._server is not None:
            await self._server.wait_for_termination()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()
