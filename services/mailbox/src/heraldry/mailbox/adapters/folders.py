"""The folders of a mailbox, and which of them holds what was sent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from heraldry.mailbox.adapters.wire import Token, folder_from_wire

_SENT_NAMES = (
    "sent", "sent items", "sent mail", "sent messages", "gesendet", "gesendete elemente", "gesendete objekte",
    "envoyés", "éléments envoyés", "messages envoyés", "enviados", "elementos enviados", "posta inviata",
    "inviati", "verzonden items", "verzonden", "skickat",
    "skickade objekt", "sendt", "wysłane", "elementy wysłane",
    "itens enviados",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Folder:
    name: str
    flags: frozenset[str]
    separator: str


def folders_in(answers: Sequence[tuple[Token, ...]]) -> tuple[Folder, ...]:
    """The folders in the answers to LIST; what cannot be read is left out."""
    found: list[Folder] = []
    for answer in answers:
        match answer:
            case (tuple() as flags, separator, (str() | bytes()) as name, *_):
                lower = frozenset(flag.lower() for flag in flags if isinstance(flag, str))
                between = separator.decode("latin-1") if isinstance(separator, bytes) else ""
                written = name if isinstance(name, str) else name.decode("utf-8", "replace")
                found.append(Folder(folder_from_wire(written), lower, between))
            case _:
                continue
    return tuple(found)


def is_sent(folder: Folder) -> bool:
    return "\\sent" in folder.flags


def sent_among(folders: Sequence[Folder]) -> str | None:
    """The folder marked for sent mail (RFC 6154), else the first with a usual name."""
    usable = [folder for folder in folders if not folder.flags & {"\\noselect", "\\nonexistent"}]
    marked = [folder.name for folder in usable if is_sent(folder)]
    if marked:
        return marked[0]
    by_name = {_last(folder).casefold(): folder.name for folder in reversed(usable)}
    return next((by_name[name] for name in _SENT_NAMES if name in by_name), None)


def _last(folder: Folder) -> str:
    return folder.name.rsplit(folder.separator, 1)[-1] if folder.separator else folder.name
