"""Pictures of every page at 390 and 1440 px, light and dark.

    python tools/screenshots.py [--into FOLDER] [--documents FOLDER] [NAME …]

Starts the product in a folder of its own, fills it with what a small sales team would have in it, and takes
pictures of the pages as they are; what is hard to bring about comes from tools/preview.py. With names only
these pages. `--documents` writes the few pictures the documentation shows.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import io
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import preview
from heraldry.chassis.testing.browser import launch_options
from heraldry.chassis.testing.stack import Stack
from heraldry.gateway import assets
from heraldry.gateway.demo.running import Installation
from heraldry.gateway.demo.story import play
from heraldry.gateway.pages.render import render
from heraldry.gateway.testing import Office
from PIL import Image, ImageDraw
from playwright.async_api import Browser, BrowserContext, Route, async_playwright

SAMPLES: Final = "http://samples.invalid"
WIDTHS: Final[Mapping[int, int]] = {1440: 900, 390: 844}
SCHEMES: Final[tuple[Literal["light", "dark"], ...]] = ("light", "dark")
# file in the documentation: (page, width, colours)
DOCUMENTED: Final = {
    "dashboard": ("dashboard-of-the-demo", 1440, "light"),
    "dashboard-dark": ("dashboard", 1440, "dark"),
    "dashboard-phone": ("dashboard", 390, "light"),
    "configuration": ("configuration-contact", 1440, "light"),
    "mail": ("mail", 1440, "light"),
    "campaign": ("campaign", 1440, "light"),
}


@dataclass(frozen=True, slots=True)
class Page:
    """`address`: the whole one. `cookie`: the session's token, where somebody is signed in."""

    name: str
    address: str
    cookie: str = ""


def filled(stack: Stack) -> list[Page]:
    """Bring a small sales team to life; the pages there are then to see."""
    with Office.of_the_demo(stack) as office:
        office.call("PUT", "/organization/zone", {"zone": "Europe/Stockholm"})
        lea = str(office.account("lea.fournier@maison-verte.example")["address"])
        tom = str(office.account("tomas.vidal@brisa.example", "Tomás Vidal")["address"])
        ada = office.identity(
            "Ada Bergström",
            picture=portrait("#3d3fbf", "#e7b94f"),
            first_name="Ada",
            last_name="Bergström",
            job_title="Head of Partnerships",
            email="ada@northwind.example",
            phone="+46 70 174 06 05",
            linkedin_url="https://www.linkedin.com/in/ada-bergstrom",
            meeting_url="https://meet.northwind.example/ada",
        )
        jonas = office.identity("Jonas Lindqvist", job_title="Account Executive")
        office.identity("Sofia Ramos", job_title="SDR, Iberia")
        inbox = office.inbox(ada, office.account("ada@northwind.example"))
        broken = office.inbox(jonas, office.account("jonas@northwind.example"))
        text = "Hello Léa,\n\nshall we talk on Monday?\n\nAda"
        mail = office.mail(inbox, lea, "A quick question about Maison Verte", text)
        office.answer(mail, lea, "Monday is fine. Léa")
        office.mail(inbox, tom, "Brisa and Northwind", "Hello Tomás,\n\nmay I call you?\n\nAda")
        office.call("POST", "/subscribers", {"name": "CRM sync"})
        spring, iberia, upload, lead = campaigns(office, ada, lea, tom)
        office.lose(broken, "jonas@northwind.example", tom)
        token = office.token
    of = f"/identities/{ada}"
    paths = {
        "dashboard": "/identities",
        "dashboard-search": "/identities?q=ada",
        "dashboard-not-found": "/identities?q=nobody",
        "dashboard-custom": "/identities?period=custom&from=2026-01-01&to=2026-01-31",
        "add-manually": "/identities/new?way=manually",
        "add-credentials": "/identities/new?way=credentials",
        "add-share": "/identities/new?way=share",
        "configuration-contact": of,
        "configuration-linkedin": f"{of}?section=linkedin",
        "configuration-email": f"{of}?section=email",
        "configuration-rate": f"{of}?section=email&tab=rate",
        "configuration-email-broken": f"/identities/{jonas}?section=email",
        "configuration-likings": f"{of}?section=likings",
        "configuration-share": f"{of}?section=share",
        "connect": f"{of}/inboxes/new",
        "reconnect": f"/identities/{jonas}/inboxes/new?inbox={broken}",
        "test-mail": f"{of}/inboxes/{inbox}/test",
        "activity": "/activity",
        "mail": f"/activity/mails/{mail}",
        "organization": "/organization",
        "campaigns": "/campaigns",
        "campaign-new": "/campaigns/new",
        "campaign": f"/campaigns/{spring}",
        "campaign-draft": f"/campaigns/{iberia}",
        "campaign-editor": f"/campaigns/{iberia}/edit",
        "campaign-editor-begun": f"/campaigns/{spring}/edit",
        "import-new": f"/campaigns/{iberia}/imports/new",
        "import-wrong": f"/imports/{upload}",
        "lead": f"/leads/{lead}",
        "error-404": "/identities/00000000-0000-0000-0000-000000000000",
    }
    outside = {"sign-in": "/sign-in", "link-unknown": "/first/mistyped"}
    return [
        *(Page(name, stack.url + path, token) for name, path in paths.items()),
        *(Page(name, stack.url + path) for name, path in outside.items()),
    ]


