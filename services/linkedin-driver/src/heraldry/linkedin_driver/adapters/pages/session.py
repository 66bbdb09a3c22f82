"""What every page shows of who is signed in, and one's own profile."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from heraldry.linkedin_driver.adapters.pages import login, profile, words
from heraldry.linkedin_driver.adapters.pages.parts import Reader, css, role
from heraldry.linkedin_driver.adapters.site import place_of

SESSION_COOKIE: Final = "li_at"


@dataclass(frozen=True, slots=True)
class Session:
    signed_in: bool
    has_cookie: bool
    sales_navigator: bool


@dataclass(frozen=True, slots=True)
class Self:
    session: Session
    member: str | None
    slug: str | None
    name: str | None
    headline: str | None
    picture: str | None
    is_own: bool


async def read_session(reader: Reader) -> Session:
    """Signed in is who sees the navigation of members: an address or a cookie alone proves nothing."""
    page = reader.page
    nav = (
        css(page, 'nav a[href*="/mynetwork"]'),
        css(page, 'nav a[href*="/feed"]'),
        css(page, 'header a[href*="/mynetwork"]'),
        css(page, '[role=navigation] a[href*="/mynetwork"]'),
        css(page, 'nav a[href*="/messaging"]'),
        css(page, ".global-nav__primary-link"),
    )
    asked_to_sign_in = place_of(urlsplit(page.url).path) != "elsewhere"
    found = None if asked_to_sign_in else await reader.wait("navigation", (*nav, *login.password_field(page)))
    members = found is not None and await reader.find("navigation", nav) is not None
    cookies = await page.context.cookies()
    kept = any(cookie.get("name") == SESSION_COOKIE for cookie in cookies)
    sales = await reader.find(
        "sales navigator",
        (css(page, 'nav a[href*="/sales/"]'), *role(page, "link", named=words.SALES_NAV)),
    )
    return Session(signed_in=members, has_cookie=kept, sales_navigator=sales is not None)


async def read_self(reader: Reader) -> Self:
    """One's own profile, on the page to which /in/me/ leads."""
    session = await read_session(reader)
    card = await profile.read_card(reader)
    return Self(session, card.member, card.slug, card.name, card.headline, card.picture, card.is_own)
