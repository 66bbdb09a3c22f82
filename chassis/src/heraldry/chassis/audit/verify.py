"""Whether a log is still the one that was signed, and if not, which event was the first to be touched.

The log is read once, in order, and its rolling hash compared at every checkpoint. Only where it differs, the leaves
kept beside the checkpoint are compared one by one: they are true if their tree has the signed root.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Final, Literal
from uuid import UUID

from heraldry.chassis.audit.digests import leaf, rolled, root, written
from heraldry.chassis.audit.history import Evidence, History, Problem
from heraldry.chassis.audit.trail import Line, Trail
from heraldry.chassis.bus.markers import GENESIS
from heraldry.chassis.store.port import START, Log, StoredEvent
from heraldry.chassis.store.reading import NO_EVENT
from heraldry.contracts.checkpoints import Checkpoint
from heraldry.contracts.markers import Marker
from nacl.signing import VerifyKey

_PORTION: Final = 1000  # events read at once
_BEYOND: Final = 1000  # events read behind a segment, to tell what was moved from what was removed
_MOST: Final = 20  # problems told: with a wrong key every line is one
_ID: Final = 16  # bytes of a leaf
NO_CHECKPOINT: Final = "audit.no-checkpoint"
OTHER_EPOCH: Final = "audit.other-epoch"
NOT_AS_PUBLISHED: Final = "audit.not-as-published"


class Touch(StrEnum):
    """What was done to an event."""

    CHANGED = "changed"
    REMOVED = "removed"
    INSERTED = "inserted"
    MOVED = "moved"  # it stands where another one stood
    RENUMBERED = "renumbered"  # only its position in the store is another


@dataclass(frozen=True, slots=True)
class Touched:
    """The first event that is not as signed. `exact`: this very one; else it is among `number` to `upto`."""

    what: Touch
    number: int  # its place in the log, from 1
    upto: int
    exact: bool
    event: str = ""  # its id, where it is known
    stream: str = ""  # where it stands now, if it stands somewhere
    revision: int | None = None
    type: str = ""


@dataclass(slots=True)
class Finding:
    """What `heraldry audit verify` answers for a context."""

    context: str
    ok: bool = False
    events: int = 0  # in the log now
    proven: int = 0  # so many of the first of them are as they were signed
    proven_at: str = ""  # when the last of those checkpoints was signed
    unsigned: int = 0  # the ones behind, which no signature covers yet
    published: int | None = None  # as the newest marker in JetStream counts; None: it was not asked
    checkpoints: int = 0
    newest: int = 0  # the number of the newest checkpoint anybody has
    restores: int = 0  # epochs that were begun by the operator
    given_up: int = 0  # signed events that these left behind, as far as anybody knows
    signer_memory: Literal["compared", "not there"] = "not there"
    first: Touched | None = None
    problems: list[Problem] = field(default_factory=list[Problem])

    def document(self) -> dict[str, object]:
        return asdict(self)


async def verify(
    context: str,
    store: Log,
    trail: Trail,
    keys: Collection[VerifyKey],
    *,
    witnesses: Iterable[Checkpoint] = (),
    marker: Marker | None = None,
    problems: Callable[[], Sequence[Problem]] = tuple,
) -> Finding:
    """Compare a log with its checkpoints, the witnesses' and the newest marker. `problems` tells what else is
    wrong, and is asked when the events are read.

    Raises StoreUnavailableError, OSError.
    """
    kept = [
        *witnesses,
        *([marker.checkpoint] if marker is not None and marker.checkpoint is not None else []),
    ]
    evidence = Evidence(trail, context, keys, kept)
    history = evidence.history()
    finding = Finding(
        context,
        checkpoints=history.count,
        newest=history.newest.number if history.newest else 0,
        restores=len(history.epochs),
        given_up=history.given_up,
        published=marker.count if marker is not None else None,
    )
    await _Reading(store, finding, marker).compare(_signed(evidence, history))
    finding.problems = [*problems(), *history.problems, *finding.problems]
    finding.unsigned = finding.events - finding.proven
    if finding.first is None:
        finding.problems += _left_over(store, history, finding)
    finding.problems = finding.problems[:_MOST]
    finding.ok = finding.first is None and not finding.problems
    return finding


def _signed(evidence: Evidence, history: History) -> Iterator[Line]:
    """What counts, and reaches further than the one before."""
    return (line for line in evidence.lines() if history.counts(line.checkpoint) and line.checkpoint.count)


def _left_over(store: Log, history: History, finding: Finding) -> Iterator[Problem]:
    if history.newest is None:
        if finding.events:
            yield Problem(NO_CHECKPOINT, "there is no checkpoint: nothing is proven yet, or all were removed")
    elif history.newest.epoch != store.epoch:
        yield Problem(
            OTHER_EPOCH,
            f"the store says epoch {store.epoch}, signed is {history.newest.epoch}, and no restore in between",
        )


class _Reading:
    """The way through a log, once."""

    def __init__(self, store: Log, finding: Finding, marker: Marker | None) -> None:
        self._store, self._finding, self._marker = store, finding, marker
        self._sound = START  # the position up to which all is as signed

    async def compare(self, signed: Iterator[Line]) -> None:
        wanted = next(signed, None)
        published = self._marker.count if self._marker is not None else 0
        position, count, rolling = START, 0, GENESIS
        while events := await self._store.read_all(after=position, limit=_PORTION):
            for stored in events:
                rolling, count = rolled(rolling, written(stored)), count + 1
                while wanted is not None and wanted.checkpoint.count == count:
                    if not await self._stands(wanted, stored, rolling):
                        self._finding.events = count + await self._rest(stored.position)
                        return
                    wanted = next(signed, None)
                if count == published:
                    self._as_published(rolling, stored)
            position = events[-1].position
        self._finding.events = count
        if wanted is not None:
            self._finding.first = await self._touched(wanted)
        elif published > count:
            self._finding.problems.append(
                Problem(NOT_AS_PUBLISHED, f"{published} events were published, {count} are stored")
            )

    async def _stands(self, wanted: Line, stored: StoredEvent, rolling: bytes) -> bool:
        checkpoint, finding = wanted.checkpoint, self._finding
        if checkpoint.hash != rolling.hex():
            finding.first = await self._touched(wanted)
            return False
        if checkpoint.epoch == self._store.epoch and checkpoint.position != stored.position:
            first = finding.proven + 1
            exact = first == checkpoint.count
            finding.first = _told(Touch.RENUMBERED, first, checkpoint.count, stored, exact=exact)
            return False
        finding.proven, finding.proven_at = checkpoint.count, checkpoint.time
        self._sound = stored.position
        return True

    def _as_published(self, rolling: bytes, stored: StoredEvent) -> None:
        marker = self._marker
        if marker is None or marker.epoch != self._store.epoch:
            return  # published before a restore: it says nothing of this log
        if marker.hash != rolling.hex() or marker.event != str(stored.id):
            self._finding.problems.append(
                Problem(
                    NOT_AS_PUBLISHED,
                    f"an event behind number {self._finding.proven}, up to {marker.count}, is not as published",
                )
            )

    async def _rest(self, position: int) -> int:
        """How many events stand behind a position."""
        count = 0
        while events := await self._store.read_all(after=position, limit=_PORTION):
            count, position = count + len(events), events[-1].position
        return count

    async def _touched(self, wanted: Line) -> Touched:
        """The first event behind what is sound that is not as this checkpoint has it."""
        checkpoint, sound = wanted.checkpoint, self._finding.proven
        size = checkpoint.count - sound
        there: list[StoredEvent] = []
        after = self._sound
        while len(there) < size + _BEYOND:
            events = await self._store.read_all(after=after, limit=_PORTION)
            if not events:
                break
            there, after = [*there, *events], events[-1].position
        signed = wanted.each_leaf()
        if checkpoint.since != sound or root(signed).hex() != checkpoint.root:
            return self._somewhere(there, sound, checkpoint.count)
        return _compared(signed, there, sound)

    @staticmethod
    def _somewhere(there: Sequence[StoredEvent], sound: int, upto: int) -> Touched:
        """Without leaves that can be trusted, only the log's own order tells more."""
        if len(there) < upto - sound:
            return Touched(Touch.REMOVED, sound + 1, upto if there else sound + 1, exact=not there)
        revisions: dict[str, int] = {}
        for number, stored in enumerate(there[: upto - sound], start=sound + 1):
            expected = revisions.get(stored.stream, stored.revision - 1) + 1
            if stored.revision != expected:
                return _told(Touch.MOVED, sound + 1, number, stored, exact=False)
            revisions[stored.stream] = stored.revision
        return _told(Touch.CHANGED, sound + 1, upto, there[0], exact=False)


