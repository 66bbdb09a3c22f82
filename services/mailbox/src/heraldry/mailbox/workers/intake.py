"""What becomes of a mail that was read: a reply to a mail of ours, a report about one, or nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import structlog
from heraldry.chassis.points import Points
from heraldry.chassis.points import none as no_points
from heraldry.contracts.base import By
from heraldry.contracts.mailbox import EmailBounced, ReplyReceived
from heraldry.mailbox import ports, projections
from heraldry.mailbox.domain import conversation, email, inbox, reply
from heraldry.mailbox.domain.kinds import Classification, Kind, classify
from heraldry.mailbox.domain.reply import LONGEST_SUBJECT, LONGEST_TEXT, attempt_in, shortened
from heraldry.mailbox.domain.reports import Recipient
from heraldry.mailbox.streams import SYSTEM
from heraldry.mailbox.workers.desk import Desk

log = structlog.stdlib.get_logger(__name__)
LARGE: Final = 256 * 1024  # bytes from which a mail is read beside the event loop
LONGEST_ANSWER: Final = 2_000  # bytes of a server's words that are kept
Begun: TypeAlias = email.Leaving | email.Closed


@dataclass(frozen=True, slots=True)
class _Ours:
    """A mail of ours that somebody answered; `correlation`: of what had it sent."""

    state: Begun
    correlation: str


class Intake:
    """Tells mails apart and records what concerns one of ours. What is read twice is one event."""

    def __init__(self, desk: Desk, points: Points = no_points) -> None:
        self._desk, self._points = desk, points

    async def take(self, through: inbox.Inbox, message: ports.RawMessage) -> None:
        """Automatic answers and delays are nothing but proof that the mail arrived somewhere."""
        raw = message.raw
        told = classify(raw) if len(raw) < LARGE else await asyncio.to_thread(classify, raw)
        if told.kind in {"other", "feedback"}:
            return
        ours = await self._ours(through, told)
        if ours is None:
            return
        state = ours.state
        kind: Kind = "reply" if _says_so_in_our_words(told, state) else told.kind
        match kind:
            case "reply":
                await self._replied(through, told, ours)
            case "bounce":
                await self._bounced(through, told, ours)
            case _:
                log.info("a program answered", inbox=str(through.id), kind=kind)
        if _is_open(state):  # whoever answers it has got it
            proof = email.Accept(f"Looked up: {PROOFS[kind]}", self._desk.clock.now())
            await self._desk.application.about_mail(
                state.mail.attempt,
                through.organization,
                state.mail.identity,
                proof,
                correlation=ours.correlation,
            )

    async def _ours(self, through: inbox.Inbox, told: Classification) -> _Ours | None:
        """The mail it is about, if its own stream says that it left this inbox under that Message-ID."""
        for message_id in told.about:
            attempt = attempt_in(message_id)
            if attempt is None:
                continue
            known = await self._desk.application.mail(attempt)
            state = known.state
            if (
                isinstance(state, email.Leaving | email.Closed)
                and state.message_id == message_id
                and state.mail.inbox == through.id
            ):
                return _Ours(state, known.correlation)
        return None

    async def _replied(self, through: inbox.Inbox, told: Classification, ours: _Ours) -> None:
        desk, mail, incoming = self._desk, ours.state.mail, told.incoming
        attempt, known_as = str(mail.attempt), incoming.message_id
        text = shortened(incoming.reply_text, LONGEST_TEXT)
        if desk.model.read(lambda db: projections.is_known_reply(db, attempt, known_as, text)):
            return
        await self._stop(through, ours, "replied")
        found = ReplyReceived(
            inbox=through.id,
            identity=mail.identity,
            attempt=mail.attempt,
            person=mail.person,
            message_id=incoming.message_id,
            subject=shortened(incoming.subject, LONGEST_SUBJECT),
            text=text,
            campaign=mail.campaign,
            enrollment=mail.enrollment,
            at=desk.clock.now(),
        )
        await self._record(found, through, ours)

    async def _bounced(self, through: inbox.Inbox, told: Classification, ours: _Ours) -> None:
        desk, mail = self._desk, ours.state.mail
        who = _of(told.recipients, email.text_of(mail.to))
        if who is None:
            return
        attempt, status = str(mail.attempt), who.status
        if desk.model.read(lambda db: projections.is_known_bounce(db, attempt, status, hard=who.hard)):
            return
        if who.hard:
            await self._stop(through, ours, "bounced")
        found = EmailBounced(
            inbox=through.id,
            identity=mail.identity,
            attempt=mail.attempt,
            person=mail.person,
            hard=who.hard,
            category=who.category,
            status=status,
            answer=shortened(who.diagnostic, LONGEST_ANSWER),
            campaign=mail.campaign,
            enrollment=mail.enrollment,
            at=desk.clock.now(),
        )
        await self._record(found, through, ours)

    async def _stop(self, through: inbox.Inbox, ours: _Ours, why: conversation.Why) -> None:
        """End the sequence of a lead before anybody is told, so that nothing is begun in it any more."""
        mail = ours.state.mail
        by = By(organization=through.organization, actor=SYSTEM, correlation=ours.correlation)
        if mail.enrollment is not None:
            await self._desk.application.stopping.stop_conversation(
                mail.enrollment, mail.person, mail.identity, why, by
            )

    async def _record(self, found: reply.Incoming, through: inbox.Inbox, ours: _Ours) -> None:
        await self._points("reading.known")
        if await self._desk.application.record_incoming(found, through.organization, ours.correlation):
            what = type(found).__name__
            log.info("a mail of ours was answered", what=what, attempt=str(found.attempt))


def _says_so_in_our_words(told: Classification, state: Begun) -> bool:
    """Whether nothing says that a program answered but a subject which is our own ("Absence: how to track it")."""
    said, ours = told.incoming.subject, email.text_of(state.mail.subject)
    only_so = told.kind == "auto_reply" and told.reasons == ("subject",)
    return only_so and said.split() == ours.split()


def _is_open(state: Begun) -> bool:
    """Whether nobody knows yet that it left; a person may have been asked meanwhile."""
    return isinstance(state, email.Leaving) or state.outcome == "unknown"


def _of(recipients: Sequence[Recipient], address: str) -> Recipient | None:
    """What a report says of this address; of the only one it names, if that is another spelling of it."""
    named = next((one for one in recipients if one.address.casefold() == address.casefold()), None)
    return named or (recipients[0] if len(recipients) == 1 else None)


PROOFS: Final = {
    "reply": "it was answered.",
    "auto_reply": "it was answered by a program.",
    "bounce": "a report about it came back.",
    "delayed": "a report about it came back.",
}
