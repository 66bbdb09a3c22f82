"""What happens to many leads at once: their inbox, their identity, their campaign or their address is gone.

A lead stays with the inbox that began its sequence (R-BOX-11): it fails with it and recovers with it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from sqlite3 import Connection
from typing import Final, TypeAlias
from uuid import UUID, uuid4

from heraldry.chassis.bus.rpc import Asking
from heraldry.chassis.clock import Clock
from heraldry.chassis.readmodel import ReadModel
from heraldry.chassis.store.port import EventStore
from heraldry.contracts.base import Accepted, Erased, Refused
from heraldry.contracts.campaigns import StopIdentity
from heraldry.contracts.gateway import RecipientUnsubscribed
from heraldry.contracts.mailbox import RecipientSuppressed, RecipientUnsuppressed
from heraldry.contracts.markers import Position
from heraldry.scheduler.application import CONTEXT, Scheduling, derived
from heraldry.scheduler.campaigns import Campaigns
from heraldry.scheduler.domain import sequence
from heraldry.scheduler.domain.campaign import Campaign
from heraldry.scheduler.domain.sender import Sender
from heraldry.scheduler.leads import Leads
from heraldry.scheduler.projections import lead_rows
from heraldry.scheduler.projections.lead_rows import Row
from heraldry.scheduler.speakers import Speakers
from heraldry.scheduler.standing import Standing
from heraldry.scheduler.suppressions import Suppressions

AT_ONCE: Final = 16
CHUNK: Final = 200
Each: TypeAlias = Callable[[Row], Awaitable[object]]


class Continuity:
    """Brings each lead concerned to an end, or back, in chunks: a repeat goes on where one was cut off."""

    def __init__(  # noqa: PLR0913, PLR0917  a composition root names each part once
        self,
        store: EventStore,
        model: ReadModel,
        clock: Clock,
        scheduling: Scheduling,
        standing: Standing,
        campaigns: Campaigns,
        speakers: Speakers,
        suppressions: Suppressions,
        leads: Leads,
    ) -> None:
        self._store, self._model, self._clock = store, model, clock
        self._scheduling, self._standing, self._campaigns = scheduling, standing, campaigns
        self._speakers, self._suppressions, self._leads = speakers, suppressions, leads

    # --- who is written to no more

    async def suppressed(
        self, event: RecipientSuppressed | RecipientUnsubscribed, revision: int, asking: Asking
    ) -> None:
        """Store it, then end every sequence of that address in the organization."""
        unsubscribed = isinstance(event, RecipientUnsubscribed)
        reason = "unsubscribed" if unsubscribed else event.reason
        person = event.person
        if not isinstance(event.address, Erased):
            person = await self._suppressions.person_at(event.organization, event.address)
            reason = await self._suppressions.suppressed(
                event.organization,
                event.address,
                reason,
                None if unsubscribed else revision,
                event.at,
                asking,
            )
        if reason is None:
            return  # taken off the list since
        await self._scheduling.up_to_date()
        rows = self._model.read(lambda db: lead_rows.of_person(db, str(event.organization), str(person)))
        for row in rows:
            command = sequence.Suppress(reason, self._clock.now())
            await self._leads.of_row(row, command, Asking(derived(asking.id, row.enrollment), asking.by))

    async def lifted(self, event: RecipientUnsuppressed, revision: int, asking: Asking) -> None:
        if not isinstance(event.address, Erased):
            await self._suppressions.lifted(event.organization, event.address, revision, event.at, asking)

    # --- through whom, in whose name, for what

    async def follow_account(self, sender: str, asking: Asking) -> None:
        """The leads of an account to what its stream says: fail with a disconnected inbox, recover with one
        that is back. Whoever did that looks once more, so that of several at once the last one is right.
        """
        state = await self._scheduling.state(sender)
        while isinstance(state, Sender):
            inbox, identity = state.inbox, state.identity

            async def lose(row: Row, inbox: UUID = inbox) -> None:
                await self._decide(row, sequence.LoseInbox(inbox, self._clock.now()), asking)

            async def regain(row: Row, inbox: UUID = inbox, identity: UUID = identity) -> None:
                await self._decide(row, sequence.RegainInbox(inbox, identity, self._clock.now()), asking)

            async def lose_others(row: Row, identity: UUID = identity) -> None:
                if row.identity != str(identity):
                    await lose(row)

            through = partial(lead_rows.begun_through, sender=sender)
            await self._each(through, lose if state.closed == "disconnected" else lose_others)
            if state.closed in ("", "paused"):
                await self._each(partial(lead_rows.lost_with, sender=sender), regain)
            present = await self._scheduling.state(sender)
            if isinstance(present, Sender) and (present.closed, present.identity) == (state.closed, identity):
                return
            state = present

    async def stop_identity(self, command: StopIdentity, asking: Asking) -> Accepted:
        """It was deleted: answered when that stands in every sender and campaign. Its leads follow."""
        known = await self._speakers.known(command.identity)
        if known.organization is not None and known.organization != asking.by.organization:
            raise Refused("identity.unknown", "There is no such identity in your organization.", status=404)
        await self._standing.deleted(command.identity, asking)
        await self._campaigns.lose_identity(command.identity, asking)
        head = Position(CONTEXT, self._store.epoch, await self._store.head())
        return Accepted(position=str(head), fresh=True)

    async def leave_identity(self, identity: UUID, asking: Asking) -> None:
        """It was deleted: its campaigns are paused; what has begun in its name fails, what has not waits for
        another one (R-ID-4).
        """
        await self._campaigns.lose_identity(identity, asking)

        async def lose(row: Row) -> None:
            await self._decide(row, sequence.LoseIdentity(identity, self._clock.now()), asking)

        await self._each(partial(lead_rows.begun_by, identity=str(identity)), lose)

    async def end_campaign(self, campaign: UUID, asking: Asking) -> None:
        """If it has ended, so have all its leads."""
        state = (await self._campaigns.load(campaign)).state
        if not isinstance(state, Campaign) or state.state != "finished":
            return
        await self._scheduling.up_to_date()

        async def finish(row: Row) -> None:
            await self._decide(row, sequence.Finish(self._clock.now()), asking)

        await self._each(partial(lead_rows.going_on_in, campaign=str(campaign)), finish)

    async def _decide(self, row: Row, command: sequence.Command, asking: Asking) -> None:
        """Under a fresh id: whether there is anything to do, the lead's own stream says."""
        await self._leads.of_row(row, command, Asking(uuid4(), asking.by))

    async def _each(self, which: Callable[[Connection], Sequence[str]], work: Each) -> None:
        await self._scheduling.up_to_date()
        free, left = asyncio.Semaphore(AT_ONCE), self._model.read(which)

        async def one(row: Row) -> None:
            async with free:
                await work(row)

        while left:
            chunk, left = left[:CHUNK], left[CHUNK:]
            await asyncio.gather(*map(one, self._model.read(partial(lead_rows.some, enrollments=chunk))))
