"""What all generated pages of docs/reference/ share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
NOTE: Final = "<!-- Written by tools/docs.py (`./justw docs`): change the code, not this page. -->"


def page(title: str, introduction: str, *parts: str) -> str:
    """A page's whole text."""
    return "\n\n".join((f"# {title}", NOTE, introduction, *(part.strip() for part in parts))) + "\n"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(cell, line))} |" for line in lines)


def cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def code(text: object) -> str:
    return f"`{text}`" if str(text) else ""
