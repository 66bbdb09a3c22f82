"""What the scheduler does when the LinkedIn driver says something. Pure: event in, commands out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final, TypeAlias
from uuid import UUID

from heraldry.contracts.base import Envelope
from heraldry.contracts.gateway import OrganizationCreated, OrganizationZoneChanged
from heraldry.contracts.linkedin import (
    InvitationAccepted,
    InvitationSent,
    InvitationWithdrawn,
    LinkedInActionFailed,
    LinkedInActionOutcomeUnknown,
    LinkedInLinked,
    LinkedInMessageSent,
    LinkedInNeedsReconnect,
    LinkedInReplyReceived,
    LinkedInRestricted,
    LinkedInSlowedDown,
    LinkedInUnlinked,
    ProfileScraped,
    SlowedDown,
)
from heraldry.contracts.scheduler import WithdrawalOutcome
from heraldry.scheduler.domain.linkedin_sender import Code
from heraldry.scheduler.domain.withdrawal import WithdrawalRequested
from heraldry.scheduler.reactions import OwnCommand

_OUTCOMES: Final[Mapping[str, WithdrawalOutcome]] = {  # by the driver's codes
    "withdrawal.accepted-meanwhile": "accepted meanwhile",
    "withdrawal.not-found": "not found",
    "action.expired": "not attempted",
    "action.cancelled": "not attempted",
}

LinkedInOutcome: TypeAlias = (
    InvitationSent
    | LinkedInMessageSent
    | ProfileScraped
    | InvitationAccepted
    | LinkedInReplyReceived
    | LinkedInActionFailed
    | LinkedInActionOutcomeUnknown
)


class ImportZone(OwnCommand):
    """By whose midnight an organization's day begins. `revision`: of its own stream."""

    organization: UUID
    zone: str
    revision: int


class OpenLinkedIn(OwnCommand):
    """`revision`: of the account's stream at the driver."""

    account: UUID
    identity: UUID
    sender: str
    sales_navigator: bool
    revision: int
    said_at: datetime


class CloseLinkedIn(OwnCommand):
    account: UUID
    code: Code
    revision: int
    said_at: datetime


class SlowLinkedInDown(OwnCommand):
    account: UUID
    kind: SlowedDown
    until: datetime
    revision: int


class SettleAction(OwnCommand):
    """The attempt has an outcome; one that provably was not done costs no quota."""

    attempt: UUID
    proven_not_done: bool


class ImportInvitation(OwnCommand):
    """LinkedIn shows it as pending. `invitation`: the attempt that sent it."""

    invitation: UUID
    sent_at: datetime


class AcceptInvitation(OwnCommand):
    invitation: UUID


class RecordWithdrawal(OwnCommand):
    """What became of a try to withdraw an invitation."""

    organization: UUID
    account: UUID
    person: UUID
    attempt: UUID
    outcome: WithdrawalOutcome
    detail: str = ""
    blocked_until: datetime | None = None


class CarryOutWithdrawals(OwnCommand):
    """`actor`: who wants them."""

    request: UUID
    actor: str


class RecordLinkedInOutcome(OwnCommand):
    """What became of a lead's step on LinkedIn, or that they are connected by now."""

    outcome: LinkedInOutcome


def import_accounts(
    event: Envelope[
        LinkedInLinked | LinkedInNeedsReconnect | LinkedInRestricted | LinkedInUnlinked | LinkedInSlowedDown
    ],
) -> Sequence[OwnCommand]:
    said, revision = event.data, event.revision
    match said:
        case LinkedInLinked():
            opened = OpenLinkedIn(
                account=said.account,
                identity=said.identity,
                sender=said.sender,
                sales_navigator=said.sales_navigator,
                revision=revision,
                said_at=said.at,
            )
            return (opened,)
        case LinkedInSlowedDown(account=account, kind=kind, until=until):
            return (SlowLinkedInDown(account=account, kind=kind, until=until, revision=revision),)
        case _:
            code: Code = "disconnected"
            if isinstance(said, LinkedInNeedsReconnect):
                code = "reconnect"
            elif isinstance(said, LinkedInRestricted):
                code = "restricted"
            closed = CloseLinkedIn(account=said.account, code=code, revision=revision, said_at=said.at)
            return (closed,)


def import_zones(event: Envelope[OrganizationCreated | OrganizationZoneChanged]) -> Sequence[OwnCommand]:
    said = event.data
    return (ImportZone(organization=said.organization, zone=said.zone, revision=event.revision),)


def record_linkedin_outcomes(event: Envelope[LinkedInOutcome]) -> Sequence[OwnCommand]:
    """A withdrawal concerns no lead's sequence."""
    outcome = event.data
    failed = isinstance(outcome, LinkedInActionFailed | LinkedInActionOutcomeUnknown)
    if failed and outcome.kind == "withdrawal":
        return ()
    return (RecordLinkedInOutcome(outcome=outcome),)


def settle_actions(
    event: Envelope[
        InvitationSent
        | LinkedInMessageSent
        | InvitationWithdrawn
        | ProfileScraped
        | LinkedInActionFailed
        | LinkedInActionOutcomeUnknown
    ],
) -> Sequence[OwnCommand]:
    proven = isinstance(event.data, LinkedInActionFailed) and event.data.proven
    return (SettleAction(attempt=event.data.attempt, proven_not_done=proven),)


def import_invitations(
    event: Envelope[
        InvitationSent
        | InvitationAccepted
        | InvitationWithdrawn
        | LinkedInActionFailed
        | LinkedInActionOutcomeUnknown
    ],
) -> Sequence[OwnCommand]:
    said = event.data
    match said:
        case InvitationSent(attempt=attempt, at=at):
            return (ImportInvitation(invitation=attempt, sent_at=at),)
        case InvitationAccepted(attempt=attempt):
            return (AcceptInvitation(invitation=attempt),)
        case InvitationWithdrawn(blocked_until=until):
            return (_tried(event.organization, said, "withdrawn", until=until),)
        case LinkedInActionFailed(kind="withdrawal", diagnosis=diagnosis):
            detail = f"{diagnosis.cause} {diagnosis.resolution}"
            return (_tried(event.organization, said, _OUTCOMES.get(diagnosis.code, "failed"), detail),)
        case LinkedInActionOutcomeUnknown(kind="withdrawal", reason=reason):
            return (_tried(event.organization, said, "outcome unknown", reason),)
        case _:
            return ()


def _tried(
    organization: str,
    said: InvitationWithdrawn | LinkedInActionFailed | LinkedInActionOutcomeUnknown,
    outcome: WithdrawalOutcome,
    detail: str = "",
    until: datetime | None = None,
) -> RecordWithdrawal:
    return RecordWithdrawal(
        organization=UUID(organization),
        account=said.account,
        person=said.person,
        attempt=said.attempt,
        outcome=outcome,
        detail=detail,
        blocked_until=until,
    )


def carry_out_withdrawals(event: Envelope[WithdrawalRequested]) -> Sequence[OwnCommand]:
    return (CarryOutWithdrawals(request=event.data.request, actor=event.actor),)
