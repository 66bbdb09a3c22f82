"""Several messages of a stream by one question; nats-py has only one for each message."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import orjson
from heraldry.chassis.bus import border
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import Error as NatsError

PATIENCE: Final = 5.0  # seconds
ALL_TOLD, NONE_THERE = "204", "404"
_OF_THE_ANSWER: Final = frozenset(
    f"Nats-{name}" for name in ("Stream", "Subject", "Sequence", "Time-Stamp", "Num-Pending", "Last-Sequence")
)


class IncompleteError(NatsError):
    """The server's answer was another one than asked for, or a part of it was lost."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A message as it stands in a stream."""

    subject: str
    sequence: int
    time: datetime
    data: bytes
    headers: Mapping[str, str] = field(default_factory=dict[str, str])  # as they were published


class Answer:
    """What came for one question, complete or not at all."""

    def __init__(self) -> None:
        self.found: list[Stored] = []
        self.complete: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._left = 0  # what the server said is still to come, or would be without a limit

    def take(self, message: Msg) -> None:
        if self.complete.done():
            return
        headers: Mapping[str, str] = message.headers or {}
        status, left = headers.get("Status", ""), int(headers.get("Nats-Num-Pending", 0))
        if not status and (not self.found or left == self._left - 1):
            self._left = left
            time = datetime.fromisoformat(headers["Nats-Time-Stamp"])
            sequence = int(headers["Nats-Sequence"])
            own = {name: value for name, value in headers.items() if name not in _OF_THE_ANSWER}
            self.found.append(Stored(headers["Nats-Subject"], sequence, time, message.data, own))
        elif (status == ALL_TOLD and self.found and left == self._left) or (
            status == NONE_THERE and not self.found
        ):
            self.complete.set_result(None)
        else:
            self.complete.set_exception(
                IncompleteError(f"status {status}" if status else "a message was lost")
            )


class DirectGet:
    """Reads a stream as it is; one subscription for all questions."""

    def __init__(self, nc: Client, stream: str) -> None:
        self._nc, self._subject = nc, f"$JS.API.DIRECT.GET.{stream}"
        self._inbox = ""
        self._listening: asyncio.Task[Subscription] | None = None
        self._asked = 0
        self._answers: dict[str, Answer] = {}

    async def newest(self, subjects: Sequence[str]) -> Sequence[Stored]:
        """The newest message of each of these subjects that has one, all of one moment.

        Raises NatsError and TimeoutError, as the other question.
        """
        return await self._ask({"multi_last": list(subjects)})

    async def following(self, subject: str, after: int, most: int) -> Sequence[Stored]:
        """What stands behind a sequence on a subject (with wildcards), oldest first."""
        return await self._ask({"seq": after + 1, "next_by_subj": subject, "batch": most})

    async def stop(self) -> None:
        """Listen no more."""
        listening, self._listening = self._listening, None
        if listening is not None and not self._nc.is_closed:
            await (await listening).unsubscribe()

    async def _ask(self, question: Mapping[str, object]) -> Sequence[Stored]:
        await self._listen()
        self._asked += 1
        inbox = f"{self._inbox}.{self._asked}"
        answer = self._answers[inbox] = Answer()
        try:
            async with asyncio.timeout(PATIENCE):
                await self._nc.publish(self._subject, orjson.dumps(question), reply=inbox)
                await answer.complete
        finally:
            del self._answers[inbox]
        return answer.found

    async def _listen(self) -> None:
        if self._listening is None:
            self._inbox = self._nc.new_inbox()
            self._listening = asyncio.create_task(
                border.subscribe(self._nc, f"{self._inbox}.*", cb=self._take)
            )
        try:
            await asyncio.shield(self._listening)
        except NatsError:
            self._listening = None
            raise

    async def _take(self, message: Msg) -> None:
        answer = self._answers.get(message.subject)
        if answer is not None:  # else whoever asked has given up
            answer.take(message)
