"""The logs of a running installation are signed, and verify."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from heraldry.chassis.bus.rights import CONTEXTS
from heraldry.chassis.testing.stack import Stack

from tests.integration.support import Admin

pytestmark = pytest.mark.stack


def heraldry(stack: Stack, *words: str) -> tuple[int, list[dict[str, object]]]:
    """The exit code, and the documents."""
    command = [sys.executable, "-m", "heraldry.chassis.cli", *words, "--data", str(stack.folder)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert ended.returncode != 2, ended.stderr
    return ended.returncode, [json.loads(line) for line in ended.stdout.splitlines()]


@pytest.mark.requirement("R-AUD-5")
def test_every_log_verifies_while_it_is_written(stack: Stack, us: Admin) -> None:
    assert us  # whose organization stands in the gateway's log
    _, (told,) = heraldry(stack, "audit", "public-key")
    ended, found = heraldry(stack, "audit", "verify", "--public-key", str(told["public_key"]))
    assert [one["context"] for one in found] == list(CONTEXTS)
    assert [one for one in found if not one["ok"]] == []
    assert ended == 0
    gateway = found[-1]
    assert isinstance(gateway["proven"], int)
    assert gateway["proven"] > 0
    assert gateway["published"] is not None
