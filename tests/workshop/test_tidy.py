"""tools/tidy.py refuses what must never be committed, and passes what is."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools import tidy

# Written in pieces, so that this file is not refused itself.
REFUSED = {
    "a registry's address": f"https://registry.{'npmjs'}.org/htmx",
    "another registry's address": f"https://files.{'pythonhosted'}.org/packages/a.whl",
    "a package index's address": f"--index-url https://mirror.example/{'simple'}/",
    "a path of one machine": f"cd /{'home'}/ada/heraldry",
    "a path of another machine": f"cd /{'Users'}/ada/heraldry",
    "a leftover": f"# {'TO' + 'DO'}: later",
    "another leftover": f"# {'FIX' + 'ME'} now",
    "an address in a lock": f'  "{"resolved"}": "https://mirror.example/htmx.tgz"',
    "a private key": f"-----BEGIN {'RSA PRIVATE'} KEY-----",
    "an unfinished merge": f"{'<' * 7} ours",
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tidy, "ROOT", tmp_path)
    return tmp_path


def complaints_about(file: Path, text: str) -> list[str]:
    file.write_text(text, encoding="utf-8")
    return list(tidy.complaints([file]))


@pytest.mark.parametrize("line", REFUSED.values(), ids=REFUSED.keys())
def test_what_must_never_be_committed_is_refused_with_its_line(folder: Path, line: str) -> None:
    (complaint,) = complaints_about(folder / "notes.md", f"first\n{line}\n")
    assert complaint.startswith("notes.md:")
    assert "unfinished merge" in complaint or complaint.startswith("notes.md:2: ")


def test_a_lock_with_addresses_and_a_large_file_are_refused(folder: Path) -> None:
    (recorded,) = complaints_about(folder / "uv.lock", "")
    assert "uv.lock" in recorded
    (large,) = complaints_about(folder / "film.txt", "x" * (tidy.LARGEST + 1))
    assert "larger than" in large


@pytest.mark.parametrize(
    "text",
    [
        "https://docs.example.org/simple-guide",
        "data/live/store/identity.sqlite3",
        "the folder home/ada in the archive",
        "everything to do, fixed meanwhile",
        "-----BEGIN CERTIFICATE-----",
        "a <<<<<<< b",
    ],
)
def test_what_only_looks_like_it_is_let_through(folder: Path, text: str) -> None:
    assert complaints_about(folder / "notes.md", text) == []


def test_pictures_are_not_read_as_text(folder: Path) -> None:
    picture = folder / "picture.png"
    picture.write_bytes(b"\x89PNG\xff\xfe" + f"/{'root'}/x".encode())
    assert list(tidy.complaints([picture])) == []


def test_the_tree_is_tidy() -> None:
    assert sorted(tidy.complaints(tidy.tracked())) == []


def test_git_itself_is_told_to_leave_out_what_set_up_and_runs_make() -> None:
    ignored = (Path(__file__).parents[2] / ".gitignore").read_text(encoding="utf-8").split()
    assert {"uv.lock", "node_modules/", "/.venv/", "/.tools/", "/data/"} <= set(ignored)
