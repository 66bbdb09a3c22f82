"""What is another organization's does not exist: on every route there is, in live events and on NATS.

The routes are read from the API's own description and from the pages' controllers, so a new one with an id in
its path fails here until it has a case.
"""

from __future__ import annotations

import asyncio
import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, TypeAlias
from uuid import UUID, uuid4

import httpx
import orjson
import pytest
from heraldry.chassis.bus import border
from heraldry.chassis.bus.operator import operator
from heraldry.chassis.bus.parking import Parking, Pointer
from heraldry.chassis.testing.stack import Stack
from heraldry.gateway.routes import PAGES
from litestar.handlers import HTTPRouteHandler
from litestar.utils import normalize_path
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from PIL import Image

from tests.integration.support import API, Admin, Answer, Outside, eventually, organization_in, outside_of

pytestmark = pytest.mark.stack
Route: TypeAlias = tuple[str, str]  # method, path with names in braces
Body: TypeAlias = Mapping[str, object] | list[dict[str, str]] | None
CAMPAIGN: Final = {
    "name": "Mine",
    "identity": str(UUID(int=5)),
    "steps": [{"subject": "Hello", "text": "Hello"}],
}
CSV: Final = b"email\neve@northwind.example\n"
SERVER = {"host": "mail.example", "port": 993, "security": "tls"}
FOREIGN: Final = (
    *("identity", "inbox", "attempt", "subscriber", "recipient"),
    *("campaign", "enrollment", "import_id", "link", "withdrawal", "message"),
)
"""Names in paths that stand for something an organization has."""
PUBLIC: Final = ("token", "name")
"""Names in paths that stand for nothing of an organization: a one-time link, a file."""
OF_AN_ACCOUNT: Final = frozenset(
    {
        "/identities/{identity}/linkedin/limits",
        "/identities/{identity}/linkedin/pending",
        "/identities/{identity}/linkedin/withdrawals",
        "/identities/{identity}/linkedin/withdrawals/{withdrawal}",
        "/linkedin/steps/{attempt}",
    }
)
"""What only an identity with a LinkedIn account has."""
WITH_A_PAST: Final = (
    "/identities/{identity}/inboxes",
    "/identities/{identity}/linkedin",
    "/identities/{identity}/linkedin/limits",
    "/inboxes/{inbox}",
    "/inboxes/{inbox}/rate",
    "/campaigns/{campaign}",
)
"""What can be asked as of a moment that has passed."""
BY_LINK: Final = ("POST", "/unsubscribe/{token}")
"""Whoever has the link may use it, from anywhere: no cookie plays a part."""
COMMAND: Final = re.compile(r'name="command" value="[^"]*"')

