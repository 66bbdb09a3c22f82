"""Profiles, and what is pressed on them: invite, withdraw, accept, ignore."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from heraldry.sandbox.linkedin.network import Invited, NotSent, Relation
from heraldry.sandbox.linkedin.people import Account, Person
from heraldry.sandbox.linkedin.site import LinkedIn
from heraldry.sandbox.linkedin.web.rendering import Pages
from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody
from litestar.response import Redirect

BESIDE = 8  # people in the column beside a profile
Place = Literal["top card", "toolbar", "menu", "sidebar", "list", "address"]
TOASTS: Mapping[NotSent, str] = {
    "weekly_limit": "Your invitation to {first} was not sent because you have reached the weekly limit for"
    " connection invitations. Please try again next week.",
    "slow_down": "Invitation not sent. Try again later.",
    "note_missing": "Your invitation to {name} was not sent.",
    "note_too_long": "Your invitation to {name} was not sent.",
    "email_required": "Your invitation to {name} was not sent.",
    "not_possible": "Unable to connect. Try again.",
}


@dataclass(frozen=True, slots=True)
class Click:
    control: Literal["connect", "pending"]
    of: str  # slug
    place: Place
    page: str  # path


@dataclass(frozen=True, slots=True)
class DialogOf:
    of: str  # slug
    step: Literal["first", "note"] = "first"


@dataclass(frozen=True, slots=True)
class NewInvitation:
    of: str  # slug
    note: str = ""


@dataclass(frozen=True, slots=True)
class Pressed:
    of: str  # slug


class ProfileController(Controller):
    path = "/"

    @get("/in/{slug:str}")
    async def profile(
        self,
        request: Request[Any, Any, Any],
        slug: FromPath[str],
        me: NamedDependency[Person],
        account: NamedDependency[Account],
        linkedin: NamedDependency[LinkedIn],
        pages: NamedDependency[Pages],
        shows: FromQuery[Relation | None] = None,
    ) -> Response[str] | Redirect:
        person = linkedin.people().get(slug)
        if person is None:
            known = linkedin.with_profile_id(slug)
            return Redirect(f"/in/{known.slug}/" if known else "/404/", status_code=302)
        if person.moved_to:
            return Redirect(f"/in/{person.moved_to}/", status_code=302)
        if request.headers.get("sec-fetch-dest", "document") == "document":
            linkedin.record("profile read", account=account.email, of=slug)
        relations = linkedin.network.relation
        beside = [
            one for one in linkedin.people().values() if one.slug not in {me.slug, slug} and not one.moved_to
        ]
        # those of the same name come first: whoever looks for a name only finds them
        beside.sort(key=lambda one: one.name != person.name)
        return pages.page(
            "profile.html",
            me=me,
            account=account,
            person=person,
            relation=shows or relations(me.slug, slug),
            legacy=linkedin.layout.profile == "legacy",
            beside=[(one, relations(me.slug, one.slug)) for one in beside[:BESIDE]],
        )

    @get(["/in/{slug:str}/overlay/{name:str}", "/in/{slug:str}/edit/{name:str}"])
    async def overlay(self, slug: FromPath[str]) -> Redirect:
        return Redirect(f"/in/{slug}/", status_code=302)

    @get("/preload")
    async def outlet(self) -> Response[str]:
        return Response("<!doctype html><title>preload</title>", media_type="text/html")

    @get("/preload/custom-invite")
    async def invite_by_address(
        self,
        vanityName: FromQuery[str],  # noqa: N803  the site's own name
        me: NamedDependency[Person],
        account: NamedDependency[Account],
        linkedin: NamedDependency[LinkedIn],
        pages: NamedDependency[Pages],
    ) -> Response[str] | Redirect:
        if vanityName not in linkedin.people():
            return Redirect("/404/", status_code=302)
        return pages.page("invite.html", me=me, account=account, of=vanityName)

    @post("/li/track", status_code=204)
    async def track(
        self, data: JSONBody[Click], account: NamedDependency[Account], linkedin: NamedDependency[LinkedIn]
    ) -> None:
        """Whoever is pressed on somebody else's profile is another person than meant."""
        page = data.page.removeprefix("/in/").strip("/")
        on_profile = data.page.startswith("/in/")
        what = "clicked another person" if on_profile and page != data.of else "clicked"
        facts = {"control": data.control, "of": data.of, "place": data.place, "page": data.page}
        linkedin.record(what, account=account.email, **facts)

    @post("/flagship-web/dialogs/invitation", status_code=200)
    async def dialog(
        self,
        data: JSONBody[DialogOf],
        account: NamedDependency[Account],
        linkedin: NamedDependency[LinkedIn],
        pages: NamedDependency[Pages],
    ) -> Response[str]:
        person = linkedin.person(data.of)
        if linkedin.network.is_at_weekly_limit(account):
            kind = "limit"
        elif person.email_required:
            kind = "email"
        elif data.step == "first":
            kind = "first"
        else:
            kind = "no_notes" if linkedin.network.notes_left(account) == 0 else "note"
        return _dialog(linkedin, pages, account, person, kind)

    @post("/flagship-web/dialogs/withdrawal", status_code=200)
    async def withdrawal_dialog(
        self,
        data: JSONBody[DialogOf],
        account: NamedDependency[Account],
        linkedin: NamedDependency[LinkedIn],
        pages: NamedDependency[Pages],
    ) -> Response[str]:
        person = linkedin.person(data.of)
        if account.scenario.withdrawal == "names_another":
            invited = (linkedin.person(one.to) for one in linkedin.network.sent(account.slug))
            others = (*invited, *linkedin.people().values())
            person = next(one for one in others if one.slug not in {data.of, account.slug})
        return pages.page("withdrawal_dialog.html", person=person)

    @post("/flagship-web/invitations/send", status_code=200)
    async def invite(
        self,
        data: JSONBody[NewInvitation],
        account: NamedDependency[Account],
        linkedin: NamedDependency[LinkedIn],
    ) -> dict[str, object]:
        person = linkedin.person(data.of)
        match linkedin.network.invite(account, person, data.note.strip()):
            case Invited():
                return {"toast": f"Your invitation to {person.name} was sent.", "shows": "pending"}
            case "no_notes_left":
                return {"dialog": "note"}
            case reason:
                said = TOASTS[reason].format(first=person.first_name, name=person.name)
                return {
                    "toast": said,
                    "failed": True,
                    "shows": linkedin.network.relation(account.slug, data.of),
                }

    @post("/flagship-web/invitations/withdraw", status_code=200)
    async def withdraw(
        self, data: JSONBody[Pressed], account: NamedDependency[Account], linkedin: NamedDependency[LinkedIn]
    ) -> dict[str, object]:
        person = linkedin.person(data.of)
        match linkedin.network.withdraw(account, person):
            case "withdrawn":
                return {"toast": f"Invitation to {person.first_name} withdrawn.", "shows": "withdrawn"}
            case "not_kept":
                return {"toast": f"Invitation to {person.first_name} withdrawn.", "shows": "none"}
            case "refused":
                said = f"Sorry, unable to withdraw invitation to {person.first_name}. Please try again."
                now = linkedin.network.relation(account.slug, person.slug)
                return {"toast": said, "failed": True, "shows": now}

    @post("/flagship-web/invitations/{answer:str}", status_code=200)
    async def answer(
        self,
        answer: FromPath[Literal["accept", "ignore"]],
        data: JSONBody[Pressed],
        me: NamedDependency[Person],
        linkedin: NamedDependency[LinkedIn],
    ) -> dict[str, object]:
        person = linkedin.person(data.of)
        if answer == "accept":
            linkedin.network.accept(person.slug, me.slug)
        else:
            linkedin.network.ignore(person.slug, me.slug)
        return {"toast": "", "shows": linkedin.network.relation(me.slug, person.slug)}

    @post("/flagship-web/connections/remove", status_code=200)
    async def remove(
        self, data: JSONBody[Pressed], me: NamedDependency[Person], linkedin: NamedDependency[LinkedIn]
    ) -> dict[str, object]:
        linkedin.network.disconnect(me.slug, linkedin.person(data.of).slug)
        return {"toast": "", "shows": "none"}


def _dialog(linkedin: LinkedIn, pages: Pages, account: Account, person: Person, kind: str) -> Response[str]:
    return pages.page(
        "invitation_dialog.html",
        kind=kind,
        person=person,
        native=linkedin.layout.invitation == "native",
        left=linkedin.network.notes_left(account),
        limit=linkedin.network.note_limit(account),
    )
