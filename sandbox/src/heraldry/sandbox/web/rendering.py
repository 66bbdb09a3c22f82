"""Templates and static files. Everything a mail says is escaped; no page runs a script."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from hashlib import sha256
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from litestar import MediaType, Response

HERE = Path(__file__).parent
STATIC = HERE / "static"
ALLOWED_FILES = frozenset({"tokens.css", "components.css"})


def page(name: str, *, status: int = 200, **values: object) -> Response[str]:
    """A page from the template of this name."""
    content = _environment().get_template(name).render(version=_version(), **values)
    return Response(content, media_type=MediaType.HTML, status_code=status)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["moment"] = _moment
    return environment


def _moment(instant: datetime) -> str:
    return instant.astimezone(UTC).strftime("%a %d %b %Y, %H:%M:%S UTC")


@cache
def _version() -> str:
    return sha256(b"".join((STATIC / name).read_bytes() for name in sorted(ALLOWED_FILES))).hexdigest()[:12]
