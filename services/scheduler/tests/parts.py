"""The parts of the scheduler on a real store with its read model, without a bus; for tests."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4, uuid5

from heraldry.chassis.bus.rpc import Asking
from heraldry.chassis.clock import MovableClock
from heraldry.chassis.codec import Codec, Meta
from heraldry.chassis.past import Pasts
from heraldry.chassis.readmodel import ReadModel, StoreFeed
from heraldry.chassis.runner import Runner
from heraldry.chassis.store.port import NO_STREAM, StoredEvent
from heraldry.chassis.store.sqlite import SqliteStore
from heraldry.chassis.testing.memory import MemoryKeys
from heraldry.contracts.base import By, Event
from heraldry.contracts.campaigns import LeadData, LeadsImported
from heraldry.contracts.identity import ContactDetails, Interval, WorkingHours
from heraldry.scheduler.adapters.templates import LiquidTemplates
from heraldry.scheduler.application import CONTEXT, Scheduling
from heraldry.scheduler.blocks import Blocks
from heraldry.scheduler.campaign_questions import CampaignQuestions
from heraldry.scheduler.campaign_reactions import ImportPerson
from heraldry.scheduler.campaigns import Campaigns
from heraldry.scheduler.continuity import Continuity
from heraldry.scheduler.domain import sender
from heraldry.scheduler.domain.enrollment import LeadEnrolled, attempt_of, enrollment_of
from heraldry.scheduler.leads import Leads
from heraldry.scheduler.linkedin import LinkedIn
from heraldry.scheduler.linkedin_standing import Linked, LinkedInStanding
from heraldry.scheduler.scrapings import Scrapings
from heraldry.scheduler.service import PROJECTIONS, TYPES
from heraldry.scheduler.speakers import Speakers
from heraldry.scheduler.standing import Connected, Standing
from heraldry.scheduler.suppressions import Suppressions
from heraldry.scheduler.withdrawals import Withdrawals

NORTHWIND, OTHERS, ADA, BOB, EVE = (UUID(int=n) for n in range(1, 6))
MONDAY_NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
ALWAYS = WorkingHours(
    zone="UTC", week=tuple(Interval(day=day, start="00:00", end="24:00") for day in range(1, 8))
)
USER = By(organization=NORTHWIND, actor="user:ada")
SHARED = 100  # scrapings of an organization a day
STRANGER = By(organization=OTHERS, actor="user:eve")


def asking(by: By = USER) -> Asking:
    return Asking(uuid4(), by)


@dataclass
class Parts:
    """One replica: several may share the store's file."""

    store: SqliteStore
    keys: MemoryKeys
    clock: MovableClock
    codec: Codec
    runner: Runner
    model: ReadModel
    scheduling: Scheduling
    standing: Standing
    speakers: Speakers
    campaigns: Campaigns
    questions: CampaignQuestions
    linkedin: LinkedIn
    scrapings: Scrapings
    linkedin_standing: LinkedInStanding
    withdrawals: Withdrawals

    def continuity(self, leads: Leads, suppressions: Suppressions) -> Continuity:
        """What follows for these leads from what becomes of their inbox and identity."""
        return Continuity(
            self.store,
            self.model,
            self.clock,
            self.scheduling,
            self.standing,
            self.campaigns,
            self.speakers,
            suppressions,
            leads,
        )

    async def identity(self, identity: UUID, name: str = "Ada Bergström", by: By = USER) -> None:
        """As its own context said it."""
        organization = by.organization
        assert organization is not None
        first, _, last = name.partition(" ")
        said = ImportPerson(
            organization=organization,
            identity=identity,
            name=name,
            details=ContactDetails(first_name=first, last_name=last),
            revision=0,
        )
        await self.speakers.learn(said, asking(by))
        await self.standing.hours(identity, ALWAYS, 0, asking(by))

    async def inbox(self, address: str, identity: UUID = ADA, by: By = USER) -> UUID:
        """Connected, as its own context said it."""
        organization, inbox = by.organization, uuid4()
        assert organization is not None
        await self.standing.connected(Connected(organization, inbox, identity, address, 0), asking(by))
        await self.scheduling.up_to_date()
        return inbox

    async def member(
        self,
        sender: str = "member-1",
        identity: UUID = ADA,
        revision: int = 0,
        by: By = USER,
        *,
        navigator: bool = False,
    ) -> UUID:
        """Linked, as the driver said it; the account."""
        account = uuid5(identity, "linkedin")
        linked = Linked(
            account,
            identity,
            sender,
            sales_navigator=navigator,
            revision=revision,
            said_at=self.clock.now(),
        )
        await self.linkedin_standing.linked(linked, asking(by))
        await self.scheduling.up_to_date()
        return account

    async def leads(self, campaign: UUID, *data: LeadData, identity: UUID = ADA) -> Sequence[UUID]:
        """Imported; their enrollments."""
        import_id, enrolled = uuid4(), list[UUID]()
        for ordinal, lead in enumerate(data):
            person = uuid4()
            await self.keys.create(str(person))
            enrollment = enrollment_of(campaign, person)
            event = LeadEnrolled(
                enrollment=enrollment,
                campaign=campaign,
                organization=NORTHWIND,
                identity=identity,
                person=person,
                import_id=import_id,
                ordinal=ordinal,
                data=lead,
                at=self.clock.now(),
            )
            await self.append(f"enrollment-{enrollment}", event)
            enrolled.append(enrollment)
        await self.append(
            f"import-{import_id}",
            LeadsImported(
                import_id=import_id,
                campaign=campaign,
                identity=identity,
                leads=len(data),
                at=self.clock.now(),
            ),
        )
        await self.scheduling.up_to_date()
        return enrolled

    async def append(self, stream: str, *events: Event) -> None:
        meta = Meta(
            command=str(uuid4()),
            actor="system:scheduler",
            time=self.clock.now().isoformat(),
            organization=str(NORTHWIND),
            identity=str(ADA),
        )
        last = await self.store.read_stream_backwards(f"{CONTEXT}.{stream}", limit=1)
        expected = last[0].revision if last else NO_STREAM
        await self.store.append(
            f"{CONTEXT}.{stream}", await self.codec.encode(events, meta), expected=expected
        )

    async def stored(self, stream: str) -> Sequence[StoredEvent]:
        return await self.store.read_stream(f"{CONTEXT}.{stream}")

    async def log(self) -> Sequence[tuple[StoredEvent, Event]]:
        """All there is, oldest first."""
        found = await self.store.read_all(after=-1, limit=10_000)
        return [(one, await self.codec.event(one)) for one in found]

    async def dispatch(self, campaign: UUID, enrollment: UUID, name: str, step: int = 0) -> bool:
        """One step of a lead through an account, as the engine does it; whether it was permitted now."""
        letter = sender.Letter(uuid4(), "lea@maison.example", "Hello", "Good morning")
        attempt = attempt_of(enrollment, step, 0)
        command = sender.Dispatch(
            NORTHWIND, attempt, letter, self.clock.now(), campaign=campaign, enrollment=enrollment
        )
        return (await self.scheduling.dispatch_step(name, command, asking())).fresh


