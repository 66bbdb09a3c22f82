"""Halting everything of the organization, and letting things leave again."""

from __future__ import annotations

from heraldry.chassis.halt import SYSTEM
from heraldry.contracts.base import Refused
from heraldry.gateway.api.organization import resume
from heraldry.gateway.pages.forms import HaltForm, filled
from heraldry.gateway.pages.models import HaltPage
from heraldry.gateway.routes.shown import asked, errors_of, html, is_answerable, posted, redirect, shell
from heraldry.gateway.state import AnyRequest, Call, Gateway
from litestar import Controller, Response, get, post
from litestar.di import NamedDependency


class HaltingController(Controller):
    path = "/organization"
    include_in_schema = False

    @get("/halt")
    async def show(
        self, request: AnyRequest, call: NamedDependency[Call], gateway: NamedDependency[Gateway]
    ) -> Response[str]:
        return html("halt.html", await shell(request, gateway, call, "organization"), HaltPage())

    @post("/halt", status_code=200)
    async def halt(
        self, request: AnyRequest, call: NamedDependency[Call], gateway: NamedDependency[Gateway]
    ) -> Response[str]:
        call.require_admin()
        form = await posted(request)
        call = asked(call, form)
        try:
            found = await gateway.halting.halt(call.command, call.by, form.text("reason"))
        except Refused as wrong:
            if not is_answerable(wrong):
                raise
            page = HaltPage(form=filled(HaltForm, form.values, errors_of(wrong)))
            around = await shell(request, gateway, call, "organization")
            return html("halt.html", around, page, status=422)
        if not found.position:
            return redirect(request, "/identities", flash="halted-unrecorded")
        return redirect(
            request,
            "/identities",
            positions=[found.position],
            flash="halted-already" if found.already else "",
        )

    @post("/resume", status_code=200)
    async def resume(
        self, request: AnyRequest, call: NamedDependency[Call], gateway: NamedDependency[Gateway]
    ) -> Response[str]:
        call.require_admin()
        form = await posted(request)
        call = asked(call, form)
        position = await resume(gateway, call, form.text("reason"))
        left = await gateway.halt.in_force(SYSTEM)
        flash = "resumed-for-us" if left else "resumed"
        return redirect(request, "/identities", positions=[position], flash=flash)
