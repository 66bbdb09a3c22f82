"""What a read model held of an erased person is in no byte of its files, and comes back in no way."""

from __future__ import annotations

import random
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from sqlite3 import Connection

import pytest
from heraldry.chassis.codec import Codec, Meta
from heraldry.chassis.projection import Fact, Holds, Projection
from heraldry.chassis.readmodel import ReadModel, StoreFeed
from heraldry.chassis.store.port import NO_STREAM
from heraldry.chassis.store.sqlite import SqliteStore
from heraldry.chassis.testing.memory import MemoryKeys
from heraldry.contracts.base import Event

from .test_readmodel import ADA, Praised

NOW = datetime(2026, 5, 4, 9, 30, tzinfo=UTC)
TRACE = b"Unmistakable"


class Noted(Event):
    person: str
    text: str


def notes() -> Projection:
    made = Projection(
        name="notes",
        version=1,
        schema="CREATE TABLE note (id TEXT PRIMARY KEY, person TEXT NOT NULL, text TEXT NOT NULL) STRICT;\n"
        "CREATE INDEX note_text ON note (text);\n"
        "CREATE TABLE copy (person TEXT NOT NULL, text TEXT NOT NULL) STRICT",
        tables=("note", "copy"),
        holds=(Holds("copy", "person = ?1"), Holds("note", "person = ?1", "text = ''")),
    )

    @made.on(Noted)
    def noted(db: Connection, event: Noted, fact: Fact) -> None:
        db.execute("INSERT OR REPLACE INTO note VALUES (?, ?, ?)", (fact.id, event.person, event.text))
        db.execute("INSERT INTO copy VALUES (?, ?)", (event.person, event.text))

    @made.on(Praised)
    def praised(db: Connection, event: Praised, fact: Fact) -> None:
        db.execute(
            "INSERT OR REPLACE INTO note VALUES (?, ?, ?)", (fact.id, str(event.person), str(event.words))
        )

    return made


def fact(number: int) -> Fact:
    return Fact(f"id-{number}", "Noted", NOW, "shop.till-1", number, f"shop:e:{number}", "", "", "user:ada")


def written(lucky: random.Random, number: int) -> tuple[int, Event, Fact]:
    """A note of some length: a few words, or more than fits into a page."""
    person = lucky.choice(["ada", "bea", "cy"])
    mark = "Unmistakable" if person == "ada" else "Ordinary"
    text = f"{mark}-{number} " * lucky.choice([1, 3, 30, 400])
    return number, Noted(at=NOW, person=person, text=text), fact(lucky.randrange(number, number + 40))


def bytes_of(file: Path) -> bytes:
    return b"".join(each.read_bytes() for each in file.parent.glob(f"{file.name}*"))


@pytest.mark.requirement("R-AUD-6")
@pytest.mark.parametrize("seed", [1, 2, 5])
def test_whatever_was_written_and_rewritten_no_byte_of_the_person_is_left(tmp_path: Path, seed: int) -> None:
    lucky, file = random.Random(seed), tmp_path / "m.sqlite3"
    with closing(ReadModel(file, [notes()])) as model:
        number = 0
        while number < 400:
            batch = [written(lucky, number + more) for more in range(1, lucky.randrange(2, 40))]
            number += len(batch)
            model.apply(batch, upto=number, reached=[])
        assert TRACE in bytes_of(file)
        assert model.forget({"ada": 7, "bea-elsewhere": 8})
        model.scour()
        assert TRACE not in bytes_of(file)
        assert b"Ordinary" in bytes_of(file)
        assert model.forgotten(["ada"]) > 0
        left: Sequence[tuple[str]] = model.read(
            lambda db: db.execute("SELECT text FROM note WHERE person = 'ada'").fetchall()
        )
        assert set(left) == {("",)}


def test_what_was_heeded_once_is_not_looked_at_again_unless_more_was_recorded_of_the_key(
    tmp_path: Path,
) -> None:
    with closing(ReadModel(tmp_path / "m.sqlite3", [notes()])) as model:
        model.apply([(1, Noted(at=NOW, person="ada", text="one"), fact(1))], upto=1, reached=[])
        model.forget({"ada": 7})
        assert model.forgotten(["ada"]) == 2
        model.apply([(2, Noted(at=NOW, person="ada", text="late"), fact(2))], upto=2, reached=[])
        model.forget({"ada": 7})
        assert model.forgotten(["ada"]) == 2
        model.forget({"ada": 9})
        assert model.forgotten(["ada"]) == 5
        assert model.forgotten(["bea"]) == 0


def test_who_is_killed_before_the_file_is_written_anew_does_so_when_it_starts_again(tmp_path: Path) -> None:
    file = tmp_path / "m.sqlite3"
    with closing(ReadModel(file, [notes()])) as model:
        model.apply([(1, Noted(at=NOW, person="ada", text="one"), fact(1))], upto=1, reached=[])
        assert model.forget({"ada": 7})
    with closing(ReadModel(file, [notes()])) as model:
        assert model.forget({"ada": 7})
        model.scour()
        assert not model.forget({"ada": 7})


async def test_a_rebuild_while_the_key_is_sealed_shows_nothing_of_the_person(tmp_path: Path) -> None:
    keys, types = MemoryKeys("shop"), {"Praised": Praised}
    (tmp_path / "store").mkdir()
    codec, store = Codec(types, keys), SqliteStore(tmp_path / "store" / "shop.sqlite3")
    await keys.create(str(ADA))
    meta = Meta(command="c", actor="user:ada", time=NOW.isoformat())
    said = Praised(at=NOW, person=ADA, words="Unmistakable")
    await store.append("shop.praise-1", await codec.encode([said], meta), expected=NO_STREAM)
    await keys.seal(str(ADA))
    with closing(ReadModel(tmp_path / "m.sqlite3", [notes()])) as model:
        feed = StoreFeed("shop", store, codec.veiled(), model)
        await feed.start()
        await feed.stop()
        assert len(model.read(lambda db: db.execute("SELECT * FROM note").fetchall())) == 1
        assert TRACE not in bytes_of(tmp_path / "m.sqlite3")
    assert (await codec.event((await store.read_all(after=0, limit=1))[0])) == said
    await store.close()
