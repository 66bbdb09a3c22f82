"""Leads as their users see them: why each waits and until when, how it ends, and what a retry asks for."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

import pytest

from tests.integration.support import Admin, Answer, Outside, eventually

pytestmark = pytest.mark.stack
STEPS: Final = ({"subject": "Hello", "text": "Good morning"}, {"delay": 48, "text": "Still there?"})


def campaign_of(us: Admin, identity: str, *addresses: str) -> str:
    body = {"name": "Spring", "identity": identity, "pace": "at once", "steps": STEPS}
    campaign = str(us.call("POST", "/campaigns", body)["id"])
    us.call("POST", f"/campaigns/{campaign}/leads", [{"email": one} for one in addresses])
    eventually(
        lambda: us.get(f"/campaigns/{campaign}")["counts"]["waiting"] == len(addresses), "the leads count"
    )
    return campaign


def lead(us: Admin, campaign: str, address: str) -> Answer:
    (found,) = us.get(f"/campaigns/{campaign}/leads?search={address}")["leads"]
    return found


def why(us: Admin, campaign: str, address: str, code: str) -> datetime | None:
    """As soon as the lead waits for this reason: until when."""

    def look() -> Answer | None:
        waiting = lead(us, campaign, address)["waiting"]
        return waiting if waiting and waiting["code"] == code else None

    until = eventually(look, f"it waits: {code}")["until"]
    return None if until is None else datetime.fromisoformat(until)


def becomes(us: Admin, campaign: str, address: str, state: str) -> Answer:
    def look() -> Answer | None:
        found = lead(us, campaign, address)
        return found if found["state"] == state else None

    return eventually(look, f"the lead is {state}")


@pytest.mark.requirement("R-LIM-6")
def test_every_waiting_step_says_why_and_until_when(us: Admin, outside: Outside) -> None:
    identity = us.identity(zone=outside.zone_about())
    inbox = us.connected(identity, outside.account())
    us.call("PUT", f"/inboxes/{inbox}/rate", {"per_day": 2, "per_hour": 1})
    lea, kim, bob, eve = (outside.account(name).address for name in ("lea", "kim", "bob", "eve"))
    campaign = campaign_of(us, identity, lea, kim, bob, eve)
    assert why(us, campaign, lea, "campaign-draft") is None
    us.call("POST", f"/campaigns/{campaign}/start")
    becomes(us, campaign, lea, "in progress")
    now = outside.now()
    due = why(us, campaign, lea, "delay")
    assert due is not None
    assert timedelta(hours=47) < due - now <= timedelta(hours=48)
    hour = why(us, campaign, kim, "hour-limit")
    assert hour is not None
    assert now < hour <= now + timedelta(minutes=71)
    us.call("POST", f"/campaigns/{campaign}/pause")
    assert why(us, campaign, kim, "campaign-paused") is None
    us.call("POST", f"/campaigns/{campaign}/resume")
    outside.advance_to(hour + timedelta(seconds=5))
    becomes(us, campaign, kim, "in progress")
    tomorrow = why(us, campaign, bob, "day-limit")
    assert tomorrow is not None
    assert tomorrow > outside.now()
    us.call("POST", f"/inboxes/{inbox}/disconnect?confirm=true")
    assert why(us, campaign, eve, "inbox-disconnected") is None


@pytest.mark.requirement("R-CAMP-5", "R-BOX-11")
def test_a_lead_ends_by_its_reply_fails_with_its_inbox_and_goes_on_when_it_is_back(
    us: Admin, outside: Outside
) -> None:
    identity, account = us.identity(zone=outside.zone_about()), outside.account()
    inbox = us.connected(identity, account)
    lea, kim, bob = (outside.account(name) for name in ("lea", "kim", "bob"))
    campaign = campaign_of(us, identity, lea.address, kim.address, bob.address)
    waiting = lead(us, campaign, kim.address)
    assert (waiting["state"], waiting["step"], waiting["attempts"]) == ("waiting", 0, [])
    us.call("POST", f"/campaigns/{campaign}/start")
    for one in (lea, kim, bob):
        becomes(us, campaign, one.address, "in progress")
    outside.reply(lea, outside.message(lea), "Yes, on Monday.")
    replied = becomes(us, campaign, lea.address, "replied")
    assert replied["waiting"] is None
    refused = us.refusal("POST", f"/leads/{replied['enrollment']}/retry")
    assert refused["code"] == "lead.not-failed"
    us.call("POST", "/suppressions", {"address": bob.address})
    stopped = becomes(us, campaign, bob.address, "unsubscribed")
    assert us.refusal("POST", f"/leads/{stopped['enrollment']}/retry")["code"] == "lead.not-failed"

    us.call("POST", f"/inboxes/{inbox}/disconnect?confirm=true")
    failed = becomes(us, campaign, kim.address, "failed")
    code, reason, resolution = failed["failure"]
    assert (code, failed["inbox"]) == ("inbox.disconnected", inbox)
    assert reason
    assert "same address" in resolution
    assert us.refusal("POST", f"/leads/{failed['enrollment']}/retry")["code"] == "lead.not-resolved"
    assert us.connected(identity, account) == inbox
    back = becomes(us, campaign, kim.address, "in progress")
    assert (back["inbox"], back["step"]) == (inbox, 1)
    assert becomes(us, campaign, lea.address, "replied")
    outside.advance(timedelta(hours=48, seconds=5).total_seconds())
    becomes(us, campaign, kim.address, "finished")
    assert len(outside.messages(kim)) == 2
    assert len(outside.messages(lea)) == len(outside.messages(bob)) == 1
