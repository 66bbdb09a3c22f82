"""The unsubscribe link of a mail (RFC 8058): GET shows, POST unsubscribes. Nobody is signed in, no cookie is set.

The token is the authority, so a POST needs neither a form of ours nor to come from this site: it is the mail
provider who sends it.
"""

from __future__ import annotations

from typing import Final

from heraldry.contracts.base import Refused
from heraldry.contracts.gateway import UnsubscribeToken
from heraldry.gateway.pages.models import Shell, UnsubscribePage, UnsubscribeStage
from heraldry.gateway.routes.shown import html, posted
from heraldry.gateway.state import AnyRequest, Gateway
from heraldry.gateway.throttles import LINK_USES, LINKS_UNREADABLE, Limit
from litestar import Controller, Response, get, head, post
from litestar.di import NamedDependency
from litestar.params import FromPath

LARGEST_BODY: Final = 16 * 1024  # bytes
FIELD: Final = "List-Unsubscribe"
ONE_CLICK: Final = "One-Click"  # both as RFC 8058 writes them


class UnsubscribeController(Controller):
    path = "/unsubscribe"
    include_in_schema = False

    @get("/{token:str}")
    async def show(
        self, token: FromPath[str], request: AnyRequest, gateway: NamedDependency[Gateway]
    ) -> Response[str]:
        return await _answer(request, gateway, token, "asking")

    @head("/{token:str}")
    async def look(
        self, token: FromPath[str], request: AnyRequest, gateway: NamedDependency[Gateway]
    ) -> Response[None]:
        shown = await _answer(request, gateway, token, "asking")
        return Response(None, status_code=shown.status_code, media_type=shown.media_type)

    @post("/{token:str}", status_code=200, request_max_body_size=LARGEST_BODY)
    async def unsubscribe(
        self, token: FromPath[str], request: AnyRequest, gateway: NamedDependency[Gateway]
    ) -> Response[str]:
        if (await posted(request)).text(FIELD) != ONE_CLICK:
            return await _answer(request, gateway, token, "asking", status=422)
        link = gateway.unsubscribing.opened(token)
        if link is None:
            return await _answer(request, gateway, token, "asking")
        await _throttled(request, gateway, f"used {token}", LINK_USES)
        if not await gateway.unsubscribing.unsubscribe(link):
            return await _answer(request, gateway, "", "asking")
        return _page(gateway, link, "done", 200)


async def _answer(
    request: AnyRequest, gateway: Gateway, token: str, stage: UnsubscribeStage, *, status: int = 200
) -> Response[str]:
    """The page of a link that can be read; one and the same page for all that cannot."""
    link = gateway.unsubscribing.opened(token)
    if link is None:
        await _throttled(request, gateway, "unreadable", LINKS_UNREADABLE)
        return html("unsubscribe.html", Shell(csrf=""), UnsubscribePage("unknown"), status=404)
    return _page(gateway, link, stage, status)


def _page(gateway: Gateway, link: UnsubscribeToken, stage: UnsubscribeStage, status: int) -> Response[str]:
    try:
        organization = gateway.views.organization(link.organization).name
    except Refused:  # the views are being rebuilt: the link works all the same
        organization = ""
    page = UnsubscribePage(stage, organization=organization, address=masked(link.address))
    return html("unsubscribe.html", Shell(csrf=""), page, status=status)


def masked(address: str) -> str:
    """Enough for its owner to recognise it: `lea@brisa.example` is `l…@brisa.example`."""
    local, _, domain = address.rpartition("@")
    return f"{local[:1]}…@{domain}"


async def _throttled(request: AnyRequest, gateway: Gateway, what: str, limit: Limit) -> None:
    client = request.client.host if request.client else ""
    try:
        await gateway.throttles.count(f"unsubscribe {what} {client}", limit)
    except Refused as refusal:
        raise Refused(
            "unsubscribe.throttled",
            "Too many unsubscribe links were opened from your network. Wait a few minutes and open yours again.",
            status=429,
            extra=refusal.extra,
        ) from refusal
