"""The installation the demo plays in: the one that runs, or one it starts and stops."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, ValidationError

PATIENCE: Final = 90.0  # seconds until everything is ready
LOOK: Final = 0.1
STOP: Final = 10.0


class NotStartedError(Exception):
    """The system could not be started; the text ends with its last words."""


class _Up(BaseModel):
    """What the supervisor tells in run/up.json."""

    model_config = ConfigDict(extra="ignore")

    pid: int
    state: str
    url: str
    sandbox_url: str = ""


@dataclass(frozen=True, slots=True)
class Installation:
    url: str
    sandbox_url: str
    email: str
    password: str = field(repr=False)
    stays: bool = True  # also after the demo


@contextmanager
def running(data: Path) -> Generator[Installation]:
    """The installation in this folder. If the demo started it, it is stopped afterwards. Raises NotStartedError."""
    told = _told(data)
    if told is not None and told.state == "ready":
        yield _installation(data, told)
        return
    with tempfile.TemporaryFile() as words:
        command = [sys.executable, "-m", "heraldry.chassis.cli", "up", "--data", str(data)]
        process = subprocess.Popen(  # noqa: S603  our own program
            [*command, "--port", "0"], stdin=subprocess.DEVNULL, stdout=words, stderr=words
        )
        try:
            yield replace(_installation(data, _wait(data, process)), stays=False)
        except NotStartedError as error:
            words.seek(0)
            last = b"\n".join(words.read().splitlines()[-5:]).decode("utf-8", "replace")
            raise NotStartedError(f"{error}\n{last}") from None
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(STOP)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait(data: Path, process: subprocess.Popen[bytes]) -> _Up:
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        told = _told(data)
        if told is not None and told.pid == process.pid and told.state != "starting":
            if told.state == "ready":
                return told
            raise NotStartedError("Not every process runs.")
        if process.poll() is not None:
            raise NotStartedError(f"`heraldry up` ended with {process.returncode}.")
        time.sleep(LOOK)
    raise NotStartedError(f"It was not ready within {PATIENCE:g} s.")


def _told(data: Path) -> _Up | None:
    """What the supervisor says of itself, if it is alive."""
    try:
        told = _Up.model_validate_json((data / "run" / "up.json").read_text(encoding="utf-8"))
        os.kill(told.pid, 0)
    except (OSError, ValidationError):
        return None
    return told


def _installation(data: Path, told: _Up) -> Installation:
    found = json.loads((data / "keys" / "demo-sign-in.json").read_text(encoding="utf-8"))
    return Installation(told.url, told.sandbox_url, str(found["email"]), str(found["password"]))
