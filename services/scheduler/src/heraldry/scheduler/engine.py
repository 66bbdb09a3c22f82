"""The engine: dispatches what is due and possible, in every replica at once and without a leader.

It goes lane by lane, which is a sender and a kind of step: first whether and when the sender may act, then for its
best lead. What the read model says is only where to look; every decision is taken on streams, so that two engines
that look at the same moment dispatch a step once. A lane that cannot go on is left alone until the instant at which
it can, or until something about it changes: a tick costs what is due and possible, not what exists.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol, TypeAlias, cast
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
from heraldry.contracts.campaigns import CampaignSettings, StepKind
from heraldry.contracts.markers import Position
from heraldry.scheduler.campaigns import Campaigns
from heraldry.scheduler.channels import NEVER, Channel, Later, may_begin
from heraldry.scheduler.domain.campaign import Campaign
from heraldry.scheduler.domain.enrollment import Enrollment
from heraldry.scheduler.leads import Leads
from heraldry.scheduler.letters import UnwritableError
from heraldry.scheduler.projections import due
from heraldry.scheduler.projections.due import Lane, Running
from nats.errors import Error as NatsError

log = structlog.stdlib.get_logger(__name__)
CONTEXT: Final = "scheduler"
SYSTEM: Final = "system:scheduler"
LOOK_AGAIN: Final = 1.0  # seconds between two looks when nothing moved
MODEL_WITHIN: Final = 5.0  # seconds the read model may need to come to the end of the log
AT_ONCE: Final = 8  # lanes one process serves at the same time
WATCH_EVERY: Final = timedelta(minutes=1)
AFTER_TROUBLE: Final = timedelta(seconds=5)
OUR_TROUBLE: Final = (NatsError, TimeoutError, StoreUnavailableError, OSError)
OWN_DOING: Final = frozenset(
    {  # what never lets a sender go on that could not
        "QuotaConsumed",
        "StepDispatched",
        "LinkedInStepDispatched",
        "QuotaExhausted",
        "PoolPermitTaken",
        "SettingsRepeated",
        "LinkedInSettingsRepeated",
        "InboxAssigned",
        "LinkedInAssigned",
        "StepPutOff",
        "LeadEnrolled",
    }
)
FOR_ALL: Final = frozenset(
    {"PoolPermitReturned", "PoolZoneImported"}
)  # what lets every sender of the organization go on that could not
ENDING: Final = frozenset({"LeadFinished", "LeadReplied", "LeadBounced", "LeadUnsubscribed", "LeadFailed"})


Key: TypeAlias = tuple[str, StepKind]


class Halts(Protocol):
    def halted(self, *scopes: str) -> Halt | None:
        """The halt in force for the system or one of these scopes. Raises HaltUnknownError."""
        ...


class Acquainted(Protocol):
    """Whether an identity and a person are connected on LinkedIn, as far as is known."""

    async def __call__(self, identity: UUID, person: UUID) -> bool: ...


@dataclass(frozen=True, slots=True)
class Lead:
    """Where to look: a lead that may be next, and the campaign it is in. `begun`: it has this sender already."""

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
        campaigns: Campaigns,
        leads: Leads,
        channels: Mapping[StepKind, Channel],
        connected: Acquainted,
    ) -> None:
        self._store, self._model, self._clock, self._halt = store, model, clock, halt
        self._campaigns, self._leads = campaigns, leads
        self._channels, self._connected = channels, connected
        self._instants: dict[Key, datetime] = {}  # lane → when to look again; none: now
        self._turns: dict[tuple[Key, str], int] = {}  # lane and campaign → when it was served last
        self._turn = 0
        self._woken: set[Key] = set()  # lanes about which something changed since they were served
        self._taken: set[str] = set()  # leads some lane of this process has in hand
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
        for one in self._model.read(due.lanes):
            if one.identity in identities:
                self._instants.pop(one.key, None)
                self._woken.add(one.key)
        self._moved.set()

    async def tick(self) -> None:
        """Serve every lane whose instant has come, until none of them can go on now."""
        now = self._clock.now()
        open_ = self._model.read(due.lanes)
        self._instants = {one.key: at for one in open_ if (at := self._instants.get(one.key))}
        ready = [one for one in open_ if self._instants.get(one.key, now) <= now]
        free = asyncio.Semaphore(AT_ONCE)

        async def serve(one: Lane) -> None:
            async with free:
                self._woken.discard(one.key)
                later = await self._serve(one)
                if one.key not in self._woken:  # else something changed while it was served
                    self._instants[one.key] = later

        await asyncio.gather(*map(serve, ready))
        if not timedelta() <= now - self._watched < WATCH_EVERY:
            self._watched = now
            await self._watch()

    # --- one lane

    async def _serve(self, at: Lane) -> datetime:
        """Dispatch in one lane while it can; when to look again."""
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

    async def _next(self, at: Lane) -> datetime | None:
        """Dispatch one step, or find when one may be possible."""
        now = self._clock.now()
        running = self._running(at)
        waiting = self._first_due(at, running)
        if waiting > now:
            return waiting
        if self._is_halted(at):
            return now + AFTER_TROUBLE
        turn = await self._channels[at.kind].turn(at, now, self._asking(at))
        if isinstance(turn, Later):
            return turn.at
        lead = self._best(at, [one for one in running if one.pace != "even" or turn.paced <= now], now)
        if lead is None:
            return turn.paced  # there is something due, and only its pace is in the way
        self._taken.add(str(lead.enrollment))
        try:
            return await self._begin(at, lead)
        finally:
            self._taken.discard(str(lead.enrollment))

    def _running(self, at: Lane) -> Sequence[Running]:
        """The campaigns of this identity that have such steps, who was served longest ago first."""
        found = self._model.read(lambda db: due.running(db, at.identity))
        mine = [one for one in found if any(step.kind == at.kind for step in self._settings_of(one).steps)]
        return sorted(mine, key=lambda one: self._turns.get((at.key, one.id), 0))

    def _first_due(self, at: Lane, running: Sequence[Running]) -> datetime:
        """When anything is due in this lane."""
        instants = [NEVER]
        for one in running:
            instants += [datetime.fromisoformat(due_at) for _, due_at, _ in self._following(at, one, ())]
            if self._begins_here(at, one) and self._model.read(
                lambda db, one=one: due.first_of(db, one.id, ())
            ):
                instants.append(self._begins(one))
        return min(instants)

    def _best(self, at: Lane, running: Sequence[Running], now: datetime) -> Lead | None:
        """Follow-ups before first contacts, campaigns in turn."""
        for one in running:
            for enrollment, due_at, begun in self._following(at, one, self._taken):
                if datetime.fromisoformat(due_at) <= now:
                    return Lead(UUID(enrollment), one, begun)
        for one in running:
            if self._begins_here(at, one) and self._begins(one) <= now:
                first = self._model.read(lambda db, one=one: due.first_of(db, one.id, self._taken))
                if first is not None:
                    return Lead(UUID(first), one, begun=False)
        return None

    def _following(
        self, at: Lane, campaign: Running, taken: Collection[str]
    ) -> Sequence[tuple[str, str, bool]]:
        """Who of a campaign is next in mid-sequence, and when: of those that go on through this sender, and of
        those that come to this channel for the first time.
        """
        found = list[tuple[str, str, bool]]()
        following = self._model.read(lambda db: due.next_of(db, at, campaign.id))
        if following is not None:
            found.append((*following, True))
        if may_begin(at, campaign) and self._settings_of(campaign).comes_to(at.kind):
            joining = self._model.read(lambda db: due.joining_of(db, at, campaign.id, taken))
            if joining is not None:
                found.append((*joining, False))
        return sorted(found, key=lambda one: one[1])

    def _begins_here(self, at: Lane, campaign: Running) -> bool:
        """Whether the campaign's leads may begin in this lane."""
        steps = self._settings_of(campaign).steps
        return bool(steps) and steps[0].kind == at.kind and may_begin(at, campaign)

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

    def _is_halted(self, at: Lane) -> bool:
        try:
            return self._halt.halted(organization(UUID(at.organization)), account(at.sender)) is not None
        except HaltUnknownError:
            return True

    # --- one step

    async def _begin(self, at: Lane, found: Lead) -> datetime | None:
        """Dispatch the lead's next step, unless its own stream says otherwise."""
        channel, settings = self._channels[at.kind], self._settings_of(found.campaign)
        lead = await self._leads.load(found.enrollment)
        if isinstance(lead, Enrollment) and lead.goes_on and not await self._holds(lead, at, settings):
            skip = Asking(uuid5(lead.id, f"skip {lead.step}"), self._by(at))
            await self._leads.skip(lead, settings, skip)
            return await self._catch_up()
        if isinstance(lead, Enrollment) and lead.goes_on and not channel.has(lead) and not found.begun:
            lead = await channel.assign(lead, at, Asking(uuid5(found.enrollment, at.sender), self._by(at)))
        if not isinstance(lead, Enrollment) or not lead.goes_on or not channel.goes_through(lead, at):
            return await self._catch_up()  # the read model was behind, or another sender was quicker
        return await self._dispatch(at, found.campaign, lead)

    async def _holds(self, lead: Enrollment, at: Lane, settings: CampaignSettings) -> bool:
        """Whether the condition of its next step does."""
        if lead.step >= len(settings.steps) or settings.steps[lead.step].only_if == "always":
            return True
        identity = lead.identity if lead.begun else UUID(at.identity)
        connected = await self._connected(identity, lead.person)
        return connected == (settings.steps[lead.step].only_if == "connected")

    async def _dispatch(self, at: Lane, campaign: Running, lead: Enrollment) -> datetime | None:
        by = self._by(at).model_copy(
            update={"correlation": str(lead.attempt)}
        )  # of all that comes of this step
        asking, settings = Asking(lead.attempt, by), self._settings_of(campaign)
        try:
            await self._channels[at.kind].dispatch(lead, at, settings, asking)
        except UnwritableError as problem:
            await self._leads.fail(
                lead.id, problem.code, problem.reason, problem.resolution, self._asking(at)
            )
            return await self._catch_up()
        except Refused as refusal:
            match refusal.code:
                case "campaign.not-open":
                    if not await self._open(at, UUID(campaign.id)):
                        return await self._catch_up()
                    return None  # now it is open: the same lead again
                case "quota.exhausted" | "hours.outside":
                    until = refusal.extra.get("until")
                    return datetime.fromisoformat(until) if until else NEVER
                case "sender.closed" | "inbox.unknown" | "linkedin.not-linked" | "linkedin.unknown":
                    return NEVER
                case _:
                    raise
        self._turn += 1
        self._turns[at.key, campaign.id] = self._turn
        caught_up = await self._catch_up()
        if len(settings.channels) > 1:
            await self._look_back(lead, self._asking(at))
        return caught_up

    async def _look_back(self, lead: Enrollment, asking: Asking) -> None:
        """Who replied in the other channel while this step was being dispatched gets it no more."""
        present = await self._leads.load(lead.id)
        if isinstance(present, Enrollment) and present.replied:
            await self._leads.recall(lead.id, asking)

    async def _open(self, at: Lane, campaign: UUID) -> bool:
        """Let the campaign send from here, if its own stream says that it runs."""
        loaded = await self._campaigns.load(campaign)
        state = loaded.state
        if not isinstance(state, Campaign) or state.state != "active" or str(state.identity) != at.identity:
            return False
        await self._channels[at.kind].open(at, campaign, loaded.revision, self._asking(at))
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
        identities = {_meta(one, "identity") for one in batch if one.type not in OWN_DOING}
        organizations = {_meta(one, "organization") for one in batch if one.type in FOR_ALL}
        if organizations:
            lanes = self._model.read(due.lanes)
            identities |= {one.identity for one in lanes if one.organization in organizations}
        if identities:
            self.look_again(*identities)

    def _asking(self, at: Lane) -> Asking:
        return Asking(uuid4(), self._by(at))

    @staticmethod
    def _by(at: Lane) -> By:
        return By(organization=UUID(at.organization), actor=SYSTEM)


def _meta(stored: StoredEvent, name: str) -> str:
    return str(cast("Mapping[str, object]", orjson.loads(stored.meta)).get(name, ""))
