"""A link for somebody without a user account. Stream `share-link-<id>`.

A create link makes one identity, and is used up by success only; a refresh link gives access to the
connections of one identity until it ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Annotated, Final, TypeAlias, assert_never
from uuid import UUID, uuid5

from heraldry.contracts import base
from heraldry.contracts.base import Erased, Personal, Refused, Value
from heraldry.contracts.identity import ContactDetails, WorkingHours
from heraldry.contracts.share_links import (
    Kind,
    LinkState,
    ShareLinkIssued,
    ShareLinkRedeemed,
    ShareLinkRevoked,
    Way,
)

LIFETIME: Final = timedelta(hours=24)
HELD: Final = timedelta(minutes=15)
"""So long after its last try nobody else may try."""
MOST_TRIES: Final = 10


class FilledForm(Value):
    """What somebody without an account typed. `picture` as in IdentityCreated."""

    name: str
    details: ContactDetails
    hours: WorkingHours
    picture: str = ""


class ShareLinkTaken(base.Event):
    """A browser filled in the form. `number`: of the try, from 1."""

    link: UUID
    organization: UUID
    identity: UUID
    browser: str
    way: Way
    number: int
    form: Annotated[FilledForm | Erased, Personal("identity")]


@dataclass(frozen=True, slots=True)
class Issue:
    link: UUID
    organization: UUID
    kind: Kind
    identity: UUID
    at: datetime


@dataclass(frozen=True, slots=True)
class Take:
    """`gone`: the identity was deleted meanwhile."""

    organization: UUID
    browser: str
    way: Way
    form: FilledForm
    at: datetime
    gone: bool = False


@dataclass(frozen=True, slots=True)
class Redeem:
    at: datetime


@dataclass(frozen=True, slots=True)
class Revoke:
    organization: UUID
    at: datetime


@dataclass(frozen=True, slots=True)
class NoLink:
    """There is no such link."""


@dataclass(frozen=True, slots=True)
class ShareLink:
    id: UUID
    organization: UUID
    kind: Kind
    identity: UUID
    valid_until: datetime
    browser: str = ""
    way: Way | None = None
    tries: int = 0
    last_try: datetime | None = None
    used: bool = False
    revoked: bool = False

    @property
    def settled(self) -> bool:
        """Nothing can keep it any more from being used up: what was typed by hand only has to be stored."""
        return self.used or self.way == "manually"

    def held_until(self, now: datetime) -> datetime | None:
        """Until when the browser that tried last has it for itself; None: anybody may have it."""
        until = self.last_try + HELD if self.last_try else now
        return until if until > now else None

    def is_held_by(self, browser: str, now: datetime) -> bool:
        return bool(browser) and self.browser == browser and self.held_until(now) is not None


Command: TypeAlias = Issue | Take | Redeem | Revoke
Event: TypeAlias = ShareLinkIssued | ShareLinkTaken | ShareLinkRedeemed | ShareLinkRevoked
State: TypeAlias = NoLink | ShareLink
NO_LINK: Final = NoLink()


def stream(link: UUID) -> str:
    return f"share-link-{link}"


def identity_of(link: UUID) -> UUID:
    """The identity a create link makes: one, however often it is tried."""
    return uuid5(link, "identity")


def decide(command: Command, state: State) -> Sequence[Event]:
    match command:
        case Issue():
            return _issue(command, state)
        case Take():
            return _take(command, _known(state, command.organization))
        case Redeem(at=at):
            if isinstance(state, NoLink) or state.used or state.revoked or not state.tries:
                return ()
            return (
                ShareLinkRedeemed(
                    link=state.id, organization=state.organization, identity=state.identity, at=at
                ),
            )
        case Revoke(organization=organization, at=at):
            link = _known(state, organization)
            if link.settled:
                raise refused("used")
            if link.revoked:
                return ()
            return (
                ShareLinkRevoked(link=link.id, organization=link.organization, identity=link.identity, at=at),
            )
        case _:
            assert_never(command)


def _issue(command: Issue, state: State) -> Sequence[Event]:
    if isinstance(state, ShareLink):
        raise Refused("share-link.exists", "A link with this id exists already. Make another one.")
    return (
        ShareLinkIssued(
            link=command.link,
            organization=command.organization,
            kind=command.kind,
            identity=command.identity,
            valid_until=command.at + LIFETIME,
            at=command.at,
        ),
    )


def _take(command: Take, link: ShareLink) -> Sequence[Event]:
    if link.kind != "create":
        raise unknown()
    if link.settled and not link.revoked and link.browser == command.browser:
        return ()  # the same form once more, while what it asked for is on its way
    check(link, command.browser, command.at, gone=command.gone)
    if link.tries >= MOST_TRIES:
        raise refused("exhausted")
    return (
        ShareLinkTaken(
            link=link.id,
            organization=link.organization,
            identity=link.identity,
            browser=command.browser,
            way=command.way,
            number=link.tries + 1,
            form=command.form,
            at=command.at,
        ),
    )


def evolve(state: State, event: Event) -> State:
    if isinstance(event, ShareLinkIssued):
        return ShareLink(event.link, event.organization, event.kind, event.identity, event.valid_until)
    if isinstance(state, NoLink):
        return state
    match event:
        case ShareLinkTaken(browser=browser, way=way, number=number, at=at):
            return replace(state, browser=browser, way=way, tries=number, last_try=at)
        case ShareLinkRedeemed():
            return replace(state, used=True)
        case ShareLinkRevoked():
            return replace(state, revoked=True)
        case _:
            assert_never(event)


def state_of(link: ShareLink, browser: str, now: datetime, *, gone: bool = False) -> LinkState:
    """What the link is to this browser. `taken`: somebody else has it at this moment."""
    if link.revoked or (gone and not link.used):
        return "revoked"
    if link.settled:
        return "used"
    if link.is_held_by(browser, now):
        return "open"
    if now >= link.valid_until:
        return "expired"
    if link.held_until(now) is not None:
        return "taken"
    return "exhausted" if link.tries >= MOST_TRIES else "open"


def check(link: ShareLink, browser: str, now: datetime, *, gone: bool = False) -> None:
    """Refused unless the link works for this browser now."""
    found = state_of(link, browser, now, gone=gone)
    if found != "open":
        raise refused(found, link.held_until(now) if found == "taken" else None)


def refused(state: LinkState, until: datetime | None = None) -> Refused:
    match state:
        case "taken":
            return Refused(
                "share-link.taken",
                "Somebody else is using this link at this moment. If they give up, it works again.",
                extra={"until": until.isoformat()} if until else {},
            )
        case "used":
            return Refused("share-link.used", "This link was used. It works once.", status=410)
        case "expired":
            return Refused("share-link.expired", "This link has expired. Ask for a new one.", status=410)
        case "revoked":
            return Refused("share-link.revoked", "This link was withdrawn. Ask for a new one.", status=410)
        case "exhausted":
            return Refused(
                "share-link.too-many-tries",
                f"This link was tried {MOST_TRIES} times without success. Ask for a new one.",
                status=410,
            )
        case "open":
            raise ValueError("an open link is not refused")


def unknown() -> Refused:
    return Refused("share-link.unknown", "There is no such link.", status=404)


def _known(state: State, organization: UUID) -> ShareLink:
    if isinstance(state, NoLink) or state.organization != organization:
        raise unknown()
    return state
