"""The control API of the stand-in of LinkedIn, JSON under /control/v1/linkedin."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from heraldry.sandbox.linkedin.people import (
    Account,
    Answers,
    Challenge,
    InvitationOutcome,
    Layout,
    MessageOutcome,
    SignInLayout,
    WithdrawalOutcome,
)
from heraldry.sandbox.linkedin.site import LinkedIn
from litestar import Controller, get, patch, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


@dataclass(frozen=True, slots=True)
class NewMember:
    email: str
    password: str | None = None
    name: str = ""
    slug: str = ""


@dataclass(frozen=True, slots=True)
class NewLinkedInPassword:
    password: str


@dataclass(frozen=True, slots=True)
class ScenarioChange:
    """Only what is given changes."""

    challenge: Challenge | None = None
    only_by: Literal["", "google", "microsoft", "apple", "passkey"] | None = None
    only_by_shows: Literal["one_time_link", "wrong_password"] | None = None
    sales_navigator: bool | None = None
    premium: bool | None = None
    notes: int | None = None
    weekly_invitations: int | None = None
    invitation: InvitationOutcome | None = None
    withdrawal: WithdrawalOutcome | None = None
    message: MessageOutcome | None = None
    pages_until_revoked: int | None = None
    answers: Answers | None = None


@dataclass(frozen=True, slots=True)
class LayoutChange:
    """Only what is given changes."""

    sign_in: SignInLayout | None = None
    welcomes: str | None = None
    cookie_banner: bool | None = None
    profile: Literal["sdui", "legacy"] | None = None
    invitation: Literal["shadow", "native"] | None = None
    slow_dialogs: float | None = None


@dataclass(frozen=True, slots=True)
class InApp:
    answer: Literal["approved", "denied"] = "approved"


class LinkedInControlController(Controller):
    path = "/control/v1/linkedin"

    @get("/accounts", summary="All accounts of the stand-in of LinkedIn, with passwords and open codes")
    async def accounts(self, linkedin: NamedDependency[LinkedIn]) -> list[dict[str, object]]:
        return [member_json(linkedin, account) for account in linkedin.accounts()]

    @post("/accounts", summary="Make an account and its profile; without a password one is made")
    async def add_account(
        self, data: JSONBody[NewMember], linkedin: NamedDependency[LinkedIn]
    ) -> dict[str, object]:
        made = linkedin.add_account(data.email, data.password, name=data.name, slug=data.slug)
        return member_json(linkedin, made)

    @get("/accounts/{email:str}", summary="One account")
    async def account(self, email: FromPath[str], linkedin: NamedDependency[LinkedIn]) -> dict[str, object]:
        return member_json(linkedin, linkedin.account(email))

    @put("/accounts/{email:str}/password", summary="Change a password; every session ends")
    async def change_password(
        self, email: FromPath[str], data: JSONBody[NewLinkedInPassword], linkedin: NamedDependency[LinkedIn]
    ) -> dict[str, object]:
        return member_json(linkedin, linkedin.change_password(email, data.password))

    @patch("/accounts/{email:str}/scenario", summary="Treat the account differently from now on")
    async def change_scenario(
        self, email: FromPath[str], data: JSONBody[ScenarioChange], linkedin: NamedDependency[LinkedIn]
    ) -> dict[str, object]:
        scenario = replace(linkedin.account(email).scenario, **given(data))
        return member_json(linkedin, linkedin.change_scenario(email, scenario))

    @post("/accounts/{email:str}/app", status_code=200, summary="Tap Yes or No in the app")
    async def answer_in_app(
        self, email: FromPath[str], data: JSONBody[InApp], linkedin: NamedDependency[LinkedIn]
    ) -> dict[str, int]:
        return {"answered": linkedin.sign_in.answer_in_app(linkedin.account(email).email, data.answer)}

    @post("/accounts/{email:str}/expire", status_code=200, summary="Let codes and waits for the app run out")
    async def expire(self, email: FromPath[str], linkedin: NamedDependency[LinkedIn]) -> dict[str, int]:
        return {"expired": linkedin.sign_in.expire(linkedin.account(email).email)}

    @post(
        "/accounts/{email:str}/revoke",
        status_code=200,
        summary="End every session, as LinkedIn does by itself",
    )
    async def revoke(self, email: FromPath[str], linkedin: NamedDependency[LinkedIn]) -> dict[str, int]:
        return {"revoked": linkedin.sign_in.revoke(linkedin.account(email).email)}

    @get("/accounts/{email:str}/network", summary="Whom the account has invited, knows and writes with")
    async def network(self, email: FromPath[str], linkedin: NamedDependency[LinkedIn]) -> dict[str, object]:
        me = linkedin.account(email).slug
        return {
            "sent": [asdict(one) for one in linkedin.network.sent(me)],
            "received": [asdict(one) for one in linkedin.network.received(me)],
            "connections": [slug for slug, _ in linkedin.network.connections(me)],
            "conversations": {k: asdict(one) for k, one in linkedin.messaging.conversations(me).items()},
        }

    @get("/layout", summary="What the site looks like to everybody")
    async def layout(self, linkedin: NamedDependency[LinkedIn]) -> Layout:
        return linkedin.layout

    @patch("/layout", summary="Change what the site looks like")
    async def change_layout(
        self, data: JSONBody[LayoutChange], linkedin: NamedDependency[LinkedIn]
    ) -> Layout:
        return linkedin.change_layout(replace(linkedin.layout, **given(data)))

    @get("/effects", summary="What truly happened at the stand-in, after the effect with number `since`")
    async def effects(
        self, linkedin: NamedDependency[LinkedIn], since: FromQuery[int] = 0
    ) -> list[dict[str, object]]:
        return [effect.as_json() for effect in linkedin.effects(since)]


def member_json(linkedin: LinkedIn, account: Account) -> dict[str, object]:
    return {
        **asdict(account),
        "name": linkedin.person(account.slug).name,
        "sessions": linkedin.sign_in.sessions(account.email),
        "challenges": [
            {"kind": one.kind, "by": one.by, "code": one.code, "expired": linkedin.sign_in.is_expired(one)}
            for one in linkedin.sign_in.challenges(account.email).values()
        ],
    }


def given(change: DataclassInstance) -> dict[str, Any]:
    """What a change says; what it leaves out is None."""
    return {name: value for name, value in asdict(change).items() if value is not None}
