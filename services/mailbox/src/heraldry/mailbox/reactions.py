"""What the mailbox context does when something happened elsewhere. Pure: event in, commands out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar
from uuid import UUID

from heraldry.contracts.base import Command, Envelope, Erased
from heraldry.contracts.identity import IdentityCreated, IdentityDeleted, IdentityRenamed
from heraldry.contracts.mailbox import MailboxConnected, MailboxConnectionFailed, MailboxDisconnected
from heraldry.contracts.scheduler import StepCancelled, StepDispatched


class OwnCommand(Command):
    """A command of this context to itself: it never travels."""

    context: ClassVar[str] = "mailbox"


class QueueMail(OwnCommand):
    step: StepDispatched


class CancelMail(OwnCommand):
    step: StepCancelled


class KnowIdentity(OwnCommand):
    """`revision` is that of the identity's own stream: what is older changes nothing."""

    identity: UUID
    name: str
    revision: int


class ForgetIdentity(OwnCommand):
    identity: UUID
    revision: int


class ForgetPasswords(OwnCommand):
    inbox: UUID


def forget_passwords(
    event: Envelope[MailboxConnected | MailboxConnectionFailed | MailboxDisconnected],
) -> Sequence[OwnCommand]:
    """What was tried or used until now may be needed no more."""
    return (ForgetPasswords(inbox=event.data.inbox),)


def take_steps(event: Envelope[StepDispatched | StepCancelled]) -> Sequence[OwnCommand]:
    """What the scheduler dispatched or withdrew."""
    match event.data:
        case StepDispatched() as step:
            return (QueueMail(step=step),)
        case StepCancelled() as step:
            return (CancelMail(step=step),)


def import_identities(
    event: Envelope[IdentityCreated | IdentityRenamed | IdentityDeleted],
) -> Sequence[OwnCommand]:
    """Whose inboxes there may be, and by which name."""
    match event.data:
        case IdentityCreated(identity=identity, name=name) | IdentityRenamed(identity=identity, name=name):
            known = "" if isinstance(name, Erased) else name
            return (KnowIdentity(identity=identity, name=known, revision=event.revision),)
        case IdentityDeleted(identity=identity):
            return (ForgetIdentity(identity=identity, revision=event.revision),)
