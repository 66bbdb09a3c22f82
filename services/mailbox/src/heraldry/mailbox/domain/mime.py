"""The parts of a mail that a stranger wrote: found iteratively by offsets, within bounds, without copying
it.
"""

from __future__ import annotations

import binascii
import codecs
import email.utils
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from email.errors import HeaderParseError
from email.header import decode_header
from email.message import Message

_HEADERS = 256 << 10  # bytes of headers that are read
_HEADER = 16 << 10  # bytes of one header
_COUNT = 1_000  # headers of one part
_DEPTH = 20  # of parts in parts; deeper ones are not looked into
_PARTS = 500
_GROUPS = 300  # groups of fields of a report
_FIELDS = 60  # fields of a group
_BODY = 2 << 20  # bytes of one part's content before decoding
MAILS = frozenset({"message/rfc822", "message/global"})  # a mail within the mail
_FIELD_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,60}")
_UNSAFE_CODECS = frozenset(
    {"idna", "punycode", "undefined", "unicode-escape", "raw-unicode-escape", "mbcs", "oem", "utf-7"}
)  # quadratic, or no charset of a mail


@dataclass(frozen=True, slots=True)
class Part:
    """One part: its headers (lower-case names, raw values in order), type, and where its content lies."""

    headers: Mapping[str, tuple[str, ...]]
    kind: str
    parameters: Mapping[str, str]
    start: int
    end: int
    depth: int
    within: tuple[str, ...] = field(default=())  # the types around it, outermost first

    def header(self, name: str) -> str:
        """The first value of a header, unfolded and decoded; empty where there is none."""
        values = self.headers.get(name.lower(), ())
        return decoded(values[0]) if values else ""

    def raw(self, name: str) -> str:
        values = self.headers.get(name.lower(), ())
        return values[0] if values else ""

    @property
    def in_mail(self) -> bool:
        """Whether it belongs to a mail within the mail."""
        return not MAILS.isdisjoint(self.within)

    @property
    def attached(self) -> bool:
        return self.raw("content-disposition").lower().lstrip().startswith("attachment")


def parts(raw: bytes) -> Iterator[Part]:
    """The mail itself first, then its parts in order, depth first. Mails within the mail count as parts
    too.
    """
    waiting: list[tuple[int, int, int, tuple[str, ...]]] = [(0, len(raw), 0, ())]
    seen = 0
    while waiting and seen < _PARTS:
        start, end, depth, within = waiting.pop()
        part = _part(raw, start, end, depth, within)
        seen += 1
        yield part
        if depth >= _DEPTH:
            continue
        inside = (*within, part.kind)
        if part.kind in MAILS:
            waiting.append((part.start, part.end, depth + 1, inside))
        elif part.kind.startswith("multipart/") and (boundary := part.parameters.get("boundary", "")):
            room = _PARTS - seen
            children = _children(raw, part, boundary.encode("latin-1", "replace"), room)
            waiting.extend((first, last, depth + 1, inside) for first, last in reversed(children))


def _children(raw: bytes, part: Part, boundary: bytes, room: int) -> list[tuple[int, int]]:
    mark = b"--" + boundary
    found: list[tuple[int, int]] = []
    begun: int | None = None
    at = part.start
    while len(found) < room:
        at = raw.find(mark, at, part.end)
        if at < 0:
            break
        if at > part.start and raw[at - 1 : at] != b"\n":
            at += len(mark)
            continue
        line_end = raw.find(b"\n", at, part.end)
        after = raw[at + len(mark) : line_end if line_end >= 0 else part.end][:80]
        if after.strip() not in (b"", b"--") or len(after.rstrip()) > 2:  # noqa: PLR2004  a longer boundary
            at += len(mark)
            continue
        if begun is not None:
            found.append((begun, max(begun, at - 1)))
        begun = None if after.startswith(b"--") or line_end < 0 else line_end + 1
        if begun is None:
            break
        at = begun
    if begun is not None and len(found) < room:
        found.append((begun, part.end))
    return found


