"""What a LinkedIn account may do a day over HTTP, and inviting one person or reading a profile by hand."""

from __future__ import annotations

from typing import Annotated, Any, Final
from uuid import UUID

from heraldry.contracts.base import Refused
from heraldry.contracts.linkedin_steps import (
    LONGEST_NOTE,
    GetLinkedInUsage,
    InviteOnLinkedIn,
    LinkedInUsage,
    ReadProfileOnLinkedIn,
)
from heraldry.contracts.profiles import NoProfile, profile_address
from heraldry.contracts.scheduler import ABOVE_RECOMMENDED, ChangeLinkedInLimits, LinkedInLimits
from heraldry.contracts.texts import OneLine, PlainText
from heraldry.gateway.api.answers import Body, WholeNumber, with_position
from heraldry.gateway.api.past import AsOf, moment
from heraldry.gateway.state import Call, Gateway
from litestar import Controller, Response, get, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody
from pydantic import Field

RECOMMENDED: Final = LinkedInLimits()


class Limits(Body):
    """A day, in the identity's local day. Invitations and messages are needed: what is left out would silently become
    something else. `scrapings`: only with Sales Navigator, what it has of its own beside the organization's shared
    pool; left out, it stays as it is.
    """

    invitations: Annotated[WholeNumber, Field(ge=0, le=1000)]
    messages: Annotated[WholeNumber, Field(ge=0, le=1000)]
    scrapings: Annotated[WholeNumber, Field(ge=0, le=1000)] | None = None


class LimitWarning(Body):
    """`limit` is above what is recommended."""

    limit: str
    recommended: int
    warning: str


class LimitsWritten(Body):
    """The limits are stored. Send `position` back as X-Position to read them."""

    position: str
    id: UUID
    warnings: tuple[LimitWarning, ...]


class NewInvitation(Body):
    """`profile`: the address of the person's LinkedIn profile. `note`: sent along, as it is."""

    profile: Annotated[str, Field(min_length=1, max_length=500)]
    name: Annotated[OneLine, Field(max_length=200)] = ""
    note: Annotated[PlainText, Field(max_length=LONGEST_NOTE)] = ""


class NewScraping(Body):
    """`profile`: the address of the person's LinkedIn profile. `name`: whose it is, as far as is known."""

    profile: Annotated[str, Field(min_length=1, max_length=500)]
    name: Annotated[OneLine, Field(max_length=200)] = ""


class Scraping(Body):
    """The reading was permitted and is on its way; `attempt` names it from now on, as a LinkedIn step."""

    attempt: UUID
    position: str


class Invited(Body):
    """The invitation was permitted and is on its way; `attempt` names it from now on."""

    attempt: UUID
    position: str


class LinkedInLimitsController(Controller):
    path = "/api/v1/identities/{identity:uuid}/linkedin"
    tags = ("LinkedIn",)

    @get(
        "/limits",
        summary="What its LinkedIn account may do a day, and what is used now",
        description="Also the withdrawal policy, and what LinkedIn itself wants no more of at present (`slowed`)."
        " `why` says what `next_possible` waits for. `pool`: the LinkedIn profiles that all identities of the"
        " organization may read for their data in its day, together; `own_scrapings`: what Sales Navigator adds to it"
        " for this identity.",
    )
    async def read(
        self,
        identity: FromPath[UUID],
        call: NamedDependency[Call],
        gateway: NamedDependency[Gateway],
        as_of: AsOf = "",
    ) -> LinkedInUsage:
        query = GetLinkedInUsage(identity=identity, as_of=moment(as_of))
        return await gateway.contexts.ask(query, by=call.by, seen=call.seen)

    @put(
        "/limits",
        summary="Change what it may do a day",
        description="`warnings` names the limits above what is recommended. Without Sales Navigator, `scrapings` is"
        " refused `linkedin.no-sales-navigator`.",
    )
    async def change(
        self,
        identity: FromPath[UUID],
        data: JSONBody[Limits],
        call: NamedDependency[Call],
        gateway: NamedDependency[Gateway],
    ) -> Response[Any]:
        call.require_admin()
        limits = LinkedInLimits.model_validate(data.model_dump())
        position = await change_limits(gateway, call, identity, limits)
        content = LimitsWritten(position=position, id=identity, warnings=warnings_of(limits))
        return with_position(content, position, 200)

    @post(
        "/invitations",
        status_code=202,
        summary="Invite somebody by hand, now",
        description="Refused `quota.exhausted`, `linkedin.slowed-down` and `invitation.withdrawn-lately` with"
        " `until`, from which it is possible.",
    )
    async def invite(
        self,
        identity: FromPath[UUID],
        data: JSONBody[NewInvitation],
        call: NamedDependency[Call],
        gateway: NamedDependency[Gateway],
    ) -> Response[Any]:
        position = await invite(gateway, call, identity, data)
        return with_position(Invited(attempt=call.command, position=position), position, 202)

    @post(
        "/scrapings",
        status_code=202,
        summary="Read somebody's profile for its data by hand, now",
        description="What was read stands in the LinkedIn step of this `attempt` once it is done. Refused"
        " `quota.exhausted` and `linkedin.slowed-down` with `until`, from which it is possible.",
    )
    async def scrape(
        self,
        identity: FromPath[UUID],
        data: JSONBody[NewScraping],
        call: NamedDependency[Call],
        gateway: NamedDependency[Gateway],
    ) -> Response[Any]:
        position = await scrape(gateway, call, identity, data)
        return with_position(Scraping(attempt=call.command, position=position), position, 202)


def warnings_of(limits: LinkedInLimits) -> tuple[LimitWarning, ...]:
    return tuple(
        LimitWarning(limit=name, recommended=getattr(RECOMMENDED, name), warning=ABOVE_RECOMMENDED)
        for name in limits.warnings
    )


async def change_limits(gateway: Gateway, call: Call, identity: UUID, limits: LinkedInLimits) -> str:
    """The position at which they stand."""
    change = ChangeLinkedInLimits(identity=identity, limits=limits)
    return (await gateway.contexts.send(change, by=call.by, id=call.command)).position


async def invite(gateway: Gateway, call: Call, identity: UUID, wanted: NewInvitation) -> str:
    """The position at which it was permitted. Refused `linkedin-url.malformed` (422)."""
    profile = _profile(wanted.profile)
    person = await gateway.application.person_behind(call.organization, profile)
    command = InviteOnLinkedIn(
        identity=identity, person=person, profile=profile, name=wanted.name, note=wanted.note
    )
    return (await gateway.contexts.send(command, by=call.by, id=call.command)).position


async def scrape(gateway: Gateway, call: Call, identity: UUID, wanted: NewScraping) -> str:
    """The position at which it was permitted. Refused `linkedin-url.malformed` (422)."""
    profile = _profile(wanted.profile)
    person = await gateway.application.person_behind(call.organization, profile)
    command = ReadProfileOnLinkedIn(identity=identity, person=person, profile=profile, name=wanted.name)
    return (await gateway.contexts.send(command, by=call.by, id=call.command)).position


def _profile(address: str) -> str:
    try:
        return profile_address(address)
    except NoProfile as wrong:
        raise Refused("linkedin-url.malformed", str(wrong), status=422, field="profile") from wrong
