"""Whether an inbox is connected, as its context last said. Stream `connection-<inbox>`.

Foreign events come in no promised order: what is older than what is known changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from heraldry.contracts.base import Event as AnyEvent


class ConnectionImported(AnyEvent):
    """Private. `source_revision`: of the inbox's stream in its own context."""

    inbox: UUID
    connected: bool
    source_revision: int


@dataclass(frozen=True, slots=True)
class Import:
    inbox: UUID
    connected: bool
    source_revision: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Connection:
    connected: bool = False
    source_revision: int = -1


NEVER = Connection()


def decide(command: Import, connection: Connection) -> Sequence[ConnectionImported]:
    if command.source_revision <= connection.source_revision:
        return ()
    return (
        ConnectionImported(
            inbox=command.inbox,
            connected=command.connected,
            source_revision=command.source_revision,
            at=command.at,
        ),
    )


def evolve(connection: Connection, event: ConnectionImported) -> Connection:
    del connection
    return Connection(event.connected, event.source_revision)
