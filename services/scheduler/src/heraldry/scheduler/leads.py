"""The leads of campaigns: each is decided on its own stream, with what others have said about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal, TypeAlias, assert_never
from uuid import UUID, uuid4

from heraldry.chassis.bus.rpc import Asking
from heraldry.chassis.clock import Clock
from heraldry.chassis.decider import Decider
from heraldry.chassis.readmodel import ReadModel
from heraldry.chassis.runner import Asked, Ran, Runner
from heraldry.chassis.vault.keys import KeyDestroyedError, KeyRing
from heraldry.contracts.base import Accepted, By, Erased
from heraldry.contracts.campaigns import CampaignSettings, LeadData, RetryLead, StepKind
from heraldry.contracts.linkedin import ProfileData
from heraldry.contracts.mailbox import (
    EmailBounced,
    EmailFailed,
    EmailOutcomeUnknown,
    EmailSent,
    ReplyReceived,
)
from heraldry.scheduler.application import Account, NotYetError, Scheduling, derived
from heraldry.scheduler.domain import sequence
from heraldry.scheduler.domain.enrollment import (
    NOT_ENROLLED,
    Enrollment,
    Event,
    State,
    enrollment_of,
    evolve,
)
from heraldry.scheduler.domain.sender import Sender, Withdraw
from heraldry.scheduler.linkedin import LinkedIn
from heraldry.scheduler.projections import campaigns, lead_rows
from heraldry.scheduler.projections.lead_rows import Row
from heraldry.scheduler.suppressions import Suppressions

enrollments: Decider[sequence.Command, State, Event] = Decider(NOT_ENROLLED, sequence.decide, evolve)
Became: TypeAlias = Literal["enrolled", "there already", "suppressed", "erased"]
HELD_BACK: Final = frozenset(
    {"conversation.stopped", "recipient.suppressed"}
)  # why it ends is said by another event
HARD: Final = frozenset({"recipient.unknown"})
NO_NEWS_FOR: Final = timedelta(minutes=35)  # after it could leave no more: a look-up takes 30 minutes
SYSTEM: Final = "system:scheduler"
RECONNECT: Final = "Connect the same address again, for the same identity: its leads go on by themselves."


@dataclass(frozen=True, slots=True)
class NewLead:
    """A lead of an import. `ordinal`: its place among the campaign's leads."""

    campaign: UUID
    organization: UUID
    identity: UUID
    import_id: UUID
    ordinal: int
    data: LeadData


