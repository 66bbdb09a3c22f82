from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from heraldry.chassis.codec import Codec, Meta
from heraldry.chassis.decider import Decider
from heraldry.chassis.runner import PAGE, Asked, Ran, Runner
from heraldry.chassis.store.port import NO_STREAM, NewEvent, StoredEvent
from heraldry.chassis.store.sqlite import SqliteStore
from heraldry.chassis.testing.memory import KeysInMemory
from heraldry.contracts.base import By, Event, Refused
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from uuid_utils.compat import uuid7

NOW = datetime(2026, 5, 4, 9, 30, tzinfo=UTC)
ORGANIZATION = UUID(int=1)
BY = By(organization=ORGANIZATION, actor="user:ada", correlation="page 1", causation="click 1")
TILL = "till-1"


class Added(Event):
    amount: int
    total: int
    note: str = ""


class Claimed(Event):
    by: str


@dataclass(frozen=True, slots=True)
class Add:
    amount: int
    note: str = ""


@dataclass(frozen=True, slots=True)
class Claim:
    by: str


@dataclass(frozen=True, slots=True)
class Till:
    total: int = 0
    claimed: str = ""


def decide(command: Add | Claim, till: Till) -> Sequence[Added | Claimed]:
    match command:
        case Add(amount=0):
            return ()
        case Add(amount=amount):
            if till.total + amount < 0:
                raise Refused("till.empty", "There is not that much in it.")
            return (Added(at=NOW, amount=amount, total=till.total + amount, note=command.note),)
        case Claim(by=by):
            return () if till.claimed else (Claimed(at=NOW, by=by),)


def evolve(till: Till, event: Added | Claimed) -> Till:
    if isinstance(event, Added):
        return Till(event.total, till.claimed)
    return Till(till.total, event.by)


decider: Decider[Add | Claim, Till, Added | Claimed] = Decider(Till(), decide, evolve)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    opened = SqliteStore(tmp_path / "shop.sqlite3")
    yield opened
    await opened.close()


def runner_of(store: SqliteStore) -> Runner:
    return Runner("shop", store, Codec({"Added": Added, "Claimed": Claimed}, KeysInMemory()))


def asked(id_: UUID | None = None) -> Asked:
    return Asked(id_ or uuid4(), BY, NOW, identity=UUID(int=9))


async def run(
    store: SqliteStore, command: Add | Claim, id_: UUID | None = None
) -> Ran[Till, Added | Claimed]:
    return await runner_of(store).run(decider, TILL, command, asked(id_))


async def test_a_command_becomes_events_with_its_id_and_on_whose_behalf(store: SqliteStore) -> None:
    id_ = uuid4()
    ran = await run(store, Add(5), id_)
    assert (ran.fresh, ran.state, ran.revision) == (True, Till(5), 0)
    (stored,) = await store.read_stream("shop.till-1")
    assert Meta.read(stored) == Meta(
        command=str(id_),
        actor="user:ada",
        time=NOW.isoformat(),
        organization=str(ORGANIZATION),
        identity=str(UUID(int=9)),
        causation="click 1",
        correlation="page 1",
    )
    accepted = runner_of(store).accepted(ran)
    assert (accepted.position, accepted.fresh) == (f"shop:{store.epoch}:{stored.position}", True)


async def test_a_repeated_command_answers_the_old_position_and_changes_nothing(store: SqliteStore) -> None:
    id_ = uuid4()
    first = await run(store, Add(5), id_)
    await run(store, Add(7))
    again = await run(store, Add(5), id_)
    assert (again.fresh, again.position, again.events) == (False, first.position, first.events)
    assert again.state == Till(12)
    assert len(await store.read_stream("shop.till-1")) == 2


async def test_a_repeat_is_found_although_it_would_be_refused_now(store: SqliteStore) -> None:
    id_ = uuid4()
    await run(store, Add(5))
    first = await run(store, Add(-5), id_)
    again = await run(store, Add(-5), id_)
    assert (again.fresh, again.position) == (False, first.position)


