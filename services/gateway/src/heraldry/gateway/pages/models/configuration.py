"""Adding an identity, and everything that can be set about one."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal
from uuid import UUID

from heraldry.gateway.pages.forms import (
    AddIdentityForm,
    ConnectInboxForm,
    ContactForm,
    CredentialsForm,
    EmailRateForm,
    HoursForm,
    PictureForm,
    RateIncreaseForm,
    TestMailForm,
)
from heraldry.gateway.pages.models.linkedin import Diagnosis, LinkedInSection
from heraldry.gateway.pages.models.linkedin_limits import LinkedInLimitsSection
from heraldry.gateway.pages.models.share_section import ShareSection
from heraldry.gateway.pages.models.shell import Chip, Option, Outcome, Waiting

Way = Literal["credentials", "manually", "share"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AddIdentityPage:
    """add_identity.html at GET /identities/new?way=; posts multipart to /identities, and to
    /identities/credentials.
    """

    way: Way = "credentials"
    form: AddIdentityForm = field(default_factory=AddIdentityForm)
    credentials: CredentialsForm = field(default_factory=CredentialsForm)
    picture_limit_mb: int = 5
    share: ShareSection = field(default_factory=ShareSection)


Section = Literal["contact", "linkedin", "email", "likings", "share"]
EmailTab = Literal["manage", "rate"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactSection:
    """`crm_users`: empty when no CRM is connected; then the CRM user is typed by hand."""

    picture: str = ""
    picture_form: PictureForm = field(default_factory=PictureForm)
    picture_outcome: Outcome | None = None
    picture_limit_mb: int = 5
    form: ContactForm = field(default_factory=ContactForm)
    outcome: Outcome | None = None
    crm_users: tuple[Option, ...] = ()
    hours: HoursForm = field(default_factory=HoursForm)
    hours_outcome: Outcome | None = None
    active_now: bool = False


InboxState = Literal["connecting", "connected", "throttled", "paused", "reconnect", "failed", "disconnected"]
INBOX_STATES: Final[dict[InboxState, Chip]] = {
    "connecting": Chip("Connecting", "info"),
    "connected": Chip("Connected", "good"),
    "throttled": Chip("Slowed down by the provider", "warn"),
    "paused": Chip("Paused", "warn"),
    "reconnect": Chip("Reconnect needed", "bad"),
    "failed": Chip("Not connected", "bad"),
    "disconnected": Chip("Disconnected", "idle"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """What an inbox may send, and what it has. The hour is the last 60 minutes, the day the identity's."""

    used_day: int = 0
    per_day: int = 30
    used_hour: int = 0
    per_hour: int = 5

    @property
    def left_day(self) -> int:
        return max(0, self.per_day - self.used_day)

    @property
    def left_hour(self) -> int:
        return max(0, self.per_hour - self.used_hour)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ceiling:
    """The most an inbox may be set to. `until`: the end of what support granted; `asked`: of support, as
    (a day, an hour), not granted yet.
    """

    per_day: int = 80
    per_hour: int = 10
    until: datetime | None = None
    asked: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Inbox:
    """`imap` and `smtp` are server addresses in words (`imap.northwind.example:993, TLS`)."""

    id: UUID
    address: str
    state: InboxState
    detail: str = ""
    provider: str = "IMAP/SMTP"
    rate: Rate = field(default_factory=Rate)
    ceiling: Ceiling = field(default_factory=Ceiling)
    imap: str = ""
    smtp: str = ""
    connected_at: datetime | None = None
    waiting: Waiting | None = None

    @property
    def chip(self) -> Chip:
        return INBOX_STATES[self.state]


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume:
    """What the inbox did in its last 30 days, oldest first: emails sent and hard bounces."""

    sent: tuple[int, ...] = ()
    bounced: int = 0

    @property
    def total(self) -> int:
        return sum(self.sent)

    @property
    def days(self) -> int:
        """On how many it sent."""
        return sum(day > 0 for day in self.sent)

    @property
    def most(self) -> int:
        return max(self.sent, default=0)

    @property
    def bounce_rate(self) -> float | None:
        """In percent; None while nothing was sent."""
        return 100 * self.bounced / self.total if self.total else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Increase:
    """Asking support for more (R-RATE-3). Posts to /identities/<id>/inboxes/<inbox>/rate/increase."""

    volume: Volume = field(default_factory=Volume)
    form: RateIncreaseForm = field(default_factory=RateIncreaseForm)
    outcome: Outcome | None = None

    @property
    def open(self) -> bool:
        """Whether the person was in the middle of it."""
        return self.outcome is not None or bool(self.form.errors or self.form.banner)


@dataclass(frozen=True, slots=True, kw_only=True)
class RateSection:
    """The rate of one inbox as a form. Posts to /identities/<id>/inboxes/<inbox>/rate."""

    inbox: Inbox
    form: EmailRateForm
    outcome: Outcome | None = None
    increase: Increase = field(default_factory=Increase)


@dataclass(frozen=True, slots=True, kw_only=True)
class EmailSection:
    """`may_change_rates`: only admins change limits."""

    tab: EmailTab = "manage"
    inboxes: tuple[Inbox, ...] = ()
    rates: tuple[RateSection, ...] = ()
    may_change_rates: bool = True
    ceiling_day: int = 80
    ceiling_hour: int = 10
    recommended_day: int = 30
    recommended_hour: int = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class LikingsSection:
    opted_out: bool = False
    outcome: Outcome | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigurationPage:
    """configuration.html at GET /identities/<id>?section=&tab=. Every form of it answers with this page
    again.
    """

    id: UUID
    name: str
    job_title: str = ""
    section: Section = "contact"
    chips: tuple[Chip, ...] = ()
    contact: ContactSection = field(default_factory=ContactSection)
    linkedin: LinkedInSection = field(default_factory=LinkedInSection)
    email: EmailSection = field(default_factory=EmailSection)
    likings: LikingsSection = field(default_factory=LikingsSection)
    share: ShareSection = field(default_factory=ShareSection)
    linkedin_limits: LinkedInLimitsSection | None = None  # there never was an account

    @property
    def url(self) -> str:
        return f"/identities/{self.id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectInboxPage:
    """connect_inbox.html at GET /identities/<id>/inboxes/new; posts to /identities/<id>/inboxes.

    `reconnect`: the inbox that is connected again. Its address is given and cannot be changed.
    """

    identity: UUID
    identity_name: str
    form: ConnectInboxForm = field(default_factory=ConnectInboxForm)
    diagnosis: Diagnosis | None = None
    reconnect: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TestMailPage:
    """test_mail.html at GET /identities/<id>/inboxes/<inbox>/test; posts there. Opens as a dialog where
    scripts run.

    `refused`: why it may not leave, and from when it may. `queued`: it is on its way; the path of its
    history.
    """

    __test__ = False  # pytest takes every Test… for a test

    identity: UUID
    identity_name: str
    inbox: Inbox
    form: TestMailForm = field(default_factory=TestMailForm)
    refused: Waiting | None = None
    queued: str = ""

    @property
    def url(self) -> str:
        return f"/identities/{self.identity}/inboxes/{self.inbox.id}/test"
