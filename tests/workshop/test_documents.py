"""The documents say what the code says, and lead where they say."""

from __future__ import annotations

import ast
import re
import shlex
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from heraldry.chassis.cli import GROUP
from heraldry.chassis.cli_words import GROUPS

from tools import docs, docs_problems

ROOT = Path(__file__).parents[2]


def test_the_reference_is_what_the_code_says_and_every_link_leads_somewhere(
    capsys: pytest.CaptureFixture[str],
) -> None:
    ended = docs.main(["--check"])
    assert (ended, capsys.readouterr().err) == (0, "")


def test_a_link_to_a_file_or_heading_that_is_not_there_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(docs, "ROOT", tmp_path)
    (tmp_path / "there.md").write_text("# A title: `with code`, and more\n", encoding="utf-8")
    page = tmp_path / "page.md"
    gone = "[a](gone.md) ![b](pictures/gone.png) [c](#gone) [d](there.md#gone) [e](../outside.md)"
    leads = "[f](https://example.com/gone) [g](there.md#a-title-with-code-and-more) `[h](gone.md)` [i](#here)"
    page.write_text(f"# Here\n\n{gone}\n{leads}\n\n```\n[k](gone.md)\n```\n", encoding="utf-8")
    found = [re.sub(r"^page.md: (\S+) .*", r"\1", one) for one in docs.broken_links(page)]
    assert found == ["gone.md", "pictures/gone.png", "#gone", "there.md#gone", "../outside.md"]


def test_every_refusal_and_every_variable_can_be_read_off_the_source() -> None:
    found, unreadable = docs_problems.refusals()
    assert (list(unreadable), list(docs.unlisted_variables())) == ([], [])
    assert len(found) > 50


def test_the_example_of_every_command_can_be_typed() -> None:
    for group in GROUPS.values():
        for name, command in group.items():
            heraldry, typed, *words = shlex.split(command.example)
            assert (heraldry, typed) == ("heraldry", name)
            (found,) = entry_points(group=GROUP, name=name)
            docs.parser_of(found.load()).parse_args(words)


def test_every_setting_says_what_it_is_for() -> None:
    assert list(docs.settings_without_a_meaning()) == []


def test_every_code_of_commands_readiness_and_logs_says_what_to_do() -> None:
    assert list(docs_problems.codes_without_words()) == []
    page = docs_problems.problems()
    named = {
        *docs_problems.codes_of_commands(),
        "linkedin.session-ended",
        "not-running",
        "other-archive",
        "keys.there",
    }
    assert [one for one in sorted(named) if f"| `{one}` |" not in page] == []


def test_a_new_code_in_the_source_is_found() -> None:
    source = """
NEW: Final = "audit.new-one"
raise CannotStart("new-port", f"Port {port} is new. Close it.")
raise StoreUnavailableError(f"store.new: {shown} is new.")
answers.bad({"code": "new-answer", "detail": str(error)})
"""
    found = docs_problems.command_codes.found([(Path("commands.py"), ast.parse(source))])
    assert {name: list(words) for name, words in found.items()} == {
        "audit.new-one": [],
        "new-port": ["Port … is new. Close it."],
        "store.new": [],
        "new-answer": [],
    }


def test_the_page_of_problems_says_why_leads_fail_and_what_is_wrong_with_rows() -> None:
    page = docs_problems.problems()
    leads = ("inbox.disconnected", "identity.deleted", "template.variable-missing")
    rows = ("variable.missing", "address.missing", "address.unsupported", "column.missing", "row.too-wide")
    assert [one for one in (*leads, *rows) if f"| `{one}` |" not in page] == []


def test_ci_runs_exactly_the_readmes_test_command() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    shells = "\n".join(re.findall(r"^```sh\n(.*?)^```", readme, re.MULTILINE | re.DOTALL))
    told = {line.partition("#")[0].strip() for line in shells.splitlines()}
    runs = re.findall(r"^exec (.*)$", (ROOT / ".ci" / "run").read_text(encoding="utf-8"), re.MULTILINE)
    assert runs == ["./justw test"]
    assert runs[0] in told
