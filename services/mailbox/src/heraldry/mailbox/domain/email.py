"""One try at sending one mail. Stream `email-<attempt>`.

*In hand* is provably not sent: after its time another worker may take it over. *Leaving* is never sent again:
it is only looked up. Only this stream says which of both it is, and only one append at a revision succeeds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Literal, TypeAlias, assert_never
from uuid import UUID

from heraldry.contracts.base import Erased, Refused
from heraldry.contracts.base import Event as AnyEvent
from heraldry.contracts.mailbox import (
    Diagnosed,
    EmailClaimed,
    EmailFailed,
    EmailOutcomeUnknown,
    EmailQueued,
    EmailSent,
    EmailSubmissionStarted,
)

MARGIN: Final = timedelta(seconds=5)  # what is not begun this long before its end is not begun
HELD: Final = timedelta(seconds=60)  # how long a claim keeps others away, by the real clock
LOOKED_UP_FOR: Final = timedelta(minutes=30)  # then a person decides


class EmailCancelled(AnyEvent):
    """Private. It was withdrawn before it arrived here."""

    attempt: UUID


class EmailPutBack(AnyEvent):
    """Private. Not possible now, and nothing left; from `not_before` (real clock) it is tried again."""

    attempt: UUID
    claim: UUID
    reason: str
    not_before: datetime


class EmailCopyClaimed(AnyEvent):
    """Private. One worker puts the copy into the Sent folder."""

    attempt: UUID
    claim: UUID
    held_until: datetime


class EmailCopyKept(AnyEvent):
    """Private. The copy is in the Sent folder; `put`: put there by us, not by the provider."""

    attempt: UUID
    put: bool


@dataclass(frozen=True, slots=True)
class Queue:
    mail: EmailQueued


@dataclass(frozen=True, slots=True)
class Cancel:
    attempt: UUID
    at: datetime


@dataclass(frozen=True, slots=True)
class Stop:
    """It may not leave any more, if it was not begun. `again`: for a reason that passes."""

    diagnosis: Diagnosed
    again: bool
    at: datetime


@dataclass(frozen=True, slots=True)
class Gate:
    """The last gate: what other streams and the halt flag say at this moment.

    `closed`: why this mail may not leave; `again`: that passes, so the step may be tried again. `halted`: it
    waits.
    """

    closed: Diagnosed | None = None
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
class Start:
    """The server is ready for the content."""

    claim: UUID
    message_id: str
    gate: Gate
    at: datetime


@dataclass(frozen=True, slots=True)
class Accept:
    """Proven to have left: the server took it, or it was found. `answer` says which."""

    answer: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Refuse:
    """Proven not to have left. `retry_at` (real clock): it may succeed then.

    `again`: should it end here, the step may be tried again.
    """

    claim: UUID
    diagnosis: Diagnosed
    retry_at: datetime | None
    at: datetime
    again: bool = False


@dataclass(frozen=True, slots=True)
class GiveUp:
    """It was looked up once more and not found."""

    at: datetime


@dataclass(frozen=True, slots=True)
class Decide:
    """A person says whether a mail with an unknown outcome left."""

    sent: bool
    at: datetime


@dataclass(frozen=True, slots=True)
class ClaimCopy:
    claim: UUID
    real_now: datetime
    at: datetime
    held: timedelta = HELD


@dataclass(frozen=True, slots=True)
class KeepCopy:
    put: bool
    at: datetime


Command: TypeAlias = (
    Queue | Cancel | Stop | Claim | Start | Accept | Refuse | GiveUp | Decide | ClaimCopy | KeepCopy
)
Event: TypeAlias = (
    EmailCancelled
    | EmailQueued
    | EmailClaimed
    | EmailPutBack
    | EmailSubmissionStarted
    | EmailSent
    | EmailFailed
    | EmailOutcomeUnknown
    | EmailCopyClaimed
    | EmailCopyKept
)


@dataclass(frozen=True, slots=True)
class NoMail:
    """It has not arrived here."""


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """Cancelled before it arrived."""


@dataclass(frozen=True, slots=True)
class Waiting:
    mail: EmailQueued
    not_before: datetime | None = None
    tries: int = 0
    reason: str = ""  # why the last try did not succeed


@dataclass(frozen=True, slots=True)
class InHand:
    mail: EmailQueued
    claim: UUID
    held_until: datetime | None
    tries: int
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Leaving:
    mail: EmailQueued
    claim: UUID
    message_id: str
    since: datetime


@dataclass(frozen=True, slots=True)
class Closed:
    mail: EmailQueued
    outcome: Literal["sent", "failed", "unknown"]
    message_id: str = ""
    copied: bool = False
    copy_held_until: datetime | None = None


State: TypeAlias = NoMail | Withdrawn | Waiting | InHand | Leaving | Closed
NO_MAIL = NoMail()

EXPIRED: Final = Diagnosed(
    code="mail.expired",
    cause="It could not be sent within the time it was allowed.",
    resolution="Send it again; its place in the limit was given back.",
)
DECIDED: Final = "A person decided that it was sent."
DECIDED_NOT_SENT: Final = Diagnosed(
    code="mail.decided-not-sent",
    cause="A person decided that it was not sent.",
    resolution="Send it again if it is still wanted. Its place in the limit stays used.",
)
WITHDRAWN: Final = Diagnosed(
    code="mail.cancelled",
    cause="It was cancelled before it left.",
    resolution="Nothing needs to be done.",
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
        case Start():
            return _start(command, state)
        case Accept() | Refuse() | GiveUp():
            return _close(command, state)
        case Decide():
            return _decided(command, state)
        case ClaimCopy() | KeepCopy():
            return _copy(command, state)
        case _:
            assert_never(command)


def _queue(command: Queue, state: State) -> Sequence[Event]:
    match state:
        case NoMail():
            return (command.mail,)
        case Withdrawn():
            return (command.mail, _failed(command.mail, WITHDRAWN, command.mail.at, again=True))
        case _:
            return ()


def _cancel(command: Cancel, state: State) -> Sequence[Event]:
    match state:
        case NoMail():
            return (EmailCancelled(attempt=command.attempt, at=command.at),)
        case Waiting() | InHand():  # whoever has it in hand fails at the next append
            return (_failed(state.mail, WITHDRAWN, command.at, again=True),)
        case _:
            return ()


def _stop(command: Stop, state: State) -> Sequence[Event]:
    if not isinstance(state, Waiting | InHand):  # whoever has it in hand fails at the next append
        return ()
    return (_failed(state.mail, command.diagnosis, command.at, again=command.again),)


def _claim(command: Claim, state: State) -> Sequence[Event]:
    if not isinstance(state, Waiting | InHand):
        return ()
    mail, now = state.mail, command.at
    if now >= mail.valid_until - MARGIN:
        return (_failed(mail, _expired(state.reason), now, again=True),)
    if command.gate.closed is not None:
        return (_failed(mail, command.gate.closed, now, again=command.gate.again),)
    taken_until = state.not_before if isinstance(state, Waiting) else state.held_until
    if command.gate.halted or (taken_until is not None and taken_until > command.real_now):
        return ()
    return (
        EmailClaimed(
            attempt=mail.attempt,
            inbox=mail.inbox,
            identity=mail.identity,
            claim=command.claim,
            held_until=command.real_now + command.held,
            at=now,
        ),
    )


def _start(command: Start, state: State) -> Sequence[Event]:
    if not isinstance(state, InHand) or state.claim != command.claim:
        return ()
    mail = state.mail
    if command.at >= mail.valid_until - MARGIN:
        return (_failed(mail, _expired(state.reason), command.at, again=True),)
    if command.gate.closed is not None:
        return (_failed(mail, command.gate.closed, command.at, again=command.gate.again),)
    if command.gate.halted:
        return ()
    return (
        EmailSubmissionStarted(
            attempt=mail.attempt,
            inbox=mail.inbox,
            identity=mail.identity,
            claim=command.claim,
            message_id=command.message_id,
            at=command.at,
        ),
    )


def _close(command: Accept | Refuse | GiveUp, state: State) -> Sequence[Event]:
    match command:
        case Accept():
            if isinstance(state, Leaving) or (isinstance(state, Closed) and state.outcome == "unknown"):
                return (_sent(state, command),)  # also where the proof came late
            return ()
        case Refuse():
            if not isinstance(state, InHand | Leaving) or state.claim != command.claim:
                return ()
            if isinstance(state, InHand) and command.retry_at is not None:
                return (
                    EmailPutBack(
                        attempt=state.mail.attempt,
                        claim=command.claim,
                        reason=command.diagnosis.cause,
                        not_before=command.retry_at,
                        at=command.at,
                    ),
                )
            return (_failed(state.mail, command.diagnosis, command.at, again=command.again),)
        case GiveUp():
            if not isinstance(state, Leaving) or command.at < state.since + LOOKED_UP_FOR:
                return ()
            mail = state.mail
            return (
                EmailOutcomeUnknown(
                    attempt=mail.attempt,
                    inbox=mail.inbox,
                    identity=mail.identity,
                    person=mail.person,
                    reason="The connection broke while the mail was leaving, and it was not found since.",
                    campaign=mail.campaign,
                    enrollment=mail.enrollment,
                    at=command.at,
                ),
            )
        case _:
            assert_never(command)


def _decided(command: Decide, state: State) -> Sequence[Event]:
    if not isinstance(state, Closed) or state.outcome != "unknown":
        raise Refused("email.outcome-known", "What became of this mail is known, or is being found out.")
    if command.sent:
        return (_sent(state, Accept(DECIDED, command.at)),)
    return (_failed(state.mail, DECIDED_NOT_SENT, command.at, proven=False),)


def _copy(command: ClaimCopy | KeepCopy, state: State) -> Sequence[Event]:
    if not isinstance(state, Closed) or state.outcome != "sent" or state.copied:
        return ()
    attempt = state.mail.attempt
    if isinstance(command, KeepCopy):
        return (EmailCopyKept(attempt=attempt, put=command.put, at=command.at),)
    if state.copy_held_until is not None and state.copy_held_until > command.real_now:
        return ()
    held_until = command.real_now + command.held
    return (EmailCopyClaimed(attempt=attempt, claim=command.claim, held_until=held_until, at=command.at),)


def evolve(state: State, event: Event) -> State:
    match event:
        case EmailCancelled():
            return Withdrawn()
        case EmailQueued():
            return Waiting(event)
        case _:
            return state if isinstance(state, NoMail | Withdrawn) else _went_on(state, event)


def _went_on(
    state: Waiting | InHand | Leaving | Closed,
    event: EmailClaimed
    | EmailPutBack
    | EmailSubmissionStarted
    | EmailSent
    | EmailFailed
    | EmailOutcomeUnknown
    | EmailCopyClaimed
    | EmailCopyKept,
) -> State:
    mail = state.mail
    tries = state.tries if isinstance(state, Waiting | InHand) else 0
    match event:
        case EmailClaimed():
            reason = state.reason if isinstance(state, Waiting | InHand) else ""
            return InHand(mail, event.claim, event.held_until, tries + 1, reason)
        case EmailPutBack():
            return Waiting(mail, event.not_before, tries, event.reason)
        case EmailSubmissionStarted():
            return Leaving(mail, event.claim, event.message_id, event.at)
        case EmailSent():
            return Closed(mail, "sent", event.message_id)
        case EmailFailed():
            return Closed(mail, "failed", _message_id(state))
        case EmailOutcomeUnknown():
            return Closed(mail, "unknown", _message_id(state))
        case EmailCopyClaimed():
            return replace(state, copy_held_until=event.held_until) if isinstance(state, Closed) else state
        case EmailCopyKept():
            return replace(state, copied=True) if isinstance(state, Closed) else state
        case _:
            assert_never(event)


def text_of(value: str | Erased) -> str:
    """A personal field, empty if it was erased."""
    return "" if isinstance(value, Erased) else value


def _message_id(state: State) -> str:
    return state.message_id if isinstance(state, Leaving | Closed) else ""


def _sent(state: Leaving | Closed, command: Accept) -> EmailSent:
    mail = state.mail
    return EmailSent(
        attempt=mail.attempt,
        inbox=mail.inbox,
        identity=mail.identity,
        person=mail.person,
        message_id=state.message_id,
        answer=command.answer,
        campaign=mail.campaign,
        enrollment=mail.enrollment,
        at=command.at,
    )


def _expired(reason: str) -> Diagnosed:
    return EXPIRED.model_copy(update={"cause": f"{EXPIRED.cause} {reason}"}) if reason else EXPIRED


def _failed(
    mail: EmailQueued, diagnosis: Diagnosed, at: datetime, *, proven: bool = True, again: bool = False
) -> EmailFailed:
    return EmailFailed(
        attempt=mail.attempt,
        inbox=mail.inbox,
        identity=mail.identity,
        person=mail.person,
        diagnosis=diagnosis,
        proven=proven,
        campaign=mail.campaign,
        enrollment=mail.enrollment,
        again=again,
        at=at,
    )
