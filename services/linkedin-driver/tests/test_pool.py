"""The browser of one process, on the stand-in of LinkedIn."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator
from pathlib import Path

import psutil
import pytest
from heraldry.chassis.testing.waiting import until
from heraldry.linkedin_driver.adapters.pool import EVIDENCE, Chromium
from heraldry.linkedin_driver.adapters.problems import BrowserFailed, LayoutChanged, SessionEnded
from heraldry.linkedin_driver.adapters.site import Site
from heraldry.linkedin_driver.ports import Entered
from heraldry.sandbox.linkedin.site import LinkedIn
from heraldry.sandbox.linkedinhost import linkedin_host, session_of
from pydantic import SecretStr

from tests.integration.linkedin_driver import browsers_of

pytestmark = [pytest.mark.parts, pytest.mark.timeout(120)]
ADA = "ada@northwind.example"


@pytest.fixture
async def linkedin(tmp_path: Path) -> AsyncGenerator[LinkedIn]:
    async with linkedin_host(tmp_path / "linkedin") as found:
        yield found


@pytest.fixture
async def chromium(linkedin: LinkedIn, tmp_path: Path) -> AsyncGenerator[Chromium]:
    found = Chromium(Site(linkedin.url), tmp_path / "evidence", 20.0)
    yield found
    await found.close()
    assert not browsers()


def browsers() -> list[psutil.Process]:
    """Those that this process has started."""
    return browsers_of(os.getpid())


async def test_a_session_goes_on_where_it_was_left_and_is_nobody_elses(
    linkedin: LinkedIn, chromium: Chromium
) -> None:
    assert chromium.missing is None
    async with chromium.visit() as visit:
        assert await visit.state() is None
        assert await visit.signing_in.open() is None
        answer = await visit.signing_in.submit(ADA, SecretStr(linkedin.account(ADA).password))
        assert answer == Entered()
        state = await visit.state()
    assert state is not None
    async with chromium.visit(state) as visit, chromium.visit() as other:
        await visit.check()
        assert (await visit.own()).slug == "ada-bergstrom"
        with pytest.raises(SessionEnded):
            await other.check()
        linkedin.sign_in.revoke(ADA)
        with pytest.raises(SessionEnded):
            await visit.check()
        assert await visit.state() is None  # so the one before is not overwritten with nothing


async def test_a_browser_that_is_killed_or_idle_is_gone_and_another_one_comes(chromium: Chromium) -> None:
    async def goes_on_without() -> None:
        async with chromium.visit() as visit:
            assert visit.alive
            for process in browsers():
                process.kill()
            await until(lambda: not visit.alive)
            await visit.signing_in.open()

    with pytest.raises(BrowserFailed):
        await goes_on_without()
    chromium.idle = 0.0
    async with chromium.visit() as visit:
        assert await visit.signing_in.open() is None
    await until(lambda: not browsers())


async def test_of_a_page_that_is_not_understood_a_picture_is_kept_without_words(
    linkedin: LinkedIn, chromium: Chromium, tmp_path: Path
) -> None:
    for number in range(EVIDENCE):
        (tmp_path / "evidence" / f"2026010{number:02}").mkdir(parents=True)

    async def looks() -> None:
        async with chromium.visit(session_of(linkedin, ADA)) as visit:
            await visit.check()
            raise LayoutChanged("feed", ["what it is about"])

    with pytest.raises(LayoutChanged) as met:
        await looks()
    assert met.value.screenshot is not None
    assert met.value.snapshot is not None
    assert "Ada" not in met.value.snapshot.read_text()
    assert met.value.screenshot.stat().st_mode & 0o777 == 0o600
    assert len(list((tmp_path / "evidence").iterdir())) == EVIDENCE
