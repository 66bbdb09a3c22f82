"""Processes that are forked from one that has imported what they run: each has its own environment and end."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import pytest
from heraldry.chassis.testing.waiting import until
from heraldry.chassis.testing.warm import Warm

pytestmark = pytest.mark.parts

MODULE = """
import os, signal
from pathlib import Path

def main() -> int:
    if os.environ["END"] == "never":
        Path(os.environ["SAID"]).write_text(str(os.getpid()))
        signal.pause()
    return int(os.environ["END"])
"""
EXIT = 3


@pytest.fixture
def warm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Warm:
    (tmp_path / "warmed.py").write_text(MODULE, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", ":".join([str(tmp_path), *filter(None, sys.path)]))
    return Warm("warmed")


async def test_who_ends_by_itself_gives_its_exit_code(warm: Warm) -> None:
    process = warm.fork({"END": str(EXIT)})
    assert await process.wait() == EXIT
    assert not process.lives


async def test_who_is_killed_says_by_what(warm: Warm, tmp_path: Path) -> None:
    said = tmp_path / "said"
    one, other = (warm.fork({"END": "never", "SAID": f"{said}-{number}"}) for number in range(2))
    await until(lambda: Path(f"{said}-0").exists() and Path(f"{said}-1").exists())
    one.send_signal(signal.SIGKILL)
    assert await one.wait() == -signal.SIGKILL
    assert other.lives
    other.send_signal(signal.SIGTERM)
    assert await other.wait() == -signal.SIGTERM
    other.send_signal(signal.SIGTERM)  # nobody is there to hear it
