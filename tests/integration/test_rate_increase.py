"""More than the ceiling allows: asked of support beside one's own volume, granted with a reason and an end."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import httpx
import pytest
from heraldry.chassis.testing.callers import calling
from heraldry.chassis.testing.stack import Stack
from heraldry.contracts.base import By
from heraldry.contracts.scheduler import EmailRate, RaiseRateCeiling

from tests.integration.support import Admin, eventually, organization_in, outside_of

pytestmark = pytest.mark.stack
SUPPORT = By(organization=None, actor="user:support")
WANTED = {"per_day": 120, "per_hour": 12, "reason": "The spring campaign, until the end of May."}


@pytest.fixture
def us(stack: Stack) -> Iterator[Admin]:
    with organization_in(stack) as admin:
        yield admin


def granted(us: Admin, inbox: str, until: datetime) -> None:
    raised = RaiseRateCeiling(
        inbox=UUID(inbox), ceiling=EmailRate(per_day=120, per_hour=12), reason="Strong domain", until=until
    )

    async def grant() -> None:
        async with calling(us.stack.folder) as calls:
            us.positions.append((await calls.caller.send(raised, by=SUPPORT, id=uuid4())).position)

    asyncio.run(grant())


@pytest.mark.requirement("R-RATE-3")
def test_an_increase_is_asked_for_and_granted_for_a_time(stack: Stack, us: Admin) -> None:
    with outside_of(stack) as outside:
        identity = us.identity()
        inbox = us.connected(identity, outside.account())
        to = outside.account("lea").address
        sent = us.call("POST", f"/inboxes/{inbox}/mails", {"to": to, "subject": "Hello", "text": "Hello"})
        us.mail_in(sent["attempt"], "sent")
        volume = us.get(f"/inboxes/{inbox}/volume")
        assert len(volume) == 30
        assert (volume[-1]["sent"], volume[-1]["bounced"]) == (1, 0)
        above = {"per_day": 120, "per_hour": 12}
        refused = us.refusal("PUT", f"/inboxes/{inbox}/rate", above)
        assert refused["code"] == "rate.above-ceiling"
        assert "support" in refused["detail"]
        us.call("POST", f"/inboxes/{inbox}/rate/increase", WANTED)
        usage = us.get(f"/inboxes/{inbox}/rate")
        assert usage["requested"] == above
        assert usage["ceiling"] == {"per_day": 80, "per_hour": 10}
        until = outside.now() + timedelta(days=30)
        granted(us, inbox, until)
        usage = us.get(f"/inboxes/{inbox}/rate")
        assert (usage["ceiling"], usage["requested"]) == (above, None)
        assert datetime.fromisoformat(usage["ceiling_until"]) == until
        us.call("PUT", f"/inboxes/{inbox}/rate", above)

        def told() -> dict[str, tuple[str, str]]:
            entries = us.get(f"/identities/{identity}/history?kind=limit")["entries"]
            return {one["type"]: (one["actor"], one["what"]) for one in entries}

        found = eventually(
            lambda: told() if "RateCeilingRaised" in told() else None, "both are in the history"
        )
        actor, what = found["RateIncreaseRequested"]
        assert actor.startswith("user:")
        assert "120 a day, 12 an hour" in what
        assert what.endswith(WANTED["reason"])  # pyright: ignore[reportArgumentType]  a str
        actor, what = found["RateCeilingRaised"]
        assert actor == "user:support"
        assert "Strong domain" in what


@pytest.mark.requirement("R-RATE-3")
def test_the_form_names_the_conditions_beside_the_inboxes_own_figures(stack: Stack, us: Admin) -> None:
    with outside_of(stack) as outside:
        identity = us.identity()
        account = outside.account()
        inbox = us.connected(identity, account)
    token = us.http.headers["Authorization"].split()[1]
    with httpx.Client(base_url=stack.url, timeout=20, cookies={"heraldry_session": token}) as http:
        http.headers["X-CSRF-Token"] = us.get("/sessions/current")["csrf"]
        tab = http.get(f"/identities/{identity}?section=email&tab=rate").text
        assert "already sends its present volume" in tab
        assert "reputation is strong" in tab
        assert "Sent in the last 30 days" in tab
        where = f"/identities/{identity}/inboxes/{inbox}/rate/increase"
        wrong = http.post(where, data={"per_day": "many", "per_hour": "12", "reason": ""})
        assert wrong.status_code == 422
        assert 'value="many"' in wrong.text
        assert "Say what it is for." in wrong.text
        asked = http.post(where, data={name: str(value) for name, value in WANTED.items()})
        assert asked.status_code == 200
        assert "Asked of support: 120 a day, 12 an hour." in asked.text


def test_what_is_no_rate_is_refused(stack: Stack, us: Admin) -> None:
    with outside_of(stack) as outside:
        inbox = us.connected(us.identity(), outside.account())
    for wrong in ({**WANTED, "per_day": 0}, {**WANTED, "reason": ""}, {"per_day": 120, "per_hour": 12}):
        assert us.refusal("POST", f"/inboxes/{inbox}/rate/increase", wrong)["status"] in {400, 422}
    assert us.get(f"/inboxes/{inbox}/rate")["requested"] is None
