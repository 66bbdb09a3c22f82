"""The reactions, bound to durable consumers, and nothing else."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from heraldry.chassis.bus.reactions import Reaction, reaction
from heraldry.chassis.bus.rpc import Asking
from heraldry.contracts.base import By, Command
from heraldry.contracts.identity import IdentityCreated, IdentityDeleted, IdentityRenamed
from heraldry.contracts.linkedin import LinkedInLinked, LinkedInLinkingFailed, LinkedInUnlinked
from heraldry.linkedin_driver.application import Application
from heraldry.linkedin_driver.domain.linking import SignedIn
from heraldry.linkedin_driver.reactions import (
    ForgetIdentity,
    KnowIdentity,
    SettleLinking,
    TidyAccount,
    import_identities,
    settle_linkings,
    tidy_accounts,
)

IMPORTS: Final[tuple[Reaction, ...]] = (
    reaction(
        "linkedin-driver-imports",
        (IdentityCreated, IdentityRenamed, IdentityDeleted),
        import_identities,
        from_start=True,
    ),
)

OWN: Final[tuple[Reaction, ...]] = (
    reaction("linkedin-driver-settles", (SignedIn,), settle_linkings, from_start=True),
    reaction(
        "linkedin-driver-tidies",
        (LinkedInLinked, LinkedInLinkingFailed, LinkedInUnlinked),
        tidy_accounts,
        from_start=True,
    ),
)


class Own:
    """Carries out what this context's reactions ask of it, under the ids they derived from the event."""

    def __init__(self, application: Application) -> None:
        self._application = application

    async def __call__(self, command: Command, *, by: By, id: UUID) -> None:  # noqa: A002  as `Caller.send`
        asking = Asking(id, by)
        match command:
            case SettleLinking():
                await self._application.settle(command.account, command.linking)
            case TidyAccount():
                await self._application.tidy(command.account, command.failed)
            case KnowIdentity():
                await self._application.know(command.identity, command.name, command.revision, asking)
            case ForgetIdentity():
                await self._application.forget(command.identity, command.revision, asking)
            case _:
                raise TypeError(f"{type(command).__name__} is no command of a reaction here")
