"""What is said of LinkedIn, bound to durable consumers, and who carries it out."""

from __future__ import annotations

from typing import Final

from heraldry.chassis.bus.reactions import Reaction, reaction
from heraldry.chassis.bus.rpc import Asking
from heraldry.contracts.base import Command
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
)
from heraldry.scheduler.domain.withdrawal import WithdrawalRequested
from heraldry.scheduler.linkedin import LinkedIn
from heraldry.scheduler.linkedin_leads import LinkedInLeads
from heraldry.scheduler.linkedin_reactions import (
    AcceptInvitation,
    CarryOutWithdrawals,
    CloseLinkedIn,
    ImportInvitation,
    ImportZone,
    OpenLinkedIn,
    RecordLinkedInOutcome,
    RecordWithdrawal,
    SettleAction,
    SlowLinkedInDown,
    carry_out_withdrawals,
    import_accounts,
    import_invitations,
    import_zones,
    record_linkedin_outcomes,
    settle_actions,
)
from heraldry.scheduler.linkedin_standing import Linked, LinkedInStanding
from heraldry.scheduler.scrapings import Scrapings
from heraldry.scheduler.withdrawals import Tried, Withdrawals

REACTIONS: Final[tuple[Reaction, ...]] = (
    reaction(
        "scheduler-linkedin-accounts",
        (LinkedInLinked, LinkedInNeedsReconnect, LinkedInRestricted, LinkedInUnlinked, LinkedInSlowedDown),
        import_accounts,
        from_start=True,
    ),
    reaction(
        "scheduler-linkedin-outcomes",
        (
            InvitationSent,
            LinkedInMessageSent,
            InvitationWithdrawn,
            ProfileScraped,
            LinkedInActionFailed,
            LinkedInActionOutcomeUnknown,
        ),
        settle_actions,
        from_start=True,
    ),
    reaction(
        "scheduler-invitations",
        (
            InvitationSent,
            InvitationAccepted,
            InvitationWithdrawn,
            LinkedInActionFailed,
            LinkedInActionOutcomeUnknown,
        ),
        import_invitations,
        from_start=True,
    ),
    reaction(
        "scheduler-linkedin-leads",
        (
            InvitationSent,
            LinkedInMessageSent,
            ProfileScraped,
            InvitationAccepted,
            LinkedInReplyReceived,
            LinkedInActionFailed,
            LinkedInActionOutcomeUnknown,
        ),
        record_linkedin_outcomes,
        from_start=True,
    ),
    reaction(
        "scheduler-organizations",
        (OrganizationCreated, OrganizationZoneChanged),
        import_zones,
        from_start=True,
    ),
)
OWN: Final[tuple[Reaction, ...]] = (
    reaction("scheduler-withdraws", (WithdrawalRequested,), carry_out_withdrawals, from_start=True),
)


class OwnLinkedIn:
    """Carries out what this context's reactions ask of it about LinkedIn."""

    def __init__(
        self,
        linkedin: LinkedIn,
        standing: LinkedInStanding,
        withdrawals: Withdrawals,
        leads: LinkedInLeads,
        scrapings: Scrapings,
    ) -> None:
        self._linkedin, self._standing = linkedin, standing
        self._withdrawals, self._leads, self._scrapings = withdrawals, leads, scrapings

    async def __call__(self, command: Command, asking: Asking) -> None:
        match command:
            case OpenLinkedIn():
                linked = Linked(
                    command.account,
                    command.identity,
                    command.sender,
                    command.sales_navigator,
                    command.revision,
                    command.said_at,
                )
                await self._standing.linked(linked, asking)
            case CloseLinkedIn(account=account, code=code, revision=revision, said_at=said_at):
                await self._standing.closed(account, code, revision, said_at, asking)
            case SlowLinkedInDown(account=account, kind=kind, until=until, revision=revision):
                await self._standing.slowed(account, kind, until, revision, asking)
            case SettleAction(attempt=attempt, proven_not_done=proven):
                await self._linkedin.settle(attempt, asking, proven_not_done=proven)
            case RecordLinkedInOutcome(outcome=outcome):
                await self._leads.record(outcome, asking)
            case ImportZone(organization=organization, zone=zone, revision=revision):
                await self._scrapings.zone(organization, zone, revision, asking)
            case _:
                await self._about_invitations(command, asking)

    async def _about_invitations(self, command: Command, asking: Asking) -> None:
        match command:
            case ImportInvitation(invitation=invitation, sent_at=sent_at):
                await self._withdrawals.sent(invitation, sent_at, asking)
            case AcceptInvitation(invitation=invitation):
                await self._withdrawals.accepted(invitation, asking)
            case RecordWithdrawal():
                tried = Tried(
                    command.organization,
                    command.account,
                    command.person,
                    command.attempt,
                    command.outcome,
                    command.detail,
                    command.blocked_until,
                )
                await self._withdrawals.tried(tried, asking)
            case CarryOutWithdrawals(request=request, actor=actor):
                await self._withdrawals.carry_out(request, actor, asking)
            case _:
                raise TypeError(f"{type(command).__name__} is no command of a reaction here")
