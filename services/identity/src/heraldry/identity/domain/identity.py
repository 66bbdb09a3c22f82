"""The identity: a sender profile. Stream `identity-<id>`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TypeAlias, assert_never
from urllib.parse import urlsplit
from uuid import UUID

from heraldry.contracts.base import Erased, Refused
from heraldry.contracts.identity import (
    WEEKDAYS_9_TO_18,
    ContactDetails,
    ContactDetailsChanged,
    CrmUserMapped,
    IdentityCreated,
    IdentityDeleted,
    IdentityRenamed,
    LikingsOptOutChanged,
    ProfilePictureChanged,
    WorkingHours,
    WorkingHoursChanged,
)


@dataclass(frozen=True, slots=True)
class Create:
    identity: UUID
    organization: UUID
    name: str
    details: ContactDetails
    picture: str
    hours: WorkingHours
    at: datetime
    from_linkedin: bool = False


@dataclass(frozen=True, slots=True)
class FillDetails:
    """LinkedIn was linked, and says this of the member. Empty: it says nothing."""

    details: ContactDetails
    at: datetime


@dataclass(frozen=True, slots=True)
class _Change:
    """A change asked for by `organization`, which sees nothing of other organizations' identities."""

    organization: UUID
    at: datetime


@dataclass(frozen=True, slots=True)
class Rename(_Change):
    name: str


@dataclass(frozen=True, slots=True)
class ChangeDetails(_Change):
    details: ContactDetails


@dataclass(frozen=True, slots=True)
class ChangePicture(_Change):
    picture: str


@dataclass(frozen=True, slots=True)
class ChangeHours(_Change):
    hours: WorkingHours


@dataclass(frozen=True, slots=True)
class ChangeOptOut(_Change):
    opted_out: bool


@dataclass(frozen=True, slots=True)
class MapToCrmUser(_Change):
    crm_user: str


@dataclass(frozen=True, slots=True)
class Delete(_Change):
    pass


Command: TypeAlias = (
    Create
    | FillDetails
    | Rename
    | ChangeDetails
    | ChangePicture
    | ChangeHours
    | ChangeOptOut
    | MapToCrmUser
    | Delete
)
Event: TypeAlias = (
    IdentityCreated
    | IdentityRenamed
    | ContactDetailsChanged
    | ProfilePictureChanged
    | WorkingHoursChanged
    | LikingsOptOutChanged
    | CrmUserMapped
    | IdentityDeleted
)


@dataclass(frozen=True, slots=True)
class Nobody:
    """There is no such identity (yet)."""


@dataclass(frozen=True, slots=True)
class Identity:
    """`from_linkedin`: nobody has given contact details; LinkedIn may."""

    id: UUID
    organization: UUID
    name: str
    hours: WorkingHours
    details: ContactDetails = field(default_factory=ContactDetails)
    picture: str = ""
    likings_opted_out: bool = False
    crm_user: str = ""
    deleted: bool = False
    from_linkedin: bool = False


State: TypeAlias = Nobody | Identity
NOBODY = Nobody()


def decide(command: Command, state: State) -> Sequence[Event]:
    match command:
        case Create():
            return _create(command, state)
        case FillDetails():
            return () if isinstance(state, Nobody) else _fill(command, state)
        case _:
            return _change(command, own(command.organization, state))


def _create(command: Create, state: State) -> Sequence[Event]:
    if isinstance(state, Identity):
        if state.organization != command.organization:
            raise _unknown()
        raise Refused("identity.exists", "An identity with this id exists already. Open it instead.")
    name, details = well_formed(command.name, command.details)
    return (
        IdentityCreated(
            identity=command.identity,
            organization=command.organization,
            name=name,
            details=details,
            picture=command.picture,
            hours=command.hours,
            from_linkedin=command.from_linkedin,
            at=command.at,
        ),
    )


def _fill(command: FillDetails, identity: Identity) -> Sequence[Event]:
    """R-ID-5: what somebody typed is never overwritten."""
    if identity.deleted or not identity.from_linkedin:
        return ()
    given = {name: value for name, value in command.details.model_dump().items() if value}
    if not _of_linkedin(command.details.linkedin_url):
        given.pop("linkedin_url", None)
    details = identity.details.model_copy(update=given)
    if details == identity.details:
        return ()
    return (ContactDetailsChanged(identity=identity.id, details=details, at=command.at),)


def well_formed(name: str, details: ContactDetails) -> tuple[str, ContactDetails]:
    """As a new identity has them; the name stands in for first and last name. Refused field by field."""
    name, details = _text(name, "name"), _checked(details)
    if not details.first_name and not details.last_name:
        first, _, last = name.partition(" ")
        details = details.model_copy(update={"first_name": first, "last_name": last.strip()})
    return name, details


