"""What is published is signed: in time, once, by whichever replica publishes, and after any crash."""

from __future__ import annotations

import asyncio
import itertools
import sqlite3
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from heraldry.chassis.audit import checkpointing
from heraldry.chassis.audit.checkpointing import LARGEST, Checkpointing, begin_epoch
from heraldry.chassis.audit.digests import leaf, root, written
from heraldry.chassis.audit.keys import is_signed
from heraldry.chassis.audit.trail import Line, Trail
from heraldry.chassis.audit.verify import verify
from heraldry.chassis.bus.markers import Tip
from heraldry.chassis.store.address import parse
from heraldry.chassis.store.kurrent import KurrentStore
from heraldry.chassis.store.sqlite import SqliteStore
from heraldry.chassis.tasks import end
from heraldry.chassis.testing.audit import KEY, AllPublished, SignerInHand, sign
from heraldry.chassis.testing.bus import append, eventually, noted
from heraldry.chassis.testing.kurrent.server import KurrentStandIn
from heraldry.contracts.checkpoints import Checkpoint

STREAM = "identity.note-1"
LONG = 3600.0


async def write(store: SqliteStore, count: int) -> None:
    for start in range(0, count, 100):
        await append(store, STREAM, *(noted(str(number)) for number in range(start, min(start + 100, count))))


@asynccontextmanager
async def opened(tmp_path: Path, count: int) -> AsyncGenerator[SqliteStore]:
    store = SqliteStore(tmp_path / "identity.sqlite3")
    try:
        await write(store, count)
        yield store
    finally:
        await store.close()


@asynccontextmanager
async def running(work: Checkpointing) -> AsyncGenerator[None]:
    task = asyncio.create_task(work.run())
    try:
        yield
    finally:
        await end(task)


def trail(tmp_path: Path) -> Trail:
    return Trail.beside(tmp_path, "identity")


def lines(tmp_path: Path) -> list[Line]:
    return [line for line in trail(tmp_path).lines() if line is not None]


async def has(condition: Callable[[], object], what: str) -> None:
    async def met() -> bool:
        return bool(condition())

    await eventually(met, what)


def chained(found: list[Line]) -> bool:
    checkpoints = [line.checkpoint for line in found]
    return all(
        (after.number, after.previous, after.since) == (before.number + 1, before.digest(), before.count)
        for before, after in itertools.pairwise(checkpoints)
    )


@pytest.mark.requirement("R-AUD-5")
async def test_a_long_log_is_signed_in_segments_that_say_what_is_stored(tmp_path: Path) -> None:
    async with opened(tmp_path, 2_350) as store:
        relay = AllPublished(batch=150)
        newest = await sign(store, tmp_path, "identity", SignerInHand(tmp_path / "signer"), relay)
        stored = await store.read_all(limit=10_000)
    found = lines(tmp_path)
    assert chained(found)
    assert all(is_signed(line.checkpoint, [KEY.verify_key]) for line in found)
    assert all(line.checkpoint.count - line.checkpoint.since <= LARGEST for line in found)
    assert relay.told[-1] == newest
    assert (newest.count, newest.hash) == (2_350, Tip().past(stored).hash.hex())
    for line in found:
        segment = stored[line.checkpoint.since : line.checkpoint.count]
        leaves = tuple(leaf(event, written(event)) for event in segment)
        assert line.each_leaf() == leaves
        assert line.checkpoint.root == root(leaves).hex()
        assert (segment[-1].position, str(segment[-1].id)) == (
            line.checkpoint.position,
            line.checkpoint.event,
        )


