"""An invitation on LinkedIn that nobody has answered yet. Stream `invitation-<the attempt that sent it>`.

What the driver says of it is imported, so that withdrawing rests on the own log: when it was sent, what became of
it, and what became of every try to withdraw it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Annotated, Final, Literal, TypeAlias, assert_never
from uuid import UUID, uuid5

from heraldry.contracts.base import Erased, Personal
from heraldry.contracts.base import Event as AnyEvent
from heraldry.contracts.scheduler import WithdrawalOutcome

Invitee = Personal("person")
End: TypeAlias = Literal["accepted", "withdrawn", "gone"]
FIRST_PAUSE: Final = timedelta(hours=1)  # after a try that failed; it doubles with each
LONGEST_PAUSE: Final = timedelta(days=1)
ENDS: Final[Mapping[WithdrawalOutcome, End]] = {
    "withdrawn": "withdrawn",
    "accepted meanwhile": "accepted",
    "not found": "gone",
}


class InvitationImported(AnyEvent):
    """Private. LinkedIn shows it as pending since `sent_at`. `sender`: the member that sent it."""

    invitation: UUID
    sender: str
    account: UUID
    identity: UUID
    person: UUID
    profile: Annotated[str | Erased, Invitee]
    name: Annotated[str | Erased, Invitee]
    sent_at: datetime


class InvitationEnded(AnyEvent):
    """Private. Nobody waits for an answer any more."""

    invitation: UUID
    how: End


class WithdrawalTried(AnyEvent):
    """Private. A try to withdraw it has an outcome. `not_before`: by itself it is not tried again before."""

    invitation: UUID
    attempt: UUID
    outcome: WithdrawalOutcome
    detail: str
    not_before: datetime


@dataclass(frozen=True, slots=True)
class Import:
    invitation: InvitationImported


@dataclass(frozen=True, slots=True)
class Accept:
    invitation: UUID
    at: datetime


@dataclass(frozen=True, slots=True)
class Record:
    """What became of a try to withdraw it."""

    invitation: UUID
    attempt: UUID
    outcome: WithdrawalOutcome
    detail: str
    at: datetime


Command: TypeAlias = Import | Accept | Record
Event: TypeAlias = InvitationImported | InvitationEnded | WithdrawalTried


@dataclass(frozen=True, slots=True)
class Invitation:
    """`ended` empty: as far as is known it is pending. `tries`: attempts to withdraw it, by their outcome."""

    sent: InvitationImported | None = None
    ended: End | Literal[""] = ""
    tries: Mapping[UUID, WithdrawalOutcome] = field(default_factory=dict[UUID, WithdrawalOutcome])
    failed: int = 0
    not_before: datetime | None = None

    @property
    def undecided(self) -> bool:
        """Whether a try may have withdrawn it, and nobody knows: by itself it is not tried again."""
        return "outcome unknown" in self.tries.values()

    def next_attempt(self) -> UUID | None:
        """The id of the next try by itself: the same in every process. None: it was not sent."""
        if self.sent is None:
            return None
        return uuid5(self.sent.invitation, f"withdrawal {len(self.tries)}")


UNKNOWN: Final = Invitation()


def decide(command: Command, state: Invitation) -> Sequence[Event]:
    match command:
        case Import(invitation=invitation):
            return () if state.sent is not None else (invitation,)
        case Accept(invitation=invitation, at=at):
            return _ended(invitation, "accepted", state, at)
        case Record():
            return _record(command, state)
        case _:
            assert_never(command)


def _record(command: Record, state: Invitation) -> Sequence[Event]:
    if state.tries.get(command.attempt) == command.outcome:
        return ()
    pause = min(FIRST_PAUSE * 2 ** min(state.failed, 10), LONGEST_PAUSE)
    tried = WithdrawalTried(
        invitation=command.invitation,
        attempt=command.attempt,
        outcome=command.outcome,
        detail=command.detail,
        not_before=command.at + pause,
        at=command.at,
    )
    end = ENDS.get(command.outcome)
    return (tried,) if end is None else (tried, *_ended(command.invitation, end, state, command.at))


def _ended(which: UUID, how: End, state: Invitation, at: datetime) -> Sequence[InvitationEnded]:
    """LinkedIn may have taken an acceptance first that is told later than a withdrawal."""
    if state.ended == how or (state.ended and how != "accepted"):
        return ()
    return (InvitationEnded(invitation=which, how=how, at=at),)


def evolve(state: Invitation, event: Event) -> Invitation:
    match event:
        case InvitationImported():
            return replace(state, sent=event)
        case InvitationEnded(how=how):
            return replace(state, ended=how)
        case WithdrawalTried(attempt=attempt, outcome=outcome, not_before=not_before):
            return replace(
                state,
                tries={**state.tries, attempt: outcome},
                failed=state.failed + 1,
                not_before=not_before,
            )
        case _:
            assert_never(event)
