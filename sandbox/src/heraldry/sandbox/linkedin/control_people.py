"""The control API of the stand-in of LinkedIn for those without an account: be one of them."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Literal

from heraldry.sandbox.linkedin.control import given
from heraldry.sandbox.linkedin.people import Person
from heraldry.sandbox.linkedin.site import LinkedIn
from litestar import Controller, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody


@dataclass(frozen=True, slots=True)
class PersonChange:
    """Only what is given changes."""

    first_name: str | None = None
    last_name: str | None = None
    headline: str | None = None
    company: str | None = None
    place: str | None = None
    picture: bool | None = None
    connect: Literal["button", "more", "more_button", "nowhere"] | None = None
    email_required: bool | None = None
    note_required: bool | None = None
    moved_to: str | None = None
    sends_at_once: bool | None = None
    opens_thread_of: str | None = None


@dataclass(frozen=True, slots=True)
class NewSlug:
    slug: str


@dataclass(frozen=True, slots=True)
class Towards:
    """Whose invitation it is about, or who is invited."""

    account: str  # email
    note: str = ""


@dataclass(frozen=True, slots=True)
class LinkedInReply:
    account: str  # email
    text: str


class LinkedInPeopleController(Controller):
    path = "/control/v1/linkedin/people"

    @get("/", summary="Everybody who has a profile")
    async def people(self, linkedin: NamedDependency[LinkedIn]) -> list[dict[str, object]]:
        return [asdict(one) for one in linkedin.people().values()]

    @post("/", summary="Make a profile without an account")
    async def add_person(
        self, data: JSONBody[Person], linkedin: NamedDependency[LinkedIn]
    ) -> dict[str, object]:
        return asdict(linkedin.add_person(data))

    @patch("/{slug:str}", summary="Change a profile, or what is asked of whoever invites this person")
    async def change_person(
        self, slug: FromPath[str], data: JSONBody[PersonChange], linkedin: NamedDependency[LinkedIn]
    ) -> dict[str, object]:
        return asdict(linkedin.change_person(replace(linkedin.person(slug), **given(data))))

    @post(
        "/{slug:str}/rename", status_code=200, summary="Give a profile another slug; the old one leads there"
    )
    async def rename(
        self, slug: FromPath[str], data: JSONBody[NewSlug], linkedin: NamedDependency[LinkedIn]
    ) -> dict[str, object]:
        return asdict(linkedin.rename(slug, data.slug))

    @post("/{slug:str}/accept", status_code=200, summary="Accept the invitation of an account")
    async def accept(
        self, slug: FromPath[str], data: JSONBody[Towards], linkedin: NamedDependency[LinkedIn]
    ) -> dict[str, str]:
        me = linkedin.account(data.account).slug
        linkedin.network.accept(me, linkedin.person(slug).slug)
        return {"relation": linkedin.network.relation(me, slug)}

    @post("/{slug:str}/ignore", status_code=200, summary="Ignore the invitation of an account")
    async def ignore(
        self, slug: FromPath[str], data: JSONBody[Towards], linkedin: NamedDependency[LinkedIn]
    ) -> dict[str, str]:
        me = linkedin.account(data.account).slug
        linkedin.network.ignore(me, linkedin.person(slug).slug)
        return {"relation": linkedin.network.relation(me, slug)}

    @post("/{slug:str}/invite", status_code=200, summary="Invite an account")
    async def invite(
        self, slug: FromPath[str], data: JSONBody[Towards], linkedin: NamedDependency[LinkedIn]
    ) -> dict[str, str]:
        me = linkedin.account(data.account).slug
        linkedin.network.receive(linkedin.person(slug).slug, me, data.note)
        return {"relation": linkedin.network.relation(me, slug)}

    @post("/{slug:str}/connect", status_code=200, summary="Be connected with an account")
    async def connect(
        self, slug: FromPath[str], data: JSONBody[Towards], linkedin: NamedDependency[LinkedIn]
    ) -> dict[str, str]:
        me = linkedin.account(data.account).slug
        linkedin.network.connect(me, linkedin.person(slug).slug)
        return {"relation": linkedin.network.relation(me, slug)}

    @post("/{slug:str}/reply", summary="Write to an account")
    async def reply(
        self, slug: FromPath[str], data: JSONBody[LinkedInReply], linkedin: NamedDependency[LinkedIn]
    ) -> dict[str, str]:
        me = linkedin.account(data.account).slug
        conversation, message = linkedin.messaging.reply(linkedin.person(slug).slug, me, data.text)
        return {"conversation": conversation, "message": message.id}
