"""A request as the first span of its trace: what route it took, and what it was answered. Never what stands in its address."""

from __future__ import annotations

from typing import Final
from uuid import uuid4

from heraldry.chassis import tracing
from heraldry.chassis.health import PATHS
from litestar.types import ASGIApp, Message, Receive, Scope, Send

METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
OTHER: Final = "_OTHER"  # a method is whatever the client writes there
FILES: Final = "/static/"
SERVER_ERROR: Final = 500


def traced(app: ASGIApp) -> ASGIApp:
    """The application, with a span for every request but those for files and for health."""
    if not tracing.is_on():
        return app

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in PATHS or scope["path"].startswith(FILES):
            await app(scope, receive, send)
            return
        method = scope["method"] if scope["method"] in METHODS else OTHER
        parent = dict(scope["headers"]).get(b"traceparent", b"").decode("latin-1")
        facts = {"http.request.method": method}
        # a trace of its own, whatever comes with it: a caller who names one could write into somebody else's
        with tracing.span(method, "server", facts, correlation=str(uuid4()), parent=parent) as told:

            async def sending(message: Message) -> None:
                if message["type"] == "http.response.start":
                    told.tell({"http.response.status_code": message["status"]})
                    if message["status"] >= SERVER_ERROR:
                        told.fail(str(message["status"]))
                await send(message)

            try:
                await app(scope, receive, sending)
            finally:
                if route := scope.get("path_template", ""):
                    told.call(f"{method} {route}")
                    told.tell({"http.route": route})

    return wrapped
