"""The pages of somebody who is not signed in (yet)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlencode

from heraldry.sandbox.linkedin.people import Person
from heraldry.sandbox.linkedin.signin import Challenged, SignedIn
from heraldry.sandbox.linkedin.site import LinkedIn
from heraldry.sandbox.linkedin.web.door import SESSION, TOKEN, give_session, is_signed_in, let_in
from heraldry.sandbox.linkedin.web.rendering import Pages
from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, URLEncodedBody
from litestar.response import Redirect


@dataclass(frozen=True, slots=True)
class SignInForm:
    session_key: str = ""
    session_password: str = ""
    session_redirect: str = ""


@dataclass(frozen=True, slots=True)
class CodeForm:
    challengeId: str  # noqa: N815  the site's own name
    pin: str = ""


@dataclass(frozen=True, slots=True)
class ChallengeForm:
    challengeId: str  # noqa: N815  the site's own name


class SignInController(Controller):
    path = "/"

    @get("/")
    async def front(
        self,
        request: Request[Any, Any, Any],
        linkedin: NamedDependency[LinkedIn],
        pages: NamedDependency[Pages],
    ) -> Response[str] | Redirect:
        if is_signed_in(request, linkedin):
            return Redirect("/feed/", status_code=302)
        return pages.page("front.html")

    @get(["/login", "/uas/login", "/checkpoint/lg/login"])
    async def sign_in(
        self,
        request: Request[Any, Any, Any],
        linkedin: NamedDependency[LinkedIn],
        pages: NamedDependency[Pages],
        session_redirect: FromQuery[str] = "",
        errorKey: FromQuery[str] = "",  # noqa: N803  the site's own name
        chosen: FromQuery[Literal["", "known", "another"]] = "",
    ) -> Response[str] | Redirect:
        if is_signed_in(request, linkedin):
            return Redirect("/feed/", status_code=302)
        form = SignInForm(session_redirect=session_redirect)
        return _sign_in_page(linkedin, pages, form, errorKey, chosen=chosen)

    @get("/authwall")
    async def wall(
        self,
        pages: NamedDependency[Pages],
        sessionRedirect: FromQuery[str] = "",  # noqa: N803  the site's own name
    ) -> Response[str]:
        return pages.page("wall.html", asked=urlencode({"session_redirect": sessionRedirect}))

    @post("/checkpoint/lg/login-submit", status_code=200)
    async def submit(
        self,
        data: URLEncodedBody[SignInForm],
        linkedin: NamedDependency[LinkedIn],
        pages: NamedDependency[Pages],
    ) -> Response[str] | Redirect:
        match linkedin.sign_in.try_password(data.session_key, data.session_password):
            case SignedIn() as entered:
                return let_in(entered, data.session_redirect)
            case Challenged(key):
                challenge = linkedin.sign_in.challenge(key)
                area = "challengesV2" if challenge and challenge.kind == "app" else "challenge"
                return Redirect(f"/checkpoint/{area}/{key}", status_code=303)
            case "too_often":
                return Redirect("/login?errorKey=challenge_global_internal_error", status_code=303)
            case refused:
                return _sign_in_page(linkedin, pages, data, refused)

    @get(["/checkpoint/challenge/{key:str}", "/checkpoint/challengesV2/{key:str}"])
    async def challenge(
        self, key: FromPath[str], linkedin: NamedDependency[LinkedIn], pages: NamedDependency[Pages]
    ) -> Response[str] | Redirect:
        return _challenge_page(linkedin, pages, key)

    @post("/checkpoint/challenge/verify", status_code=200)
    async def verify(
        self,
        data: URLEncodedBody[CodeForm],
        linkedin: NamedDependency[LinkedIn],
        pages: NamedDependency[Pages],
    ) -> Response[str] | Redirect:
        match linkedin.sign_in.enter_code(data.challengeId, data.pin):
            case SignedIn() as entered:
                return let_in(entered)
            case None:
                return Redirect("/login", status_code=303)
            case refused:
                return _challenge_page(linkedin, pages, data.challengeId, refused)

    @post("/checkpoint/challenge/resend", status_code=200)
    async def resend(
        self,
        data: URLEncodedBody[ChallengeForm],
        linkedin: NamedDependency[LinkedIn],
        pages: NamedDependency[Pages],
    ) -> Response[str] | Redirect:
        said = "resent" if linkedin.sign_in.resend(data.challengeId) else ""
        return _challenge_page(linkedin, pages, data.challengeId, said)

    @post("/checkpoint/challenge/another-way", status_code=200)
    async def another_way(
        self, data: URLEncodedBody[ChallengeForm], linkedin: NamedDependency[LinkedIn]
    ) -> Redirect:
        linkedin.sign_in.verify_by_sms_instead(data.challengeId)
        return Redirect(f"/checkpoint/challenge/{data.challengeId}", status_code=303)

    @post("/checkpoint/challenge/{key:str}/poll", status_code=200)
    async def poll(self, key: FromPath[str], linkedin: NamedDependency[LinkedIn]) -> Response[dict[str, str]]:
        match linkedin.sign_in.poll_app(key):
            case SignedIn() as entered:
                answer = Response({"status": "approved"})
                give_session(answer, entered)
                return answer
            case said:
                return Response({"status": said})

    @post("/checkpoint/challenge/agree", status_code=200)
    async def agree(
        self, data: URLEncodedBody[ChallengeForm], linkedin: NamedDependency[LinkedIn]
    ) -> Redirect:
        entered = linkedin.sign_in.agree(data.challengeId)
        return let_in(entered) if entered else Redirect("/login", status_code=303)

    @get("/checkpoint/restricted")
    async def restricted(self, pages: NamedDependency[Pages]) -> Response[str]:
        return pages.page("challenge_restricted.html")

    @get("/checkpoint/captcha")
    async def captcha(self, pages: NamedDependency[Pages]) -> Response[str]:
        return pages.page("captcha.html")

    @get("/checkpoint/rp/request-password-reset")
    async def reset_password(self, pages: NamedDependency[Pages]) -> Response[str]:
        return pages.page("reset.html")

    @get("/m/logout")
    async def sign_out(
        self, request: Request[Any, Any, Any], linkedin: NamedDependency[LinkedIn]
    ) -> Redirect:
        linkedin.sign_in.sign_out(request.cookies.get(SESSION, ""))
        answer = Redirect("/", status_code=302)
        answer.delete_cookie(SESSION)
        answer.delete_cookie(TOKEN)
        return answer


def _sign_in_page(
    linkedin: LinkedIn,
    pages: Pages,
    form: SignInForm,
    error: str,
    chosen: Literal["", "known", "another"] = "",
) -> Response[str]:
    layout = linkedin.layout
    known = _known(linkedin, form) if chosen != "another" else None
    choosing = layout.sign_in == "chooser" and not chosen and not error
    if known and choosing:
        return pages.page("chooser.html", known=known)
    name = "formless.html" if layout.sign_in == "formless" else "sign_in.html"
    return pages.page(name, layout=layout, form=form, error=error, known=known)


def _known(linkedin: LinkedIn, form: SignInForm) -> tuple[str, Person] | None:
    """Email and person that a page for those who come back greets."""
    layout = linkedin.layout
    email = layout.welcomes or linkedin.sign_in.last()
    if layout.sign_in not in {"welcome_back", "chooser"} or form.session_key not in {"", email}:
        return None
    found = next((one for one in linkedin.accounts() if one.email == email), None)
    return (email, linkedin.person(found.slug)) if found else None


def _challenge_page(linkedin: LinkedIn, pages: Pages, key: str, said: str = "") -> Response[str] | Redirect:
    challenge = linkedin.sign_in.challenge(key)
    if challenge is None:
        return Redirect("/login", status_code=303)
    return pages.page(f"challenge_{challenge.kind}.html", key=key, challenge=challenge, said=said)
