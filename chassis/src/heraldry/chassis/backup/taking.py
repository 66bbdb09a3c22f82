"""Taking a backup, of an installation that runs or is stopped."""

from __future__ import annotations

import asyncio
import base64
import fcntl
import os
import shutil
import sqlite3
import tempfile
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager, closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from uuid import uuid4

import orjson
import structlog
from heraldry.chassis.backup.archive import BackupError, Manifest, pack, require_free
from heraldry.chassis.bus import rights
from heraldry.chassis.bus.direct import DirectGet
from heraldry.chassis.store.folder import asked_address, wrong_kind
from heraldry.chassis.store.reading import LogDamagedError, SqliteReading
from heraldry.chassis.supervisor import folder as folders
from heraldry.chassis.supervisor.alone import bus
from heraldry.contracts.subjects import parked_stream

log = structlog.stdlib.get_logger(__name__)

# Not the events, which are the stores' and are published anew, nor what ends by itself: sessions, throttles, requests,
# leases. Keys are in the other archive.
STREAMS: Final = (
    "KV_VAULT",
    *map(rights.blob_stream, rights.KEEPERS),
    "KV_CLOCK",
    "KV_CHECKPOINTS",
    "KV_HALT",
    *map(parked_stream, rights.CONTEXTS),
)
KEY_FILES: Final = ("master.key", "demo-sign-in.json")
AT_ONCE: Final = 50  # messages of one question: a blob's piece has 128 KiB
WORKING: Final = ".heraldry-backup-"  # how the name of a working folder begins
LOCK_PATIENCE: Final = 10.0  # seconds
THE_SERVERS_OWN: Final = (
    "The logs are in KurrentDB: they are backed up by that server's own means, and restored"
    " by them. This command backs up SQLite stores only; see docs/how-to/back-up-and-restore.md."
)


@dataclass(frozen=True, slots=True)
class Taken:
    """What was written, and of each log in it what is damaged: it is copied as it is."""

    manifest: Manifest
    damaged: Mapping[str, Sequence[str]]


async def take(data: Path, to: Path, keys_to: Path) -> Taken:
    """Write both archives. Raises BackupError, CannotStart, NotRunningError, OSError.

    The stores of all contexts are of one moment; what else there is, is of a later one, and the keys are of the last:
    nothing in the stores names a secret, a blob or a key that is not there.
    """
    if asked_address() or wrong_kind(data, ""):
        raise BackupError("store-elsewhere", THE_SERVERS_OWN)
    mode = folders.mode_of(data)
    if mode not in {"demo", "live"}:
        raise BackupError("no-installation", f"{data} is no data folder of Heraldry. Name one with --data.")
    async with bus(data) as (nc, _), _pieces(to) as pieces, _pieces(keys_to) as keys:
        taken = datetime.now(UTC)
        copy_stores(data / "store", pieces / "store")
        damaged = await asyncio.to_thread(damaged_in, pieces / "store")
        direct = {name: DirectGet(nc, name) for name in (*STREAMS, rights.KEYS)}
        counts = {name: await _export(direct[name], pieces, name) for name in STREAMS}
        _copy_tree(data / "audit", pieces / "audit")
        of_keys = {rights.KEYS: await _export(direct[rights.KEYS], keys, rights.KEYS)}
        _copy_keys(data / "keys", keys / "keys")
        told = {
            "backup": str(uuid4()),
            "installation": folders.installation(data).id,
            "mode": mode,
            "taken": taken,
        }
        manifest = Manifest.model_validate({**told, "kind": "data", "streams": counts})
        pack(keys, Manifest.model_validate({**told, "kind": "keys", "streams": of_keys}), keys_to)
        pack(pieces, manifest, to)
    return Taken(manifest, damaged)


def copy_stores(source: Path, to: Path) -> None:
    """Copy every store as it is at one moment, while others write. Raises BackupError.

    All of them are held for the instant it takes to begin reading; then each is copied as that reader sees it.
    """
    to.mkdir(parents=True, exist_ok=True, mode=0o700)
    files = sorted(source.glob("*.sqlite3"))
    if not files:
        raise BackupError("no-stores", f"There are no stores in {source}: nothing was ever recorded here.")
    try:
        with ExitStack() as stack:
            readers = [_opened(stack, file) for file in files]
            with ExitStack() as held:
                writers = [_opened(held, file) for file in files]
                for writer in writers:
                    writer.execute("BEGIN IMMEDIATE")
                for reader in readers:
                    reader.execute("BEGIN")
                    reader.execute("SELECT count(*) FROM sqlite_schema").fetchone()
            for file, reader in zip(files, readers, strict=True):
                with closing(sqlite3.connect(to / file.name)) as copy:
                    reader.backup(copy)
                    copy.execute("PRAGMA journal_mode = DELETE")
    except sqlite3.Error as error:
        raise BackupError(
            "store-unreadable", f"The stores in {source} cannot be copied ({error})."
        ) from error


