"""A halt, from outside: nothing leaves, everybody sees who halted it and why, and the history keeps both."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import cast
from uuid import uuid4

import pytest
from heraldry.chassis.testing.stack import Stack

from tests.integration.support import Admin, Answer, Outside, organization_in, outside_of

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
    assert halted == us.get("/halt")
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
    assert us.call("POST", "/halt", {"reason": "Another"}) == first
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
