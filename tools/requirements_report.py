"""Which promises of docs/requirements.md no test names yet.

python tools/requirements_report.py [--json]

A promise counts as named when a test carries `@pytest.mark.requirement("R-ID-1")`. This says nothing about whether
the test passes; `just test` does.
"""

from __future__ import annotations

import ast
import json
import re
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
HEADING: Final = re.compile(r"^## .*\((R-[A-Z]+)\)")
LINE: Final = re.compile(r"^(\d+)\. (.*)")
PLACES: Final = ("contracts", "chassis", "services", "sandbox", "tests", "examples", "benchmarks")


@dataclass(frozen=True, slots=True)
class Promise:
    """One numbered line of docs/requirements.md."""

    id: str
    text: str


def promises(document: str) -> tuple[Promise, ...]:
    """`## Title (R-XX)` and the numbered lines under it, as R-XX-1, R-XX-2 …"""
    found: list[Promise] = []
    prefix = ""
    for line in document.splitlines():
        if line.startswith("## "):
            heading = HEADING.match(line)
            prefix = heading.group(1) if heading else ""
        elif prefix and (numbered := LINE.match(line)):
            found.append(Promise(f"{prefix}-{numbered.group(1)}", numbered.group(2)))
    return tuple(found)


def named_in(source: str) -> Iterator[str]:
    """The ids that `requirement(…)` markers name in a Python file."""
    for node in ast.walk(ast.parse(source)):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr == "requirement"
        ):
            for argument in node.args:
                if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                    yield argument.value


def markers() -> Mapping[str, Sequence[str]]:
    """For each id that is named, the test files that name it."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for place in PLACES:
        for file in sorted((ROOT / place).rglob("test_*.py")):
            for name in dict.fromkeys(named_in(file.read_text(encoding="utf-8"))):
                found[name].append(str(file.relative_to(ROOT)))
    return found


def main(arguments: Sequence[str]) -> int:
    all_of_them = promises((ROOT / "docs" / "requirements.md").read_text(encoding="utf-8"))
    tested = markers()
    known = {promise.id for promise in all_of_them}
    unknown = sorted(set(tested) - known)
    if "--json" in arguments:
        missing = [promise.id for promise in all_of_them if promise.id not in tested]
        print(json.dumps({"promises": len(known), "tested": tested, "missing": missing, "unknown": unknown}))
    else:
        for promise in all_of_them:
            if promise.id not in tested:
                print(f"{promise.id:12} {promise.text}")
        print(f"\n{sum(p.id in tested for p in all_of_them)} of {len(known)} promises are named by a test.")
    for name in unknown:
        print(
            f"{name} is named by {', '.join(tested[name])} but docs/requirements.md has no such line.",
            file=sys.stderr,
        )
    return 1 if unknown else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
