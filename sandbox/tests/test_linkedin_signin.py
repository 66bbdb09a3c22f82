"""Signing in to the stand-in of LinkedIn, by its addresses, with its log of effects as the judge."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from heraldry.sandbox.linkedin.people import Challenge, Layout, Scenario
from heraldry.sandbox.linkedin.site import LinkedIn
from heraldry.sandbox.linkedin.web.application import site_application

pytestmark = pytest.mark.parts
ADA = "ada@northwind.example"
BASE = "http://127.0.0.1:18443"


class Clock:
    def __init__(self) -> None:
        self.time = datetime(2026, 11, 1, tzinfo=UTC)

    def now(self) -> datetime:
        return self.time


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def linkedin(tmp_path: Path, clock: Clock) -> AsyncGenerator[LinkedIn]:
    found = LinkedIn(tmp_path, BASE, now=clock.now)
    yield found
    found.close()


@pytest.fixture
async def web(linkedin: LinkedIn) -> AsyncGenerator[httpx.AsyncClient]:
    async with browser_of(linkedin) as client:
        yield client


def browser_of(linkedin: LinkedIn) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app=site_application(linkedin), raise_app_exceptions=False)  # pyright: ignore[reportArgumentType]  httpx has a type of its own for ASGI
    return httpx.AsyncClient(transport=transport, base_url=BASE, follow_redirects=True)


def treat(linkedin: LinkedIn, **how: object) -> None:
    linkedin.change_scenario(ADA, replace(Scenario(), **how))  # pyright: ignore[reportArgumentType]  by name


async def enter(web: httpx.AsyncClient, linkedin: LinkedIn, *, password: str | None = None) -> httpx.Response:
    given = linkedin.account(ADA).password if password is None else password
    return await web.post("/checkpoint/lg/login-submit", data={"session_key": ADA, "session_password": given})


def happened(linkedin: LinkedIn) -> list[str]:
    return [one.what for one in linkedin.effects()]


async def test_the_right_password_leads_to_the_feed(web: httpx.AsyncClient, linkedin: LinkedIn) -> None:
    refused = await web.get("/feed/")
    assert refused.url.path == "/uas/login"
    entered = await enter(web, linkedin)
    assert entered.url.path == "/feed/foryou/"
    own = await web.get("/in/me/")
    assert own.url.path == "/in/ada-bergstrom/"
    assert "/in/ada-bergstrom/edit/intro/" in own.text
    assert happened(linkedin) == ["sign-in posted", "signed in", "profile read"]
    left = await web.get("/m/logout/")
    assert left.url.path == "/"
    assert (await web.get("/feed/")).url.path == "/uas/login"


async def test_the_log_has_no_password_and_no_code(
    web: httpx.AsyncClient, linkedin: LinkedIn, tmp_path: Path
) -> None:
    treat(linkedin, challenge="sms")
    asked = await enter(web, linkedin)
    (key,) = linkedin.sign_in.challenges(ADA)
    code = linkedin.sign_in.challenges(ADA)[key].code
    assert code not in asked.text
    await web.post("/checkpoint/challenge/verify", data={"challengeId": key, "pin": code})
    log = (tmp_path / "effects.jsonl").read_text()
    assert code not in log
    assert linkedin.account(ADA).password not in log


@pytest.mark.parametrize(
    ("email", "password", "outcome", "says"),
    [
        ("nobody@northwind.example", "x", "email_unknown", "Couldn’t find a LinkedIn account"),
        (ADA, "x", "password_wrong", "That&#39;s not the right password|That's not the right password"),
        (ADA, "", "password_missing", "Please enter a password"),
        ("", "x", "email_missing", "Please enter an email address or phone number."),
    ],
)
async def test_what_is_wrong_is_said_beside_the_field(
    web: httpx.AsyncClient, linkedin: LinkedIn, email: str, password: str, outcome: str, says: str
) -> None:
    answer = await web.post(
        "/checkpoint/lg/login-submit", data={"session_key": email, "session_password": password}
    )
    assert answer.url.path == "/checkpoint/lg/login-submit"
    assert any(words in answer.text for words in says.split("|"))
    (effect,) = linkedin.effects()
    assert (effect.what, effect.facts) == ("sign-in posted", {"account": email, "outcome": outcome})


@pytest.mark.parametrize("by", ["sms", "email", "authenticator"])
async def test_a_code_can_be_wrong_then_right(
    web: httpx.AsyncClient, linkedin: LinkedIn, by: Challenge
) -> None:
    treat(linkedin, challenge=by)
    asked = await enter(web, linkedin)
    assert asked.url.path.startswith("/checkpoint/challenge/")
    ((key, challenge),) = linkedin.sign_in.challenges(ADA).items()
    wrong = await web.post("/checkpoint/challenge/verify", data={"challengeId": key, "pin": "no"})
    assert "isn't valid" in wrong.text
    right = await web.post("/checkpoint/challenge/verify", data={"challengeId": key, "pin": challenge.code})
    assert right.url.path == "/feed/foryou/"
    again = await web.post("/checkpoint/challenge/verify", data={"challengeId": key, "pin": challenge.code})
    assert again.url.path == "/feed/foryou/"  # by way of /login: nothing is asked for any more
    assert happened(linkedin) == [
        "sign-in posted",
        "challenged",
        "code entered",
        "code entered",
        "signed in",
    ]


async def test_an_expired_code_can_be_sent_again(
    web: httpx.AsyncClient, linkedin: LinkedIn, clock: Clock
) -> None:
    treat(linkedin, challenge="sms")
    await enter(web, linkedin)
    ((key, challenge),) = linkedin.sign_in.challenges(ADA).items()
    old = challenge.code
    clock.time += timedelta(minutes=15)
    late = await web.post("/checkpoint/challenge/verify", data={"challengeId": key, "pin": old})
    assert "has expired" in late.text
    resent = await web.post("/checkpoint/challenge/resend", data={"challengeId": key})
    assert "sent a new code" in resent.text
    stale = await web.post("/checkpoint/challenge/verify", data={"challengeId": key, "pin": old})
    assert "isn't valid" in stale.text
    new = linkedin.sign_in.challenges(ADA)[key].code
    right = await web.post("/checkpoint/challenge/verify", data={"challengeId": key, "pin": new})
    assert right.url.path == "/feed/foryou/"


async def test_the_app_is_waited_for(web: httpx.AsyncClient, linkedin: LinkedIn) -> None:
    treat(linkedin, challenge="app")
    asked = await enter(web, linkedin)
    assert asked.url.path.startswith("/checkpoint/challengesV2/")
    (key,) = linkedin.sign_in.challenges(ADA)
    poll = f"/checkpoint/challenge/{key}/poll"
    assert (await web.post(poll)).json() == {"status": "waiting"}
    assert linkedin.sign_in.answer_in_app(ADA, "approved") == 1
    assert (await web.post(poll)).json() == {"status": "approved"}
    assert (await web.get("/feed/")).status_code == 200


async def test_the_app_can_be_denied_or_run_out_or_be_gone_around(
    web: httpx.AsyncClient, linkedin: LinkedIn
) -> None:
    treat(linkedin, challenge="app")
    for answer in ("denied", "expired", "sms"):
        await enter(web, linkedin)
        key = list(linkedin.sign_in.challenges(ADA))[-1]
        poll = f"/checkpoint/challenge/{key}/poll"
        match answer:
            case "denied":
                linkedin.sign_in.answer_in_app(ADA, "denied")
                assert (await web.post(poll)).json() == {"status": "denied"}
            case "expired":
                linkedin.sign_in.expire(ADA)
                assert (await web.post(poll)).json() == {"status": "expired"}
            case _:
                shown = await web.post("/checkpoint/challenge/another-way", data={"challengeId": key})
                assert 'name="pin"' in shown.text
    assert linkedin.sign_in.sessions(ADA) == 0


@pytest.mark.parametrize(
    ("how", "path", "says"),
    [
        ({"challenge": "captcha"}, "/checkpoint/challenge/", "captcha-internal"),
        ({"challenge": "restricted"}, "/checkpoint/challenge/", "temporarily restricted"),
        ({"challenge": "phone"}, "/checkpoint/challenge/", 'type="tel"'),
        ({"challenge": "identity"}, "/checkpoint/challenge/", "Verify your identity"),
        ({"challenge": "too_often"}, "/login", "unable to sign you in right now"),
        ({"only_by": "google"}, "/checkpoint/lg/login-submit", '<div id="otp-div">'),
        (
            {"only_by": "apple", "only_by_shows": "wrong_password"},
            "/checkpoint/lg/login-submit",
            "not the right password",
        ),
    ],
)
async def test_some_accounts_do_not_get_in(
    web: httpx.AsyncClient, linkedin: LinkedIn, how: dict[str, object], path: str, says: str
) -> None:
    treat(linkedin, **how)
    answer = await enter(web, linkedin)
    assert answer.url.path.startswith(path)
    assert says in answer.text
    assert "li_at" not in web.cookies


async def test_new_terms_are_agreed_to_before_the_feed(web: httpx.AsyncClient, linkedin: LinkedIn) -> None:
    treat(linkedin, challenge="agree")
    assert "Agree to comply" in (await enter(web, linkedin)).text
    assert (await web.get("/feed/")).url.path == "/uas/login"
    (key,) = linkedin.sign_in.challenges(ADA)
    agreed = await web.post("/checkpoint/challenge/agree", data={"challengeId": key})
    assert agreed.url.path == "/feed/foryou/"


async def test_who_comes_back_is_greeted_and_can_be_another(
    web: httpx.AsyncClient, linkedin: LinkedIn
) -> None:
    for layout in (Layout("welcome_back", welcomes=ADA), Layout("chooser", welcomes=ADA)):
        linkedin.change_layout(layout)
        greeted = await web.get("/login")
        assert ("rememberme-div" in greeted.text) == (layout.sign_in == "chooser")
        known = await web.get("/login?chosen=known")
        assert f'<input type="hidden" name="session_key" value="{ADA}">' in known.text
        assert 'id="username"' not in known.text
        assert 'id="username"' in (await web.get("/login?chosen=another")).text


async def test_a_restriction_or_a_challenge_comes_in_the_middle_of_the_work(
    web: httpx.AsyncClient, linkedin: LinkedIn
) -> None:
    await enter(web, linkedin)
    treat(linkedin, answers="empty")
    assert "<nav" not in (await web.get("/feed/")).text
    treat(linkedin, answers="restricted")
    assert (await web.get("/in/lea-fournier/")).url.path == "/checkpoint/restricted"
    treat(linkedin, answers="checkpoint")
    asked = await web.get("/in/lea-fournier/")
    ((key, challenge),) = linkedin.sign_in.challenges(ADA).items()
    assert asked.url.path == f"/checkpoint/challenge/{key}"
    assert (await web.get("/feed/")).url.path == "/uas/login"
    right = await web.post("/checkpoint/challenge/verify", data={"challengeId": key, "pin": challenge.code})
    assert right.url.path == "/feed/foryou/"


async def test_a_revoked_session_is_told_once(web: httpx.AsyncClient, linkedin: LinkedIn) -> None:
    await enter(web, linkedin)
    assert linkedin.sign_in.revoke(ADA) == 1
    web.follow_redirects = False
    told = await web.get("/feed/")
    assert told.status_code == 302
    assert "delete me" in told.headers["set-cookie"]
    assert "set-cookie" not in (await web.get("/feed/")).headers


async def test_me_is_answered_with_the_token_only(web: httpx.AsyncClient, linkedin: LinkedIn) -> None:
    await enter(web, linkedin)
    assert (await web.get("/voyager/api/me")).status_code == 403
    token = (web.cookies["JSESSIONID"] or "").strip('"')
    found = (await web.get("/voyager/api/me", headers={"csrf-token": token})).json()
    assert found["included"][0]["publicIdentifier"] == "ada-bergstrom"
    picture = found["included"][0]["picture"]
    image = await web.get(picture["rootUrl"] + picture["artifacts"][0]["fileIdentifyingUrlPathSegment"])
    assert image.content.startswith(b"\x89PNG")


async def test_sales_navigator_is_where_there_is_a_seat(web: httpx.AsyncClient, linkedin: LinkedIn) -> None:
    await enter(web, linkedin)
    assert (await web.get("/sales/home")).url.path == "/premium/products/"
    treat(linkedin, sales_navigator=True)
    assert (await web.get("/sales/home")).url.path == "/sales/home"
    assert "li_ep_auth_context" in web.cookies


@pytest.mark.parametrize("status", [429, 999])
async def test_whoever_asks_too_fast_is_refused(
    web: httpx.AsyncClient, linkedin: LinkedIn, status: int
) -> None:
    await enter(web, linkedin)
    treat(linkedin, answers=str(status))
    assert (await web.get("/feed/")).status_code == status


async def test_an_unknown_address_or_profile_is_a_404(web: httpx.AsyncClient, linkedin: LinkedIn) -> None:
    await enter(web, linkedin)
    for path in ("/nothing/here/", "/in/nobody/"):
        answer = await web.get(path)
        assert (answer.status_code, answer.url.path) == (404, "/404/")


async def test_a_redirect_stays_on_the_site(web: httpx.AsyncClient, linkedin: LinkedIn) -> None:
    form = {"session_key": ADA, "session_password": linkedin.account(ADA).password}
    web.follow_redirects = False
    for asked, then in (
        ("/sales/home", "/sales/home"),
        ("//evil.example/", "/feed/"),
        ("https://x", "/feed/"),
    ):
        answer = await web.post("/checkpoint/lg/login-submit", data={**form, "session_redirect": asked})
        assert answer.headers["location"] == then


async def test_a_foreign_host_and_a_foreign_site_are_refused(web: httpx.AsyncClient) -> None:
    assert (await web.get("/login", headers={"host": "evil.example"})).status_code == 403
    asked = await web.post("/checkpoint/lg/login-submit", headers={"origin": "https://evil.example"})
    assert asked.status_code == 403


async def test_a_restart_finds_all_as_it_was_with_other_class_names(
    web: httpx.AsyncClient, linkedin: LinkedIn, tmp_path: Path
) -> None:
    await enter(web, linkedin)
    before = await web.get("/feed/")
    again = LinkedIn(tmp_path, BASE)
    async with browser_of(again) as later:
        later.cookies = web.cookies
        after = await later.get("/feed/")
    assert after.url.path == "/feed/foryou/"
    assert before.text != after.text
    assert again.account(ADA) == linkedin.account(ADA)
    again.close()


async def test_a_session_can_end_halfway(web: httpx.AsyncClient, linkedin: LinkedIn) -> None:
    await enter(web, linkedin)
    treat(linkedin, pages_until_revoked=2)
    assert (await web.get("/in/ada-bergstrom/")).url.path == "/in/ada-bergstrom/"
    assert (await web.get("/in/ada-bergstrom/")).url.path == "/in/ada-bergstrom/"
    assert (await web.get("/feed/")).url.path == "/uas/login"
    assert linkedin.account(ADA).scenario.pages_until_revoked is None


async def test_dialogs_can_be_slow(web: httpx.AsyncClient, linkedin: LinkedIn) -> None:
    await enter(web, linkedin)
    linkedin.change_layout(Layout(slow_dialogs=0.2))
    began = time.monotonic()
    token = (web.cookies["JSESSIONID"] or "").strip('"')
    answer = await web.post(
        "/flagship-web/dialogs/invitation", json={"of": "lea-fournier"}, headers={"csrf-token": token}
    )
    assert 'role="dialog"' in answer.text
    assert time.monotonic() - began >= 0.2


async def test_a_profile_is_found_by_its_id_and_after_its_slug_changed(
    web: httpx.AsyncClient, linkedin: LinkedIn
) -> None:
    await enter(web, linkedin)
    lea = linkedin.person("lea-fournier")
    linkedin.network.invite(linkedin.account(ADA), lea)
    assert linkedin.rename("lea-fournier", "lea-fournier-martin").profile_id == lea.profile_id
    assert linkedin.network.relation("ada-bergstrom", "lea-fournier-martin") == "pending"
    for path in (f"/in/{lea.profile_id}/", "/in/lea-fournier/"):
        assert (await web.get(path)).url.path == "/in/lea-fournier-martin/"
