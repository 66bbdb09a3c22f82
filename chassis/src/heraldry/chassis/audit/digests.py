"""What stands for an event, and for many: digests and a Merkle tree. Storage formats, all of them.

A leaf of the tree is an event's id and digest, so that an event that is gone can still be named. The tree is that
of RFC 6962 with BLAKE2b (32 bytes): a leaf is hashed behind a zero byte, two nodes behind a one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from struct import Struct
from typing import Final

from heraldry.chassis.store.port import StoredEvent

SIZE: Final = 32
LEAF: Final = 16 + SIZE  # an event's id, then its digest
_number: Final = Struct(">q").pack  # no store holds a larger one; one below zero is told from all others
_OF_A_NUMBER: Final = _number(8)
_OF_AN_ID: Final = _number(16)


def written(stored: StoredEvent) -> bytes:
    """An event as it is hashed: each part behind its length.

    Positions are left out: they are the store's own and change when it is moved.
    """
    stream, type_ = stored.stream.encode(), stored.type.encode()
    data, meta = stored.data, stored.meta
    return b"".join(
        (
            *(_number(len(stream)), stream),
            *(_OF_A_NUMBER, _number(stored.revision)),
            *(_OF_AN_ID, stored.raw_id),
            *(_number(len(type_)), type_),
            *(_OF_A_NUMBER, _number(stored.version)),
            *(_number(len(data)), data),
            *(_number(len(meta)), meta),
        )
    )


def rolled(previous: bytes, event: bytes) -> bytes:
    """The rolling hash when this event follows, as `written`; the order is in the chain."""
    digest = hashlib.blake2b(previous, digest_size=SIZE)
    digest.update(event)
    return digest.digest()


def leaf(stored: StoredEvent, event: bytes) -> bytes:
    """Of an event that is `written` so."""
    return stored.raw_id + _hash(event)


def root(leaves: Iterable[bytes]) -> bytes:
    """Of the tree over these leaves; there may be none."""
    level = [_hash(b"\0" + one) for one in leaves]
    if not level:
        return _hash(b"")
    while len(level) > 1:
        level = _above(level)
    return level[0]


def path(leaves: Sequence[bytes], index: int) -> tuple[bytes, ...]:
    """What has to be known beside the leaf at `index` to compute the root, from the leaf upwards."""
    level, found = [_hash(b"\0" + one) for one in leaves], list[bytes]()
    while len(level) > 1:
        beside = index ^ 1
        if beside < len(level):
            found.append(level[beside])
        level, index = _above(level), index // 2
    return tuple(found)


def root_of_path(leaf: bytes, index: int, size: int, beside: Sequence[bytes]) -> bytes:
    """The root of a tree of `size` leaves in which this leaf stands at `index`. Raises ValueError."""
    node, waiting = _hash(b"\0" + leaf), iter(beside)
    try:
        while size > 1:
            if index ^ 1 < size:
                other = next(waiting)
                node = _hash(b"\1" + (other + node if index & 1 else node + other))
            index, size = index // 2, (size + 1) // 2
    except StopIteration:
        raise ValueError("the path is too short") from None
    if next(waiting, None) is not None:
        raise ValueError("the path is too long")
    return node


def _above(level: Sequence[bytes]) -> list[bytes]:
    """An odd one at the end goes up as it is."""
    above = [_hash(b"\1" + level[at] + level[at + 1]) for at in range(0, len(level) - 1, 2)]
    return [*above, level[-1]] if len(level) % 2 else above


def _hash(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=SIZE).digest()
