"""Mails as people read and write them: headers, text, a reply with its quotation."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from email import message_from_bytes, policy
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.utils import format_datetime, formataddr, getaddresses, make_msgid
from html.parser import HTMLParser

from heraldry.sandbox.errors import SandboxError

HEADER_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,63}")
OWN_HEADERS = frozenset(
    {"from", "to", "subject", "date", "content-type", "content-transfer-encoding", "mime-version"}
)
MOST_TEXT = 200_000  # characters of one mail that a page shows
SILENT_TAGS = frozenset({"script", "style", "head", "title", "template"})
BREAKING_TAGS = frozenset({"p", "div", "br", "tr", "li", "h1", "h2", "h3", "h4", "blockquote", "table"})


@dataclass(frozen=True, slots=True)
class Letter:
    """What a mail says. Headers keep their order and repetitions; `text` is safe to show as text."""

    headers: tuple[tuple[str, str], ...]
    text: str
    raw: bytes

    def header(self, name: str) -> str:
        """The first header of this name, unfolded; empty if there is none."""
        return next((value for one, value in self.headers if one.lower() == name.lower()), "")

    @property
    def message_id(self) -> str:
        return self.header("Message-ID").strip()

    @property
    def subject(self) -> str:
        return self.header("Subject")

    @property
    def sender(self) -> str:
        """The address an answer goes to."""
        return next(iter(addresses(self.header("Reply-To") or self.header("From"))), "")


def addresses(header: str) -> tuple[str, ...]:
    """The addresses in a From, To or Reply-To header, in lower case."""
    return tuple(address.lower() for _, address in getaddresses([header]) if "@" in address)


def read(raw: bytes) -> Letter:
    """Read a mail of anybody's making: whatever is wrong with it, something is shown and nothing raised."""
    try:
        message = message_from_bytes(raw, policy=policy.default)
        headers = tuple((name, _one_line(value)) for name, value in message.raw_items())
        decoded = tuple((name, _decoded(value)) for name, value in headers)
        return Letter(decoded, _text(message)[:MOST_TEXT], raw)
    except (ValueError, LookupError, RecursionError, AttributeError, TypeError, IndexError, AssertionError):
        # the standard parser meets mails it was not made for; a judge must still be able to look at them
        return Letter((), raw[:MOST_TEXT].decode("latin-1"), raw)


def compose(
    *,
    sender: tuple[str, str],
    to: str,
    subject: str,
    text: str,
    date: datetime,
    headers: Mapping[str, str] | None = None,
) -> Letter:
    """A new mail. `sender` is (name, address); `headers` come on top and may replace the Message-ID only."""
    extra = dict(headers or {})
    for name, value in extra.items():
        if not HEADER_NAME.fullmatch(name) or name.lower() in OWN_HEADERS:
            raise SandboxError(
                "header_refused", f"The header {name[:64]} cannot be set here.", status=422, field="headers"
            )
        if "\r" in value or "\n" in value:
            raise SandboxError(
                "header_refused", f"The header {name} may have no line break.", status=422, field="headers"
            )
    message = EmailMessage(policy=policy.SMTP)
    message["From"] = formataddr(sender)
    message["To"] = to
    message["Subject"] = _one_line(subject)
    message["Date"] = format_datetime(date)
    if "message-id" not in {name.lower() for name in extra}:
        message["Message-ID"] = make_msgid(domain=sender[1].rpartition("@")[2])
    for name, value in extra.items():
        message[name] = value
    message.set_content(text)
    return read(message.as_bytes())


def reply(original: Letter, *, sender: tuple[str, str], text: str, date: datetime) -> Letter:
    """An answer to `original`, threaded as mail programs do it, with the original quoted below."""
    to = original.sender
    if not to:
        raise SandboxError("nobody_to_answer", "This mail has no sender, so nobody can be answered.")
    subject = original.subject
    references = [*original.header("References").split(), original.message_id]
    thread = {"In-Reply-To": original.message_id, "References": " ".join(references)}
    quoted = "\n".join(f"> {line}".rstrip() for line in original.text.splitlines())
    heading = f"On {original.header('Date') or 'an unknown day'}, {original.header('From')} wrote:"
    return compose(
        sender=sender,
        to=to,
        subject=subject if re.match(r"re\s*:", subject, re.IGNORECASE) else f"Re: {subject}".rstrip(),
        text=f"{text.rstrip()}\n\n{heading}\n{quoted}\n",
        date=date,
        headers=thread if original.message_id else None,
    )


def _one_line(value: object) -> str:
    return re.sub(r"[\r\n]+\s*", " ", str(value)).strip()


def _decoded(raw: str) -> str:
    try:
        return _one_line(make_header(decode_header(raw))) if "=?" in raw else raw
    except (ValueError, LookupError):
        return raw  # encoded words nobody can read are shown as they are


def _text(message: EmailMessage) -> str:
    body = message.get_body(("plain", "html"))
    if body is None:
        return ""
    content = body.get_payload(decode=True)
    if not isinstance(content, bytes):
        return ""
    try:
        text = content.decode(body.get_content_charset() or "utf-8", "replace")
    except LookupError:
        text = content.decode("latin-1")
    text = text.replace("\r\n", "\n")
    return _Stripped.of(text) if body.get_content_subtype() == "html" else text


class _Stripped(HTMLParser):
    """The words of an HTML mail, without anything a browser would act on."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._silent = 0
        self._words: list[str] = []

    @classmethod
    def of(cls, html: str) -> str:
        parser = cls()
        parser.feed(html)
        parser.close()
        lines = (" ".join(line.split()) for line in "".join(parser._words).splitlines())
        return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        del attrs
        self._silent += tag in SILENT_TAGS
        if tag in BREAKING_TAGS:
            self._words.append("\n")

    def handle_endtag(self, tag: str) -> None:
        self._silent = max(0, self._silent - (tag in SILENT_TAGS))
        if tag in BREAKING_TAGS:
            self._words.append("\n")

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self._words.append(data)
