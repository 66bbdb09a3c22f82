"""A proof for one identity that somebody checks who has neither the log nor our code, but the public key.

It holds the identity's events as they are stored, each with its way to the root of a signed checkpoint. How it is
checked: docs/how-to/check-a-proof.md.
"""

from __future__ import annotations

import base64
from collections import deque
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Final, cast
from uuid import UUID

import orjson
from heraldry.chassis.audit.checkpointing import LARGEST
from heraldry.chassis.audit.digests import leaf, path, root, written
from heraldry.chassis.audit.history import Evidence
from heraldry.chassis.audit.trail import Line, Trail
from heraldry.chassis.store.port import START, Log, StoredEvent
from heraldry.contracts.checkpoints import Checkpoint
from nacl.signing import VerifyKey

FORMAT: Final = "heraldry proof 1"
_PORTION: Final = 1000


class NotAsSignedError(Exception):
    """The log is not the one that was signed: there is nothing to prove with it."""


@dataclass(frozen=True, slots=True)
class Proof:
    """What is proved of one context. A published format."""

    context: str
    checkpoints: tuple[dict[str, object], ...]
    events: tuple[dict[str, object], ...]
    unsigned: int  # of the identity's events: they can be proved when the next checkpoint is signed

    def document(self) -> dict[str, object]:
        return {"context": self.context, "checkpoints": self.checkpoints, "events": self.events}


async def prove(
    identity: UUID,
    context: str,
    store: Log,
    trail: Trail,
    keys: Collection[VerifyKey],
    witnesses: Iterable[Checkpoint] = (),
) -> Proof:
    """Raises NotAsSignedError, StoreUnavailableError, OSError."""
    evidence = Evidence(trail, context, keys, witnesses)
    history = evidence.history()
    signed = (line for line in evidence.lines() if history.counts(line.checkpoint) and line.checkpoint.count)
    gathering = _Gathering(identity, signed)
    position = START
    while events := await store.read_all(after=position, limit=_PORTION):
        for stored in events:
            gathering.take(stored)
        position = events[-1].position
    return Proof(context, tuple(gathering.checkpoints), tuple(gathering.events), gathering.unsigned)


class _Gathering:
    """What was met of the identity, and what is needed to prove it: never more than a segment at once."""

    def __init__(self, identity: UUID, signed: Iterator[Line]) -> None:
        self._identity, self._signed = str(identity), signed
        self._leaves: deque[bytes] = deque(maxlen=LARGEST)
        self._waiting: list[tuple[int, StoredEvent]] = []
        self._wanted = next(signed, None)
        self._count = 0
        self.checkpoints: list[dict[str, object]] = []
        self.events: list[dict[str, object]] = []

    @property
    def unsigned(self) -> int:
        return len(self._waiting)

    def take(self, stored: StoredEvent) -> None:
        self._count += 1
        self._leaves.append(leaf(stored, written(stored)))
        if concerns(stored, self._identity):
            self._waiting.append((self._count, stored))
        while self._wanted is not None and self._wanted.checkpoint.count == self._count:
            self._prove(self._wanted)
            self._wanted = next(self._signed, None)

    def _prove(self, line: Line) -> None:
        checkpoint = line.checkpoint
        proved = [(number, stored) for number, stored in self._waiting if number > checkpoint.since]
        if not proved:
            return
        leaves = list(self._leaves)[checkpoint.since - checkpoint.count :]
        if root(leaves).hex() != checkpoint.root:
            raise NotAsSignedError(
                f"Events {checkpoint.since + 1} to {checkpoint.count} of {checkpoint.context} are not those signed."
                " `heraldry audit verify` says more."
            )
        self.checkpoints.append(checkpoint.model_dump(mode="json"))
        for number, stored in proved:
            beside = path(leaves, number - checkpoint.since - 1)
            self.events.append(_event(number, checkpoint.number, stored, [one.hex() for one in beside]))
        self._waiting = [one for one in self._waiting if one not in proved]


def concerns(stored: StoredEvent, identity: str) -> bool:
    """Whether an event is this identity's: it says so itself, or stands in a stream of its own."""
    if stored.stream.endswith(f"-{identity}"):
        return True
    if identity.encode() not in stored.meta:
        return False
    try:
        meta: object = orjson.loads(stored.meta)
    except orjson.JSONDecodeError:
        return True  # it was not signed like this, and may have been the identity's
    return isinstance(meta, dict) and cast("dict[str, object]", meta).get("identity") == identity


def _event(number: int, checkpoint: int, stored: StoredEvent, beside: list[str]) -> dict[str, object]:
    return {
        "number": number,
        "checkpoint": checkpoint,
        "stream": stored.stream,
        "revision": stored.revision,
        "id": str(stored.id),
        "type": stored.type,
        "version": stored.version,
        "data": base64.b64encode(stored.data).decode(),
        "meta": base64.b64encode(stored.meta).decode(),
        "path": beside,
    }
