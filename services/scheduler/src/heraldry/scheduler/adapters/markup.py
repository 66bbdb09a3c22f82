"""What of HTML may stand in a mail: what shows something. What runs, loads by itself or lies over it is removed."""

from __future__ import annotations

from typing import Final

import nh3

SCHEMES: Final = {"http", "https", "mailto", "tel"}
ATTRIBUTES: Final = {
    "*": {"style", "align", "valign", "dir", "lang", "title"},
    "a": {"href", "name"},
    "img": {"src", "alt", "width", "height"},
    "table": {"width", "border", "cellpadding", "cellspacing", "bgcolor", "role"},
    "tr": {"bgcolor"},
    "td": {"width", "height", "colspan", "rowspan", "bgcolor"},
    "th": {"width", "height", "colspan", "rowspan", "bgcolor", "scope"},
    "ol": {"start", "type"},
    "font": {"color", "face", "size"},
}
STYLES: Final = frozenset(
    [
        "color",
        "background-color",
        "font",
        "font-family",
        "font-size",
        "font-style",
        "font-weight",
        "line-height",
        "letter-spacing",
        "text-align",
        "text-decoration",
        "text-transform",
        "vertical-align",
        "white-space",
        "width",
        "max-width",
        "min-width",
        "height",
        "max-height",
        "margin",
        "margin-top",
        "margin-right",
        "margin-bottom",
        "margin-left",
        "padding",
        "padding-top",
        "padding-right",
        "padding-bottom",
        "padding-left",
        "border",
        "border-top",
        "border-right",
        "border-bottom",
        "border-left",
        "border-color",
        "border-style",
        "border-width",
        "border-radius",
        "border-collapse",
        "border-spacing",
        "display",
        "list-style-type",
    ]
)
_CLEANER: Final = nh3.Cleaner(
    tags=(nh3.ALLOWED_TAGS | {"font", "tfoot"}) - {"area", "map", "details", "summary"},
    attributes=ATTRIBUTES,
    url_schemes=SCHEMES,
    filter_style_properties=set(STYLES),
    link_rel="noopener noreferrer",
)


def clean(html: str) -> str:
    """The same HTML without scripts, event handlers, javascript: addresses, forms, frames and comments."""
    return _CLEANER.clean(html)
