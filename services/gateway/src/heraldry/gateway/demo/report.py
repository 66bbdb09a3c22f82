"""What the demo found, for people and for programs."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that was done and what was expected of it. `found`: what was there."""

    what: str
    ok: bool
    found: str


def moment(text: object) -> str:
    """An instant of the API, as refusals write one; said to be unknown if there is none."""
    if not text:
        return "unknown"
    return f"{datetime.fromisoformat(str(text)).astimezone(UTC):%d %B %Y, %H:%M:%S} UTC"


@dataclass(frozen=True, slots=True)
class SignIn:
    """How somebody sees with their own eyes what was made."""

    url: str
    email: str
    password: str = field(repr=False)


def as_json(steps: Sequence[Step], not_played: Sequence[str]) -> str:
    document = {
        "ok": bool(steps) and all(step.ok for step in steps),
        "steps": [asdict(step) for step in steps],
        "not_played": list(not_played),
    }
    return json.dumps(document, indent=2) + "\n"


def table(steps: Sequence[Step], not_played: Sequence[str], made: SignIn | None) -> str:
    """`made`: how to see what was played, if it is still there."""
    shown = Table(title="Heraldry demo", show_lines=False)
    shown.add_column("")
    shown.add_column("What was done")
    shown.add_column("What was found")
    for step in steps:
        shown.add_row("[green]ok[/]" if step.ok else "[red]no[/]", step.what, step.found)
    out = io.StringIO()
    console = Console(file=out, width=120)
    console.print(shown)
    console.print(f"Not played yet: {', '.join(not_played)}.")
    if made is not None:
        console.print(f"See it at {made.url}: sign in as {made.email} with {made.password}", soft_wrap=True)
    return out.getvalue()
