"""A login: who signs in with an address, which its stream makes unique: `login-<keyed hash of it>`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias
from uuid import UUID

from heraldry.contracts.base import Event, Refused


class LoginTaken(Event):
    """From now on this address signs in as that user."""

    user: UUID
    organization: UUID


@dataclass(frozen=True, slots=True)
class Taken:
    user: UUID
    organization: UUID


@dataclass(frozen=True, slots=True)
class TakeLogin:
    user: UUID
    organization: UUID
    at: datetime


State: TypeAlias = Taken | None

initial: State = None


def stream(hashed: str) -> str:
    return f"login-{hashed}"


def normalised(email: str) -> str:
    """What is hashed. A storage format: two addresses are one if this is the same."""
    return email.strip().casefold()


def decide(command: TakeLogin, state: State) -> Sequence[LoginTaken]:
    """Refused `login.taken`."""
    wanted = Taken(command.user, command.organization)
    if state == wanted:
        return ()
    if state is not None:
        raise Refused(
            "login.taken",
            "Somebody signs in with this address already. Use another one, or sign in.",
            field="email",
        )
    return (LoginTaken(at=command.at, user=command.user, organization=command.organization),)


def evolve(state: State, event: LoginTaken) -> State:  # noqa: ARG001  a decider's signature
    return Taken(event.user, event.organization)
