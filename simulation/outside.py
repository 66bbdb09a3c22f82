"""The other side: the mailbox service with its last gate, mail servers that fail, people who answer or complain."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from heapq import heappop, heappush
from itertools import count
from random import Random
from typing import Final, TypeAlias, TypedDict
from uuid import UUID

from heraldry.contracts.base import Event
from heraldry.contracts.mailbox import (
    Diagnosed,
    EmailBounced,
    EmailFailed,
    EmailOutcomeUnknown,
    EmailSent,
    RecipientSuppressed,
    ReplyReceived,
    SuppressionReason,
)
from heraldry.contracts.scheduler import StepCancelled, StepDispatched

from simulation.installation import ORGANIZATION, Installation

Action: TypeAlias = Callable[[], Coroutine[None, None, None]]
FAILS, UNKNOWN, NEVER_DECIDED = 0.01, 0.004, 0.5
BOUNCES, REPLIES, COMPLAINS = 0.015, 0.06, 0.01
MARGIN: Final = timedelta(seconds=5)  # of the last gate


@dataclass(frozen=True, slots=True)
class Left:
    """A mail that truly left, and when."""

    step: StepDispatched
    at: datetime

    @property
    def lead(self) -> UUID:
        return lead_of(self.step)


def lead_of(step: StepDispatched) -> UUID:
    """The enrollment a step is of."""
    if step.enrollment is None:
        raise ValueError("a mail written by hand has no lead")
    return step.enrollment


@dataclass
class Outside:
    """`play` does what is due by now. `left` is what truly happened: the judge."""

    home: Installation
    random: Random
    away: Sequence[tuple[datetime, datetime]] = ()  # when the mailbox service does not run
    left: list[Left] = field(default_factory=list[Left])
    stopped: dict[UUID, datetime] = field(default_factory=dict[UUID, datetime])  # enrollment → since when
    did: Counter[str] = field(default_factory=Counter[str])
    _queue: list[tuple[datetime, int, Action]] = field(default_factory=list[tuple[datetime, int, Action]])
    _cancelled: set[UUID] = field(default_factory=set[UUID])
    _numbers: count[int] = field(default_factory=count)

    def next_instant(self) -> datetime | None:
        return self._queue[0][0] if self._queue else None

    def later(self, at: datetime, action: Action) -> None:
        heappush(self._queue, (at, next(self._numbers), action))

    def take(self, events: Sequence[Event]) -> None:
        """What the scheduler dispatched and cancelled."""
        for event in events:
            match event:
                case StepDispatched():
                    at = self._working(event.at + timedelta(seconds=self.random.uniform(1, 40)))
                    self.later(at, lambda step=event: self._send(step))
                case StepCancelled(attempt=attempt):
                    self._cancelled.add(attempt)
                case _:
                    pass

    async def play(self) -> bool:
        """Whether anything was due."""
        played = False
        while self._queue and self._queue[0][0] <= self.home.clock.now():
            _, _, action = heappop(self._queue)
            await action()
            played = True
        return played

    def _working(self, at: datetime) -> datetime:
        return next((end for start, end in self.away if start <= at < end), at)

    async def _send(self, step: StepDispatched) -> None:
        """The last gate, then the mail server."""
        now = self.home.clock.now()
        if now >= step.valid_until - MARGIN:
            await self._failed(step, "mail.expired", again=True)
        elif step.attempt in self._cancelled:
            await self._failed(step, "mail.cancelled", again=True)
        elif lead_of(step) in self.stopped:
            await self._failed(step, "conversation.stopped", again=False)
        elif self.random.random() < FAILS:
            await self._failed(step, "server.busy", again=True)
        else:
            self.left.append(Left(step, now))
            if self.random.random() < UNKNOWN:
                await self._unknown(step)
            else:
                await self._sent(step)

    async def _sent(self, step: StepDispatched) -> None:
        self.did["sent"] += 1
        event = EmailSent(
            **self._about(step), message_id=_message_id(step), answer="250 OK", at=self.home.clock.now()
        )
        await self._say(step, event)
        await self._may_be_answered(step)

    async def _unknown(self, step: StepDispatched) -> None:
        self.did["outcome unknown"] += 1
        now = self.home.clock.now()
        await self._say(step, EmailOutcomeUnknown(**self._about(step), reason="It broke.", at=now))
        if self.random.random() < NEVER_DECIDED:
            return

        async def decide() -> None:
            await self._sent(step)

        self.later(now + timedelta(hours=self.random.uniform(1, 90)), decide)

    async def _failed(self, step: StepDispatched, code: str, *, again: bool) -> None:
        self.did[code] += 1
        diagnosis = Diagnosed(code=code, cause="It did not leave.", resolution="Nothing needs to be done.")
        failed = EmailFailed(**self._about(step), diagnosis=diagnosis, again=again, at=self.home.clock.now())
        await self._say(step, failed)

    async def _may_be_answered(self, step: StepDispatched) -> None:
        now, chance = self.home.clock.now(), self.random.random()
        if chance < BOUNCES:
            self.later(now + timedelta(minutes=self.random.uniform(1, 30)), lambda: self._bounce(step))
        elif chance < BOUNCES + REPLIES:
            self.later(now + timedelta(hours=self.random.uniform(0.1, 60)), lambda: self._reply(step))
        elif chance < BOUNCES + REPLIES + COMPLAINS:
            self.later(now + timedelta(hours=self.random.uniform(0.1, 60)), lambda: self._complain(step))

    async def _bounce(self, step: StepDispatched) -> None:
        self.did["bounced"] += 1
        self._stop(step)
        about = self._about(step)
        now = self.home.clock.now()
        bounced = EmailBounced(
            **about, hard=True, category="unknown-user", status="5.1.1", answer="550 no such user", at=now
        )
        await self._say(step, bounced)
        await self._suppress(step, "bounced")

    async def _reply(self, step: StepDispatched) -> None:
        self.did["replied"] += 1
        self._stop(step)
        now = self.home.clock.now()
        reply = ReplyReceived(
            **self._about(step), message_id="<reply@example>", subject="Re", text="Yes", at=now
        )
        await self._say(step, reply)

    async def _complain(self, step: StepDispatched) -> None:
        self.did["unsubscribed"] += 1
        self._stop(step)
        await self._suppress(step, "unsubscribed")

    async def _suppress(self, step: StepDispatched, reason: SuppressionReason) -> None:
        event = RecipientSuppressed(
            organization=ORGANIZATION,
            recipient=str(step.to),
            person=step.person,
            address=step.to,
            reason=reason,
            at=self.home.clock.now(),
        )
        await self.home.hear(f"mailbox.suppression-{step.to}", event, step.identity)

    def _stop(self, step: StepDispatched) -> None:
        self.stopped.setdefault(lead_of(step), self.home.clock.now())

    async def _say(self, step: StepDispatched, event: Event) -> None:
        await self.home.hear(f"mailbox.email-{step.attempt}", event, step.identity)

    def _about(self, step: StepDispatched) -> _About:
        return _About(
            attempt=step.attempt,
            inbox=step.inbox,
            identity=step.identity,
            person=step.person,
            campaign=step.campaign,
            enrollment=step.enrollment,
        )


class _About(TypedDict):
    """What every event of a mail names."""

    attempt: UUID
    inbox: UUID
    identity: UUID
    person: UUID
    campaign: UUID | None
    enrollment: UUID | None


def _message_id(step: StepDispatched) -> str:
    return f"<{step.attempt}@simulation.example>"
