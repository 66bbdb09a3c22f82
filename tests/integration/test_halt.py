"""A halt, from outside: nothing leaves, everybody sees who halted it and why, and the history keeps both."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from html import escape
from typing import cast
from uuid import uuid4

import httpx
import pytest
from heraldry.chassis.testing.stack import Stack

from tests.integration.support import CSRF, Admin, Answer, Outside, organization_in, outside_of

pytestmark = pytest.mark.stack
REASON = "A wrong text <b>went</b> out"


@pytest.fixture
def us(stack: Stack) -> Iterator[Admin]:
    with organization_in(stack) as admin:
        yield admin


@pytest.fixture
def outside(stack: Stack) -> Iterator[Outside]:
    with outside_of(stack) as found:
        yield found


def halts(us: Admin) -> list[Answer]:
    """What history says of halts, newest first."""
    found = cast("list[Answer]", us.get("/history?kind=organization")["entries"])
    return [one for one in found if one["type"] in {"OrganizationHalted", "OrganizationResumed"}]


def test_a_halt_keeps_a_mail_and_history_says_who_and_why(us: Admin, outside: Outside) -> None:
    ours, theirs = outside.account(), outside.account("lea")
    inbox = us.connected(us.identity(zone=outside.zone_about()), ours)
    halted = us.call("POST", "/halt", {"reason": f" {REASON} "})
    assert halted == {**us.get("/halt"), "already": False, "recorded": True}
    assert (halted["halted"], halted["reason"]) == (True, REASON)
    assert datetime.fromisoformat(halted["since"]).tzinfo is not None

    letter = {"to": theirs.address, "subject": "Hello", "text": "Shall we talk?"}
    attempt = str(us.call("POST", f"/inboxes/{inbox}/mails", letter)["attempt"])
    us.mail_in(attempt, "queued")
    [said] = halts(us)
    assert (said["type"], said["outcome"], said["actor_name"]) == ("OrganizationHalted", "Halted", "Ada")
    assert said["what"].endswith(REASON)
    assert us.mail(attempt)["state"] == "queued"
    assert outside.effects("mail", sender=ours.address) == []

    assert us.call("DELETE", "/halt?reason=Mended")["halted"] is False
    us.mail_in(attempt, "sent")
    resumed, _ = halts(us)
    assert (resumed["type"], resumed["actor_name"]) == ("OrganizationResumed", "Ada")
    assert resumed["what"].endswith("Mended")
    assert len(outside.messages(theirs)) == 1


def test_halting_and_resuming_again_changes_nothing(us: Admin) -> None:
    key = uuid4()
    first = us.call("POST", "/halt", {"reason": REASON}, key=key)
    assert us.call("POST", "/halt", {"reason": REASON}, key=key) == first
    assert us.call("POST", "/halt", {"reason": "Another"}) == {**first, "already": True}
    assert len(halts(us)) == 1
    for _ in range(2):
        assert us.call("DELETE", "/halt") == us.get("/halt")
    assert len(halts(us)) == 2
    us.call("POST", "/halt", {"reason": "Another"})
    assert us.get("/halt")["reason"] == "Another"
    assert len(halts(us)) == 3


def test_a_halt_without_a_reason_is_refused(us: Admin) -> None:
    assert us.refusal("POST", "/halt", {"reason": "  "})["code"] == "halt.reason-missing"
    assert us.get("/halt")["halted"] is False
    assert halts(us) == []


def browsing(us: Admin) -> httpx.Client:
    """A browser of the admin's, with the session's cookie."""
    token = us.http.headers["Authorization"].removeprefix("Bearer ")
    return httpx.Client(base_url=us.stack.url, cookies={"heraldry_session": token}, timeout=30)


def post(pages: httpx.Client, page: str, action: str, **fields: str) -> httpx.Response:
    """Fill in the form of a page with this action."""
    text = pages.get(page).text
    assert f'action="{action}"' in text
    token = CSRF.search(text)
    assert token is not None
    return pages.post(action, data={"_csrf_token": token[1], "command": str(uuid4()), **fields})


def test_an_admin_halts_on_the_page_and_every_page_says_so(us: Admin) -> None:
    with browsing(us) as pages:
        assert "Everything is halted" not in banner(pages.get("/identities").text)
        answer = post(pages, "/organization", "/organization/halt", reason=REASON)
        assert (answer.status_code, answer.headers["location"]) == (303, "/identities")
        assert us.get("/halt")["reason"] == REASON
        for page in ("/identities", "/activity", "/organization", "/organization/halt"):
            shown = banner(pages.get(page).text)
            assert "Everything is halted: nothing leaves." in shown
            assert escape(REASON) in shown
            assert "<bdi>Ada</bdi>, <time" in shown
        assert 'action="/organization/halt"' not in pages.get("/organization").text

        answer = post(pages, "/identities", "/organization/resume", reason="Mended")
        assert answer.status_code == 303
        assert us.get("/halt")["halted"] is False
        shown = pages.get("/identities").text
        assert "Things leave again." in shown
        assert "nothing leaves" not in banner(shown)
    assert [one["what"].rpartition(": ")[2] for one in halts(us)] == ["Mended", REASON]


def test_a_page_asks_for_the_reason_that_is_missing(us: Admin) -> None:
    with browsing(us) as pages:
        answer = post(pages, "/organization/halt", "/organization/halt", reason=" ")
        assert answer.status_code == 422
        assert 'id="halt-reason-error"' in answer.text
        assert pages.post("/organization/halt", data={"reason": REASON}).status_code == 403  # no CSRF token
    assert us.get("/halt")["halted"] is False


def banner(page: str) -> str:
    """What stands above the content of a page, or would."""
    return page.partition('<div id="halted"')[2].partition("<h1>")[0]
