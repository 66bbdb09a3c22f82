"""What the server says of its streams, told on: a server that is none, in the real one's words."""

from __future__ import annotations

import json
from typing import cast

from heraldry.chassis.bus.refusing import FRESH, RefusedWrites
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import NoRespondersError
from prometheus_client import REGISTRY

FULL = "JetStream stream 'HERALDRY > KEYS' write error: write 1.blk: no space left on device"


class Server:
    """Answers as told; `asked`: how often."""

    def __init__(self) -> None:
        self.asked, self.now = 0, 0.0
        self.errors: list[dict[str, str]] | None = []
        self.writes = RefusedWrites(cast("Client", self), lambda: self.now)

    async def request(self, subject: str, payload: bytes, timeout: float) -> Msg:  # noqa: ASYNC109  the client's
        assert (subject, json.loads(payload)["account"]) == ("heraldry.server.health", "HERALDRY")
        assert timeout <= 1
        self.asked += 1
        if self.errors is None:
            raise NoRespondersError
        status = (
            {"status": "error", "status_code": 503, "errors": self.errors}
            if self.errors
            else {"status": "ok"}
        )
        return Msg(cast("Client", self), data=json.dumps({"server": {}, "data": status}).encode())

    async def later(self) -> str | None:
        self.now += FRESH
        return await self.writes.problem()


async def test_streams_that_cannot_be_written_are_named_until_they_can_be() -> None:
    server = Server()
    assert await server.later() is None
    server.errors = [{"type": "STREAM", "account": "HERALDRY", "stream": "KEYS", "error": FULL}]
    problem = await server.later()
    assert problem is not None
    assert problem.startswith("nats.refuses-writes: NATS refuses what is written to KEYS.")
    assert REGISTRY.get_sample_value("heraldry_bus_refuses_writes", {"stream": "KEYS"}) == 1
    server.errors = []
    assert await server.later() is None
    assert REGISTRY.get_sample_value("heraldry_bus_refuses_writes", {"stream": "KEYS"}) == 0


async def test_no_answer_changes_nothing_and_another_trouble_is_none_of_writing() -> None:
    server = Server()
    server.errors = [{"type": "STREAM", "stream": "KEYS", "error": "stream 'HERALDRY > KEYS' is not current"}]
    assert await server.later() is None
    server.errors = [{"type": "STREAM", "stream": "KEYS", "error": FULL}]
    assert await server.later()
    server.errors = None
    assert await server.later()


async def test_the_server_is_not_asked_for_every_probe() -> None:
    server = Server()
    for _ in range(5):
        assert await server.writes.problem() is None
    assert server.asked == 1
