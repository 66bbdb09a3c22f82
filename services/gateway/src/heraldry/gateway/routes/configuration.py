"""The configuration of an identity: its sections, each saved by itself."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Final, cast
from uuid import UUID, uuid5
from zoneinfo import ZoneInfo

from heraldry.contracts.base import Refused
from heraldry.contracts.identity import (
    ChangeContactDetails,
    ChangeLikingsOptOut,
    ChangeProfilePicture,
    ChangeWorkingHours,
    GetIdentity,
    IdentityCommand,
    IdentityView,
    Interval,
    MapCrmUser,
    RenameIdentity,
    WorkingHours,
)
from heraldry.gateway.api.identities import picture_of, uploaded
from heraldry.gateway.pages.forms import WEEKDAYS, ContactForm, PictureForm, filled, hours_filled
from heraldry.gateway.pages.models import (
    Chip,
    ConfigurationPage,
    ContactSection,
    EmailTab,
    LikingsSection,
    Outcome,
    Section,
)
from heraldry.gateway.pictures import re_encoded
from heraldry.gateway.routes.details import typed_details
from heraldry.gateway.routes.inbox_models import email_section
from heraldry.gateway.routes.linkedin_limit_models import Place, limits_section
from heraldry.gateway.routes.linkedin_models import linkedin_section
from heraldry.gateway.routes.share_models import share_section
from heraldry.gateway.routes.shown import Form, asked, errors_of, html, is_answerable, posted, shell
from heraldry.gateway.state import AnyRequest, Call, Gateway
from litestar import Controller, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, QueryParameter
from pydantic import ValidationError

SECTIONS = {"contact", "linkedin", "email", "likings", "share"}
NOWHERE: Final = Place()
SAVED = Outcome("saved", "Saved.")
CONFLICT = Outcome("conflict", "Somebody else changed this meanwhile. You see what is stored now.")


class ConfigurationController(Controller):
    path = "/identities/{identity:uuid}"
    include_in_schema = False

    @get()
    async def show(  # noqa: PLR0913, PLR0917  a route's parameters
        self,
        identity: FromPath[UUID],
        request: AnyRequest,
        call: NamedDependency[Call],
        gateway: NamedDependency[Gateway],
        section: FromQuery[str] = "contact",
        tab: FromQuery[str] = "",
        after: FromQuery[str] = "",
        withdrawn: FromQuery[str] = "",
        asked_for: Annotated[UUID | None, QueryParameter(name="request")] = None,
    ) -> Response[str]:
        place = Place(
            tab="withdrawals" if tab == "withdrawals" else "limits",
            after=after,
            withdrawn=withdrawn,
            request=asked_for,
        )
        email: EmailTab = "rate" if tab == "rate" else "manage"
        page = await configuration(gateway, call, identity, tab=email, place=place)
        page = replace(page, section=cast("Section", section if section in SECTIONS else "contact"))
        return html("configuration.html", await shell(request, gateway, call, "identities"), page)

    @post("/contact", status_code=200)
    async def contact(
        self,
        identity: FromPath[UUID],
        request: AnyRequest,
        call: NamedDependency[Call],
        gateway: NamedDependency[Gateway],
    ) -> Response[str]:
        form = await posted(request)
        call = asked(call, form)
        stored = await gateway.contexts.ask(GetIdentity(identity=identity), by=call.by, seen=call.seen)
        if form.text("revision") not in {"", contact_revision(stored)}:
            return await _contact_page(request, gateway, call, identity, CONFLICT, status=409)
        try:
            details = typed_details(form)
            commands: list[IdentityCommand] = [
                RenameIdentity(identity=identity, name=form.text("name")),
                ChangeContactDetails(identity=identity, details=details),
                MapCrmUser(identity=identity, crm_user=form.text("crm_user")),
            ]
            position = ""
            for number, command in enumerate(commands):
                accepted = await gateway.contexts.send(
                    command, by=call.by, id=uuid5(call.command, str(number))
                )
                position = accepted.position
        except (ValidationError, Refused) as wrong:
            if isinstance(wrong, Refused) and not is_answerable(wrong):
                raise
            page = await configuration(gateway, call, identity)
            shown = filled(ContactForm, form.values, errors_of(wrong))
            page = replace(page, contact=replace(page.contact, form=shown))
            around = await shell(request, gateway, call, "identities")
            return html("configuration.html", around, page, status=422)
        call = replace(call, seen=(*call.seen, position))
        return await _contact_page(request, gateway, call, identity, SAVED, position=position)

    @post("/hours", status_code=200)
    async def hours(
        self,
        identity: FromPath[UUID],
        request: AnyRequest,
        call: NamedDependency[Call],
        gateway: NamedDependency[Gateway],
    ) -> Response[str]:
        form = await posted(request)
        call = asked(call, form)
        stored = await gateway.contexts.ask(GetIdentity(identity=identity), by=call.by, seen=call.seen)
        around = await shell(request, gateway, call, "identities")
        if form.text("revision") not in {"", hours_revision(stored)}:
            page = await configuration(gateway, call, identity)
            page = replace(page, contact=replace(page.contact, hours_outcome=CONFLICT))
            return html("configuration.html", around, page, status=409)
        week, errors = _week(form)
        try:
            _stop_at(errors)
            change = ChangeWorkingHours(
                identity=identity, hours=WorkingHours(zone=form.text("zone"), week=week)
            )
            accepted = await gateway.contexts.send(change, by=call.by, id=call.command)
        except (ValidationError, Refused) as wrong:
            if isinstance(wrong, Refused) and not is_answerable(wrong):
                raise
            errors = errors or errors_of(wrong)
            page = await configuration(gateway, call, identity)
            page = replace(page, contact=replace(page.contact, hours=hours_filled(form.values, errors)))
            return html("configuration.html", around, page, status=422)
        call = replace(call, seen=(*call.seen, accepted.position))
        page = await configuration(gateway, call, identity)
        page = replace(page, contact=replace(page.contact, hours_outcome=SAVED))
        return html("configuration.html", around, page, position=accepted.position)

    @get("/picture")
    async def show_picture(
        self, identity: FromPath[UUID], call: NamedDependency[Call], gateway: NamedDependency[Gateway]
    ) -> Response[bytes]:
        return await picture_of(gateway, call, identity)

    @post("/picture", status_code=200)
    async def picture(
        self,
        identity: FromPath[UUID],
        request: AnyRequest,
        call: NamedDependency[Call],
        gateway: NamedDependency[Gateway],
    ) -> Response[str]:
        form = await posted(request)
        call = asked(call, form)
        try:
            picture = await re_encoded(await uploaded(request))
        except Refused as wrong:
            page = await configuration(gateway, call, identity)
            shown = filled(PictureForm, {}, errors_of(wrong))
            page = replace(page, contact=replace(page.contact, picture_form=shown))
            around = await shell(request, gateway, call, "identities")
            return html("configuration.html", around, page, status=422)
        return await _change_picture(request, gateway, call, identity, picture)

    @post("/picture/remove", status_code=200)
    async def remove_picture(
        self,
        identity: FromPath[UUID],
        request: AnyRequest,
        call: NamedDependency[Call],
        gateway: NamedDependency[Gateway],
    ) -> Response[str]:
        return await _change_picture(request, gateway, asked(call, await posted(request)), identity, "")

    @post("/likings", status_code=200)
    async def likings(
        self,
        identity: FromPath[UUID],
        request: AnyRequest,
        call: NamedDependency[Call],
        gateway: NamedDependency[Gateway],
    ) -> Response[str]:
        form = await posted(request)
        call = asked(call, form)
        change = ChangeLikingsOptOut(identity=identity, opted_out=bool(form.text("opted_out")))
        accepted = await gateway.contexts.send(change, by=call.by, id=call.command)
        call = replace(call, seen=(*call.seen, accepted.position))
        page = await configuration(gateway, call, identity)
        page = replace(page, section="likings", likings=replace(page.likings, outcome=SAVED))
        around = await shell(request, gateway, call, "identities")
        return html("configuration.html", around, page, position=accepted.position)


async def configuration(
    gateway: Gateway, call: Call, identity: UUID, *, tab: EmailTab = "manage", place: Place = NOWHERE
) -> ConfigurationPage:
    """The page as it is stored. Refused `identity.unknown`."""
    stored = await gateway.contexts.ask(GetIdentity(identity=identity), by=call.by, seen=call.seen)
    if stored.deleted:
        raise Refused("identity.unknown", "This identity was deleted. Its history stays.", status=404)
    email, linkedin, limits = await asyncio.gather(
        email_section(gateway, call, identity, stored.hours.zone, tab),
        linkedin_section(gateway, call, identity, stored.details),
        limits_section(gateway, call, identity, place),
    )
    account = linkedin.account
    return ConfigurationPage(
        id=identity,
        name=stored.name,
        job_title=stored.details.job_title,
        chips=(
            *((Chip(f"LinkedIn: {account.chip.text}", account.chip.tone),) if account else ()),
            *(
                Chip(f"{inbox.address}: {inbox.chip.text}", inbox.chip.tone)
                for inbox in email.inboxes
                if inbox.state != "disconnected"
            ),
        ),
        contact=_contact(gateway, stored),
        linkedin=linkedin,
        email=email,
        likings=LikingsSection(opted_out=stored.likings_opted_out),
        share=await share_section(gateway, call, identity),
        linkedin_limits=limits,
    )


def contact_revision(stored: IdentityView) -> str:
    """Changes when what the form shows does."""
    return _digest(stored.name, stored.details.model_dump_json(), stored.crm_user)


def hours_revision(stored: IdentityView) -> str:
    return _digest(stored.hours.model_dump_json())


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def _contact(gateway: Gateway, stored: IdentityView) -> ContactSection:
    values = {
        **stored.details.model_dump(),
        "name": stored.name,
        "crm_user": stored.crm_user,
        "revision": contact_revision(stored),
    }
    return ContactSection(
        picture=f"/identities/{stored.identity}/picture?v={stored.picture[:16]}" if stored.picture else "",
        form=filled(ContactForm, values),
        hours=hours_filled({**_hours_values(stored.hours), "revision": hours_revision(stored)}),
        active_now=_active(gateway, stored.hours),
    )


def _active(gateway: Gateway, hours: WorkingHours) -> bool:
    local = gateway.now().astimezone(ZoneInfo(hours.zone))
    clock = local.strftime("%H:%M")
    return any(one.day == local.isoweekday() and one.start <= clock < one.end for one in hours.week)


def _hours_values(hours: WorkingHours) -> dict[str, object]:
    values: dict[str, object] = {"zone": hours.zone}
    for number, key in enumerate(WEEKDAYS, start=1):
        day = [one for one in hours.week if one.day == number]
        if day:
            end = day[-1].end
            values |= {
                key: "on",
                f"{key}_from": day[0].start,
                f"{key}_to": "00:00" if end == "24:00" else end,
            }
    return values


def _week(form: Form) -> tuple[tuple[Interval, ...], Mapping[str, str]]:
    week: list[Interval] = []
    errors: dict[str, str] = {}
    for number, key in enumerate(WEEKDAYS, start=1):
        if not form.text(key):
            continue
        end = form.text(f"{key}_to") or "18:00"
        try:
            week.append(
                Interval(
                    day=number,
                    start=form.text(f"{key}_from") or "09:00",
                    end="24:00" if end == "00:00" else end,
                )
            )
        except ValidationError:
            errors[f"{key}_from"] = "Give two times, the later one second."
    return tuple(week), errors


def _stop_at(errors: Mapping[str, str]) -> None:
    if errors:
        raise Refused("hours.malformed", "Correct the times that are marked.", status=422)


async def _contact_page(
    request: AnyRequest,
    gateway: Gateway,
    call: Call,
    identity: UUID,
    outcome: Outcome,
    *,
    status: int = 200,
    position: str = "",
) -> Response[str]:
    page = await configuration(gateway, call, identity)
    page = replace(page, contact=replace(page.contact, outcome=outcome))
    around = await shell(request, gateway, call, "identities")
    return html("configuration.html", around, page, status=status, position=position)


async def _change_picture(
    request: AnyRequest, gateway: Gateway, call: Call, identity: UUID, picture: str
) -> Response[str]:
    change = ChangeProfilePicture(identity=identity, picture=picture)
    accepted = await gateway.contexts.send(change, by=call.by, id=call.command)
    call = replace(call, seen=(*call.seen, accepted.position))
    page = await configuration(gateway, call, identity)
    page = replace(page, contact=replace(page.contact, picture_outcome=SAVED))
    around = await shell(request, gateway, call, "identities")
    return html("configuration.html", around, page, position=accepted.position)
