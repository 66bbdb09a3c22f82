"""`python -m simulation`: play a month, print its summary as JSON; exit code 1 if a rule was broken."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
from dataclasses import asdict, fields
from pathlib import Path

from simulation.month import Size, play


def main() -> int:
    parser = argparse.ArgumentParser(prog="simulation", description=__doc__)
    for one in fields(Size):
        parser.add_argument(f"--{one.name}", type=int, default=one.default)
    size = Size(**vars(parser.parse_args()))
    with tempfile.TemporaryDirectory(prefix="heraldry-simulation-") as folder:
        summary = asyncio.run(play(Path(folder), size))
    sys.stdout.write(json.dumps({"ok": summary.ok, **asdict(summary)}, indent=2) + "\n")
    return 0 if summary.ok else 1


if __name__ == "__main__":
    sys.exit(main())
