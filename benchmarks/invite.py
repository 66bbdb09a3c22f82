"""One invitation without human pauses ÷ a bare Playwright script that makes the same clicks, and what browsers take.

Measured is from the scheduler's LinkedInStepDispatched to the outcome in the driver's history: control consumer, the
log, claim behind the last gate, a context opened from the session in the vault, the person's profile, the dialog, the
gate once more, the click, and the profile loaded afresh as the proof. The floor is a script that opens a context from
a stored state in a browser that runs, loads the same pages, presses the same button and looks at the same proof, and
knows all names beforehand. The site is the sandbox's stand-in in a process of its own.

Memory: what one more linked identity that does nothing takes in the driver's process (its browser is ended when nobody
uses it), and what one more context with an open page takes in the browser.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil
from _linkedin import Driver
from _linkedinhost import SiteProcess
from heraldry.chassis.testing.browser import launch_options
from measure import Figure, in_turns, pss, quiet, ratio, tell
from playwright.async_api import Browser, async_playwright

ROUNDS: Final = 9
EMAIL, PASSWORD = "bench@northwind.example", "correct-horse"
MORE: Final = 8  # identities, and contexts
MB: Final = 1_000_000


@dataclass(slots=True)
class Bare:
    """A browser that runs, and the state of a session."""

    browser: Browser
    site: SiteProcess
    state: bytes

    @classmethod
    @asynccontextmanager
    async def running(cls, site: SiteProcess) -> AsyncGenerator[Bare]:
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(**launch_options())
            yield cls(browser, site, await site.session(EMAIL))
            await browser.close()

    async def invite(self, slug: str) -> None:
        context = await self.browser.new_context(storage_state=json.loads(self.state))
        page = await context.new_page()
        await page.goto(f"{self.site.url}/in/{slug}/", wait_until="domcontentloaded")
        card = page.locator('section[componentkey$="Topcard"]')
        await card.get_by_role("link", name="Connect").first.wait_for()
        await page.goto(
            f"{self.site.url}/preload/custom-invite/?vanityName={slug}", wait_until="domcontentloaded"
        )
        await page.get_by_role("button", name="Send without a note").click()
        await page.get_by_role("alert").wait_for()
        await page.goto(f"{self.site.url}/in/{slug}/", wait_until="domcontentloaded")
        await card.get_by_role("link", name="Pending").first.wait_for()
        await context.close()

    async def open_contexts(self, number: int) -> None:
        for _ in range(number):
            page = await (await self.browser.new_context(storage_state=json.loads(self.state))).new_page()
            await page.goto(f"{self.site.url}/feed/")


def browser_memory() -> int:
    """Bytes of everything below this process that is a browser."""
    children = psutil.Process().children(recursive=True)
    return sum(pss(child.pid) for child in children if "chrom" in child.name() or "headless" in child.name())


def measured(folder: Path) -> tuple[dict[str, tuple[float, ...]], float, float]:
    """Seconds an invitation of each round; bytes of one more idle identity, and of one more open context."""
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        try:
            site = runner.run(stack.enter_async_context(SiteProcess.running(folder / "site")))
            runner.run(site.add_account(EMAIL, PASSWORD))
            driver = runner.run(stack.enter_async_context(Driver.running(folder, site.url)))
            identity = runner.run(driver.link(EMAIL, PASSWORD))
            bare = runner.run(stack.enter_async_context(Bare.running(site)))
            slugs = iter(runner.run(site.people(2 * ROUNDS + 2)))

            def ours() -> float:
                started = time.perf_counter()
                runner.run(driver.invite(identity, next(slugs)))
                return time.perf_counter() - started

            def floor() -> float:
                started = time.perf_counter()
                runner.run(bare.invite(next(slugs)))
                return time.perf_counter() - started

            taken = in_turns({"ours": ours, "bare": floor}, rounds=ROUNDS)
            runner.run(bare.open_contexts(1))
            before = browser_memory()
            runner.run(bare.open_contexts(MORE))
            context = (browser_memory() - before) / MORE
            return taken, runner.run(one_more(driver, site)), context
        finally:
            runner.run(stack.aclose())


async def one_more(driver: Driver, site: SiteProcess) -> float:
    before = pss(driver.pid)
    for number in range(MORE):
        email = f"idle-{number}@northwind.example"
        await site.add_account(email, PASSWORD)
        await driver.link(email, PASSWORD)
    return (pss(driver.pid) - before) / MORE


def main() -> None:
    quiet()
    with tempfile.TemporaryDirectory(prefix="heraldry-bench-") as folder:
        taken, idle, context = measured(Path(folder))
    tell(
        Figure(
            "one LinkedIn invitation ÷ a bare script with the same clicks",
            ratio(taken["ours"], taken["bare"]),
            1.5,
            at_most=True,
            unit="×",
            measured={
                "ours, s": statistics.median(taken["ours"]),
                "bare, s": statistics.median(taken["bare"]),
            },
        )
    )
    tell(Figure("memory of one more linked identity that is idle", idle / MB, 1, at_most=True, unit="MB"))
    tell(Figure("memory of one more open browser context", context / MB, 60, at_most=True, unit="MB"))


if __name__ == "__main__":
    main()
