"""What is decided on an enrollment: how its sequence begins, goes on and ends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, TypeAlias, assert_never
from uuid import UUID

from heraldry.contracts.base import Refused
from heraldry.contracts.campaigns import (
    LeadBounced,
    LeadData,
    LeadFailed,
    LeadFinished,
    LeadRecovered,
    LeadReplied,
    LeadUnsubscribed,
)
from heraldry.contracts.mailbox import SuppressionReason
from heraldry.scheduler.domain.enrollment import (
    UNENDED,
    Enrollment,
    Event,
    InboxAssigned,
    LeadDropped,
    LeadEnrolled,
    NotEnrolled,
    State,
    StepFailed,
    StepSent,
    StepUndecided,
    StepUnknown,
    attempt_of,
)

UNDECIDED_FOR: Final = timedelta(days=7)  # then an unknown outcome counts as sent
FIRST_PAUSE: Final = timedelta(minutes=1)
LONGEST_PAUSE: Final = timedelta(hours=1)
DISCONNECTED: Final = "inbox.disconnected"
IDENTITY_DELETED: Final = "identity.deleted"


def pause_after(tries: int) -> timedelta:
    """How long the next try waits after so many that did not leave."""
    return min(FIRST_PAUSE * 2 ** min(tries, 10), LONGEST_PAUSE)


@dataclass(frozen=True, slots=True)
class Enroll:
    enrollment: UUID
    campaign: UUID
    organization: UUID
    identity: UUID
    person: UUID
    import_id: UUID
    ordinal: int
    data: LeadData
    at: datetime


@dataclass(frozen=True, slots=True)
class Drop:
    import_id: UUID
    at: datetime


@dataclass(frozen=True, slots=True)
class Assign:
    """Its sequence begins through this inbox. One that has an inbox keeps it."""

    identity: UUID
    inbox: UUID
    sender: str
    at: datetime


@dataclass(frozen=True, slots=True)
class RecordSent:
    """`delays`: of all steps of the campaign, each after the one before it."""

    attempt: UUID
    message_id: str
    subject: str
    sent_at: datetime
    delays: Sequence[timedelta]
    at: datetime


@dataclass(frozen=True, slots=True)
class RecordFailed:
    """This try did not leave. `again`: the reason passes. `bounced`: the recipient was refused for good."""

    attempt: UUID
    code: str
    reason: str
    resolution: str
    at: datetime
    again: bool = False
    bounced: bool = False


@dataclass(frozen=True, slots=True)
class RecordUnknown:
    attempt: UUID
    at: datetime


@dataclass(frozen=True, slots=True)
class CountAsSent:
    """Nobody has decided on an unknown outcome."""

    delays: Sequence[timedelta]
    at: datetime


@dataclass(frozen=True, slots=True)
class RecordReply:
    attempt: UUID
    at: datetime


@dataclass(frozen=True, slots=True)
class RecordBounce:
    attempt: UUID
    at: datetime


@dataclass(frozen=True, slots=True)
class Suppress:
    """The organization writes to this address no more."""

    reason: SuppressionReason
    at: datetime


@dataclass(frozen=True, slots=True)
class Fail:
    """The next step cannot be sent, whatever is tried."""

    code: str
    reason: str
    resolution: str
    at: datetime


@dataclass(frozen=True, slots=True)
class LoseInbox:
    """The inbox its sequence began through was disconnected, or belongs to another identity by now."""

    inbox: UUID
    at: datetime


@dataclass(frozen=True, slots=True)
class LoseIdentity:
    """The identity was deleted. A lead that has not begun waits for another one (R-ID-4)."""

    identity: UUID
    at: datetime


@dataclass(frozen=True, slots=True)
class RegainInbox:
    """The same address is connected again, for this identity."""

    inbox: UUID
    identity: UUID
    at: datetime


@dataclass(frozen=True, slots=True)
class Retry:
    """A person of `organization` asks. `unresolved`: what still keeps it from going on; empty: nothing."""

    organization: UUID | None
    unresolved: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Finish:
    """A person ended the campaign."""

    at: datetime


Command: TypeAlias = (
    Enroll
    | Drop
    | Assign
    | RecordSent
    | RecordFailed
    | RecordUnknown
    | CountAsSent
    | RecordReply
    | RecordBounce
    | Suppress
    | Fail
    | LoseInbox
    | LoseIdentity
    | RegainInbox
    | Retry
    | Finish
)


def decide(command: Command, state: State) -> Sequence[Event]:
    if isinstance(command, Enroll):
        return _enroll(command, state)
    if isinstance(command, Retry):
        return _retry(command, state)
    if isinstance(state, NotEnrolled):
        return ()
    match command:
        case Drop(import_id=import_id, at=at):
            mine = import_id == state.import_id and not state.begun
            return (LeadDropped(enrollment=state.id, import_id=import_id, at=at),) if mine else ()
        case Assign():
            return _assign(command, state)
        case RecordSent():
            return _sent(command, state)
        case RecordFailed():
            return _failed(command, state)
        case RecordUnknown(attempt=attempt, at=at):
            if attempt != state.attempt or state.unknown is not None:
                return ()
            return (StepUnknown(enrollment=state.id, step=state.step, attempt=attempt, at=at),)
        case CountAsSent():
            return _count_as_sent(command, state)
        case RecordReply() | RecordBounce() | Suppress():
            return _stopped_by_recipient(command, state)
        case Fail() | LoseInbox() | LoseIdentity() | RegainInbox() | Finish():
            return _stopped_here(command, state)
        case _:
            assert_never(command)


def _enroll(command: Enroll, state: State) -> Sequence[Event]:
    if isinstance(state, Enrollment):
        return ()
    return (
        LeadEnrolled(
            enrollment=command.enrollment,
            campaign=command.campaign,
            organization=command.organization,
            identity=command.identity,
            person=command.person,
            import_id=command.import_id,
            ordinal=command.ordinal,
            data=command.data,
            at=command.at,
        ),
    )


def _retry(command: Retry, state: State) -> Sequence[Event]:
    if isinstance(state, NotEnrolled) or state.organization != command.organization:
        raise unknown()
    if state.state != "failed":
        raise Refused("lead.not-failed", "Only a failed lead can be retried.")
    if command.unresolved:
        raise Refused("lead.not-resolved", command.unresolved)
    return (_recovered(state, command.at),)


def _assign(command: Assign, lead: Enrollment) -> Sequence[Event]:
    if lead.begun or not lead.goes_on:
        return ()
    return (
        InboxAssigned(
            enrollment=lead.id,
            identity=command.identity,
            inbox=command.inbox,
            sender=command.sender,
            at=command.at,
        ),
    )


def _sent(command: RecordSent, lead: Enrollment) -> Sequence[Event]:
    step = _step_of(lead, command.attempt)
    if step is None:
        return ()
    goes_on = step == lead.step and step + 1 < len(command.delays)
    sent = StepSent(
        enrollment=lead.id,
        person=lead.person,
        step=step,
        attempt=command.attempt,
        message_id=command.message_id,
        subject=command.subject,
        sent_at=command.sent_at,
        next_due=command.sent_at + command.delays[step + 1] if goes_on else None,
        at=command.at,
    )
    last = step == lead.step and not goes_on
    return (sent, *_finished(lead, command.at)) if last and lead.state in UNENDED | {"failed"} else (sent,)


def _step_of(lead: Enrollment, attempt: UUID) -> int | None:
    """Which step this proof is about, if it tells anything new."""
    if any(attempt_of(lead.id, lead.step, tries) == attempt for tries in range(lead.tries, -1, -1)):
        return lead.step
    return next((step for step, undecided in lead.undecided if undecided == attempt), None)


def _failed(command: RecordFailed, lead: Enrollment) -> Sequence[Event]:
    if command.attempt != lead.attempt:
        return ()
    again = command.again and not command.bounced
    failed = StepFailed(
        enrollment=lead.id,
        step=lead.step,
        tries=lead.tries + 1,
        attempt=command.attempt,
        code=command.code,
        reason=command.reason,
        again=again,
        next_due=command.at + pause_after(lead.tries) if again else command.at,
        at=command.at,
    )
    if again or lead.state not in UNENDED:
        return (failed,)
    if command.bounced:
        return (failed, _bounced(lead, command.attempt, command.at))
    return (failed, _lead_failed(lead, command.code, command.reason, command.resolution, command.at))


def _count_as_sent(command: CountAsSent, lead: Enrollment) -> Sequence[Event]:
    if lead.state != "outcome unknown" or lead.unknown is None:
        return ()
    attempt, since = lead.unknown
    if command.at < since + UNDECIDED_FOR:
        return ()
    goes_on = lead.step + 1 < len(command.delays)
    undecided = StepUndecided(
        enrollment=lead.id,
        step=lead.step,
        attempt=attempt,
        next_due=command.at + command.delays[lead.step + 1] if goes_on else None,
        at=command.at,
    )
    return (undecided,) if goes_on else (undecided, *_finished(lead, command.at))


def _stopped_by_recipient(
    command: RecordReply | RecordBounce | Suppress, lead: Enrollment
) -> Sequence[Event]:
    at = command.at
    match command:
        case RecordReply(attempt=attempt):
            if lead.replied:
                return ()
            return (
                LeadReplied(
                    campaign=lead.campaign,
                    enrollment=lead.id,
                    identity=lead.identity,
                    person=lead.person,
                    attempt=attempt,
                    at=at,
                ),
            )
        case RecordBounce(attempt=attempt):
            if lead.state in ("replied", "unsubscribed", "bounced"):
                return ()
            return (_bounced(lead, attempt, at),)
        case Suppress():
            return _suppressed(command, lead)
        case _:
            assert_never(command)


def _suppressed(command: Suppress, lead: Enrollment) -> Sequence[Event]:
    at = command.at
    match command.reason:
        case "unsubscribed":
            return () if lead.state == "unsubscribed" else (_unsubscribed(lead, at),)
        case "bounced":
            if lead.state not in UNENDED | {"failed"}:
                return ()
            return (_bounced(lead, lead.thread[-1].attempt if lead.thread else lead.attempt, at),)
        case "by hand":
            return (_unsubscribed(lead, at),) if lead.state in UNENDED | {"failed"} else ()
        case _:
            assert_never(command.reason)


def _stopped_here(
    command: Fail | LoseInbox | LoseIdentity | RegainInbox | Finish, lead: Enrollment
) -> Sequence[Event]:
    at = command.at
    match command:
        case Fail(code=code, reason=reason, resolution=resolution):
            return (_lead_failed(lead, code, reason, resolution, at),) if lead.goes_on else ()
        case LoseInbox(inbox=inbox):
            if lead.inbox != inbox or lead.state not in UNENDED:
                return ()
            reason = "The inbox its sequence goes through was disconnected."
            resolution = (
                "Connect the same address again: the lead goes on by itself. No other inbox takes over."
            )
            return (_lead_failed(lead, DISCONNECTED, reason, resolution, at),)
        case LoseIdentity(identity=identity):
            lost = lead.state in UNENDED or (lead.state == "failed" and lead.failure == DISCONNECTED)
            if not lead.begun or lead.identity != identity or not lost:
                return ()
            reason = "The identity its sequence goes through was deleted."
            resolution = "Nobody else can go on with it. Import the lead into another campaign."
            return (_lead_failed(lead, IDENTITY_DELETED, reason, resolution, at),)
        case RegainInbox(inbox=inbox, identity=identity):
            regained = lead.state == "failed" and lead.failure == DISCONNECTED
            same = (lead.inbox, lead.identity) == (inbox, identity)
            return (_recovered(lead, at),) if regained and same else ()
        case Finish():
            return _finished(lead, at) if lead.state in UNENDED else ()
        case _:
            assert_never(command)


def _finished(lead: Enrollment, at: datetime) -> tuple[LeadFinished]:
    return (
        LeadFinished(
            campaign=lead.campaign, enrollment=lead.id, identity=lead.identity, person=lead.person, at=at
        ),
    )


def _unsubscribed(lead: Enrollment, at: datetime) -> LeadUnsubscribed:
    return LeadUnsubscribed(
        campaign=lead.campaign, enrollment=lead.id, identity=lead.identity, person=lead.person, at=at
    )


def _bounced(lead: Enrollment, attempt: UUID, at: datetime) -> LeadBounced:
    return LeadBounced(
        campaign=lead.campaign,
        enrollment=lead.id,
        identity=lead.identity,
        person=lead.person,
        attempt=attempt,
        at=at,
    )


def _lead_failed(lead: Enrollment, code: str, reason: str, resolution: str, at: datetime) -> LeadFailed:
    return LeadFailed(
        campaign=lead.campaign,
        enrollment=lead.id,
        identity=lead.identity,
        person=lead.person,
        code=code,
        reason=reason,
        resolution=resolution,
        at=at,
    )


def _recovered(lead: Enrollment, at: datetime) -> LeadRecovered:
    return LeadRecovered(
        campaign=lead.campaign, enrollment=lead.id, identity=lead.identity, person=lead.person, at=at
    )


def unknown() -> Refused:
    return Refused("lead.unknown", "There is no such lead in your organization.", status=404)
