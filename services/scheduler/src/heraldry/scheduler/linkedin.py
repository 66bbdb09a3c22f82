"""What is done on LinkedIn, and how much: every permit is decided on the member's own stream.

A campaign's step goes through `LinkedIn.dispatch(sender, Dispatch(...), asking)`: it takes the permit and dispatches
the action in one append, or raises Refused with why, and in `extra["until"]` until when, if that is known. `sender`
is the one of the account (`projections.linkedin_senders`), `Dispatch` is in `domain.linkedin_sender`:

    ran = await linkedin.dispatch(
        sender,
        Dispatch(organization, attempt, Action("invitation", person, profile, name, note), now,
                 campaign=campaign, enrollment=enrollment, identity=identity),
        Asking(attempt, by),
    )

Nothing appended (`not ran.events`): that attempt was dispatched before. `open_campaign` first, as with an inbox.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final, TypeAlias
from uuid import UUID

from heraldry.chassis.bus.rpc import Asking
from heraldry.chassis.clock import Clock
from heraldry.chassis.decider import Decider
from heraldry.chassis.past import before_it_was, instant
from heraldry.chassis.readmodel import ReadModel
from heraldry.chassis.runner import Asked, Ran, Runner
from heraldry.chassis.store.port import EventStore
from heraldry.chassis.vault.keys import KeyDestroyedError, KeyRing
from heraldry.contracts.base import Accepted, Refused
from heraldry.contracts.linkedin import ActionKind
from heraldry.contracts.linkedin import account_of as linking_of
from heraldry.contracts.linkedin_steps import (
    GetLinkedInUsage,
    InviteOnLinkedIn,
    LinkedInUsage,
    LinkedInUse,
    OwnScrapings,
    ReadProfileOnLinkedIn,
    SharedPool,
)
from heraldry.contracts.profiles import NoProfile, profile_address
from heraldry.contracts.scheduler import ChangeLinkedInLimits, ChangeWithdrawalPolicy
from heraldry.scheduler.application import Account, NotYetError, derived, moment, up_to_date
from heraldry.scheduler.blocks import Blocks
from heraldry.scheduler.domain import (
    linkedin_permits,
    linkedin_sender,
    linkedin_sender_events,
    linking,
    scraping_pool,
)
from heraldry.scheduler.domain.linkedin_sender import UNOPENED, Action, Dispatch, LinkedInSender
from heraldry.scheduler.domain.sender import OpenCampaign, Settle, StopCampaign
from heraldry.scheduler.projections import campaign_senders, linkedin_steps
from heraldry.scheduler.projections import linkedin_senders as rows
from heraldry.scheduler.scrapings import Scrapings

decider: Decider[linkedin_sender.Command, linkedin_sender.State, linkedin_sender_events.Event] = Decider(
    UNOPENED, linkedin_permits.decide, linkedin_sender.evolve
)
linkings: Decider[linking.Command, linking.Linking, linking.Event] = Decider(
    linking.NEVER, linking.decide, linking.evolve
)
LinkedInRan: TypeAlias = Ran[linkedin_sender.State, linkedin_sender_events.Event]
KINDS: Final[tuple[ActionKind, ...]] = ("invitation", "message", "withdrawal", "scraping")


class LinkedIn:
    """Limits and dispatch of what is done on LinkedIn."""

    def __init__(
        self,
        runner: Runner,
        store: EventStore,
        model: ReadModel,
        keys: KeyRing,
        clock: Clock,
        blocks: Blocks,
        scrapings: Scrapings,
    ) -> None:
        self._runner, self._store, self._model = runner, store, model
        self._keys, self._clock, self._blocks = keys, clock, blocks
        self._scrapings = scrapings

    # --- permits

    async def dispatch(self, sender: str, command: Dispatch, asking: Asking) -> LinkedInRan:
        """Permit and dispatch one action, now. Nothing appended: it was dispatched before.

        Refused `quota.exhausted` (until), `hours.outside` (until), `linkedin.slowed-down` (until),
        `invitation.withdrawn-lately` (until), `linkedin.not-linked` (code), `campaign.not-open`,
        `withdrawal.under-way`, `person.erased`, `linkedin.unknown`.
        """
        action = command.action
        account = Account(sender, command.identity or self._named(sender).identity, command.organization)
        if action.kind == "invitation":
            await self._not_withdrawn_lately(account, action)
        try:
            await self._keys.create(str(action.person))
        except KeyDestroyedError:
            raise Refused(
                "person.erased", "This person's data was erased: nothing is done with them any more."
            ) from None
        try:
            return await self._permitted(account, command, asking)
        except Refused as refusal:
            if refusal.code == "quota.exhausted":
                until = f"exhausted {action.kind} {refusal.extra['until']}"
                at = datetime.fromisoformat(refusal.extra["until"])
                said = linkedin_sender.SayExhausted(action.kind, self._clock.now(), at)
                await self.run(account, said, Asking(derived(asking.id, until), asking.by))
            raise

    async def _permitted(self, account: Account, command: Dispatch, asking: Asking) -> LinkedInRan:
        """R-LIM-2: a scraping draws on the sender's own capacity first, then on the organization's pool. The pool's
        permit is taken before the sender dispatches, by the attempt: whoever tries again after a crash finds it.
        """
        try:
            return await self.run(account, command, asking)
        except Refused as refusal:
            if command.action.kind != "scraping" or refusal.code != "quota.exhausted":
                raise
            own_again = datetime.fromisoformat(refusal.extra["until"])
        try:
            shared = await self._scrapings.take(account, command.attempt, asking)
        except Refused as refusal:
            if refusal.code != "quota.exhausted":
                raise
            pool_again = datetime.fromisoformat(refusal.extra["until"])
            state = await self.state(account.sender, command.at)
            own = state.allowed("scraping") if isinstance(state, LinkedInSender) else 0
            raise scraping_pool.used_up(_either(own, own_again, pool_again), own) from None
        return await self.run(account, replace(command, shared=shared), asking)

    async def next_scraping(self, sender: LinkedInSender, now: datetime) -> datetime | None:
        """When one more profile may be read, by what the sender has of its own and by the pool; None: now."""
        own = sender.use("scraping", now).until
        if own is None:
            return None
        pool = (await self._scrapings.pool(sender.organization, now)).next_possible
        return None if pool is None else _either(sender.allowed("scraping"), own, pool)

    @property
    def pool_size(self) -> int:
        """How many profiles an organization's identities may read a day, together."""
        return self._scrapings.size

    async def _not_withdrawn_lately(self, account: Account, action: Action) -> None:
        until = await self._blocks.until(account.organization, account.sender, action.person, action.profile)
        if until is not None:
            raise Refused(
                "invitation.withdrawn-lately",
                "An invitation to this person was withdrawn less than three weeks ago. This LinkedIn account can"
                f" invite them again from {until:%d %B %Y, %H:%M:%S} UTC.",
                extra={"until": until.isoformat()},
            )

    async def invite(self, command: InviteOnLinkedIn, asking: Asking) -> Accepted:
        """By hand, now: working hours are the campaigns'."""
        return await self._by_hand("invitation", command, command.note, asking)

    async def read_profile(self, command: ReadProfileOnLinkedIn, asking: Asking) -> Accepted:
        """By hand, now."""
        return await self._by_hand("scraping", command, "", asking)

    async def _by_hand(
        self,
        kind: ActionKind,
        command: InviteOnLinkedIn | ReadProfileOnLinkedIn,
        text: str,
        asking: Asking,
    ) -> Accepted:
        account = self.mine(command.identity, asking)
        try:
            profile = profile_address(command.profile)
        except NoProfile as error:
            raise Refused("linkedin-url.malformed", str(error), status=422, field="profile") from None
        action = Action(kind, command.person, profile, command.name, text)
        step = Dispatch(account.organization, asking.id, action, self._clock.now(), identity=command.identity)
        return self._runner.accepted(await self.dispatch(account.sender, step, asking))

    async def settle(self, attempt: UUID, asking: Asking, *, proven_not_done: bool) -> None:
        """It has an outcome. What was never dispatched here has nothing to settle."""
        await self.up_to_date()
        step = self._model.read(lambda db: linkedin_steps.of_attempt(db, str(attempt)))
        if step is not None:
            account = Account(step.sender, UUID(step.identity), UUID(step.organization))
            await self.run(account, Settle(attempt, proven_not_done, self._clock.now()), asking)
            if proven_not_done and step.kind == "scraping":
                await self._scrapings.give_back(account, attempt, asking)

    async def cancel(self, sender: str, attempt: UUID, asking: Asking) -> None:
        """There is no news of it: ask the driver to close it, if it was not begun."""
        await self.run(self._named(sender), linkedin_sender.Cancel(attempt, self._clock.now()), asking)

    # --- limits

    async def change_limits(self, command: ChangeLinkedInLimits, asking: Asking) -> Accepted:
        account = self.mine(command.identity, asking)
        change = linkedin_sender.ChangeLimits(account.organization, command.limits, self._clock.now())
        return self._runner.accepted(await self.run(account, change, asking))

    async def change_policy(self, command: ChangeWithdrawalPolicy, asking: Asking) -> Accepted:
        """R-WD-1."""
        account = self.mine(command.identity, asking)
        change = linkedin_sender.ChangePolicy(account.organization, command.policy, self._clock.now())
        return self._runner.accepted(await self.run(account, change, asking))

    async def usage(self, query: GetLinkedInUsage, asking: Asking) -> LinkedInUsage:
        """From the stream itself: what a permit would be decided on; of a moment that has passed, what one was."""
        now = self._clock.now() if query.as_of is None else instant(query.as_of, self._clock)
        name = await self._acted_as(query, asking)
        loaded = await self._runner.load(decider, _stream(name), enough=_enough(now), until=query.as_of)
        state = loaded.state
        if not isinstance(state, LinkedInSender) or state.organization != asking.by.organization:
            raise linkedin_permits.unknown()
        if query.as_of is not None and state.identity != query.identity:
            raise before_it_was()
        pool = await self._scrapings.pool(state.organization, now, query.as_of)
        own = OwnScrapings(used_today=state.use("scraping", now).used, allowed=state.allowed("scraping"))
        return LinkedInUsage(
            identity=state.identity,
            account=state.account,
            limits=state.limits,
            warnings=state.limits.warnings,
            policy=state.policy,
            use=tuple(_use(state, kind, now, pool) for kind in KINDS),
            zone=state.zone,
            slowed=tuple(sorted((kind, until) for kind, until in state.pauses.items() if until > now)),
            pool=pool,
            own_scrapings=own if state.sales_navigator else None,
            closed=state.closed,
            reason=state.reason,
            as_of=None if query.as_of is None else moment(self._store, query.as_of, loaded.position),
            sender=name,
        )

    # --- campaigns

    async def open_campaign(
        self, sender: str, campaign: UUID, source_revision: int, asking: Asking
    ) -> LinkedInRan:
        """The campaign is active as of `source_revision` of its stream: it may act through this account."""
        command = OpenCampaign(campaign, source_revision, self._clock.now())
        return await self.run(self._named(sender), command, asking)

    async def stop_campaign(
        self, campaign: UUID, identity: UUID, source_revision: int, asking: Asking
    ) -> int:
        """As of inboxes: when this returns it stands in every account concerned; how many steps are leaving."""
        count = 0
        for account in await self._accounts(campaign, identity):
            command = StopCampaign(campaign, source_revision, self._clock.now())
            ran = await self.run(account, command, Asking(derived(asking.id, account.sender), asking.by))
            count += _leaving(ran.state, campaign, command.at)
        return count

    async def leaving(self, campaign: UUID, identity: UUID) -> int:
        """How many steps of it were dispatched, have no outcome yet, and may still begin."""
        now = self._clock.now()
        accounts = await self._accounts(campaign, identity)
        return sum([_leaving(await self.state(one.sender, now), campaign, now) for one in accounts])

    async def _acted_as(self, query: GetLinkedInUsage, asking: Asking) -> str:
        """The member as whom the identity acts, or acted then. Refused `linkedin.unknown`, `as-of.before`."""
        if query.as_of is not None:
            stream = f"linking-{linking_of(query.identity)}"
            link = (await self._runner.load(linkings, stream, until=query.as_of)).state
            if link.sender:
                return link.sender
        account = self.mine(query.identity, asking)
        if query.as_of is not None:
            raise before_it_was()
        return account.sender

    async def leaving_then(self, campaign: UUID, names: Sequence[str], at: datetime) -> int:
        """As `leaving` said then, of these accounts."""
        count = 0
        for name in names:
            loaded = await self._runner.load(decider, _stream(name), enough=_enough(at), until=at)
            count += _leaving(loaded.state, campaign, at)
        return count

    async def _accounts(self, campaign: UUID, identity: UUID) -> Sequence[Account]:
        """Those of the identity, and those the campaign ever acted through, up to the end of the log."""
        await self.up_to_date()

        def find(db: rows.Connection) -> Sequence[Account]:
            found = {row.sender: row for row in rows.all_of_identity(db, str(identity))}
            for name in campaign_senders.of_campaign(db, str(campaign)):
                if name not in found and (row := rows.of_sender(db, name)) is not None:
                    found[name] = row
            return [account_of(row) for row in found.values()]

        return self._model.read(find)

    # --- what those beside it use, too

    async def run(self, account: Account, command: linkedin_sender.Command, asking: Asking) -> LinkedInRan:
        """Carry a command out on a member's stream."""
        asked = Asked(asking.id, asking.by, command.at, account.identity, account.organization)
        return await self._runner.run(
            decider, _stream(account.sender), command, asked, enough=_enough(command.at)
        )

    async def state(self, sender: str, now: datetime | None = None) -> linkedin_sender.State:
        """A member as its stream says it is: all that a decision at `now` needs."""
        enough = _enough(now or self._clock.now())
        return (await self._runner.load(decider, _stream(sender), enough=enough)).state

    async def up_to_date(self) -> None:
        await up_to_date(self._store, self._model)

    def mine(self, identity: UUID, asking: Asking) -> Account:
        """Whom an identity of the organization acts as. Refused `linkedin.unknown`."""
        row = self._model.read(lambda db: rows.of_identity(db, str(identity)))
        if row is None or row.organization != str(asking.by.organization):
            raise linkedin_permits.unknown()
        return account_of(row)

    def _named(self, sender: str) -> Account:
        row = self._model.read(lambda db: rows.of_sender(db, sender))
        if row is None:
            raise NotYetError(f"What is known of the LinkedIn account {sender}")
        return account_of(row)


