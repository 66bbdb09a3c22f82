"""`heraldry rebuild`: deletes the read models of a stopped installation; the next start makes them anew."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from heraldry.chassis.supervisor import folder as folders
from heraldry.chassis.supervisor.alone import claimed
from heraldry.chassis.supervisor.problems import CannotStart, explain


def main(argv: Sequence[str]) -> int:
    """One JSON document; 1 if the installation runs or there is none."""
    parser = argparse.ArgumentParser(
        prog="heraldry rebuild",
        description="Delete the read models; they are rebuilt from the log at the next start.",
    )
    parser.add_argument("--no-sandbox", action="store_true", help="of the installation in ./data/live")
    parser.add_argument("--data", type=Path, help="the data folder (default: ./data/demo or ./data/live)")
    asked = parser.parse_args(argv)
    path = folders.default("live" if asked.no_sandbox else "demo", asked.data)
    try:
        deleted = rebuild(path)
    except CannotStart as problem:
        sys.stdout.write(json.dumps({"code": problem.code, "detail": str(problem)}) + "\n")
        return 1
    sys.stdout.write(json.dumps({"data": str(path), "deleted": deleted}) + "\n")
    return 0


def rebuild(path: Path) -> list[str]:
    """Names of what was deleted. Raises CannotStart if the installation runs, or is none."""
    deleted: list[str] = []
    try:
        with claimed(path) as folder:
            for entry in sorted((folder.path / "read").iterdir()):
                if entry.is_dir() and not entry.is_symlink():
                    shutil.rmtree(entry)
                else:
                    entry.unlink()
                deleted.append(entry.name)
    except OSError as error:
        raise explain(error, path) from error
    return deleted
