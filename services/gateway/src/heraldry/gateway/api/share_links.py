"""Share links over HTTP: made, listed, revoked. What is done with one needs no session (`routes/shared.py`)."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID, uuid5

from heraldry.contracts.identity import GetIdentity
from heraldry.contracts.share_links import (
    IssueShareLink,
    Kind,
    LinkState,
    ListShareLinks,
    LookUpShareLink,
    RevokeShareLink,
    ShareLinkView,
)
from heraldry.gateway.api.answers import Body, Written, with_position, written
from heraldry.gateway.state import Call, Gateway
from litestar import Controller, Response, delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath


class NewShareLink(Body):
    """Shown once. Whoever has `url` may use the link."""

    id: UUID
    url: str
    valid_until: datetime
    position: str


class ShareLink(Body):
    """`identity`: whose connections it refreshes, or the one it makes. `created_by` as in the history."""

    id: UUID
    kind: Kind
    identity: UUID
    state: LinkState
    created: datetime
    created_by: str
    valid_until: datetime


class ShareLinksController(Controller):
    path = "/api/v1"
    tags = ("Share links",)

    @post(
        "/share-links",
        summary="Make a link by which somebody without an account adds an identity",
        description="It works once, for 24 hours. Only looking at it uses nothing up.",
    )
    async def issue(
        self, call: NamedDependency[Call], gateway: NamedDependency[Gateway]
    ) -> Response[NewShareLink]:
        made = await issue(gateway, call)
        return with_position(made, made.position, 201)

    @get("/share-links", summary="Links by which identities are added, newest first")
    async def every(
        self, call: NamedDependency[Call], gateway: NamedDependency[Gateway]
    ) -> tuple[ShareLink, ...]:
        found = await gateway.contexts.ask(ListShareLinks(), by=call.by, seen=call.seen)
        return tuple(map(_shown, found))

    @delete("/share-links/{link:uuid}", status_code=200, summary="Withdraw a link")
    async def revoke(
        self, link: FromPath[UUID], call: NamedDependency[Call], gateway: NamedDependency[Gateway]
    ) -> Response[Written]:
        return written(await revoke(gateway, call, link), link)

    @post(
        "/identities/{identity:uuid}/share-links",
        summary="Make a link by which an identity's owner refreshes its connections",
        description="It works any number of times, for 24 hours.",
    )
    async def issue_for(
        self, identity: FromPath[UUID], call: NamedDependency[Call], gateway: NamedDependency[Gateway]
    ) -> Response[NewShareLink]:
        made = await issue(gateway, call, identity)
        return with_position(made, made.position, 201)

    @get("/identities/{identity:uuid}/share-links", summary="An identity's links, newest first")
    async def of_identity(
        self, identity: FromPath[UUID], call: NamedDependency[Call], gateway: NamedDependency[Gateway]
    ) -> tuple[ShareLink, ...]:
        await gateway.contexts.ask(GetIdentity(identity=identity), by=call.by, seen=call.seen)
        found = await gateway.contexts.ask(ListShareLinks(identity=identity), by=call.by, seen=call.seen)
        return tuple(map(_shown, found))


async def issue(gateway: Gateway, call: Call, identity: UUID | None = None) -> NewShareLink:
    """A fresh link: a create link, or one that refreshes the connections of `identity`."""
    call.require_admin()
    link = uuid5(call.command, "share link")
    wanted = IssueShareLink(link=link, identity=identity)
    accepted = await gateway.contexts.send(wanted, by=call.by, id=call.command)
    made = await gateway.contexts.ask(LookUpShareLink(link=link), by=call.by)
    return NewShareLink(
        id=link,
        url=f"{gateway.public_url}/share/{gateway.share_tokens.token(link)}",
        valid_until=made.valid_until,
        position=accepted.position,
    )


async def revoke(gateway: Gateway, call: Call, link: UUID) -> str:
    """The position at which it was withdrawn."""
    call.require_admin()
    return (await gateway.contexts.send(RevokeShareLink(link=link), by=call.by, id=call.command)).position


def _shown(one: ShareLinkView) -> ShareLink:
    return ShareLink(
        id=one.link,
        kind=one.kind,
        identity=one.identity,
        state=one.state,
        created=one.issued_at,
        created_by=one.actor,
        valid_until=one.valid_until,
    )