class Leads:
    """What happens to one lead, whoever says it. `continuity` is about many of them."""

    def __init__(
        self,
        runner: Runner,
        model: ReadModel,
        keys: KeyRing,
        clock: Clock,
        scheduling: Scheduling,
        suppressions: Suppressions,
        linkedin: LinkedIn,
    ) -> None:
        self._runner, self._model, self._keys, self._clock = runner, model, keys, clock
        self._scheduling, self._suppressions, self._linkedin = scheduling, suppressions, linkedin
        self._asked: set[str] = set()  # attempts without news that were asked to be closed

    async def load(self, enrollment: UUID) -> State:
        return (await self._runner.load(enrollments, f"enrollment-{enrollment}")).state

    # --- its import

    async def enroll(self, new: NewLead, asking: Asking) -> Became:
        """Put a lead into a campaign. It is due only after its import's LeadsImported.

        The same import asking again is told `enrolled` again.
        """
        person = await self._suppressions.person_of(new.organization, new.data)
        if self._keys.is_erased(str(person)):
            return "erased"
        if await self._suppressions.includes(new.organization, new.data.email):
            return "suppressed"
        try:
            await self._keys.create(str(person))
        except KeyDestroyedError:
            return "erased"
        command = sequence.Enroll(
            enrollment=enrollment_of(new.campaign, person),
            campaign=new.campaign,
            organization=new.organization,
            identity=new.identity,
            person=person,
            import_id=new.import_id,
            ordinal=new.ordinal,
            data=new.data,
            at=self._clock.now(),
        )
        ran = await self._run(command.enrollment, command, asking, new.identity, new.organization)
        mine = isinstance(ran.state, Enrollment) and ran.state.import_id == new.import_id
        return "enrolled" if mine else "there already"

    async def drop(self, enrollment: UUID, import_id: UUID, asking: Asking) -> None:
        """Its import is undone before it counted."""
        await self.decide(enrollment, sequence.Drop(import_id, self._clock.now()), asking)

    # --- its steps

    async def assign(
        self, lead: Enrollment, inbox: UUID, sender: str, identity: UUID, asking: Asking
    ) -> State:
        """Begin its emails through this inbox, unless another one was quicker or nobody may write to it."""
        now = self._clock.now()
        address = "" if isinstance(lead.data, Erased) else lead.data.email
        reason = await self._suppressions.reason(lead.organization, address)
        command: sequence.Command = sequence.Assign(identity, inbox, sender, now)
        if reason is not None:
            command, asking = sequence.Suppress(reason, now), Asking(uuid4(), asking.by)
        return (await self._run(lead.id, command, asking, identity, lead.organization)).state

    async def assign_linkedin(
        self, lead: Enrollment, account: UUID, sender: str, identity: UUID, kind: StepKind, asking: Asking
    ) -> State:
        """Begin its LinkedIn steps as this member, with a step of this kind, unless it began as another one."""
        command = sequence.AssignLinkedIn(identity, account, sender, kind, self._clock.now())
        return (await self._run(lead.id, command, asking, identity, lead.organization)).state

    async def skip(self, lead: Enrollment, settings: CampaignSettings, asking: Asking) -> None:
        """The condition of its next step does not hold."""
        only_if = settings.steps[lead.step].only_if
        command = sequence.Skip(lead.step, only_if, plan_of(settings), self._clock.now())
        await self._run(lead.id, command, asking, lead.identity, lead.organization)

    async def put_off(
        self, lead: Enrollment, until: datetime, code: str, reason: str, asking: Asking
    ) -> None:
        """Its next step may not be done before."""
        command = sequence.PutOff(lead.step, until, code, reason, self._clock.now())
        await self._run(lead.id, command, asking, lead.identity, lead.organization)

    async def recall(self, enrollment: UUID, asking: Asking) -> None:
        """It has ended: what is leaving is asked not to leave any more, in whatever channel."""
        await self._scheduling.up_to_date()
        row = self._model.read(lambda db: lead_rows.one(db, str(enrollment)))
        if row is not None and row.attempt:
            await self._close(row, asking)

    async def _close(self, row: Row, asking: Asking) -> None:
        attempt = UUID(row.attempt)
        asking = Asking(derived(attempt, "withdraw"), asking.by)
        if row.next_kind != "email":
            await self._linkedin.cancel(row.linkedin, attempt, asking)
            return
        account = Account(row.sender, UUID(row.identity), UUID(row.organization))
        await self._scheduling.run(account, Withdraw(attempt, self._clock.now()), asking)

    async def fail(self, enrollment: UUID, code: str, reason: str, resolution: str, asking: Asking) -> None:
        """Its next step cannot be sent at all."""
        await self.decide(enrollment, sequence.Fail(code, reason, resolution, self._clock.now()), asking)

    async def done(
        self,
        enrollment: UUID,
        attempt: UUID,
        at: datetime,
        asking: Asking,
        read: ProfileData | Erased | None = None,
    ) -> None:
        """A LinkedIn step was done, or needed not to be. `read`: what a scraping found."""
        await self._scheduling.up_to_date()
        row = self._model.read(lambda db: lead_rows.one(db, str(enrollment)))
        if row is not None:
            plan = self._plan(row.campaign)
            command = sequence.RecordSent(attempt, "", "", at, plan, self._clock.now(), read)
            await self.of_row(row, command, asking)

    async def _sent(self, enrollment: UUID, event: EmailSent, asking: Asking) -> None:
        await self._scheduling.up_to_date()
        row = self._model.read(lambda db: lead_rows.one(db, str(enrollment)))
        if row is None:
            return
        command = sequence.RecordSent(
            attempt=event.attempt,
            message_id=event.message_id,
            subject=row.subject,
            sent_at=event.at,
            plan=self._plan(row.campaign),
            at=self._clock.now(),
        )
        await self.of_row(row, command, asking)

    async def _not_sent(self, enrollment: UUID, event: EmailFailed, asking: Asking) -> None:
        """What was held back for the recipient's sake is tried again unless its end arrives meanwhile: the
        two are told in no order.
        """
        state, found, now = await self.load(enrollment), event.diagnosis, self._clock.now()
        if isinstance(state, Enrollment) and found.code in HELD_BACK and not isinstance(state.data, Erased):
            reason = await self._suppressions.reason(state.organization, state.data.email)
            if reason is not None:
                await self.decide(enrollment, sequence.Suppress(reason, now), Asking(uuid4(), asking.by))
        command = sequence.RecordFailed(
            attempt=event.attempt,
            code=found.code,
            reason=found.cause,
            resolution=found.resolution,
            at=now,
            again=event.again or not event.proven or found.code in HELD_BACK,
            bounced=found.code in HARD,
        )
        await self.decide(enrollment, command, asking)

    async def watch(self, now: datetime) -> None:
        """What nothing else brings on. A step without news is asked to be closed, never tried anew; an
        outcome that nobody decides on counts as sent; whose email is due without its inbox fails.
        """
        lost = self._model.read(lambda db: lead_rows.lost_on_their_way(db, now - NO_NEWS_FOR))
        self._asked &= {row.attempt for row in lost}
        for row in lost:
            if row.attempt in self._asked:
                continue
            await self._close(row, Asking(uuid4(), _by(row)))
            self._asked.add(row.attempt)
        for row in self._model.read(lambda db: lead_rows.undecided(db, now - sequence.UNDECIDED_FOR)):
            command = sequence.CountAsSent(self._plan(row.campaign), self._clock.now())
            await self.of_row(row, command, Asking(uuid4(), _by(row)))
        for row in self._model.read(lambda db: lead_rows.due_without_inbox(db, now)):
            await self._lose_inbox(row, Asking(uuid4(), _by(row)))

    async def _lose_inbox(self, row: Row, asking: Asking) -> None:
        """If it is so, as the account's stream says."""
        account = await self._scheduling.state(row.sender)
        if isinstance(account, Sender) and (
            account.closed == "disconnected" or str(account.identity) != row.identity
        ):
            await self.of_row(row, sequence.LoseInbox(account.inbox, self._clock.now()), asking)

    async def record(
        self,
        enrollment: UUID,
        outcome: EmailSent | EmailFailed | EmailOutcomeUnknown | EmailBounced | ReplyReceived,
        asking: Asking,
    ) -> None:
        """What became of a mail of its sequence, whenever that is told."""
        match outcome:
            case EmailSent():
                await self._sent(enrollment, outcome, asking)
            case EmailFailed():
                await self._not_sent(enrollment, outcome, asking)
            case EmailOutcomeUnknown(attempt=attempt):
                command = sequence.RecordUnknown(attempt, self._clock.now())
                await self.decide(enrollment, command, asking)
            case EmailBounced(attempt=attempt):
                await self.decide(enrollment, sequence.RecordBounce(attempt, self._clock.now()), asking)
            case ReplyReceived(attempt=attempt):
                await self.decide(enrollment, sequence.RecordReply(attempt, self._clock.now()), asking)
            case _:
                assert_never(outcome)

    # --- what a person asks

    async def retry(self, command: RetryLead, asking: Asking) -> Accepted:
        state = await self.load(command.enrollment)
        unresolved = await self._unresolved(state) if isinstance(state, Enrollment) else ""
        wish = sequence.Retry(asking.by.organization, unresolved, self._clock.now())
        return self._runner.accepted(await self.decide(command.enrollment, wish, asking))

    async def _unresolved(self, lead: Enrollment) -> str:
        """What still keeps a failed lead from going on; empty: nothing."""
        row = self._model.read(lambda db: campaigns.one(db, str(lead.campaign)))
        if row is not None and row.state == "finished":
            return "The campaign has ended. Import the lead into another one."
        if lead.failure == sequence.IDENTITY_DELETED:
            return (
                "The identity its sequence goes through was deleted. Import the lead into another campaign."
            )
        address = "" if isinstance(lead.data, Erased) else lead.data.email
        if await self._suppressions.includes(lead.organization, address):
            return "The address is on the suppression list. Take it off first."
        if lead.inbox is None or lead.kind != "email":
            return ""
        account = await self._scheduling.state(lead.sender)
        if not isinstance(account, Sender) or account.identity != lead.identity:
            return RECONNECT
        return RECONNECT if account.closed in ("disconnected", "identity-deleted") else ""

    # --- what those beside it use, too

    async def decide(self, enrollment: UUID, command: sequence.Command, asking: Asking) -> Ran[State, Event]:
        """Carry a command out on a lead's stream, in the name of the identity that has it now."""
        state = await self.load(enrollment)
        if not isinstance(state, Enrollment):
            return await self._run(enrollment, command, asking, None, asking.by.organization)
        return await self._run(enrollment, command, asking, state.identity, state.organization)

    async def of_row(self, row: Row, command: sequence.Command, asking: Asking) -> None:
        await self._run(UUID(row.enrollment), command, asking, UUID(row.identity), UUID(row.organization))

    async def _run(
        self,
        enrollment: UUID,
        command: sequence.Command,
        asking: Asking,
        identity: UUID | None,
        organization: UUID | None,
    ) -> Ran[State, Event]:
        asked = Asked(asking.id, asking.by, self._clock.now(), identity, organization)
        return await self._runner.run(enrollments, f"enrollment-{enrollment}", command, asked)

    def _plan(self, campaign: str) -> Sequence[sequence.Planned]:
        """Of its steps: what is begun keeps their kinds and their delays."""
        row = self._model.read(lambda db: campaigns.one(db, campaign))
        if row is None:
            raise NotYetError(f"What is known of the campaign {campaign}")
        return plan_of(CampaignSettings.model_validate_json(row.settings))


def plan_of(settings: CampaignSettings) -> Sequence[sequence.Planned]:
    return [sequence.Planned(step.kind, timedelta(hours=step.delay)) for step in settings.steps]


def _by(row: Row) -> By:
    return By(organization=UUID(row.organization), actor=SYSTEM)
