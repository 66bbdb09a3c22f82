"""Read without an end: what was there before, and then what comes.

As the server does it: a subscription that has caught up is told of each new event from a short queue. One that
is so slow that its queue runs over has fallen behind and reads from the log again until it has caught up once
more. It is not told: the protocol has a message for it that no server sends.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from typing import Final, Protocol
from uuid import uuid4

from heraldry.chassis.testing.kurrent.database import PAGE as DATABASE_PAGE
from heraldry.chassis.testing.kurrent.database import Database
from heraldry.chassis.testing.kurrent.filters import Options, filter_of, index_of
from heraldry.chassis.testing.kurrent.messages import stream_of, timestamp
from heraldry.chassis.testing.kurrent.reading import Shape, shape_of
from heraldry.chassis.testing.kurrent.records import LAST_REVISION, Record
from heraldry.chassis.testing.kurrent.refusals import (
    Refusal,
    Thrown,
    invalid_argument,
    invalid_position,
    stream_deleted,
)
from kurrentdbclient.protos.v1.streams_pb2 import ReadResp

PAGE: Final = 32  # events of one look into the log
QUEUE: Final = 64  # live events that may wait for a consumer
_NOTHING: Final = -1  # as a place: before everything


def _anybody() -> None:
    """Whoever asks may go on reading."""


class Subscription:
    """One consumer's. `drop` ends it from outside; so does `allow`, by a Refusal, once the consumer has no right."""

    def __init__(self, database: Database, options: Options, allow: Callable[[], None] = _anybody) -> None:
        if options.read_direction == Options.Backwards:
            raise invalid_argument("a subscription reads forwards")
        self._database, self._allow = database, allow
        self._refusal: Refusal | None = None
        shape = shape_of(database, options)
        of_all = options.WhichOneof("stream_option") == "all"
        self._source: _Source = (
            _All(database, options, shape) if of_all else _Stream(database, options, shape)
        )

    def drop(self, refusal: Refusal) -> None:
        """The consumer gets this instead of the next event."""
        self._refusal = refusal
        self._database.wake()

    async def answers(self) -> AsyncGenerator[ReadResp]:
        source = self._source
        yield ReadResp(confirmation=ReadResp.SubscriptionConfirmation(subscription_id=str(uuid4())))
        behind = not source.is_at_end()
        while True:
            if behind:
                for answer in source.catch_up():
                    self._check()
                    yield answer
            yield source.caught_up()
            behind = False
            while not behind:
                self._check()
                source.check()
                news = source.news()
                if news is None:
                    behind = True
                    for answer in source.fell_behind():
                        yield answer
                elif news:
                    for answer in news:
                        self._check()
                        yield answer
                else:
                    await self._database.moved()

    def _check(self) -> None:
        if self._refusal is not None:
            raise self._refusal
        self._allow()


class _Source(Protocol):
    """What a subscription reads, and how far it has come."""

    def is_at_end(self) -> bool: ...
    def catch_up(self) -> Iterator[ReadResp]: ...
    def caught_up(self) -> ReadResp: ...
    def check(self) -> None:
        """Raises Refusal when nothing can follow."""
        ...

    def news(self) -> Sequence[ReadResp] | None:
        """What came since; None when that is more than a queue holds."""
        ...

    def fell_behind(self) -> Iterator[ReadResp]:
        """What is sent before the log is read again."""
        ...


class _Stream:
    """The events of a stream after the revision that was sent last."""

    def __init__(self, database: Database, options: Options, shape: Shape) -> None:
        self._database, self._shape = database, shape
        self._stream = stream_of(options.stream.stream_identifier)
        match options.stream.WhichOneof("revision_option"):
            case "revision":
                self._sent = min(options.stream.revision, LAST_REVISION)
            case "start":
                self._sent = _NOTHING
            case _:
                self._sent = database.last_revision(self._stream)

    def is_at_end(self) -> bool:
        return self._sent >= self._database.last_revision(self._stream)

    def catch_up(self) -> Iterator[ReadResp]:
        while True:
            if self._database.is_tombstoned(self._stream):
                raise stream_deleted(self._stream)
            page = self._database.page_of(self._stream, self._sent + 1, PAGE)
            if not page:
                # What is hidden now was never to be sent.
                self._sent = max(self._sent, self._database.last_revision(self._stream))
                return
            for record in page:
                self._sent = record.revision
                yield self._shape.event(record)

    def check(self) -> None:
        if self._sent == LAST_REVISION and self._database.is_tombstoned(self._stream):
            raise stream_deleted(self._stream)

    def news(self) -> Sequence[ReadResp] | None:
        if self._sent == LAST_REVISION:
            return []
        records = self._database.log_of(self._stream, self._sent + 1, QUEUE + 1)
        if len(records) > QUEUE:
            return None
        if records:
            self._sent = records[-1].revision
        return [self._shape.event(record) for record in records]

    def caught_up(self) -> ReadResp:
        message = ReadResp.CaughtUp(timestamp=timestamp(self._database.now()))
        if self._sent >= 0:
            message.stream_revision = self._sent
        return ReadResp(caught_up=message)

    def fell_behind(self) -> Iterator[ReadResp]:
        return iter(())


