"""What the demo says of moments."""

from __future__ import annotations

import pytest
from heraldry.gateway.demo.report import moment


@pytest.mark.parametrize("text", ["2026-11-08T17:06:29.123456+00:00", "2026-11-08T17:06:29Z"])
def test_the_demo_says_every_moment_in_one_way(text: str) -> None:
    assert moment(text) == "08 November 2026, 17:06:29 UTC"


def test_the_demo_says_that_a_moment_is_not_known() -> None:
    assert moment("") == moment(None) == "unknown"
