"""What every request passes: where it comes from, its CSRF token; and what every answer carries."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from heraldry.contracts.base import Refused
from heraldry.gateway.pages.forms import CSRF_FIELD
from heraldry.gateway.state import (
    BEARER,
    LINK_COOKIE,
    SAFE,
    SESSION_COOKIE,
    VISITOR_COOKIE,
    AnyRequest,
    Gateway,
    media_type_of,
)
from litestar.types import ASGIApp, Message, Receive, Scope, Send

CSRF_HEADER: Final = "x-csrf-token"
BY_LINK: Final = "/unsubscribe/"  # the link itself is the authority, wherever the request comes from
SHARED: Final = "/share/"  # its pages send no referrer, and so their forms the origin "null"
NO_ORIGIN: Final = "null"
POLICY: Final = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; img-src 'self' blob: data:;"
    b" connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS: Final = (
    (
        b"content-security-policy",
        POLICY,
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
)
BY_ADDRESS: Final = (  # whoever knows such an address may use it: it is told to nobody, and found by nobody
    *(header for header in HEADERS if header[0] != b"referrer-policy"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-robots-tag", b"noindex, nofollow"),
)


async def check(request: AnyRequest, gateway: Gateway) -> None:
    """Refuse a change that another site's page could have caused. Refused `origin.foreign`, `csrf.missing`.

    A program with a token in its Authorization header needs no CSRF token: no browser sends that by itself.
    """
    if request.method in SAFE or request.url.path.startswith(BY_LINK):
        return
    _check_origin(request, gateway)
    if request.headers.get("authorization", "").lower().startswith(BEARER):
        return
    cookies = [request.cookies.get(name, "") for name in (SESSION_COOKIE, VISITOR_COOKIE, LINK_COOKIE)]
    if request.url.path == "/api/v1/sessions" and not any(cookies):
        return
    given = request.headers.get(CSRF_HEADER, "") or await _posted(request)
    if not any(cookie and gateway.sessions.csrf_holds(cookie, given) for cookie in cookies):
        raise Refused(
            "csrf.missing",
            "This form is no longer valid, perhaps because you signed out. Load the page again and repeat.",
            status=403,
        )


async def _posted(request: AnyRequest) -> str:
    if media_type_of(request) not in {"application/x-www-form-urlencoded", "multipart/form-data"}:
        return ""
    found: object = (await request.form()).get(CSRF_FIELD, "")
    return found if isinstance(found, str) else ""


def _check_origin(request: AnyRequest, gateway: Gateway) -> None:
    origin = request.headers.get("origin")
    site = request.headers.get("sec-fetch-site", "none")
    own = {request.headers.get("host", ""), urlsplit(gateway.public_url).netloc}
    if origin == NO_ORIGIN and request.url.path.startswith(SHARED):
        origin = None  # the CSRF token, bound to the link's own cookie, says where it comes from
    if site == "cross-site" or (origin is not None and urlsplit(origin).netloc not in own):
        raise Refused("origin.foreign", "This can only be asked from this site's own pages.", status=403)


def with_headers(app: ASGIApp) -> ASGIApp:
    """Adds headers to every answer, also to errors and files; what the answer says itself stays."""

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        shared = scope["type"] == "http" and scope["path"].startswith(SHARED)
        headers = BY_ADDRESS if shared else HEADERS

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                there = {name.lower() for name, _ in message["headers"]}
                added = [header for header in headers if header[0] not in there]
                message["headers"] = [*message["headers"], *added]
            await send(message)

        await app(scope, receive, sending)

    return wrapped
