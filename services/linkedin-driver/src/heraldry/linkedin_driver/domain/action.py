"""One try at an action on LinkedIn. Stream `action-<attempt>`.

*In hand* is provably not done: after its time another worker may take it over. *Begun*, which is recorded
immediately before the irrevocable click, is never done again: it is only looked up. Only this stream says which
of both it is, and only one append at a revision succeeds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal, TypeAlias, TypedDict, assert_never
from uuid import UUID

from heraldry.contracts.base import Erased, Refused
from heraldry.contracts.base import Event as AnyEvent
from heraldry.contracts.linkedin import (
    InvitationSent,
    InvitationWithdrawn,
    LinkedInActionClaimed,
    LinkedInActionFailed,
    LinkedInActionOutcomeUnknown,
    LinkedInActionQueued,
    LinkedInActionStarted,
    LinkedInMessageSent,
    Obstacle,
    ProfileData,
    ProfileScraped,
)
from heraldry.linkedin_driver.domain.pending import BLOCKED_FOR

MARGIN: Final = timedelta(seconds=5)  # what is not begun this long before its end is not begun
HELD: Final = timedelta(seconds=60)  # how long a claim keeps others away, by the real clock
LOOKED_UP_FOR: Final = timedelta(minutes=30)  # then a person decides


class ActionCancelled(AnyEvent):
    """Private. It was called off before it arrived here."""

    attempt: UUID


class ActionPutBack(AnyEvent):
    """Private. Not possible now, and nothing was done; from `not_before` (real clock) it is tried again."""

    attempt: UUID
    claim: UUID
    reason: str
    not_before: datetime


@dataclass(frozen=True, slots=True)
class Queue:
    action: LinkedInActionQueued


@dataclass(frozen=True, slots=True)
class Cancel:
    attempt: UUID
    at: datetime


@dataclass(frozen=True, slots=True)
class Stop:
    """It may not be done any more, if it was not begun. `again`: for a reason that passes."""

    diagnosis: Obstacle
    again: bool
    at: datetime


@dataclass(frozen=True, slots=True)
class Gate:
    """The last gate: what other streams and the halt flag say at this moment.

    `closed`: why this may not be done; `again`: that passes, so the step may be tried again. `halted`: it waits.
    """

    closed: Obstacle | None = None
    again: bool = False
    halted: bool = False


@dataclass(frozen=True, slots=True)
class Claim:
    claim: UUID
    gate: Gate
    real_now: datetime
    at: datetime
    held: timedelta = HELD


@dataclass(frozen=True, slots=True)
class Begin:
    """The page is the right person's and ready; the click comes next.

    `member`, `alike`: whom the page is about, and how many messages of the same text stood there before.
    """

    claim: UUID
    gate: Gate
    at: datetime
    member: str = ""
    alike: int = 0


@dataclass(frozen=True, slots=True)
class Finish:
    """Proven to be done: a fresh page shows it. `proof` says what; `data`: what a scraping read."""

    proof: str
    at: datetime
    data: ProfileData | None = None


@dataclass(frozen=True, slots=True)
class Refuse:
    """Proven not to be done. `retry_at` (real clock): it may succeed then.

    `again`: should it end here, the step may be tried again. Not `proven`: a profile was opened and what it says is
    lost; its permit stays used.
    """

    claim: UUID
    diagnosis: Obstacle
    retry_at: datetime | None
    at: datetime
    again: bool = False
    proven: bool = True


@dataclass(frozen=True, slots=True)
class GiveUp:
    """It was looked up once more and not found."""

    at: datetime


@dataclass(frozen=True, slots=True)
class Decide:
    """A person says whether an action with an unknown outcome was done."""

    done: bool
    at: datetime


Command: TypeAlias = Queue | Cancel | Stop | Claim | Begin | Finish | Refuse | GiveUp | Decide
Done: TypeAlias = InvitationSent | InvitationWithdrawn | LinkedInMessageSent | ProfileScraped
Event: TypeAlias = (
    ActionCancelled
    | LinkedInActionQueued
    | LinkedInActionClaimed
    | ActionPutBack
    | LinkedInActionStarted
    | Done
    | LinkedInActionFailed
    | LinkedInActionOutcomeUnknown
)


@dataclass(frozen=True, slots=True)
class NoAction:
    """It has not arrived here."""


@dataclass(frozen=True, slots=True)
class Cancelled:
    """Called off before it arrived."""


@dataclass(frozen=True, slots=True)
class Waiting:
    action: LinkedInActionQueued
    not_before: datetime | None = None
    reason: str = ""  # why the last try did not succeed


@dataclass(frozen=True, slots=True)
class InHand:
    action: LinkedInActionQueued
    claim: UUID
    held_until: datetime
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Begun:
    action: LinkedInActionQueued
    claim: UUID
    since: datetime
    alike: int = 0


@dataclass(frozen=True, slots=True)
class Closed:
    action: LinkedInActionQueued
    outcome: Literal["done", "failed", "unknown"]


State: TypeAlias = NoAction | Cancelled | Waiting | InHand | Begun | Closed
NO_ACTION = NoAction()

EXPIRED: Final = Obstacle(
    code="action.expired",
    cause="It could not be done within the time it was allowed.",
    resolution="Try the step again; its place in the limit was given back.",
)
CANCELLED: Final = Obstacle(
    code="action.cancelled",
    cause="It was called off before it was begun.",
    resolution="Nothing needs to be done.",
)
DECIDED: Final = "A person decided that it was done."
DECIDED_NOT_DONE: Final = Obstacle(
    code="action.decided-not-done",
    cause="A person decided that it was not done.",
    resolution="Do it again if it is still wanted. Its place in the limit stays used.",
)
NOT_FOUND_SINCE: Final = (
    "The browser stopped at the click, and LinkedIn has not shown since whether it counted."
)


def decide(command: Command, state: State) -> Sequence[Event]:
    match command:
        case Queue():
            return _queue(command, state)
        case Cancel():
            return _cancel(command, state)
        case Stop():
            return _stop(command, state)
        case Claim():
            return _claim(command, state)
        case Begin():
            return _begin(command, state)
        case Finish() | Refuse() | GiveUp():
            return _close(command, state)
        case Decide():
            return _decided(command, state)
        case _:
            assert_never(command)


def _queue(command: Queue, state: State) -> Sequence[Event]:
    match state:
        case NoAction():
            return (command.action,)
        case Cancelled():
            return (command.action, _failed(command.action, CANCELLED, command.action.at, again=True))
        case _:
            return ()


def _cancel(command: Cancel, state: State) -> Sequence[Event]:
    match state:
        case NoAction():
            return (ActionCancelled(attempt=command.attempt, at=command.at),)
        case Waiting() | InHand():  # whoever has it in hand fails at the next append
            return (_failed(state.action, CANCELLED, command.at, again=True),)
        case _:
            return ()


def _stop(command: Stop, state: State) -> Sequence[Event]:
    if not isinstance(state, Waiting | InHand):  # whoever has it in hand fails at the next append
        return ()
    return (_failed(state.action, command.diagnosis, command.at, again=command.again),)


def _claim(command: Claim, state: State) -> Sequence[Event]:
    if not isinstance(state, Waiting | InHand):
        return ()
    if (shut := _shut(command.gate, state, command.at)) is not None:
        return (shut,)
    taken_until = state.not_before if isinstance(state, Waiting) else state.held_until
    if command.gate.halted or (taken_until is not None and taken_until > command.real_now):
        return ()
    action = state.action
    return (
        LinkedInActionClaimed(
            attempt=action.attempt,
            account=action.account,
            identity=action.identity,
            claim=command.claim,
            held_until=command.real_now + command.held,
            at=command.at,
        ),
    )


def _begin(command: Begin, state: State) -> Sequence[Event]:
    if not isinstance(state, InHand) or state.claim != command.claim:
        return ()
    if (shut := _shut(command.gate, state, command.at)) is not None:
        return (shut,)
    if command.gate.halted:
        return ()
    action = state.action
    return (
        LinkedInActionStarted(
            attempt=action.attempt,
            account=action.account,
            identity=action.identity,
            claim=command.claim,
            member=command.member,
            alike=command.alike,
            at=command.at,
        ),
    )


def _shut(gate: Gate, state: Waiting | InHand, now: datetime) -> LinkedInActionFailed | None:
    """What ends it at the gate: its time, or what other streams say."""
    if now >= state.action.valid_until - MARGIN:
        cause = f"{EXPIRED.cause} {state.reason}".rstrip()
        return _failed(state.action, EXPIRED.model_copy(update={"cause": cause}), now, again=True)
    if gate.closed is not None:
        return _failed(state.action, gate.closed, now, again=gate.again)
    return None


def _close(command: Finish | Refuse | GiveUp, state: State) -> Sequence[Event]:
    match command:
        case Finish():
            if isinstance(state, Begun) or (isinstance(state, Closed) and state.outcome == "unknown"):
                # also where the proof came late
                return (_done(state.action, command.proof, command.at, command.data),)
            return ()
        case Refuse():
            return _refused(command, state)
        case GiveUp():
            if not isinstance(state, Begun) or command.at < state.since + LOOKED_UP_FOR:
                return ()
            unknown = LinkedInActionOutcomeUnknown(
                **_about(state.action), kind=state.action.kind, reason=NOT_FOUND_SINCE, at=command.at
            )
            return (unknown,)
        case _:
            assert_never(command)


def _refused(command: Refuse, state: State) -> Sequence[Event]:
    if not isinstance(state, InHand | Begun) or state.claim != command.claim:
        return ()
    if isinstance(state, InHand) and command.retry_at is not None:
        return (
            ActionPutBack(
                attempt=state.action.attempt,
                claim=command.claim,
                reason=command.diagnosis.cause,
                not_before=command.retry_at,
                at=command.at,
            ),
        )
    return (_failed(state.action, command.diagnosis, command.at, again=command.again, proven=command.proven),)


def _decided(command: Decide, state: State) -> Sequence[Event]:
    if not isinstance(state, Closed) or state.outcome != "unknown":
        raise Refused("action.outcome-known", "What became of this is known, or is being found out.")
    if command.done:
        return (_done(state.action, DECIDED, command.at),)
    return (_failed(state.action, DECIDED_NOT_DONE, command.at, again=True, proven=False),)


def evolve(state: State, event: Event) -> State:
    match event:
        case ActionCancelled():
            return Cancelled()
        case LinkedInActionQueued():
            return Waiting(event)
        case _:
            return state if isinstance(state, NoAction | Cancelled) else _went_on(state, event)


def _went_on(
    state: Waiting | InHand | Begun | Closed,
    event: LinkedInActionClaimed
    | ActionPutBack
    | LinkedInActionStarted
    | Done
    | LinkedInActionFailed
    | LinkedInActionOutcomeUnknown,
) -> State:
    action = state.action
    match event:
        case LinkedInActionClaimed():
            reason = state.reason if isinstance(state, Waiting | InHand) else ""
            return InHand(action, event.claim, event.held_until, reason)
        case ActionPutBack():
            return Waiting(action, event.not_before, event.reason)
        case LinkedInActionStarted():
            return Begun(action, event.claim, event.at, event.alike)
        case InvitationSent() | InvitationWithdrawn() | LinkedInMessageSent() | ProfileScraped():
            return Closed(action, "done")
        case LinkedInActionFailed():
            return Closed(action, "failed")
        case LinkedInActionOutcomeUnknown():
            return Closed(action, "unknown")
        case _:
            assert_never(event)


class _About(TypedDict):
    attempt: UUID
    account: UUID
    identity: UUID
    person: UUID
    campaign: UUID | None
    enrollment: UUID | None


def _about(action: LinkedInActionQueued) -> _About:
    return {
        "attempt": action.attempt,
        "account": action.account,
        "identity": action.identity,
        "person": action.person,
        "campaign": action.campaign,
        "enrollment": action.enrollment,
    }


def _done(action: LinkedInActionQueued, proof: str, at: datetime, data: ProfileData | None = None) -> Done:
    match action.kind:
        case "invitation":
            noted = isinstance(action.text, Erased) or action.text != ""
            return InvitationSent(**_about(action), proof=proof, with_note=noted, at=at)
        case "message":
            return LinkedInMessageSent(**_about(action), proof=proof, at=at)
        case "withdrawal":
            return InvitationWithdrawn(
                **_about(action),
                proof=proof,
                invitation=action.invitation,
                name=action.name,
                sent_at=action.invited_at,
                automatic=action.automatic,
                blocked_until=at + BLOCKED_FOR,
                at=at,
            )
        case "scraping":
            return ProfileScraped(
                **_about(action), proof=proof, profile=action.profile, data=data or ProfileData(), at=at
            )
        case _:
            assert_never(action.kind)


def _failed(
    action: LinkedInActionQueued,
    diagnosis: Obstacle,
    at: datetime,
    *,
    proven: bool = True,
    again: bool = False,
) -> LinkedInActionFailed:
    return LinkedInActionFailed(
        **_about(action),
        kind=action.kind,
        diagnosis=diagnosis,
        proven=proven,
        again=again,
        at=at,
    )
