"""The sandbox's HTTP application."""

from __future__ import annotations

import logging
from typing import Any, cast

from heraldry.chassis.health import PATHS, Health
from heraldry.sandbox.clock import SandboxClock
from heraldry.sandbox.errors import SandboxError
from heraldry.sandbox.linkedin.control import LinkedInControlController
from heraldry.sandbox.linkedin.control_people import LinkedInPeopleController
from heraldry.sandbox.linkedin.site import LinkedIn
from heraldry.sandbox.mailhost import MailHost
from heraldry.sandbox.web.control import ControlController
from heraldry.sandbox.web.guard import check, with_headers
from heraldry.sandbox.web.linkedin import LinkedInPagesController
from heraldry.sandbox.web.pages import PagesController
from heraldry.sandbox.web.rendering import ALLOWED_FILES, STATIC, page
from litestar import Litestar, MediaType, Request, Response, get
from litestar.di import Provide
from litestar.exceptions import HTTPException
from litestar.params import FromPath
from litestar.types import ASGIApp

log = logging.getLogger(__name__)
MOST_BODY = 1_000_000  # bytes


def application(host: MailHost, linkedin: LinkedIn, clock: SandboxClock | None, health: Health) -> ASGIApp:
    """Pages, control API, /health/live, /health/ready. `clock` is None where there is no NATS."""

    @get(list(PATHS), include_in_schema=False)
    async def answer_health(request: Request[Any, Any, Any]) -> Response[bytes]:
        answer = await health.answer(request.url.path)
        return Response(answer.body, status_code=answer.status, media_type=answer.content_type)

    app = Litestar(
        route_handlers=[
            PagesController,
            ControlController,
            LinkedInPagesController,
            LinkedInControlController,
            LinkedInPeopleController,
            static_file,
            answer_health,
        ],
        dependencies={
            "host": Provide(lambda: host, sync_to_thread=False),
            "linkedin": Provide(lambda: linkedin, sync_to_thread=False),
            "clock": Provide(lambda: clock, sync_to_thread=False),
        },
        before_request=check,
        exception_handlers={Exception: refusal},
        request_max_body_size=MOST_BODY,
        openapi_config=None,
        logging_config=None,
    )
    return with_headers(app)


@get("/static/{name:str}", include_in_schema=False)
async def static_file(name: FromPath[str]) -> Response[bytes]:
    if name not in ALLOWED_FILES:
        raise SandboxError("file_unknown", "There is no such file.", status=404)
    headers = {"Cache-Control": "public, max-age=31536000, immutable"}
    return Response((STATIC / name).read_bytes(), media_type=MediaType.CSS, headers=headers)


def refusal(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    """An error as a problem document for programs, as a page for people."""
    match error:
        case SandboxError():
            problem = error
        case HTTPException():
            problem = _of_litestar(error)
        case _:
            log.error("a request failed", exc_info=error)
            problem = SandboxError("sandbox_broken", "The sandbox failed; its log says why.", status=500)
    path = request.url.path
    if path.startswith("/control/") or "text/html" not in request.headers.get("accept", ""):
        content: dict[str, object] = {
            "type": f"/problems/{problem.code}",
            "status": problem.status,
            "code": problem.code,
            "detail": problem.detail,
        }
        if problem.field:
            content["field"] = problem.field
        return Response(content, status_code=problem.status, media_type="application/problem+json")
    return page("error.html", status=problem.status, problem=problem)


def _of_litestar(error: HTTPException) -> SandboxError:
    match error.status_code:
        case 404:
            return SandboxError("page_unknown", "There is nothing at this address.", status=404)
        case 405:
            return SandboxError("method_refused", "This address does not take that method.", status=405)
        case 413:
            return SandboxError("body_too_large", f"Send at most {MOST_BODY} bytes.", status=413)
        case 400:
            return SandboxError("input_malformed", _what_is_wrong(error), status=422)
        case status:
            return SandboxError("request_refused", error.detail, status=status)


def _what_is_wrong(error: HTTPException) -> str:
    found: object = error.extra
    faults = cast("list[object]", found) if isinstance(found, list) else []
    said = [
        f"{fault.get('key', 'body')}: {fault.get('message', '')}"
        for fault in (cast("dict[str, object]", one) for one in faults if isinstance(one, dict))
    ]
    return "The input cannot be read. " + ("; ".join(said) or error.detail)
