"""The scheduler as it is, on a store of its own, without a bus: every part but how it is asked."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from uuid import UUID, uuid4

from heraldry.chassis.bus.reactions import Reaction, command_id
from heraldry.chassis.bus.rpc import Asking
from heraldry.chassis.clock import MovableClock
from heraldry.chassis.codec import Codec, Meta
from heraldry.chassis.halt import Halt
from heraldry.chassis.readmodel import ReadModel, StoreFeed
from heraldry.chassis.runner import Runner
from heraldry.chassis.store.port import NO_STREAM
from heraldry.chassis.store.sqlite import SqliteStore
from heraldry.chassis.testing.memory import MemoryKeys
from heraldry.contracts.base import By, Envelope, Event
from heraldry.scheduler.adapters.templates import LiquidTemplates
from heraldry.scheduler.application import CONTEXT, Scheduling
from heraldry.scheduler.blocks import Blocks
from heraldry.scheduler.campaigns import Campaigns
from heraldry.scheduler.channels import channels
from heraldry.scheduler.continuity import Continuity
from heraldry.scheduler.engine import Engine
from heraldry.scheduler.leads import Leads
from heraldry.scheduler.letters import Letters
from heraldry.scheduler.linkedin import LinkedIn
from heraldry.scheduler.linkedin_leads import LinkedInLeads
from heraldry.scheduler.linkedin_standing import LinkedInStanding
from heraldry.scheduler.linkedin_subscriptions import OwnLinkedIn
from heraldry.scheduler.scrapings import Scrapings
from heraldry.scheduler.service import PROJECTIONS, TYPES
from heraldry.scheduler.speakers import Speakers
from heraldry.scheduler.standing import Standing
from heraldry.scheduler.subscriptions import OWN, REACTIONS, Own
from heraldry.scheduler.suppressions import Suppressions
from heraldry.scheduler.withdrawals import Withdrawals

ORGANIZATION = UUID(int=1)
BY = By(organization=ORGANIZATION, actor="user:simulation")


class NoHalt:
    def halted(self, *scopes: str) -> Halt | None:
        del scopes


def asking() -> Asking:
    return Asking(uuid4(), BY)


@dataclass
class Installation:
    """`hear` gives it what other contexts say, `follow` what it says itself."""

    store: SqliteStore
    keys: MemoryKeys
    clock: MovableClock
    codec: Codec
    model: ReadModel
    scheduling: Scheduling
    campaigns: Campaigns
    leads: Leads
    engine: Engine
    own: Own
    revisions: dict[str, int]
    seen: int = 0

    async def hear(self, stream: str, event: Event, identity: UUID) -> None:
        """Another context published this."""
        revision = self.revisions[stream] = self.revisions.get(stream, -1) + 1
        await self._react(REACTIONS, event, stream, revision, str(uuid4()), identity)

    async def follow(self) -> list[Event]:
        """What was stored since the last time, after this context's own reactions to it."""
        found: list[Event] = []
        while batch := await self.store.read_all(after=self.seen, limit=1000):
            for one in batch:
                event = await self.codec.event(one)
                found.append(event)
                meta = Meta.read(one)
                identity = UUID(meta.identity) if meta.identity else None
                await self._react(OWN, event, one.stream, one.revision, str(one.id), identity)
            self.seen = batch[-1].position
            await self.scheduling.up_to_date()
            self.engine.hear(batch)
        return found

    async def append(self, stream: str, event: Event, identity: UUID) -> None:
        meta = Meta(
            command=str(uuid4()),
            actor=BY.actor,
            time=event.at.isoformat(),
            organization=str(ORGANIZATION),
            identity=str(identity),
        )
        encoded = await self.codec.encode((event,), meta)
        await self.store.append(f"{CONTEXT}.{stream}", encoded, expected=NO_STREAM)

    async def _react(
        self,
        reactions: tuple[Reaction, ...],
        event: Event,
        stream: str,
        revision: int,
        cause: str,
        identity: UUID | None,
    ) -> None:
        concerned = [one for one in reactions if isinstance(event, one.events)]
        if not concerned:
            return
        kind = type(event).__name__
        envelope = Envelope[Event].model_construct(
            id=cause,
            source="/heraldry/simulation",
            type=kind,
            time=event.at,
            dataschema=f"heraldry:{kind}:1",
            organization=str(ORGANIZATION),
            identity=str(identity or ""),
            stream=stream,
            revision=revision,
            position="simulation:1:1",
            data=event,
        )
        for one in concerned:
            for number, command in enumerate(one.handler(envelope)):
                await self.own(command, by=BY, id=command_id(cause, one.name, number))


@asynccontextmanager
async def installation(folder: Path, start: datetime) -> AsyncGenerator[Installation]:
    keys, clock = MemoryKeys(CONTEXT), MovableClock(start)
    async with AsyncExitStack() as stack:
        store = SqliteStore(folder / "scheduler.sqlite3")
        stack.push_async_callback(store.close)
        codec = Codec(TYPES, keys)
        runner = Runner(CONTEXT, store, codec)
        model = ReadModel(folder / "read.sqlite3", PROJECTIONS)
        stack.callback(model.close)
        feed = StoreFeed(CONTEXT, store, codec, model)
        await feed.start()
        stack.push_async_callback(feed.stop)
        suppressions = Suppressions(runner, keys, clock)
        blocks = Blocks(runner, keys, clock)
        scrapings = Scrapings(runner, clock, 100)
        linkedin = LinkedIn(runner, store, model, keys, clock, blocks, scrapings)
        scheduling = Scheduling(runner, store, model, keys, clock, suppressions.includes, linkedin)
        linkedin_standing = LinkedInStanding(linkedin, runner, model, clock)
        standing = Standing(scheduling, runner, model, keys, clock, linkedin_standing)
        speakers, templates = Speakers(runner, keys, clock), LiquidTemplates()
        campaigns = Campaigns(runner, model, clock, scheduling, speakers, templates)
        leads = Leads(runner, model, keys, clock, scheduling, suppressions, linkedin)
        continuity = Continuity(
            store, model, clock, scheduling, standing, campaigns, speakers, suppressions, leads
        )
        letters = Letters(templates, speakers.speaker)
        linkedin_leads = LinkedInLeads(runner, clock, leads)
        steps = channels(clock, scheduling, linkedin, leads, letters)
        engine = Engine(store, model, clock, NoHalt(), campaigns, leads, steps, linkedin_leads.connected)
        withdrawals = Withdrawals(runner, model, keys, clock, linkedin, blocks)
        of_linkedin = OwnLinkedIn(linkedin, linkedin_standing, withdrawals, linkedin_leads, scrapings)
        own = Own(scheduling, standing, speakers, campaigns, leads, continuity, of_linkedin)
        yield Installation(store, keys, clock, codec, model, scheduling, campaigns, leads, engine, own, {})
