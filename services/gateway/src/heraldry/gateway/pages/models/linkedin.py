"""Linking a LinkedIn account, and how it stands."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal
from uuid import UUID

from heraldry.gateway.pages.forms import CodeForm, LinkedInForm
from heraldry.gateway.pages.models.shell import Chip, Outcome, Waiting

LinkedInState = Literal[
    "new",
    "linking",
    "code wanted",
    "code given",
    "approval wanted",
    "failed",
    "linked",
    "needs reconnect",
    "restricted",
    "unlinked",
]
LINKEDIN_STATES: Final[dict[LinkedInState, Chip]] = {
    "new": Chip("Not linked", "idle"),
    "linking": Chip("Signing in", "info"),
    "code wanted": Chip("Code wanted", "warn"),
    "code given": Chip("Checking the code", "info"),
    "approval wanted": Chip("Approval wanted", "warn"),
    "failed": Chip("Not connected", "bad"),
    "linked": Chip("Linked", "good"),
    "needs reconnect": Chip("Reconnect needed", "bad"),
    "restricted": Chip("Restricted", "bad"),
    "unlinked": Chip("Not linked", "idle"),
}
UNDER_WAY: Final = frozenset({"linking", "code wanted", "code given", "approval wanted"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """Why connecting failed: a stable code, what it most likely is, and what to do, step by step.

    `words`: the server's own answer, freed of secrets.
    """

    code: str
    title: str
    cause: str
    resolution: tuple[str, ...]
    protocol: Literal["", "IMAP", "SMTP"] = ""
    words: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Linking:
    """One linking as it goes on: `_linkedin_linking.html`. It is about no route in particular.

    `url`: where the part is shown; its forms post there and below it. `trigger`: when it is asked for again, for
    HTMX. `done`, `done_text`: the link on from a linked account. `sent_by`: how the code was sent, in words;
    `hint`: LinkedIn's words on where to. `again`: it can be tried again with the credentials given last.
    `relink`: the form shows although the account is linked.
    """

    url: str
    state: LinkedInState = "new"
    trigger: str = "sse:linkedin, again, refresh from:body"
    done: str = ""
    done_text: str = ""
    member: str = ""
    profile: str = ""
    email: str = ""
    form: LinkedInForm = field(default_factory=LinkedInForm)
    code: CodeForm = field(default_factory=CodeForm)
    sent_by: str = ""
    hint: str = ""
    resendable: bool = False
    until: datetime | None = None
    diagnosis: Diagnosis | None = None
    again: bool = False
    relink: bool = False
    refused: str = ""

    @property
    def chip(self) -> Chip:
        return LINKEDIN_STATES[self.state]

    @property
    def moves(self) -> bool:
        """Something goes on without the person who looks at it."""
        return self.state in {"linking", "code given", "approval wanted"}

    @property
    def asks(self) -> bool:
        """The form for the sign-in shows."""
        return self.relink or self.state in {"new", "unlinked", "failed", "needs reconnect", "restricted"}


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkingPage:
    """linking.html at GET /identities/<id>/linkedin."""

    identity: UUID
    identity_name: str
    linking: Linking


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A contact detail that differs from what LinkedIn says (R-ID-5). `name`: the field's."""

    name: str
    label: str
    here: str
    there: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkedInAccount:
    """`diagnosis`: why it does not work, or why the last try to link it again failed."""

    state: LinkedInState
    email: str = ""
    member: str = ""
    profile: str = ""
    since: datetime | None = None
    sales_navigator: bool = False
    diagnosis: Diagnosis | None = None
    waiting: tuple[Waiting, ...] = ()

    @property
    def chip(self) -> Chip:
        return LINKEDIN_STATES[self.state]

    @property
    def under_way(self) -> bool:
        return self.state in UNDER_WAY


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkedInSection:
    """The account, and what LinkedIn says otherwise. `account` None: there is none."""

    account: LinkedInAccount | None = None
    offers: tuple[Offer, ...] = ()
    outcome: Outcome | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UnlinkPage:
    """unlink_linkedin.html at GET /identities/<id>/linkedin/unlink; posts there. Opens as a dialog where scripts
    run. `campaigns`: those with LinkedIn steps of this identity, id and name; `waiting`: how many leads will wait.
    """

    identity: UUID
    identity_name: str
    member: str
    campaigns: tuple[tuple[UUID, str], ...] = ()
    waiting: int = 0

    @property
    def url(self) -> str:
        return f"/identities/{self.identity}/linkedin/unlink"
