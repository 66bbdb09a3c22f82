"""Which encoding a file of text is in: as it says itself, as it must be, or as is most likely."""

from __future__ import annotations

import codecs
import io
from dataclasses import dataclass
from typing import Final, TextIO

from charset_normalizer import from_bytes

CHUNK: Final = 64 * 1024
SAMPLE: Final = 16 * 1024  # bytes of lines beyond ASCII
SIGNED: Final = (  # the longer first: a mark of UTF-32 begins as one of UTF-16 does
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
WITHOUT_UNICODE: Final = [
    *("cp1250", "cp1251", "cp1253", "cp1255", "cp1256", "cp1257", "mac_roman", "iso8859_2"),
    *("koi8_r", "shift_jis", "euc_jp", "gb18030", "big5", "euc_kr"),
]
WESTERN_SIGNS: Final = frozenset("€‚„…†‰‹›‘’“”•–—™¡©«®°´·»¿§£²³¼½¾ªº\u00a0")
MOST_ENCLOSED: Final = 0.1  # the share of letters beyond ASCII between two more, in a western text
FEW_BROKEN: Final = 10  # of so many characters beyond ASCII at most one is broken in what is still UTF-8
EVERY_FIFTH: Final = 5


ZIP: Final = b"PK\x03\x04"
OLD_EXCEL: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
NO_TEXTS: Final = (
    b"%PDF-",
    b"PK\x05\x06",
    b"\x1f\x8b\x08",
    b"7z\xbc\xaf",
    b"Rar!",
    b"\x89PNG",
    b"\xff\xd8\xff",
)
FEW_NULS: Final = 20  # of so many bytes of a text at most one is NUL


@dataclass(frozen=True, slots=True)
class Encoded:
    """A file's bytes and how they are read. `lossy`: some cannot be, and read as U+FFFD."""

    content: bytes
    encoding: str
    begin: int = 0  # behind the byte order mark
    lossy: bool = False

    def text(self) -> TextIO:
        """The text from its beginning, line ends as they are."""
        raw = io.BytesIO(self.content)
        raw.seek(self.begin)
        return io.TextIOWrapper(raw, self.encoding, errors="replace", newline="")


def no_text(content: bytes) -> str:
    """Why this is no file of text; empty: it may be one."""
    if content.startswith(OLD_EXCEL) or (content.startswith(ZIP) and b"xl/" in content):
        return "This is an Excel file. Save it as CSV in your spreadsheet program and choose that file."
    nuls = content.count(0) * FEW_NULS > len(content) and not _unicode(content)
    if nuls or content.startswith((ZIP, *NO_TEXTS)):
        return "This is no file of text. Save the table as CSV and choose that file."
    return ""


def _unicode(content: bytes) -> bool:
    """Whether it is of an encoding that is full of NUL: UTF-16 or UTF-32."""
    return encoded(content).encoding.startswith(("utf-16", "utf-32"))


def encoded(content: bytes) -> Encoded:
    """How this file is read. Never fails: what is no text at all reads as nonsense."""
    for mark, encoding in SIGNED:
        if content.startswith(mark):
            return Encoded(content, encoding, len(mark), _is_lossy(content, encoding, len(mark)))
    if (wide := _wide(content[:SAMPLE])) and not _is_lossy(content, wide):
        return Encoded(content, wide)
    if not _is_lossy(content, "utf-8"):
        return Encoded(content, "utf-8")
    if _nearly_utf8(content):
        return Encoded(content, "utf-8", lossy=True)
    encoding = _legacy(_beyond_ascii(content))
    return Encoded(content, encoding, lossy=_is_lossy(content, encoding))


def _is_lossy(content: bytes, encoding: str, begin: int = 0) -> bool:
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        for start in range(begin, len(content), CHUNK):
            decoder.decode(content[start : start + CHUNK])
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return True
    return False


def _wide(sample: bytes) -> str:
    """UTF-16 without a mark: every other byte of western text is NUL."""
    low, high = sample[::2].count(0), sample[1::2].count(0)
    if max(low, high) * EVERY_FIFTH < len(sample):
        return ""
    return "utf-16-le" if high > low else "utf-16-be"


def _nearly_utf8(content: bytes) -> bool:
    """Whether it is UTF-8 with a few broken characters in it, as where two files were joined."""
    broken = beyond = 0
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    for start in range(0, len(content), CHUNK):
        text = decoder.decode(content[start : start + CHUNK])
        broken += text.count("\ufffd")
        beyond += len(text) - len(text.encode("ascii", "ignore"))
    return beyond > broken * FEW_BROKEN


def _beyond_ascii(content: bytes) -> bytes:
    taken: list[bytes] = []
    size = 0
    for line in io.BytesIO(content):
        if not line.isascii():
            taken.append(line[:CHUNK])
            size += len(line)
            if size > SAMPLE:
                break
    return b"".join(taken)[:SAMPLE]


def _legacy(sample: bytes) -> str:
    """cp1252 wherever that makes sense (it is what most programs of the west write), else as guessed."""
    western = _decoded(sample, "cp1252")
    if western and _reads_western(western):
        return "cp1252"
    best = from_bytes(sample, cp_isolation=WITHOUT_UNICODE).best()
    if best is not None:
        return best.encoding
    return "cp1252" if western else "latin-1"


def _decoded(sample: bytes, encoding: str) -> str:
    try:
        return sample.decode(encoding)
    except UnicodeDecodeError:
        return ""


def _reads_western(text: str) -> bool:
    """Letters beyond ASCII stand alone between others there, none is a capital inside a word, no sign is."""
    letters = enclosed = 0
    for before, char, after in zip(f" {text}", text, f"{text[1:]} ", strict=False):
        if char.isascii():
            continue
        if char in WESTERN_SIGNS:
            if char not in "‘’·´" and before.islower() and after.islower():
                return False
        elif not char.isalpha() or (char.isupper() and before.isalpha() and not (before + after).isupper()):
            return False
        else:
            letters += 1
            enclosed += not before.isascii() and not after.isascii()
    return enclosed <= letters * MOST_ENCLOSED
