"""The commands and queries of the scheduler over NATS request/reply."""

from __future__ import annotations

from heraldry.chassis.bus.rpc import Server
from heraldry.contracts.campaigns import (
    ChangeCampaign,
    CreateCampaign,
    FinishCampaign,
    GetCampaign,
    GiveIdentity,
    ListCampaigns,
    PauseCampaign,
    PreviewSteps,
    ResumeCampaign,
    StartCampaign,
)
from heraldry.contracts.scheduler import (
    ChangeEmailRate,
    GetUsage,
    RaiseRateCeiling,
    RequestRateIncrease,
    SendMail,
)
from heraldry.scheduler.application import Scheduling
from heraldry.scheduler.campaign_questions import CampaignQuestions
from heraldry.scheduler.campaigns import Campaigns


def register(rpc: Server, scheduling: Scheduling) -> None:
    rpc.command(SendMail, scheduling.send_mail)
    rpc.command(ChangeEmailRate, scheduling.change_rate)
    rpc.command(RequestRateIncrease, scheduling.request_increase)
    rpc.command(RaiseRateCeiling, scheduling.raise_ceiling)
    rpc.query(GetUsage, scheduling.usage)


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
