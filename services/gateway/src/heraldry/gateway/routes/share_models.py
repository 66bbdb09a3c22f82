"""Share links as the pages show them."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from heraldry.contracts.share_links import ListShareLinks, ShareLinkView
from heraldry.gateway.api.share_links import NewShareLink
from heraldry.gateway.pages.models import Link, MadeLink, ShareSection
from heraldry.gateway.state import Call, Gateway

REVOCABLE: Final = frozenset({"open", "taken", "exhausted"})


async def share_section(
    gateway: Gateway, call: Call, identity: UUID | None = None, made: NewShareLink | None = None
) -> ShareSection:
    """The organization's create links, or the links of one identity. `made`: the one to show the address of."""
    seen = (*call.seen, made.position) if made else call.seen
    found = await gateway.contexts.ask(ListShareLinks(identity=identity), by=call.by, seen=seen)
    url = f"/identities/{identity}/share-links" if identity else "/identities/share-links"
    return ShareSection(
        url=url,
        links=tuple(_link(gateway, call, one, url) for one in found),
        made=MadeLink(url=made.url, valid_until=made.valid_until) if made else None,
    )


def _link(gateway: Gateway, call: Call, one: ShareLinkView, url: str) -> Link:
    may = call.session.role == "admin" and one.state in REVOCABLE
    return Link(
        id=one.link,
        state=one.state,
        refreshes=one.kind == "refresh",
        issued_at=one.issued_at,
        valid_until=one.valid_until,
        by=_maker(gateway, call, one.actor),
        revoke=f"{url}/{one.link}/revoke" if may else "",
    )


def _maker(gateway: Gateway, call: Call, actor: str) -> str:
    kind, _, who = actor.partition(":")
    person = gateway.views.person(call.organization, UUID(who)) if kind == "user" else None
    return person.name if person else "Somebody who left" if kind == "user" else "A program"
