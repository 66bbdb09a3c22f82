"""Whether a LinkedIn account may act, and when: what the driver says of it, brought to the member's own stream."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from heraldry.chassis.bus.rpc import Asking
from heraldry.chassis.clock import Clock
from heraldry.chassis.readmodel import ReadModel
from heraldry.chassis.runner import Asked, Runner
from heraldry.contracts.linkedin import SlowedDown
from heraldry.scheduler.application import Account, NotYetError, derived, profiles
from heraldry.scheduler.domain import linkedin_sender, linking
from heraldry.scheduler.domain.profile import Profile
from heraldry.scheduler.domain.sender import ChangeHours
from heraldry.scheduler.linkedin import LinkedIn, account_of, linkings
from heraldry.scheduler.projections import linkedin_senders as rows


@dataclass(frozen=True, slots=True)
class Linked:
    """An identity acts as a member, as the driver said at `revision` of the account's stream."""

    account: UUID
    identity: UUID
    sender: str
    sales_navigator: bool
    revision: int
    said_at: datetime


class LinkedInStanding:
    """Opens and closes the members' accounts, and pauses what LinkedIn wants no more of.

    As with inboxes, each fact is stored first on its own stream; then the member's stream is brought to what these
    say together.
    """

    def __init__(self, linkedin: LinkedIn, runner: Runner, model: ReadModel, clock: Clock) -> None:
        self._linkedin, self._runner, self._model, self._clock = linkedin, runner, model, clock

    async def linked(self, found: Linked, asking: Asking) -> None:
        """Raises NotYetError while its identity's hours are not known here."""
        command = linking.Import(
            found.account,
            found.revision,
            found.said_at,
            self._clock.now(),
            identity=found.identity,
            sender=found.sender,
            sales_navigator=found.sales_navigator,
        )
        await self._import(found.account, command, asking)

    async def closed(
        self, account: UUID, code: linkedin_sender.Code, revision: int, said_at: datetime, asking: Asking
    ) -> None:
        command = linking.Import(account, revision, said_at, self._clock.now(), code)
        await self._import(account, command, asking)

    async def slowed(
        self, account: UUID, kind: SlowedDown, until: datetime, revision: int, asking: Asking
    ) -> None:
        """R-LIM-5."""
        command = linking.ImportSignal(account, revision, kind, until, self._clock.now())
        await self._import(account, command, asking)

    async def hours(self, identity: UUID, known: Profile, asking: Asking) -> None:
        """The identity's profile says so by now."""
        if known.hours is None:
            return
        for account in await self._of(identity):
            change = ChangeHours(identity, known.hours, self._clock.now())
            name = f"{account.sender} {known.source_revision}"
            await self._linkedin.run(account, change, Asking(derived(asking.id, name), asking.by))

    async def deleted(self, identity: UUID, asking: Asking) -> None:
        """Its profile says so by now; when this returns that stands in every account it has."""
        await self._linkedin.up_to_date()
        for row in self._model.read(lambda db: rows.all_of_identity(db, str(identity))):
            await self._bring(UUID(row.account), asking)

    async def _import(self, account: UUID, command: linking.Command, asking: Asking) -> None:
        asked = Asked(asking.id, asking.by, command.at)
        await self._runner.run(linkings, _stream(account), command, asked)
        await self._bring(account, asking)

    async def _bring(self, account: UUID, asking: Asking) -> None:
        """The member's stream to what the linking and its identity's profile say together. Whoever did that looks
        once more, so that of several at once the last one is right.
        """
        while True:
            link = await self._link(account)
            if link.identity is None:
                return  # never linked here
            known = await self._known(link.identity)
            organization = known.organization or asking.by.organization
            if organization is None:
                raise NotYetError(f"What is known of the organization of {link.identity}")
            of = Account(link.sender, link.identity, organization)
            for name, command in self._wanted(account, of, link, known).items():
                await self._linkedin.run(of, command, Asking(derived(asking.id, name), asking.by))
            if (await self._link(account), await self._known(link.identity)) == (link, known):
                return

    def _wanted(
        self, account: UUID, of: Account, link: linking.Linking, known: Profile
    ) -> Mapping[str, linkedin_sender.Command]:
        """By what it was read from: the same is not asked twice."""
        now = self._clock.now()
        read = f"{link.source_revision} {known.source_revision} {known.deleted}"
        if known.deleted:
            return {read: linkedin_sender.Close(account, "identity-deleted", now)}
        if link.code is not None or link.linked_at is None:
            return {read: linkedin_sender.Close(account, link.code or "disconnected", now)}
        if known.hours is None:
            raise NotYetError(f"What is known of the working hours of {of.identity}")
        opened = linkedin_sender.Open(
            of.sender,
            of.organization,
            account,
            of.identity,
            known.hours,
            link.linked_at,
            now,
            sales_navigator=link.sales_navigator,
        )
        slowed = {
            f"{kind} {signal.source_revision}": linkedin_sender.SlowDown(kind, signal.until, now)
            for kind, signal in link.signals.items()
        }
        return {read: opened, **slowed}

    async def _of(self, identity: UUID) -> Sequence[Account]:
        await self._linkedin.up_to_date()
        found = self._model.read(lambda db: rows.all_of_identity(db, str(identity)))
        return [account_of(row) for row in found]

    async def _link(self, account: UUID) -> linking.Linking:
        return (await self._runner.load(linkings, _stream(account))).state

    async def _known(self, identity: UUID) -> Profile:
        return (await self._runner.load(profiles, f"profile-{identity}")).state


def _stream(account: UUID) -> str:
    return f"linking-{account}"
