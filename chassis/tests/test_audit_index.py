"""Services read a stream through the store's index, an audit reads the rows: what the index hides is told."""

from __future__ import annotations

import asyncio
import json
import shutil
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from heraldry.chassis.audit.keys import signing_key
from heraldry.chassis.audit.keys import written as text_of
from heraldry.chassis.audit.signer import folder_of
from heraldry.chassis.bus.rights import CONTEXTS
from heraldry.chassis.commands.audit import main
from heraldry.chassis.store.sqlite import SqliteStore
from heraldry.chassis.testing.audit import SignerInHand, sign, stopped
from heraldry.chassis.testing.bus import NOW, Noted, append, new, noted

pytestmark = pytest.mark.requirement("R-AUD-5")
WHO = "018f4e9a-7b1c-7c3d-9e5f-a1b2c3d4e5f6"
STREAM = f"identity.identity-{WHO}"
EVENTS = 12


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A stopped installation: one stream, all of it signed, in one log."""
    data = tmp_path_factory.mktemp("data")
    folder = stopped(data)

    async def make() -> None:
        for context in CONTEXTS:
            await SqliteStore(data / "store" / f"{context}.sqlite3").close()
        store = SqliteStore(data / "store" / "identity.sqlite3")
        for number in range(EVENTS):
            await append(store, STREAM, new(Noted(at=NOW, text=str(number)), identity=WHO))
        await sign(store, data, "identity", SignerInHand(folder, signing_key(folder)))
        await store.close()

    asyncio.run(make())
    return data


@pytest.fixture
def data(original: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(original, tmp_path / "data"))


def log_of(data: Path) -> Path:
    return data / "store" / "identity.sqlite3"


def hide(data: Path, number: int) -> UUID:
    """Change the last letter of the stream in what the index says of an event; gives its id. `number`: above 2, for
    SQLite writes smaller ones otherwise.
    """
    entry = STREAM.encode() + bytes((number - 1, number))
    log = log_of(data)
    body = log.read_bytes()
    assert entry in body
    log.write_bytes(body.replace(entry, b"%sx%s" % (entry[:-3], entry[-2:])))
    with closing(sqlite3.connect(log)) as db:
        (id_,) = db.execute("SELECT id FROM events WHERE position = ?", (number,)).fetchone()
    return UUID(bytes=id_)


def verify(data: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, Any]]:
    key = text_of(signing_key(folder_of(data)).verify_key)
    words = ("verify", "--public-key", key, "--data", str(data), "--context", "identity")
    capsys.readouterr()
    return main(words), json.loads(capsys.readouterr().out)


def told(found: dict[str, Any]) -> str:
    problems: Sequence[dict[str, str]] = found["problems"]
    assert {one["code"] for one in problems} == {"audit.log-damaged"}
    return "\n".join(one["detail"] for one in problems)


def files(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.parametrize("number", [3, 7, EVENTS])
def test_an_event_that_the_index_hides_is_named(
    data: Path, capsys: pytest.CaptureFixture[str], number: int
) -> None:
    assert verify(data, capsys)[0] == 0
    hidden = hide(data, number)
    before = files(data)
    ended, found = verify(data, capsys)
    assert (ended, found["ok"], found["proven"], found["first"]) == (1, False, EVENTS, None)
    assert hidden.hex in told(found)
    assert f"position {number} is hidden" in told(found)
    assert files(data) == before


def test_nothing_is_proved_with_a_log_that_hides_events(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hide(data, 7)
    assert main(["proof", "--identity", WHO, "--data", str(data)]) == 1
    found = json.loads(capsys.readouterr().out)
    assert found["code"] == "audit.log-damaged"
    assert "is hidden" in found["detail"]


def test_an_index_that_is_written_anew_hides_nothing_any_more(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As docs/how-to/verify-the-log.md says."""
    hide(data, 7)
    with closing(sqlite3.connect(log_of(data))) as db:
        db.execute("REINDEX")
    ended, found = verify(data, capsys)
    assert (ended, found["proven"], found["problems"]) == (0, EVENTS, [])
    hide(data, EVENTS)
    asyncio.run(doubled(data))
    with closing(sqlite3.connect(log_of(data))) as db, pytest.raises(sqlite3.IntegrityError, match="UNIQUE"):
        db.execute("REINDEX")


