"""What tests of consumers share: events as another context publishes them, and hands that carry out commands.

As a program (`python -m …`) it consumes them in a process of its own, which can be killed: it prints
`took <text>` for every command and never finishes one that says `hang`.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Final
from uuid import UUID, uuid4

from heraldry.chassis.bus.connect import connect
from heraldry.chassis.bus.parking import Parking
from heraldry.chassis.bus.reactions import Reaction, Reactions, reaction
from heraldry.chassis.settings import Settings
from heraldry.chassis.testing.bus import NOW
from heraldry.contracts import registry, subjects
from heraldry.contracts.base import By, Command, Envelope, Event
from heraldry.contracts.identity import IdentityDeleted, IdentityRenamed
from heraldry.contracts.scheduler import StepCancelled
from nats.js import JetStreamContext
from nats.js.errors import NotFoundError

CONSUMER: Final = "mailbox-reactions"
HANG: Final = "hang"
SOON: Final = 1.0  # seconds until what was not acknowledged comes again


class Note(Command):
    """What the reactions under test ask for."""

    context: ClassVar[str] = "mailbox"
    text: str


def note(event: Envelope[Event]) -> Sequence[Command]:
    """One note for each event, with the text in it."""
    match event.data:
        case IdentityRenamed(name=name):
            return (Note(text=str(name)),)
        case IdentityDeleted():
            return (Note(text="gone"),)
        case StepCancelled(attempt=attempt):
            return (Note(text=str(attempt.int)),)
        case _:
            return ()


def identities(partition: int, count: int) -> list[UUID]:
    """The first ids in this partition."""
    found: list[UUID] = []
    number = 0
    while len(found) < count:
        number += 1
        if subjects.partition(str(UUID(int=number))) == partition:
            found.append(UUID(int=number))
    return found


def noting(
    *kinds: type[Event],
    handler: Callable[[Envelope[Event]], Sequence[Command]] = note,
    from_start: bool = True,
    former: Sequence[type[Event]] = (),
) -> Reaction:
    return reaction(CONSUMER, kinds or (IdentityRenamed,), handler, from_start=from_start, former=former)


def renamed(name: str, identity: UUID | None = None) -> IdentityRenamed:
    return IdentityRenamed(identity=identity or uuid4(), name=name, at=NOW)


def cancelled(identity: UUID, number: int) -> StepCancelled:
    return StepCancelled(attempt=UUID(int=number), identity=identity, at=NOW)


def envelope(
    event: IdentityDeleted | IdentityRenamed | StepCancelled, *, organization: UUID | None = None
) -> Envelope[Event]:
    """As a relay would wrap it."""
    entry = registry.of(type(event))
    return Envelope[Event](
        id=str(uuid4()),
        source=f"/heraldry/{entry.context}",
        type=entry.name,
        time=event.at,
        dataschema=f"heraldry:{entry.name}:{entry.kind.version}",
        organization=str(organization or ""),
        identity=str(event.identity),
        actor="user:ada",
        correlationid="of-a-request",
        stream=f"{entry.context}.thing-{event.identity}",
        revision=0,
        position=f"{entry.context}:e1:1",
        data=event,
    )


def body(of: Envelope[Event]) -> bytes:
    return of.model_dump_json(serialize_as_any=True).encode()


async def publish(
    js: JetStreamContext, *events: IdentityDeleted | IdentityRenamed | StepCancelled
) -> list[str]:
    """Publish as the context of these events does; gives their ids."""
    return [await publish_wrapped(js, envelope(event)) for event in events]


async def publish_wrapped(js: JetStreamContext, wrapped: Envelope[Event], data: bytes | None = None) -> str:
    """`data`: what the message holds instead."""
    entry = registry.of(type(wrapped.data))
    subject = (
        subjects.internal(entry.context, wrapped.identity, entry.name)
        if entry.internal
        else subjects.event(wrapped.organization, entry.context, wrapped.identity, entry.name)
    )
    await js.publish(subject, body(wrapped) if data is None else data)
    return wrapped.id


@dataclass(slots=True)
class Hands:
    """Carries out notes as a service would, once under each id; fails with what `broken` says of a text."""

    tries: list[tuple[UUID, str]] = field(default_factory=list[tuple[UUID, str]])
    done: dict[UUID, str] = field(default_factory=dict[UUID, str])
    by: dict[str, By] = field(default_factory=dict[str, By])
    broken: dict[str, Exception] = field(default_factory=dict[str, Exception])

    async def __call__(self, command: Command, *, by: By, id: UUID) -> object:  # noqa: A002  as Caller.send
        assert isinstance(command, Note)
        self.tries.append((id, command.text))
        self.by[command.text] = by
        if error := self.broken.get(command.text):
            raise error
        self.done.setdefault(id, command.text)
        return None

    @property
    def texts(self) -> list[str]:
        """What was done, in order."""
        return list(self.done.values())

    def tried(self, text: str) -> list[UUID]:
        """The ids under which this was asked for, in order."""
        return [id_ for id_, tried in self.tries if tried == text]


async def pending(js: JetStreamContext, durable: str = CONSUMER) -> tuple[int, int] | None:
    """How many messages a consumer has not acknowledged, and how many it has not been given; None: not made yet."""
    try:
        info = await js.consumer_info(subjects.STREAM, durable)
    except NotFoundError:
        return None
    return info.num_ack_pending or 0, info.num_pending or 0


async def deliveries(js: JetStreamContext, durable: str = CONSUMER) -> int:
    """How often a consumer has been given something, repeats included."""
    try:
        info = await js.consumer_info(subjects.STREAM, durable)
    except NotFoundError:
        return 0
    return info.delivered.consumer_seq if info.delivered else 0


class _HangingHands(Hands):
    async def __call__(self, command: Command, *, by: By, id: UUID) -> object:  # noqa: A002  as Caller.send
        assert isinstance(command, Note)
        sys.stdout.write(f"took {command.text}\n")
        sys.stdout.flush()
        if command.text == HANG:
            await asyncio.Event().wait()
        return await Hands.__call__(self, command, by=by, id=id)


async def consume_for_ever(settings: Settings) -> None:
    nc = await connect(settings)
    parking = Parking(nc, settings.service)
    running = Reactions(nc, settings, [noting()], _HangingHands(), parking, ack_wait=SOON)
    await running.start()
    await asyncio.Event().wait()


async def process(settings: Settings) -> asyncio.subprocess.Process:
    """A process that consumes with these settings."""
    told = {
        "HERALDRY_SERVICE": settings.service,
        "HERALDRY_NATS_URL": settings.nats_url,
        "HERALDRY_NATS_USER": settings.nats_user,
        "HERALDRY_NATS_PASSWORD": settings.nats_password.get_secret_value(),
    }
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", __name__, stdout=asyncio.subprocess.PIPE, env={**os.environ, **told}
    )


if __name__ == "__main__":
    asyncio.run(consume_for_ever(Settings()))
