"""Where the tags of a template begin and end: read before Liquid does, in one pass and without backtracking.

Liquid's own lexer takes a time that grows with the square of the length for some texts, such as many `{{` that
are never closed or a tag full of spaces. What comes out of here holds none of them.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from heraldry.scheduler.ports import TemplateError

MOST_TAGS: Final = 500
LONGEST_TAG: Final = 500  # characters
OPENING: Final = re.compile(r"\{[{%]")
NAME: Final = re.compile(r"\w*")
ENDS: Final = {
    "endif": "if",
    "endunless": "unless",
    "endcase": "case",
    "endcapture": "capture",
    "endcomment": "comment",
}
BLOCKS: Final = frozenset(ENDS.values())
WITHIN: Final = {"elsif": {"if", "unless"}, "else": {"if", "unless", "case"}, "when": {"case"}}
KNOWN: Final = frozenset({"assign", *BLOCKS, *ENDS, *WITHIN})
HOW_TO: Final = (
    'Write a variable as {{ first_name }}, or with a fallback as {{ first_name | default: "there" }}.'
)


@dataclass(frozen=True, slots=True)
class _Block:
    name: str
    line: int


def tidied(source: str, typed: Callable[[str], str]) -> str:
    """The same template with one space around what stands in each tag. Raises TemplateError.

    `typed` makes of the inside of a tag what was meant by it.
    """
    parts: list[str] = []
    blocks: list[_Block] = []
    at = line = tags = 0
    while opening := OPENING.search(source, at):
        start = opening.start()
        line += source.count("\n", at, start)
        closing = "}}" if opening.group() == "{{" else "%}"
        end = source.find(closing, start + 2)
        inside = "" if end < 0 else typed(source[start + 2 : end])
        if end < 0 or OPENING.search(inside):
            raise _wrong(line, f"{opening.group()} is not closed by {closing}")
        tags += 1
        if tags > MOST_TAGS:
            raise TemplateError(f"More than {MOST_TAGS} variables and conditions are too many. Shorten it.")
        parts += (source[at:start], _tag(opening.group(), inside, closing, line))
        if closing == "%}":
            _balance(blocks, _body(inside), line)
        line += source.count("\n", start, end)
        at = end + 2
    if blocks:
        block = blocks[-1]
        raise _wrong(block.line, f"{{% {block.name} %}} has no {{% end{block.name} %}}")
    parts.append(source[at:])
    return "".join(parts)


def _tag(opening: str, inside: str, closing: str, line: int) -> str:
    body = _body(inside)
    if not body:
        raise _wrong(line, f"nothing stands between {opening} and {closing}")
    if len(body) > LONGEST_TAG:
        raise _wrong(line, f"more than {LONGEST_TAG} characters stand between {opening} and {closing}")
    before = "-" if inside.startswith("-") else ""
    after = "-" if inside.endswith("-") else ""
    return f"{opening}{before} {body} {after}{closing}"


def _body(inside: str) -> str:
    return " ".join(inside.removeprefix("-").removesuffix("-").splitlines()).strip()


def _balance(blocks: list[_Block], body: str, line: int) -> None:
    name = (NAME.match(body) or body)[0]
    if name not in KNOWN:
        raise _wrong(
            line,
            f"{{% {name or body[:20]} %}} is not available; there are if, unless, case, assign, capture, comment",
        )
    if name in BLOCKS:
        blocks.append(_Block(name, line))
    elif name in ENDS:
        if not blocks or blocks[-1].name != ENDS[name]:
            raise _wrong(line, f"{{% {name} %}} has no {{% {ENDS[name]} … %}} before it")
        blocks.pop()
    elif name in WITHIN and (not blocks or blocks[-1].name not in WITHIN[name]):
        raise _wrong(line, f"{{% {name} %}} stands outside of a condition")


def _wrong(line: int, what: str) -> TemplateError:
    return TemplateError(f"Line {line + 1}: {what}. {HOW_TO}")
