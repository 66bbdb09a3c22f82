"""The engine: dispatches what is due and possible, in every replica at once and without a leader.

It goes sender by sender: first whether and when the sender may send, then for its best lead. What the read model
says is only where to look; every decision is taken on streams, so that two engines that look at the same moment
dispatch a step once. A sender that cannot go on is left alone until the instant at which it can, or until
something about it changes: a tick costs what is due and possible, not what exists.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol, cast
from uuid import UUID, uuid4, uuid5

import orjson
import structlog
from heraldry.chassis.bus.rpc import Asking
from heraldry.chassis.clock import Clock
from heraldry.chassis.halt import Halt, HaltUnknownError, account, organization
from heraldry.chassis.readmodel import ReadModel
from heraldry.chassis.store.port import EventStore, StoredEvent, StoreUnavailableError
from heraldry.chassis.tasks import check_cancelled, end
from heraldry.contracts.base import By, Refused
from heraldry.contracts.campaigns import CampaignSettings
from heraldry.contracts.markers import Position
from heraldry.scheduler.application import Scheduling
from heraldry.scheduler.campaigns import Campaigns
from heraldry.scheduler.domain.calendar import next_opening
from heraldry.scheduler.domain.campaign import Campaign
from heraldry.scheduler.domain.enrollment import Enrollment
from heraldry.scheduler.domain.pacing import at_once, even, today_of
from heraldry.scheduler.domain.permits import use
from heraldry.scheduler.domain.sender import Dispatch, Sender
from heraldry.scheduler.leads import Leads
from heraldry.scheduler.letters import Letters, UnwritableError
from heraldry.scheduler.projections import due
from heraldry.scheduler.projections.due import Account, Running
from nats.errors import Error as NatsError

log = structlog.stdlib.get_logger(__name__)
CONTEXT: Final = "scheduler"
SYSTEM: Final = "system:scheduler"
LOOK_AGAIN: Final = 1.0  # seconds between two looks when nothing moved
MODEL_WITHIN: Final = 5.0  # seconds the read model may need to come to the end of the log
AT_ONCE: Final = 8  # senders one process serves at the same time
WATCH_EVERY: Final = timedelta(minutes=1)
AFTER_TROUBLE: Final = timedelta(seconds=5)
NEVER: Final = datetime.max.replace(tzinfo=UTC)
OUR_TROUBLE: Final = (NatsError, TimeoutError, StoreUnavailableError, OSError)
OWN_DOING: Final = frozenset(
    {  # what never lets a sender go on that could not
        "QuotaConsumed",
        "StepDispatched",
        "QuotaExhausted",
        "SettingsRepeated",
        "InboxAssigned",
        "LeadEnrolled",
    }
)
ENDING: Final = frozenset({"LeadFinished", "LeadReplied", "LeadBounced", "LeadUnsubscribed", "LeadFailed"})


class Halts(Protocol):
    def halted(self, *scopes: str) -> Halt | None:
        """The halt in force for the system or one of these scopes. Raises HaltUnknownError."""
        ...


@dataclass(frozen=True, slots=True)
class Lead:
    """Where to look: a lead that may be next, and the campaign it is in. `begun`: it has this inbox already."""

    enrollment: UUID
    campaign: Running
    begun: bool


class Engine:
    """`run` it in a task, in every replica. `tick` is one look at everything that may be possible now."""

    def __init__(  # noqa: PLR0913, PLR0917  a composition root names each part once
        self,
        store: EventStore,
        model: ReadModel,
        clock: Clock,
        halt: Halts,
        scheduling: Scheduling,
        campaigns: Campaigns,
        leads: Leads,
        letters: Letters,
    ) -> None:
        self._store, self._model, self._clock, self._halt = store, model, clock, halt
        self._scheduling, self._campaigns, self._leads = scheduling, campaigns, leads
        self._letters = letters
        self._instants: dict[str, datetime] = {}  # sender → when to look again; none: now
        self._turns: dict[tuple[str, str], int] = {}  # sender and campaign → when it was served last
        self._turn = 0
        self._woken: set[str] = set()  # senders about which something changed since they were served
        self._taken: set[str] = set()  # leads some sender of this process has in hand
        self._settings: dict[str, tuple[int, CampaignSettings]] = {}
        self._watched = datetime.min.replace(tzinfo=UTC)
        self._moved = asyncio.Event()

    async def run(self) -> None:
        noticing = asyncio.create_task(self._notice())
        try:
            while True:
                check_cancelled()
                self._moved.clear()
                await self.tick()
                with suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_AGAIN):
                        await self._moved.wait()
        finally:
            await end(noticing)

    def next_instant(self) -> datetime:
        """When there may be something to do, as far as is known now."""
        return min(self._instants.values(), default=NEVER)

    def look_again(self, *identities: str) -> None:
        """Something about these identities changed: what was not possible may be now."""
        for one in self._model.read(due.accounts):
            if one.identity in identities:
                self._instants.pop(one.sender, None)
                self._woken.add(one.sender)
        self._moved.set()

    async def tick(self) -> None:
        """Serve every sender whose instant has come, until none of them can go on now."""
        now = self._clock.now()
        open_ = self._model.read(due.accounts)
        self._instants = {one.sender: at for one in open_ if (at := self._instants.get(one.sender))}
        ready = [one for one in open_ if self._instants.get(one.sender, now) <= now]
        free = asyncio.Semaphore(AT_ONCE)

        async def serve(one: Account) -> None:
            async with free:
                self._woken.discard(one.sender)
                later = await self._serve(one)
                if one.sender not in self._woken:  # else something changed while it was served
                    self._instants[one.sender] = later

        await asyncio.gather(*map(serve, ready))
        if not timedelta() <= now - self._watched < WATCH_EVERY:
            self._watched = now
            await self._watch()

    # --- one sender

    async def _serve(self, at: Account) -> datetime:
        """Dispatch through one sender while it can; when to look again."""
        try:
            while True:
                check_cancelled()
                later = await self._next(at)
                if later is not None:
                    return later
        except Refused as refusal:
            log.warning("a sender is left alone for a while", sender=at.sender, because=refusal.code)
        except OUR_TROUBLE as error:
            log.warning("a sender is left alone for a while", sender=at.sender, because=type(error).__name__)
        return self._clock.now() + AFTER_TROUBLE

    async def _next(self, at: Account) -> datetime | None:
        """Dispatch one step, or find when one may be possible."""
        now = self._clock.now()
        running = self._running(at)
        waiting = self._first_due(at, running)
        if waiting > now:
            return waiting
        if self._is_halted(at):
            return now + AFTER_TROUBLE
        state = await self._scheduling.state(at.sender)
        if not isinstance(state, Sender) or state.closed or state.hours is None:
            return NEVER
        opening = next_opening(now, state.hours)
        if opening is None or opening > now:
            return opening or NEVER
        today = today_of(state, state.hours, now)
        if at_once(today) > now:
            return at_once(today)
        if (exhausted := use(state, now).next_possible) is not None:
            await self._scheduling.say_exhausted(at.sender, self._asking(at))
            return exhausted
        paced = even(today)
        lead = self._best(at, [one for one in running if one.pace != "even" or paced <= now], now)
        if lead is None:
            return paced  # there is something due, and only its pace is in the way
        self._taken.add(str(lead.enrollment))
        try:
            return await self._begin(at, lead)
        finally:
            self._taken.discard(str(lead.enrollment))

    def _running(self, at: Account) -> Sequence[Running]:
        """The campaigns that may send through this inbox, who was served longest ago first."""
        found = self._model.read(lambda db: due.running(db, at.identity))
        return sorted(found, key=lambda one: self._turns.get((at.sender, one.id), 0))

    def _first_due(self, at: Account, running: Sequence[Running]) -> datetime:
        """When anything is due for this sender."""
        instants = [NEVER]
        for one in running:
            found = self._model.read(lambda db, one=one: due.next_of(db, at.sender, one.id))
            if found is not None:
                instants.append(datetime.fromisoformat(found[1]))
            if self._may_begin(at, one) and self._model.read(
                lambda db, one=one: due.first_of(db, one.id, ())
            ):
                instants.append(self._begins(one))
        return min(instants)

    def _best(self, at: Account, running: Sequence[Running], now: datetime) -> Lead | None:
        """Follow-ups before first contacts, campaigns in turn."""
        for one in running:
            found = self._model.read(lambda db, one=one: due.next_of(db, at.sender, one.id))
            if found is not None and datetime.fromisoformat(found[1]) <= now:
                return Lead(UUID(found[0]), one, begun=True)
        for one in running:
            if self._may_begin(at, one) and self._begins(one) <= now:
                first = self._model.read(lambda db, one=one: due.first_of(db, one.id, self._taken))
                if first is not None:
                    return Lead(UUID(first), one, begun=False)
        return None

    @staticmethod
    def _may_begin(at: Account, campaign: Running) -> bool:
        return campaign.inbox in {"", at.inbox}

    def _begins(self, campaign: Running) -> datetime:
        """When the first step of a campaign's leads is due."""
        steps = self._settings_of(campaign).steps
        delay = timedelta(hours=steps[0].delay) if steps else timedelta()
        return datetime.fromisoformat(campaign.started_at) + delay

    def _settings_of(self, campaign: Running) -> CampaignSettings:
        known = self._settings.get(campaign.id)
        if known is None or known[0] != campaign.revision:
            known = campaign.revision, CampaignSettings.model_validate_json(campaign.settings)
            self._settings[campaign.id] = known
        return known[1]

    def _is_halted(self, at: Account) -> bool:
        try:
            return self._halt.halted(organization(UUID(at.organization)), account(at.sender)) is not None
        except HaltUnknownError:
            return True

    # --- one step

    async def _begin(self, at: Account, found: Lead) -> datetime | None:
        """Dispatch the lead's next step, unless its own stream says otherwise."""
        asking = Asking(uuid5(found.enrollment, at.sender), self._by(at))
        lead = await self._leads.load(found.enrollment)
        if isinstance(lead, Enrollment) and lead.goes_on and not lead.begun and not found.begun:
            lead = await self._leads.assign(lead, UUID(at.inbox), at.sender, UUID(at.identity), asking)
        if not isinstance(lead, Enrollment) or not lead.goes_on or lead.sender != at.sender:
            return await self._catch_up()  # the read model was behind, or another sender was quicker
        try:
            letter = await self._letters.write(lead, self._settings_of(found.campaign))
        except UnwritableError as problem:
            await self._leads.fail(
                lead.id, problem.code, problem.reason, problem.resolution, self._asking(at)
            )
            return await self._catch_up()
        step = Dispatch(
            organization=lead.organization,
            attempt=lead.attempt,
            letter=letter,
            at=self._clock.now(),
            campaign=lead.campaign,
            enrollment=lead.id,
            identity=lead.identity,
        )
        return await self._dispatch(at, found.campaign, step)

    async def _dispatch(self, at: Account, campaign: Running, step: Dispatch) -> datetime | None:
        asking = Asking(step.attempt, self._by(at))
        try:
            await self._scheduling.dispatch_step(at.sender, step, asking)
        except Refused as refusal:
            match refusal.code:
                case "campaign.not-open":
                    if not await self._open(at, UUID(campaign.id)):
                        return await self._catch_up()
                    return None  # now it is open: the same lead again
                case "quota.exhausted" | "hours.outside":
                    until = refusal.extra.get("until")
                    return datetime.fromisoformat(until) if until else NEVER
                case "sender.closed" | "inbox.unknown":
                    return NEVER
                case _:
                    raise
        self._turn += 1
        self._turns[at.sender, campaign.id] = self._turn
        return await self._catch_up()

    async def _open(self, at: Account, campaign: UUID) -> bool:
        """Let the campaign send from here, if its own stream says that it runs."""
        loaded = await self._campaigns.load(campaign)
        state = loaded.state
        if not isinstance(state, Campaign) or state.state != "active" or str(state.identity) != at.identity:
            return False
        await self._scheduling.open_campaign(at.sender, campaign, loaded.revision, self._asking(at))
        return True

    async def _catch_up(self) -> datetime | None:
        """None once the read model shows what was just done: until then it would show the same lead again."""
        head = Position(CONTEXT, self._store.epoch, await self._store.head())
        if await self._model.wait_for([str(head)], MODEL_WITHIN):
            return None
        return self._clock.now() + AFTER_TROUBLE

    # --- all of it

    async def _watch(self) -> None:
        """What nothing else brings on: leads nobody decided about, lost steps, campaigns that have ended."""
        try:
            await self._leads.watch(self._clock.now())
            for campaign in self._model.read(due.ended):
                await self._campaigns.finish_if_done(UUID(campaign))
        except (Refused, *OUR_TROUBLE) as error:
            log.warning("the watchdog tries again", because=type(error).__name__)

    async def _notice(self) -> None:
        """Hear of stored events once they are in the read model."""
        async for batch in self._store.subscribe(after=await self._store.head()):
            reached = Position(CONTEXT, self._store.epoch, batch[-1].position)
            while not await self._model.wait_for([str(reached)], LOOK_AGAIN):
                check_cancelled()
            self.hear(batch)

    def hear(self, batch: Sequence[StoredEvent]) -> None:
        """These events were stored, by whomever."""
        if not ENDING.isdisjoint(one.type for one in batch):
            self._watched = NEVER  # a campaign may have ended with it
        identities = {_identity(one) for one in batch if one.type not in OWN_DOING}
        if identities:
            self.look_again(*identities)

    def _asking(self, at: Account) -> Asking:
        return Asking(uuid4(), self._by(at))

    @staticmethod
    def _by(at: Account) -> By:
        return By(organization=UUID(at.organization), actor=SYSTEM)


def _identity(stored: StoredEvent) -> str:
    return str(cast("Mapping[str, object]", orjson.loads(stored.meta)).get("identity", ""))
