"""The enrollment: one lead in one campaign. Stream `enrollment-<uuid5 of campaign and person>`.

It holds how far the sequence has come and why it ended. That a step is leaving stands in the sender's stream
alone; here its outcome is recorded. Outcomes may come late, twice and in any order: what is proven to have been
sent is never sent again, whatever was recorded before. What is decided on it is in `sequence`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated, Final, Literal, TypeAlias, assert_never
from uuid import UUID, uuid5

from heraldry.contracts.base import Erased, Personal
from heraldry.contracts.base import Event as AnyEvent
from heraldry.contracts.campaigns import (
    OF_PROFILE,
    LeadBounced,
    LeadData,
    LeadFailed,
    LeadFinished,
    LeadRecovered,
    LeadReplied,
    LeadState,
    LeadUnsubscribed,
    StepKind,
    StepSkipped,
)
from heraldry.contracts.linkedin import ProfileData

Lead = Personal("person")
NextKind: TypeAlias = StepKind | Literal[""]  # empty: there is no next step
OPEN: Final[frozenset[LeadState]] = frozenset({"waiting", "in progress"})
UNENDED: Final[frozenset[LeadState]] = frozenset({"waiting", "in progress", "outcome unknown"})


def enrollment_of(campaign: UUID, person: UUID) -> UUID:
    """The id of a person's enrollment in a campaign: a storage format."""
    return uuid5(campaign, str(person))


def attempt_of(enrollment: UUID, step: int, tries: int) -> UUID:
    """The id of one try at a step: a storage format. The same one is dispatched once, whoever asks."""
    return uuid5(enrollment, f"{step}/{tries}")


class LeadEnrolled(AnyEvent):
    """Private. `ordinal`: its place among the campaign's leads. Due only after its import's LeadsImported."""

    enrollment: UUID
    campaign: UUID
    organization: UUID
    identity: UUID
    person: UUID
    import_id: UUID
    ordinal: int
    data: Annotated[LeadData | Erased, Lead]


class LeadDropped(AnyEvent):
    """Private. Its import was undone before it counted: as if it had never been enrolled."""

    enrollment: UUID
    import_id: UUID


class InboxAssigned(AnyEvent):
    """Private. Every email of this lead goes through this inbox (R-BOX-11). It begins with one."""

    enrollment: UUID
    identity: UUID
    inbox: UUID
    sender: str


class LinkedInAssigned(AnyEvent):
    """Private. Every LinkedIn step of this lead is done as this member. `kind`: of the step it begins with."""

    enrollment: UUID
    identity: UUID
    account: UUID
    sender: str
    kind: StepKind


def with_profile(data: LeadData, read: ProfileData) -> LeadData:
    """A lead with what its profile says where the import said nothing (R-LIM-2)."""
    found = {name: str(getattr(read, name)) for name in OF_PROFILE}
    new = {name: text for name, text in found.items() if text and not data.own.get(name, "").strip()}
    return data.model_copy(
        update={
            "first_name": data.first_name or read.first_name,
            "last_name": data.last_name or read.last_name,
            "own": {**data.own, **new},
        }
    )


class StepSent(AnyEvent):
    """Private. `next_due`, `next_kind`: of the following step; None: there is none. A LinkedIn step has neither
    message id nor subject.
    """

    enrollment: UUID
    person: UUID
    step: int
    attempt: UUID
    message_id: str
    subject: Annotated[str | Erased, Lead]
    sent_at: datetime
    next_due: datetime | None
    next_kind: NextKind = "email"


class LeadProfileRead(AnyEvent):
    """Private. What LinkedIn's page of the lead said when this step read it."""

    enrollment: UUID
    person: UUID
    step: int
    attempt: UUID
    read: Annotated[ProfileData | Erased, Lead]


class StepPutOff(AnyEvent):
    """Private. The next step may not be done before `until`. `code`, `reason`: why."""

    enrollment: UUID
    step: int
    until: datetime
    code: str
    reason: str


class StepFailed(AnyEvent):
    """Private. This try did not leave. `again`: the reason passes, another one may follow from `next_due`.

    `tries`: how many at this step did not leave, this one included.
    """

    enrollment: UUID
    step: int
    tries: int
    attempt: UUID
    code: str
    reason: str
    again: bool
    next_due: datetime


class StepUnknown(AnyEvent):
    """Private. It may have left or not: a person decides."""

    enrollment: UUID
    step: int
    attempt: UUID


class StepUndecided(AnyEvent):
    """Private. Nobody decided for 7 days: it counts as sent (R-CAMP-5)."""

    enrollment: UUID
    step: int
    attempt: UUID
    next_due: datetime | None
    next_kind: NextKind = "email"


Event: TypeAlias = (
    LeadEnrolled
    | LeadDropped
    | InboxAssigned
    | LinkedInAssigned
    | StepSent
    | LeadProfileRead
    | StepSkipped
    | StepPutOff
    | StepFailed
    | StepUnknown
    | StepUndecided
    | LeadReplied
    | LeadBounced
    | LeadUnsubscribed
    | LeadFinished
    | LeadFailed
    | LeadRecovered
)


@dataclass(frozen=True, slots=True)
class NotEnrolled:
    """There is no such lead in the campaign."""


