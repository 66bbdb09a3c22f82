"""The data folder of an installation: of which kind it is, who may use it now, and its first keys."""

from __future__ import annotations

import fcntl
import json
import os
import re
import secrets
import sqlite3
import time
from collections.abc import Collection
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

from heraldry.chassis.supervisor.problems import CannotStart, disk_full, explain

Mode = Literal["demo", "live"]

SUBFOLDERS = ("store", "read", "nats", "audit", "keys", "run", "run/log", "sandbox")
INSTALLATION = "INSTALLATION"  # says which one this folder is
RESTORING = "RESTORING"  # while a restore is not complete
RESTORED = "RESTORED"  # until the services have heeded it
READ_MODEL = re.compile(
    r"(?P<process>[a-z][a-z-]*-\d+)(-views)?\.sqlite3([.-].*)?"
)  # and what stands beside it
STORE_PATIENCE = 5.0  # seconds
DEMO_EMAIL = "demo@heraldry.example"
NEEDED_BYTES = 32 * 1024 * 1024  # free on the disk, or nothing is started
LOCK_PATIENCE = 1.0  # seconds; `heraldry status` holds the lock for an instant


@dataclass(frozen=True, slots=True)
class SignIn:
    """The demo's user, made at the first start of a demo folder."""

    email: str
    password: str


def default(mode: Mode, given: Path | None = None) -> Path:
    """Where an installation is unless told otherwise: `given`, HERALDRY_DATA, or ./data/<mode>. Absolute."""
    named = given or (Path(said) if (said := os.environ.get("HERALDRY_DATA")) else None)
    return (named or Path("data") / mode).absolute()


@dataclass(frozen=True, slots=True)
class Installation:
    """What a folder is: one installation, or a copy of one that nothing but its allow-list may hear of."""

    id: str
    staging: bool = False


class Folder:
    """A data folder that this process has locked. Made by `claim`; the lock ends with the process."""

    def __init__(self, path: Path, mode: Mode, lock: int) -> None:
        self.path = path
        self.mode: Mode = mode
        self._lock = lock

    @classmethod
    def claim(cls, path: Path, mode: Mode) -> Folder:
        """Make the folder if need be, refuse what is not ours, lock it, remove what a killed run left.

        Raises CannotStart: another mode, another process, a read-only or full disk, no permission.
        """
        try:
            _make(path, mode)
            lock = _lock(path)
            for stale in (path / "run").glob("*.json"):
                stale.unlink()
            _require_space(path)
        except OSError as error:
            raise explain(error, path) from error
        return cls(path, mode, lock)

    @property
    def run(self) -> Path:
        return self.path / "run"

    def begin_restore(self) -> None:
        """Until `end_restore` the folder cannot be started."""
        self.write(self.path / RESTORING, "")

    def require_whole(self) -> Installation:
        """What it is, once its stores are known to be its own. Raises CannotStart."""
        if (self.path / RESTORING).exists():
            raise CannotStart(
                "restore-incomplete",
                f"{self.path} was not restored to its end. Remove it, and restore the backup again.",
            )
        made = installation(self.path)
        for file in sorted((self.path / "store").glob("*.sqlite3")):
            _stamp_store(file, made)
        return made

    def keep_read_models_of(self, processes: Collection[str]) -> None:
        """Remove the read models of every other process: what it has not heard of, nobody would drop from its files.

        They can be made again at any time. Raises CannotStart.
        """
        try:
            for file in (self.path / "read").iterdir():
                found = READ_MODEL.fullmatch(file.name)
                if found is not None and found["process"] not in processes:
                    file.unlink()
        except OSError as error:
            raise explain(error, self.path / "read") from error

    @property
    def logs(self) -> Path:
        return self.path / "run" / "log"

    @property
    def keys(self) -> Path:
        return self.path / "keys"

    def release(self) -> None:
        """Let another process have it."""
        os.close(self._lock)

    def is_full(self) -> bool:
        return _free(self.path) < NEEDED_BYTES // 8

    def master_key(self) -> Path:
        """The file with the master key, made if this installation never had one.

        Raises CannotStart if it is damaged, or is missing while there is something it had encrypted.
        """
        path = self.keys / "master.key"
        if (self.keys / "master.next.key").exists():
            raise CannotStart(
                "master-key-rotation-unfinished",
                "The master key is being replaced, and that was cut off. Go on with `heraldry keys rotate`.",
            )
        try:
            text = path.read_text(encoding="ascii")
        except FileNotFoundError:
            self._make_master_key(path)
            return path
        except OSError as error:
            raise explain(error, path) from error
        except UnicodeDecodeError:
            text = ""
        from heraldry.chassis.vault import master  # noqa: PLC0415  the command starts without it

        try:
            master.parse(text, f"in {path}")
        except master.MasterKeyError as error:
            raise CannotStart("master-key-damaged", str(error)) from error
        return path

    def sign_in(self) -> SignIn:
        """The demo's user; the password is made at the first start."""
        path = self.keys / "demo-sign-in.json"
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
            return SignIn(str(found["email"]), str(found["password"]))
        except FileNotFoundError:
            made = SignIn(DEMO_EMAIL, secrets.token_urlsafe(12))
            self.write(path, json.dumps({"email": made.email, "password": made.password}))
            return made
        except (ValueError, KeyError, TypeError) as error:
            raise CannotStart(
                "sign-in-damaged", f"{path} is damaged. Remove it: a new one is made."
            ) from error

    def write(self, path: Path, text: str) -> None:
        """Replace a file as a whole, readable by its owner only. Raises CannotStart."""
        _write_private(path, text)

    def _make_master_key(self, path: Path) -> None:
        nats = self.path / "nats"
        if any(nats.glob("**/streams/KEYS")) or any((self.path / "store").iterdir()):
            raise CannotStart(
                "master-key-missing",
                f"{path} is missing, and this installation holds data that only it can read."
                " Restore it from where you keep its copy, or with `heraldry keys recover` from the recovery key; a new one"
                " would not open what is there.",
            )
        from heraldry.chassis.vault import master  # noqa: PLC0415  the command starts without it

        try:
            master.create(path)
        except OSError as error:
            raise explain(error, path) from error