API_CASES: dict[Route, Body] = {
    ("GET", "/identities/{identity}"): None,
    ("DELETE", "/identities/{identity}"): None,
    ("PUT", "/identities/{identity}/name"): {"name": "Mine"},
    ("PUT", "/identities/{identity}/contact-details"): {"first_name": "Mine"},
    ("PUT", "/identities/{identity}/working-hours"): {"zone": "UTC"},
    ("PUT", "/identities/{identity}/likings-opt-out"): {"opted_out": True},
    ("PUT", "/identities/{identity}/crm-user"): {"crm_user": "mine"},
    ("GET", "/identities/{identity}/picture"): None,
    ("PUT", "/identities/{identity}/picture"): None,
    ("DELETE", "/identities/{identity}/picture"): None,
    ("GET", "/identities/{identity}/history"): None,
    ("GET", "/identities/{identity}/history/export"): None,
    ("GET", "/identities/{identity}/inboxes"): None,
    ("POST", "/identities/{identity}/inboxes"): {
        "address": "eve@northwind.example",
        "password": "secret",
        "imap": SERVER,
        "smtp": SERVER,
    },
    ("GET", "/identities/{identity}/share-links"): None,
    ("POST", "/identities/{identity}/share-links"): None,
    ("DELETE", "/share-links/{link}"): None,
    ("GET", "/identities/{identity}/linkedin"): None,
    ("POST", "/identities/{identity}/linkedin"): {"email": "eve@northwind.example", "password": "secret"},
    ("POST", "/identities/{identity}/linkedin/code"): {"code": "482913"},
    ("POST", "/identities/{identity}/linkedin/code/resend"): None,
    ("POST", "/identities/{identity}/linkedin/again"): None,
    ("DELETE", "/identities/{identity}/linkedin"): None,
    ("GET", "/linkedin/steps/{attempt}"): None,
    ("POST", "/linkedin/steps/{attempt}/outcome"): {"done": True},
    ("GET", "/identities/{identity}/linkedin/limits"): None,
    ("PUT", "/identities/{identity}/linkedin/limits"): {"invitations": 1, "messages": 1},
    ("POST", "/identities/{identity}/linkedin/invitations"): {
        "profile": "https://www.linkedin.com/in/quendolina"
    },
    ("GET", "/identities/{identity}/linkedin/pending"): None,
    ("GET", "/identities/{identity}/linkedin/withdrawals"): None,
    ("POST", "/identities/{identity}/linkedin/scrapings"): {
        "profile": "https://www.linkedin.com/in/lea-martin"
    },
    ("POST", "/identities/{identity}/linkedin/withdrawals"): {"invitations": [str(UUID(int=5))]},
    ("PUT", "/identities/{identity}/linkedin/withdrawal-policy"): {"days": 7},
    ("GET", "/identities/{identity}/linkedin/withdrawals/{withdrawal}"): None,
    ("GET", "/inboxes/{inbox}"): None,
    ("POST", "/inboxes/{inbox}/disconnect"): None,
    ("GET", "/inboxes/{inbox}/rate"): None,
    ("POST", "/inboxes/{inbox}/rate/increase"): {"per_day": 90, "per_hour": 12, "reason": "Spring"},
    ("GET", "/inboxes/{inbox}/volume"): None,
    ("POST", "/inboxes/{inbox}/resume"): None,
    ("PUT", "/inboxes/{inbox}/rate"): {"per_day": 1, "per_hour": 1},
    ("POST", "/inboxes/{inbox}/mails"): {
        "to": "eve@northwind.example",
        "subject": "Hello",
        "text": "Hello",
    },
    ("GET", "/mails/{attempt}"): None,
    ("POST", "/mails/{attempt}/outcome"): {"sent": True},
    ("DELETE", "/subscribers/{subscriber}"): None,
    ("GET", "/campaigns/{campaign}"): None,
    ("PUT", "/campaigns/{campaign}"): CAMPAIGN,
    ("POST", "/campaigns/{campaign}/start"): None,
    ("POST", "/campaigns/{campaign}/pause"): None,
    ("POST", "/campaigns/{campaign}/resume"): None,
    ("POST", "/campaigns/{campaign}/finish"): None,
    ("POST", "/campaigns/{campaign}/identity"): {"identity": str(UUID(int=5))},
    ("POST", "/campaigns/{campaign}/preview"): {"settings": CAMPAIGN},
    ("GET", "/campaigns/{campaign}/leads"): None,
    ("POST", "/campaigns/{campaign}/leads"): [{"email": "eve@northwind.example"}],
    ("POST", "/campaigns/{campaign}/imports"): None,
    ("GET", "/leads/{enrollment}"): None,
    ("POST", "/leads/{enrollment}/retry"): None,
    ("GET", "/imports/{import_id}"): None,
    ("PUT", "/imports/{import_id}/columns"): {"columns": []},
    ("POST", "/imports/{import_id}/confirm"): {},
    ("DELETE", "/imports/{import_id}"): None,
    ("DELETE", "/suppressions/{recipient}"): None,
    ("GET", "/parked/{message}"): None,
    ("POST", "/parked/{message}/replay"): None,
    ("DELETE", "/parked/{message}"): None,
}
PAGE_CASES: dict[Route, Body] = {
    ("GET", "/campaigns/{campaign}"): None,
    ("GET", "/campaigns/{campaign}/edit"): None,
    ("POST", "/campaigns/{campaign}/edit"): {"name": "Mine", "identity": str(UUID(int=5)), "do": "save"},
    ("POST", "/campaigns/{campaign}/start"): {},
    ("POST", "/campaigns/{campaign}/pause"): {},
    ("POST", "/campaigns/{campaign}/resume"): {},
    ("POST", "/campaigns/{campaign}/finish"): {},
    ("POST", "/campaigns/{campaign}/identity"): {"identity": str(UUID(int=5))},
    ("GET", "/campaigns/{campaign}/imports/new"): None,
    ("POST", "/campaigns/{campaign}/imports"): {},
    ("GET", "/leads/{enrollment}"): None,
    ("POST", "/leads/{enrollment}/retry"): {},
    ("GET", "/imports/{import_id}"): None,
    ("POST", "/imports/{import_id}/columns"): {},
    ("POST", "/imports/{import_id}/confirm"): {},
    ("POST", "/imports/{import_id}/undo"): {},
    ("GET", "/activity/mails/{attempt}"): None,
    ("POST", "/activity/mails/{attempt}/outcome"): {"sent": "yes"},
    ("GET", "/activity/steps/{attempt}"): None,
    ("POST", "/activity/steps/{attempt}/outcome"): {"done": "yes"},
    ("POST", "/organization/subscribers/{subscriber}/revoke"): {},
    ("POST", "/suppressions/{recipient}/remove"): {},
    ("GET", "/identities/{identity}"): None,
    ("POST", "/identities/{identity}/contact"): {"name": "Mine"},
    ("POST", "/identities/{identity}/hours"): {"zone": "UTC"},
    ("GET", "/identities/{identity}/picture"): None,
    ("POST", "/identities/{identity}/picture"): {},
    ("POST", "/identities/{identity}/picture/remove"): {},
    ("POST", "/identities/{identity}/likings"): {"opted_out": "on"},
    ("POST", "/identities/{identity}/share-links"): {},
    ("POST", "/identities/{identity}/share-links/{link}/revoke"): {},
    ("POST", "/identities/share-links/{link}/revoke"): {},
    ("GET", "/identities/{identity}/delete"): None,
    ("POST", "/identities/{identity}/delete"): {},
    ("GET", "/identities/{identity}/linkedin"): None,
    ("POST", "/identities/{identity}/linkedin"): {"email": "eve@northwind.example", "password": "secret"},
    ("POST", "/identities/{identity}/linkedin/code"): {"code": "482913"},
    ("POST", "/identities/{identity}/linkedin/resend"): {},
    ("POST", "/identities/{identity}/linkedin/again"): {},
    ("POST", "/identities/{identity}/linkedin/details"): {"job_title": "COO"},
    ("GET", "/identities/{identity}/linkedin/unlink"): None,
    ("POST", "/identities/{identity}/linkedin/unlink"): {},
    ("GET", "/identities/{identity}/inboxes/new"): None,
    ("POST", "/identities/{identity}/inboxes"): {
        "email": "eve@northwind.example",
        "password": "secret",
        **{f"imap_{name}": value for name, value in SERVER.items()},
        **{f"smtp_{name}": value for name, value in SERVER.items()},
    },
    ("POST", "/identities/{identity}/linkedin/limits"): {"invitations": "1", "messages": "1"},
    ("POST", "/identities/{identity}/linkedin/withdrawal-policy"): {"automatic": "on", "days": "7"},
    ("POST", "/identities/{identity}/linkedin/withdraw"): {f"pick-{UUID(int=5)}": "on"},
    ("GET", "/identities/{identity}/linkedin/invite"): None,
    ("POST", "/identities/{identity}/linkedin/invite"): {"profile": "linkedin.com/in/quendolina"},
    ("GET", "/identities/{identity}/inboxes/{inbox}/disconnect"): None,
    ("POST", "/identities/{identity}/inboxes/{inbox}/disconnect"): {},
    ("POST", "/identities/{identity}/inboxes/{inbox}/resume"): {},
    ("POST", "/identities/{identity}/inboxes/{inbox}/rate/increase"): {
        "per_day": "90",
        "per_hour": "12",
        "reason": "Spring",
    },
    ("POST", "/identities/{identity}/inboxes/{inbox}/rate"): {"per_day": "1", "per_hour": "1"},
    ("GET", "/identities/{identity}/inboxes/{inbox}/test"): None,
    ("POST", "/identities/{identity}/inboxes/{inbox}/test"): {
        "to": "eve@northwind.example",
        "subject": "Hello",
        "text": "Hello",
    },
}


