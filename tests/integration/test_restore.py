"""A backup of a running installation, restored into another folder: halted, of today's quotas nothing is left, and
whoever was erased since stays erased.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
import tarfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast
from uuid import UUID, uuid4

import httpx
import pytest
from heraldry.chassis.bus import border
from heraldry.chassis.bus.operator import operator
from heraldry.chassis.commands import backup, halt
from heraldry.chassis.halt import HaltFlags
from heraldry.chassis.supervisor import folder as folders
from heraldry.chassis.supervisor.alone import claimed, nats
from heraldry.chassis.supervisor.problems import CannotStart
from heraldry.chassis.testing.stack import Stack
from heraldry.chassis.vault import ledger
from heraldry.identity import commands as erase
from nats.js import JetStreamContext

from tests.integration.support import API, Admin, eventually, organization_in, outside_of

Said = tuple[int, dict[str, Any]]
Command = Callable[..., Said]


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    monkeypatch.delenv("HERALDRY_NATS_URL", raising=False)

    def say(main: Callable[[Sequence[str]], int], *words: str | Path) -> Said:
        capsys.readouterr()
        ended = main([str(word) for word in words])
        (line,) = capsys.readouterr().out.splitlines()
        return ended, cast("dict[str, Any]", json.loads(line))

    return say


def taken(command: Command, data: Path, to: Path) -> tuple[Path, Path]:
    apart = to / "keys"
    apart.mkdir(exist_ok=True)
    archive, keys = to / "data.tar.gz", apart / "keys.tar.gz"
    ended, told = command(backup.back_up, "--data", data, "--to", archive, "--keys-to", keys)
    assert ended == 0, told
    return archive, keys


def restored(command: Command, archives: tuple[Path, Path], data: Path, *words: str | Path) -> Said:
    source, keys = archives
    return command(backup.put_back, "--from", source, "--keys-from", keys, "--data", data, *words)


def files_in(archive: Path) -> Iterator[tuple[str, bytes]]:
    with tarfile.open(archive) as opened:
        for member in opened.getmembers():
            if found := opened.extractfile(member):
                yield member.name, found.read()


def epochs(data: Path) -> dict[str, str]:
    found: dict[str, str] = {}
    for file in (data / "store").glob("*.sqlite3"):
        with closing(sqlite3.connect(file)) as store:
            (found[file.stem],) = store.execute("SELECT epoch FROM store").fetchone()
    return found


def key_of(state: str, subject: str) -> Callable[[JetStreamContext], Any]:
    async def look(js: JetStreamContext) -> bool:
        message = await js.get_last_msg("KEYS", f"heraldry.keys.identity.{subject}")
        info = await js.stream_info("KEYS", subjects_filter=f"heraldry.keys.*.{subject}")
        assert info.state.subjects
        return json.loads(message.data or b"{}")["state"] == state

    return look


async def looked(data: Path, look: Callable[[JetStreamContext], Any]) -> Any:
    """On the bus of a folder that nothing runs on."""
    with claimed(data):
        async with nats(data), operator(data) as nc:
            flags = await HaltFlags(nc).all_now()
            assert [flag.scope for flag in flags if flag.scope == "system"] == ["system"]
            return await look(border.jetstream(nc))


@pytest.mark.stack
@pytest.mark.requirement("R-AUD-6")
def test_a_running_installation_is_copied_and_its_copy_is_halted_and_another(
    stack: Stack, tmp_path: Path, command: Command
) -> None:
    with organization_in(stack) as us:
        kept, gone = us.identity("Kept Ermintrude"), us.identity("Gone Ermintrude")
        archives = taken(command, stack.folder, tmp_path)
    key = (stack.folder / "keys" / "master.key").read_bytes().strip()
    data_files = dict(files_in(archives[0]))
    assert not any(key in body for body in data_files.values())
    assert not any("KEYS" in name or name.startswith("keys/") for name in data_files)
    assert not any(b"Ermintrude" in body for body in data_files.values())

    erased = tmp_path / "ledger"
    subjects = (UUID(gone),)
    entry = ledger.Entry(
        at=datetime.now(UTC),
        kind="identity",
        erasure=uuid4(),
        organization=UUID(us.organization),
        subjects=subjects,
    )
    ledger.append(erased, entry)
    copy = tmp_path / "copy"
    ended, told = restored(command, archives, copy, "--staging", "--ledger", ledger.path(erased))
    assert (ended, told["staging"], told["keys_destroyed"] > 0) == (0, True, True)
    assert told["installation"] != folders.installation(stack.folder).id
    before, after = epochs(stack.folder), epochs(copy)
    assert before.keys() == after.keys()
    assert not set(before.values()) & set(after.values())
    assert ledger.read(copy) == (entry,)
    assert asyncio.run(looked(copy, key_of("destroyed", gone)))
    assert asyncio.run(looked(copy, key_of("live", kept)))
    assert restored(command, archives, copy, "--staging", "--no-ledger")[1]["code"] == "folder-not-empty"
    mixed = restored(command, (archives[1], archives[0]), tmp_path / "other", "--takeover", "--no-ledger")
    assert mixed[1]["code"] == "other-archive"
    with closing(sqlite3.connect(copy / "store" / "identity.sqlite3")) as store, store:
        store.execute("UPDATE installation SET id = 'another'")
    with claimed(copy) as folder, pytest.raises(CannotStart, match="the store of another installation"):
        folder.require_whole()


@pytest.mark.long
@pytest.mark.timeout(300)
@pytest.mark.requirement("R-LIM-3")
@pytest.mark.requirement("R-RATE-4")
def test_the_drill(tmp_path: Path, command: Command) -> None:
    """Backed up while it runs, erased since, lost, and put back elsewhere: as a person would do it."""
    with Stack.running(tmp_path / "old") as old, organization_in(old) as us, outside_of(old) as outside:
        ours, theirs = outside.account(), outside.account("lea")
        identity, gone = us.identity(), us.identity("Gone Ermintrude")
        inbox = us.connected(identity, ours)
        letter = {"to": theirs.address, "subject": "Hello", "text": "Shall we talk?"}
        us.mail_in(str(us.call("POST", f"/inboxes/{inbox}/mails", letter)["attempt"]), "sent")
        us.call("POST", "/halt", {"reason": "Wait"})
        waiting = str(us.call("POST", f"/inboxes/{inbox}/mails", {**letter, "subject": "Later"})["attempt"])
        us.mail_in(waiting, "queued")
        archives = taken(command, old.folder, tmp_path)
        ended, told = command(erase.main, "--identity", gone, "--reason", "asked", "--data", old.folder)
        assert (ended, told["step"]) == (0, "completed")
        before = us.get(f"/identities/{identity}/history")["entries"]
    copy = tmp_path / "new"
    ended, told = restored(command, archives, copy, "--takeover", "--ledger", ledger.path(tmp_path / "old"))
    assert ended == 0, told
    with Stack.running(copy) as new:
        sign_in = {"email": us.email, "password": us.password}
        with httpx.Client(timeout=20) as http:
            token = http.post(f"{new.url}{API}/sessions", json=sign_in).json()["token"]
            http.headers["Authorization"] = f"Bearer {token}"
            again = Admin(new, http, us.organization, us.email, us.password)
            assert again.get("/halt")["reason"].startswith("Restored from a backup")
            history = again.get(f"/identities/{identity}/history")["entries"]
            assert history == before
            rate = again.get(f"/inboxes/{inbox}/rate")
            assert (rate["used_today"], rate["used_this_hour"]) >= (
                rate["rate"]["per_day"],
                rate["rate"]["per_hour"],
            )
            refused = again.refusal("POST", f"/inboxes/{inbox}/mails", letter)
            assert refused["code"] == "quota.exhausted"
            assert again.mail(waiting)["state"] == "queued"
            eventually(lambda: again.send("GET", f"/identities/{gone}").status_code == 404, "erased for good")
            with outside_of(new) as outside:
                assert outside.effects("mail") == []
            assert command(halt.main, "clear", "--system", "--data", copy)[0] == 0
            assert again.get("/halt")["reason"] == "Wait"
    assert not (copy / "RESTORED").exists()
    left = [path for path in copy.rglob("*") if path.is_file() and b"Ermintrude" in path.read_bytes()]
    assert left == []
