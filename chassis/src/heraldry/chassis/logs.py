"""Structured logs: one line an event on standard error, without secrets and without addresses to click on."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Iterable, Mapping
from typing import TextIO, cast

import structlog
from heraldry.chassis import tracing
from heraldry.chassis.settings import Settings
from pydantic import SecretBytes, SecretStr
from structlog.contextvars import bind_contextvars, bound_contextvars
from structlog.types import EventDict, Processor, WrappedLogger

HIDDEN = "***"
SECRET_KEY = re.compile(
    r"password|passwd|passphrase|token|secret|cookie|authorization|api[_-]?key|seed|master", re.IGNORECASE
)
_IS = r"\\*[\"']?\s*[=:]+>?\s*"
_QUOTED = (  # with escapes, also within a text that is quoted itself; without an end it ends with the text
    r"[bru]{0,2}(?:\"(?:[^\"\\]|\\.)*\"?|'(?:[^'\\]|\\.)*'?|(\\+[\"'])(?:(?!(?<!\\)\2).)*(?:\2)?)"
)
HEADER_IN_TEXT = re.compile(rf"(?is)((?:cookies?|authorization){_IS})(?:{_QUOTED}|[^\r\n]+)")
SECRET_IN_TEXT = re.compile(
    r"(?is)((?:password|passwd|passphrase|token|secret|seed|(?:api|private|master)[_-]?key|li_at|jsessionid)"
    rf"(?:[_-]?keys?|s)?{_IS})(?:{_QUOTED}|(?:(?:bearer|basic)\s+)?\S+)"
)
USER_IN_ADDRESS = re.compile(r"(?<=://)[^/\s]+@")
ADDRESS = re.compile(r"http://", re.IGNORECASE)
QUIET = {  # what these say below this level is of no use to whoever runs Heraldry
    "uvicorn": logging.WARNING,
    "uvicorn.error": logging.WARNING,
    "uvicorn.access": logging.CRITICAL,
    "nats": logging.ERROR,
    "faststream": logging.WARNING,
    "litestar": logging.WARNING,
    "httpx": logging.WARNING,
    "httpcore": logging.WARNING,
    "asyncio": logging.WARNING,
    "mail.log": logging.WARNING,
    "urllib3": logging.ERROR,
    "pymap": logging.WARNING,
}

correlated = bound_contextvars  # `with correlated(correlation=…):` every line within carries it


def configure(settings: Settings, stream: TextIO | None = None) -> None:
    """Send everything this process logs, by structlog or the standard library, to `stream` (standard error).

    Text or JSON by `settings.log_format`; every line carries service, replica and what `correlated` bound.
    """
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        *((within_span,) if settings.otlp_endpoint else ()),
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.stdlib.ExtraAdder(),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    as_json = settings.log_format == "json"
    rendered: list[Processor] = (
        [structlog.processors.dict_tracebacks, hide_secrets, structlog.processors.JSONRenderer(default=str)]
        if as_json
        else [structlog.processors.format_exc_info, hide_secrets, _Text()]
    )
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *rendered],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.log_level.upper())
    for name, level in QUIET.items():
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
        logger.setLevel(max(level, root.level))
    logging.captureWarnings(True)  # noqa: FBT003  the library's signature
    if settings.service:
        bind_contextvars(service=settings.service, replica=settings.replica)


def within_span(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Name the trace and the span that a line belongs to."""
    event.update(tracing.here())
    return event


def hide_secrets(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Replace values of secret keys, and secrets and addresses within texts."""
    return {key: _hidden(key, value) for key, value in event.items()}


def scrub(text: str) -> str:
    """A text without passwords it quotes, and without `http://`."""
    for known in (HEADER_IN_TEXT, SECRET_IN_TEXT):
        text = known.sub(rf"\g<1>{HIDDEN}", text)
    text = USER_IN_ADDRESS.sub(f"{HIDDEN}@", text)
    return ADDRESS.sub("http: //", ADDRESS.sub("", text))  # what was taken out may have parted another one


def _hidden(key: str, value: object) -> object:
    if isinstance(value, bool | int | float | None):
        return value
    if isinstance(value, SecretStr | SecretBytes) or SECRET_KEY.search(key):
        return HIDDEN
    match value:
        case bytes():
            return f"{len(value)} bytes"
        case Mapping():
            found = cast("Mapping[object, object]", value)
            return {str(inner): _hidden(str(inner), item) for inner, item in found.items()}
        case list() | tuple() | set() | frozenset():
            return [_hidden("", item) for item in cast("Iterable[object]", value)]
        case _:
            return scrub(str(value))


class _Text:
    """`12:00:01.123 warning  what happened  key=value …`; the supervisor puts the name in front."""

    def __call__(self, _logger: WrappedLogger, _method: str, event: EventDict) -> str:
        found = dict(event)
        time = str(found.pop("timestamp", ""))[11:23]
        level = str(found.pop("level", "info"))
        what = str(found.pop("event", ""))
        trace = found.pop("exception", None)
        for shown_elsewhere in ("service", "replica", "logger"):
            found.pop(shown_elsewhere, None)
        details = " ".join(f"{key}={_quoted(value)}" for key, value in found.items())
        line = f"{time} {level:<8} {what}  {details}".rstrip()
        return f"{line}\n{trace}" if trace else line


def _quoted(value: object) -> str:
    text = str(value)
    return repr(text) if not text or any(letter.isspace() for letter in text) else text
