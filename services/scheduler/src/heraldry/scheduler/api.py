"""The commands and queries of the scheduler over NATS request/reply."""

from __future__ import annotations

from heraldry.chassis.bus.rpc import Server
from heraldry.contracts.campaigns import (
    AddImportPart,
    ChangeCampaign,
    CheckImport,
    ConfirmImport,
    CreateCampaign,
    FinishCampaign,
    GetCampaign,
    GetConsequences,
    GetImport,
    GetLead,
    GiveIdentity,
    ListCampaigns,
    ListLeads,
    OpenImport,
    PauseCampaign,
    PreviewSteps,
    ResumeCampaign,
    RetryLead,
    StartCampaign,
    StopIdentity,
    UndoImport,
)
from heraldry.contracts.linkedin_steps import GetLinkedInUsage, InviteOnLinkedIn, ReadProfileOnLinkedIn
from heraldry.contracts.scheduler import (
    ChangeEmailRate,
    ChangeLinkedInLimits,
    ChangeWithdrawalPolicy,
    FindSender,
    GetUsage,
    GetWithdrawalResults,
    RaiseRateCeiling,
    RequestRateIncrease,
    SendMail,
    WithdrawInvitations,
)
from heraldry.scheduler.application import Scheduling
from heraldry.scheduler.campaign_questions import CampaignQuestions
from heraldry.scheduler.campaigns import Campaigns
from heraldry.scheduler.continuity import Continuity
from heraldry.scheduler.imports import Imports
from heraldry.scheduler.lead_questions import LeadQuestions
from heraldry.scheduler.leads import Leads
from heraldry.scheduler.linkedin import LinkedIn
from heraldry.scheduler.withdrawals import Withdrawals


def register(rpc: Server, scheduling: Scheduling) -> None:
    rpc.command(SendMail, scheduling.send_mail)
    rpc.command(ChangeEmailRate, scheduling.change_rate)
    rpc.command(RequestRateIncrease, scheduling.request_increase)
    rpc.command(RaiseRateCeiling, scheduling.raise_ceiling)
    rpc.query(GetUsage, scheduling.usage)
    rpc.query(FindSender, scheduling.find)


def register_linkedin(rpc: Server, linkedin: LinkedIn, withdrawals: Withdrawals) -> None:
    rpc.command(InviteOnLinkedIn, linkedin.invite)
    rpc.command(ReadProfileOnLinkedIn, linkedin.read_profile)
    rpc.command(ChangeLinkedInLimits, linkedin.change_limits)
    rpc.command(ChangeWithdrawalPolicy, linkedin.change_policy)
    rpc.command(WithdrawInvitations, withdrawals.request)
    rpc.query(GetLinkedInUsage, linkedin.usage)
    rpc.query(GetWithdrawalResults, withdrawals.results)


def register_campaigns(rpc: Server, campaigns: Campaigns, questions: CampaignQuestions) -> None:
    rpc.command(CreateCampaign, campaigns.create)
    rpc.command(ChangeCampaign, campaigns.change)
    rpc.command(StartCampaign, campaigns.start)
    rpc.command(PauseCampaign, campaigns.pause)
    rpc.command(ResumeCampaign, campaigns.resume)
    rpc.command(FinishCampaign, campaigns.finish)
    rpc.command(GiveIdentity, campaigns.give_identity)
    rpc.query(ListCampaigns, questions.list)
    rpc.query(GetCampaign, questions.get)
    rpc.query(PreviewSteps, questions.preview)


def register_leads(rpc: Server, leads: Leads, continuity: Continuity, questions: LeadQuestions) -> None:
    rpc.command(RetryLead, leads.retry)
    rpc.command(StopIdentity, continuity.stop_identity)
    rpc.query(ListLeads, questions.list)
    rpc.query(GetLead, questions.get)
    rpc.query(GetConsequences, questions.consequences)


def register_imports(rpc: Server, imports: Imports) -> None:
    rpc.command(OpenImport, imports.open)
    rpc.command(AddImportPart, imports.add)
    rpc.command(CheckImport, imports.check)
    rpc.command(ConfirmImport, imports.confirm)
    rpc.command(UndoImport, imports.undo)
    rpc.query(GetImport, imports.get)
