"""What a service says when it is told something it cannot do."""

from __future__ import annotations

from pathlib import Path

import pytest
from heraldry.chassis.host import EXIT_CANNOT_START, House, run


async def never(_: House) -> None:
    raise AssertionError("it must not come to that")


def test_a_store_this_release_cannot_use_is_refused_not_ignored(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HERALDRY_SERVICE", "identity")
    monkeypatch.setenv("HERALDRY_DATA", str(tmp_path))
    monkeypatch.setenv("HERALDRY_STORE_URL", "kdb://kurrent.example:2113")
    assert run("identity", never, types={}, projections=()) == EXIT_CANNOT_START
    said = capsys.readouterr()
    assert "HERALDRY_STORE_URL" in said.out + said.err
    assert not list(tmp_path.iterdir())
