"""What is decided on an enrollment: how its sequence begins, goes on and ends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, TypeAlias, assert_never
from uuid import UUID

from heraldry.contracts.base import Erased, Refused
from heraldry.contracts.campaigns import (
    Condition,
    LeadBounced,
    LeadData,
    LeadFailed,
    LeadFinished,
    LeadRecovered,
    LeadReplied,
    LeadUnsubscribed,
    StepKind,
    StepSkipped,
)
from heraldry.contracts.linkedin import ProfileData
from heraldry.contracts.mailbox import SuppressionReason
from heraldry.scheduler.domain.enrollment import (
    UNENDED,
    Enrollment,
    Event,
    InboxAssigned,
    LeadDropped,
    LeadEnrolled,
    LeadProfileRead,
    LinkedInAssigned,
    NotEnrolled,
    State,
    StepFailed,
    StepPutOff,
    StepSent,
    StepUndecided,
    StepUnknown,
    attempt_of,
)

UNDECIDED_FOR: Final = timedelta(days=7)  # then an unknown outcome counts as sent
FIRST_PAUSE: Final = timedelta(minutes=1)
LONGEST_PAUSE: Final = timedelta(hours=1)
MOST_COSTLY: Final = 3  # tries of a step, where one that did not leave has used its permit
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
class Planned:
    """A step of the campaign: what it is, and how long after the one before it."""

    kind: StepKind
    delay: timedelta


@dataclass(frozen=True, slots=True)
class Assign:
    """Its emails begin through this inbox. One that has an inbox keeps it."""

    identity: UUID
    inbox: UUID
    sender: str
    at: datetime


@dataclass(frozen=True, slots=True)
class AssignLinkedIn:
    """Its LinkedIn steps begin as this member, with a step of this kind. One that has a member keeps it."""

    identity: UUID
    account: UUID
    sender: str
    kind: StepKind
    at: datetime


@dataclass(frozen=True, slots=True)
class Skip:
    """The condition of this step does not hold: the sequence goes on without it."""

    step: int
    only_if: Condition
    plan: Sequence[Planned]
    at: datetime


@dataclass(frozen=True, slots=True)
class PutOff:
    """This step may not be done before `until`."""

    step: int
    until: datetime
    code: str
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True)
class RecordSent:
    """`plan`: all steps of the campaign. `read`: what a scraping found."""

    attempt: UUID
    message_id: str
    subject: str
    sent_at: datetime
    plan: Sequence[Planned]
    at: datetime
    read: ProfileData | Erased | None = None


@dataclass(frozen=True, slots=True)
class RecordFailed:
    """This try did not leave. `again`: the reason passes. `bounced`: the recipient was refused for good. `costly`: its
    permit stays used, so it is not tried again for ever.
    """

    attempt: UUID
    code: str
    reason: str
    resolution: str
    at: datetime
    again: bool = False
    bounced: bool = False
    costly: bool = False


@dataclass(frozen=True, slots=True)
class RecordUnknown:
    attempt: UUID
    at: datetime


@dataclass(frozen=True, slots=True)
class CountAsSent:
    """Nobody has decided on an unknown outcome."""

    plan: Sequence[Planned]
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
    """The inbox its emails go through was disconnected, or belongs to another identity by now. It fails if its
    next step is an email: until then it needs no inbox.
    """

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
    | AssignLinkedIn
    | Skip
    | PutOff
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
        case Assign() | AssignLinkedIn() | Skip() | PutOff():
            return _before_it_leaves(command, state)
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


def _before_it_leaves(command: Assign | AssignLinkedIn | Skip | PutOff, lead: Enrollment) -> Sequence[Event]:
    if isinstance(command, Assign | AssignLinkedIn):
        return _assign(command, lead)
    return _not_now(command, lead) if command.step == lead.step and lead.goes_on else ()


def _assign(command: Assign | AssignLinkedIn, lead: Enrollment) -> Sequence[Event]:
    if not lead.goes_on or (lead.begun and lead.identity != command.identity):
        return ()
    if isinstance(command, AssignLinkedIn):
        if lead.linkedin:
            return ()
        assigned = LinkedInAssigned(
            enrollment=lead.id,
            identity=command.identity,
            account=command.account,
            sender=command.sender,
            kind=command.kind,
            at=command.at,
        )
        return (assigned,)
    if lead.inbox is not None:
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


def _not_now(command: Skip | PutOff, lead: Enrollment) -> Sequence[Event]:
    if isinstance(command, PutOff):
        put_off = StepPutOff(
            enrollment=lead.id,
            step=lead.step,
            until=command.until,
            code=command.code,
            reason=command.reason,
            at=command.at,
        )
        return (put_off,) if command.until > command.at else ()
    following = _after(command.plan, lead.step)
    skipped = StepSkipped(
        campaign=lead.campaign,
        enrollment=lead.id,
        identity=lead.identity,
        person=lead.person,
        step=lead.step,
        kind=command.plan[lead.step].kind,
        only_if=command.only_if,
        next_due=command.at + following.delay if following else None,
        next_kind=following.kind if following else "",
        at=command.at,
    )
    return (skipped,) if following else (skipped, *_finished(lead, command.at))


def _after(plan: Sequence[Planned], step: int) -> Planned | None:
    return plan[step + 1] if step + 1 < len(plan) else None


def _sent(command: RecordSent, lead: Enrollment) -> Sequence[Event]:
    step = _step_of(lead, command.attempt)
    if step is None:
        return ()
    following = _after(command.plan, step) if step == lead.step else None
    sent = StepSent(
        enrollment=lead.id,
        person=lead.person,
        step=step,
        attempt=command.attempt,
        message_id=command.message_id,
        subject=command.subject,
        sent_at=command.sent_at,
        next_due=command.sent_at + following.delay if following else None,
        next_kind=following.kind if following else "",
        at=command.at,
    )
    events: tuple[Event, ...] = (sent,)
    if command.read is not None:
        read = LeadProfileRead(
            enrollment=lead.id,
            person=lead.person,
            step=step,
            attempt=command.attempt,
            read=command.read,
            at=command.at,
        )
        events = (read, sent)
    last = step == lead.step and not following
    return (*events, *_finished(lead, command.at)) if last and lead.state in UNENDED | {"failed"} else events


def _step_of(lead: Enrollment, attempt: UUID) -> int | None:
    """Which step this proof is about, if it tells anything new."""
    if any(attempt_of(lead.id, lead.step, tries) == attempt for tries in range(lead.tries, -1, -1)):
        return lead.step
    return next((step for step, undecided in lead.undecided if undecided == attempt), None)


def _failed(command: RecordFailed, lead: Enrollment) -> Sequence[Event]:
    if command.attempt != lead.attempt:
        return ()
    spent = command.costly and lead.tries + 1 >= MOST_COSTLY
    again = command.again and not command.bounced and not spent
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
    following = _after(command.plan, lead.step)
    undecided = StepUndecided(
        enrollment=lead.id,
        step=lead.step,
        attempt=attempt,
        next_due=command.at + following.delay if following else None,
        next_kind=following.kind if following else "",
        at=command.at,
    )
    return (undecided,) if following else (undecided, *_finished(lead, command.at))


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
            if lead.inbox != inbox or lead.kind != "email" or lead.state not in UNENDED:
                return ()
            reason = "The inbox its emails go through was disconnected."
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
