"""The pages of a share link, for whoever has it. Nobody is signed in: the token is the authority.

A GET changes nothing. A cookie that only this link's address gets tells its browsers apart and carries the CSRF
token. The pages send no referrer, are kept nowhere, and name nothing but what the link is about.
"""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID, uuid4, uuid5

from heraldry.contracts.base import By, Refused
from heraldry.contracts.identity import GetIdentity, WorkingHours
from heraldry.contracts.mailbox import ListInboxes
from heraldry.contracts.share_links import LookUpShareLink, ShareLinkStanding, TakeShareLink
from heraldry.gateway.pages.forms import AddIdentityForm, ConnectInboxForm, filled
from heraldry.gateway.pages.models import (
    Flash,
    SharedGone,
    SharedGonePage,
    SharedInbox,
    SharedInboxPage,
    SharedPage,
    SharedRefreshPage,
    SharedStage,
    Shell,
)
from heraldry.gateway.routes.connecting import tried, values
from heraldry.gateway.routes.details import typed_details, typed_name, typed_picture, wrong_details
from heraldry.gateway.routes.inbox_models import find, state_of
from heraldry.gateway.routes.shown import asked_id, html, is_answerable, posted, reader_zone, redirect
from heraldry.gateway.state import LINK_COOKIE, AnyRequest, Gateway
from heraldry.gateway.throttles import LINKS_UNREADABLE, SHARED_TRIES, Limit
from litestar import Controller, MediaType, Response, get, head, post
from litestar.datastructures import Cookie
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery
from pydantic import ValidationError

COOKIE_LASTS: Final = 25 * 3600  # seconds: longer than the link
PATIENCE: Final = 5.0  # seconds the form waits for the identity to be made
LOOK: Final = 0.1
PRIVATE: Final = {"Referrer-Policy": "no-referrer", "X-Robots-Tag": "noindex, nofollow"}
REFUSALS: Final[dict[str, SharedGone]] = {
    "share-link.unknown": "unknown",
    "share-link.taken": "taken",
    "share-link.used": "used",
    "share-link.expired": "expired",
    "share-link.revoked": "revoked",
    "share-link.too-many-tries": "exhausted",
}
STATUS: Final[dict[SharedGone, int]] = {"unknown": 404, "taken": 409}  # all others: 410
ELSEWHERE: Final = "inbox.belongs-to-another-identity"
TOLD: Final = {
    "connected": Flash("The inbox is connected: it can send, and its mail is read."),
    "connecting": Flash("The inbox is still being tried. It shows here as soon as it is known.", "info"),
}


@dataclass(frozen=True, slots=True)
class Visit:
    """A browser at a link's address. `cookie`: what it is recognised by; `fresh`: it gets it now."""

    token: str = field(repr=False)
    cookie: str = field(repr=False)
    fresh: bool
    browser: str
    link: ShareLinkStanding
    command: UUID
    seen: tuple[str, ...] = ()

    @property
    def url(self) -> str:
        return f"/share/{self.token}"

    @property
    def by(self) -> By:
        return _by(self.link.link, self.link.organization)


