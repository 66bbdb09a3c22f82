"""The tutorial's own commands, run as they stand there."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from heraldry.chassis.testing.stack import Stack

ROOT = Path(__file__).parents[2]
TUTORIAL = ROOT / "docs" / "tutorial" / "first-mail.md"
BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
STEPS = (
    "QuotaConsumed",
    "EmailQueued",
    "EmailClaimed",
    "EmailSubmissionStarted",
    "EmailSent",
    "ReplyReceived",
)


@pytest.mark.stack
@pytest.mark.timeout(360)
@pytest.mark.skipif(
    not (shutil.which("bash") and shutil.which("curl")), reason="the tutorial needs bash and curl"
)
def test_the_tutorial_leads_from_signing_in_to_the_reply(stack: Stack) -> None:
    script = "".join(BLOCK.findall(TUTORIAL.read_text(encoding="utf-8")))
    told = {
        "HERALDRY=http://127.0.0.1:8700": f"HERALDRY={stack.url}",
        "SANDBOX=http://127.0.0.1:8701": f"SANDBOX={stack.sandbox_url}",
        "EMAIL=demo@heraldry.example": f"EMAIL={stack.sign_in.email}",
        "PASSWORD='the password that was printed'": f"PASSWORD='{stack.sign_in.password}'",
    }
    for printed, here in told.items():
        assert script.count(printed) == 1, printed
        script = script.replace(printed, here)
    for _ in range(2):  # whoever plays it again finds nothing in the way
        ended = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=ROOT,
            env={**os.environ, "no_proxy": "*"},
            capture_output=True,
            text=True,
            timeout=170,
            check=False,
        )
        assert ended.returncode == 0, ended.stderr
        proof = [line.partition(" ")[0] for line in ended.stdout.splitlines()]
        assert [step for step in STEPS if step not in proof] == []
        assert ended.stdout.splitlines()[-1] == "Reply: Monday is fine. Léa"
