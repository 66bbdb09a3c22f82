"""Which identity acts as a LinkedIn member. Stream `member-<keyed hash of the member's id>`.

Who signs in is known only after signing in, so this is asked then: at most one identity of an organization
holds a member, and only one append at a revision succeeds. A hold is of one linking, so that letting go of an
older one takes nothing from a newer one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias, assert_never
from uuid import UUID

from heraldry.contracts.base import Event as AnyEvent


class MemberHeld(AnyEvent):
    """Private. The identity acts as this member."""

    identity: UUID
    linking: UUID


class MemberReleased(AnyEvent):
    """Private. Another identity may act as this member."""

    identity: UUID
    linking: UUID


@dataclass(frozen=True, slots=True)
class Hold:
    identity: UUID
    linking: UUID
    at: datetime


@dataclass(frozen=True, slots=True)
class Release:
    identity: UUID
    linking: UUID
    at: datetime


Command: TypeAlias = Hold | Release
Event: TypeAlias = MemberHeld | MemberReleased


@dataclass(frozen=True, slots=True)
class Free:
    """No identity acts as this member."""


@dataclass(frozen=True, slots=True)
class Held:
    identity: UUID
    linking: UUID


State: TypeAlias = Free | Held
FREE = Free()


def decide(command: Command, state: State) -> Sequence[Event]:
    """Whoever asked to hold it reads afterwards who does: the first one stays."""
    match command:
        case Hold():
            if isinstance(state, Held) and (
                state.identity != command.identity or state.linking == command.linking
            ):
                return ()
            return (MemberHeld(identity=command.identity, linking=command.linking, at=command.at),)
        case Release():
            if state != Held(command.identity, command.linking):
                return ()
            return (MemberReleased(identity=command.identity, linking=command.linking, at=command.at),)
        case _:
            assert_never(command)


def evolve(_: State, event: Event) -> State:
    match event:
        case MemberHeld():
            return Held(event.identity, event.linking)
        case MemberReleased():
            return FREE
        case _:
            assert_never(event)
