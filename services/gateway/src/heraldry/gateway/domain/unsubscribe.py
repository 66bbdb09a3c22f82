"""Somebody's wish to get no more mail of an organization. Its stream is `unsubscribe-<hash of both>`.

The wish is stored here before anybody else hears of it, so it stands while every other context is away.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, TypeAlias
from uuid import UUID

from heraldry.contracts.gateway import RecipientUnsubscribed, UnsubscribeToken

AGAIN: Final = timedelta(minutes=10)
"""The same link used again within it is a repeat. Later it is a wish of its own: somebody may have taken the
address off the suppression list meanwhile.
"""


@dataclass(frozen=True, slots=True)
class Unsubscribed:
    """The newest wish: by the link of which mail, and when."""

    attempt: UUID
    at: datetime


@dataclass(frozen=True, slots=True)
class Unsubscribe:
    link: UnsubscribeToken
    at: datetime


State: TypeAlias = Unsubscribed | None

initial: State = None


def stream(hashed: str) -> str:
    """`hashed`: the address, with the organization's own hash key."""
    return f"unsubscribe-{hashed}"


def decide(command: Unsubscribe, state: State) -> Sequence[RecipientUnsubscribed]:
    link = command.link
    if state is not None and state.attempt == link.attempt and command.at < state.at + AGAIN:
        return ()
    return (
        RecipientUnsubscribed(
            at=command.at,
            organization=link.organization,
            identity=link.identity,
            person=link.person,
            address=link.address,
            attempt=link.attempt,
        ),
    )


def evolve(state: State, event: RecipientUnsubscribed) -> State:  # noqa: ARG001  a decider's signature
    return Unsubscribed(event.attempt, event.at)
