"""An organization: the tenant that users and identities belong to. Its stream is `organization-<id>`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeAlias, assert_never
from uuid import UUID

from heraldry.contracts.base import Refused
from heraldry.contracts.gateway import (
    OrganizationCreated,
    OrganizationHalted,
    OrganizationResumed,
    OrganizationZoneChanged,
)
from heraldry.contracts.zones import zones

LONGEST_NAME = 200
LONGEST_REASON = 500


@dataclass(frozen=True, slots=True)
class Organization:
    """`zone` is the IANA time zone of its day. `halted`: what history says; the flag itself stands in NATS."""

    id: UUID
    name: str
    zone: str
    halted: bool = False


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


@dataclass(frozen=True, slots=True)
class RecordHalt:
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True)
class RecordResumption:
    reason: str
    at: datetime


State: TypeAlias = Organization | None
Command: TypeAlias = CreateOrganization | ChangeZone | RecordHalt | RecordResumption
Happened: TypeAlias = OrganizationCreated | OrganizationZoneChanged | OrganizationHalted | OrganizationResumed

initial: State = None


def stream(organization: UUID) -> str:
    return f"organization-{organization}"


def decide(command: Command, state: State) -> Sequence[Happened]:
    """Refused: `organization.exists`, `organization.unknown`, `organization.name-missing`, `zone.unknown`,
    `halt.reason-missing`, `halt.reason-long`.
    """
    match command:
        case CreateOrganization():
            return _create(command, state)
        case ChangeZone(zone, at):
            found = _there(state)
            known(zone)
            if zone == found.zone:
                return ()
            return (OrganizationZoneChanged(at=at, organization=found.id, zone=zone),)
        case RecordHalt(reason, at):
            found, reason = _there(state), explained(reason)
            if found.halted:
                return ()
            return (OrganizationHalted(at=at, organization=found.id, reason=reason),)
        case RecordResumption(reason, at):
            found, reason = _there(state), bounded(reason)
            if not found.halted:
                return ()
            return (OrganizationResumed(at=at, organization=found.id, reason=reason),)
        case _:
            assert_never(command)


def evolve(state: State, event: Happened) -> State:
    match event:
        case OrganizationCreated():
            return Organization(event.organization, event.name, event.zone)
        case OrganizationZoneChanged():
            return None if state is None else replace(state, zone=event.zone)
        case OrganizationHalted() | OrganizationResumed():
            return None if state is None else replace(state, halted=isinstance(event, OrganizationHalted))
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


def explained(reason: str) -> str:
    """Why everything is halted. Refused `halt.reason-missing`, `halt.reason-long`."""
    reason = bounded(reason)
    if not reason:
        raise Refused(
            "halt.reason-missing",
            "Say why nothing may leave any more: it is shown to everybody, and stays in the activity history.",
            status=422,
            field="reason",
        )
    return reason


def bounded(reason: str) -> str:
    """The reason without spaces around it. Refused `halt.reason-long`."""
    reason = reason.strip()
    if len(reason) > LONGEST_REASON:
        raise Refused(
            "halt.reason-long",
            f"Give a reason of at most {LONGEST_REASON} characters.",
            status=422,
            field="reason",
        )
    return reason


def _there(state: State) -> Organization:
    if state is None:
        raise Refused("organization.unknown", "There is no such organization.", status=404)
    return state


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
