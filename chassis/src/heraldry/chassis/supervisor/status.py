"""`heraldry status`: what runs on a data folder, as one JSON document."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import cast

from heraldry.chassis.supervisor import folder as folders


def main(argv: Sequence[str]) -> int:
    """0 if everything runs, else 1."""
    parser = argparse.ArgumentParser(prog="heraldry status", description="Say what runs.")
    parser.add_argument("--no-sandbox", action="store_true", help="the installation in ./data/live")
    parser.add_argument("--data", type=Path, help="the data folder (default: ./data/demo or ./data/live)")
    asked = parser.parse_args(argv)
    path = folders.default("live" if asked.no_sandbox else "demo", asked.data)
    found = status(path)
    sys.stdout.write(json.dumps(found) + "\n")
    return 0 if found["state"] == "ready" else 1


def status(path: Path) -> dict[str, object]:
    """`state`: none (no data folder), stopped, starting, ready, degraded; and details if it runs."""
    mode = folders.mode_of(path)
    said: dict[str, object] = {"data": str(path), "mode": mode, "state": "stopped" if mode else "none"}
    if not folders.running(path):
        return said
    try:
        return said | json.loads((path / "run" / "up.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return said | {"state": "starting"}


def down(path: Path) -> str | None:
    """Which processes crashed too often and are not started again, in words; None: none, or nobody watches them."""
    try:
        told: object = json.loads((path / "run" / "up.json").read_text(encoding="utf-8"))["processes"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    processes = cast("dict[str, dict[str, str]]", told)
    stay = [f"{name} (it {one['reason']})" for name, one in processes.items() if one["state"] == "down"]
    return f"crashed too often and not started again: {', '.join(stay)}" if stay else None
