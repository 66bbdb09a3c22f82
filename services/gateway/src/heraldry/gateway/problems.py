"""Refusals over HTTP: problem documents (RFC 9457) for programs, pages for people."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, cast
from urllib.parse import urlencode

import structlog
from heraldry.chassis import tracing
from heraldry.chassis.halt import HaltUnknownError
from heraldry.chassis.store import away
from heraldry.chassis.store.port import StoreUnavailableError
from heraldry.contracts.base import Refused
from heraldry.gateway.api.answers import document, retry
from heraldry.gateway.mistakes import in_words
from heraldry.gateway.pages.models import ErrorPage, Shell
from heraldry.gateway.pages.render import render
from heraldry.gateway.routes.shown import surrounding
from heraldry.gateway.state import AnyRequest, Gateway, session_of
from litestar import MediaType, Response
from litestar.exceptions import HTTPException, ValidationException
from litestar.types import ASGIApp, Receive, Scope, Send
from nats.errors import Error as NatsError

log = structlog.stdlib.get_logger(__name__)
API = "/api/"
SERVER_ERROR = 500
UNAVAILABLE = 503
KIND_OF_STEP: Final = re.compile(r"\b(steps\.\d+\.)(?:email|invitation|message|scraping)\.")
"""Which of the kinds of step was tried: it is no part of the field's name."""
USUAL: Mapping[int, tuple[str, str]] = {
    400: ("input.malformed", "The request cannot be read."),
    401: ("session.needed", "Sign in first."),
    403: ("access.denied", "You may not do this."),
    404: ("route.unknown", "There is nothing at this address."),
    405: ("method.refused", "This address does not take that method."),
    413: ("body.too-large", "That is more than is taken at once."),
    415: ("media-type.unsupported", "Send the body in another media type."),
}


def refusal_of(error: Exception) -> Refused:
    """What to tell about an error; it is logged if it is ours."""
    match error:
        case Refused():
            return error
        case ValidationException():
            return _invalid(error)
        case HTTPException():
            code, detail = USUAL.get(error.status_code, ("request.refused", error.detail))
            return Refused(code, detail, status=error.status_code)
        case RecursionError() | OverflowError():  # JSON in JSON in JSON; a day beyond the calendar
            return Refused("input.malformed", "Something in the request is too large to be read.", status=422)
        case StoreUnavailableError():
            log.warning("the store is away", error=type(error).__name__, detail=str(error))
            return away.refusal(error)
        case NatsError() | TimeoutError() | HaltUnknownError():
            log.warning("the bus is away", error=type(error).__name__)
            return Refused(
                "service.unavailable",
                "A part of the system is away for a moment. Nothing is lost; try again shortly.",
                status=503,
            )
        case _:
            reference = tracing.correlation()
            log.error("a request failed", reference=reference, exc_info=error)
            return Refused(
                "internal.error",
                "Something went wrong on our side. Try again; if it stays, tell your operator the reference.",
                status=500,
                extra={"reference": reference},
            )


def answering(gateway: Gateway) -> Callable[[AnyRequest, Exception], Response[Any]]:
    """The handler of every exception."""

    def answer(request: AnyRequest, error: Exception) -> Response[Any]:
        refusal = refusal_of(error)
        return document(refusal) if request.url.path.startswith(API) else page(request, gateway, refusal)

    return answer


def page(request: AnyRequest, gateway: Gateway, refusal: Refused) -> Response[Any]:
    """The refusal as a page; whoever is not signed in is sent to sign in."""
    if refusal.status == 401:  # noqa: PLR2004  HTTP's unauthorized
        return _to_sign_in(request)
    told = refusal.status != SERVER_ERROR and refusal.code not in _codes()
    text = refusal.detail if told else ""
    error = ErrorPage.of(
        refusal.status, text=text, reference=refusal.extra.get("reference", ""), retry=_path(request)
    )
    headers = {"Cache-Control": "no-store", **retry(refusal)}
    return _Surrounded(gateway, error, status_code=refusal.status, headers=headers)


class _Surrounded(Response[Any]):
    """An error's page within the shell of whoever asks. A handler of exceptions cannot wait to learn who
    that is; its answer can.
    """

    def __init__(self, gateway: Gateway, error: ErrorPage, **kept: Any) -> None:
        super().__init__(None, media_type=MediaType.HTML, **kept)
        self._gateway, self._error = gateway, error

    def to_asgi_response(self, app: Any, request: AnyRequest, **kept: Any) -> Any:
        async def answered(scope: Scope, receive: Receive, send: Send) -> None:
            around = await _around(request, self._gateway, self._error.status)
            self.content = render("error.html", shell=around, page=self._error)
            made = cast("Callable[..., ASGIApp]", super(_Surrounded, self).to_asgi_response)  # pyright: ignore[reportUnknownMemberType]  litestar's
            await made(app, request, **kept)(scope, receive, send)

        return answered


async def _around(request: AnyRequest, gateway: Gateway, status: int) -> Shell:
    """Nobody's, where it cannot be said who asks: what went wrong is told all the same."""
    outside = Shell(csrf="")
    if status == UNAVAILABLE:
        return outside
    try:
        session = await session_of(request, gateway)
        return surrounding(request, gateway, session) if session else outside
    except (Refused, NatsError, TimeoutError):
        return outside


def _codes() -> set[str]:
    return {code for code, _ in USUAL.values()}


def _path(request: AnyRequest) -> str:
    query = request.url.query
    return request.url.path + (f"?{query}" if query else "") if request.method == "GET" else ""


def _to_sign_in(request: AnyRequest) -> Response[str]:
    back = _path(request)
    where = "/sign-in" + (f"?{urlencode({'next': back})}" if back not in {"", "/"} else "")
    if request.headers.get("hx-request"):
        return Response("", status_code=401, headers={"HX-Redirect": where}, media_type=MediaType.HTML)
    return Response("", status_code=303, headers={"Location": where}, media_type=MediaType.HTML)


def _invalid(error: ValidationException) -> Refused:
    """The first thing wrong, without the value: it may be a password."""
    found = cast("object", error.extra)
    first: Mapping[str, object] = {}
    if isinstance(found, Sequence) and found and isinstance(found[0], Mapping):
        first = cast("Mapping[str, object]", found[0])
    field = KIND_OF_STEP.sub(r"\1", str(first.get("key", "")))
    what = in_words(str(first.get("message", ""))) or "The request cannot be read."
    return Refused("input.invalid", f"{field}: {what}" if field else what, status=422, field=field)
