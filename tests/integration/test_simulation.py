"""The smallest honest month: the real scheduler against played people, checked against the rules users rely on."""

from __future__ import annotations

from pathlib import Path

import pytest

from simulation.month import Size, play


@pytest.mark.parts
@pytest.mark.timeout(180)
async def test_a_small_month_breaks_no_rule_and_every_lead_ends(tmp_path: Path) -> None:
    summary = await play(tmp_path, Size(identities=3, leads=40, inboxes=2, days=30, seed=3))
    assert summary.rules == ()
    assert summary.ok, summary.states
    assert summary.outcomes["sent"] > 200


@pytest.mark.long
@pytest.mark.timeout(3600)
async def test_a_larger_month_breaks_no_rule_and_every_lead_ends(tmp_path: Path) -> None:
    summary = await play(tmp_path, Size(identities=20, leads=400))
    assert summary.rules == ()
    assert summary.ok, summary.states
