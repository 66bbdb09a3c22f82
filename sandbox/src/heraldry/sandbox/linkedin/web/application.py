"""The stand-in of LinkedIn as an application, on a port of its own: its addresses begin at the root."""

from __future__ import annotations

import logging
from typing import Any

from heraldry.sandbox.errors import SandboxError
from heraldry.sandbox.linkedin.site import LinkedIn
from heraldry.sandbox.linkedin.web.door import account_of, admit, own_person
from heraldry.sandbox.linkedin.web.member import MemberController
from heraldry.sandbox.linkedin.web.messaging import MessagingController
from heraldry.sandbox.linkedin.web.network import NetworkController
from heraldry.sandbox.linkedin.web.profile import ProfileController
from heraldry.sandbox.linkedin.web.rendering import Pages
from heraldry.sandbox.linkedin.web.signing_in import SignInController
from litestar import Litestar, MediaType, Request, Response, get
from litestar.datastructures import State
from litestar.di import NamedDependency, Provide
from litestar.exceptions import HTTPException
from litestar.params import FromPath
from litestar.response import Redirect
from litestar.types import ASGIApp, Message, Receive, Scope, Send

log = logging.getLogger(__name__)
MOST_BODY = 100_000  # bytes
POLICY = (
    "default-src 'none'",
    "style-src 'self'",
    "script-src 'self'",
    "connect-src 'self'",
    "frame-src 'self'",
    "img-src 'self' data:",  # data: is the empty icon
    "form-action 'self'",
    "base-uri 'none'",
    "frame-ancestors 'self'",
)
HEADERS = (
    (b"content-security-policy", "; ".join(POLICY).encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"no-cache, no-store"),
)
ASSETS = {"site.css": "text/css", "site.js": "text/javascript"}


def site_application(linkedin: LinkedIn) -> ASGIApp:
    """The pages of `linkedin`."""
    pages = Pages(linkedin)
    app = Litestar(
        route_handlers=[
            SignInController,
            MemberController,
            ProfileController,
            NetworkController,
            MessagingController,
            asset,
        ],
        dependencies={
            "linkedin": Provide(lambda: linkedin, sync_to_thread=False),
            "pages": Provide(lambda: pages, sync_to_thread=False),
            "account": Provide(account_of, sync_to_thread=False),
            "me": Provide(own_person, sync_to_thread=False),
        },
        before_request=admit,
        exception_handlers={Exception: refusal},
        request_max_body_size=MOST_BODY,
        openapi_config=None,
        logging_config=None,
        state=State({"linkedin": linkedin}),
    )
    return _with_headers(app)


@get("/sc/h/{run:str}/{name:str}")
async def asset(name: FromPath[str], pages: NamedDependency[Pages]) -> Response[str] | Redirect:
    if name not in ASSETS:
        return Redirect("/404/", status_code=302)
    return Response(pages.text(name), media_type=ASSETS[name])


def refusal(_: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    """An unknown address is answered as the site does it; what the guard refuses is said."""
    match error:
        case SandboxError():
            return Response(error.detail, media_type=MediaType.TEXT, status_code=error.status)
        case HTTPException(status_code=404):
            return Redirect("/404/", status_code=302)
        case HTTPException():
            return Response(error.detail, media_type=MediaType.TEXT, status_code=error.status_code)
        case _:
            log.error("a page of the stand-in of LinkedIn failed", exc_info=error)
            return Response("The stand-in failed; the sandbox's log says why.", status_code=500)


def _with_headers(app: ASGIApp) -> ASGIApp:
    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *HEADERS]
            await send(message)

        await app(scope, receive, sending)

    return wrapped
