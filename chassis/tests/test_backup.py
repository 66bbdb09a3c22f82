"""Copying stores while others write, and the two archives."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import json
import os
import sqlite3
import threading
from base64 import b64encode
from collections.abc import Generator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from heraldry.chassis.backup.archive import BackupError, Manifest, Message, pack, unpack
from heraldry.chassis.backup.restoring import clock_in
from heraldry.chassis.backup.taking import (
    WORKING,
    Taken,
    archives,
    copy_stores,
    damaged_in,
    remove_if_left,
    take,
)
from heraldry.chassis.commands import backup
from heraldry.chassis.store.folder import Note, write
from heraldry.chassis.store.sqlite import SqliteStore
from heraldry.chassis.supervisor import folder as folders
from heraldry.chassis.supervisor.folder import Folder, Installation
from heraldry.chassis.supervisor.problems import CannotStart
from heraldry.chassis.testing.bus import append, noted


def manifest(kind: str = "data") -> Manifest:
    told: dict[str, object] = {
        "kind": kind,
        "backup": "b",
        "installation": "i",
        "mode": "live",
        "streams": {},
    }
    return Manifest.model_validate({**told, "taken": datetime.now(UTC)})


@contextmanager
def counting(files: list[Path]) -> Generator[None]:
    """Somebody who writes the same number into each of several stores, one after the other, for ever."""
    for file in files:
        with closing(sqlite3.connect(file)) as store:
            store.execute("PRAGMA journal_mode = WAL")
            store.execute("CREATE TABLE numbers (n INTEGER)")
            store.commit()
    stop = threading.Event()

    def write() -> None:
        stores = [sqlite3.connect(file, timeout=10) for file in files]
        number = 0
        while not stop.is_set():
            number += 1
            for store in stores:
                store.execute("INSERT INTO numbers VALUES (?)", (number,))
                store.commit()
        for store in stores:
            store.close()

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def test_stores_that_are_written_are_copied_as_they_are_at_one_moment(tmp_path: Path) -> None:
    source = tmp_path / "store"
    source.mkdir()
    files = [source / f"{name}.sqlite3" for name in ("identity", "mailbox", "scheduler")]
    with counting(files):
        for number in range(20):
            copy_stores(source, tmp_path / f"copy-{number}")
    last = 0
    for number in range(20):
        ends: list[int] = []
        for file in files:
            with closing(sqlite3.connect(tmp_path / f"copy-{number}" / file.name)) as copy:
                assert copy.execute("PRAGMA integrity_check").fetchone() == ("ok",)
                (end,) = copy.execute("SELECT coalesce(max(n), 0) FROM numbers").fetchone()
                ends.append(end)
        assert ends == sorted(ends, reverse=True), "no later store is ahead of an earlier one"
        assert ends[0] - ends[-1] <= 1
        assert ends[-1] >= last
        last = ends[-1]


def test_an_archive_is_whole_private_and_of_its_kind(tmp_path: Path) -> None:
    pieces, archive = tmp_path / "pieces", tmp_path / "a.tar.gz"
    (pieces / "store").mkdir(parents=True)
    (pieces / "store" / "x").write_bytes(b"events")
    pack(pieces, manifest(), archive)
    assert archive.stat().st_mode & 0o077 == 0
    assert unpack(archive, tmp_path / "out", "data").installation == "i"
    assert (tmp_path / "out" / "store" / "x").read_bytes() == b"events"
    with pytest.raises(BackupError, match="--from"):
        unpack(archive, tmp_path / "out2", "keys")
    (pieces / "store" / "y").write_bytes(b"more events")
    later = tmp_path / "b.tar.gz"
    pack(pieces, manifest(), later)
    later.write_bytes(later.read_bytes()[:-40])
    with pytest.raises(BackupError) as refused:
        unpack(later, tmp_path / "out3", "data")
    assert refused.value.code == "archive-unreadable"


NAMES = ("a", "b")


def placed(to: Path | str, keys_to: Path | str, data: Path = Path("/nowhere/data")) -> tuple[Path, Path]:
    return archives(str(to), str(keys_to), NAMES, data)


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    made = tmp_path / "keys"
    made.mkdir()
    return made


def test_each_archive_goes_into_its_folder_or_to_its_name(tmp_path: Path, keys: Path) -> None:
    assert placed(tmp_path, keys) == (tmp_path / "a", keys / "b")
    assert placed(f"{tmp_path}/", f"{keys}/") == (tmp_path / "a", keys / "b")
    assert placed(tmp_path / "x", keys / "y") == (tmp_path / "x", keys / "y")


def test_keys_never_go_where_the_data_goes(tmp_path: Path, keys: Path) -> None:
    (tmp_path / "link").symlink_to(keys)
    for to, keys_to, code in (
        (tmp_path / "same", tmp_path / "same", "same-archive"),
        (tmp_path, tmp_path, "same-folder"),
        (tmp_path / "x", tmp_path / "y", "same-folder"),
        (tmp_path / "link", keys, "same-folder"),
    ):
        with pytest.raises(BackupError) as refused:
            placed(to, keys_to)
        assert refused.value.code == code


def test_no_archive_goes_into_the_folder_that_is_copied(tmp_path: Path, keys: Path) -> None:
    data = tmp_path / "data"
    (data / "store").mkdir(parents=True)
    for inside in (data, data / "store", data / "x"):
        for to, keys_to in ((inside, keys), (keys, inside)):
            with pytest.raises(BackupError, match="lost with it") as refused:
                placed(to, keys_to, data)
            assert refused.value.code == "inside-data"
    assert placed(tmp_path, keys, data) == (tmp_path / "a", keys / "b")


def test_nothing_that_is_there_is_written_over(tmp_path: Path, keys: Path) -> None:
    (tmp_path / "old.tar.gz").write_bytes(b"the backup of yesterday")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for named in (tmp_path / "old.tar.gz", tmp_path / "link", Path("/dev/null")):
        for to, keys_to in ((named, keys / "keys"), (keys / "data", named)):
            with pytest.raises(BackupError, match="not written over") as refused:
                placed(to, keys_to)
            assert refused.value.code == "file-there"


@pytest.mark.parametrize("links", [True, False])
def test_of_two_backups_at_once_to_the_same_name_one_is_refused(
    tmp_path: Path, keys: Path, monkeypatch: pytest.MonkeyPatch, *, links: bool
) -> None:
    if not links:
        monkeypatch.setattr(os, "link", _no_links)
    archive = tmp_path / "a.tar.gz"
    for name in ("first", "second"):  # both of them look before either writes
        placed(archive, keys)
        (tmp_path / name).mkdir()
        (tmp_path / name / "x").write_text(name, encoding="utf-8")
    pack(tmp_path / "first", manifest(), archive)
    with pytest.raises(BackupError) as refused:
        pack(tmp_path / "second", manifest(), archive)
    assert refused.value.code == "file-there"
    unpack(archive, tmp_path / "out", "data")
    assert (tmp_path / "out" / "x").read_text(encoding="utf-8") == "first"


def _no_links(source: Path, to: Path) -> None:
    raise OSError(errno.EPERM, "a file system without links")


def test_what_a_killed_backup_left_is_removed_and_what_another_is_at_is_not(tmp_path: Path) -> None:
    left, busy = tmp_path / f"{WORKING}left", tmp_path / f"{WORKING}busy"
    for folder in (left, busy):
        (folder / "pieces").mkdir(parents=True)
        (folder / "pieces" / "master.key").write_bytes(b"a key")
        (folder / "lock").touch()
    with (busy / "lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        for folder in (left, busy):
            remove_if_left(folder)
        assert busy.exists()
        assert not left.exists()
    remove_if_left(busy)
    assert not busy.exists()


def test_a_folder_that_is_not_there_is_named(tmp_path: Path, keys: Path) -> None:
    missing = tmp_path / "missing"
    for to, keys_to in ((missing / "data", keys), (f"{missing}/", keys), (tmp_path, f"{missing}/")):
        with pytest.raises(BackupError, match=f"{missing} is not there. Make it first") as refused:
            placed(to, keys_to)
        assert refused.value.code == "no-folder"


async def test_a_log_that_is_copied_with_a_damage_is_told(tmp_path: Path) -> None:
    source = tmp_path / "store"
    source.mkdir()
    for name in ("identity", "mailbox"):
        store = SqliteStore(source / f"{name}.sqlite3")
        await append(store, f"{name}.note-1", *(noted() for _ in range(9)))
        await store.close()
    log = source / "mailbox.sqlite3"
    log.write_bytes(log.read_bytes().replace(b"mailbox.note-1\x06\x07", b"mailbox.note-2\x06\x07"))
    copy_stores(source, tmp_path / "copies")
    before = {path: path.read_bytes() for path in (tmp_path / "copies").iterdir()}
    found = damaged_in(tmp_path / "copies")
    assert list(found) == ["mailbox"]
    assert "position 7 is hidden" in found["mailbox"][0]
    assert {path: path.read_bytes() for path in (tmp_path / "copies").iterdir()} == before
    (tmp_path / "copies" / "identity.sqlite3").write_bytes(b"rubbish")
    assert list(damaged_in(tmp_path / "copies")) == ["identity", "mailbox"]


def test_a_backup_with_a_damaged_log_is_made_and_is_bad_news(
    tmp_path: Path, keys: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for damaged, ended, code in (
        ({}, 0, None),
        ({"mailbox": ["an event is hidden"]}, 1, "audit.log-damaged"),
    ):

        async def taken(*_: Path, damaged: dict[str, list[str]] = damaged) -> Taken:
            await asyncio.sleep(0)
            return Taken(manifest(), damaged)

        monkeypatch.setattr(backup, "take", taken)
        words = ("--to", str(tmp_path), "--keys-to", str(keys), "--data", str(tmp_path / "data"))
        assert backup.back_up(words) == ended
        told = json.loads(capsys.readouterr().out)
        assert (told.get("code"), told.get("damaged", {}), told["backup"]) == (code, damaged, "b")


def test_a_folder_whose_log_a_server_keeps_is_never_asked_for_its_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, "mailbox", Note("epoch", "kdb://node:2113"))
    monkeypatch.delenv("HERALDRY_STORE_URL", raising=False)
    monkeypatch.delenv("STORE_URL", raising=False)
    with pytest.raises(BackupError, match="KurrentDB") as refused:
        asyncio.run(take(tmp_path, tmp_path / "a", tmp_path / "b"))
    assert refused.value.code == "store-elsewhere"


def test_logs_that_a_server_keeps_are_that_server_s_to_back_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HERALDRY_STORE_URL", "kdb://node:2113")
    with pytest.raises(BackupError, match="that server's own means") as refused:
        asyncio.run(take(tmp_path, tmp_path / "a", tmp_path / "b"))
    assert refused.value.code == "store-elsewhere"


def test_a_folder_that_was_not_restored_to_its_end_is_not_started(tmp_path: Path) -> None:
    folder = Folder.claim(tmp_path / "data", "live")
    try:
        first = folder.require_whole()
        assert folder.require_whole() == first
        folder.begin_restore()
        with pytest.raises(CannotStart) as refused:
            folder.require_whole()
        assert refused.value.code == "restore-incomplete"
        folders.end_restore(folder.path)
        folders.stamp(folder.path, Installation("other", staging=True))
        assert folder.require_whole() == Installation("other", staging=True)
    finally:
        folder.release()


def test_a_restored_demo_goes_by_the_clock_as_its_sandbox_had_moved_it(tmp_path: Path) -> None:
    (tmp_path / "streams").mkdir()
    assert abs(clock_in(tmp_path).now() - datetime.now(UTC)) < timedelta(hours=1)
    lines = ""
    for days in (3, 90):
        offset = b64encode(f"{days * 86400}".encode())
        lines += Message(subject="$KV.CLOCK.offset", data=offset).model_dump_json() + "\n"
    (tmp_path / "streams" / "KV_CLOCK.jsonl").write_text(lines, encoding="utf-8")
    assert clock_in(tmp_path).now() - datetime.now(UTC) > timedelta(days=89)
