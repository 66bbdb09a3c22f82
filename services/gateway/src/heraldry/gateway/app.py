"""The HTTP application: routes, what they are given, and what becomes of errors."""

from __future__ import annotations

from importlib.metadata import version
from typing import Annotated, Any, Final

from heraldry.chassis.health import PATHS, Health
from heraldry.gateway import problems, security
from heraldry.gateway.api import queries
from heraldry.gateway.api.campaigns import CampaignsController
from heraldry.gateway.api.history import HistoryController
from heraldry.gateway.api.identities import IdentitiesController
from heraldry.gateway.api.imports import ImportsController
from heraldry.gateway.api.inboxes import InboxesController
from heraldry.gateway.api.leads import LeadsController
from heraldry.gateway.api.linkedin import LinkedInController
from heraldry.gateway.api.linkedin_limits import LinkedInLimitsController
from heraldry.gateway.api.organization import OrganizationController
from heraldry.gateway.api.parked import ParkedController
from heraldry.gateway.api.sessions import SessionsController
from heraldry.gateway.api.share_links import ShareLinksController
from heraldry.gateway.api.steps import StepsController
from heraldry.gateway.api.suppressions import SuppressionsController
from heraldry.gateway.api.withdrawals import WithdrawalsController
from heraldry.gateway.assets import Asset, Files
from heraldry.gateway.heads import answering_heads
from heraldry.gateway.routes import PAGES
from heraldry.gateway.state import AnyRequest, Call, Gateway, call_of
from heraldry.gateway.traced import traced
from litestar import Litestar, Response, get
from litestar.di import Provide
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import Components, SecurityScheme
from litestar.params import FromPath, HeaderParameter
from litestar.types import ASGIApp

LARGEST_BODY: Final = 8 * 1024 * 1024  # bytes: a picture of 5 MB in base64
Key = Annotated[
    str,
    HeaderParameter(
        name="Idempotency-Key",
        description="a UUID: the same change again is made once; another change needs another one",
    ),
]
Position = Annotated[
    str,
    HeaderParameter(
        name="X-Position", description="of changes, comma separated: the answer is not older than they are"
    ),
]
API: Final = (
    SessionsController,
    IdentitiesController,
    InboxesController,
    LinkedInController,
    StepsController,
    LinkedInLimitsController,
    WithdrawalsController,
    CampaignsController,
    LeadsController,
    ImportsController,
    HistoryController,
    SuppressionsController,
    ShareLinksController,
    OrganizationController,
    ParkedController,
)


def application(gateway: Gateway, health: Health, assets: Files) -> ASGIApp:
    """Pages, API (its description at /api/v1/openapi.json), files, health."""

    async def check(request: AnyRequest) -> None:
        await security.check(request, gateway)
        if request.url.path.startswith(problems.API):
            queries.check(request)

    async def call(request: AnyRequest, key: Key = "", position: Position = "") -> Call:
        del key, position  # read from the request; here the API's description says of them
        return await call_of(request, gateway)

    @get(list(PATHS), include_in_schema=False)
    async def answer_health(request: AnyRequest) -> Response[bytes]:
        found = await health.answer(request.url.path)
        return Response(found.body, status_code=found.status, media_type=found.content_type)

    @get("/static/{name:path}", include_in_schema=False)
    async def static(request: AnyRequest, name: FromPath[str]) -> Response[bytes]:
        return file(request, assets.get(name.lstrip("/")))

    app = Litestar(
        route_handlers=[*API, *PAGES, static, answer_health],
        dependencies={
            "gateway": Provide(lambda: gateway, sync_to_thread=False),
            "call": Provide(call),
        },
        before_request=check,
        exception_handlers={Exception: problems.answering(gateway)},
        request_max_body_size=LARGEST_BODY,
        openapi_config=description(),
        logging_config=None,
    )
    return traced(security.with_headers(answering_heads(app)))


def file(request: AnyRequest, asset: Asset | None) -> Response[bytes]:
    """A file; for ever where its address names its content, else asked for again."""
    if asset is None:
        return Response(b"", status_code=404, media_type="text/plain")
    named = request.query_params.get("v") == asset.mark
    caching = "public, max-age=31536000, immutable" if named else "public, max-age=3600"
    headers: dict[str, Any] = {"Cache-Control": caching, "ETag": f'"{asset.mark}"'}
    if request.headers.get("if-none-match") == f'"{asset.mark}"':
        return Response(b"", status_code=304, media_type=asset.media_type, headers=headers)
    return Response(asset.content, media_type=asset.media_type, headers=headers)


def description() -> OpenAPIConfig:
    return OpenAPIConfig(
        title="Heraldry",
        version=version("heraldry-gateway"),
        description=(
            "Refusals are problem documents (RFC 9457) with a stable `code`. A change answers with X-Position;"
            " sent back with a read (several, comma separated), the answer is not older. Idempotency-Key (a"
            " UUID) makes a repeat of the same request harmless; with another body it is refused for a day. Without"
            " a key every request is a new one: a repeat of one that was not answered may do it a second time."
        ),
        path="/api/v1/openapi.json",  # below its path litestar answers whatever is not there, with a page of its own
        render_plugins=[JsonRenderPlugin(path="/")],
        components=Components(
            security_schemes={
                "token": SecurityScheme(type="http", scheme="bearer"),
                "cookie": SecurityScheme(type="apiKey", name="heraldry_session", security_scheme_in="cookie"),
            }
        ),
        security=[{"token": []}, {"cookie": []}],
    )
