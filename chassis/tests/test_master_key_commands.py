"""The master key is replaced, printed, lost and made again; nothing it protects is lost with it."""

from __future__ import annotations

import asyncio
import io
import json
import os
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from heraldry.chassis.bus import border
from heraldry.chassis.bus.operator import operator
from heraldry.chassis.bus.provision import ensure
from heraldry.chassis.bus.rights import KEYS
from heraldry.chassis.commands import keys as command
from heraldry.chassis.supervisor.alone import claimed, nats
from heraldry.chassis.supervisor.folder import Folder
from heraldry.chassis.supervisor.problems import CannotStart
from heraldry.chassis.testing.stack import Stack
from heraldry.chassis.vault import master, recovery
from heraldry.chassis.vault.keys import Destroyed, Key, KeyRing, Record, decrypt, encrypt
from heraldry.chassis.vault.master import MasterKey, MasterKeyError
from heraldry.chassis.vault.recovery import RecoveryKeyError
from heraldry.chassis.vault.rotation import needed, needed_instead, rotate
from hypothesis import given
from hypothesis import strategies as st
from nats.aio.client import Client
from nats.js import JetStreamContext

SUBJECTS = tuple(f"lead-{number}" for number in range(5))


@given(st.binary(min_size=32, max_size=32))
def test_what_is_copied_from_paper_is_the_key_however_it_is_spaced(secret: bytes) -> None:
    text = recovery.written(secret)
    assert len(text.split("-")) == 14
    assert recovery.read(text) == secret
    assert recovery.read(f"  {text.replace('-', ' ').lower()}\n") == secret
    assert recovery.read(text.replace("O", "0").replace("I", "1")) == secret


@given(st.binary(min_size=32, max_size=32), st.data())
def test_a_slip_of_the_pen_is_noticed(secret: bytes, data: st.DataObject) -> None:
    text = recovery.written(secret).replace("-", "")
    at = data.draw(st.integers(0, len(text) - 2))
    other = data.draw(st.sampled_from([char for char in "ABCDEFGHJKLMN234567" if char != text[at]]))
    with pytest.raises(RecoveryKeyError) as wrong:
        recovery.read(text[:at] + other + text[at + 1 :])
    assert text[:8] not in str(wrong.value)
    with pytest.raises(RecoveryKeyError, match="whole"):
        recovery.read(text[:at])


class Installation:
    """A stopped installation with some keys: live, sealed and destroyed ones."""

    def __init__(self, data: Path) -> None:
        self.data = data
        folder = Folder.claim(data, "live")
        folder.master_key()
        folder.release()
        self.written = asyncio.run(self.with_nats(self._fill))

    async def with_nats(self, work: Callable[[Client], Awaitable[Any]]) -> Any:
        async with nats(self.data), operator(self.data) as nc:
            return await work(nc)

    async def ring(self, nc: Client) -> KeyRing:
        text = (self.data / "keys" / "master.key").read_text(encoding="ascii")
        ring = KeyRing(nc, "mailbox", master.parse(text, "there"))
        await ring.start()
        return ring

    async def _fill(self, nc: Client) -> Mapping[str, bytes]:
        await ensure(border.jetstream(nc))
        ring = await self.ring(nc)
        written = {each: encrypt(await ring.create(each), each.encode(), b"") for each in SUBJECTS}
        await ring.seal(SUBJECTS[-2])
        await ring.destroy(SUBJECTS[-1])
        await ring.stop()
        return written

    def assert_all_is_read(self) -> None:
        async def look(nc: Client) -> None:
            ring = await self.ring(nc)
            for each in SUBJECTS[:-1]:
                key = ring.get(each)
                assert isinstance(key, Key)
                assert decrypt(key, self.written[each], b"") == each.encode()
                assert key.sealed == (each == SUBJECTS[-2])
            assert ring.get(SUBJECTS[-1]) == Destroyed(SUBJECTS[-1])
            await ring.stop()

        asyncio.run(self.with_nats(look))

    @property
    def fingerprint(self) -> str:
        return master.parse((self.data / "keys" / "master.key").read_text(encoding="ascii"), "x").fingerprint


