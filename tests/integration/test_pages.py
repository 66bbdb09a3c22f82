"""Every page in a real browser: it can be read, used without a mouse, and harms nobody."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final, Literal
from zoneinfo import ZoneInfo

import httpx
import pytest
from axe_playwright_python.base import AXE_FILE_PATH  # pyright: ignore[reportMissingTypeStubs]  it has none
from heraldry.chassis.testing.stack import Stack
from heraldry.gateway.testing import Office
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, Dialog, Locator, Page, expect

from tests.integration.support import gateway_key, unsubscribe_token

pytestmark = [pytest.mark.stack, pytest.mark.timeout(180)]
WIDTHS: Final = {390: 844, 1440: 900}
SCHEMES: Final[tuple[Literal["light", "dark"], ...]] = ("light", "dark")
LONG: Final = "Maximiliane-Theodora von und zu Hohenlohe-Schillingsfürst-Waldenburg-Bartenstein " + "X" * 40
HOSTILE: Final = (
    "<script>alert(1)</script><img src=https://evil.example/x onerror=alert(2)>'\"" + "{{7*7}}" * 20
)
LETTER: Final = "Hello Léa,\n\nshall we talk? https://northwind.example/" + "a-long-address" * 12
AXE: Final = Path(AXE_FILE_PATH).read_text(encoding="utf-8")
JUDGE: Final = """rules => axe.run(
  {exclude: [['option']]},
  {resultTypes: ['violations'], ...(rules.length ? {runOnly: rules} : {})},
).then(found => found.violations.flatMap(one =>
  one.nodes.map(node => `${one.id}: ${node.target} ${node.failureSummary}`)))"""
COLOURS: Final = ("color-contrast", "link-in-text-block")
TOO_SMALL: Final = """
[...document.querySelectorAll('a, button, input:not([type=hidden], [type=radio]), select, textarea, summary')]
  .filter(part => part.checkVisibility() && !part.matches('.skip, p a') && part.getBoundingClientRect().height < 24)
  .map(part => part.outerHTML.slice(0, 120))
