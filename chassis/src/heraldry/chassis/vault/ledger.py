"""The ledger of erasures: who was erased, by ids only, outside of the backups, so that a restored one brings nobody back.

`<data>/erasures/ledger.jsonl`, a line an erasure, on disk before the erasure begins. A storage format: fields are only
added.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Literal
from uuid import UUID

from heraldry.contracts.base import Value
from pydantic import ValidationError


class LedgerError(Exception):
    """A line that was written whole cannot be read: somebody changed it."""


class Entry(Value):
    """`subjects`: every id by which some context knows the person."""

    at: datetime
    kind: Literal["lead", "identity", "user"]
    erasure: UUID
    organization: UUID
    subjects: tuple[UUID, ...]


def path(data: Path) -> Path:
    return data / "erasures" / "ledger.jsonl"


def append(data: Path, entry: Entry) -> None:
    """Add an entry, on disk when this returns. Raises LedgerError, OSError.

    An erasure has one line, and another only if more ids of the person are known than the ledger names.
    """
    file = path(data)
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with os.fdopen(os.open(file, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600), "r+b") as ledger:
        fcntl.flock(ledger, fcntl.LOCK_EX)  # another replica may be asked for the same erasure
        if any(one.erasure == entry.erasure and {*entry.subjects} <= {*one.subjects} for one in read(data)):
            return
        torn = ledger.seek(0, os.SEEK_END) > 0 and _last_byte(ledger.fileno()) != b"\n"
        ledger.write(b"\n" * torn + entry.model_dump_json().encode() + b"\n")
        ledger.flush()
        os.fsync(ledger.fileno())
    for folder in (file.parent, file.parent.parent):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def read(data: Path) -> Sequence[Entry]:
    """Every entry, oldest first; none where there is no ledger. Raises LedgerError, OSError.

    A last line that a crash cut off is no entry: its erasure had not begun.
    """
    file = path(data)
    return read_file(file) if file.exists() else ()


def read_file(file: Path) -> Sequence[Entry]:
    """As `read`, of a ledger that is kept elsewhere."""
    found: list[Entry] = []
    lines = file.read_bytes().split(b"\n")
    for number, line in enumerate(lines[:-1], start=1):
        if not line:
            continue
        try:
            found.append(Entry.model_validate_json(line))
        except ValidationError as error:
            if number < len(lines) - 1 and not line.endswith(b"}"):
                continue  # cut off by a crash; the next one began a line of its own
            raise LedgerError(
                f"Line {number} of {file} cannot be read. It was changed by hand: put it back from a copy."
            ) from error
    return tuple(found)


def _last_byte(descriptor: int) -> bytes:
    size = os.fstat(descriptor).st_size
    return os.pread(descriptor, 1, size - 1)
