"""The pages in a real browser: axe finds nothing, nothing scrolls sideways, forms work under the policy."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Literal

import pytest
import uvicorn
from axe_playwright_python.async_playwright import Axe  # pyright: ignore[reportMissingTypeStubs]  it has none
from heraldry.chassis.bus.border import jetstream
from heraldry.chassis.health import Health, QuietServer
from heraldry.chassis.testing.nats import NatsServer
from heraldry.sandbox.clock import BUCKET, SandboxClock
from heraldry.sandbox.linkedin.site import LinkedIn
from heraldry.sandbox.mailhost import MailHost
from heraldry.sandbox.web.application import application
from playwright.async_api import Browser, async_playwright

pytestmark = pytest.mark.parts
ADA, LEA = "ada@northwind.example", "lea.fournier@maison-verte.example"
BROWSERS = ("chromium-headless-shell", "chromium", "google-chrome")
SIZES = {"phone": (390, 844), "desktop": (1440, 900)}
TOO_SMALL = """
[...document.querySelectorAll('a, button, input:not([type=hidden]), select, textarea, summary')]
  .filter(part => !part.matches('.skip') && part.getBoundingClientRect().height < 24)
  .map(part => part.outerHTML.slice(0, 80))
"""
TEXT = "Hello Léa,\n\nshall we talk on Tuesday? https://northwind.example/" + "a-long-address" * 12


@pytest.fixture
async def host(tmp_path: Path) -> AsyncGenerator[MailHost]:
    async with MailHost.start(tmp_path) as running:
        first = running.send(ADA, to=LEA, subject="A quick question about Maison Verte", text=TEXT)
        running.reply(LEA, "Tuesday is good.", message_id=first.message_id)
        running.send(LEA, to=ADA, subject="x" * 200, text="long subject")
        yield running


@pytest.fixture
async def linkedin(tmp_path: Path) -> LinkedIn:
    found = LinkedIn(tmp_path / "linkedin", "http://127.0.0.1:1")
    ada = found.account("ada@northwind.example")
    found.network.invite(ada, found.person("lea-fournier"), "We met in Lyon, did we not?")
    found.network.connect(ada.slug, "pia-holm")
    return found


@pytest.fixture
async def address(host: MailHost, linkedin: LinkedIn) -> AsyncGenerator[str]:
    async with NatsServer() as nats:
        clock = SandboxClock(await jetstream(await nats.client("sandbox")).key_value(BUCKET))
        app = application(host, linkedin, clock, Health())
        server = QuietServer(uvicorn.Config(app, port=0, log_config=None, lifespan="off", ws="none"))  # pyright: ignore[reportArgumentType]  two types of one protocol
        task = asyncio.create_task(server.serve())
        async with asyncio.timeout(10):
            while not server.started:  # noqa: ASYNC110  uvicorn has no event for it
                await asyncio.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}"
        server.should_exit = True
        await task


@pytest.fixture
async def browser() -> AsyncGenerator[Browser]:
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield browser
        await browser.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
async def test_pages_are_sound(
    browser: Browser, address: str, size: str, scheme: Literal["light", "dark"]
) -> None:
    width, height = SIZES[size]
    context = await browser.new_context(
        viewport={"width": width, "height": height}, color_scheme=scheme, bypass_csp=True
    )
    page = await context.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    for name, path in {
        "home": "/",
        "folder": f"/mail/{ADA}",
        "empty": f"/mail/{ADA}?folder=Junk",
        "mail": f"/mail/{LEA}?uid=1",
        "linkedin": "/linkedin",
    }.items():
        await page.goto(address + path)
        found = await Axe().run(page)  # pyright: ignore[reportUnknownMemberType]  likewise
        assert found.violations_count == 0, found.generate_report()
        assert await page.evaluate("document.documentElement.scrollWidth") <= width, path
        small = await page.evaluate(TOO_SMALL)
        assert small == []
        if pictures := os.environ.get("HERALDRY_PICTURES"):
            await page.screenshot(path=f"{pictures}/{name}-{size}-{scheme}.png", full_page=True)
    assert said == []
    await context.close()


async def test_a_person_replies_and_moves_the_clock(browser: Browser, address: str, host: MailHost) -> None:
    page = await browser.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    await page.goto(address)
    await page.get_by_role("link", name="Léa Fournier").click()
    await page.get_by_role("link", name="A quick question").click()
    await page.get_by_label("Reply as Léa Fournier").fill("Wednesday, rather.")
    await page.get_by_role("button", name="Send reply").click()
    assert await page.get_by_role("status").inner_text() == "The reply was delivered."
    assert host.messages(ADA)[-1].letter.text.startswith("Wednesday, rather.")
    await page.get_by_role("button", name="Out of office").click()
    assert await page.get_by_role("status").inner_text() == "The automatic reply was delivered."
    await page.goto(address)
    await page.get_by_role("button", name="Forward 1 day").click()
    assert await page.get_by_text("1 day ahead of real time").is_visible()
    assert said == []


async def test_a_person_decides_how_linkedin_treats_an_account(
    browser: Browser, address: str, linkedin: LinkedIn
) -> None:
    page = await browser.new_page()
    done = page.get_by_role("status")
    await page.goto(address + "/linkedin")
    ada = page.locator("[id='ada@northwind.example']")
    await ada.get_by_label("In the way").select_option("Captcha")
    await ada.get_by_label("Invitations").select_option("Not now, try later")
    await ada.get_by_role("button", name="Change").click()
    assert await done.inner_text() == "The account is treated like this from now on."
    scenario = linkedin.account("ada@northwind.example").scenario
    assert (scenario.challenge, scenario.invitation) == ("captcha", "slow_down")
    await ada.get_by_role("button", name="Yes in the app").click()
    assert await done.inner_text() == "Nobody waits for the app."
    await ada.get_by_role("button", name="Accept as Léa Fournier").click()
    assert await done.inner_text() == "The invitation was accepted."
    await ada.get_by_label("Write as Léa Fournier").fill("Good to know you.")
    await ada.get_by_label("Write as Léa Fournier").press("Enter")
    assert await done.inner_text() == "The message was delivered."
    (conversation,) = linkedin.messaging.conversations("lea-fournier").values()
    assert conversation.messages[-1].text == "Good to know you."
    await ada.get_by_label("Be invited by").select_option("Samir Aziz")
    await ada.get_by_role("button", name="Invite", exact=True).click()
    assert await done.inner_text() == "The account has an invitation."
    assert linkedin.network.relation("ada-bergstrom", "samir-aziz") == "incoming"
    await page.get_by_label("Sign-in page").select_option("without a form")
    await page.locator("#layout").get_by_role("button", name="Change").click()
    assert await page.get_by_label("Sign-in page").input_value() == "formless"
