"""Reading who accepted and who wrote back, of those this account wrote to and of nobody else."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import unquote
from uuid import UUID

import structlog
from heraldry.chassis.crew import Hands
from heraldry.contracts.linkedin import LinkedInReplyReceived
from heraldry.contracts.profiles import NoProfile, profile_address, slug_of
from heraldry.linkedin_driver import projections
from heraldry.linkedin_driver.actions import Actions, Whose
from heraldry.linkedin_driver.domain import account, pending
from heraldry.linkedin_driver.ports import DrivenElsewhere, Heard, Hindered, Member
from heraldry.linkedin_driver.projections import Awaited
from heraldry.linkedin_driver.workers.desk import Desk
from heraldry.linkedin_driver.workers.driving import Driving

log = structlog.stdlib.get_logger(__name__)
AT_ONCE: Final = 2  # accounts: actions go before
NEWEST: Final = 40  # connections read from the top of their list
VISITS: Final = 5  # profiles looked at in one reading, of people who are on no list any more
LISTENED_FOR: Final = timedelta(days=90)  # after what was written to somebody last
ELSEWHERE: Final = timedelta(seconds=5)
LONGEST: Final = 8_000  # characters of a message


class ReadWorker:
    """Reads for each account about once in `every` (business time), while anybody's answer may come."""

    def __init__(self, desk: Desk, actions: Actions, driving: Driving, every: timedelta) -> None:
        self._desk, self._actions, self._driving, self._every = desk, actions, driving, every
        self._hands = Hands(self.read, AT_ONCE)
        self._next: dict[UUID, datetime] = {}  # business time

    def look(self) -> None:
        model, now = self._desk.model, self._desk.clock.now()
        wanted = {
            *model.read(projections.awaiting),
            *model.read(lambda db: projections.listening(db, now - LISTENED_FOR)),
        }
        for found in wanted:
            if now >= self._next.setdefault(found, now + self._pause()):
                self._hands.take(found)

    async def stop(self) -> None:
        await self._hands.stop()

    async def read(self, found: UUID) -> None:
        now = self._desk.clock.now()
        self._next[found] = now + self._pause()
        of = await self._desk.application.account(found)
        if of is None or of.live is None or account.paused_until(of, "everything", now):
            return
        try:
            async with self._driving.alone(found), self._driving.inside(of) as visit:
                await self._desk.points("reading.opened")
                heard = await visit.member.heard()
                await self._desk.points("reading.heard")
                await self._take_replies(of, heard)
                await self._desk.points("reading.replies-recorded")
                await self._take_answers(of, visit.member)
                await self._desk.points("reading.answers-recorded")
        except DrivenElsewhere:
            self._next[found] = now + ELSEWHERE
        except Hindered as met:
            log.info("reading stopped", account=str(found), because=met.obstacle.code)

    def _pause(self) -> timedelta:
        return self._every * random.uniform(0.75, 1.25)  # noqa: S311  no secret

    # --- who wrote back

    async def _take_replies(self, of: account.Account, heard: Sequence[Heard]) -> None:
        for message in sorted(heard, key=lambda one: one.at):
            by = await self._actions.person_named(of.organization, message.by)
            before = self._desk.model.read(
                lambda db: projections.written_before(db, str(of.id), by, message.at)  # noqa: B023
            )
            if before is None:
                continue  # somebody we did not write to: none of our business
            received = LinkedInReplyReceived(
                account=of.id,
                identity=before.identity,
                person=before.person,
                attempt=before.attempt,
                text=message.text[:LONGEST],
                campaign=before.campaign,
                enrollment=before.enrollment,
                at=message.at,
            )
            await self._actions.hear(received, before.organization, message.id)

    # --- who accepted

    async def _take_answers(self, of: account.Account, member: Member) -> None:
        """That somebody is on no list any more proves nothing: then the profile says how they stand."""
        awaited = {
            slug: one
            for one in self._desk.model.read(lambda db: projections.awaited_by(db, str(of.id)))
            if (slug := _slug(one.profile))
        }
        if not awaited:
            return
        connected = (await member.connections(NEWEST)).slugs
        await self._desk.points("reading.connections-seen")
        for slug in awaited.keys() & {one.casefold() for one in connected}:
            one = awaited.pop(slug)
            await self._note(of, one, pending.Accept(self._desk.clock.now(), one.invitation))
        if not awaited:
            return
        waiting = {one.casefold() for one in (await member.sent()).slugs}
        for slug in [one for one in awaited if one not in waiting][:VISITS]:
            await self._ask(of, member, awaited[slug], slug)

    async def _ask(self, of: account.Account, member: Member, one: Awaited, slug: str) -> None:
        match await member.standing(slug):
            case "connected":
                await self._note(of, one, pending.Accept(self._desk.clock.now(), one.invitation))
            case "nothing":
                await self._note(of, one, pending.Miss(self._desk.clock.now(), one.invitation))
            case "pending" | "unknown":
                return

    async def _note(self, of: account.Account, one: Awaited, command: pending.Command) -> None:
        whose = Whose(one.invitation, one.organization, one.identity)
        await self._actions.about_both(whose, of.sender, one.profile, command)


def _slug(profile: str) -> str:
    """What the address ends in, as lists are compared; empty where it says nobody."""
    try:
        return unquote(slug_of(profile_address(profile))).casefold()
    except NoProfile:
        return ""
