"""The limits of a LinkedIn account, withdrawing invitations, and inviting one person by hand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Final
from uuid import UUID

from heraldry.contracts.base import Refused
from heraldry.contracts.identity import GetIdentity
from heraldry.contracts.scheduler import LinkedInLimits, WithdrawalPolicy
from heraldry.gateway.api.linkedin_limits import NewInvitation, change_limits, invite
from heraldry.gateway.api.withdrawals import change_policy, withdraw
from heraldry.gateway.pages.forms import InviteForm, LinkedInLimitsForm, WithdrawalPolicyForm, filled
from heraldry.gateway.pages.models import ConfigurationPage, Outcome, Waiting
from heraldry.gateway.pages.models.linkedin_limits import InvitePage, LinkedInLimitsSection
from heraldry.gateway.routes.configuration import configuration
from heraldry.gateway.routes.linkedin_limit_models import Place
from heraldry.gateway.routes.shown import Form, asked, errors_of, html, is_answerable, posted, redirect, shell
from heraldry.gateway.state import AnyRequest, Call, Gateway
from litestar import Controller, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from pydantic import ValidationError

PICK: Final = "pick-"
"""A checkbox of an invitation is called so, with its id."""
NUMBERS: Final[Mapping[str, str]] = {
    "invitations": "Give a whole number from 0 to 1,000.",
    "messages": "Give a whole number from 0 to 1,000.",
    "scrapings": "Give a whole number from 0 to 1,000.",
    "days": "Give a whole number from 1 to 180.",
}
SAID_ONCE: Final[Mapping[str, str]] = {
    "invitation.withdrawn-lately": "An invitation to this person was withdrawn less than three weeks ago."
}
"""Refusals that name their instant, which the page says in the reader's zone."""
SAVED: Final = Outcome("saved", "Saved.")


class LinkedInLimitPagesController(Controller):
    path = "/identities/{identity:uuid}/linkedin"
    include_in_schema = False

    @post("/limits", status_code=200)
    async def limits(
        self,
        identity: FromPath[UUID],
        request: AnyRequest,
        call: NamedDependency[Call],
        gateway: NamedDependency[Gateway],
    ) -> Response[str]:
        call.require_admin()
        form = await posted(request)
        call = asked(call, form)
        errors: dict[str, str] = {}
        position = ""
        try:
            limits = LinkedInLimits.model_validate(
                {name: form.text(name) for name in _asked_for(form)}, strict=False
            )
            position = await change_limits(gateway, call, identity, limits)
            call = replace(call, seen=(*call.seen, position))
        except (ValidationError, Refused) as wrong:
            errors = _errors(wrong)
        page, section = await _page(gateway, call, identity, Place(tab="limits"))
        panel = (
            replace(section.limits, form=filled(LinkedInLimitsForm, form.values, errors))
            if errors
            else replace(section.limits, outcome=SAVED)
        )
        page = replace(page, linkedin_limits=replace(section, limits=panel))
        around = await shell(request, gateway, call, "identities")
        return html("configuration.html", around, page, status=422 if errors else 200, position=position)

    @post("/withdrawal-policy", status_code=200)
    async def policy(
        self,
        identity: FromPath[UUID],
        request: AnyRequest,
        call: NamedDependency[Call],
        gateway: NamedDependency[Gateway],
    ) -> Response[str]:
        form = await posted(request)
        call = asked(call, form)
        errors: dict[str, str] = {}
        position = ""
        try:
            days = form.text("days") if form.text("automatic") else None
            policy = WithdrawalPolicy.model_validate({"days": days}, strict=False)
            position = await change_policy(gateway, call, identity, policy)
            call = replace(call, seen=(*call.seen, position))
        except (ValidationError, Refused) as wrong:
            errors = _errors(wrong)
        page, section = await _page(gateway, call, identity, Place(tab="withdrawals"))
        panel = (
            replace(section.withdrawals, policy=filled(WithdrawalPolicyForm, form.values, errors))
            if errors
            else replace(section.withdrawals, policy_outcome=SAVED)
        )
        page = replace(page, linkedin_limits=replace(section, withdrawals=panel))
        around = await shell(request, gateway, call, "identities")
        return html("configuration.html", around, page, status=422 if errors else 200, position=position)

    @post("/withdraw", status_code=200)
    async def withdraw(
        self,
        identity: FromPath[UUID],
        request: AnyRequest,
        call: NamedDependency[Call],
        gateway: NamedDependency[Gateway],
    ) -> Response[str]:
        form = await posted(request)
        call = asked(call, form)
        chosen = _chosen(form)
        try:
            if not chosen:
                raise Refused("withdrawal.nothing", "Choose at least one invitation.", status=422)
            asked_for, position = await withdraw(gateway, call, identity, chosen)
        except Refused as wrong:
            if not is_answerable(wrong):
                raise
            page, section = await _page(gateway, call, identity, Place(tab="withdrawals"))
            panel = replace(section.withdrawals, error=wrong.detail)
            page = replace(page, linkedin_limits=replace(section, withdrawals=panel))
            around = await shell(request, gateway, call, "identities")
            return html("configuration.html", around, page, status=422)
        where = f"/identities/{identity}?section=linkedin&tab=withdrawals&request={asked_for}"
        return redirect(request, where, positions=[position])

    @get("/invite")
    async def ask_to_invite(
        self,
        identity: FromPath[UUID],
        request: AnyRequest,
        call: NamedDependency[Call],
        gateway: NamedDependency[Gateway],
    ) -> Response[str]:
        page = await _invite_page(gateway, call, identity)
        return html("invite.html", await shell(request, gateway, call, "identities"), page)

    @post("/invite", status_code=200)
    async def invite(
        self,
        identity: FromPath[UUID],
        request: AnyRequest,
        call: NamedDependency[Call],
        gateway: NamedDependency[Gateway],
    ) -> Response[str]:
        form = await posted(request)
        call = asked(call, form)
        page = await _invite_page(gateway, call, identity)
        status, position = 200, ""
        try:
            wanted = NewInvitation(
                profile=form.text("profile"),
                name=form.text("name"),
                note=form.text("note").replace("\r\n", "\n"),
            )
            position = await invite(gateway, call, identity, wanted)
            page = replace(page, queued=True)
        except (ValidationError, Refused) as wrong:
            if isinstance(wrong, Refused) and not is_answerable(wrong):
                raise
            status = 422
            page = _refused(page, form, wrong)
        around = await shell(request, gateway, call, "identities")
        return html("invite.html", around, page, status=status, position=position)


