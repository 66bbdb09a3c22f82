"""Withdraws what is pending longer than its identity wants (R-WD-1), in every replica at once and without a leader.

The read model says where to look; every decision is taken on streams, and the attempt's id is the same in every
process. One withdrawal of a member at a time: the next goes when the one before has its outcome.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

import structlog
from heraldry.chassis.bus.rpc import Asking
from heraldry.chassis.clock import Clock
from heraldry.chassis.halt import HaltUnknownError, account, organization
from heraldry.chassis.readmodel import ReadModel
from heraldry.chassis.store.port import StoreUnavailableError
from heraldry.chassis.tasks import check_cancelled
from heraldry.contracts.base import By, Refused
from heraldry.scheduler.domain.linkedin_sender import Dispatch, LinkedInSender
from heraldry.scheduler.engine import Halts
from heraldry.scheduler.linkedin import LinkedIn
from heraldry.scheduler.projections import invitations as pending
from heraldry.scheduler.projections import linkedin_senders as rows
from heraldry.scheduler.projections.linkedin_senders import Row
from heraldry.scheduler.withdrawals import Withdrawals, withdrawing
from nats.errors import Error as NatsError

log = structlog.stdlib.get_logger(__name__)
LOOK_EVERY: Final = 1.0  # seconds
AGAIN: Final = timedelta(minutes=1)
AFTER_TROUBLE: Final = timedelta(seconds=5)
WATCH_EVERY: Final = timedelta(minutes=1)


class Automatic:
    """`run` it in a task, in every replica. `tick` is one look at everything that may be due now."""

    def __init__(
        self, model: ReadModel, clock: Clock, halt: Halts, linkedin: LinkedIn, withdrawals: Withdrawals
    ) -> None:
        self._model, self._clock, self._halt = model, clock, halt
        self._linkedin, self._withdrawals = linkedin, withdrawals
        self._seen: dict[str, tuple[str, datetime]] = {}  # sender → as of when, and when to look again
        self._watched = datetime.min.replace(tzinfo=UTC)

    async def run(self) -> None:
        while True:
            check_cancelled()
            await self.tick()
            await asyncio.sleep(LOOK_EVERY)

    async def tick(self) -> None:
        now = self._clock.now()
        found = self._model.read(rows.withdrawing)
        self._seen = {row.sender: self._seen[row.sender] for row in found if row.sender in self._seen}
        for row in found:
            changed, instant = self._seen.get(row.sender, ("", now))
            if changed != row.changed or not now < instant <= now + AGAIN:
                self._seen[row.sender] = row.changed, min(await self._serve(row), now + AGAIN)
        if not timedelta() <= now - self._watched < WATCH_EVERY:
            self._watched = now
            await self._watch(now)

    async def _serve(self, row: Row) -> datetime:
        """Withdraw one, if one is due and may be withdrawn now; when to look again."""
        try:
            return await self._next(row)
        except Refused as refusal:
            until = refusal.extra.get("until")
            if until:
                return datetime.fromisoformat(until)
            log.warning("withdrawals wait for a while", sender=row.sender, because=refusal.code)
        except (NatsError, TimeoutError, StoreUnavailableError, OSError, HaltUnknownError) as error:
            log.warning("withdrawals wait for a while", sender=row.sender, because=type(error).__name__)
        return self._clock.now() + AFTER_TROUBLE

    async def _next(self, row: Row) -> datetime:
        now = self._clock.now()
        found = self._model.read(lambda db: pending.next_pending(db, row.sender, now))
        if found is None:
            return now + AGAIN
        which, due = UUID(found[0]), datetime.fromisoformat(found[1]) + timedelta(days=row.policy_days)
        if due > now:
            return due
        if self._halt.halted(organization(UUID(row.organization)), account(row.sender)) is not None:
            return now + AFTER_TROUBLE
        state = await self._linkedin.state(row.sender, now)
        if not isinstance(state, LinkedInSender) or state.policy.days != row.policy_days:
            return now + AFTER_TROUBLE  # the read model is behind
        if state.withdrawing(now):
            return now + AGAIN
        known = await self._withdrawals.known(which)
        attempt = known.next_attempt()
        if known.sent is None or attempt is None or known.ended or known.undecided:
            return now + AFTER_TROUBLE
        by = By(organization=state.organization, actor="system:scheduler", correlation=str(attempt))
        asking = Asking(attempt, by)
        try:
            action = withdrawing(known.sent, automatic=True)
            step = Dispatch(state.organization, attempt, action, now, identity=state.identity)
            await self._linkedin.dispatch(row.sender, step, asking)
        except Refused as refusal:
            if refusal.code != "person.erased":
                raise
            await self._withdrawals.record(which, attempt, "not attempted", refusal.detail, asking)
        return now + AFTER_TROUBLE

    async def _watch(self, now: datetime) -> None:
        try:
            await self._withdrawals.watch(now)
        except (Refused, NatsError, TimeoutError, StoreUnavailableError, OSError) as error:
            log.warning("the watchdog of withdrawals tries again", because=type(error).__name__)
