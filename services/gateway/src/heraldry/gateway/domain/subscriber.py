"""A subscriber: a program that reads its organization's events from NATS. Its stream is `subscriber-<id>`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeAlias, assert_never
from uuid import UUID

from heraldry.contracts.base import Refused
from heraldry.contracts.gateway import SubscriberCreated, SubscriberRevoked

LONGEST_NAME = 100


@dataclass(frozen=True, slots=True)
class Subscriber:
    id: UUID
    organization: UUID
    name: str
    revoked: bool = False


@dataclass(frozen=True, slots=True)
class CreateSubscriber:
    subscriber: UUID
    organization: UUID
    name: str
    at: datetime


@dataclass(frozen=True, slots=True)
class RevokeSubscriber:
    organization: UUID
    at: datetime


State: TypeAlias = Subscriber | None
Command: TypeAlias = CreateSubscriber | RevokeSubscriber
Happened: TypeAlias = SubscriberCreated | SubscriberRevoked

initial: State = None


def stream(subscriber: UUID) -> str:
    return f"subscriber-{subscriber}"


def decide(command: Command, state: State) -> Sequence[Happened]:
    """Refused: `subscriber.name-missing`, `subscriber.unknown` (also for another organization's)."""
    match command:
        case CreateSubscriber():
            if state is not None:
                return ()
            created = SubscriberCreated(
                at=command.at,
                subscriber=command.subscriber,
                organization=command.organization,
                name=named(command.name),
            )
            return (created,)
        case RevokeSubscriber(organization, at):
            if state is None or state.organization != organization:
                raise unknown()
            if state.revoked:
                return ()
            return (SubscriberRevoked(at=at, subscriber=state.id, organization=organization),)
        case _:
            assert_never(command)


def evolve(state: State, event: Happened) -> State:
    match event:
        case SubscriberCreated():
            return Subscriber(event.subscriber, event.organization, event.name)
        case SubscriberRevoked():
            return None if state is None else replace(state, revoked=True)
        case _:
            assert_never(event)


def unknown() -> Refused:
    return Refused("subscriber.unknown", "There is no such subscriber.", status=404)


def named(name: str) -> str:
    """The name without spaces around it. Refused `subscriber.name-missing`."""
    name = name.strip()
    if not 1 <= len(name) <= LONGEST_NAME:
        raise Refused(
            "subscriber.name-missing",
            f"Give the subscriber a name of 1 to {LONGEST_NAME} characters.",
            status=422,
            field="name",
        )
    return name