def played(stack: Stack) -> Page:
    """The dashboard after the demo, of the days it played."""
    at = Installation(stack.url, stack.sandbox_url, stack.sign_in.email, stack.sign_in.password)
    made = asyncio.run(play(at, [], []))
    with Office.at(stack, made.email, made.password) as office:
        return Page("dashboard-of-the-demo", f"{stack.url}/identities?period=7d", office.token)


def campaigns(office: Office, ada: str, lea: str, tom: str) -> tuple[str, str, str, str]:
    """One that writes, a draft, an import of the draft that waits to be confirmed, and a lead."""
    steps = (
        {
            "subject": "{{ first_name }}, a question about {{ company }}",
            "text": "Hello {{ first_name }},\n\nshall we talk about {{ company }}?\n\n{{ identity.first_name }}",
        },
        {"delay": 72, "text": "Hello {{ first_name }},\n\ndid you see my mail?"},
        {"delay": 168, "text": "Shall I stop writing?"},
    )
    spring = office.campaign(ada, "Maisons in Lyon, spring", *steps)
    people = (("Léa Fournier", lea, "Maison Verte"), ("Tomás Vidal", tom, "Brisa"))
    more = (("Ines", "Maison Bleue"), ("Omar", "Dar"), ("Kim", "Kontor"))
    office.leads(
        spring,
        *(
            {"name": name, "first_name": name.split()[0], "email": to, "own": {"company": at}}
            for name, to, at in people
        ),
        *(
            {"first_name": name, "email": f"{name.lower()}@northwind.example", "own": {"company": at}}
            for name, at in more
        ),
    )
    office.call("POST", f"/campaigns/{spring}/start")
    iberia = office.campaign(ada, "Iberia", *steps)
    rows = "Vorname;E-Mail;Company\nAna;ana@lisboa.example;Lisboa\nRui;rui;Porto\nEva;eva@faro.example;\n"
    upload = office.upload(iberia, f"{rows}Lea;{lea};Maison Verte\n".encode("cp1252"), "feira.csv")
    lead = str(office.call("GET", f"/campaigns/{spring}/leads")["leads"][0]["enrollment"])
    return spring, iberia, upload, lead


def samples() -> dict[str, str]:
    """HTML by the name of the state."""
    return {name: render(template, shell=shell, page=page) for name, template, shell, page in preview.pages()}


def portrait(skin: str, ground: str) -> str:
    """Somebody's picture, in base64."""
    drawn = Image.new("RGB", (512, 512), ground)
    pen = ImageDraw.Draw(drawn)
    pen.ellipse((166, 96, 346, 296), fill=skin)
    pen.ellipse((66, 316, 446, 716), fill=skin)
    out = io.BytesIO()
    drawn.save(out, "PNG")
    return base64.b64encode(out.getvalue()).decode()


