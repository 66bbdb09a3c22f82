"""A user: a person who signs in. Its stream is `user-<id>`; the password's hash is a secret, in no event."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias
from uuid import UUID

from heraldry.contracts.base import Erased, Refused
from heraldry.contracts.gateway import Role, SignedIn, UserJoined

EMAIL = re.compile(r"[^@\s<>,;:\"()\[\]\\]{1,64}@[^@\s<>,;:\"()\[\]\\]{1,189}")
SHORTEST_PASSWORD = 12
LONGEST_PASSWORD = 1024
LONGEST_NAME = 200


@dataclass(frozen=True, slots=True)
class User:
    """`name` and `email` are empty when the person was erased."""

    id: UUID
    organization: UUID
    name: str
    email: str
    role: Role


@dataclass(frozen=True, slots=True)
class Join:
    user: UUID
    organization: UUID
    name: str
    email: str
    role: Role
    at: datetime


State: TypeAlias = User | None

initial: State = None


def stream(user: UUID) -> str:
    return f"user-{user}"


def decide(command: Join, state: State) -> Sequence[UserJoined]:
    """Refused: `user.exists`, `user.name-missing`, `user.email-malformed`."""
    if state is not None:
        if state.organization == command.organization:
            return ()
        raise Refused("user.exists", "This user belongs to another organization.")
    return (
        UserJoined(
            at=command.at,
            user=command.user,
            organization=command.organization,
            name=named(command.name),
            email=address(command.email),
            role=command.role,
        ),
    )


def evolve(state: State, event: UserJoined) -> State:  # noqa: ARG001  a decider's signature
    return User(event.user, event.organization, _shown(event.name), _shown(event.email), event.role)


def address(email: str) -> str:
    """The address without spaces around it. Refused `user.email-malformed`."""
    email = email.strip()
    if EMAIL.fullmatch(email) is None:
        raise Refused(
            "user.email-malformed",
            "Enter an email address such as mina@northwind.example.",
            status=422,
            field="email",
        )
    return email


def named(name: str) -> str:
    """The name without spaces around it. Refused `user.name-missing`."""
    name = name.strip()
    if not 1 <= len(name) <= LONGEST_NAME:
        raise Refused(
            "user.name-missing",
            f"Enter a name of 1 to {LONGEST_NAME} characters.",
            status=422,
            field="name",
        )
    return name


def acceptable(password: str) -> str:
    """The password itself. Refused `user.password-weak`."""
    if not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
        raise Refused(
            "user.password-weak",
            f"Choose a password of at least {SHORTEST_PASSWORD} characters.",
            status=422,
            field="password",
        )
    return password


def _shown(value: str | Erased) -> str:
    return "" if isinstance(value, Erased) else value


# Sign-ins stand in a stream of their own, `signins-<user>`: they are many, and nothing is decided by them.


@dataclass(frozen=True, slots=True)
class RecordSignIn:
    user: UUID
    organization: UUID
    at: datetime


def sign_ins(user: UUID) -> str:
    return f"signins-{user}"


def decide_sign_in(command: RecordSignIn, state: None) -> Sequence[SignedIn]:  # noqa: ARG001  a decider's signature
    return (SignedIn(at=command.at, user=command.user, organization=command.organization),)


def evolve_sign_in(state: None, event: SignedIn) -> None:
    """Nothing is remembered."""
