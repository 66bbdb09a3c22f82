"""The stand-in of LinkedIn in a real browser, found by roles and names as a driver finds it."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from heraldry.chassis.chromium import chromium_path
from heraldry.chassis.health import listen
from heraldry.sandbox.linkedin.people import Layout, Person, Scenario
from heraldry.sandbox.linkedin.signin import SignedIn
from heraldry.sandbox.linkedin.site import LinkedIn
from heraldry.sandbox.linkedin.web.application import site_application
from heraldry.sandbox.web.serving import serving
from playwright.async_api import BrowserContext, Locator, Page, async_playwright

pytestmark = pytest.mark.parts
ADA = "ada@northwind.example"


@pytest.fixture
async def linkedin(tmp_path: Path) -> AsyncGenerator[LinkedIn]:
    with listen("127.0.0.1", 0) as listener:
        found = LinkedIn(tmp_path, f"http://127.0.0.1:{listener.getsockname()[1]}")
        async with serving((site_application(found), listener)):
            yield found
        found.close()


@pytest.fixture
async def context() -> AsyncGenerator[BrowserContext]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium_path(), args=["--no-sandbox"])
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


async def enter(context: BrowserContext, linkedin: LinkedIn) -> None:
    """Be signed in without the pages for it."""
    entered = linkedin.sign_in.try_password(ADA, linkedin.account(ADA).password)
    assert isinstance(entered, SignedIn)
    await context.add_cookies(
        [
            {"name": "li_at", "value": entered.session, "url": linkedin.url},
            {"name": "JSESSIONID", "value": '"ajax:0123456789"', "url": linkedin.url},
        ]
    )


def happened(linkedin: LinkedIn, *what: str) -> list[Mapping[str, object]]:
    return [one.facts for one in linkedin.effects() if one.what in what]


def top_card(page: Page) -> Locator:
    return page.locator('main section[componentkey$="Topcard"]')


def dialog(page: Page) -> Locator:
    """The one in front: not the chat, not the players' hidden ones."""
    return page.get_by_role("dialog").filter(visible=True).filter(has=page.get_by_role("heading"))


async def test_a_profile_has_the_traps_of_the_real_one(context: BrowserContext, linkedin: LinkedIn) -> None:
    await enter(context, linkedin)
    linkedin.network.invite(linkedin.account(ADA), linkedin.person("pia-holm"))
    async with opened(context, linkedin, "/in/lea-fournier/") as page:
        assert await page.locator("h1").count() == 0
        assert await page.get_by_role("main").count() == 2
        for card, count in ((top_card(page), 1), (page, 2)):
            more = card.get_by_role("button", name="More", exact=True).filter(visible=True)
            assert await more.count() == count
        invites = page.get_by_role("link", name=re.compile("^Invite .* to connect$"))
        assert await invites.count() >= 6  # two of Léa's, and those of the strangers beside her
        of_her_name = page.get_by_role("link", name="Invite Léa Fournier to connect", exact=True)
        assert await of_her_name.count() == 3  # one is a namesake's
        assert await top_card(page).get_by_role("link", name="Invite Léa Fournier to connect").count() == 1
        assert await page.get_by_role("link", name=re.compile("^Pending, click to withdraw")).count() == 1
        degrees = top_card(page).get_by_text(re.compile(r"^· \d"))
        assert (await degrees.count(), await degrees.filter(visible=True).inner_text()) == (2, "· 2nd")
        assert await page.locator("[role=menu]").count() > await page.get_by_role("menu").count() == 0
        assert await page.locator("[role=dialog]").count() > await page.get_by_role("dialog").count() == 1


@pytest.mark.parametrize("layout", [Layout(), Layout(profile="legacy", invitation="native")])
async def test_an_invitation_is_sent_with_a_note_and_withdrawn(
    context: BrowserContext, linkedin: LinkedIn, layout: Layout
) -> None:
    linkedin.change_layout(layout)
    await enter(context, linkedin)
    async with opened(context, linkedin, "/in/lea-fournier/") as page:
        card = page.locator("main section").filter(has_text="Contact info")
        role = "link" if layout.profile == "sdui" else "button"
        await card.get_by_role(role, name="Invite Léa Fournier to connect", exact=True).click()
        await page.get_by_role("button", name="Add a note", exact=True).click()
        note = page.get_by_role("dialog").get_by_role("textbox")
        send = page.get_by_role("button", name="Send invitation")
        await page.get_by_text("5 personalized invitations remaining for this month.").wait_for()
        assert await send.is_disabled()
        await note.fill("We met in Lyon")
        await page.get_by_text("14/200").wait_for()
        await send.click()
        await page.get_by_role("alert").get_by_text("Your invitation to Léa Fournier was sent.").wait_for()
        pending = card.get_by_role(role, name="Pending, click to withdraw invitation sent to Léa Fournier")
        await pending.wait_for()
        await page.reload()
        await pending.click()
        front = page.get_by_role("dialog", name="Withdraw invitation")
        assert await front.evaluate("one => one.localName + (one.getAttribute('role') ?? '')") == "dialog"
        await front.get_by_role("button", name="Withdraw invitation sent to Léa Fournier").click()
        await page.get_by_role("alert").get_by_text("Invitation to Léa withdrawn.").wait_for()
        await page.reload()
        await card.get_by_role("button", name="Invite Léa Fournier to connect").click()
        assert await dialog(page).count() == 0
    invited = {"account": ADA, "to": "lea-fournier", "note": "We met in Lyon"}
    assert happened(linkedin, "invited") == [invited]
    assert happened(linkedin, "withdrew") == [{"account": ADA, "to": "lea-fournier"}]
    assert [one["place"] for one in happened(linkedin, "clicked")] == ["top card", "top card"]
    assert happened(linkedin, "clicked another person") == []