"""
PAGES: Final = (
    "dashboard",
    "dashboard-not-found",
    "dashboard-wrong-days",
    "add",
    "add-by-credentials",
    "add-by-link",
    "contact",
    "linkedin",
    "linking",
    "email",
    "rate",
    "likings",
    "share",
    "connect",
    "test-mail",
    "activity",
    "mail",
    "undecided",
    "organization",
    "halt",
    "campaigns",
    "campaign-new",
    "campaign-draft",
    "campaign",
    "campaign-nobody",
    "campaign-edit",
    "campaign-edit-begun",
    "import-new",
    "import",
    "lead",
    "suppressions",
    "suppressions-not-found",
    "delete",
    "disconnect",
    "unsubscribe",
    "unknown-unsubscribe",
    "shared",
    "shared-connections",
    "shared-inbox",
    "shared-linkedin",
    "unknown-shared",
    "unknown-identity",
    "sign-in",
    "unknown-link",
)


@dataclass(frozen=True, slots=True)
class Place:
    """An organization with something on every page."""

    office: Office
    url: str
    paths: dict[str, str]


@dataclass
class Witness:
    """What a browser said and asked for that it should not have. `expected`: statuses that are meant."""

    origin: str
    expected: tuple[int, ...] = ()
    said: list[str] = field(default_factory=list[str])

    def watch(self, context: BrowserContext) -> None:
        context.on("console", lambda message: self._heard(message.text))
        context.on("weberror", lambda error: self.said.append(str(error.error)))
        context.on("dialog", self._interrupted)
        context.on("request", lambda request: self._asked(request.url))

    def _interrupted(self, dialog: Dialog) -> None:
        self.said.append(f"{dialog.type}: {dialog.message}")
        dialog.dismiss()

    def _heard(self, text: str) -> None:
        if not any(f"status of {status}" in text for status in self.expected):
            self.said.append(text)

    def _asked(self, url: str) -> None:
        if not url.startswith((f"{self.origin}/", "data:", "blob:")):
            self.said.append(f"asked {url}")


@pytest.fixture(scope="module")
def place(stack: Stack) -> Iterator[Place]:
    with Office.opened(stack) as office:
        office.call("PUT", "/organization/zone", {"zone": "Europe/Stockholm"})  # the identities' own: one day
        ada = office.identity(
            "Ada Bergström",
            picture=picture(),
            job_title="Head of Partnerships",
            email="ada@northwind.example",
        )
        office.identity(LONG, job_title=LONG[:100])
        inbox = office.inbox(ada, office.account(f"{'a-long-address' * 3}@northwind.example"))
        lea = str(office.account()["address"])
        mail = office.mail(inbox, lea, "A first hello", LETTER)
        office.answer(mail, lea, "Tuesday is good.")
        office.call("POST", "/subscribers", {"name": "CRM sync"})
        draft, started = campaigns(office, ada)
        upload = office.upload(draft, f"email;{LONG[:150]}\nlea;{HOSTILE}\n".encode(), f"{LONG}.csv")
        lead = str(office.call("GET", f"/campaigns/{started}/leads")["leads"][0]["enrollment"])
        office.call("POST", "/suppressions", {"address": f"{'a-long-name' * 5}@maison.example"})
        organization = str(office.call("GET", "/sessions/current")["organization"])
        of = f"/identities/{ada}"
        connections = str(office.call("POST", f"{of}/share-links")["url"])
        paths = {
            "dashboard": "/identities",
            "dashboard-not-found": "/identities?q=nobody",
            "dashboard-wrong-days": "/identities?period=custom&from=2026-02-01&to=2026-01-01",
            "add": "/identities/new?way=manually",
            "add-by-credentials": "/identities/new?way=credentials",
            "add-by-link": "/identities/new?way=share",
            "contact": of,
            **{name: f"{of}?section={name}" for name in ("linkedin", "email", "likings", "share")},
            "linking": f"{of}/linkedin",
            "rate": f"{of}?section=email&tab=rate",
            "connect": f"{of}/inboxes/new",
            "test-mail": f"{of}/inboxes/{inbox}/test",
            "activity": "/activity",
            "mail": f"/activity/mails/{mail}",
            "undecided": "/activity/undecided",
            "organization": "/organization",
            "halt": "/organization/halt",
            "campaigns": "/campaigns",
            "campaign-new": "/campaigns/new",
            "campaign-draft": f"/campaigns/{draft}",
            "campaign": f"/campaigns/{started}",
            "campaign-nobody": f"/campaigns/{started}?search=nobody&state=failed",
            "campaign-edit": f"/campaigns/{draft}/edit",
            "campaign-edit-begun": f"/campaigns/{started}/edit",
            "import-new": f"/campaigns/{draft}/imports/new",
            "import": f"/imports/{upload}",
            "lead": f"/leads/{lead}",
            "suppressions": "/suppressions",
            "suppressions-not-found": "/suppressions?q=nobody",
            "delete": f"{of}/delete",
            "disconnect": f"{of}/inboxes/{inbox}/disconnect",
            "unsubscribe": f"/unsubscribe/{unsubscribe_token(gateway_key(stack), organization, 'lea@maison.example')}",
            "unknown-unsubscribe": "/unsubscribe/mistyped",
            "shared": str(office.call("POST", "/share-links")["url"]),
            "shared-connections": connections,
            "shared-inbox": f"{connections}/inbox",
            "shared-linkedin": f"{connections}/linkedin",
            "unknown-shared": "/share/mistyped",
            "unknown-identity": "/identities/00000000-0000-0000-0000-000000000000",
            "sign-in": "/sign-in",
            "unknown-link": "/first/mistyped",
        }
        yield Place(office, stack.url, paths)


def campaigns(office: Office, identity: str) -> tuple[str, str]:
    """One that is not started, and one that is; nothing leaves in their name."""
    steps = (
        {"delay": 90 * 24, "subject": LONG, "text": f"{LETTER} {{{{ first_name }}}}", "html": "<p>Hello</p>"},
        {"delay": 30, "text": LONG},
    )
    draft = office.campaign(identity, LONG, *steps)
    started = office.campaign(identity, "Spring", *steps)
    leads = [
        {"first_name": name, "email": f"{name.lower()}@maison.example"} for name in ("Lea", "Tom", "Kim")
    ]
    office.leads(
        started,
        {"name": HOSTILE[:100], "first_name": LONG[:100], "email": f"{'long' * 12}@maison.example"},
        *leads,
    )
    office.call("POST", f"/campaigns/{started}/start")
    return draft, started


def picture(colour: str = "#3d3fbf") -> str:
    drawn = io.BytesIO()
    Image.new("RGB", (64, 48), colour).save(drawn, "PNG")
    return base64.b64encode(drawn.getvalue()).decode()


@contextmanager
def visitor(
    browser: Browser,
    place: Place,
    *,
    signed_in: bool = True,
    width: int = 1440,
    zone: str = "Europe/Stockholm",
    expected: tuple[int, ...] = (),
) -> Generator[tuple[Page, Witness]]:
    """Somebody's browser; at the end it has said nothing it should not."""
    context = browser.new_context(
        viewport={"width": width, "height": WIDTHS[width]},
        locale="en-GB",
        timezone_id=zone,
        base_url=place.url,
    )
    context.set_default_timeout(20_000)
    if signed_in:
        context.add_cookies([{"name": "heraldry_session", "value": place.office.token, "url": place.url}])
    witness = Witness(place.url, expected)
    witness.watch(context)
    yield context.new_page(), witness
    context.close()
    assert witness.said == []


