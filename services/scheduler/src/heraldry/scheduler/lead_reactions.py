"""What follows for leads from what happened, here and elsewhere. Pure: event in, commands out."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from heraldry.contracts.base import Envelope
from heraldry.contracts.campaigns import (
    CampaignFinished,
    LeadBounced,
    LeadReplied,
    LeadsImported,
    LeadUnsubscribed,
)
from heraldry.contracts.gateway import RecipientUnsubscribed
from heraldry.contracts.mailbox import (
    EmailBounced,
    EmailFailed,
    EmailOutcomeUnknown,
    EmailSent,
    RecipientSuppressed,
    RecipientUnsuppressed,
    ReplyReceived,
)
from heraldry.scheduler.domain.profile import DeletionImported
from heraldry.scheduler.domain.sender_events import SenderClosed, SenderOpened
from heraldry.scheduler.reactions import OwnCommand


class RecordOutcome(OwnCommand):
    """What became of a lead's step, or of what was sent before."""

    enrollment: UUID
    outcome: EmailSent | EmailFailed | EmailOutcomeUnknown | EmailBounced | ReplyReceived


class ImportSuppression(OwnCommand):
    """`revision`: of the suppression's stream in the mailbox; not of the gateway's."""

    said: RecipientSuppressed | RecipientUnsubscribed
    revision: int


class LiftSuppression(OwnCommand):
    said: RecipientUnsuppressed
    revision: int


class FollowAccount(OwnCommand):
    """The leads of an account fail or recover with it."""

    sender: str


class RecallStep(OwnCommand):
    """What is leaving for this lead, in whatever channel, is to leave no more."""

    enrollment: UUID


class LeaveIdentity(OwnCommand):
    identity: UUID


class EndLeads(OwnCommand):
    campaign: UUID


def record_outcomes(
    event: Envelope[EmailSent | EmailFailed | EmailOutcomeUnknown | EmailBounced | ReplyReceived],
) -> Sequence[OwnCommand]:
    """Of mails that were written by hand no lead knows; a bounce that is not for good changes nothing."""
    outcome = event.data
    if outcome.enrollment is None or (isinstance(outcome, EmailBounced) and not outcome.hard):
        return ()
    return (RecordOutcome(enrollment=outcome.enrollment, outcome=outcome),)


def import_suppressions(
    event: Envelope[RecipientSuppressed | RecipientUnsubscribed | RecipientUnsuppressed],
) -> Sequence[OwnCommand]:
    match event.data:
        case RecipientUnsuppressed() as said:
            return (LiftSuppression(said=said, revision=event.revision),)
        case RecipientSuppressed() | RecipientUnsubscribed() as said:
            return (ImportSuppression(said=said, revision=event.revision),)


def follow_accounts(event: Envelope[SenderOpened | SenderClosed]) -> Sequence[OwnCommand]:
    return (FollowAccount(sender=event.data.sender),)


def leave_identities(event: Envelope[DeletionImported]) -> Sequence[OwnCommand]:
    return (LeaveIdentity(identity=event.data.identity),)


def recall_steps(event: Envelope[LeadReplied | LeadBounced | LeadUnsubscribed]) -> Sequence[OwnCommand]:
    """Between dispatch and sending, too; and an answer in one channel ends the sequence in all of them."""
    return (RecallStep(enrollment=event.data.enrollment),)


def end_leads(event: Envelope[CampaignFinished | LeadsImported]) -> Sequence[OwnCommand]:
    """Also where leads came in while their campaign was being ended."""
    return (EndLeads(campaign=event.data.campaign),)
