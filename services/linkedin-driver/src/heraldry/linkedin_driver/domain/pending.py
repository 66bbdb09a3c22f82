"""What is between one LinkedIn member and one person. Stream `pending-<keyed hash of both>`.

It is the member's, not the identity's: another identity with the same account finds the same. After a
withdrawal LinkedIn takes no new invitation for up to three weeks; here it is three weeks, to the second.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Literal, TypeAlias, assert_never
from uuid import UUID

from heraldry.contracts.base import Event as AnyEvent
from heraldry.contracts.linkedin import InvitationAccepted, Obstacle
from heraldry.linkedin_driver.domain.obstacles import ALREADY_CONNECTED, ALREADY_INVITED, WITHDRAWN_LATELY

BLOCKED_FOR: Final = timedelta(days=21)
Standing: TypeAlias = Literal["nothing", "invited", "connected"]


class InvitationNoted(AnyEvent):
    """Private. LinkedIn shows an invitation as pending."""

    invitation: UUID  # the attempt that sent it
    account: UUID
    identity: UUID
    person: UUID
    sent_at: datetime
    campaign: UUID | None = None
    enrollment: UUID | None = None


class WithdrawalNoted(AnyEvent):
    """Private. It was withdrawn; from then on the person is left alone."""

    withdrawn_at: datetime


class InvitationGone(AnyEvent):
    """Private. LinkedIn shows it neither as pending nor as accepted: declined, or run out."""

    invitation: UUID


@dataclass(frozen=True, slots=True)
class Note:
    invitation: InvitationNoted


@dataclass(frozen=True, slots=True)
class NoteWithdrawal:
    withdrawn_at: datetime
    at: datetime


@dataclass(frozen=True, slots=True)
class Accept:
    """LinkedIn shows the person as connected. `of`: the invitation that was waiting when it was looked at, if one was."""

    at: datetime
    of: UUID | None = None


@dataclass(frozen=True, slots=True)
class Miss:
    """LinkedIn shows nothing between both. `of`: as with `Accept`."""

    at: datetime
    of: UUID | None = None


Command: TypeAlias = Note | NoteWithdrawal | Accept | Miss
Event: TypeAlias = InvitationNoted | WithdrawalNoted | InvitationAccepted | InvitationGone


@dataclass(frozen=True, slots=True)
class Between:
    """`invitation`: the last one; `withdrawn_at`: when one was withdrawn last."""

    standing: Standing = "nothing"
    invitation: InvitationNoted | None = None
    withdrawn_at: datetime | None = None


State: TypeAlias = Between
NOTHING = Between()


def decide(command: Command, state: State) -> Sequence[Event]:
    match command:
        case Note():
            return _note(command.invitation, state)
        case NoteWithdrawal():
            known = state.withdrawn_at
            if known is not None and known >= command.withdrawn_at:
                return ()
            return (WithdrawalNoted(withdrawn_at=command.withdrawn_at, at=command.at),)
        case Accept():
            return _accept(command, state)
        case Miss():
            invitation = state.invitation
            if invitation is None or state.standing != "invited" or not _is_meant(command, invitation):
                return ()
            return (InvitationGone(invitation=invitation.invitation, at=command.at),)
        case _:
            assert_never(command)


def blocked_until(state: State) -> datetime | None:
    """From when on the person may be invited again; None: nothing was ever withdrawn."""
    return None if state.withdrawn_at is None else state.withdrawn_at + BLOCKED_FOR


def in_the_way(state: State, now: datetime) -> Obstacle | None:
    """Why no invitation may go to this person now."""
    match state.standing:
        case "connected":
            return ALREADY_CONNECTED
        case "invited":
            return ALREADY_INVITED
        case "nothing":
            until = blocked_until(state)
            if until is None or now >= until:
                return None
            words = f"{WITHDRAWN_LATELY.resolution} from {until:%d %B %Y, %H:%M:%S} UTC."
            return WITHDRAWN_LATELY.model_copy(update={"resolution": words})


def _note(noted: InvitationNoted, state: State) -> Sequence[Event]:
    last = state.invitation
    if last is not None and (last.invitation == noted.invitation or last.sent_at >= noted.sent_at):
        return ()
    if state.withdrawn_at is not None and state.withdrawn_at >= noted.sent_at:
        return ()  # the news is older than the withdrawal
    return (noted,)


def _accept(command: Accept, state: State) -> Sequence[Event]:
    """Also after a withdrawal: LinkedIn may have taken the acceptance first."""
    invitation = state.invitation
    if invitation is None or state.standing == "connected" or not _is_meant(command, invitation):
        return ()
    return (
        InvitationAccepted(
            attempt=invitation.invitation,
            account=invitation.account,
            identity=invitation.identity,
            person=invitation.person,
            campaign=invitation.campaign,
            enrollment=invitation.enrollment,
            at=command.at,
        ),
    )


def _is_meant(command: Accept | Miss, invitation: InvitationNoted) -> bool:
    """Whoever looked may have been held up until another one was sent."""
    return command.of in {None, invitation.invitation}


def evolve(state: State, event: Event) -> State:
    match event:
        case InvitationNoted():
            return replace(state, standing="invited", invitation=event)
        case WithdrawalNoted():
            return replace(state, standing="nothing", withdrawn_at=event.withdrawn_at)
        case InvitationAccepted():
            return replace(state, standing="connected")
        case InvitationGone():
            return replace(state, standing="nothing")
        case _:
            assert_never(event)