@asynccontextmanager
async def parts(
    folder: Path,
    replica: str = "0",
    keys: MemoryKeys | None = None,
    clock: MovableClock | None = None,
    *,
    heard_within: float = 0.0,
    shared: int = SHARED,
) -> AsyncGenerator[Parts]:
    """One replica of the scheduler; `keys` and `clock` of another one for a second on the same
    store; `heard_within`: how long it waits for what other contexts say.
    """
    keys, clock = keys or MemoryKeys(CONTEXT), clock or MovableClock(MONDAY_NOON)
    async with AsyncExitStack() as stack:
        store = SqliteStore(folder / "scheduler.sqlite3")
        stack.push_async_callback(store.close)
        codec = Codec(TYPES, keys)
        runner = Runner(CONTEXT, store, codec)
        model = ReadModel(folder / f"read-{replica}.sqlite3", PROJECTIONS)
        stack.callback(model.close)
        feed = StoreFeed(CONTEXT, store, codec, model)
        await feed.start()
        stack.push_async_callback(feed.stop)
        blocks = Blocks(runner, keys, clock)
        scrapings = Scrapings(runner, clock, shared)
        linkedin = LinkedIn(runner, store, model, keys, clock, blocks, scrapings)
        linkedin_standing = LinkedInStanding(linkedin, runner, model, clock)
        scheduling = Scheduling(runner, store, model, keys, clock, others=linkedin)
        speakers, templates = Speakers(runner, keys, clock), LiquidTemplates()
        yield Parts(
            store,
            keys,
            clock,
            codec,
            runner,
            model,
            scheduling,
            Standing(scheduling, runner, model, keys, clock, linkedin_standing),
            speakers,
            Campaigns(runner, model, clock, scheduling, speakers, templates, heard_within),
            CampaignQuestions(model, scheduling, speakers, templates, Pasts(CONTEXT, store, codec, clock)),
            linkedin,
            scrapings,
            linkedin_standing,
            Withdrawals(runner, model, keys, clock, linkedin, blocks),
        )
