"""Makes the locks anew: hash-pinned, for every platform, without an address or a path in them.

python tools/lock.py [--upgrade | --upgrade-package NAME …]
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
LOCKS: Final = (
    "requirements",
    "requirements-dev",
    "tools/bootstrap",
    "tools/node",
    "tools/helm",
)
WITHOUT_DEPENDENCIES: Final = ("tools/helm",)


def main(arguments: Sequence[str]) -> int:
    uv = Path(sys.executable).with_name("uv")
    for name in LOCKS:
        options = ["--universal", "--generate-hashes", "--no-emit-index-url", "--python-version", "3.11"]
        if name in WITHOUT_DEPENDENCIES:
            options.append("--no-deps")
        if name == "requirements-dev":
            # What runs is the same thing in both.
            options += ["--constraint", "requirements.lock"]
        ended = subprocess.run(
            [str(uv), "pip", "compile", "--quiet", *options, *arguments, f"{name}.in", "-o", f"{name}.lock"],
            cwd=ROOT,
            env={**os.environ, "UV_CUSTOM_COMPILE_COMMAND": "just lock", "UV_PYTHON_DOWNLOADS": "never"},
            check=False,
        )
        if ended.returncode:
            return ended.returncode
        print(f"{name}.lock", file=sys.stderr)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
