"""The history, one mail step by step, and the organization's page."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import date, timedelta
from typing import Annotated, Final, Literal
from uuid import UUID

from heraldry.chassis.bus.rights import EVENTS, inbox_prefix
from heraldry.contracts.base import Refused
from heraldry.contracts.mailbox import DecideOutcome
from heraldry.gateway.api.history import file, filter_of
from heraldry.gateway.api.organization import revoke, subscribe
from heraldry.gateway.entries import HistoryEntry
from heraldry.gateway.history import HistoryFilter, MailSeen
from heraldry.gateway.pages.forms import DayZoneForm, SubscriberForm, filled
from heraldry.gateway.pages.models import (
    ActivityEntry,
    ActivityFilter,
    ActivityPage,
    Chip,
    MailPage,
    MailStep,
    NewCredentials,
    Option,
    OrganizationPage,
    Outcome,
    Person,
    Reply,
    Subscriber,
    UndecidedMail,
    UndecidedPage,
)
from heraldry.gateway.routes.shown import asked, errors_of, html, is_answerable, posted, redirect, shell
from heraldry.gateway.routes.steps import undecided_steps
from heraldry.gateway.sentences import KINDS
from heraldry.gateway.state import AnyRequest, Call, Gateway
from litestar import Controller, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, QueryParameter
from litestar.response import Stream

PAGE: Final = 50
STATES: Final = {
    "permitted": Chip("Permitted", "info"),
    "queued": Chip("Queued", "info"),
    "claimed": Chip("Taken in hand", "info"),
    "leaving": Chip("Leaving", "info"),
    "sent": Chip("Sent", "good"),
    "failed": Chip("Not sent", "bad"),
    "outcome unknown": Chip("Outcome unknown", "warn"),
}
REPLY_CODE: Final = re.compile(r"[2-5]\d\d\b")  # a mail server's answer begins with it; our words do not
LOOKED_FOR: Final = timedelta(minutes=30)  # as the mailbox service does, then a person decides
REPLIED: Final = Chip("Replied", "good")
TITLES: Final = {
    "QuotaConsumed": "Permitted",
    "QuotaReleased": "Permit given back",
    "EmailQueued": "Queued",
    "EmailClaimed": "Taken in hand",
    "EmailSubmissionStarted": "Handed to the mail server",
    "EmailSent": "Sent",
    "EmailFailed": "Not sent",
    "EmailOutcomeUnknown": "Outcome unknown",
    "EmailBounced": "Bounced",
    "ReplyReceived": "Reply received",
}
AHEAD: Final = {
    "permitted": ("Queued", "Sent"),
    "queued": ("Handed to the mail server", "Sent"),
    "claimed": ("Handed to the mail server", "Sent"),
    "leaving": ("Sent",),
}


class ActivityController(Controller):
    path = "/activity"
    include_in_schema = False

    @get()
    async def show(  # noqa: PLR0913, PLR0917  a route's parameters
        self,
        request: AnyRequest,
        call: NamedDependency[Call],
        gateway: NamedDependency[Gateway],
        identity: FromQuery[str] = "",
        kind: FromQuery[str] = "",
        first: Annotated[str, QueryParameter(name="from")] = "",
        last: Annotated[str, QueryParameter(name="to")] = "",
        before: FromQuery[str] = "",
        after: FromQuery[str] = "",
    ) -> Response[str]:
        await gateway.views.seen(call.seen)
        wanted, shown = _filter(gateway, call, identity, kind, first, last)
        found = gateway.views.history(call.organization, wanted, before=before, after=after, limit=PAGE)
        page = ActivityPage(
            entries=tuple(map(_entry, found.entries)),
            older="" if after else found.older,
            filter=shown,
            identities=tuple(
                Option(str(one.id), one.name) for one in gateway.views.identities(call.organization)
            ),
            kinds=tuple(Option(name, words) for name, (words, _) in KINDS.items()),
        )
        return html("activity.html", await shell(request, gateway, call, "activity"), page)

    @get(["/export.csv", "/export.json"])
    async def export(
        self,
        request: AnyRequest,
        call: NamedDependency[Call],
        gateway: NamedDependency[Gateway],
        identity: FromQuery[str] = "",
        kind: FromQuery[str] = "",
        first: Annotated[str, QueryParameter(name="from")] = "",
        last: Annotated[str, QueryParameter(name="to")] = "",
    ) -> Stream:
        await gateway.views.seen(call.seen)
        wanted, shown = _filter(gateway, call, identity, kind, first, last)
        if shown.error:
            raise Refused("input.invalid", shown.error, status=422, field="from")
        form: Literal["csv", "jsonl"] = "csv" if request.url.path.endswith("csv") else "jsonl"
        return file(gateway.views, call.organization, wanted, form)

    @get("/mails/{attempt:uuid}")
    async def mail(
        self,
        attempt: FromPath[UUID],
        request: AnyRequest,
        call: NamedDependency[Call],
        gateway: NamedDependency[Gateway],
    ) -> Response[str]:
        await gateway.views.seen(call.seen)
        seen = gateway.views.mail(call.organization, attempt)
        return html("mail.html", await shell(request, gateway, call, "activity"), mail_page(seen))

    @get("/undecided")
    async def undecided(
        self, request: AnyRequest, call: NamedDependency[Call], gateway: NamedDependency[Gateway]
    ) -> Response[str]:
        await gateway.views.seen(call.seen)
        page = UndecidedPage(
            mails=tuple(map(_undecided, gateway.views.undecided(call.organization))),
            steps=await undecided_steps(gateway, call),
        )
        return html("undecided.html", await shell(request, gateway, call, "activity"), page)

    @post("/mails/{attempt:uuid}/outcome", status_code=200)
    async def decide(
        self,
        attempt: FromPath[UUID],
        request: AnyRequest,
        call: NamedDependency[Call],
        gateway: NamedDependency[Gateway],
    ) -> Response[str]:
        """Decided meanwhile by somebody else, or found out: the mail's page says what is known."""
        form = await posted(request)
        call = asked(call, form)
        where, flash, positions = f"/activity/mails/{attempt}", "mail-decided", list[str]()
        try:
            decision = DecideOutcome(attempt=attempt, sent=form.text("sent") == "yes")
            accepted = await gateway.contexts.send(decision, by=call.by, id=call.command)
            positions.append(accepted.position)
        except Refused as wrong:
            if wrong.code != "email.outcome-known":
                raise
            flash = "mail-known"
        return redirect(request, where, positions=positions, flash=flash)


