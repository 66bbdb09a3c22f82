"""The organization: its day, its people, and the programs that follow its events."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from heraldry.gateway.pages.forms import DayZoneForm, HaltForm, SubscriberForm
from heraldry.gateway.pages.models.shell import Outcome, Role


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    name: str
    email: str
    role: Role
    you: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscriber:
    id: UUID
    name: str
    created_at: datetime
    created_by: str = ""
    consumer: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewCredentials:
    """Shown once, right after they were made. `text`: the credentials file."""

    subscriber: str
    text: str
    server: str
    stream: str
    consumer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OrganizationPage:
    """organization.html at GET /organization. Members see it; only admins see its forms."""

    name: str
    people: tuple[Person, ...] = ()
    subscribers: tuple[Subscriber, ...] = ()
    subscriber_form: SubscriberForm = field(default_factory=SubscriberForm)
    credentials: NewCredentials | None = None
    zone_form: DayZoneForm = field(default_factory=DayZoneForm)
    zone_outcome: Outcome | None = None
    halt_form: HaltForm = field(default_factory=HaltForm)


@dataclass(frozen=True, slots=True, kw_only=True)
class HaltPage:
    """halt.html at GET /organization/halt: the form alone, and what is wrong with it."""

    form: HaltForm = field(default_factory=HaltForm)