def assert_sound(page: Page, name: str, reach: Callable[[], object], *, everywhere: bool = False) -> None:
    """In both widths and colours: nothing for axe, nothing sideways, nothing too small to press.

    `reach`: come to where it is judged. axe, which takes long, judges all there is on a light phone and the colours
    on a dark desk; `everywhere`: in each of the four layouts.
    """
    for scheme in SCHEMES:
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        for width, height in WIDTHS.items():
            page.set_viewport_size({"width": width, "height": height})
            if width == 390:
                reach()
                page.evaluate(AXE)
            if everywhere or (scheme == "light") == (width == 390):
                rules = [] if everywhere or scheme == "light" else list(COLOURS)
                assert page.evaluate(JUDGE, rules) == [], (name, width, scheme)
            assert page.evaluate("document.documentElement.scrollWidth") <= width, (name, width)
            assert page.evaluate(TOO_SMALL) == [], (name, width)


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_sound_in_every_size_and_colour(browser: Browser, place: Place, name: str) -> None:
    assert_page_is_sound(browser, place, name)


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_every_page_is_sound_in_each_layout_by_every_rule(browser: Browser, place: Place) -> None:
    for name in PAGES:
        assert_page_is_sound(browser, place, name, everywhere=True)


def assert_page_is_sound(browser: Browser, place: Place, name: str, *, everywhere: bool = False) -> None:
    expected = (404,) if name.startswith("unknown") else ()
    signed_in = name != "sign-in"
    with visitor(browser, place, signed_in=signed_in, expected=expected) as (page, _):
        assert_sound(page, name, lambda: page.goto(place.paths[name]), everywhere=everywhere)


def test_where_nothing_is_whoever_is_signed_in_finds_the_way_on(browser: Browser, place: Place) -> None:
    with visitor(browser, place, expected=(404,)) as (page, _):
        for path in (place.paths["unknown-identity"], "/no/such/page"):
            page.goto(path)
            expect(page.get_by_role("heading", level=1)).to_have_text("There is nothing here")
            expect(page.get_by_role("navigation", name="Main").get_by_role("link")).to_have_count(5)
            expect(page.get_by_role("link", name="Sign in")).to_have_count(0)
            page.get_by_role("link", name="Go to the identities").click()
            expect(page.get_by_role("article", name="Ada Bergström")).to_be_visible()
    with visitor(browser, place, signed_in=False, expected=(404,)) as (page, _):
        page.goto("/no/such/page")
        expect(page.get_by_role("navigation", name="Main")).to_have_count(0)
        expect(page.get_by_role("link", name="Sign in")).to_be_visible()


def test_what_opens_on_a_page_is_sound_too(browser: Browser, place: Place) -> None:
    with visitor(browser, place) as (page, _):

        def menus() -> None:
            page.goto(place.paths["likings"])
            page.get_by_role("button", name="Menu").click()
            expect(page.get_by_role("button", name="Sign out")).to_be_visible()
            page.get_by_role("button", name="Section").click()
            expect(page.get_by_role("link", name="LinkedIn")).to_be_visible()

        def delete() -> None:
            page.goto(place.paths["contact"])
            page.get_by_role("link", name="Delete identity").click()
            expect(page.get_by_role("link", name="Keep identity")).to_be_visible()

        def mail() -> None:
            page.goto(place.paths["email"])
            page.locator("summary", has_text="Details").click()
            page.get_by_role("link", name="Send a test mail").click()
            page.get_by_label("Text").fill("Hello")
            page.get_by_role("button", name="Send", exact=True).click()
            expect(page.get_by_text("Fill this in.").first).to_be_visible()

        assert_sound(page, "menus", menus)
        assert_sound(page, "delete", delete)
        assert_sound(page, "test mail", mail)