@pytest.fixture
def installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Installation:
    for name in ("HERALDRY_NATS_URL", master.VARIABLE, "HERALDRY_MASTER_KEY_FILE"):
        monkeypatch.delenv(name, raising=False)
    return Installation(tmp_path / "data")


def asked(
    installation: Installation, capsys: pytest.CaptureFixture[str], *words: str
) -> tuple[int, Mapping[str, Any]]:
    ended = command.main([*words, "--data", str(installation.data)])
    return ended, json.loads(capsys.readouterr().out.splitlines()[-1])


@pytest.mark.parts
def test_a_rotated_master_key_reads_all_and_the_old_one_is_refused_and_leaves_nothing_it_opens(
    installation: Installation, capsys: pytest.CaptureFixture[str]
) -> None:
    old = (installation.data / "keys" / "master.key").read_text(encoding="ascii")
    ended, answer = asked(installation, capsys, "rotate")
    assert (ended, answer["wrapped"], answer["before"]) == (0, 4, master.parse(old, "x").fingerprint)
    assert answer["fingerprint"] == installation.fingerprint != answer["before"]
    assert old.strip() not in json.dumps(answer)
    installation.assert_all_is_read()

    async def with_the_old_one(nc: Client) -> None:
        assert await needed(nc) == await needed_instead(nc, master.parse(old, "x")) == {answer["fingerprint"]}
        assert not await needed_instead(nc, _key(installation.data / "keys" / "master.key"))
        with pytest.raises(MasterKeyError, match=answer["fingerprint"]):
            await KeyRing(nc, "mailbox", master.parse(old, "x")).start()
        js, sequence = border.jetstream(nc), 0
        last = (await js.stream_info(KEYS)).state.last_seq
        while sequence < last:
            message = await js.get_msg(KEYS, seq=sequence + 1, next=True, subject="heraldry.keys.>")
            sequence = message.seq or 0
            assert answer["before"].encode() not in (message.data or b"")

    asyncio.run(installation.with_nats(with_the_old_one))


@pytest.mark.parts
def test_with_a_master_key_of_before_the_rotation_nothing_is_started_and_one_line_says_why(
    installation: Installation, capsys: pytest.CaptureFixture[str]
) -> None:
    file = installation.data / "keys" / "master.key"
    old = file.read_bytes()
    assert asked(installation, capsys, "rotate")[0] == 0
    now = installation.fingerprint
    services = {"HERALDRY_SERVICES": "gateway=heraldry.chassis.testing.services:well"}
    file.write_bytes(old)
    wrong = Stack.start(installation.data, sandbox=False, env=services, wait=False)
    try:
        assert wrong.process.wait(60) == 1
    finally:
        wrong.stop()
    (said,) = [line for line in wrong.log.read_text().splitlines() if line.startswith("heraldry up: ")]
    assert said.endswith("[master-key-wrong]")
    assert f"is {installation.fingerprint}, and this installation needs {now}." in said
    assert not (installation.data / "run" / "log" / "gateway.log").exists()


@pytest.mark.parts
def test_a_rotation_that_was_cut_off_lets_nothing_start_and_is_gone_on_with(
    installation: Installation, capsys: pytest.CaptureFixture[str]
) -> None:
    following = installation.data / "keys" / master.NEXT
    master.create(following)
    new = following.read_text(encoding="ascii")

    async def half(nc: Client) -> None:
        js = border.jetstream(nc)
        published, publish = 0, js.publish

        async def some(*given: Any, **more: Any) -> Any:
            nonlocal published
            published += 1
            if published > 2:
                raise ConnectionError("killed")
            return await publish(*given, **more)

        def same(_: Client) -> JetStreamContext:
            return js

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(border, "jetstream", same)
            patch.setattr(js, "publish", some)
            with pytest.raises(ConnectionError):
                await rotate(nc, _key(installation.data / "keys" / "master.key"), _key(following))

    asyncio.run(installation.with_nats(half))
    with claimed(installation.data) as folder, pytest.raises(CannotStart, match="heraldry keys rotate"):
        folder.master_key()
    ended, answer = asked(installation, capsys, "rotate")
    assert (ended, answer["wrapped"]) == (0, 2)
    assert answer["fingerprint"] == master.parse(new, "x").fingerprint
    assert not following.exists()
    installation.assert_all_is_read()


