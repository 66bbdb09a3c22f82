"""Signed checkpoints of a log: what a witness keeps, and what proves later that nothing was changed."""

from __future__ import annotations

import hashlib
from typing import Annotated, Final, Literal

from heraldry.contracts.base import Value
from pydantic import Field

ZERO: Final = "00" * 32  # what stands where there is nothing before
_HEAD: Final = "heraldry checkpoint 1"

Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]  # BLAKE2b, 32 bytes, as hexadecimal text
Token = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,128}$")]
Count = Annotated[int, Field(ge=0)]


class Statement(Value):
    """What a checkpoint says of a log. A storage format: its text is what is signed.

    `events`: the events with the numbers since + 1 to count follow the ones before. `epoch`: after a restore, a new
    epoch of the store goes on behind its first `count` events (`since` is the same); what was signed of later ones
    is given up. Events are numbered from 1, private ones included. `root` is the root of a Merkle tree (RFC 6962,
    with BLAKE2b) over the events since + 1 to count.
    """

    kind: Literal["events", "epoch"]
    context: Token
    epoch: Token
    number: Annotated[int, Field(ge=1)]  # of the checkpoint, from 1, without gaps
    since: Count
    count: Count
    position: Count  # of the last event covered
    event: Annotated[str, Field(pattern=r"^([0-9a-f-]{36})?$")]  # its id; empty: none is covered
    hash: Digest  # the rolling hash over all events up to it
    root: Digest
    previous: Digest  # the digest of the checkpoint before

    def fields(self) -> tuple[str, ...]:
        return (
            *(self.kind, self.context, self.epoch, str(self.number), str(self.since), str(self.count)),
            *(str(self.position), self.event, self.hash, self.root, self.previous),
        )


class Checkpoint(Statement):
    """A statement with the signer's time and its Ed25519 signature. Every subscriber who keeps it is a witness."""

    time: Annotated[
        str, Field(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$")
    ]  # of the signer's real clock
    signature: Annotated[str, Field(pattern=r"^[0-9a-f]{128}$")]

    def text(self) -> bytes:
        """What is signed: a line for each field, in this order, each ended by a line feed."""
        return "".join(f"{line}\n" for line in (_HEAD, *self.fields(), self.time)).encode()

    def digest(self) -> str:
        """What the next checkpoint holds of this one: BLAKE2b (32 bytes) of its text."""
        return hashlib.blake2b(self.text(), digest_size=32).hexdigest()
