"""Cells of an export are no formulas, and its times are times to a spreadsheet."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from heraldry.gateway.api.history import safe, written
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_a_formula_is_only_text(cell: str) -> None:
    assert safe(cell) == f"'{cell}"


@given(st.text())
def test_no_text_begins_like_a_formula(text: str) -> None:
    assert not safe(text).startswith(("=", "+", "-", "@", "\t", "\r"))


def test_times_are_in_utc_to_the_second() -> None:
    at = datetime(2026, 5, 4, 0, 30, 9, 123456, tzinfo=timezone(timedelta(hours=2)))
    assert written(at) == "2026-05-03 22:30:09"
