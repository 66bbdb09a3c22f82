"""Spans by OpenTelemetry's SDK. Imported only where a collector is named; all that is known of the SDK is here."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from importlib.metadata import version
from typing import Final
from urllib.parse import urlsplit
from uuid import UUID

from heraldry.chassis.outbox import Outbox
from heraldry.chassis.settings import Settings
from heraldry.chassis.tracing import Fact, Kind
from heraldry.contracts.base import Refused
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

PATH: Final = "/v1/traces"
PATIENCE: Final = 5.0  # seconds for the collector to take one batch
SERVER_ERROR: Final = 500
KINDS: Final[Mapping[Kind, SpanKind]] = {
    "internal": SpanKind.INTERNAL,
    "server": SpanKind.SERVER,
    "client": SpanKind.CLIENT,
    "producer": SpanKind.PRODUCER,
    "consumer": SpanKind.CONSUMER,
}
_wanted: ContextVar[int] = ContextVar("wanted", default=0)  # the id of the trace that is about to begin
_propagator: Final = TraceContextTextMapPropagator()


class _Ids(RandomIdGenerator):
    """A trace that begins has the id that it is told."""

    def generate_trace_id(self) -> int:
        return _wanted.get() or super().generate_trace_id()


class _Told:
    """A span of the SDK's as the rest of the house knows it."""

    def __init__(self, span: trace.Span) -> None:
        self._span = span
        self.failed = False

    def tell(self, facts: Mapping[str, Fact]) -> None:
        self._span.set_attributes(facts)

    def call(self, name: str) -> None:
        self._span.update_name(name)

    def fail(self, kind: str) -> None:
        self.failed = True
        self._span.set_attribute("error.type", kind)
        self._span.set_status(Status(StatusCode.ERROR))


class Telemetry:
    """Tells a collector, by OTLP over HTTP, what this process does."""

    def __init__(self, settings: Settings, exporter: SpanExporter) -> None:
        self._outbox = Outbox(exporter)
        resource = Resource.create(
            {
                "service.name": f"heraldry-{settings.service}",
                "service.instance.id": settings.replica,
                "service.version": version("heraldry-chassis"),
            }
        )
        self._provider = TracerProvider(resource=resource, id_generator=_Ids(), shutdown_on_exit=False)
        self._provider.add_span_processor(self._outbox)
        self._tracer = self._provider.get_tracer("heraldry")

    @classmethod
    def of(cls, settings: Settings) -> Telemetry:
        return cls(settings, OTLPSpanExporter(endpoint=address(settings.otlp_endpoint), timeout=PATIENCE))

    @contextmanager
    def span(
        self, name: str, kind: Kind, facts: Mapping[str, Fact], *, correlation: str, parent: str
    ) -> Generator[_Told]:
        span = self._begin(name, kind, facts, _trace_of(correlation), parent)
        told = _Told(span)
        with trace.use_span(
            span, end_on_exit=True, record_exception=False, set_status_on_exception=False
        ):  # what an error says may be personal
            try:
                yield told
            except Refused as refusal:
                told.tell({"heraldry.refusal": refusal.code})
                if refusal.status >= SERVER_ERROR:
                    told.fail(refusal.code)
                raise
            except Exception as error:
                if not told.failed:  # else it is known better already
                    told.fail(type(error).__name__)
                raise

    def correlation(self) -> UUID | None:
        found = _here()
        return None if found is None else UUID(int=found.trace_id)

    def here(self) -> Mapping[str, str]:
        found = _here()
        if found is None:
            return {}
        return {
            "trace_id": trace.format_trace_id(found.trace_id),
            "span_id": trace.format_span_id(found.span_id),
        }

    def headers(self) -> dict[str, str] | None:
        if _here() is None:
            return None
        carrier: dict[str, str] = {}
        _propagator.inject(carrier)
        return carrier

    def stop(self) -> None:
        """What is not sent yet has a second."""
        self._provider.shutdown()

    def _begin(
        self, name: str, kind: Kind, facts: Mapping[str, Fact], wanted: int, parent: str
    ) -> trace.Span:
        nearest = _sent(parent) or _here()
        if nearest is not None and wanted in {0, nearest.trace_id}:
            within = trace.set_span_in_context(trace.NonRecordingSpan(nearest), Context())
            return self._tracer.start_span(name, within, KINDS[kind], facts)
        links: Sequence[Link] = () if nearest is None else (Link(nearest),)
        before = _wanted.set(wanted)
        try:
            return self._tracer.start_span(name, Context(), KINDS[kind], facts, links)
        finally:
            _wanted.reset(before)


def address(endpoint: str) -> str:
    """Where traces are posted: the collector's address, with OTLP's path unless it has one of its own."""
    return endpoint if urlsplit(endpoint).path.strip("/") else endpoint.rstrip("/") + PATH


def _here() -> SpanContext | None:
    found = trace.get_current_span().get_span_context()
    return found if found.is_valid else None


def _sent(parent: str) -> SpanContext | None:
    if not parent:
        return None
    context = _propagator.extract({"traceparent": parent}, Context())
    found = trace.get_current_span(context).get_span_context()
    return found if found.is_valid else None


def _trace_of(correlation: str) -> int:
    try:
        return UUID(correlation).int
    except ValueError:  # a program's own, or none
        return 0
