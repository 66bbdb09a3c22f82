"""Whether an append is accepted: KurrentDB's rules for expected revisions and for events sent again.

Pure: what it must know of the log it asks a `Known`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from heraldry.chassis.testing.kurrent.records import LAST_REVISION, Expected, metastream_of


class Known(Protocol):
    """What the log knows at the moment of the decision."""

    def last_revision(self, stream: str) -> int:
        """Of the stream's last event, seen or not; -1 where there is none, LAST_REVISION of a tombstone."""
        ...

    def is_deleted(self, stream: str) -> bool:
        """Softly."""
        ...

    def recent(self, id: UUID) -> tuple[str, int] | None:  # noqa: A002  the field's name
        """Stream and revision at which a recent event of this id was stored."""
        ...

    def id_at(self, stream: str, revision: int) -> UUID | None: ...


@dataclass(frozen=True, slots=True)
class Accepted:
    """The events follow `after`; a deleted stream begins anew with them."""

    after: int
    undelete: bool = False


@dataclass(frozen=True, slots=True)
class Repeated:
    """All of them are there already, the last at this revision."""

    revision: int


@dataclass(frozen=True, slots=True)
class WrongRevision:
    actual: int


@dataclass(frozen=True, slots=True)
class Deleted:
    """The stream cannot be written to: a tombstone, or a deleted stream that was expected to exist."""


Verdict = Accepted | Repeated | WrongRevision | Deleted


def judge(stream: str, expected: int, ids: Sequence[UUID], known: Known) -> Verdict:
    """What the server does with these events for this stream."""
    last = known.last_revision(stream)
    if last == LAST_REVISION:
        nothing_to_write = not ids and expected in (Expected.ANY, Expected.NO_STREAM, LAST_REVISION)
        return Accepted(last) if nothing_to_write else Deleted()
    deleted = known.is_deleted(stream)
    if expected == Expected.EXISTS:
        if deleted:
            return Deleted()
        if last < 0 and known.last_revision(metastream_of(stream)) < 0:
            return WrongRevision(last)
    if expected in (Expected.ANY, Expected.EXISTS, Expected.DELETED):
        is_there = expected == Expected.DELETED and not deleted
        otherwise = WrongRevision(last) if is_there else Accepted(last, deleted)
        return _recognised_while_recent(stream, ids, known, otherwise, last)
    if expected < last:
        return _recognised_in_place(stream, expected, ids, known, Accepted(last, deleted))
    return Accepted(last, deleted) if expected == last else WrongRevision(last)


def _recognised_while_recent(
    stream: str, ids: Sequence[UUID], known: Known, otherwise: Accepted | WrongRevision, last: int
) -> Verdict:
    """Where no place was named, only recent events are recognised: all of them, or none."""
    revision = None
    for id_ in ids:
        found = known.recent(id_)
        if found is None or found[0] != stream:
            return otherwise if revision is None else WrongRevision(last)
        revision = found[1]
    return otherwise if revision is None else Repeated(revision)


def _recognised_in_place(
    stream: str, expected: int, ids: Sequence[UUID], known: Known, otherwise: Accepted
) -> Verdict:
    """Where a place was named, the same events at that place are recognised however old they are."""
    for ahead, id_ in enumerate(ids, start=1):
        if known.id_at(stream, expected + ahead) == id_:
            continue
        begins_anew = ahead == 1 and expected == Expected.NO_STREAM and otherwise.undelete
        return otherwise if begins_anew else WrongRevision(otherwise.after)
    if not ids:
        begins_anew = expected == Expected.NO_STREAM and otherwise.undelete
        return otherwise if begins_anew else WrongRevision(otherwise.after)
    return Repeated(expected + len(ids))
