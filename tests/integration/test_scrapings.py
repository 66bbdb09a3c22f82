"""A profile is read for its data, by a campaign, at the stand-in of LinkedIn; and who may have a capacity of their own."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any, Final

import httpx
import pytest
from heraldry.gateway.testing import API, Office, eventually

pytestmark = [pytest.mark.stack, pytest.mark.timeout(400)]
PATIENCE: Final = 120.0  # seconds for a browser to start and act, on a machine that does much else
DAY: Final = {"invitations": 20, "messages": 100}


@pytest.mark.requirement("R-LIM-2")
def test_a_campaign_reads_a_profile_for_its_lead_and_only_sales_navigator_has_a_capacity_of_its_own(
    office: Office, site: httpx.Client
) -> None:
    word = secrets.token_hex(4)
    lea = f"lea-{word}"
    shown = {"headline": "Owner of Maison Verte", "company": "Maison Verte", "place": "Lyon, France"}
    person = {"slug": lea, "first_name": "Léa", "last_name": "Fournier", **shown}
    site.post("/people/", json=person).raise_for_status()
    email = f"ada-{word}@northwind.example"
    account = {"email": email, "name": "Ada Bergström", "slug": f"ada-{word}"}
    made = site.post("/accounts", json={**account, "password": secrets.token_urlsafe(12)})
    made.raise_for_status()
    site.patch(f"/accounts/{email}/scenario", json={"challenge": "none"}).raise_for_status()
    week = [{"day": day, "start": "00:00", "end": "24:00"} for day in range(1, 8)]
    body = {"name": "Ada Bergström", "hours": {"zone": "UTC", "week": week}}
    identity = str(office.call("POST", "/identities", body)["id"])
    where = f"/identities/{identity}/linkedin"
    credentials = {"email": email, "password": made.json()["password"]}
    office.call("POST", where, credentials)
    eventually(lambda: office.call("GET", where)["state"] == "linked", PATIENCE)
    eventually(lambda: office.http.get(f"{API}{where}/limits").is_success)

    refused = office.http.put(f"{API}{where}/limits", json={**DAY, "scrapings": 5})
    assert (refused.status_code, refused.json()["code"]) == (409, "linkedin.no-sales-navigator")
    before = office.call("GET", f"{where}/limits")
    assert before["own_scrapings"] is None

    lead = _read(office, identity, lea)
    assert lead["read"] == {
        "first_name": "Léa",
        "last_name": "Fournier",
        "headline": "Owner of Maison Verte",
        "location": "Lyon, France",
        "company": "Maison Verte",
        "job_title": "",
    }
    data = lead["data"]
    assert (data["name"], data["own"]["headline"], data["own"]["company"]) == (
        "Lea",
        "Owner of Maison Verte",
        "Acme",
    )
    page = office.http.get(f"/leads/{lead['enrollment']}", headers={"Accept": "text/html"})
    assert "Read on LinkedIn" in page.text
    assert "Lyon, France" in page.text
    visits = [
        one
        for one in site.get("/effects").json()
        if one["what"] == "profile read" and (one["account"], one["of"]) == (email, lea)
    ]
    assert len(visits) == 1
    after = office.call("GET", f"{where}/limits")
    assert after["pool"]["used_today"] == before["pool"]["used_today"] + 1
    (used,) = (one for one in after["use"] if one["kind"] == "scraping")
    assert (used["used_today"], used["allowed"]) == (1, after["pool"]["allowed"])

    site.patch(f"/accounts/{email}/scenario", json={"sales_navigator": True}).raise_for_status()
    office.call("POST", where, credentials)
    eventually(lambda: office.call("GET", f"{where}/limits")["own_scrapings"] is not None, PATIENCE)
    office.call("PUT", f"{where}/limits", {**DAY, "scrapings": 5})
    now = office.call("GET", f"{where}/limits")
    assert now["own_scrapings"] == {"used_today": 0, "allowed": 5}
    (used,) = (one for one in now["use"] if one["kind"] == "scraping")
    assert (used["used_today"], used["allowed"]) == (1, now["pool"]["allowed"] + 5)


def _read(office: Office, identity: str, slug: str) -> Mapping[str, Any]:
    """The lead of a campaign of one step, whose company the import knows, once its profile was read."""
    settings = {
        "name": "Reading",
        "identity": identity,
        "pace": "at once",
        "steps": [{"kind": "scraping"}],
    }
    campaign = str(office.call("POST", "/campaigns", settings)["id"])
    profile = f"https://www.linkedin.com/in/{slug}"
    known = [{"name": "Lea", "linkedin_url": profile, "own": {"company": "Acme"}}]
    office.call("POST", f"/campaigns/{campaign}/leads", known)
    eventually(lambda: office.call("GET", f"/campaigns/{campaign}/leads")["total"] == 1, PATIENCE)
    office.call("POST", f"/campaigns/{campaign}/start")

    def lead() -> Mapping[str, Any]:
        return office.call("GET", f"/campaigns/{campaign}/leads")["leads"][0]

    eventually(lambda: lead()["state"] == "finished", PATIENCE)
    return lead()