class SharedController(Controller):
    path = "/share"
    include_in_schema = False

    @get("/{token:str}")
    async def show(
        self,
        token: FromPath[str],
        request: AnyRequest,
        gateway: NamedDependency[Gateway],
        told: FromQuery[str] = "",
    ) -> Response[str]:
        try:
            visit = await _visit(request, gateway, token)
            if visit.link.kind == "refresh":
                _check(visit)
                return await _refresh_page(request, gateway, visit, told)
            if visit.link.state == "used" and visit.link.yours:
                return _create_page(request, gateway, visit, "done" if visit.link.done else "storing")
            _check(visit)
        except Refused as refusal:
            return _gone(refusal)
        return _create_page(request, gateway, visit, "asking")

    @head("/{token:str}")
    async def look(
        self, token: FromPath[str], request: AnyRequest, gateway: NamedDependency[Gateway]
    ) -> Response[None]:
        try:
            _check(await _visit(request, gateway, token))
        except Refused as refusal:
            gone = _gone(refusal)
            return Response(None, status_code=gone.status_code, media_type=MediaType.HTML, headers=PRIVATE)
        return Response(None, media_type=MediaType.HTML, headers=PRIVATE)

    @post("/{token:str}", status_code=200)
    async def take(
        self, token: FromPath[str], request: AnyRequest, gateway: NamedDependency[Gateway]
    ) -> Response[str]:
        form = await posted(request)
        try:
            visit = await _visit(request, gateway, token, asked_id(form))
        except Refused as refusal:
            return _gone(refusal)
        await _count(gateway, visit)
        try:
            take = TakeShareLink(
                link=visit.link.link,
                browser=visit.browser,
                way="manually",
                name=typed_name(form),
                details=typed_details(form),
                hours=WorkingHours(zone=form.text("zone") or reader_zone(request, "UTC")),
                picture=await typed_picture(request),
            )
            await gateway.contexts.send(take, by=visit.by, id=visit.command)
        except (ValidationError, Refused) as wrong:
            if isinstance(wrong, Refused) and wrong.code in REFUSALS:
                return _gone(wrong)
            if isinstance(wrong, Refused) and not is_answerable(wrong):
                raise
            again = filled(AddIdentityForm, form.values, wrong_details(wrong))
            return _create_page(request, gateway, visit, "asking", again)
        await _made(gateway, visit)
        return _back(request, visit)

    @get("/{token:str}/inbox")
    async def inbox(
        self,
        token: FromPath[str],
        request: AnyRequest,
        gateway: NamedDependency[Gateway],
        inbox: FromQuery[UUID | None] = None,
    ) -> Response[str]:
        try:
            visit = await _refreshing(request, gateway, token)
        except Refused as refusal:
            return _gone(refusal)
        form = ConnectInboxForm()
        if inbox is not None:
            form = filled(ConnectInboxForm, values(await find(gateway, visit, visit.link.identity, inbox)))
        page = SharedInboxPage(
            organization=_organization(gateway, visit),
            identity_name=await _name(gateway, visit),
            action=visit.url,
            form=form,
            reconnect=inbox is not None,
        )
        return _page(request, gateway, visit, "shared_inbox.html", page)

    @post("/{token:str}/inbox", status_code=200)
    async def connect(
        self, token: FromPath[str], request: AnyRequest, gateway: NamedDependency[Gateway]
    ) -> Response[str]:
        form = await posted(request)
        try:
            visit = await _refreshing(request, gateway, token, asked_id(form))
        except Refused as refusal:
            return _gone(refusal)
        await _count(gateway, visit)
        outcome = await tried(gateway, visit, visit.link.identity, form)
        if outcome.connected or outcome.connecting:
            return _back(request, visit, "connected" if outcome.connected else "connecting")
        errors = dict(outcome.errors)
        if outcome.refused == ELSEWHERE:  # whose it is, is nobody's business here
            errors = {"email": "This address is in use elsewhere. Use another one, or ask who invited you."}
        page = SharedInboxPage(
            organization=_organization(gateway, visit),
            identity_name=await _name(gateway, visit),
            action=visit.url,
            form=filled(ConnectInboxForm, form.values, errors),
            diagnosis=outcome.diagnosis,
        )
        return _page(request, gateway, visit, "shared_inbox.html", page, status=422)


async def _visit(request: AnyRequest, gateway: Gateway, token: str, form: UUID | None = None) -> Visit:
    """Refused `share-link.unknown` for what is no link of ours; too many of those have to wait."""
    link = gateway.share_tokens.link(token)
    if link is None:
        client = request.client.host if request.client else ""
        await _throttled(gateway, f"share unreadable {client}", LINKS_UNREADABLE)
        raise Refused("share-link.unknown", "There is no such link.", status=404)
    given = request.cookies.get(LINK_COOKIE, "")
    cookie = given or secrets.token_urlsafe(24)
    browser = gateway.share_tokens.browser(cookie)
    query = LookUpShareLink(link=link, browser=browser)
    standing = await gateway.contexts.ask(query, by=_by(link, None))
    return Visit(token, cookie, not given, browser, standing, uuid5(link, f"visit {form or uuid4()}"))


async def _refreshing(request: AnyRequest, gateway: Gateway, token: str, form: UUID | None = None) -> Visit:
    """At a refresh link that works."""
    visit = await _visit(request, gateway, token, form)
    if visit.link.kind != "refresh":
        raise Refused("share-link.unknown", "There is no such link.", status=404)
    _check(visit)
    return visit


def _by(link: UUID, organization: UUID | None) -> By:
    return By(organization=organization, actor=f"link:{link}", correlation=str(uuid4()))


