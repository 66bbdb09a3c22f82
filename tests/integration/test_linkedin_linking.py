"""Linking a LinkedIn account, with a real browser on both sides: a person's, and the one that signs in for them."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, cast

import httpx
import pytest
from axe_playwright_python.base import AXE_FILE_PATH  # pyright: ignore[reportMissingTypeStubs]  it has none
from heraldry.chassis.testing.stack import Stack
from heraldry.gateway.testing import Office, eventually
from playwright.sync_api import Browser, Page, expect

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]
SOON: Final = 90_000  # milliseconds for a browser to start and sign in, on a machine that does much else
AXE: Final = Path(AXE_FILE_PATH).read_text(encoding="utf-8")
JUDGE: Final = """axe.run({resultTypes: ['violations']}).then(found => found.violations.flatMap(one =>
  one.nodes.map(node => `${one.id}: ${node.target} ${node.failureSummary}`)))"""


@dataclass(frozen=True, slots=True)
class Member:
    """Somebody with an account at the stand-in of LinkedIn."""

    site: httpx.Client
    email: str
    slug: str
    password: str = field(repr=False)

    @classmethod
    def made(cls, site: httpx.Client, **scenario: str) -> Member:
        word = secrets.token_hex(4)
        account = {"email": f"ada-{word}@northwind.example", "name": "Ada Bergström", "slug": f"ada-{word}"}
        made = site.post("/accounts", json={**account, "password": secrets.token_urlsafe(12)})
        made.raise_for_status()
        site.patch(f"/accounts/{account['email']}/scenario", json=scenario).raise_for_status()
        return cls(site, account["email"], account["slug"], made.json()["password"])

    @property
    def code(self) -> str:
        """The one that was sent last."""
        return str(self.site.get(f"/accounts/{self.email}").json()["challenges"][-1]["code"])

    def sign_in(self, **changes: str) -> Mapping[str, str]:
        return {"email": self.email, "password": self.password, **changes}


def assert_sound(page: Page) -> None:
    page.evaluate(AXE)
    assert page.evaluate(JUDGE) == []


@pytest.mark.requirement("R-ADD-2", "R-ADD-3", "R-ID-5")
def test_linking_with_a_code_makes_an_identity_and_fills_its_contact_details(
    browser: Browser, office: Office, stack: Stack, site: httpx.Client
) -> None:
    ada = Member.made(site, challenge="sms")
    context = browser.new_context(locale="en-GB", timezone_id="America/New_York", base_url=stack.url)
    context.add_cookies([{"name": "heraldry_session", "value": office.token, "url": stack.url}])
    context.set_default_timeout(SOON)
    said: list[str] = []
    context.on("console", lambda message: said.append(message.text))
    page = context.new_page()
    page.goto("/identities/new")
    form = page.get_by_role("tabpanel", name="Credentials")
    expect(form).to_contain_text("Have the device of your two-step verification at hand")
    form.get_by_label("Identity name").fill("Ada of Northwind")
    form.get_by_label("LinkedIn email").fill(ada.email)
    form.get_by_label("LinkedIn password").fill(ada.password)
    form.get_by_role("button", name="Link LinkedIn").click()
    identity = page.url.rsplit("/", 2)[1]
    page.evaluate("window.kept = true")
    code = page.get_by_label("Code", exact=True)
    expect(code).to_be_focused(timeout=SOON)
    expect(page.locator("#announcer")).to_have_text("Code wanted.")
    expect(page.locator("#linking")).to_contain_text("phone number ending with")
    expect(page.locator("#linking")).to_contain_text("(New York)")
    assert_sound(page)
    page.keyboard.type("000000" if ada.code != "000000" else "111111")
    page.keyboard.press("Enter")
    expect(code).to_have_accessible_description(re.compile("LinkedIn did not take that code"), timeout=SOON)
    expect(code).to_be_focused()
    page.keyboard.type(ada.code)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="LinkedIn is linked as Ada Bergström")).to_be_visible(
        timeout=SOON
    )
    assert page.evaluate("window.kept") is True, "the page was loaded again"
    assert_sound(page)
    filled = eventually(lambda: _details(office, identity, "linkedin_url"))
    assert filled["linkedin_url"] == f"https://www.linkedin.com/in/{ada.slug}"
    assert (filled["first_name"], filled["last_name"]) == ("Ada", "Bergström")
    stored = office.call("GET", f"/identities/{identity}")
    assert (stored["name"], stored["hours"]["zone"]) == ("Ada of Northwind", "America/New_York")
    page.goto("/identities")
    expect(page.get_by_role("article", name="Ada of Northwind")).to_contain_text("LinkedIn: Linked")
    take_over_and_unlink(page, office, identity)
    assert said == []
    context.close()


def take_over_and_unlink(page: Page, office: Office, identity: str) -> None:
    """What differs is offered, and only what is chosen is taken over."""
    details = office.call("GET", f"/identities/{identity}")["details"]
    typed = {**details, "last_name": "Lind", "job_title": "COO"}
    office.call("PUT", f"/identities/{identity}/contact-details", typed)
    page.goto(f"/identities/{identity}?section=linkedin")
    offers = page.locator("#linkedin-offers")
    expect(offers.get_by_role("row")).to_have_count(3)  # a head, and what differs
    assert_sound(page)
    offers.get_by_label("Last name").check()
    offers.get_by_role("button", name="Take over what is chosen").click()
    expect(offers.get_by_role("status")).to_have_text("Taken over.")
    now = office.call("GET", f"/identities/{identity}")["details"]
    assert (now["last_name"], now["job_title"]) == ("Bergström", "COO")
    page.get_by_role("link", name="Unlink").click()
    page.get_by_role("dialog").get_by_role("button", name="Unlink LinkedIn").click()
    expect(page.locator("#linkedin-account")).to_contain_text("Not linked")


@pytest.mark.requirement("R-ADD-4", "R-ADD-7", "R-BOX-18")
def test_each_failure_is_named_leaves_its_identity_and_can_be_tried_again(
    office: Office, stack: Stack, site: httpx.Client
) -> None:
    ada = Member.made(site)
    google = Member.made(site, only_by="google")
    puzzled = Member.made(site, challenge="captcha")
    first = _tried(office, "First", ada.sign_in())
    _until(office, first, "linked")
    tries = {
        "linkedin.wrong-password": _tried(office, "Wrong", ada.sign_in(password="not the password")),
        "linkedin.unknown-account": _tried(office, "Unknown", ada.sign_in(email="nobody@northwind.example")),
        "linkedin.no-password": _tried(office, "Google", google.sign_in()),
        "linkedin.captcha": _tried(office, "Puzzle", puzzled.sign_in()),
        "linkedin.belongs-to-another-identity": _tried(office, "Second", ada.sign_in()),
    }
    cookies = {"heraldry_session": office.token}
    with httpx.Client(base_url=stack.url, timeout=20, cookies=cookies) as without_script:
        for code, identity in tries.items():
            why = _until(office, identity, "failed")["diagnosis"]
            assert why["code"] == code
            page = without_script.get(f"/identities/{identity}/linkedin").text
            for shown in (why["cause"], why["resolution"].splitlines()[0], "Delete this identity"):
                assert shown.replace("'", "&#39;") in page, (code, shown)
    assert "“First”" in _account(office, tries["linkedin.belongs-to-another-identity"])["diagnosis"]["cause"]
    way_out = str(_account(office, tries["linkedin.no-password"])["diagnosis"]["resolution"])
    assert "Set a password at linkedin.com" in way_out
    puzzle = tries["linkedin.captcha"]
    site.patch(f"/accounts/{puzzled.email}/scenario", json={"challenge": "none"}).raise_for_status()
    office.call("POST", f"/identities/{puzzle}/linkedin/again")
    _until(office, puzzle, "linked")


def _tried(office: Office, name: str, sign_in: Mapping[str, str]) -> str:
    """The id of an identity that is being linked."""
    identity = office.identity(name)
    office.call("POST", f"/identities/{identity}/linkedin", sign_in)
    return identity


def _account(office: Office, identity: str) -> Mapping[str, Any]:
    return office.call("GET", f"/identities/{identity}/linkedin")


def _until(office: Office, identity: str, state: str) -> Mapping[str, Any]:
    eventually(lambda: _account(office, identity)["state"] in {"linked", "failed"}, SOON / 1000)
    found = _account(office, identity)
    assert found["state"] == state, found["diagnosis"]
    return found


def _details(office: Office, identity: str, wanted: str) -> Mapping[str, str]:
    """Its contact details, once they say this."""
    found = cast("Mapping[str, str]", office.call("GET", f"/identities/{identity}")["details"])
    return found if found[wanted] else {}