async def test_a_command_with_nothing_to_do_is_not_fresh_and_stores_nothing(store: SqliteStore) -> None:
    last = await run(store, Add(5))
    ran = await run(store, Add(0))
    assert (ran.fresh, ran.events, ran.position) == (False, (), last.position)
    assert await store.head() == last.position


async def test_what_is_known_of_a_stream_is_not_read_again(store: SqliteStore, tmp_path: Path) -> None:
    class Unread(SqliteStore):
        async def read_stream(
            self, stream: str, *, after: int = NO_STREAM, limit: int = 1_000_000
        ) -> Sequence[StoredEvent]:
            raise AssertionError((stream, after, limit))

    known = await run(store, Add(5))
    unread = Unread(tmp_path / "shop.sqlite3")
    ran = await runner_of(unread).run(decider, TILL, Add(7), asked(), known=known)
    assert (ran.fresh, ran.state, ran.revision) == (True, Till(12), 1)
    await unread.close()


async def test_where_somebody_appended_since_the_decision_is_made_anew(store: SqliteStore) -> None:
    known = await run(store, Add(5))
    await run(store, Add(-5))
    with pytest.raises(Refused):
        await runner_of(store).run(decider, TILL, Add(-1), asked(), known=known)
    ran = await runner_of(store).run(decider, TILL, Add(3), asked(), known=known)
    assert (ran.fresh, ran.state, ran.revision) == (True, Till(3), 2)


async def test_a_stream_is_read_on_from_where_it_was_seen_last(store: SqliteStore) -> None:
    known = await run(store, Add(5))
    assert (await runner_of(store).load(decider, TILL, since=known)).decoded == ()
    await run(store, Add(7))
    last = await run(store, Add(1))
    found = await runner_of(store).load(decider, TILL, since=known)
    whole = await runner_of(store).load(decider, TILL)
    assert (found.state, found.revision, found.position) == (whole.state, whole.revision, last.position)
    assert len(found.decoded) == 2


async def test_a_refusal_stores_nothing(store: SqliteStore) -> None:
    with pytest.raises(Refused) as refusal:
        await run(store, Add(-1))
    assert (refusal.value.code, await store.head()) == ("till.empty", 0)


async def test_a_conflict_decides_again_on_what_is_there_now(store: SqliteStore) -> None:
    """Ten take 1 out of a till with 5 at the same moment, each having seen all 5 in it."""
    await run(store, Add(5))
    outcomes = await asyncio.gather(*(run(store, Add(-1)) for _ in range(10)), return_exceptions=True)
    assert sum(isinstance(one, Ran) and one.fresh for one in outcomes) == 5
    assert sum(isinstance(one, Refused) for one in outcomes) == 5
    assert (await runner_of(store).load(decider, TILL)).state == Till(0)


async def test_of_many_concurrent_claims_exactly_one_is_fresh(store: SqliteStore, tmp_path: Path) -> None:
    """In two processes' manner: two stores on one file."""
    other = SqliteStore(tmp_path / "shop.sqlite3")
    try:
        ran = await asyncio.gather(*(run((store, other)[n % 2], Claim(f"worker {n}")) for n in range(40)))
    finally:
        await other.close()
    assert sum(one.fresh for one in ran) == 1
    (winner,) = [one for one in ran if one.fresh]
    assert {one.state.claimed for one in ran} == {winner.state.claimed}
    assert len(await store.read_stream("shop.till-1")) == 1