def names_in(path: str) -> list[str]:
    return re.findall(r"{(\w+)}", path)


def api_routes(stack: Stack) -> list[Route]:
    """From the API's own description."""
    paths: Mapping[str, Mapping[str, object]] = httpx.get(f"{stack.url}{API}/openapi.json").json()["paths"]
    methods = ("get", "post", "put", "patch", "delete")
    return [
        (method.upper(), path.removeprefix(API))
        for path, operations in paths.items()
        for method in operations
        if method in methods
    ]


def page_routes() -> list[Route]:
    """From the controllers: pages are in no description."""
    return [
        (
            method,
            re.sub(r"{(\w+):\w+}", r"{\1}", normalize_path(f"{vars(controller).get('path', '')}/{path}")),
        )
        for controller in PAGES
        for handler in vars(controller).values()
        if isinstance(handler, HTTPRouteHandler)
        for path in sorted(handler.paths)
        for method in sorted(handler.http_methods - {"OPTIONS", "HEAD"})
    ]


@dataclass(frozen=True, slots=True)
class Theirs:
    """Another organization, with one of everything; `ids` by their names in paths."""

    admin: Admin
    ids: Mapping[str, str]

    def all_of_it(self) -> list[tuple[int, bytes]]:
        """What they see, to be compared."""
        paths = [path for method, path in API_CASES if method == "GET" and path not in OF_AN_ACCOUNT]
        answers = [self.admin.send("GET", path.format_map(dict(self.ids))) for path in paths]
        answers += [
            self.admin.send("GET", path)
            for path in ("/inboxes", "/subscribers", "/suppressions", "/share-links", "/history", "/parked")
        ]
        assert {answer.status_code for answer in answers} == {200}
        return [(answer.status_code, answer.content) for answer in answers]


