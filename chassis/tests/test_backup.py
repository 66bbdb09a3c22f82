"""Copying stores while others write, and the two archives."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import sqlite3
import threading
from collections.abc import Generator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from heraldry.chassis.backup.archive import BackupError, Manifest, pack, unpack
from heraldry.chassis.backup.taking import WORKING, archives, copy_stores, remove_if_left, take
from heraldry.chassis.store.folder import Note, write
from heraldry.chassis.supervisor import folder as folders
from heraldry.chassis.supervisor.folder import Folder, Installation
from heraldry.chassis.supervisor.problems import CannotStart


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


def test_keys_never_go_where_the_data_goes(tmp_path: Path) -> None:
    assert archives(tmp_path, tmp_path, ("a", "b")) == (tmp_path / "a", tmp_path / "b")
    with pytest.raises(BackupError) as refused:
        archives(tmp_path / "same", tmp_path / "same", ("a", "b"))
    assert refused.value.code == "same-archive"


def test_nothing_that_is_there_is_written_over(tmp_path: Path) -> None:
    (tmp_path / "old.tar.gz").write_bytes(b"the backup of yesterday")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for named in (tmp_path / "old.tar.gz", tmp_path / "link", Path("/dev/null")):
        for to, keys_to in ((named, tmp_path / "keys"), (tmp_path / "data", named)):
            with pytest.raises(BackupError, match="not written over") as refused:
                archives(to, keys_to, ("a", "b"))
            assert refused.value.code == "file-there"


@pytest.mark.parametrize("links", [True, False])
def test_of_two_backups_at_once_to_the_same_name_one_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, links: bool
) -> None:
    if not links:
        monkeypatch.setattr(os, "link", _no_links)
    archive = tmp_path / "a.tar.gz"
    for name in ("first", "second"):  # both of them look before either writes
        archives(archive, tmp_path / "keys", ("a", "b"))
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


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(BackupError, match="Make it first") as refused:
        archives(tmp_path / "missing" / "data", tmp_path / "keys", ("a", "b"))
    assert refused.value.code == "no-folder"


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
