"""Files the pages need: our own, and the third-party ones that `just assets` installs."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

VARIABLE: Final = "HERALDRY_ASSETS"
FOLDER: Final = "node_modules"
VENDOR: Final[Mapping[str, tuple[str, ...]]] = {  # name under /static/vendor: where it may be in the folder
    "htmx.min.js": ("htmx.org/dist/htmx.min.js",),
    "sse.js": ("htmx-ext-sse/sse.js", "htmx-ext-sse/dist/sse.js"),
    "inter-latin-wght-normal.woff2": ("@fontsource-variable/inter/files/inter-latin-wght-normal.woff2",),
    "inter-latin-ext-wght-normal.woff2": (
        "@fontsource-variable/inter/files/inter-latin-ext-wght-normal.woff2",
    ),
}
TYPES: Final = {
    ".js": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
    ".woff2": "font/woff2",
}
STATIC: Final = Path(__file__).parent / "static"


class AssetsMissingError(OSError):
    """Third-party files are not installed; the text says how to install them."""


@dataclass(frozen=True, slots=True)
class Asset:
    """A file as it is served. `mark` changes when the content does."""

    content: bytes
    media_type: str
    mark: str


Files = Mapping[str, Asset]


def load(given: str | None = None) -> Files:
    """Every file by its path under /static. Raises AssetsMissingError."""
    found = {path.name: _asset(path) for path in STATIC.iterdir() if path.suffix in TYPES}
    return {**found, **{f"vendor/{name}": asset for name, asset in _vendor(given).items()}}


def _vendor(given: str | None) -> Mapping[str, Asset]:
    named = given or os.environ.get(VARIABLE)
    folders = [Path(named)] if named else _folders()
    for folder in folders:
        paths = {
            name: next((folder / place for place in places if (folder / place).is_file()), None)
            for name, places in VENDOR.items()
        }
        if all(paths.values()):
            return {name: _asset(path) for name, path in paths.items() if path is not None}
    where = ", ".join(str(folder) for folder in folders)
    raise AssetsMissingError(
        f"The pages' third-party files (htmx, its server-sent events, the font) are not in {where}."
        f" Install them with `just assets`, or name their folder in {VARIABLE}."
    )


def _folders() -> list[Path]:
    """The working directory's, and those above this file: the project's root is one of them."""
    above = [Path.cwd(), *Path(__file__).parents]
    return [folder / FOLDER for folder in above if (folder / FOLDER).is_dir()] or [Path.cwd() / FOLDER]


def _asset(path: Path) -> Asset:
    content = path.read_bytes()
    return Asset(content, TYPES[path.suffix], hashlib.sha256(content).hexdigest()[:12])
