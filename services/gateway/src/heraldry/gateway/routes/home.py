"""The dashboard, adding an identity, pictures, and what happens now."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Annotated, Final, cast
from zoneinfo import ZoneInfo

from heraldry.contracts.base import Refused
from heraldry.contracts.identity import CreateIdentity, WorkingHours
from heraldry.gateway.api.identities import identity_of
from heraldry.gateway.cards import Card, Overview, overview
from heraldry.gateway.pages.forms import AddIdentityForm, filled
from heraldry.gateway.pages.models import (
    INBOX_STATES,
    LINKEDIN_STATES,
    AddIdentityPage,
    Chip,
    DashboardPage,
    Figures,
    IdentityCard,
    InboxState,
    Notice,
    Period,
    PeriodKind,
    Trends,
    Waiting,
    Way,
)
from heraldry.gateway.routes.details import typed_details, typed_name, typed_picture, wrong_details
from heraldry.gateway.routes.share_models import share_section
from heraldry.gateway.routes.shown import (
    asked,
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
from litestar.params import FromQuery, QueryParameter
from litestar.response import Stream
from pydantic import ValidationError

LONGEST_NUMBER: Final = 20  # digits of a sequence
PERIODS: Mapping[str, int] = {"today": 1, "7d": 7, "30d": 30}


class HomeController(Controller):
    include_in_schema = False

    @get("/")
    async def root(self, request: AnyRequest, call: NamedDependency[Call]) -> Response[str]:
        del call
        return redirect(request, "/identities")

    @get("/events")
    async def events(
        self,
        request: AnyRequest,
        call: NamedDependency[Call],
        gateway: NamedDependency[Gateway],
        after: FromQuery[str] = "",
    ) -> Stream:
        given = request.headers.get("last-event-id") or after
        last = int(given) if given.isascii() and given.isdigit() and len(given) < LONGEST_NUMBER else None
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        stream = gateway.live.stream(str(call.organization), last)
        return Stream(stream, media_type="text/event-stream", headers=headers)

    @get("/identities")
    async def dashboard(
        self,
        request: AnyRequest,
        call: NamedDependency[Call],
        gateway: NamedDependency[Gateway],
        q: FromQuery[str] = "",
        period: FromQuery[str] = "today",
        first: Annotated[str, QueryParameter(name="from")] = "",
        last: Annotated[str, QueryParameter(name="to")] = "",
    ) -> Response[str]:
        await gateway.views.seen(call.seen)
        chosen = _period(gateway, call, period, first, last)
        found = overview(gateway, call.organization, chosen.first, chosen.last, q)
        page = DashboardPage(
            period=chosen,
            search=q,
            identities=found.identities,
            cards=tuple(map(_card, found.cards)),
            trends=Trends(
                connections=found.connections_trend,
                messages=found.messages_trend,
                replied=found.replied_trend,
                bounce_rate=found.bounce_rate_trend,
            ),
            notices=_notices(found, len(gateway.views.undecided(call.organization))),
            day_zone=found.zone,
        )
        return html("dashboard.html", await shell(request, gateway, call, "identities"), page)

    @get("/identities/new")
    async def new(
        self,
        request: AnyRequest,
        call: NamedDependency[Call],
        gateway: NamedDependency[Gateway],
        way: FromQuery[str] = "",
    ) -> Response[str]:
        page = AddIdentityPage(
            way=cast("Way", way if way in {"credentials", "share"} else "manually"),
            share=await share_section(gateway, call),
        )
        return html("add_identity.html", await shell(request, gateway, call, "identities"), page)

    @post("/identities", status_code=200)
    async def add(
        self, request: AnyRequest, call: NamedDependency[Call], gateway: NamedDependency[Gateway]
    ) -> Response[str]:
        form = await posted(request)
        call = asked(call, form)
        identity = identity_of(call.command)
        try:
            zone = form.text("zone") or reader_zone(
                request, gateway.views.organization(call.organization).zone
            )
            create = CreateIdentity(
                identity=identity,
                name=typed_name(form),
                details=typed_details(form),
                hours=WorkingHours(zone=zone),
                picture=await typed_picture(request),
            )
            accepted = await gateway.contexts.send(create, by=call.by, id=call.command)
        except (ValidationError, Refused) as wrong:
            if isinstance(wrong, Refused) and not is_answerable(wrong):
                raise
            page = AddIdentityPage(
                form=filled(AddIdentityForm, form.values, wrong_details(wrong)),
                share=await share_section(gateway, call),
            )
            around = await shell(request, gateway, call, "identities")
            return html("add_identity.html", around, page, status=422)
        return redirect(
            request, f"/identities/{identity}", positions=[accepted.position], flash="identity-added"
        )


def _period(gateway: Gateway, call: Call, kind: str, first: str, last: str) -> Period:
    today = gateway.now().astimezone(ZoneInfo(gateway.views.organization(call.organization).zone)).date()
    if kind in PERIODS:
        return Period(
            kind=cast("PeriodKind", kind), first=today - timedelta(days=PERIODS[kind] - 1), last=today
        )
    if kind == "custom":
        try:
            begin, end = date.fromisoformat(first), date.fromisoformat(last)
        except ValueError:
            return Period(kind="custom", first=today, last=today, error="Choose a first and a last day.")
        if begin > end or (end - begin).days > 365:  # noqa: PLR2004  a year
            error = "Choose a first day that is not after the last, at most a year."
            return Period(kind="custom", first=today, last=today, error=error)
        return Period(kind="custom", first=begin, last=end)
    return Period(kind="today", first=today, last=today)


def _card(card: Card) -> IdentityCard:
    return IdentityCard(
        id=card.identity,
        name=card.name,
        job_title=card.job_title,
        picture=card.picture,
        chips=chips(card),
        figures=Figures(**card.figures.model_dump(exclude={"bounce_rate"})),
        waiting=tuple(Waiting(one.reason, one.until) for one in card.waiting),
    )


def chips(card: Card) -> tuple[Chip, ...]:
    account = LINKEDIN_STATES[card.linkedin.state] if card.linkedin else None
    linkedin = (Chip(f"LinkedIn: {account.text}", account.tone),) if account else ()
    shown = [one for one in card.inboxes if one.state != "disconnected"]
    states = [INBOX_STATES[cast("InboxState", one.state)] for one in shown]
    return (
        *linkedin,
        *(Chip(f"{one.address}: {state.text}", state.tone) for one, state in zip(shown, states, strict=True)),
    )


def _notices(found: Overview, undecided: int) -> tuple[Notice, ...]:
    count = "1 mail" if undecided == 1 else f"{undecided} mails"
    decide = Notice(
        title=f"Nobody knows whether {count} left.",
        text="A connection broke at the moment of sending. Somebody has to look and decide.",
        href="/activity/undecided",
        link="Decide",
    )
    linkedin = tuple(
        Notice(
            title=f"LinkedIn of {card.name}: {LINKEDIN_STATES[card.linkedin.state].text.lower()}.",
            text=card.linkedin.detail,
            tone="bad",
            href=f"/identities/{card.identity}?section=linkedin",
            link="Look at it",
        )
        for card in found.cards
        if card.linkedin and LINKEDIN_STATES[card.linkedin.state].tone == "bad"
    )
    reconnect = tuple(
        Notice(
            title=f"{inbox.address} needs to be reconnected.",
            text=inbox.detail,
            tone="bad",
            href=f"/identities/{card.identity}/inboxes/new?inbox={inbox.inbox}",
            link="Reconnect",
        )
        for card in found.cards
        for inbox in card.inboxes
        if inbox.state == "reconnect"
    )
    paused = tuple(
        Notice(
            title=f"{inbox.address} is paused.",
            text=inbox.detail,
            href=f"/identities/{card.identity}?section=email",
            link="Look at it",
        )
        for card in found.cards
        for inbox in card.inboxes
        if inbox.state == "paused"
    )
    notices = (*linkedin, *reconnect, *paused)
    return (*notices, decide) if undecided else notices
