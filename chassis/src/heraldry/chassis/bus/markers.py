"""The relay's own place: the rolling hash, and the last marker compared with the store."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

from heraldry.chassis.audit.digests import rolled, written
from heraldry.chassis.store.port import START, EventStore, StoredEvent
from heraldry.contracts import subjects
from heraldry.contracts.checkpoints import Checkpoint
from heraldry.contracts.markers import Marker
from nats.js import JetStreamContext
from nats.js.errors import NotFoundError
from pydantic import ValidationError

NO_MESSAGE: Final = 10037  # the server's code; a missing stream has another
GENESIS: Final = bytes(32)


class StoreMismatchError(Exception):
    """What is published and what is stored do not belong together; the text says what to do."""

    code = "relay.store-mismatch"

    def __init__(self, context: str, reason: str) -> None:
        super().__init__(
            f"relay.store-mismatch: nothing of {context} is published: {reason}. The store was restored or"
            f" swapped. Run `heraldry replay {context}`: it publishes what the store holds under a new marker."
        )
        self.context, self.reason = context, reason


@dataclass(frozen=True, slots=True)
class Tip:
    """How far the log is published. `fence`: the marker's sequence in the stream, 0 before the first."""

    position: int = START
    event: str = ""
    hash: bytes = GENESIS
    count: int = 0
    fence: int = 0
    begins: int = 0  # the fence behind which the whole log stands

    def past(self, events: Iterable[StoredEvent]) -> Tip:
        """The tip when these follow; the fence stays until they are published."""
        position, event, rolling, count = self.position, self.event, self.hash, self.count
        for stored in events:
            position, event = stored.position, str(stored.id)
            rolling, count = rolled(rolling, written(stored)), count + 1
        return replace(self, position=position, event=event, hash=rolling, count=count)

    def marker(self, context: str, epoch: str, checkpoint: Checkpoint | None = None) -> bytes:
        return (
            Marker(
                context=context,
                epoch=epoch,
                position=self.position,
                event=self.event,
                hash=self.hash.hex(),
                count=self.count,
                time=datetime.now(UTC),
                checkpoint=checkpoint,
                begins=self.begins,
            )
            .model_dump_json(exclude_none=True)
            .encode()
        )


async def last_marker(js: JetStreamContext, context: str) -> tuple[Marker | None, int]:
    """A context's newest marker and its sequence; (None, 0) if there is none.

    Asks the stream's leader. Raises what nats-py raises when it is out of reach or the stream is missing.
    """
    try:
        found = await js.get_last_msg(subjects.STREAM, subjects.relay(context))
    except NotFoundError as error:
        if error.err_code != NO_MESSAGE:
            raise
        return None, 0
    try:
        return Marker.model_validate_json(found.data or b""), found.seq or 0
    except ValidationError as error:
        reason = f"the last marker (sequence {found.seq}) cannot be read"
        raise StoreMismatchError(context, reason) from error


async def resume(js: JetStreamContext, context: str, store: EventStore) -> Tip:
    """Where the relay goes on: at the last marker, if it and the store belong together.

    Raises StoreMismatchError, StoreUnavailableError, and what nats-py raises.
    """
    marker, fence = await last_marker(js, context)
    if marker is None:
        return Tip(fence=fence)
    if marker.epoch != store.epoch:
        raise StoreMismatchError(
            context, f"the last marker is of epoch {marker.epoch}, the store of {store.epoch}"
        )
    if marker.begins_anew:
        return Tip(fence=fence, begins=fence)
    at = await store.read_at(marker.position)
    if at is None or str(at.id) != marker.event:
        raise StoreMismatchError(
            context, f"the store does not hold event {marker.event} at position {marker.position}"
        )
    rolling = bytes.fromhex(marker.hash)
    return Tip(marker.position, marker.event, rolling, marker.count, fence, marker.begins)


async def belongs(js: JetStreamContext, context: str, store: EventStore) -> bool:
    """Whether what is published is of this store. Raises as `resume`, but no StoreMismatchError."""
    try:
        return (await resume(js, context, store)).fence > 0
    except StoreMismatchError:
        return False


async def fence_of(js: JetStreamContext, context: str) -> int:
    """The sequence of a context's newest marker, whatever it says; 0 if there is none. Raises as `last_marker`."""
    try:
        return (await js.get_last_msg(subjects.STREAM, subjects.relay(context))).seq or 0
    except NotFoundError as error:
        if error.err_code != NO_MESSAGE:
            raise
        return 0
