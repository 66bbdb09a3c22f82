"""The suppression list: look, search, add by hand, take off."""

from __future__ import annotations

from typing import Annotated

from heraldry.contracts.base import Refused
from heraldry.gateway.api.suppressions import listed, suppress, unsuppress
from heraldry.gateway.pages.forms import SuppressForm, filled
from heraldry.gateway.pages.models import Suppressed, SuppressionsPage
from heraldry.gateway.routes.shown import asked, errors_of, html, is_answerable, posted, redirect, shell
from heraldry.gateway.state import AnyRequest, Call, Gateway
from litestar import Controller, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, QueryParameter
from pydantic import ValidationError


class SuppressionPagesController(Controller):
    path = "/suppressions"
    include_in_schema = False

    @get()
    async def show(
        self,
        request: AnyRequest,
        call: NamedDependency[Call],
        gateway: NamedDependency[Gateway],
        search: Annotated[str, QueryParameter(name="q")] = "",
        after: FromQuery[str] = "",
    ) -> Response[str]:
        page = await _page(gateway, call, search.strip(), after)
        return html("suppressions.html", await shell(request, gateway, call, "suppressions"), page)

    @post(status_code=200)
    async def add(
        self, request: AnyRequest, call: NamedDependency[Call], gateway: NamedDependency[Gateway]
    ) -> Response[str]:
        form = await posted(request)
        call = asked(call, form)
        try:
            position = await suppress(gateway, call, form.text("address"))
        except (ValidationError, Refused) as wrong:
            if isinstance(wrong, Refused) and not is_answerable(wrong):
                raise
            errors = (
                errors_of(wrong)
                if isinstance(wrong, Refused)
                else {"address": "This is no email address. It looks like name@company.example."}
            )
            page = await _page(gateway, call, form=filled(SuppressForm, form.values, errors))
            around = await shell(request, gateway, call, "suppressions")
            return html("suppressions.html", around, page, status=422)
        return redirect(request, "/suppressions", positions=[position], flash="suppressed")

    @post("/{recipient:str}/remove", status_code=200)
    async def remove(
        self,
        recipient: FromPath[str],
        request: AnyRequest,
        call: NamedDependency[Call],
        gateway: NamedDependency[Gateway],
    ) -> Response[str]:
        call = asked(call, await posted(request))
        position = await unsuppress(gateway, call, recipient)
        return redirect(request, "/suppressions", positions=[position], flash="unsuppressed")


async def _page(
    gateway: Gateway, call: Call, search: str = "", after: str = "", form: SuppressForm | None = None
) -> SuppressionsPage:
    found = await listed(gateway, call, search, after)
    actors = gateway.views.actors(call.organization, {one.actor for one in found.suppressions})
    return SuppressionsPage(
        suppressed=tuple(
            Suppressed(
                recipient=one.recipient,
                address=one.address,
                reason=one.reason,
                since=one.since,
                by=actors[one.actor],
            )
            for one in found.suppressions
        ),
        total=found.total,
        search=search,
        after=after,
        next=found.next,
        form=form or SuppressForm(),
    )