def account_of(row: rows.Row) -> Account:
    return Account(row.sender, UUID(row.identity), UUID(row.organization))


def _stream(sender: str) -> str:
    return f"linkedin-{sender}"


def _leaving(state: linkedin_sender.State, campaign: UUID, now: datetime) -> int:
    return len(state.leaving(campaign, max(now, state.last))) if isinstance(state, LinkedInSender) else 0


def _use(state: LinkedInSender, kind: ActionKind, now: datetime, pool: SharedPool) -> LinkedInUse:
    used, paused = state.use(kind, now), state.paused_until(kind, now)
    most, why, next_possible = state.allowed(kind), "", used.until
    if used.until is not None and kind == "scraping":
        next_possible = pool.next_possible and _either(most, used.until, pool.next_possible)
        why = scraping_pool.used_up(next_possible, most).detail if next_possible else ""
    elif used.until is not None:
        why = linkedin_permits.exhausted(kind, most, used.until).detail
    if paused is not None and (next_possible is None or paused > next_possible):
        next_possible, why = paused, linkedin_permits.slowed_down(kind, paused).detail
    return LinkedInUse(
        kind=kind,
        used_today=state.counted(kind, now),
        allowed=most + pool.allowed if kind == "scraping" else most,
        next_possible=next_possible,
        why=why,
    )


def _either(own: int, own_again: datetime, pool_again: datetime) -> datetime:
    """When one more profile may be read: by the pool, or by what there is of one's own."""
    return min(own_again, pool_again) if own else pool_again


def _enough(now: datetime) -> Callable[[Sequence[linkedin_sender_events.Event]], bool]:
    return lambda newest_first: linkedin_sender.enough(newest_first, now)