async def test_a_few_events_wait_for_their_time_and_many_do_not(tmp_path: Path) -> None:
    async with opened(tmp_path, 10) as store:
        relay, signer = AllPublished(), SignerInHand(tmp_path / "signer")
        await relay.publish(store)
        work = Checkpointing(signer, "identity", store, relay, trail(tmp_path), every=LONG, look=0.001)
        async with running(work):
            await has(lambda: relay.told, "the first checkpoint, at once")
            await write(store, 400)
            await relay.publish(store)
            assert await work.measure() == 400
            await write(store, 700)
            await relay.publish(store)
            await has(lambda: len(relay.told) == 2, "the second one, after a thousand events")
            assert await work.measure() < 200
        assert len(relay.told) == 2
        hasty = AllPublished()
        await hasty.publish(store)
        work = Checkpointing(signer, "identity", store, hasty, trail(tmp_path), every=0.01, look=0.001)
        async with running(work):
            await has(lambda: trail_count(tmp_path) == 1_110, "the rest, when its time has come")


def trail_count(tmp_path: Path) -> int:
    newest = trail(tmp_path).newest()
    return newest.count if newest else 0


async def test_two_relays_at_once_make_one_chain(tmp_path: Path) -> None:
    async with opened(tmp_path, 500) as store:
        signer = SignerInHand(tmp_path / "signer")
        relays = [AllPublished(batch=30), AllPublished(batch=70)]
        works = [
            Checkpointing(signer, "identity", store, relay, trail(tmp_path), every=0, look=0.001)
            for relay in relays
        ]
        async with running(works[0]), running(works[1]):
            for _ in range(6):
                for relay in relays:
                    await relay.publish(store)
                    await asyncio.sleep(0.005)
                await write(store, 300)
            for relay in relays:
                await relay.publish(store)
            await has(lambda: trail_count(tmp_path) == 2_300, "everything signed")
        assert all(work.problem is None for work in works)
        assert chained(lines(tmp_path))


async def test_without_a_signer_it_says_so_and_catches_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpointing, "AGAIN", 0.01)
    async with opened(tmp_path, 50) as store:
        relay, signer = AllPublished(), SignerInHand(tmp_path / "signer")
        signer.away = True
        await relay.publish(store)
        work = Checkpointing(signer, "identity", store, relay, trail(tmp_path), every=LONG, look=0.001)
        async with running(work):
            await has(lambda: work.problem, "a problem")
            assert work.problem is not None
            assert work.problem.startswith(checkpointing.AWAY)
            assert await work.measure() == 50
            await write(store, 3_000)
            await relay.publish(store)
            signer.away = False
            await has(lambda: trail_count(tmp_path) > 2_050, "all but the last few are signed")
            await has(lambda: work.problem is None, "no problem")
        assert chained(lines(tmp_path))


async def test_a_signature_whose_answer_was_lost_is_put_beside_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpointing, "AGAIN", 0.01)
    async with opened(tmp_path, 50) as store:
        relay, signer = AllPublished(), SignerInHand(tmp_path / "signer")
        await sign(store, tmp_path, "identity", signer, relay)
        await write(store, 100)
        await relay.publish(store)
        signer.deaf = True
        work = Checkpointing(signer, "identity", store, relay, trail(tmp_path), every=0, look=0.001)
        async with running(work):
            await has(lambda: trail_count(tmp_path) == 150, "the signature that was made")
        found = lines(tmp_path)
        assert chained(found)
        assert len(found[-1].each_leaf()) == 100


async def test_half_a_line_that_a_crash_left_gives_way(tmp_path: Path) -> None:
    async with opened(tmp_path, 50) as store:
        signer = SignerInHand(tmp_path / "signer")
        await sign(store, tmp_path, "identity", signer)
        await write(store, 50)
        await sign(store, tmp_path, "identity", signer)
        path = trail(tmp_path).path
        path.write_bytes(path.read_bytes()[:-100])
        assert trail_count(tmp_path) == 50
        await write(store, 50)
        assert (await sign(store, tmp_path, "identity", signer)).number == 3
        assert chained(lines(tmp_path))
        assert [len(line.each_leaf()) for line in lines(tmp_path)] == [50, 50, 50]