class OrganizationPagesController(Controller):
    path = "/organization"
    include_in_schema = False

    @get()
    async def show(
        self, request: AnyRequest, call: NamedDependency[Call], gateway: NamedDependency[Gateway]
    ) -> Response[str]:
        await gateway.views.seen(call.seen)
        around = await shell(request, gateway, call, "organization")
        return html("organization.html", around, _organization(gateway, call))

    @post("/zone", status_code=200)
    async def zone(
        self, request: AnyRequest, call: NamedDependency[Call], gateway: NamedDependency[Gateway]
    ) -> Response[str]:
        call.require_admin()
        form = await posted(request)
        call = asked(call, form)
        try:
            accepted = await gateway.application.change_zone(call.command, call.by, form.text("zone"))
        except Refused as wrong:
            if not is_answerable(wrong):
                raise
            around = await shell(request, gateway, call, "organization")
            shown = filled(DayZoneForm, form.values, errors_of(wrong))
            page = replace(_organization(gateway, call), zone_form=shown)
            return html("organization.html", around, page, status=422)
        await gateway.views.seen([accepted.position])
        around = await shell(request, gateway, call, "organization")
        page = replace(_organization(gateway, call), zone_outcome=Outcome("saved", "Saved."))
        return html("organization.html", around, page, position=accepted.position)

    @post("/subscribers", status_code=200)
    async def subscribe(
        self, request: AnyRequest, call: NamedDependency[Call], gateway: NamedDependency[Gateway]
    ) -> Response[str]:
        call.require_admin()
        form = await posted(request)
        call = asked(call, form)
        around = await shell(request, gateway, call, "organization")
        try:
            made = await subscribe(gateway, call, form.text("name"))
        except Refused as wrong:
            if not is_answerable(wrong):
                raise
            shown = filled(SubscriberForm, form.values, errors_of(wrong))
            page = replace(_organization(gateway, call), subscriber_form=shown)
            return html("organization.html", around, page, status=422)
        await gateway.views.seen([made.position])
        user = made.rights.consumer
        text = {
            "url": gateway.nats_url,
            "user": user,
            "password": made.password,
            "stream": EVENTS,
            "consumer": user,
            "inbox_prefix": inbox_prefix(user),
        }
        credentials = NewCredentials(
            subscriber=form.text("name"),
            text=json.dumps(text, indent=2),
            server=gateway.nats_url,
            stream=EVENTS,
            consumer=user,
        )
        page = replace(_organization(gateway, call), credentials=credentials)
        return html("organization.html", around, page, position=made.position)

    @post("/subscribers/{subscriber:uuid}/revoke", status_code=200)
    async def revoke(
        self,
        subscriber: FromPath[UUID],
        request: AnyRequest,
        call: NamedDependency[Call],
        gateway: NamedDependency[Gateway],
    ) -> Response[str]:
        call.require_admin()
        call = asked(call, await posted(request))
        position = await revoke(gateway, call, subscriber)
        return redirect(request, "/organization", positions=[position], flash="subscriber-revoked")


