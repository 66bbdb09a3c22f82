"""A real Chromium, as it is: it says that it is automated, keeps its sandbox, and is gone at its deadline."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final
from uuid import uuid4

import psutil
import structlog
from heraldry.chassis.chromium import QUIET, chromium_path
from heraldry.linkedin_driver.adapters.problems import BrowserFailed, BrowserMissing
from playwright.async_api import Browser, BrowserContext, Error, Playwright, StorageState, async_playwright

log = structlog.stdlib.get_logger(__name__)

LOCALE: Final = "en-US"
SIZE: Final = (1280, 900)
PATIENCE: Final = 20.0  # seconds for an answer of the site
TO_CLOSE: Final = 5.0  # seconds in which a browser closes by itself before it is killed


def executable() -> Path:
    """Where Chromium is.

    Raises:
        BrowserMissing: nowhere; the text says how to get one.
    """
    try:
        path = chromium_path()
    except FileNotFoundError as error:
        raise BrowserMissing(f"{error}.") from error
    if path is None:
        raise BrowserMissing
    return Path(path)


@asynccontextmanager
async def chromium(*, seconds: float) -> AsyncGenerator[Browser]:
    """A browser for as long as the block lasts. After `seconds` it is killed, whatever the block does.

    Raises:
        BrowserMissing, BrowserFailed: it did not start.
        TimeoutError: the block took longer.
    """
    path = executable()
    mark = f"--heraldry-run={uuid4().hex}"
    deadline = asyncio.get_running_loop().call_later(seconds, kill, mark)
    try:
        async with asyncio.timeout(seconds):
            playwright = await async_playwright().start()
            try:
                browser = await launched(playwright, path, mark)
                yield browser
                with suppress(Error, TimeoutError):
                    async with asyncio.timeout(TO_CLOSE):
                        await browser.close()
            finally:
                kill(mark)
                await playwright.stop()
    finally:
        deadline.cancel()


@asynccontextmanager
async def context(
    browser: Browser, state: Path | StorageState | None = None
) -> AsyncGenerator[BrowserContext]:
    """One identity's cookies and storage, apart from all others.

    The settings are always the same: LinkedIn ends a session whose browser changes under it.
    """
    opened = await new_context(browser, state)
    try:
        yield opened
    finally:
        with suppress(Error):
            await opened.close()


async def new_context(
    browser: Browser, state: Path | StorageState | None, patience: float = PATIENCE
) -> BrowserContext:
    """Whoever opens it closes it. `patience`: seconds for an answer of the site."""
    opened = await browser.new_context(
        storage_state=state,
        locale=LOCALE,
        viewport={"width": SIZE[0], "height": SIZE[1]},
        accept_downloads=False,
    )
    opened.set_default_navigation_timeout(1000 * patience)
    return opened


async def launched(playwright: Playwright, path: Path, mark: str) -> Browser:
    """A browser that `kill` finds by its mark."""
    as_root = os.geteuid() == 0
    if as_root:
        log.warning("browser.without-sandbox", why="Chromium does not sandbox itself for root")
    try:
        return await playwright.chromium.launch(
            executable_path=path, args=[*QUIET, mark], chromium_sandbox=not as_root
        )
    except Error as error:
        raise BrowserFailed(error.message.strip().splitlines()[0]) from error


def kill(mark: str) -> None:
    """Kill the browser with this mark on its command line, and all it started."""
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            if mark in child.cmdline():
                for process in (*child.children(recursive=True), child):
                    with suppress(psutil.NoSuchProcess):
                        process.kill()
