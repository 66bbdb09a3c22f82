"""What is told of a process, to a real receiver of OTLP."""

from __future__ import annotations

import io
import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from uuid import UUID, uuid4

import pytest
import structlog
from heraldry.chassis import logs, tracing
from heraldry.chassis.settings import Settings
from heraldry.chassis.telemetry import address
from heraldry.chassis.testing.collector import CLIENT, SERVER, Collector
from heraldry.contracts.base import Refused
from pydantic import ValidationError

CORRELATION = str(uuid4())
TRACE = UUID(CORRELATION).hex
FOREIGN = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
IN_FRESH = """
import sys
from heraldry.chassis import host, tracing
from heraldry.chassis.settings import Settings
with tracing.told(Settings()):
    with tracing.span("one") as told:
        told.tell({"of": 1})
    assert tracing.span("one") is tracing.span("two", "client", correlation="c"), "something was made"
    assert tracing.headers() is None
found = [name for name in sys.modules if name.startswith("opentelemetry")]
assert not found, found
"""


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as collector:
        yield collector


def settings(collector: Collector) -> Settings:
    return Settings(service="mailbox", replica="1", otlp_endpoint=collector.url)


def test_where_no_collector_is_named_nothing_is_made_and_nothing_imported() -> None:
    subprocess.run([sys.executable, "-c", IN_FRESH], check=True)


@pytest.mark.requirement("R-OPS-3")
def test_a_trace_has_the_id_of_the_correlation_and_spans_lie_within_each_other(collector: Collector) -> None:
    with (
        tracing.told(settings(collector)),
        tracing.span("outer", "server", {"heraldry.events": 3}, correlation=CORRELATION),
    ):
        assert tracing.correlation() == CORRELATION
        with tracing.span("inner", "client") as told:
            told.tell({"heraldry.conflict": True})
    outer, inner = collector.wait_for("outer"), collector.wait_for("inner")
    assert (outer.trace, outer.parent, outer.kind) == (TRACE, "", SERVER)
    assert (inner.trace, inner.parent, inner.kind) == (TRACE, outer.id, CLIENT)
    assert outer.facts == {"heraldry.events": "3"}
    assert inner.facts == {"heraldry.conflict": "True"}
    assert outer.resource["service.name"] == "heraldry-mailbox"
    assert outer.resource["service.instance.id"] == "1"
    assert outer.resource["service.version"]


def test_another_process_goes_on_from_the_span_it_was_asked_in(collector: Collector) -> None:
    with tracing.told(settings(collector)):
        with tracing.span("asks", "client", correlation=CORRELATION):
            sent = tracing.headers()
        assert sent is not None
        assert tracing.headers() is None
        with tracing.span("answers", "server", correlation=CORRELATION, parent=sent["traceparent"]):
            pass
    asks, answers = collector.wait_for("asks"), collector.wait_for("answers")
    assert (answers.trace, answers.parent) == (TRACE, asks.id)


def test_the_correlation_decides_and_a_parent_of_another_trace_is_a_link(collector: Collector) -> None:
    with tracing.told(settings(collector)):
        with tracing.span("request", "server", correlation=CORRELATION, parent=FOREIGN):
            pass
        with tracing.span("elsewhere"), tracing.span("reaction", correlation=CORRELATION):
            pass
    request, reaction = collector.wait_for("request"), collector.wait_for("reaction")
    elsewhere = collector.wait_for("elsewhere")
    assert (request.trace, request.parent, request.links) == (TRACE, "", (FOREIGN.split("-")[1],))
    assert (reaction.trace, reaction.parent, reaction.links) == (TRACE, "", (elsewhere.trace,))
    assert elsewhere.trace != TRACE


@pytest.mark.parametrize("parent", ["", "nonsense", "00-" + "0" * 32 + "-" + "0" * 16 + "-01", "é" * 9000])
def test_a_parent_that_is_none_and_a_correlation_that_is_no_uuid_begin_a_trace(
    collector: Collector, parent: str
) -> None:
    with tracing.told(settings(collector)), tracing.span("one", correlation="page 7", parent=parent):
        pass
    one = collector.wait_for("one")
    assert (one.parent, one.links) == ("", ())
    assert int(one.trace, 16)


@pytest.mark.parametrize(("status", "failed"), [(409, False), (503, True)])
def test_a_refusal_is_told_by_its_code(collector: Collector, status: int, failed: bool) -> None:  # noqa: FBT001
    with tracing.told(settings(collector)), pytest.raises(Refused), tracing.span("asked"):
        raise Refused("name.taken", "Ada Byron has that name already.", status=status, field="ada@x.example")
    asked = collector.wait_for("asked")
    assert asked.facts["heraldry.refusal"] == "name.taken"
    assert asked.failed is failed
    assert b"Ada" not in collector.bytes
    assert b"ada@" not in collector.bytes


def test_of_an_error_only_its_kind_is_told(collector: Collector) -> None:
    with tracing.told(settings(collector)), pytest.raises(ValueError, match="ada"), tracing.span("tried"):
        raise ValueError("ada@x.example has the password hunter2")
    tried = collector.wait_for("tried")
    assert tried.failed
    assert tried.facts == {"error.type": "ValueError"}
    assert b"ada@" not in collector.bytes
    assert b"hunter2" not in collector.bytes


@pytest.mark.requirement("R-OPS-3")
@pytest.mark.parametrize("on", [True, False])
def test_a_line_logged_within_a_span_names_it_while_traces_are_on(collector: Collector, on: bool) -> None:  # noqa: FBT001
    said, root = io.StringIO(), logging.getLogger()
    handlers, level = root.handlers[:], root.level
    asked = settings(collector) if on else Settings(service="mailbox")
    try:
        logs.configure(asked, said)
        log = structlog.stdlib.get_logger("heraldry.mailbox")
        with tracing.told(asked):
            with tracing.span("sending", correlation=CORRELATION):
                log.info("within")
            log.info("outside")
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        logging.captureWarnings(capture=False)
        structlog.contextvars.clear_contextvars()
    within, outside = (json.loads(line) for line in said.getvalue().splitlines())
    assert "trace_id" not in outside
    if on:
        assert (within["trace_id"], within["span_id"]) == (TRACE, collector.wait_for("sending").id)
    else:
        assert "trace_id" not in within


def test_an_address_without_a_path_is_given_that_of_otlp() -> None:
    assert address("http://127.0.0.1:4318") == "http://127.0.0.1:4318/v1/traces"
    assert address("http://127.0.0.1:4318/") == "http://127.0.0.1:4318/v1/traces"
    assert address("https://otlp.example/tenant/v1/traces") == "https://otlp.example/tenant/v1/traces"


@pytest.mark.parametrize("wrong", ["127.0.0.1:4318", "grpc://127.0.0.1:4317", "http://"])
def test_what_is_no_address_is_refused_at_start(wrong: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HERALDRY_OTLP_ENDPOINT", wrong)
    with pytest.raises(ValidationError, match="otlp_endpoint"):
        Settings()
