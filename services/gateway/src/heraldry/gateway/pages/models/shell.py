"""What surrounds every page, and the pieces several pages share."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

Tone = Literal["good", "warn", "bad", "idle", "info"]
Role = Literal["member", "admin", "operator"]
Nav = Literal["", "identities", "campaigns", "activity", "suppressions", "organization"]


@dataclass(frozen=True, slots=True)
class Flash:
    """A message about what was just done, shown once at the top of the page."""

    text: str
    tone: Tone = "good"
    href: str = ""
    link: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Halted:
    """Nothing leaves. `by` and `reason` empty: nobody can say now whether a halt is set.

    `ours`: an admin of the organization may end it; another is the whole installation's.
    """

    by: str = ""
    reason: str = ""
    since: datetime | None = None
    ours: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Shell:
    """What surrounds every page. `user` empty: nobody is signed in, and the page has no navigation.

    `zone`: the reader's IANA time zone (cookie `zone`, set by the browser; else the organization's).
    `events`: where the page listens for server-sent events, from those on that it may not show yet.
    """

    csrf: str
    user: str = ""
    organization: str = ""
    role: Role = "member"
    nav: Nav = ""
    flash: Flash | None = None
    zone: str = "UTC"
    events: str = "/events"
    halted: Halted | None = None

    @property
    def admin(self) -> bool:
        return self.role == "admin"


@dataclass(frozen=True, slots=True)
class Chip:
    """A state in words beside a coloured dot."""

    text: str
    tone: Tone = "good"


@dataclass(frozen=True, slots=True)
class Waiting:
    """Why something waits, as a sentence, and until when (None: until somebody does something)."""

    text: str
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Notice:
    """Something a person should act on, above everything else of a page. `title` is a sentence."""

    title: str
    text: str = ""
    tone: Tone = "warn"
    href: str = ""
    link: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How saving a section went. `saved`: it is stored. `conflict`: somebody else was faster; `text` names
    them, and the form shows what is stored now. `refused`: `text` says why and what to do.
    """

    kind: Literal["saved", "conflict", "refused"]
    text: str = ""


@dataclass(frozen=True, slots=True)
class Option:
    value: str
    label: str
