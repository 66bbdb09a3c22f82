"""What a service says when it is told something it cannot do."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import pytest
from heraldry.chassis.host import EXIT_CANNOT_START, House, run
from heraldry.chassis.vault import ledger
from heraldry.contracts.base import Event
from heraldry.contracts.evolution import additive


class Counted(Event):
    version: ClassVar[int] = 3


async def never(_: House) -> None:
    raise AssertionError("it must not come to that")


@pytest.mark.parametrize(
    ("address", "wrong"),
    [
        ("postgres://ada:hunter2@db.example", "does not begin with one of kdb://"),
        ("kdb://ada:hunter2@kurrent.example?Tls=perhaps", "neither Tls=true nor Tls=false"),
        ("kdb://kurrent.example:2113", "names no user with a password"),
        ("kdb://ada:hunter2@", "names no server"),
    ],
)
def test_what_is_no_address_of_a_store_is_refused_without_its_password(
    address: str,
    wrong: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("HERALDRY_SERVICE", "identity")
    monkeypatch.setenv("HERALDRY_DATA", str(tmp_path))
    monkeypatch.setenv("HERALDRY_STORE_URL", address)
    assert run("identity", never, types={}, upcasters={}, projections=()) == EXIT_CANNOT_START
    said = capsys.readouterr()
    assert "HERALDRY_STORE_URL" in said.out + said.err
    assert wrong in said.out + said.err
    assert "hunter2" not in said.out + said.err
    assert not list(tmp_path.iterdir())


def test_a_service_whose_events_have_a_gap_between_two_versions_does_not_start(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HERALDRY_SERVICE", "identity")
    monkeypatch.setenv("HERALDRY_DATA", str(tmp_path))
    types, steps = {"Counted": Counted}, {("Counted", 1): additive}
    assert run("identity", never, types=types, upcasters=steps, projections=()) == EXIT_CANNOT_START
    said = capsys.readouterr()
    assert "Counted says nothing of the step from version 2 to 3" in said.out + said.err
    assert not list(tmp_path.iterdir())


def test_a_service_whose_ledger_of_erasures_was_changed_says_so_and_does_not_start(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HERALDRY_SERVICE", "identity")
    monkeypatch.setenv("HERALDRY_DATA", str(tmp_path))
    file = ledger.path(tmp_path)
    file.parent.mkdir()
    file.write_text('{"kind": "cat"}\n')

    async def opened(*_: object, **__: object) -> None:
        ledger.read(tmp_path)

    monkeypatch.setattr("heraldry.chassis.host._open", opened)
    assert run("identity", never, types={}, upcasters={}, projections=()) == EXIT_CANNOT_START
    said = capsys.readouterr()
    assert "put it back from a copy" in said.out + said.err
    assert "Traceback" not in said.out + said.err
