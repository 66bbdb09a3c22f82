"""Limits and permits: commands come in, the decider decides on the sender's own stream, events are appended."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol, TypeAlias
from uuid import UUID, uuid5

from heraldry.chassis.bus.rpc import Asking
from heraldry.chassis.clock import Clock
from heraldry.chassis.decider import Decider
from heraldry.chassis.past import before_it_was, instant
from heraldry.chassis.readmodel import ReadModel
from heraldry.chassis.runner import Asked, Known, Ran, Runner
from heraldry.chassis.store.port import EventStore
from heraldry.chassis.vault.keys import KeyDestroyedError, KeyRing
from heraldry.contracts.base import Accepted, Moment, Refused
from heraldry.contracts.markers import Position
from heraldry.contracts.scheduler import (
    ChangeEmailRate,
    FindSender,
    GetUsage,
    KnownSender,
    RaiseRateCeiling,
    RequestRateIncrease,
    SendMail,
    Usage,
)
from heraldry.scheduler.domain import permits, profile, sender, sender_events
from heraldry.scheduler.domain.sender import UNOPENED, Unopened
from heraldry.scheduler.projections import campaign_senders, linkedin_senders
from heraldry.scheduler.projections import senders as rows

senders: Decider[sender.Command, sender.State, sender_events.Event] = Decider(
    UNOPENED, permits.decide, sender.evolve
)
profiles: Decider[profile.Command, profile.Profile, profile.Event] = Decider(
    profile.UNKNOWN, profile.decide, profile.evolve
)
CONTEXT: Final = "scheduler"
MODEL_WITHIN: Final = 5.0  # seconds the read model may need to come to the end of the log
REMEMBERED: Final = 256  # accounts as they were seen last
SenderRan: TypeAlias = Ran[sender.State, sender_events.Event]


class NotYetError(Refused):
    """What this depends on has not arrived from its context: tried again until it has, never parked."""

    def __init__(self, what: str) -> None:
        super().__init__("not-yet", f"{what} has not arrived from its context yet.", status=503)


class Suppressed(Protocol):
    """Whether nothing may be written to an address any more."""

    async def __call__(self, organization: UUID, address: str) -> bool: ...


class OtherSenders(Protocol):
    """Accounts that campaigns act through, and that are no inboxes."""

    async def stop_campaign(
        self, campaign: UUID, identity: UUID, source_revision: int, asking: Asking
    ) -> int: ...
    async def leaving(self, campaign: UUID, identity: UUID) -> int: ...
    async def leaving_then(self, campaign: UUID, names: Sequence[str], at: datetime) -> int: ...


@dataclass(frozen=True, slots=True)
class Account:
    """A sending account, and in whose name its events are recorded."""

    sender: str
    identity: UUID
    organization: UUID


@dataclass(frozen=True, slots=True)
class _Seen:
    """An account's stream as it was; without its events, which hold mails."""

    state: sender.State
    revision: int
    position: int