async def test_of_one_command_sent_twice_at_once_one_is_fresh_and_both_are_told_the_same(
    store: SqliteStore,
) -> None:
    id_ = uuid4()
    ran = await asyncio.gather(*(run(store, Add(5), id_) for _ in range(8)))
    assert sum(one.fresh for one in ran) == 1
    assert len({one.position for one in ran}) == 1
    assert len(await store.read_stream("shop.till-1")) == 1


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sent=st.lists(st.tuples(st.integers(0, 7), st.integers(-5, 9)), max_size=25))
def test_however_often_commands_are_repeated_each_counts_once(
    tmp_path: Path, sent: list[tuple[int, int]]
) -> None:
    """The first with an id decides; what comes later under that id is a repeat, unless it was refused."""

    async def play() -> None:
        store = SqliteStore(tmp_path / f"{uuid4()}.sqlite3")
        done: dict[int, int] = {}
        try:
            for number, amount in sent:
                try:
                    ran = await run(store, Add(amount), UUID(int=number))
                except Refused:
                    assert number not in done
                    continue
                assert ran.fresh == (number not in done and amount != 0)
                if ran.fresh:
                    done[number] = amount
                assert ran.state.total == sum(done.values())
        finally:
            await store.close()

    asyncio.run(play())


async def fill(store: SqliteStore, count: int) -> None:
    meta = Meta(command="old", actor="user:ada", time=NOW.isoformat()).model_dump_json().encode()
    events = [
        NewEvent(uuid7(), "Added", 1, Added(at=NOW, amount=1, total=n + 1).model_dump_json().encode(), meta)
        for n in range(count)
    ]
    await store.append("shop.till-1", events, expected=NO_STREAM)


@pytest.mark.parametrize("wanted", [1, PAGE, PAGE + 1, 2 * PAGE + 10])
async def test_a_window_ends_with_the_page_that_is_enough(store: SqliteStore, wanted: int) -> None:
    await fill(store, 2 * PAGE + 10)

    def enough(newest_first: Sequence[Added | Claimed]) -> bool:
        totals = [event.total for event in newest_first if isinstance(event, Added)]
        assert totals == sorted(totals, reverse=True)
        return len(newest_first) >= wanted

    loaded = await runner_of(store).load(decider, TILL, enough=enough)
    read = min(-(-wanted // PAGE) * PAGE, 2 * PAGE + 10)
    revisions = [one.stored.revision for one in loaded.decoded]
    assert revisions == list(range(2 * PAGE + 10 - read, 2 * PAGE + 10))
    assert (loaded.state.total, loaded.revision) == (2 * PAGE + 10, 2 * PAGE + 9)


async def test_a_repeat_is_found_in_a_window(store: SqliteStore) -> None:
    await fill(store, PAGE)
    runner, id_ = runner_of(store), uuid4()
    first = await runner.run(decider, TILL, Add(1), asked(id_), enough=bool)
    again = await runner.run(decider, TILL, Add(1), asked(id_), enough=bool)
    assert (first.fresh, again.fresh, again.position) == (True, False, first.position)


async def test_an_event_that_is_too_large_is_refused(store: SqliteStore) -> None:
    with pytest.raises(Refused) as refusal:
        await run(store, Add(1, note="x" * 262_144))
    assert (refusal.value.code, refusal.value.status) == ("event.too-large", 413)
    assert await store.head() == 0


async def test_a_stream_a_newer_release_wrote_in_is_refused(store: SqliteStore) -> None:
    await run(store, Add(1))
    meta = Meta(command="new", actor="user:ada", time=NOW.isoformat()).model_dump_json().encode()
    await store.append("shop.till-1", [NewEvent(uuid7(), "Unheard", 1, b"{}", meta)], expected=0)
    with pytest.raises(Refused) as refusal:
        await run(store, Add(1))
    assert (refusal.value.code, refusal.value.status) == ("service.newer-release", 503)
    assert await store.head() == 2


async def test_an_unknown_stream_is_its_decider_s_beginning(store: SqliteStore) -> None:
    loaded = await runner_of(store).load(decider, "till-2")
    nothing: tuple[StoredEvent, ...] = ()
    assert (loaded.state, loaded.revision, loaded.position, loaded.decoded) == (
        Till(),
        NO_STREAM,
        0,
        nothing,
    )
