"""Share links over HTTP: nobody is signed in, and the link is all they have."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, cast
from uuid import uuid4

import httpx
import pytest
from heraldry.chassis.testing.stack import Stack

from tests.integration.support import (
    CSRF,
    Account,
    Admin,
    Answer,
    Outside,
    eventually,
    organization_in,
    outside_of,
)

pytestmark = [pytest.mark.stack, pytest.mark.timeout(150)]
ADA: Final = {
    "first_name": "Ada",
    "last_name": "Bergström",
    "job_title": "Head of Partnerships",
    "email": "ada@northwind.example",
    "phone": "",
    "linkedin_url": "https://www.linkedin.com/in/ada",
    "meeting_url": "https://meet.example/ada",
}
TAG: Final = re.compile(r"<(style|title).*?</\1>|<[^>]+>", re.DOTALL)
NAMES: Final = ("Northwind", "Ada", "Bergström", "Quendolina")


@pytest.fixture(scope="module")
def us(stack: Stack) -> Iterator[Admin]:
    with organization_in(stack, "Northwind & Sons") as admin:
        yield admin


@pytest.fixture(scope="module")
def outside(stack: Stack) -> Iterator[Outside]:
    with outside_of(stack) as there:
        yield there


@pytest.fixture
def browsers() -> Iterator[ExitStack]:
    with ExitStack() as opened:
        yield opened


@dataclass(slots=True)
class Guest:
    """Somebody's browser at a link. They have no account."""

    http: httpx.Client
    url: str
    token: str = ""

    def look(self, path: str = "") -> httpx.Response:
        shown = self.http.get(self.url + path)
        if found := CSRF.search(shown.text):
            self.token = found[1]
        return shown

    def send(self, form: Mapping[str, object], path: str = "") -> httpx.Response:
        """The form of the page they looked at; a page without a referrer gives its origin as null."""
        typed = {"_csrf_token": self.token, "command": str(uuid4()), "zone": "Europe/Stockholm", **form}
        return self.http.post(self.url + path, data=typed, headers={"Origin": "null"})


def guest(browsers: ExitStack, url: str) -> Guest:
    """A browser that has the page open."""
    found = Guest(browsers.enter_context(httpx.Client(timeout=30)), url)
    found.look()
    return found


def link(us: Admin, identity: str = "") -> Answer:
    return us.call("POST", f"/identities/{identity}/share-links" if identity else "/share-links")


def state(us: Admin, made: Answer) -> str:
    return next(one["state"] for one in us.get("/share-links") if one["id"] == made["id"])


def use(somebody: Guest) -> httpx.Response:
    return somebody.send(ADA)


def words(page: httpx.Response) -> str:
    """What is to be read on it."""
    return " ".join(TAG.sub(" ", page.text).split())


def told(us: Admin, identity: str) -> Sequence[Answer]:
    """What the history says of an identity, oldest first."""
    found = cast("Sequence[Answer]", us.get(f"/identities/{identity}/history?limit=500")["entries"])
    return found[::-1]


def made_by(us: Admin, identity: str) -> Answer:
    found = cast("Sequence[Answer]", us.get("/identities"))
    return next(one for one in found if one["identity"] == identity)


@pytest.mark.requirement("R-SHARE-1", "R-ADD-6")
def test_somebody_without_an_account_adds_an_identity(us: Admin, browsers: ExitStack) -> None:
    made = link(us)
    ada = guest(browsers, made["url"])
    page = ada.look()
    assert page.status_code == 200
    assert "Northwind &amp; Sons" in words(page)  # before anything is typed
    assert (page.headers["Referrer-Policy"], page.headers["Cache-Control"]) == ("no-referrer", "no-store")
    cookie = next(iter(ada.http.cookies.jar))
    assert cookie.path == httpx.URL(made["url"]).path
    done = ada.send(ADA)
    assert done.status_code == 303, words(done)
    assert "Your identity was added" in words(ada.look())
    identity = next(one["identity"] for one in us.get("/share-links") if one["id"] == made["id"])
    found = made_by(us, identity)
    assert found["name"] == "Ada Bergström"
    assert found["details"] == ADA
    assert found["hours"]["zone"] == "Europe/Stockholm"
    eventually(lambda: len(told(us, identity)) == 3, "the history tells of it")
    assert [(one["type"], one["actor"]) for one in told(us, identity)] == [
        ("ShareLinkIssued", told(us, identity)[0]["actor"]),
        ("IdentityCreated", f"link:{made['id']}"),
        ("ShareLinkRedeemed", f"link:{made['id']}"),
    ]
    assert state(us, made) == "used"
    assert us.refusal("DELETE", f"/share-links/{made['id']}")["code"] == "share-link.used"


