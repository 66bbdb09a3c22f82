"""Campaigns over HTTP."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID, uuid5

from heraldry.contracts.campaigns import (
    MOST_STEPS,
    CampaignSettings,
    CampaignState,
    CampaignView,
    ChangeCampaign,
    CreateCampaign,
    FinishCampaign,
    GetCampaign,
    GiveIdentity,
    ListCampaigns,
    PauseCampaign,
    PreviewSteps,
    ReadProfile,
    RenderedStep,
    ResumeCampaign,
    SchedulerCommand,
    SendEmail,
    SendInvitation,
    SendMessage,
    StartCampaign,
    kind_of,
)
from heraldry.gateway.api.answers import CLOSED, Body, Written, with_position, written
from heraldry.gateway.api.past import AsOf, moment, patience
from heraldry.gateway.state import Call, Gateway
from litestar import Controller, Response, get, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter
from pydantic import Discriminator, Field, Tag


class OtherIdentity(Body):
    identity: UUID


class EmailStep(SendEmail):
    """One mail of a campaign. Fields it does not have are refused."""

    model_config = CLOSED


class InvitationStep(SendInvitation):
    """One LinkedIn invitation of a campaign. Fields it does not have are refused."""

    model_config = CLOSED


class MessageStep(SendMessage):
    """One LinkedIn message of a campaign. Fields it does not have are refused."""

    model_config = CLOSED


class ReadStep(ReadProfile):
    """The lead's LinkedIn profile is read for its data. Fields it does not have are refused."""

    model_config = CLOSED


Step = Annotated[
    Annotated[EmailStep, Tag("email")]
    | Annotated[InvitationStep, Tag("invitation")]
    | Annotated[MessageStep, Tag("message")]
    | Annotated[ReadStep, Tag("scraping")],
    Discriminator(kind_of),
]


class Settings(CampaignSettings):
    """What a person decides of a campaign. Fields it does not have are refused.

    `inbox` null: Shuffle, over all inboxes of the identity.
    """

    model_config = CLOSED
    steps: Annotated[tuple[Step, ...], Field(max_length=MOST_STEPS)] = ()  # pyright: ignore[reportIncompatibleVariableOverride]  it is frozen

    @property
    def published(self) -> CampaignSettings:
        return CampaignSettings.model_validate(self.model_dump())


class Draft(Body):
    """Steps as they are typed, stored or not. Without `enrollment`: for the campaign's first lead."""

    settings: Settings
    enrollment: UUID | None = None


class Moved(Body):
    """What a campaign is now. `leaving`: steps that had begun to leave, and may still arrive."""

    campaign: UUID
    state: CampaignState
    leaving: int
    position: str