@dataclass(frozen=True, slots=True)
class Mail:
    """A step that was sent, or done on LinkedIn."""

    step: int
    attempt: UUID
    message_id: str
    subject: str
    sent_at: datetime


@dataclass(frozen=True, slots=True)
class Enrollment:
    id: UUID
    campaign: UUID
    organization: UUID
    identity: UUID
    person: UUID
    import_id: UUID
    data: LeadData | Erased
    state: LeadState = "waiting"
    step: int = 0  # the next one
    kind: NextKind = "email"  # of that step, once the lead has begun
    tries: int = 0  # of that step, which did not leave
    due: datetime | None = None  # of the next step; None: as the campaign's start says, or nothing is due
    inbox: UUID | None = None
    sender: str = ""
    linkedin: str = ""  # the member its LinkedIn steps are done as
    thread: tuple[Mail, ...] = ()  # what was sent, oldest first
    unknown: tuple[UUID, datetime] | None = None  # the attempt with an unknown outcome, and since when
    undecided: tuple[tuple[int, UUID], ...] = ()  # steps and attempts that count as sent undecided
    replied: bool = False
    failure: str = ""  # the code

    @property
    def attempt(self) -> UUID:
        """The id under which the next step is tried."""
        return attempt_of(self.id, self.step, self.tries)

    @property
    def goes_on(self) -> bool:
        """Whether its next step may be sent when it is due."""
        return self.state in OPEN

    @property
    def begun(self) -> bool:
        """Whether it has an account of some channel, and with it its identity for good."""
        return self.inbox is not None or self.linkedin != ""


State: TypeAlias = NotEnrolled | Enrollment
NOT_ENROLLED = NotEnrolled()


def evolve(state: State, event: Event) -> State:
    if isinstance(event, LeadEnrolled):
        return Enrollment(
            id=event.enrollment,
            campaign=event.campaign,
            organization=event.organization,
            identity=event.identity,
            person=event.person,
            import_id=event.import_id,
            data=event.data,
        )
    if isinstance(state, NotEnrolled) or isinstance(event, LeadDropped):
        return NOT_ENROLLED
    if isinstance(event, LeadProfileRead):
        return _told(state, event)
    match event:
        case InboxAssigned(identity=identity, inbox=inbox, sender=sender):
            return replace(state, identity=identity, inbox=inbox, sender=sender, kind="email", due=event.at)
        case LinkedInAssigned(identity=identity, sender=sender, kind=kind):
            return replace(state, identity=identity, linkedin=sender, kind=kind, due=event.at)
        case StepSent() | StepFailed() | StepUnknown() | StepUndecided() | StepSkipped() | StepPutOff():
            return _went_on(state, event)
        case LeadReplied():
            kept = state.state == "unsubscribed"
            return replace(state, state=state.state if kept else "replied", replied=True, failure="")
        case LeadBounced():
            return replace(state, state="bounced", failure="")
        case LeadUnsubscribed():
            return replace(state, state="unsubscribed", failure="")
        case LeadFinished():
            return replace(state, state="finished", failure="")
        case LeadFailed(code=code):
            return replace(state, state="failed", failure=code)
        case LeadRecovered():
            return replace(state, state=_open(state), failure="")
        case _:
            assert_never(event)


def _told(lead: Enrollment, event: LeadProfileRead) -> Enrollment:
    if isinstance(lead.data, Erased) or isinstance(event.read, Erased):
        return lead
    return replace(lead, data=with_profile(lead.data, event.read))


def _went_on(
    lead: Enrollment,
    event: StepSent | StepFailed | StepUnknown | StepUndecided | StepSkipped | StepPutOff,
) -> Enrollment:
    match event:
        case StepSkipped(step=step):
            return _on(lead, step, event)
        case StepPutOff(until=until):
            return replace(lead, due=until)
        case StepSent(step=step, attempt=attempt):
            subject = "" if isinstance(event.subject, Erased) else event.subject
            mail = Mail(step, attempt, event.message_id, subject, event.sent_at)
            thread = tuple(sorted((*lead.thread, mail), key=lambda one: one.step))
            if step < lead.step:  # the proof of one that counted as sent came late
                left = tuple(one for one in lead.undecided if one[1] != attempt)
                return replace(lead, thread=thread, undecided=left)
            return _on(replace(lead, thread=thread), step, event)
        case StepUndecided(step=step, attempt=attempt):
            return _on(replace(lead, undecided=(*lead.undecided, (step, attempt))), step, event)
        case StepFailed(tries=tries, next_due=next_due):
            lead = replace(lead, tries=tries, due=next_due, unknown=None)
            return replace(lead, state=_open(lead)) if lead.state in UNENDED else lead
        case StepUnknown(attempt=attempt):
            lead = replace(lead, unknown=(attempt, event.at))
            return replace(lead, state="outcome unknown") if lead.state in UNENDED else lead
        case _:
            assert_never(event)


def _on(lead: Enrollment, step: int, event: StepSent | StepUndecided | StepSkipped) -> Enrollment:
    """To the step after this one."""
    lead = replace(lead, step=step + 1, kind=event.next_kind, tries=0, due=event.next_due, unknown=None)
    return replace(lead, state=_open(lead)) if lead.state in UNENDED else lead


def _open(lead: Enrollment) -> LeadState:
    if lead.unknown is not None:
        return "outcome unknown"
    return "in progress" if lead.step else "waiting"