@pytest.mark.requirement("R-SHARE-1")
def test_two_simultaneous_uses_make_one_identity_and_one_clear_refusal(
    us: Admin, browsers: ExitStack
) -> None:
    for _ in range(5):
        before = len(us.get("/identities"))
        made = link(us)
        guests = [guest(browsers, made["url"]) for _ in range(2)]
        with ThreadPoolExecutor(2) as both:
            answers = list(both.map(use, guests))
        assert sorted(answer.status_code for answer in answers) == [303, 410]
        (refusal,) = [answer for answer in answers if answer.status_code == 410]
        assert "This link was used already" in words(refusal)
        assert len(us.get("/identities")) == before + 1


@pytest.mark.requirement("R-SHARE-4")
def test_looking_a_thousand_times_uses_nothing_up(us: Admin, browsers: ExitStack) -> None:
    made = link(us)
    limits = httpx.Limits(max_connections=8)
    with httpx.Client(timeout=60, limits=limits) as scanner, ThreadPoolExecutor(8) as many:

        def look(number: int) -> int:
            scanner.cookies.clear()
            method = "HEAD" if number % 10 == 0 else "GET"
            return scanner.request(method, made["url"]).status_code

        assert set(many.map(look, range(1000))) == {200}
    assert state(us, made) == "open"
    assert guest(browsers, made["url"]).send(ADA).status_code == 303


@pytest.mark.requirement("R-SHARE-4")
def test_a_failed_try_leaves_the_link_usable_and_its_owner_can_revoke_it(
    us: Admin, browsers: ExitStack
) -> None:
    made = link(us)
    ada = guest(browsers, made["url"])
    for wrong, field in (
        ({"first_name": "", "last_name": ""}, "first_name"),
        ({"linkedin_url": "https://elsewhere.example/ada"}, "linkedin_url"),
        ({"email": "none"}, "email"),
    ):
        answer = ada.send({**ADA, **wrong})
        assert answer.status_code == 422
        assert f'id="{field}-error"' in answer.text
    assert ada.http.post(made["url"], data=ADA).status_code == 403  # a form of another site
    assert state(us, made) == "open"
    us.call("DELETE", f"/share-links/{made['id']}")
    us.call("DELETE", f"/share-links/{made['id']}")  # nothing more to do
    assert state(us, made) == "revoked"
    for answer in (ada.look(), ada.send(ADA)):
        assert answer.status_code == 410
        assert "This link was revoked" in words(answer)


@pytest.mark.requirement("R-SHARE-1", "R-SHARE-2")
def test_what_does_not_work_says_which_it_is_and_nothing_else(
    us: Admin, outside: Outside, browsers: ExitStack
) -> None:
    identity = us.identity("Quendolina")
    links = {"expired": link(us), "refreshing": link(us, identity), "revoked": link(us), "used": link(us)}
    for made in links.values():
        left = datetime.fromisoformat(made["valid_until"]) - outside.now()
        assert timedelta(hours=23, minutes=59) < left <= timedelta(hours=24)
    us.call("DELETE", f"/share-links/{links['revoked']['id']}")
    assert guest(browsers, links["used"]["url"]).send(ADA).status_code == 303
    open_for_long = guest(browsers, links["expired"]["url"])
    refreshing = guest(browsers, links["refreshing"]["url"])
    refreshing.look("/inbox")
    outside.advance_to(datetime.fromisoformat(links["refreshing"]["valid_until"]))
    pages: Mapping[str, Sequence[httpx.Response]] = {
        "was used already": [guest(browsers, links["used"]["url"]).look()],
        "was revoked": [guest(browsers, links["revoked"]["url"]).look()],
        "has expired": [
            open_for_long.look(),
            open_for_long.send(ADA),
            refreshing.look(),
            refreshing.look("/inbox"),
            refreshing.send({}, "/inbox"),
        ],
    }
    for text, answers in pages.items():
        for answer in answers:
            assert answer.status_code == 410
            assert f"This link {text}" in words(answer)
    token = links["expired"]["url"].rpartition("/")[2]
    changed = f"{token[:-2]}{'AA' if token[-2:] != 'AA' else 'BB'}"
    unknown = [
        httpx.get(f"{us.stack.url}/share/{one}", timeout=20) for one in ("x", "A" * 64, changed, token[:-1])
    ]
    assert {answer.status_code for answer in unknown} == {404}
    assert len({answer.text for answer in unknown}) == 1
    for answer in (*unknown, *(one for answers in pages.values() for one in answers)):
        assert not [name for name in (*NAMES, identity, us.organization) if name in answer.text]
        assert "<form" not in answer.text


