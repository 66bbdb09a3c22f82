"""What a person wrote, without what they quoted. Line by line, linear in the length of the text.

The libraries that do this match with nested repetitions over the whole text: 15 KB of `On On On …` keep
`email_reply_parser` 0.5.12 and `mail-parser-reply` 1.36 busy for longer than five seconds, and a stranger
writes the text. So the rules stand here, a line at a time, with the languages of the common mail programs.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_LINES = 5_000
_WIDTH = 500  # characters of a line that are compared

_WROTE = (  # begins with …, ends with …: "On Monday, Ada wrote:"
    ("on ", "wrote:"), ("am ", "schrieb:"), ("am ", "geschrieben:"), ("le ", "a écrit :"),
    ("le ", "a écrit:"), ("el ", "escribió:"), ("il ", "ha scritto:"), ("op ", "schreef:"),
    ("em ", "escreveu:"), ("den ", "skrev:"), ("dnia ", "napisał(a):"), ("w dniu ", "napisał(a):"),
    ("dne ", "napsal(a):"), ("", "\u043d\u0430\u043f\u0438\u0441\u0430\u043b(\u0430):"),
    ("", "写道\uff1a"), ("", "のメッセージ:"),
)  # fmt: skip
_WROTE_WITH_NAME = re.compile(r"(?i)^(?:am|op|den) .{0,300} (?:schrieb|schreef|skrev) .{1,200}:$")
_SEPARATORS = re.compile(
    r"(?i)^\s*-{2,}\s*(?:original message|original appointment|forwarded message|ursprüngliche nachricht"
    r"|weitergeleitete nachricht|message d'origine|message original|mensaje original|messaggio originale"
    r"|oorspronkelijk bericht|oprindelig meddelelse|ursprungligt meddelande)\s*-{2,}\s*$"
)
_RULE = re.compile(r"^\s*_{20,}\s*$")
_FIELD = re.compile(
    r"(?i)^\s*\*?(from|sent|to|subject|date|cc|von|gesendet|an|betreff|datum|de|envoyé|à|objet|enviado|para|asunto"
    r"|fecha|da|inviato|a|oggetto|data|van|verzonden|aan|onderwerp|fra|sendt|til|emne|från|skickat|till|ämne)"
    r"\s{0,2}:\*?\s"
)
_SENT_FROM = re.compile(
    r"(?i)^\s*(?:sent from my |sent from |get outlook for |von meinem .{1,40} gesendet|gesendet von "
    r"|envoyé de(?:puis)? |enviado desde |inviato da|verzonden vanaf |sendt fra )"
)
_MOST_HEADER_LINES = 3  # over which "On … wrote:" may be wrapped


def without_quotes(text: str) -> str:
    """The reply's own words: quoted lines, the head of a quotation and the signature left out.

    Words written between quoted lines are kept. If nothing would be left, the text is returned as it is.
    """
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")[:_LINES]
    kept: list[str] = []
    at = 0
    while at < len(lines):
        line = lines[at]
        if _ends_here(lines, at):
            break
        if (length := _quote_head(lines, at)) and _quotation_follows(lines, at + length):
            at += length
            continue
        if length:
            break
        if not line.lstrip().startswith(">"):
            kept.append(line.rstrip())
        at += 1
    own = _unsigned(kept)
    return own or text.strip()


def _quotation_follows(lines: Sequence[str], at: int) -> bool:
    """Whether the quoted text is marked with `>`; if not, all the rest is quotation."""
    following = next((line for line in lines[at : at + 3] if line.strip()), "")
    return following.lstrip().startswith(">")


def _quote_head(lines: Sequence[str], at: int) -> int:
    """The number of lines over which "On …, Ada wrote:" stands here; 0 if it does not."""
    first = lines[at].strip()
    if not first or len(first) > _WIDTH:
        return 0
    joined = ""
    for length in range(1, _MOST_HEADER_LINES + 1):
        if at + length > len(lines) or not (piece := lines[at + length - 1].strip()[:_WIDTH]):
            return 0
        joined = f"{joined} {piece}".strip()
        if joined.endswith((":", "\uff1a")):
            lower = joined.casefold()
            if any(lower.startswith(begin) and lower.endswith(end) for begin, end in _WROTE):
                return length
            return length if _WROTE_WITH_NAME.match(joined) else 0
    return 0


def _ends_here(lines: Sequence[str], at: int) -> bool:
    line = lines[at][:_WIDTH]
    if _SEPARATORS.match(line):
        return True
    if _RULE.match(line):
        return any(_FIELD.match(each[:_WIDTH]) for each in lines[at + 1 : at + 4])
    if _FIELD.match(line):
        return sum(1 for each in lines[at : at + 5] if _FIELD.match(each[:_WIDTH])) >= 3  # noqa: PLR2004  a mail's head
    return False


def _unsigned(lines: list[str]) -> str:
    for position, line in enumerate(lines):
        if position and (line in ("--", "-- ") or _SENT_FROM.match(line[:_WIDTH])):
            lines = lines[:position]
            break
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()