class _All:
    """The events of the whole log after the position that was sent last, with checkpoints where it is filtered."""

    def __init__(self, database: Database, options: Options, shape: Shape) -> None:
        self._database, self._shape = database, shape
        self._wanted = filter_of(options)
        self._of_index = index_of(options) is not None
        self._window, self._interval = _window(options)
        self._since_checkpoint = 0
        self._sent: int
        self._last_checkpoint = _NOTHING
        head = database.head()
        match options.all.WhichOneof("all_option"):
            case "position":
                self._sent = options.all.position.commit_position
            case "start":
                self._sent = _NOTHING
            case _:
                self._sent = head
        self._seen: int = database.end  # of what is live, everything before this place has been looked at

    def is_at_end(self) -> bool:
        return self._sent >= self._database.head()

    def catch_up(self) -> Iterator[ReadResp]:
        """Page after page; where it is filtered, one tells at the latest after so many how far it has come."""
        at, considered = max(self._sent, 0), 0
        if not (self._of_index or self._database.is_a_place(at)):
            raise invalid_position()
        while True:
            began, matched, looked_at = at, 0, 0
            for record in self._records(at, self._window):
                at = record.end
                looked_at += 1
                if record.position > self._sent and self._wanted(record):
                    self._sent = record.position
                    matched += 1
                    yield self._shape.event(record)
                if matched == PAGE:
                    break
            considered += looked_at
            if looked_at and self._sent < began:
                self._sent = began
            if matched < PAGE and looked_at < self._window:  # there was no more
                self._sent = max(self._sent, 0)
                yield from self._checkpoint(self._sent)
                self._seen = at
                return
            if self._interval and considered >= self._interval:
                considered %= self._interval
                yield from self._checkpoint(self._sent)

    def _records(self, at: int, most: int) -> Iterator[Record]:
        while most > 0 and (page := self._database.page_of_all(at, min(most, DATABASE_PAGE))):
            yield from page
            most -= len(page)
            at = page[-1].end

    def check(self) -> None:
        """There is always more to come."""

    def news(self) -> Sequence[ReadResp] | None:
        answers: list[ReadResp] = []
        at, sent, since = self._seen, self._sent, self._since_checkpoint
        while page := self._database.page_of_all(at):
            for record in page:
                at = record.end
                since += 1
                if record.position > sent and self._wanted(record):
                    sent = record.position
                    answers.append(self._shape.event(record))
                if self._interval and since >= self._interval:
                    since = 0
                    if record.position >= sent:
                        sent = record.position
                        answers += self._checkpoint(sent)
            if len(answers) > QUEUE:
                return None
        self._seen, self._sent, self._since_checkpoint = at, sent, since
        return answers

    def caught_up(self) -> ReadResp:
        message = ReadResp.CaughtUp(timestamp=timestamp(self._database.now()))
        if self._sent >= 0:
            message.position.commit_position = message.position.prepare_position = self._sent
        return ReadResp(caught_up=message)

    def fell_behind(self) -> Iterator[ReadResp]:
        yield from self._checkpoint(self._sent)

    def _checkpoint(self, position: int) -> Iterator[ReadResp]:
        """Nothing where there is no filter, and none twice."""
        if not self._interval or position <= self._last_checkpoint:
            return
        self._last_checkpoint = position
        yield ReadResp(
            checkpoint=ReadResp.Checkpoint(
                commit_position=position,
                prepare_position=position,
                timestamp=timestamp(self._database.now()),
            )
        )


def _window(options: Options) -> tuple[int, int]:
    """How many events a page looks at, and after how many a checkpoint comes at the latest (0: never)."""
    if options.WhichOneof("filter_option") != "filter":
        return PAGE, 0
    wanted = options.filter
    window = wanted.max if wanted.WhichOneof("window") == "max" else PAGE
    if window == 0 or wanted.checkpointIntervalMultiplier == 0:
        raise Thrown("a filter's window and checkpoint interval multiplier must be positive")
    return window, window * wanted.checkpointIntervalMultiplier
