"""Campaigns: what they send, in whose name, how far their leads are; and the files leads come from."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal
from urllib.parse import urlencode
from uuid import UUID

from heraldry.contracts.campaigns import (
    CampaignCounts,
    CampaignState,
    Channel,
    Condition,
    LeadState,
    StepKind,
)
from heraldry.contracts.linkedin_steps import LONGEST_FREE_NOTE, LONGEST_NOTE
from heraldry.gateway.pages.campaign_forms import CampaignForm, ColumnForm, UploadForm
from heraldry.gateway.pages.models.shell import Chip, Option, Outcome, Waiting

CAMPAIGN_STATES: Final[dict[CampaignState, Chip]] = {
    "draft": Chip("Draft", "idle"),
    "active": Chip("Active", "good"),
    "paused": Chip("Paused", "warn"),
    "finished": Chip("Finished", "idle"),
}
LEAD_STATES: Final[dict[LeadState, Chip]] = {
    "waiting": Chip("Waiting", "idle"),
    "in progress": Chip("In progress", "info"),
    "replied": Chip("Replied", "good"),
    "finished": Chip("Finished", "idle"),
    "bounced": Chip("Bounced", "bad"),
    "unsubscribed": Chip("Unsubscribed", "warn"),
    "outcome unknown": Chip("Outcome unknown", "warn"),
    "failed": Chip("Failed", "bad"),
}


STEPS: Final[dict[StepKind, str]] = {
    "email": "Email",
    "invitation": "LinkedIn invitation",
    "message": "LinkedIn message",
    "scraping": "Read the LinkedIn profile",
}
CONDITIONS: Final[dict[Condition, str]] = {
    "always": "Always",
    "connected": "Only if connected on LinkedIn",
    "not connected": "Only if not connected on LinkedIn",
}
SHORTLY: Final[dict[Condition, str]] = {
    "always": "",
    "connected": ", only if connected",
    "not connected": ", only if not connected",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    """How many leads are in which state. `begun`: how many got a mail, in whatever state they are."""

    counts: CampaignCounts
    begun: int = 0

    @property
    def total(self) -> int:
        return sum(self.counts.model_dump().values())

    @property
    def to_look_at(self) -> int:
        return self.counts.failed + self.counts.outcome_unknown

    def of(self, state: str) -> int:
        return int(getattr(self.counts, state.replace(" ", "_")))


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignRow:
    """`leaving`: steps that had begun to leave when it was paused. `identity` None: there is none to go to."""

    id: UUID
    name: str
    state: CampaignState
    leaving: int
    identity: UUID | None
    identity_name: str
    numbers: Numbers
    steps: int
    lost: bool = False  # its identity was deleted

    @property
    def chip(self) -> Chip:
        return campaign_chip(self.state, self.leaving)

    @property
    def note(self) -> str:
        return campaign_note(self.state, self.leaving, lost=self.lost)


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignsPage:
    """campaigns.html at GET /campaigns. `identities`: how many the organization has."""

    campaigns: tuple[CampaignRow, ...] = ()
    identities: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class NewCampaignPage:
    """campaign_new.html at GET /campaigns/new; posts to /campaigns. `inboxes`: by identity's name."""

    form: CampaignForm = field(default_factory=CampaignForm)
    identities: tuple[Option, ...] = ()
    inboxes: tuple[tuple[str, tuple[Option, ...]], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewedStep:
    """A step as a lead gets it. `when` in words; `html` is safe to show; `problem` empty: there is none."""

    number: int
    when: str
    kind: StepKind = "email"
    only_if: Condition = "always"
    subject: str = ""
    text: str = ""
    html: str = ""
    problem: str = ""

    @property
    def title(self) -> str:
        return f"{STEPS[self.kind]} {self.number + 1}"

    @property
    def condition(self) -> str:
        return SHORTLY[self.only_if]


@dataclass(frozen=True, slots=True, kw_only=True)
class EditorPage:
    """campaign_editor.html at GET /campaigns/<id>/edit; posts there.

    `begun`: only name, inbox, pace and the texts may change; `identity_name` is whose it is. `variables`: (name,
    an example) that templates may use. `focus`: the step to look at. `unsaved`: the form shows what is not stored. `problem`: why there is no
    preview.
    """

    id: UUID
    name: str
    form: CampaignForm
    identity_name: str = ""
    begun: bool = False
    identities: tuple[Option, ...] = ()
    inboxes: tuple[tuple[str, tuple[Option, ...]], ...] = ()
    variables: tuple[tuple[str, str], ...] = ()
    leads: tuple[Option, ...] = ()
    lead: str = ""
    preview: tuple[PreviewedStep, ...] = ()
    problem: str = ""
    outcome: Outcome | None = None
    focus: int | None = None
    unsaved: bool = False
    longest_note: int = LONGEST_NOTE
    longest_free_note: int = LONGEST_FREE_NOTE

    @property
    def url(self) -> str:
        return f"/campaigns/{self.id}"

    @property
    def kinds(self) -> dict[StepKind, str]:
        return STEPS

    @property
    def conditions(self) -> dict[Condition, str]:
        return CONDITIONS


@dataclass(frozen=True, slots=True, kw_only=True)
class LeadRow:
    """`now`: what it waits for. `failure`: (reason, what resolves it). `name` empty: the data was erased.

    `profile`: the address of its LinkedIn profile. `connected`: with the identity, as far as is known.
    """

    id: UUID
    name: str
    email: str
    profile: str = ""
    connected: bool = False
    state: LeadState
    step: int
    steps: int
    since: datetime
    now: Waiting | None = None
    failure: tuple[str, str] | None = None
    retryable: bool = True  # of a failure that may be resolved
    inbox: str = ""

    @property
    def chip(self) -> Chip:
        return LEAD_STATES[self.state]


@dataclass(frozen=True, slots=True, kw_only=True)
class LeadTable:
    """The leads of a campaign, a page of them. `next` empty: there are no more. `total`: of the filter."""

    campaign: UUID
    rows: tuple[LeadRow, ...] = ()
    total: int = 0
    state: str = ""
    search: str = ""
    after: str = ""
    next: str = ""

    @property
    def states(self) -> dict[LeadState, Chip]:
        return LEAD_STATES

    @property
    def filtered(self) -> bool:
        return bool(self.state or self.search)

    def url(self, after: str = "") -> str:
        parts = {"state": self.state, "search": self.search, "after": after}
        query = urlencode({key: value for key, value in parts.items() if value})
        return f"/campaigns/{self.campaign}" + (f"?{query}" if query else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignPage:
    """campaign.html at GET /campaigns/<id>?state=&search=&after=.

    `steps`: (when, what, subject or first words) of each; `sends`: how many of what. `unsubscribe`: its mails carry an
    unsubscribe link, or it has none. `lost`: its identity was deleted; `identities` are those its leads can be given.
    `missing`: what its identity lacks to do its steps. `a_day`: what LinkedIn's limits let it do, in words; empty: not
    asked, or not known now.
    """

    id: UUID
    name: str
    state: CampaignState
    leaving: int
    identity: UUID
    identity_name: str
    inbox: str
    pace: str
    numbers: Numbers
    steps: tuple[tuple[str, str, str], ...]
    sends: str
    created: datetime
    leads: LeadTable
    lost: bool = False
    missing: tuple[Channel, ...] = ()
    emails: bool = True  # it has some, or no step yet
    on_linkedin: bool = False
    a_day: str = ""
    unsubscribe: bool = True
    identities: tuple[Option, ...] = ()
    outcome: Outcome | None = None

    @property
    def url(self) -> str:
        return f"/campaigns/{self.id}"

    @property
    def chip(self) -> Chip:
        return campaign_chip(self.state, self.leaving)

    @property
    def note(self) -> str:
        return campaign_note(self.state, self.leaving, lost=self.lost)

    @property
    def ready(self) -> bool:
        return bool(self.steps and self.numbers.total and not self.missing and not self.lost)


@dataclass(frozen=True, slots=True, kw_only=True)
class LeadStep:
    """A step that was done, or is leaving: a mail with its subject, or one on LinkedIn. `href`: where more is told.

    `why`: it was not done, as a sentence.
    """

    attempt: UUID
    title: str
    state: Chip
    href: str
    at: datetime | None = None
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeadDetails:
    """lead.html at GET /leads/<enrollment>. `facts`: (label, value) of what is known; empty: it was erased.

    `read`: what its LinkedIn profile said when it was read; empty: it was not. `left_out`: steps whose condition did
    not hold. `ahead`: steps to come, the next one first: when, what it is, and its first words.
    """

    id: UUID
    campaign: UUID
    campaign_name: str
    row: LeadRow
    facts: tuple[tuple[str, str], ...] = ()
    read: tuple[tuple[str, str], ...] = ()
    done: tuple[LeadStep, ...] = ()
    left_out: tuple[str, ...] = ()
    ahead: tuple[tuple[str, str, str], ...] = ()
    profile: str = ""
    code: str = ""
    outcome: Outcome | None = None

    @property
    def url(self) -> str:
        return f"/leads/{self.id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadPage:
    """import_new.html at GET /campaigns/<id>/imports/new; posts to /campaigns/<id>/imports."""

    campaign: UUID
    campaign_name: str
    channels: frozenset[Channel] = frozenset()  # of its steps; empty: there are none yet
    form: UploadForm = field(default_factory=UploadForm)
    limit_mb: int = 10

    @property
    def needed(self) -> str:
        """Which columns the campaign needs."""
        match "email" in self.channels, "linkedin" in self.channels:
            case True, True:
                return "A column of email addresses and one of LinkedIn URLs are needed."
            case True, False:
                return "A column of email addresses is needed."
            case False, True:
                return "A column of LinkedIn URLs is needed: this campaign writes no emails."
            case _:
                return "A column of email addresses or of LinkedIn URLs is needed."

    @property
    def url(self) -> str:
        return f"/campaigns/{self.campaign}"


ImportState = Literal["receiving", "received", "checked", "importing", "imported", "undone", "refused"]
TARGETS: Final = (
    ("email", "Email"),
    ("name", "Whole name"),
    ("first_name", "First name"),
    ("last_name", "Last name"),
    ("linkedin_url", "LinkedIn URL"),
    ("own", "Own column"),
    ("ignored", "Leave out"),
)
SKIPPED: Final = {
    "duplicate-in-file": "twice in this file",
    "duplicate-in-organization": "already in a campaign of yours",
    "suppressed": "on the suppression list",
    "erased": "erased, and written to no more",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportPage:
    """import.html at GET /imports/<id>. `problems` and `left_out`: (row, words); `more`: wrong rows not shown.
    `skipped`: (how many, why).
    """

    id: UUID
    campaign: UUID
    campaign_name: str
    filename: str
    state: ImportState
    encoding: str = ""
    delimiter: str = ""
    columns: tuple[ColumnForm, ...] = ()
    rows: int = 0
    good: int = 0
    wrong: int = 0
    problems: tuple[tuple[int, str], ...] = ()
    skipped: tuple[tuple[int, str], ...] = ()
    left_out: tuple[tuple[int, str], ...] = ()
    enrolled: int = 0
    refusal: str = ""
    error: str = ""  # what is wrong with the columns as they were chosen
    outcome: Outcome | None = None

    @property
    def url(self) -> str:
        return f"/imports/{self.id}"

    @property
    def targets(self) -> tuple[tuple[str, str], ...]:
        return TARGETS

    @property
    def more(self) -> int:
        return max(0, self.wrong - len(self.problems))


def campaign_chip(state: CampaignState, leaving: int) -> Chip:
    return Chip("Pausing", "warn") if state == "paused" and leaving else CAMPAIGN_STATES[state]


def campaign_note(state: CampaignState, leaving: int, *, lost: bool) -> str:
    """What is to be said beside its state; empty: nothing."""
    if state == "paused" and leaving:
        steps = "1 step is" if leaving == 1 else f"{leaving} steps are"
        return f"Pausing: {steps} leaving and may still arrive."
    if lost and state != "finished":
        return "Its identity was deleted."
    return ""
