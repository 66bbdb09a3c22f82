"""The checkpoints kept beside a log: <data>/audit/<context>.jsonl, one line each, only ever appended to.

A line holds the checkpoint and the leaves of its tree, so that `verify` can name the event that was changed.
"""

from __future__ import annotations

import base64
import binascii
import fcntl
import os
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from heraldry.chassis.audit.digests import LEAF
from heraldry.chassis.audit.keys import sync
from heraldry.contracts.checkpoints import Checkpoint
from pydantic import BaseModel, ConfigDict, ValidationError

_PIECE: Final = 64 * 1024


class Line(BaseModel):
    """A storage format."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    checkpoint: Checkpoint
    leaves: str = ""  # base64; empty: they could not be told when it was written

    @classmethod
    def of(cls, checkpoint: Checkpoint, leaves: Sequence[bytes]) -> Line:
        return cls(checkpoint=checkpoint, leaves=base64.b64encode(b"".join(leaves)).decode())

    def each_leaf(self) -> tuple[bytes, ...]:
        """Empty if they cannot be read."""
        try:
            raw = base64.b64decode(self.leaves, validate=True)
        except (binascii.Error, ValueError):
            return ()
        return tuple(raw[at : at + LEAF] for at in range(0, len(raw), LEAF))


class Trail:
    """The file. Replicas of a service on one machine share it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def beside(cls, data: Path, context: str) -> Trail:
        """Of this context in an installation's folder."""
        return cls(data / "audit" / f"{context}.jsonl")

    def newest(self) -> Checkpoint | None:
        """Of the last whole line; None: there is none, or it cannot be read. Raises OSError."""
        try:
            descriptor = os.open(self.path, os.O_RDONLY)
        except FileNotFoundError:
            return None
        try:
            return _newest(descriptor)[0]
        finally:
            os.close(descriptor)

    def append(self, line: Line) -> None:
        """On disk when this returns. One that is there is not written again; half a line that a crash left gives
        way. Raises OSError.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with _locked(self.path) as descriptor:
            newest, end = _newest(descriptor)
            if newest is not None and newest.number >= line.checkpoint.number:
                return
            os.ftruncate(descriptor, end)
            written = memoryview(line.model_dump_json().encode() + b"\n")
            while written:
                done = os.pwrite(descriptor, written, end)
                written, end = written[done:], end + done
            os.fsync(descriptor)
            if newest is None:
                sync(self.path.parent)

    def lines(self) -> Iterator[Line | None]:
        """All whole lines, one after the other; None stands for one that cannot be read. Raises OSError."""
        try:
            file = self.path.open("rb")
        except FileNotFoundError:
            return
        with file:
            for text in file:
                if not text.endswith(b"\n"):
                    return
                try:
                    yield Line.model_validate_json(text)
                except ValidationError:
                    yield None


def _newest(descriptor: int) -> tuple[Checkpoint | None, int]:
    """The last whole line's checkpoint, and where that line ends."""
    at = os.fstat(descriptor).st_size
    tail = b""
    while at > 0 and tail.count(b"\n") < 2:  # noqa: PLR2004  before it and behind it
        size = min(_PIECE, at)
        at -= size
        tail = os.pread(descriptor, size, at) + tail
    whole, line_feed, rest = tail.rpartition(b"\n")
    if not line_feed:
        return None, 0
    end = os.fstat(descriptor).st_size - len(rest)
    try:
        return Line.model_validate_json(whole.rpartition(b"\n")[2]).checkpoint, end
    except ValidationError:
        return None, end


@contextmanager
def _locked(path: Path) -> Generator[int]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield descriptor
    finally:
        os.close(descriptor)
