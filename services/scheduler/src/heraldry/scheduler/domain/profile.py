"""What the scheduler knows of an identity: imported, so that its decisions rest on its own log only.

Stream `profile-<identity>`. Foreign events come in no promised order: the source's revision says which is
newer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias, assert_never
from uuid import UUID

from heraldry.contracts.base import Event as AnyEvent
from heraldry.contracts.identity import WorkingHours


class HoursImported(AnyEvent):
    """Private. `source_revision`: of the identity's stream; an older one changes nothing."""

    identity: UUID
    hours: WorkingHours
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
class ImportDeletion:
    identity: UUID
    at: datetime


Command: TypeAlias = ImportHours | ImportDeletion
Event: TypeAlias = HoursImported | DeletionImported


@dataclass(frozen=True, slots=True)
class Profile:
    hours: WorkingHours | None = None
    source_revision: int = -1
    deleted: bool = False


UNKNOWN = Profile()


def decide(command: Command, profile: Profile) -> Sequence[Event]:
    match command:
        case ImportHours(identity=identity, hours=hours, source_revision=revision, at=at):
            if revision <= profile.source_revision:
                return ()
            return (HoursImported(identity=identity, hours=hours, source_revision=revision, at=at),)
        case ImportDeletion(identity=identity, at=at):
            return () if profile.deleted else (DeletionImported(identity=identity, at=at),)
        case _:
            assert_never(command)


def evolve(profile: Profile, event: Event) -> Profile:
    match event:
        case HoursImported(hours=hours, source_revision=revision):
            return Profile(hours, revision, profile.deleted)
        case DeletionImported():
            return Profile(profile.hours, profile.source_revision, deleted=True)
        case _:
            assert_never(event)
