"""The reactions, bound to durable consumers, and nothing else."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from heraldry.chassis.bus.reactions import Reaction, reaction
from heraldry.chassis.bus.rpc import Asking
from heraldry.contracts.base import By, Command, Envelope, Event
from heraldry.contracts.identity import IdentityCreated, IdentityDeleted, IdentityRenamed
from heraldry.contracts.linkedin import (
    InvitationSent,
    InvitationWithdrawn,
    LinkedInLinked,
    LinkedInLinkingFailed,
    LinkedInUnlinked,
)
from heraldry.contracts.linkedin_steps import LinkedInStepCancelled, LinkedInStepDispatched
from heraldry.linkedin_driver.actions import Actions
from heraldry.linkedin_driver.application import Application
from heraldry.linkedin_driver.domain.linking import SignedIn
from heraldry.linkedin_driver.reactions import (
    CancelAction,
    ForgetIdentity,
    KnowIdentity,
    NoteOutcome,
    QueueAction,
    SettleLinking,
    TidyAccount,
    import_identities,
    note_outcomes,
    settle_linkings,
    take_steps,
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

CONTROL: Final[tuple[Reaction, ...]] = (
    reaction(
        "linkedin-driver-control",
        (LinkedInStepDispatched, LinkedInStepCancelled),
        take_steps,
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
    reaction("linkedin-driver-notes", (InvitationSent, InvitationWithdrawn), note_outcomes, from_start=True),
)


def lane(event: Envelope[Event]) -> str:
    """What has to stay in order: steps of one attempt. Two attempts have nothing to do with each other."""
    match event.data:
        case LinkedInStepDispatched() | LinkedInStepCancelled() as step:
            return str(step.attempt)
        case _:
            return event.id


class Own:
    """Carries out what this context's reactions ask of it, under the ids they derived from the event."""

    def __init__(self, application: Application, actions: Actions) -> None:
        self._application, self._actions = application, actions

    async def __call__(self, command: Command, *, by: By, id: UUID) -> None:  # noqa: A002  as `Caller.send`
        asking = Asking(id, by)
        match command:
            case SettleLinking():
                await self._application.settle(command.account, command.linking)
            case TidyAccount():
                await self._application.tidy(command.account, command.failed)
            case QueueAction(step=step, actor=actor):
                await self._actions.queue(step, actor, asking)
            case CancelAction(step=step):
                await self._actions.cancel(step, asking)
            case NoteOutcome(outcome=outcome):
                await self._actions.note(outcome)
            case KnowIdentity():
                await self._application.know(command.identity, command.name, command.revision, asking)
            case ForgetIdentity():
                await self._application.forget(command.identity, command.revision, asking)
            case _:
                raise TypeError(f"{type(command).__name__} is no command of a reaction here")
