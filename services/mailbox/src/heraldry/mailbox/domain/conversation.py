"""Whether a lead of a campaign is still written to. Stream `conversation-<enrollment>`.

It is stopped in two steps, as a suppression is: after ConversationStopped nothing is begun in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, TypeAlias, assert_never
from uuid import UUID

from heraldry.contracts.base import Event as AnyEvent
from heraldry.contracts.mailbox import Diagnosed

Why: TypeAlias = Literal["replied", "bounced", "unsubscribed"]
STOPPED: Final = Diagnosed(
    code="conversation.stopped",
    cause="The recipient replied, unsubscribed, or cannot be reached.",
    resolution="Nothing needs to be done: the sequence has ended.",
)


class ConversationStopBegun(AnyEvent):
    """Private. From here on nothing is begun in it; what is open is being stopped."""

    enrollment: UUID
    person: UUID
    why: Why


class ConversationStopped(AnyEvent):
    """Private. Nothing is open in it any more that has not begun to leave."""

    enrollment: UUID
    person: UUID
    why: Why


@dataclass(frozen=True, slots=True)
class Begin:
    enrollment: UUID
    person: UUID
    why: Why
    at: datetime


@dataclass(frozen=True, slots=True)
class Finish:
    at: datetime


Command: TypeAlias = Begin | Finish
Event: TypeAlias = ConversationStopBegun | ConversationStopped


@dataclass(frozen=True, slots=True)
class GoingOn:
    """Nobody stopped it."""


@dataclass(frozen=True, slots=True)
class Stopped:
    enrollment: UUID
    person: UUID
    why: Why
    finished: bool


State: TypeAlias = GoingOn | Stopped
GOING_ON = GoingOn()


def decide(command: Command, state: State) -> Sequence[Event]:
    match command:
        case Begin():
            if isinstance(state, Stopped):
                return ()
            return (
                ConversationStopBegun(
                    enrollment=command.enrollment, person=command.person, why=command.why, at=command.at
                ),
            )
        case Finish():
            if isinstance(state, GoingOn) or state.finished:
                return ()
            return (
                ConversationStopped(
                    enrollment=state.enrollment, person=state.person, why=state.why, at=command.at
                ),
            )
        case _:
            assert_never(command)


def evolve(_: State, event: Event) -> State:
    finished = isinstance(event, ConversationStopped)
    return Stopped(event.enrollment, event.person, event.why, finished)