def damaged_in(copies: Path) -> Mapping[str, Sequence[str]]:
    """What is damaged of the logs that were copied, by context. Not whether they are as signed: that is the audit's."""
    found: dict[str, Sequence[str]] = {}
    for file in sorted(copies.glob("*.sqlite3")):
        try:
            with closing(SqliteReading(file)) as reading:
                flaws = reading.flaws()
        except LogDamagedError as error:
            flaws = [str(error)]
        if flaws:
            found[file.stem] = flaws
    return found


def _opened(stack: ExitStack, file: Path) -> sqlite3.Connection:
    return stack.enter_context(closing(sqlite3.connect(file, isolation_level=None, timeout=LOCK_PATIENCE)))


async def _export(direct: DirectGet, pieces: Path, stream: str) -> int:
    folder = pieces / "streams"
    folder.mkdir(exist_ok=True, mode=0o700)
    count = last = 0
    try:
        with (folder / f"{stream}.jsonl").open("wb") as file:
            while found := await direct.following(">", last, AT_ONCE):
                for one in found:
                    data = base64.b64encode(one.data).decode()
                    line = {"subject": one.subject, "headers": dict(one.headers), "data": data}
                    file.write(orjson.dumps(line) + b"\n")
                count, last = count + len(found), found[-1].sequence
    finally:
        await direct.stop()
    return count


def _copy_keys(source: Path, to: Path) -> None:
    """The master key, if it is kept here, and the signer's. Passwords of the bus are made anew."""
    to.mkdir(parents=True, exist_ok=True, mode=0o700)
    for name in KEY_FILES:
        if (source / name).exists():
            shutil.copyfile(source / name, to / name)
    _copy_tree(source / "signer", to / "signer")


def _copy_tree(source: Path, to: Path) -> None:
    if source.exists():
        shutil.copytree(source, to, ignore=shutil.ignore_patterns("lock"))


@asynccontextmanager
async def _pieces(to: Path) -> AsyncGenerator[Path]:
    """A folder beside the archive, gone afterwards: nothing of a key is written elsewhere.

    Whoever is killed leaves it there, and the next one who writes an archive into that folder removes it.
    """
    for left in to.parent.glob(f"{WORKING}*"):
        remove_if_left(left)
    folder = Path(tempfile.mkdtemp(prefix=WORKING, dir=to.parent))
    try:
        with (folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            pieces = folder / "pieces"
            pieces.mkdir()
            yield pieces
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def remove_if_left(folder: Path) -> None:
    """Remove a working folder whose backup no longer runs; one that runs holds its lock."""
    try:
        with (folder / "lock").open("r+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder)
    except OSError as error:
        if not isinstance(error, BlockingIOError | FileNotFoundError):
            log.warning("what a backup left could not be removed", folder=str(folder), error=str(error))


def archives(to: str, keys_to: str, names: Sequence[str], data: Path) -> tuple[Path, Path]:
    """Where they go: into a folder under the name given, or to the file that is named. Raises BackupError."""
    here, there = (_place(text, name) for text, name in zip((to, keys_to), names, strict=True))
    for path in (here, there):
        if not path.parent.is_dir():
            raise BackupError("no-folder", f"The folder {path.parent} is not there. Make it first.")
        if path.parent.resolve().is_relative_to(data.resolve()):
            raise BackupError(
                "inside-data",
                f"{path} is in the folder that is copied, and is lost with it. Name a place on another disk.",
            )
        require_free(path)
    if here.resolve() == there.resolve():
        raise BackupError("same-archive", "The keys do not belong into the archive of the data.")
    if here.parent.resolve() == there.parent.resolve():
        raise BackupError(
            "same-folder",
            f"The keys do not belong into {here.parent}, where the data goes: who has both can read all of it. Name"
            " another folder with --keys-to, best on another machine.",
        )
    return here, there


def _place(text: str, name: str) -> Path:
    """A slash at its end says that a folder is meant."""
    path = Path(text)
    return path / name if text.endswith(os.sep) or path.is_dir() else path
