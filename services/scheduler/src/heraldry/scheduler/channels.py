"""By what steps leave: each channel says when a sender may act, and lets one step begin. The engine chooses which."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Protocol, TypeAlias, cast
from uuid import UUID, uuid5

from heraldry.chassis.bus.rpc import Asking
from heraldry.chassis.clock import Clock
from heraldry.contracts.base import Refused
from heraldry.contracts.campaigns import CampaignSettings, StepKind
from heraldry.contracts.linkedin import ActionKind
from heraldry.scheduler.application import Account, Scheduling
from heraldry.scheduler.domain import linkedin_sender
from heraldry.scheduler.domain.calendar import next_opening
from heraldry.scheduler.domain.enrollment import Enrollment, State
from heraldry.scheduler.domain.linkedin_sender import LinkedInSender, SayExhausted
from heraldry.scheduler.domain.pacing import at_once, even, today_of, today_on_linkedin
from heraldry.scheduler.domain.permits import use
from heraldry.scheduler.domain.sender import Dispatch, Sender
from heraldry.scheduler.leads import Leads
from heraldry.scheduler.letters import Letters
from heraldry.scheduler.linkedin import LinkedIn
from heraldry.scheduler.projections.due import Lane, Running

NEVER: Final = datetime.max.replace(tzinfo=UTC)
WITHDRAWN_LATELY: Final = "invitation.withdrawn-lately"
SLOWED_DOWN: Final = "linkedin.slowed-down"


@dataclass(frozen=True, slots=True)
class Later:
    """Nothing may begin before."""

    at: datetime


@dataclass(frozen=True, slots=True)
class Now:
    """A step may begin; of a campaign that is spread over the day, from `paced` on."""

    paced: datetime


Turn: TypeAlias = Later | Now


class Channel(Protocol):
    async def turn(self, lane: Lane, now: datetime, asking: Asking) -> Turn:
        """Whether the sender may act now, as its stream says."""
        ...

    def has(self, lead: Enrollment) -> bool:
        """Whether the lead has its sender in this channel already."""
        ...

    def goes_through(self, lead: Enrollment, lane: Lane) -> bool: ...

    async def assign(self, lead: Enrollment, lane: Lane, asking: Asking) -> State:
        """Begin what the lead gets in this channel through this sender."""
        ...

    async def dispatch(
        self, lead: Enrollment, lane: Lane, settings: CampaignSettings, asking: Asking
    ) -> None:
        """Let the lead's next step begin, or put it off. Raises UnwritableError; refused as `Scheduling` and
        `LinkedIn` refuse.
        """
        ...

    async def open(self, lane: Lane, campaign: UUID, revision: int, asking: Asking) -> None:
        """The campaign runs as of this revision of its stream: it may act through this sender."""
        ...


class Mails:
    """Emails, through inboxes."""

    def __init__(self, clock: Clock, scheduling: Scheduling, leads: Leads, letters: Letters) -> None:
        self._clock, self._scheduling, self._leads, self._letters = clock, scheduling, leads, letters

    async def turn(self, lane: Lane, now: datetime, asking: Asking) -> Turn:
        state = await self._scheduling.state(lane.sender)
        if not isinstance(state, Sender) or state.closed or state.hours is None:
            return Later(NEVER)
        opening = next_opening(now, state.hours)
        if opening is None or opening > now:
            return Later(opening or NEVER)
        today = today_of(state, state.hours, now)
        if at_once(today) > now:
            return Later(at_once(today))
        if (exhausted := use(state, now).next_possible) is not None:
            await self._scheduling.say_exhausted(lane.sender, asking)
            return Later(exhausted)
        return Now(even(today))

    def has(self, lead: Enrollment) -> bool:
        return lead.inbox is not None

    def goes_through(self, lead: Enrollment, lane: Lane) -> bool:
        return lead.sender == lane.sender

    async def assign(self, lead: Enrollment, lane: Lane, asking: Asking) -> State:
        inbox, identity = UUID(lane.account), UUID(lane.identity)
        return await self._leads.assign(lead, inbox, lane.sender, identity, asking)

    async def dispatch(
        self, lead: Enrollment, lane: Lane, settings: CampaignSettings, asking: Asking
    ) -> None:
        step = Dispatch(
            organization=lead.organization,
            attempt=lead.attempt,
            letter=await self._letters.write(lead, settings),
            at=self._clock.now(),
            campaign=lead.campaign,
            enrollment=lead.id,
            identity=lead.identity,
        )
        await self._scheduling.dispatch_step(lane.sender, step, asking)

    async def open(self, lane: Lane, campaign: UUID, revision: int, asking: Asking) -> None:
        await self._scheduling.open_campaign(lane.sender, campaign, revision, asking)


class LinkedInSteps:
    """Invitations and messages, as a member of LinkedIn. Each kind has limits of its own."""

    def __init__(self, clock: Clock, linkedin: LinkedIn, leads: Leads, letters: Letters) -> None:
        self._clock, self._linkedin, self._leads, self._letters = clock, linkedin, leads, letters

    async def turn(self, lane: Lane, now: datetime, asking: Asking) -> Turn:
        state, kind = await self._linkedin.state(lane.sender), _action(lane)
        if not isinstance(state, LinkedInSender) or state.closed:
            return Later(NEVER)
        opening = next_opening(now, state.hours)
        if opening is None or opening > now:
            return Later(opening or NEVER)
        if (paused := state.paused_until(kind, now)) is not None:
            return Later(paused)
        scraping = kind == "scraping"
        shared = self._linkedin.pool_size if scraping else 0
        today = today_on_linkedin(state, kind, now, state.allowed(kind) + shared)
        if at_once(today) > now:
            return Later(at_once(today))
        exhausted = await self._linkedin.next_scraping(state, now) if scraping else state.use(kind, now).until
        if exhausted is not None:
            account = Account(lane.sender, state.identity, state.organization)
            await self._linkedin.run(account, SayExhausted(kind, now, exhausted), asking)
            return Later(exhausted)
        return Now(even(today))

    def has(self, lead: Enrollment) -> bool:
        return lead.linkedin != ""

    def goes_through(self, lead: Enrollment, lane: Lane) -> bool:
        return lead.linkedin == lane.sender

    async def assign(self, lead: Enrollment, lane: Lane, asking: Asking) -> State:
        account, identity = UUID(lane.account), UUID(lane.identity)
        return await self._leads.assign_linkedin(lead, account, lane.sender, identity, lane.kind, asking)

    async def dispatch(
        self, lead: Enrollment, lane: Lane, settings: CampaignSettings, asking: Asking
    ) -> None:
        """What only this lead has to wait for is put off: an invitation withdrawn lately, a note too many."""
        now = self._clock.now()
        action = await self._letters.action(lead, settings)
        step = linkedin_sender.Dispatch(
            organization=lead.organization,
            attempt=lead.attempt,
            action=action,
            at=now,
            campaign=lead.campaign,
            enrollment=lead.id,
            identity=lead.identity,
        )
        try:
            await self._linkedin.dispatch(lane.sender, step, asking)
        except Refused as refusal:
            if refusal.code not in {WITHDRAWN_LATELY, SLOWED_DOWN}:
                raise
            until = datetime.fromisoformat(refusal.extra["until"])
            put_off = Asking(uuid5(lead.attempt, f"put off {until.isoformat()}"), asking.by)
            await self._leads.put_off(lead, until, refusal.code, refusal.detail, put_off)

    async def open(self, lane: Lane, campaign: UUID, revision: int, asking: Asking) -> None:
        await self._linkedin.open_campaign(lane.sender, campaign, revision, asking)


def channels(
    clock: Clock, scheduling: Scheduling, linkedin: LinkedIn, leads: Leads, letters: Letters
) -> Mapping[StepKind, Channel]:
    """By what each kind of step leaves."""
    steps = LinkedInSteps(clock, linkedin, leads, letters)
    return {
        "email": Mails(clock, scheduling, leads, letters),
        "invitation": steps,
        "message": steps,
        "scraping": steps,
    }


def _action(lane: Lane) -> ActionKind:
    return cast("ActionKind", lane.kind)


def may_begin(lane: Lane, campaign: Running) -> bool:
    """Whether the campaign's leads may begin what they get in this channel through this sender."""
    return lane.kind != "email" or campaign.inbox in {"", lane.account}
