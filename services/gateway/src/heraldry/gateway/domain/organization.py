"""An organization: the tenant that users and identities belong to. Its stream is `organization-<id>`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeAlias, assert_never
from uuid import UUID

from heraldry.contracts.base import Refused
from heraldry.contracts.gateway import OrganizationCreated, OrganizationZoneChanged
from heraldry.contracts.zones import zones

LONGEST_NAME = 200


@dataclass(frozen=True, slots=True)
class Organization:
    """`zone` is the IANA time zone of its day."""

    id: UUID
    name: str
    zone: str


@dataclass(frozen=True, slots=True)
class CreateOrganization:
    organization: UUID
    name: str
    zone: str
    at: datetime


@dataclass(frozen=True, slots=True)
class ChangeZone:
    zone: str
    at: datetime


State: TypeAlias = Organization | None
Command: TypeAlias = CreateOrganization | ChangeZone
Happened: TypeAlias = OrganizationCreated | OrganizationZoneChanged

initial: State = None


def stream(organization: UUID) -> str:
    return f"organization-{organization}"


def decide(command: Command, state: State) -> Sequence[Happened]:
    """Refused: `organization.exists`, `organization.unknown`, `organization.name-missing`, `zone.unknown`."""
    match command:
        case CreateOrganization():
            return _create(command, state)
        case ChangeZone(zone, at):
            if state is None:
                raise Refused("organization.unknown", "There is no such organization.", status=404)
            known(zone)
            if zone == state.zone:
                return ()
            return (OrganizationZoneChanged(at=at, organization=state.id, zone=zone),)
        case _:
            assert_never(command)


def evolve(state: State, event: Happened) -> State:
    match event:
        case OrganizationCreated():
            return Organization(event.organization, event.name, event.zone)
        case OrganizationZoneChanged():
            return None if state is None else replace(state, zone=event.zone)
        case _:
            assert_never(event)


def named(name: str) -> str:
    """The name without spaces around it. Refused `organization.name-missing`."""
    name = name.strip()
    if not 1 <= len(name) <= LONGEST_NAME:
        raise Refused(
            "organization.name-missing",
            f"Give the organization a name of 1 to {LONGEST_NAME} characters.",
            status=422,
            field="organization",
        )
    return name


def known(zone: str) -> str:
    """The zone itself. Refused `zone.unknown`."""
    if zone not in zones():
        raise Refused(
            "zone.unknown",
            "This is no time zone. Choose one such as Europe/Stockholm.",
            status=422,
            field="zone",
        )
    return zone


def _create(command: CreateOrganization, state: State) -> Sequence[Happened]:
    wanted = Organization(command.organization, named(command.name), known(command.zone))
    if state is None:
        created = OrganizationCreated(
            at=command.at, organization=wanted.id, name=wanted.name, zone=wanted.zone
        )
        return (created,)
    if (state.id, state.name) == (wanted.id, wanted.name):
        return ()
    raise Refused("organization.exists", "There is another organization with this id.")
