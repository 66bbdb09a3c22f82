"""The control page of the stand-in of LinkedIn: who can sign in, how the site treats them, what happened."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal
from urllib.parse import quote

from heraldry.sandbox.linkedin.people import Challenge, Layout
from heraldry.sandbox.linkedin.site import LinkedIn
from heraldry.sandbox.web.rendering import page
from litestar import Controller, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, URLEncodedBody
from litestar.response import Redirect

CHALLENGES: dict[Challenge, str] = {
    "none": "No trouble",
    "sms": "Code by SMS",
    "email": "Code by email",
    "authenticator": "Code of an authenticator",
    "app": "Approval in the app",
    "captcha": "Captcha",
    "restricted": "Restricted account",
    "too_often": "Tried too often",
}
DONE = {
    "treated": "The account is treated like this from now on.",
    "approved": "Yes was tapped in the app.",
    "denied": "No was tapped in the app.",
    "revoked": "Every session of the account has ended.",
    "layout": "The site looks like this from now on.",
    "nobody": "Nobody waits for the app.",
}
SHOWN = 30  # effects


@dataclass(frozen=True, slots=True)
class TreatmentForm:
    challenge: Challenge


@dataclass(frozen=True, slots=True)
class AppForm:
    answer: Literal["approved", "denied"]


@dataclass(frozen=True, slots=True)
class LayoutForm:
    sign_in: Literal["classic", "formless"]


class LinkedInPagesController(Controller):
    path = "/linkedin"
    include_in_schema = False

    @get("/")
    async def home(self, linkedin: NamedDependency[LinkedIn], done: FromQuery[str] = "") -> Response[str]:
        effects = linkedin.effects()[-SHOWN:]
        return page(
            "linkedin.html",
            linkedin=linkedin,
            challenges=CHALLENGES,
            effects=[(one, ", ".join(f"{k} {v}" for k, v in one.facts.items())) for one in reversed(effects)],
            done=DONE.get(done, ""),
        )

    @post("/accounts/{email:str}/treatment")
    async def treat(
        self, email: FromPath[str], data: URLEncodedBody[TreatmentForm], linkedin: NamedDependency[LinkedIn]
    ) -> Redirect:
        scenario = linkedin.account(email).scenario
        linkedin.change_scenario(email, replace(scenario, challenge=data.challenge))
        return _back("treated", email)

    @post("/accounts/{email:str}/app")
    async def answer_in_app(
        self, email: FromPath[str], data: URLEncodedBody[AppForm], linkedin: NamedDependency[LinkedIn]
    ) -> Redirect:
        answered = linkedin.sign_in.answer_in_app(linkedin.account(email).email, data.answer)
        return _back(data.answer if answered else "nobody", email)

    @post("/accounts/{email:str}/revoke")
    async def revoke(self, email: FromPath[str], linkedin: NamedDependency[LinkedIn]) -> Redirect:
        linkedin.sign_in.revoke(linkedin.account(email).email)
        return _back("revoked", email)

    @post("/layout")
    async def change_layout(
        self, data: URLEncodedBody[LayoutForm], linkedin: NamedDependency[LinkedIn]
    ) -> Redirect:
        linkedin.change_layout(Layout(data.sign_in, cookie_banner=linkedin.layout.cookie_banner))
        return Redirect("/linkedin?done=layout#layout", status_code=303)


def _back(done: str, email: str) -> Redirect:
    return Redirect(f"/linkedin?done={done}#{quote(email)}", status_code=303)