def _check(visit: Visit) -> None:
    """Refused unless the link works for this browser."""
    code = next((code for code, state in REFUSALS.items() if state == visit.link.state), "")
    if code:
        until = visit.link.busy_until
        raise Refused(code, "This link does not work.", extra={"until": until.isoformat()} if until else {})


async def _count(gateway: Gateway, visit: Visit) -> None:
    await _throttled(gateway, f"share {visit.link.link}", SHARED_TRIES)


async def _throttled(gateway: Gateway, what: str, limit: Limit) -> None:
    try:
        await gateway.throttles.count(what, limit)
    except Refused as refusal:
        raise Refused(
            "share-link.throttled",
            "There were too many tries. Wait a few minutes and open the link again.",
            status=429,
            extra=refusal.extra,
        ) from refusal


async def _made(gateway: Gateway, visit: Visit) -> None:
    """Wait until the identity is there. Where that takes long, the page says so and looks again."""
    loop = asyncio.get_running_loop()
    until = loop.time() + PATIENCE
    query = LookUpShareLink(link=visit.link.link, browser=visit.browser)
    while loop.time() < until:
        if (await gateway.contexts.ask(query, by=visit.by)).done:
            return
        await asyncio.sleep(LOOK)


def _create_page(
    request: AnyRequest,
    gateway: Gateway,
    visit: Visit,
    stage: SharedStage,
    form: AddIdentityForm | None = None,
) -> Response[str]:
    page = SharedPage(
        stage=stage,
        organization=_organization(gateway, visit),
        action=visit.url,
        valid_until=visit.link.valid_until,
        form=form or AddIdentityForm(),
    )
    return _page(request, gateway, visit, "shared_create.html", page, status=422 if form else 200)


async def _refresh_page(request: AnyRequest, gateway: Gateway, visit: Visit, told: str) -> Response[str]:
    inboxes = await gateway.contexts.ask(ListInboxes(identity=visit.link.identity), by=visit.by)
    page = SharedRefreshPage(
        organization=_organization(gateway, visit),
        identity_name=await _name(gateway, visit),
        action=visit.url,
        valid_until=visit.link.valid_until,
        inboxes=tuple(
            SharedInbox(
                id=one.inbox,
                address=one.address,
                state=state_of(one),
                detail=one.diagnosis.cause if one.diagnosis else "",
            )
            for one in inboxes
            if one.state != "failed"
        ),
        told=TOLD.get(told),
    )
    return _page(request, gateway, visit, "shared_refresh.html", page)


def _organization(gateway: Gateway, visit: Visit) -> str:
    return gateway.views.organization(visit.link.organization).name


async def _name(gateway: Gateway, visit: Visit) -> str:
    return (await gateway.contexts.ask(GetIdentity(identity=visit.link.identity), by=visit.by)).name


def _page(
    request: AnyRequest, gateway: Gateway, visit: Visit, name: str, page: object, *, status: int = 200
) -> Response[str]:
    zone = gateway.views.organization(visit.link.organization).zone
    shell = Shell(csrf=gateway.sessions.csrf(visit.cookie), zone=reader_zone(request, zone))
    answer = html(name, shell, page, status=status, cookies=_cookies(gateway, visit))
    answer.headers.update(PRIVATE)
    return answer


def _cookies(gateway: Gateway, visit: Visit) -> list[Cookie]:
    if not visit.fresh:
        return []
    kept = Cookie(
        LINK_COOKIE,
        value=visit.cookie,
        max_age=COOKIE_LASTS,
        path=visit.url,
        httponly=True,
        samesite="lax",
        secure=gateway.secure,
    )
    return [kept]


def _back(request: AnyRequest, visit: Visit, told: str = "") -> Response[str]:
    """After a form: to the link's own page."""
    answer = redirect(request, visit.url + (f"?told={told}" if told else ""))
    answer.headers.update(PRIVATE)
    return answer


def _gone(refusal: Refused) -> Response[str]:
    """The page of a link that does not work: which of the reasons it is, and nothing else."""
    reason = REFUSALS.get(refusal.code)
    if reason is None:
        raise refusal
    until = refusal.extra.get("until")
    page = SharedGonePage(reason, datetime.fromisoformat(until) if until else None)
    answer = html("shared_gone.html", Shell(csrf=""), page, status=STATUS.get(reason, 410))
    answer.headers.update(PRIVATE)
    return answer