@pytest.fixture(scope="module")
def us(stack: Stack) -> Iterator[Admin]:
    with organization_in(stack, "Ours") as admin:
        yield admin


@pytest.fixture(scope="module")
def theirs(stack: Stack) -> Iterator[Theirs]:
    with organization_in(stack, "Theirs") as admin, outside_of(stack) as outside:
        identity = admin.identity("Quendolina Firstname")
        where = f"{stack.url}{API}/identities/{identity}/picture"
        admin.http.put(where, **given("PUT", where, None)).raise_for_status()
        inbox = admin.connected(identity, outside.account("quendolina"))
        mail = {"to": outside.account("lea").address, "subject": "Quendolina writes", "text": "Hello"}
        attempt = admin.call("POST", f"/inboxes/{inbox}/mails", mail)["attempt"]
        admin.mail_in(attempt, "sent")
        sign_in = {"email": f"{uuid4().hex}@nobody.example", "password": "secret"}
        admin.call("POST", f"/identities/{identity}/linkedin", sign_in)
        subscriber = admin.call("POST", "/subscribers", {"name": "Quendolina's CRM"})["id"]
        admin.call("POST", "/suppressions", {"address": "Quendolina@elsewhere.example"})
        (suppressed,) = admin.get("/suppressions")["suppressions"]
        ids = {
            "identity": identity,
            "inbox": inbox,
            "attempt": attempt,
            "subscriber": subscriber,
            "recipient": suppressed["recipient"],
            "link": admin.call("POST", "/share-links")["id"],
            "withdrawal": str(uuid4()),
            "message": parked(stack.folder, admin.organization),
            **campaign_of(admin, identity),
        }
        tried = f"/identities/{identity}/linkedin"
        eventually(lambda: admin.get(tried)["state"] == "failed", "LinkedIn knows no such account")
        yield Theirs(admin, ids)


