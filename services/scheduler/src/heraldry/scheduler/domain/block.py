"""From when on a LinkedIn member may invite a person again (R-WD-4).

Stream `block-<keyed hash of both>`, with this context's own key of the organization: it outlives the person's data,
and is the member's, whichever identity acts as it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeAlias

from heraldry.contracts.base import Event as AnyEvent


class InvitationBlocked(AnyEvent):
    """Private. An invitation was withdrawn: no other one before `until`."""

    until: datetime


@dataclass(frozen=True, slots=True)
class Block:
    until: datetime
    at: datetime


@dataclass(frozen=True, slots=True)
class Blocked:
    """`until` None: no invitation was ever withdrawn."""

    until: datetime | None = None


NEVER: Final = Blocked()
Command: TypeAlias = Block
Event: TypeAlias = InvitationBlocked


def decide(command: Command, state: Blocked) -> Sequence[Event]:
    if state.until is not None and command.until <= state.until:
        return ()
    return (InvitationBlocked(until=command.until, at=command.at),)


def evolve(_: Blocked, event: Event) -> Blocked:
    return Blocked(event.until)
