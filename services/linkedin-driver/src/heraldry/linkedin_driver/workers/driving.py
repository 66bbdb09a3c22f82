"""Who drives an account: one replica at a time, in a browser opened as it was left."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Final
from uuid import UUID

from heraldry.chassis.crew import OUR_TROUBLE
from heraldry.chassis.leases import Leases
from heraldry.chassis.tasks import check_cancelled, end
from heraldry.chassis.vault.secrets import Secret, SecretConflictError
from heraldry.linkedin_driver.adapters.problems import (
    BrowserFailed,
    BrowserMissing,
    CheckpointMet,
    LayoutChanged,
    NotFound,
    Problem,
    Restricted,
    SessionEnded,
    SlowDown,
)
from heraldry.linkedin_driver.application import session_name
from heraldry.linkedin_driver.domain import account
from heraldry.linkedin_driver.domain.hindrances import BROWSER_ENDED, layout_changed
from heraldry.linkedin_driver.domain.obstacles import (
    NO_BROWSER,
    NOT_LINKED,
    RESTRICTED,
    SIGNED_OUT,
    SLOWED_DOWN,
    UNREACHABLE,
    UNRECOGNISED,
)
from heraldry.linkedin_driver.ports import Browsers, DrivenElsewhere, Hindered, Visit
from heraldry.linkedin_driver.workers.desk import NO_SECRET, Desk

SLOWED_FOR: Final = timedelta(hours=6)  # after LinkedIn said that it is too much


class Driving:
    """For comfort only: that nothing is done twice comes from claims on streams."""

    def __init__(self, desk: Desk, browsers: Browsers, leases: Leases) -> None:
        self._desk, self._browsers, self._leases = desk, browsers, leases
        # by this process, which may take a lease of its own again; when each lease runs out, once it is there
        self._driven: dict[UUID, asyncio.Timeout | None] = {}

    @property
    def missing(self) -> str | None:
        """Why there is no browser; None: there is one."""
        return self._browsers.missing

    @asynccontextmanager
    async def alone(self, of: UUID) -> AsyncGenerator[None]:
        """Nobody else drives the account meanwhile.

        Raises DrivenElsewhere, TimeoutError when the lease could not be renewed in time, and what nats-py raises.
        """
        if of in self._driven:
            raise DrivenElsewhere
        self._driven[of] = None
        try:
            until = await self._take(of)
            await self._desk.points("driving.leased")
            async with self._leased(of, until):
                yield
        finally:
            del self._driven[of]

    async def is_driven(self, of: UUID) -> bool:
        """Whether anybody drives the account. Raises what nats-py raises."""
        if of in self._driven:
            return True
        self._driven[of] = None  # nobody here begins to while the lease is ours for the question
        try:
            if not await self._leases.take(of):
                return True
            await self._leases.release(of)
        finally:
            del self._driven[of]
        return False

    async def _take(self, of: UUID) -> float:
        """Until when the lease is ours, counted from when it was asked for."""
        until = self._from_now()
        if not await self._leases.take(of):
            raise DrivenElsewhere
        return until

    def _from_now(self) -> float:
        return asyncio.get_running_loop().time() + self._leases.held.total_seconds()

    @asynccontextmanager
    async def _leased(self, of: UUID, until: float) -> AsyncGenerator[None]:
        """Whoever is held up for longer than the lease ends at `until`, and does not begin after it."""
        if until <= asyncio.get_running_loop().time():
            raise DrivenElsewhere
        async with asyncio.timeout_at(until) as deadline:
            self._driven[of] = deadline
            renewing = asyncio.create_task(self._renew(of, deadline))
            try:
                yield
            finally:
                await end(renewing)
                with suppress(*OUR_TROUBLE):
                    await self._leases.release(of)

    async def _renew(self, of: UUID, deadline: asyncio.Timeout) -> None:
        while True:
            await asyncio.sleep(self._leases.renewed_every)
            check_cancelled()
            await self._desk.points("driving.before-renewal")
            with suppress(DrivenElsewhere, *OUR_TROUBLE):
                until = await self._take(of)
                if not deadline.expired():
                    deadline.reschedule(until)

    def _holds(self, of: UUID) -> bool:
        """Whether the lease is still ours, as far as this process can know."""
        deadline = self._driven.get(of)
        until = None if deadline is None else deadline.when()
        return until is not None and until > asyncio.get_running_loop().time()

    @asynccontextmanager
    async def fresh(self) -> AsyncGenerator[Visit]:
        """A browser that has been nowhere. Raises BrowserMissing, BrowserFailed."""
        async with self._browsers.visit() as visit:
            yield visit

    @asynccontextmanager
    async def signed_in(self, found: UUID) -> AsyncGenerator[Visit]:
        """The account's browser, at LinkedIn and signed in. What ends the session, now or in the midst, is recorded.

        Raises Hindered, DrivenElsewhere, and TimeoutError as `alone`.
        """
        async with self.alone(found):
            of = await self._desk.application.account(found)
            if of is None:
                raise Hindered(NOT_LINKED, "signed out")
            async with self.inside(of) as visit:
                await visit.check()
                yield visit

    @asynccontextmanager
    async def inside(self, of: account.Account) -> AsyncGenerator[Visit]:
        """As `signed_in`, for who is `alone` with the account already; the first page says whether the session goes on."""
        if of.live is None:
            raise Hindered(NOT_LINKED, "signed out")
        try:
            async with self._opened(of, of.live) as visit:
                yield visit
        except Hindered as met:
            await self._record(of, of.live, met)
            raise

    @asynccontextmanager
    async def _opened(self, of: account.Account, session: UUID) -> AsyncGenerator[Visit]:
        try:
            kept = await self._desk.secrets.get(str(of.identity), session_name(session))
        except NO_SECRET:
            raise Hindered(SIGNED_OUT, "signed out") from None
        try:
            async with self._browsers.visit(kept.value) as visit:
                try:
                    yield visit
                finally:
                    await self._keep(of, session, kept, visit)
        except Problem as problem:
            raise hindered(problem) from problem

    async def _keep(self, of: account.Account, session: UUID, before: Secret, visit: Visit) -> None:
        """Only what is still a session takes the place of one, and only who holds the lease puts it there."""
        if not self._holds(of.id) or not visit.alive or (state := await visit.state()) is None:
            return
        await self._desk.points("driving.before-keep")
        subject, name, secrets = str(of.identity), session_name(session), self._desk.secrets
        with suppress(SecretConflictError, DrivenElsewhere, *NO_SECRET, *OUR_TROUBLE):
            try:
                await secrets.put(subject, name, state, expected_revision=before.revision)
            except SecretConflictError:  # an earlier holder was late with it
                found = await secrets.get(subject, name)
                await self._take(of.id)
                await secrets.put(subject, name, state, expected_revision=found.revision)

    async def _record(self, of: account.Account, session: UUID, met: Hindered) -> None:
        """What this means for the account."""
        now = self._desk.clock.now()
        match met.cause:
            case "signed out" | "restricted":
                lose = account.Lose(session, met.obstacle, restricted=met.cause == "restricted", at=now)
                await self._desk.application.about_account(of, lose)
            case "too much":
                slow = account.SlowDown(session, "everything", now + SLOWED_FOR, met.obstacle, now)
                await self._desk.application.about_account(of, slow)
            case _:
                return


def hindered(problem: Problem) -> Hindered:
    """What stands in the way of a session that is opened."""
    match problem:
        case SessionEnded():
            return Hindered(SIGNED_OUT, "signed out")
        case CheckpointMet():
            cause = f"{SIGNED_OUT.cause} {problem.cause}"
            return Hindered(SIGNED_OUT.model_copy(update={"cause": cause}), "signed out")
        case Restricted():
            return Hindered(RESTRICTED, "restricted")
        case SlowDown():
            return Hindered(SLOWED_DOWN, "too much")
        case BrowserMissing():
            return Hindered(NO_BROWSER, "unreachable")
        case BrowserFailed():
            return Hindered(BROWSER_ENDED, "unreachable")
        case LayoutChanged():
            return Hindered(layout_changed(problem.page, problem.missing), "layout")
        case NotFound():
            return Hindered(UNRECOGNISED, "layout")
        case _:
            return Hindered(UNREACHABLE, "unreachable")
