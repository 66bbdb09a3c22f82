"""Keeping the copies of sent mails in their inbox's Sent folder, those of one inbox through one connection."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Final
from uuid import UUID, uuid4

import structlog
from heraldry.chassis.crew import Hands
from heraldry.chassis.runner import Known
from heraldry.contracts.mailbox import EmailQueued
from heraldry.mailbox import projections
from heraldry.mailbox.domain import email, inbox
from heraldry.mailbox.domain.compose import Unmailable
from heraldry.mailbox.ports import LinkNotReady, Mailbox, MailProblem, Reader
from heraldry.mailbox.workers.desk import NO_PASSWORD, Desk

log = structlog.stdlib.get_logger(__name__)
INBOXES_AT_ONCE: Final = 32
KEPT_FOR: Final = 2.0  # seconds a connection waits for the next mail to copy
MOST: Final = 200  # mails through one connection; what was passed over is due again after it


@dataclass(frozen=True, slots=True)
class Claimed:
    """A mail this process may copy, and its stream with the claim in it."""

    mail: EmailQueued
    known: Known[email.State]
    correlation: str


class CopyWorker:
    """Puts each mail that was sent into the Sent folder unless it is there.

    Mails go before copies, for their time runs out: an inbox through which as many leave as may at once is `busy`.
    """

    def __init__(self, desk: Desk, mailbox: Mailbox, busy: Callable[[UUID], bool] = lambda _: False) -> None:
        self._desk, self._mailbox, self._busy = desk, mailbox, busy
        self._hands = Hands(self.copy, INBOXES_AT_ONCE)
        self._looked = asyncio.Event()

    def look(self) -> None:
        real_now = self._desk.real.now()
        for each in self._desk.model.read(lambda db: projections.inboxes_to_copy(db, real_now)):
            if not self._busy(each):
                self._hands.take(each)
        self._looked.set()
        self._looked = asyncio.Event()

    async def stop(self) -> None:
        await self._hands.stop()

    async def copy(self, found: UUID) -> None:
        """One after the other, until for a while nothing was sent through this inbox."""
        desk, passed, opened_for = self._desk, set[UUID](), None
        async with AsyncExitStack() as stack:
            reader: Reader | None = None
            while len(passed) < MOST and (attempt := await self._next(found, passed)) is not None:
                passed.add(attempt)
                through = await desk.inbox(found)
                live = None if through is None else through.live
                if through is None or live is None or (reader is not None and live != opened_for):
                    return
                claimed = await self._claimed(attempt, through)
                if claimed is None:
                    continue
                mail = claimed.mail
                try:
                    content = await desk.composed(mail, live, through.organization)
                    if reader is None:
                        reached = await desk.account(live, connected_before=True)
                        reader, opened_for = (
                            await stack.enter_async_context(self._mailbox.open(reached)),
                            live,
                        )
                    put = await reader.append_sent(content)
                except (MailProblem, LinkNotReady, *NO_PASSWORD) as error:
                    log.info("a copy could not be kept yet", attempt=str(attempt), because=str(error))
                    return
                except Unmailable as error:
                    log.info("there is nothing to copy", attempt=str(attempt), because=str(error))
                    continue
                kept = email.KeepCopy(put, desk.clock.now())
                await desk.application.about_mail(
                    attempt,
                    through.organization,
                    mail.identity,
                    kept,
                    claimed.known,
                    correlation=claimed.correlation,
                )

    async def _next(self, found: UUID, passed: set[UUID]) -> UUID | None:
        """A mail of this inbox to copy, as soon as there is one and it is not busy."""
        try:
            async with asyncio.timeout(KEPT_FOR):
                while True:
                    if not self._busy(found) and (attempt := self._due(found, passed)) is not None:
                        return attempt
                    await self._looked.wait()
        except TimeoutError:
            return None

    def _due(self, found: UUID, passed: AbstractSet[UUID]) -> UUID | None:
        now = self._desk.real.now()
        return self._desk.model.read(lambda db: projections.to_copy(db, found, now, passed))

    async def _claimed(self, attempt: UUID, through: inbox.Inbox) -> Claimed | None:
        """The mail, if this call may copy it: one worker at a time, which looks first."""
        desk = self._desk
        known = await desk.application.mail(attempt)
        state = known.state
        if not isinstance(state, email.Closed) or state.outcome != "sent" or state.copied:
            return None
        take = email.ClaimCopy(uuid4(), desk.real.now(), desk.clock.now(), desk.held)
        identity = state.mail.identity
        ran = await desk.application.about_mail(
            attempt, through.organization, identity, take, known, correlation=known.correlation
        )
        return Claimed(state.mail, ran, known.correlation) if ran.fresh else None
