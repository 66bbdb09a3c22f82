"""Lines, log files and the console of the supervisor."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from heraldry.chassis.supervisor.output import LONGEST, Console, Lines, LogFile, clean, wants_colour
from hypothesis import given
from hypothesis import strategies as st


@given(st.binary(max_size=3 * LONGEST), st.integers(1, 5000))
def test_no_byte_is_lost_however_they_arrive(data: bytes, step: int) -> None:
    data = data.replace(b"\r", b"").replace(b"\n\n", b"\n")
    lines = Lines()
    found = [line for start in range(0, len(data), step) for line in lines.feed(data[start : start + step])]
    found += lines.end()
    assert b"".join(found) == data.replace(b"\n", b"")
    assert all(len(line) <= LONGEST for line in found)


def test_a_line_waits_for_its_end() -> None:
    lines = Lines()
    assert lines.feed(b"one\ntw") == [b"one"]
    assert lines.feed(b"o\r\nthree") == [b"two"]
    assert lines.end() == [b"three"]
    assert lines.end() == []


def test_a_long_line_is_never_cut_within_a_character() -> None:
    lines = Lines()
    found = lines.feed(b"x" + "€".encode() * LONGEST + b"\n")
    assert len(found) > 2
    assert "".join(line.decode() for line in found) == "x" + "€" * LONGEST


@given(st.text(alphabet="htp:/HTTP x", max_size=60))
def test_no_line_has_an_address(text: str) -> None:
    assert b"http://" not in clean(text.encode()).lower()


def test_control_characters_are_shown_not_obeyed() -> None:
    assert clean(b"\x1b[31mred\x1b[0m\ttab \x07\x1b]0;title") == b"red\ttab \\x07\\x1b]0;title"


class TestLogFile:
    def test_is_replaced_when_full_and_keeps_two_older_ones(self, tmp_path: Path) -> None:
        file = LogFile(tmp_path / "a.log", pytest.fail, limit=20)
        for number in range(10):
            file.write(b"line %d ..." % number)
        file.close()
        assert sorted(path.name for path in tmp_path.iterdir()) == ["a.log", "a.log.1", "a.log.2"]
        assert (tmp_path / "a.log").read_text() == "line 9 ...\n"
        assert (tmp_path / "a.log.1").read_text() == "line 8 ...\n"

    def test_goes_on_where_the_last_run_ended(self, tmp_path: Path) -> None:
        for number in range(2):
            file = LogFile(tmp_path / "a.log", pytest.fail)
            file.write(b"run %d" % number)
            file.close()
        assert (tmp_path / "a.log").read_text() == "run 0\nrun 1\n"

    def test_complains_once_about_a_file_it_cannot_write(self, tmp_path: Path) -> None:
        complaints: list[str] = []
        file = LogFile(tmp_path / "missing" / "a.log", complaints.append)
        file.write(b"one")
        file.write(b"two")
        assert len(complaints) == 1
        assert "a.log" in complaints[0]


class TestConsole:
    def test_prefixes_with_the_name_and_colours_when_told(self) -> None:
        read, write = os.pipe()
        plain = Console(("up", "gateway"), descriptor=write)
        plain.line("up", b"hello")
        coloured = Console(("up", "gateway"), descriptor=write, coloured=True)
        coloured.line("gateway", b"hello")
        os.close(write)
        with os.fdopen(read, "rb") as said:
            first, second = said.read().decode().splitlines()
        assert first == "up      │ hello"
        assert second == "\x1b[32mgateway │ \x1b[0mhello"

    def test_a_reader_that_has_gone_is_no_error(self) -> None:
        read, write = os.pipe()
        os.close(read)
        Console(("up",), descriptor=write).say("nobody listens")
        os.close(write)

    def test_colour_only_on_a_terminal_and_never_with_no_color(self, monkeypatch: pytest.MonkeyPatch) -> None:
        ours, terminal = os.openpty()
        monkeypatch.setenv("TERM", "xterm")
        monkeypatch.delenv("NO_COLOR", raising=False)
        assert wants_colour(terminal)
        monkeypatch.setenv("NO_COLOR", "1")
        assert not wants_colour(terminal)
        monkeypatch.delenv("NO_COLOR")
        read, write = os.pipe()
        assert not wants_colour(write)
        for descriptor in (ours, terminal, read, write):
            os.close(descriptor)
