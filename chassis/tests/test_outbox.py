"""Spans on their way: a collector that is away, slow or out of its mind holds up nothing and fills nothing."""

from __future__ import annotations

import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from http.server import BaseHTTPRequestHandler
from time import monotonic

import pytest
from heraldry.chassis.outbox import CODE, GRACE, Outbox
from heraldry.chassis.testing.collector import Collector
from heraldry.chassis.testing.waiting import until
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import Tracer
from prometheus_client import REGISTRY
from structlog.testing import capture_logs
from structlog.typing import EventDict

MOST = 20


def answer(status: int, body: bytes = b"") -> Callable[[BaseHTTPRequestHandler], None]:
    def behave(request: BaseHTTPRequestHandler) -> None:
        request.send_response(status)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)

    return behave


def torn(request: BaseHTTPRequestHandler) -> None:
    request.connection.shutdown(socket.SHUT_RDWR)


def torn_within(request: BaseHTTPRequestHandler) -> None:
    request.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf")
    request.wfile.flush()
    request.connection.shutdown(socket.SHUT_RDWR)


def gibberish(request: BaseHTTPRequestHandler) -> None:
    request.wfile.write(b"\x00\xff" * 500 + b"\r\n\r\n")
    request.wfile.flush()
    request.connection.shutdown(socket.SHUT_RDWR)


class Telling:
    """A process that tells of spans."""

    def __init__(self, url: str, *, patience: float = 0.5, grace: float = GRACE) -> None:
        exporter = OTLPSpanExporter(endpoint=f"{url}/v1/traces", timeout=patience)
        self.outbox = Outbox(exporter, most=MOST, batch=10, pause=0.02, longest_pause=0.05, grace=grace)
        self.provider = TracerProvider(shutdown_on_exit=False)
        self.provider.add_span_processor(self.outbox)
        self.tracer: Tracer = self.provider.get_tracer("test")

    def spans(self, count: int, name: str = "one") -> float:
        """Seconds that it took to begin and end so many."""
        began = monotonic()
        for _ in range(count):
            self.tracer.start_span(name).end()
        return monotonic() - began


@pytest.fixture
def said() -> Iterator[list[EventDict]]:
    with capture_logs() as lines:
        yield lines


@pytest.fixture(autouse=True)
async def ended() -> AsyncIterator[None]:
    """What a test let go does not speak up in the next one."""
    yield
    await until(lambda: not any(each.name == "spans" for each in threading.enumerate()), seconds=40)


def dropped() -> float:
    return REGISTRY.get_sample_value("heraldry_trace_spans_dropped_total") or 0.0


def warnings(said: list[EventDict]) -> list[EventDict]:
    return [line for line in said if line.get("code") == CODE]


BAD = [answer(500), answer(503), answer(401), torn, torn_within, gibberish]


@pytest.mark.requirement("R-OPS-3")
@pytest.mark.parametrize("behave", BAD, ids=["500", "503", "401", "torn", "torn-within", "gibberish"])
async def test_a_collector_out_of_its_mind_is_told_once_and_told_again_when_it_is_well(
    behave: Callable[[BaseHTTPRequestHandler], None], said: list[EventDict]
) -> None:
    with Collector(behave=behave) as collector:
        telling, before = Telling(collector.url), dropped()
        assert telling.spans(500) < 5
        await until(lambda: collector.requests >= 4 and bool(warnings(said)))
        await until(lambda: dropped() - before >= 500 - MOST)
        collector.behave = None
        telling.spans(1, "well again")
        await until(lambda: any(line["event"] == "traces are taken again" for line in said))
        telling.spans(1, "last")
        telling.provider.shutdown()
        assert collector.wait_for("last")
    assert len(warnings(said)) == 1
    (again,) = [line for line in said if line["event"] == "traces are taken again"]
    assert again["dropped"] >= 500 - MOST
    assert {line["event"] for line in said} == {again["event"], warnings(said)[0]["event"]}


async def test_a_collector_that_comes_late_gets_what_waited(said: list[EventDict]) -> None:
    with Collector() as gone:
        port = gone.port
    telling = Telling(f"http://127.0.0.1:{port}")
    telling.spans(3, "before it came")
    await until(lambda: bool(warnings(said)))
    with Collector(port) as collector:
        telling.spans(1, "when it was there")
        assert collector.wait_for("when it was there")
        telling.provider.shutdown()


async def test_the_warning_says_why(said: list[EventDict]) -> None:
    with Collector(behave=answer(401)) as collector:
        telling = Telling(collector.url)
        telling.spans(1)
        await until(lambda: bool(warnings(said)))
        telling.provider.shutdown()
    assert "401" in warnings(said)[0]["because"]


async def test_a_batch_that_it_does_not_take_does_not_hold_up_the_others(said: list[EventDict]) -> None:
    def picky(request: BaseHTTPRequestHandler) -> None:
        if collector.requests <= 3:
            answer(400)(request)
        else:
            collector.behave = None
            answer(200)(request)

    with Collector(behave=picky) as collector:
        telling, before = Telling(collector.url), dropped()
        telling.spans(1, "poison")
        await until(lambda: dropped() - before >= 1)
        telling.spans(1, "next")
        await until(lambda: collector.behave is None)
        telling.spans(1, "after")
        assert collector.wait_for("after")
        telling.provider.shutdown()
    assert len(warnings(said)) == 1


def test_a_process_that_stops_waits_a_second_at_most_for_it() -> None:
    assert GRACE == 1
    let_go = threading.Event()

    def silent(request: BaseHTTPRequestHandler) -> None:
        let_go.wait(20)
        answer(200)(request)

    with Collector(behave=silent) as collector:
        telling = Telling(collector.url, patience=15.0, grace=0.3)
        assert telling.spans(500) < 5
        began = monotonic()
        telling.provider.shutdown()
        assert monotonic() - began < 5
        let_go.set()


def test_what_is_not_sent_yet_is_sent_when_the_process_stops() -> None:
    with Collector() as collector:
        telling = Telling(collector.url, grace=20)
        telling.spans(15, "late")
        telling.provider.shutdown()
        assert len(collector.spans) == 15
