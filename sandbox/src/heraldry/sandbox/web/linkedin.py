"""The control page of the stand-in of LinkedIn: who can sign in, how the site treats them, what happened."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Literal
from urllib.parse import quote

from heraldry.sandbox.linkedin.people import (
    Answers,
    Challenge,
    InvitationOutcome,
    MessageOutcome,
    SignInLayout,
    WithdrawalOutcome,
)
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
    "phone": "A phone number",
    "identity": "A document",
    "agree": "New terms",
}
INVITATIONS: dict[InvitationOutcome, str] = {
    "sent": "Are sent",
    "not_kept": "Are said to be sent, and are not",
    "weekly_limit": "Weekly limit, told before",
    "weekly_limit_afterwards": "Weekly limit, told afterwards",
    "slow_down": "Not now, try later",
}
WITHDRAWALS: dict[WithdrawalOutcome, str] = {
    "withdrawn": "Are made",
    "not_kept": "Are said to be made, and are not",
    "refused": "Are refused",
    "accepted_meanwhile": "Come too late: accepted in that moment",
    "names_another": "Are asked about for another person",
}
MESSAGES: dict[MessageOutcome, str] = {
    "sent": "Are sent",
    "failed": "Are said to have failed",
    "not_kept": "Are said to be sent, and are not",
    "never_ready": "Can be typed, and Send stays off",
}
ANSWERS: dict[Answers, str] = {
    "pages": "As asked",
    "restricted": "The account is restricted",
    "checkpoint": "Once: a code is asked for",
    "429": "Too many requests",
    "999": "Request denied",
    "empty": "Nothing",
}
SIGN_INS: dict[SignInLayout, str] = {
    "classic": "with a form",
    "formless": "without a form",
    "welcome_back": "for one who comes back",
    "chooser": "with accounts to choose from",
}
DONE = {
    "accepted": "The invitation was accepted.",
    "ignored": "The invitation was declined; who invited is not told.",
    "invited": "The account has an invitation.",
    "written": "The message was delivered.",
    "empty": "Write something first.",
    "treated": "The account is treated like this from now on.",
    "approved": "Yes was tapped in the app.",
    "denied": "No was tapped in the app.",
    "revoked": "Every session of the account has ended.",
    "layout": "The site looks like this from now on.",
    "nobody": "Nobody waits for the app.",
}
SHOWN = 30  # effects, and invitations and connections of an account


@dataclass(frozen=True, slots=True)
class TreatmentForm:
    challenge: Challenge
    invitation: InvitationOutcome
    withdrawal: WithdrawalOutcome
    message: MessageOutcome
    answers: Answers


@dataclass(frozen=True, slots=True)
class AppForm:
    answer: Literal["approved", "denied"]


@dataclass(frozen=True, slots=True)
class AnswerForm:
    slug: str
    answer: Literal["accepted", "ignored"] = "accepted"


@dataclass(frozen=True, slots=True)
class InviteForm:
    slug: str


@dataclass(frozen=True, slots=True)
class WriteForm:
    slug: str
    text: str = ""


@dataclass(frozen=True, slots=True)
class LayoutForm:
    sign_in: SignInLayout
    profile: Literal["sdui", "legacy"]
    invitation: Literal["shadow", "native"]


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
            invitations=INVITATIONS,
            withdrawals=WITHDRAWALS,
            messages=MESSAGES,
            answers=ANSWERS,
            sign_ins=SIGN_INS,
            effects=[(one, ", ".join(f"{k} {v}" for k, v in one.facts.items())) for one in reversed(effects)],
            shown=SHOWN,
            done=DONE.get(done, ""),
        )

    @post("/accounts/{email:str}/treatment")
    async def treat(
        self, email: FromPath[str], data: URLEncodedBody[TreatmentForm], linkedin: NamedDependency[LinkedIn]
    ) -> Redirect:
        linkedin.change_scenario(email, replace(linkedin.account(email).scenario, **asdict(data)))
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

    @post("/accounts/{email:str}/answer")
    async def answer(
        self, email: FromPath[str], data: URLEncodedBody[AnswerForm], linkedin: NamedDependency[LinkedIn]
    ) -> Redirect:
        """As the person who was invited."""
        me, person = linkedin.account(email).slug, linkedin.person(data.slug).slug
        if data.answer == "accepted":
            linkedin.network.accept(me, person)
        else:
            linkedin.network.ignore(me, person)
        return _back(data.answer, email)

    @post("/accounts/{email:str}/invite")
    async def invite(
        self, email: FromPath[str], data: URLEncodedBody[InviteForm], linkedin: NamedDependency[LinkedIn]
    ) -> Redirect:
        """As somebody who wants to be connected."""
        me, person = linkedin.account(email).slug, linkedin.person(data.slug)
        linkedin.network.receive(person.slug, me)
        return _back("invited", email)

    @post("/accounts/{email:str}/write")
    async def write(
        self, email: FromPath[str], data: URLEncodedBody[WriteForm], linkedin: NamedDependency[LinkedIn]
    ) -> Redirect:
        """As the person who is connected."""
        me, person = linkedin.account(email).slug, linkedin.person(data.slug)
        if not data.text.strip():
            return _back("empty", email)
        linkedin.messaging.reply(person.slug, me, data.text)
        return _back("written", email)

    @post("/layout")
    async def change_layout(
        self, data: URLEncodedBody[LayoutForm], linkedin: NamedDependency[LinkedIn]
    ) -> Redirect:
        linkedin.change_layout(replace(linkedin.layout, **asdict(data)))
        return Redirect("/linkedin?done=layout#layout", status_code=303)


def _back(done: str, email: str) -> Redirect:
    return Redirect(f"/linkedin?done={done}#{quote(email)}", status_code=303)
