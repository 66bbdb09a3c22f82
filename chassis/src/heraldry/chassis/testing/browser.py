"""How the tests start the browser, so that it stays quiet."""

from __future__ import annotations

import os
from typing import TypedDict

from heraldry.chassis.chromium import QUIET, chromium_path


class LaunchOptions(TypedDict):
    """What `playwright.chromium.launch` is given."""

    executable_path: str
    args: list[str]


def launch_options() -> LaunchOptions:
    """How tests start the browser.

    Raises:
        LookupError: there is no browser; the text says how to get one.
    """
    path = chromium_path()
    if path is None:
        raise LookupError("no browser was found; `./justw setup-system` installs one or says how")
    as_root = ["--no-sandbox"] if os.geteuid() == 0 else []  # Chromium refuses to sandbox what runs as root
    return LaunchOptions(executable_path=path, args=[*as_root, *QUIET])
