"""IMAP's notation (RFC 3501): strings, folder names in modified UTF-7, and the parenthesised data of
answers.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

Token: TypeAlias = "str | bytes | tuple[Token, ...] | None"  # noqa: S105  atom, string, list, NIL: no password

_QUOTABLE = 1000  # octets; longer strings travel as literals
_DEPTH = 30  # of lists in lists; nothing we ask for needs more than three
_ATOM_END = re.compile(rb'[\s()"]')


class Malformed(ValueError):  # noqa: N818  what happened, not that it is an error
    """The server sent what IMAP does not allow."""


@dataclass(frozen=True, slots=True)
class Response:
    """One untagged answer: text and literals in turn, as they came, without the leading `* `."""

    segments: tuple[bytes, ...]

    @property
    def line(self) -> str:
        return self.segments[0].decode("latin-1")

    def words(self) -> tuple[str, str, str]:
        """The first word, the second and the rest, upper case: enough to tell what an answer is."""
        first, _, rest = self.line.partition(" ")
        second, _, rest = rest.partition(" ")
        return first.upper(), second.upper(), rest


def argument(text: str) -> tuple[bytes, bytes | None]:
    """A string argument: quoted, or as a literal (the line's part, the literal's bytes) where quoting
    cannot.
    """
    raw = text.encode()
    if b"\0" in raw:
        raise ValueError("IMAP cannot carry a NUL in a string")
    if text.isascii() and len(raw) <= _QUOTABLE and not (b"\r" in raw or b"\n" in raw):
        return b'"' + raw.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"', None
    return b"{%d}" % len(raw), raw


def pieces(*arguments: str | bytes) -> tuple[bytes, ...]:
    """A command's arguments in the pieces between which the server must say `+`.

    `bytes` go as they are (atoms, sets, lists), `str` become strings. The last piece has no line end yet.
    """
    done: list[bytes] = []
    current = b""
    for position, each in enumerate(arguments):
        if position:
            current += b" "
        if isinstance(each, bytes):
            current += each
            continue
        written, literal = argument(each)
        current += written
        if literal is not None:
            done.append(current)
            current = literal
    return (*done, current)


def folder_to_wire(name: str) -> str:
    """A folder's name in modified UTF-7 (RFC 3501 section 5.1.3)."""
    out: list[str] = []
    for part in re.split(r"([^\x20-\x7e]+)", name):
        if part and not (part.isascii() and part.isprintable()):
            encoded = base64.b64encode(part.encode("utf-16-be", "surrogatepass")).decode()
            out.append("&" + encoded.rstrip("=").replace("/", ",") + "-")
        else:
            out.append(part.replace("&", "&-"))
    return "".join(out)


def folder_from_wire(name: str) -> str:
    """The folder's name as a person reads it; what is not modified UTF-7 stays as it is."""
    return re.sub(r"&([A-Za-z0-9+,]*)-", _decoded, name)


def _decoded(match: re.Match[str]) -> str:
    body = match[1]
    if not body:
        return "&"
    try:
        raw = base64.b64decode(body.replace(",", "/") + "=" * (-len(body) % 4), validate=True)
        return raw.decode("utf-16-be")
    except (binascii.Error, UnicodeDecodeError):
        return match[0]


def tokens(segments: Sequence[bytes]) -> tuple[Token, ...]:
    """The data of an answer as atoms, strings and lists. Raises Malformed."""
    stack: list[list[Token]] = [[]]
    for position, segment in enumerate(segments):
        if position % 2:
            stack[-1].append(segment)
            continue
        last = position == len(segments) - 1
        _scan(segment if last else segment[: segment.rindex(b"{")].removesuffix(b"~"), stack)
    if len(stack) != 1:
        raise Malformed("a list does not end")
    return tuple(stack[0])


def _scan(line: bytes, stack: list[list[Token]]) -> None:
    at = 0
    while at < len(line):
        match line[at : at + 1]:
            case b" " | b"\t":
                at += 1
            case b"(":
                if len(stack) > _DEPTH:
                    raise Malformed("lists are nested too deep")
                stack.append([])
                at += 1
            case b")":
                if len(stack) == 1:
                    raise Malformed("a list ends that did not begin")
                closed = tuple(stack.pop())
                stack[-1].append(closed)
                at += 1
            case b'"':
                text, at = _quoted(line, at + 1)
                stack[-1].append(text)
            case _:
                atom, at = _atom(line, at)
                stack[-1].append(None if atom.upper() == "NIL" else atom)


def _quoted(line: bytes, at: int) -> tuple[bytes, int]:
    out = bytearray()
    while True:
        quote, escape = line.find(b'"', at), line.find(b"\\", at)
        if quote < 0:
            raise Malformed("a quoted string does not end")
        if 0 <= escape < quote:
            out += line[at:escape] + line[escape + 1 : escape + 2]
            at = escape + 2
            continue
        return bytes(out + line[at:quote]), quote + 1


def _atom(line: bytes, start: int) -> tuple[str, int]:
    found = _ATOM_END.search(line, start)
    end = found.start() if found else len(line)
    bracket = line.find(b"[", start, end)
    if bracket >= 0:  # BODY[HEADER.FIELDS (A B)]: spaces and lists inside belong to it
        closing = line.find(b"]", bracket)
        if closing >= end:
            found = _ATOM_END.search(line, closing)
            end = found.start() if found else len(line)
    if end == start:
        raise Malformed("an empty atom")
    return line[start:end].decode("latin-1"), end
