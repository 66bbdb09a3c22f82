"""Deleting an identity and disconnecting an inbox: the page says what they do, then a person confirms it."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from uuid import UUID

from heraldry.contracts.base import Refused
from heraldry.contracts.campaigns import Consequences
from heraldry.contracts.identity import GetIdentity
from heraldry.gateway.api.consequences import (
    delete_identity,
    disconnect_inbox,
    of_deletion,
    of_disconnection,
)
from heraldry.gateway.pages.models import Concerned, DeleteIdentityPage, DisconnectInboxPage
from heraldry.gateway.routes.inbox_models import find
from heraldry.gateway.routes.shown import asked, html, posted, redirect, shell
from heraldry.gateway.state import AnyRequest, Call, Gateway
from litestar import Controller, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath


class DeletingController(Controller):
    path = "/identities/{identity:uuid}"
    include_in_schema = False

    @get("/delete")
    async def ask_deletion(
        self,
        identity: FromPath[UUID],
        request: AnyRequest,
        call: NamedDependency[Call],
        gateway: NamedDependency[Gateway],
    ) -> Response[str]:
        page = await _deletion(gateway, call, identity)
        return html("delete_identity.html", await shell(request, gateway, call, "identities"), page)

    @post("/delete", status_code=200)
    async def delete(
        self,
        identity: FromPath[UUID],
        request: AnyRequest,
        call: NamedDependency[Call],
        gateway: NamedDependency[Gateway],
    ) -> Response[str]:
        form = await posted(request)
        call = asked(call, form)
        stored = await gateway.contexts.ask(GetIdentity(identity=identity), by=call.by, seen=call.seen)
        if not stored.deleted:  # else this very form was sent before
            page = await _deletion(gateway, call, identity)
            if page.concerned.mark not in {"", form.text("confirm")}:
                around = await shell(request, gateway, call, "identities")
                return html("delete_identity.html", around, replace(page, changed=True), status=409)
        positions = await delete_identity(gateway, call, identity, confirmed=True)
        return redirect(request, "/identities", positions=positions, flash="identity-deleted")

    @get("/inboxes/{inbox:uuid}/disconnect")
    async def ask_disconnection(
        self,
        identity: FromPath[UUID],
        inbox: FromPath[UUID],
        request: AnyRequest,
        call: NamedDependency[Call],
        gateway: NamedDependency[Gateway],
    ) -> Response[str]:
        page = await _disconnection(gateway, call, identity, inbox)
        return html("disconnect_inbox.html", await shell(request, gateway, call, "identities"), page)

    @post("/inboxes/{inbox:uuid}/disconnect", status_code=200)
    async def disconnect(
        self,
        identity: FromPath[UUID],
        inbox: FromPath[UUID],
        request: AnyRequest,
        call: NamedDependency[Call],
        gateway: NamedDependency[Gateway],
    ) -> Response[str]:
        form = await posted(request)
        call = asked(call, form)
        page = await _disconnection(gateway, call, identity, inbox)
        if page.concerned.mark not in {"", form.text("confirm")}:
            around = await shell(request, gateway, call, "identities")
            return html("disconnect_inbox.html", around, replace(page, changed=True), status=409)
        position = await disconnect_inbox(gateway, call, inbox, confirmed=True)
        where = f"/identities/{identity}?section=email"
        return redirect(request, where, positions=[position], flash="inbox-disconnected")


async def _deletion(gateway: Gateway, call: Call, identity: UUID) -> DeleteIdentityPage:
    stored = await gateway.contexts.ask(GetIdentity(identity=identity), by=call.by, seen=call.seen)
    if stored.deleted:
        raise Refused("identity.unknown", "This identity was deleted. Its history stays.", status=404)
    connected = [
        inbox
        for inbox in gateway.views.inboxes(call.organization)
        if inbox.identity == identity and inbox.state != "disconnected"
    ]
    return DeleteIdentityPage(
        identity=identity,
        identity_name=stored.name,
        concerned=_concerned(await of_deletion(gateway, call, identity)),
        inboxes=len(connected),
    )


async def _disconnection(gateway: Gateway, call: Call, identity: UUID, inbox: UUID) -> DisconnectInboxPage:
    stored = await gateway.contexts.ask(GetIdentity(identity=identity), by=call.by, seen=call.seen)
    found = await find(gateway, call, identity, inbox)
    return DisconnectInboxPage(
        identity=identity,
        identity_name=stored.name,
        inbox=inbox,
        address=found.address,
        concerned=_concerned(await of_disconnection(gateway, call, inbox)),
    )


def _concerned(found: Consequences) -> Concerned:
    named = ",".join(sorted(str(campaign) for campaign, _ in found.campaigns))
    return Concerned(
        campaigns=found.campaigns,
        begun=found.begun,
        waiting=found.waiting,
        mark=hashlib.sha256(named.encode()).hexdigest()[:16] if named else "",
    )
