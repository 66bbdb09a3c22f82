"""Share links in a real browser: made and copied by one person, used by another who has no account."""

from __future__ import annotations

import re

import pytest
from heraldry.chassis.testing.stack import Stack
from heraldry.gateway.testing import Office
from playwright.sync_api import Browser, Page, expect

pytestmark = [pytest.mark.stack, pytest.mark.timeout(150)]


def signed_in(browser: Browser, stack: Stack, office: Office) -> Page:
    context = browser.new_context(base_url=stack.url, permissions=["clipboard-read", "clipboard-write"])
    context.add_cookies([{"name": "heraldry_session", "value": office.token, "url": stack.url}])
    return context.new_page()


def guest(browser: Browser, stack: Stack) -> Page:
    return browser.new_context(base_url=stack.url, timezone_id="Europe/Lisbon").new_page()


def made(page: Page) -> str:
    """Make a link with the page that offers it; its address, from the clipboard."""
    page.get_by_role("button", name="Make a link").click()
    expect(page.get_by_text("Copied.")).to_be_visible()
    address = page.get_by_label("Address to").input_value()
    assert page.evaluate("navigator.clipboard.readText()") == address
    return address


@pytest.mark.requirement("R-ADD-1", "R-ADD-6")
def test_a_link_is_made_and_copied_and_adds_an_identity(
    browser: Browser, stack: Stack, office: Office
) -> None:
    ours, ada = signed_in(browser, stack, office), guest(browser, stack)
    ours.goto("/identities/new")
    expect(ours.get_by_role("tab")).to_have_text(["Credentials", "Manually", "Share"])
    ours.get_by_role("tab", name="Share").click()
    address = made(ours)
    asked: list[str] = []
    ada.on("request", lambda request: asked.append(request.headers.get("referer", "")))
    ada.goto(address)
    expect(ada.get_by_role("heading", level=1)).to_have_text("Northwind invites you")
    ada.get_by_label("First name").fill("Ada")
    ada.get_by_label("Last name").fill("Bergström")
    ada.get_by_label("LinkedIn URL").fill("elsewhere.example/ada")
    ada.get_by_role("button", name="Add my identity").click()
    expect(ada.get_by_label("LinkedIn URL")).to_be_focused()
    expect(ada.get_by_label("First name")).to_have_value("Ada")
    ada.get_by_label("LinkedIn URL").fill("linkedin.com/in/ada")
    ada.get_by_role("button", name="Add my identity").click()
    expect(ada.get_by_role("heading", level=1)).to_have_text("Your identity was added")
    assert set(asked) <= {""}, "the address of the link was told to nobody"
    late = guest(browser, stack)
    late.goto(address)
    expect(late.get_by_role("heading", level=1)).to_have_text("This link was used already")
    ours.goto("/identities/new?way=share")
    expect(ours.get_by_role("listitem").filter(has_text="Used")).to_have_count(1)
    (found,) = [one for one in office.every("/identities") if one["name"] == "Ada Bergström"]
    assert found["hours"]["zone"] == "Europe/Lisbon"


@pytest.mark.requirement("R-SHARE-3", "R-SHARE-4")
def test_an_identitys_owner_connects_an_inbox_until_the_link_is_revoked(
    browser: Browser, stack: Stack, office: Office
) -> None:
    identity = office.identity("Cilla Ås")
    account = office.account()
    ours, cilla = signed_in(browser, stack, office), guest(browser, stack)
    ours.goto(f"/identities/{identity}?section=share")
    address = made(ours)
    cilla.goto(address)
    expect(cilla.get_by_role("heading", level=1)).to_have_text("Connections of Cilla Ås")
    cilla.get_by_role("link", name="Connect an inbox").click()
    cilla.get_by_label("Email").fill(str(account["address"]))
    cilla.get_by_label("Password or app password").fill(str(account["password"]))
    cilla.get_by_label("IMAP host").fill(str(account["host"]))
    cilla.get_by_label("IMAP port").fill(str(account["ports"]["imaps"]))
    cilla.get_by_label("SMTP host").fill(str(account["host"]))
    cilla.get_by_label("SMTP port").fill(str(account["ports"]["smtp"]))
    cilla.get_by_role("button", name="Connect").click()
    expect(cilla.get_by_text("The inbox is connected")).to_be_visible(timeout=30_000)
    cilla.get_by_role("link", name=re.compile("Reconnect")).click()
    expect(cilla.get_by_label("Email")).to_have_value(str(account["address"]))
    ours.get_by_role("button", name="Revoke").click()
    ours.get_by_role("dialog").get_by_role("button", name="Revoke the link").click()
    expect(ours.get_by_text("The link was revoked: it works no more.")).to_be_visible()
    cilla.goto(address)
    expect(cilla.get_by_role("heading", level=1)).to_have_text("This link was revoked")
