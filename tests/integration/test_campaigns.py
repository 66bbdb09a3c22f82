"""Campaigns as their users see them: over HTTP, to real mails at the sandbox's mail host."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final
from uuid import uuid4

import pytest

from tests.integration.support import Account, Admin, Answer, Outside, eventually

pytestmark = pytest.mark.stack
WATCHED_EVERY: Final = timedelta(seconds=61)
STEPS: Final = (
    {
        "subject": 'Hello {{ first_name | default: "there" }}',
        "text": "Good morning {{ first_name }} of {{ company }}, {{ identity.first_name }}",
        "html": "<p onclick='x()'>Good morning {{ company }}</p><script>x()</script>",
    },
    {"delay": 24, "text": 'Still there, {{ nickname | default: "you" }}?'},
)


def settings(identity: str, **more: object) -> dict[str, object]:
    return {"name": "Spring", "identity": identity, "pace": "at once", "steps": STEPS, **more}


def created(us: Admin, identity: str, **more: object) -> str:
    return str(us.call("POST", "/campaigns", settings(identity, **more))["id"])


def lead_of(account: Account, first_name: str = "Lea", company: str = "Maison & Fils") -> Answer:
    return {"first_name": first_name, "email": account.address, "own": {"company": company}}


def with_leads(us: Admin, campaign: str, *leads: Answer) -> None:
    us.call("POST", f"/campaigns/{campaign}/leads", list(leads))

    def there() -> bool:
        return us.get(f"/campaigns/{campaign}")["counts"]["waiting"] >= len(leads)

    eventually(there, "the leads count")


def act(us: Admin, campaign: str, what: str) -> Answer:
    return us.call("POST", f"/campaigns/{campaign}/{what}")


@pytest.mark.requirement("R-ID-1", "R-ID-2")
def test_a_campaign_needs_a_connected_channel_of_its_identity_and_is_told_which(
    us: Admin, outside: Outside
) -> None:
    identity = us.identity(zone=outside.zone_about())  # neither an inbox nor LinkedIn: it can be created
    campaign = created(us, identity)
    with_leads(us, campaign, lead_of(outside.account("lea")))
    refused = us.refusal("POST", f"/campaigns/{campaign}/start")
    assert (refused["code"], refused["extra"]) == ("campaign.channel-missing", {"channel": "email"})
    assert "email" in refused["detail"]
    assert us.get(f"/campaigns/{campaign}")["state"] == "draft"
    us.connected(identity, outside.account())
    assert act(us, campaign, "start")["state"] == "active"


@pytest.mark.requirement("R-CAMP-2")
def test_steps_are_written_for_each_lead_and_a_missing_value_is_told_at_the_import(
    us: Admin, outside: Outside
) -> None:
    identity = us.identity("Astrid Lind", zone=outside.zone_about())
    us.connected(identity, outside.account())
    for steps, field in (
        ([{**STEPS[0], "text": "Hello {{ first_name"}], "steps.0.text"),
        ([{**STEPS[0], "html": "{% for a in (1..1000000000) %}x{% endfor %}"}], "steps.0.html"),
        ([*STEPS, {"text": "{{ identity.__class__ }}"}], "steps.2.text"),
    ):
        refused = us.refusal("POST", "/campaigns", settings(identity, steps=steps))
        assert (refused["code"], refused["field"]) == ("template.invalid", field)
    campaign = created(us, identity)
    lea, kim = outside.account("lea"), outside.account("kim")
    without = us.refusal(
        "POST", f"/campaigns/{campaign}/leads", [lead_of(lea), {"first_name": "Kim", "email": kim.address}]
    )
    assert without["code"] == "leads.wrong"
    (problem,) = without["problems"]
    assert problem["row"] == 2
    assert "company" in problem["text"]
    with_leads(us, campaign, lead_of(lea))
    first, second = preview(us, campaign, settings(identity))
    assert (first["subject"], first["text"]) == ("Hello Lea", "Good morning Lea of Maison & Fils, Astrid")
    assert first["html"] == "<p>Good morning Maison &amp; Fils</p>"
    assert (second["text"], second["delay"]) == ("Still there, you?", 24)
    typed = settings(identity, steps=[{"subject": "Hi", "text": "{{ town }}"}])
    assert "town" in preview(us, campaign, typed)[0]["problem"]
    act(us, campaign, "start")
    mail = outside.message(lea)
    assert mail["subject"] == "Hello Lea"
    assert "Good morning Lea of Maison & Fils, Astrid" in mail["text"]


def preview(us: Admin, campaign: str, typed: Answer) -> list[dict[str, Any]]:
    return us.http.post(  # a list, where `call` answers a document
        f"{us.stack.url}/api/v1/campaigns/{campaign}/preview",
        json={"settings": typed},
        headers={"X-Position": ",".join(us.positions[-8:]), "Idempotency-Key": str(uuid4())},
    ).json()


@pytest.mark.requirement("R-CAMP-4")
def test_a_campaign_is_paused_before_its_next_step_resumed_without_sending_twice_and_finished(
    us: Admin, outside: Outside
) -> None:
    identity = us.identity(zone=outside.zone_about())
    ours, lea = outside.account(), outside.account("lea")
    inbox = us.connected(identity, ours)
    campaign = created(us, identity, inbox=inbox)
    with_leads(us, campaign, lead_of(lea))
    assert act(us, campaign, "start")["state"] == "active"
    outside.message(lea)
    eventually(
        lambda: us.get(f"/campaigns/{campaign}")["counts"]["in_progress"] == 1, "the step counts as sent"
    )
    paused = act(us, campaign, "pause")
    assert (paused["state"], paused["leaving"]) == ("paused", 0)
    outside.advance(timedelta(hours=24).total_seconds())  # the next step would be due

    def told() -> Answer | None:
        (lead,) = us.get(f"/campaigns/{campaign}/leads")["leads"]
        waiting = lead["waiting"]
        return waiting if waiting and waiting["code"] == "campaign-paused" else None

    eventually(told, "the lead says that it waits for the campaign")
    assert len(outside.messages(lea)) == 1
    begun = us.refusal("PUT", f"/campaigns/{campaign}", settings(identity, inbox=inbox, steps=STEPS[:1]))
    assert begun["code"] == "campaign.begun"
    assert act(us, campaign, "resume")["state"] == "active"
    eventually(lambda: len(outside.messages(lea)) == 2, "the next step arrives")
    eventually(lambda: us.get(f"/campaigns/{campaign}")["counts"]["finished"] == 1, "the lead has ended")
    outside.advance(WATCHED_EVERY.total_seconds())
    eventually(lambda: us.get(f"/campaigns/{campaign}")["state"] == "finished", "every lead has ended")
    assert len(outside.messages(lea)) == 2
    assert [one["sender"] for one in outside.effects("accepted", sender=ours.address)] == [ours.address] * 2
    other = created(us, identity)
    assert act(us, other, "finish")["state"] == "finished"
    assert us.refusal("POST", f"/campaigns/{other}/resume")["code"] == "campaign.finished"
