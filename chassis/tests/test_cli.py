"""The `heraldry` command."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from heraldry.chassis import cli


def test_without_a_command_it_says_which_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert {"up", "serve", "rebuild", "status"} <= set(said.err.split())


def test_help_says_of_every_command_in_a_line_what_it_does(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--help"]) == 0
    said = capsys.readouterr()
    lines = [line.split(maxsplit=1) for line in said.out.splitlines() if line.startswith("  ")]
    assert {name for name, *_ in lines} == {one.name for one in entry_points(group=cli.GROUP)}
    assert [name for name, *line in lines if not line] == []
    assert (said.err, "Others" in said.out) == ("", False)


@pytest.mark.parametrize("words", [["status", "--help"], ["audit", "verify", "-h"]])
def test_help_on_a_command_ends_with_an_example(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(words) == 0
    assert f"\nfor example: heraldry {words[0]} " in capsys.readouterr().out


def test_an_unknown_command_is_misuse(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["dance"]) == 2
    assert "no command 'dance'" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["status", "--dance"], ["serve", "nobody"], ["up", "--port", "70000"]])
def test_a_wrong_option_is_misuse(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(words) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert f"heraldry {words[0]}" in said.err


def test_answers_are_one_json_document_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["status", "--data", str(tmp_path / "nothing")]) == 1
    said = capsys.readouterr()
    assert json.loads(said.out)["state"] == "none"
    assert said.out.count("\n") == 1
    assert said.err == ""


def test_imports_only_what_the_command_needs(tmp_path: Path) -> None:
    code = (
        "import sys; from heraldry.chassis.cli import main;"
        f"main(['status', '--data', {str(tmp_path)!r}]);"
        "print(sorted({'pydantic', 'nats', 'litestar', 'structlog', 'asyncio'} & set(sys.modules)))"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.splitlines()[-1] == "[]"


def test_serve_runs_the_service_in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HERALDRY_SERVICES", "gateway=platform:python_version_tuple,identity=os:getpgrp")
    monkeypatch.setenv("HERALDRY_SERVICE", "")
    assert cli.main(["serve", "identity"]) > 0  # the exit code is what the function returned
