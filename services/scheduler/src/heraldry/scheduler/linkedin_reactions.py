"""What the scheduler does when the LinkedIn driver says something. Pure: event in, commands out."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from heraldry.contracts.base import Envelope
from heraldry.contracts.linkedin import (
    InvitationSent,
    InvitationWithdrawn,
    LinkedInActionFailed,
    LinkedInActionOutcomeUnknown,
    LinkedInLinked,
    LinkedInMessageSent,
    LinkedInNeedsReconnect,
    LinkedInRestricted,
    LinkedInSlowedDown,
    LinkedInUnlinked,
    SlowedDown,
)
from heraldry.scheduler.domain.linkedin_sender import Code
from heraldry.scheduler.reactions import OwnCommand


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


def settle_actions(
    event: Envelope[
        InvitationSent
        | LinkedInMessageSent
        | InvitationWithdrawn
        | LinkedInActionFailed
        | LinkedInActionOutcomeUnknown
    ],
) -> Sequence[OwnCommand]:
    proven = isinstance(event.data, LinkedInActionFailed) and event.data.proven
    return (SettleAction(attempt=event.data.attempt, proven_not_done=proven),)
