"""What the scheduler says and is asked of campaigns: steps, leads, imports."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, ClassVar, Final, Literal, Self, cast
from uuid import UUID

from heraldry.contracts.base import Command, Erased, Moment, Personal, Published, Query, Value
from heraldry.contracts.linkedin import ProfileData
from heraldry.contracts.texts import PlainText
from pydantic import AfterValidator, AwareDatetime, Discriminator, Field, Tag, model_validator

Lead = Personal("person")
LARGEST_CAMPAIGN: Final = 150_000  # bytes of all steps as JSON: one event of every context
MOST_STEPS: Final = 20
LONGEST_DELAY: Final = 90 * 24  # hours

Pace = Literal["even", "at once"]
CampaignState = Literal["draft", "active", "paused", "finished"]
PauseReason = Literal["by hand", "identity deleted"]
LeadState = Literal[
    "waiting",  # nothing was sent yet
    "in progress",
    "replied",
    "finished",
    "bounced",
    "unsubscribed",
    "outcome unknown",  # a person decides; undecided for 7 days it counts as sent
    "failed",
]
Target = Literal["name", "first_name", "last_name", "email", "linkedin_url", "own", "ignored"]
StepKind = Literal["email", "invitation", "message", "scraping"]
Channel = Literal["email", "linkedin"]
Condition = Literal[
    "always", "connected", "not connected"
]  # with the lead, on LinkedIn, when its turn has come


def _one_line(text: str) -> str:
    if any(ord(char) < ord(" ") or ord(char) == 0x7F for char in text):  # noqa: PLR2004  DEL
        raise ValueError("Write one line of text.")
    return text.strip()


Line = Annotated[str, AfterValidator(_one_line)]


Delay = Annotated[int, Field(ge=0, le=LONGEST_DELAY)]


class SendEmail(Value):
    """One mail of a campaign; subject, text and html are Liquid templates (R-CAMP-2).

    `delay`: hours after the previous step was done (the first: after the start). Only the first email has a
    subject: what follows is sent in its thread. Without `html` the mail has only its text.
    """

    kind: Literal["email"] = "email"
    delay: Delay = 0
    only_if: Condition = "always"
    subject: Annotated[Line, Field(max_length=500)] = ""
    text: Annotated[str, Field(min_length=1, max_length=50_000)]
    html: Annotated[str, Field(max_length=100_000)] = ""


class SendInvitation(Value):
    """One LinkedIn invitation of a campaign. `note`: plain text with Liquid, at most 300 characters as a lead gets
    it. Who is connected or invited already gets none, and the sequence goes on.
    """

    kind: Literal["invitation"] = "invitation"
    delay: Delay = 0
    only_if: Condition = "always"
    note: Annotated[PlainText, Field(max_length=2_000)] = ""


class SendMessage(Value):
    """One LinkedIn message of a campaign, to a lead that is connected. `text`: plain text with Liquid, at most 8,000
    characters as a lead gets it.
    """

    kind: Literal["message"] = "message"
    delay: Delay = 0
    only_if: Condition = "always"
    text: Annotated[PlainText, Field(min_length=1, max_length=20_000)]


class ReadProfile(Value):
    """The lead's LinkedIn profile is read for its data: one scraping (R-LIM-2). What it says and the import did not
    give becomes the lead's: the names, and the variables headline, location, company and job_title.
    """

    kind: Literal["scraping"] = "scraping"
    delay: Delay = 0
    only_if: Condition = "always"


OF_PROFILE: Final = ("headline", "location", "company", "job_title")
"""The variables of a lead whose profile was read, beside its names."""


def kind_of(step: object) -> object:
    """Which step is meant: without a word an email, as before there were others."""
    if isinstance(step, Mapping):
        return cast("Mapping[str, object]", step).get("kind", "email")
    return getattr(step, "kind", None)


Step = Annotated[
    Annotated[SendEmail, Tag("email")]
    | Annotated[SendInvitation, Tag("invitation")]
    | Annotated[SendMessage, Tag("message")]
    | Annotated[ReadProfile, Tag("scraping")],
    Discriminator(kind_of),
]
"""What is done of a campaign; `only_if` is judged when its turn has come: where it does not hold, it is skipped."""


def channel_of(step: Step) -> Channel:
    return "email" if step.kind == "email" else "linkedin"


def words_of(step: Step) -> str:
    """What is written in it, as a template."""
    match step:
        case SendInvitation():
            return step.note
        case ReadProfile():
            return ""
        case SendEmail() | SendMessage():
            return step.text


class CampaignSettings(Value):
    """What a person decides of a campaign. `inbox` None: Shuffle, over all inboxes of the identity (R-BOX-10).

    `pace`: spread evenly over the working hours, or as soon as the limits allow.
    """

    name: Annotated[Line, Field(min_length=1, max_length=200)]
    identity: UUID
    inbox: UUID | None = None
    pace: Pace = "even"
    steps: Annotated[tuple[Step, ...], Field(max_length=MOST_STEPS)] = ()

    @property
    def channels(self) -> tuple[Channel, ...]:
        """What it sends by, in the order of its steps."""
        return tuple(dict.fromkeys(channel_of(step) for step in self.steps))

    def comes_to(self, kind: StepKind) -> bool:
        """Whether a lead may get such a step as the first one of its channel, after steps of another channel."""
        channel = "email" if kind == "email" else "linkedin"
        return len(self.channels) > 1 or any(
            step.only_if != "always" for step in self.steps if channel_of(step) == channel
        )

    @property
    def first_email(self) -> SendEmail | None:
        """The one whose subject is that of the thread."""
        return next((step for step in self.steps if step.kind == "email"), None)

    @model_validator(mode="after")
    def _fit(self) -> Self:
        if (
            len(json.dumps([step.model_dump() for step in self.steps], ensure_ascii=False).encode())
            > LARGEST_CAMPAIGN
        ):
            raise ValueError("The steps are too long together. Shorten them.")
        emails = [step for step in self.steps if step.kind == "email"]
        if any(step.subject for step in emails[1:]):
            raise ValueError("Only the first email has a subject: what follows is sent in its thread.")
        return self


# --- events


class CampaignCreated(Published):
    campaign: UUID
    organization: UUID
    identity: UUID
    settings: CampaignSettings


class CampaignChanged(Published):
    """All settings from now on."""

    campaign: UUID
    identity: UUID
    settings: CampaignSettings


class CampaignStarted(Published):
    campaign: UUID
    identity: UUID


class CampaignPaused(Published):
    """No further step begins. `reason` says who or what paused it."""

    campaign: UUID
    identity: UUID
    reason: PauseReason


class CampaignResumed(Published):
    campaign: UUID
    identity: UUID


class CampaignFinished(Published):
    """Every lead has ended, or a person ended it."""

    campaign: UUID
    identity: UUID


class LeadsImported(Published):
    """From now on these leads count. `leads`: how many this import brought."""

    import_id: UUID
    campaign: UUID
    identity: UUID
    leads: int


class LeadEvent(Published):
    """`enrollment`: the lead in its campaign. `person`: the data subject."""

    campaign: UUID
    enrollment: UUID
    identity: UUID
    person: UUID


class StepSkipped(LeadEvent):
    """Its condition did not hold when its turn had come: the sequence goes on without it. `step`: from 0.

    `next_due`, `next_kind`: of the step after it; None and empty: there is none.
    """

    step: int
    kind: StepKind
    only_if: Condition
    next_due: datetime | None
    next_kind: StepKind | Literal[""] = ""


class LeadReplied(LeadEvent):
    """The lead answered, by email or on LinkedIn: its sequence has ended in every channel."""

    attempt: UUID  # the step it answers


class LeadBounced(LeadEvent):
    """The address cannot be reached: the sequence has ended."""

    attempt: UUID


class LeadUnsubscribed(LeadEvent):
    """The lead is written to no more: they unsubscribed, somebody put the address on the suppression list, or they were
    erased. The sequence has ended.
    """


class LeadFinished(LeadEvent):
    """Every step was sent, or a person ended the campaign."""


class LeadFailed(LeadEvent):
    """The sequence cannot go on. `code` is stable; `resolution` is what resolves it."""

    code: str
    reason: str
    resolution: str


class LeadRecovered(LeadEvent):
    """What kept it from going on is resolved."""


# --- commands


class SchedulerCommand(Command):
    context: ClassVar[str] = "scheduler"


class CreateCampaign(SchedulerCommand):
    """`campaign` is chosen by who asks. Refused `identity.unknown` (404), `inbox.unknown` (404),
    `template.invalid` (422, `field` is `steps.<n>.<subject|text|html|note>`).
    """

    campaign: UUID
    settings: CampaignSettings


class ChangeCampaign(SchedulerCommand):
    """A draft may change in everything. Begun (paused or active): name, inbox, pace and the texts of its steps.

    Refused `campaign.unknown` (404), `campaign.finished`, `campaign.begun` (409), `template.invalid`.
    """

    campaign: UUID
    settings: CampaignSettings


class StartCampaign(SchedulerCommand):
    """Refused `campaign.channel-missing` (409) naming the missing channel (R-ID-2; extra `channel` is `email` or
    `linkedin`), `campaign.empty` (409: no
    steps or no leads), `campaign.not-draft`.
    """

    campaign: UUID


class PauseCampaign(SchedulerCommand):
    """No further step begins. Answered when it stands in every sender of the identity; what has begun to leave
    may still arrive: see `CampaignView.leaving`.
    """

    campaign: UUID


class ResumeCampaign(SchedulerCommand):
    """Refused `campaign.not-paused`, `campaign.identity-deleted`, `campaign.channel-missing`."""

    campaign: UUID


class FinishCampaign(SchedulerCommand):
    """A person ends it: its leads get no further step."""

    campaign: UUID


class GiveIdentity(SchedulerCommand):
    """Leads that have not begun get another identity (R-ID-4); only where the campaign lost its own."""

    campaign: UUID
    identity: UUID


class RetryLead(SchedulerCommand):
    """Let a failed lead go on. Refused `lead.unknown` (404), `lead.not-failed`, `lead.not-resolved` (409)."""

    enrollment: UUID


class StopIdentity(SchedulerCommand):
    """The identity was deleted: answered when that stands in every sender and campaign concerned."""

    identity: UUID


class OpenImport(SchedulerCommand):
    """`import_id` is chosen by who asks; the file follows in parts. Refused `campaign.unknown`,
    `campaign.finished`, `import.too-large` (422).

    `format`: a CSV file, or JSON Lines (an object a line) where leads come by the API.
    """

    import_id: UUID
    campaign: UUID
    filename: Annotated[Line, Field(max_length=255)]
    size: Annotated[int, Field(ge=0)]  # bytes
    format: Literal["csv", "jsonl"] = "csv"


class AddImportPart(SchedulerCommand):
    """Parts are numbered from 0; the same one again changes nothing. `content`: base64 of at most 512 KiB.

    Refused `import.part-taken` (409: another content), `import.no-room` (503).
    """

    import_id: UUID
    number: Annotated[int, Field(ge=0)]
    content: str


class Column(Value):
    """What a column of the file is. `own`: a column of its own, under `name` in templates."""

    header: str
    field: Target
    name: str = ""


class CheckImport(SchedulerCommand):
    """Read and validate the whole file. Without columns: as they are guessed. Nothing is imported.

    Refused `import.incomplete` (409), `import.unreadable`, `import.too-large` (422: the import has ended by it),
    `import.columns` (422: these cannot be the file's columns).
    """

    import_id: UUID
    columns: tuple[Column, ...] = ()


class ConfirmImport(SchedulerCommand):
    """Import what was validated. Refused `import.has-errors` (409) unless `skip_errors`, `import.not-checked`,
    `import.nothing` (409: no row is left).
    """

    import_id: UUID
    skip_errors: bool = False


class UndoImport(SchedulerCommand):
    """Drop an import. Refused `import.done` (409) once its leads count."""

    import_id: UUID


# --- questions


class CampaignCounts(Value):
    waiting: int = 0
    in_progress: int = 0
    replied: int = 0
    finished: int = 0
    bounced: int = 0
    unsubscribed: int = 0
    outcome_unknown: int = 0
    failed: int = 0


class CampaignView(Value):
    """`leaving`: steps that were dispatched and have no outcome yet: paused, the campaign is *pausing* until
    there are none. `begun`: leads to whom a step was sent, or may have been.
    """

    campaign: UUID
    settings: CampaignSettings
    state: CampaignState
    pause_reason: PauseReason | None
    leaving: int
    counts: CampaignCounts
    created: datetime
    revision: int
    begun: int = 0
    as_of: Moment | None = None


class ListCampaigns(Query[tuple[CampaignView, ...]]):
    """The organization's campaigns, newest first, or those of one identity."""

    context: ClassVar[str] = "scheduler"
    answer: ClassVar[object] = tuple[CampaignView, ...]
    identity: UUID | None = None


class GetCampaign(Query[CampaignView]):
    """`as_of`: as it was then, its leads included. Refused `campaign.unknown`, `as-of.before` (404), `as-of.future`,
    `as-of.too-much` (422).
    """

    context: ClassVar[str] = "scheduler"
    answer: ClassVar[object] = CampaignView
    campaign: UUID
    as_of: AwareDatetime | None = None


class LeadData(Value):
    """What is known of a lead. `own`: columns of the customer's, by the name templates use."""

    name: str = ""
    first_name: str = ""
    last_name: str = ""
    email: str = ""
    linkedin_url: str = ""
    own: dict[str, str] = Field(default_factory=dict)


EXAMPLE: Final = LeadData(
    name="Alex Example",
    first_name="Alex",
    last_name="Example",
    email="alex@example.com",
    linkedin_url="https://www.linkedin.com/in/alex-example",
)
"""Stands for a campaign's leads while it has none."""


class WaitReason(Value):
    """Why a lead's next step waits (R-LIM-6). `until` None: until somebody does something.

    `code`: `delay`, `retry` (a try did not leave), `hours`, `day-limit`, `hour-limit`, `pool-limit`, `pace`, `campaign-draft`,
    `campaign-paused`, `inbox-paused`, `inbox-disconnected`, `reconnect`, `no-inbox`, `leaving`, `halted`,
    `turn` (others of the same inbox or LinkedIn account are before it), and of LinkedIn steps `not-linked`,
    `restricted`, `slowed-down`, `withdrawn-lately`.
    """

    code: str
    text: str
    until: datetime | None


class LeadView(Value):
    """`step`: the index of the next step, `steps` how many there are. `failure`: code, reason, resolution.

    `data` holds what was imported, and what was read of its profile where the import said nothing; `read`: all that was
    read. `connected`: with the identity, on LinkedIn, as far as is known. `skipped`: steps whose condition did not hold.
    `retryable`: it failed, and RetryLead may succeed, now or once the failure is resolved.
    """

    enrollment: UUID
    campaign: UUID
    identity: UUID
    person: UUID
    data: LeadData | Erased
    state: LeadState
    step: int
    steps: int
    inbox: UUID | None
    waiting: WaitReason | None
    failure: tuple[str, str, str] | None
    attempts: tuple[UUID, ...]  # of the steps sent or leaving, oldest first
    since: datetime
    retryable: bool = True
    connected: bool = False
    skipped: tuple[int, ...] = ()
    read: ProfileData | None = None


class LeadPage(Value):
    """`next`: the cursor to go on with; empty: there are no more. `total`: of the filter."""

    leads: tuple[LeadView, ...]
    next: str
    total: int


class ListLeads(Query[LeadPage]):
    """In the order they were imported. `search`: part of a name or an address."""

    context: ClassVar[str] = "scheduler"
    answer: ClassVar[object] = LeadPage
    campaign: UUID
    state: LeadState | None = None
    search: str = ""
    after: str = ""
    limit: Annotated[int, Field(ge=1, le=500)] = 50


class GetLead(Query[LeadView]):
    """Refused `lead.unknown` (404)."""

    context: ClassVar[str] = "scheduler"
    answer: ClassVar[object] = LeadView
    enrollment: UUID


class RenderedStep(Value):
    """A step as a lead gets it. `text`: also of a note or a message. `problem`: why it cannot be rendered, else empty."""

    delay: int
    subject: str
    text: str
    html: str
    problem: str = ""
    kind: StepKind = "email"
    only_if: Condition = "always"


class PreviewSteps(Query[tuple[RenderedStep, ...]]):
    """Steps (not stored ones) rendered for a real lead; without `enrollment`: the campaign's first lead, else an
    example. Refused `campaign.unknown`, `lead.unknown`.
    """

    context: ClassVar[str] = "scheduler"
    answer: ClassVar[object] = tuple[RenderedStep, ...]
    campaign: UUID
    settings: CampaignSettings
    enrollment: UUID | None = None


class RowProblem(Value):
    """What is wrong with a row of the file. `row`: as a spreadsheet counts, the header is 1."""

    row: int
    code: str
    text: str


class ImportView(Value):
    """`problems`: at most 200 of `wrong`. `sample`: the first rows as they are in the file.

    `skipped`: rows that are left out and said: `duplicate-in-file`, `duplicate-in-organization`, `suppressed`,
    `erased`.
    """

    import_id: UUID
    campaign: UUID
    filename: str
    state: Literal["receiving", "received", "checked", "importing", "imported", "undone", "refused"]
    encoding: str
    delimiter: str
    columns: tuple[Column, ...]
    sample: tuple[tuple[str, ...], ...]
    rows: int
    good: int
    wrong: int
    problems: tuple[RowProblem, ...]
    skipped: dict[str, int]
    skipped_rows: tuple[RowProblem, ...]
    enrolled: int  # so far
    refusal: str  # why the whole file cannot be read; else empty


class GetImport(Query[ImportView]):
    """Refused `import.unknown` (404)."""

    context: ClassVar[str] = "scheduler"
    answer: ClassVar[object] = ImportView
    import_id: UUID


class Consequences(Value):
    """What deleting an identity, disconnecting an inbox or unlinking LinkedIn would do: said before it is done."""

    campaigns: tuple[tuple[UUID, str], ...]  # active or paused ones that use it: id and name
    begun: int  # leads in mid-sequence that would fail
    waiting: int  # leads that have not begun; of unlinking: all that would wait for a LinkedIn step


class GetConsequences(Query[Consequences]):
    """Of an identity's deletion, of one inbox's disconnection, or of unlinking the LinkedIn account of `unlinked`."""

    context: ClassVar[str] = "scheduler"
    answer: ClassVar[object] = Consequences
    identity: UUID | None = None
    inbox: UUID | None = None
    unlinked: UUID | None = None
