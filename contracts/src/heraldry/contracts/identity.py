"""What the identity context says and is asked. An identity is a sender profile."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, ClassVar, Self
from uuid import UUID

from heraldry.contracts.base import Command, Erased, Personal, Published, Query, Value
from heraldry.contracts.zones import zones
from pydantic import AfterValidator, AwareDatetime, Field, field_validator, model_validator

Owner = Personal("identity")
CLOCK_TIME = r"^([01]\d|2[0-3]):[0-5]\d$|^24:00$"


class Interval(Value):
    """Working time on one weekday: ISO day 1 (Monday) to 7, wall-clock times in the identity's zone."""

    day: Annotated[int, Field(ge=1, le=7)]
    start: Annotated[str, Field(pattern=CLOCK_TIME)] = "09:00"
    end: Annotated[str, Field(pattern=CLOCK_TIME)] = "18:00"

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.start >= self.end:
            raise ValueError("Working hours end after they start. Use two days for hours across midnight.")
        return self


WEEKDAYS_9_TO_18 = tuple(Interval(day=day) for day in range(1, 6))


class WorkingHours(Value):
    """When an identity is active (R-ID-6). `zone` is an IANA name such as Europe/Stockholm."""

    zone: str
    week: tuple[Interval, ...] = WEEKDAYS_9_TO_18

    @field_validator("zone")
    @classmethod
    def _known(cls, zone: str) -> str:
        if zone not in zones():
            raise ValueError(f"{zone!r} is no time zone. Choose one such as Europe/Stockholm.")
        return zone

    @field_validator("week")
    @classmethod
    def _apart(cls, week: tuple[Interval, ...]) -> tuple[Interval, ...]:
        ordered = tuple(sorted(week, key=lambda one: (one.day, one.start)))
        if any(a.day == b.day and a.end > b.start for a, b in pairwise(ordered)):
            raise ValueError("Two working intervals of a day overlap.")
        return ordered


class ContactDetails(Value):
    """R-ID-5. The email is a contact detail, not a connected inbox. Empty: not known."""

    first_name: Annotated[str, Field(max_length=100)] = ""
    last_name: Annotated[str, Field(max_length=100)] = ""
    job_title: Annotated[str, Field(max_length=200)] = ""
    email: Annotated[str, Field(max_length=254)] = ""
    linkedin_url: Annotated[str, Field(max_length=500)] = ""
    meeting_url: Annotated[str, Field(max_length=500)] = ""
    phone: Annotated[str, Field(max_length=50)] = ""


class IdentityCreated(Published):
    """`from_linkedin`: linking LinkedIn fills the contact details, unless somebody changes them before."""

    identity: UUID
    organization: UUID
    name: Annotated[str | Erased, Owner]
    details: Annotated[ContactDetails | Erased, Owner]
    picture: str = ""  # content hash of the stored picture; empty: none
    hours: WorkingHours
    from_linkedin: bool = False


class IdentityRenamed(Published):
    identity: UUID
    name: Annotated[str | Erased, Owner]


class ContactDetailsChanged(Published):
    identity: UUID
    details: Annotated[ContactDetails | Erased, Owner]


class ProfilePictureChanged(Published):
    identity: UUID
    picture: str


class WorkingHoursChanged(Published):
    identity: UUID
    hours: WorkingHours


class LikingsOptOutChanged(Published):
    identity: UUID
    opted_out: bool


class CrmUserMapped(Published):
    """`crm_user` is the id of a user in the customer's CRM; empty: mapped to none."""

    identity: UUID
    crm_user: str


class IdentityDeleted(Published):
    """Carries no personal data: it outlives the person's."""

    identity: UUID


class IdentityCommand(Command):
    context: ClassVar[str] = "identity"
    identity: UUID


def _visible(name: str) -> str:
    if not name.isprintable() or not any(char.isalnum() for char in name):
        raise ValueError("A name is one line of text with at least one letter or digit.")
    return name


Name = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_visible)]


class CreateIdentity(IdentityCommand):
    """R-ADD-5. `picture`: a re-encoded image (base64), at most 512 KiB; empty: none.

    `from_linkedin`: R-ADD-2, the contact details come from LinkedIn when it is linked.
    """

    name: Name
    details: ContactDetails = ContactDetails()
    hours: WorkingHours
    picture: Annotated[str, Field(max_length=700_000)] = ""
    from_linkedin: bool = False


class RenameIdentity(IdentityCommand):
    name: Name


class ChangeContactDetails(IdentityCommand):
    details: ContactDetails


class ChangeProfilePicture(IdentityCommand):
    """`picture`: a re-encoded image (base64); empty removes it."""

    picture: Annotated[str, Field(max_length=700_000)]


class ChangeWorkingHours(IdentityCommand):
    hours: WorkingHours


class ChangeLikingsOptOut(IdentityCommand):
    opted_out: bool


class MapCrmUser(IdentityCommand):
    crm_user: Annotated[str, Field(max_length=200)]


class DeleteIdentity(IdentityCommand):
    pass


class IdentityView(Value):
    """An identity as it is now. `erased` fields are empty."""

    identity: UUID
    name: str
    details: ContactDetails
    picture: str
    hours: WorkingHours
    likings_opted_out: bool
    crm_user: str
    deleted: bool
    position: str  # of the last event in it


class GetIdentity(Query[IdentityView]):
    """`as_of`: as it was then. Refused `identity.unknown` (404) for another organization's, `as-of.before` (404),
    `as-of.future` (422).
    """

    context: ClassVar[str] = "identity"
    answer: ClassVar[object] = IdentityView
    identity: UUID
    as_of: AwareDatetime | None = None


class ListIdentities(Query[tuple[IdentityView, ...]]):
    """The organization's active identities by name; `search` is found anywhere in the name."""

    context: ClassVar[str] = "identity"
    answer: ClassVar[object] = tuple[IdentityView, ...]
    search: str = ""


class Picture(Value):
    picture: str  # content hash
    media_type: str
    content: str  # base64


class GetPicture(Query[Picture]):
    context: ClassVar[str] = "identity"
    answer: ClassVar[object] = Picture
    identity: UUID
