"""Sending what was dispatched, once; looking up what may have left."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID, uuid4

import structlog
from heraldry.chassis import tracing
from heraldry.chassis.crew import OUR_TROUBLE, Hands
from heraldry.chassis.points import Points
from heraldry.chassis.points import none as no_points
from heraldry.chassis.runner import Known, Loaded
from heraldry.contracts.mailbox import Diagnosed, EmailQueued
from heraldry.mailbox import projections
from heraldry.mailbox.domain import email, inbox
from heraldry.mailbox.domain.compose import ATTEMPT_HEADER, Unmailable, message_id
from heraldry.mailbox.ports import (
    Accepted,
    LinkNotReady,
    Mailbox,
    MailProblem,
    NotSent,
    Submission,
    Submitter,
    Unknown,
)
from heraldry.mailbox.workers.copying import CopyWorker
from heraldry.mailbox.workers.desk import (
    NO_PASSWORD,
    PASSWORD_GONE,
    Desk,
    diagnosed,
    is_lost,
)
from heraldry.mailbox.workers.gate import last_gate

log = structlog.stdlib.get_logger(__name__)
STORE_AGAIN: Final = 1.0  # seconds between two tries to store an outcome
MAILS_AT_ONCE: Final = 32
EACH: Final = 8  # of them through one inbox
LOOKED_AT: Final = MAILS_AT_ONCE + EACH  # mails of one look: some of them are in no hand
FIRST_PAUSE: Final = timedelta(seconds=5)
LONGEST_PAUSE: Final = timedelta(minutes=5)
OWN_TROUBLE: Final = Diagnosed(
    code="mail.not-now",
    cause="It could not leave at the moment.",
    resolution="Nothing needs to be done: it is tried again by itself.",
    kind="transient",
)


NO_LINK: Final = Diagnosed(
    code="unsubscribe.not-ready",
    cause="Its unsubscribe link could not be made yet.",
    resolution="Nothing needs to be done: it is tried again by itself.",
    kind="transient",
)


class HangUp(Exception):  # noqa: N818  what to do, not that it is an error
    """It must not leave now: drop the connection before the first byte of content."""


@dataclass(frozen=True, slots=True)
class _Piece:
    """A mail in hand, with what it goes through."""

    attempt: UUID
    through: inbox.Inbox
    live: inbox.Settings
    state: email.InHand
    claim: UUID
    claimed: Known[email.State]  # the stream with the claim in it
    correlation: str

    @property
    def who(self) -> tuple[UUID, UUID, UUID]:
        return self.attempt, self.through.organization, self.state.mail.identity


class SendWorker:
    """Sends what was dispatched, once; looks up what may have left; has its copy kept in the Sent folder."""

    def __init__(
        self, desk: Desk, submitter: Submitter, mailbox: Mailbox, points: Points = no_points
    ) -> None:
        self._desk, self._submitter, self._mailbox, self._points = desk, submitter, mailbox, points
        self.hands = Hands(self.send, MAILS_AT_ONCE, EACH)
        self.eyes = Hands(self.look_up, MAILS_AT_ONCE, EACH)
        self._copying = CopyWorker(desk, mailbox, lambda found: found in self.hands.busy)
        self._looks: dict[UUID, tuple[datetime, timedelta]] = {}  # next look-up (business time), its pause

    def look(self) -> None:
        model, now, real_now = self._desk.model, self._desk.clock.now(), self._desk.real.now()
        while self.hands.free:
            busy = self.hands.busy
            found = model.read(lambda db: projections.to_send(db, now, real_now, most=LOOKED_AT, busy=busy))  # noqa: B023
            for due in found:
                self.hands.take(due.attempt, due.inbox)
            if len(found) < LOOKED_AT or self.hands.busy == busy:
                break
        leaving = model.read(projections.to_look_up)
        for due in leaving:
            if not self.hands.holds(due.attempt) and self._is_due(due.attempt, now):
                self.eyes.take(due.attempt, due.inbox)
        open_ = {due.attempt for due in leaving}
        self._looks = {attempt: look for attempt, look in self._looks.items() if attempt in open_}
        self._copying.look()

    async def stop(self) -> None:
        await asyncio.gather(self.hands.stop(), self.eyes.stop(), self._copying.stop())

    # --- sending

    async def send(self, attempt: UUID) -> None:
        """Claim behind the last gate, submit, record. Whoever is not answered *fresh* does nothing."""
        known = await self._desk.application.mail(attempt)
        if isinstance(known.state, email.Waiting | email.InHand):
            with tracing.span("mail", correlation=known.correlation):
                await self._send(attempt, known.state.mail, known)

    async def _send(self, attempt: UUID, mail: EmailQueued, known: Loaded[email.State, email.Event]) -> None:
        desk = self._desk
        through = await desk.inbox(mail.inbox)
        if through is None:
            log.error("a mail is for an inbox nobody knows", attempt=str(attempt), inbox=str(mail.inbox))
            return
        gate, claim = await last_gate(desk, mail, through), uuid4()
        await self._points("mail.before-claim")
        take = email.Claim(claim, gate, desk.real.now(), desk.clock.now(), desk.held)
        ran = await desk.application.about_mail(
            attempt, through.organization, mail.identity, take, known, correlation=known.correlation
        )
        if not ran.fresh or not isinstance(ran.state, email.InHand) or through.live is None:
            return
        await self._points("mail.claimed")
        await self._submit(_Piece(attempt, through, through.live, ran.state, claim, ran, known.correlation))

    async def _submit(self, piece: _Piece) -> None:
        desk, mail = self._desk, piece.state.mail
        try:
            reached = await desk.account(piece.live, connected_before=True)
            content = await desk.composed(mail, piece.live, piece.through.organization)
        except Unmailable as error:
            await self._refuse(piece, _unmailable(error), retry=False)
            return
        except LinkNotReady:
            await self._refuse(piece, NO_LINK, retry=True)
            return
        except NO_PASSWORD:
            await self._refuse(piece, PASSWORD_GONE, retry=True)
            return
        except OUR_TROUBLE:
            await self._refuse(piece, OWN_TROUBLE, retry=True)
            return
        submission = Submission(piece.live.address, email.text_of(mail.to), content)
        ours = message_id(piece.attempt, piece.live.address)

        begun: Known[email.State] | None = None

        async def before_content() -> None:
            nonlocal begun
            gate = await last_gate(desk, mail)
            await self._points("mail.before-start")
            start = email.Start(piece.claim, ours, gate, desk.clock.now())
            ran = await desk.application.about_mail(
                *piece.who, start, piece.claimed, correlation=piece.correlation
            )
            if not ran.fresh or not isinstance(ran.state, email.Leaving):
                raise HangUp
            begun = ran

        try:
            outcome = await self._submitter.submit(reached, submission, before_content=before_content)
        except (HangUp, ValueError, *OUR_TROUBLE) as error:
            if begun:  # it may have left: from now on it is only looked up
                log.warning("a mail may have left", attempt=str(piece.attempt), because=type(error).__name__)
            elif isinstance(error, ValueError):
                await self._refuse(piece, _unmailable(error), retry=False)
            else:
                await self._refuse(piece, OWN_TROUBLE, retry=True)
            return
        match outcome:
            case Accepted():
                await self._points("mail.answered")
                await self._record(piece, email.Accept(outcome.words, desk.clock.now()), begun)
                await desk.application.pausing.judge_sender(mail.inbox)
            case NotSent():
                lost = is_lost(outcome.diagnosis)
                transient = outcome.duration == "transient"
                await self._refuse(
                    piece, diagnosed(outcome.diagnosis), retry=transient, again=transient or lost
                )
                if lost:
                    await desk.lose(piece.through, piece.live.secret, outcome.diagnosis)
            case Unknown():
                log.warning("whether a mail left is not known", attempt=str(piece.attempt))

    async def _refuse(self, piece: _Piece, diagnosis: Diagnosed, *, retry: bool, again: bool = False) -> None:
        pause = min(FIRST_PAUSE * 2 ** (piece.state.tries - 1), LONGEST_PAUSE)
        retry_at = self._desk.real.now() + pause if retry else None
        refuse = email.Refuse(piece.claim, diagnosis, retry_at, self._desk.clock.now(), again)
        await self._record(piece, refuse)

    async def _record(
        self, piece: _Piece, outcome: email.Command, known: Known[email.State] | None = None
    ) -> None:
        """Store what happened, however long the store is away; a crash here ends in a look-up."""
        while True:
            try:
                await self._desk.application.about_mail(
                    *piece.who, outcome, known, correlation=piece.correlation
                )
            except OUR_TROUBLE as error:
                log.error("an outcome cannot be stored yet", attempt=str(piece.attempt), because=str(error))  # noqa: TRY400  the reason is all there is
                await asyncio.sleep(STORE_AGAIN)
            else:
                return

    # --- looking up

    def _is_due(self, attempt: UUID, now: datetime) -> bool:
        due, pause = self._looks.get(attempt, (now, FIRST_PAUSE))
        if now < due:
            return False
        self._looks[attempt] = (now + pause, min(2 * pause, LONGEST_PAUSE))
        return True

    async def look_up(self, attempt: UUID) -> None:
        """Look for a mail that began to leave.

        Not found proves nothing; after 30 minutes a person decides.
        """
        desk = self._desk
        known = await desk.application.mail(attempt)
        state = known.state
        if not isinstance(state, email.Leaving):
            return
        through = await desk.inbox(state.mail.inbox)
        if through is None:
            return
        where = await self._found_in(attempt, through, state.message_id)
        command = (
            email.GiveUp(desk.clock.now())
            if where is None
            else email.Accept(f"Looked up: it lies in the folder {where}.", desk.clock.now())
        )
        await desk.application.about_mail(
            attempt, through.organization, state.mail.identity, command, correlation=known.correlation
        )

    async def _found_in(self, attempt: UUID, through: inbox.Inbox, ours: str) -> str | None:
        if through.settings is None:
            return None
        try:
            reached = await self._desk.account(through.settings, connected_before=True)
            async with self._mailbox.open(reached) as reader:
                for folder in filter(None, (await reader.sent_folder(), "INBOX")):
                    if await reader.find_by_header(folder, ATTEMPT_HEADER, str(attempt)):
                        return folder
                    if await reader.find_by_header(folder, "Message-ID", ours):
                        return folder
        except (
            MailProblem,
            *NO_PASSWORD,
            *OUR_TROUBLE,
        ) as error:
            log.info("a look-up was not possible", attempt=str(attempt), because=type(error).__name__)
        return None


def _unmailable(error: ValueError) -> Diagnosed:
    code = error.code if isinstance(error, Unmailable) else "mail.malformed"
    return Diagnosed(code=code, cause=str(error), resolution="Change it and send it again.")
