"""The KurrentDB that scripts measure with."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager


@contextmanager
def server() -> Generator[str]:
    """Its address: of the one KURRENTDB_URI names, or of our stand-in in a process of its own, which keeps nothing."""
    given = os.environ.get("KURRENTDB_URI")
    if given:
        yield given
        return
    words = [
        sys.executable,
        "-m",
        "heraldry.chassis.cli",
        "kurrent-stand-in",
        "--port",
        "0",
    ]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as process:
        try:
            said = process.stderr.readline() if process.stderr else ""
            yield said.split()[-1]
        finally:
            process.kill()
