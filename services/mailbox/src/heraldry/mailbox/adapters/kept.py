"""Sending over connections that are kept for the next mail: signing in costs twenty times what a mail does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

from heraldry.mailbox.adapters.smtp import Session, entered
from heraldry.mailbox.ports import Accepted, Account, NotSent, Outcome, Patience, Submission, Trust

MOST: Final = 4  # connections to one account at a time; providers allow 10 to 20 for all its programs
KEPT_FOR: Final = 20.0  # seconds; servers close what is idle after one to five minutes


@dataclass(slots=True)
class _Idle:
    session: Session
    ending: asyncio.TimerHandle


@dataclass(slots=True)
class _Line:
    """The connections to one account."""

    places: asyncio.Semaphore
    idle: list[_Idle] = field(default_factory=list[_Idle])
    users: int = 0


class KeptConnections:
    """The port's `Submitter`: a mail goes through a connection of its account that is free, else a new one."""

    def __init__(
        self,
        trust: Trust,
        patience: Patience | None = None,
        *,
        most: int = MOST,
        kept_for: float = KEPT_FOR,
    ) -> None:
        self._trust, self._patience = trust, patience or Patience()
        self._most, self._kept_for = most, kept_for
        self._lines: dict[Account, _Line] = {}
        self._leaving: set[asyncio.Task[None]] = set()

    @property
    def idle(self) -> int:
        """How many connections wait for a mail."""
        return sum(len(line.idle) for line in self._lines.values())

    async def submit(
        self, account: Account, mail: Submission, *, before_content: Callable[[], Awaitable[None]]
    ) -> Outcome:
        async with self._line(account) as line:
            while line.idle:
                session, begun = self._taken(line), False

                async def beginning() -> None:
                    nonlocal begun
                    begun = True
                    await before_content()

                outcome = await self._through(session, mail, beginning, line)
                if begun or not isinstance(outcome, NotSent) or outcome.duration == "permanent":
                    return outcome
                # it was perhaps only kept too long: nothing has begun, so a fresh one may say more
            session = Session(account, self._patience)
            refusal = await entered(session, self._trust)
            if refusal is not None:
                return refusal
            return await self._through(session, mail, before_content, line)

    async def close(self) -> None:
        """Say good-bye on every connection that is idle."""
        for line in self._lines.values():
            while line.idle:
                self._leave(self._taken(line))
        await asyncio.gather(*self._leaving, return_exceptions=True)

    async def _through(
        self, session: Session, mail: Submission, before_content: Callable[[], Awaitable[None]], line: _Line
    ) -> Outcome:
        kept = False
        try:
            outcome = await session.submit(mail, before_content)
            if isinstance(outcome, Accepted):
                self._keep(session, line)
                kept = True
            return outcome
        finally:
            if not kept:
                self._leave(session)

    @asynccontextmanager
    async def _line(self, account: Account) -> AsyncGenerator[_Line]:
        line = self._lines.setdefault(account, _Line(asyncio.Semaphore(self._most)))
        line.users += 1
        try:
            async with line.places:
                yield line
        finally:
            line.users -= 1
            self._forget(account, line)

    def _keep(self, session: Session, line: _Line) -> None:
        def expire() -> None:
            line.idle.remove(idle)
            self._leave(session)
            self._forget(session.account, line)

        idle = _Idle(session, asyncio.get_running_loop().call_later(self._kept_for, expire))
        line.idle.append(idle)

    @staticmethod
    def _taken(line: _Line) -> Session:
        """The one used last: the others come to their end."""
        idle = line.idle.pop()
        idle.ending.cancel()
        return idle.session

    def _forget(self, account: Account, line: _Line) -> None:
        if not line.users and not line.idle and self._lines.get(account) is line:
            del self._lines[account]

    def _leave(self, session: Session) -> None:
        task = asyncio.create_task(session.leave())
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)