def _compared(signed: Sequence[bytes], there: Sequence[StoredEvent], sound: int) -> Touched:
    for at, expected in enumerate(signed):
        number = sound + at + 1
        if at == len(there):
            return _gone(number, expected)
        stored = there[at]
        if leaf(stored, written(stored)) == expected:
            continue
        was = expected[:_ID]
        if stored.raw_id == was:
            return _told(Touch.CHANGED, number, number, stored)
        if was not in {one.raw_id for one in there[at:]}:
            if stored.raw_id == NO_EVENT:
                return _told(Touch.CHANGED, number, number, stored._replace(raw_id=was))
            return _gone(number, expected)
        moved = stored.raw_id in {one[:_ID] for one in signed[at:]}
        return _told(Touch.MOVED if moved else Touch.INSERTED, number, number, stored)
    # all of them stand, so the hash before them was another: their checkpoint contradicts the one before
    return Touched(Touch.CHANGED, sound + 1, sound + len(signed), exact=False)


def _gone(number: int, expected: bytes) -> Touched:
    return Touched(Touch.REMOVED, number, number, exact=True, event=str(UUID(bytes=expected[:_ID])))


def _told(what: Touch, number: int, upto: int, stored: StoredEvent, *, exact: bool = True) -> Touched:
    return Touched(what, number, upto, exact, str(stored.id), stored.stream, stored.revision, stored.type)
