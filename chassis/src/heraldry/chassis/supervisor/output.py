"""The processes' logs: whole lines, cut where they are too long, prefixed and coloured, kept in files."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

LONGEST = 8 * 1024  # bytes of one line
FILE_BYTES = 5 * 1024 * 1024
FILES = 3  # the newest and two older ones
COLOURS = (36, 32, 33, 35, 34, 96, 92, 93, 95, 94)
ADDRESS = re.compile(rb"http://", re.IGNORECASE)
CONTROL = re.compile(rb"[\x00-\x08\x0b-\x1f\x7f]")
COLOURING = re.compile(rb"\x1b\[[0-9;]*m")


class Lines:
    """Cuts a stream of bytes into lines. What has no end yet waits; what is too long goes out in pieces."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[bytes]:
        """The lines that are complete now, without their ends."""
        *whole, rest = (self._rest + data).split(b"\n")
        found = [piece for line in whole for piece in _pieces(line.removesuffix(b"\r"))]
        if len(rest) > LONGEST:
            *more, rest = _pieces(rest)
            found += more
        self._rest = rest
        return found

    def end(self) -> list[bytes]:
        """What is left when the stream has ended."""
        rest, self._rest = self._rest, b""
        return _pieces(rest) if rest else []


def clean(line: bytes) -> bytes:
    """Without addresses to click on (only `up` itself prints those) and what could steer a terminal."""
    without = COLOURING.sub(b"", line)
    while ADDRESS.search(without):
        without = ADDRESS.sub(b"", without)
    return CONTROL.sub(lambda found: b"\\x%02x" % found.group()[0], without)


class LogFile:
    """A log file that is replaced by a new one when it is full. A full disk costs lines, not the run."""

    def __init__(self, path: Path, complain: Callable[[str], None], *, limit: int = FILE_BYTES) -> None:
        self._path = path
        self._complain = complain
        self._limit = limit
        self._descriptor: int | None = None
        self._size = 0
        self._failed = False

    def write(self, line: bytes) -> None:
        """Append one line."""
        try:
            if self._descriptor is None:
                self._open()
            elif self._size + len(line) > self._limit:
                self._rotate()
            self._size += os.write(self._descriptor or 0, line + b"\n")
            self._failed = False
        except OSError as error:
            if not self._failed:
                self._failed = True
                self._complain(f"{self._path} cannot be written: {error.strerror}")

    def close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _open(self) -> None:
        self._descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._size = os.fstat(self._descriptor).st_size

    def _rotate(self) -> None:
        self.close()
        for age in range(FILES - 1, 0, -1):
            older = self._path.with_name(f"{self._path.name}.{age}")
            newer = self._path if age == 1 else self._path.with_name(f"{self._path.name}.{age - 1}")
            if newer.exists():
                newer.replace(older)
        self._open()


class Console:
    """Where a person watches: standard error, one line at a time, each with the name of its process."""

    def __init__(self, names: tuple[str, ...], *, descriptor: int = 2, coloured: bool | None = None) -> None:
        self._descriptor = descriptor
        self._coloured = wants_colour(descriptor) if coloured is None else coloured
        self._width = max(len(name) for name in names)
        self._colours = {name: COLOURS[number % len(COLOURS)] for number, name in enumerate(names)}

    def line(self, name: str, text: bytes) -> None:
        """Show one line of a process."""
        prefix = f"{name:<{self._width}} │ ".encode()
        if self._coloured:
            prefix = b"\x1b[%dm" % self._colours.get(name, 37) + prefix + b"\x1b[0m"
        write_all(self._descriptor, prefix + text + b"\n")

    def say(self, text: str) -> None:
        """Show what the supervisor itself has to say; several lines if the text has several."""
        for line in text.splitlines():
            self.line("up", clean(line.encode()))


def wants_colour(descriptor: int) -> bool:
    """Only on a terminal, and not where NO_COLOR is set or the terminal is dumb."""
    return os.isatty(descriptor) and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def write_all(descriptor: int, data: bytes) -> None:
    """Write everything; a reader that has gone is none of our business."""
    while data:
        try:
            data = data[os.write(descriptor, data) :]
        except BlockingIOError:
            continue
        except OSError:
            return


def _pieces(line: bytes) -> list[bytes]:
    found: list[bytes] = []
    while len(line) > LONGEST:
        cut = LONGEST
        while cut > LONGEST - 4 and line[cut] & 0xC0 == 0x80:  # noqa: PLR2004  never inside a UTF-8 character
            cut -= 1
        found.append(line[:cut])
        line = line[cut:]
    return [*found, line]