@pytest.mark.parts
def test_a_record_nobody_can_read_is_named_before_anything_begins_and_stops_no_rotation_that_has_begun(
    installation: Installation, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = {f"heraldry.keys.mailbox.{SUBJECTS[0]}": b"FORGED", "heraldry.keys.scheduler.zzz.zzz": b"FORGED"}
    damaged = Record(state="live", wrapped="AAAA", master=installation.fingerprint)
    bad["heraldry.keys.scheduler.lead"] = damaged.model_dump_json().encode()

    async def forge(nc: Client) -> list[dict[str, object]]:
        js = border.jetstream(nc)
        sent = [(name, await js.publish(name, data, stream=KEYS)) for name, data in bad.items()]
        return [{"subject": name, "sequence": acknowledged.seq} for name, acknowledged in sent]

    named = asyncio.run(installation.with_nats(forge))
    before = (installation.data / "keys" / "master.key").read_bytes()
    following = installation.data / "keys" / master.NEXT
    ended, answer = asked(installation, capsys, "rotate")
    assert (ended, answer["code"], answer["records"]) == (1, "keys.unreadable-record", named)
    assert not following.exists()
    assert (installation.data / "keys" / "master.key").read_bytes() == before

    master.create(following)
    ended, answer = asked(installation, capsys, "rotate")
    assert (ended, answer["wrapped"], answer["unreadable"]) == (0, 4, named)
    assert not following.exists()
    installation.assert_all_is_read()
    assert asked(installation, capsys, "rotate")[1]["records"] == named[:2]  # the third needed the old key
    ended, answer = asked(installation, capsys, "rotate", "--anyway")
    assert (ended, answer["wrapped"], answer["unreadable"]) == (0, 4, named[:2])
    installation.assert_all_is_read()


@pytest.mark.parts
def test_a_lost_master_key_is_made_again_from_paper_and_only_from_the_right_one(
    installation: Installation, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The drill: it is lost, nothing starts, it is typed from paper, and all is read again."""
    ended, printed = asked(installation, capsys, "recovery")
    assert (ended, printed["fingerprint"]) == (0, installation.fingerprint)
    assert asked(installation, capsys, "recovery")[1]["code"] == "keys.printed"
    assert asked(installation, capsys, "recovery", "--again")[1] == printed

    def typed(text: str) -> tuple[int, Mapping[str, Any]]:
        monkeypatch.setattr("sys.stdin", io.StringIO(text))
        return asked(installation, capsys, "recover")

    assert typed(printed["recovery_key"])[1]["code"] == "keys.there"
    (installation.data / "keys" / "master.key").unlink()
    with claimed(installation.data) as folder, pytest.raises(CannotStart, match="missing"):
        folder.master_key()
    assert typed("no key at all")[1]["code"] == "keys.unusable"
    assert typed(recovery.written(os.urandom(32)))[1]["code"] == "keys.of-another"
    ended, answer = typed(printed["recovery_key"])
    assert (ended, answer["fingerprint"]) == (0, printed["fingerprint"])
    assert (installation.data / "keys" / "master.key").stat().st_mode & 0o077 == 0
    installation.assert_all_is_read()


@pytest.mark.parts
def test_nothing_is_done_to_an_installation_that_runs_or_whose_key_is_elsewhere(
    installation: Installation, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with claimed(installation.data):
        assert asked(installation, capsys, "rotate")[1]["code"] == "already-running"
    monkeypatch.setenv(master.VARIABLE, "x")
    assert asked(installation, capsys, "rotate")[1]["code"] == "keys.elsewhere"


def _key(path: Path) -> MasterKey:
    return master.parse(path.read_text(encoding="ascii"), "there")