def parked(folder: Path, organization: str) -> str:
    """The id of a message of theirs that nobody could handle."""
    pointer = Pointer(
        source="stream",
        sequence=1,
        consumer="mailbox-imports",
        type="IdentityRenamed",
        event=str(uuid4()),
        organization=organization,
        first_seen=datetime.now(UTC),
    )

    async def park() -> int:
        async with operator(folder) as nc:
            await Parking(nc, "mailbox").park(pointer)
            return next(one.id for one in await Parking(nc, "mailbox").list() if one.pointer == pointer)

    return f"mailbox:{asyncio.run(park())}"


def campaign_of(admin: Admin, identity: str) -> Mapping[str, str]:
    """A draft with one lead, by the names in paths."""
    settings = {**CAMPAIGN, "name": "Quendolina's campaign", "identity": identity}
    campaign = str(admin.call("POST", "/campaigns", settings)["id"])
    leads = [{"name": "Quendolina", "email": "quendolina@lead.example"}]
    import_id = str(admin.call("POST", f"/campaigns/{campaign}/leads", leads)["import_id"])
    eventually(lambda: admin.get(f"/imports/{import_id}")["state"] == "imported", "the lead is there")
    (lead,) = admin.get(f"/campaigns/{campaign}/leads")["leads"]
    return {"campaign": campaign, "import_id": import_id, "enrollment": lead["enrollment"]}


@pytest.fixture(scope="module")
def browser(stack: Stack, us: Admin) -> Iterator[httpx.Client]:
    """Signed in by a cookie, with the token its forms carry."""
    token = us.http.headers["Authorization"].split()[1]
    with httpx.Client(base_url=stack.url, timeout=20, cookies={"heraldry_session": token}) as http:
        http.headers["X-CSRF-Token"] = http.get(f"{API}/sessions/current").json()["csrf"]
        yield http


def alike(answer: httpx.Response, ids: Mapping[str, str]) -> tuple[int, str, str]:
    """An answer without what is of one request alone."""
    text = COMMAND.sub("", answer.text)
    for name, value in ids.items():
        text = text.replace(value, name)
    return answer.status_code, answer.headers["content-type"], text


def test_every_route_with_something_of_an_organization_in_it_has_a_case(stack: Stack) -> None:
    for routes, cases in ((api_routes(stack), API_CASES), (page_routes(), PAGE_CASES)):
        assert len(routes) > 20
        assert {name for _, path in routes for name in names_in(path)} <= {*FOREIGN, *PUBLIC}
        assert {route for route in routes if set(names_in(route[1])) & set(FOREIGN)} == set(cases)


@pytest.mark.requirement("R-ACC-1")
@pytest.mark.parametrize(("method", "path"), API_CASES)
def test_the_api_answers_for_theirs_as_for_what_nobody_has(
    stack: Stack, us: Admin, theirs: Theirs, method: str, path: str
) -> None:
    form = given(method, path, API_CASES[method, path])
    answers = [
        alike(us.http.request(method, f"{stack.url}{API}{path.format_map(dict(ids))}", **form), ids)
        for ids in (theirs.ids, nobodys())
    ]
    assert answers[0] == answers[1]
    assert answers[0][:2] == (404, "application/problem+json")
    assert orjson.loads(answers[0][2])["code"].endswith(".unknown")


@pytest.mark.requirement("R-ACC-1")
@pytest.mark.parametrize("path", WITH_A_PAST)
def test_the_past_of_theirs_is_as_that_of_what_nobody_has(
    stack: Stack, us: Admin, outside: Outside, theirs: Theirs, path: str
) -> None:
    for at in (outside.now(), datetime(2020, 1, 1, tzinfo=UTC)):
        answers = [
            alike(
                us.http.get(
                    f"{stack.url}{API}{path.format_map(dict(ids))}", params={"as_of": at.isoformat()}
                ),
                ids,
            )
            for ids in (theirs.ids, nobodys())
        ]
        assert answers[0] == answers[1]
        assert answers[0][0] == 404
        assert orjson.loads(answers[0][2])["code"].endswith(".unknown")