def test_the_banner_of_a_halt_and_its_end_are_sound(browser: Browser, place: Place) -> None:
    with visitor(browser, place) as (page, _):

        def banner() -> None:
            page.goto(place.paths["dashboard"])
            expect(page.get_by_text("Everything is halted: nothing leaves.")).to_be_visible()

        def dialog() -> None:
            banner()
            page.get_by_role("button", name="Let things leave again").click()
            expect(page.get_by_role("button", name="Keep it halted")).to_be_focused()

        place.office.call("POST", "/halt", {"reason": LONG})
        try:
            assert_sound(page, "halted", banner)
            assert_sound(page, "resume", dialog)
            page.get_by_role("button", name="Let things leave", exact=True).click()
            expect(page.get_by_text("Things leave again.")).to_be_visible()
            assert page.get_by_text("nothing leaves").count() == 0
        finally:
            place.office.call("DELETE", "/halt")


@pytest.mark.requirement("R-ID-9")
def test_on_a_phone_a_menu_leads_from_section_to_section(browser: Browser, place: Place) -> None:
    shows = {
        "Contact details": "Save contact details",
        "LinkedIn": "Link LinkedIn",
        "Email": "Connect an inbox",
        "Share identity link": "Make a link",
        "Likings opt-out": "Opt out of automated likes",
    }
    identity = place.paths["contact"]
    with visitor(browser, place, width=390) as (page, _):
        page.goto(identity)
        sections = page.get_by_role("button", name="Section")
        sections.click()
        menu = page.get_by_role("navigation", name="Configuration")
        assert {one.strip() for one in menu.get_by_role("link").all_inner_texts()} == shows.keys()
        page.keyboard.press("Escape")
        for section, control in shows.items():
            sections.click()
            page.get_by_role("link", name=section).click()
            expect(sections).to_have_text(f"Section: {section}")
            expect(page.locator("[data-section-panel]:visible")).to_contain_text(control)
        switch = page.get_by_role("switch", name="Opt out of automated likes")
        expect(switch).to_have_accessible_description(re.compile("Heraldry likes nothing at present"))
        switch.check()
        page.locator("#likings").get_by_role("button", name="Save").click()
        expect(page.locator("#likings").get_by_text("Saved.")).to_be_visible()
    assert place.office.call("GET", identity)["likings_opted_out"] is True
    history = place.office.call("GET", f"{identity}/history")["entries"]
    assert history[0]["type"] == "LikingsOptOutChanged"


@pytest.mark.requirement("R-ADD-5")
def test_an_identity_is_added_manually_with_the_keyboard_alone(
    browser: Browser, place: Place, tmp_path: Path
) -> None:
    file = tmp_path / "picture.png"
    file.write_bytes(base64.b64decode(picture("#8a5300")))
    with visitor(browser, place, signed_in=False, zone="America/New_York") as (page, _):
        page.goto("/identities/new?way=manually")
        sign_in(page, place)
        keys = Keyboard(page)
        assert page.locator("#way-manually input[type=password]").count() == 0
        with page.expect_file_chooser() as chooser:
            keys.press("Enter", on=page.get_by_label("Profile picture"))
        chooser.value.set_files(file)
        for label, text in {
            "First name": "Léa",
            "Last name": "Fournier",
            "Job title": "COO",
            "Email": "lea@maison.example",
            "LinkedIn URL": "https://www.linkedin.com/in/lea",
            "Schedule-meeting URL": "https://meet.example/lea",
        }.items():
            keys.type(text, into=page.locator("#way-manually").get_by_label(label))
        keys.press("Enter", on=page.get_by_role("button", name="Add identity"))
        expect(page.get_by_role("heading", name="Léa Fournier")).to_be_visible()
        identity = page.url.rsplit("/", 1)[-1]
        stored = place.office.call("GET", f"/identities/{identity}")
        assert stored["name"] == "Léa Fournier"
        assert stored["details"] == {
            "first_name": "Léa",
            "last_name": "Fournier",
            "job_title": "COO",
            "email": "lea@maison.example",
            "phone": "",
            "linkedin_url": "https://www.linkedin.com/in/lea",
            "meeting_url": "https://meet.example/lea",
        }
        assert stored["hours"]["zone"] == "America/New_York"
        assert [(one["day"], one["start"], one["end"]) for one in stored["hours"]["week"]] == [
            (day, "09:00", "18:00") for day in range(1, 6)
        ]
        shown = page.locator("#identity-head img")
        assert shown.evaluate("image => image.complete && image.naturalWidth") > 0