@pytest.mark.requirement("R-AUD-5")
@pytest.mark.parametrize("where", [1, 60, 99])
async def test_what_was_changed_before_its_signature_is_not_signed(tmp_path: Path, where: int) -> None:
    async with opened(tmp_path, 100) as store:
        relay, signer = AllPublished(batch=40), SignerInHand(tmp_path / "signer")
        await relay.publish(store)
        with sqlite3.connect(tmp_path / "identity.sqlite3") as db:
            db.execute("UPDATE events SET data = x'7b7d' WHERE position = ?", (where,))
        work = Checkpointing(signer, "identity", store, relay, trail(tmp_path), look=0.001)
        async with running(work):
            await has(lambda: work.problem, "a problem")
        assert str(work.problem).startswith(checkpointing.CHANGED)
        assert trail_count(tmp_path) == 0


async def test_a_store_that_does_not_hold_what_was_signed_is_not_signed(tmp_path: Path) -> None:
    async with opened(tmp_path, 100) as store:
        relay, signer = AllPublished(), SignerInHand(tmp_path / "signer")
        await sign(store, tmp_path, "identity", signer, relay)
        with sqlite3.connect(tmp_path / "identity.sqlite3") as db:
            db.execute("DELETE FROM events WHERE position > 90")
        work = Checkpointing(signer, "identity", store, relay, trail(tmp_path), look=0.001)
        async with running(work):
            await has(lambda: work.problem, "a problem")
        assert str(work.problem).startswith(checkpointing.MISMATCH)


async def test_a_restored_store_goes_on_in_a_new_epoch_by_the_operators_word(tmp_path: Path) -> None:
    async with opened(tmp_path, 100) as store:
        signer = SignerInHand(tmp_path / "signer")
        await sign(store, tmp_path, "identity", signer)
        await write(store, 30)
        with sqlite3.connect(tmp_path / "identity.sqlite3") as db, sqlite3.connect(tmp_path / "copy") as copy:
            db.backup(copy)
        await write(store, 70)
        last = await sign(store, tmp_path, "identity", signer)
    with sqlite3.connect(tmp_path / "copy") as db:
        db.execute("UPDATE store SET epoch = 'restored'")
    store = SqliteStore(tmp_path / "copy")
    begun = await begin_epoch(signer, "identity", store, trail(tmp_path))
    assert (begun.kind, begun.epoch, begun.number) == ("epoch", "restored", last.number + 1)
    assert (begun.count, begun.since) == (100, 100)
    newest = await sign(store, tmp_path, "identity", signer)
    assert (newest.since, newest.count, newest.epoch) == (100, 130, "restored")
    again = await begin_epoch(signer, "identity", store, trail(tmp_path))
    assert again.count == 130
    await store.close()


async def test_nothing_signed_becomes_nothing_kept_after_a_restore_of_nothing(tmp_path: Path) -> None:
    async with opened(tmp_path, 0) as store:
        signer = SignerInHand(tmp_path / "signer")
        begun = await begin_epoch(signer, "identity", store, trail(tmp_path))
        assert (begun.number, begun.count, begun.event) == (1, 0, "")
        await write(store, 5)
        assert (await sign(store, tmp_path, "identity", signer)).number == 2


@pytest.mark.requirement("R-AUD-5")
async def test_a_log_in_kurrentdb_is_signed_like_the_same_one_in_sqlite(tmp_path: Path) -> None:
    events = [noted(f"event {number}") for number in range(450)]
    signed: list[Checkpoint] = []
    async with KurrentStandIn() as server, opened(tmp_path, 0) as sqlite:
        kurrent = await KurrentStore.open(parse(server.uri, "identity"), "identity")
        for store, data in ((sqlite, tmp_path / "a"), (kurrent, tmp_path / "b")):
            for start in range(0, len(events), 50):
                await append(store, f"identity.note-{start % 3}", *events[start : start + 50])
            signed.append(await sign(store, data, "identity", SignerInHand(data / "signer")))
            proof = await verify("identity", store, Trail.beside(data, "identity"), [KEY.verify_key])
            assert proof.ok
            assert (proof.events, proof.proven) == (450, 450)
        await kurrent.close()
    one, other = signed
    assert (one.hash, one.root, one.event) == (other.hash, other.root, other.event)
