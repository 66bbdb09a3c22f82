"""Killed, frozen or without its browser at any point of an action: it is done once, or a person is told.

The stand-in of LinkedIn is the judge: what its log says was done is what was done. `test` strikes where most can go
wrong; `test-long` strikes at every point of every kind of action, with one replica and with two.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from itertools import product
from pathlib import Path
from typing import Final, Literal
from uuid import UUID

import pytest
from heraldry.chassis.testing.waiting import until
from heraldry.contracts.linkedin import (
    ActionKind,
    ActionView,
    LinkedInActionFailed,
    LinkedInActionStarted,
    LinkedInLinked,
)

from tests.integration.linkedin_driver import ENDED, Driver, driving, step

pytestmark = [pytest.mark.parts, pytest.mark.timeout(400)]

HALF_AN_HOUR: Final = timedelta(minutes=31)
LOOKED_UP: Final = 4.0  # seconds of the real clock in which what was done is found at LinkedIn
How = Literal["killed", "frozen", "browser killed"]
KINDS: Final[Sequence[ActionKind]] = ("invitation", "message", "withdrawal")
LEASE: Final = {"HERALDRY_LEASE_SECONDS": "2"}  # another takes over after so long, instead of half a minute
HOWS: Final[Sequence[How]] = ("killed", "frozen", "browser killed")
EFFECT: Final = {
    "invitation": "invited",
    "message": "message sent",
    "withdrawal": "withdrew",
    "scraping": "profile read",
}
BEFORE: Final = ("action.before-claim", "action.claimed", "action.ready")  # nothing can have been done yet
CLICK_NEXT: Final = "action.started"
AFTER: Final = ("action.clicked", "action.verified", "relay-linkedin-driver.built")
POINTS: Final = (*BEFORE, CLICK_NEXT, *AFTER)


@dataclass(frozen=True, slots=True)
class Blow:
    """`past_lease`: where it is frozen, another replica drives the account meanwhile."""

    kind: ActionKind
    point: str
    how: How
    past_lease: bool = False

    @property
    def surely(self) -> str:
        """How it has to end; empty: whether the click was made decides."""
        if self.how == "browser killed" and self.point == "action.ready":
            return ""  # that it is gone may be noticed only by the click: then nobody knows, and it is not done again
        if self.past_lease and self.kind == "scraping" and self.point in AFTER[:2]:
            return "failed"  # what was read is with whoever lost the lease, and is said to be lost
        return "" if self.point == CLICK_NEXT else "done"


FEW: Final = (
    Blow("invitation", "action.claimed", "killed"),
    Blow("invitation", "action.started", "killed"),
    Blow("invitation", "action.clicked", "killed"),
    Blow("message", "action.clicked", "browser killed"),
    Blow("withdrawal", "action.clicked", "browser killed"),
    Blow("message", "action.ready", "browser killed"),
    Blow("withdrawal", "action.started", "browser killed"),
)
PAST_LEASE: Final = (
    Blow("invitation", "action.started", "frozen", past_lease=True),
    Blow("message", "action.verified", "frozen", past_lease=True),
)


@asynccontextmanager
async def striking(folder: Path, replicas: int) -> AsyncGenerator[tuple[Driver, LinkedInLinked]]:
    async with driving(folder, {"HERALDRY_LINKEDIN_READ_MINUTES": "1000000"}) as driver:
        linked = await driver.link()
        await driver.kill()
        driver.environment["HERALDRY_CLAIM_SECONDS"] = "2"
        for replica in range(replicas):
            await driver.start(str(replica))
        yield driver, linked


async def strike(driver: Driver, linked: LinkedInLinked, blow: Blow) -> str:
    """How it ended. AssertionError where LinkedIn and our history do not agree."""
    slug = driver.person(connected=blow.kind == "message", invited=blow.kind == "withdrawal")
    driver.hold(blow.point)
    wanted = step(linked, blow.kind, slug, driver.clock.now(), text="Hi" if blow.kind == "message" else "")
    attempt = await driver.dispatch(wanted)
    await until(lambda: bool(driver.held(blow.point)), seconds=60)
    replica = driver.replica_of(driver.held(blow.point)[0])
    match blow.how:
        case "killed":
            await driver.kill(replica)
            driver.release(blow.point)
            await driver.start(replica)
        case "frozen":
            driver.freeze(replica)
            driver.release(blow.point)
            if blow.past_lease and blow.point != AFTER[-1]:  # after that nobody has to drive any more
                await driver.taken_over(linked.account, replica)
            await asyncio.sleep(3)  # longer than a claim or a lease keeps others away: that is what is tested
            driver.go_on(replica)
        case "browser killed":
            driver.kill_browsers()
            driver.release(blow.point)
    view = await _end(driver, attempt)
    _judge(driver, blow, slug, view)
    return view.state


async def _end(driver: Driver, attempt: UUID) -> ActionView:
    view = await driver.action(attempt, lambda view: view.state in {*ENDED, "started"})
    if view.state not in ENDED:
        try:
            async with asyncio.timeout(LOOKED_UP):
                return await driver.action(attempt)
        except TimeoutError:
            await driver.advance(HALF_AN_HOUR)
            return await driver.action(attempt)
    return view


def _judge(driver: Driver, blow: Blow, slug: str, view: ActionView) -> None:
    times = driver.happened(EFFECT[blow.kind], slug)
    told = [one.type for one in view.steps]
    case = f"{blow}: {view.state}, done {times} times at LinkedIn; {told}"
    assert times <= 1, case
    assert (view.state == "done") <= (times == 1), case
    assert blow.surely in {"", view.state}, case
    assert told.count("LinkedInActionStarted") == 1, case
    assert driver.strangers() == [], case
    ends = [each for each in driver.said(LinkedInActionFailed) if each.attempt == view.attempt]
    if blow.kind != "scraping":  # that a profile was opened shows nowhere
        assert (view.state == "failed") <= (times == 0), case
        assert all(each.proven for each in ends), case
    starts = [each for each in driver.said(LinkedInActionStarted) if each.attempt == view.attempt]
    assert len({each.claim for each in starts}) <= 1, case


async def test_struck_down_where_most_can_go_wrong_an_action_is_done_once_or_a_person_is_told(
    tmp_path: Path,
) -> None:
    async with striking(tmp_path, replicas=2) as (driver, linked):
        ends = {blow: await strike(driver, linked, blow) for blow in FEW}
        await driver.restart(LEASE, "0", "1")
        for blow in PAST_LEASE:
            await strike(driver, linked, blow)
    assert ends[FEW[1]] == "outcome unknown"  # killed before the click: nobody can know
    assert ends[FEW[6]] == "failed"  # LinkedIn still shows the invitation as pending


@pytest.mark.long
@pytest.mark.timeout(3000)
@pytest.mark.parametrize("replicas", [1, 2])
async def test_struck_down_at_every_point_of_every_action(
    tmp_path: Path, replicas: int, capsys: pytest.CaptureFixture[str]
) -> None:
    async with striking(tmp_path, replicas) as (driver, linked):
        for kind, point, how in product(KINDS, POINTS, HOWS):
            end = await strike(driver, linked, Blow(kind, point, how))
            told = {"replicas": replicas, "kind": kind, "point": point, "how": how, "end": end}
            with capsys.disabled():
                print(json.dumps(told), flush=True)  # noqa: T201  the table for whoever runs it


@pytest.mark.long
@pytest.mark.timeout(3000)
async def test_frozen_past_its_lease_at_every_point_of_every_action(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with striking(tmp_path, replicas=0) as (driver, linked):
        await driver.restart(LEASE, "0", "1")
        for kind, point in product((*KINDS, "scraping"), POINTS):
            end = await strike(driver, linked, Blow(kind, point, "frozen", past_lease=True))
            with capsys.disabled():
                print(json.dumps({"kind": kind, "frozen at": point, "end": end}), flush=True)  # noqa: T201  the table for whoever runs it
