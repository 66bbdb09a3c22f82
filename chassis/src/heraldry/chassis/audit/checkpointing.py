"""How a log gets its signatures: what the relay has published is read once more, hashed, signed and kept.

Reading again costs little, keeps the relay as fast as it is, and is a check: what is signed is what is stored now,
and it must yield the hash the relay got when it read it first.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from time import monotonic
from typing import Final, Protocol

import structlog
from heraldry.chassis.audit.asking import SignerAwayError, SignerRefusedError, ask, ask_to_begin
from heraldry.chassis.audit.digests import leaf, rolled, root, written
from heraldry.chassis.audit.signing import BEHIND
from heraldry.chassis.audit.trail import Line, Trail
from heraldry.chassis.bus.markers import GENESIS, Tip
from heraldry.chassis.store.port import START, EventStore, StoreUnavailableError
from heraldry.chassis.tasks import check_cancelled
from heraldry.contracts.checkpoints import ZERO, Checkpoint, Statement
from nats.aio.client import Client
from prometheus_client import Gauge

log = structlog.stdlib.get_logger(__name__)

LARGEST: Final = 1000  # events between two checkpoints
EVERY: Final = (
    45.0  # seconds of the real clock at most, with those of the look and the signature within a minute
)
LOOK: Final = 0.5  # seconds between two looks how far the relay is
AGAIN: Final = 5.0  # seconds between tries after a failure
_PORTION: Final = 200  # events read at once: the event loop is not held up

AWAY: Final = "audit.signer-away"
CHANGED: Final = "audit.log-changed"
MISMATCH: Final = "audit.store-mismatch"
NOT_KEPT: Final = "audit.cannot-be-kept"

_UNSIGNED = Gauge("heraldry_audit_unsigned_events", "Events no checkpoint covers yet", ["context"])
_SIGNED = Gauge(
    "heraldry_audit_checkpoint_timestamp_seconds", "When the newest checkpoint was signed", ["context"]
)
_WAITING = Gauge(
    "heraldry_audit_waiting", "1 while no checkpoint is signed for this cause", ["context", "cause"]
)


class Published(Protocol):
    """The relay's part in it."""

    @property
    def tips(self) -> Sequence[Tip]: ...

    def tell(self, checkpoint: Checkpoint) -> None: ...


