"""Enrolling the leads of confirmed imports, and clearing up after imports that have ended. In every replica.

Nothing here needs to be done by one alone: a lead is enrolled once whoever tries, and an import ends once. A
lease keeps replicas from doing the same for nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import Final
from uuid import UUID, uuid5

import structlog
from heraldry.chassis.bus.rpc import Asking
from heraldry.chassis.clock import Clock
from heraldry.chassis.leases import Leases
from heraldry.chassis.points import Points
from heraldry.chassis.readmodel import ReadModel
from heraldry.chassis.store.port import StoreUnavailableError
from heraldry.chassis.tasks import check_cancelled, end
from heraldry.contracts.base import By, Refused
from heraldry.scheduler.domain import importing
from heraldry.scheduler.domain.importing import Import, ImportConfirmed
from heraldry.scheduler.imports import GONE, ImportLoaded, Imports, person_named
from heraldry.scheduler.leads import Leads, NewLead
from heraldry.scheduler.projections import imports as rows
from heraldry.scheduler.reading import Candidate, candidates
from nats.errors import Error as NatsError

log = structlog.stdlib.get_logger(__name__)
LOOK_EVERY: Final = 0.25  # seconds
IMPORTS_AT_ONCE: Final = 4
CHUNK: Final = 256  # leads after which others may have a turn, and the import is looked at anew
CAMPAIGN_ENDED: Final = "its campaign was ended"
LEADS_AT_ONCE: Final = 64
OUR_TROUBLE: Final = (NatsError, TimeoutError, StoreUnavailableError, OSError, Refused)
ACTOR: Final = "system:scheduler"


@dataclass(slots=True)
class Enrolling:
    """`run` it in a task. Cancelled or killed, what was begun is found again."""

    imports: Imports
    leads: Leads
    model: ReadModel
    up_to_date: Callable[[], Awaitable[None]]  # returns when the model is where the log ended
    clock: Clock
    leases: Leases
    reach: Points
    _running: dict[UUID, asyncio.Task[None]] = field(default_factory=dict[UUID, asyncio.Task[None]])

    async def run(self) -> None:
        try:
            while True:
                check_cancelled()
                for found in self.model.read(partial(rows.work, now=self.clock.now())):
                    if found.import_id not in self._running and len(self._running) < IMPORTS_AT_ONCE:
                        self._running[found.import_id] = asyncio.create_task(self._do(found))
                await asyncio.sleep(LOOK_EVERY)
        finally:
            await end(*self._running.values())

    async def _do(self, work: rows.Work) -> None:
        import_id = work.import_id
        try:
            if not await self.leases.take(import_id):
                return
            match work.what:
                case "enroll":
                    await self.enroll(import_id)
                case "clear":
                    await self.clear(import_id)
                case _:
                    await self._run(import_id, importing.Expire(self.clock.now()))
            await self.leases.release(import_id)
        except OUR_TROUBLE as error:
            log.warning("an import is put off", import_id=str(import_id), because=type(error).__name__)
        except Exception:
            log.exception("an import failed and is tried again", import_id=str(import_id))
        finally:
            self._running.pop(import_id, None)

    async def enroll(self, import_id: UUID) -> None:
        """All its leads, those enrolled already included; then they count, all at once."""
        loaded = await self.imports.load(import_id)
        present = loaded.state
        if not isinstance(present, Import) or present.progress != "importing":
            return
        by = _confirmed_by(loaded)
        try:
            content, report = await self.imports.content(present), await self.imports.report(present)
        except GONE:  # it has ended meanwhile
            return
        hashed = await self.imports.hashed(present.organization)
        left_out = frozenset(report.wrong)
        found = candidates(content, present.format, report.columns, left_out, hashed)
        mine = 0
        while chunk := await asyncio.to_thread(lambda: list(islice(found, CHUNK))):
            await self.leases.take(import_id)
            campaign = await self.imports.campaign(present.campaign, present.organization)
            if campaign.state == "finished":
                await self._run(import_id, importing.GiveUp(CAMPAIGN_ENDED, self.clock.now()))
            if not await self._goes_on(import_id):
                return
            mine += await self._chunk(present, campaign.identity, chunk, by)
            await self.reach("enrolling.chunk")
            if not await self._goes_on(import_id):  # another replica finished it, or it was undone
                await self._drop_uncounted(import_id)
                return
        campaign = await self.imports.campaign(present.campaign, present.organization)
        if campaign.state == "finished":
            await self._run(import_id, importing.GiveUp(CAMPAIGN_ENDED, self.clock.now()))
            await self._drop_uncounted(import_id)
            return
        finish = importing.Finish(campaign.identity, mine, self.clock.now())
        asking = Asking(uuid5(import_id, "finish"), by)
        await self.imports.run(import_id, finish, asking)

    async def clear(self, import_id: UUID) -> None:
        """Of an import that was undone nothing remains; of one that is done, the leads that count."""
        present = (await self.imports.load(import_id)).state
        if not isinstance(present, Import) or present.progress not in importing.ENDED or present.cleared:
            return
        await self._drop_uncounted(import_id)
        await self.imports.clear(present)
        await self._run(import_id, importing.Clear(self.clock.now()))

    async def _chunk(self, present: Import, identity: UUID, chunk: Sequence[Candidate], by: By) -> int:
        """Enroll these, but for who became known since the file was checked; how many are this import's."""
        known = await self.imports.known(
            present, [one.digest for one in chunk], [one.found.profile for one in chunk]
        )
        free = asyncio.Semaphore(LEADS_AT_ONCE)

        async def enroll(one: Candidate) -> bool:
            person = person_named(one.digest)
            new = NewLead(
                campaign=present.campaign,
                organization=present.organization,
                identity=identity,
                import_id=present.id,
                ordinal=present.first + one.row,
                data=one.data,
            )
            async with free:
                became = await self.leads.enroll(new, Asking(uuid5(present.id, str(person)), by))
            return became == "enrolled"

        new_ones = [one for one in chunk if not known.leaves_out(one.digest, one.found.profile)]
        return sum(await asyncio.gather(*map(enroll, new_ones)))

    async def _drop_uncounted(self, import_id: UUID) -> None:
        """The leads that were enrolled after its end, or before it was undone."""
        await self.up_to_date()
        free = asyncio.Semaphore(LEADS_AT_ONCE)

        async def drop(enrollment: UUID) -> None:
            asking = Asking(uuid5(import_id, f"drop {enrollment}"), By(organization=None, actor=ACTOR))
            async with free:
                await self.leads.drop(enrollment, import_id, asking)

        await asyncio.gather(*map(drop, self.model.read(partial(rows.uncounted, import_id=import_id))))

    async def _goes_on(self, import_id: UUID) -> bool:
        present = (await self.imports.load(import_id)).state
        return isinstance(present, Import) and present.progress == "importing"

    async def _run(self, import_id: UUID, command: importing.Command) -> None:
        asking = Asking(uuid5(import_id, type(command).__name__), By(organization=None, actor=ACTOR))
        await self.imports.run(import_id, command, asking)


def _confirmed_by(loaded: ImportLoaded) -> By:
    """Who confirmed it: the leads are enrolled on their behalf."""
    meta, confirmed = next(
        (one.meta, one.stored) for one in loaded.decoded if isinstance(one.event, ImportConfirmed)
    )
    return By(
        organization=UUID(meta.organization) if meta.organization else None,
        actor=meta.actor,
        correlation=meta.correlation,
        causation=str(confirmed.id),
    )
