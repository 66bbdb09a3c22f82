"""Many clients at once against the limit of one inbox: exactly as many mails leave as are allowed, none more."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from threading import Barrier
from typing import Final

import httpx
import pytest

from tests.integration.support import Admin, Answer, Outside, eventually

pytestmark = pytest.mark.stack
CLIENTS: Final = 64
ALLOWED: Final = 5
HOUR, SOON = timedelta(hours=1), timedelta(seconds=20)


@pytest.mark.requirement("R-RATE-4")
def test_of_sixty_four_at_once_five_leave_and_the_others_are_told_from_when_it_is_possible(
    us: Admin, outside: Outside
) -> None:
    ours, theirs = outside.account(), outside.account("lea")
    inbox = us.connected(us.identity(zone=outside.zone_about()), ours)
    path = f"/inboxes/{inbox}/rate"
    before = us.get(path)
    assert before["rate"] == {"per_day": 30, "per_hour": ALLOWED}
    assert (before["used_this_hour"], before["used_today"], before["next_possible"]) == (0, 0, None)
    together, began = Barrier(CLIENTS), outside.now()

    def ask(number: int) -> httpx.Response:
        letter = {"to": theirs.address, "subject": f"Number {number}", "text": "Shall we talk?"}
        together.wait()
        return us.send("POST", f"/inboxes/{inbox}/mails", letter)

    with ThreadPoolExecutor(CLIENTS) as clients:
        answers = list(clients.map(ask, range(CLIENTS)))
    ended = outside.now()
    assert Counter(answer.status_code for answer in answers) == {202: ALLOWED, 409: CLIENTS - ALLOWED}
    for answer in answers:
        if answer.status_code == 409:
            problem = answer.json()
            assert (problem["code"], problem["extra"]["window"]) == ("quota.exhausted", "hour")
            # a permit counts until its outcome and an hour, without one for the ten minutes it has and an hour
            assert began + HOUR <= instant(problem["extra"]["until"]) <= ended + HOUR + timedelta(minutes=10)
    attempts = [answer.json()["attempt"] for answer in answers if answer.status_code == 202]
    for attempt in attempts:
        us.mail_in(attempt, "sent")
    over = outside.now()
    assert len(outside.messages(theirs)) == ALLOWED
    assert len(outside.effects("accepted", sender=ours.address)) == ALLOWED

    def settled() -> Answer | None:
        usage = us.get(path)
        return usage if instant(usage["next_possible"]) < over + HOUR + SOON else None

    usage = eventually(settled, "the outcomes count")
    assert (usage["used_this_hour"], usage["used_today"]) == (ALLOWED, ALLOWED)
    refused = us.refusal(
        "POST", f"/inboxes/{inbox}/mails", {"to": theirs.address, "subject": "One more", "text": "Hello"}
    )
    assert instant(refused["extra"]["until"]) == instant(usage["next_possible"])
    assert len(outside.messages(theirs)) == ALLOWED


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text)
