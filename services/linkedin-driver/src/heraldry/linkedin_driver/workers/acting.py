"""Doing what was dispatched, once; looking up what may have been done."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import unquote
from uuid import UUID, uuid4

import structlog
from heraldry.chassis import tracing
from heraldry.chassis.crew import OUR_TROUBLE, Hands
from heraldry.chassis.runner import Known, Loaded
from heraldry.contracts.linkedin import LinkedInActionQueued, Obstacle
from heraldry.contracts.profiles import NoProfile, profile_address, slug_of
from heraldry.linkedin_driver import projections
from heraldry.linkedin_driver.actions import Actions, Whose, asked_by, withdrawn_at
from heraldry.linkedin_driver.domain import account, action, pending
from heraldry.linkedin_driver.domain.hindrances import (
    BROWSER_ENDED,
    MOVED,
    NO_SUCH_PROFILE,
    NOT_NOW,
    READING_INTERRUPTED,
    TOO_LATE,
    slowed_until,
)
from heraldry.linkedin_driver.domain.obstacles import (
    ACCEPTED_MEANWHILE,
    ALREADY_CONNECTED,
    NOT_FOUND,
)
from heraldry.linkedin_driver.ports import (
    Cause,
    Click,
    Done,
    DrivenElsewhere,
    Hindered,
    Member,
    NotDone,
    Outcome,
    Unsure,
    Visit,
    Wanted,
)
from heraldry.linkedin_driver.projections.actions import shown
from heraldry.linkedin_driver.workers.desk import Desk
from heraldry.linkedin_driver.workers.driving import Driving
from heraldry.linkedin_driver.workers.gate import last_gate

log = structlog.stdlib.get_logger(__name__)
AT_ONCE: Final = 8  # accounts
LOOKED_AT: Final = 2 * AT_ONCE  # actions of one look
STORE_AGAIN: Final = 1.0  # seconds between two tries to store an outcome
HELD_UP: Final = 5.0  # seconds between being begun and the click, after which nothing is clicked
ELSEWHERE: Final = timedelta(seconds=1)  # until an account that somebody else drives is tried again
FIRST_PAUSE: Final = timedelta(seconds=5)
LONGEST_PAUSE: Final = timedelta(minutes=5)
_NO_PROFILE_SHOWN: Final[frozenset[Cause]] = frozenset({"not found", "signed out", "restricted", "too much"})
_FOR_GOOD: Final[frozenset[Cause]] = frozenset({"not found", "layout"})
_CONNECTED: Final = frozenset({ACCEPTED_MEANWHILE.code, ALREADY_CONNECTED.code})


class HangUp(Exception):  # noqa: N818  what to do, not that it is an error
    """It must not be done now: leave the page before the click."""


class HeldUp(Exception):  # noqa: N818
    """It was begun so long ago that others may have looked it up already: nothing is clicked."""


@dataclass(frozen=True, slots=True)
class _Piece:
    """An action in hand. `claimed`: its stream with the claim in it."""

    whose: Whose
    of: account.Account
    wanted: LinkedInActionQueued
    claim: UUID
    claimed: Known[action.State]


@dataclass(slots=True)
class _Click:
    """Begins the action behind the last gate, immediately before the click."""

    worker: ActionWorker
    piece: _Piece
    visit: Visit
    begun: Known[action.State] | None = None

    async def before(self, member: str, alike: int) -> None:
        self.begun = await self.worker.begin(self.piece, self.visit, member, alike)

    async def after(self) -> None:
        await self.worker.desk.points("action.clicked")


class ActionWorker:
    """One action at a time of each account, with a pause of `pause` seconds (real clock) after each."""

    def __init__(self, desk: Desk, actions: Actions, driving: Driving, pause: float) -> None:
        self.desk, self._actions, self._driving, self._pause = desk, actions, driving, pause
        self.hands = Hands(self.act, AT_ONCE)
        self.eyes = Hands(self.look_up, AT_ONCE)
        self._resting: dict[UUID, datetime] = {}  # accounts, and until when (real clock)
        self._tries: dict[UUID, int] = {}  # of actions that were put back
        self._looks: dict[UUID, tuple[datetime, timedelta]] = {}  # next look-up (business time), its pause

    def look(self) -> None:
        model, now, real_now = self.desk.model, self.desk.clock.now(), self.desk.real.now()
        self._resting = {found: until for found, until in self._resting.items() if until > real_now}
        busy = (*self.hands.busy, *self._resting)
        for due in model.read(lambda db: projections.to_do(db, now, real_now, most=LOOKED_AT, busy=busy)):
            self.hands.take(due.attempt, due.account)
        started = model.read(projections.to_look_up)
        for due in started:
            if due.account not in self.hands.busy and self._is_due(due.attempt, now):
                self.eyes.take(due.attempt, due.account)
        open_ = {due.attempt for due in started}
        self._looks = {attempt: look for attempt, look in self._looks.items() if attempt in open_}

    async def stop(self) -> None:
        await asyncio.gather(self.hands.stop(), self.eyes.stop())

    # --- acting

    async def act(self, attempt: UUID) -> None:
        """Claim behind the last gate, do it, record. Whoever is not answered *fresh* does nothing."""
        known = await self._actions.load(attempt)
        if isinstance(known.state, action.Waiting | action.InHand):
            with tracing.span("action", correlation=known.correlation):
                await self._act(known.state.action, known)

    async def _act(self, wanted: LinkedInActionQueued, known: Loaded[action.State, action.Event]) -> None:
        desk = self.desk
        of = await desk.application.account(wanted.account)
        gate = await last_gate(desk, self._actions, wanted, of)
        if of is None or gate.closed or desk.clock.now() >= wanted.valid_until - action.MARGIN:
            take = action.Claim(uuid4(), gate, desk.real.now(), desk.clock.now(), desk.held)
            await self._actions.about(_whose(known, wanted), take, known)  # it ends at the gate
            return
        if gate.halted:
            self._rest(wanted.account, ELSEWHERE)
            return
        try:
            async with self._driving.alone(wanted.account):
                piece = await self._claimed(known, wanted, of, gate)
                if piece is not None:
                    await self._do(piece)
                    self._rest(wanted.account, timedelta(seconds=self._pause * random.uniform(0.5, 1.5)))  # noqa: S311  no secret
        except DrivenElsewhere:
            self._rest(wanted.account, ELSEWHERE)

    async def _claimed(
        self,
        known: Loaded[action.State, action.Event],
        wanted: LinkedInActionQueued,
        of: account.Account,
        gate: action.Gate,
    ) -> _Piece | None:
        desk, claim, whose = self.desk, uuid4(), _whose(known, wanted)
        await desk.points("action.before-claim")
        take = action.Claim(claim, gate, desk.real.now(), desk.clock.now(), desk.held)
        ran = await self._actions.about(whose, take, known)
        if not ran.fresh or not isinstance(ran.state, action.InHand):
            return None
        await desk.points("action.claimed")
        return _Piece(whose, of, wanted, claim, ran)

    async def _do(self, piece: _Piece) -> None:
        wanted = _wanted(piece.wanted)
        if wanted is None:
            await self._refuse(piece, NO_SUCH_PROFILE)
            return
        click: _Click | None = None
        try:
            async with self._driving.inside(piece.of) as visit:
                click = _Click(self, piece, visit)
                outcome = await acted(visit.member, wanted, click)
                await self.desk.points("action.verified")
                await self._record(piece, outcome, click.begun)
        except HangUp:
            log.info("an action was not begun", attempt=str(piece.whose.attempt))
        except HeldUp:
            await self._refuse(piece, TOO_LATE, again=True)
        except Hindered as met:
            if click and click.begun and wanted.kind == "scraping":
                await self._lose(piece, met)
            elif click and click.begun:  # it may have been done: from now on it is only looked up
                log.warning(
                    "an action may have been done", attempt=str(wanted.attempt), because=met.obstacle.code
                )
            else:
                await self._put_off(piece, met)
        except OUR_TROUBLE as error:
            if click and click.begun:
                log.warning(
                    "an action may have been done", attempt=str(wanted.attempt), because=type(error).__name__
                )
            else:
                await self._put_back(piece, NOT_NOW)
                raise

    async def begin(self, piece: _Piece, visit: Visit, member: str, alike: int) -> Known[action.State]:
        """Raises HangUp where it may not be done, HeldUp where the click would come too late, and Hindered."""
        desk = self.desk
        await desk.points("action.ready")
        gate = await last_gate(desk, self._actions, piece.wanted)
        named = await self._actions.person_named(piece.whose.organization, member)
        if not visit.alive:
            raise Hindered(BROWSER_ENDED, "unreachable")
        asked = asyncio.get_running_loop().time()
        begin = action.Begin(piece.claim, gate, desk.clock.now(), named, alike)
        ran = await self._actions.about(piece.whose, begin, piece.claimed)
        if not ran.fresh or not isinstance(ran.state, action.Begun):
            raise HangUp
        await desk.points("action.started")
        if asyncio.get_running_loop().time() - asked > HELD_UP:
            raise HeldUp
        return ran

    # --- recording

    async def _record(self, piece: _Piece, outcome: Outcome, begun: Known[action.State] | None) -> None:
        match outcome:
            case Done():
                await self._store(piece, outcome, begun)
            case NotDone():
                await self._refuse(piece, outcome.diagnosis, again=outcome.passes)
                await self._learn(piece.whose, piece.of, piece.wanted, outcome.diagnosis)
            case Unsure():
                log.warning("whether an action was done is not known", attempt=str(piece.whose.attempt))

    async def _store(self, piece: _Piece, done: Done, begun: Known[action.State] | None) -> None:
        """Store that it was done, however long the store is away; a crash here ends in a look-up."""
        while True:
            try:
                await self._finish(piece.whose, piece.of.sender, piece.wanted, done, begun)
            except OUR_TROUBLE as error:
                log.warning(
                    "an outcome cannot be stored yet", attempt=str(piece.whose.attempt), because=str(error)
                )
                await asyncio.sleep(STORE_AGAIN)
            else:
                return

    async def _finish(
        self,
        whose: Whose,
        sender: str,
        wanted: LinkedInActionQueued,
        done: Done,
        known: Known[action.State] | None,
    ) -> None:
        """A withdrawal closes the way to the person before anybody is told of it."""
        now = self.desk.clock.now()
        if wanted.kind == "withdrawal":
            await self._actions.about_both(whose, sender, wanted.profile, withdrawn_at(now))
        await self._actions.about(whose, action.Finish(done.proof, now, done.data), known)

    async def _refuse(self, piece: _Piece, diagnosis: Obstacle, *, again: bool = False) -> None:
        refuse = action.Refuse(piece.claim, diagnosis, None, self.desk.clock.now(), again)
        await self._actions.about(piece.whose, refuse)

    async def _lose(self, piece: _Piece, met: Hindered) -> None:
        """A profile was opened, and nothing was read of it. Where LinkedIn showed none, the permit goes back."""
        none_shown = met.cause in _NO_PROFILE_SHOWN and met.obstacle.code != MOVED.code
        refuse = action.Refuse(
            piece.claim,
            met.obstacle,
            None,
            self.desk.clock.now(),
            again=met.cause not in _FOR_GOOD,
            proven=none_shown,
        )
        await self._actions.about(piece.whose, refuse)

    async def _put_off(self, piece: _Piece, met: Hindered) -> None:
        """What stands in the way of this action ends it; for what stands in the way of all it waits."""
        if met.cause in _FOR_GOOD:
            await self._refuse(piece, met.obstacle)
        else:
            await self._put_back(piece, met.obstacle)

    async def _put_back(self, piece: _Piece, diagnosis: Obstacle) -> None:
        tries = self._tries.get(piece.whose.attempt, 0)
        self._tries[piece.whose.attempt] = tries + 1
        retry_at = self.desk.real.now() + min(FIRST_PAUSE * 2**tries, LONGEST_PAUSE)
        refuse = action.Refuse(piece.claim, diagnosis, retry_at, self.desk.clock.now(), again=True)
        await self._actions.about(piece.whose, refuse)

    async def _learn(
        self, whose: Whose, of: account.Account, wanted: LinkedInActionQueued, diagnosis: Obstacle
    ) -> None:
        """What the page told beside that nothing was done."""
        now = self.desk.clock.now()
        if of.live is not None and (slowed := slowed_until(diagnosis, now)):
            slow = account.SlowDown(of.live, *slowed, diagnosis, now)
            await self.desk.application.about_account(of, slow)
        if diagnosis.code in _CONNECTED:
            await self._actions.about_both(whose, of.sender, wanted.profile, pending.Accept(now))
        elif diagnosis.code == NOT_FOUND.code:
            await self._actions.about_both(whose, of.sender, wanted.profile, pending.Miss(now))

    def _rest(self, found: UUID, pause: timedelta) -> None:
        self._resting[found] = self.desk.real.now() + pause

    # --- looking up

    def _is_due(self, attempt: UUID, now: datetime) -> bool:
        due, pause = self._looks.get(attempt, (now, FIRST_PAUSE))
        if now < due:
            return False
        self._looks[attempt] = (now + pause, min(2 * pause, LONGEST_PAUSE))
        return True

    async def look_up(self, attempt: UUID) -> None:
        """Look whether it was done. That it does not show proves nothing; after 30 minutes a person decides."""
        known = await self._actions.load(attempt)
        if not isinstance(known.state, action.Begun):
            return
        state, wanted = known.state, known.state.action
        whose = _whose(known, wanted)
        of = await self.desk.application.account(wanted.account)
        if wanted.kind == "scraping":
            await self._lost(whose, state)
            return
        try:
            outcome = await self._seen(of, state)
        except DrivenElsewhere:
            self._looks.pop(attempt, None)
            return
        now = self.desk.clock.now()
        match outcome:
            case Done() if of is not None:
                await self._finish(whose, of.sender, wanted, outcome, known)
            case NotDone(diagnosis=diagnosis) if of is not None:
                refuse = action.Refuse(state.claim, diagnosis, None, now, again=outcome.passes)
                await self._actions.about(whose, refuse)
                await self._learn(whose, of, wanted, diagnosis)
            case Unsure(still=Obstacle() as still) if now >= state.since + action.LOOKED_UP_FOR:
                await self._actions.about(whose, action.Refuse(state.claim, still, None, now, again=True))
            case _:
                await self._actions.about(whose, action.GiveUp(now))

    async def _lost(self, whose: Whose, state: action.Begun) -> None:
        """Nobody reads it any more: no page shows whether a profile was read, and what was read is gone."""
        try:
            async with self._driving.alone(state.action.account):
                now = self.desk.clock.now()
                refuse = action.Refuse(state.claim, READING_INTERRUPTED, None, now, again=True, proven=False)
                await self._actions.about(whose, refuse)
        except DrivenElsewhere:
            self._looks.pop(whose.attempt, None)

    async def _seen(self, of: account.Account | None, state: action.Begun) -> Outcome:
        wanted = _wanted(state.action)
        if of is None or of.live is None or wanted is None or state.action.sender not in {"", of.sender}:
            return Unsure()
        async with self._driving.alone(of.id):
            try:
                async with self._driving.inside(of) as visit:
                    return await visit.member.look(wanted, state.alike)
            except Hindered as met:
                log.info("a look-up was not possible", attempt=str(wanted.attempt), because=met.obstacle.code)
                return Unsure()


async def acted(member: Member, wanted: Wanted, click: Click) -> Outcome:
    """Do it, as a span: which kind of action, and by its code why it was not done. Never to whom."""
    with tracing.span(f"linkedin {wanted.kind}", "client") as told:
        outcome = await member.act(wanted, click)
        told.tell({"heraldry.outcome": type(outcome).__name__})
        if isinstance(outcome, NotDone):
            told.fail(outcome.diagnosis.code)
        return outcome


def _whose(known: Loaded[action.State, action.Event], wanted: LinkedInActionQueued) -> Whose:
    meta = known.decoded[0].meta
    return Whose(wanted.attempt, UUID(meta.organization), wanted.identity, asked_by(known), meta.correlation)


def _wanted(queued: LinkedInActionQueued) -> Wanted | None:
    """In the site's own terms; None where the address says nobody."""
    try:
        slug = unquote(slug_of(profile_address(shown(queued.profile))))
    except NoProfile:
        return None
    return Wanted(queued.attempt, queued.kind, slug, shown(queued.name), shown(queued.text))
