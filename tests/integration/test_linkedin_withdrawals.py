"""Invitations on LinkedIn as their people see them: counted, withdrawn by hand and by age, and not sent again."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import uuid4

import httpx
import pytest
from heraldry.chassis.testing.stack import Stack

from tests.integration.support import Admin, Answer, Outside, eventually, organization_in, outside_of

pytestmark = [pytest.mark.stack, pytest.mark.timeout(400)]
EVERY_DAY: Final = [{"day": day, "start": "00:00", "end": "24:00"} for day in range(1, 8)]
IN_A_BROWSER: Final = 120.0  # seconds, on a machine that does much else


@dataclass(frozen=True, slots=True)
class Site:
    """The stand-in of LinkedIn, where Ada has an account."""

    http: httpx.Client
    email: str
    slug: str

    def person(self, name: str) -> str:
        """Somebody with a profile."""
        slug = f"{name.lower()}-{secrets.token_hex(4)}"
        self._post("/people/", {"slug": slug, "first_name": name, "last_name": "Martin"})
        return slug

    def accept(self, slug: str) -> None:
        self._post(f"/people/{slug}/accept", {"account": self.email})

    def happened(self, what: str) -> Sequence[object]:
        """To whom, by Ada's account."""
        found: list[Answer] = self.http.get("/effects").json()
        return [one["to"] for one in found if (one["what"], one.get("account")) == (what, self.email)]

    def _post(self, path: str, body: Answer) -> None:
        answer = self.http.post(path, json=body)
        assert answer.is_success, answer.text


@pytest.fixture(scope="module")
def us(stack: Stack) -> Iterator[Admin]:
    with organization_in(stack) as admin:
        yield admin


@pytest.fixture(scope="module")
def outside(stack: Stack) -> Iterator[Outside]:
    with outside_of(stack) as found:
        yield found


@pytest.fixture(scope="module")
def site(stack: Stack) -> Iterator[Site]:
    with httpx.Client(base_url=f"{stack.sandbox_url}/control/v1/linkedin", timeout=20) as http:
        word = secrets.token_hex(4)
        site = Site(http, f"ada-{word}@northwind.example", f"ada-{word}")
        made = {
            "email": site.email,
            "password": "correct horse battery",
            "name": "Ada Berg",
            "slug": site.slug,
        }
        assert http.post("/accounts", json=made).is_success
        yield site


def linked(us: Admin, site: Site) -> str:
    """An identity that acts as Ada at any time of the day."""
    body = {"name": "Ada Berg", "hours": {"zone": "UTC", "week": EVERY_DAY}}
    identity = str(us.call("POST", "/identities", body)["id"])
    path = f"/identities/{identity}/linkedin"
    us.call("POST", path, {"email": site.email, "password": "correct horse battery"})

    def look() -> bool:
        found = us.get(path)
        assert found["state"] != "failed", found
        return found["state"] == "linked" and us.send("GET", f"{path}/limits").is_success

    eventually(look, "the account is linked", IN_A_BROWSER)
    return path


@pytest.mark.requirement("R-LIM-4", "R-WD-1", "R-WD-2", "R-WD-3", "R-WD-4", "R-WD-5")
def test_invitations_are_counted_once_withdrawn_with_an_answer_each_and_not_sent_again(
    us: Admin, outside: Outside, site: Site
) -> None:
    path = linked(us, site)
    lea, kim, bob = (site.person(name) for name in ("Lea", "Kim", "Bob"))

    def invite(slug: str) -> str:
        body = {"profile": f"https://www.linkedin.com/in/{slug}", "name": slug}
        return str(us.call("POST", f"{path}/invitations", body)["attempt"])

    def used(kind: str) -> int:
        uses: list[Any] = us.get(f"{path}/limits")["use"]
        return next(one["used_today"] for one in uses if one["kind"] == kind)

    def are_pending(count: int) -> None:
        eventually(lambda: us.get(f"{path}/pending")["total"] == count, f"{count} are pending", IN_A_BROWSER)

    def withdrawn(count: int) -> list[Any]:
        def look() -> list[Any] | None:
            found = us.get(f"{path}/withdrawals")
            return found["withdrawals"] if found["total"] == count else None

        return eventually(look, f"{count} are withdrawn", IN_A_BROWSER)

    sent = [invite(slug) for slug in (lea, kim, bob)]
    are_pending(3)
    assert used("invitation") == 3
    invite(kim)  # who is invited already
    assert used("invitation") == 4
    eventually(lambda: used("invitation") == 3, "its permit came back", IN_A_BROWSER)
    assert sorted(site.happened("invited"), key=str) == sorted((lea, kim, bob))

    site.accept(kim)
    stranger = str(uuid4())
    asked = us.call("POST", f"{path}/withdrawals", {"invitations": [sent[0], sent[1], stranger]})

    def answers() -> list[Any] | None:
        found: list[Any] = us.get(f"{path}/withdrawals/{asked['request']}")
        return None if any(one["outcome"] == "waiting" for one in found) else found

    results = eventually(answers, "each has its answer", IN_A_BROWSER)
    assert [(one["invitation"], one["outcome"]) for one in results] == [
        (sent[0], "withdrawn"),
        (sent[1], "accepted meanwhile"),
        (stranger, "not found"),
    ]
    (first,) = withdrawn(1)
    assert (first["invitation"], first["name"], first["automatic"]) == (sent[0], lea, False)
    assert first["actor"].startswith("user:")
    assert first["sent_at"] < first["withdrawn_at"]
    assert site.happened("withdrew") == [lea]

    until = datetime.fromisoformat(first["blocked_until"])
    assert until - datetime.fromisoformat(first["withdrawn_at"]) == timedelta(days=21)

    def is_refused() -> bool:
        body = {"profile": f"linkedin.com/in/{lea.upper()}/"}
        refused = us.refusal("POST", f"{path}/invitations", body)
        assert refused["code"] == "invitation.withdrawn-lately", refused
        return datetime.fromisoformat(refused["extra"]["until"]) == until

    eventually(is_refused, "it is refused with its date")

    us.call("PUT", f"{path}/withdrawal-policy", {"days": 1})
    outside.advance(timedelta(hours=25).total_seconds())
    newest, _ = withdrawn(2)
    assert (newest["invitation"], newest["name"], newest["automatic"]) == (sent[2], bob, True)
    assert site.happened("withdrew") == [lea, bob]
