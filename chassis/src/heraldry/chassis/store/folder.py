"""Which store a data folder belongs to: a note in it for each context, once it was used with KurrentDB.

A folder is never used with another store than its own, for its keys open nothing there and its read models are of
another log. Imports nothing heavy: the supervisor asks before it starts anything.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

FOLDER: Final = "store"
_FILE: Final = ".sqlite3"
_NOTE: Final = ".kurrentdb.json"


@dataclass(frozen=True, slots=True)
class Note:
    """A storage format, as JSON."""

    epoch: str
    address: str  # as it was, without user and password


def file_of(data: Path, context: str) -> Path:
    """Where a context's log is, unless it is in KurrentDB."""
    return data / FOLDER / f"{context}{_FILE}"


def note_of(data: Path, context: str) -> Note | None:
    """Raises ValueError for a damaged one."""
    try:
        found = json.loads((data / FOLDER / f"{context}{_NOTE}").read_text(encoding="utf-8"))
        return Note(str(found["epoch"]), str(found["address"]))
    except FileNotFoundError:
        return None
    except (KeyError, TypeError) as error:
        raise ValueError("not a note") from error


def write(data: Path, context: str, note: Note) -> None:
    path = data / FOLDER / f"{context}{_NOTE}"
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    beside = path.with_name(f".{path.name}.{os.getpid()}")  # replicas may write at once
    beside.write_text(json.dumps({"epoch": note.epoch, "address": note.address}), encoding="utf-8")
    beside.replace(path)


def asked_address() -> str:
    """KurrentDB's address by either of its names, as whoever calls a command says it; empty for SQLite."""
    return os.environ.get("HERALDRY_STORE_URL") or os.environ.get("STORE_URL", "")


def wrong_kind(data: Path, url: str, contexts: Sequence[str] = ()) -> tuple[str, str] | None:
    """(code, text) if the folder is of a store of the other kind; without `contexts`, for any of them."""
    found = data / FOLDER
    kind = _FILE if url else _NOTE
    if contexts:
        mine = [context for context in contexts if (found / f"{context}{kind}").exists()]
    else:
        mine = sorted(path.name.removesuffix(kind) for path in found.glob(f"*{kind}"))
    if not mine:
        return None
    if url:
        return (
            "store.folder-has-its-own",
            f"{data} has its log in SQLite files ({', '.join(mine)}); it is not used with HERALDRY_STORE_URL."
            " Leave the address away, or choose a new folder with --data.",
        )
    return (
        "store.address-missing",
        f"The log of {data} is in KurrentDB ({', '.join(mine)}). Set HERALDRY_STORE_URL"
        " (or STORE_URL) to its address, or choose another folder with --data.",
    )
