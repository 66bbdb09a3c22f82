"""After a backup was restored: nobody knows what was done since it was taken, so today counts as used up."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from uuid import UUID

import structlog
from heraldry.chassis.bus.rpc import Asking
from heraldry.chassis.clock import Clock
from heraldry.chassis.readmodel import ReadModel
from heraldry.contracts.base import By
from heraldry.scheduler.application import CONTEXT, Account, Scheduling, derived
from heraldry.scheduler.domain.sender import AssumeUsed
from heraldry.scheduler.linkedin import LinkedIn
from heraldry.scheduler.projections import linkedin_senders, senders
from heraldry.scheduler.scrapings import Scrapings

log = structlog.stdlib.get_logger(__name__)


class Restored:
    """Before anything is permitted, it is said in every stream that permits anything."""

    def __init__(
        self, scheduling: Scheduling, linkedin: LinkedIn, scrapings: Scrapings, model: ReadModel, clock: Clock
    ) -> None:
        self._scheduling, self._linkedin, self._scrapings = scheduling, linkedin, scrapings
        self._model, self._clock = model, clock

    async def heed(self, note: Path) -> None:
        """Do it if the note is there, and remove it when all is done. Cut short, it is done again."""
        restore = _said(note)
        if restore is None:
            return
        mails, members = self._model.read(senders.every), self._model.read(linkedin_senders.every)
        for row in mails:
            account = Account(row.sender, UUID(row.identity), UUID(row.organization))
            await self._scheduling.run(account, AssumeUsed(self._clock.now()), _asking(restore, account))
        for row in members:
            account = Account(row.sender, UUID(row.identity), UUID(row.organization))
            await self._linkedin.run(account, AssumeUsed(self._clock.now()), _asking(restore, account))
        for organization in {UUID(row.organization) for row in members}:
            by = By(organization=organization, actor=f"system:{CONTEXT}")
            await self._scrapings.assume_used(organization, Asking(restore, by))
        log.warning("a backup was restored: today's quotas count as used", accounts=len(mails) + len(members))
        _forget(note)


def _said(note: Path) -> UUID | None:
    try:
        return UUID(hex=note.read_text(encoding="ascii").strip())
    except FileNotFoundError:
        return None


def _forget(note: Path) -> None:
    with suppress(FileNotFoundError):  # another replica was as quick
        note.unlink()


def _asking(restore: UUID, account: Account) -> Asking:
    by = By(organization=account.organization, actor=f"system:{CONTEXT}")
    return Asking(derived(restore, account.sender), by)
