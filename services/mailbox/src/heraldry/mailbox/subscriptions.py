"""The reactions, bound to durable consumers, and nothing else."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from heraldry.chassis.bus.reactions import Reaction, reaction
from heraldry.chassis.bus.rpc import Asking
from heraldry.contracts.base import By, Command, Envelope, Event
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
from heraldry.mailbox.application import Application
from heraldry.mailbox.domain.conversation import ConversationStopBegun
from heraldry.mailbox.domain.inbox import MailboxClosing, MailboxPausing
from heraldry.mailbox.domain.suppression import SuppressionBegun
from heraldry.mailbox.reactions import (
    CancelMail,
    FinishClosing,
    FinishConversation,
    FinishPause,
    FinishSuppression,
    ForgetIdentity,
    ForgetPasswords,
    JudgeInbox,
    KnowIdentity,
    QueueMail,
    SuppressBounced,
    TakeUnsubscription,
    finish_stops,
    forget_passwords,
    heed_bounces,
    import_identities,
    take_steps,
    take_unsubscriptions,
)

IMPORTS: Final[tuple[Reaction, ...]] = (
    reaction(
        "mailbox-imports",
        (IdentityCreated, IdentityRenamed, IdentityDeleted),
        import_identities,
        from_start=True,
    ),
    reaction("mailbox-reactions", (RecipientUnsubscribed,), take_unsubscriptions, from_start=True),
)
CONTROL: Final[tuple[Reaction, ...]] = (
    reaction("mailbox-control", (StepDispatched, StepCancelled), take_steps, from_start=True),
)

OWN: Final[tuple[Reaction, ...]] = (
    reaction(
        "mailbox-forgets-passwords",
        (MailboxConnected, MailboxConnectionFailed, MailboxDisconnected),
        forget_passwords,
        from_start=True,
    ),
    reaction(
        "mailbox-finishes-stops",
        (SuppressionBegun, ConversationStopBegun, MailboxClosing, MailboxPausing),
        finish_stops,
        from_start=True,
    ),
    reaction("mailbox-heeds-bounces", (EmailBounced, EmailFailed), heed_bounces, from_start=True),
)


def lane(event: Envelope[Event]) -> str:
    """What has to stay in order: steps of one attempt. Two attempts have nothing to do with each other."""
    match event.data:
        case StepDispatched() | StepCancelled() as step:
            return str(step.attempt)
        case _:
            return event.id


class Own:
    """Carries out what this context's reactions ask of it, under the ids they derived from the event."""

    def __init__(self, application: Application) -> None:
        self._application = application

    async def __call__(self, command: Command, *, by: By, id: UUID) -> None:  # noqa: A002  as `Caller.send`
        asking = Asking(id, by)
        stopping = self._application.stopping
        match command:
            case TakeUnsubscription(unsubscribed=unsubscribed):
                await stopping.unsubscribe(unsubscribed, asking)
            case SuppressBounced(attempt=attempt):
                await stopping.heed_bounce(attempt, asking)
            case JudgeInbox(inbox=inbox):
                await self._application.pausing.judge(inbox)
            case FinishSuppression(recipient=recipient):
                await stopping.finish_suppression(recipient, asking)
            case FinishConversation(enrollment=enrollment, identity=identity):
                await stopping.finish_conversation(enrollment, identity, by)
            case FinishPause(inbox=inbox):
                await self._application.pausing.finish(inbox)
            case FinishClosing(inbox=inbox):
                await self._application.finish_closing(inbox, asking)
            case QueueMail(step=step):
                await self._application.queue(step, asking)
            case CancelMail(step=step):
                await self._application.cancel(step, asking)
            case ForgetPasswords(inbox=inbox):
                await self._application.forget_passwords(inbox)
            case KnowIdentity():
                await self._application.know(command.identity, command.name, command.revision, asking)
            case ForgetIdentity():
                await self._application.forget(command.identity, command.revision, asking)
            case _:
                raise TypeError(f"{type(command).__name__} is no command of a reaction here")
