"""An attacker who can write every file and has no signing key: whatever is done to a log, it is found and named."""

from __future__ import annotations

import asyncio
import json
import shutil
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import cast
from uuid import UUID

import pytest
from heraldry.chassis.audit import history, verify
from heraldry.chassis.audit.checkpointing import begin_epoch
from heraldry.chassis.audit.digests import leaf, rolled, root, written
from heraldry.chassis.audit.history import witnessed
from heraldry.chassis.audit.signing import Signing, memory_of
from heraldry.chassis.audit.trail import Line, Trail
from heraldry.chassis.audit.verify import Finding, Touch
from heraldry.chassis.bus.markers import GENESIS, Tip
from heraldry.chassis.store.port import StoredEvent
from heraldry.chassis.store.sqlite import SqliteStore
from heraldry.chassis.testing.audit import KEY, SignerInHand, sign
from heraldry.chassis.testing.bus import append, noted
from heraldry.contracts.checkpoints import ZERO, Checkpoint
from heraldry.contracts.markers import Marker
from nacl.signing import SigningKey
from uuid_utils.compat import uuid7

pytestmark = pytest.mark.requirement("R-AUD-5")
CONTEXT = "identity"
SIGNED = (20, 45, 60)
EVENTS = 66
Row = tuple[int, str, int, bytes, str, int, bytes, bytes]


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder: 66 events in three streams, 60 of them signed by three checkpoints."""
    data = tmp_path_factory.mktemp("data")
    (data / "store").mkdir()

    async def make() -> None:
        store = SqliteStore(data / "store" / f"{CONTEXT}.sqlite3")
        signer = SignerInHand(data / "keys" / "signer")
        for number in range(1, EVENTS + 1):
            await append(store, f"{CONTEXT}.note-{number % 3}", noted(f"event {number}"))
            if number in SIGNED:
                await sign(store, data, CONTEXT, signer)
        await store.close()

    asyncio.run(make())
    return data


@pytest.fixture
def data(original: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(original, tmp_path / "data"))


def database(data: Path) -> sqlite3.Connection:
    return sqlite3.connect(data / "store" / f"{CONTEXT}.sqlite3")


def rows(data: Path) -> list[Row]:
    with database(data) as db:
        return cast("list[Row]", db.execute("SELECT * FROM events ORDER BY position").fetchall())


def rewrite(data: Path, wanted: Sequence[Row], *, places: bool = True) -> None:
    """The log holds these rows now; `places`: with new positions, one after the other."""
    with database(data) as db:
        db.execute("DELETE FROM events")
        for place, row in enumerate(wanted, start=1):
            db.execute("INSERT INTO events VALUES (?,?,?,?,?,?,?,?)", (place if places else row[0], *row[1:]))


def name(row: Row) -> str:
    return str(UUID(bytes=row[3]))


async def look(
    data: Path, *, witnesses: Sequence[Checkpoint] = (), marker: Marker | None = None, key: SigningKey = KEY
) -> Finding:
    store = SqliteStore(data / "store" / f"{CONTEXT}.sqlite3")
    try:
        return await verify.verify(
            CONTEXT,
            store,
            Trail.beside(data, CONTEXT),
            [key.verify_key],
            witnesses=witnesses,
            marker=marker,
        )
    finally:
        await store.close()


def codes(finding: Finding) -> set[str]:
    return {problem.code for problem in finding.problems}


def witness_of(data: Path) -> list[Checkpoint]:
    return list(witnessed(Trail.beside(data, CONTEXT).path.read_text()))


def remembered(data: Path) -> list[Checkpoint]:
    memory = memory_of(data / "keys" / "signer", CONTEXT, [KEY.verify_key], signed=True)
    assert memory.problems == []
    return memory.checkpoints


async def test_a_log_nobody_touched_is_proven_up_to_its_last_checkpoint(data: Path) -> None:
    finding = await look(data, witnesses=[*witness_of(data), *remembered(data)])
    assert finding.ok
    assert (finding.events, finding.proven, finding.unsigned) == (EVENTS, 60, 6)
    assert (finding.checkpoints, finding.newest, finding.first, finding.problems) == (3, 3, None, [])


@pytest.mark.parametrize("column", ["data", "meta"])
@pytest.mark.parametrize("number", [1, 20, 21, 44, 60])
async def test_an_edited_event_is_named(data: Path, column: str, number: int) -> None:
    with database(data) as db:
        db.execute(f"UPDATE events SET {column} = x'7b7d' WHERE position = ?", (number,))
    finding = await look(data)
    assert not finding.ok
    assert finding.first is not None
    assert (finding.first.what, finding.first.number, finding.first.exact) == (Touch.CHANGED, number, True)
    assert finding.first.event == name(rows(data)[number - 1])
    assert finding.proven == max((0, *(count for count in SIGNED if count < number)))
    assert finding.events == EVENTS


@pytest.mark.parametrize(
    "change",
    [
        *("type = 'Other'", "version = 2", "revision = revision + 100", "stream = 'x'"),
        *("revision = -3", "version = -1"),
    ],
)
async def test_everything_else_of_an_event_counts_too(data: Path, change: str) -> None:
    with database(data) as db:
        db.execute(f"UPDATE events SET {change} WHERE position = 33")
    first = (await look(data)).first
    assert first is not None
    assert (first.what, first.number, first.exact) == (Touch.CHANGED, 33, True)


async def test_two_swapped_events_are_named(data: Path) -> None:
    log = rows(data)
    log[29], log[37] = log[37], log[29]
    rewrite(data, log)
    first = (await look(data)).first
    assert first is not None
    assert (first.what, first.number, first.event) == (Touch.MOVED, 30, name(log[29]))


@pytest.mark.parametrize("places", [True, False])
async def test_a_removed_event_is_named_by_its_id(data: Path, *, places: bool) -> None:
    log = rows(data)
    gone = log.pop(29)
    rewrite(data, log, places=places)
    first = (await look(data)).first
    assert first is not None
    assert (first.what, first.number, first.event, first.exact) == (Touch.REMOVED, 30, name(gone), True)


async def test_an_inserted_event_is_named(data: Path) -> None:
    log = rows(data)
    added = (0, "identity.note-9", 0, uuid7().bytes, "Noted", 1, b"{}", b"{}")
    log.insert(29, added)
    rewrite(data, log)
    first = (await look(data)).first
    assert first is not None
    assert (first.what, first.number, first.event) == (Touch.INSERTED, 30, name(added))


async def test_an_event_in_place_of_another_is_found(data: Path) -> None:
    log = rows(data)
    gone = log[29]
    log[29] = (*gone[:3], uuid7().bytes, *gone[4:])
    rewrite(data, log)
    first = (await look(data)).first
    assert first is not None
    assert (first.what, first.number, first.event) == (Touch.REMOVED, 30, name(gone))


def forged(data: Path, key: SigningKey) -> list[Line]:
    """Everything recomputed over the log as it is now, signed with a key of the attacker's own."""
    lines: list[Line] = []
    log = [StoredEvent._make(row) for row in rows(data)]
    rolling, since, previous = GENESIS, 0, ZERO
    for number, line in enumerate(Trail.beside(data, CONTEXT).lines(), start=1):
        assert line is not None
        segment = log[since : SIGNED[number - 1]]
        for stored in segment:
            rolling = rolled(rolling, written(stored))
        leaves = [leaf(stored, written(stored)) for stored in segment]
        said = line.checkpoint.model_copy(
            update={"hash": rolling.hex(), "root": root(leaves).hex(), "previous": previous}
        )
        made = said.model_copy(update={"signature": key.sign(said.text()).signature.hex()})
        lines.append(Line.of(made, leaves))
        since, previous = SIGNED[number - 1], made.digest()
    return lines


