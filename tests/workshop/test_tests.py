"""The tests about the tests: none runs for ever, and the hooks run what the checks run."""

from __future__ import annotations

import ast
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any, cast

import yaml

ROOT = Path(__file__).parents[2]
PLACES = ("contracts", "chassis", "services", "sandbox", "tests")


def test_every_test_has_a_time_limit() -> None:
    told = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["pytest"][
        "ini_options"
    ]
    assert 0 < told["timeout"] <= 60
    assert version("pytest-timeout")
    unlimited = [
        f"{file.relative_to(ROOT)}:{line}"
        for place in PLACES
        for file in sorted((ROOT / place).rglob("test_*.py"))
        for line, seconds in limits(file)
        if not 0 < seconds <= 3600
    ]
    assert unlimited == []


def limits(file: Path) -> Iterator[tuple[int, float]]:
    """The lines of `pytest.mark.timeout(…)` in a file, each with its seconds (0 for what is no number)."""
    text = file.read_text(encoding="utf-8")
    if "mark.timeout" not in text:
        return
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("mark.timeout"):
            first = node.args[0] if node.args else None
            value = first.value if isinstance(first, ast.Constant) else 0
            yield node.lineno, value if isinstance(value, int | float) else 0


def test_the_hooks_are_local_and_run_what_just_check_runs() -> None:
    text = (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    repositories = cast("list[dict[str, Any]]", yaml.safe_load(text)["repos"])
    assert [one["repo"] for one in repositories] == ["local"]
    hooks = cast("list[dict[str, str]]", repositories[0]["hooks"])
    assert {hook["language"] for hook in hooks} == {"system"}
    programs = {word for hook in hooks for word in hook["entry"].split() if "/" in word}
    assert {"tools/tidy.py", ".venv/bin/ruff"} <= programs
    here = Path(sys.executable).parent
    places = {
        one: here / one.removeprefix(".venv/bin/") if one.startswith(".venv") else ROOT / one
        for one in programs
    }
    assert [program for program, place in places.items() if not place.exists()] == []
