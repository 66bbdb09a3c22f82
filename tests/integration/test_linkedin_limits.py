"""The limits of a LinkedIn account and the withdrawal of an invitation, on the page and at the stand-in of LinkedIn."""

from __future__ import annotations

import secrets
from typing import Final

import httpx
import pytest
from heraldry.chassis.testing.stack import Stack
from heraldry.gateway.testing import API, Office, eventually
from playwright.sync_api import Browser, Page, expect

pytestmark = [pytest.mark.stack, pytest.mark.timeout(400)]
SOON: Final = 120_000  # milliseconds for a browser to start and act, on a machine that does much else
PATIENCE: Final = SOON / 1000


def linked(office: Office, site: httpx.Client) -> str:
    """The id of an identity that works around the clock, its LinkedIn account linked."""
    word = secrets.token_hex(4)
    account = {"email": f"ada-{word}@northwind.example", "name": "Ada Bergström", "slug": f"ada-{word}"}
    made = site.post("/accounts", json={**account, "password": secrets.token_urlsafe(12)})
    made.raise_for_status()
    site.patch(f"/accounts/{account['email']}/scenario", json={"challenge": "none"}).raise_for_status()
    week = [{"day": day, "start": "00:00", "end": "24:00"} for day in range(1, 8)]
    body = {"name": "Ada Bergström", "hours": {"zone": "UTC", "week": week}}
    identity = str(office.call("POST", "/identities", body)["id"])
    office.call("GET", "/dashboard")
    where = f"/identities/{identity}/linkedin"
    office.call("POST", where, {"email": account["email"], "password": made.json()["password"]})
    eventually(lambda: office.call("GET", where)["state"] == "linked", PATIENCE)
    eventually(lambda: office.http.get(f"{API}{where}/limits").is_success)
    return identity


@pytest.mark.requirement("R-LIM-1", "R-WD-3")
def test_somebody_is_invited_the_invitation_withdrawn_and_a_new_one_refused_until_its_date(
    browser: Browser, office: Office, stack: Stack, site: httpx.Client
) -> None:
    lea = f"lea-{secrets.token_hex(4)}"
    person = {"slug": lea, "first_name": "Léa", "last_name": "Fournier"}
    site.post("/people/", json=person).raise_for_status()
    identity = linked(office, site)
    context = browser.new_context(locale="en-GB", base_url=stack.url)
    context.add_cookies([{"name": "heraldry_session", "value": office.token, "url": stack.url}])
    context.set_default_timeout(SOON)
    said: list[str] = []
    context.on("console", lambda message: said.append(message.text))
    page = context.new_page()
    page.goto(f"/identities/{identity}?section=linkedin")
    _raise_a_limit(page)
    page.get_by_role("tab", name="Withdrawals").click()
    _invite(page, lea)
    expect(page.get_by_role("dialog").get_by_text("On its way.")).to_be_visible(timeout=SOON)
    page.get_by_role("link", name="Close").click()
    choice = page.get_by_role("checkbox", name="Léa Fournier")
    expect(choice).to_be_visible(timeout=SOON)  # by itself, once LinkedIn has it
    page.get_by_role("checkbox", name="Choose all on this page").check()
    expect(choice).to_be_checked()
    page.get_by_role("button", name="Withdraw 1 invitation").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("cannot be invited again from this LinkedIn account before")
    dialog.get_by_role("button", name="Withdraw", exact=True).click()
    results = page.locator("#withdrawal-results")
    expect(results.get_by_text("Withdrawn", exact=True)).to_be_visible(timeout=SOON)
    asked = page.url.partition("request=")[2].partition("&")[0]
    path = f"/identities/{identity}/linkedin/withdrawals/{asked}"
    # the history may know of it sooner than the limits, which refuse a new one from then on
    eventually(lambda: [one["outcome"] for one in office.every(path)] == ["withdrawn"], PATIENCE)
    history = page.locator("#linkedin-history")
    ours = history.get_by_role("row").filter(has_text="Léa Fournier")
    expect(ours).to_contain_text("Mina Okafor", timeout=SOON)
    (withdrawn,) = office.call("GET", f"/identities/{identity}/linkedin/withdrawals")["withdrawals"]
    _invite(page, lea)
    expect(page.get_by_role("dialog")).to_contain_text("Not sent.", timeout=SOON)
    body = {"profile": f"https://www.linkedin.com/in/{lea}"}
    refused = office.http.post(f"{API}/identities/{identity}/linkedin/invitations", json=body)
    assert (refused.status_code, refused.json()["code"]) == (409, "invitation.withdrawn-lately")
    assert refused.json()["extra"]["until"][:19] == withdrawn["blocked_until"][:19]
    effects = [one["what"] for one in site.get("/effects").json() if lea in str(one)]
    assert len([what for what in effects if "withdr" in what]) == 1
    context.close()
    assert [line for line in said if "status of 4" not in line] == []


def _raise_a_limit(page: Page) -> None:
    requests = page.get_by_label("Connection requests a day")
    warning = page.locator("#linkedin-invitations-warning")
    expect(warning).to_be_hidden()
    requests.fill("21")
    expect(warning).to_contain_text("LinkedIn may detect automation and restrict the account temporarily.")
    expect(warning).to_be_visible()
    page.get_by_role("button", name="Save limits").click()
    expect(page.locator("#linkedin-limits-form").get_by_text("Saved.")).to_be_visible(timeout=SOON)
    expect(warning).to_be_visible()


def _invite(page: Page, slug: str) -> None:
    page.get_by_role("link", name="Invite somebody").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("LinkedIn profile").fill(f"linkedin.com/in/{slug}")
    dialog.get_by_label("Name").fill("Léa Fournier")
    dialog.get_by_role("button", name="Invite", exact=True).click()
