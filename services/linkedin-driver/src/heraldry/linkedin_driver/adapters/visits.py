"""LinkedIn's pages in one browser context, as the workers use them."""

from __future__ import annotations

import json
from typing import Any, Final, cast

from heraldry.linkedin_driver.adapters.member import SignedIn
from heraldry.linkedin_driver.adapters.pages import session
from heraldry.linkedin_driver.adapters.pages.obstacles import obstacle
from heraldry.linkedin_driver.adapters.pages.parts import Reader
from heraldry.linkedin_driver.adapters.problems import LayoutChanged
from heraldry.linkedin_driver.adapters.signing_in import SignInPage
from heraldry.linkedin_driver.adapters.site import Site, go
from heraldry.linkedin_driver.ports import Own, Visit
from playwright.async_api import Page

# What the site's own pages ask of it about who is signed in. Any page of the site may.
_ME: Final = """
async () => {
  const token = (document.cookie.match(/JSESSIONID="?([^";]+)/) || [])[1];
  if (!token) return null;
  const headers = {'csrf-token': token, accept: 'application/vnd.linkedin.normalized+json+2.1',
    'x-restli-protocol-version': '2.0.0'};
  const answer = await fetch('/voyager/api/me', {headers}).catch(() => null);
  if (!answer || !answer.ok) return null;
  const found = await answer.json().catch(() => null);
  return ((found && found.included) || []).find(each => (each.$type || '').endsWith('MiniProfile')) || null;
}
"""


class LinkedInVisit(Visit):
    def __init__(self, page: Page, site: Site, patience: float) -> None:
        self.page, self.site, self.patience = page, site, patience
        self.reader = Reader(page)
        self._crashed = False
        page.on("crash", self._note_crash)
        self._signing_in = SignInPage(page, site, patience)

    def _note_crash(self, _: Page) -> None:
        self._crashed = True

    @property
    def alive(self) -> bool:
        browser = self.page.context.browser
        return not (self._crashed or self.page.is_closed() or browser is None or not browser.is_connected())

    @property
    def signing_in(self) -> SignInPage:
        return self._signing_in

    @property
    def member(self) -> SignedIn:
        return SignedIn(self.page, self.site)

    async def open(self, address: str) -> None:
        """Go there; raises what stands in the way."""
        await go(self.page, address)
        if problem := await obstacle(self.reader):
            raise problem

    async def check(self) -> None:
        await self.open(self.site.address("/feed/"))
        if not (await session.read_session(self.reader)).signed_in:
            raise LayoutChanged("feed", ["navigation"])

    async def own(self) -> Own:
        """The profile as its page shows it; first and last name apart, as only the site itself knows them."""
        await self.open(self.site.address("/in/me/"))
        read = await session.read_self(self.reader)
        told = cast("dict[str, Any] | None", await self.page.evaluate(_ME)) or {}
        member = str(told.get("dashEntityUrn") or "").rpartition(":")[2] or read.member
        if read.name is None or not member:
            raise LayoutChanged("self", ["name" if read.name is None else "member"])
        first, _, last = read.name.partition(" ")
        return Own(
            member=member,
            slug=str(told.get("publicIdentifier") or read.slug or ""),
            first_name=str(told.get("firstName") or first),
            last_name=str(told.get("lastName") or last),
            headline=read.headline or str(told.get("occupation") or ""),
            picture=read.picture or "",
            sales_navigator=read.session.sales_navigator,
        )

    async def state(self) -> bytes | None:
        kept = await self.page.context.storage_state()
        cookies = kept.get("cookies", [])
        if not any(one.get("name") == session.SESSION_COOKIE and one.get("value") for one in cookies):
            return None
        return json.dumps(kept).encode()
