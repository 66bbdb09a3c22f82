"""The reactions, bound to durable consumers, and nothing else."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from heraldry.chassis.bus.reactions import Reaction, reaction
from heraldry.chassis.bus.rpc import Asking
from heraldry.contracts.base import By, Command
from heraldry.contracts.linkedin import LinkedInLinked
from heraldry.identity.application import Identities
from heraldry.identity.reactions import FillDetails, take_profiles

REACTIONS: Final[tuple[Reaction, ...]] = (
    reaction("identity-reactions", (LinkedInLinked,), take_profiles, from_start=True),
)


class Own:
    """Carries out what this context's reactions ask of it, under the ids they derived from the event."""

    def __init__(self, identities: Identities) -> None:
        self._identities = identities

    async def __call__(self, command: Command, *, by: By, id: UUID) -> None:  # noqa: A002  as `Caller.send`
        asking = Asking(id, by)
        match command:
            case FillDetails(identity=identity, details=details):
                await self._identities.fill_details(identity, details, asking)
            case _:
                raise TypeError(f"{type(command).__name__} is no command of a reaction here")
