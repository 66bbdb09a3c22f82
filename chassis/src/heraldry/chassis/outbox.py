"""Spans on their way to the collector: nothing waits for it, however it behaves."""

from __future__ import annotations

import contextvars
import logging
import threading
from collections import deque
from typing import Final

import structlog
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from prometheus_client import Counter

log = structlog.stdlib.get_logger(__name__)
MOST: Final = 2048  # spans that wait; further ones are dropped
BATCH: Final = 512
PAUSE: Final = 1.0  # seconds a span waits for others to go with it
LONGEST_PAUSE: Final = 30.0  # seconds between tries while the collector takes nothing
TRIES: Final = 3  # of one batch, which may be what the collector does not take
GRACE: Final = 1.0  # seconds a stopping process gives it; the supervisor waits 4 for all of them
REASON: Final = 300  # characters
EXPORTER: Final = "opentelemetry.exporter"
CODE: Final = "traces.not-taken"

_SENT = Counter("heraldry_trace_spans_sent", "Spans that the collector took")
_DROPPED = Counter(
    "heraldry_trace_spans_dropped", "Spans that were given up: it took none, or not fast enough"
)


class _Reason(logging.Handler):
    """What the exporter said first of a batch: it logs why, and returns only that it failed."""

    def __init__(self) -> None:
        super().__init__()
        self.first = ""

    def emit(self, record: logging.LogRecord) -> None:
        self.first = self.first or record.getMessage()[:REASON]


class Outbox(SpanProcessor):
    """Sends ended spans in batches, from a thread of its own. What is not taken waits, up to a number."""

    def __init__(
        self,
        exporter: SpanExporter,
        *,
        most: int = MOST,
        batch: int = BATCH,
        pause: float = PAUSE,
        longest_pause: float = LONGEST_PAUSE,
        grace: float = GRACE,
    ) -> None:
        self._exporter, self._most, self._batch, self._grace = exporter, most, batch, grace
        self._pause, self._longest_pause = pause, longest_pause
        self._waiting: deque[ReadableSpan] = deque()
        self._wake, self._stopping = threading.Event(), threading.Event()
        self._failed = 0  # times in a row
        self._lost = 0  # spans, since it failed first
        self._said = _Reason()
        logger = logging.getLogger(EXPORTER)
        logger.handlers[:], logger.propagate = [self._said], False
        logger.setLevel(logging.WARNING)
        working = contextvars.copy_context()  # with what every log line of this process says
        self._thread = threading.Thread(target=working.run, args=(self._work,), name="spans", daemon=True)
        self._thread.start()

    def on_end(self, span: ReadableSpan) -> None:
        """Never waits."""
        if span.context is None or not span.context.trace_flags.sampled or self._stopping.is_set():
            return
        if len(self._waiting) >= self._most:
            self._drop(1)
            return
        self._waiting.append(span)
        if len(self._waiting) >= self._batch and not self._failed:
            self._wake.set()

    def shutdown(self) -> None:
        """Have the rest sent. Nobody waits for that longer than a moment, and it ends with the process."""
        self._stopping.set()
        self._wake.set()
        self._thread.join(self._grace)

    def force_flush(self, timeout_millis: int = 30000) -> bool:  # noqa: ARG002  the SDK's signature
        """Have it sent now; nobody waits for that."""
        self._wake.set()
        return True

    def _work(self) -> None:
        while not self._stopping.is_set():
            self._wake.wait(min(self._pause * 2**self._failed, self._longest_pause))
            self._wake.clear()
            while self._waiting and self._send():
                pass
        while self._waiting and self._send():
            pass
        self._exporter.shutdown()

    def _send(self) -> bool:
        """Whether it was taken. Only this thread takes spans out."""
        spans = [self._waiting[place] for place in range(min(len(self._waiting), self._batch))]
        self._said.first = ""
        try:
            taken = self._exporter.export(spans) is SpanExportResult.SUCCESS
        except Exception as error:  # noqa: BLE001  whatever it stumbles over: the process goes on
            self._said.first, taken = type(error).__name__, False
        if taken:
            _SENT.inc(len(spans))
            self._forget(len(spans))
            if self._failed:
                log.info("traces are taken again", dropped=self._lost)
            self._failed = self._lost = 0
            return True
        self._failed += 1
        if self._failed == 1:
            log.warning(
                "traces are not taken: what is done goes on, and newer spans are dropped when too many wait",
                code=CODE,
                because=self._said.first,
            )
        if self._failed % TRIES == 0:
            self._forget(len(spans))
            self._drop(len(spans))
        return False

    def _forget(self, count: int) -> None:
        for _ in range(count):
            self._waiting.popleft()

    def _drop(self, count: int) -> None:
        self._lost += count
        _DROPPED.inc(count)
