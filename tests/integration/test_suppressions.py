"""The suppression list: whoever is on it is written to by nobody of the organization."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

import httpx
import pytest
from heraldry.chassis.testing.stack import Stack

from tests.integration.support import Admin, eventually, organization_in, outside_of

pytestmark = pytest.mark.stack


@pytest.fixture
def us(stack: Stack) -> Iterator[Admin]:
    with organization_in(stack) as admin:
        yield admin


def addresses(us: Admin, query: str = "") -> list[str]:
    return [one["address"] for one in us.get(f"/suppressions{query}")["suppressions"]]


@pytest.mark.requirement("R-BOX-16")
def test_an_address_on_the_list_is_not_written_to_until_it_is_taken_off(stack: Stack, us: Admin) -> None:
    with outside_of(stack) as outside:
        lea = outside.account("lea", "brisa.example")
        inbox = us.connected(us.identity(), outside.account("ada"))
        us.call("POST", "/suppressions", {"address": f" {lea.address.upper()} "})
        (listed,) = us.get("/suppressions")["suppressions"]
        assert listed["reason"] == "by hand"
        assert listed["actor"].startswith("user:")
        mail = {"to": lea.address, "subject": "Hello", "text": "Hello"}
        asked = us.send("POST", f"/inboxes/{inbox}/mails", mail)
        if asked.is_success:  # the scheduler has not heard of it yet: the mailbox stops it
            assert us.mail_in(asked.json()["attempt"], "failed", "sent")["state"] == "failed"
        eventually(
            lambda: us.send("POST", f"/inboxes/{inbox}/mails", mail).status_code == 409,
            "the scheduler refuses it",
        )
        assert us.refusal("POST", f"/inboxes/{inbox}/mails", mail)["code"] == "recipient.suppressed"
        assert outside.messages(lea) == []
        us.call("DELETE", f"/suppressions/{listed['recipient']}")
        assert addresses(us) == []
        attempt = eventually(lambda: _sent(us, inbox, mail), "it may be written to again")
        us.mail_in(attempt, "sent")


def _sent(us: Admin, inbox: str, mail: dict[str, str]) -> str | None:
    answer = us.send("POST", f"/inboxes/{inbox}/mails", mail)
    return str(answer.json()["attempt"]) if answer.is_success else None


def test_the_list_is_searched_and_read_page_by_page(us: Admin) -> None:
    added = [f"lea-{number}@{'brisa' if number % 2 else 'maison'}.example" for number in range(7)]
    for address in added:
        us.call("POST", "/suppressions", {"address": address})
    us.call("POST", "/suppressions", {"address": added[0]})  # again changes nothing
    seen, after = list[str](), ""
    while True:
        page = us.get(f"/suppressions?limit=3&after={after}")
        assert page["total"] == 7
        seen += [one["address"] for one in page["suppressions"]]
        if not (after := page["next"]):
            break
    assert seen == added[::-1]
    assert addresses(us, "?search=BRISA") == [one for one in added[::-1] if "brisa" in one]


def test_what_cannot_be_put_on_the_list_is_said_beside_the_field(stack: Stack, us: Admin) -> None:
    for address in ("nobody", "a b@c.example", "@c.example"):
        refused = us.refusal("POST", "/suppressions", {"address": address})
        assert (refused["code"], refused["field"]) == ("address.invalid", "address"), address
    assert us.refusal("POST", "/suppressions", {"address": ""})["status"] == 422
    assert us.refusal("DELETE", f"/suppressions/{uuid4().hex}")["code"] == "suppression.unknown"
    assert us.refusal("GET", "/suppressions?after=nonsense")["code"] == "cursor.malformed"
    with pages(stack, us) as http:
        again = http.post("/suppressions", data={"address": "nobody"})
        assert again.status_code == 422
        assert "This is no email address" in again.text
        assert 'value="nobody"' in again.text


def test_people_add_and_take_off_on_the_page_and_the_history_names_them(stack: Stack, us: Admin) -> None:
    with pages(stack, us) as http:
        assert "Nobody is on the list" in http.get("/suppressions").text
        added = http.post("/suppressions", data={"address": "lea@brisa.example"}, follow_redirects=True)
        assert "lea@brisa.example" in added.text
        assert "Added by hand" in added.text
        assert ">Ada</bdi>" in added.text
        (listed,) = us.get("/suppressions")["suppressions"]
        taken = http.post(f"/suppressions/{listed['recipient']}/remove", follow_redirects=True)
        assert "Nobody is on the list" in taken.text

    def told() -> list[str]:
        return [one["what"] for one in us.get("/history?kind=suppression")["entries"]]

    expected = [
        "lea@brisa.example taken off the suppression list",
        "lea@brisa.example put on the suppression list: added by hand",
    ]
    eventually(lambda: told() == expected, "the history tells of both")


def pages(stack: Stack, us: Admin) -> httpx.Client:
    """A browser's requests, with the token its forms carry."""
    token = us.http.headers["Authorization"].split()[1]
    http = httpx.Client(base_url=stack.url, timeout=20, cookies={"heraldry_session": token})
    http.headers["X-CSRF-Token"] = us.get("/sessions/current")["csrf"]
    return http
