"""What keeps an installation from starting, said so that a person knows what to do next."""

from __future__ import annotations

import errno
from pathlib import Path


class CannotStart(Exception):  # noqa: N818  it is a finding for a person, not a programming error
    """`code` is stable; the text says what happened and what to do."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def explain(error: OSError, path: Path) -> CannotStart:
    """The finding behind a failed operation on the data folder (or something in it)."""
    match error.errno:
        case errno.EROFS:
            return CannotStart(
                "folder-read-only",
                f"{path} is on a read-only file system."
                " Mount it writable, or choose another folder with --data.",
            )
        case errno.ENOSPC | errno.EDQUOT:
            return disk_full(path)
        case errno.EACCES | errno.EPERM:
            return CannotStart(
                "folder-forbidden",
                f"This user may not write to {path}. Change its owner, or choose another folder with --data.",
            )
        case errno.ENOTDIR | errno.EEXIST:
            return CannotStart("folder-is-a-file", f"{path} is not a folder. Choose another one with --data.")
        case _:
            return CannotStart("folder-unusable", f"{path} cannot be used: {error.strerror or error}.")


def disk_full(path: Path) -> CannotStart:
    return CannotStart(
        "disk-full",
        f"The disk of {path} is full. Free some space on it, or choose another folder with --data.",
    )
