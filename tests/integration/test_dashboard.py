"""The dashboard's figures over HTTP, of what truly happened at the mail host."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from heraldry.chassis.testing.stack import Stack

from tests.integration.support import Account, Admin, Answer, Outside, eventually, organization_in, outside_of

pytestmark = pytest.mark.stack


@pytest.fixture
def us(stack: Stack) -> Iterator[Admin]:
    with organization_in(stack) as admin:
        yield admin


@pytest.fixture
def outside(stack: Stack) -> Iterator[Outside]:
    with outside_of(stack) as found:
        yield found


def sent(us: Admin, inbox: str, to: str) -> str:
    mail = {"to": to, "subject": "Hello", "text": "Good morning"}
    attempt = str(us.call("POST", f"/inboxes/{inbox}/mails", mail)["attempt"])
    us.mail_in(attempt, "sent")
    return attempt


def replied(us: Admin, outside: Outside, lead: Account, attempt: str) -> None:
    outside.reply(lead, outside.messages(lead)[-1], "Yes, gladly.")
    eventually(lambda: us.mail(attempt)["replies"], "the reply is read")


def board(us: Admin, query: str = "") -> Answer:
    return us.get(f"/dashboard{query}")


def totals(us: Admin, **expected: object) -> Answer:
    """The board as soon as its totals are these."""

    def look() -> Answer | None:
        found = board(us)
        return found if expected.items() <= found["totals"].items() else None

    return eventually(look, f"the totals are {expected}, not {board(us)['totals']}")


@pytest.mark.requirement("R-DASH-5")
def test_messages_sent_and_allowed_are_of_each_identitys_own_day(us: Admin, outside: Outside) -> None:
    ahead, behind = us.identity("Ahead", zone="Pacific/Kiritimati"), us.identity("Behind", zone="Etc/GMT+12")
    two = [us.connected(ahead, outside.account()) for _ in range(2)]
    one = us.connected(behind, outside.account())
    us.call("PUT", f"/inboxes/{two[0]}/rate", {"per_day": 12, "per_hour": 5})
    lea = outside.account("lea").address
    for inbox in (two[0], two[1], one):
        sent(us, inbox, lea)
    today = outside.now().date()

    def on(day: object) -> dict[str, tuple[int, int]]:
        cards = board(us, f"?from={day}&to={day}")["cards"]
        figures = {card["name"]: card["figures"] for card in cards}
        return {name: (found["messages_sent"], found["messages_allowed"]) for name, found in figures.items()}

    days = [on(today + timedelta(days=n)) for n in (-1, 0, 1)]
    assert sum(day["Ahead"][0] for day in days) == 2
    assert sum(day["Behind"][0] for day in days) == 1
    (allowed,) = {day["Ahead"][1] for day in days if day["Ahead"][0]}
    assert allowed == 12 + 30
    assert {day["Behind"][1] for day in days if day["Behind"][0]} == {30}
    first, last = today - timedelta(days=1), today + timedelta(days=1)
    whole = board(us, f"?from={first}&to={last}")
    assert whole["totals"]["messages_sent"] == sum(whole["messages_trend"]) == 3
    assert whole["totals"]["messages_allowed"] == sum(sum(one[1] for one in day.values()) for day in days)


@pytest.mark.requirement("R-DASH-6")
def test_a_conversation_counts_as_replied_once_and_by_people_only(us: Admin, outside: Outside) -> None:
    inbox = us.connected(us.identity(zone="UTC"), outside.account())
    lea, kim, tom = (outside.account(name) for name in ("lea", "kim", "tom"))
    replied(us, outside, lea, sent(us, inbox, lea.address))
    assert sum(totals(us, replied=1)["replied_trend"]) == 1
    replied(us, outside, lea, sent(us, inbox, lea.address))
    away = sent(us, inbox, kim.address)
    reported(outside, kim, "auto-reply")
    replied(us, outside, tom, sent(us, inbox, tom.address))  # read after what Kim's machine said
    totals(us, emails_sent=4, replied=2)
    assert us.mail(away)["replies"] == []


@pytest.mark.requirement("R-DASH-7")
def test_the_bounce_rate_is_of_hard_bounces_and_of_emails_sent(us: Admin, outside: Outside) -> None:
    inbox = us.connected(us.identity(zone="UTC"), outside.account())
    assert board(us)["totals"]["bounce_rate"] is None
    late, gone = outside.account("late"), outside.account("gone")
    sent(us, inbox, outside.account("lea").address)
    sent(us, inbox, outside.account("kim").address)
    sent(us, inbox, late.address)
    bounced = sent(us, inbox, gone.address)
    reported(outside, late, "bounce", status="4.4.1")
    reported(outside, gone, "bounce", status="5.1.1")  # read after the delay was
    eventually(lambda: us.mail(bounced)["bounced"], "the bounce is read")
    found = totals(us, emails_sent=4, emails_bounced=1, bounce_rate=25.0)
    assert found["bounce_rate_trend"][-1] == 25.0


def reported(outside: Outside, lead: Account, what: str, **facts: str) -> None:
    """What the lead's mail server says by itself to the last mail there."""
    uid = outside.messages(lead)[-1]["uid"]
    where = f"{outside.stack.sandbox_url}/control/v1/accounts/{lead.address}/{what}"
    outside.http.post(where, json={"uid": uid, **facts}).raise_for_status()
