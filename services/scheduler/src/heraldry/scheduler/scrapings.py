"""The pools of scrapings: what the identities of each organization share of reading LinkedIn profiles (R-LIM-2)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final, TypeAlias
from uuid import UUID, uuid4

from heraldry.chassis.bus.rpc import Asking
from heraldry.chassis.clock import Clock
from heraldry.chassis.decider import Decider
from heraldry.chassis.runner import Asked, Ran, Runner
from heraldry.contracts.linkedin_steps import SharedPool
from heraldry.contracts.scheduler import PoolUse
from heraldry.scheduler.application import Account
from heraldry.scheduler.domain import scraping_pool
from heraldry.scheduler.domain.linkedin_sender import Shared
from heraldry.scheduler.domain.scraping_pool import EMPTY, Pool

pools: Final[Decider[scraping_pool.Command, Pool, scraping_pool.Event]] = Decider(
    EMPTY, scraping_pool.decide, scraping_pool.evolve
)
PoolRan: TypeAlias = Ran[Pool, scraping_pool.Event]


class Scrapings:
    """`size`: how many profiles the operator lets an organization's identities read a day, together."""

    def __init__(self, runner: Runner, clock: Clock, size: int) -> None:
        self._runner, self._clock, self.size = runner, clock, size

    async def take(self, account: Account, attempt: UUID, asking: Asking) -> Shared:
        """A permit of the pool for this attempt: the one it has, or one more. Refused `quota.exhausted` (until)."""
        now = self._clock.now()
        command = scraping_pool.Take(account.organization, account.identity, attempt, self.size, now)
        ran = await self._run(account.organization, account.identity, command, asking)
        pool, permit = ran.state, ran.state.permits[attempt]
        return Shared(PoolUse(used=pool.use(self.size, now).used, allowed=self.size), permit.ends)

    async def give_back(self, account: Account, attempt: UUID, asking: Asking) -> None:
        """The profile was provably not read. An attempt that drew on nothing here has nothing to give back."""
        command = scraping_pool.GiveBack(attempt, self._clock.now())
        await self._run(account.organization, account.identity, command, asking)

    async def zone(self, organization: UUID, zone: str, revision: int, asking: Asking) -> None:
        """By whose midnight the organization's day begins, as its own context said at `revision`."""
        command = scraping_pool.ImportZone(organization, zone, revision, self._clock.now())
        await self._run(organization, None, command, asking)

    async def assume_used(self, organization: UUID, asking: Asking) -> None:
        """Nothing more of the pool today: what was read until now is not known."""
        command = scraping_pool.AssumeUsed(organization, self._clock.now())
        await self._run(organization, None, command, asking)

    async def pool(self, organization: UUID, now: datetime, until: datetime | None = None) -> SharedPool:
        """From its stream itself: what a permit would be decided on. `until`: as it was then, of the present size."""
        loaded = await self._runner.load(pools, _stream(organization), enough=_enough(now), until=until)
        state = loaded.state
        used = state.use(self.size, now)
        return SharedPool(used_today=used.used, allowed=self.size, zone=state.zone, next_possible=used.until)

    async def _run(
        self, organization: UUID, identity: UUID | None, command: scraping_pool.Command, asking: Asking
    ) -> PoolRan:
        """Each under an id of its own: what was done before is known by its attempt."""
        asked = Asked(uuid4(), asking.by, command.at, identity, organization)
        return await self._runner.run(
            pools, _stream(organization), command, asked, enough=_enough(command.at)
        )


def _stream(organization: UUID) -> str:
    return f"scraping-pool-{organization}"


def _enough(now: datetime) -> Callable[[Sequence[scraping_pool.Event]], bool]:
    return lambda newest_first: scraping_pool.enough(newest_first, now)
