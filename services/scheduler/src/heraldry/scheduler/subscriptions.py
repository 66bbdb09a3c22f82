"""The reactions, bound to durable consumers, and nothing else."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from heraldry.chassis.bus.reactions import Reaction, reaction
from heraldry.chassis.bus.rpc import Asking
from heraldry.contracts.base import By, Command
from heraldry.contracts.campaigns import (
    CampaignFinished,
    CampaignPaused,
    CampaignResumed,
    CampaignStarted,
    LeadBounced,
    LeadReplied,
    LeadsImported,
    LeadUnsubscribed,
)
from heraldry.contracts.gateway import RecipientUnsubscribed
from heraldry.contracts.identity import (
    ContactDetailsChanged,
    IdentityCreated,
    IdentityDeleted,
    IdentityRenamed,
    WorkingHoursChanged,
)
from heraldry.contracts.mailbox import (
    EmailBounced,
    EmailFailed,
    EmailOutcomeUnknown,
    EmailSent,
    MailboxConnected,
    MailboxDisconnected,
    MailboxNeedsReconnect,
    MailboxPaused,
    MailboxResumed,
    RecipientSuppressed,
    RecipientUnsuppressed,
    ReplyReceived,
)
from heraldry.scheduler import linkedin_subscriptions
from heraldry.scheduler.application import Scheduling
from heraldry.scheduler.campaign_reactions import (
    CheckIdentity,
    ImportPerson,
    StopCampaign,
    check_identity,
    import_people,
    stop_everywhere,
)
from heraldry.scheduler.campaigns import Campaigns
from heraldry.scheduler.continuity import Continuity
from heraldry.scheduler.domain.profile import DeletionImported
from heraldry.scheduler.domain.sender_events import SenderClosed, SenderOpened
from heraldry.scheduler.lead_reactions import (
    EndLeads,
    FollowAccount,
    ImportSuppression,
    LeaveIdentity,
    LiftSuppression,
    RecallStep,
    RecordOutcome,
    end_leads,
    follow_accounts,
    import_suppressions,
    leave_identities,
    recall_steps,
    record_outcomes,
)
from heraldry.scheduler.leads import Leads
from heraldry.scheduler.linkedin_subscriptions import OwnLinkedIn
from heraldry.scheduler.reactions import (
    CloseSender,
    ImportDeletion,
    ImportHours,
    OpenSender,
    PauseSender,
    SettleAttempt,
    import_identities,
    import_inboxes,
    settle,
)
from heraldry.scheduler.speakers import Speakers
from heraldry.scheduler.standing import Connected, Standing

REACTIONS: Final[tuple[Reaction, ...]] = (
    reaction(
        "scheduler-imports",
        (IdentityCreated, WorkingHoursChanged, IdentityDeleted),
        import_identities,
        from_start=True,
    ),
    reaction(
        "scheduler-inboxes",
        (MailboxConnected, MailboxDisconnected, MailboxNeedsReconnect, MailboxPaused, MailboxResumed),
        import_inboxes,
        from_start=True,
    ),
    reaction(
        "scheduler-people",
        (IdentityCreated, IdentityRenamed, ContactDetailsChanged),
        import_people,
        from_start=True,
    ),
    reaction("scheduler-outcomes", (EmailSent, EmailFailed, EmailOutcomeUnknown), settle, from_start=True),
    reaction(
        "scheduler-leads",
        (EmailSent, EmailFailed, EmailOutcomeUnknown, EmailBounced, ReplyReceived),
        record_outcomes,
        from_start=True,
    ),
    reaction(
        "scheduler-suppressions",
        (RecipientSuppressed, RecipientUnsubscribed, RecipientUnsuppressed),
        import_suppressions,
        from_start=True,
    ),
    *linkedin_subscriptions.REACTIONS,
)

OWN: Final[tuple[Reaction, ...]] = (
    reaction(
        "scheduler-stops-campaigns", (CampaignPaused, CampaignFinished), stop_everywhere, from_start=True
    ),
    reaction(
        "scheduler-checks-identities", (CampaignStarted, CampaignResumed), check_identity, from_start=True
    ),
    reaction("scheduler-follows-accounts", (SenderOpened, SenderClosed), follow_accounts, from_start=True),
    reaction("scheduler-leaves-identities", (DeletionImported,), leave_identities, from_start=True),
    reaction(
        "scheduler-recalls-steps",
        (LeadReplied, LeadBounced, LeadUnsubscribed),
        recall_steps,
        from_start=True,
    ),
    reaction("scheduler-ends-leads", (CampaignFinished, LeadsImported), end_leads, from_start=True),
    *linkedin_subscriptions.OWN,
)


class Own:
    """Carries out what this context's reactions ask of it, under the ids they derived from the event."""

    def __init__(
        self,
        scheduling: Scheduling,
        standing: Standing,
        speakers: Speakers,
        campaigns: Campaigns,
        leads: Leads,
        continuity: Continuity,
        linkedin: OwnLinkedIn,
    ) -> None:
        self._scheduling, self._standing = scheduling, standing
        self._speakers, self._campaigns = speakers, campaigns
        self._leads, self._continuity, self._linkedin = leads, continuity, linkedin

    async def __call__(self, command: Command, *, by: By, id: UUID) -> None:  # noqa: A002  as `Caller.send`
        asking = Asking(id, by)
        match command:
            case ImportHours(identity=identity, hours=hours, revision=revision):
                await self._standing.hours(identity, hours, revision, asking)
            case ImportDeletion(identity=identity):
                await self._standing.deleted(identity, asking)
            case OpenSender():
                connected = Connected(
                    command.organization,
                    command.inbox,
                    command.identity,
                    command.address,
                    command.revision,
                )
                await self._standing.connected(connected, asking)
            case CloseSender(inbox=inbox, code=code, revision=revision):
                await self._standing.closed(inbox, code, revision, asking)
            case PauseSender(inbox=inbox, paused=paused, revision=revision):
                await self._standing.paused(inbox, revision, asking, paused=paused)
            case SettleAttempt(inbox=inbox, attempt=attempt, proven_not_sent=proven):
                await self._scheduling.settle(inbox, attempt, proven_not_sent=proven, asking=asking)
            case ImportPerson():
                await self._speakers.learn(command, asking)
            case StopCampaign(campaign=campaign, revision=revision):
                await self._campaigns.stop(campaign, revision, asking)
            case CheckIdentity(campaign=campaign):
                await self._campaigns.check_identity(campaign, asking)
            case _:
                await self._about_leads(command, asking)

    async def _about_leads(self, command: Command, asking: Asking) -> None:
        match command:
            case RecordOutcome(enrollment=enrollment, outcome=outcome):
                await self._leads.record(enrollment, outcome, asking)
            case ImportSuppression(said=said, revision=revision):
                await self._continuity.suppressed(said, revision, asking)
            case LiftSuppression(said=said, revision=revision):
                await self._continuity.lifted(said, revision, asking)
            case FollowAccount(sender=sender):
                await self._continuity.follow_account(sender, asking)
            case RecallStep(enrollment=enrollment):
                await self._leads.recall(enrollment, asking)
            case LeaveIdentity(identity=identity):
                await self._continuity.leave_identity(identity, asking)
            case EndLeads(campaign=campaign):
                await self._continuity.end_campaign(campaign, asking)
            case _:
                await self._linkedin(command, asking)
