"""Sees to the browser the tests use: found, installed where that is allowed, or named in the one command that would.

Allowed means: CI is set, this is a container, HERALDRY_INSTALL=yes, or somebody at a terminal said yes.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from heraldry.chassis.testing.browser import chromium_path

DEBIAN_PACKAGE: Final = "chromium-headless-shell"


def say(message: str) -> None:
    print(f"heraldry: {message}", file=sys.stderr, flush=True)


def system() -> str:
    """The distribution's own name for itself, such as `debian` or `ubuntu`; empty where nothing says."""
    try:
        return platform.freedesktop_os_release().get("ID", "")
    except OSError:
        return ""


def install_command(distribution: str, *, root: bool) -> str:
    """The one command that puts a browser where the tests find it."""
    sudo = "" if root else "sudo "
    if distribution == "debian":
        return f"{sudo}apt-get update && {sudo}apt-get install --yes --no-install-recommends {DEBIAN_PACKAGE}"
    return ".venv/bin/playwright install --with-deps --only-shell chromium"


def allowed_unasked(environment: Mapping[str, str], markers: tuple[Path, ...]) -> bool:
    """Whether packages may be installed without a question."""
    if environment.get("HERALDRY_INSTALL") in {"yes", "no"}:
        return environment["HERALDRY_INSTALL"] == "yes"
    if environment.get("CI", "") not in {"", "0", "false"} or environment.get("container"):
        return True
    return any(marker.exists() for marker in markers)


def allowed() -> bool:
    if allowed_unasked(os.environ, (Path("/.dockerenv"), Path("/run/.containerenv"))):
        return True
    if os.environ.get("HERALDRY_INSTALL") == "no" or not (sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    print("heraldry: may I run this now? [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


def main() -> int:
    if chromium_path():
        return 0
    command = install_command(system(), root=os.geteuid() == 0)
    say(f"the tests need a browser. This installs it:\n\n    {command}\n")
    if not allowed():
        say(
            "run it, then run this again (or set HERALDRY_INSTALL=yes, or HERALDRY_CHROMIUM to a browser's path)."
        )
        return 1
    ended = subprocess.run(
        command, shell=True, check=False, env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    )
    if ended.returncode or not chromium_path():
        say("the browser could not be installed; the message is above.")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
