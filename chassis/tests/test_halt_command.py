"""`heraldry halt`: whom it halts, which installation it says it asked, and what it refuses."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from heraldry.chassis.commands import halt as command
from heraldry.chassis.halt import Halt, Set
from heraldry.contracts.base import Refused

HASH = "ab" * 32
OURS = "018f4e9a-0000-7000-8000-000000000001"
AT = datetime(2026, 11, 26, tzinfo=UTC)
UNKNOWN = Refused("sender.unknown", "There is no such sending account.", status=404)
NOBODY = Refused("service.unavailable", "The scheduler does not answer.", status=503)


class Flags:
    """The flags that were set and cleared; `there` is in force before."""

    def __init__(self) -> None:
        self.changed: list[tuple[str, bool]] = []
        self.there: Halt | None = None

    async def set(self, scope: str, *, actor: str, reason: str, at: datetime, **_: object) -> Set:
        if self.there is not None:
            return Set(self.there, already=True)
        self.changed.append((scope, True))
        return Set(Halt(scope, actor, reason, at), already=False)

    async def clear(self, scope: str, **_: str) -> None:
        self.changed.append((scope, False))


@pytest.fixture
def flags(monkeypatch: pytest.MonkeyPatch) -> Flags:
    made = Flags()

    @asynccontextmanager
    async def reached(_: Path) -> AsyncGenerator[None]:
        yield

    def opened(*_: object) -> Flags:
        return made

    async def now(*_: object) -> datetime:
        return AT

    monkeypatch.delenv("HERALDRY_NATS_URL", raising=False)
    monkeypatch.setattr(command, "operator", reached)
    monkeypatch.setattr(command, "_now", now)
    monkeypatch.setattr(command.halt, "HaltFlags", opened)
    return made


def answered(monkeypatch: pytest.MonkeyPatch, answer: Refused | None) -> None:
    class Asked:
        def __init__(self, _: object) -> None: ...

        async def ask(self, _: object, **__: object) -> None:
            if answer is not None:
                raise answer

        send = ask

    monkeypatch.setattr(command, "Caller", Asked)


def said(capsys: pytest.CaptureFixture[str], folder: Path, *words: str) -> tuple[int, dict[str, object]]:
    ended = command.main([*words, "--data", str(folder)])
    return ended, json.loads(capsys.readouterr().out)


@pytest.mark.parametrize(
    ("answer", "ended", "changed", "code"),
    [
        (None, 0, [(f"account.{HASH}", True)], None),
        (UNKNOWN, 1, [], "sender.unknown"),
        (NOBODY, 0, [(f"account.{HASH}", True)], None),
    ],
)
def test_an_account_is_halted_if_there_is_one_or_nobody_can_say(
    answer: Refused | None,
    ended: int,
    changed: list[tuple[str, bool]],
    code: str | None,
    *,
    flags: Flags,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answered(monkeypatch, answer)
    got, told = said(capsys, tmp_path, "set", "--account", HASH, "--reason", "strange")
    assert (got, flags.changed, told.get("code")) == (ended, changed, code)
    assert told.get("checked", True) is (answer is not NOBODY)


@pytest.mark.parametrize("scope", [("--system",), ("--account", HASH), ("--organization", OURS)])
def test_whoever_halts_what_is_halted_is_told_of_the_halt_in_force(
    scope: tuple[str, ...],
    flags: Flags,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answered(monkeypatch, None)
    flags.there = Halt("here", "user:ann", "one", AT)
    ended, told = said(capsys, tmp_path, "set", *scope, "--reason", "three")
    assert (ended, told["reason"], told["actor"], told["already"]) == (0, "one", "user:ann", True)
    assert (told["since"], told["halted"], flags.changed) == (AT.isoformat(), True, [])


@pytest.mark.parametrize(
    "code", ["halt.unrecorded", "command.unconfirmed", "service.unavailable", "store.unavailable"]
)
def test_an_organization_is_halted_even_if_nobody_can_record_it(
    code: str,
    flags: Flags,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answered(monkeypatch, Refused(code, "Later.", status=503))
    ended, told = said(capsys, tmp_path, "set", "--organization", OURS, "--reason", "strange")
    assert (ended, told["recorded"], told["already"]) == (0, False, False)
    assert flags.changed == [(f"organization.{OURS}", True)]


def test_the_halt_of_an_account_that_nobody_has_can_be_cleared(
    flags: Flags, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    answered(monkeypatch, UNKNOWN)
    assert said(capsys, tmp_path, "clear", "--account", HASH)[0] == 0
    assert flags.changed == [(f"account.{HASH}", False)]


@pytest.mark.parametrize("account", ["abc", HASH[1:], HASH.upper(), f"{HASH}.>"])
def test_what_has_not_the_form_of_a_keyed_hash_is_misuse(account: str, flags: Flags) -> None:
    with pytest.raises(SystemExit) as ended:
        command.main(["set", "--account", account, "--reason", "strange"])
    assert ended.value.code == 2
    assert flags.changed == []


def test_an_answer_says_which_installation_was_asked(
    flags: Flags, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "MODE").write_text("live\n", encoding="ascii")
    ended, told = said(capsys, tmp_path, "set", "--system", "--reason", "Moving house")
    assert (ended, told["data"], told["mode"]) == (0, str(tmp_path), "live")
    monkeypatch.setenv("HERALDRY_NATS_URL", "nats://operator:secret@nats.example:4222")
    ended, told = said(capsys, tmp_path, "clear", "--system")
    assert (ended, told["nats"], "data" in told) == (0, "nats.example:4222", False)
    assert flags.changed == [("system", True), ("system", False)]


def test_a_refusal_says_which_installation_does_not_answer_and_how_another_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HERALDRY_NATS_URL", raising=False)
    (tmp_path / "MODE").write_text("demo\n", encoding="ascii")
    for name in ("run", "keys"):
        (tmp_path / name).mkdir()
    ended, told = said(capsys, tmp_path, "show")
    assert (ended, told["code"], told["mode"]) == (1, "not-running", "demo")
    assert "--no-sandbox" in str(told["detail"])
    (tmp_path / "run" / "nats.conf").write_text('{"host": "127.0.0.1", "port": 1}', encoding="utf-8")
    (tmp_path / "keys" / "nats.json").write_text('{"passwords": {"operator": "secret"}}', encoding="utf-8")
    ended, told = said(capsys, tmp_path, "show")
    assert (ended, told["code"], told["data"], told["mode"]) == (1, "not-running", str(tmp_path), "demo")
    assert f"does not answer in {tmp_path}" in str(told["detail"])
    assert "--no-sandbox" in str(told["detail"])
