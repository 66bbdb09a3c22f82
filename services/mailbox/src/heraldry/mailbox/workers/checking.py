"""Trying the settings of an inbox that is to be connected."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Final
from uuid import UUID, uuid4

import structlog
from heraldry.chassis.crew import Hands
from heraldry.contracts.mailbox import Diagnosed
from heraldry.mailbox import projections
from heraldry.mailbox.domain import imports, inbox
from heraldry.mailbox.ports import Checker, MailProblem
from heraldry.mailbox.workers.desk import NO_PASSWORD, PASSWORD_GONE, Desk, diagnosed

log = structlog.stdlib.get_logger(__name__)
CHECK_HELD: Final = timedelta(seconds=60)
CHECK_WITHIN: Final = 55.0  # seconds for both protocols together
CHECKS_AT_ONCE: Final = 8
TOO_SLOW: Final = Diagnosed(
    code="host.timeout",
    cause="The mail servers did not answer within a minute.",
    resolution="Check hosts and ports, then try again.",
)


class CheckWorker:
    """Tries the settings of inboxes that are to be connected. Trying changes nothing outside."""

    def __init__(self, desk: Desk, checker: Checker) -> None:
        self._desk, self._checker = desk, checker
        self.hands = Hands(self.check, CHECKS_AT_ONCE)

    def look(self) -> None:
        real_now = self._desk.real.now()
        for held in self._desk.model.read(lambda db: projections.unchecked(db, real_now)):
            self.hands.take(held.inbox)

    async def stop(self) -> None:
        await self.hands.stop()

    async def check(self, found: UUID) -> None:
        desk = self._desk
        before = await desk.inbox(found)
        if before is None or before.trial is None:
            return
        trial, claim, real_now = before.trial, uuid4(), desk.real.now()
        identity = trial.settings.identity
        take = inbox.ClaimCheck(claim, real_now + CHECK_HELD, real_now, desk.clock.now())
        if not (await desk.application.about_inbox(before, take, identity)).fresh:
            return
        diagnosis = await self._diagnosis(trial.settings)
        finish = inbox.FinishCheck(claim, diagnosis, desk.clock.now())
        ran = await desk.application.about_inbox(before, finish, identity)
        if not ran.fresh:
            return
        log.info("an inbox was checked", inbox=str(found), works=diagnosis is None)
        if isinstance(await desk.application.owner(identity), imports.Removed):
            after = inbox.Disconnect(before.organization, desk.clock.now())
            await desk.application.about_inbox(before, after, identity)

    async def _diagnosis(self, settings: inbox.Settings) -> Diagnosed | None:
        try:
            reached = await self._desk.account(settings, connected_before=False)
        except NO_PASSWORD:
            return PASSWORD_GONE
        try:
            async with asyncio.timeout(CHECK_WITHIN):
                await self._checker.check(reached)
        except MailProblem as problem:
            return diagnosed(problem.diagnosis)
        except TimeoutError:
            return TOO_SLOW
        return None
