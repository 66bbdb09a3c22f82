"""What the story is told with: the gateway's HTTP API, and what was found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, cast
from uuid import uuid4

import httpx
from heraldry.gateway.demo.report import Step

DEADLINE: Final = 15.0  # seconds for what another part of the system has to do
Answer = Mapping[str, Any]


@dataclass(slots=True)
class Story:
    """`positions`: of what was written; every read waits for them."""

    steps: list[Step]
    http: httpx.AsyncClient
    positions: list[str] = field(default_factory=list[str])

    def expect(self, what: str, found: str, *, ok: bool) -> None:
        self.steps.append(Step(what, ok=ok, found=found))

    async def call(self, method: str, path: str, body: object = None) -> Answer:
        """An answer's JSON. Raises httpx.HTTPStatusError for a refusal."""
        answer = await self.http.request(
            method,
            f"/api/v1{path}",
            json=body,
            headers={"X-Position": ",".join(self.positions[-8:]), "Idempotency-Key": str(uuid4())},
        )
        answer.raise_for_status()
        if position := answer.headers.get("x-position"):
            self.positions.append(position)
        return cast("Answer", answer.json())

    async def refused(self, method: str, path: str, body: object) -> Answer:
        """The problem a call is refused with; empty if it was not refused."""
        try:
            await self.call(method, path, body)
        except httpx.HTTPStatusError as error:
            return cast("Answer", error.response.json())
        return {}
