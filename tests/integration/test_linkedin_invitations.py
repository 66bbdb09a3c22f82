"""Invitations on LinkedIn as their people see them: counted, paused with LinkedIn, withdrawn by hand and by age, not
sent again, and decided by a person where nobody knows what became of them.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Any, Final
from uuid import uuid4

import httpx
import pytest
from heraldry.chassis.testing.stack import Stack

from tests.integration.support import CSRF, Admin, Answer, Outside, eventually

pytestmark = [pytest.mark.stack, pytest.mark.timeout(400)]
EVERY_DAY: Final = [{"day": day, "start": "00:00", "end": "24:00"} for day in range(1, 8)]
IN_A_BROWSER: Final = 120.0  # seconds, on a machine that does much else
LOOKED_UP: Final = timedelta(minutes=31)


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

    def treat(self, **how: str) -> None:
        """Ada's account, from now on."""
        assert self.http.patch(f"/accounts/{self.email}/scenario", json=how).is_success

    def happened(self, what: str) -> Sequence[object]:
        """To whom, by Ada's account."""
        found: list[Answer] = self.http.get("/effects").json()
        return [one["to"] for one in found if (one["what"], one.get("account")) == (what, self.email)]

    def _post(self, path: str, body: Answer) -> None:
        answer = self.http.post(path, json=body)
        assert answer.is_success, answer.text


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


@pytest.fixture(scope="module")
def path(us: Admin, site: Site) -> str:
    """Of the LinkedIn account of an identity that acts as Ada at any time of the day."""
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


def used(us: Admin, path: str, kind: str = "invitation") -> int:
    uses: list[Any] = us.get(f"{path}/limits")["use"]
    return next(one["used_today"] for one in uses if one["kind"] == kind)


def invite(us: Admin, path: str, slug: str) -> str:
    body = {"profile": f"https://www.linkedin.com/in/{slug}", "name": slug}
    return str(us.call("POST", f"{path}/invitations", body)["attempt"])


def connections(us: Admin, period: str = "") -> tuple[int, int]:
    """Requests accepted and sent, as the dashboard counts them."""
    totals = us.get(f"/dashboard{period}")["totals"]
    return totals["invitations_accepted"], totals["invitations_sent"]


@pytest.mark.requirement(
    "R-DASH-3", "R-DASH-4", "R-LIM-4", "R-LIM-5", "R-WD-1", "R-WD-2", "R-WD-3", "R-WD-4", "R-WD-5"
)
def test_invitations_are_counted_once_withdrawn_with_an_answer_each_and_not_sent_again(
    us: Admin, outside: Outside, site: Site, path: str
) -> None:
    lea, kim, bob, dan = (site.person(name) for name in ("Lea", "Kim", "Bob", "Dan"))
    first_day = outside.now().date()

    def are_pending(count: int) -> None:
        eventually(lambda: us.get(f"{path}/pending")["total"] == count, f"{count} are pending", IN_A_BROWSER)

    def withdrawn(count: int) -> list[Any]:
        def look() -> list[Any] | None:
            found = us.get(f"{path}/withdrawals")
            return found["withdrawals"] if found["total"] == count else None

        return eventually(look, f"{count} are withdrawn", IN_A_BROWSER)

    sent = [invite(us, path, slug) for slug in (lea, kim, bob)]
    are_pending(3)
    assert used(us, path) == 3
    invite(us, path, kim)  # who is invited already
    assert used(us, path) == 4
    eventually(lambda: used(us, path) == 3, "its permit came back", IN_A_BROWSER)
    assert sorted(site.happened("invited"), key=str) == sorted((lea, kim, bob))

    pauses_invitations(us, site, path, dan)

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
    back = us.get(f"/linkedin/steps/{us.get(f'/linkedin/steps/{sent[0]}')['withdrawal']}")
    assert (back["kind"], back["state"]) == ("withdrawal", "done")
    assert us.get(f"/linkedin/steps/{sent[2]}")["withdrawal"] is None

    until = datetime.fromisoformat(first["blocked_until"])
    assert until - datetime.fromisoformat(first["withdrawn_at"]) == timedelta(days=21)

    eventually(lambda: connections(us) == (1, 3), "the dashboard counts them")
    us.call("PUT", f"{path}/withdrawal-policy", {"days": 1})
    outside.advance(timedelta(hours=25).total_seconds())
    eventually(lambda: us.get("/dashboard")["first"] > str(first_day), "the dashboard shows another day")
    period = f"?from={first_day}&to={first_day + timedelta(days=1)}"
    assert (connections(us), connections(us, period)) == ((0, 0), (1, 3))
    assert us.get("/dashboard")["first"] == us.get("/dashboard")["last"]
    newest, _ = withdrawn(2)
    assert (newest["invitation"], newest["name"], newest["automatic"]) == (sent[2], bob, True)
    assert site.happened("withdrew") == [lea, bob]

    def is_refused() -> bool:
        body = {"profile": f"linkedin.com/in/{lea.upper()}/"}
        refused = us.refusal("POST", f"{path}/invitations", body)
        assert refused["code"] == "invitation.withdrawn-lately", refused
        return datetime.fromisoformat(refused["extra"]["until"]) == until

    eventually(is_refused, "it is refused with its date")
    assert paused_until(us) is None
    invite(us, path, dan)
    eventually(lambda: dan in site.happened("invited"), "invitations go on by themselves", IN_A_BROWSER)


