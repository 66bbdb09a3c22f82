"""Browsers at the address of a share link: what the link is to them, and what surrounds its pages.

Nobody is signed in: the token is the authority. A cookie that only this link's address gets tells its browsers apart
and carries the CSRF token. The pages send no referrer and are kept nowhere.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID, uuid4, uuid5

from heraldry.chassis import tracing
from heraldry.contracts.base import By, Refused
from heraldry.contracts.identity import GetIdentity
from heraldry.contracts.share_links import LookUpShareLink, ShareLinkStanding, Way
from heraldry.gateway.pages.forms import AddIdentityForm, CredentialsForm
from heraldry.gateway.pages.models import SharedGone, SharedGonePage, SharedPage, SharedStage, Shell
from heraldry.gateway.routes.shown import html, reader_zone, redirect
from heraldry.gateway.state import LINK_COOKIE, AnyRequest, Gateway, seen_of
from heraldry.gateway.throttles import LINKS_UNREADABLE, SHARED_TRIES, Limit
from litestar import Response
from litestar.datastructures import Cookie

PATIENCE: Final = 5.0  # seconds a form waits for the identity to be made
LOOK: Final = 0.1
COOKIE_LASTS: Final = 25 * 3600  # seconds: longer than the link
REFUSALS: Final[dict[str, SharedGone]] = {
    "share-link.unknown": "unknown",
    "share-link.taken": "taken",
    "share-link.used": "used",
    "share-link.expired": "expired",
    "share-link.revoked": "revoked",
    "share-link.too-many-tries": "exhausted",
}
STATUS: Final[dict[SharedGone, int]] = {"unknown": 404, "taken": 409}  # all others: 410


@dataclass(frozen=True, slots=True)
class Visit:
    """A browser at a link's address. `cookie`: what it is recognised by; `fresh`: it gets it now."""

    token: str = field(repr=False)
    cookie: str = field(repr=False)
    fresh: bool
    browser: str
    link: ShareLinkStanding
    command: UUID
    seen: tuple[str, ...]

    @property
    def url(self) -> str:
        return f"/share/{self.token}"

    @property
    def by(self) -> By:
        return _by(self.link.link, self.link.organization)


async def visiting(request: AnyRequest, gateway: Gateway, token: str, form: UUID | None = None) -> Visit:
    """Refused `share-link.unknown` for what is no link of ours; too many of those have to wait."""
    link = gateway.share_tokens.link(token)
    if link is None:
        client = request.client.host if request.client else ""
        await throttled(gateway, f"share unreadable {client}", LINKS_UNREADABLE)
        raise Refused("share-link.unknown", "There is no such link.", status=404)
    given = request.cookies.get(LINK_COOKIE, "")
    cookie = given or secrets.token_urlsafe(24)
    browser = gateway.share_tokens.browser(cookie)
    query = LookUpShareLink(link=link, browser=browser)
    standing = await gateway.contexts.ask(query, by=_by(link, None))
    command = uuid5(link, f"visit {form or uuid4()}")
    return Visit(token, cookie, not given, browser, standing, command, seen_of(request))


async def refreshing(request: AnyRequest, gateway: Gateway, token: str, form: UUID | None = None) -> Visit:
    """At a refresh link that works."""
    visit = await visiting(request, gateway, token, form)
    if visit.link.kind != "refresh":
        raise Refused("share-link.unknown", "There is no such link.", status=404)
    check(visit)
    return visit


def _by(link: UUID, organization: UUID | None) -> By:
    return By(organization=organization, actor=f"link:{link}", correlation=tracing.correlation())


def check(visit: Visit) -> None:
    """Refused unless the link works for this browser."""
    code = next((code for code, state in REFUSALS.items() if state == visit.link.state), "")
    if code:
        until = visit.link.busy_until
        raise Refused(code, "This link does not work.", extra={"until": until.isoformat()} if until else {})


async def count_try(gateway: Gateway, visit: Visit) -> None:
    await throttled(gateway, f"share {visit.link.link}", SHARED_TRIES)


async def throttled(gateway: Gateway, what: str, limit: Limit) -> None:
    try:
        await gateway.throttles.count(what, limit)
    except Refused as refusal:
        raise Refused(
            "share-link.throttled",
            "There were too many tries. Wait a few minutes and open the link again.",
            status=429,
            extra=refusal.extra,
        ) from refusal


async def looked_up(
    gateway: Gateway, visit: Visit, enough: Callable[[ShareLinkStanding], bool]
) -> ShareLinkStanding:
    """The link as soon as it is so, or as it is when the form's patience ends."""
    loop = asyncio.get_running_loop()
    until = loop.time() + PATIENCE
    query = LookUpShareLink(link=visit.link.link, browser=visit.browser)
    while True:
        found = await gateway.contexts.ask(query, by=visit.by)
        if enough(found) or loop.time() > until:
            return found
        await asyncio.sleep(LOOK)


async def identity_there(gateway: Gateway, visit: Visit) -> None:
    """Return when the identity of a create link is made. Refused `service.unavailable` if that takes long."""
    loop = asyncio.get_running_loop()
    until = loop.time() + PATIENCE
    while loop.time() < until:
        with suppress(Refused):
            await name_of(gateway, visit)
            return
        await asyncio.sleep(LOOK)
    raise Refused(
        "service.unavailable",
        "What you typed is kept, but it takes longer than usual. Try again in a moment.",
        status=503,
    )


def create_page(
    request: AnyRequest,
    gateway: Gateway,
    visit: Visit,
    stage: SharedStage,
    *,
    way: Way = "manually",
    form: AddIdentityForm | None = None,
    credentials: CredentialsForm | None = None,
) -> Response[str]:
    """Adding an identity. `form`, `credentials`: what was typed and is wrong."""
    page = SharedPage(
        stage=stage,
        way="credentials" if credentials else way,
        organization=organization_of(gateway, visit),
        action=visit.url,
        valid_until=visit.link.valid_until,
        form=form or AddIdentityForm(),
        credentials=credentials or CredentialsForm(),
    )
    status = 422 if form or credentials else 200
    return page_of(request, gateway, visit, "shared_create.html", page, status=status)


def organization_of(gateway: Gateway, visit: Visit) -> str:
    return gateway.views.organization(visit.link.organization).name


async def name_of(gateway: Gateway, visit: Visit) -> str:
    query = GetIdentity(identity=visit.link.identity)
    return (await gateway.contexts.ask(query, by=visit.by, seen=visit.seen)).name


def page_of(
    request: AnyRequest, gateway: Gateway, visit: Visit, name: str, page: object, *, status: int = 200
) -> Response[str]:
    zone = gateway.views.organization(visit.link.organization).zone
    shell = Shell(csrf=gateway.sessions.csrf(visit.cookie), zone=reader_zone(request, zone))
    return html(name, shell, page, status=status, cookies=_cookies(gateway, visit))


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


def back(request: AnyRequest, visit: Visit, where: str = "", position: str = "") -> Response[str]:
    """After a form: to a page of the link, which is not older than what the form did."""
    return redirect(request, visit.url + where, positions=[position] if position else ())


def gone(refusal: Refused) -> Response[str]:
    """The page of a link that does not work: which of the reasons it is, and nothing else."""
    reason = REFUSALS.get(refusal.code)
    if reason is None:
        raise refusal
    until = refusal.extra.get("until")
    page = SharedGonePage(reason, datetime.fromisoformat(until) if until else None)
    answer = html("shared_gone.html", Shell(csrf=""), page, status=STATUS.get(reason, 410))
    answer.headers["HX-Refresh"] = "true"  # a page that is open shows it as a whole
    return answer
