"""The report reads the document as it is written, and finds every marker."""

from __future__ import annotations

import re
from pathlib import Path

from tools.requirements_report import ROOT, markers, named_in, promises

MARKED = '''
import pytest

pytestmark = [pytest.mark.stack, pytest.mark.requirement("R-ID-1")]

@pytest.mark.requirement("R-ID-2", "R-ID-3")
class TestIdentities:
    pytestmark = pytest.mark.requirement("R-ID-4")

    @pytest.mark.requirement("R-ID-5")
    def test_one(self) -> None: ...

@pytest.mark.parametrize("name", [pytest.param("a", marks=pytest.mark.requirement("R-ID-6"))])
@pytest.mark.parts
def test_two(name: str) -> None:
    """Names R-ID-7 in words only."""
'''


def test_a_marker_is_found_wherever_pytest_takes_one() -> None:
    assert set(named_in(MARKED)) == {f"R-ID-{number}" for number in range(1, 7)}


def test_every_numbered_line_under_a_heading_is_a_promise() -> None:
    document = (
        "## Words\n1. no promise\n\n## Identity (R-ID)\n1. First.\nmore\n2. Second.\n## Else\n3. none\n"
    )
    assert [(one.id, one.text) for one in promises(document)] == [
        ("R-ID-1", "First."),
        ("R-ID-2", "Second."),
    ]


def test_the_whole_document_is_read_and_no_promise_twice() -> None:
    text = (ROOT / "docs" / "requirements.md").read_text(encoding="utf-8")
    found = promises(text)
    assert len({one.id for one in found}) == len(found)
    assert len(found) == len(re.findall(r"^\d+\. ", text, re.MULTILINE))
    assert {"R-ID-1", "R-ADD-7", "R-BOX-18", "R-AUD-6", "R-OPS-4"} <= {one.id for one in found}


def test_tests_name_only_promises_there_are() -> None:
    known = {one.id for one in promises((ROOT / "docs" / "requirements.md").read_text(encoding="utf-8"))}
    named = markers()
    assert set(named) <= known
    assert all((ROOT / Path(file)).is_file() for files in named.values() for file in files)
