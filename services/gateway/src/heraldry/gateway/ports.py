"""What the gateway asks of the other contexts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar
from uuid import UUID

from heraldry.contracts.base import Accepted, By, Command, Query

A = TypeVar("A")


class Contexts(Protocol):
    """Commands and queries over NATS request/reply. Both raise Refused."""

    async def send(self, command: Command, *, by: By, id: UUID) -> Accepted:  # noqa: A002  the command's id
        ...

    async def ask(self, query: Query[A], *, by: By, seen: Sequence[str] = (), deadline: float = 5.0) -> A: ...
