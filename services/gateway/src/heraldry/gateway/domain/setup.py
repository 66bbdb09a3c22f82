"""The one-time links that make an installation's first organization. One stream: `setup-first-admin`.

Every start without an organization makes a link; the first that is used ends them all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, TypeAlias, assert_never
from uuid import UUID

from heraldry.contracts.base import Event, Refused

STREAM: Final = "setup-first-admin"
KEPT: Final = 16  # links; a replica that starts again makes another one


class FirstAdminLinkMade(Event):
    """`link` is the hash of its token."""

    link: str


class FirstAdminLinkUsed(Event):
    link: str
    organization: UUID


class FirstOrganizationMade(Event):
    """What the link was for is there."""

    organization: UUID


@dataclass(frozen=True, slots=True)
class Setup:
    """`links`: hashes of those that work. `used`: of those that did once. `done`: the organization is there."""

    links: tuple[str, ...] = ()
    used: frozenset[str] = frozenset()
    done: bool = False


@dataclass(frozen=True, slots=True)
class MakeLink:
    link: str
    at: datetime


@dataclass(frozen=True, slots=True)
class UseLink:
    link: str
    organization: UUID
    at: datetime


@dataclass(frozen=True, slots=True)
class Finish:
    organization: UUID
    at: datetime


State: TypeAlias = Setup
Command: TypeAlias = MakeLink | UseLink | Finish
Happened: TypeAlias = FirstAdminLinkMade | FirstAdminLinkUsed | FirstOrganizationMade

initial: State = Setup()


def decide(command: Command, state: State) -> Sequence[Happened]:
    """Refused: `first-admin.link-used` (410), `first-admin.link-unknown` (404)."""
    match command:
        case MakeLink(link, at):
            return () if state.done or link in state.links else (FirstAdminLinkMade(at=at, link=link),)
        case UseLink(link, organization, at):
            check(link, state)
            return (FirstAdminLinkUsed(at=at, link=link, organization=organization),)
        case Finish(organization, at):
            return () if state.done else (FirstOrganizationMade(at=at, organization=organization),)
        case _:
            assert_never(command)


def evolve(state: State, event: Happened) -> State:
    match event:
        case FirstAdminLinkMade():
            return replace(state, links=(*state.links, event.link)[-KEPT:])
        case FirstAdminLinkUsed():
            return replace(state, links=(), used=state.used | {*state.links, event.link})
        case FirstOrganizationMade():
            return replace(state, links=(), used=state.used | {*state.links}, done=True)
        case _:
            assert_never(event)


def check(link: str, state: State) -> None:
    """Refused unless this link works now."""
    if link in state.used:
        raise Refused(
            "first-admin.link-used",
            "This link was used: the first organization is there. Sign in, or ask its admin to invite you.",
            status=410,
        )
    if state.done or link not in state.links:
        raise Refused("first-admin.link-unknown", "This link is not known here.", status=404)