def put(data: Path, lines: Sequence[Line]) -> None:
    path = Trail.beside(data, CONTEXT).path
    path.write_text("".join(f"{line.model_dump_json()}\n" for line in lines))


async def test_recomputing_everything_needs_the_signing_key(data: Path) -> None:
    with database(data) as db:
        db.execute("UPDATE events SET data = x'7b7d' WHERE position = 30")
    witnesses = witness_of(data)
    put(data, forged(data, SigningKey.generate()))
    assert codes(await look(data)) == {history.UNSIGNED, verify.NO_CHECKPOINT}
    finding = await look(data, witnesses=witnesses)
    assert finding.first is not None
    assert (finding.proven, finding.first.number, finding.first.upto) == (20, 21, 45)
    put(data, [*forged(data, KEY)[:1], *forged(data, SigningKey.generate())[1:]])
    finding = await look(data, witnesses=remembered(data))
    assert finding.first is not None
    assert (finding.proven, finding.first.number, finding.first.upto) == (20, 21, 60)


async def test_recomputed_leaves_do_not_hide_where_it_was(data: Path) -> None:
    """They have not the signed root: the event is not named, but the range it is in."""
    with database(data) as db:
        db.execute("UPDATE events SET data = x'7b7d' WHERE position = 30")
    path = Trail.beside(data, CONTEXT).path
    was = [line for line in Trail(path).lines() if line is not None]
    put(
        data,
        [
            Line(checkpoint=old.checkpoint, leaves=new.leaves)
            for old, new in zip(was, forged(data, KEY), strict=True)
        ],
    )
    first = (await look(data)).first
    assert first is not None
    assert (first.what, first.number, first.upto, first.exact) == (Touch.CHANGED, 21, 45, False)


