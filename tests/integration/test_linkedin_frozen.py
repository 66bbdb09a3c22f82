"""Whoever reads LinkedIn or signs in there is frozen for longer than its lease, at every step; another takes over.

Every answer is recorded once, no password is submitted twice, and whoever goes on afterwards changes nothing any more.
How it is with actions, `test_linkedin_survives` tells.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Final
from uuid import uuid4

import pytest
from heraldry.chassis.testing.waiting import until
from heraldry.contracts.linkedin import (
    InvitationAccepted,
    LinkedInLinked,
    LinkedInReplyReceived,
    TryLinkingAgain,
)

from tests.integration.linkedin_driver import ME, USER, Driver, driving, step
from tests.integration.linkedin_linking import Linking

pytestmark = [pytest.mark.parts, pytest.mark.long, pytest.mark.timeout(2400)]

LEASE: Final = {"HERALDRY_LEASE_SECONDS": "2"}
FROZEN: Final = 5.0  # seconds at least
READ: Final = timedelta(minutes=30)  # after which it is read again
READING: Final = (
    "driving.leased",
    "driving.before-renewal",
    "reading.opened",
    "reading.heard",
    "reading.replies-recorded",
    "reading.connections-seen",
    "reading.answers-recorded",
    "driving.before-keep",
)
SIGNING_IN: Final = (
    "driving.leased",
    "driving.before-renewal",
    "linking.before-claim",
    "linking.claimed",
    "linking.before-submit",
    "linking.submitted",
    "linking.code-wanted",
    "linking.code-entered",
    "linking.inside",
    "linking.session-kept",
    "linking.signed-in",
)
WITH_CODE: Final = ("linking.code-wanted", "linking.code-entered")
POSTED: Final = "sign-in posted"


async def frozen(driver: Driver, point: str, meanwhile: Callable[[], bool]) -> float:
    """Freeze who is held at the point until this is so, and for longer than its lease; seconds it was."""
    loop = asyncio.get_running_loop()
    replica = driver.replica_of(driver.held(point)[0])
    driver.freeze(replica)
    since = loop.time()
    driver.release(point)
    await until(meanwhile, seconds=120)
    await asyncio.sleep(FROZEN - (loop.time() - since))
    driver.go_on(replica)
    return loop.time() - since


def tell(capsys: pytest.CaptureFixture[str], **row: object) -> None:
    with capsys.disabled():
        print(json.dumps(row), flush=True)  # noqa: T201  the table for whoever runs it


async def test_frozen_past_its_lease_at_every_step_of_reading(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with driving(tmp_path, {"HERALDRY_LINKEDIN_READ_MINUTES": "20"}) as driver:
        linked = await driver.link()
        await driver.restart(LEASE, "0", "1")
        for number, point in enumerate(READING):
            invited, written_to = driver.person(), driver.person(connected=True)
            now = driver.clock.now()
            invitation = await driver.dispatch(step(linked, "invitation", invited, now))
            message = await driver.dispatch(step(linked, "message", written_to, now, text="Hi"))
            assert {(await driver.action(one)).state for one in (invitation, message)} == {"done"}
            driver.linkedin.network.accept(ME, invited)
            driver.linkedin.messaging.reply(written_to, ME, f"Yes, {number}.")

            def both(invitation: object = invitation, message: object = message) -> tuple[int, int]:
                return (
                    sum(one.attempt == invitation for one in driver.said(InvitationAccepted)),
                    sum(one.attempt == message for one in driver.said(LinkedInReplyReceived)),
                )

            driver.hold(point)
            await driver.advance(READ)
            await until(lambda: bool(driver.held(point)), seconds=120)  # noqa: B023
            took = await frozen(driver, point, lambda: min(both()) > 0)
            await driver.advance(READ)
            later = await driver.dispatch(
                step(linked, "message", written_to, driver.clock.now(), text="Then?")
            )
            assert (await driver.action(later)).state == "done", point
            assert both() == (1, 1), point
            tell(capsys, **{"reading frozen at": point, "frozen": round(took, 1), "recorded": both()})
        posted = [one for one in driver.linkedin.effects() if one.what == POSTED]
        assert len(posted) == 1  # nobody had to sign in again


async def test_frozen_past_its_lease_at_every_step_of_signing_in(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with driving(tmp_path, {**LEASE, "HERALDRY_CLAIM_SECONDS": "20"}, kind=Linking) as service:
        await service.start("1")
        for number, point in enumerate(SIGNING_IN):
            challenge = "sms" if point in WITH_CODE else "none"
            email = service.new_account(f"n{number}@northwind.example", f"N Nr{number}", challenge=challenge)
            identity = await service.identity()
            service.hold(point)
            await service.link_to(identity, email)
            if point == "linking.code-entered":
                await service.becomes(identity, "code wanted")
                await service.enter(identity, service.code(email))
            await until(lambda: bool(service.held(point)), seconds=120)  # noqa: B023
            took = await frozen(service, point, lambda: True)
            view = await service.account_of(
                identity, lambda view: view.state in {"linked", "failed", "code wanted"}
            )
            if view.state == "code wanted":
                view = await service.account_of(identity, lambda view: view.state == "failed")
            posted = service.happened_to(POSTED, email)
            assert posted <= 1, point
            assert (view.state == "linked") <= (posted == 1), point
            if view.state == "failed":
                assert view.diagnosis is not None
                assert view.diagnosis.code == "linkedin.interrupted", point
                service.scenario(email, challenge="none")
                await service.caller.send(
                    TryLinkingAgain(identity=identity), by=USER, id=uuid4(), deadline=30
                )
                await service.becomes(identity, "linked")
                assert service.happened_to(POSTED, email) == posted + 1, point
            said = [one for one in service.said(LinkedInLinked) if one.identity == identity]
            await until(lambda: bool(said) or _is_said(service, identity), seconds=30)  # noqa: B023
            tell(
                capsys,
                **{
                    "signing in frozen at": point,
                    "frozen": round(took, 1),
                    "end": view.state,
                    "posted": posted,
                },
            )


def _is_said(service: Linking, identity: object) -> bool:
    return any(one.identity == identity for one in service.said(LinkedInLinked))
