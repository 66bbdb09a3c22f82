"""The pages of a share link: adding an identity by hand, and the inboxes of one that is there.

A GET changes nothing, and no page names anything but what the link is about.
"""

from __future__ import annotations

from typing import Final, cast
from uuid import UUID

from heraldry.contracts.base import Refused
from heraldry.contracts.identity import WorkingHours
from heraldry.contracts.mailbox import ListInboxes
from heraldry.contracts.share_links import TakeShareLink
from heraldry.gateway.api.linkedin import account
from heraldry.gateway.pages.forms import AddIdentityForm, ConnectInboxForm, filled
from heraldry.gateway.pages.models import (
    Flash,
    LinkedInState,
    SharedInbox,
    SharedInboxPage,
    SharedRefreshPage,
)
from heraldry.gateway.routes.connecting import tried, values
from heraldry.gateway.routes.details import typed_details, typed_name, typed_picture, wrong_details
from heraldry.gateway.routes.inbox_models import find, state_of
from heraldry.gateway.routes.shown import asked_id, is_answerable, posted, reader_zone
from heraldry.gateway.routes.visits import (
    REFUSALS,
    Visit,
    back,
    check,
    count_try,
    create_page,
    gone,
    looked_up,
    name_of,
    organization_of,
    page_of,
    refreshing,
    visiting,
)
from heraldry.gateway.state import AnyRequest, Gateway
from litestar import Controller, MediaType, Response, get, head, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery
from pydantic import ValidationError

ELSEWHERE: Final = "inbox.belongs-to-another-identity"
TOLD: Final = {
    "connected": Flash("The inbox is connected: it can send, and its mail is read."),
    "connecting": Flash("The inbox is still being tried. It shows here as soon as it is known.", "info"),
}


class SharedController(Controller):
    path = "/share"
    include_in_schema = False

    @get("/{token:str}")
    async def show(
        self,
        token: FromPath[str],
        request: AnyRequest,
        gateway: NamedDependency[Gateway],
        told: FromQuery[str] = "",
        way: FromQuery[str] = "",
    ) -> Response[str]:
        try:
            visit = await visiting(request, gateway, token)
            link = visit.link
            if link.state == "used" and link.yours:
                return create_page(request, gateway, visit, "done" if link.done else "storing")
            check(visit)
        except Refused as refusal:
            return gone(refusal)
        if link.kind == "refresh":
            return await _refresh_page(request, gateway, visit, told)
        if link.way == "credentials" and not way:
            return back(request, visit, "/linkedin")
        return create_page(
            request, gateway, visit, "asking", way="credentials" if way == "credentials" else "manually"
        )

    @head("/{token:str}")
    async def look(
        self, token: FromPath[str], request: AnyRequest, gateway: NamedDependency[Gateway]
    ) -> Response[None]:
        try:
            check(await visiting(request, gateway, token))
        except Refused as refusal:
            return Response(None, status_code=gone(refusal).status_code, media_type=MediaType.HTML)
        return Response(None, media_type=MediaType.HTML)

    @post("/{token:str}", status_code=200)
    async def take(
        self, token: FromPath[str], request: AnyRequest, gateway: NamedDependency[Gateway]
    ) -> Response[str]:
        form = await posted(request)
        try:
            visit = await visiting(request, gateway, token, asked_id(form))
            if not (
                visit.link.state == "used" and visit.link.yours
            ):  # who used it may send the same form again
                check(visit)
        except Refused as refusal:
            return gone(refusal)
        await count_try(gateway, visit)
        try:
            take = TakeShareLink(
                link=visit.link.link,
                browser=visit.browser,
                way="manually",
                name=typed_name(form),
                details=typed_details(form),
                hours=WorkingHours(zone=form.text("zone") or reader_zone(request, "UTC")),
                picture=await typed_picture(request),
            )
            await gateway.contexts.send(take, by=visit.by, id=visit.command)
        except (ValidationError, Refused) as wrong:
            if isinstance(wrong, Refused) and wrong.code in REFUSALS:
                return gone(wrong)
            if isinstance(wrong, Refused) and not is_answerable(wrong):
                raise
            again = filled(AddIdentityForm, form.values, wrong_details(wrong))
            return create_page(request, gateway, visit, "asking", form=again)
        await looked_up(gateway, visit, lambda link: link.done)
        return back(request, visit)

    @get("/{token:str}/inbox")
    async def inbox(
        self,
        token: FromPath[str],
        request: AnyRequest,
        gateway: NamedDependency[Gateway],
        inbox: FromQuery[UUID | None] = None,
    ) -> Response[str]:
        try:
            visit = await refreshing(request, gateway, token)
        except Refused as refusal:
            return gone(refusal)
        form = ConnectInboxForm()
        if inbox is not None:
            form = filled(ConnectInboxForm, values(await find(gateway, visit, visit.link.identity, inbox)))
        page = SharedInboxPage(
            organization=organization_of(gateway, visit),
            identity_name=await name_of(gateway, visit),
            action=visit.url,
            form=form,
            reconnect=inbox,
        )
        return page_of(request, gateway, visit, "shared_inbox.html", page)

    @post("/{token:str}/inbox", status_code=200)
    async def connect(
        self, token: FromPath[str], request: AnyRequest, gateway: NamedDependency[Gateway]
    ) -> Response[str]:
        form = await posted(request)
        try:
            visit = await refreshing(request, gateway, token, asked_id(form))
        except Refused as refusal:
            return gone(refusal)
        await count_try(gateway, visit)
        outcome = await tried(gateway, visit, visit.link.identity, form)
        if outcome.connected or outcome.connecting:
            where = "?told=connected" if outcome.connected else "?told=connecting"
            return back(request, visit, where, outcome.position)
        errors = dict(outcome.errors)
        if outcome.refused == ELSEWHERE:  # whose it is, is nobody's business here
            errors = {"email": "This address is in use elsewhere. Use another one, or ask who invited you."}
        page = SharedInboxPage(
            organization=organization_of(gateway, visit),
            identity_name=await name_of(gateway, visit),
            action=visit.url,
            form=filled(ConnectInboxForm, outcome.typed(form), errors),
            diagnosis=outcome.diagnosis,
            reconnect=outcome.reconnect,
        )
        return page_of(request, gateway, visit, "shared_inbox.html", page, status=422)


async def _refresh_page(request: AnyRequest, gateway: Gateway, visit: Visit, told: str) -> Response[str]:
    identity = visit.link.identity
    inboxes = await gateway.contexts.ask(ListInboxes(identity=identity), by=visit.by, seen=visit.seen)
    linked = await account(gateway, visit.by, identity, visit.seen)
    page = SharedRefreshPage(
        organization=organization_of(gateway, visit),
        identity_name=await name_of(gateway, visit),
        action=visit.url,
        valid_until=visit.link.valid_until,
        inboxes=tuple(
            SharedInbox(
                id=one.inbox,
                address=one.address,
                state=state_of(one),
                detail=one.diagnosis.cause if one.diagnosis else "",
            )
            for one in inboxes
            if one.state != "failed"
        ),
        linkedin=cast("LinkedInState", linked.state) if linked else "new",
        told=TOLD.get(told),
    )
    return page_of(request, gateway, visit, "shared_refresh.html", page)
