"""What may reach the sandbox at all: it shows passwords, so only pages of its own and programs may ask."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from heraldry.sandbox.errors import SandboxError
from litestar import Request
from litestar.types import ASGIApp, Message, Receive, Scope, Send

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
POLICY = (
    "default-src 'none'",
    "style-src 'self'",
    "img-src 'self' data:",  # data: is the empty icon
    "form-action 'self'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
)
HEADERS = (
    (b"content-security-policy", "; ".join(POLICY).encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
)


def check(request: Request[Any, Any, Any]) -> None:
    """Refuses what another site's page in somebody's browser could cause. SandboxError with 403 or 415."""
    host = request.headers.get("host", "")
    if not _is_local(host):
        # a foreign name that leads here is how a web page would read what is on somebody's own machine
        raise SandboxError(
            "host_refused", "Open the sandbox by the address it was announced with.", status=403
        )
    if request.method in SAFE_METHODS:
        return
    site = request.headers.get("sec-fetch-site", "none")
    origin = request.headers.get("origin")
    if site not in {"none", "same-origin"} or (origin is not None and urlsplit(origin).netloc != host):
        raise SandboxError("cross_site", "This can only be asked from the sandbox's own pages.", status=403)
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    # a page of another site can send DELETE only after a question that is never answered
    simple = request.method != "DELETE"
    if simple and request.url.path.startswith("/control/") and kind != "application/json":
        raise SandboxError("json_only", "Send the body as application/json.", status=415)


def with_headers(app: ASGIApp) -> ASGIApp:
    """Adds HEADERS to every answer, also to errors and files."""

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *HEADERS]
            await send(message)

        await app(scope, receive, sending)

    return wrapped


def _is_local(host: str) -> bool:
    name = urlsplit(f"//{host}").hostname or ""
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
