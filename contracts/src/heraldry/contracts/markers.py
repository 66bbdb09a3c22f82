"""How far a context's events are published: positions, and the markers that say so."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Self

from heraldry.contracts.base import Value
from heraldry.contracts.checkpoints import Checkpoint


@dataclass(frozen=True, slots=True)
class Position:
    """A place in one context's log, as text `<context>:<epoch>:<n>`. Comparable within one epoch only."""

    context: str
    epoch: str
    number: int

    def __str__(self) -> str:
        return f"{self.context}:{self.epoch}:{self.number}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises ValueError for anything else than `<context>:<epoch>:<n>`."""
        parts = text.split(":")
        if len(parts) != 3 or not all(parts) or not (parts[2].isascii() and parts[2].isdigit()):  # noqa: PLR2004  its three parts
            raise ValueError(f"{text[:80]!r} is no position: <context>:<epoch>:<n>")
        return cls(parts[0], parts[1], int(parts[2]))

    def covers(self, seen: Position) -> bool:
        """Whether who is here has seen what stands at `seen`."""
        return (self.context, self.epoch) == (seen.context, seen.epoch) and self.number >= seen.number


class Marker(Value):
    """The last message of every batch of a relay, on `heraldry.relay.<context>`.

    All of the context's events up to `position`, private ones included, have been read, and what is to be
    published of them stands before this marker. `hash` is the rolling hash over all of them; `count` how many
    they are. `checkpoint` is the newest that the signer has signed; keep it, and you are a witness.

    A marker at position 0 begins the log anew: what stands before it of this context is no longer said, and all of the
    log follows.
    """

    context: str
    epoch: str
    position: int
    event: str  # the id of the last event covered
    hash: str  # BLAKE2b, 32 bytes, as hexadecimal text
    count: int
    time: datetime
    checkpoint: Checkpoint | None = None
    begins: int = 0  # the sequence of the marker behind which the whole log stands; 0: the stream's beginning

    @property
    def begins_anew(self) -> bool:
        return self.position == 0

    @property
    def reached(self) -> Position:
        return Position(self.context, self.epoch, self.position)
