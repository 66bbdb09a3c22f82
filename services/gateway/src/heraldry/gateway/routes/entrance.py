"""Signing in and out, and the link that makes the first organization."""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import Annotated
from urllib.parse import urlsplit

from heraldry.contracts.base import Refused
from heraldry.gateway.application import Admin
from heraldry.gateway.domain.user import SHORTEST_PASSWORD
from heraldry.gateway.pages.forms import FirstAdminForm, SignInForm, filled
from heraldry.gateway.pages.models import FirstAdminPage, LinkGonePage, Shell, SignInPage
from heraldry.gateway.routes.shown import (
    asked_id,
    errors_of,
    html,
    is_answerable,
    posted,
    reader_zone,
    redirect,
)
from heraldry.gateway.sessions import LIFETIME
from heraldry.gateway.signing_in import sign_in
from heraldry.gateway.state import SESSION_COOKIE, VISITOR_COOKIE, AnyRequest, Gateway, session_of, token_of
from litestar import Controller, Response, get, post
from litestar.datastructures import Cookie
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter


class EntranceController(Controller):
    include_in_schema = False

    @get("/sign-in")
    async def show(
        self,
        request: AnyRequest,
        gateway: NamedDependency[Gateway],
        back: Annotated[str, QueryParameter(name="next")] = "/",
    ) -> Response[str]:
        if await session_of(request, gateway) is not None:
            return redirect(request, own_path(back))
        shell, cookies = visitor(request, gateway)
        return html("sign_in.html", shell, SignInPage(next=own_path(back)), cookies=cookies)

    @post("/sign-in", status_code=200)
    async def sign_in(self, request: AnyRequest, gateway: NamedDependency[Gateway]) -> Response[str]:
        form = await posted(request)
        back = own_path(form.text("next"))
        try:
            session = await sign_in(gateway, request, form.text("email"), form.raw("password"))
        except Refused as refusal:
            if refusal.status not in {401, 429}:
                raise
            shell, cookies = visitor(request, gateway)
            until = refusal.extra.get("until")
            page = SignInPage(
                form=filled(SignInForm, form.values, {} if until else errors_of(refusal)),
                next=back,
                try_again_at=datetime.fromisoformat(until) if until else None,
            )
            return html("sign_in.html", shell, page, status=422, cookies=cookies)
        return redirect(request, back, cookies=[session_cookie(gateway, session.token)])

    @post("/sign-out", status_code=200)
    async def sign_out(self, request: AnyRequest, gateway: NamedDependency[Gateway]) -> Response[str]:
        if token := token_of(request):
            await gateway.sessions.end(token)
        return redirect(request, "/sign-in", cookies=[Cookie(SESSION_COOKIE, value="", max_age=0, path="/")])

    @get("/first/{token:str}")
    async def first(
        self, token: FromPath[str], request: AnyRequest, gateway: NamedDependency[Gateway]
    ) -> Response[str]:
        shell, cookies = visitor(request, gateway)
        try:
            await gateway.application.check_first_link(token)
        except Refused as refusal:
            return gone(shell, refusal)
        page = FirstAdminPage(action=f"/first/{token}", password_length=SHORTEST_PASSWORD)
        return html("first_admin.html", shell, page, cookies=cookies)

    @post("/first/{token:str}", status_code=200)
    async def found(
        self, token: FromPath[str], request: AnyRequest, gateway: NamedDependency[Gateway]
    ) -> Response[str]:
        form = await posted(request)
        admin = Admin(form.text("name"), form.text("email"), form.raw("password"))
        try:
            founded = await gateway.application.use_first_link(
                asked_id(form), token, form.text("organization"), form.text("zone") or "UTC", admin
            )
        except Refused as refusal:
            shell, cookies = visitor(request, gateway)
            if refusal.code.startswith("first-admin."):
                return gone(shell, refusal)
            if not is_answerable(refusal):
                raise
            page = FirstAdminPage(
                action=f"/first/{token}",
                form=filled(FirstAdminForm, form.values, errors_of(refusal)),
                password_length=SHORTEST_PASSWORD,
            )
            return html("first_admin.html", shell, page, status=422, cookies=cookies)
        gateway.first_link_used()
        session = await gateway.sessions.begin(founded.user, founded.organization, "admin")
        cookies = [session_cookie(gateway, session.token)]
        return redirect(request, "/identities", positions=[founded.position], cookies=cookies)


def gone(shell: Shell, refusal: Refused) -> Response[str]:
    used = refusal.code == "first-admin.link-used"
    return html("link_gone.html", shell, LinkGonePage("used" if used else "unknown"), status=refusal.status)


def visitor(request: AnyRequest, gateway: Gateway) -> tuple[Shell, list[Cookie]]:
    """The shell for somebody unknown; a cookie of their own binds the form's CSRF token to this browser."""
    token = request.cookies.get(VISITOR_COOKIE, "")
    cookies: list[Cookie] = []
    if not token:
        token = secrets.token_urlsafe(24)
        cookies.append(_cookie(gateway, VISITOR_COOKIE, token))
    return Shell(csrf=gateway.sessions.csrf(token), zone=reader_zone(request, "UTC")), cookies


def session_cookie(gateway: Gateway, token: str) -> Cookie:
    return _cookie(gateway, SESSION_COOKIE, token)


def own_path(back: str) -> str:
    """A path of this site, whatever was asked for."""
    parts = urlsplit(back)
    if parts.scheme or parts.netloc or not back.startswith("/") or back.startswith(("//", "/\\")):
        return "/"
    return back


def _cookie(gateway: Gateway, name: str, value: str) -> Cookie:
    age = int(LIFETIME.total_seconds())
    return Cookie(
        name, value=value, max_age=age, path="/", httponly=True, samesite="lax", secure=gateway.secure
    )
