"""Templates of the stand-in. Class names are hashes that change at every start; what a person types is escaped."""

from __future__ import annotations

import struct
import zlib
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from heraldry.sandbox.linkedin.people import Person
from heraldry.sandbox.linkedin.site import LinkedIn
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from litestar import MediaType, Response

TEMPLATES = Path(__file__).parent.parent / "templates"
PIXELS = 200  # of a picture, each way


class Pages:
    """Makes the answers of one site."""

    def __init__(self, linkedin: LinkedIn) -> None:
        self._salt = linkedin.salt
        self._environment = Environment(
            loader=FileSystemLoader(TEMPLATES),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        names: dict[str, Any] = {
            "c": self.class_name,
            "asset": self.class_name("assets"),
            "photo": photo_path,
        }
        self._environment.globals.update(names)
        filters: dict[str, Any] = {"long_ago": _long_ago, "day": _day}
        self._environment.filters.update(filters)

    def class_name(self, name: str) -> str:
        """What the element called `name` in the templates is called in this run."""
        return "_" + sha256(f"{self._salt} {name}".encode()).hexdigest()[:8]

    def text(self, name: str, **values: object) -> str:
        return self._environment.get_template(name).render(**values)

    def page(self, name: str, *, status: int = 200, **values: object) -> Response[str]:
        """A page from the template of this name."""
        return Response(self.text(name, **values), media_type=MediaType.HTML, status_code=status)


def photo_path(person: Person) -> str:
    return f"/dms/image/v2/{person.profile_id}/profile-displayphoto-scale_200_200/0/1.png?e=2147483647&v=beta"


def photo(person: Person) -> bytes:
    """A square of one colour as PNG."""
    colour = sha256(person.slug.encode()).digest()[:3]
    rows = (b"\0" + colour * PIXELS) * PIXELS
    header = struct.pack(">IIBBBBB", PIXELS, PIXELS, 8, 2, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        for kind, content in parts
    )


def _long_ago(instant: float, now: datetime) -> str:
    """As the site says it: today, yesterday, 3 days ago, 2 weeks ago."""
    days = int((now.timestamp() - instant) // (24 * 3600))
    for size, unit in ((365, "year"), (30, "month"), (7, "week"), (2, "day")):
        if days >= size:
            count = days // (1 if unit == "day" else size)
            return f"{count} {unit}{'s' if count != 1 else ''} ago"
    return "yesterday" if days == 1 else "today"


def _day(instant: float) -> str:
    found = datetime.fromtimestamp(instant, UTC)
    return f"{found:%B} {found.day}, {found.year}"
