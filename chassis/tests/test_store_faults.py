"""The embedded store struck down: full disk, kill -9, power cut, another program's lock.

A power cut is played by freezing all writers and copying the files as they are at that instant. It does not play a
disk that loses what it said it had written.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import warnings
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, cast
from uuid import UUID

import pytest
from heraldry.chassis.store.port import NO_STREAM, StoreUnavailableError
from heraldry.chassis.store.sqlite import SqliteStore
from heraldry.chassis.testing.store_conformance import STREAM, new_event

WRITERS: Final = 16  # a process, so that groups are committed
Acknowledged = Mapping[tuple[str, int], UUID]  # by stream and revision


@dataclass(slots=True)
class Writing:
    """A process that appends; `lines` are what it was answered, read until now."""

    process: subprocess.Popen[bytes]
    lines: list[bytes] = field(default_factory=list[bytes])

    def read(self, least: int) -> None:
        """Until at least so many more appends were answered."""
        assert self.process.stdout is not None
        for _ in range(least):
            line = self.process.stdout.readline()
            assert line, "the process ended by itself"
            self.lines.append(line)

    def drain(self) -> None:
        """What still stands in the pipe of a process that says nothing more now."""
        assert self.process.stdout is not None
        os.set_blocking(self.process.stdout.fileno(), False)
        self.lines.extend(self.process.stdout.readlines())
        os.set_blocking(self.process.stdout.fileno(), True)

    def freeze(self) -> None:
        self.process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, self.process.pid, os.WSTOPPED)

    def thaw(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(10)
        self.drain()

    @property
    def acknowledged(self) -> Acknowledged:
        parts = [line.decode().split() for line in self.lines]
        return {(stream, int(revision)): UUID(id_) for stream, revision, id_ in parts}


@contextmanager
def writing(file: Path, *names: str) -> Generator[list[Writing]]:
    command = [sys.executable, "-m", "heraldry.chassis.testing.acknowledging", str(file)]
    found = [
        Writing(subprocess.Popen([*command, name, str(WRITERS)], stdout=subprocess.PIPE)) for name in names
    ]
    try:
        yield found
    finally:
        for one in found:
            one.process.kill()
            one.process.wait(10)
            if one.process.stdout is not None:
                one.process.stdout.close()


def missing(file: Path, acknowledged: Iterable[Acknowledged]) -> list[tuple[str, int]]:
    """What was answered and does not stand in the file; the file is sound, and no stream has a gap."""
    with closing(sqlite3.connect(file)) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        rows = cast(
            "list[tuple[str, int, bytes]]", db.execute("SELECT stream, revision, id FROM events").fetchall()
        )
        gaps = db.execute(
            "SELECT stream FROM events GROUP BY stream HAVING max(revision) != count(*) - 1"
        ).fetchall()
    assert gaps == []
    stored = {(stream, revision): UUID(bytes=id_) for stream, revision, id_ in rows}
    return [key for one in acknowledged for key, id_ in one.items() if stored.get(key) != id_]


def kills(folder: Path, trials: int, seed: int) -> int:
    """Kill the writer of a new file so many times, each at another moment; gives how many appends were answered."""
    chance, answered = random.Random(seed), 0
    for trial in range(trials):
        file = folder / f"{trial % 8}.sqlite3"  # some are struck again and again
        with writing(file, f"trial-{trial}") as (writer,):
            writer.read(chance.randint(1, 400))
            writer.kill()
        lost = missing(file, [writer.acknowledged])
        assert lost == [], f"seed {seed}, trial {trial}"
        answered += len(writer.lines)
    return answered


def cuts(folder: Path, times: int, seed: int) -> int:
    """Cut the power of three processes on one file so many times; gives how many appends were answered."""
    chance, file = random.Random(seed), folder / "log.sqlite3"
    with closing(sqlite3.connect(file)) as db:
        db.execute("PRAGMA journal_mode = WAL")
    with writing(file, "first", "second", "third") as writers:
        for cut in range(times):
            for writer in writers:
                writer.read(chance.randint(1, 200))
            for writer in writers:
                writer.freeze()
            copy = folder / f"cut-{cut}.sqlite3"
            for suffix in ("", "-wal"):  # the shared index is in memory: it is not there after a cut
                if (there := file.with_name(file.name + suffix)).exists():
                    shutil.copyfile(there, copy.with_name(copy.name + suffix))
            for writer in writers:
                writer.drain()
                writer.thaw()
            lost = missing(copy, [writer.acknowledged for writer in writers])
            assert lost == [], f"seed {seed}, cut {cut}"
        return sum(len(writer.lines) for writer in writers)


@pytest.mark.parts
def test_what_was_answered_before_a_kill_is_there(tmp_path: Path) -> None:
    assert kills(tmp_path, 6, seed=random.randrange(2**32)) > 0


@pytest.mark.parts
def test_what_was_answered_before_a_power_cut_is_there(tmp_path: Path) -> None:
    assert cuts(tmp_path, 4, seed=random.randrange(2**32)) > 0


@pytest.mark.long
def test_what_was_answered_before_200_kills_is_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with capsys.disabled():
        print(f"\n200 kills in a group commit: {kills(tmp_path, 200, seed=7)} answered appends, none lost")  # noqa: T201  for whoever runs it


@pytest.mark.long
def test_what_was_answered_before_40_power_cuts_is_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with capsys.disabled():
        print(f"\n40 power cuts: {cuts(tmp_path, 40, seed=7)} answered appends, none lost")  # noqa: T201  likewise


@pytest.mark.parts
def test_a_full_disk_refuses_loses_nothing_and_all_goes_on_afterwards(tmp_path: Path) -> None:
    """Log and read model on a file system of 3 MB: append and projection both meet the end of it."""
    mount = tmp_path / "mount"
    mount.mkdir()
    way = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--mount", "--map-root-user"]
    small = f'mount -t tmpfs -o size=3m none "{mount}"'
    tried = subprocess.run([*way, "sh", "-c", small], capture_output=True, text=True, check=False)
    if tried.returncode:
        warnings.warn(f"nothing can be mounted here, so no disk was full: {tried.stderr}", stacklevel=2)
        return
    command = f'{small} && exec "{sys.executable}" -m heraldry.chassis.testing.full_disk "{mount}"'
    ended = subprocess.run(
        [*way, "sh", "-c", command], capture_output=True, text=True, check=True, timeout=50
    )
    told = json.loads(ended.stdout.splitlines()[-1])
    assert told["acknowledged"] > 100
    assert "Nothing was stored" in told["refused"]
    assert "Free disk space" in told["refused"]
    assert "full" in told["projections_stopped"]
    assert told["stored"] == told["acknowledged"] + 10 - told["refused_again"] + 20
    assert told["projected"] == told["stored"]
    assert told["in_order"]
    assert told["sound"] == ["ok", "ok"]


@pytest.fixture
def locked(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """Another program's connection, which can lock the file."""
    with closing(
        sqlite3.connect(tmp_path / "log.sqlite3", isolation_level=None, check_same_thread=False)
    ) as db:
        db.execute("PRAGMA journal_mode = WAL")
        yield db


async def test_a_short_lock_of_another_process_is_waited_for(
    tmp_path: Path, locked: sqlite3.Connection
) -> None:
    store = SqliteStore(tmp_path / "log.sqlite3")
    locked.execute("BEGIN IMMEDIATE")
    appending = asyncio.create_task(store.append(STREAM, [new_event()], expected=NO_STREAM))
    done, _ = await asyncio.wait([appending], timeout=0.2)
    assert done == set()
    assert await store.read_stream(STREAM) == []  # reading does not wait
    locked.execute("COMMIT")
    assert (await appending).fresh
    await store.close()


async def test_a_lock_that_stays_is_said_with_what_to_do(tmp_path: Path, locked: sqlite3.Connection) -> None:
    store = SqliteStore(tmp_path / "log.sqlite3", patience=0.1)
    locked.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailableError, match=r"Another program.*Nothing was stored"):
        await store.append(STREAM, [new_event()], expected=NO_STREAM)
    locked.execute("ROLLBACK")
    assert (await store.append(STREAM, [new_event()], expected=NO_STREAM)).fresh
    await store.close()
