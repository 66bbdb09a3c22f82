"""What the story is told with: the gateway's HTTP API, and what was found."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar, cast
from uuid import uuid4

import httpx
from heraldry.gateway.demo.report import Step

DEADLINE: Final = 15.0  # seconds for what another part of the system has to do
LOOK: Final = 0.1
Answer = Mapping[str, Any]
T = TypeVar("T")


@dataclass(slots=True)
class Story:
    """`positions`: of what was written; every read waits for them."""

    steps: list[Step]
    http: httpx.AsyncClient
    positions: list[str] = field(default_factory=list[str])

    def expect(self, what: str, found: str, *, ok: bool) -> None:
        self.steps.append(Step(what, ok=ok, found=found))

    async def call(self, method: str, path: str, body: object = None, *, csv: str = "") -> Answer:
        """An answer's JSON. Raises httpx.HTTPStatusError for a refusal. `csv`: a file, in place of the body."""
        headers = {"X-Position": ",".join(self.positions[-8:]), "Idempotency-Key": str(uuid4())}
        if csv:
            headers["Content-Type"] = "text/csv"
        answer = await self.http.request(
            method,
            f"/api/v1{path}",
            json=None if csv else body,
            content=csv.encode() or None,
            headers=headers,
        )
        answer.raise_for_status()
        if position := answer.headers.get("x-position"):
            self.positions.append(position)
        return cast("Answer", answer.json())

    async def there(self, path: str) -> Answer | None:
        """What can be read there; None while there is nothing."""
        try:
            return await self.call("GET", path)
        except httpx.HTTPStatusError:
            return None

    async def refused(self, method: str, path: str, body: object) -> Answer:
        """The problem a call is refused with; empty if it was not refused."""
        try:
            await self.call(method, path, body)
        except httpx.HTTPStatusError as error:
            return cast("Answer", error.response.json())
        return {}


async def until(look: Callable[[], Awaitable[T | None]], deadline: float = DEADLINE) -> T | None:
    """What `look` finds within the deadline."""
    loop = asyncio.get_running_loop()
    end = loop.time() + deadline
    while (found := await look()) is None and loop.time() < end:  # noqa: ASYNC110  others' state, over HTTP
        await asyncio.sleep(LOOK)
    return found
