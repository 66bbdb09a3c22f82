"""A collector of traces for tests: it takes OTLP over HTTP, and can be as bad as a collector can be."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from time import monotonic, sleep
from types import TracebackType
from typing import Self

from heraldry.chassis.testing.waiting import Pauses
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue

PATIENCE = 20.0  # seconds for spans that are on their way
CLIENT, SERVER = 3, 2  # OTLP's numbers of a span's kinds
ERROR = 2  # OTLP's number of a span's status

Behaviour = Callable[[BaseHTTPRequestHandler], None]


@dataclass(frozen=True, slots=True)
class Told:
    """A span as the collector got it. Ids in hexadecimal digits; `parent` empty: it begins its trace."""

    name: str
    service: str
    resource: Mapping[str, str]
    trace: str
    id: str
    parent: str
    kind: int
    facts: Mapping[str, str]
    links: Sequence[str]  # the traces
    failed: bool


class Collector:
    """`with Collector() as collector:` listens on a free port (or the one it is given, so that it can come back).

    `behave` is called for each request after its body was read; without one it is taken.
    """

    def __init__(self, port: int = 0, behave: Behaviour | None = None) -> None:
        self.behave = behave
        self.bytes = b""  # all that came, as it came
        self.requests = 0
        self.spans: list[Told] = []
        collector = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                collector._take(self)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the library's name
                """Says nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True
        self._server.block_on_close = False
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def port(self) -> int:
        return self._server.server_address[1]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def wait_for(self, name: str, where: Callable[[Told], bool] = lambda _: True) -> Told:
        """The first span of this name for which the condition holds, as soon as it is here."""
        pauses, until = Pauses(), monotonic() + PATIENCE
        while True:
            for span in tuple(self.spans):
                if span.name == name and where(span):
                    return span
            if monotonic() > until:
                names = sorted({f"{span.service} {span.name}" for span in self.spans})
                raise AssertionError(f"no such span {name} within {PATIENCE:g} s; there are {names}")
            sleep(pauses.next())

    def of(self, trace: str) -> Mapping[str, Told]:
        """All of one trace by their ids."""
        return {span.id: span for span in tuple(self.spans) if span.trace == trace}

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _take(self, request: BaseHTTPRequestHandler) -> None:
        body = request.rfile.read(int(request.headers["Content-Length"]))
        self.requests += 1
        if self.behave is not None:
            self.behave(request)
            return
        self.bytes += body
        self.spans += _told(ExportTraceServiceRequest.FromString(body))
        request.send_response(200)
        request.send_header("Content-Type", "application/x-protobuf")
        request.send_header("Content-Length", "0")
        request.end_headers()


def _told(request: ExportTraceServiceRequest) -> Sequence[Told]:
    found: list[Told] = []
    for group in request.resource_spans:
        resource = _facts(group.resource.attributes)
        found += [
            Told(
                name=span.name,
                service=resource["service.name"],
                resource=resource,
                trace=span.trace_id.hex(),
                id=span.span_id.hex(),
                parent=span.parent_span_id.hex(),
                kind=span.kind,
                facts=_facts(span.attributes),
                links=tuple(link.trace_id.hex() for link in span.links),
                failed=span.status.code == ERROR,
            )
            for scope in group.scope_spans
            for span in scope.spans
        ]
    return found


def _facts(attributes: Sequence[KeyValue]) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for each in attributes:
        value = each.value
        kind = value.WhichOneof("value") or "string_value"
        found[each.key] = str(getattr(value, kind))
    return found