async def test_connect_is_found_under_more_and_by_its_address(
    context: BrowserContext, linkedin: LinkedIn
) -> None:
    await enter(context, linkedin)
    async with opened(context, linkedin, "/in/ines-carvalho/") as page:
        for slug, name in (("ines-carvalho", "Inês Carvalho"), ("henrik-dahl", "Henrik Dahl")):
            await page.goto(f"{linkedin.url}/in/{slug}/")
            assert await top_card(page).get_by_role("link", name="Connect").count() == 0
            await top_card(page).get_by_role("button", name="More", exact=True).click()
            assert (
                await page.get_by_role("main").count() == 0
            )  # the page is out of reach while the menu is open
            await page.get_by_role("menuitem", name=f"Invite {name} to connect").click()
            await page.get_by_role("button", name="Send without a note").click()
            await page.get_by_role("alert").get_by_text("was sent.").wait_for()
            await top_card(page).get_by_role("button", name="More", exact=True).click()
            await page.get_by_role("menuitem", name="Pending").wait_for()
        await page.goto(f"{linkedin.url}/preload/custom-invite/?vanityName=oskar-wren")
        await page.get_by_role("button", name="Send without a note").click()
        await page.get_by_role("alert").get_by_text("was sent.").wait_for()
    invited = [one["to"] for one in happened(linkedin, "invited")]
    assert invited == ["ines-carvalho", "henrik-dahl", "oskar-wren"]


async def test_a_click_on_a_stranger_is_noticed(context: BrowserContext, linkedin: LinkedIn) -> None:
    await enter(context, linkedin)
    async with opened(context, linkedin, "/in/lea-fournier/") as page:
        await page.get_by_role("link", name="Invite Léa Fournier to connect", exact=True).last.click()
        await page.get_by_role("button", name="Send without a note").click()
        await page.get_by_role("alert").get_by_text("was sent.").wait_for()
    (click,) = happened(linkedin, "clicked another person")
    assert (click["of"], click["place"], click["page"]) == ("lea-fournier-2", "sidebar", "/in/lea-fournier/")


async def test_what_is_pressed_can_be_about_somebody_else(
    context: BrowserContext, linkedin: LinkedIn
) -> None:
    await enter(context, linkedin)
    linkedin.change_person(replace(linkedin.person("lea-fournier"), sends_at_once=True))
    linkedin.network.invite(linkedin.account(ADA), linkedin.person("pia-holm"))
    linkedin.network.connect("ada-bergstrom", "samir-aziz")
    linkedin.network.connect("ada-bergstrom", "greta-lund")
    linkedin.change_person(replace(linkedin.person("samir-aziz"), opens_thread_of="greta-lund"))
    scenario = replace(Scenario(), withdrawal="names_another", message="never_ready")
    linkedin.change_scenario(ADA, scenario)
    async with opened(context, linkedin, "/in/lea-fournier/") as page:
        await top_card(page).get_by_role("link", name="Invite Léa Fournier to connect").click()
        await page.get_by_role("alert").get_by_text("was sent.").wait_for()
        assert await dialog(page).count() == 0
        await top_card(page).get_by_role("link", name="Pending, click to withdraw").click()
        await page.get_by_role("button", name="Withdraw invitation sent to Pia Holm").wait_for()
        await page.goto(f"{linkedin.url}/in/samir-aziz/")
        await top_card(page).get_by_role("link", name="Message", exact=True).click()
        await page.get_by_role("heading", name="Greta Lund").wait_for()
        await page.get_by_role("textbox", name="Write a message").press_sequentially("Hello")
        assert await page.locator("button.msg-form__send-button").is_disabled()
    assert [one["to"] for one in happened(linkedin, "invited")] == ["pia-holm", "lea-fournier"]


