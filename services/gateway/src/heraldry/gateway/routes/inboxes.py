"""Connecting an inbox with its live outcome, its rate, a mail to try it with."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from uuid import UUID

from heraldry.contracts.base import Refused
from heraldry.contracts.identity import GetIdentity
from heraldry.contracts.mailbox import ResumeInbox
from heraldry.contracts.scheduler import ChangeEmailRate, EmailRate
from heraldry.gateway.api.inboxes import WantedRate, ask_for_more, send
from heraldry.gateway.pages.forms import (
    ConnectInboxForm,
    EmailRateForm,
    RateIncreaseForm,
    TestMailForm,
    filled,
)
from heraldry.gateway.pages.models import ConnectInboxPage, Outcome, TestMailPage, Waiting
from heraldry.gateway.routes.configuration import configuration
from heraldry.gateway.routes.connecting import tried, values
from heraldry.gateway.routes.inbox_models import find, shown
from heraldry.gateway.routes.shown import Form, asked, errors_of, html, is_answerable, posted, redirect, shell
from heraldry.gateway.state import AnyRequest, Call, Gateway
from litestar import Controller, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery
from pydantic import ValidationError


class InboxPagesController(Controller):
    path = "/identities/{identity:uuid}/inboxes"
    include_in_schema = False

    @get("/new")
    async def new(
        self,
        identity: FromPath[UUID],
        request: AnyRequest,
        call: NamedDependency[Call],
        gateway: NamedDependency[Gateway],
        inbox: FromQuery[UUID | None] = None,
    ) -> Response[str]:
        name = await _name(gateway, call, identity)
        form = ConnectInboxForm()
        if inbox is not None:
            form = filled(ConnectInboxForm, values(await find(gateway, call, identity, inbox)))
        page = ConnectInboxPage(identity=identity, identity_name=name, form=form, reconnect=inbox)
        return html("connect_inbox.html", await shell(request, gateway, call, "identities"), page)

    @post(status_code=200)
    async def connect(
        self,
        identity: FromPath[UUID],
        request: AnyRequest,
        call: NamedDependency[Call],
        gateway: NamedDependency[Gateway],
    ) -> Response[str]:
        form = await posted(request)
        call = asked(call, form)
        name = await _name(gateway, call, identity)
        outcome = await tried(gateway, call, identity, form)
        where = f"/identities/{identity}?section=email"
        if outcome.connected or outcome.connecting:
            flash = "inbox-connected" if outcome.connected else "inbox-connecting"
            return redirect(request, where, positions=[outcome.position], flash=flash)
        page = ConnectInboxPage(
            identity=identity,
            identity_name=name,
            form=filled(ConnectInboxForm, outcome.typed(form), outcome.errors),
            diagnosis=outcome.diagnosis,
            reconnect=outcome.reconnect,
        )
        around = await shell(request, gateway, call, "identities")
        return html("connect_inbox.html", around, page, status=422)

    @post("/{inbox:uuid}/rate", status_code=200)
    async def rate(
        self,
        identity: FromPath[UUID],
        inbox: FromPath[UUID],
        request: AnyRequest,
        call: NamedDependency[Call],
        gateway: NamedDependency[Gateway],
    ) -> Response[str]:
        call.require_admin()
        form = await posted(request)
        call = asked(call, form)
        await find(gateway, call, identity, inbox)
        errors: dict[str, str] = {}
        position = ""
        try:
            rate = EmailRate.model_validate(
                {name: form.text(name) for name in ("per_day", "per_hour")}, strict=False
            )
            accepted = await gateway.contexts.send(
                ChangeEmailRate(inbox=inbox, rate=rate), by=call.by, id=call.command
            )
            position = accepted.position
            call = replace(call, seen=(*call.seen, position))
        except (ValidationError, Refused) as wrong:
            if isinstance(wrong, Refused) and not is_answerable(wrong):
                raise
            errors = errors_of(wrong)
        page = await configuration(gateway, call, identity, tab="rate")
        sections = tuple(
            one
            if one.inbox.id != inbox
            else replace(one, form=filled(EmailRateForm, form.values, errors))
            if errors
            else replace(one, outcome=Outcome("saved", "Saved."))
            for one in page.email.rates
        )
        page = replace(page, section="email", email=replace(page.email, rates=sections))
        around = await shell(request, gateway, call, "identities")
        return html("configuration.html", around, page, status=422 if errors else 200, position=position)

    @post("/{inbox:uuid}/rate/increase", status_code=200)
    async def ask_for_more(
        self,
        identity: FromPath[UUID],
        inbox: FromPath[UUID],
        request: AnyRequest,
        call: NamedDependency[Call],
        gateway: NamedDependency[Gateway],
    ) -> Response[str]:
        form = await posted(request)
        call = asked(call, form)
        await find(gateway, call, identity, inbox)
        errors: dict[str, str] = {}
        position = ""
        try:
            wanted = WantedRate.model_validate(
                {name: form.text(name) for name in ("per_day", "per_hour", "reason")}, strict=False
            )
            rate = EmailRate(per_day=wanted.per_day, per_hour=wanted.per_hour)
            position = await ask_for_more(gateway, call, inbox, rate, wanted.reason)
            call = replace(call, seen=(*call.seen, position))
        except (ValidationError, Refused) as wrong:
            if isinstance(wrong, Refused) and not is_answerable(wrong):
                raise
            errors = errors_of(wrong)
            if not form.text("reason"):
                errors["reason"] = "Say what it is for."
        page = await configuration(gateway, call, identity, tab="rate")
        sections = tuple(
            replace(
                one,
                increase=replace(one.increase, form=filled(RateIncreaseForm, form.values, errors))
                if errors
                else replace(one.increase, outcome=Outcome("saved", "Support was asked.")),
            )
            if one.inbox.id == inbox
            else one
            for one in page.email.rates
        )
        page = replace(page, section="email", email=replace(page.email, rates=sections))
        around = await shell(request, gateway, call, "identities")
        return html("configuration.html", around, page, status=422 if errors else 200, position=position)

    @post("/{inbox:uuid}/resume", status_code=200)
    async def resume(
        self,
        identity: FromPath[UUID],
        inbox: FromPath[UUID],
        request: AnyRequest,
        call: NamedDependency[Call],
        gateway: NamedDependency[Gateway],
    ) -> Response[str]:
        call = asked(call, await posted(request))
        await find(gateway, call, identity, inbox)
        where = f"/identities/{identity}?section=email"
        try:
            accepted = await gateway.contexts.send(ResumeInbox(inbox=inbox), by=call.by, id=call.command)
        except Refused as refusal:
            if refusal.code != "inbox.not-paused":
                raise
            return redirect(request, where)  # somebody else was faster
        return redirect(request, where, positions=[accepted.position], flash="inbox-resumed")

    @get("/{inbox:uuid}/test")
    async def test(
        self,
        identity: FromPath[UUID],
        inbox: FromPath[UUID],
        request: AnyRequest,
        call: NamedDependency[Call],
        gateway: NamedDependency[Gateway],
    ) -> Response[str]:
        page = await _test_page(gateway, call, identity, inbox)
        return html("test_mail.html", await shell(request, gateway, call, "identities"), page)

    @post("/{inbox:uuid}/test", status_code=200)
    async def send(
        self,
        identity: FromPath[UUID],
        inbox: FromPath[UUID],
        request: AnyRequest,
        call: NamedDependency[Call],
        gateway: NamedDependency[Gateway],
    ) -> Response[str]:
        form = await posted(request)
        call = asked(call, form)
        page = await _test_page(gateway, call, identity, inbox)
        status, position = 200, ""
        try:
            position = await send(
                gateway,
                call,
                inbox,
                to=form.text("to"),
                subject=form.text("subject"),
                text=form.raw("text"),
            )
            page = replace(page, queued=f"/activity/mails/{call.command}")
        except (ValidationError, Refused) as wrong:
            if isinstance(wrong, Refused) and not is_answerable(wrong):
                raise
            status = 422
            page = _refused(page, form, wrong)
        around = await shell(request, gateway, call, "identities")
        return html("test_mail.html", around, page, status=status, position=position)


def _refused(page: TestMailPage, form: Form, wrong: ValidationError | Refused) -> TestMailPage:
    until = wrong.extra.get("until") if isinstance(wrong, Refused) else None
    if isinstance(wrong, Refused) and until:
        shown_again = filled(TestMailForm, form.values)
        return replace(page, form=shown_again, refused=Waiting(wrong.detail, datetime.fromisoformat(until)))
    return replace(page, form=filled(TestMailForm, form.values, errors_of(wrong)))


async def _test_page(gateway: Gateway, call: Call, identity: UUID, inbox: UUID) -> TestMailPage:
    name = await _name(gateway, call, identity)
    found = await shown(gateway, call, await find(gateway, call, identity, inbox))
    return TestMailPage(identity=identity, identity_name=name, inbox=found)


async def _name(gateway: Gateway, call: Call, identity: UUID) -> str:
    return (await gateway.contexts.ask(GetIdentity(identity=identity), by=call.by, seen=call.seen)).name
