"""What is told of an action on LinkedIn."""

from __future__ import annotations

from typing import cast
from uuid import uuid4

import pytest
from heraldry.chassis import tracing
from heraldry.chassis.settings import Settings
from heraldry.chassis.testing.collector import CLIENT, Collector
from heraldry.linkedin_driver.domain import obstacles
from heraldry.linkedin_driver.ports import Click, Done, Hindered, Member, NotDone, Outcome, Wanted
from heraldry.linkedin_driver.workers.acting import HangUp, acted

WANTED = Wanted(uuid4(), "invitation", "kim-lund-7", "Kim Lund", "We met in Malmö.")


class Page:
    """A member's page on which an action comes to this."""

    def __init__(self, outcome: Outcome | Exception) -> None:
        self.outcome = outcome

    async def act(self, wanted: Wanted, click: Click) -> Outcome:  # noqa: ARG002  the port's
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome


@pytest.mark.parametrize(
    ("outcome", "facts"),
    [
        (Done("It shows as pending for Kim Lund."), {"heraldry.outcome": "Done"}),
        (
            NotDone(obstacles.ALREADY_CONNECTED),
            {"heraldry.outcome": "NotDone", "error.type": obstacles.ALREADY_CONNECTED.code},
        ),
        (Hindered(obstacles.SIGNED_OUT, "signed out"), {"error.type": "Hindered"}),
        (HangUp("Kim Lund replied"), {"error.type": "HangUp"}),
    ],
    ids=["done", "not-done", "hindered", "hang-up"],
)
async def test_an_action_tells_its_kind_and_what_came_of_it_and_not_to_whom(
    outcome: Outcome | Exception, facts: dict[str, str]
) -> None:
    with Collector() as collector:
        with tracing.told(Settings(service="linkedin-driver", otlp_endpoint=collector.url)):
            try:
                await acted(cast("Member", Page(outcome)), WANTED, cast("Click", None))
            except (Hindered, HangUp) as error:
                assert error is outcome  # noqa: PT017  of some
        span = collector.wait_for("linkedin invitation")
    assert (span.kind, span.facts, span.failed) == (CLIENT, facts, "error.type" in facts)
    told = collector.bytes.lower()
    assert [word for word in (b"kim", b"lund", b"malm") if word in told] == []