@pytest.mark.requirement("R-SHARE-3")
def test_the_owner_of_an_identity_connects_and_reconnects_its_inbox_any_number_of_times(
    us: Admin, outside: Outside, browsers: ExitStack
) -> None:
    identity, other = us.identity("Ada Bergström"), us.identity("Quendolina")
    made = link(us, identity)
    account, taken = outside.account("ada"), outside.account("quendolina")
    elsewhere = us.connected(other, taken)
    ada = guest(browsers, made["url"])
    assert "Northwind &amp; Sons" in words(ada.look())
    assert "Ada Bergström" in words(ada.look())
    ada.look("/inbox")
    refused = ada.send(typed(taken), "/inbox")
    assert refused.status_code == 422
    assert "in use elsewhere" in words(refused)
    wrong = ada.send(typed(account, password="wrong"), "/inbox")
    assert wrong.status_code == 422
    assert "What to do" in words(wrong)
    for _ in range(2):
        connected = ada.send(typed(account), "/inbox")
        assert connected.status_code == 303, words(connected)
        assert account.address in words(ada.look())
    (inbox,) = [one for one in us.get(f"/identities/{identity}/inboxes") if one["state"] != "failed"]
    assert (inbox["address"], inbox["state"]) == (account.address, "connected")
    outside_changes(outside, account, "another one")
    renewed = ada.send(typed(account, password="another one"), "/inbox")
    assert renewed.status_code == 303, words(renewed)
    assert us.get(f"/identities/{identity}/share-links")[0]["state"] == "open"
    assert ada.look(f"/inbox?inbox={inbox['inbox']}").status_code == 200
    # nothing else of the platform
    assert ada.look(f"/inbox?inbox={elsewhere}").status_code == 404
    assert ada.send({**typed(taken), "inbox": elsewhere}, "/inbox").status_code == 404
    another = ada.send({**typed(outside.account("eva")), "inbox": inbox["inbox"]}, "/inbox")
    assert another.status_code == 422
    assert f"Only {account.address} can be reconnected here." in words(another)
    assert "Quendolina" not in "".join(answer.text for answer in (ada.look(), ada.look("/inbox"), refused))
    for path in (f"/identities/{identity}", "/identities", "/activity", "/api/v1/identities", "/events"):
        assert ada.http.get(us.stack.url + path).status_code in {303, 401}, path
    assert ada.send(ADA).status_code == 404  # it makes no identity
    create = guest(browsers, link(us)["url"])
    assert create.look("/inbox").status_code == 404
    us.call("DELETE", f"/share-links/{made['id']}")
    assert ada.send(typed(account), "/inbox").status_code == 410


def typed(account: Account, **changes: str) -> Mapping[str, object]:
    form = account.form(**changes)
    servers = {f"{kind}_{name}": value for kind in ("imap", "smtp") for name, value in form[kind].items()}
    return {"email": form["address"], "password": form["password"], **servers}


def outside_changes(outside: Outside, account: Account, password: str) -> None:
    path = f"{outside.stack.sandbox_url}/control/v1/accounts/{account.address}/password"
    outside.http.put(path, json={"password": password}).raise_for_status()


@pytest.mark.requirement("R-SHARE-3")
def test_a_link_of_an_identity_that_was_deleted_works_no_more(us: Admin, browsers: ExitStack) -> None:
    identity = us.identity("Soon Gone")
    made = link(us, identity)
    ada = guest(browsers, made["url"])
    us.call("DELETE", f"/identities/{identity}")
    assert ada.look().status_code == 410
    assert us.refusal("POST", f"/identities/{identity}/share-links")["code"] == "identity.unknown"


def test_the_same_wish_again_is_the_same_link(us: Admin) -> None:
    key = uuid4()
    first, again = (us.call("POST", "/share-links", key=key) for _ in range(2))
    assert (first["url"], first["valid_until"]) == (again["url"], again["valid_until"])


