"""The database of the stand-in for KurrentDB under random histories, without a server around it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

from heraldry.chassis.testing.kurrent.database import Database, Written
from heraldry.chassis.testing.kurrent.records import LAST_REVISION, Expected, Proposed, Record
from heraldry.chassis.testing.kurrent.subscriptions import QUEUE, Subscription
from hypothesis import given, settings
from hypothesis import strategies as st
from kurrentdbclient.protos.v1.streams_pb2 import ReadReq, ReadResp

WANTED, OTHER = "Wanted", "Other"
streams = st.sampled_from(["a-1", "b-1", "$$a-1"])
steps = st.one_of(
    st.tuples(st.just("append"), streams, st.integers(0, 4)),
    st.tuples(st.just("delete"), streams, st.just(0)),
    st.tuples(st.just("tombstone"), st.just("b-1"), st.just(0)),
)
parts = st.lists(st.tuples(st.booleans(), st.integers(0, 6)), max_size=8)


def events(count: int, type_: str = WANTED) -> list[Proposed]:
    return [Proposed(uuid4(), type_, b"{}") for _ in range(count)]


async def play(database: Database, history: Sequence[tuple[str, str, int]]) -> None:
    for step, stream, count in history:
        match step:
            case "append":
                await database.append(stream, Expected.ANY, events(count))
            case "delete":
                await database.delete(stream, Expected.ANY)
            case _:
                await database.tombstone(stream, Expected.ANY)


def whole_log(database: Database) -> list[Record]:
    records: list[Record] = []
    while page := database.page_of_all(records[-1].end if records else 0, 3):
        records += page
    return records


@settings(deadline=None)
@given(st.lists(steps, max_size=12))
def test_however_it_was_written_it_reads_the_same_both_ways(history: Sequence[tuple[str, str, int]]) -> None:
    async def check() -> None:
        database = Database()
        await play(database, history)
        log = whole_log(database)
        positions = [record.position for record in log]
        assert positions == sorted(set(positions))
        assert list(database.page_of_all(database.end, 10_000, backwards=True)) == log[::-1]
        for stream in {record.stream for record in log}:
            revisions = [record.revision for record in log if record.stream == stream]
            assert [each for each in revisions if each != LAST_REVISION] == list(
                range(len(revisions) - (LAST_REVISION in revisions))
            )
            if not database.is_tombstoned(stream):
                seen = database.page_of(stream, 0, 1_000)
                assert (
                    list(database.page_of(stream, LAST_REVISION, 1_000, backwards=True)) == list(seen)[::-1]
                )
        database.close()

    asyncio.run(check())


@settings(max_examples=15, deadline=None)
@given(st.lists(steps, max_size=8), st.lists(steps, max_size=4))
def test_opened_again_it_knows_what_it_knew(
    before: Sequence[tuple[str, str, int]], after: Sequence[tuple[str, str, int]]
) -> None:
    async def check() -> None:
        with TemporaryDirectory() as folder:
            database = Database(Path(folder))
            await play(database, before)
            log, end = whole_log(database), database.end
            known = {
                name: (database.last_revision(name), database.is_deleted(name)) for name in ("a-1", "b-1")
            }
            database.close()
            database = Database(Path(folder))
            assert (whole_log(database), database.end) == (log, end)
            assert known == {
                name: (database.last_revision(name), database.is_deleted(name)) for name in ("a-1", "b-1")
            }
            await play(database, after)
            assert whole_log(database)[: len(log)] == log
            database.close()

    asyncio.run(check())


class Reader:
    """Takes what a subscription has to say, as long as it says something."""

    def __init__(self, database: Database, options: ReadReq.Options) -> None:
        self._answers: AsyncGenerator[ReadResp] = Subscription(database, options).answers()
        self._next: asyncio.Task[ReadResp] | None = None
        self.said: list[ReadResp] = []

    async def listen(self) -> None:
        quiet = 0
        while quiet < 5:
            self._next = self._next or asyncio.ensure_future(anext(self._answers))
            await asyncio.sleep(0)
            if self._next.done():
                self.said.append(self._next.result())
                self._next, quiet = None, 0
            else:
                quiet += 1

    async def stop(self) -> None:
        if self._next is not None:
            self._next.cancel()
            await asyncio.wait([self._next])
        await self._answers.aclose()


def filtered(window: int, multiplier: int, start: int | None) -> ReadReq.Options:
    options = ReadReq.Options()
    options.filter.event_type.prefix.append(WANTED)
    options.filter.max, options.filter.checkpointIntervalMultiplier = window, multiplier
    options.subscription.SetInParent()
    options.uuid_option.string.SetInParent()
    if start is None:
        options.all.start.SetInParent()
    else:
        options.all.position.commit_position = options.all.position.prepare_position = start
    return options


@settings(deadline=None)
@given(parts, parts, st.sampled_from([1, 2, 3, 5, 300, 2**32 - 1]), st.integers(1, 3), st.booleans())
def test_who_resumes_from_a_checkpoint_misses_nothing(
    before: Sequence[tuple[bool, int]],
    after: Sequence[tuple[bool, int]],
    window: int,
    multiplier: int,
    from_start: bool,  # noqa: FBT001  given by Hypothesis
) -> None:
    async def check() -> None:
        database = Database()
        for wanted, count in before:
            await database.append("a-1", Expected.ANY, events(count, WANTED if wanted else OTHER))
        start = None if from_start else whole_log(database)[-1].position
        reader = Reader(database, filtered(window, multiplier, start))
        await reader.listen()
        for wanted, count in after:
            await database.append("a-1", Expected.ANY, events(count, WANTED if wanted else OTHER))
            await reader.listen()
        expected = [
            record.position
            for record in whole_log(database)
            if record.type == WANTED and (start is None or record.position > start)
        ]
        sent = [each.event.commit_position for each in reader.said if each.HasField("event")]
        assert sent == expected
        reached, last_checkpoint = -1, -1
        for each in reader.said:
            if each.HasField("event"):
                assert each.event.commit_position > max(reached, last_checkpoint)
                reached = each.event.commit_position
            elif each.HasField("checkpoint"):
                assert each.checkpoint.commit_position > last_checkpoint
                assert each.checkpoint.commit_position >= reached
                last_checkpoint = each.checkpoint.commit_position
        await reader.stop()
        database.close()

    asyncio.run(check())


async def test_a_queue_that_runs_over_is_read_from_the_log_again() -> None:
    database = Database()
    reader = Reader(database, filtered(30, 5, 0))
    await reader.listen()
    reader.said.clear()
    stored = await database.append("a-1", Expected.ANY, events(QUEUE + 1))
    assert isinstance(stored, Written)
    await reader.listen()
    kinds = [each.WhichOneof("content") for each in reader.said]
    assert "fell_behind" not in kinds  # no server says so
    assert kinds[-2:] == ["checkpoint", "caught_up"]
    assert kinds.count("event") == QUEUE + 1
    await reader.stop()
    database.close()