class LogChangedError(Exception):
    """What is stored does not go on where the last checkpoint or the relay has been."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail} Run `heraldry audit verify`.")
        self.code = code


@dataclass(frozen=True, slots=True)
class _Segment:
    tip: Tip
    leaves: Sequence[bytes]


class Checkpointing:
    """Signs the log of one context while its relay publishes: after 1,000 events, and at least every minute.

    Every replica runs one; it does nothing while its relay stands by. `run` ends by cancellation only: without
    signatures publishing goes on, and `problem`, the metrics and the log say why.
    """

    def __init__(
        self,
        nc: Client,
        context: str,
        store: EventStore,
        relay: Published,
        trail: Trail,
        *,
        every: float = EVERY,
        look: float = LOOK,
    ) -> None:
        self._nc, self._context, self._store, self._relay, self._trail = nc, context, store, relay, trail
        self._every, self._look = every, look
        self._known: Checkpoint | None = None
        self._met = False  # the signer and the file beside the log were compared
        self._due = 0.0  # of the monotonic clock; at first at once
        self._cause = self._detail = ""

    @property
    def problem(self) -> str | None:
        """Why nothing is signed; None while all is well."""
        return self._detail or None

    async def run(self) -> None:
        while True:
            check_cancelled()
            try:
                tips = self._relay.tips
                if tips:
                    await self._sign(tips)
                    self._goes_on()
                else:  # another relay publishes, and with it another signs
                    self._met = False
            except SignerRefusedError as error:
                self._met = False
                if error.code != BEHIND:
                    self._wait_for(error.code, str(error))
            except SignerAwayError as error:
                self._met = False
                self._wait_for(AWAY, f"{AWAY}: {error}")
            except LogChangedError as error:
                self._met = False
                self._wait_for(error.code, str(error))
            except StoreUnavailableError as error:
                self._wait_for(NOT_KEPT, str(error))
            except OSError as error:
                self._met = False
                self._wait_for(NOT_KEPT, f"{NOT_KEPT}: {self._trail.path} cannot be written: {error}")
            await asyncio.sleep(AGAIN if self._cause else self._look)

    async def measure(self) -> int:
        """How many published events no checkpoint covers."""
        tips = self._relay.tips
        count = max(tips[-1].count - (self._known.count if self._known else 0), 0) if tips else 0
        _UNSIGNED.labels(self._context).set(count)
        return count

    async def _sign(self, tips: Sequence[Tip]) -> None:
        """All that is due now."""
        if not self._met:
            await self._meet()
        while True:
            done = self._known.count if self._known else 0
            unsigned = tips[-1].count - done
            if unsigned <= 0 or (unsigned < LARGEST and monotonic() < self._due):
                return
            within = [tip for tip in tips if done < tip.count <= done + LARGEST]
            segment = await _read(
                self._store, self._known, within[-1].count if within else done + LARGEST, expected=within
            )
            wish = _statement(self._context, self._store.epoch, self._known, segment)
            signed = await ask(self._nc, self._context, self._known, wish)
            if signed is None:
                raise SignerAwayError("the signer answered without a checkpoint")
            await self._keep(signed, segment.leaves)

    async def _keep(self, signed: Checkpoint, leaves: Sequence[bytes]) -> None:
        await asyncio.to_thread(self._trail.append, Line.of(signed, leaves))
        self._take(signed)

    def _take(self, signed: Checkpoint) -> None:
        self._known, self._due = signed, monotonic() + self._every
        _SIGNED.labels(self._context).set(datetime.fromisoformat(signed.time).astimezone(UTC).timestamp())
        self._relay.tell(signed)

    async def _meet(self) -> None:
        """Go on where the signer is. A crash may have kept its newest checkpoint from the file: it is put there."""
        known = self._trail.newest()
        newest = await ask(self._nc, self._context, known, None)
        self._known = known
        if newest is not None:
            await self._require(newest)
            if known is None or newest.number > known.number:
                await self._keep(newest, await self._leaves_of(known, newest))
            elif newest.digest() != known.digest():
                log.critical("a checkpoint beside the log is not the one signed", context=self._context)
            if self._known != newest:
                self._take(newest)
            self._due = 0.0
        self._met = True

    async def _require(self, newest: Checkpoint) -> None:
        """Raises LogChangedError unless the store holds what was signed last where it was."""
        if newest.epoch != self._store.epoch:
            raise LogChangedError(
                MISMATCH,
                f"signed is epoch {newest.epoch} of {self._context}, the store is {self._store.epoch}.",
            )
        if newest.count == 0:
            return
        at = await self._store.read_at(newest.position)
        if at is None or str(at.id) != newest.event:
            raise LogChangedError(
                MISMATCH, f"the store does not hold event {newest.event} at position {newest.position}."
            )

    async def _leaves_of(self, known: Checkpoint | None, newest: Checkpoint) -> Sequence[bytes]:
        """None if they cannot be told: the checkpoint alone is evidence enough."""
        if newest.kind == "epoch":
            return ()
        if newest.number != (known.number + 1 if known else 1):
            log.warning(
                "checkpoints are missing beside the log",
                context=self._context,
                after=known.number if known else 0,
                newest=newest.number,
            )
            return ()
        segment = await _read(self._store, known, newest.count, expected=())
        if segment.tip.hash.hex() != newest.hash:
            raise LogChangedError(
                CHANGED,
                f"events {newest.since + 1} to {newest.count} of {self._context} are not those signed.",
            )
        return segment.leaves

    def _goes_on(self) -> None:
        if self._cause:
            log.info("checkpoints are signed again", context=self._context)
            _WAITING.labels(self._context, self._cause).set(0)
        self._cause = self._detail = ""

    def _wait_for(self, cause: str, detail: str) -> None:
        if cause != self._cause:
            say = log.warning if cause in {AWAY, NOT_KEPT} else log.critical
            say("no checkpoint is signed", context=self._context, code=cause, detail=detail)
            if self._cause:
                _WAITING.labels(self._context, self._cause).set(0)
        _WAITING.labels(self._context, cause).set(1)
        self._cause, self._detail = cause, detail


async def begin_epoch(nc: Client, context: str, store: EventStore, trail: Trail) -> Checkpoint:
    """Have it signed that a restored store goes on in its own, new epoch; on disk when this returns.

    To be called with the operator's connection when the store has its new epoch, before its relay runs. The epoch
    begins behind the last checkpoint in the file that the store still fulfils; what was signed after it is given
    up, visibly and for ever, and what the store holds behind it is signed anew by the relay. The file beside the
    log is kept as it is when a store is restored: never put an older one in its place.

    Raises SignerAwayError, SignerRefusedError, StoreUnavailableError, OSError.
    """
    kept = Tip()
    wanted = {line.checkpoint.count: line.checkpoint for line in trail.lines() if line is not None}
    tip = Tip()
    while events := await store.read_all(after=tip.position, limit=_PORTION):
        for stored in events:
            tip = tip.past([stored])
            found = wanted.get(tip.count)
            if found is not None and found.hash == tip.hash.hex():
                kept = tip
        await asyncio.sleep(0)
    known = trail.newest()
    newest = await ask(nc, context, known, None) or known
    wish = _statement(context, store.epoch, newest, _Segment(kept, ()), begin=True)
    begun = await ask_to_begin(nc, context, known, wish)
    trail.append(Line.of(begun, ()))
    return begun


def _statement(
    context: str, epoch: str, after: Checkpoint | None, segment: _Segment, *, begin: bool = False
) -> Statement:
    tip = segment.tip
    return Statement(
        kind="epoch" if begin else "events",
        context=context,
        epoch=epoch,
        number=after.number + 1 if after else 1,
        since=tip.count if begin else after.count if after else 0,
        count=tip.count,
        position=tip.position,
        event=tip.event,
        hash=tip.hash.hex(),
        root=root(segment.leaves).hex(),
        previous=after.digest() if after else ZERO,
    )


async def _read(
    store: EventStore, known: Checkpoint | None, upto: int, *, expected: Sequence[Tip]
) -> _Segment:
    """The events behind a checkpoint up to this number. Raises LogChangedError where one of `expected` is not met."""
    position, event, count = (known.position, known.event, known.count) if known else (START, "", 0)
    rolling = bytes.fromhex(known.hash) if known else GENESIS
    met = {tip.count: tip for tip in expected}
    leaves: list[bytes] = []
    while count < upto:
        events = await store.read_all(after=position, limit=min(_PORTION, upto - count))
        if not events:
            raise LogChangedError(CHANGED, f"the store ends at event {count}, but {upto} were published.")
        for stored in events:
            text = written(stored)
            rolling, count = rolled(rolling, text), count + 1
            position, event = stored.position, str(stored.id)
            leaves.append(leaf(stored, text))
            tip = met.get(count)
            if tip is not None and (tip.hash, tip.position) != (rolling, position):
                raise LogChangedError(
                    CHANGED, f"event {event} or one of the {_PORTION} before is not as published."
                )
        await asyncio.sleep(0)
    return _Segment(Tip(position, event, rolling, count), leaves)
