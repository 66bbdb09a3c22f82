"""The stand-in of LinkedIn in a real browser, found by roles and names as a driver finds it."""

from __future__ import annotations

import shutil
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from heraldry.chassis.health import listen
from heraldry.sandbox.linkedin.people import Layout, Scenario
from heraldry.sandbox.linkedin.site import LinkedIn
from heraldry.sandbox.linkedin.web.application import site_application
from heraldry.sandbox.web.serving import serving
from playwright.async_api import BrowserContext, Page, async_playwright

pytestmark = pytest.mark.parts
ADA = "ada@northwind.example"
BROWSERS = ("chromium-headless-shell", "chromium", "google-chrome")


@pytest.fixture
async def linkedin(tmp_path: Path) -> AsyncGenerator[LinkedIn]:
    with listen("127.0.0.1", 0) as listener:
        found = LinkedIn(tmp_path, f"http://127.0.0.1:{listener.getsockname()[1]}")
        async with serving((site_application(found), listener)):
            yield found
        found.close()


@pytest.fixture
async def context() -> AsyncGenerator[BrowserContext]:
    executable = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        yield await browser.new_context(locale="en-US")
        await browser.close()


@asynccontextmanager
async def opened(context: BrowserContext, linkedin: LinkedIn, path: str) -> AsyncGenerator[Page]:
    page = await context.new_page()
    said: list[str] = []
    page.on("pageerror", lambda error: said.append(error.message))
    await page.goto(linkedin.url + path)
    yield page
    assert said == []
    await page.close()


async def sign_in(page: Page, linkedin: LinkedIn) -> None:
    email = page.get_by_role("textbox", name="Email or phone").filter(visible=True)
    await email.fill(ADA)
    await (
        page.locator("input[autocomplete~=current-password]")
        .filter(visible=True)
        .fill(linkedin.account(ADA).password)
    )
    await page.get_by_role("button", name="Sign in", exact=True).filter(visible=True).click()


async def test_both_layouts_lead_in_and_hide_what_is_not_for_now(
    context: BrowserContext, linkedin: LinkedIn
) -> None:
    for layout in (Layout("classic", cookie_banner=True), Layout("formless")):
        linkedin.change_layout(layout)
        async with opened(context, linkedin, "/login") as page:
            assert not await page.get_by_text("We’ve emailed a one-time link").is_visible()
            assert await page.locator("form").count() == (1 if layout.sign_in == "classic" else 0)
            assert await page.locator("input[type=password]").count() == (
                1 if layout.sign_in == "classic" else 2
            )
            if layout.cookie_banner:
                await page.get_by_role("button", name="Reject").click()
            await sign_in(page, linkedin)
            await page.wait_for_url("**/feed/foryou/")
            await page.goto(linkedin.url + "/m/logout/")
    assert [one.what for one in linkedin.effects()] == ["sign-in posted", "signed in", "signed out"] * 2


async def test_the_page_that_waits_for_the_app_goes_on_by_itself(
    context: BrowserContext, linkedin: LinkedIn
) -> None:
    linkedin.change_scenario(ADA, replace(Scenario(), challenge="app"))
    async with opened(context, linkedin, "/login") as page:
        await sign_in(page, linkedin)
        await page.get_by_role("heading", name="Check your LinkedIn app").wait_for()
        linkedin.sign_in.answer_in_app(ADA, "denied")
        await page.get_by_role("alert").get_by_text("was denied").wait_for()
        await page.goto(linkedin.url + "/login")
        await sign_in(page, linkedin)
        await page.get_by_role("heading", name="Check your LinkedIn app").wait_for()
        linkedin.sign_in.answer_in_app(ADA, "approved")
        await page.wait_for_url("**/feed/foryou/")


async def test_a_code_is_entered_and_the_own_profile_is_read(
    context: BrowserContext, linkedin: LinkedIn
) -> None:
    linkedin.change_scenario(ADA, replace(Scenario(), challenge="sms"))
    async with opened(context, linkedin, "/login") as page:
        await sign_in(page, linkedin)
        field = page.locator("input[name=pin]")
        await field.fill("000")
        await page.locator("#two-step-submit-button").click()
        await page.get_by_role("alert").get_by_text("isn't valid").wait_for()
        (challenge,) = linkedin.sign_in.challenges(ADA).values()
        await field.fill(challenge.code)
        await page.locator("#two-step-submit-button").click()
        await page.wait_for_url("**/feed/foryou/")
        await page.goto(linkedin.url + "/in/me/")
        top = page.locator('section[componentkey$="Topcard"]')
        assert await top.get_by_role("heading").inner_text() == "Ada Bergström"
        assert await page.get_by_role("main").count() == 2
        photo = top.locator('img[src*="profile-displayphoto"]')
        assert await photo.evaluate("one => one.naturalWidth") == 200
        cookies = {one.get("name", ""): one.get("value", "") for one in await context.cookies()}
        assert cookies["JSESSIONID"].startswith('"ajax:')
        token = cookies["JSESSIONID"].strip('"')
        said = await page.evaluate(
            "async token => (await fetch('/voyager/api/me', {headers: {'csrf-token': token}})).status", token
        )
        assert said == 200


async def test_an_unnatural_status_reaches_the_browser(context: BrowserContext, linkedin: LinkedIn) -> None:
    async with opened(context, linkedin, "/login") as page:
        await sign_in(page, linkedin)
        await page.wait_for_url("**/feed/foryou/")
        linkedin.change_scenario(ADA, replace(Scenario(), answers="999"))
        answer = await page.goto(linkedin.url + "/feed/")
        assert answer is not None
        assert answer.status == 999
