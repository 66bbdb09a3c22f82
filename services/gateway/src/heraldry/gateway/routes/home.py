"""The dashboard, adding an identity, pictures, and what happens now."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Annotated, Final, cast
from zoneinfo import ZoneInfo

from heraldry.contracts.base import Refused
from heraldry.contracts.identity import CreateIdentity, WorkingHours
from heraldry.gateway.api.identities import identity_of
from heraldry.gateway.cards import Card, overview
from heraldry.gateway.pages.forms import AddIdentityForm, filled
from heraldry.gateway.pages.models import (
    AddIdentityPage,
    DashboardPage,
    Figures,
    IdentityCard,
    Period,
    PeriodKind,
    Trends,
    Waiting,
    Way,
)
from heraldry.gateway.routes.details import typed_details, typed_name, typed_picture, wrong_details
from heraldry.gateway.routes.notices import chips, notices
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
            notices=notices(
                found,
                mails=len(gateway.views.undecided(call.organization)),
                steps=gateway.views.undecided_steps(call.organization),
            ),
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
            way=cast("Way", way if way in {"manually", "share"} else "credentials"),
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
                way="manually",
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