@pytest.mark.requirement("R-ID-5")
def test_every_contact_detail_is_changed_with_the_keyboard_alone(
    browser: Browser, place: Place, tmp_path: Path
) -> None:
    identity = place.office.identity("Before", picture=picture(), first_name="B", email="b@before.example")
    file = tmp_path / "picture.png"
    file.write_bytes(base64.b64decode(picture("#15703f")))
    values = {
        "Identity name": "After Change",
        "First name": "After",
        "Last name": "Change",
        "Job title": "Editor",
        "Phone number": "+46 70 174 06 05",
        "Email": "after@change.example",
        "LinkedIn URL": "https://www.linkedin.com/in/after",
        "Schedule-meeting URL": "https://meet.example/after",
        "CRM user": "u-2041",
    }
    with visitor(browser, place) as (page, _):
        page.goto(f"/identities/{identity}")
        keys = Keyboard(page)
        before = page.locator("#identity-head img").get_attribute("src")
        for label, text in values.items():
            keys.type(text, into=page.locator("#contact").get_by_label(label))
        keys.press("Enter", on=page.get_by_role("button", name="Save contact details"))
        expect(page.locator("#contact .foot").get_by_role("status")).to_have_text("Saved.")
        expect(page.get_by_role("button", name="Save contact details")).to_be_focused()
        expect(page.get_by_role("heading", name="After Change")).to_be_visible()
        with page.expect_file_chooser() as chooser:
            keys.press("Enter", on=page.get_by_label("Replace the picture"))
        chooser.value.set_files(file)
        keys.press("Enter", on=page.get_by_role("button", name="Replace", exact=True))
        expect(page.locator("#picture-panel").get_by_text("Saved.")).to_be_visible()
        expect(page.locator("main").get_by_text("Saved.")).to_have_count(1)  # only the newest
        expect(page.locator("#identity-head img")).not_to_have_attribute("src", str(before))
        page.reload()
        for label, text in values.items():
            expect(page.locator("#contact").get_by_label(label)).to_have_value(text)
        keys.press("Enter", on=page.get_by_role("button", name="Remove picture"))
        expect(page.locator("#identity-head img")).to_have_count(0)
    stored = place.office.call("GET", f"/identities/{identity}")
    assert (stored["name"], stored["crm_user"], stored["picture"]) == ("After Change", "u-2041", "")
    assert set(values.values()) >= set(stored["details"].values())
    assert place.office.call("GET", f"/identities/{identity}/inboxes") == []  # the email is a detail only


def test_working_hours_are_changed_and_the_identity_deleted_with_the_keyboard_alone(
    browser: Browser, place: Place
) -> None:
    identity = place.office.identity("Gone Tomorrow")
    with visitor(browser, place) as (page, _):
        page.goto(f"/identities/{identity}")
        keys = Keyboard(page)
        keys.to(page.get_by_label("Time zone"))
        page.keyboard.type("Europe/Lis")
        keys.press("Space", on=page.get_by_role("switch", name="Friday"))
        keys.to(page.get_by_label("Monday from"))
        page.keyboard.type("1030")
        keys.press("Enter", on=page.get_by_role("button", name="Save working hours"))
        expect(page.locator("#hours").get_by_text("Saved.")).to_be_visible()
        hours = place.office.call("GET", f"/identities/{identity}")["hours"]
        assert hours["zone"] == "Europe/Lisbon"
        assert [(one["day"], one["start"]) for one in hours["week"]] == [
            (1, "10:30"),
            (2, "09:00"),
            (3, "09:00"),
            (4, "09:00"),
        ]
        delete = page.get_by_role("link", name="Delete identity")
        keys.press("Enter", on=delete.first)
        expect(page.get_by_role("link", name="Keep identity")).to_be_focused()
        page.keyboard.press("Escape")
        expect(delete.first).to_be_focused()
        page.keyboard.press("Enter")
        keys.press("Enter", on=page.get_by_role("dialog").get_by_role("button", name="Delete identity"))
        expect(page.get_by_role("status").get_by_text("The identity was deleted.")).to_be_visible()
        expect(page.get_by_role("heading", name="Gone Tomorrow")).to_have_count(0)


