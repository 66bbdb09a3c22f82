"""More than the ceiling, for a time: asked for by a user, granted by support, over at its end."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import datetime, timedelta
from typing import Any, cast

import pytest
from heraldry.chassis.testing.stack import Stack

from tests.integration.support import Admin, Answer, Outside, eventually

pytestmark = pytest.mark.stack
USUAL, TOP = {"per_day": 80, "per_hour": 10}, {"per_day": 200, "per_hour": 40}


def support(stack: Stack, inbox: str, until: datetime, reason: str) -> tuple[int, Answer]:
    """What the operator's command answers."""
    told = {
        "--inbox": inbox,
        "--per-day": "200",
        "--per-hour": "40",
        "--until": until.isoformat(),
        "--reason": reason,
        "--data": str(stack.folder),
    }
    words = [word for pair in told.items() for word in pair]
    ran = subprocess.run(
        [sys.executable, "-m", "heraldry.chassis.cli", "rate", "raise", *words],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    return ran.returncode, cast("Answer", json.loads(ran.stdout))


@pytest.mark.requirement("R-RATE-3")
def test_support_grants_with_a_reason_and_an_end_what_a_user_asked_for(
    stack: Stack, us: Admin, outside: Outside
) -> None:
    identity = us.identity(zone=outside.zone_about())
    inbox = us.connected(identity, outside.account())
    path, until = f"/inboxes/{inbox}/rate", outside.now() + timedelta(hours=3)
    us.call("POST", f"{path}/increase", {**TOP, "reason": "We send this since March"})
    asked = us.get(path)
    assert (asked["requested"], asked["ceiling"], asked["ceiling_until"]) == (TOP, USUAL, None)
    assert us.refusal("PUT", path, TOP)["code"] == "rate.above-ceiling"

    code, refused = support(stack, inbox, outside.now() - timedelta(hours=1), "Too late")
    assert (code, refused["code"]) == (1, "rate.end-passed")
    code, granted = support(stack, inbox, until, "Their domain has a good name")
    assert (code, granted["ceiling"]) == (0, TOP)
    us.positions.append(str(granted["position"]))
    assert datetime.fromisoformat(us.get(path)["ceiling_until"]) == until
    us.call("PUT", path, TOP)
    assert us.get(path)["rate"] == TOP

    def both() -> list[Any] | None:
        entries = us.get(f"/identities/{identity}/history")["entries"]
        found = [one for one in entries if one["type"] in {"RateIncreaseRequested", "RateCeilingRaised"}]
        return found if len(found) == 2 else None

    grant, wish = eventually(both, "both stand in the history")
    assert (wish["type"], grant["type"]) == ("RateIncreaseRequested", "RateCeilingRaised")
    assert wish["actor"].startswith("user:")
    assert grant["actor"] == "system:operator"
    assert "We send this since March" in wish["what"] + wish["outcome"]
    assert "Their domain has a good name" in grant["what"] + grant["outcome"]

    outside.advance_to(until)
    after = us.get(path)
    assert (after["rate"], after["ceiling"], after["ceiling_until"]) == (USUAL, USUAL, None)
    assert us.refusal("PUT", path, TOP)["code"] == "rate.above-ceiling"
