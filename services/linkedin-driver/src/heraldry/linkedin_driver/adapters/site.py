"""Where LinkedIn's pages are, and what an address says about where one has landed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias
from urllib.parse import parse_qs, quote, unquote, urlsplit

from heraldry.linkedin_driver.adapters.problems import (
    BrowserFailed,
    CheckpointMet,
    NotFound,
    Problem,
    Restricted,
    SessionEnded,
    SiteUnreachable,
    SlowDown,
)
from playwright.async_api import Error, Page

Place: TypeAlias = Literal["signing in", "checkpoint", "restricted", "not found", "elsewhere"]

_SIGNING_IN: Final = (
    "/login",
    "/uas",
    "/authwall",
    "/signup",
    "/reauthentication",
    "/checkpoint/lg",
    "/checkpoint/rp",
    "/m/logout",
)
_CHECKPOINT: Final = ("/checkpoint", "/challenge", "/uas/consumer-email-challenge", "/check/manage-account")
_RESTRICTED: Final = (
    "/restrict",
    "/restricted",
    "/checkpoint/restricted",
    "/help/linkedin/answer/restricted",
)
_ENDED: Final = ("has been closed", "browser has disconnected", "crashed")
TOO_MANY: Final = frozenset({429, 999})


@dataclass(frozen=True, slots=True)
class Site:
    """LinkedIn, or what stands in for it. A base with a path is one page and opened as it stands."""

    base: str

    def address(self, path: str) -> str:
        return self.base if self.is_one_page else f"{self.base.rstrip('/')}{path}"

    @property
    def is_one_page(self) -> bool:
        parts = urlsplit(self.base)
        return parts.path not in {"", "/"} or bool(parts.query)

    def profile(self, slug: str) -> str:
        return self.address(f"/in/{quote(slug, safe='')}/")

    def invitation(self, slug: str) -> str:
        return self.address(f"/preload/custom-invite/?vanityName={quote(slug, safe='')}")


def place_of(path: str) -> Place:
    """Judged by the path alone, whole segments: queries and slugs may say anything."""

    def under(roots: tuple[str, ...]) -> bool:
        return any(path == root or path.startswith(f"{root}/") for root in roots)

    if under(_RESTRICTED):
        return "restricted"
    if under(("/uas/consumer-email-challenge",)):
        return "checkpoint"
    if under(_SIGNING_IN):
        return "signing in"
    if under(_CHECKPOINT):
        return "checkpoint"
    return "not found" if under(("/404",)) else "elsewhere"


def slug_of(address: str) -> str | None:
    """The member in an address of a profile: the part behind /in/."""
    found = re.match(r"/in/([^/]+)", urlsplit(address).path)
    return unquote(found[1]) if found else None


def invited_by(address: str) -> str | None:
    """Whom an address of the invite dialog invites."""
    parts = urlsplit(address)
    if "custom-invite" not in parts.path:
        return None
    return next(iter(parse_qs(parts.query).get("vanityName", ())), None)


def member_of(address: str) -> str | None:
    """The member's own id in the address of a message to them."""
    asked = parse_qs(urlsplit(address).query)
    told = next((asked[name][0] for name in ("profileUrn", "recipient") if asked.get(name)), "")
    return told.rpartition(":")[2] or None


def without_overlay(address: str) -> str:
    """The address of a message as a page of its own, not as a window over the profile."""
    parts = urlsplit(address)
    kept = "&".join(each for each in parts.query.split("&") if not each.startswith("interop="))
    return parts._replace(query=kept).geturl()


def has_ended(error: Error) -> bool:
    """Whether it is not about the page: the browser, or its context, is no more."""
    return any(words in error.message for words in _ENDED)


async def go(page: Page, address: str) -> None:
    """Open an address.

    Raises:
        SiteUnreachable, SlowDown: the site did not answer, or said so.
        BrowserFailed: there is no browser any more.
    """
    try:
        response = await page.goto(address, wait_until="domcontentloaded")
    except Error as error:
        if has_ended(error):
            raise BrowserFailed(error.message.strip().splitlines()[0]) from error
        raise SiteUnreachable(error.message.strip().splitlines()[0]) from error
    status = response.status if response else 200
    if status in TOO_MANY:
        raise SlowDown(f"The site answered with status {status}.")
    if status >= 500:  # noqa: PLR2004  the servers' own failures
        raise SiteUnreachable(f"The site answered with status {status}.")
    if status == 404:  # noqa: PLR2004
        raise NotFound


def hindrance(address: str) -> Problem | None:
    """What an address one was sent to says: nothing stands in the way, or what does."""
    parts = urlsplit(address)
    if "challenge_global_internal_error" in parts.query:
        return SlowDown("LinkedIn takes no sign-in from here for the time being.")
    match place_of(parts.path):
        case "signing in":
            return SessionEnded()
        case "checkpoint":
            return CheckpointMet()
        case "restricted":
            return Restricted()
        case "not found":
            return NotFound()
        case "elsewhere":
            return None
