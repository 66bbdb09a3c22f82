"""Linking a LinkedIn account, live, from the sign-in to the member; unlinking it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Final
from uuid import UUID, uuid5

from heraldry.contracts.base import Refused
from heraldry.contracts.identity import (
    ChangeContactDetails,
    ContactDetails,
    CreateIdentity,
    GetIdentity,
    WorkingHours,
)
from heraldry.contracts.linkedin import LinkedInProfile, LinkLinkedIn
from heraldry.gateway.api.consequences import of_unlinking
from heraldry.gateway.api.identities import identity_of
from heraldry.gateway.api.linkedin import (
    account,
    enter_code,
    link,
    named,
    resend_code,
    tried,
    try_again,
    unlink,
)
from heraldry.gateway.pages.forms import CodeForm, CredentialsForm, LinkedInForm, filled
from heraldry.gateway.pages.models import AddIdentityPage, Linking, LinkingPage, Outcome, UnlinkPage
from heraldry.gateway.routes.configuration import configuration
from heraldry.gateway.routes.linkedin_models import OFFERED, linking, said_by_linkedin
from heraldry.gateway.routes.share_models import share_section
from heraldry.gateway.routes.shown import (
    Form,
    asked,
    errors_of,
    html,
    is_answerable,
    posted,
    reader_zone,
    redirect,
    shell,
)
from heraldry.gateway.state import AnyRequest, Call, Gateway
from litestar import Controller, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery
from pydantic import ValidationError

OVERTAKEN: Final = frozenset(
    {
        "linkedin.linking-under-way",
        "linkedin.no-code-wanted",
        "linkedin.linked",
    }
)
"""Refusals that say no more than that the page is older than the linking: it shows what is true now."""
EMPTY_CODE: Final = "Enter the code."


class CredentialsController(Controller):
    path = "/identities/credentials"
    include_in_schema = False

    @post(status_code=200)
    async def add(
        self, request: AnyRequest, call: NamedDependency[Call], gateway: NamedDependency[Gateway]
    ) -> Response[str]:
        """R-ADD-2: the identity exists from the first try on."""
        form = await posted(request)
        call = asked(call, form)
        identity = identity_of(call.command)
        email, password = form.text("email"), form.raw("password")
        zone = form.text("zone") or reader_zone(request, gateway.views.organization(call.organization).zone)
        try:
            LinkLinkedIn(identity=identity, email=email, password=given(password))
            create = CreateIdentity(
                identity=identity, name=form.text("name"), hours=WorkingHours(zone=zone), from_linkedin=True
            )
            created = await gateway.contexts.send(create, by=call.by, id=call.command)
        except (ValidationError, Refused) as wrong:
            if isinstance(wrong, Refused) and not is_answerable(wrong):
                raise
            shown = filled(CredentialsForm, form.values, errors_of(wrong))
            page = AddIdentityPage(
                way="credentials", credentials=shown, share=await share_section(gateway, call)
            )
            around = await shell(request, gateway, call, "identities")
            return html("add_identity.html", around, page, status=422)
        position = await link(
            gateway,
            call.by,
            uuid5(call.command, "link"),
            identity,
            email=email,
            password=password,
            seen=(created.position,),
        )
        return redirect(request, _url(identity), positions=[created.position, position])


class LinkedInPagesController(Controller):
    path = "/identities/{identity:uuid}/linkedin"
    include_in_schema = False

    @get()
    async def show(
        self,
        identity: FromPath[UUID],
        request: AnyRequest,
        call: NamedDependency[Call],
        gateway: NamedDependency[Gateway],
        again: FromQuery[str] = "",
    ) -> Response[str]:
        page = await _page(gateway, call, identity, relink=bool(again))
        return html("linking.html", await shell(request, gateway, call, "identities"), page)

    @post(status_code=200)
    async def link(
        self,
        identity: FromPath[UUID],
        request: AnyRequest,
        call: NamedDependency[Call],
        gateway: NamedDependency[Gateway],
    ) -> Response[str]:
        form = await posted(request)
        call = asked(call, form)
        email, password = form.text("email"), form.raw("password")
        page = await _page(gateway, call, identity, relink=True)
        try:
            given(password)
            position = await link(
                gateway, call.by, call.command, identity, email=email, password=password, seen=call.seen
            )
        except (ValidationError, Refused) as wrong:
            if isinstance(wrong, Refused) and not is_answerable(wrong):
                raise
            if isinstance(wrong, Refused) and wrong.code in OVERTAKEN:
                return redirect(request, _url(identity))
            shown = filled(LinkedInForm, form.values, errors_of(wrong))
            page = replace(page, linking=replace(page.linking, form=shown))
            around = await shell(request, gateway, call, "identities")
            return html("linking.html", around, page, status=422)
        return redirect(request, _url(identity), positions=[position])

    @post("/code", status_code=200)
    async def enter_code(
        self,
        identity: FromPath[UUID],
        request: AnyRequest,
        call: NamedDependency[Call],
        gateway: NamedDependency[Gateway],
    ) -> Response[str]:
        form = await posted(request)
        call = asked(call, form)
        code = form.text("code")

        async def enter() -> str:
            if not code:
                raise Refused("code.missing", EMPTY_CODE, status=422, field="code")
            return await enter_code(gateway, call.by, call.command, identity, code)

        return await _went_on(request, gateway, call, identity, enter, form)

    @post("/resend", status_code=200)
    async def resend(
        self,
        identity: FromPath[UUID],
        request: AnyRequest,
        call: NamedDependency[Call],
        gateway: NamedDependency[Gateway],
    ) -> Response[str]:
        form = await posted(request)
        call = asked(call, form)
        return await _went_on(
            request,
            gateway,
            call,
            identity,
            lambda: resend_code(gateway, call.by, call.command, identity),
            form,
        )

    @post("/again", status_code=200)
    async def again(
        self,
        identity: FromPath[UUID],
        request: AnyRequest,
        call: NamedDependency[Call],
        gateway: NamedDependency[Gateway],
    ) -> Response[str]:
        form = await posted(request)
        call = asked(call, form)
        return await _went_on(
            request,
            gateway,
            call,
            identity,
            lambda: try_again(gateway, call.by, call.command, identity),
            form,
        )

    @post("/details", status_code=200)
    async def take_over(
        self,
        identity: FromPath[UUID],
        request: AnyRequest,
        call: NamedDependency[Call],
        gateway: NamedDependency[Gateway],
    ) -> Response[str]:
        """R-ID-5: the fields that were chosen, and nothing else."""
        form = await posted(request)
        call = asked(call, form)
        stored = await gateway.contexts.ask(GetIdentity(identity=identity), by=call.by, seen=call.seen)
        found = await tried(gateway, call.by, identity, call.seen)
        there = said_by_linkedin(found.profile or LinkedInProfile())
        chosen = {  # as it was shown: LinkedIn may say something else by now
            name: there[name] for name in OFFERED if form.text(name) and form.text(name) == there[name]
        }
        position, outcome = "", Outcome("refused", "Choose what to take over.")
        if chosen:
            details = ContactDetails.model_validate({**stored.details.model_dump(), **chosen})
            change = ChangeContactDetails(identity=identity, details=details)
            position = (await gateway.contexts.send(change, by=call.by, id=call.command)).position
            call = replace(call, seen=(*call.seen, position))
            outcome = Outcome("saved", "Taken over.")
        page = await configuration(gateway, call, identity)
        page = replace(page, section="linkedin", linkedin=replace(page.linkedin, outcome=outcome))
        around = await shell(request, gateway, call, "identities")
        status = 200 if chosen else 422
        return html("configuration.html", around, page, status=status, position=position)

    @get("/unlink")
    async def ask_unlinking(
        self,
        identity: FromPath[UUID],
        request: AnyRequest,
        call: NamedDependency[Call],
        gateway: NamedDependency[Gateway],
    ) -> Response[str]:
        shown = await _page(gateway, call, identity)
        await tried(gateway, call.by, identity, call.seen)
        found = await of_unlinking(gateway, call, identity)
        page = UnlinkPage(
            identity=identity,
            identity_name=shown.identity_name,
            member=shown.linking.member,
            campaigns=found.campaigns,
            waiting=found.waiting,
        )
        return html("unlink_linkedin.html", await shell(request, gateway, call, "identities"), page)

    @post("/unlink", status_code=200)
    async def unlink(
        self,
        identity: FromPath[UUID],
        request: AnyRequest,
        call: NamedDependency[Call],
        gateway: NamedDependency[Gateway],
    ) -> Response[str]:
        call = asked(call, await posted(request))
        position = await unlink(gateway, call.by, call.command, identity)
        where = f"/identities/{identity}?section=linkedin"
        return redirect(request, where, positions=[position], flash="linkedin-unlinked")


async def _page(gateway: Gateway, call: Call, identity: UUID, *, relink: bool = False) -> LinkingPage:
    stored = await gateway.contexts.ask(GetIdentity(identity=identity), by=call.by, seen=call.seen)
    found = await account(gateway, call.by, identity, call.seen)
    shown = linking(found and named(gateway, call, found), url=_url(identity), relink=relink)
    done = f"/identities/{identity}?section=linkedin"
    return LinkingPage(
        identity=identity,
        identity_name=stored.name,
        linking=replace(shown, done=done, done_text="Go to the configuration"),
    )


async def _went_on(
    request: AnyRequest,
    gateway: Gateway,
    call: Call,
    identity: UUID,
    act: Callable[[], Awaitable[str]],
    form: Form,
) -> Response[str]:
    """Do it, and show how linking stands then."""
    position, status, wrong = "", 200, ""
    try:
        position = await act()
        call = replace(call, seen=(*call.seen, position))
    except Refused as refusal:
        if not is_answerable(refusal):
            raise
        if refusal.code not in OVERTAKEN:
            status, wrong = 422, refusal.detail
    page = await _page(gateway, call, identity)
    if wrong:
        page = replace(page, linking=told(page.linking, form, wrong))
    around = await shell(request, gateway, call, "identities")
    return html("linking.html", around, page, status=status, position=position)


def told(shown: Linking, form: Form, wrong: str) -> Linking:
    """Beside the code's field where that shows."""
    if shown.state == "code wanted":
        return replace(shown, code=filled(CodeForm, form.values, {"code": wrong}))
    return replace(shown, refused=wrong)


def given(password: str) -> str:
    """Refused `password.missing`."""
    if not password:
        raise Refused("password.missing", "Enter the password.", status=422, field="password")
    return password


def _url(identity: UUID) -> str:
    return f"/identities/{identity}/linkedin"
