"""Composition root of the scheduler: the only place that constructs things."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from heraldry.chassis.bus.own import OwnReactions
from heraldry.chassis.bus.reactions import Reactions
from heraldry.chassis.clock import SystemClock
from heraldry.chassis.host import House, run
from heraldry.chassis.leases import KvLeases
from heraldry.chassis.supervisor.folder import RESTORED
from heraldry.chassis.vault.blobs import Blobs
from heraldry.scheduler import api
from heraldry.scheduler.adapters.templates import LiquidTemplates
from heraldry.scheduler.application import Scheduling
from heraldry.scheduler.automatic import Automatic
from heraldry.scheduler.blocks import Blocks
from heraldry.scheduler.campaign_questions import CampaignQuestions
from heraldry.scheduler.campaigns import Campaigns
from heraldry.scheduler.channels import channels
from heraldry.scheduler.continuity import Continuity
from heraldry.scheduler.domain.types import TYPES, UPCASTERS
from heraldry.scheduler.engine import Engine
from heraldry.scheduler.enrolling import Enrolling
from heraldry.scheduler.erasing import ErasingHere
from heraldry.scheduler.imports import Imports
from heraldry.scheduler.lead_questions import LeadQuestions
from heraldry.scheduler.leads import Leads
from heraldry.scheduler.letters import Letters
from heraldry.scheduler.linkedin import LinkedIn
from heraldry.scheduler.linkedin_leads import LinkedInLeads
from heraldry.scheduler.linkedin_standing import LinkedInStanding
from heraldry.scheduler.linkedin_subscriptions import OwnLinkedIn
from heraldry.scheduler.projections.accounts import accounts
from heraldry.scheduler.projections.acquaintances import acquaintances
from heraldry.scheduler.projections.campaign_senders import campaign_senders
from heraldry.scheduler.projections.campaigns import campaigns as all_campaigns
from heraldry.scheduler.projections.imports import imports as all_imports
from heraldry.scheduler.projections.invitations import invitations
from heraldry.scheduler.projections.leads import leads as all_leads
from heraldry.scheduler.projections.linkedin_lanes import linkedin_lanes
from heraldry.scheduler.projections.linkedin_senders import linkedin_senders
from heraldry.scheduler.projections.linkedin_steps import linkedin_steps
from heraldry.scheduler.projections.senders import senders
from heraldry.scheduler.projections.suppressed import suppressed
from heraldry.scheduler.projections.withdrawals import withdrawals
from heraldry.scheduler.restored import Restored
from heraldry.scheduler.scrapings import Scrapings
from heraldry.scheduler.speakers import Speakers
from heraldry.scheduler.standing import Standing
from heraldry.scheduler.subscriptions import OWN, REACTIONS, Own
from heraldry.scheduler.suppressions import Suppressions
from heraldry.scheduler.withdrawals import Withdrawals

CONTEXT: Final = "scheduler"
PROJECTIONS: Final = (
    senders,
    accounts,
    campaign_senders,
    all_campaigns,
    all_leads,
    all_imports,
    suppressed,
    linkedin_senders,
    linkedin_steps,
    invitations,
    withdrawals,
    linkedin_lanes,
    acquaintances,
)


async def build(house: House) -> None:
    suppressions = Suppressions(house.runner, house.keys, house.clock)
    blocks = Blocks(house.runner, house.keys, house.clock)
    scrapings = Scrapings(house.runner, house.clock, house.settings.scraping_pool)
    linkedin = LinkedIn(house.runner, house.store, house.model, house.keys, house.clock, blocks, scrapings)
    scheduling = Scheduling(
        house.runner, house.store, house.model, house.keys, house.clock, suppressions.includes, linkedin
    )
    linkedin_standing = LinkedInStanding(linkedin, house.runner, house.model, house.clock)
    standing = Standing(scheduling, house.runner, house.model, house.keys, house.clock, linkedin_standing)
    await standing.complete()
    restored = Restored(scheduling, linkedin, scrapings, house.model, house.clock)
    await restored.heed(house.settings.data / RESTORED)
    speakers, templates = Speakers(house.runner, house.keys, house.clock), LiquidTemplates()
    campaigns = Campaigns(house.runner, house.model, house.clock, scheduling, speakers, templates)
    api.register(house.rpc, scheduling)
    withdrawing = Withdrawals(house.runner, house.model, house.keys, house.clock, linkedin, blocks)
    api.register_linkedin(house.rpc, linkedin, withdrawing)
    api.register_campaigns(
        house.rpc, campaigns, CampaignQuestions(house.model, scheduling, speakers, templates, house.pasts)
    )
    leads = Leads(house.runner, house.model, house.keys, house.clock, scheduling, suppressions, linkedin)
    linkedin_leads = LinkedInLeads(house.runner, house.clock, leads)
    continuity = Continuity(
        house.store,
        house.model,
        house.clock,
        scheduling,
        standing,
        campaigns,
        speakers,
        suppressions,
        leads,
    )
    lead_questions = LeadQuestions(house.model, house.clock, house.halt, scrapings.size)
    api.register_leads(house.rpc, leads, continuity, lead_questions)
    blobs = Blobs(house.nc, CONTEXT)
    imports = Imports(
        house.runner, house.model, house.keys, house.clock, blobs, campaigns, speakers, templates
    )
    api.register_imports(house.rpc, imports)
    ErasingHere(
        house.model, house.clock, house.caller, scheduling, suppressions, leads, continuity, imports
    ).fill(house.part)
    own = Own(
        scheduling,
        standing,
        speakers,
        campaigns,
        leads,
        continuity,
        OwnLinkedIn(linkedin, linkedin_standing, withdrawing, linkedin_leads, scrapings),
    )
    reactions = Reactions(house.nc, house.settings, REACTIONS, own, house.parking)
    await reactions.start()
    house.stack.push_async_callback(reactions.stop)
    own_reactions = OwnReactions(house.nc, CONTEXT, house.store, house.codec, TYPES, OWN, own, house.parking)
    house.health.measure(own_reactions.measure)
    house.health.check("own reactions", lambda: own_reactions.problem)
    house.background(own_reactions.run(), "own reactions")
    letters = Letters(templates, speakers.speaker)
    engine = Engine(
        house.store,
        house.model,
        house.clock,
        house.halt,
        campaigns,
        leads,
        channels(house.clock, scheduling, linkedin, leads, letters),
        linkedin_leads.connected,
    )
    house.background(engine.run(), "engine")
    automatic = Automatic(house.model, house.clock, house.halt, linkedin, withdrawing)
    house.background(automatic.run(), "automatic withdrawals")
    held = timedelta(seconds=house.settings.lease_seconds)
    leases = KvLeases(house.js, "scheduler.imports", house.settings.process, SystemClock(), held)
    enrolling = Enrolling(
        imports, leads, house.model, scheduling.up_to_date, house.clock, leases, house.points
    )
    house.background(enrolling.run(), "enrolling")


def main() -> int:
    """Run until SIGTERM; the exit code."""
    return run(CONTEXT, build, types=TYPES, upcasters=UPCASTERS, projections=PROJECTIONS)
