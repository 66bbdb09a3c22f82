"""What becomes of invitations, messages and withdrawals that the scheduler dispatches, through the driver's interface."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest
import pytest_asyncio
from heraldry.chassis.chromium import chromium_path
from heraldry.chassis.halt import HaltFlags, organization
from heraldry.chassis.testing.waiting import until
from heraldry.contracts.base import Refused
from heraldry.contracts.linkedin import (
    ActionKind,
    ActionView,
    DecideActionOutcome,
    InvitationAccepted,
    InvitationWithdrawn,
    LinkedInActionFailed,
    LinkedInActionStarted,
    LinkedInLinked,
    LinkedInNeedsReconnect,
    LinkedInReplyReceived,
    LinkedInSlowedDown,
    ListPendingInvitations,
    ListUndecidedActions,
    ListWithdrawals,
)
from heraldry.contracts.linkedin_steps import LinkedInStepCancelled
from heraldry.sandbox.linkedin.people import Scenario
from PIL import Image

from tests.integration.linkedin_driver import ADA, EMAIL, ME, NORTHWIND, USER, Driver, driving, step

pytestmark = [pytest.mark.parts, pytest.mark.timeout(300), pytest.mark.asyncio(loop_scope="module")]
HALF_AN_HOUR = timedelta(minutes=31)
THREE_WEEKS = timedelta(days=21)


@dataclass
class Linked:
    """The driver, and the account that is linked."""

    driver: Driver
    linked: LinkedInLinked
    browser: Path

    async def dispatch(self, kind: ActionKind, slug: str, **more: object) -> UUID:
        return await self.driver.dispatch(step(self.linked, kind, slug, self.driver.clock.now(), **more))

    async def act(self, kind: ActionKind, slug: str, **more: object) -> ActionView:
        return await self.driver.action(await self.dispatch(kind, slug, **more))

    def treat(self, **how: object) -> None:
        scenario = replace(Scenario(), **how)  # pyright: ignore[reportArgumentType]  by name
        self.driver.linkedin.change_scenario(EMAIL, scenario)

    async def failure(self, attempt: UUID) -> LinkedInActionFailed:
        """What was published of it, which comes after what its history says."""

        def said() -> list[LinkedInActionFailed]:
            return [each for each in self.driver.said(LinkedInActionFailed) if each.attempt == attempt]

        await until(lambda: bool(said()), seconds=30)
        return said()[0]


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def account(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Linked]:
    folder = tmp_path_factory.mktemp("driver")
    browser = folder / "chromium"
    put_there(browser)
    async with driving(folder, {"HERALDRY_CHROMIUM": str(browser)}) as driver:
        yield Linked(driver, await driver.link(), browser)
        assert driver.strangers() == []


def put_there(browser: Path) -> None:
    """The installed one, under a name at which it can be missing."""
    found = chromium_path()
    assert found
    browser.write_text(f'#!/bin/sh\nexec "{found}" "$@"\n')
    browser.chmod(0o755)


def code_of(view: ActionView) -> str:
    return "" if view.diagnosis is None else view.diagnosis.code


@pytest.mark.requirement("R-WD-3")
async def test_a_withdrawn_invitation_stands_in_the_history_and_the_person_is_left_alone_for_three_weeks(
    account: Linked,
) -> None:
    driver = account.driver
    slug = driver.person()
    sent = await account.act("invitation", slug, text="We met in Malmö.")
    assert (sent.state, driver.happened("invited", slug)) == ("done", 1)
    (pending,) = [
        one
        for one in (await driver.caller.ask(ListPendingInvitations(identity=ADA), by=USER)).invitations
        if one.invitation == sent.attempt
    ]
    assert not pending.withdrawing
    wish = {"invitation": sent.attempt, "invited_at": pending.sent_at}
    withdrawn = await account.act("withdrawal", slug, **wish)
    assert (withdrawn.state, driver.happened("withdrew", slug)) == ("done", 1)
    (told,) = (await driver.caller.ask(ListWithdrawals(identity=ADA), by=USER)).withdrawals
    assert (told.invitation, told.name, told.sent_at) == (sent.attempt, "Kim", pending.sent_at)
    assert (told.actor, told.automatic) == ("user:ada", False)
    assert told.blocked_until == told.withdrawn_at + THREE_WEEKS
    assert not (await driver.caller.ask(ListPendingInvitations(identity=ADA), by=USER)).invitations
    early = await account.act("invitation", slug)
    assert (early.state, code_of(early)) == ("failed", "invitation.withdrawn-lately")
    assert early.diagnosis is not None
    assert f"{told.blocked_until:%d %B %Y, %H:%M:%S}" in early.diagnosis.resolution
    assert driver.happened("invited", slug) == 1


async def test_who_is_connected_or_invited_already_counts_nothing(account: Linked) -> None:
    driver = account.driver
    for slug, code in (
        (driver.person(connected=True), "invitation.already-connected"),
        (driver.person(invited=True), "invitation.already-invited"),
    ):
        view = await account.act("invitation", slug)
        assert (view.state, code_of(view)) == ("failed", code)
        assert (await account.failure(view.attempt)).proven
        assert LinkedInActionStarted.__name__ not in [one.type for one in view.steps]


@pytest.mark.requirement("R-LIM-2")
async def test_a_read_profile_says_what_linkedin_shows_and_is_one_visit(account: Linked) -> None:
    driver = account.driver
    slug = driver.person()
    shown = driver.linkedin.person(slug)
    read = await account.act("scraping", slug)
    assert (read.state, driver.happened("profile read", slug)) == ("done", 1)
    assert read.data is not None
    assert (read.data.first_name, read.data.headline) == (shown.first_name, shown.headline)
    assert (read.data.company, read.data.location) == (shown.company, shown.place)
    nobody = await account.act("scraping", "nobody-of-this-name")
    assert (nobody.state, code_of(nobody)) == ("failed", "profile.not-found")
    assert (await account.failure(nobody.attempt)).proven


async def test_a_browser_that_ends_before_it_has_read_a_profile_costs_the_permit_and_the_step_may_be_tried_again(
    account: Linked,
) -> None:
    driver = account.driver
    slug = driver.person()
    driver.hold("action.started")
    attempt = await account.dispatch("scraping", slug)
    await until(lambda: bool(driver.held("action.started")), seconds=60)
    driver.kill_browsers()
    driver.release("action.started")
    view = await driver.action(attempt)
    failure = await account.failure(attempt)
    assert (view.state, view.data, failure.proven, failure.again) == ("failed", None, False, True)
    assert driver.happened("profile read", slug) == 0


@pytest.mark.long
async def test_a_profile_whose_reading_broke_off_is_not_opened_again_and_its_permit_stays_used(
    account: Linked,
) -> None:
    driver = account.driver
    slug = driver.person()
    driver.hold("action.clicked")
    attempt = await account.dispatch("scraping", slug)
    await until(lambda: bool(driver.held("action.clicked")), seconds=60)
    replica = driver.replica_of(driver.held("action.clicked")[0])
    await driver.kill(replica)
    driver.release("action.clicked")
    await driver.start(replica)
    view = await driver.action(attempt)
    assert (view.state, code_of(view), view.data) == ("failed", "scraping.interrupted", None)
    failure = await account.failure(attempt)
    assert (failure.proven, failure.again) == (False, True)
    assert driver.happened("profile read", slug) == 1


async def test_acceptances_and_replies_are_noticed_of_those_who_were_written_to_and_of_nobody_else(
    account: Linked,
) -> None:
    driver, site = account.driver, account.driver.linkedin
    yes, gone, friend, stranger = (
        driver.person(),
        driver.person(),
        driver.person(connected=True),
        driver.person(connected=True),
    )
    invited, also = await account.act("invitation", yes), await account.act("invitation", gone)
    message = await account.act("message", friend, text="Hello Kim,\nhow are you?")
    assert [view.state for view in (invited, also, message)] == ["done"] * 3
    site.network.accept(ME, yes)
    site.network.withdraw(site.account(EMAIL), site.person(gone))  # by hand, at LinkedIn
    site.messaging.reply(friend, ME, "Gladly!")
    site.messaging.reply(stranger, ME, "Who are you?")
    await driver.advance(HALF_AN_HOUR)
    await until(lambda: bool(driver.said(InvitationAccepted)), seconds=60)
    accepted, replied = driver.said(InvitationAccepted), driver.said(LinkedInReplyReceived)
    assert [each.attempt for each in accepted] == [invited.attempt]
    assert [(each.attempt, each.text) for each in replied] == [(message.attempt, "Gladly!")]
    assert (await driver.action(message.attempt)).replies == ("Gladly!",)
    assert (await driver.action(invited.attempt)).accepted_at == accepted[0].at

    async def pending() -> set[UUID]:
        page = await driver.caller.ask(ListPendingInvitations(identity=ADA), by=USER)
        return {one.invitation for one in page.invitations}

    async with asyncio.timeout(60):
        while {invited.attempt, also.attempt} & await pending():  # noqa: ASYNC110  another process notes it
            await asyncio.sleep(0.05)
    read = [one.facts["of"] for one in site.effects() if one.what == "conversation read"]
    assert stranger not in read


async def test_what_linkedin_does_not_show_is_decided_by_a_person(account: Linked) -> None:
    driver = account.driver
    slug, pending = driver.person(), driver.person(invited=True)
    account.treat(invitation="not_kept", withdrawal="not_kept")  # both are said to be done, and are not
    attempts = [await account.dispatch("invitation", slug), await account.dispatch("withdrawal", pending)]
    for attempt in attempts:
        await driver.action(attempt, lambda view: view.state == "started")
    await until(lambda: driver.linkedin.effects()[-1].what == "profile read", seconds=30)
    await driver.advance(HALF_AN_HOUR)
    unknown, kept = [await driver.action(attempt) for attempt in attempts]
    assert (unknown.state, kept.state, code_of(kept)) == (
        "outcome unknown",
        "failed",
        "withdrawal.still-pending",
    )
    account.treat()
    (asked,) = (await driver.caller.ask(ListUndecidedActions(), by=USER)).actions
    assert (asked.attempt, asked.name, asked.kind) == (unknown.attempt, "Kim", "invitation")
    decide = DecideActionOutcome(attempt=unknown.attempt, done=False)
    await driver.caller.send(decide, by=USER, id=uuid4())
    decided = await driver.action(unknown.attempt, lambda view: view.state == "failed")
    assert decided.steps[-1].actor == "user:ada"
    assert not (await account.failure(unknown.attempt)).proven
    with pytest.raises(Refused) as refused:
        await driver.caller.send(decide, by=USER, id=uuid4())
    assert refused.value.code == "action.outcome-known"
    assert not (await driver.caller.ask(ListUndecidedActions(), by=USER)).actions


async def test_a_halt_and_a_cancellation_are_heeded(account: Linked) -> None:
    driver, slug = account.driver, account.driver.person()
    halt = HaltFlags(await driver.nats.client("operator"))
    await halt.set(organization(NORTHWIND), actor="user:ada", reason="a test")
    waiting = await account.dispatch("invitation", slug)
    await driver.action(waiting, lambda view: view.state == "queued")
    called_off = step(account.linked, "invitation", driver.person(), driver.clock.now())
    cancelled = LinkedInStepCancelled(attempt=called_off.attempt, identity=ADA, at=driver.clock.now())
    await driver.publish("scheduler", ADA, cancelled)
    await driver.dispatch(called_off)
    view = await driver.action(called_off.attempt)
    assert (view.state, code_of(view)) == ("failed", "action.cancelled")
    assert driver.happened("invited", slug) == 0
    await halt.clear(organization(NORTHWIND), actor="user:ada", reason="a test")
    assert (await driver.action(waiting)).state == "done"


async def test_the_weekly_limit_pauses_invitations_and_nothing_else(account: Linked) -> None:
    driver = account.driver
    account.treat(invitation="weekly_limit_afterwards")
    first = await account.act("invitation", driver.person())
    assert (first.state, code_of(first)) == ("failed", "invitation.weekly-limit")
    assert (await account.failure(first.attempt)).again
    account.treat()
    await until(lambda: bool(driver.said(LinkedInSlowedDown)), seconds=30)
    (slowed,) = driver.said(LinkedInSlowedDown)
    assert (slowed.kind, slowed.until - slowed.at) == ("invitation", timedelta(days=7))
    second = await account.act("invitation", driver.person())
    assert (second.state, code_of(second)) == ("failed", "linkedin.slowed-down")
    message = await account.act("message", driver.person(connected=True), text="Hello")
    assert message.state == "done"
    await driver.advance(timedelta(days=7, minutes=1))
    assert (await account.act("invitation", driver.person())).state == "done"


async def test_a_session_that_ends_before_or_after_the_click_asks_to_link_again(account: Linked) -> None:
    driver = account.driver
    before, after = driver.person(), driver.person()
    driver.hold("action.clicked")
    clicked = await account.dispatch("invitation", after)
    await until(lambda: bool(driver.held("action.clicked")), seconds=60)
    waiting = await account.dispatch("invitation", before)
    driver.linkedin.sign_in.revoke(EMAIL)
    driver.release("action.clicked")
    await until(lambda: bool(driver.said(LinkedInNeedsReconnect)), seconds=60)
    refused = await driver.action(waiting)
    assert (refused.state, code_of(refused)) == ("failed", "linkedin.not-linked")
    assert (await account.failure(waiting)).again
    assert driver.happened("invited", before) == 0
    assert (await driver.action(clicked, lambda _: True)).state == "started"
    account.linked = await driver.sign_in()
    assert (await driver.action(clicked)).state == "done"  # found by the look-up
    assert driver.happened("invited", after) == 1


async def test_a_page_that_is_not_understood_ends_its_action_alone_and_is_kept_without_what_stands_on_it(
    account: Linked,
) -> None:
    driver, friend = account.driver, account.driver.person(connected=True)
    account.treat(message="never_ready")
    text = "Zeppelin at noon"
    failed = await account.act("message", friend, text=text)
    account.treat()
    assert (failed.state, code_of(failed)) == ("failed", "linkedin.layout-changed")
    assert failed.diagnosis is not None
    assert "On the page “message” this was not found: send." in failed.diagnosis.cause
    told = await account.failure(failed.attempt)
    assert (told.proven, told.again) == (True, False)
    assert LinkedInActionStarted.__name__ not in [one.type for one in failed.steps]
    (kept,) = (driver.nats.data / "evidence").iterdir()
    assert {one.name for one in kept.iterdir()} == {"page.png", "page.txt"}
    assert {one.stat().st_mode & 0o077 for one in (kept, *kept.iterdir())} == {0}
    with Image.open(kept / "page.png") as picture:
        assert picture.size[0] > 1000
    outline = (kept / "page.txt").read_text()
    assert "textbox" in outline
    assert not [word for word in ("Kim", "Zeppelin", "noon", "Bergström") if word in outline]
    assert (await account.act("message", friend, text=text)).state == "done"
    assert driver.happened("message sent", friend) == 1


async def test_while_the_browser_is_missing_an_action_waits_and_nothing_else(account: Linked) -> None:
    driver, slug = account.driver, account.driver.person()
    account.browser.unlink()
    await until(lambda: driver.kill_browsers() == 0, seconds=30)
    attempt = await account.dispatch("invitation", slug)
    nothing = "Nothing was done; it is tried again. There is no browser on the server"
    waiting = await driver.action(attempt, lambda view: view.steps[-1].detail.startswith(nothing))
    assert waiting.state == "queued"
    health = await driver.health()
    assert health["ready"]
    assert "no browser" in health["notes"]["browser"]
    assert (await driver.account(lambda _: True)).state == "linked"
    put_there(account.browser)
    assert (await driver.action(attempt)).state == "done"
    assert driver.happened("invited", slug) == 1
    assert "browser" not in (await driver.health()).get("notes", {})


async def test_every_event_of_a_withdrawal_names_who_asked_for_it(account: Linked) -> None:
    envelopes = [one for one in account.driver.events if isinstance(one.data, InvitationWithdrawn)]
    assert {one.actor for one in envelopes} == {"user:ada"}
