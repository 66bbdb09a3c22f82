"""The pages of somebody who is signed in: the feed, the own profile, the way to Sales Navigator."""

from __future__ import annotations

import secrets
from typing import Any

from heraldry.sandbox.linkedin.people import Account, Person
from heraldry.sandbox.linkedin.site import LinkedIn
from heraldry.sandbox.linkedin.web.rendering import Pages, photo, photo_path
from litestar import Controller, Response, get
from litestar.datastructures import Cookie
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Redirect


class MemberController(Controller):
    path = "/"

    @get("/feed")
    async def to_feed(self) -> Redirect:
        return Redirect("/feed/foryou/", status_code=302)

    @get("/feed/foryou")
    async def feed(
        self, me: NamedDependency[Person], account: NamedDependency[Account], pages: NamedDependency[Pages]
    ) -> Response[str]:
        return pages.page("feed.html", me=me, account=account)

    @get("/in/me")
    async def to_own_profile(self, me: NamedDependency[Person]) -> Redirect:
        return Redirect(f"/in/{me.slug}/", status_code=302)

    @get("/notifications")
    async def notifications(
        self, me: NamedDependency[Person], account: NamedDependency[Account], pages: NamedDependency[Pages]
    ) -> Response[str]:
        return pages.page("notifications.html", me=me, account=account)

    @get("/404")
    async def not_found(self, pages: NamedDependency[Pages]) -> Response[str]:
        return pages.page("not_found.html", status=404)

    @get("/sales/home")
    async def sales_navigator(
        self, me: NamedDependency[Person], account: NamedDependency[Account], pages: NamedDependency[Pages]
    ) -> Response[str] | Redirect:
        if not account.scenario.sales_navigator:
            return Redirect("/premium/products/?utype=sales", status_code=302)
        answer = pages.page("sales.html", me=me, account=account)
        answer.set_cookie(
            Cookie("li_ep_auth_context", value=secrets.token_urlsafe(24), path="/", httponly=True)
        )
        return answer

    @get("/premium/products")
    async def premium(
        self, me: NamedDependency[Person], account: NamedDependency[Account], pages: NamedDependency[Pages]
    ) -> Response[str]:
        return pages.page("premium.html", me=me, account=account)

    @get("/voyager/api/me")
    async def who_am_i(
        self, me: NamedDependency[Person], account: NamedDependency[Account]
    ) -> dict[str, Any]:
        urn = f"urn:li:fs_miniProfile:{me.profile_id}"
        profile = {
            "$type": "com.linkedin.voyager.identity.shared.MiniProfile",
            "entityUrn": urn,
            "dashEntityUrn": f"urn:li:fsd_profile:{me.profile_id}",
            "firstName": me.first_name,
            "lastName": me.last_name,
            "occupation": me.headline,
            "publicIdentifier": me.slug,
            "picture": _picture(me) if me.picture else None,
        }
        data = {"plainId": me.member, "*miniProfile": urn, "premiumSubscriber": account.scenario.premium}
        return {"data": data, "included": [profile]}

    @get("/dms/image/v2/{profile_id:str}/{form:str}/{rest:path}")
    async def picture(
        self, profile_id: FromPath[str], linkedin: NamedDependency[LinkedIn]
    ) -> Response[bytes] | Redirect:
        person = linkedin.with_profile_id(profile_id)
        if person and person.picture:
            return Response(photo(person), media_type="image/png")
        return Redirect("/404/", status_code=302)


def _picture(person: Person) -> dict[str, Any]:
    root, _, segment = photo_path(person).rpartition("scale_")
    return {
        "rootUrl": root,
        "artifacts": [{"width": 200, "height": 200, "fileIdentifyingUrlPathSegment": "scale_" + segment}],
    }
