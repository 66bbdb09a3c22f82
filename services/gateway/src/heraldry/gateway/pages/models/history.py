"""What was done in the name of the organization, entry by entry and mail by mail."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal
from urllib.parse import urlencode
from uuid import UUID

from heraldry.gateway.pages.models.shell import Chip, Option, Waiting


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivityEntry:
    """`cursor`: its place, opaque. `actor`: in words ("Mina Okafor", "Heraldry"). `href`: where more is
    told.
    """

    cursor: str
    at: datetime
    actor: str
    what: str
    outcome: Chip
    cause: str = ""
    identity: UUID | None = None
    identity_name: str = ""
    href: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivityFilter:
    """All as text, as in the query: `identity` an id, `kind` a value of `ActivityPage.kinds`, days as YYYY-
    MM-DD.
    """

    identity: str = ""
    kind: str = ""
    first: str = ""
    last: str = ""
    error: str = ""

    @property
    def active(self) -> bool:
        return bool(self.identity or self.kind or self.first or self.last)

    def url(self, path: str = "/activity", **more: str) -> str:
        parts = {"identity": self.identity, "kind": self.kind, "from": self.first, "to": self.last, **more}
        query = urlencode({key: value for key, value in parts.items() if value})
        return path + (f"?{query}" if query else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivityPage:
    """activity.html at GET /activity?identity=&kind=&from=&to=&before=&after=. Newest first.

    `older`: the cursor for `before=` (empty: there is nothing older). A request with `after=<cursor>` wants
    what is newer than that entry, and no `older`.
    """

    entries: tuple[ActivityEntry, ...] = ()
    older: str = ""
    filter: ActivityFilter = field(default_factory=ActivityFilter)
    identities: tuple[Option, ...] = ()
    kinds: tuple[Option, ...] = ()


StepState = Literal["done", "now", "waiting", "bad"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MailStep:
    """`at` None: not yet. `words`: the server's own answer. `who`: the person who did it, if one did."""

    title: str
    at: datetime | None = None
    detail: str = ""
    words: str = ""
    who: str = ""
    state: StepState = "done"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What was answered, without the quoted part. `text` empty: it was erased."""

    at: datetime
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MailPage:
    """mail.html at GET /activity/mails/<attempt>: one mail, step by step.

    `text` None: the mail is not written down yet; empty: it was erased.
    """

    attempt: UUID
    subject: str
    sender: str
    recipient: str
    state: Chip
    identity: UUID
    identity_name: str
    steps: tuple[MailStep, ...] = ()
    waiting: Waiting | None = None
    message_id: str = ""
    text: str | None = None
    left: bool = False  # it was sent
    replies: tuple[Reply, ...] = ()
    undecided: bool = False  # nobody knows whether it left: a person decides
    looked_for_until: datetime | None = None  # while it is leaving

    @property
    def url(self) -> str:
        return f"/activity/mails/{self.attempt}"


@dataclass(frozen=True, slots=True, kw_only=True)
class UndecidedMail:
    """A mail of which nobody knows whether it left. `reason`: what is known, as a sentence."""

    attempt: UUID
    subject: str
    sender: str
    recipient: str
    identity: UUID
    identity_name: str
    since: datetime
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StepPage:
    """step.html at GET /activity/steps/<attempt>: one LinkedIn step, from its permit to what LinkedIn shows.

    `by`: what asked for it. `text`: what was written; empty: nothing was, or it was erased. `withdrawal`: of an
    invitation, the step that withdraws it or tried to last. `read`: (label, value) of what a profile said.
    """

    attempt: UUID
    title: str
    state: Chip
    identity: UUID
    identity_name: str
    person: str = ""
    profile: str = ""
    text: str = ""
    text_title: str = "The message"
    read: tuple[tuple[str, str], ...] = ()
    campaign: UUID | None = None
    by: Literal["campaign", "policy", "hand"] = "hand"
    accepted_at: datetime | None = None
    withdrawal: UUID | None = None
    steps: tuple[MailStep, ...] = ()
    resolution: str = ""
    replies: tuple[Reply, ...] = ()
    undecided: bool = False
    looked_for_until: datetime | None = None

    @property
    def url(self) -> str:
        return f"/activity/steps/{self.attempt}"


@dataclass(frozen=True, slots=True, kw_only=True)
class UndecidedStep:
    """A LinkedIn step of which nobody knows whether it was done. `reason`: what is known, as a sentence."""

    attempt: UUID
    title: str
    person: str
    profile: str
    identity: UUID
    identity_name: str
    since: datetime
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UndecidedPage:
    """undecided.html at GET /activity/undecided: the work list, the longest unknown first.

    `steps` None: nobody can say now which LinkedIn steps there are.
    """

    mails: tuple[UndecidedMail, ...] = ()
    steps: tuple[UndecidedStep, ...] | None = ()
