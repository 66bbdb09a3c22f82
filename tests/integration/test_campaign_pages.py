"""A campaign from its first word to its last mail, as a person makes it in a browser."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Final
from uuid import uuid4

import httpx
import pytest
from heraldry.chassis.testing.browser import launch_options
from heraldry.chassis.testing.stack import Stack
from heraldry.gateway.testing import Office, eventually
from playwright.sync_api import Browser, Page, expect, sync_playwright

pytestmark = [pytest.mark.stack, pytest.mark.timeout(240)]
SOON: Final = 30_000  # milliseconds for what the product does by itself
FIRST: Final = {"subject": "A question", "text": "Hello {{ first_name }}"}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    expect.set_options(timeout=SOON)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(**launch_options())
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def ada(office: Office) -> str:
    """Somebody who works around the clock, with an inbox."""
    week = [{"day": day, "start": "00:00", "end": "24:00"} for day in range(1, 8)]
    body = {"name": "Ada Bergström", "hours": {"zone": "UTC", "week": week}, "details": {"first_name": "Ada"}}
    identity = str(office.call("POST", "/identities", body)["id"])
    office.call("GET", "/dashboard")
    office.inbox(identity, office.account(name="Ada Bergström"))
    return identity


@contextmanager
def person(browser: Browser, office: Office, stack: Stack, *, scripts: bool = True) -> Generator[Page]:
    """Somebody who is signed in; at the end nothing was said in the console, and nothing was blocked."""
    context = browser.new_context(
        viewport={"width": 1440, "height": 900},
        locale="en-GB",
        base_url=stack.url,
        java_script_enabled=scripts,
    )
    context.set_default_timeout(SOON)
    context.add_cookies([{"name": "heraldry_session", "value": office.token, "url": stack.url}])
    said: list[str] = []
    context.on("console", lambda message: said.append(message.text))
    context.on("weberror", lambda error: said.append(str(error.error)))
    yield context.new_page()
    context.close()
    assert [line for line in said if "status of 4" not in line] == []


@pytest.mark.requirement("R-CAMP-1", "R-CAMP-3", "R-BOX-16")
def test_a_campaign_is_written_gets_its_leads_and_writes_to_them(
    browser: Browser, office: Office, stack: Stack, ada: str
) -> None:
    lea, tom = (str(office.account(name=name)["address"]) for name in ("Léa Fournier", "Tom Vidal"))
    with person(browser, office, stack) as page:
        page.goto("/campaigns")
        page.get_by_role("link", name="Create the first campaign").click()
        page.get_by_label("Name").fill("Maisons")
        page.get_by_label("Identity").select_option(ada)
        page.get_by_label("Pace").select_option("at once")
        expect(page.get_by_label("Email inbox")).to_have_value("")  # Shuffle
        page.get_by_role("button", name="Create campaign").click()
        _write_two_emails(page)
        page.get_by_role("link", name="Back to the campaign").click()
        expect(page.get_by_text("Mails of this campaign will carry no unsubscribe link.")).to_be_visible()
        expect(page.get_by_role("button", name="Start campaign")).to_have_count(0)
        rows = f"Prénom;E-Mail;Größe\nLéa;{lea};250\nTom;{tom};\nKim;kim;1\n".encode("cp1252")
        page.locator("#import-link").click()
        page.get_by_label("File", exact=True).set_input_files(
            {"name": "Maisons.csv", "mimeType": "text/csv", "buffer": rows}
        )
        page.get_by_role("button", name="Read the file").click()
        expect(page.get_by_role("heading", name="Maisons.csv")).to_be_visible()
        expect(page.get_by_label("What column Prénom is")).to_have_value("first_name")
        expect(page.get_by_role("row").filter(has_text="kim: ")).to_contain_text("4")
        page.get_by_label("Name of column Größe in texts").fill("size")
        page.get_by_role("button", name="Check with these columns").click()
        expect(page.get_by_label("Name of column Größe in texts")).to_have_value("size")
        page.get_by_role("button", name="Import 2 leads without the wrong row").click()
        expect(page.get_by_role("heading", name="2 leads imported")).to_be_visible()
        page.get_by_role("link", name="Go to the campaign").click()
        page.get_by_role("button", name="Start campaign").click()
        dialog = page.get_by_role("dialog")
        expect(dialog).to_contain_text("2 leads get 2 emails in the name of Ada Bergström")
        expect(dialog).to_contain_text("carry no unsubscribe link")
        dialog.get_by_role("button", name="Start campaign").click()
        expect(page.get_by_text("The campaign was started.")).to_be_visible()
        for address, name in ((lea, "Léa"), (tom, "Tom")):
            mails = f"/control/v1/accounts/{address}/messages"
            found = eventually(lambda mails=mails: office.sandbox.get(mails).json())
            assert (found[0]["subject"], f"Hello {name}" in found[0]["text"]) == (f"{name}, a question", True)
        expect(page.get_by_role("row").filter(has_text=lea)).to_contain_text("In progress")  # by itself
        page.get_by_role("link", name="Léa").click()
        expect(page.get_by_role("link", name="Léa, a question")).to_be_visible()


def _write_two_emails(page: Page) -> None:
    """Typed, moved about, looked at as a lead gets it, and saved."""
    page.get_by_role("button", name="Write the first email").click()
    page.get_by_label("Subject").fill("{{ first_name }}, a question")
    page.get_by_label("Text").fill("Do you remember, {{ first_name }}?")
    page.get_by_role("button", name="+ Add an email").click()
    expect(page.get_by_role("heading", name="Email 2")).to_be_focused()
    page.locator("#step-1-text").fill("Hello {{ frist_name }}")
    expect(page.locator("#preview")).to_contain_text("frist_name")  # it says what is wrong, unasked
    page.get_by_role("button", name="Move up Email 2").click()
    expect(page.locator("#step-0-text")).to_have_value("Hello {{ frist_name }}")
    expect(page.locator("#step-1-text")).to_have_value("Do you remember, {{ first_name }}?")
    expect(page.get_by_label("Subject")).to_have_value("{{ first_name }}, a question")
    page.locator("#step-0-text").fill("Hello {{ first_name }}{% if")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator("#step-0-text-error")).to_be_visible()
    expect(page.locator("#step-0-text")).to_be_focused()
    page.locator("#step-0-text").fill("Hello {{ first_name }}, {{ identity.first_name }} here")
    expect(page.locator("#preview")).to_contain_text("Ada here")
    page.get_by_label("Subject").press("Enter")  # saves, and moves nothing
    expect(page.locator("#editor-form").get_by_text("Saved.")).to_be_visible()


@pytest.mark.requirement("R-CAMP-4")
def test_a_campaign_is_paused_resumed_and_finished(
    browser: Browser, office: Office, stack: Stack, ada: str
) -> None:
    campaign = office.campaign(ada, "Nordics", FIRST, {"delay": 24, "text": "Still there?"})
    to = office.account()["address"]
    office.leads(campaign, {"first_name": "Kim", "email": to})
    office.call("POST", f"/campaigns/{campaign}/start")
    with person(browser, office, stack) as page:
        page.goto(f"/campaigns/{campaign}")
        page.get_by_role("button", name="Pause").click()
        expect(page.get_by_role("button", name="Resume")).to_be_visible()
        assert office.call("GET", f"/campaigns/{campaign}")["state"] == "paused"
        page.get_by_role("button", name="Resume").click()
        expect(page.get_by_role("button", name="Pause")).to_be_visible()
        page.get_by_role("button", name="Finish campaign").click()
        expect(page.get_by_role("button", name="Keep it")).to_be_focused()
        page.get_by_role("dialog").get_by_role("button", name="Finish campaign").click()
        expect(page.get_by_text("Finished").first).to_be_visible()
        expect(page.get_by_role("button", name="Resume")).to_have_count(0)
        page.get_by_role("link", name="Campaigns").first.click()
        expect(page.get_by_role("row").filter(has_text="Nordics")).to_contain_text("Finished")


def test_a_campaign_is_written_and_its_leads_imported_without_a_script(
    browser: Browser, office: Office, stack: Stack, ada: str
) -> None:
    with person(browser, office, stack, scripts=False) as page:
        page.goto("/campaigns/new")
        page.get_by_label("Name").fill("By hand")
        page.get_by_label("Identity").select_option(ada)
        page.get_by_role("button", name="Create campaign").click()
        page.get_by_role("button", name="Write the first email").click()
        page.get_by_label("Subject").fill("Hello")
        page.get_by_label("Text").fill("First")
        page.get_by_role("button", name="+ Add an email").click()
        page.locator("#step-1-text").fill("Second")
        page.locator("#step-1-delay").fill("5")
        page.get_by_role("button", name="Move down Email 1").click()
        page.get_by_role("button", name="Preview").click()
        expect(page.locator("#preview")).to_contain_text("Second")
        page.get_by_role("button", name="+ Add an email").click()
        page.locator("#step-2-text").fill("Third")
        page.get_by_role("button", name="Remove Email 2").click()
        page.get_by_role("button", name="Save", exact=True).last.click()
        expect(page.locator("#editor-form").get_by_text("Saved.")).to_be_visible()
        page.get_by_role("link", name="Back to the campaign").click()
        campaign = page.url.rsplit("/", 1)[-1]
        steps = office.call("GET", f"/campaigns/{campaign}")["settings"]["steps"]
        assert [(one["text"], one["delay"], one["subject"]) for one in steps] == [
            ("Second", 0, "Hello"),
            ("Third", 72, ""),
        ]
        page.locator("#import-link").click()
        page.get_by_label("File", exact=True).set_input_files(
            {"name": "a.csv", "mimeType": "text/csv", "buffer": b"email\nkim@maison.example\n"}
        )
        page.get_by_role("button", name="Read the file").click()
        page.get_by_role("button", name="Import 1 lead").click()
        eventually(lambda: office.call("GET", f"/campaigns/{campaign}")["counts"]["waiting"] == 1)


def test_a_file_that_is_too_large_is_refused_beside_its_field(
    browser: Browser, office: Office, stack: Stack, ada: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    campaign = office.campaign(ada, "Large")
    large = tmp_path_factory.mktemp("large") / "large.csv"
    large.write_bytes(b"email\n" + b"kim@maison.example\n" * 600_000)
    with person(browser, office, stack) as page:
        page.goto(f"/campaigns/{campaign}/imports/new")
        page.get_by_label("File", exact=True).set_input_files(large)
        expect(page.locator("#file-error")).to_contain_text("larger than 10 MB")
        page.get_by_label("File", exact=True).evaluate(
            "input => input.setCustomValidity('')"
        )  # as if nobody had looked
        page.get_by_role("button", name="Read the file").click()
        expect(page.locator("#file-error")).to_contain_text("10,000 rows")
    with person(browser, office, stack, scripts=False) as page:
        page.goto(f"/campaigns/{campaign}/imports/new")
        page.get_by_label("File", exact=True).set_input_files(large)
        page.get_by_role("button", name="Read the file").click()
        expect(page.get_by_role("heading", name="That is too large")).to_be_visible()


@pytest.mark.requirement("R-CAMP-1")
def test_too_many_bytes_and_too_many_rows_are_refused_over_http(office: Office, ada: str) -> None:
    campaign = office.campaign(ada, "Bounds")
    where = f"/api/v1/campaigns/{campaign}/imports"
    rows = b"".join(b"kim%d@maison.example\n" % number for number in range(10_001))
    for content, status in ((b"x" * (40 * 1024 * 1024), 413), (b"email\n" + rows, 422)):
        answer = office.http.post(where, content=content, headers={"Content-Type": "text/csv"})
        assert (answer.status_code, answer.json()["code"]) == (status, "import.too-large")


def test_a_failed_lead_says_why_and_goes_on_when_that_is_resolved(
    browser: Browser, office: Office, stack: Stack
) -> None:
    week = [{"day": day, "start": "00:00", "end": "24:00"} for day in range(1, 8)]
    identity = str(
        office.call("POST", "/identities", {"name": "Bo", "hours": {"zone": "UTC", "week": week}})["id"]
    )
    account = office.account(name="Bo")
    inbox = office.inbox(identity, account)
    campaign = office.campaign(
        identity, "Iberia", FIRST, {"delay": 48, "text": "Still there?"}, pace="at once"
    )
    to = office.account()["address"]
    office.leads(campaign, {"first_name": "Kim", "email": to})
    office.call("POST", f"/campaigns/{campaign}/start")
    eventually(lambda: office.call("GET", f"/campaigns/{campaign}")["counts"]["in_progress"])
    office.call("POST", f"/inboxes/{inbox}/disconnect?confirm=true")
    with person(browser, office, stack) as page:
        page.goto(f"/campaigns/{campaign}?state=failed")
        row = page.get_by_role("row").filter(has_text=to)
        expect(row).to_contain_text(str(account["address"]))
        row.get_by_role("button", name="Retry").click()
        expect(page.get_by_role("alert")).to_be_visible()  # nothing is resolved yet
        office.inbox(identity, account)
        recovered = eventually(lambda: office.call("GET", f"/campaigns/{campaign}")["counts"]["in_progress"])
        assert recovered == 1
        page.goto(f"/campaigns/{campaign}")
        expect(row).to_contain_text("In progress")
        page.goto(f"/campaigns/{campaign}?search=Kim&state=failed")
        expect(page.get_by_role("heading", name="Nobody matches")).to_be_visible()


def test_nobody_is_told_of_what_is_not_there(office: Office) -> None:
    cookies = {"heraldry_session": office.token}
    with httpx.Client(base_url=str(office.http.base_url), cookies=cookies, timeout=20) as http:
        for path in (
            "/campaigns/{}",
            "/campaigns/{}/edit",
            "/campaigns/{}/imports/new",
            "/leads/{}",
            "/imports/{}",
        ):
            assert http.get(path.format(uuid4())).status_code == 404
