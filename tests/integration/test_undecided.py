"""A mail of which nobody knows whether it left: never sent again, shown as work, decided by a person."""

from __future__ import annotations

import re
from datetime import timedelta

import httpx
import pytest

from tests.integration.support import CSRF, Account, Admin, Outside, eventually

pytestmark = pytest.mark.stack
LOOKED_UP = timedelta(minutes=31)
COMMAND = re.compile(r'name="command" value="([^"]+)"')


@pytest.fixture(scope="module")
def unknown(us: Admin, outside: Outside) -> tuple[str, str, Account]:
    """Two mails: both were taken and delivered, and the connection was gone before the server said so."""
    ours, theirs = outside.account("astrid"), outside.account("lea")
    inbox = us.connected(us.identity(zone=outside.zone_about()), ours)
    fault = {"point": "smtp.accepted", "action": "drop", "account": ours.address}
    made = us.http.post(f"{us.stack.sandbox_url}/control/v1/faults", json=fault)
    assert made.is_success, made.text
    letters = [{"to": theirs.address, "subject": f"Mail {n}", "text": "Hello"} for n in (1, 2)]
    first, second = (str(us.call("POST", f"/inboxes/{inbox}/mails", one)["attempt"]) for one in letters)
    for attempt in (first, second):
        us.mail_in(attempt, "leaving")
    us.http.delete(f"{us.stack.sandbox_url}/control/v1/faults/{made.json()['id']}")
    outside.advance(LOOKED_UP.total_seconds())
    for attempt in (first, second):
        us.mail_in(attempt, "outcome unknown")
    return first, second, theirs


def undecided(us: Admin) -> list[str]:
    return [str(one["attempt"]) for one in us.get("/mails/undecided")]


def test_it_is_decided_once_over_http_and_its_permit_stays_used(
    us: Admin, outside: Outside, unknown: tuple[str, str, Account]
) -> None:
    attempt, _, theirs = unknown
    assert attempt in undecided(us)
    inbox = us.mail(attempt)["inbox"]
    used = us.get(f"/inboxes/{inbox}/rate")["used_today"]
    us.call("POST", f"/mails/{attempt}/outcome", {"sent": False})
    mail = eventually(lambda: us.mail(attempt) if us.mail(attempt)["state"] == "failed" else None, "decided")
    assert mail["steps"][-1]["actor_name"] == "Ada"
    assert "decided" in mail["steps"][-1]["what"]
    assert attempt not in undecided(us)
    again = us.refusal("POST", f"/mails/{attempt}/outcome", {"sent": True})
    assert (again["status"], again["code"]) == (409, "email.outcome-known")
    assert us.get(f"/inboxes/{inbox}/rate")["used_today"] == used
    assert len([one for one in outside.messages(theirs) if one["subject"] == "Mail 1"]) == 1


def test_it_is_decided_in_the_browser_where_the_dashboard_leads(
    us: Admin, unknown: tuple[str, str, Account]
) -> None:
    _, attempt, _ = unknown
    with httpx.Client(base_url=us.stack.url, timeout=20) as browser:
        browser.cookies.set("heraldry_session", us.http.headers["Authorization"].removeprefix("Bearer "))
        dashboard = browser.get("/identities").text
        assert "Nobody knows whether" in dashboard
        assert 'href="/activity/undecided"' in dashboard
        page = browser.get("/activity/undecided").text
        assert "Mail 2" in page
        token, command = CSRF.search(page), COMMAND.search(page)
        assert token is not None
        form = {"_csrf_token": token[1], "command": command[1] if command else "", "sent": "yes"}
        for _ in range(2):  # sent twice, it acts once
            done = browser.post(f"/activity/mails/{attempt}/outcome", data=form)
            assert (done.status_code, done.headers["location"]) == (303, f"/activity/mails/{attempt}")
        shown = browser.get(f"/activity/mails/{attempt}").text
        assert "Nobody knows whether it left" not in shown
        assert "Sent" in shown
        assert "Mail 2" not in browser.get("/activity/undecided").text
    assert us.mail(attempt)["state"] == "sent"
    assert us.mail(attempt)["answer"] == "A person decided that it was sent."
