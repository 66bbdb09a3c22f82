"""View models become HTML: one environment, strict about what is missing, escaping everything."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Final, cast
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

import jinja2
from heraldry.gateway.pages.forms import COMMAND_FIELD, CSRF_FIELD
from heraldry.gateway.pages.models import Shell
from markupsafe import Markup, escape

HERE: Final = Path(__file__).parent.parent
TEMPLATES: Final = HERE / "templates"
STATIC: Final = HERE / "static"
AVATAR_TONES: Final = 8
"""How many avatar colours tokens.css has (`--avatar-1` …)."""
SPARK_WIDTH: Final = 200
SPARK_HEIGHT: Final = 34
MINUTES_OF_A_DAY: Final = 24 * 60
RENAMED: Final = {  # browsers go on giving these zones the names they began with
    "Calcutta": "Kolkata",
    "Faeroe": "Faroe",
    "Godthab": "Nuuk",
    "Katmandu": "Kathmandu",
    "Kiev": "Kyiv",
    "Rangoon": "Yangon",
    "Saigon": "Ho Chi Minh",
}


def zone_of(name: str) -> ZoneInfo:
    """The zone of that name; UTC for a name nobody knows, since a page must not fail over a cookie."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return ZoneInfo("UTC")


def city(zone: str) -> str:
    """How a zone is named to people: `Europe/Stockholm` is Stockholm."""
    name = zone.rsplit("/", 1)[-1].replace("_", " ")
    return RENAMED.get(name, name)


def instant(at: datetime, zone: str, form: str = "%-d %b %Y, %H:%M") -> Markup:
    """`<time>` in the reader's zone; hovering names the zone and the seconds."""
    local = at.astimezone(zone_of(zone))
    return Markup('<time datetime="{}" title="{}">{}</time>').format(
        at.isoformat(), f"{local:%-d %B %Y, %H:%M:%S} ({city(zone)})", local.strftime(form)
    )


def initials(name: str) -> str:
    """At most two letters that stand for a name; `?` where there is no letter in it."""
    words = [word for word in name.split() if word[0].isalnum()]
    chosen = words[:1] + words[-1:] if len(words) > 1 else words
    return "".join(word[0] for word in chosen).upper() or "?"


def avatar_tone(of: UUID | str) -> str:
    """The class of an avatar's colour: always the same for the same identity or user."""
    return f"avatar-{sha256(str(of).encode()).digest()[0] % AVATAR_TONES + 1}"


def percent(value: float) -> str:
    """One digit after the point where there is something to say there."""
    return f"{value:.1f}".removesuffix(".0") + " %"


def spark(points: Sequence[float]) -> str:
    """The `d` of a trend line in a box of 200 by 34; empty while there is nothing to draw."""
    if len(points) < 2 or not any(points):  # noqa: PLR2004  a line has two ends
        return ""
    low, high = min(points), max(points)
    span = (high - low) or 1
    room = SPARK_HEIGHT - 6
    step = SPARK_WIDTH / (len(points) - 1)
    places = (f"{n * step:.1f} {3 + room - room * (p - low) / span:.1f}" for n, p in enumerate(points))
    return "M" + " L".join(places)


def minute_of_day(clock: str, *, end: bool = False) -> int:
    """Minutes since midnight of `HH:MM`; midnight as an end is the end of the day, and nonsense is 0."""
    hours, _, minutes = clock.partition(":")
    if not (hours.isdigit() and minutes.isdigit()):
        return 0
    found = min(int(hours) * 60 + int(minutes), MINUTES_OF_A_DAY)
    return MINUTES_OF_A_DAY if end and found == 0 else found


@cache
def zones() -> tuple[tuple[str, tuple[str, ...]], ...]:
    """(region, zones in it) of all zones with a place in their name, and UTC."""
    regions: dict[str, list[str]] = {}
    for name in sorted(available_timezones()):
        region, slash, _ = name.partition("/")
        if slash and region not in {"Etc", "SystemV", "US", "posix", "right"}:
            regions.setdefault(region, []).append(name)
    return (("Universal", ("UTC",)), *((region, tuple(names)) for region, names in regions.items()))


@cache
def asset(name: str) -> str:
    """The path of a file of ours under /static, with a mark that changes when the file does."""
    return f"/static/{name}?v={sha256((STATIC / name).read_bytes()).hexdigest()[:12]}"


def hidden(csrf: str) -> Markup:
    """What every form that posts carries: the CSRF token, and an id so that sending it twice acts once."""
    return Markup(
        '<input type="hidden" name="{}" value="{}"><input type="hidden" name="{}" value="{}">'
    ).format(CSRF_FIELD, csrf, COMMAND_FIELD, uuid4())


def paragraphs(text: str) -> Markup:
    """Plain text with its line breaks."""
    return Markup("<br>").join(escape(line) for line in text.splitlines())


@cache
def environment() -> jinja2.Environment:
    """The environment of all pages. A missing name is an error, never empty text."""
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    # jinja2 types both by what it begins with
    cast("dict[str, Callable[..., object]]", made.filters).update(
        avatar_tone=avatar_tone,
        city=city,
        initials=initials,
        instant=instant,
        minute_of_day=minute_of_day,
        paragraphs=paragraphs,
        percent=percent,
        spark=spark,
    )
    cast("dict[str, object]", made.globals).update(asset=asset, hidden=hidden, zones=zones)
    return made


def render(name: str, *, shell: Shell, page: object) -> str:
    """The page of that template name (`dashboard.html`) as HTML."""
    return environment().get_template(name).render(shell=shell, page=page)
