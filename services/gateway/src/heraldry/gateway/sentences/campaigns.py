"""Campaigns and their leads, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from heraldry.contracts import campaigns
from heraldry.contracts.base import Event
from heraldry.gateway.sentences.words import Said, Words

TYPES: Final = (
    "CampaignCreated",
    "CampaignChanged",
    "CampaignStarted",
    "CampaignPaused",
    "CampaignResumed",
    "CampaignFinished",
)
LEADS: Final = (
    "LeadsImported",
    "StepSkipped",
    "LeadReplied",
    "LeadBounced",
    "LeadUnsubscribed",
    "LeadFinished",
    "LeadFailed",
    "LeadRecovered",
)
STEPS: Final[Mapping[campaigns.StepKind, str]] = {
    "email": "email",
    "invitation": "LinkedIn invitation",
    "message": "LinkedIn message",
    "scraping": "reading of the LinkedIn profile",
}


def said(event: Event, words: Words) -> Said | None:
    match event:
        case campaigns.CampaignCreated():
            return Said(f"Campaign “{event.settings.name}” created")
        case campaigns.CampaignChanged():
            return Said(f"Campaign “{event.settings.name}” changed")
        case campaigns.CampaignStarted():
            return Said(_campaign(words, "started"), "Started")
        case campaigns.CampaignPaused(reason="identity deleted"):
            return Said(_campaign(words, "paused: its identity was deleted"), "Paused", "warn")
        case campaigns.CampaignPaused():
            return Said(_campaign(words, "paused"), "Paused", "warn")
        case campaigns.CampaignResumed():
            return Said(_campaign(words, "resumed"), "Resumed")
        case campaigns.CampaignFinished():
            return Said(_campaign(words, "finished"), "Finished")
        case _:
            return _of_leads(event, words)


def _of_leads(event: Event, words: Words) -> Said | None:
    lead = f"A lead of {words.the_campaign}"
    match event:
        case campaigns.LeadsImported():
            leads = "1 lead" if event.leads == 1 else f"{event.leads} leads"
            return Said(f"{leads} imported into {words.the_campaign}", "Imported")
        case campaigns.StepSkipped(kind=kind, only_if=only_if):
            because = "it is not connected" if only_if == "connected" else "it is connected"
            return Said(f"{lead} got no {STEPS[kind]}: {because}", "Skipped", "info")
        case campaigns.LeadReplied():
            return Said(f"{lead} replied: the sequence has ended", "Replied")
        case campaigns.LeadBounced():
            return Said(f"{lead} cannot be reached: the sequence has ended", "Bounced", "bad")
        case campaigns.LeadUnsubscribed():
            return Said(f"{lead} is written to no more: the sequence has ended", "Ended", "info")
        case campaigns.LeadFinished():
            return Said(f"The sequence of {lead[0].lower()}{lead[1:]} has ended", "Finished")
        case campaigns.LeadFailed():
            return Said(f"{lead} failed: {event.reason}", "Failed", "bad")
        case campaigns.LeadRecovered():
            return Said(f"{lead} goes on: what kept it is resolved", "Recovered")
        case _:
            return None


def _campaign(words: Words, became: str) -> str:
    return f"Campaign {words.the_campaign} {became}" if words.campaign else f"A campaign {became}"
