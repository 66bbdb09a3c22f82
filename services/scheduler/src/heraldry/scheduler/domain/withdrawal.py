"""A wish to withdraw invitations, by hand. Stream `withdrawal-<request>`.

What is permitted is dispatched on the member's own stream; what is not is answered here. So each invitation of a
request has an answer, or an attempt whose outcome is its answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeAlias, assert_never
from uuid import UUID, uuid5

from heraldry.contracts.base import Event as AnyEvent
from heraldry.contracts.base import Refused, Value
from heraldry.contracts.scheduler import WithdrawalOutcome


class Answer(Value):
    invitation: UUID
    outcome: WithdrawalOutcome
    detail: str


class WithdrawalRequested(AnyEvent):
    """Private. Somebody wants these invitations withdrawn, in this order."""

    request: UUID
    organization: UUID
    sender: str
    identity: UUID
    invitations: tuple[UUID, ...]


class WithdrawalsAnswered(AnyEvent):
    """Private. Every invitation of the request was dispatched, but these."""

    request: UUID
    answers: tuple[Answer, ...]


@dataclass(frozen=True, slots=True)
class Request:
    request: UUID
    organization: UUID
    sender: str
    identity: UUID
    invitations: tuple[UUID, ...]
    at: datetime


@dataclass(frozen=True, slots=True)
class SayAnswers:
    answers: tuple[Answer, ...]
    at: datetime


Command: TypeAlias = Request | SayAnswers
Event: TypeAlias = WithdrawalRequested | WithdrawalsAnswered


@dataclass(frozen=True, slots=True)
class State:
    requested: WithdrawalRequested | None = None
    answered: bool = False


NOTHING: Final = State()


def attempt_of(request: UUID, invitation: UUID) -> UUID:
    """The try at one invitation of a request."""
    return uuid5(request, str(invitation))


def decide(command: Command, state: State) -> Sequence[Event]:
    match command:
        case Request():
            return _request(command, state)
        case SayAnswers(answers=answers, at=at):
            if state.requested is None or state.answered:
                return ()
            return (WithdrawalsAnswered(request=state.requested.request, answers=answers, at=at),)
        case _:
            assert_never(command)


def _request(command: Request, state: State) -> Sequence[Event]:
    if state.requested is not None:
        known = state.requested
        same = (known.organization, known.identity, known.invitations)
        if same == (command.organization, command.identity, command.invitations):
            return ()
        raise Refused("withdrawal.known", "Another request has this name. Choose a new one.")
    return (
        WithdrawalRequested(
            request=command.request,
            organization=command.organization,
            sender=command.sender,
            identity=command.identity,
            invitations=command.invitations,
            at=command.at,
        ),
    )


def evolve(state: State, event: Event) -> State:
    match event:
        case WithdrawalRequested():
            return State(event, state.answered)
        case WithdrawalsAnswered():
            return State(state.requested, answered=True)
        case _:
            assert_never(event)