class Scheduling:
    """Limits and dispatch. Every permit is decided on the sender's own stream."""

    def __init__(
        self,
        runner: Runner,
        store: EventStore,
        model: ReadModel,
        keys: KeyRing,
        clock: Clock,
        suppressed: Suppressed | None = None,
        others: OtherSenders | None = None,
    ) -> None:
        self._runner, self._store, self._model = runner, store, model
        self._keys, self._clock, self._suppressed = keys, clock, suppressed
        self._others = others
        self._seen: dict[str, _Seen] = {}

    # --- permits

    async def send_mail(self, command: SendMail, asking: Asking) -> Accepted:
        """R-RATE-1 and 4. Refused `quota.exhausted` with `until` and `window`, `recipient.suppressed`, `person.erased`."""
        account = self._mine(command.inbox, asking)
        if self._keys.is_erased(str(command.person)):
            raise _erased()
        if self._suppressed is not None and await self._suppressed(account.organization, command.to):
            raise Refused(
                "recipient.suppressed",
                "This address is on your suppression list: nothing is sent to it."
                " Take it off the list first if that is wrong.",
            )
        letter = sender.Letter(command.person, command.to, command.subject, command.text, command.html)
        dispatch = sender.Dispatch(account.organization, asking.id, letter, self._clock.now())
        return self._runner.accepted(await self._permit(account, dispatch, asking))

    async def dispatch_step(self, name: str, command: sender.Dispatch, asking: Asking) -> SenderRan:
        """A campaign's step. Nothing appended: it was dispatched before. `name`: the sending account.

        Refused `quota.exhausted` (until, window), `hours.outside` (until), `campaign.not-open`,
        `sender.closed` (code), `person.erased`, `inbox.unknown`.
        """
        identity = command.identity or self._named(name).identity
        return await self._permit(Account(name, identity, command.organization), command, asking)

    async def say_exhausted(self, name: str, asking: Asking) -> None:
        """Publish that nothing more is permitted, and until when; said once for each limit and window."""
        await self.run(
            self._named(name), sender.SayExhausted(self._clock.now()), asking, await self._present(name)
        )

    async def _permit(self, account: Account, command: sender.Dispatch, asking: Asking) -> SenderRan:
        try:
            await self._keys.create(str(command.letter.person))
        except KeyDestroyedError:
            raise _erased() from None
        try:
            return await self._at_once(account, command, asking)
        except Refused as refusal:
            if refusal.code == "quota.exhausted":
                until = f"exhausted {refusal.extra['window']} {refusal.extra['until']}"
                said = Asking(derived(asking.id, until), asking.by)
                await self.run(account, sender.SayExhausted(self._clock.now()), said)
            raise

    async def _at_once(self, account: Account, command: sender.Dispatch, asking: Asking) -> SenderRan:
        """Decide on the account as it was seen last: where it has moved since, the append says so. What is
        refused, and what was done before, is decided on the stream itself.
        """
        known = self._seen.pop(account.sender, None)
        if known is not None:
            try:
                ran = await self.run(account, command, asking, known)
            except Refused:
                ran = None
            if ran is not None and ran.events:
                return self._saw(account, ran)
        return self._saw(account, await self.run(account, command, asking))

    def _saw(self, account: Account, ran: SenderRan) -> SenderRan:
        self._remember(account.sender, ran)
        return ran

    def _remember(self, name: str, found: Known[sender.State]) -> None:
        if len(self._seen) >= REMEMBERED:
            self._seen.pop(next(iter(self._seen)))
        self._seen[name] = _Seen(found.state, found.revision, found.position)

    async def settle(self, inbox: UUID, attempt: UUID, *, proven_not_sent: bool, asking: Asking) -> None:
        """Raises NotYetError if the sender is not in the read model yet."""
        row = self._model.read(lambda db: rows.of_inbox(db, str(inbox)))
        if row is None:
            raise NotYetError(f"What is known of the sender of {inbox}")
        account = _account(row)
        known = await self._present(account.sender)
        command = sender.Settle(attempt, proven_not_sent, self._clock.now())
        self._saw(account, await self.run(account, command, asking, known))

    # --- rates

    async def change_rate(self, command: ChangeEmailRate, asking: Asking) -> Accepted:
        account = self._mine(command.inbox, asking)
        change = sender.ChangeRate(account.organization, command.rate, self._clock.now())
        return self._runner.accepted(await self.run(account, change, asking))

    async def request_increase(self, command: RequestRateIncrease, asking: Asking) -> Accepted:
        """R-RATE-3: what a user asks of support."""
        account = self._mine(command.inbox, asking)
        wish = sender.RequestIncrease(account.organization, command.wanted, command.reason, self._clock.now())
        return self._runner.accepted(await self.run(account, wish, asking))

    async def raise_ceiling(self, command: RaiseRateCeiling, asking: Asking) -> Accepted:
        """R-RATE-3: what support grants. Refused `operator.needed` (403) to an organization."""
        if asking.by.organization is not None:
            raise Refused(
                "operator.needed", "Only support can raise this ceiling. Ask for an increase.", status=403
            )
        row = self._model.read(lambda db: rows.of_inbox(db, str(command.inbox)))
        if row is None:
            raise Refused("inbox.unknown", "There is no such inbox.", status=404)
        grant = sender.RaiseCeiling(command.ceiling, command.reason, command.until, self._clock.now())
        return self._runner.accepted(await self.run(_account(row), grant, asking))

    async def usage(self, query: GetUsage, asking: Asking) -> Usage:
        """From the stream itself: what a permit would be decided on; of a moment that has passed, what one was."""
        account = self._mine(query.inbox, asking)
        now = self._clock.now() if query.as_of is None else instant(query.as_of, self._clock)
        known = await (
            self._present(account.sender, now) if query.as_of is None else self._then(account.sender, now)
        )
        state = known.state
        if isinstance(state, Unopened):
            raise _unknown() if query.as_of is None else before_it_was()
        used = permits.use(state, now)
        ceiling = state.ceiling_at(now)
        return Usage(
            inbox=query.inbox,
            identity=state.identity,
            used_today=used.today,
            used_this_hour=used.this_hour,
            rate=state.rate_at(now),
            zone=state.zone,
            next_possible=used.next_possible,
            ceiling=ceiling,
            ceiling_until=None if ceiling == sender.CEILING else state.ceiling_until,
            requested=state.requested,
            closed=state.closed,
            as_of=None if query.as_of is None else moment(self._store, query.as_of, known.position),
            sender=account.sender,
        )

    async def find(self, query: FindSender, asking: Asking) -> KnownSender:
        """Refused `operator.needed` (403) to an organization, and `sender.unknown` (404)."""
        if asking.by.organization is not None:
            raise Refused("operator.needed", "Only operators can ask for a sending account.", status=403)
        await self.up_to_date()
        mail = self._model.read(lambda db: rows.of_sender(db, query.sender))
        other = self._model.read(lambda db: linkedin_senders.of_sender(db, query.sender))
        if (found := mail or other) is None:
            raise Refused("sender.unknown", "There is no such sending account.", status=404)
        inbox = None if mail is None else UUID(mail.inbox)
        return KnownSender(organization=UUID(found.organization), identity=UUID(found.identity), inbox=inbox)

    # --- campaigns

    async def open_campaign(
        self, name: str, campaign: UUID, source_revision: int, asking: Asking
    ) -> SenderRan:
        """The campaign is active as of `source_revision` of its stream: it may send from this account."""
        command = sender.OpenCampaign(campaign, source_revision, self._clock.now())
        return await self.run(self._named(name), command, asking)

    async def stop_campaign(
        self, campaign: UUID, identity: UUID, source_revision: int, asking: Asking
    ) -> int:
        """It was paused or ended, at `source_revision` of its stream. When this returns that stands in every
        account concerned, and what may still be on its way is cancelled; how many steps that are.

        Refused `view.behind` (503).
        """
        count = 0
        if self._others is not None:
            count += await self._others.stop_campaign(campaign, identity, source_revision, asking)
        for account in await self._accounts(campaign, identity):
            command = sender.StopCampaign(campaign, source_revision, self._clock.now())
            ran = await self.run(account, command, Asking(derived(asking.id, account.sender), asking.by))
            count += _leaving(ran.state, campaign, command.at)
        return count

    async def leaving(self, campaign: UUID, identity: UUID) -> int:
        """How many steps of it were dispatched, have no outcome yet, and may still leave."""
        now = self._clock.now()
        accounts = await self._accounts(campaign, identity)
        others = 0 if self._others is None else await self._others.leaving(campaign, identity)
        return others + sum([_leaving(await self.state(one.sender, now), campaign, now) for one in accounts])

    async def leaving_then(self, campaign: UUID, names: Sequence[str], at: datetime) -> int:
        """As `leaving` said then, of these accounts."""
        others = 0 if self._others is None else await self._others.leaving_then(campaign, names, at)
        return others + sum([_leaving((await self._then(one, at)).state, campaign, at) for one in names])

    async def _accounts(self, campaign: UUID, identity: UUID) -> tuple[Account, ...]:
        """Those of the identity, and those the campaign ever sent from, up to the end of the log."""
        await self.up_to_date()

        def find(db: rows.Connection) -> tuple[rows.Row, ...]:
            of_identity = rows.of_identity(db, str(identity))
            known = {row.sender for row in of_identity}
            others = [
                row
                for name in campaign_senders.of_campaign(db, str(campaign))
                if name not in known and (row := rows.of_sender(db, name)) is not None
            ]
            return (*of_identity, *others)

        return tuple(_account(row) for row in self._model.read(find))

    # --- what those beside it use, too

    async def run(
        self,
        account: Account,
        command: sender.Command,
        asking: Asking,
        known: Known[sender.State] | None = None,
    ) -> SenderRan:
        """Carry a command out on an account's stream; `known`: how it stood a moment ago."""
        now = self._clock.now()
        asked = Asked(asking.id, asking.by, now, account.identity, account.organization)
        return await self._runner.run(
            senders, f"sender-{account.sender}", command, asked, enough=_enough(command.at), known=known
        )

    async def up_to_date(self) -> None:
        """Return when everything stored up to now is in the read model. Refused `view.behind` (503)."""
        await up_to_date(self._store, self._model)

    async def state(self, name: str, now: datetime | None = None) -> sender.State:
        """An account as its stream says it is: all that a decision at `now` needs."""
        return (await self._present(name, now)).state

    async def _present(self, name: str, now: datetime | None = None) -> Known[sender.State]:
        enough = _enough(now or self._clock.now())
        since = self._seen.get(name)
        loaded = await self._runner.load(senders, f"sender-{name}", enough=enough, since=since)
        self._remember(name, loaded)
        return loaded

    async def _then(self, name: str, at: datetime) -> Known[sender.State]:
        return await self._runner.load(senders, f"sender-{name}", enough=_enough(at), until=at)

    def _mine(self, inbox: UUID, asking: Asking) -> Account:
        row = self._model.read(lambda db: rows.of_inbox(db, str(inbox)))
        if row is None or row.organization != str(asking.by.organization):
            raise _unknown()
        return _account(row)

    def _named(self, name: str) -> Account:
        row = self._model.read(lambda db: rows.of_sender(db, name))
        if row is None:
            raise NotYetError(f"What is known of the account {name}")
        return _account(row)


