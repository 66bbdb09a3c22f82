"""Signing in to LinkedIn: once with the password, then whatever LinkedIn asks, then the member."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import quote
from uuid import UUID, uuid4

import structlog
from heraldry.chassis.crew import OUR_TROUBLE, Hands
from heraldry.chassis.runner import Known
from heraldry.chassis.vault.secrets import NONE_THERE
from heraldry.contracts.linkedin import LinkedInProfile, Obstacle
from heraldry.contracts.profiles import PROFILES
from heraldry.linkedin_driver import projections
from heraldry.linkedin_driver.adapters.problems import (
    BrowserFailed,
    BrowserMissing,
    Problem,
    Restricted,
    SiteUnreachable,
    SlowDown,
)
from heraldry.linkedin_driver.application import session_name
from heraldry.linkedin_driver.domain import account, linking
from heraldry.linkedin_driver.domain.obstacles import (
    INTERRUPTED,
    NO_BROWSER,
    PASSWORD_GONE,
    RESTRICTED,
    TOO_MANY_SIGN_INS,
    UNREACHABLE,
    UNRECOGNISED,
)
from heraldry.linkedin_driver.ports import (
    Answer,
    ApprovalAsked,
    CodeAsked,
    DrivenElsewhere,
    Entered,
    Stopped,
    Visit,
)
from heraldry.linkedin_driver.workers.desk import NO_SECRET, Desk
from heraldry.linkedin_driver.workers.driving import Driving
from pydantic import SecretStr

log = structlog.stdlib.get_logger(__name__)
AT_ONCE: Final = 16  # pages that are held open
MARGIN: Final = timedelta(seconds=5)  # a browser stops so long before others take it for dead
WATCH: Final = 2.0  # seconds between two looks whether a page is still held open
LOOK: Final = 0.2  # seconds between two looks whether the person has answered
LOOK_AT_PAGE: Final = 1.0  # seconds between two looks whether the app has answered
STORE_AGAIN: Final = 1.0  # seconds between two tries to store an outcome


class Overtaken(Exception):  # noqa: N818  what happened, not that it is an error
    """Unlinked, begun anew, or closed by somebody else: nobody needs this page any more."""


@dataclass(frozen=True, slots=True)
class _Piece:
    """A linking in hand."""

    of: account.Account
    linking: linking.Linking
    claim: UUID
    held_until: datetime


class LinkWorker:
    """Signs in for linkings nobody has begun; closes those whose page nobody holds any more."""

    def __init__(self, desk: Desk, driving: Driving) -> None:
        self._desk, self._driving = desk, driving
        self.hands = Hands(self.link, AT_ONCE)
        self._closing = Hands(self.close, AT_ONCE)
        self._watched: dict[
            UUID, float
        ] = {}  # when it is looked next whether somebody still drives the account

    def look(self) -> None:
        model, real_now = self._desk.model, self._desk.real.now()
        for found in model.read(projections.to_sign_in):
            self.hands.take(found)
        for found in model.read(lambda db: projections.to_abandon(db, real_now)):
            self._closing.take(found)
        self._watch(model.read(projections.held_open))

    def _watch(self, held_open: tuple[UUID, ...]) -> None:
        """Whoever held a page open may have been killed: then the person need not wait for it."""
        now = asyncio.get_running_loop().time()
        self._watched = {found: self._watched.get(found, now + WATCH) for found in held_open}
        for found, due in self._watched.items():
            if due <= now and not self.hands.holds(found):
                self._watched[found] = now + WATCH
                self._closing.take(found)

    async def stop(self) -> None:
        await asyncio.gather(self.hands.stop(), self._closing.stop())

    async def close(self, found: UUID) -> None:
        """As late as it is, or at once where nobody drives the account any more."""
        desk = self._desk
        state = await desk.application.account(found)
        if state is None or state.linking is None or isinstance(state.linking.stage, linking.Unclaimed):
            return
        gone = not await self._driving.is_driven(found)
        abandon = linking.Abandon(
            state.linking.id, state.linking.stage.claim, desk.real.now(), desk.clock.now(), gone
        )
        await desk.application.about_account(state, abandon)

    async def link(self, found: UUID) -> None:
        try:
            async with self._driving.alone(found):
                await self._claimed(found)
        except DrivenElsewhere:
            return  # found again by the next look

    async def _claimed(self, found: UUID) -> None:
        desk = self._desk
        state = await desk.application.account(found)
        if state is None or state.linking is None or await desk.application.unlink_removed(state):
            return
        claim, held_until = uuid4(), desk.real.now() + desk.held
        await desk.points("linking.before-claim")
        take = linking.ClaimSignIn(claim, held_until, desk.clock.now())
        ran = await desk.application.about_account(state, take)
        if not ran.fresh or not isinstance(ran.state, account.Account) or ran.state.linking is None:
            return
        await desk.points("linking.claimed")
        piece = _Piece(ran.state, ran.state.linking, claim, held_until)
        try:
            obstacle = await self._signed_in(piece)
        except Overtaken:
            log.info("a linking was overtaken", account=str(found))
            return
        if obstacle is not None:
            log.info("a linking failed", account=str(found), code=obstacle.code)
            await self._record(piece, linking.Fail(claim, obstacle, desk.clock.now()))

    async def _signed_in(self, piece: _Piece) -> Obstacle | None:
        """None: the member is inside. What else there is to say was said by then."""
        if self._driving.missing is not None:
            return NO_BROWSER
        opened = False
        try:
            password = await self._desk.secrets.get(str(piece.of.identity), piece.linking.secret)
            async with self._driving.fresh() as visit:
                opened = True
                return await self._through(piece, visit, SecretStr(password.value.decode()))
        except NO_SECRET:
            return PASSWORD_GONE
        except BrowserFailed as problem:
            log.warning("the browser failed", opened=opened, because=problem.detail)
            return INTERRUPTED if opened else NO_BROWSER
        except Problem as problem:
            log.warning("a linking met a problem", code=problem.code, because=problem.detail)
            return obstacle_of(problem)
        except TimeoutError:
            return UNREACHABLE

    async def _through(self, piece: _Piece, visit: Visit, password: SecretStr) -> Obstacle | None:
        page, points = visit.signing_in, self._desk.points
        async with self._within(piece.held_until):
            if stopped := await page.open():
                return stopped.obstacle
            await points("linking.before-submit")
            await self._still_ours(piece)
            answer = await page.submit(piece.linking.email, password)
            await points("linking.submitted")
        while True:
            match answer:
                case Stopped():
                    return answer.obstacle
                case Entered():
                    return await self._inside(piece, visit)
                case CodeAsked():
                    answer = await self._code(piece, visit, answer)
                case ApprovalAsked():
                    answer = await self._approval(piece, visit)

    async def _still_ours(self, piece: _Piece) -> None:
        """Whoever was frozen may have been taken for dead. Raises Overtaken."""
        state = await self._desk.application.account(piece.of.id)
        if state is None or self._desk.real.now() >= piece.held_until - MARGIN:
            raise Overtaken
        self._stage(piece, state)

    async def _code(self, piece: _Piece, visit: Visit, asked: CodeAsked) -> Answer:
        """Hold the page open until the person has entered a code, or asked for another one."""
        desk = self._desk
        known = await self._tell(
            piece,
            linking.AskForCode(
                piece.claim, asked.by, asked.hint, asked.rejected, desk.real.now(), desk.clock.now()
            ),
        )
        await desk.points("linking.code-wanted")
        while not isinstance(stage := self._stage(piece, known.state), linking.Working):
            known = await self._wait(piece, visit, stage, known, LOOK)
        async with self._within(stage.held_until):
            if stage.resend:
                return await visit.signing_in.resend()
            try:
                code = await desk.secrets.get(str(piece.of.identity), stage.code)
            except NO_SECRET:
                return CodeAsked(asked.by, asked.hint, "wrong")
            await desk.application.forget_secret(piece.of.identity, stage.code)
            answer = await visit.signing_in.enter(SecretStr(code.value.decode()))
            await desk.points("linking.code-entered")
            return answer

    async def _approval(self, piece: _Piece, visit: Visit) -> Answer:
        """Hold the page open until it goes on: it asks LinkedIn by itself."""
        now = self._desk.clock.now()
        known = await self._tell(piece, linking.AskForApproval(piece.claim, self._desk.real.now(), now))
        await self._desk.points("linking.approval-wanted")
        while isinstance(answer := await visit.signing_in.look(), ApprovalAsked):
            known = await self._wait(piece, visit, self._stage(piece, known.state), known, LOOK_AT_PAGE)
        return answer

    async def _inside(self, piece: _Piece, visit: Visit) -> Obstacle | None:
        desk, of, session = self._desk, piece.of, session_name(piece.linking.id)
        async with self._within(desk.real.now() + desk.held):
            own = await visit.own()
            if (state := await visit.state()) is None:
                return UNRECOGNISED
        sender = await desk.application.names.member(of.organization, own.member)
        # before it is said, so that whoever hears of it can use it
        await desk.points("linking.inside")
        await desk.secrets.put(str(of.identity), session, state, expected_revision=NONE_THERE)
        await desk.points("linking.session-kept")
        profile = LinkedInProfile(
            first_name=own.first_name,
            last_name=own.last_name,
            headline=own.headline,
            url=PROFILES + quote(own.slug, safe="") if own.slug else "",
        )
        sign_in = linking.SignIn(
            piece.claim,
            sender,
            profile,
            own.sales_navigator,
            desk.real.now() + desk.held,
            desk.clock.now(),
        )
        try:
            await self._tell(piece, sign_in)
        except Overtaken:
            await desk.application.forget_secret(of.identity, session)
            raise
        await desk.points("linking.signed-in")
        return None

    async def _wait(
        self,
        piece: _Piece,
        visit: Visit,
        stage: linking.Stage,
        known: Known[account.State],
        pause: float,
    ) -> Known[account.State]:
        """A moment later. Raises Overtaken when nobody came in time, BrowserFailed when the page is gone."""
        if not visit.alive:
            raise BrowserFailed("It ended while a person was waited for.")
        waits = isinstance(stage, linking.CodeWanted | linking.ApprovalWanted)
        if waits and stage.until <= self._desk.real.now():
            await self.close(piece.of.id)
            raise Overtaken
        await asyncio.sleep(pause)
        return await self._desk.application.newer_account(piece.of.id, known)

    def _stage(self, piece: _Piece, state: account.State) -> linking.Stage:
        """How far this linking is. Raises Overtaken."""
        if isinstance(state, account.Account) and (now := state.linking) and now.id == piece.linking.id:
            stage = now.stage
            if not isinstance(stage, linking.Unclaimed) and stage.claim == piece.claim:
                return stage
        raise Overtaken

    async def _tell(
        self, piece: _Piece, command: linking.AskForCode | linking.AskForApproval | linking.SignIn
    ) -> Known[account.State]:
        ran = await self._desk.application.about_account(piece.of, command)
        if not ran.fresh:
            raise Overtaken
        return ran

    async def _record(self, piece: _Piece, outcome: linking.Fail) -> None:
        """Store what happened, however long the store is away."""
        while True:
            try:
                await self._desk.application.about_account(piece.of, outcome)
            except OUR_TROUBLE as error:
                log.error("an outcome cannot be stored yet", account=str(piece.of.id), because=str(error))  # noqa: TRY400  the reason is all there is
                await asyncio.sleep(STORE_AGAIN)
            else:
                return

    def _within(self, held_until: datetime) -> asyncio.Timeout:
        """Stop before others take this browser for dead."""
        return asyncio.timeout((held_until - MARGIN - self._desk.real.now()).total_seconds())


def obstacle_of(problem: Problem) -> Obstacle:
    match problem:
        case BrowserMissing():
            return NO_BROWSER
        case SlowDown():
            return TOO_MANY_SIGN_INS
        case Restricted():
            return RESTRICTED
        case SiteUnreachable():
            return UNREACHABLE
        case _:
            return UNRECOGNISED
