"""What most tests of the whole system begin with. A file that needs another one of them has its own."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from heraldry.chassis.testing.browser import launch_options
from heraldry.chassis.testing.stack import Stack
from heraldry.gateway.testing import Office
from playwright.sync_api import Browser, sync_playwright

from tests.integration.support import Admin, Outside, organization_in, outside_of


@pytest.fixture(scope="module")
def us(stack: Stack) -> Iterator[Admin]:
    """The admin of an organization of this file's own, through the HTTP API."""
    with organization_in(stack) as admin:
        yield admin


@pytest.fixture(scope="module")
def outside(stack: Stack) -> Iterator[Outside]:
    """The sandbox: its mail host and its clock."""
    with outside_of(stack) as found:
        yield found


@pytest.fixture(scope="module")
def office(stack: Stack) -> Iterator[Office]:
    """The same for tests that look at pages."""
    with Office.opened(stack) as office:
        yield office


@pytest.fixture(scope="module")
def site(stack: Stack) -> Iterator[httpx.Client]:
    """What the stand-in of LinkedIn can be told, and says of what happened there."""
    with httpx.Client(base_url=f"{stack.sandbox_url}/control/v1/linkedin", timeout=20) as site:
        yield site


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One Chromium for all tests of a file."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(**launch_options())
        yield browser
        browser.close()