@pytest.mark.parametrize("left", [0, 19, 20, 40, 59])
async def test_a_cut_tail_is_found_and_the_first_missing_event_named(data: Path, left: int) -> None:
    log = rows(data)
    rewrite(data, log[:left])
    first = (await look(data)).first
    assert first is not None
    assert (first.what, first.number, first.event) == (Touch.REMOVED, left + 1, name(log[left]))


async def test_a_tail_cut_together_with_its_checkpoints_is_found_by_a_witness(data: Path) -> None:
    witnesses = witness_of(data)
    path = Trail.beside(data, CONTEXT).path
    rewrite(data, rows(data)[:45])
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:2]))
    assert (await look(data)).ok
    for known in (witnesses[-1:], remembered(data)):
        finding = await look(data, witnesses=known)
        assert finding.first is not None
        assert (finding.proven, finding.first.what, finding.first.number) == (45, Touch.REMOVED, 46)
        assert finding.first.exact
    marker = Marker.model_validate(
        {"context": CONTEXT, "epoch": "e", "position": 66, "event": "", "hash": ZERO, "count": 66}
        | {"time": "2026-05-04T09:30:00Z", "checkpoint": witnesses[-1]}
    )
    finding = await look(data, marker=marker)
    assert finding.first is not None
    assert finding.first.number == 46


async def test_an_old_copy_of_everything_is_found_by_a_witness(original: Path, tmp_path: Path) -> None:
    """The log goes on after it was put back: another history, signed by a signer that was put back too."""
    data = Path(shutil.copytree(original, tmp_path / "data"))
    store = SqliteStore(data / "store" / f"{CONTEXT}.sqlite3")
    signer = SignerInHand(data / "keys" / "signer")
    await append(store, f"{CONTEXT}.note-1", noted("what is to be forgotten"))
    witness = await sign(store, data, CONTEXT, signer)
    await store.close()
    shutil.rmtree(data)
    shutil.copytree(original, data)
    finding = await look(data, witnesses=[witness])
    assert finding.first is not None
    assert (finding.first.what, finding.first.number) == (Touch.REMOVED, 61)
    store = SqliteStore(data / "store" / f"{CONTEXT}.sqlite3")
    await append(store, f"{CONTEXT}.note-1", noted("another story"))
    await append(store, f"{CONTEXT}.note-1", noted("that goes on"))
    await sign(store, data, CONTEXT, SignerInHand(data / "keys" / "signer"))
    await store.close()
    assert (await look(data)).ok
    finding = await look(data, witnesses=[witness])
    assert history.FORK in codes(finding)
    assert finding.first is not None
    assert finding.first.number == 61


async def test_a_checkpoint_taken_out_is_missed(data: Path) -> None:
    was = [line for line in Trail.beside(data, CONTEXT).lines() if line is not None]
    put(data, [was[0], was[2]])
    assert codes(await look(data)) == {history.MISSING}
    assert (await look(data, witnesses=[was[1].checkpoint])).ok
    put(data, [was[0], was[2], was[1]])
    assert codes(await look(data)) == {history.MISSING, history.OTHER_CHAIN}
    put(data, [])
    assert codes(await look(data)) == {verify.NO_CHECKPOINT}
    Trail.beside(data, CONTEXT).path.unlink()
    assert codes(await look(data)) == {verify.NO_CHECKPOINT}


async def test_a_damaged_line_is_told(data: Path) -> None:
    path = Trail.beside(data, CONTEXT).path
    text = path.read_text().splitlines(keepends=True)
    path.write_text(f"{text[0]}rubbish\n{text[2]}")
    assert codes(await look(data)) == {history.DAMAGED, history.MISSING}
    said = json.loads(text[1])
    said["checkpoint"]["time"] = "2027-01-01T00:00:00Z"
    path.write_text(f"{text[0]}{json.dumps(said)}\n{text[2]}")
    assert codes(await look(data)) == {history.UNSIGNED, history.MISSING}


async def test_another_epoch_is_no_restore(data: Path) -> None:
    with database(data) as db:
        db.execute("UPDATE store SET epoch = 'other'")
    assert codes(await look(data)) == {verify.OTHER_EPOCH}


async def test_other_positions_are_told(data: Path) -> None:
    with database(data) as db:
        db.execute("UPDATE events SET position = position + 1000 WHERE position > 30")
    first = (await look(data)).first
    assert first is not None
    assert (first.what, first.number, first.upto, first.exact) == (Touch.RENUMBERED, 21, 45, False)


async def test_a_wrong_key_proves_nothing(data: Path) -> None:
    finding = await look(data, key=SigningKey.generate())
    assert codes(finding) == {history.UNSIGNED, verify.NO_CHECKPOINT}
    assert finding.proven == 0


