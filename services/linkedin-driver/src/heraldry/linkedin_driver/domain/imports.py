"""What this context knows of identities: imported facts, so that decisions rest on its own log.

Stream `owner-<identity>`. Facts may arrive in any order: what is older than what is known is ignored.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated, TypeAlias, assert_never
from uuid import UUID

from heraldry.contracts.base import Erased, Personal
from heraldry.contracts.base import Event as AnyEvent


class OwnerImported(AnyEvent):
    """Private. There is such an identity, and this is its name. `revision` is that of its own stream."""

    identity: UUID
    organization: UUID
    name: Annotated[str | Erased, Personal("identity")]
    revision: int


class OwnerRemoved(AnyEvent):
    """Private. The identity was deleted."""

    identity: UUID
    revision: int


@dataclass(frozen=True, slots=True)
class Import:
    identity: UUID
    organization: UUID
    name: str
    revision: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Remove:
    identity: UUID
    revision: int
    at: datetime


Command: TypeAlias = Import | Remove
Event: TypeAlias = OwnerImported | OwnerRemoved


@dataclass(frozen=True, slots=True)
class NotHeardOf:
    """Nothing is known of this identity (yet)."""


@dataclass(frozen=True, slots=True)
class Owner:
    organization: UUID
    name: str
    revision: int


@dataclass(frozen=True, slots=True)
class Removed:
    """It was deleted; that is final."""


State: TypeAlias = NotHeardOf | Owner | Removed
NOT_HEARD_OF = NotHeardOf()


def decide(command: Command, state: State) -> Sequence[Event]:
    if isinstance(state, Removed):
        return ()
    match command:
        case Import():
            if isinstance(state, Owner) and state.revision >= command.revision:
                return ()
            return (
                OwnerImported(
                    identity=command.identity,
                    organization=command.organization,
                    name=command.name,
                    revision=command.revision,
                    at=command.at,
                ),
            )
        case Remove():
            return (OwnerRemoved(identity=command.identity, revision=command.revision, at=command.at),)
        case _:
            assert_never(command)


def evolve(state: State, event: Event) -> State:
    match event:
        case OwnerImported():
            name = "" if isinstance(event.name, Erased) else event.name
            if isinstance(state, Owner):
                return replace(state, name=name, revision=event.revision)
            return Owner(event.organization, name, event.revision)
        case OwnerRemoved():
            return Removed()
        case _:
            assert_never(event)
