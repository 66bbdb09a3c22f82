"""My Network: invitations sent and received, connections."""

from __future__ import annotations

from typing import Any

from heraldry.sandbox.linkedin.people import Account, Person
from heraldry.sandbox.linkedin.site import LinkedIn
from heraldry.sandbox.linkedin.web.rendering import Pages
from litestar import Controller, Response, get
from litestar.di import NamedDependency
from litestar.params import FromQuery

AT_ONCE = 10  # cards; more come when somebody scrolls or asks


class NetworkController(Controller):
    path = "/"

    @get(["/mynetwork", "/mynetwork/invitation-manager/received"])
    async def home(
        self,
        me: NamedDependency[Person],
        account: NamedDependency[Account],
        linkedin: NamedDependency[LinkedIn],
        pages: NamedDependency[Pages],
    ) -> Response[str]:
        received = [linkedin.person(one.by) for one in linkedin.network.received(me.slug)]
        return pages.page("network.html", me=me, account=account, received=received)

    @get(["/mynetwork/invitation-manager/sent", "/mynetwork/invitation-manager/sent/CONNECTION"])
    async def sent(
        self,
        me: NamedDependency[Person],
        account: NamedDependency[Account],
        linkedin: NamedDependency[LinkedIn],
        pages: NamedDependency[Pages],
    ) -> Response[str]:
        return pages.page("sent.html", me=me, account=account, **_sent(linkedin, me, 0))

    @get("/flagship-web/invitations/sent")
    async def more_sent(
        self,
        me: NamedDependency[Person],
        linkedin: NamedDependency[LinkedIn],
        pages: NamedDependency[Pages],
        start: FromQuery[int] = 0,
    ) -> Response[str]:
        return pages.page("sent_cards.html", **_sent(linkedin, me, max(0, start)))

    @get("/mynetwork/invite-connect/connections")
    async def connections(
        self,
        me: NamedDependency[Person],
        account: NamedDependency[Account],
        linkedin: NamedDependency[LinkedIn],
        pages: NamedDependency[Pages],
    ) -> Response[str]:
        return pages.page("connections.html", me=me, account=account, **_connections(linkedin, me, 0))

    @get("/flagship-web/connections")
    async def more_connections(
        self,
        me: NamedDependency[Person],
        linkedin: NamedDependency[LinkedIn],
        pages: NamedDependency[Pages],
        start: FromQuery[int] = 0,
    ) -> Response[str]:
        return pages.page("connection_cards.html", **_connections(linkedin, me, max(0, start)))


def _sent(linkedin: LinkedIn, me: Person, start: int) -> dict[str, Any]:
    found = linkedin.network.sent(me.slug)
    cards = [(one, linkedin.person(one.to)) for one in found[start : start + AT_ONCE]]
    return {"cards": cards, "count": len(found), "now": linkedin.now()}


def _connections(linkedin: LinkedIn, me: Person, start: int) -> dict[str, Any]:
    found = linkedin.network.connections(me.slug)
    cards = [(linkedin.person(slug), since) for slug, since in found[start : start + AT_ONCE]]
    return {"cards": cards, "count": len(found)}
