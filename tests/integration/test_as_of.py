"""Limits, connections and a campaign are asked as they stood at a moment that has passed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest

from tests.integration.support import Admin, Outside, eventually

pytestmark = pytest.mark.stack
HELLO = {"subject": "Hello", "text": "Good morning"}


def each_of(answer: dict[str, Any] | list[dict[str, Any]]) -> list[dict[str, Any]]:
    return answer if isinstance(answer, list) else [answer]


@pytest.mark.requirement("R-AUD-4")
def test_how_it_stood_then_is_answered_as_it_was_answered_then(us: Admin, outside: Outside) -> None:
    start = outside.now()
    identity = us.identity()
    inbox = us.connected(identity, outside.account())
    campaign = us.call("POST", "/campaigns", {"name": "Spring", "identity": identity, "steps": [HELLO]})["id"]
    paths = (
        f"/inboxes/{inbox}",
        f"/inboxes/{inbox}/rate",
        f"/campaigns/{campaign}",
        f"/identities/{identity}/inboxes",
        "/inboxes",
    )
    eventually(lambda: us.send("GET", paths[1]).is_success or None, "its limits are known")
    answered = {path: us.get(path) for path in paths}
    then = outside.now()

    us.call("PUT", f"/inboxes/{inbox}/rate", {"per_day": 12, "per_hour": 2})
    us.call("PUT", f"/campaigns/{campaign}", {"name": "Fall", "identity": identity, "steps": [HELLO]})
    us.call("POST", f"/inboxes/{inbox}/disconnect")
    eventually(lambda: us.get(paths[1])["closed"] or None, "its account is closed")
    for path in paths:
        assert us.get(path) != answered[path]
        past, was = each_of(us.get(f"{path}?as_of={quote(then.isoformat())}")), each_of(answered[path])
        for one in past:
            said: Mapping[str, str] = one.pop("as_of")
            assert datetime.fromisoformat(said["at"]) == then
            assert said["position"].count(":") == 2
        assert [one.pop("as_of") for one in was] == [None] * len(was)
        assert past == was

    for path in paths[:3]:
        before = us.refusal("GET", f"{path}?as_of={quote(start.isoformat())}")
        assert (before["code"], before["status"]) == ("as-of.before", 404)
    ahead = quote((outside.now() + timedelta(hours=1)).isoformat())
    for path in paths:
        future = us.refusal("GET", f"{path}?as_of={ahead}")
        assert (future["code"], future["status"], future["field"]) == ("as-of.future", 422, "as_of")
        for unclear in ("yesterday", "2026-05-04T09:30:00"):
            refused = us.refusal("GET", f"{path}?as_of={unclear}")
            assert (refused["code"], refused["status"]) == ("as-of.malformed", 422)
