"""What the mailbox context does when something happened elsewhere. Pure: event in, commands out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Final
from uuid import UUID

from heraldry.contracts.base import Command, Envelope, Erased
from heraldry.contracts.gateway import RecipientUnsubscribed
from heraldry.contracts.identity import IdentityCreated, IdentityDeleted, IdentityRenamed
from heraldry.contracts.mailbox import (
    EmailBounced,
    EmailFailed,
    MailboxConnected,
    MailboxConnectionFailed,
    MailboxDisconnected,
)
from heraldry.contracts.scheduler import StepCancelled, StepDispatched
from heraldry.mailbox.domain.conversation import ConversationStopBegun
from heraldry.mailbox.domain.inbox import MailboxClosing, MailboxPausing
from heraldry.mailbox.domain.suppression import SuppressionBegun

UNKNOWN_RECIPIENT: Final = "recipient.unknown"  # the mail server said so before it took the mail


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


class TakeUnsubscription(OwnCommand):
    unsubscribed: RecipientUnsubscribed


class SuppressBounced(OwnCommand):
    """The address a mail was for cannot be reached."""

    attempt: UUID


class JudgeInbox(OwnCommand):
    inbox: UUID


class FinishSuppression(OwnCommand):
    recipient: str


class FinishConversation(OwnCommand):
    enrollment: UUID
    identity: UUID | None


class FinishPause(OwnCommand):
    inbox: UUID


class FinishClosing(OwnCommand):
    inbox: UUID


def take_unsubscriptions(event: Envelope[RecipientUnsubscribed]) -> Sequence[OwnCommand]:
    """Somebody used the link of a mail."""
    return (TakeUnsubscription(unsubscribed=event.data),)


def heed_bounces(event: Envelope[EmailBounced | EmailFailed]) -> Sequence[OwnCommand]:
    """What never arrives is not written to again, and speaks against the inbox if it had left."""
    match event.data:
        case EmailBounced(hard=True, attempt=attempt, inbox=inbox):
            return (SuppressBounced(attempt=attempt), JudgeInbox(inbox=inbox))
        case EmailFailed(attempt=attempt, diagnosis=diagnosis) if diagnosis.code == UNKNOWN_RECIPIENT:
            return (SuppressBounced(attempt=attempt),)
        case _:
            return ()


def finish_stops(
    event: Envelope[SuppressionBegun | ConversationStopBegun | MailboxClosing | MailboxPausing],
) -> Sequence[OwnCommand]:
    """Whoever began may have been killed before the second step."""
    match event.data:
        case SuppressionBegun(recipient=recipient):
            return (FinishSuppression(recipient=recipient),)
        case ConversationStopBegun(enrollment=enrollment):
            identity = UUID(event.identity) if event.identity else None
            return (FinishConversation(enrollment=enrollment, identity=identity),)
        case MailboxClosing(inbox=inbox):
            return (FinishClosing(inbox=inbox),)
        case MailboxPausing(inbox=inbox):
            return (FinishPause(inbox=inbox),)


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
