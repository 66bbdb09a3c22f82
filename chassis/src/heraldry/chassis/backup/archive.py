"""The two archives: one with the data, one with the keys. Neither is of use without the other. Storage formats."""

from __future__ import annotations

import hashlib
import os
import tarfile
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Final, Literal

from heraldry.contracts.base import Value
from pydantic import Base64Bytes, ValidationError

MANIFEST: Final = "manifest.json"


class BackupError(Exception):
    """It cannot be taken or restored; the text says why and what to do. `code` is stable."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code


class Manifest(Value):
    """What an archive holds, of which installation, and the moment its stores are of."""

    format: Literal[1] = 1
    kind: Literal["data", "keys"]
    backup: str
    installation: str
    mode: Literal["demo", "live"]
    taken: datetime
    streams: Mapping[str, int]  # messages of each
    files: Mapping[str, str] = {}  # what else is in it: SHA-256 by path


class Message(Value):
    """One message of a stream, a line of streams/<name>.jsonl."""

    subject: str
    headers: Mapping[str, str] = {}
    data: Base64Bytes


def pack(folder: Path, manifest: Manifest, to: Path) -> None:
    """Write an archive of a folder, whole or not at all, readable by its owner only. Raises BackupError, OSError.

    Nothing that is there is written over, also where another backup came first to the same name. While it is written it stands beside that folder, which is on the same file system as the archive.
    """
    told = manifest.model_copy(update={"files": _digests(folder)})
    (folder / MANIFEST).write_text(told.model_dump_json(indent=1), encoding="utf-8")
    beside = folder.with_name(f"{folder.name}.tar.gz")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        with tarfile.open(fileobj=file, mode="w:gz", compresslevel=1) as archive:
            archive.add(folder / MANIFEST, MANIFEST)
            for name in told.files:
                archive.add(folder / name, name)
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(beside, to)  # unlike a renaming, it does not replace
    except FileExistsError:
        raise file_there(to) from None
    except OSError:  # a file system without links
        require_free(to)
        beside.replace(to)
    else:
        beside.unlink()


def require_free(path: Path) -> None:
    """Raises BackupError if there is something under this name."""
    if os.path.lexists(path):
        raise file_there(path)


def file_there(path: Path) -> BackupError:
    return BackupError(
        "file-there",
        f"{path} is there already, and is not written over. Name another file, or a folder.",
    )


def unpack(archive: Path, into: Path, kind: str) -> Manifest:
    """What an archive holds, into a folder. Raises BackupError for what is no archive of this kind."""
    try:
        with tarfile.open(archive, "r:gz") as opened:
            opened.extractall(into, filter="data")
        manifest = Manifest.model_validate_json((into / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, tarfile.TarError, EOFError, ValidationError) as error:
        raise BackupError(
            "archive-unreadable", f"{archive} is no archive of Heraldry, or it is damaged ({error})."
        ) from error
    if _digests(into) != manifest.files:
        raise BackupError("archive-unreadable", f"{archive} is damaged: a file in it is cut off or changed.")
    if manifest.kind != kind:
        other = "--keys-from" if manifest.kind == "keys" else "--from"
        raise BackupError("other-archive", f"{archive} holds the {manifest.kind}: name it with {other}.")
    return manifest


def _digests(folder: Path) -> dict[str, str]:
    found: dict[str, str] = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_file() and name != MANIFEST:
            with path.open("rb") as file:
                found[name] = hashlib.file_digest(file, "sha256").hexdigest()
    return found


def messages(folder: Path, stream: str) -> Iterator[Message]:
    """The messages of a stream, in order; none if it is not in the archive. Raises BackupError."""
    path = folder / "streams" / f"{stream}.jsonl"
    if not path.exists():
        return
    with path.open("rb") as lines:
        for line in lines:
            try:
                yield Message.model_validate_json(line)
            except ValidationError as error:
                raise BackupError("archive-unreadable", f"A line of {stream} cannot be read.") from error
