"""Making and revoking share links, in the pages of whoever is signed in."""

from __future__ import annotations

from dataclasses import replace
from typing import Final
from uuid import UUID

from heraldry.contracts.base import Refused
from heraldry.contracts.identity import GetIdentity
from heraldry.gateway.api.share_links import issue, revoke
from heraldry.gateway.pages.models import AddIdentityPage
from heraldry.gateway.routes.configuration import configuration
from heraldry.gateway.routes.share_models import share_section
from heraldry.gateway.routes.shown import asked, html, posted, redirect, shell
from heraldry.gateway.state import AnyRequest, Call, Gateway
from litestar import Controller, Response, post
from litestar.di import NamedDependency
from litestar.params import FromPath

USED: Final = "share-link.used"


class ShareLinkPagesController(Controller):
    path = "/identities"
    include_in_schema = False

    @post("/share-links", status_code=200)
    async def make(
        self, request: AnyRequest, call: NamedDependency[Call], gateway: NamedDependency[Gateway]
    ) -> Response[str]:
        call = asked(call, await posted(request))
        made = await issue(gateway, call)
        page = AddIdentityPage(way="share", share=await share_section(gateway, call, made=made))
        around = await shell(request, gateway, call, "identities")
        return html("add_identity.html", around, page, position=made.position)

    @post("/share-links/{link:uuid}/revoke", status_code=200)
    async def revoke(
        self,
        link: FromPath[UUID],
        request: AnyRequest,
        call: NamedDependency[Call],
        gateway: NamedDependency[Gateway],
    ) -> Response[str]:
        return await _revoked(request, gateway, call, link, "/identities/new?way=share")

    @post("/{identity:uuid}/share-links", status_code=200)
    async def make_for(
        self,
        identity: FromPath[UUID],
        request: AnyRequest,
        call: NamedDependency[Call],
        gateway: NamedDependency[Gateway],
    ) -> Response[str]:
        call = asked(call, await posted(request))
        made = await issue(gateway, call, identity)
        page = await configuration(gateway, call, identity)
        page = replace(page, section="share", share=await share_section(gateway, call, identity, made))
        around = await shell(request, gateway, call, "identities")
        return html("configuration.html", around, page, position=made.position)

    @post("/{identity:uuid}/share-links/{link:uuid}/revoke", status_code=200)
    async def revoke_for(
        self,
        identity: FromPath[UUID],
        link: FromPath[UUID],
        request: AnyRequest,
        call: NamedDependency[Call],
        gateway: NamedDependency[Gateway],
    ) -> Response[str]:
        await gateway.contexts.ask(GetIdentity(identity=identity), by=call.by, seen=call.seen)
        return await _revoked(request, gateway, call, link, f"/identities/{identity}?section=share")


async def _revoked(
    request: AnyRequest, gateway: Gateway, call: Call, link: UUID, where: str
) -> Response[str]:
    call = asked(call, await posted(request))
    try:
        position = await revoke(gateway, call, link)
    except Refused as refusal:
        if refusal.code != USED:
            raise
        return redirect(request, where, flash="link-used")
    return redirect(request, where, positions=[position], flash="link-revoked")
