"""Links by which somebody without a user account adds an identity, or refreshes the connections of one.

A link is known by its id. The token in its address is made by the gateway and stands in no event.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, ClassVar, Literal
from uuid import UUID

from heraldry.contracts.base import Command, Published, Query, Value
from heraldry.contracts.identity import ContactDetails, Name, WorkingHours
from pydantic import Field

Kind = Literal["create", "refresh"]
Way = Literal["manually", "credentials"]


class ShareLinkIssued(Published):
    """`identity`: whose connections it refreshes, or the one it makes, which is not there yet."""

    link: UUID
    organization: UUID
    kind: Kind
    identity: UUID
    valid_until: datetime


class ShareLinkRedeemed(Published):
    """A create link has done what it was for, and works no more."""

    link: UUID
    organization: UUID
    identity: UUID


class ShareLinkRevoked(Published):
    link: UUID
    organization: UUID
    identity: UUID


class ShareLinkCommand(Command):
    context: ClassVar[str] = "identity"
    link: UUID


class IssueShareLink(ShareLinkCommand):
    """`identity`: of a refresh link; a create link derives its own. Refused `identity.unknown` (404)."""

    identity: UUID | None = None


class RevokeShareLink(ShareLinkCommand):
    """Refused `share-link.unknown` (404), `share-link.used` (410)."""


class TakeShareLink(ShareLinkCommand):
    """The form of a create link, filled in. The identity is made of it, or goes on with it.

    `browser`: keyed hash of what the browser is recognised by. `picture` as in CreateIdentity. Refused
    `share-link.unknown` (404), `share-link.taken` (409, with `until`), `share-link.used`,
    `share-link.expired`, `share-link.revoked`, `share-link.too-many-tries` (410).
    """

    browser: Annotated[str, Field(min_length=32, max_length=128)]
    way: Way
    name: Name
    details: ContactDetails = ContactDetails()
    hours: WorkingHours
    picture: Annotated[str, Field(max_length=700_000)] = ""


LinkState = Literal["open", "taken", "used", "expired", "revoked", "exhausted"]


class ShareLinkView(Value):
    """`actor`: who made it, as in the envelope."""

    link: UUID
    kind: Kind
    identity: UUID
    state: LinkState
    issued_at: datetime
    valid_until: datetime
    actor: str


class ListShareLinks(Query[tuple[ShareLinkView, ...]]):
    """The organization's links, newest first; one identity's refresh links, or all create links."""

    context: ClassVar[str] = "identity"
    answer: ClassVar[object] = tuple[ShareLinkView, ...]
    identity: UUID | None = None


class ShareLinkStanding(Value):
    """What a link is to one browser now. `yours`: this browser took it. `busy_until`: another one has it.

    `done`: the identity it made is there.
    """

    link: UUID
    organization: UUID
    kind: Kind
    identity: UUID
    state: LinkState
    yours: bool
    way: Way | None
    valid_until: datetime
    busy_until: datetime | None = None
    tries_left: int
    done: bool


class LookUpShareLink(Query[ShareLinkStanding]):
    """Answered for whoever has the link, from its stream. Refused `share-link.unknown` (404)."""

    context: ClassVar[str] = "identity"
    answer: ClassVar[object] = ShareLinkStanding
    link: UUID
    browser: str = ""