def pauses_invitations(us: Admin, site: Site, path: str, slug: str) -> None:
    """LinkedIn wants no more of them: nobody is invited, and the card says until when."""
    before = used(us, path)
    site.treat(invitation="slow_down")
    invite(us, path, slug)
    paused = eventually(lambda: paused_until(us), "LinkedIn's own limit stands on the card", IN_A_BROWSER)
    eventually(lambda: us.get(f"{path}/limits")["slowed"], "who lets them leave has heard of it, too")
    refused = us.refusal("POST", f"{path}/invitations", {"profile": f"linkedin.com/in/{slug}"})
    assert refused["code"] == "linkedin.slowed-down"
    assert datetime.fromisoformat(refused["extra"]["until"]) == paused
    eventually(lambda: used(us, path) == before, "what was not sent counts nothing")
    site.treat(invitation="sent")


def paused_until(us: Admin) -> datetime | None:
    """Until when the card says that LinkedIn wants no more invitations."""
    (card,) = us.get("/dashboard")["cards"]
    said = {one["reason"]: one["until"] for one in card["waiting"]}
    until = said.get("LinkedIn wants no more invitations now.")
    return datetime.fromisoformat(until) if until else None


def keeps_to_one_day(us: Admin, outside: Outside, path: str) -> None:
    """What is counted in the next hour is counted in one day."""
    midnight = datetime.combine(outside.now().date() + timedelta(days=1), time(), UTC)
    if midnight - outside.now() < timedelta(hours=1):
        outside.advance_to(midnight)
        eventually(lambda: used(us, path) == 0, "another day begins")


@pytest.mark.requirement("R-CAMP-5", "R-LIM-4")
def test_what_nobody_knows_of_linkedin_is_decided_by_a_person_and_its_lead_goes_on(
    us: Admin, outside: Outside, site: Site, path: str
) -> None:
    lea, kim = site.person("Lea"), site.person("Kim")
    identity = path.split("/")[2]
    steps = [{"kind": "invitation"}, {"kind": "message", "delay": 24, "text": "Thanks"}]
    body = {"name": "Spring", "identity": identity, "pace": "at once", "steps": steps}
    campaign = str(us.call("POST", "/campaigns", body)["id"])
    people = [{"linkedin_url": f"https://www.linkedin.com/in/{slug}"} for slug in (lea, kim)]
    us.call("POST", f"/campaigns/{campaign}/leads", people)

    def leads() -> Mapping[str, Answer]:
        """By their profile's last word."""
        found = us.get(f"/campaigns/{campaign}/leads")["leads"]
        return {one["data"]["linkedin_url"].rpartition("/")[2]: one for one in found}

    eventually(lambda: len(leads()) == 2, "the leads count")
    keeps_to_one_day(us, outside, path)
    before = used(us, path)
    site.treat(invitation="not_kept")  # it is said to be sent, and does not show
    us.call("POST", f"/campaigns/{campaign}/start")

    def begun() -> Mapping[str, str] | None:
        tried = {slug: lead["attempts"][-1] for slug, lead in leads().items() if lead["attempts"]}
        states = [us.send("GET", f"/linkedin/steps/{one}").json().get("state") for one in tried.values()]
        return tried if states == ["started", "started"] else None

    attempts = eventually(begun, "both were pressed", IN_A_BROWSER)
    outside.advance(LOOKED_UP.total_seconds())

    def undecided() -> set[str]:
        return {one["attempt"] for one in us.get("/linkedin/steps/undecided")["actions"]}

    eventually(lambda: undecided() == set(attempts.values()), "a person decides", IN_A_BROWSER)
    eventually(lambda: {one["state"] for one in leads().values()} == {"outcome unknown"}, "leads wait")
    assert used(us, path) == before + 2
    site.treat(invitation="sent")

    us.call("POST", f"/linkedin/steps/{attempts[lea]}/outcome", {"done": True})
    went_on = eventually(lambda: one if (one := leads()[lea])["step"] == 1 else None, "as if it was sent")
    assert (went_on["state"], went_on["waiting"]["code"]) == ("in progress", "delay")
    again = us.refusal("POST", f"/linkedin/steps/{attempts[lea]}/outcome", {"done": False})
    assert (again["status"], again["code"]) == (409, "action.outcome-known")

    with httpx.Client(base_url=us.stack.url, timeout=20) as browser:
        browser.cookies.set("heraldry_session", us.http.headers["Authorization"].removeprefix("Bearer "))
        page = browser.get("/activity/undecided").text
        assert f"/activity/steps/{attempts[kim]}" in page
        token = CSRF.search(page)
        assert token is not None
        decided = browser.post(
            f"/activity/steps/{attempts[kim]}/outcome", data={"_csrf_token": token[1], "done": "no"}
        )
        assert decided.status_code == 303

    def by_whom() -> str | None:
        told = us.get(f"/linkedin/steps/{attempts[kim]}")["steps"]
        return next((one["actor_name"] for one in told if one["type"] == "LinkedInActionFailed"), None)

    assert eventually(by_whom, "that it was decided is in its history") == "Ada"
    assert us.get("/linkedin/steps/undecided")["total"] == 0
    outside.advance(timedelta(minutes=2).total_seconds())  # the pause before another try
    eventually(lambda: kim in site.happened("invited"), "it is tried again", IN_A_BROWSER)
    eventually(lambda: leads()[kim]["step"] == 1, "it goes on")
    assert leads()[kim]["attempts"][-1] != attempts[kim]
    assert used(us, path) == before + 3  # what nobody could know about keeps its place in the limit
    assert site.happened("invited").count(kim) == 1
    assert lea not in site.happened("invited")
