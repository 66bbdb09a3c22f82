"""What the scheduler knows of an identity: imported, so that its decisions rest on its own log only.

Stream `profile-<identity>`. Foreign events come in no promised order: the source's revision says which is
newer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Annotated, TypeAlias, assert_never
from uuid import UUID

from heraldry.contracts.base import Erased
from heraldry.contracts.base import Event as AnyEvent
from heraldry.contracts.identity import ContactDetails, Owner, WorkingHours


class HoursImported(AnyEvent):
    """Private. `source_revision`: of the identity's stream; an older one changes nothing."""

    identity: UUID
    hours: WorkingHours
    source_revision: int


class OwnerImported(AnyEvent):
    """Private. Which organization the identity belongs to."""

    identity: UUID
    organization: UUID


class NameImported(AnyEvent):
    """Private. `source_revision`: as of hours."""

    identity: UUID
    name: Annotated[str | Erased, Owner]
    source_revision: int


class DetailsImported(AnyEvent):
    """Private. What `identity.…` in templates says. `source_revision`: as of hours."""

    identity: UUID
    details: Annotated[ContactDetails | Erased, Owner]
    source_revision: int


class DeletionImported(AnyEvent):
    """Private. The identity is gone for good."""

    identity: UUID


@dataclass(frozen=True, slots=True)
class ImportHours:
    identity: UUID
    hours: WorkingHours
    source_revision: int
    at: datetime


@dataclass(frozen=True, slots=True)
class ImportPerson:
    """What is None was not said in this revision."""

    identity: UUID
    organization: UUID
    name: str | None
    details: ContactDetails | None
    source_revision: int
    at: datetime


@dataclass(frozen=True, slots=True)
class ImportDeletion:
    identity: UUID
    at: datetime


Command: TypeAlias = ImportHours | ImportPerson | ImportDeletion
Event: TypeAlias = HoursImported | OwnerImported | NameImported | DetailsImported | DeletionImported


@dataclass(frozen=True, slots=True)
class Profile:
    hours: WorkingHours | None = None
    source_revision: int = -1  # of the hours
    deleted: bool = False
    organization: UUID | None = None
    name: str = ""
    name_revision: int = -1
    details: ContactDetails = field(default_factory=ContactDetails)
    details_revision: int = -1


UNKNOWN = Profile()


def decide(command: Command, profile: Profile) -> Sequence[Event]:
    match command:
        case ImportHours(identity=identity, hours=hours, source_revision=revision, at=at):
            if revision <= profile.source_revision:
                return ()
            return (HoursImported(identity=identity, hours=hours, source_revision=revision, at=at),)
        case ImportPerson():
            return _import_person(command, profile)
        case ImportDeletion(identity=identity, at=at):
            return () if profile.deleted else (DeletionImported(identity=identity, at=at),)
        case _:
            assert_never(command)


def _import_person(command: ImportPerson, profile: Profile) -> Sequence[Event]:
    who, revision, at = command.identity, command.source_revision, command.at
    events: list[Event] = []
    if profile.organization is None:
        events.append(OwnerImported(identity=who, organization=command.organization, at=at))
    if command.name is not None and revision > profile.name_revision:
        events.append(NameImported(identity=who, name=command.name, source_revision=revision, at=at))
    if command.details is not None and revision > profile.details_revision:
        events.append(DetailsImported(identity=who, details=command.details, source_revision=revision, at=at))
    return tuple(events)


def evolve(profile: Profile, event: Event) -> Profile:
    match event:
        case HoursImported(hours=hours, source_revision=revision):
            return replace(profile, hours=hours, source_revision=revision)
        case OwnerImported(organization=organization):
            return replace(profile, organization=organization)
        case NameImported(name=name, source_revision=revision):
            known = "" if isinstance(name, Erased) else name
            return replace(profile, name=known, name_revision=revision)
        case DetailsImported(details=details, source_revision=revision):
            told = ContactDetails() if isinstance(details, Erased) else details
            return replace(profile, details=told, details_revision=revision)
        case DeletionImported():
            return replace(profile, deleted=True)
        case _:
            assert_never(event)