def _part(raw: bytes, start: int, end: int, depth: int, within: tuple[str, ...]) -> Part:
    headers: dict[str, list[str]] = {}
    at, last, count = start, "", 0
    stop = min(end, start + _HEADERS)
    while at < stop and count < _COUNT:
        newline = raw.find(b"\n", at, stop)
        line = raw[at : newline if newline >= 0 else stop].removesuffix(b"\r")
        at = newline + 1 if newline >= 0 else stop
        if not line:
            break
        if line[:1] in b" \t" and last:
            if len(headers[last][-1]) < _HEADER:
                headers[last][-1] += " " + line.strip()[:_HEADER].decode("utf-8", "replace")
            continue
        name, colon, value = line[:_HEADER].partition(b":")
        if not colon or not name or not name.strip().isascii():
            continue
        last = name.strip().decode("ascii").lower()
        headers.setdefault(last, []).append(value.strip().decode("utf-8", "replace"))
        count += 1
    frozen = {name: tuple(values) for name, values in headers.items()}
    kind, parameters = _content_type(frozen, within)
    return Part(frozen, kind, parameters, min(at, end), end, depth, within)


def _content_type(
    headers: Mapping[str, tuple[str, ...]], within: tuple[str, ...]
) -> tuple[str, Mapping[str, str]]:
    usual = "message/rfc822" if within[-1:] == ("multipart/digest",) else "text/plain"
    value = headers.get("content-type", ("",))[0][:4096]
    if not value:
        return usual, {}
    message = Message()
    message["Content-Type"] = value
    try:
        found = message.get_params(failobj=[], unquote=True)
        parameters = {
            name.lower(): email.utils.collapse_rfc2231_value(content) for name, content in found[1:]
        }
    except (ValueError, LookupError, TypeError, RecursionError):
        parameters = {}
    kind = value.partition(";")[0].strip().lower().partition(" ")[0]
    return kind if "/" in kind else usual, parameters


def text_of(raw: bytes, part: Part) -> str:
    """A part's content as text, whatever its encoding and charset claim; at most 2 MiB of it."""
    body = raw[part.start : min(part.end, part.start + _BODY)]
    encoding = part.raw("content-transfer-encoding").strip().lower()
    if encoding == "base64":
        body = _base64(body)
    elif encoding == "quoted-printable":
        body = binascii.a2b_qp(body)
    return in_charset(body, part.parameters.get("charset", ""))


def groups_of_fields(text: str) -> Iterator[Mapping[str, str]]:
    """What a report says (RFC 3464, 5965, 8098): fields in groups divided by empty lines, names in lower
    case.

    The first value of a field counts. A line that is no field belongs to the one before, whether or not it is
    indented; a second `Final-Recipient` begins a group although the empty line is missing.
    """
    fields: dict[str, str] = {}
    last = ""
    given = 0
    for line in text[:_HEADERS].splitlines()[: _GROUPS * _FIELDS]:
        name, colon, value = line.partition(":")
        name = name.strip().lower()
        if not line.strip() or (name == "final-recipient" and name in fields):
            if fields:
                yield fields
                given += 1
            fields, last = {}, ""
            if given == _GROUPS:
                return
        if colon and _FIELD_NAME.fullmatch(name) and line[0] not in " \t":
            last = name if name not in fields and len(fields) < _FIELDS else ""
            if last:
                fields[last] = value.strip()[:_HEADER]
        elif last and line.strip() and len(fields[last]) < _HEADER:
            fields[last] += f" {line.strip()[:_HEADER]}"
    if fields:
        yield fields


def _base64(body: bytes) -> bytes:
    letters = re.sub(rb"[^A-Za-z0-9+/]", b"", body)
    usable = letters[: len(letters) - (1 if len(letters) % 4 == 1 else 0)]
    return binascii.a2b_base64(usable + b"=" * (-len(usable) % 4))


def in_charset(body: bytes, charset: str) -> str:
    """Bytes as text in the charset they claim, else as UTF-8, else as Western European."""
    name = charset.strip().strip("\"'").lower().replace("_", "-")[:40]
    try:
        if name and name not in _UNSAFE_CODECS and codecs.lookup(name).name not in _UNSAFE_CODECS:
            return body.decode(name, "replace")
    except (LookupError, ValueError, UnicodeError):
        pass
    try:
        return body.decode()
    except UnicodeDecodeError:
        return body.decode("cp1252", "replace")


def decoded(value: str) -> str:
    """A header's text with its encoded words (RFC 2047) read; what cannot be read stays as it is."""
    value = value[:_HEADER]
    if "=?" not in value or value.count("=?") > _COUNT:
        return _visible(value)
    try:
        pieces = decode_header(value)
        text = "".join(
            piece if isinstance(piece, str) else in_charset(piece, charset or "") for piece, charset in pieces
        )
    except (HeaderParseError, ValueError, LookupError, RecursionError):
        text = value
    return _visible(text)


def _visible(text: str) -> str:
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())
