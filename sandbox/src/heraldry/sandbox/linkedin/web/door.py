"""Who may see what: everything before a page of the stand-in is made."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from heraldry.sandbox.linkedin.people import Account, Person
from heraldry.sandbox.linkedin.signin import SignedIn
from heraldry.sandbox.linkedin.site import LinkedIn
from heraldry.sandbox.web.guard import check
from litestar import MediaType, Request, Response
from litestar.datastructures import Cookie
from litestar.response import Redirect

SESSION, TOKEN = "li_at", "JSESSIONID"
KEPT_FOR = 365 * 24 * 3600  # seconds
GUESTS = ("/login", "/uas", "/checkpoint", "/authwall", "/404", "/sc", "/m/logout")  # and what is below them
REFUSALS = {"429": (429, "Too many requests."), "999": (999, "Request denied.")}


class TokenCookie(Cookie):
    """Its value is in quotes, though nothing in it needs them: pages of the site rely on that."""

    def to_header(self, **_: object) -> str:
        return f'{self.key}="{self.value}"; Path={self.path}; SameSite={self.samesite}'


async def admit(request: Request[Any, Any, Any]) -> Response[Any] | None:
    """Runs before every page: guests are sent to the sign-in page, unless the page is for them."""
    check(request)
    linkedin: LinkedIn = request.app.state.linkedin
    path = request.url.path
    if path == "/" or any(path == one or path.startswith(one + "/") for one in GUESTS):
        return None
    cookie = request.cookies.get(SESSION, "")
    session = linkedin.sign_in.session(cookie)
    if session is None or session.revoked:
        answer = _to_sign_in(path)
        if session:
            linkedin.sign_in.forget(cookie)
            answer.set_cookie(Cookie(SESSION, value="delete me", path="/", max_age=0))
        return answer
    request.state.account = linkedin.account(session.email)
    if refused := REFUSALS.get(request.state.account.scenario.answers):
        status, words = refused
        return Response(words, media_type=MediaType.TEXT, status_code=status)
    if request.headers.get("sec-fetch-dest", "document") == "document":
        if instead := _instead(linkedin, request.state.account):
            return instead
        linkedin.count_page(request.state.account)
    if path.startswith("/flagship-web/"):
        await asyncio.sleep(linkedin.layout.slow_dialogs)
    if path.startswith(("/voyager/", "/flagship-web/")) and not _has_token(request):
        return Response("CSRF check failed.", media_type=MediaType.TEXT, status_code=403)
    return None


def _instead(linkedin: LinkedIn, account: Account) -> Response[Any] | None:
    """What comes in place of any page."""
    match account.scenario.answers:
        case "empty":
            return Response("<!doctype html><html><body></body></html>", media_type=MediaType.HTML)
        case "restricted":
            return Redirect("/checkpoint/restricted", status_code=302)
        case "checkpoint":
            linkedin.change_scenario(account.email, replace(account.scenario, answers="pages"))
            asked = linkedin.sign_in.ask_again(account.email)
            return Redirect(f"/checkpoint/challenge/{asked.challenge}", status_code=302)
        case _:
            return None


def account_of(request: Request[Any, Any, Any]) -> Account:
    """Whose session it is; for pages that `admit` keeps from guests."""
    return request.state.account


def own_person(request: Request[Any, Any, Any]) -> Person:
    linkedin: LinkedIn = request.app.state.linkedin
    return linkedin.person(account_of(request).slug)


def is_signed_in(request: Request[Any, Any, Any], linkedin: LinkedIn) -> bool:
    session = linkedin.sign_in.session(request.cookies.get(SESSION, ""))
    return session is not None and not session.revoked


def let_in(entered: SignedIn, then: str = "") -> Redirect:
    """To the feed, or the page that was asked for, with the session's cookies."""
    answer = Redirect(own_path(then), status_code=303)
    give_session(answer, entered)
    return answer


def give_session(answer: Response[Any], entered: SignedIn) -> None:
    answer.set_cookie(
        Cookie(SESSION, value=entered.session, path="/", max_age=KEPT_FOR, httponly=True, samesite="lax")
    )
    answer.set_cookie(TokenCookie(TOKEN, value=f"ajax:{secrets.randbelow(10**19):019}"))


def own_path(then: str) -> str:
    """The path to go to, if it is one of this site; else the feed's."""
    return then if then.startswith("/") and not then.startswith(("//", "/\\")) else "/feed/"


def _to_sign_in(path: str) -> Redirect:
    if path.startswith("/in/"):
        asked = urlencode({"trk": "bf", "sessionRedirect": path})
        return Redirect(f"/authwall?{asked}", status_code=302)
    return Redirect(f"/uas/login?{urlencode({'session_redirect': path})}", status_code=302)


def _has_token(request: Request[Any, Any, Any]) -> bool:
    own = request.cookies.get(TOKEN, "").strip('"')
    return bool(own) and request.headers.get("csrf-token", "") == own
