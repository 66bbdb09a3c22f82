"""What tests of the bus share: a small log to publish, what stands in JetStream, and waiting for a
condition.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from time import monotonic
from typing import cast
from uuid import UUID, uuid4

import orjson
from heraldry.chassis.store.port import NO_STREAM, EventStore, NewEvent, StoredEvent
from heraldry.chassis.testing.waiting import Pauses
from heraldry.contracts import subjects
from heraldry.contracts.base import Erased, Event
from heraldry.contracts.evolution import Document
from heraldry.contracts.identity import IdentityDeleted, IdentityRenamed
from heraldry.contracts.scheduler import QuotaExhausted, StepCancelled, StepDispatched
from nats.js import JetStreamContext
from nats.js.errors import NotFoundError
from uuid_utils.compat import uuid7

AT_ONCE = 100  # messages read side by side
NOW = datetime(2026, 5, 4, 9, 30, tzinfo=UTC)


class Noted(Event):
    """A private event."""

    text: str = ""


TYPES: dict[str, type[Event]] = {
    "IdentityRenamed": IdentityRenamed,
    "IdentityDeleted": IdentityDeleted,
    "QuotaExhausted": QuotaExhausted,
    "StepDispatched": StepDispatched,
    "StepCancelled": StepCancelled,
    "Noted": Noted,
}


class PlainCodec:
    """A decoder of unencrypted events."""

    async def event(self, stored: StoredEvent) -> Event:
        return TYPES[stored.type].model_validate_json(stored.data)

    async def document(self, stored: StoredEvent) -> Document:
        return cast("Document", orjson.loads(stored.data))

    def is_erased(self, stored: StoredEvent) -> bool:
        return Erased().model_dump_json().encode() in stored.data


def new(event: Event, *, identity: str = "", organization: str = "", type_: str = "") -> NewEvent:
    """An event ready to be appended."""
    meta = {
        "command": str(uuid4()),
        "actor": "user:ada",
        "time": NOW.isoformat(),
        "organization": organization,
        "identity": identity,
        "persons": [identity] if identity else [],
    }
    name = type_ or type(event).__name__
    data = event.model_dump_json().encode()
    return NewEvent(uuid7(), name, event.version, data, orjson.dumps(meta))


def noted(text: str = "") -> NewEvent:
    return new(Noted(at=NOW, text=text))


async def append(store: EventStore, stream: str, *events: NewEvent) -> Sequence[UUID]:
    """Append at the end of a stream; gives the ids."""
    last = await store.read_stream_backwards(stream, limit=1)
    await store.append(stream, events, expected=last[0].revision if last else NO_STREAM)
    return [event.id for event in events]


@dataclass(frozen=True, slots=True)
class Seen:
    """A message in the stream."""

    sequence: int
    subject: str
    headers: dict[str, str]
    body: dict[str, object]

    @property
    def id(self) -> str:
        return cast("str", self.body.get("id", ""))


async def messages(js: JetStreamContext, subject: str = "heraldry.>") -> list[Seen]:
    """Everything in the stream under this filter, oldest first. Needs the operator's rights."""
    state = (await js.stream_info(subjects.STREAM)).state
    found: list[Seen] = []
    for first in range(max(state.first_seq, 1), state.last_seq + 1, AT_ONCE):
        sequences = range(first, min(first + AT_ONCE, state.last_seq + 1))
        found.extend(filter(None, await asyncio.gather(*(_message(js, one) for one in sequences))))
    return [seen for seen in found if _matches(seen.subject.split("."), subject.split("."))]


async def _message(js: JetStreamContext, sequence: int) -> Seen | None:
    """None: deleted."""
    try:
        message = await js.get_msg(subjects.STREAM, seq=sequence)
    except NotFoundError:
        return None
    body = cast("dict[str, object]", orjson.loads(message.data or b"{}"))
    return Seen(sequence, message.subject or "", cast("dict[str, str]", message.headers or {}), body)


def _matches(tokens: Sequence[str], wanted: Sequence[str]) -> bool:
    if wanted[-1] == ">":
        return len(tokens) >= len(wanted) and _matches(tokens[: len(wanted) - 1], wanted[:-1])
    return len(tokens) == len(wanted) and all(
        want in {"*", token} for token, want in zip(tokens, wanted, strict=True)
    )


async def eventually(condition: Callable[[], Awaitable[bool]], what: str, deadline: float = 20.0) -> None:
    """Return once the condition holds; AssertionError with `what` after `deadline` seconds."""
    pauses, until = Pauses(), monotonic() + deadline
    while not await condition():
        if monotonic() > until:
            raise AssertionError(f"not within {deadline} s: {what}")
        await asyncio.sleep(pauses.next())
