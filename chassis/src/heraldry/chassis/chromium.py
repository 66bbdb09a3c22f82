"""Which browser is driven, and what keeps it from going out to the internet by itself."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Final, cast

SYSTEM: Final = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
# Each of these would otherwise go out to the internet at every start.
QUIET: Final = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-domain-reliability",
    "--disable-sync",
    "--no-first-run",
    "--no-pings",
)


def chromium_path(environment: Mapping[str, str] | None = None) -> str | None:
    """The browser's executable: HERALDRY_CHROMIUM, else Playwright's own, else the system's; None if there is none.

    Raises:
        FileNotFoundError: HERALDRY_CHROMIUM names something that is not there.
    """
    environment = os.environ if environment is None else environment
    if told := environment.get("HERALDRY_CHROMIUM", ""):
        found = shutil.which(told)
        if found is None:
            raise FileNotFoundError(f"HERALDRY_CHROMIUM names {told}, which is not an executable file here")
        return found
    for candidate in _playwrights_own(environment):
        return str(candidate)
    for name in SYSTEM:
        if found := shutil.which(name):
            return found
    return None


def _playwrights_own(environment: Mapping[str, str]) -> Iterator[Path]:
    """The headless shell, then the whole browser, of the revision this Playwright was made for."""
    spec = find_spec("playwright")
    if spec is None or spec.origin is None:
        return
    package = Path(spec.origin).parent / "driver" / "package"
    told = environment.get("PLAYWRIGHT_BROWSERS_PATH", "")
    home = {"": Path.home() / ".cache" / "ms-playwright", "0": package / ".local-browsers"}.get(
        told, Path(told)
    )
    for name in ("chromium-headless-shell", "chromium"):
        revision = _revision(package / "browsers.json", name)
        folder = home / f"{name.replace('-', '_')}-{revision}"
        for program in ("chrome-headless-shell", "headless_shell", "chrome"):
            yield from sorted(folder.glob(f"*/{program}"))


def _revision(listing: Path, name: str) -> str:
    try:
        document = cast("dict[str, list[dict[str, object]]]", json.loads(listing.read_text()))
    except (OSError, ValueError):
        return ""
    return next((str(each["revision"]) for each in document["browsers"] if each["name"] == name), "")
