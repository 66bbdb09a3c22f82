"""What a process does, as spans of traces. While nobody listens, nothing is made and nothing is imported for it.

A trace holds everything that came of one request, whenever and in whichever service: its id is the 128 bits of the
correlation id that commands and events carry. So nothing is stored for it, and a reaction half a day later finds its
trace in its event. What is told of a span are names that are written in the code, numbers and stable codes: never what
a user typed, nor whom it is about.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Final, Literal, Protocol, TypeAlias
from uuid import UUID, uuid4

from heraldry.chassis.settings import Settings

Kind: TypeAlias = Literal["internal", "server", "client", "producer", "consumer"]
Fact: TypeAlias = str | int | bool
NOTHING: Final[Mapping[str, Fact]] = {}


class Span(Protocol):
    """Something that is being done."""

    def tell(self, facts: Mapping[str, Fact]) -> None:
        """What became known of it meanwhile."""
        ...

    def call(self, name: str) -> None:
        """What it is called, where that was not known when it began."""
        ...

    def fail(self, kind: str) -> None:
        """It did not come to what it was begun for; a class of errors or a stable code."""
        ...


class Tracer(Protocol):
    """Who listens."""

    def span(
        self, name: str, kind: Kind, facts: Mapping[str, Fact], *, correlation: str, parent: str
    ) -> AbstractContextManager[Span]: ...

    def correlation(self) -> UUID | None:
        """The id of the trace that we are in."""
        ...

    def here(self) -> Mapping[str, str]:
        """The ids of the span that we are in, as a log line has them."""
        ...

    def headers(self) -> dict[str, str] | None:
        """What travels with a request, so that whoever answers goes on from the span that we are in."""
        ...


class _Untold:
    """The span of whoever nobody listens to."""

    __slots__ = ()

    def __enter__(self) -> Span:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def tell(self, facts: Mapping[str, Fact]) -> None:
        """Nobody listens."""

    def call(self, name: str) -> None:
        """Nobody listens."""

    def fail(self, kind: str) -> None:
        """Nobody listens."""


_UNTOLD: Final = _Untold()
_tracer: Tracer | None = None  # one for each process, as it has one log


def span(
    name: str,
    kind: Kind = "internal",
    facts: Mapping[str, Fact] = NOTHING,
    *,
    correlation: str = "",
    parent: str = "",
) -> AbstractContextManager[Span]:
    """`with span(…) as told:` what is done within it.

    It belongs to the trace of `correlation`; without one to that of `parent` (a `traceparent`, from another process) or of
    the span that we are in, else it begins one. A parent of another trace is only linked.
    """
    if _tracer is None:
        return _UNTOLD
    return _tracer.span(name, kind, facts, correlation=correlation, parent=parent)


def correlation() -> str:
    """The id under which all belongs together that comes of what is done now: that of the trace, or a fresh one."""
    found = None if _tracer is None else _tracer.correlation()
    return str(found or uuid4())


def headers() -> dict[str, str] | None:
    """What to send along with a request to another service; None where there is nothing to say."""
    return None if _tracer is None else _tracer.headers()


def here() -> Mapping[str, str]:
    """`trace_id` and `span_id` of where we are; empty outside of any span."""
    return {} if _tracer is None else _tracer.here()


def is_on() -> bool:
    """Whether anybody listens."""
    return _tracer is not None


def listen(tracer: Tracer | None) -> None:
    """Tell everything to this one from now on."""
    global _tracer  # noqa: PLW0603  one for each process
    _tracer = tracer


@contextmanager
def told(settings: Settings) -> Generator[None]:
    """Tell the collector that the settings name, if they name one; what is not sent at the end has a second."""
    if not settings.otlp_endpoint:
        yield
        return
    from heraldry.chassis.telemetry import Telemetry  # noqa: PLC0415  it takes long, and few want it

    telemetry = Telemetry.of(settings)
    listen(telemetry)
    try:
        yield
    finally:
        listen(None)
        telemetry.stop()