async def test_the_site_tells_of_its_limits(context: BrowserContext, linkedin: LinkedIn) -> None:
    await enter(context, linkedin)

    def treat(**how: object) -> None:
        linkedin.change_scenario(ADA, replace(Scenario(), **how))  # pyright: ignore[reportArgumentType]  by name

    async with opened(context, linkedin, "/in/lea-fournier/") as page:
        connect = top_card(page).get_by_role("link", name="Invite Léa Fournier to connect")
        alert = page.get_by_role("alert")
        treat(invitation="weekly_limit")
        await connect.click()
        await page.get_by_role("heading", name="You’ve reached the weekly invitation limit").wait_for()
        await page.get_by_role("button", name="Got it").click()
        treat(notes=0)
        await connect.click()
        await page.get_by_role("button", name="Add a note", exact=True).click()
        await dialog(page).locator("a[href*='/premium/']").wait_for()
        await page.get_by_role("button", name="Dismiss", exact=True).click()
        for how, says in (
            ("weekly_limit_afterwards", "reached the weekly limit for connection invitations"),
            ("slow_down", "Invitation not sent. Try again later."),
            ("not_kept", "Your invitation to Léa Fournier was sent."),
        ):
            treat(invitation=how)
            await connect.click()
            await page.get_by_role("button", name="Send without a note").click()
            await alert.get_by_text(says).wait_for()
        await page.reload()
        assert await connect.is_visible()  # the site said it was sent, and it was not
        linkedin.change_person(replace(linkedin.person("lea-fournier"), email_required=True))
        await connect.click()
        await dialog(page).locator("input[type=email]").wait_for()
        assert await page.get_by_role("button", name="Send without a note").is_disabled()
    assert happened(linkedin, "invited") == []


async def test_long_lists_come_in_parts(context: BrowserContext, linkedin: LinkedIn) -> None:
    await enter(context, linkedin)
    account = linkedin.account(ADA)
    for at in range(23):
        person = linkedin.add_person(Person(f"person-{at}", "Person", str(at)))
        linkedin.network.invite(account, person)
        linkedin.network.accept(account.slug, person.slug) if at % 2 else None
    async with opened(context, linkedin, "/mynetwork/invitation-manager/sent/") as page:
        cards = page.locator("[data-testid=lazy-column] [role=listitem]")
        await page.get_by_role("link", name="People (12)").wait_for()
        assert await cards.count() == 10
        await page.locator("main#workspace").evaluate("one => one.scrollTo(0, one.scrollHeight)")
        await cards.nth(11).wait_for()
        assert await cards.first.get_by_text("Sent today").is_visible()
        await page.get_by_role("link", name="Withdraw invitation sent to Person 0", exact=True).click()
        await page.get_by_role("button", name="Withdraw invitation sent to Person 0", exact=True).click()
        await page.get_by_role("alert").get_by_text("Invitation to Person withdrawn.").wait_for()
        assert await cards.count() == 11
        await page.goto(linkedin.url + "/mynetwork/invite-connect/connections/")
        await page.get_by_role("heading", name="11 connections").wait_for()
        assert await cards.count() == 10
        more = page.get_by_role("button", name="Load more")
        await more.evaluate_all("all => all.forEach(one => one.click())")  # it goes by itself once it is seen
        await cards.nth(10).wait_for()
    assert [one["to"] for one in happened(linkedin, "withdrew")] == ["person-0"]


async def test_messages_are_sent_and_answered(context: BrowserContext, linkedin: LinkedIn) -> None:
    await enter(context, linkedin)
    linkedin.network.connect("ada-bergstrom", "lea-fournier")
    async with opened(context, linkedin, "/in/lea-fournier/") as page:
        assert await top_card(page).get_by_text("· 1st").is_visible()
        await top_card(page).get_by_role("link", name="Message", exact=True).click()
        box = page.get_by_role("textbox", name="Write a message")
        send = page.locator("button.msg-form__send-button")
        assert await send.is_disabled()
        await box.press_sequentially("Hello Léa,")
        await box.press("Shift+Enter")
        await box.press_sequentially("Tuesday?")
        await send.click()
        await page.wait_for_url("**/messaging/thread/*/")
        assert await box.inner_text() == ""
        await box.press_sequentially("One more")
        await box.press("Enter")
        bodies = page.locator(".msg-s-event-listitem__body")
        await bodies.nth(1).wait_for()
        linkedin.messaging.reply("lea-fournier", "ada-bergstrom", "Wednesday, rather.")
        await page.goto(linkedin.url + "/feed/")
        assert happened(linkedin, "conversation read") == []
        await page.goto(linkedin.url + "/messaging/")
        await page.locator(".msg-s-event-listitem--other").get_by_text("Wednesday, rather.").wait_for()
        linkedin.change_scenario(ADA, replace(Scenario(), message="failed"))
        await box.press_sequentially("Lost")
        await send.click()
        await page.get_by_role("alert").get_by_text("Message failed to send. Try again.").wait_for()
        await page.goto(f"{linkedin.url}/in/pia-holm/")
        await top_card(page).get_by_role("link", name="Message", exact=True).click()
        await page.get_by_placeholder("Subject (optional)").wait_for()
    assert [(one["text"], one["by"]) for one in happened(linkedin, "message sent")] == [
        ("Hello Léa,\nTuesday?", "button"),
        ("One more", "enter"),
    ]
    assert len(happened(linkedin, "conversation read")) == 1