class CampaignsController(Controller):
    path = "/api/v1/campaigns"
    tags = ("Campaigns",)

    @get(summary="The organization's campaigns, newest first")
    async def every(
        self,
        call: NamedDependency[Call],
        gateway: NamedDependency[Gateway],
        identity: Annotated[UUID | None, QueryParameter(description="only this identity's")] = None,
    ) -> tuple[CampaignView, ...]:
        return await gateway.contexts.ask(ListCampaigns(identity=identity), by=call.by, seen=call.seen)

    @post(summary="Create a campaign, as a draft")
    async def create(
        self,
        data: JSONBody[Settings],
        call: NamedDependency[Call],
        gateway: NamedDependency[Gateway],
    ) -> Response[Written]:
        campaign = campaign_of(call.command)
        create = CreateCampaign(campaign=campaign, settings=data.published)
        accepted = await gateway.contexts.send(create, by=call.by, id=call.command)
        return written(accepted.position, campaign, status=201)

    @get("/{campaign:uuid}", summary="One campaign")
    async def read(
        self,
        campaign: FromPath[UUID],
        call: NamedDependency[Call],
        gateway: NamedDependency[Gateway],
        as_of: AsOf = "",
    ) -> CampaignView:
        at = moment(as_of)
        query = GetCampaign(campaign=campaign, as_of=at)
        return await gateway.contexts.ask(query, by=call.by, seen=call.seen, deadline=patience(at))

    @put(
        "/{campaign:uuid}",
        summary="Replace its settings",
        description="Once it has begun: name, inbox, pace and the texts of its steps.",
    )
    async def change(
        self,
        campaign: FromPath[UUID],
        data: JSONBody[Settings],
        call: NamedDependency[Call],
        gateway: NamedDependency[Gateway],
    ) -> Response[Written]:
        change = ChangeCampaign(campaign=campaign, settings=data.published)
        accepted = await gateway.contexts.send(change, by=call.by, id=call.command)
        return written(accepted.position, campaign)

    @post("/{campaign:uuid}/start", status_code=200, summary="Start it")
    async def start(
        self, campaign: FromPath[UUID], call: NamedDependency[Call], gateway: NamedDependency[Gateway]
    ) -> Response[Moved]:
        return await _moved(gateway, call, campaign, StartCampaign(campaign=campaign))

    @post(
        "/{campaign:uuid}/pause",
        status_code=200,
        summary="Pause it",
        description="No further step begins. `leaving` counts those that had begun to leave.",
    )
    async def pause(
        self, campaign: FromPath[UUID], call: NamedDependency[Call], gateway: NamedDependency[Gateway]
    ) -> Response[Moved]:
        return await _moved(gateway, call, campaign, PauseCampaign(campaign=campaign))

    @post("/{campaign:uuid}/resume", status_code=200, summary="Let it go on")
    async def resume(
        self, campaign: FromPath[UUID], call: NamedDependency[Call], gateway: NamedDependency[Gateway]
    ) -> Response[Moved]:
        return await _moved(gateway, call, campaign, ResumeCampaign(campaign=campaign))

    @post("/{campaign:uuid}/finish", status_code=200, summary="End it: no lead gets a further step")
    async def finish(
        self, campaign: FromPath[UUID], call: NamedDependency[Call], gateway: NamedDependency[Gateway]
    ) -> Response[Moved]:
        return await _moved(gateway, call, campaign, FinishCampaign(campaign=campaign))

    @post(
        "/{campaign:uuid}/identity",
        status_code=200,
        summary="Give the leads that have not begun another identity",
        description="Only where the campaign lost its own.",
    )
    async def give_identity(
        self,
        campaign: FromPath[UUID],
        data: JSONBody[OtherIdentity],
        call: NamedDependency[Call],
        gateway: NamedDependency[Gateway],
    ) -> Response[Moved]:
        return await _moved(gateway, call, campaign, GiveIdentity(campaign=campaign, identity=data.identity))

    @post("/{campaign:uuid}/preview", status_code=200, summary="Its steps as a real lead gets them")
    async def preview(
        self,
        campaign: FromPath[UUID],
        data: JSONBody[Draft],
        call: NamedDependency[Call],
        gateway: NamedDependency[Gateway],
    ) -> tuple[RenderedStep, ...]:
        preview = PreviewSteps(
            campaign=campaign, settings=data.settings.published, enrollment=data.enrollment
        )
        return await gateway.contexts.ask(preview, by=call.by, seen=call.seen)


def campaign_of(command: UUID) -> UUID:
    """The campaign a command makes: a repeat makes no other."""
    return uuid5(command, "campaign")


async def found(gateway: Gateway, call: Call, campaign: UUID) -> CampaignView:
    """Refused `campaign.unknown`."""
    return await gateway.contexts.ask(GetCampaign(campaign=campaign), by=call.by, seen=call.seen)


async def _moved(gateway: Gateway, call: Call, campaign: UUID, command: SchedulerCommand) -> Response[Moved]:
    position = (await gateway.contexts.send(command, by=call.by, id=call.command)).position
    now = await gateway.contexts.ask(GetCampaign(campaign=campaign), by=call.by, seen=(*call.seen, position))
    content = Moved(campaign=campaign, state=now.state, leaving=now.leaving, position=position)
    return with_position(content, position, 200)
