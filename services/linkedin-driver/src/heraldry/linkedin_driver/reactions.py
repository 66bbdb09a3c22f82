"""What the LinkedIn driver does when something happened. Pure: event in, commands out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar
from uuid import UUID

from heraldry.contracts.base import Command, Envelope, Erased
from heraldry.contracts.identity import IdentityCreated, IdentityDeleted, IdentityRenamed
from heraldry.contracts.linkedin import (
    InvitationSent,
    InvitationWithdrawn,
    LinkedInLinked,
    LinkedInLinkingFailed,
    LinkedInUnlinked,
    account_of,
)
from heraldry.contracts.linkedin_steps import LinkedInStepCancelled, LinkedInStepDispatched
from heraldry.linkedin_driver.domain.linking import SignedIn


class OwnCommand(Command):
    """A command of this context to itself: it never travels."""

    context: ClassVar[str] = "linkedin-driver"


class KnowIdentity(OwnCommand):
    """`revision` is that of the identity's own stream: what is older changes nothing."""

    identity: UUID
    name: str
    revision: int


class ForgetIdentity(OwnCommand):
    identity: UUID
    revision: int


class SettleLinking(OwnCommand):
    account: UUID
    linking: UUID


class TidyAccount(OwnCommand):
    """`failed`: a linking that did."""

    account: UUID
    failed: UUID | None = None


class QueueAction(OwnCommand):
    """`actor`: who asked for it."""

    step: LinkedInStepDispatched
    actor: str


class CancelAction(OwnCommand):
    step: LinkedInStepCancelled


class NoteOutcome(OwnCommand):
    outcome: InvitationSent | InvitationWithdrawn


def take_steps(event: Envelope[LinkedInStepDispatched | LinkedInStepCancelled]) -> Sequence[OwnCommand]:
    """What the scheduler dispatched or called off."""
    match event.data:
        case LinkedInStepDispatched() as step:
            return (QueueAction(step=step, actor=event.actor),)
        case LinkedInStepCancelled() as step:
            return (CancelAction(step=step),)


def note_outcomes(event: Envelope[InvitationSent | InvitationWithdrawn]) -> Sequence[OwnCommand]:
    """What was sent or withdrawn stands between both from then on; whoever did it may have been killed."""
    return (NoteOutcome(outcome=event.data),)


def settle_linkings(event: Envelope[SignedIn]) -> Sequence[OwnCommand]:
    """LinkedIn let us in: whether another identity acts as this member is asked now."""
    return (SettleLinking(account=account_of(event.data.identity), linking=event.data.linking),)


def tidy_accounts(
    event: Envelope[LinkedInLinked | LinkedInLinkingFailed | LinkedInUnlinked],
) -> Sequence[OwnCommand]:
    """What was tried or used until now may be needed no more."""
    match event.data:
        case LinkedInLinkingFailed(account=account, linking=linking):
            return (TidyAccount(account=account, failed=linking),)
        case LinkedInLinked(account=account) | LinkedInUnlinked(account=account):
            return (TidyAccount(account=account),)


def import_identities(
    event: Envelope[IdentityCreated | IdentityRenamed | IdentityDeleted],
) -> Sequence[OwnCommand]:
    """Whose accounts there may be, and by which name."""
    match event.data:
        case IdentityCreated(identity=identity, name=name) | IdentityRenamed(identity=identity, name=name):
            known = "" if isinstance(name, Erased) else name
            return (KnowIdentity(identity=identity, name=known, revision=event.revision),)
        case IdentityDeleted(identity=identity):
            return (ForgetIdentity(identity=identity, revision=event.revision),)
