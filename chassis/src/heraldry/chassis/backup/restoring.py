"""Restoring a backup into a new folder: stores first, then JetStream, then keys. Nothing runs meanwhile.

The new folder is another installation: it has an id and epochs of its own, everything in it is halted, and the quotas
of the day count as used. The events are not in a backup: every context publishes its log anew, so that all the others
hear again what it knows.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import sys
import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from uuid import uuid4

from heraldry.chassis.audit.asking import SignerAwayError, SignerRefusedError
from heraldry.chassis.audit.checkpointing import begin_epoch
from heraldry.chassis.audit.trail import Trail
from heraldry.chassis.backup.archive import BackupError, Manifest, Message, messages, unpack
from heraldry.chassis.backup.taking import KEY_FILES, STREAMS
from heraldry.chassis.bus import border, rights, shared
from heraldry.chassis.bus.operator import ACTOR, operator
from heraldry.chassis.bus.provision import ensure
from heraldry.chassis.bus.server import ServerFiles
from heraldry.chassis.clock import SandboxClock
from heraldry.chassis.halt import SYSTEM, HaltFlags
from heraldry.chassis.store.sqlite import SqliteStore
from heraldry.chassis.supervisor import folder as folders
from heraldry.chassis.supervisor.alone import claimed, nats
from heraldry.chassis.supervisor.folder import Folder, Installation
from heraldry.chassis.vault import ledger
from heraldry.chassis.vault.keys import Record
from nats.aio.client import Client
from uuid_utils.compat import uuid7

SIGNER_PATIENCE: Final = 30.0  # seconds
LOOK: Final = 0.2
EXPECTED: Final = "Nats-Expected-"  # what a message was published on condition of says nothing of here


@dataclass(frozen=True, slots=True)
class Restored:
    """`erased`: how many keys of the backup were destroyed, because the ledger says so."""

    manifest: Manifest
    installation: Installation
    erased: int


async def restore(
    source: Path, keys_source: Path, data: Path, *, erasures: Path | None, staging: bool
) -> Restored:
    """Make the folder of a backup. `erasures`: the ledger; None: nobody was ever erased.

    Raises BackupError, CannotStart, NotRunningError, OSError. A folder that is not complete cannot be started.
    """
    with tempfile.TemporaryDirectory(prefix=".heraldry-restore-", dir=_parent(data)) as beside:
        pieces, keys = Path(beside) / "data", Path(beside) / "keys"
        manifest, of_keys = unpack(source, pieces, "data"), unpack(keys_source, keys, "keys")
        _require_fit(manifest, of_keys)
        _require_empty(data)
        entries = _entries(erasures)
        folder = Folder.claim(data, manifest.mode)
        folder.begin_restore()
        folder.release()
        made = Installation(id=str(uuid4()), staging=staging)
        with claimed(data):
            _put_stores(pieces / "store", data / "store")
            _put_files(pieces, keys, data, erasures)
            erased = await _put_streams(pieces, keys, data, manifest, entries)
            folders.stamp(data, made)
            folders.note_restored(data)
            folders.end_restore(data)
    return Restored(manifest, made, erased)


def _parent(data: Path) -> Path:
    data.parent.mkdir(parents=True, exist_ok=True)
    return data.parent


def _require_fit(manifest: Manifest, of_keys: Manifest) -> None:
    if manifest.installation != of_keys.installation:
        raise BackupError("other-keys", "The keys are of another installation than the data.")
    if of_keys.taken < manifest.taken:
        raise BackupError(
            "older-keys",
            f"The keys are of {of_keys.taken:%Y-%m-%d %H:%M} UTC, the data of {manifest.taken:%Y-%m-%d %H:%M}: keys"
            " made in between would be missing. Name the keys of the same backup, or of a later one.",
        )


def _require_empty(data: Path) -> None:
    if data.exists() and any(data.iterdir()):
        raise BackupError(
            "folder-not-empty",
            f"{data} holds files. A backup is restored into a new folder: name one with --data.",
        )


def _entries(erasures: Path | None) -> tuple[ledger.Entry, ...]:
    if erasures is None:
        return ()
    if not erasures.is_file():
        raise BackupError(
            "ledger-missing", f"{erasures} is not there. Name the ledger of erasures with --ledger."
        )
    try:
        return tuple(ledger.read_file(erasures))
    except ledger.LedgerError as error:
        raise BackupError("ledger-damaged", str(error)) from error


def _put_stores(source: Path, to: Path) -> None:
    """Each with an epoch of its own: a position seen before is not taken for one of this log."""
    for file in sorted(source.glob("*.sqlite3")):
        shutil.copyfile(file, to / file.name)
        with closing(sqlite3.connect(to / file.name)) as store, store:
            store.execute("UPDATE store SET epoch = ?", (uuid7().hex,))


def _put_files(pieces: Path, keys: Path, data: Path, erasures: Path | None) -> None:
    if (pieces / "audit").exists():
        shutil.copytree(pieces / "audit", data / "audit", dirs_exist_ok=True)
    for name in (*KEY_FILES, "signer"):
        found = keys / "keys" / name
        if found.is_dir():
            shutil.copytree(found, data / "keys" / name)
        elif found.exists():
            shutil.copyfile(found, data / "keys" / name)
    for path in (data / "keys").rglob("*"):
        path.chmod(0o700 if path.is_dir() else 0o600)
    if erasures is not None:
        kept = ledger.path(data)
        kept.parent.mkdir(mode=0o700, exist_ok=True)
        shutil.copyfile(erasures, kept)
        kept.chmod(0o600)


async def _put_streams(
    pieces: Path, keys: Path, data: Path, manifest: Manifest, entries: tuple[ledger.Entry, ...]
) -> int:
    """How many keys were destroyed. The halt comes first, the keys come last: nothing could be decrypted before."""
    gone = {str(subject) for entry in entries for subject in entry.subjects}
    async with nats(data) as files, operator(data) as nc:
        js = border.jetstream(nc)
        await ensure(js)
        now = clock_in(pieces).now()
        await HaltFlags(nc).set(SYSTEM, actor=ACTOR, reason=_reason(manifest), at=now)
        for stream in STREAMS:
            for one in messages(pieces, stream):
                if one.subject != f"$KV.HALT.{SYSTEM}":
                    await js.publish(one.subject, one.data, stream=stream, headers=_headers(one))
        if shared.BLOBS in manifest.streams:  # of a release where all contexts had one store
            before = messages(pieces, shared.BLOBS)
            await shared.put_blobs_before(js, ((one.subject, one.data) for one in before))
            await ensure(js)
        await _begin_epochs(nc, files, data)
        destroyed: set[str] = set()
        for one in messages(keys, rights.KEYS):
            if one.subject.rpartition(".")[2] not in gone:
                await js.publish(one.subject, one.data, stream=rights.KEYS, headers=_headers(one))
            elif one.subject not in destroyed:
                destroyed.add(one.subject)
                record = Record(state="destroyed").model_dump_json().encode()
                await js.publish(one.subject, record, stream=rights.KEYS)
    return len(destroyed)


def clock_in(pieces: Path) -> SandboxClock:
    """The clock of the installation that was backed up, as far as its sandbox had moved it."""
    clock = SandboxClock()
    for one in messages(pieces, "KV_CLOCK"):
        clock.moved(one.data.decode())
    return clock


def _reason(manifest: Manifest) -> str:
    return (
        f"Restored from a backup of {manifest.taken:%Y-%m-%d %H:%M} UTC. What was sent since then is not known here."
        " Somebody has to look, and let things leave again."
    )


def _headers(one: Message) -> dict[str, str] | None:
    return {name: value for name, value in one.headers.items() if not name.startswith(EXPECTED)} or None


async def _begin_epochs(nc: Client, files: ServerFiles, data: Path) -> None:
    """Have it signed that each log goes on in an epoch of its own."""
    signed = [path.stem for path in sorted((data / "audit").glob("*.jsonl"))]
    if not signed:
        return
    async with _signer(files, data):
        for context in signed:
            store = SqliteStore(data / "store" / f"{context}.sqlite3")
            try:
                await _begin_epoch(nc, context, store, Trail.beside(data, context))
            finally:
                await store.close()


async def _begin_epoch(nc: Client, context: str, store: SqliteStore, trail: Trail) -> None:
    until = datetime.now(UTC).timestamp() + SIGNER_PATIENCE
    while True:
        try:
            await begin_epoch(nc, context, store, trail)
        except SignerAwayError as error:
            if datetime.now(UTC).timestamp() > until:
                raise BackupError("signer-away", f"The signer does not start: {error}.") from error
            await asyncio.sleep(LOOK)
        except SignerRefusedError as error:
            raise BackupError("signer-refused", f"The signer refuses the new epoch: {error}") from error
        else:
            return


@asynccontextmanager
async def _signer(files: ServerFiles, data: Path) -> AsyncGenerator[None]:
    who = files.credentials["signer"]
    told = {
        "HERALDRY_SERVICE": "signer",
        "HERALDRY_DATA": str(data),
        "HERALDRY_NATS_URL": files.url,
        "HERALDRY_NATS_USER": who.user,
        "HERALDRY_NATS_PASSWORD": who.password,
        "HERALDRY_PORT": "0",
    }
    program = "from heraldry.chassis.audit.signer import main; raise SystemExit(main())"
    with (data / "run" / "log" / "signer.log").open("ab") as output:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", program, env={**os.environ, **told}, stdout=output, stderr=output
        )
    try:
        yield
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()