def _organization(gateway: Gateway, call: Call) -> OrganizationPage:
    views, of = gateway.views, call.organization
    found = views.organization(of)
    return OrganizationPage(
        name=found.name,
        people=tuple(
            Person(name=one.name, email=one.email, role=one.role, you=one.id == call.session.user)
            for one in views.people(of)
        ),
        subscribers=tuple(
            Subscriber(
                id=one.id,
                name=one.name,
                created_at=one.created,
                created_by=one.created_by,
                consumer=f"sub_{one.id}",
            )
            for one in views.subscribers(of)
        ),
        zone_form=filled(DayZoneForm, {"zone": found.zone}),
    )


def _filter(
    gateway: Gateway, call: Call, identity: str, kind: str, first: str, last: str
) -> tuple[HistoryFilter, ActivityFilter]:
    shown = ActivityFilter(identity=identity, kind=kind, first=first, last=last)
    try:
        who = UUID(identity) if identity else None
        begin = date.fromisoformat(first) if first else None
        end = date.fromisoformat(last) if last else None
    except ValueError:
        return HistoryFilter(), replace(shown, error="Choose days such as 2026-11-24.")
    if begin and end and begin > end:
        shown = replace(shown, error="The first day is after the last.")
    return filter_of(gateway.views, call.organization, who, kind, begin, end), shown


def _entry(one: HistoryEntry) -> ActivityEntry:
    return ActivityEntry(
        cursor=one.cursor,
        at=one.at,
        actor=one.actor_name,
        what=one.what,
        outcome=Chip(one.outcome, one.tone),
        cause=one.cause,
        identity=UUID(one.identity) if one.identity else None,
        identity_name=one.identity_name,
        href=f"/activity/{'steps' if one.step else 'mails'}/{one.attempt}" if one.attempt else "",
    )


def _step(seen: MailSeen, one: HistoryEntry) -> MailStep:
    title = TITLES.get(one.type, one.outcome)
    told = seen.answer if one.type == "EmailSent" else ""
    by_server = REPLY_CODE.match(told) is not None
    return MailStep(
        title=title,
        at=one.at,
        detail=told if told and not by_server else _more(one, title),
        words=told if by_server else "",
        who=one.actor_name if one.actor.partition(":")[0] != "system" else "",
        state="bad" if one.tone == "bad" else "done",
    )


def _more(one: HistoryEntry, title: str) -> str:
    """What an entry says beyond the step's title."""
    return "" if one.what.casefold().endswith(title.casefold()) else one.what


def _undecided(seen: MailSeen) -> UndecidedMail:
    unknown = next(one for one in reversed(seen.entries) if one.type == "EmailOutcomeUnknown")
    return UndecidedMail(
        attempt=seen.attempt,
        subject=seen.subject,
        sender=seen.sender,
        recipient=seen.to,
        identity=seen.identity,
        identity_name=unknown.identity_name,
        since=unknown.at,
        reason=unknown.what,
    )


def mail_page(seen: MailSeen) -> MailPage:
    """One mail as its page shows it."""
    done = [_step(seen, one) for one in seen.entries]
    ahead = [MailStep(title=title, state="waiting") for title in AHEAD.get(seen.state, ())]
    return MailPage(
        attempt=seen.attempt,
        subject=seen.subject,
        sender=seen.sender,
        recipient=seen.to,
        state=REPLIED if any(one.type == "ReplyReceived" for one in seen.entries) else STATES[seen.state],
        identity=seen.identity,
        identity_name=seen.entries[0].identity_name,
        steps=(*done, *ahead),
        message_id=seen.message_id,
        text=seen.text if any(one.type == "EmailQueued" for one in seen.entries) else None,
        left=seen.state == "sent",
        replies=tuple(
            Reply(at=entry.at, text=text)
            for entry, text in zip(
                (one for one in seen.entries if one.type == "ReplyReceived"), seen.replies, strict=True
            )
        ),
        undecided=seen.state == "outcome unknown",
        looked_for_until=next(
            (
                one.at + LOOKED_FOR
                for one in seen.entries
                if one.type == "EmailSubmissionStarted" and seen.state == "leaving"
            ),
            None,
        ),
    )