async def _page(
    gateway: Gateway, call: Call, identity: UUID, place: Place
) -> tuple[ConfigurationPage, LinkedInLimitsSection]:
    """The configuration at its LinkedIn section. Refused `linkedin.unknown` where there is nothing to set."""
    page = await configuration(gateway, call, identity, place=place)
    section = page.linkedin_limits
    if section is None:
        raise Refused(
            "linkedin.unknown", "This identity has no LinkedIn account. Link one first.", status=404
        )
    return replace(page, section="linkedin"), section


def _asked_for(form: Form) -> tuple[str, ...]:
    """Scrapings are asked for only where the account has Sales Navigator."""
    every = tuple(LinkedInLimits.model_fields)
    return every if "scrapings" in form.values else tuple(name for name in every if name != "scrapings")


def _errors(wrong: ValidationError | Refused) -> dict[str, str]:
    if isinstance(wrong, Refused) and not is_answerable(wrong):
        raise wrong
    found = errors_of(wrong)
    return {name: NUMBERS.get(name, text) for name, text in found.items()}


def _chosen(form: Form) -> tuple[UUID, ...]:
    """The invitations whose boxes are checked."""
    found: list[UUID] = []
    for name in form.values:
        if name.startswith(PICK):
            try:
                found.append(UUID(name.removeprefix(PICK)))
            except ValueError:
                continue
    return tuple(found)


async def _invite_page(gateway: Gateway, call: Call, identity: UUID) -> InvitePage:
    stored = await gateway.contexts.ask(GetIdentity(identity=identity), by=call.by, seen=call.seen)
    return InvitePage(identity=identity, identity_name=stored.name)


def _refused(page: InvitePage, form: Form, wrong: ValidationError | Refused) -> InvitePage:
    until = wrong.extra.get("until") if isinstance(wrong, Refused) else None
    if isinstance(wrong, Refused) and until:
        shown_again = filled(InviteForm, form.values)
        said = SAID_ONCE.get(wrong.code, wrong.detail)
        return replace(page, form=shown_again, refused=Waiting(said, datetime.fromisoformat(until)))
    errors = errors_of(wrong)
    if not form.text("profile"):
        errors["profile"] = "Give the address of the person's profile."
    return replace(page, form=filled(InviteForm, form.values, errors))
