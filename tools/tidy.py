"""Refuses what must never be committed: addresses of package registries, paths of one machine, uv.lock, big files,
leftovers. Reads the files named on the command line, or everything git does not ignore.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
LARGEST: Final = 600 * 1024

# Written in pieces, so that this file does not refuse itself.
FORBIDDEN: Final = (
    (
        re.compile(r"registry\." + r"npmjs|pypi\." + r"org|pythonhosted\." + r"org|npmmirror\." + r"com"),
        "a registry's address",
    ),
    (re.compile(r"https?://[^/\s\"']*/+simple(?=[/\s\"']|$)"), "a package index's address"),
    (re.compile(r"(?<![\w.~-])/(?:home|Users|root)/[A-Za-z0-9_.]+"), "a path of one machine"),
    (re.compile(r"\b(?:TO" + r"DO|FIX" + r"ME|XX" + r"X)\b"), "a leftover"),
    (re.compile(r'^\s*"resolved":\s*"http', re.MULTILINE), "an address in a lock"),
    (re.compile("-----BEGIN " + r"[A-Z ]*PRIVATE KEY-----"), "a private key"),
)
MERGE: Final = re.compile(r"^(?:<{7}|>{7}) ", re.MULTILINE)


def tracked() -> Iterator[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    if listed.returncode:
        # An unpacked archive has no history to ask.
        skipped = {".git", ".venv", ".tools", "node_modules", "data", "__pycache__", "screenshots"}
        for path in ROOT.rglob("*"):
            if path.is_file() and not skipped & set(path.relative_to(ROOT).parts):
                yield path
        return
    yield from (ROOT / name for name in listed.stdout.decode().split("\0") if name)


def complaints(paths: Iterable[Path]) -> Iterator[str]:
    for path in paths:
        if not path.is_file() or path.is_symlink():
            continue
        name = path.relative_to(ROOT)
        if path.name == "uv.lock":
            yield f"{name}: records addresses; `just lock` makes the locks that do not"
        if path.stat().st_size > LARGEST:
            yield f"{name}: larger than {LARGEST // 1024} KiB"
            continue
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        for pattern, what in FORBIDDEN:
            for found in pattern.finditer(text):
                yield f"{name}:{text.count(chr(10), 0, found.start()) + 1}: {what}: {found.group()!r}"
        if MERGE.search(text):
            yield f"{name}: an unfinished merge"


def main(arguments: Sequence[str]) -> int:
    chosen = (Path(argument).resolve() for argument in arguments) if arguments else tracked()
    found = sorted(complaints(chosen))
    for complaint in found:
        print(complaint)
    return 1 if found else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
