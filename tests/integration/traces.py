"""Looking for a text in every byte of a folder, however it may be written there."""

from __future__ import annotations

import base64
import json
import quopri
from collections.abc import Iterator, Mapping
from email.header import Header
from html import escape
from pathlib import Path
from urllib.parse import quote

OTHER_SIDE = frozenset({"sandbox"})  # the world outside has its own copies


def forms(text: str) -> Mapping[str, bytes]:
    """A text as it may be written anywhere; in base64 also as the midst of something longer."""
    raw = text.encode()
    found = {
        "as it is": raw,
        "in JSON": json.dumps(text)[1:-1].encode(),
        "in JSON in JSON": json.dumps(json.dumps(text))[3:-3].encode(),
        "quoted for IMAP": text.replace("\\", "\\\\").replace('"', '\\"').encode(),
        "in HTML": escape(text).encode(),
        "in a URL": quote(text, safe="").encode(),
        "in a form": quote(text, safe=" ").replace(" ", "+").encode(),
        "in Python": repr(text)[1:-1].encode(),
        "in hexadecimal": raw.hex().encode(),
        "in UTF-16": text.encode("utf-16-le"),
        "in UTF-16, big end first": text.encode("utf-16-be"),
        "in Latin-1": text.encode("latin-1", "replace"),
        "quoted-printable": quopri.encodestring(raw).rstrip(),
        "in a header": Header(text, "utf-8").encode().encode(),
        "in base64": base64.b64encode(raw).rstrip(b"=")[: len(raw) // 3 * 4],
        "in base64 of URLs": base64.urlsafe_b64encode(raw).rstrip(b"=")[: len(raw) // 3 * 4],
        **{f"in base64, shifted by {n}": shifted(raw, n) for n in (1, 2)},
    }
    return {name: form for name, form in found.items() if len(form) >= 4}


def shifted(raw: bytes, by: int) -> bytes:
    """What surely stands in the base64 of anything that contains this at such a place."""
    whole = base64.b64encode(b"\0" * by + raw)
    return whole[4 : -4 if (len(raw) + by) % 3 else None]


def found_in(folder: Path, texts: Mapping[str, bytes | str]) -> Iterator[str]:
    """Where in the folder's files any of these texts stands, in whatever form: what, how, where. Bytes as they are."""
    wanted = [
        (f"{name} {how}", form)
        for name, text in texts.items()
        for how, form in (forms(text) if isinstance(text, str) else {"as they are": text}).items()
    ]
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.relative_to(folder).parts[0] not in OTHER_SIDE:
            content = path.read_bytes()
            folded = content.lower()
            for what, form in wanted:
                if form in content or form.lower() in folded:
                    yield f"{what}: {path.relative_to(folder)}"
