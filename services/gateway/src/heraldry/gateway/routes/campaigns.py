"""Campaigns: the list, a new one, one with its leads, its editor, and what is done with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Final
from uuid import UUID

from heraldry.contracts.base import Refused
from heraldry.contracts.campaigns import (
    CampaignSettings,
    ChangeCampaign,
    CreateCampaign,
    FinishCampaign,
    GiveIdentity,
    ListCampaigns,
    ListLeads,
    PauseCampaign,
    ResumeCampaign,
    SchedulerCommand,
    StartCampaign,
)
from heraldry.gateway.api.campaigns import campaign_of, found
from heraldry.gateway.pages.campaign_forms import (
    MOVES,
    MalformedError,
    campaign_filled,
    rearranged,
    refused,
    settings_of,
)
from heraldry.gateway.pages.models import Outcome
from heraldry.gateway.pages.models.campaigns import CampaignsPage, NewCampaignPage
from heraldry.gateway.routes.campaign_models import (
    PAGE,
    campaign_page,
    editor_page,
    identity_options,
    inbox_options,
    lead_state,
    row,
)
from heraldry.gateway.routes.shown import Form, asked, html, is_answerable, posted, redirect, shell
from heraldry.gateway.state import AnyRequest, Call, Gateway
from litestar import Controller, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, QueryParameter

FORM_ITSELF: Final = frozenset({"identity.unknown", "inbox.unknown"})
"""What is unknown, but was chosen in the form: shown beside it."""
SAVED: Final = Outcome("saved", "Saved.")


class CampaignPagesController(Controller):
    path = "/campaigns"
    include_in_schema = False

    @get()
    async def every(
        self, request: AnyRequest, call: NamedDependency[Call], gateway: NamedDependency[Gateway]
    ) -> Response[str]:
        views = await gateway.contexts.ask(ListCampaigns(), by=call.by, seen=call.seen)
        names = {one.id: one.name for one in gateway.views.identities(call.organization)}
        deleted = gateway.views.deleted(call.organization)
        rows = tuple(row(one, names, deleted) for one in views)
        page = CampaignsPage(campaigns=rows, identities=len(names))
        return html("campaigns.html", await shell(request, gateway, call, "campaigns"), page)

    @get("/new")
    async def new(
        self, request: AnyRequest, call: NamedDependency[Call], gateway: NamedDependency[Gateway]
    ) -> Response[str]:
        await gateway.views.seen(call.seen)
        return await _new(request, gateway, call, {})

    @post(status_code=200)
    async def create(
        self, request: AnyRequest, call: NamedDependency[Call], gateway: NamedDependency[Gateway]
    ) -> Response[str]:
        form = await posted(request)
        call = asked(call, form)
        campaign = campaign_of(call.command)
        try:
            create = CreateCampaign(campaign=campaign, settings=settings_of(form.values))
            accepted = await gateway.contexts.send(create, by=call.by, id=call.command)
        except (MalformedError, Refused) as wrong:
            return await _new(request, gateway, call, form.values, _errors(wrong), status=422)
        where = f"/campaigns/{campaign}/edit"
        return redirect(request, where, positions=[accepted.position], flash="campaign-created")

    @get("/{campaign:uuid}")
    async def show(
        self,
        campaign: FromPath[UUID],
        request: AnyRequest,
        call: NamedDependency[Call],
        gateway: NamedDependency[Gateway],
        only: Annotated[str, QueryParameter(name="state")] = "",
        search: FromQuery[str] = "",
        after: FromQuery[str] = "",
    ) -> Response[str]:
        wanted = ListLeads(
            campaign=campaign, state=lead_state(only), search=search.strip(), after=after, limit=PAGE
        )
        page = await campaign_page(gateway, call, await found(gateway, call, campaign), wanted)
        return html("campaign.html", await shell(request, gateway, call, "campaigns"), page)

    @get("/{campaign:uuid}/edit")
    async def edit(
        self,
        campaign: FromPath[UUID],
        request: AnyRequest,
        call: NamedDependency[Call],
        gateway: NamedDependency[Gateway],
    ) -> Response[str]:
        await gateway.views.seen(call.seen)
        page = await editor_page(gateway, call, await found(gateway, call, campaign))
        return html("campaign_editor.html", await shell(request, gateway, call, "campaigns"), page)

    @post("/{campaign:uuid}/edit", status_code=200)
    async def change(
        self,
        campaign: FromPath[UUID],
        request: AnyRequest,
        call: NamedDependency[Call],
        gateway: NamedDependency[Gateway],
    ) -> Response[str]:
        """Saves; or, where another button was pressed, shows the form anew with nothing lost."""
        form = await posted(request)
        call = asked(call, form)
        stored = await found(gateway, call, campaign)
        around = await shell(request, gateway, call, "campaigns")
        do = form.text("do")
        if do.partition("-")[0] in MOVES and stored.state == "draft":
            values, focus = rearranged(form.values, do)
            page = await editor_page(gateway, call, stored, values, focus=focus, unsaved=True)
            return html("campaign_editor.html", around, page)
        if do == "preview":
            page = await editor_page(gateway, call, stored, form.values, unsaved=True)
            return html("campaign_editor.html", around, page)
        values = _kept(form, stored.settings, begun=stored.state != "draft")
        try:
            change = ChangeCampaign(campaign=campaign, settings=settings_of(values))
            accepted = await gateway.contexts.send(change, by=call.by, id=call.command)
        except (MalformedError, Refused) as wrong:
            shown = campaign_filled(values, _errors(wrong))
            page = await editor_page(gateway, call, stored, values, form=shown, unsaved=True)
            return html("campaign_editor.html", around, page, status=422)
        call = replace(call, seen=(*call.seen, accepted.position))
        stored = await found(gateway, call, campaign)
        page = await editor_page(gateway, call, stored, outcome=SAVED, lead=form.text("lead"))
        return html("campaign_editor.html", around, page, position=accepted.position)

    @post("/{campaign:uuid}/start", status_code=200)
    async def start(
        self,
        campaign: FromPath[UUID],
        request: AnyRequest,
        call: NamedDependency[Call],
        gateway: NamedDependency[Gateway],
    ) -> Response[str]:
        command = StartCampaign(campaign=campaign)
        return await _moved(request, gateway, call, campaign, command, "campaign-started")

    @post("/{campaign:uuid}/pause", status_code=200)
    async def pause(
        self,
        campaign: FromPath[UUID],
        request: AnyRequest,
        call: NamedDependency[Call],
        gateway: NamedDependency[Gateway],
    ) -> Response[str]:
        command = PauseCampaign(campaign=campaign)
        return await _moved(request, gateway, call, campaign, command, "campaign-paused")

    @post("/{campaign:uuid}/resume", status_code=200)
    async def resume(
        self,
        campaign: FromPath[UUID],
        request: AnyRequest,
        call: NamedDependency[Call],
        gateway: NamedDependency[Gateway],
    ) -> Response[str]:
        command = ResumeCampaign(campaign=campaign)
        return await _moved(request, gateway, call, campaign, command, "campaign-resumed")

    @post("/{campaign:uuid}/finish", status_code=200)
    async def finish(
        self,
        campaign: FromPath[UUID],
        request: AnyRequest,
        call: NamedDependency[Call],
        gateway: NamedDependency[Gateway],
    ) -> Response[str]:
        command = FinishCampaign(campaign=campaign)
        return await _moved(request, gateway, call, campaign, command, "campaign-finished")

    @post("/{campaign:uuid}/identity", status_code=200)
    async def give_identity(
        self,
        campaign: FromPath[UUID],
        request: AnyRequest,
        call: NamedDependency[Call],
        gateway: NamedDependency[Gateway],
    ) -> Response[str]:
        form = await posted(request)
        await found(gateway, call, campaign)
        try:
            identity = UUID(form.text("identity"))
        except ValueError:
            raise Refused("identity.unknown", "Choose an identity of yours.", status=404) from None
        command = GiveIdentity(campaign=campaign, identity=identity)
        return await _moved(request, gateway, call, campaign, command, "campaign-given")


async def _new(
    request: AnyRequest,
    gateway: Gateway,
    call: Call,
    values: Mapping[str, str],
    errors: Mapping[str, str] | None = None,
    *,
    status: int = 200,
) -> Response[str]:
    page = NewCampaignPage(
        form=campaign_filled(values, errors),
        identities=identity_options(gateway, call),
        inboxes=inbox_options(gateway, call),
    )
    around = await shell(request, gateway, call, "campaigns")
    return html("campaign_new.html", around, page, status=status)


async def _moved(
    request: AnyRequest,
    gateway: Gateway,
    call: Call,
    campaign: UUID,
    command: SchedulerCommand,
    flash: str,
) -> Response[str]:
    """Back to the campaign; what was refused is said there."""
    call = asked(call, await posted(request))
    try:
        accepted = await gateway.contexts.send(command, by=call.by, id=call.command)
    except Refused as wrong:
        if not is_answerable(wrong):
            raise
        stored = await found(gateway, call, campaign)
        page = await campaign_page(gateway, call, stored, ListLeads(campaign=campaign, limit=PAGE))
        page = replace(page, outcome=Outcome("refused", wrong.detail))
        around = await shell(request, gateway, call, "campaigns")
        return html("campaign.html", around, page, status=wrong.status)
    return redirect(request, f"/campaigns/{campaign}", positions=[accepted.position], flash=flash)


def _kept(form: Form, stored: CampaignSettings, *, begun: bool) -> Mapping[str, str]:
    """Once it has begun the identity is the stored one, whatever was posted."""
    return {**form.values, "identity": str(stored.identity)} if begun else form.values


def _errors(wrong: MalformedError | Refused) -> Mapping[str, str]:
    if isinstance(wrong, MalformedError):
        return wrong.errors
    if wrong.code in FORM_ITSELF:
        return {wrong.code.partition(".")[0]: wrong.detail}
    if not is_answerable(wrong):
        raise wrong
    return refused(wrong)