def _change(
    command: Rename | ChangeDetails | ChangePicture | ChangeHours | ChangeOptOut | MapToCrmUser | Delete,
    identity: Identity,
) -> Sequence[Event]:
    who, at = identity.id, command.at
    match command:
        case Rename():
            name = _text(command.name, "name")
            return () if name == identity.name else (IdentityRenamed(identity=who, name=name, at=at),)
        case ChangeDetails():
            details = _checked(command.details)
            if details == identity.details:
                return ()
            return (ContactDetailsChanged(identity=who, details=details, at=at),)
        case ChangePicture(picture=picture):
            if picture == identity.picture:
                return ()
            return (ProfilePictureChanged(identity=who, picture=picture, at=at),)
        case ChangeHours(hours=hours):
            return () if hours == identity.hours else (WorkingHoursChanged(identity=who, hours=hours, at=at),)
        case ChangeOptOut(opted_out=opted_out):
            if opted_out == identity.likings_opted_out:
                return ()
            return (LikingsOptOutChanged(identity=who, opted_out=opted_out, at=at),)
        case MapToCrmUser(crm_user=crm_user):
            if crm_user == identity.crm_user:
                return ()
            return (CrmUserMapped(identity=who, crm_user=crm_user, at=at),)
        case Delete():
            return (IdentityDeleted(identity=who, at=at),)
        case _:
            assert_never(command)


def evolve(state: State, event: Event) -> State:
    if isinstance(event, IdentityCreated):
        return Identity(
            id=event.identity,
            organization=event.organization,
            name=_known(event.name),
            hours=event.hours,
            details=ContactDetails() if isinstance(event.details, Erased) else event.details,
            picture=event.picture,
            from_linkedin=event.from_linkedin,
        )
    if isinstance(state, Nobody):
        return state
    match event:
        case IdentityRenamed(name=name):
            return replace(state, name=_known(name))
        case ContactDetailsChanged(details=details):
            known = ContactDetails() if isinstance(details, Erased) else details
            return replace(state, details=known, from_linkedin=False)
        case ProfilePictureChanged(picture=picture):
            return replace(state, picture=picture)
        case WorkingHoursChanged(hours=hours):
            return replace(state, hours=hours)
        case LikingsOptOutChanged(opted_out=opted_out):
            return replace(state, likings_opted_out=opted_out)
        case CrmUserMapped(crm_user=crm_user):
            return replace(state, crm_user=crm_user)
        case IdentityDeleted():
            return replace(state, deleted=True)
        case _:
            assert_never(event)


def initial_hours(zone: str) -> WorkingHours:
    """R-ID-6: Monday to Friday, 9 to 18, in the zone of the browser that created it."""
    return WorkingHours(zone=zone, week=WEEKDAYS_9_TO_18)


def own(organization: UUID, state: State) -> Identity:
    """The organization's identity. Refused `identity.unknown` for another's, and for a deleted one."""
    if isinstance(state, Nobody) or state.organization != organization or state.deleted:
        raise _unknown()
    return state


def _unknown() -> Refused:
    return Refused(
        "identity.unknown",
        "There is no such identity in your organization. It may have been deleted.",
        status=404,
    )


def _text(value: str, field_name: str) -> str:
    value = " ".join(value.split())
    if not value:
        raise Refused("identity.name-missing", "Give the identity a name.", status=422, field=field_name)
    return value


def _checked(details: ContactDetails) -> ContactDetails:
    for name, value in (("linkedin_url", details.linkedin_url), ("meeting_url", details.meeting_url)):
        if value and not value.startswith(("https://", "http" + "://")):
            raise Refused(
                "identity.address-not-a-link",
                "This must be a full web address that begins with https.",
                status=422,
                field=name,
            )
    if details.linkedin_url and not _of_linkedin(details.linkedin_url):
        raise Refused(
            "identity.not-of-linkedin",
            "This is no address at linkedin.com. It looks like https://www.linkedin.com/in/name.",
            status=422,
            field="linkedin_url",
        )
    if details.email and (details.email.count("@") != 1 or " " in details.email):
        raise Refused(
            "identity.email-malformed",
            "This is no email address. It looks like name@company.example.",
            status=422,
            field="email",
        )
    return details


def _of_linkedin(url: str) -> bool:
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        return False
    return host == "linkedin.com" or host.endswith(".linkedin.com")


def _known(value: str | Erased) -> str:
    return "" if isinstance(value, Erased) else value