@pytest.mark.requirement("R-ACC-5")
def test_the_token_of_a_link_is_kept_nowhere(stack: Stack, us: Admin, browsers: ExitStack) -> None:
    made = link(us)
    ada = guest(browsers, made["url"])
    ada.send({**ADA, "email": "none"})
    assert ada.send(ADA).status_code == 303
    ada.look()
    us.get("/history")
    token = made["url"].rpartition("/")[2]
    proof = base64.urlsafe_b64decode(token)[16:]
    cookie = next(iter(ada.http.cookies.jar)).value or ""
    secrets = (token.encode(), token[24:].encode(), proof, proof.hex().encode(), cookie.encode())
    files = [path for path in stack.folder.rglob("*") if path.is_file()]
    kept = {str(path): path.read_bytes() for path in (*files, stack.log, stack.output)}
    assert any(made["id"].encode() in content for content in kept.values())  # the id, which opens nothing
    assert [place for place, content in kept.items() if any(secret in content for secret in secrets)] == []
    lists = us.send("GET", "/share-links").text + us.send("GET", "/history").text
    assert token not in lists


@pytest.mark.requirement("R-ADD-6", "R-SHARE-3", "R-SHARE-4")
def test_the_linkedin_sign_in_goes_on_after_a_failed_try_and_is_refreshed_by_another_link(
    us: Admin, outside: Outside, browsers: ExitStack
) -> None:
    email = f"ada-{uuid4().hex[:8]}@northwind.example"
    password = member(outside, email)
    made = link(us)
    ada, other = guest(browsers, made["url"]), guest(browsers, made["url"])
    ada.look("?way=credentials")
    first = ada.send({"name": "Ada Bergström", "email": email, "password": "wrong"}, "/linkedin")
    assert first.status_code == 303, words(first)
    assert "did not take the password" in words(settled(ada))
    assert "9 tries left" in words(ada.look("/linkedin"))
    assert other.look().status_code == 409
    assert "in use" in words(other.look())
    (identity,) = [one["identity"] for one in us.get("/share-links") if one["id"] == made["id"]]
    assert us.get(f"/identities/{identity}/linkedin")["state"] == "failed"
    again = ada.send({"email": email, "password": password}, "/linkedin")
    assert again.status_code == 303, words(again)
    assert "asks for a code" in words(settled(ada))
    assert state(us, made) == "taken"  # only success uses it up
    ada.send({"code": code(outside, email)}, "/linkedin/code")
    assert "LinkedIn is linked as Ada Bergström" in words(settled(ada))
    eventually(lambda: state(us, made) == "used", "the link is used up")
    assert "Your identity was added" in words(ada.look())
    assert other.look().status_code == 410
    assert [one["identity"] for one in us.get("/identities") if one["name"] == "Ada Bergström"].count(
        identity
    ) == 1
    # LinkedIn first, then an inbox, by a link that is not used up by it
    refreshing = guest(browsers, link(us, identity)["url"])
    assert "Linked" in words(refreshing.look())
    refreshing.look("/linkedin?again=yes")
    relinked = refreshing.send({"email": email, "password": password}, "/linkedin")
    assert relinked.status_code == 303, words(relinked)
    if "asks for a code" in words(settled(refreshing)):
        refreshing.send({"code": code(outside, email)}, "/linkedin/code")
    assert "LinkedIn is linked" in words(settled(refreshing))
    account = outside.account("ada")
    refreshing.look("/inbox")
    assert refreshing.send(typed(account), "/inbox").status_code == 303
    assert account.address in words(refreshing.look())
    started = [one for one in told(us, identity) if one["type"] == "LinkedInLinkingStarted"]
    assert {one["actor"].partition(":")[0] for one in started} == {"link"}


def member(outside: Outside, email: str) -> str:
    """The password of a fresh member of LinkedIn who is asked for a code by SMS."""
    body = {"email": email, "name": "Ada Bergström", "slug": f"ada-{uuid4().hex[:8]}"}
    made = at_linkedin(outside, "POST", "/accounts", body)
    at_linkedin(outside, "PATCH", f"/accounts/{email}/scenario", {"challenge": "sms"})
    return str(made["password"])


def code(outside: Outside, email: str) -> str:
    return str(at_linkedin(outside, "GET", f"/accounts/{email}")["challenges"][-1]["code"])


def at_linkedin(outside: Outside, method: str, path: str, body: object = None) -> Answer:
    url = f"{outside.stack.sandbox_url}/control/v1/linkedin{path}"
    answer = outside.http.request(method, url, json=body)
    assert answer.is_success, answer.text
    return cast("Answer", answer.json())


UNDER_WAY: Final = ("Signing in to LinkedIn", "Checking the code")


def settled(somebody: Guest) -> httpx.Response:
    """The page of a linking as soon as it waits for somebody, or has come to its end."""

    def look() -> httpx.Response | None:
        page = somebody.look("/linkedin")
        return None if any(under_way in words(page) for under_way in UNDER_WAY) else page

    return eventually(look, "the sign-in comes to something", 60)
