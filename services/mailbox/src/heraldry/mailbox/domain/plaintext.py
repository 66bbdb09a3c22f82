"""HTML of a stranger reduced to text: one pass, no recursion, linear in its length."""

from __future__ import annotations

import html
import re

_LONGEST = 1 << 20  # characters that are looked at
_TAG_NAME = re.compile(r"/?\s*([a-zA-Z][a-zA-Z0-9]*)")
_BREAKS = frozenset(
    [
        "address",
        "article",
        "aside",
        "blockquote",
        "center",
        "dd",
        "div",
        "dl",
        "dt",
        "fieldset",
        "figure",
        "footer",
        "form",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "header",
        "hr",
        "li",
        "main",
        "nav",
        "ol",
        "p",
        "pre",
        "section",
        "table",
        "tr",
        "ul",
    ]
)
_HIDDEN = frozenset({"script", "style", "head", "title", "template", "noscript", "svg", "object", "iframe"})
_SPACES = re.compile(r"[ \t\r\n\f\xa0\u200b\u200c\ufeff]+")


def text_of_html(source: str) -> str:
    """What a reader would see, line by line; quotations (`blockquote`) begin with `> `."""
    source = source[:_LONGEST]
    lines: list[str] = []
    line: list[str] = []
    quoted = 0
    at = 0

    def end_line() -> None:
        text = _SPACES.sub(" ", html.unescape("".join(line))).strip()
        lines.append("> " * min(quoted, 5) + text if text else "")
        line.clear()

    while at < len(source):
        opened = source.find("<", at)
        if opened < 0:
            line.append(source[at:])
            break
        line.append(source[at:opened])
        if source.startswith("<!--", opened):
            closed = source.find("-->", opened + 4)
            if closed < 0:
                break
            at = closed + 3
            continue
        closed = source.find(">", opened)
        if closed < 0:
            line.append(source[opened:])
            break
        inside = source[opened + 1 : closed]
        found = _TAG_NAME.match(inside)
        at = closed + 1
        if found is None:
            if not inside.startswith(("!", "?")):
                line.append("<")
                at = opened + 1
            continue
        name, ends = found[1].lower(), inside.startswith("/")
        if name in _HIDDEN and not ends:
            at = _after(source, name, at)
            continue
        if name == "br" or name in _BREAKS:
            end_line()
        if name == "blockquote":
            quoted = max(0, quoted + (-1 if ends else 1))
        elif name == "p" and ends:
            lines.append("")
    end_line()
    return _squeezed(lines)


def _after(source: str, name: str, at: int) -> int:
    """Where a hidden element ends; an open end hides the rest."""
    found = re.compile(rf"</{name}\s*>", re.IGNORECASE).search(source, at)
    return found.end() if found else len(source)


def _squeezed(lines: list[str]) -> str:
    kept: list[str] = []
    for line in lines:
        if line or (kept and kept[-1]):
            kept.append(line)
    return "\n".join(kept).strip("\n")