@pytest.mark.requirement("R-ACC-1")
@pytest.mark.parametrize(("method", "path"), PAGE_CASES)
def test_the_pages_answer_for_theirs_as_for_what_nobody_has(
    browser: httpx.Client, us: Admin, theirs: Theirs, method: str, path: str
) -> None:
    form = given(method, path, PAGE_CASES[method, path], form=True)
    tried = [(theirs.ids, nobodys())]
    if {"identity", "inbox"} <= set(names_in(path)):
        ours = {"identity": us.identity()}
        tried.append(({**theirs.ids, **ours}, {**nobodys(), **ours}))
    for foreign, unknown in tried:
        answers = [
            alike(browser.request(method, path.format_map(dict(ids)), **form), ids)
            for ids in (foreign, unknown)
        ]
        assert answers[0] == answers[1]
        assert answers[0][0] == 404
        assert "Quendolina" not in answers[0][2]


@pytest.mark.requirement("R-ACC-1")
def test_nothing_that_others_try_changes_anything(browser: httpx.Client, theirs: Theirs) -> None:
    before = theirs.all_of_it()
    cases = [(method, path, f"{API}{path}", body) for (method, path), body in API_CASES.items()]
    cases += [(method, path, path, body) for (method, path), body in PAGE_CASES.items()]
    changes = [case for case in cases if case[0] != "GET"]
    assert len(changes) > 20
    for method, path, where, body in changes:
        carried = given(method, path, body, form=where == path)
        tried = browser.request(method, where.format_map(dict(theirs.ids)), **carried)
        assert tried.status_code == 404, (method, where)
    assert theirs.all_of_it() == before


@pytest.mark.requirement("R-ACC-1")
def test_no_list_and_no_question_shows_what_is_theirs(
    stack: Stack, browser: httpx.Client, us: Admin, theirs: Theirs
) -> None:
    ours = us.identity()
    us.get(f"/identities/{ours}/history")  # it has come to the views
    lists = [f"{API}{path}" for method, path in api_routes(stack) if method == "GET" and not names_in(path)]
    lists += [path for method, path in page_routes() if method == "GET" and not names_in(path)]
    lists.remove("/events")  # it does not end
    assert len(lists) > 12
    for path in lists:
        text = browser.get(path, follow_redirects=True).text
        assert not [value for value in (*theirs.ids.values(), "Quendolina") if value in text], path
    questions = (
        "/activity?identity={identity}",
        "/activity/export.csv?identity={identity}",
        f"{API}/identities?search={{name}}",
        f"{API}/dashboard?search={{name}}",
        f"{API}/suppressions?search={{name}}",
        f"{API}/campaigns?identity={{identity}}",
        "/suppressions?q={name}",
        "/identities?q={name}",
        f"/identities/{ours}/inboxes/new?inbox={{inbox}}",
    )
    foreign, unknown = {**theirs.ids, "name": "Quendolina"}, {**nobodys(), "name": "Nobody-of-ours"}
    for path in questions:
        answers = [alike(browser.get(path.format_map(ids)), ids) for ids in (foreign, unknown)]
        assert answers[0] == answers[1], path


def changing_routes(stack: Stack) -> list[Route]:
    """Those that act for whoever is signed in."""
    found = [(method, f"{API}{path}") for method, path in api_routes(stack)] + page_routes()
    return [route for route in found if route[0] != "GET" and route != BY_LINK]


def test_no_change_is_made_by_a_cookie_alone(stack: Stack, us: Admin, browser: httpx.Client) -> None:
    """Another site's page can make a browser send its cookie, and nothing more."""
    cookies, token = dict(browser.cookies), browser.headers["X-CSRF-Token"]
    with (
        organization_in(stack) as them,
        httpx.Client(base_url=stack.url, timeout=20, cookies=cookies) as http,
    ):
        foreign = them.get("/sessions/current")["csrf"]
        routes = changing_routes(stack)
        assert len(routes) > 25
        for method, path in routes:
            where = path.format_map({name: str(uuid4()) for name in names_in(path)})
            for headers in (
                {},
                {"X-CSRF-Token": foreign},
                {"X-CSRF-Token": token, "Origin": "https://elsewhere.example"},
                {"X-CSRF-Token": token, "Sec-Fetch-Site": "cross-site"},
            ):
                answer = http.request(method, where, json={}, headers=headers)
                assert answer.status_code == 403, (method, path, headers)
    assert us.get("/sessions/current")["organization"] == us.organization, "nobody was signed out"