@pytest.mark.requirement("R-DASH-1", "R-DASH-2")
def test_the_dashboard_lists_what_is_there_and_finds_it_by_name(browser: Browser, place: Place) -> None:
    gone = place.office.identity("Zoë Deleted")
    place.office.call("DELETE", f"/identities/{gone}")
    with visitor(browser, place) as (page, _):
        page.goto("/identities")
        names = {str(one["name"]) for one in place.office.every("/identities")}
        shown = page.get_by_role("article").get_by_role("heading")
        assert {one.strip() for one in shown.all_inner_texts()} == names
        assert "Zoë Deleted" not in names
        card = page.get_by_role("article", name="Ada Bergström")
        expect(card).to_contain_text("1 of 30")  # messages sent of those allowed
        expect(card).to_contain_text("@northwind.example: Connected")
        replied = card.locator("div", has=page.get_by_text("Replied", exact=True)).last
        expect(replied.locator("dd")).to_have_text("1")
        page.get_by_role("searchbox").press_sequentially("bergstr")
        expect(page.get_by_role("article")).to_have_count(1)
        page.get_by_role("link", name="Configuration of Ada Bergström").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Ada Bergström")


def test_the_first_error_has_the_focus_and_its_words_beside_it(
    browser: Browser, place: Place, tmp_path: Path
) -> None:
    text = tmp_path / "picture.png"
    text.write_text("no picture")
    with visitor(browser, place, expected=(422,)) as (page, _):
        page.goto("/identities/new?way=manually")
        save = page.get_by_role("button", name="Add identity")
        page.get_by_label("Schedule-meeting URL").fill("ada")
        save.click()
        first = page.get_by_label("First name")
        expect(first).to_be_focused()
        expect(first).to_have_accessible_description(re.compile(r"Fill this in\."))
        expect(beside(first)).to_be_visible()
        expect(beside(page.get_by_label("Schedule-meeting URL"))).to_contain_text("Give the whole address")
        first.fill("Ada")
        expect(beside(first)).to_have_count(0)
        page.get_by_label("Last name").fill("B")
        page.get_by_label("Schedule-meeting URL").fill("https://meet.example/ada")
        picture = page.get_by_label("Profile picture")
        picture.set_input_files(text)
        save.click()  # what only the server can judge
        expect(picture).to_be_focused()
        expect(beside(picture)).to_contain_text("picture")
        expect(first).to_have_value("Ada")
        page.goto(place.paths["contact"])
        page.get_by_label("Tuesday to").fill("08:00")
        page.get_by_role("button", name="Save working hours").click()
        wrong = page.get_by_label("Tuesday from")
        expect(wrong).to_be_focused()
        expect(wrong).to_have_accessible_description("Give two times, the later one second.")
        expect(page.get_by_label("Tuesday to")).to_have_value("08:00")


def test_a_button_cannot_be_pressed_twice_and_shows_that_it_works(browser: Browser, place: Place) -> None:
    identity = place.office.identity("Pressed Once")
    with visitor(browser, place) as (page, _):
        page.goto(f"/identities/{identity}")
        posted: list[str] = []
        page.on("request", lambda request: posted.append(request.url) if request.method == "POST" else None)
        held = page.locator("#contact button")
        page.route("**/contact", lambda _: None)  # the answer stays away
        held.click()
        expect(held).to_have_text("Saving…")
        expect(held).to_have_attribute("aria-disabled", "true")
        held.click(force=True)
        page.get_by_label("Job title").press("Enter")
        assert len(posted) == 1


@pytest.mark.parametrize("width", WIDTHS)
def test_what_a_person_types_is_shown_harmlessly(browser: Browser, place: Place, width: int) -> None:
    hostile = (HOSTILE * 2)[:200]
    identity = place.office.identity(hostile, first_name=hostile[:100], job_title=hostile)
    with visitor(browser, place, width=width) as (page, _):
        for path in (
            "/identities",
            f"/identities/{identity}",
            f"/identities/{identity}/inboxes/new",
            "/activity",
        ):
            page.goto(path)
            assert page.get_by_text("<script>alert(1)</script>").count() > 0
            assert page.locator("main img[src*=evil], main script").count() == 0
            assert page.evaluate("document.documentElement.scrollWidth") <= width, path
        page.goto("/identities/new?way=manually")
        page.get_by_label("First name").fill(HOSTILE)
        assert len(page.get_by_label("First name").input_value()) <= 300
    place.office.call("DELETE", f"/identities/{identity}")


