"""The reactions, bound to durable consumers, and nothing else."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from heraldry.chassis.bus.reactions import Reaction, reaction
from heraldry.chassis.bus.rpc import Asking
from heraldry.contracts.base import By, Command
from heraldry.contracts.linkedin import LinkedInLinked
from heraldry.identity.application import Identities
from heraldry.identity.domain.share_link import ShareLinkTaken
from heraldry.identity.reactions import (
    FillDetails,
    MakeOfLink,
    NoteLinked,
    make_identities,
    note_linked,
    take_profiles,
)
from heraldry.identity.share_links import ShareLinks

OWN: Final[tuple[Reaction, ...]] = (
    reaction("identity-makes-of-links", (ShareLinkTaken,), make_identities, from_start=True),
)
FOREIGN: Final[tuple[Reaction, ...]] = (
    reaction("identity-reactions", (LinkedInLinked,), take_profiles, from_start=True),
    reaction("identity-outcomes", (LinkedInLinked,), note_linked, from_start=True),
)


class Own:
    """Carries out what this context's reactions ask of it, under the ids they derived from the event."""

    def __init__(self, identities: Identities, links: ShareLinks) -> None:
        self._identities, self._links = identities, links

    async def __call__(self, command: Command, *, by: By, id: UUID) -> None:  # noqa: A002  as `Caller.send`
        asking = Asking(id, by)
        match command:
            case FillDetails(identity=identity, details=details):
                await self._identities.fill_details(identity, details, asking)
            case MakeOfLink(taken=taken):
                await self._links.make(taken, asking)
            case NoteLinked(identity=identity):
                await self._links.linked(identity, asking)
            case _:
                raise TypeError(f"{type(command).__name__} is no command of a reaction here")
