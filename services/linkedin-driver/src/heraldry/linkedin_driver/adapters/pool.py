"""The browser of one process: one Chromium, started when it is first needed, with a context for each who is driven."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, cast
from uuid import uuid4

import structlog
from heraldry.linkedin_driver.adapters import evidence
from heraldry.linkedin_driver.adapters.browser import TO_CLOSE, executable, kill, launched, new_context
from heraldry.linkedin_driver.adapters.problems import BrowserFailed, BrowserMissing, LayoutChanged
from heraldry.linkedin_driver.adapters.site import Site
from heraldry.linkedin_driver.adapters.visits import LinkedInVisit
from heraldry.linkedin_driver.ports import Browsers, Visit
from playwright.async_api import (
    Browser,
    BrowserContext,
    Error,
    Page,
    Playwright,
    StorageState,
    async_playwright,
)

log = structlog.stdlib.get_logger(__name__)
EVIDENCE: Final = 50  # pages that were not understood, of which pictures are kept
IDLE: Final = 60.0  # seconds after which a browser nobody uses is ended


@dataclass(slots=True)
class Chromium(Browsers):
    """`close` it at the end. `folder`: where pictures of pages go that were not understood."""

    site: Site
    folder: Path
    patience: float  # seconds for an answer of the site
    idle: float = IDLE
    _starting: asyncio.Lock = field(default_factory=asyncio.Lock)
    _playwright: Playwright | None = None
    _browser: Browser | None = None
    _mark: str = ""
    _visits: int = 0
    _closed_for_good: bool = False
    _resting: asyncio.TimerHandle | None = None

    @property
    def missing(self) -> str | None:
        try:
            executable()
        except BrowserMissing as problem:
            return f"no browser: {problem.detail} {problem.resolution}"
        return None

    @asynccontextmanager
    async def visit(self, state: bytes | None = None) -> AsyncGenerator[Visit]:
        self._visits += 1
        if self._resting is not None:
            self._resting.cancel()
        try:
            kept = None if state is None else cast("StorageState", json.loads(state))
            async with self._page(kept) as page:
                try:
                    yield LinkedInVisit(page, self.site, self.patience)
                except LayoutChanged as changed:
                    raise await self._explained(page, changed) from changed
        except Error as error:
            raise BrowserFailed(error.message.strip().splitlines()[0]) from error
        finally:
            self._visits -= 1
            if not self._visits:
                self._resting = asyncio.get_running_loop().call_later(self.idle, self._end)

    async def close(self) -> None:
        if self._resting is not None:
            self._resting.cancel()
        self._closed_for_good = True
        self._end()
        if self._playwright is not None:
            with suppress(Exception):  # its own process may be gone
                async with asyncio.timeout(TO_CLOSE):
                    await self._playwright.stop()

    @asynccontextmanager
    async def _page(self, state: StorageState | None) -> AsyncGenerator[Page]:
        context = await new_context(await self._running(), state, self.patience)
        try:
            yield await context.new_page()
        finally:
            await self._closed(context)

    async def _closed(self, context: BrowserContext) -> None:
        """Whoever holds no lease any more may not go on: what does not close is killed."""
        try:
            async with asyncio.timeout(TO_CLOSE):
                await context.close()
        except Error:
            return
        except TimeoutError:
            log.warning("the browser does not close and is killed")
            self._end()

    async def _running(self) -> Browser:
        async with self._starting:
            if self._closed_for_good:  # this process is about to end: nothing is begun any more
                await asyncio.Event().wait()
            if self._browser is None or not self._browser.is_connected():
                self._end()
                path = executable()
                if self._playwright is None:
                    self._playwright = await async_playwright().start()
                self._mark = f"--heraldry-run={uuid4().hex}"
                self._browser = await launched(self._playwright, path, self._mark)
                log.info("a browser was started", version=self._browser.version)
            return self._browser

    def _end(self) -> None:
        if self._mark:
            kill(self._mark)
        self._browser, self._mark = None, ""

    def _prune(self) -> None:
        """Evidence of late is enough."""
        if self.folder.is_dir():
            for old in sorted(self.folder.iterdir())[: 1 - EVIDENCE]:
                shutil.rmtree(old, ignore_errors=True)

    async def _explained(self, page: Page, changed: LayoutChanged) -> LayoutChanged:
        if changed.screenshot or changed.snapshot:
            return changed
        self._prune()
        where = self.folder / f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{uuid4().hex[:6]}"
        screenshot, snapshot = await evidence.keep(page, where)
        log.error("a page was not understood", page=changed.page, missing=changed.missing, folder=str(where))
        return LayoutChanged(changed.page, changed.missing, screenshot=screenshot, snapshot=snapshot)
