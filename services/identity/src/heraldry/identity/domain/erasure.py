"""The erasure of a person, from the request to its end. Stream `erasure-<id>`; of the same person there is one.

Every step is repeated until it is recorded here, so whoever is killed goes on where this says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final, TypeAlias, assert_never
from uuid import NAMESPACE_URL, UUID, uuid5

from heraldry.contracts.base import Event as AnyEvent
from heraldry.contracts.erasure import Cleared, ErasureCompleted, ErasureRequested, ErasureStep, Kind

CONTEXTS: Final = (
    "identity",
    "scheduler",
    "mailbox",
    "linkedin-driver",
    "gateway",
)  # in which order they are asked
_ERASURES: Final = uuid5(NAMESPACE_URL, "heraldry:erasure")  # a storage format


def erasure_of(kind: Kind, subject: UUID) -> UUID:
    """The erasure of a person, known by their first id."""
    return uuid5(_ERASURES, f"{kind}/{subject}")


def stream(erasure: UUID) -> str:
    return f"erasure-{erasure}"


class ContextCleared(AnyEvent):
    """Private. A context encrypts nothing any more, has stopped, and all its replicas have dropped their rows."""

    erasure: UUID
    cleared: Cleared


class MessagesDeleted(AnyEvent):
    """Private. Nothing of the person is on the bus any more; so many messages were deleted, all tries together."""

    erasure: UUID
    messages: int


class KeysDestroyed(AnyEvent):
    """Private. In every context; `records`: those that were overwritten."""

    erasure: UUID
    records: int


Event: TypeAlias = ErasureRequested | ContextCleared | MessagesDeleted | KeysDestroyed | ErasureCompleted


@dataclass(frozen=True, slots=True)
class Request:
    erasure: UUID
    organization: UUID
    kind: Kind
    subjects: tuple[UUID, ...]
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True)
class NoteCleared:
    cleared: Cleared
    at: datetime


@dataclass(frozen=True, slots=True)
class NoteMessages:
    messages: int
    at: datetime


@dataclass(frozen=True, slots=True)
class NoteDestroyed:
    records: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Complete:
    """`messages`: what was found on the bus after the keys were destroyed, beside what is recorded."""

    messages: int
    at: datetime


Command: TypeAlias = Request | NoteCleared | NoteMessages | NoteDestroyed | Complete


@dataclass(frozen=True, slots=True)
class NoErasure:
    """Nobody asked for it."""


@dataclass(frozen=True, slots=True)
class Erasure:
    id: UUID
    organization: UUID
    kind: Kind
    subjects: tuple[UUID, ...]
    requested_at: datetime
    cleared: Mapping[str, Cleared] = field(default_factory=dict[str, Cleared])
    messages: int | None = None
    keys: int | None = None
    completed_at: datetime | None = None

    @property
    def uncleared(self) -> tuple[str, ...]:
        return tuple(one for one in CONTEXTS if one not in self.cleared)

    @property
    def step(self) -> ErasureStep:
        if self.completed_at is not None:
            return "completed"
        if self.uncleared:
            return "stopping"
        return "deleting messages" if self.messages is None else "destroying keys"


State: TypeAlias = NoErasure | Erasure
NO_ERASURE: Final = NoErasure()


def decide(command: Command, state: State) -> Sequence[Event]:
    if isinstance(command, Request):
        return () if isinstance(state, Erasure) else (_requested(command),)
    if isinstance(state, NoErasure) or state.step == "completed":
        return ()
    match command:
        case NoteCleared(cleared=cleared, at=at):
            if cleared.context not in state.uncleared:
                return ()
            return (ContextCleared(erasure=state.id, cleared=cleared, at=at),)
        case NoteMessages(messages=messages, at=at):
            if state.step != "deleting messages":
                return ()
            return (MessagesDeleted(erasure=state.id, messages=messages, at=at),)
        case NoteDestroyed(records=records, at=at):
            if state.step != "destroying keys" or state.keys is not None:
                return ()
            return (KeysDestroyed(erasure=state.id, records=records, at=at),)
        case Complete():
            return _complete(command, state)
        case _:
            assert_never(command)


def _requested(command: Request) -> ErasureRequested:
    return ErasureRequested(
        erasure=command.erasure,
        organization=command.organization,
        kind=command.kind,
        subjects=command.subjects,
        reason=command.reason,
        at=command.at,
    )


def _complete(command: Complete, state: Erasure) -> Sequence[Event]:
    if state.messages is None or state.keys is None:
        return ()
    completed = ErasureCompleted(
        erasure=state.id,
        organization=state.organization,
        kind=state.kind,
        subjects=state.subjects,
        contexts=tuple(state.cleared[one] for one in CONTEXTS),
        messages=state.messages + command.messages,
        keys=state.keys,
        at=command.at,
    )
    return (completed,)


def evolve(state: State, event: Event) -> State:
    if isinstance(event, ErasureRequested):
        return Erasure(event.erasure, event.organization, event.kind, event.subjects, event.at)
    if isinstance(state, NoErasure):
        return state
    match event:
        case ContextCleared(cleared=cleared):
            return replace(state, cleared={**state.cleared, cleared.context: cleared})
        case MessagesDeleted(messages=messages):
            return replace(state, messages=messages)
        case KeysDestroyed(records=records):
            return replace(state, keys=records)
        case ErasureCompleted(messages=messages, at=at):
            return replace(state, messages=messages, completed_at=at)
        case _:
            assert_never(event)
