"""What the scheduler does when something happened elsewhere. Pure: event in, commands out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar
from uuid import UUID

from heraldry.contracts.base import Command, Envelope, Erased
from heraldry.contracts.identity import IdentityCreated, IdentityDeleted, WorkingHours, WorkingHoursChanged
from heraldry.contracts.mailbox import (
    EmailFailed,
    EmailOutcomeUnknown,
    EmailSent,
    MailboxConnected,
    MailboxDisconnected,
    MailboxNeedsReconnect,
    MailboxPaused,
    MailboxResumed,
)
from heraldry.scheduler.domain.sender import Code


class OwnCommand(Command):
    """A command of this context to itself: it never travels. `revision`: of the source's own stream."""

    context: ClassVar[str] = "scheduler"


class ImportHours(OwnCommand):
    identity: UUID
    hours: WorkingHours
    revision: int


class ImportDeletion(OwnCommand):
    identity: UUID


class OpenSender(OwnCommand):
    organization: UUID
    inbox: UUID
    identity: UUID
    address: str
    revision: int


class CloseSender(OwnCommand):
    inbox: UUID
    code: Code
    revision: int


class PauseSender(OwnCommand):
    """The inbox was paused, or resumed."""

    inbox: UUID
    paused: bool
    revision: int


class SettleAttempt(OwnCommand):
    """The attempt has an outcome; one that provably never left costs no quota."""

    inbox: UUID
    attempt: UUID
    proven_not_sent: bool


def import_identities(
    event: Envelope[IdentityCreated | WorkingHoursChanged | IdentityDeleted],
) -> Sequence[OwnCommand]:
    match event.data:
        case (
            IdentityCreated(identity=identity, hours=hours)
            | WorkingHoursChanged(identity=identity, hours=hours)
        ):
            return (ImportHours(identity=identity, hours=hours, revision=event.revision),)
        case IdentityDeleted(identity=identity):
            return (ImportDeletion(identity=identity),)


def import_inboxes(
    event: Envelope[
        MailboxConnected | MailboxDisconnected | MailboxNeedsReconnect | MailboxPaused | MailboxResumed
    ],
) -> Sequence[OwnCommand]:
    match event.data:
        case MailboxConnected(address=Erased()):
            return ()  # the person was erased meanwhile: nothing will be sent from there
        case MailboxConnected(inbox=inbox, identity=identity, address=str(address)):
            opened = OpenSender(
                organization=UUID(event.organization),
                inbox=inbox,
                identity=identity,
                address=address,
                revision=event.revision,
            )
            return (opened,)
        case MailboxDisconnected(inbox=inbox):
            return (CloseSender(inbox=inbox, code="disconnected", revision=event.revision),)
        case MailboxNeedsReconnect(inbox=inbox):
            return (CloseSender(inbox=inbox, code="reconnect", revision=event.revision),)
        case MailboxPaused(inbox=inbox) | MailboxResumed(inbox=inbox):
            paused = isinstance(event.data, MailboxPaused)
            return (PauseSender(inbox=inbox, paused=paused, revision=event.revision),)
        case _:
            return ()


def settle(event: Envelope[EmailSent | EmailFailed | EmailOutcomeUnknown]) -> Sequence[OwnCommand]:
    proven = isinstance(event.data, EmailFailed) and event.data.proven
    return (SettleAttempt(inbox=event.data.inbox, attempt=event.data.attempt, proven_not_sent=proven),)
