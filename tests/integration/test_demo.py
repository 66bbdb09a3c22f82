"""`heraldry demo` is the main job, played from outside. It ends well, and says what it does not play."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.stack
@pytest.mark.timeout(300)
@pytest.mark.requirement("R-ADD-3")
def test_the_demo_plays_to_its_end(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "heraldry.chassis.cli",
        "demo",
        "--json",
        "--data",
        str(tmp_path / "demo"),
    ]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=280, check=False)
    told = json.loads(ended.stdout)
    assert [step for step in told["steps"] if not step["ok"]] == []
    assert (ended.returncode, told["ok"]) == (0, True)
    played = {step["what"] for step in told["steps"]}
    assert {
        "It was delivered once",
        "The campaign has finished",
        "Withdraw it by hand",
    } <= played
    assert "warm-up" in told["not_played"]
