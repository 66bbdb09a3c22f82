"""A mail as bytes. The same draft gives the same bytes, today and after a crash, whatever Python runs it.

So nothing comes from a clock, a random source or a library's formatter: boundaries derive from the attempt,
headers are written here, and only what RFC 5322, 2045 and 2047 ask for is encoded.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from uuid import UUID

from heraldry.contracts.addresses import Malformed, travelling

ATTEMPT_HEADER = "X-Heraldry-Attempt"

_LINE = 76  # characters of a line, folded where it can be
_WORD_BYTES = 42  # of text in one encoded word: at most 75 characters with its frame
_PLAIN_LINE = 998
_MOST_REFERENCES = 20
_LONGEST_LINK = 900
_WEB_ADDRESS = re.compile(r"[!-;=?-~]+")
_ATOM_SPECIALS = frozenset('()<>[]:;@\\,."')


class Unmailable(ValueError):  # noqa: N818  the domain's word
    """A draft that cannot become a mail. `code` is stable, the message says what to change."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code


@dataclass(frozen=True, slots=True)
class Draft:
    """What becomes one mail. Message ids come with their angle brackets, `references` oldest first."""

    attempt: UUID
    from_address: str
    from_name: str
    to_address: str
    subject: str
    text: str
    at: datetime
    to_name: str = ""
    html: str = ""
    in_reply_to: str = ""
    references: tuple[str, ...] = ()
    unsubscribe: str = ""  # the address of the link (RFC 8058); empty: none


def message_id(attempt: UUID, from_address: str) -> str:
    """The Message-ID of an attempt, in the sender's domain, with its angle brackets."""
    return f"<{attempt}@{_mailbox(from_address).rpartition('@')[2]}>"


def compose(draft: Draft) -> bytes:
    """The mail, with CRLF. Raises Unmailable."""
    headers = [
        ("From", _named(draft.from_name, draft.from_address)),
        ("To", _named(draft.to_name, draft.to_address)),
        ("Subject", _unstructured(_one_line("subject", draft.subject), len("Subject: "))),
        ("Date", format_datetime(draft.at.astimezone(UTC).replace(microsecond=0))),
        ("Message-ID", message_id(draft.attempt, draft.from_address)),
    ]
    if draft.in_reply_to:
        headers.append(("In-Reply-To", _id(draft.in_reply_to)))
    if references := _references(draft):
        headers.append(("References", "\r\n ".join(references)))
    if draft.unsubscribe:
        headers += [
            ("List-Unsubscribe", f"<{_link(draft.unsubscribe)}>"),
            ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"),
        ]
    headers += [(ATTEMPT_HEADER, str(draft.attempt)), ("MIME-Version", "1.0")]
    plain = _part("text/plain", draft.text)
    if not draft.html:
        return _written(headers, plain)
    boundary = f"=_heraldry_{draft.attempt.hex}"
    frame = f"--{boundary}".encode()
    parts = (plain, _part("text/html", draft.html))
    inner = b"".join(frame + b"\r\n" + _written((), part) + b"\r\n" for part in parts) + frame + b"--\r\n"
    kind = f'multipart/alternative;\r\n boundary="{boundary}"'
    return _written(headers, ([("Content-Type", kind)], inner))


def _written(headers: Sequence[tuple[str, str]], part: tuple[Sequence[tuple[str, str]], bytes]) -> bytes:
    lines = "".join(f"{name}: {value}\r\n" for name, value in (*headers, *part[0]))
    return lines.encode("ascii") + b"\r\n" + part[1]


def _part(kind: str, text: str) -> tuple[Sequence[tuple[str, str]], bytes]:
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    if lines[-1] != "":
        lines.append("")
    body = "\r\n".join(lines).encode("utf-8", "replace")
    plain = body.isascii() and b"\0" not in body
    if plain and all(len(each) <= _PLAIN_LINE and not each.startswith(("From ", ".")) for each in lines):
        encoding = "7bit"
    else:
        encoding = "quoted-printable"
        body = b"\r\n".join(map(_quoted_printable, body.split(b"\r\n")))
    charset = "us-ascii" if encoding == "7bit" else "utf-8"
    return [("Content-Type", f"{kind}; charset={charset}"), ("Content-Transfer-Encoding", encoding)], body


def _quoted_printable(line: bytes) -> bytes:
    """One line without its end; soft breaks keep every piece within 76 characters."""
    encoded = binascii.b2a_qp(line, quotetabs=False, istext=False).replace(b"=\r\n", b"=\n")
    rows = encoded.replace(b"=\n", b"=\r\n").split(b"\r\n")
    return b"\r\n".join(b"=2E" + row[1:] if row.startswith(b".") else _guarded(row) for row in rows)


def _guarded(row: bytes) -> bytes:
    return b"=46" + row[1:] if row.startswith(b"From ") else row


def _one_line(field: str, value: str) -> str:
    if any(ord(char) < ord(" ") or ord(char) == 0x7F for char in value):  # noqa: PLR2004  DEL
        raise Unmailable(f"{field}.control-character", f"The {field} must be one line of text.")
    return value.strip()


def _mailbox(address: str) -> str:
    try:
        return travelling(address)
    except Malformed as wrong:
        raise Unmailable(wrong.code, str(wrong)) from wrong


def _named(name: str, address: str) -> str:
    shown, mailbox = _one_line("name", name), _mailbox(address)
    if not shown:
        return mailbox
    if shown.isascii() and len(shown) < _LINE // 2 and "=?" not in shown:
        special = any(char in _ATOM_SPECIALS for char in shown) or "  " in shown
        escaped = shown.replace("\\", "\\\\").replace('"', '\\"')
        phrase = f'"{escaped}"' if special else shown
    else:
        phrase = "\r\n ".join(_encoded_words(shown))
    return f"{phrase}\r\n <{mailbox}>" if len(phrase) + len(mailbox) > _LINE - 10 else f"{phrase} <{mailbox}>"


def _unstructured(text: str, used: int) -> str:
    """Header text: as it is where that is legal and short, else as encoded words, a line each."""
    if text.isascii() and "=?" not in text and len(text) + used <= _LINE:
        return text
    return "\r\n ".join(_encoded_words(text))


def _encoded_words(text: str) -> list[str]:
    pieces: list[bytes] = []
    current = b""
    for char in text:
        raw = char.encode("utf-8", "replace")
        if len(current) + len(raw) > _WORD_BYTES:
            pieces.append(current)
            current = b""
        current += raw
    return [f"=?utf-8?b?{binascii.b2a_base64(each, newline=False).decode()}?=" for each in (*pieces, current)]


def _id(value: str) -> str:
    value = value.strip()
    if not (value.startswith("<") and value.endswith(">") and value.isascii() and value.isprintable()):
        raise Unmailable("message-id.invalid", f"{value!r} is not a message id.")
    if len(value) > _PLAIN_LINE - 2 or any(char in "<> " for char in value[1:-1]):
        raise Unmailable("message-id.invalid", "A message id is one word in angle brackets.")
    return value


def _link(value: str) -> str:
    if not value.startswith("https://") or not _WEB_ADDRESS.fullmatch(value) or len(value) > _LONGEST_LINK:
        raise Unmailable("link.invalid", "The link for unsubscribing is no https address.")
    return value


def _references(draft: Draft) -> Sequence[str]:
    """The thread, oldest first; of a long one its beginning and its newest."""
    known = dict.fromkeys(_id(each) for each in (*draft.references, *filter(None, (draft.in_reply_to,))))
    ids = tuple(known)
    return ids if len(ids) <= _MOST_REFERENCES else (ids[0], *ids[1 - _MOST_REFERENCES :])
