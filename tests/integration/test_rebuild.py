"""The read models are only a memory: deleted, they come back and give the same answers, byte for byte."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from heraldry.chassis.testing.stack import SignIn, Stack

pytestmark = [pytest.mark.stack, pytest.mark.timeout(150)]
API = "/api/v1"
FROZEN = {"HERALDRY_TEST_NOW": "2026-05-04T09:30:00+00:00"}


def signed_in(stack: Stack, who: SignIn) -> httpx.Client:
    """With what its views must have seen, as a page has it."""
    session = {"email": who.email, "password": who.password}
    answer = httpx.post(f"{stack.url}{API}/sessions", json=session, timeout=20)
    answer.raise_for_status()
    headers = {"Authorization": f"Bearer {answer.json()['token']}"}
    return httpx.Client(base_url=stack.url, timeout=20, headers=headers)


def written(answer: httpx.Response, http: httpx.Client) -> str:
    """The id in an answer; the next request sees what was written."""
    answer.raise_for_status()
    http.headers["X-Position"] = answer.headers["X-Position"]
    return str(answer.json()["id"])


def play(http: httpx.Client) -> list[str]:
    """Some history: the identities' ids, the last one deleted."""
    found: list[str] = []
    for name in ("Ada Bergström", "Bo Ek", "Cilla Ås"):
        body = {"name": name, "hours": {"zone": "Europe/Stockholm"}}
        one = written(http.post(f"{API}/identities", json=body), http)
        changes: list[tuple[str, dict[str, object]]] = [
            ("name", {"name": f"{name} II"}),
            ("contact-details", {"first_name": "X", "job_title": "Head of Sales"}),
            ("working-hours", {"zone": "UTC", "week": [{"day": 2, "start": "08:00", "end": "12:00"}]}),
            ("crm-user", {"crm_user": f"crm {name}"}),
        ]
        for path, change in changes:
            written(http.put(f"{API}/identities/{one}/{path}", json=change), http)
        found.append(one)
    written(http.post(f"{API}/subscribers", json={"name": "CRM"}), http)
    revoked = written(http.post(f"{API}/share-links"), http)
    written(http.delete(f"{API}/share-links/{revoked}"), http)
    written(http.post(f"{API}/identities/{found[0]}/share-links"), http)
    written(http.delete(f"{API}/identities/{found[-1]}"), http)
    return found


def answers(http: httpx.Client, identities: list[str]) -> Mapping[str, tuple[int, bytes]]:
    paths = ["identities", "identities?search=berg", "history", "dashboard", "subscribers", "organization"]
    paths.append("share-links")
    for one in identities:
        paths += [f"identities/{one}{rest}" for rest in ("", "/history", "/history/export", "/share-links")]
    found: dict[str, tuple[int, bytes]] = {}
    for path in paths:
        answer = http.get(f"{API}/{path}")
        found[path] = (answer.status_code, answer.content)
    return found


@pytest.mark.requirement("R-AUD-1")
def test_deleted_read_models_come_back_and_answer_the_same_byte_for_byte(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with Stack.running(data, env=FROZEN) as stack:
        with signed_in(stack, stack.sign_in) as demo:
            admin = {"name": "Ada", "email": f"{uuid4().hex}@a.example", "password": uuid4().hex}
            demo.post(f"{API}/organizations", json={"name": "A", "admin": admin}).raise_for_status()
        who = SignIn(admin["email"], admin["password"])
        with signed_in(stack, who) as http:
            identities = play(http)
            link = httpx.URL(http.post(f"{API}/share-links").json()["url"]).path
            token, position = http.headers["Authorization"], http.headers["X-Position"]
            before = answers(http, identities)
    assert {
        path: status for path, (status, _) in before.items() if status != 200 and identities[-1] not in path
    } == {}
    assert b"Ada Bergstr\xc3\xb6m II" in before["identities"][1]

    words = [sys.executable, "-m", "heraldry.chassis.cli", "rebuild", "--data", str(data)]
    told = subprocess.run(words, capture_output=True, text=True, timeout=30, check=True)
    deleted = json.loads(told.stdout)["deleted"]
    assert {"identity-0.sqlite3", "gateway-0.sqlite3"} <= set(deleted)
    assert not list((data / "read").iterdir())

    with Stack.running(data, env=FROZEN) as stack:
        headers = {"Authorization": token, "X-Position": position}
        with httpx.Client(base_url=stack.url, timeout=20, headers=headers) as http:
            assert answers(http, identities) == before
            assert http.get(link).status_code == 200
