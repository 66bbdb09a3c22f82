from __future__ import annotations

import json
from pathlib import Path
from uuid import uuid4

import pytest
from heraldry.scheduler.commands import main


def words(folder: Path, **changes: str) -> list[str]:
    asked = {
        "inbox": str(uuid4()),
        "per-day": "100",
        "per-hour": "20",
        "until": "2026-12-01",
        "reason": "known",
    }
    told = {**asked, **{name.replace("_", "-"): value for name, value in changes.items()}}
    pairs = [word for name, value in told.items() for word in (f"--{name}", value)]
    return ["raise", *pairs, "--data", str(folder)]


def test_where_nothing_runs_it_says_so_in_one_document(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HERALDRY_NATS_URL", raising=False)
    assert main(words(tmp_path)) == 1
    assert json.loads(capsys.readouterr().out)["code"] == "not-running"
    (tmp_path / "run").mkdir()
    (tmp_path / "keys").mkdir()
    (tmp_path / "run" / "nats.conf").write_text('{"host": "127.0.0.1", "port": 1}', encoding="utf-8")
    (tmp_path / "keys" / "nats.json").write_text('{"passwords": {"operator": "secret"}}', encoding="utf-8")
    assert main(words(tmp_path)) == 1
    said = capsys.readouterr()
    assert json.loads(said.out)["code"] == "not-running"
    assert "secret" not in said.out + said.err


@pytest.mark.parametrize(
    "wrong",
    [{"inbox": "ada"}, {"per_day": "many"}, {"per_hour": "-1"}, {"until": "tomorrow"}, {"reason": ""}],
)
def test_misuse_is_told_on_standard_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], wrong: dict[str, str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words(tmp_path, **wrong))
    assert ended.value.code == 2
    said = capsys.readouterr()
    assert not said.out
    assert "heraldry rate raise" in said.err
