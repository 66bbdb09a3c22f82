"""Who may see and do what, through HTTP on the running system."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from heraldry.chassis.testing.stack import Stack

pytestmark = pytest.mark.stack
API = "/api/v1"
CSRF = re.compile(r'name="_csrf_token" value="([^"]+)"')


def signed_in(stack: Stack, email: str, password: str) -> httpx.Client:
    session = {"email": email, "password": password}
    answer = httpx.post(f"{stack.url}{API}/sessions", json=session, timeout=20)
    answer.raise_for_status()
    headers = {"Authorization": f"Bearer {answer.json()['token']}"}
    return httpx.Client(base_url=stack.url, timeout=20, headers=headers)


def organization(stack: Stack) -> httpx.Client:
    """The admin of a fresh organization, signed in."""
    with signed_in(stack, stack.sign_in.email, stack.sign_in.password) as demo:
        admin = {"name": "Ada", "email": f"{uuid4().hex}@a.example", "password": uuid4().hex}
        demo.post(f"{API}/organizations", json={"name": "A", "admin": admin}).raise_for_status()
    return signed_in(stack, admin["email"], admin["password"])


@pytest.fixture
def us(stack: Stack) -> Iterator[httpx.Client]:
    with organization(stack) as http:
        yield http


@pytest.fixture
def them(stack: Stack) -> Iterator[httpx.Client]:
    with organization(stack) as http:
        yield http


def identity(http: httpx.Client, name: str = "Astrid Lind") -> str:
    answer = http.post(f"{API}/identities", json={"name": name, "hours": {"zone": "Europe/Stockholm"}})
    answer.raise_for_status()
    http.headers["X-Position"] = answer.headers["X-Position"]
    return str(answer.json()["id"])


@pytest.mark.requirement("R-ACC-1")
def test_what_is_another_organizations_does_not_exist(us: httpx.Client, them: httpx.Client) -> None:
    ours = identity(us)
    subscriber = us.post(f"{API}/subscribers", json={"name": "CRM"}).json()["id"]
    hours = {"zone": "UTC"}
    requests: list[tuple[str, str, object]] = [
        ("GET", f"identities/{ours}", None),
        ("PUT", f"identities/{ours}/name", {"name": "Mine"}),
        ("PUT", f"identities/{ours}/contact-details", {}),
        ("PUT", f"identities/{ours}/working-hours", hours),
        ("PUT", f"identities/{ours}/likings-opt-out", {"opted_out": True}),
        ("PUT", f"identities/{ours}/crm-user", {"crm_user": "1"}),
        ("GET", f"identities/{ours}/picture", None),
        ("DELETE", f"identities/{ours}/picture", None),
        ("GET", f"identities/{ours}/history", None),
        ("GET", f"identities/{ours}/history/export", None),
        ("DELETE", f"identities/{ours}", None),
        ("DELETE", f"subscribers/{subscriber}", None),
    ]
    for method, path, body in requests:
        assert them.request(method, f"{API}/{path}", json=body).status_code == 404, (method, path)
    assert ours not in them.get(f"{API}/identities").text
    assert ours not in them.get(f"{API}/history").text
    assert ours not in them.get(f"{API}/dashboard").text
    assert us.get(f"{API}/identities/{ours}").json()["name"] == "Astrid Lind"


def test_a_repeated_command_changes_nothing(us: httpx.Client) -> None:
    key = {"Idempotency-Key": str(uuid4())}
    body = {"name": "Once", "hours": {"zone": "UTC"}}
    first, second = (us.post(f"{API}/identities", json=body, headers=key) for _ in range(2))
    assert first.json() == second.json()
    listed = us.get(f"{API}/identities", headers={"X-Position": first.headers["X-Position"]}).json()
    assert [one["name"] for one in listed] == ["Once"]
    spelled = us.post(
        f"{API}/identities",
        content=b'{"hours": {"zone":  "UTC"}, "name": "Once"}',
        headers={**key, "Content-Type": "application/json"},
    )
    assert spelled.json() == first.json(), "the same document, written otherwise"
    for kind in ("text/plain", "application/x-www-form-urlencoded", "application/vnd.api+json"):
        twice = us.post(
            f"{API}/identities",
            content=b'{"hours": {"zone": "UTC"}, "name": "Twice"}',
            headers={**key, "Content-Type": kind},
        )
        assert (twice.status_code, kind) == (422, kind), "it is read as JSON, so it is compared"
    other = us.post(f"{API}/identities", json={**body, "name": "Twice"}, headers=key)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency-key.other-request")
    assert other.json()["field"] == "Idempotency-Key"
    assert [one["name"] for one in us.get(f"{API}/identities").json()] == ["Once"]


@pytest.mark.requirement("R-AUD-2")
def test_the_history_says_who_did_what_and_can_be_exported(us: httpx.Client) -> None:
    ours = identity(us, "=cmd|' /C calc'!A0")
    entry = us.get(f"{API}/identities/{ours}/history").json()["entries"][0]
    assert (entry["type"], entry["actor_name"], entry["outcome"]) == ("IdentityCreated", "Ada", "Done")
    exported = us.get(f"{API}/identities/{ours}/history/export").text
    assert "'=cmd" in exported
    assert ",=cmd" not in exported
    (row,) = csv.DictReader(exported.splitlines())
    assert row["time_utc"] == str(entry["time"])[:19].replace("T", " ")
    lines = us.get(f"{API}/identities/{ours}/history/export", params={"format": "jsonl"}).text.splitlines()
    assert len(lines) == 1


@pytest.mark.requirement("R-DASH-2")
def test_the_dashboard_finds_an_identity_by_its_name(us: httpx.Client) -> None:
    identity(us, "Astrid Lind")
    identity(us, "Bo Berg")
    found = us.get(f"{API}/dashboard", params={"search": "berg"}).json()
    assert [card["name"] for card in found["cards"]] == ["Bo Berg"]
    assert found["identities"] == 2


def test_a_form_without_its_token_is_refused(stack: Stack) -> None:
    who = {"email": stack.sign_in.email, "password": stack.sign_in.password}
    with httpx.Client(base_url=stack.url) as http:
        page = http.get("/sign-in")
        assert http.post("/sign-in", data=who).status_code == 403
        found = CSRF.search(page.text)
        assert found is not None
        form = {**who, "_csrf_token": found[1]}
        foreign = {"Origin": "https://elsewhere.example"}
        assert http.post("/sign-in", data=form, headers=foreign).status_code == 403
        assert http.post("/sign-in", data={**form, "next": "//elsewhere.example"}).headers["location"] == "/"
        assert http.post(f"{API}/identities", json={}).status_code == 403  # a cookie alone changes nothing


def test_an_unknown_address_is_refused_like_a_wrong_password(stack: Stack) -> None:
    with httpx.Client(base_url=stack.url) as http:
        answers = [
            http.post(f"{API}/sessions", json={"email": email, "password": "not the password"})
            for email in (stack.sign_in.email, f"{uuid4().hex}@nobody.example")
        ]
    assert answers[0].json() == answers[1].json()
    assert answers[0].status_code == 401


def test_too_many_tries_with_one_address_are_throttled(stack: Stack) -> None:
    guess = {"email": f"{uuid4().hex}@nobody.example", "password": "not the password"}
    with httpx.Client(base_url=stack.url) as http:
        statuses = [http.post(f"{API}/sessions", json=guess).status_code for _ in range(11)]
    assert statuses == [401] * 10 + [429]


def test_events_resume_where_the_browser_was(us: httpx.Client) -> None:
    ours = identity(us)
    seen = 0
    with us.stream("GET", "/events") as events:
        us.put(f"{API}/identities/{ours}/name", json={"name": "One"}).raise_for_status()
        seen = next(int(line[4:]) for line in events.iter_lines() if line.startswith("id: "))
    renamed = us.put(f"{API}/identities/{ours}/name", json={"name": "Two"}).headers["X-Position"]
    us.get(f"{API}/history", headers={"X-Position": renamed}).raise_for_status()
    with us.stream("GET", "/events", headers={"Last-Event-ID": str(seen)}) as events:
        line = next(line for line in events.iter_lines() if line.startswith("data: "))
    assert '"type":"IdentityRenamed"' in line


@pytest.mark.requirement("R-ACC-4")
@pytest.mark.timeout(120)
def test_the_first_admins_link_works_once(tmp_path: Path) -> None:
    with Stack.running(tmp_path / "live", sandbox=False) as stack:
        link = stack.first_admin_url

        def use(name: str) -> int:
            with httpx.Client(timeout=20) as http:
                found = CSRF.search(http.get(link).text)
                if found is None:
                    return 410
                form = {
                    "_csrf_token": found[1],
                    "command": str(uuid4()),
                    "organization": name,
                    "name": "Ada",
                    "email": f"{name}@a.example",
                    "password": "a long password",
                    "zone": "UTC",
                }
                return http.post(link, data=form).status_code

        with ThreadPoolExecutor(2) as both:
            assert sorted(both.map(use, ("one", "two"))) == [303, 410]
        assert httpx.get(link).status_code == 410
        assert not (stack.folder / "run" / "first-admin.json").exists()


def test_what_is_too_large_to_be_read_is_the_callers_mistake(us: httpx.Client, stack: Stack) -> None:
    nested = httpx.post(
        f"{stack.url}{API}/sessions",
        content=b"[" * 100_000,
        headers={"Content-Type": "application/json"},
        timeout=20,
    )
    found = {"sessions": nested.status_code}
    for path in (
        "history?to=9999-12-31",
        "history/export?to=9999-12-31",
        "dashboard?from=0001-01-01&to=0001-01-01",
        "dashboard?from=9999-12-31&to=9999-12-31",
    ):
        found[path] = us.get(f"{API}/{path}").status_code
    assert {path: status for path, status in found.items() if not 400 <= status < 500} == {}
    with us.stream("GET", "/events", params={"after": "9" * 4_500}) as answer:
        assert answer.status_code == 200
