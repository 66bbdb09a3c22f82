"""What the signer signs: only what continues its last signature for a log, and never two ways to go on.

It cannot read the logs. So it vouches for no content; it makes it impossible to tell two stories of the same log
without a trace: each checkpoint has a number, holds the digest of the one before, and is on disk before it is
given away.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Final

from heraldry.chassis.audit.asking import Answer, Ask
from heraldry.chassis.audit.history import Problem
from heraldry.chassis.audit.keys import PRIVATE, PUBLIC, is_signed, sync
from heraldry.chassis.audit.trail import Line, Trail
from heraldry.contracts.checkpoints import ZERO, Checkpoint, Statement
from nacl.signing import SigningKey, VerifyKey
from pydantic import ValidationError

BEHIND: Final = "signer.behind"  # another relay was first, or a checkpoint is not beside the log yet
FORK: Final = "signer.fork"  # the same count with another hash: two stories of one log
OTHER_EPOCH: Final = "signer.other-epoch"  # it begins only by the operator
NOT_OURS: Final = "signer.not-ours"  # signed by another key, or of another log
NO_GROWTH: Final = "signer.no-growth"
MEMORY_DAMAGED: Final = "audit.signer-memory-damaged"
_TIME: Final = "%Y-%m-%dT%H:%M:%SZ"
_KEPT: Final = ".json"


class Step(StrEnum):
    """Where the signer can be struck down; the names are for tests."""

    SIGNED = "signed"
    WRITTEN = "written"
    RENAMED = "renamed"
    KEPT = "kept"


Hook = Callable[[Step], None]


def _go_on(_: Step) -> None:
    """Nothing strikes the signer down."""


class Signing:
    """The signer's memory, in `folder`: its newest checkpoint of every log, and beside it all it has signed, for
    whoever wants a witness. One process has it at a time.
    """

    def __init__(
        self,
        key: SigningKey,
        folder: Path,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        hook: Hook = _go_on,
    ) -> None:
        self._key, self._folder, self._now, self._hook = key, folder, now, hook
        self._newest: dict[str, Checkpoint] = {}

    def newest(self, context: str) -> Checkpoint | None:
        """Raises OSError, and ValueError if what is kept cannot be read."""
        if context not in self._newest:
            try:
                kept = (self._folder / f"{context}{_KEPT}").read_bytes()
            except FileNotFoundError:
                return None
            self._newest[context] = Checkpoint.model_validate_json(kept)
            self._remember(self._newest[context])
        return self._newest[context]

    def answer(self, context: str, asked: Ask, *, begin: bool) -> Answer:
        """On disk when this returns. `begin`: it is the operator who asks, and a new epoch may begin.

        Raises OSError; nothing was signed then.
        """
        newest = self.newest(context)
        if asked.known is not None and (newest is None or asked.known.number > newest.number):
            # what stands beside the log is ours and newer: this memory was lost, or is an older copy
            if asked.known.context == context and is_signed(asked.known, [self._key.verify_key]):
                newest = self._keep(asked.known)
            elif not begin:
                detail = f"checkpoint {asked.known.number} of {context} was not signed with this key"
                return Answer(newest=newest, refused=NOT_OURS, detail=detail)
            else:
                newest = asked.known  # a new key goes on where the old one ended, by the operator's word
        if asked.wish is None:
            return Answer(newest=newest)
        if newest is not None and asked.wish.fields() == newest.fields():
            return Answer(newest=newest)  # asked again: the answer was lost
        refused = _refusal(context, newest, asked.wish, begin=begin)
        if refused:
            return Answer(newest=newest, refused=refused[0], detail=refused[1])
        return Answer(newest=self._keep(self._signed(asked.wish, newest)))

    def _signed(self, wish: Statement, newest: Checkpoint | None) -> Checkpoint:
        time = max(self._now().strftime(_TIME), newest.time if newest else "")  # never back
        bare = Checkpoint(**wish.model_dump(), time=time, signature="0" * 128)
        signature = self._key.sign(bare.text()).signature
        self._hook(Step.SIGNED)
        return bare.model_copy(update={"signature": signature.hex()})

    def _keep(self, checkpoint: Checkpoint) -> Checkpoint:
        path = self._folder / f"{checkpoint.context}{_KEPT}"
        beside = path.with_name(f".{path.name}.new")
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(checkpoint.model_dump_json().encode())
            file.flush()
            os.fsync(file.fileno())
        self._hook(Step.WRITTEN)
        beside.replace(path)
        self._hook(Step.RENAMED)
        sync(self._folder)
        self._hook(Step.KEPT)
        self._remember(checkpoint)
        self._newest[checkpoint.context] = checkpoint
        return checkpoint

    def _remember(self, checkpoint: Checkpoint) -> None:
        history_of(self._folder, checkpoint.context).append(Line(checkpoint=checkpoint))


def history_of(folder: Path, context: str) -> Trail:
    """All that a signer has signed of a log: where the services keep nothing, the file a verifier is given."""
    return Trail(folder / "history" / f"{context}.jsonl")


@dataclass(slots=True)
class Memory:
    """What a signer remembers of a log: witnesses like any other, and what is wrong with them."""

    checkpoints: list[Checkpoint] = field(default_factory=list[Checkpoint])
    problems: list[Problem] = field(default_factory=list[Problem])


def memory_of(folder: Path, context: str, keys: Collection[VerifyKey], *, signed: bool) -> Memory:
    """The newest checkpoint that is kept in this folder, and the newest of all that were signed.

    `signed`: checkpoints of this log are known from elsewhere, so a signer that lives here has to remember one. None
    lives here where nothing of its memory and key is: it may be kept elsewhere on purpose.
    """
    memory, history = Memory(), history_of(folder, context)
    last = _last(history, context, keys, memory)
    path = folder / f"{context}{_KEPT}"
    try:
        newest = Checkpoint.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        if last is not None or memory.problems or (signed and _lives_in(folder)):
            memory.problems.append(Problem(MEMORY_DAMAGED, f"{path} is missing"))
    except OSError as error:
        memory.problems.append(Problem(MEMORY_DAMAGED, f"{path} cannot be read: {error.strerror}"))
    except ValidationError:
        memory.problems.append(Problem(MEMORY_DAMAGED, f"{path} holds no checkpoint"))
    else:
        if newest.context == context:
            memory.checkpoints.append(newest)
        else:
            memory.problems.append(Problem(MEMORY_DAMAGED, f"{path} holds a checkpoint of {newest.context}"))
    needed = [history.path] if path.exists() else []
    if signed and (folder / PRIVATE).exists():
        needed.append(folder / PUBLIC)
    memory.problems += [Problem(MEMORY_DAMAGED, f"{file} is missing") for file in needed if not file.exists()]
    return memory


def _lives_in(folder: Path) -> bool:
    memories = (folder / PRIVATE, *folder.glob(f"*{_KEPT}"), *history_of(folder, "").path.parent.glob("*"))
    return any(one.exists() for one in memories)


def _last(history: Trail, context: str, keys: Collection[VerifyKey], memory: Memory) -> Checkpoint | None:
    """The newest one signed. Only where the end of the file is not sound, the whole of it is read."""

    def sound(checkpoint: Checkpoint | None) -> bool:
        return checkpoint is not None and checkpoint.context == context and is_signed(checkpoint, keys)

    try:
        last = history.newest()
        if not sound(last) and (lines := list(history.lines())):
            found = [line.checkpoint for line in lines if line is not None]
            last = max(filter(sound, found), key=lambda one: one.number, default=None)
            memory.problems.append(
                Problem(MEMORY_DAMAGED, f"{history.path} does not end with a checkpoint signed for this log")
            )
    except OSError as error:
        memory.problems.append(Problem(MEMORY_DAMAGED, f"{history.path} cannot be read: {error.strerror}"))
        return None
    if last is not None:
        memory.checkpoints.append(last)
    return last


def _refusal(
    context: str, newest: Checkpoint | None, wish: Statement, *, begin: bool
) -> tuple[str, str] | None:
    if wish.context != context:
        return NOT_OURS, f"asked for {context}, but it says {wish.context}"
    if newest is not None and wish.count == newest.count and wish.hash != newest.hash and not begin:
        return FORK, f"event {wish.count} of {context} is signed already, with another hash"
    expected = (1, ZERO) if newest is None else (newest.number + 1, newest.digest())
    if (wish.number, wish.previous) != expected:
        return BEHIND, f"the next checkpoint of {context} is number {expected[0]}"
    if begin or wish.kind == "epoch":
        well = begin and wish.kind == "epoch" and wish.since == wish.count <= (newest.count if newest else 0)
        return None if well else (OTHER_EPOCH, "an epoch is begun by the operator, behind what is signed")
    if newest is not None and wish.epoch != newest.epoch:
        return OTHER_EPOCH, f"{context} is in epoch {newest.epoch}, not {wish.epoch}"
    if wish.since != (newest.count if newest else 0) or wish.count <= wish.since:
        return NO_GROWTH, f"{context} is signed up to event {newest.count if newest else 0}"
    return None
