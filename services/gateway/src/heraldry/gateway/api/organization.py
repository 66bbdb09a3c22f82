"""The organization over HTTP: dashboard, day, subscribers, halt; and, in the demo, new organizations."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated
from uuid import UUID, uuid5

from heraldry.chassis import halt as halts
from heraldry.chassis.bus.rights import EVENTS, inbox_prefix
from heraldry.contracts.base import Refused
from heraldry.gateway.api.answers import Body, Written, with_position, written
from heraldry.gateway.application import Admin, Credentials
from heraldry.gateway.cards import Overview, overview
from heraldry.gateway.state import Call, Gateway
from litestar import Controller, Response, delete, get, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter
from pydantic import Field, SecretStr


class Organization(Body):
    id: UUID
    name: str
    zone: str


class Zone(Body):
    zone: str


class NewAdmin(Body):
    name: str
    email: str
    password: SecretStr


class NewOrganization(Body):
    name: str
    zone: str = "UTC"
    admin: NewAdmin


class Founded(Body):
    organization: UUID
    user: UUID
    position: str


class NewSubscriber(Body):
    name: str


class Subscriber(Body):
    id: UUID
    name: str
    created: datetime
    created_by: str
    consumer: str


class SubscriberCredentials(Body):
    """Shown once. Fetch from `consumer` of `stream` with `inbox_prefix`; see docs on event subscribers."""

    id: UUID
    user: str
    password: str
    url: str
    stream: str
    consumer: str
    inbox_prefix: str
    position: str


class Reason(Body):
    reason: Annotated[str, Field(min_length=1, max_length=500)]


class Halted(Body):
    """`actor` and `since`: who set the flag, and when by the installation's clock. `installation`: the whole installation
    is halted, and only its operators end that.
    """

    halted: bool
    reason: str = ""
    actor: str = ""
    since: datetime | None = None
    installation: bool = False


class NowHalted(Halted):
    """What is in force. `already`: since before, and nothing was changed. `recorded` false: the history cannot be written
    now, and has it as soon as it can.
    """

    already: bool
    recorded: bool


class OrganizationController(Controller):
    path = "/api/v1"
    tags = ("Organization",)

    @get("/organization", summary="The organization")
    async def read(self, call: NamedDependency[Call], gateway: NamedDependency[Gateway]) -> Organization:
        await gateway.views.seen(call.seen)
        found = gateway.views.organization(call.organization)
        return Organization(id=found.id, name=found.name, zone=found.zone)

    @put("/organization/zone", summary="Change the zone of its day")
    async def change_zone(
        self, data: JSONBody[Zone], call: NamedDependency[Call], gateway: NamedDependency[Gateway]
    ) -> Response[Written]:
        call.require_admin()
        accepted = await gateway.application.change_zone(call.command, call.by, data.zone)
        return written(accepted.position, call.organization)

    @post("/organizations", summary="Make an organization to try things in (demo only)")
    async def found(
        self, data: JSONBody[NewOrganization], call: NamedDependency[Call], gateway: NamedDependency[Gateway]
    ) -> Response[Founded]:
        if not call.session.demo or gateway.mode != "demo":
            raise Refused("route.unknown", "There is nothing at this address.", status=404)
        founded = await gateway.application.found(
            call.command,
            organization_id=uuid5(call.command, "organization"),
            name=data.name,
            zone=data.zone,
            admin=Admin(data.admin.name, data.admin.email, data.admin.password.get_secret_value()),
        )
        content = Founded(organization=founded.organization, user=founded.user, position=founded.position)
        return with_position(content, founded.position, 201)

    @get("/dashboard", summary="The identities' figures over a period")
    async def dashboard(
        self,
        call: NamedDependency[Call],
        gateway: NamedDependency[Gateway],
        first: Annotated[date | None, QueryParameter(name="from", description="default: today")] = None,
        last: Annotated[date | None, QueryParameter(name="to", description="default: `from`")] = None,
        search: FromQuery[str] = "",
    ) -> Overview:
        await gateway.views.seen(call.seen)
        return overview(gateway, call.organization, first, last, search)

    @get("/subscribers", summary="Programs that follow the organization's events")
    async def subscribers(
        self, call: NamedDependency[Call], gateway: NamedDependency[Gateway]
    ) -> tuple[Subscriber, ...]:
        await gateway.views.seen(call.seen)
        return tuple(
            Subscriber(
                id=one.id,
                name=one.name,
                created=one.created,
                created_by=one.created_by,
                consumer=f"sub_{one.id}",
            )
            for one in gateway.views.subscribers(call.organization)
        )

    @post("/subscribers", summary="Let a program follow the organization's events")
    async def subscribe(
        self, data: JSONBody[NewSubscriber], call: NamedDependency[Call], gateway: NamedDependency[Gateway]
    ) -> Response[SubscriberCredentials]:
        call.require_admin()
        made = await subscribe(gateway, call, data.name)
        content = SubscriberCredentials(
            id=made.subscriber,
            user=made.rights.consumer,
            password=made.password,
            url=gateway.nats_url,
            stream=EVENTS,
            consumer=made.rights.consumer,
            inbox_prefix=inbox_prefix(made.rights.consumer),
            position=made.position,
        )
        return with_position(content, made.position, 201)

    @delete("/subscribers/{subscriber:uuid}", status_code=200, summary="Revoke a subscriber's credentials")
    async def revoke(
        self, subscriber: FromPath[UUID], call: NamedDependency[Call], gateway: NamedDependency[Gateway]
    ) -> Response[Written]:
        call.require_admin()
        return written(await revoke(gateway, call, subscriber), subscriber)

    @get("/halt", summary="Whether everything of the organization is halted")
    async def halted(self, call: NamedDependency[Call], gateway: NamedDependency[Gateway]) -> Halted:
        return await _halted(gateway, call)

    @post("/halt", status_code=200, summary="Let nothing leave any more")
    async def halt(
        self, data: JSONBody[Reason], call: NamedDependency[Call], gateway: NamedDependency[Gateway]
    ) -> Response[NowHalted]:
        call.require_admin()
        found = await gateway.halting.halt(call.command, call.by, data.reason)
        now = NowHalted(
            halted=True,
            reason=found.halt.reason,
            actor=found.halt.actor,
            since=found.halt.since,
            already=found.already,
            recorded=bool(found.position),
        )
        return with_position(now, found.position, 200)

    @delete("/halt", status_code=200, summary="Let things leave again")
    async def resume(
        self, call: NamedDependency[Call], gateway: NamedDependency[Gateway], reason: FromQuery[str] = ""
    ) -> Response[Halted]:
        call.require_admin()
        position = await resume(gateway, call, reason)
        return with_position(await _halted(gateway, call), position, 200)


async def subscribe(gateway: Gateway, call: Call, name: str) -> Credentials:
    """A subscriber and its consumer; the credentials are known to nobody afterwards."""
    made = await gateway.application.create_subscriber(call.command, call.by, name)
    await gateway.admit(made.subscriber, call.organization)
    return made


async def revoke(gateway: Gateway, call: Call, subscriber: UUID) -> str:
    accepted = await gateway.application.revoke_subscriber(call.command, call.by, subscriber)
    await gateway.expel(subscriber)
    return accepted.position


async def resume(gateway: Gateway, call: Call, reason: str) -> str:
    """The position of what history says of it."""
    return (await gateway.halting.resume(call.command, call.by, reason)).position


async def _halted(gateway: Gateway, call: Call) -> Halted:
    found = await gateway.halt.check_now(halts.organization(call.organization))
    if found is None:
        return Halted(halted=False)
    return Halted(
        halted=True,
        reason=found.reason,
        actor=found.actor,
        since=found.since,
        installation=found.scope == halts.SYSTEM,
    )
