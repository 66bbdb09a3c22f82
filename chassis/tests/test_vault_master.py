"""The master key is made once, loaded from file or environment, and never shown."""

from __future__ import annotations

import base64
import os
import pickle
import stat
from pathlib import Path

import pytest
from heraldry.chassis.settings import Settings
from heraldry.chassis.vault import master
from heraldry.chassis.vault.master import MasterKey, MasterKeyError


def settings(data: Path) -> Settings:
    return Settings.model_validate({"data": data})


def test_a_key_is_made_once_and_only_for_its_owner(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "master.key"
    master.create(path)
    before = path.read_bytes()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(base64.b64decode(before)) == 32
    with pytest.raises(FileExistsError):
        master.create(path)
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == ["master.key"]


def test_it_is_loaded_from_the_data_folder_or_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(master.VARIABLE, raising=False)
    master.create(tmp_path / "keys" / "master.key")
    from_file = master.load(settings(tmp_path))
    monkeypatch.setenv(master.VARIABLE, (tmp_path / "keys" / "master.key").read_text())
    assert master.load(settings(tmp_path / "elsewhere")).fingerprint == from_file.fingerprint


@pytest.mark.parametrize("written", ["", "%%%", "c2hvcnQ=", "\xff"])
def test_a_damaged_key_is_named_but_not_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: str
) -> None:
    monkeypatch.delenv(master.VARIABLE, raising=False)
    path = tmp_path / "keys" / "master.key"
    path.parent.mkdir()
    path.write_text(written, encoding="latin-1")
    with pytest.raises(MasterKeyError) as raised:
        master.load(settings(tmp_path))
    assert not written or written not in str(raised.value)


def test_a_missing_key_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(master.VARIABLE, raising=False)
    with pytest.raises(MasterKeyError, match="restore it"):
        master.load(settings(tmp_path))


def test_the_secret_shows_nowhere() -> None:
    secret = os.urandom(32)
    key = MasterKey(secret)
    assert repr(key) == f"MasterKey({key.fingerprint})"
    assert secret.hex()[:16] not in repr(key)
    with pytest.raises(TypeError):
        pickle.dumps(key)


def test_another_master_key_or_name_does_not_unwrap() -> None:
    key = MasterKey(os.urandom(32))
    wrapped = key.wrap(b"k" * 32, "heraldry.keys.mailbox.a")
    assert key.unwrap(wrapped, "heraldry.keys.mailbox.a") == b"k" * 32
    with pytest.raises(MasterKeyError):
        key.unwrap(wrapped, "heraldry.keys.mailbox.b")
    with pytest.raises(MasterKeyError):
        MasterKey(os.urandom(32)).unwrap(wrapped, "heraldry.keys.mailbox.a")
