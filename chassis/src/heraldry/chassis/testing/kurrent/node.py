"""What all services of the node share: its database, its place in the cluster, who may do what."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID, uuid4

from heraldry.chassis.testing.kurrent.access import Access, Right
from heraldry.chassis.testing.kurrent.database import Database
from heraldry.chassis.testing.kurrent.refusals import NotLeader, not_ready
from heraldry.chassis.testing.kurrent.subscriptions import Subscription

VERSION: Final = "26.1.0"  # of the server whose behaviour this is
LARGEST_APPEND: Final = 256 * 1024 * 1024  # bytes: a chunk of the server's log
LARGEST_EVENT: Final = 16 * 1024 * 1024  # bytes: a record of the server's log
LARGEST_MESSAGE: Final = LARGEST_EVENT - 10_000  # bytes of a request of the protocol's first version
LARGEST_OF_ALL: Final = LARGEST_APPEND * 3 // 2  # bytes of any request, so that one too large is told why
Metadata = Iterable[tuple[str, str | bytes]] | None


@dataclass(frozen=True, slots=True)
class Limits:
    """The largest that it takes, in bytes: of an event, and of all that are appended together."""

    append: int = LARGEST_APPEND
    event: int = LARGEST_EVENT


@dataclass(slots=True)
class Node:
    """One node: the leader, until somebody says that another is."""

    database: Database
    access: Access
    host: str
    port: int
    limits: Limits
    leader: tuple[str, int] | None = None
    """Host and port of another node that leads."""
    leader_id: UUID = field(default_factory=uuid4)
    read_only: bool = False  # a replica that will never lead
    ready: bool = True
    subscriptions: set[Subscription] = field(default_factory=set[Subscription])

    def admit(self, metadata: Metadata) -> None:
        """Refuse a call that this node must not answer now."""
        if not self.ready:
            raise not_ready()
        if self.leader is not None and dict(metadata or ()).get("requires-leader") == "true":
            raise NotLeader(*self.leader)

    def allow(self, metadata: Metadata, right: Right, stream: str) -> None:
        """Refuse what the caller has no right to."""
        self.access.check(_authorization(metadata), right, stream)

    def authenticate(self, metadata: Metadata) -> None:
        self.access.authenticate(_authorization(metadata))


def _authorization(metadata: Metadata) -> str | None:
    found = dict(metadata or ()).get("authorization")
    return found.decode() if isinstance(found, bytes) else found