@pytest.mark.requirement("R-ACC-1")
def test_live_events_are_of_ones_own_organization(stack: Stack, us: Admin, theirs: Theirs) -> None:
    ours = us.identity("Before")
    for resumed in ({}, {"Last-Event-ID": "0"}):
        with us.http.stream("GET", f"{stack.url}/events", headers=resumed) as events:
            lines = events.iter_lines()
            assert next(lines).startswith("retry:")
            name = f"/identities/{theirs.ids['identity']}/name"
            theirs.admin.call("PUT", name, {"name": f"Quendolina {uuid4().hex}"})
            theirs.admin.get(f"/identities/{theirs.ids['identity']}/history")  # it has come to the views
            mark = us.identity("After")
            told: list[Answer] = []
            while not told or told[-1].get("identity") != mark:
                told += [orjson.loads(line[6:]) for line in [next(lines)] if line.startswith("data: ")]
        own = {one["identity"] for one in us.get("/identities")}
        assert {one.get("identity", "") for one in told} <= {*own, ours, ""}
        assert not [one for one in told if one.get("subject") in set(theirs.ids.values())]


@pytest.mark.requirement("R-ACC-1")
async def test_a_subscriber_gets_the_events_of_its_organization_only(us: Admin, theirs: Theirs) -> None:
    mine = us.call("POST", "/subscribers", {"name": "CRM"})
    others = theirs.admin.call("POST", "/subscribers", {"name": "CRM"})
    errors: list[str] = []

    async def trouble(error: Exception) -> None:
        errors.append(str(error).lower())

    nc = Client()
    await nc.connect(
        mine["url"],
        user=mine["user"],
        password=mine["password"],
        inbox_prefix=mine["inbox_prefix"],
        error_cb=trouble,
    )
    try:
        js = nc.jetstream()  # pyright: ignore[reportUnknownMemberType]  untyped options
        overheard: list[str] = []

        async def overhear(message: Msg) -> None:
            overheard.append(message.subject)

        await border.subscribe(nc, "heraldry.>", cb=overhear)
        theirs.admin.call("PUT", f"/identities/{theirs.ids['identity']}/name", {"name": "Quendolina N."})
        mark = us.identity("Seen by its CRM")
        events = await js.pull_subscribe_bind(consumer=mine["consumer"], stream=mine["stream"])
        told: list[Answer] = []
        while not any(event["identity"] == mark for event in told):
            for message in await events.fetch(batch=100, timeout=20):
                if message.subject.startswith("heraldry.events."):
                    told.append(orjson.loads(message.data))
                await message.ack()
        assert {event["organization"] for event in told} == {us.organization}
        foreign = await js.pull_subscribe_bind(consumer=others["consumer"], stream=others["stream"])
        with pytest.raises(NatsError):
            await foreign.fetch(batch=1, timeout=1)
        assert overheard == []
        assert [error for error in errors if "permissions violation" in error]
    finally:
        await nc.close()


def given(method: str, path: str, body: Body, *, form: bool = False) -> Mapping[str, Any]:
    """What a request of this route carries. `form`: to a page."""
    if path.endswith("/picture") and method == "PUT":
        return {"content": picture("olive"), "headers": {"Content-Type": "image/png"}}
    if path.endswith("/picture") and method == "POST":
        return {"files": {"picture": ("me.png", picture("olive"), "image/png")}}
    if path.endswith("/imports") and form:
        return {"files": {"file": ("eve.csv", CSV, "text/csv")}}
    if path.endswith("/imports"):
        return {"content": CSV, "headers": {"Content-Type": "text/csv"}}
    if body is None:
        return {}
    return {"data": body} if form else {"json": body}


def picture(colour: str) -> bytes:
    written = io.BytesIO()
    Image.new("RGB", (8, 8), colour).save(written, "PNG")
    return written.getvalue()


def nobodys() -> Mapping[str, str]:
    return {name: str(uuid4()) for name in FOREIGN}