async def doubled(data: Path) -> None:
    """A service that does not see the last event appends another one in its place."""
    store = SqliteStore(log_of(data))
    assert len(await store.read_stream(STREAM)) == EVENTS - 1
    await store.append(STREAM, [noted()], expected=EVENTS - 2)
    await store.close()


def test_a_revision_that_was_given_twice_is_told_with_both_events(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hidden = hide(data, EVENTS)
    asyncio.run(doubled(data))
    ended, found = verify(data, capsys)
    assert (ended, found["events"]) == (1, EVENTS + 1)
    assert hidden.hex in told(found)
    assert f"that at position {EVENTS + 1} stands at revision {EVENTS - 1}" in told(found)


def test_revisions_given_twice_or_left_out_are_told_of_a_table_without_an_index(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with closing(sqlite3.connect(log_of(data))) as db:
        db.execute("CREATE TABLE loose AS SELECT * FROM events")
        db.execute("DROP TABLE events")
        db.execute("ALTER TABLE loose RENAME TO events")
        db.execute(
            "INSERT INTO events SELECT 13, stream, 11, zeroblob(16), type, 1, data, meta FROM events LIMIT 1"
        )
        db.execute(
            "INSERT INTO events SELECT 14, stream, 13, zeroblob(16), type, 1, data, meta FROM events LIMIT 1"
        )
        db.commit()
    ended, found = verify(data, capsys)
    assert (ended, found["proven"]) == (1, EVENTS)
    assert "has 14 events, 13 revisions, from 0 to 13" in told(found)


def test_a_revision_that_no_event_has_is_told(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with closing(sqlite3.connect(log_of(data))) as db:
        db.execute(
            "INSERT INTO events SELECT 13, stream, 14, zeroblob(16), type, 1, data, meta FROM events LIMIT 1"
        )
        db.commit()
    ended, found = verify(data, capsys)
    assert (ended, found["proven"]) == (1, EVENTS)
    assert "has 13 events, 13 revisions, from 0 to 14" in told(found)


def test_what_only_the_index_names_is_told(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The row behind it was taken out while SQLite knew of no index."""
    with closing(sqlite3.connect(log_of(data), isolation_level=None)) as db:
        whole = db.execute("SELECT * FROM sqlite_schema WHERE tbl_name = 'events'").fetchall()
        db.execute("PRAGMA writable_schema = ON")
        db.execute("DELETE FROM sqlite_schema WHERE type = 'index'")
        db.execute(
            "UPDATE sqlite_schema SET sql = replace(sql, 'UNIQUE (stream, revision)', 'CHECK (1)')"
            " WHERE name = 'events'"
        )
    with closing(sqlite3.connect(log_of(data), isolation_level=None)) as db:
        db.execute("DELETE FROM events WHERE position = 12")
        db.execute("PRAGMA writable_schema = ON")
        db.execute("DELETE FROM sqlite_schema WHERE name = 'events'")
        db.executemany("INSERT INTO sqlite_schema VALUES (?,?,?,?,?)", whole)
    ended, found = verify(data, capsys)
    assert (ended, found["first"]["what"]) == (1, "removed")
    assert f"names {EVENTS} events, there are {EVENTS - 1}" in told(found)


@pytest.mark.parametrize(
    ("made", "said"),
    [
        ("CREATE INDEX another ON events (revision, stream)", "the index another"),
        (
            "CREATE TRIGGER lost AFTER INSERT ON events BEGIN DELETE FROM events WHERE position = 1; END",
            "the trigger lost",
        ),
    ],
)
def test_what_no_service_made_is_told(
    data: Path, capsys: pytest.CaptureFixture[str], made: str, said: str
) -> None:
    with closing(sqlite3.connect(log_of(data))) as db:
        db.execute(made)
    ended, found = verify(data, capsys)
    assert ended == 1
    assert said in told(found)


def test_an_index_that_cannot_be_read_hides_nothing_of_what_is_proven(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with closing(sqlite3.connect(log_of(data))) as db:
        (size,) = db.execute("PRAGMA page_size").fetchone()
        (page,) = db.execute("SELECT rootpage FROM sqlite_schema WHERE type = 'index'").fetchone()
    with log_of(data).open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xff" * 64)
    ended, found = verify(data, capsys)
    assert (ended, found["proven"], found["first"]) == (1, EVENTS, None)
    assert "the index of the streams in identity.sqlite3 cannot be read" in told(found)
