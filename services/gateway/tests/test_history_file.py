"""Cells of an export are no formulas."""

from __future__ import annotations

import pytest
from heraldry.gateway.api.history import safe
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_a_formula_is_only_text(cell: str) -> None:
    assert safe(cell) == f"'{cell}"


@given(st.text())
def test_no_text_begins_like_a_formula(text: str) -> None:
    assert not safe(text).startswith(("=", "+", "-", "@", "\t", "\r"))
