"""Commands come in, the decider decides, events are appended."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid5

from heraldry.chassis.bus.rpc import Asking
from heraldry.chassis.clock import Clock
from heraldry.chassis.decider import Decider
from heraldry.chassis.readmodel import ReadModel
from heraldry.chassis.runner import Asked, Ran, Runner
from heraldry.chassis.vault.hashing import keyed_hash, organization_subject
from heraldry.chassis.vault.keys import KeyDestroyedError, KeyRing
from heraldry.contracts.addresses import normalised
from heraldry.contracts.base import Accepted, Refused
from heraldry.contracts.identity import WorkingHours
from heraldry.contracts.scheduler import ChangeEmailRate, GetUsage, SendMail, Usage
from heraldry.scheduler.domain import connection, profile, sender
from heraldry.scheduler.domain.sender import UNOPENED, Unopened
from heraldry.scheduler.projections import senders as rows

senders: Decider[sender.Command, sender.State, sender.Event] = Decider(UNOPENED, sender.decide, sender.evolve)
profiles: Decider[profile.Command, profile.Profile, profile.Event] = Decider(
    profile.UNKNOWN, profile.decide, profile.evolve
)
connections: Decider[connection.Import, connection.Connection, connection.ConnectionImported] = Decider(
    connection.NEVER, connection.decide, connection.evolve
)


class NotYetError(Refused):
    """What this depends on has not arrived from its context: tried again until it has, never parked."""

    def __init__(self, what: str) -> None:
        super().__init__("not-yet", f"{what} has not arrived from its context yet.", status=503)


@dataclass(frozen=True, slots=True)
class Connected:
    """An inbox that can send, as its own context said at `revision` of its stream."""

    organization: UUID
    inbox: UUID
    identity: UUID
    address: str
    revision: int


class Scheduling:
    """Limits and dispatch. Every permit is decided on the sender's own stream."""

    def __init__(self, runner: Runner, model: ReadModel, keys: KeyRing, clock: Clock) -> None:
        self._runner, self._model, self._keys, self._clock = runner, model, keys, clock

    async def send_mail(self, command: SendMail, asking: Asking) -> Accepted:
        """R-RATE-1 and 4. Refused `quota.exhausted` with `until` and `window`."""
        row = self._mine(command.inbox, asking)
        try:
            await self._keys.create(str(command.person))
        except KeyDestroyedError:
            raise Refused(
                "person.erased", "This person's data was erased: nothing is sent to them any more."
            ) from None
        letter = sender.Letter(command.person, command.to, command.subject, command.text, command.html)
        dispatch = sender.Dispatch(UUID(row.organization), asking.id, letter, self._clock.now())
        try:
            return await self._run(row, dispatch, asking)
        except Refused as refusal:
            if refusal.code == "quota.exhausted":
                said = Asking(_derived(asking.id, "exhausted"), asking.by)
                await self._run(row, sender.SayExhausted(self._clock.now()), said)
            raise

    async def change_rate(self, command: ChangeEmailRate, asking: Asking) -> Accepted:
        row = self._mine(command.inbox, asking)
        change = sender.ChangeRate(UUID(row.organization), command.rate, self._clock.now())
        return await self._run(row, change, asking)

    async def usage(self, query: GetUsage, asking: Asking) -> Usage:
        """From the stream itself: what a permit would be decided on."""
        row = self._mine(query.inbox, asking)
        now = self._clock.now()
        loaded = await self._runner.load(senders, f"sender-{row.sender}", enough=_enough(now))
        state = loaded.state
        if isinstance(state, Unopened):
            raise _unknown()
        used = sender.use(state, now)
        return Usage(
            inbox=query.inbox,
            identity=state.identity,
            used_today=used.today,
            used_this_hour=used.this_hour,
            rate=state.rate,
            zone=state.zone,
            next_possible=used.next_possible,
        )

    async def open_sender(self, connected: Connected, asking: Asking) -> None:
        """An inbox was connected. Raises NotYetError while its identity's hours are not known here."""
        if not await self._import(connected.inbox, connected.revision, asking, connected=True):
            return
        key = await self._keys.create(organization_subject(connected.organization))
        name = keyed_hash(key, normalised(connected.address))
        while True:
            known = (await self._runner.load(profiles, f"profile-{connected.identity}")).state
            if known.hours is None:
                raise NotYetError(f"What is known of the working hours of {connected.identity}")
            if known.deleted:
                return
            opening = sender.Open(
                name,
                connected.organization,
                connected.inbox,
                connected.identity,
                known.hours.zone,
                self._clock.now(),
            )
            asked = self._asked(asking, connected.identity, connected.organization)
            await self._runner.run(senders, f"sender-{name}", opening, asked, enough=_enough(opening.at))
            present = (await self._runner.load(profiles, f"profile-{connected.identity}")).state
            if present == known:  # else they changed while this was under way: once more
                return
            asking = Asking(_derived(asking.id, str(present.source_revision)), asking.by)

    async def close_sender(self, inbox: UUID, reason: str, revision: int, asking: Asking) -> None:
        if not await self._import(inbox, revision, asking, connected=False):
            return
        row = self._model.read(lambda db: rows.of_inbox(db, str(inbox)))
        if row is not None:
            await self._run(row, sender.Close(reason, self._clock.now()), asking)

    async def _import(self, inbox: UUID, revision: int, asking: Asking, *, connected: bool) -> bool:
        """Whether this is the newest that is known of the inbox."""
        now = self._clock.now()
        command = connection.Import(inbox, connected, revision, now)
        asked = Asked(asking.id, asking.by, now)
        ran = await self._runner.run(connections, f"connection-{inbox}", command, asked)
        return ran.state.source_revision == revision

    async def import_hours(self, identity: UUID, hours: WorkingHours, revision: int, asking: Asking) -> None:
        """The profile first, then every sender: one opened meanwhile reads the new profile itself."""
        now = self._clock.now()
        imported = profile.ImportHours(identity, hours, revision, now)
        asked = self._asked(asking, identity, asking.by.organization)
        ran = await self._runner.run(profiles, f"profile-{identity}", imported, asked)
        present = ran.state.hours
        if present is None:
            return
        for row in self._model.read(lambda db: rows.of_identity(db, str(identity))):
            change = sender.ChangeZone(present.zone, now)
            await self._run(row, change, Asking(_derived(asking.id, row.sender), asking.by))

    async def import_deletion(self, identity: UUID, asking: Asking) -> None:
        now = self._clock.now()
        asked = self._asked(asking, identity, asking.by.organization)
        await self._runner.run(profiles, f"profile-{identity}", profile.ImportDeletion(identity, now), asked)
        for row in self._model.read(lambda db: rows.of_identity(db, str(identity))):
            close = sender.Close("its identity was deleted.", now)
            await self._run(row, close, Asking(_derived(asking.id, row.sender), asking.by))

    async def settle(self, inbox: UUID, attempt: UUID, *, proven_not_sent: bool, asking: Asking) -> None:
        """Raises NotYetError if the sender is not in the read model yet."""
        row = self._model.read(lambda db: rows.of_inbox(db, str(inbox)))
        if row is None:
            raise NotYetError(f"What is known of the sender of {inbox}")
        await self._run(row, sender.Settle(attempt, proven_not_sent, self._clock.now()), asking)

    async def _run(self, row: rows.Row, command: sender.Command, asking: Asking) -> Accepted:
        asked = self._asked(asking, UUID(row.identity), UUID(row.organization))
        ran: Ran[sender.State, sender.Event] = await self._runner.run(
            senders, f"sender-{row.sender}", command, asked, enough=_enough(self._clock.now())
        )
        return self._runner.accepted(ran)

    def _asked(self, asking: Asking, identity: UUID, organization: UUID | None) -> Asked:
        return Asked(asking.id, asking.by, self._clock.now(), identity, organization)

    def _mine(self, inbox: UUID, asking: Asking) -> rows.Row:
        row = self._model.read(lambda db: rows.of_inbox(db, str(inbox)))
        if row is None or row.organization != str(asking.by.organization):
            raise _unknown()
        return row


def _enough(now: datetime) -> Callable[[Sequence[sender.Event]], bool]:
    return lambda newest_first: sender.enough(newest_first, now)


def _derived(command: UUID, name: str) -> UUID:
    return uuid5(command, name)


def _unknown() -> Refused:
    return Refused("inbox.unknown", "There is no such inbox in your organization.", status=404)
