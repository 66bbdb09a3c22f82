"""What all services of the node share: its database, its place in the cluster, who may do what."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from heraldry.chassis.testing.kurrent.access import Access, Right
from heraldry.chassis.testing.kurrent.database import Database
from heraldry.chassis.testing.kurrent.refusals import not_leader, not_ready
from heraldry.chassis.testing.kurrent.subscriptions import Subscription

VERSION: Final = "26.1.0"  # of the server whose behaviour this is
LARGEST_APPEND: Final = 1024 * 1024  # bytes
Metadata = Iterable[tuple[str, str | bytes]] | None


@dataclass(slots=True)
class Node:
    """One node: the leader, until somebody says that another is."""

    database: Database
    access: Access
    host: str
    port: int
    largest_append: int = LARGEST_APPEND
    leader: tuple[str, int] | None = None
    """Host and port of another node that leads."""
    read_only: bool = False  # a replica that will never lead
    ready: bool = True
    subscriptions: set[Subscription] = field(default_factory=set[Subscription])

    def admit(self, metadata: Metadata) -> None:
        """Refuse a call that this node must not answer now."""
        if not self.ready:
            raise not_ready()
        if self.leader is not None and dict(metadata or ()).get("requires-leader") == "true":
            raise not_leader(*self.leader)

    def allow(self, metadata: Metadata, right: Right, stream: str) -> None:
        """Refuse what the caller has no right to."""
        self.access.check(_authorization(metadata), right, stream)

    def authenticate(self, metadata: Metadata) -> None:
        self.access.authenticate(_authorization(metadata))


def _authorization(metadata: Metadata) -> str | None:
    found = dict(metadata or ()).get("authorization")
    return found.decode() if isinstance(found, bytes) else found
