"""The pages of a share link on which LinkedIn is linked: for an identity that is added, or for one that is there."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Final
from uuid import uuid5

from heraldry.contracts.base import Refused
from heraldry.contracts.identity import WorkingHours
from heraldry.contracts.linkedin import LinkLinkedIn
from heraldry.contracts.share_links import TakeShareLink
from heraldry.gateway.api.linkedin import account, enter_code, link, resend_code, try_again
from heraldry.gateway.pages.forms import CredentialsForm, LinkedInForm, filled
from heraldry.gateway.pages.models import SharedLinkingPage
from heraldry.gateway.pages.models.linkedin import UNDER_WAY
from heraldry.gateway.routes.linkedin import EMPTY_CODE, OVERTAKEN, given, told
from heraldry.gateway.routes.linkedin_models import linking
from heraldry.gateway.routes.shown import Form, asked_id, errors_of, is_answerable, posted, reader_zone
from heraldry.gateway.routes.visits import (
    REFUSALS,
    Visit,
    back,
    check,
    create_page,
    gone,
    identity_there,
    name_of,
    organization_of,
    page_of,
    throttled,
    visiting,
)
from heraldry.gateway.state import AnyRequest, Gateway
from heraldry.gateway.throttles import SHARED_SIGN_INS
from litestar import Controller, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery
from pydantic import ValidationError

EVERY: Final = "every 2s, refresh from:body"  # nothing is told to whoever has no account: the page asks


class SharedLinkedInController(Controller):
    path = "/share/{token:str}/linkedin"
    include_in_schema = False

    @get()
    async def show(
        self,
        token: FromPath[str],
        request: AnyRequest,
        gateway: NamedDependency[Gateway],
        again: FromQuery[str] = "",
    ) -> Response[str]:
        try:
            visit = await _visit(request, gateway, token)
        except Refused as refusal:
            return gone(refusal)
        if visit.link.kind == "create" and not visit.link.yours:
            return back(request, visit, "?way=credentials")
        return await _shown(request, gateway, visit, relink=bool(again))

    @post(status_code=200)
    async def link(
        self, token: FromPath[str], request: AnyRequest, gateway: NamedDependency[Gateway]
    ) -> Response[str]:
        form = await posted(request)
        try:
            visit = await _visit(request, gateway, token, form)
        except Refused as refusal:
            return gone(refusal)
        await _count(gateway, visit)
        if await _goes_on(gateway, visit):
            return back(request, visit, "/linkedin")
        email, password = form.text("email"), form.raw("password")
        identity = visit.link.identity
        try:
            LinkLinkedIn(identity=identity, email=email, password=given(password))
            await _try(request, gateway, visit, form)
            position = await link(
                gateway,
                visit.by,
                uuid5(visit.command, "link"),
                identity,
                email=email,
                password=password,
                seen=visit.seen,
            )
        except (ValidationError, Refused) as wrong:
            return await _wrong(request, gateway, visit, form, wrong)
        return back(request, visit, "/linkedin", position)

    @post("/again", status_code=200)
    async def again(
        self, token: FromPath[str], request: AnyRequest, gateway: NamedDependency[Gateway]
    ) -> Response[str]:
        async def act(visit: Visit, form: Form) -> str:
            await _count(gateway, visit)
            if await _goes_on(gateway, visit):
                return ""
            await _try(request, gateway, visit, form)
            return await try_again(gateway, visit.by, uuid5(visit.command, "again"), visit.link.identity)

        return await _went_on(request, gateway, token, act)

    @post("/code", status_code=200)
    async def enter_code(
        self, token: FromPath[str], request: AnyRequest, gateway: NamedDependency[Gateway]
    ) -> Response[str]:
        async def act(visit: Visit, form: Form) -> str:
            if not form.text("code"):
                raise Refused("code.missing", EMPTY_CODE, status=422, field="code")
            return await enter_code(gateway, visit.by, visit.command, visit.link.identity, form.text("code"))

        return await _went_on(request, gateway, token, act)

    @post("/resend", status_code=200)
    async def resend(
        self, token: FromPath[str], request: AnyRequest, gateway: NamedDependency[Gateway]
    ) -> Response[str]:
        async def act(visit: Visit, form: Form) -> str:
            del form
            return await resend_code(gateway, visit.by, visit.command, visit.link.identity)

        return await _went_on(request, gateway, token, act)


async def _visit(request: AnyRequest, gateway: Gateway, token: str, form: Form | None = None) -> Visit:
    """At a link that works, or that this browser has just used up."""
    visit = await visiting(request, gateway, token, asked_id(form) if form else None)
    if form or visit.link.state != "used" or not visit.link.yours:
        check(visit)
    return visit


async def _count(gateway: Gateway, visit: Visit) -> None:
    await throttled(gateway, f"share linkedin {visit.link.link}", SHARED_SIGN_INS)


async def _goes_on(gateway: Gateway, visit: Visit) -> bool:
    """A linking is under way already: whoever asks for another one sees that one."""
    found = await account(gateway, visit.by, visit.link.identity, visit.seen)
    return found is not None and found.state in UNDER_WAY


async def _try(request: AnyRequest, gateway: Gateway, visit: Visit, form: Form) -> None:
    """A create link counts its tries, and its identity is there from the first one on."""
    if visit.link.kind != "create":
        return
    tried_before = visit.link.way == "credentials"
    take = TakeShareLink(
        link=visit.link.link,
        browser=visit.browser,
        way="credentials",
        name=await name_of(gateway, visit) if tried_before else form.text("name"),
        hours=WorkingHours(zone=form.text("zone") or reader_zone(request, "UTC")),
    )
    await gateway.contexts.send(take, by=visit.by, id=uuid5(visit.command, "take"))
    if not tried_before:
        await identity_there(gateway, visit)


async def _wrong(
    request: AnyRequest, gateway: Gateway, visit: Visit, form: Form, wrong: ValidationError | Refused
) -> Response[str]:
    """The form once more, with what is wrong beside its fields."""
    if isinstance(wrong, Refused):
        if wrong.code in REFUSALS:
            return gone(wrong)
        if wrong.code in OVERTAKEN:
            return back(request, visit, "/linkedin")
        if not is_answerable(wrong):
            raise wrong
    if visit.link.kind == "create" and visit.link.way != "credentials":
        errors = errors_of(wrong)
        if "name" in errors and not form.text("name"):
            errors["name"] = "Enter your name."
        shown = filled(CredentialsForm, form.values, errors)
        return create_page(request, gateway, visit, "asking", credentials=shown)
    page = await _page(gateway, visit, relink=True)
    page = replace(
        page, linking=replace(page.linking, form=filled(LinkedInForm, form.values, errors_of(wrong)))
    )
    return page_of(request, gateway, visit, "shared_linkedin.html", page, status=422)


async def _went_on(
    request: AnyRequest, gateway: Gateway, token: str, act: Callable[[Visit, Form], Awaitable[str]]
) -> Response[str]:
    """Do it, and show how linking stands then."""
    form = await posted(request)
    wrong = ""
    try:
        visit = await _visit(request, gateway, token, form)
        if visit.link.kind == "create" and not visit.link.yours:
            return back(request, visit)
        try:
            position = await act(visit, form)
            visit = replace(visit, seen=(*visit.seen, position)) if position else visit
        except Refused as refusal:
            if refusal.code in REFUSALS or not is_answerable(refusal):
                raise
            wrong = "" if refusal.code in OVERTAKEN else refusal.detail
    except Refused as refusal:
        return gone(refusal)
    page = await _page(gateway, visit)
    if wrong:
        page = replace(page, linking=told(page.linking, form, wrong))
    return page_of(request, gateway, visit, "shared_linkedin.html", page, status=422 if wrong else 200)


async def _shown(request: AnyRequest, gateway: Gateway, visit: Visit, *, relink: bool) -> Response[str]:
    page = await _page(gateway, visit, relink=relink)
    return page_of(request, gateway, visit, "shared_linkedin.html", page)


async def _page(gateway: Gateway, visit: Visit, *, relink: bool = False) -> SharedLinkingPage:
    found = await account(gateway, visit.by, visit.link.identity, visit.seen)
    shown = linking(found, url=f"{visit.url}/linkedin", relink=relink)
    creates = visit.link.kind == "create"
    return SharedLinkingPage(
        organization=organization_of(gateway, visit),
        identity_name=await name_of(gateway, visit),
        action=visit.url,
        linking=replace(
            shown,
            trigger="refresh from:body" if shown.state == "linked" else EVERY,
            done=visit.url,
            done_text="Finish" if creates else "Go to the connections",
        ),
        by_hand=f"{visit.url}?way=manually" if creates and shown.state != "linked" else "",
        tries_left=visit.link.tries_left if creates and shown.asks else None,
    )
