"""What the log holds, and the names that mean something to the database itself."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final
from uuid import UUID

LAST_REVISION: Final = 2**63 - 1  # of a tombstone; as `$tb` it hides everything: a deleted stream
TICKS: Final = 10_000_000  # a second, in the unit of `created`

LINK: Final = "$>"
METADATA: Final = "$metadata"
TOMBSTONE: Final = "$streamDeleted"
METASTREAM: Final = "$$"
_FRAME: Final = 88  # bytes of a record in the log beside its texts and contents


class Expected(IntEnum):
    """What an append may expect of its stream instead of a revision."""

    NO_STREAM = -1
    ANY = -2
    EXISTS = -4
    DELETED = -5


@dataclass(frozen=True, slots=True)
class Proposed:
    """An event as a client wants it stored."""

    id: UUID
    type: str
    data: bytes
    metadata: bytes = b""
    json: bool = True

    @property
    def size(self) -> int:
        """What counts against the largest append."""
        return len(self.data) + len(self.metadata) + 2 * len(self.type)


@dataclass(frozen=True, slots=True)
class Record:
    """An event in the log."""

    position: int
    stream: str
    revision: int
    id: UUID
    type: str
    json: bool
    data: bytes
    metadata: bytes
    created: int  # ticks since 1970

    @property
    def end(self) -> int:
        """Where the next record begins."""
        return self.position + space(self.stream, self.type, len(self.data) + len(self.metadata))


def space(stream: str, type_: str = "", content: int = 0) -> int:
    """What a record takes in the log: positions are places in it, so they have gaps as large as the server's."""
    return _FRAME + _text(stream) + _text(type_) + content


def _text(text: str) -> int:
    """Its bytes, after a length of seven bits a byte."""
    length = len(text.encode())
    return max(1, -(-length.bit_length() // 7)) + length


def metastream_of(stream: str) -> str:
    return METASTREAM + stream


def is_metastream(stream: str) -> bool:
    return stream.startswith(METASTREAM)


def described_by(metastream: str) -> str:
    """The stream whose metadata this stream holds."""
    return metastream.removeprefix(METASTREAM)


def is_system(name: str) -> bool:
    """Whether a stream or a type is the database's own."""
    return name.startswith("$")