class Studio:
    """Takes the pictures: one context for each width and colours."""

    def __init__(self, browser: Browser, pages: Mapping[str, str]) -> None:
        self.browser = browser
        self.files = assets.load()
        self.pages = pages

    async def take(self, pages: Sequence[Page], into: Path) -> int:
        count = 0
        for width, height in WIDTHS.items():
            for scheme in SCHEMES:
                context = await self.browser.new_context(
                    viewport={"width": width, "height": height},
                    color_scheme=scheme,
                    locale="en-GB",
                    timezone_id="Europe/Stockholm",
                )
                await context.route(f"{SAMPLES}/**", self._answer)
                for page in pages:
                    await shoot(context, page, into / f"{page.name}-{width}-{scheme}.png", full=True)
                    count += 1
                await context.close()
        return count

    async def document(self, pages: Sequence[Page], into: Path) -> None:
        """The few pictures of the documentation: what is seen without scrolling."""
        known = {page.name: page for page in pages}
        for file, (name, width, scheme) in DOCUMENTED.items():
            context = await self.browser.new_context(
                viewport={"width": width, "height": WIDTHS[width]},
                color_scheme="dark" if scheme == "dark" else "light",
                locale="en-GB",
                timezone_id="Europe/Stockholm",
            )
            await context.route(f"{SAMPLES}/**", self._answer)
            await shoot(context, known[name], into / f"{file}.png", full=False)
            await context.close()

    async def _answer(self, route: Route) -> None:
        path = route.request.url.removeprefix(SAMPLES).partition("?")[0].lstrip("/")
        asset = self.files.get(path.removeprefix("static/"))
        if asset is not None:
            await route.fulfill(body=asset.content, content_type=asset.media_type)
        elif path in self.pages:
            await route.fulfill(body=self.pages[path], content_type="text/html; charset=utf-8")
        else:
            await route.fulfill(status=204)


async def shoot(context: BrowserContext, page: Page, file: Path, *, full: bool) -> None:
    await context.clear_cookies()
    if page.cookie:
        origin = "/".join(page.address.split("/")[:3])
        await context.add_cookies(
            [
                {"name": "heraldry_session", "value": page.cookie, "url": origin},
                {"name": "zone", "value": "Europe%2FStockholm", "url": origin},
            ]
        )
    shown = await context.new_page()
    await shown.goto(page.address)
    await shown.evaluate("document.fonts.ready.then(() => scrollTo(0, 0))")
    await shown.screenshot(path=file, full_page=full)
    await shown.close()


def chosen(pages: Sequence[Page], names: Sequence[str]) -> Iterator[Page]:
    """Those asked for; all if none are."""
    for page in pages:
        if not names or page.name in names:
            yield page


async def photograph(live: Sequence[Page], into: Path, documents: Path | None, names: Sequence[str]) -> int:
    shown = samples()
    there = {page.name for page in live}
    every = [*live, *(Page(name, f"{SAMPLES}/{name}") for name in shown if name not in there)]
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(**launch_options())
        studio = Studio(browser, shown)
        count = await studio.take(list(chosen(every, names)), into)
        if documents is not None:
            await studio.document(every, documents)
        await browser.close()
    return count


def main() -> int:
    parser = argparse.ArgumentParser(description="Pictures of every page.")
    parser.add_argument("--into", type=Path, default=Path("screenshots"), help="default: screenshots/")
    parser.add_argument("--documents", type=Path, help="also write the documentation's pictures here")
    parser.add_argument("names", nargs="*", metavar="NAME", help="pages, such as dashboard; default: all")
    asked = parser.parse_args()
    for folder in (asked.into, asked.documents):
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, Stack.running(Path(folder) / "data") as stack:
        live = [*filled(stack), played(stack)]
        count = asyncio.run(photograph(live, asked.into, asked.documents, asked.names))
    print(f"{count} pictures in {asked.into}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
