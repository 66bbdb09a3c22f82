"""What all services of the node share: its database, its place in the cluster, who may do what."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from heraldry.chassis.testing.kurrent.database import Database
from heraldry.chassis.testing.kurrent.refusals import not_leader, not_ready

LARGEST_APPEND: Final = 1024 * 1024  # bytes
Metadata = Iterable[tuple[str, str | bytes]] | None


@dataclass(slots=True)
class Node:
    """One node: the leader, until somebody says that another is."""

    database: Database
    host: str
    port: int
    largest_append: int = LARGEST_APPEND
    leader: tuple[str, int] | None = None
    """Host and port of another node that leads."""
    ready: bool = True
    subscriptions: set[object] = field(default_factory=set[object])

    def admit(self, metadata: Metadata) -> None:
        """Refuse a call that this node must not answer now."""
        if not self.ready:
            raise not_ready()
        if self.leader is not None and dict(metadata or ()).get("requires-leader") == "true":
            raise not_leader(*self.leader)