async def up_to_date(store: EventStore, model: ReadModel) -> None:
    """Return when everything stored up to now is in the read model. Refused `view.behind` (503)."""
    head = Position(CONTEXT, store.epoch, await store.head())
    if not await model.wait_for([str(head)], MODEL_WITHIN):
        raise Refused("view.behind", "The accounts are not up to date yet. Try again.", status=503)


def moment(store: EventStore, at: datetime, position: int) -> Moment:
    """What an answer about the past says of itself."""
    return Moment(at=at, position=str(Position(CONTEXT, store.epoch, position)))


def derived(command: UUID, name: str) -> UUID:
    """The id of a command that follows from another."""
    return uuid5(command, name)


def _leaving(state: sender.State, campaign: UUID, now: datetime) -> int:
    return 0 if isinstance(state, Unopened) else len(state.leaving(campaign, max(now, state.last)))


def _account(row: rows.Row) -> Account:
    return Account(row.sender, UUID(row.identity), UUID(row.organization))


def _enough(now: datetime) -> Callable[[Sequence[sender_events.Event]], bool]:
    return lambda newest_first: sender.enough(newest_first, now)


def _unknown() -> Refused:
    return Refused("inbox.unknown", "There is no such inbox in your organization.", status=404)


def _erased() -> Refused:
    return Refused("person.erased", "This person's data was erased: nothing is sent to them any more.")
