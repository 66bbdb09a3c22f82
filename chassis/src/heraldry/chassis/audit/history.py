"""All checkpoints of a log that can be found, in order: those beside it, and those that witnesses kept."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from heraldry.chassis.audit.keys import is_signed
from heraldry.chassis.audit.trail import Line, Trail
from heraldry.contracts.checkpoints import ZERO, Checkpoint
from nacl.signing import VerifyKey
from pydantic import ValidationError

DAMAGED: Final = "audit.line-damaged"
UNSIGNED: Final = "audit.not-signed"
FORK: Final = "audit.two-stories"
MISSING: Final = "audit.checkpoints-missing"
OTHER_CHAIN: Final = "audit.chain-broken"


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is wrong with the evidence itself."""

    code: str
    detail: str


@dataclass(slots=True)
class History:
    """What the checkpoints say together, whatever the log says."""

    count: int = 0
    newest: Checkpoint | None = None
    problems: list[Problem] = field(default_factory=list[Problem])
    epochs: list[Checkpoint] = field(default_factory=list[Checkpoint])  # that a restore began
    given_up: int = 0  # signed events that restores left behind

    def counts(self, checkpoint: Checkpoint) -> bool:
        """Whether what it says was not given up by a restore after it."""
        return not any(
            begun.number > checkpoint.number and begun.count < checkpoint.count for begun in self.epochs
        )


def witnessed(text: str) -> Iterator[Checkpoint]:
    """Checkpoints in what a witness kept: a JSON document a line, each one a checkpoint, a marker with one, or a
    line of the file beside the log. Raises ValueError with the number of the line that is none of them.
    """
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            try:
                yield Line.model_validate_json(line).checkpoint
            except ValidationError:
                yield Checkpoint.model_validate_json(line)
        except ValidationError:
            raise ValueError(f"line {number} holds no checkpoint") from None


class Evidence:
    """The checkpoints of one context that one of these keys has signed."""

    def __init__(
        self, trail: Trail, context: str, keys: Collection[VerifyKey], witnesses: Iterable[Checkpoint]
    ) -> None:
        self._trail, self._context, self._keys = trail, context, keys
        self._doubtful: list[Problem] = []
        kept: dict[tuple[int, str], Checkpoint] = {}
        for witness in witnesses:
            if witness.context == context and self._is_signed(witness, "a witness' checkpoint"):
                kept[witness.number, witness.digest()] = witness
        self._witnesses: Sequence[Checkpoint] = sorted(kept.values(), key=lambda one: one.number)
        self._overtaken: dict[int, int] = {}  # by the number of an epoch: what was signed when it began
        self._settled = False

    def history(self) -> History:
        """Read all of it once. Raises OSError."""
        found = History(problems=list(self._doubtful))
        highest = 0
        for line in self._lines(found.problems):
            checkpoint, newest = line.checkpoint, found.newest
            if newest is not None and checkpoint.number == newest.number:
                if checkpoint.digest() != newest.digest():
                    found.problems.append(Problem(FORK, f"two checkpoints have number {checkpoint.number}"))
                continue
            found.problems += _gap(newest, checkpoint)
            if checkpoint.kind == "epoch":
                found.epochs.append(checkpoint)
                signed = max(highest, self._overtaken.get(checkpoint.number, 0))
                found.given_up += max(signed - checkpoint.count, 0)
            highest = checkpoint.count
            found.newest, found.count = checkpoint, found.count + 1
        return found

    def lines(self) -> Iterator[Line]:
        """Those beside the log, and where one is not there, a witness'. In order. Raises OSError."""
        return self._lines([])

    def _lines(self, problems: list[Problem]) -> Iterator[Line]:
        self._settle()
        waiting = list(reversed(self._witnesses))
        last = 0
        for number, line in enumerate(self._trail.lines(), start=1):
            if line is None:
                problems.append(Problem(DAMAGED, f"line {number} of {self._trail.path.name} cannot be read"))
                continue
            checkpoint = line.checkpoint
            if checkpoint.context != self._context or not is_signed(checkpoint, self._keys):
                problems.append(
                    Problem(UNSIGNED, f"line {number} of {self._trail.path.name} was not signed for this log")
                )
                continue
            while waiting and waiting[-1].number <= checkpoint.number:
                witness = waiting.pop()
                if witness != checkpoint:
                    yield Line(checkpoint=witness)
            if checkpoint.number < last:
                problems.append(Problem(OTHER_CHAIN, f"checkpoint {checkpoint.number} stands behind {last}"))
                continue
            last = checkpoint.number
            yield line
        for witness in reversed(waiting):
            yield Line(checkpoint=witness)

    def _settle(self) -> None:
        """Leave out what witnesses kept of an epoch after a restore, from an older copy, had begun the next one.

        The signer's memory may be of that copy, too: then it has used some numbers twice, and the operator has begun
        the epoch without knowing. It is no second story of the log; what it gave up is counted.
        """
        if self._settled:
            return
        self._settled = True
        newest = self._trail.newest()
        if newest is None or all(witness.epoch == newest.epoch for witness in self._witnesses):
            return
        order: list[str] = []
        begun: list[Checkpoint] = []
        for line in self._trail.lines():
            if line is not None and is_signed(line.checkpoint, self._keys):
                if line.checkpoint.epoch not in order:
                    order.append(line.checkpoint.epoch)
                if line.checkpoint.kind == "epoch":
                    begun.append(line.checkpoint)
        left: list[Checkpoint] = []
        for witness in self._witnesses:
            over = next((one for one in begun if _overtakes(one, witness, order)), None)
            if over is None:
                left.append(witness)
            else:
                self._overtaken[over.number] = max(self._overtaken.get(over.number, 0), witness.count)
        self._witnesses = left

    def _is_signed(self, checkpoint: Checkpoint, what: str) -> bool:
        if is_signed(checkpoint, self._keys):
            return True
        self._doubtful.append(Problem(UNSIGNED, f"{what} ({checkpoint.number}) was not signed for this log"))
        return False


def _overtakes(begun: Checkpoint, witness: Checkpoint, order: Sequence[str]) -> bool:
    if witness.epoch not in order or witness.number < begun.number:
        return False
    return order.index(witness.epoch) < order.index(begun.epoch)


def _gap(before: Checkpoint | None, after: Checkpoint) -> Sequence[Problem]:
    number, digest, count = (before.number, before.digest(), before.count) if before else (0, ZERO, 0)
    if after.number > number + 1:
        if after.kind == "epoch" and after.count <= count:
            return ()  # what is not here was given up by the restore
        return [Problem(MISSING, f"checkpoints {number + 1} to {after.number - 1} are missing")]
    if after.previous != digest or (after.kind == "events" and after.since != count):
        return [Problem(OTHER_CHAIN, f"checkpoint {after.number} does not follow the one before it")]
    return ()