async def marker_of(data: Path, count: int) -> Marker:
    store = SqliteStore(data / "store" / f"{CONTEXT}.sqlite3")
    tip = Tip().past((await store.read_all())[:count])
    await store.close()
    return Marker.model_validate_json(tip.marker(CONTEXT, store.epoch))


async def test_what_no_checkpoint_covers_yet_is_compared_with_what_was_published(data: Path) -> None:
    marker = await marker_of(data, 64)
    assert (await look(data, marker=marker)).ok
    with database(data) as db:
        db.execute("UPDATE events SET data = x'7b7d' WHERE position = 62")
    finding = await look(data, marker=marker)
    assert (codes(finding), finding.proven, finding.first) == ({verify.NOT_AS_PUBLISHED}, 60, None)
    rewrite(data, rows(data)[:61])
    assert codes(await look(data, marker=marker)) == {verify.NOT_AS_PUBLISHED}
    assert (await look(data)).ok  # nobody has signed it: only the hash covered it


async def test_a_restore_by_the_operator_is_no_attack(data: Path) -> None:
    rewrite(data, rows(data)[:50])
    with database(data) as db:
        db.execute("UPDATE store SET epoch = 'restored'")
    signer = SignerInHand(data / "keys" / "signer")
    store = SqliteStore(data / "store" / f"{CONTEXT}.sqlite3")
    witnesses = witness_of(data)
    assert not (await look(data)).ok
    await begin_epoch(signer, CONTEXT, store, Trail.beside(data, CONTEXT))
    await append(store, f"{CONTEXT}.note-1", noted("after it"))
    await sign(store, data, CONTEXT, signer)
    await store.close()
    finding = await look(data, witnesses=witnesses)
    assert finding.ok
    assert (finding.events, finding.proven, finding.restores, finding.newest) == (51, 51, 1, 5)
    assert (
        finding.given_up == 15
    )  # the epoch begins behind event 45; of those up to 60, five were signed anew
    with database(data) as db:
        db.execute("UPDATE events SET data = x'7b7d' WHERE position = 48")
    first = (await look(data)).first
    assert first is not None
    assert (first.number, first.exact) == (48, True)
    again = Path(shutil.copytree(data, data.with_name("older")))
    path = Trail.beside(again, CONTEXT).path
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join([*lines[:2], *lines[3:]]))  # what the restore gave up need not be there
    assert history.MISSING not in codes(await look(again))


async def test_a_restore_from_a_copy_of_everything_is_no_second_story(original: Path, tmp_path: Path) -> None:
    """The signer's memory is of the copy, too: numbers are used twice, and a witness knows the first ones."""
    data = Path(shutil.copytree(original, tmp_path / "data"))
    store = SqliteStore(data / "store" / f"{CONTEXT}.sqlite3")
    signer = SignerInHand(data / "keys" / "signer")
    lost: list[Checkpoint] = []
    for number in range(3):
        await append(store, f"{CONTEXT}.note-1", noted(f"lost {number}"))
        lost.append(await sign(store, data, CONTEXT, signer))
    await store.close()
    shutil.rmtree(data)
    shutil.copytree(original, data)
    with database(data) as db:
        db.execute("UPDATE store SET epoch = 'restored'")
    store = SqliteStore(data / "store" / f"{CONTEXT}.sqlite3")
    signer = SignerInHand(data / "keys" / "signer")
    await begin_epoch(signer, CONTEXT, store, Trail.beside(data, CONTEXT))
    for number in range(2):
        await append(store, f"{CONTEXT}.note-1", noted(f"after {number}"))
        await sign(store, data, CONTEXT, signer)
    await store.close()
    finding = await look(data, witnesses=[*witness_of(original), *lost])
    assert finding.problems == []
    assert finding.ok
    assert (finding.restores, finding.given_up, finding.proven) == (1, 9, 68)  # 66 were there, and 2 came


def test_a_witness_may_keep_checkpoints_markers_or_lines(data: Path) -> None:
    checkpoints = witness_of(data)
    marker = {"context": CONTEXT, "checkpoint": checkpoints[0].model_dump(mode="json"), "more": 1}
    text = f"{json.dumps(marker)}\n\n{checkpoints[1].model_dump_json()}\n"
    assert list(witnessed(text)) == checkpoints[:2]
    with pytest.raises(ValueError, match="line 2"):
        list(witnessed(f"{json.dumps(marker)}\n{{}}\n"))


def test_the_signer_has_signed_no_second_story(data: Path) -> None:
    assert Signing(KEY, data / "keys" / "signer").newest(CONTEXT) == witness_of(data)[-1]
