"""Whether an inbox can send, as its context last said. Stream `connection-<inbox>`.

Foreign events come in no promised order: what is older than what is known changes nothing. Connecting and pausing
are told apart, each by its own newest revision: a pause outlives a reconnection.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeAlias, assert_never
from uuid import UUID

from heraldry.contracts.base import Event as AnyEvent
from heraldry.scheduler.domain.sender import Code


class ConnectionImported(AnyEvent):
    """Private. `source_revision`: of the inbox's stream in its own context. Connected: `identity` has it and
    `sender` is its account; else `code` says why it is not. An older release stored neither.
    """

    inbox: UUID
    connected: bool
    source_revision: int
    identity: UUID | None = None
    sender: str = ""
    code: str = ""


class PauseImported(AnyEvent):
    """Private. The inbox was paused, or resumed."""

    inbox: UUID
    paused: bool
    source_revision: int


@dataclass(frozen=True, slots=True)
class Import:
    """The inbox was connected (`code` None) for an identity, or is connected no more."""

    inbox: UUID
    source_revision: int
    at: datetime
    code: Code | None = None
    identity: UUID | None = None
    sender: str = ""


@dataclass(frozen=True, slots=True)
class ImportPause:
    inbox: UUID
    paused: bool
    source_revision: int
    at: datetime


Command: TypeAlias = Import | ImportPause
Event: TypeAlias = ConnectionImported | PauseImported


@dataclass(frozen=True, slots=True)
class Connection:
    connected: bool = False
    source_revision: int = -1
    identity: UUID | None = None  # who had it last
    sender: str = ""
    code: Code = "disconnected"  # why it is not connected
    paused: bool = False
    pause_revision: int = -1


NEVER = Connection()
_CODES: dict[str, Code] = {"reconnect": "reconnect"}


def decide(command: Command, connection: Connection) -> Sequence[Event]:
    match command:
        case Import():
            if command.source_revision <= connection.source_revision:
                return ()
            return (
                ConnectionImported(
                    inbox=command.inbox,
                    connected=command.code is None,
                    source_revision=command.source_revision,
                    identity=command.identity,
                    sender=command.sender,
                    code=command.code or "",
                    at=command.at,
                ),
            )
        case ImportPause():
            if command.source_revision <= connection.pause_revision:
                return ()
            return (
                PauseImported(
                    inbox=command.inbox,
                    paused=command.paused,
                    source_revision=command.source_revision,
                    at=command.at,
                ),
            )
        case _:
            assert_never(command)


def evolve(connection: Connection, event: Event) -> Connection:
    match event:
        case ConnectionImported():
            return replace(
                connection,
                connected=event.connected,
                source_revision=event.source_revision,
                identity=event.identity or connection.identity,
                sender=event.sender or connection.sender,
                code=_CODES.get(event.code, "disconnected"),
            )
        case PauseImported():
            return replace(connection, paused=event.paused, pause_revision=event.source_revision)
        case _:
            assert_never(event)
