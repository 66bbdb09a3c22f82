"""Reading what comes back to connected inboxes: who reads, from where on, and when again."""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress
from pathlib import Path
from typing import Final
from uuid import UUID

import structlog
from heraldry.chassis.crew import OUR_TROUBLE
from heraldry.chassis.leases import Leases
from heraldry.chassis.points import Points
from heraldry.chassis.points import none as no_points
from heraldry.chassis.tasks import check_cancelled, end
from heraldry.contracts.base import Value
from heraldry.mailbox import ports, projections
from heraldry.mailbox.domain import inbox
from heraldry.mailbox.workers.desk import NO_PASSWORD, Desk, is_lost
from heraldry.mailbox.workers.intake import Intake
from nats.errors import Error as NatsError
from pydantic import ValidationError

log = structlog.stdlib.get_logger(__name__)
FIRST_PAUSE: Final = 1.0  # seconds before a server that was away is tried again
LONGEST_PAUSE: Final = 60.0
LASTED: Final = 120.0  # seconds after which a connection counts as a good one
WAIT: Final = 60.0  # seconds of one wait for news
LOOKED_BACK: Final = 200  # UIDs before the first connection that are looked at


class _Place(Value):
    """How far an inbox was read. Lost, it is read again, which changes nothing."""

    uidvalidity: int
    uid: int


class Places:
    """How far this replica has read, a small file for each inbox."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def of(self, found: UUID) -> _Place | None:
        try:
            return _Place.model_validate_json((self._folder / f"{found}.json").read_bytes())
        except (OSError, ValidationError):
            return None

    def keep(self, found: UUID, uidvalidity: int, uid: int) -> None:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        written = self._folder / f"{found}.new"
        written.write_text(_Place(uidvalidity=uidvalidity, uid=uid).model_dump_json(), encoding="ascii")
        written.replace(self._folder / f"{found}.json")


class ReadWorker:
    """Has one reader for each connected inbox, in one replica as long as the leases can be had."""

    def __init__(
        self,
        desk: Desk,
        mailbox: ports.Mailbox,
        leases: Leases,
        places: Places,
        points: Points = no_points,
    ) -> None:
        self._desk, self._mailbox, self._leases, self._places = desk, mailbox, leases, places
        self._points = points
        self._intake = Intake(desk, points)
        self._readers: dict[UUID, asyncio.Task[None]] = {}

    def look(self) -> None:
        """Begin with inboxes that are connected now, leave those that are not."""
        wanted = {held.inbox for held in self._desk.model.read(projections.readable)}
        for found, task in list(self._readers.items()):
            if task.done():
                del self._readers[found]
            elif found not in wanted:
                task.cancel()
        for found in wanted - self._readers.keys():
            self._readers[found] = asyncio.create_task(self._read(found), name=f"read {found}")

    async def stop(self) -> None:
        await end(*self._readers.values())

    async def _read(self, found: UUID) -> None:
        """Until the inbox is not connected any more; a server that is away is tried again and again."""
        pause, loop = FIRST_PAUSE, asyncio.get_running_loop()
        while (live := await self._live(found)) is not None:
            began = loop.time()
            try:
                if await self._may_read(found):
                    await self._session(live)
                else:
                    await asyncio.sleep(_about(self._leases.renewed_every))
                continue
            except ports.FolderChanged:
                check_cancelled()
                continue
            except ports.MailProblem as problem:
                log.info("reading stopped", inbox=str(found), because=problem.diagnosis.code)
                if is_lost(problem.diagnosis) and live.live is not None:
                    await self._desk.lose(live, live.live.secret, problem.diagnosis)
                    continue
            except (*NO_PASSWORD, *OUR_TROUBLE) as error:
                log.warning("reading stopped", inbox=str(found), because=type(error).__name__)
            except Exception:
                log.exception("reading failed", inbox=str(found))
            pause = FIRST_PAUSE if loop.time() - began > LASTED else min(2 * pause, LONGEST_PAUSE)
            await asyncio.sleep(_about(pause))

    async def _live(self, found: UUID) -> inbox.Inbox | None:
        state = await self._desk.inbox(found)
        return state if state is not None and state.live is not None else None

    async def _may_read(self, found: UUID) -> bool:
        """Whether the lease is ours; if nobody can say so, we read."""
        try:
            return await self._leases.take(found)
        except (NatsError, TimeoutError):
            return True

    async def _session(self, through: inbox.Inbox) -> None:
        """Read what came since, then wait for more, while inbox and lease are ours."""
        await self._points("reading.leased")
        reading = asyncio.create_task(self._connected(through))
        keeping = asyncio.create_task(self._keep_lease(through.id))
        try:
            await asyncio.wait({reading, keeping}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await end(reading, keeping)
            await self._release(through.id)
        for task in (keeping, reading):
            if not task.cancelled():
                task.result()

    async def _connected(self, through: inbox.Inbox) -> None:
        if through.live is None:
            return
        account = await self._desk.account(through.live, connected_before=True)
        async with self._mailbox.open(account) as reader:
            await self._points("reading.connected")
            await self._follow(through, reader)

    async def _release(self, found: UUID) -> None:
        with suppress(NatsError, TimeoutError):  # else it runs out
            await self._leases.release(found)

    async def _keep_lease(self, found: UUID) -> None:
        while await self._may_read(found):
            await asyncio.sleep(self._leases.renewed_every)
            await self._points("reading.before-renewal")

    async def _follow(self, through: inbox.Inbox, reader: ports.Reader) -> None:
        state = await reader.folder()
        await self._points("reading.selected")
        uid = await self._place(through, state)
        while True:
            before = uid
            async for message in reader.fetch_since(uid, state.uidvalidity):
                await self._points("reading.fetched")
                await self._intake.take(through, message)
                await self._points("reading.recorded")
                uid = message.uid
            if uid == before:
                await reader.wait(WAIT)
                await self._points("reading.news")
            else:
                await self._points("reading.before-place")
                self._places.keep(through.id, state.uidvalidity, uid)

    async def _place(self, through: inbox.Inbox, state: ports.FolderState) -> int:
        """The UID to go on after. Where the folder begins anew it is read anew."""
        place = self._places.of(through.id)
        if place is not None and place.uidvalidity == state.uidvalidity:
            return place.uid
        if through.read_from is not None:
            return through.read_from[1] if through.read_from[0] == state.uidvalidity else 0
        uid = max(0, state.uidnext - 1 - LOOKED_BACK)
        if through.live is not None:
            begin = inbox.ReadFrom(state.uidvalidity, uid, self._desk.clock.now())
            await self._desk.application.about_inbox(through, begin, through.live.identity)
        return uid


def _about(seconds: float) -> float:
    """At most so long, spread so that not all come back at once."""
    return seconds * random.uniform(0.5, 1.0)  # noqa: S311  no secret
