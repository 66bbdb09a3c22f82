"""What deleting an identity or disconnecting an inbox does to campaigns: said first, done when confirmed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import httpx
import pytest
from heraldry.chassis.testing.stack import Stack

from tests.integration.support import Account, Admin, Answer, Outside, eventually, organization_in, outside_of

pytestmark = pytest.mark.stack
STEPS: Final = ({"subject": "Hello", "text": "Good morning"}, {"delay": 24, "text": "Still there?"})


@dataclass(frozen=True, slots=True)
class Running:
    """A campaign with a lead in mid-sequence and one that has not begun."""

    us: Admin
    identity: str
    account: Account
    inbox: str
    campaign: str

    def leads(self) -> Mapping[str, Answer]:
        """By state."""
        return {one["state"]: one for one in self.us.get(f"/campaigns/{self.campaign}/leads")["leads"]}

    def begun_is(self, state: str) -> Answer | None:
        found = self.leads().get(state)
        return found if found and found["attempts"] else None


@pytest.fixture
def us(stack: Stack) -> Iterator[Admin]:
    with organization_in(stack) as admin:
        yield admin


@pytest.fixture
def outside(stack: Stack) -> Iterator[Outside]:
    with outside_of(stack) as found:
        yield found


@pytest.fixture
def running(us: Admin, outside: Outside) -> Running:
    identity = us.identity(zone=outside.zone_about())
    account = outside.account()
    inbox = us.connected(identity, account)
    us.call("PUT", f"/inboxes/{inbox}/rate", {"per_day": 1, "per_hour": 1})
    body = {"name": "Spring", "identity": identity, "pace": "at once", "steps": STEPS}
    campaign = str(us.call("POST", "/campaigns", body)["id"])
    leads = [{"email": outside.account(name).address} for name in ("lea", "kim")]
    us.call("POST", f"/campaigns/{campaign}/leads", leads)
    eventually(lambda: us.get(f"/campaigns/{campaign}")["counts"]["waiting"] == 2, "the leads count")
    us.call("POST", f"/campaigns/{campaign}/start")
    made = Running(us, identity, account, inbox, campaign)
    eventually(lambda: {"in progress", "waiting"} <= made.leads().keys(), "one lead has begun")
    return made


def browser(us: Admin) -> httpx.Client:
    token = us.http.headers["Authorization"].split()[1]
    http = httpx.Client(base_url=us.stack.url, timeout=20, cookies={"heraldry_session": token})
    http.headers["X-CSRF-Token"] = us.get("/sessions/current")["csrf"]
    return http


@pytest.mark.requirement("R-ID-4")
def test_deleting_an_identity_names_its_campaigns_first_and_stops_them_then(
    us: Admin, outside: Outside, running: Running
) -> None:
    identity, campaign = running.identity, running.campaign
    refused = us.refusal("DELETE", f"/identities/{identity}")
    assert (refused["code"], refused["status"]) == ("identity.in-use", 409)
    assert refused["extra"] == {"campaigns": "Spring", "begun": "1", "waiting": "1"}
    assert "“Spring”" in refused["detail"]
    assert us.get(f"/campaigns/{campaign}")["state"] == "active"
    us.call("DELETE", f"/identities/{identity}?confirm=true")
    stopped = us.get(f"/campaigns/{campaign}")
    assert (stopped["state"], stopped["pause_reason"]) == ("paused", "identity deleted")
    failed = eventually(lambda: running.begun_is("failed"), "the lead that had begun has failed")
    assert failed["failure"][0] == "identity.deleted"
    assert "waiting" in running.leads()
    eventually(lambda: us.get("/inboxes")[0]["state"] == "disconnected" or None, "its inbox is free")
    again = us.identity("Astrid again", zone=outside.zone_about())
    us.connected(again, running.account)
    assert us.refusal("POST", f"/campaigns/{campaign}/resume")["code"] == "campaign.identity-deleted"
    assert us.get(f"/campaigns/{campaign}")["settings"]["identity"] == identity, "not attached again"


@pytest.mark.requirement("R-ID-4")
def test_the_page_says_what_deleting_does_and_notices_what_changed_meanwhile(
    us: Admin, running: Running
) -> None:
    where = f"/identities/{running.identity}/delete"
    with browser(us) as http:
        asked = http.get(where)
        assert "Spring" in asked.text
        assert "Delete identity and stop 1 campaign" in asked.text
        unseen = http.post(where, data={})
        assert unseen.status_code == 409
        assert "Not deleted: other campaigns use it now." in unseen.text
        assert us.get(f"/campaigns/{running.campaign}")["state"] == "active"
        mark = asked.text.partition('name="confirm" value="')[2].partition('"')[0]
        done = http.post(where, data={"confirm": mark})
        assert (done.status_code, done.headers["location"]) == (303, "/identities")
        assert http.get(where).status_code == 404
    assert us.get(f"/campaigns/{running.campaign}")["state"] == "paused"


def test_an_identity_no_campaign_uses_is_deleted_without_a_question(us: Admin) -> None:
    one, other = us.identity(), us.identity()
    us.call("DELETE", f"/identities/{one}")
    with browser(us) as http:
        assert http.post(f"/identities/{other}/delete", data={}).status_code == 303
    assert {one, other}.isdisjoint(found["identity"] for found in us.get("/identities"))


@pytest.mark.requirement("R-BOX-11", "R-BOX-13")
def test_disconnecting_an_inbox_warns_of_its_leads_which_the_same_address_brings_back(
    us: Admin, outside: Outside, running: Running
) -> None:
    inbox, where = running.inbox, f"/identities/{running.identity}/inboxes/{running.inbox}/disconnect"
    refused = us.refusal("POST", f"/inboxes/{inbox}/disconnect")
    assert (refused["code"], refused["status"]) == ("inbox.in-use", 409)
    assert (refused["extra"]["campaigns"], refused["extra"]["begun"]) == ("Spring", "1")
    with browser(us) as http:
        page = http.get(where)
        assert "Spring" in page.text
        assert running.account.address in page.text
        assert http.post(where, data={}).status_code == 409
    assert us.get(f"/inboxes/{inbox}")["state"] == "connected"
    us.call("POST", f"/inboxes/{inbox}/disconnect?confirm=true")
    failed = eventually(lambda: running.begun_is("failed"), "the lead that had begun has failed")
    assert failed["failure"][0] == "inbox.disconnected"
    assert "same address" in failed["failure"][2]
    with browser(us) as http:
        form = f"/identities/{running.identity}/inboxes"
        shown = http.get(f"{form}/new?inbox={inbox}").text
        assert f'name="inbox" value="{inbox}"' in shown
        other = http.post(form, data={**_typed(outside.account()), "inbox": inbox})
        assert other.status_code == 422
        assert f"Only {running.account.address} can be reconnected here." in other.text
        assert f'name="inbox" value="{inbox}"' in other.text
        assert http.post(form, data={**_typed(running.account), "inbox": inbox}).status_code == 303
    eventually(lambda: running.begun_is("in progress"), "the same address brings it back")
    (kept,) = us.get(f"/identities/{running.identity}/inboxes")
    assert (kept["inbox"], kept["state"]) == (inbox, "connected")

    def history() -> list[str] | None:
        entries = us.get(f"/identities/{running.identity}/history")["entries"]
        types = [one["type"] for one in reversed(entries) if one["inbox"] == inbox]
        return types if types.count("MailboxConnected") == 2 else None

    whole = eventually(history, "its history goes on")
    connected = ["MailboxConnected", "EmailSent", "MailboxDisconnected", "MailboxConnected"]
    assert [one for one in whole if one in connected] == connected


def _typed(account: Account) -> Mapping[str, object]:
    """The form of an inbox, as a page sends it."""
    form = account.form()
    servers = {f"{kind}_{name}": value for kind in ("imap", "smtp") for name, value in form[kind].items()}
    return {"email": form["address"], "password": form["password"], **servers}