def installation(path: Path) -> Installation:
    """Which installation a folder is; one that has no id yet is given one. Raises CannotStart."""
    file = path / INSTALLATION
    try:
        told = json.loads(file.read_text(encoding="utf-8"))
        return Installation(str(told["id"]), staging=bool(told["staging"]))
    except FileNotFoundError:
        made = Installation(secrets.token_hex(16))
        stamp(path, made)
        return made
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CannotStart("installation-damaged", f"{file} is damaged. Put it back from a copy.") from error


def stamp(path: Path, made: Installation) -> None:
    """Say in the folder, and in every store there, which installation it is. Raises CannotStart."""
    for file in sorted((path / "store").glob("*.sqlite3")):
        _stamp_store(file, made, anew=True)
    _write_private(path / INSTALLATION, json.dumps({"id": made.id, "staging": made.staging}))


def _stamp_store(file: Path, made: Installation, *, anew: bool = False) -> None:
    """Raises CannotStart for a store of another installation: nobody said what it is to do here."""
    try:
        with closing(sqlite3.connect(file, timeout=STORE_PATIENCE)) as store, store:
            store.execute("CREATE TABLE IF NOT EXISTS installation (id TEXT NOT NULL) STRICT")
            row = cast("tuple[str] | None", store.execute("SELECT id FROM installation").fetchone())
            if row is not None and row[0] != made.id and not anew:
                raise CannotStart(
                    "store-of-another",
                    f"{file} is the store of another installation. Copies are made with `heraldry backup` and"
                    " `heraldry restore`, which says what they may do.",
                )
            if row is None or row[0] != made.id:
                store.execute("DELETE FROM installation")
                store.execute("INSERT INTO installation VALUES (?)", (made.id,))
    except sqlite3.Error as error:
        raise CannotStart("store-unreadable", f"{file} cannot be opened ({error}).") from error


def _write_private(path: Path, text: str) -> None:
    """Replace a file as a whole, readable by its owner only. Raises CannotStart."""
    beside = path.with_name(f".{path.name}.new")
    try:
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            _write_all(descriptor, text.encode())
        finally:
            os.close(descriptor)
        beside.replace(path)
    except OSError as error:
        raise explain(error, path) from error


def note_restored(path: Path) -> None:
    """For the services: until they have heeded it, it stands here that the past day is not known whole."""
    _write_private(path / RESTORED, secrets.token_hex(16))


def end_restore(path: Path) -> None:
    (path / RESTORING).unlink()


def running(path: Path) -> bool:
    """Whether a supervisor runs on this folder."""
    try:
        descriptor = os.open(path / "run" / "up.lock", os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def mode_of(path: Path) -> str:
    """`demo` or `live`; empty if this is no data folder."""
    try:
        return (path / "MODE").read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def _make(path: Path, mode: Mode) -> None:
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    _settle_mode(path, mode)
    for folder in (path, *(path / name for name in SUBFOLDERS)):
        folder.mkdir(exist_ok=True, mode=0o700)
        if folder.stat().st_mode & 0o077:
            folder.chmod(0o700)


def _settle_mode(path: Path, mode: Mode) -> None:
    found = mode_of(path)
    if not found:
        if {entry.name for entry in path.iterdir()} - {"MODE", ".MODE.new", "lost+found"}:
            raise CannotStart(
                "folder-not-ours",
                f"{path} holds files but is no data folder of Heraldry. Choose an empty one with --data.",
            )
        _write_mode(path, mode)
    elif found != mode:
        kinds = {"demo": "a demo (with the sandbox)", "live": "a real installation (made with --no-sandbox)"}
        way = "without --no-sandbox" if found == "demo" else "with --no-sandbox"
        raise CannotStart(
            "other-mode",
            f"{path} is {kinds.get(found, 'of an unknown kind')}; it is not used as the other."
            f" Start it {way}, or choose another folder with --data.",
        )


def _write_mode(path: Path, mode: Mode) -> None:
    beside = path / ".MODE.new"
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        _write_all(descriptor, f"{mode}\n".encode())
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    beside.replace(path / "MODE")


def _lock(path: Path) -> int:
    file = path / "run" / "up.lock"
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
    deadline = time.monotonic() + LOCK_PATIENCE
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            if time.monotonic() > deadline:
                holder = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip() or "unknown"
                os.close(descriptor)
                raise CannotStart(
                    "already-running",
                    f"Heraldry already runs on {path} (process {holder})."
                    " Stop that one first, or choose another folder with --data.",
                ) from None
            time.sleep(0.05)
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    return descriptor


def _require_space(path: Path) -> None:
    if _free(path) < NEEDED_BYTES:
        raise disk_full(path)


def _free(path: Path) -> int:
    found = os.statvfs(path)
    return found.f_bavail * found.f_frsize


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]
