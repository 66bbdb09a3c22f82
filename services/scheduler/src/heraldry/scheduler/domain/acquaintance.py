"""Whether a person is connected with the LinkedIn account of an identity, as the driver said.

Stream `acquaintance-<uuid5 of identity and person>`: known of every campaign and of what was done by hand.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias
from uuid import UUID, uuid5

from heraldry.contracts.base import Event as AnyEvent


def acquaintance_of(identity: UUID, person: UUID) -> UUID:
    """A storage format."""
    return uuid5(identity, str(person))


class AcquaintanceImported(AnyEvent):
    """Private. They are connected."""

    identity: UUID
    person: UUID


@dataclass(frozen=True, slots=True)
class Import:
    identity: UUID
    person: UUID
    at: datetime


@dataclass(frozen=True, slots=True)
class Acquaintance:
    connected: bool = False


Command: TypeAlias = Import
Event: TypeAlias = AcquaintanceImported
STRANGERS = Acquaintance()


def decide(command: Command, state: Acquaintance) -> Sequence[Event]:
    if state.connected:
        return ()
    return (AcquaintanceImported(identity=command.identity, person=command.person, at=command.at),)


def evolve(state: Acquaintance, event: Event) -> Acquaintance:
    del state, event
    return Acquaintance(connected=True)
