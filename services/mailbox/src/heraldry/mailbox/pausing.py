"""Pausing an inbox of which too many mails come back (R-RATE-5), and letting it send again."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from heraldry.chassis.bus.rpc import Asking
from heraldry.chassis.clock import Clock
from heraldry.chassis.readmodel import ReadModel
from heraldry.chassis.runner import Asked, Runner
from heraldry.contracts.base import Accepted, By
from heraldry.contracts.mailbox import Diagnosed, ResumeInbox
from heraldry.mailbox import projections
from heraldry.mailbox.domain import inbox
from heraldry.mailbox.stopping import Stopping, organization_of
from heraldry.mailbox.streams import INBOX, SYSTEM, inbox_stream
from uuid_utils.compat import uuid7

PAUSED: Final = Diagnosed(
    code="inbox.paused",
    cause="The inbox is paused.",
    resolution="Resume sending from this inbox; its page says why it was paused.",
)


class Pausing:
    """Judges inboxes by their bounces."""

    def __init__(self, runner: Runner, model: ReadModel, stopping: Stopping, clock: Clock) -> None:
        self._runner, self._model, self._stopping, self._clock = runner, model, stopping, clock

    async def judge_sender(self, found: UUID) -> None:
        """After a mail left: only an inbox of which one came back before can have too many now."""
        if self._model.read(lambda db: projections.has_bounced(db, str(found))):
            await self.judge(found)

    async def judge(self, found: UUID) -> None:
        """Pause the inbox if too many of its last mails came back."""
        await self._stopping.catch_up()
        figures = self._model.read(lambda db: projections.figures(db, str(found)))
        if not figures.too_many:
            return
        state = (await self._runner.load(INBOX, inbox_stream(found))).state
        if isinstance(state, inbox.NoInbox) or state.holder is None:
            return
        now = self._clock.now()
        pause = inbox.Pause(figures.reason, figures.sent, figures.bounced, figures.resumed, now)
        asked = Asked(uuid7(), By(organization=state.organization, actor=SYSTEM), now, state.holder)
        ran = await self._runner.run(INBOX, inbox_stream(found), pause, asked)
        if ran.fresh:
            await self.finish(found)

    async def finish(self, found: UUID) -> None:
        """What is open is stopped, then it is said; also where somebody was killed in between."""
        state = (await self._runner.load(INBOX, inbox_stream(found))).state
        if isinstance(state, inbox.NoInbox) or state.pausing is None:
            return
        await self._stopping.stop_mails(
            lambda db: projections.open_through(db, str(found)), PAUSED, again=True
        )
        finish = inbox.FinishPause(self._clock.now())
        by = By(organization=state.organization, actor=SYSTEM)
        asked = Asked(uuid7(), by, finish.at, state.pausing.identity)
        await self._runner.run(INBOX, inbox_stream(found), finish, asked)

    async def resume(self, command: ResumeInbox, asking: Asking) -> Accepted:
        """Refused `inbox.unknown`, `inbox.not-paused`."""
        organization = organization_of(asking)
        state = (await self._runner.load(INBOX, inbox_stream(command.inbox))).state
        identity = state.holder if isinstance(state, inbox.Inbox) else None
        change = inbox.Resume(organization, self._clock.now())
        asked = Asked(asking.id, asking.by, change.at, identity)
        return self._runner.accepted(
            await self._runner.run(INBOX, inbox_stream(command.inbox), change, asked)
        )