def test_300_characters_are_refused_beside_the_field_and_given_back_escaped(place: Place) -> None:
    typed = (HOSTILE * 4)[:300]
    cookies = {"heraldry_session": place.office.token}
    with httpx.Client(base_url=place.url, timeout=20, cookies=cookies) as http:
        page = http.get("/identities/new?way=manually").text
        token = re.search(r'name="_csrf_token" value="([^"]+)"', page)
        assert token is not None
        form = {"_csrf_token": token[1], "first_name": typed, "last_name": "X", "zone": "UTC"}
        answer = http.post("/identities", data=form)
    assert answer.status_code == 422
    assert 'id="first_name-error"' in answer.text
    assert "<script>alert" not in answer.text
    assert "&lt;script&gt;alert(1)" in answer.text


@pytest.mark.parametrize("zone", ["Asia/Kolkata", "America/St_Johns"])
def test_times_are_the_readers(browser: Browser, place: Place, zone: str) -> None:
    with visitor(browser, place, zone=zone, signed_in=False) as (page, _):
        page.goto(place.paths["mail"])
        sign_in(page, place)
        expect(page.get_by_text(f"Times in {zone.split('/')[1].replace('_', ' ')}.")).to_be_visible()
        shown = page.locator("time").first
        at = datetime.fromisoformat(str(shown.get_attribute("datetime"))).astimezone(ZoneInfo(zone))
        assert shown.inner_text() == f"{at.day} {at:%b %Y, %H:%M:%S}"


def test_a_wrong_password_is_diagnosed_on_the_page(browser: Browser, place: Place) -> None:
    account = place.office.account()
    with visitor(browser, place, expected=(422,)) as (page, _):
        page.goto(place.paths["connect"])
        page.get_by_label("Email").fill(str(account["address"]))
        page.get_by_label("Password or app password").fill("not the password")
        page.get_by_label("IMAP host").fill(str(account["host"]))
        page.get_by_label("IMAP port").fill(str(account["ports"]["imaps"]))
        page.get_by_label("SMTP host").fill(str(account["host"]))
        page.get_by_label("SMTP port").fill(str(account["ports"]["smtp"]))
        connect = page.get_by_role("button", name="Connect")
        connect.click()
        found = page.get_by_role("region", name="did not work")
        expect(found).to_be_visible(timeout=30_000)
        expect(found.get_by_role("heading", name="What to do")).to_be_visible()
        expect(page.get_by_label("IMAP host")).to_have_value(str(account["host"]))
        expect(page.get_by_label("Password or app password")).to_have_value("")
        page.get_by_label("Password or app password").fill(str(account["password"]))
        connect.click()
        expect(page.get_by_text("The inbox is connected")).to_be_visible(timeout=30_000)


class Keyboard:
    """A person without a mouse: what is used must be reached with the Tab key."""

    def __init__(self, page: Page) -> None:
        self.page = page

    def to(self, part: Locator) -> None:
        """Go on until this has the focus, and see that the focus shows."""
        for _ in range(200):
            if part.evaluate("part => part === document.activeElement"):
                ring = part.evaluate("part => getComputedStyle(part).outlineStyle")
                assert ring != "none"
                return
            self.page.keyboard.press("Tab")
        raise AssertionError(f"the Tab key does not reach {part}")

    def press(self, key: str, *, on: Locator) -> None:
        self.to(on)
        self.page.keyboard.press(key)

    def type(self, text: str, *, into: Locator) -> None:
        self.to(into)
        self.page.keyboard.press("Control+a")
        self.page.keyboard.type(text)


def sign_in(page: Page, place: Place) -> None:
    """With the keyboard, from the page one is sent to."""
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    keys = Keyboard(page)
    keys.type(place.office.email, into=page.get_by_label("Email"))
    keys.type(place.office.password, into=page.get_by_label("Password"))
    page.keyboard.press("Enter")
    page.wait_for_url(lambda url: "/sign-in" not in url)


def beside(part: Locator) -> Locator:
    """What is said to be wrong with a field."""
    return part.locator("xpath=following-sibling::*[contains(@class, 'error')]")
