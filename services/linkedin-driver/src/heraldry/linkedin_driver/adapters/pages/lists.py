"""Lists of members that load as one goes down them: sent invitations, and connections."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, cast

from heraldry.linkedin_driver.adapters.pages import words
from heraldry.linkedin_driver.adapters.pages.parts import (
    TEXTS,
    Candidate,
    Reader,
    css,
    main_of,
    number_in,
    role,
    texts,
    worded,
)
from heraldry.linkedin_driver.adapters.pages.withdraw import withdrawn_name
from heraldry.linkedin_driver.adapters.problems import LayoutChanged
from heraldry.linkedin_driver.adapters.site import slug_of
from playwright.async_api import Error, Locator

ROUNDS: Final = 200  # of loading more, at most
_STILL: Final = 5  # rounds without anything new, after which the list is taken as whole
_PAUSE: Final = 200  # milliseconds
_GONE: Final = 1_000  # milliseconds after which a control is gone that was there

# Whatever scrolls: the window, or a part of the page with its own bar.
_DOWN: Final = """
(card) => {
  card.scrollIntoView({block: 'end'});
  for (let each = card.parentElement; each; each = each.parentElement)
    if (each.scrollHeight > each.clientHeight + 1) each.scrollTop = each.scrollHeight;
  window.scrollTo(0, document.documentElement.scrollHeight);
}
"""

_ROWS: Final = f"""
(cards) => cards.map(card => [
  card.querySelector('a[href*="/in/"]')?.href || '',
  ({TEXTS})(card),
  [...card.querySelectorAll('a, button, [role=button]')]
    .filter(each => each.getClientRects().length)
    .map(each => each.getAttribute('aria-label') || each.textContent),
  [...card.querySelectorAll('[data-view-name*="withdraw"]')]
    .filter(each => each.getClientRects().length)
    .map(each => each.getAttribute('aria-label') || each.textContent),
])
"""

# Where nothing says what a card is: the smallest part with a control, or words, and a member in it.
_AROUND: Final = "xpath=ancestor::*[.//a[contains(@href, '/in/')]][1]"


@dataclass(frozen=True, slots=True)
class Sent:
    slug: str | None
    name: str | None
    sent: str | None
    days: int | None
    can_withdraw: bool


@dataclass(frozen=True, slots=True)
class Connection:
    slug: str | None
    name: str | None
    connected: str | None


@dataclass(frozen=True, slots=True)
class SentInvitations:
    total: int | None
    whole: bool
    invitations: tuple[Sent, ...]


@dataclass(frozen=True, slots=True)
class Connections:
    total: int | None
    whole: bool
    connections: tuple[Connection, ...]


@dataclass(frozen=True, slots=True)
class Row:
    """A card of either list."""

    address: str
    stretches: tuple[str, ...]
    control: str | None

    @property
    def slug(self) -> str | None:
        return slug_of(self.address)


def days_since(said: str) -> int | None:
    """At least so many days have passed: "Sent 2 weeks ago" is 14. None: this says not only how long ago it was."""
    if lately := words.LATELY.match(said):
        return 1 if lately[1] else 0
    found = words.LONG_AGO.match(said)
    if found is None or not (found[1] or found[4]):
        return None
    days = next(days for unit, days in words.DAYS_OF.items() if re.fullmatch(unit, found[3], re.IGNORECASE))
    return days * (int(found[2]) if found[2].isdecimal() else 1)


def sent_of(row: Row) -> Sent:
    """Its age stands below what the member says of themselves."""
    ago = next((each for each in reversed(row.stretches[1:]) if days_since(each) is not None), None)
    return Sent(
        slug=row.slug,
        name=name_in(row),
        sent=ago,
        days=days_since(ago) if ago else None,
        can_withdraw=row.control is not None,
    )


def connection_of(row: Row) -> Connection:
    when = next((each for each in row.stretches[1:] if words.CONNECTED_ON.found_in(each)), None)
    return Connection(slug=row.slug, name=name_in(row), connected=when)


def name_in(row: Row) -> str | None:
    """The control names whom it is about; else the first text of the card is the name."""
    named = withdrawn_name(row.control) if row.control else None
    return named or next(iter(row.stretches), None)


# --- the pages


async def read_sent(reader: Reader) -> SentInvitations:
    """
    Raises:
        LayoutChanged: neither invitations, nor a number of them, nor words that there are none.
    """
    main = await main_of(reader)
    people = (css(main, 'a[href*="/sent/CONNECTION"]'), *role(main, "button", "link", named=words.PEOPLE))
    withdraw = main.get_by_role("button", name=words.WITHDRAWING.pattern).or_(
        main.get_by_role("link", name=words.WITHDRAWING.pattern)
    )
    around = Candidate("around “withdraw”", withdraw.locator(_AROUND))
    total, rows, whole = await _read(reader, "sent", people, around)
    return SentInvitations(total, whole, tuple(sent_of(each) for each in rows))


async def read_connections(reader: Reader, most: int | None = None) -> Connections:
    """`most`: how many at least are read before one stops going down; None: all.

    Raises:
        LayoutChanged: neither connections, nor a number of them, nor words that there are none.
    """
    main = await main_of(reader)
    counted = (
        Candidate("heading “connections”", main.get_by_role("heading", name=words.CONNECTIONS.pattern)),
        worded(main, "p, header, h1, h2, span", words.CONNECTIONS),
    )
    around = Candidate("around “connected on”", main.get_by_text(words.CONNECTED_ON.pattern).locator(_AROUND))
    total, rows, whole = await _read(reader, "connections", counted, around, most)
    return Connections(total, whole, tuple(connection_of(each) for each in rows))


async def _read(
    reader: Reader, page: str, counted: Sequence[Candidate], around: Candidate, most: int | None = None
) -> tuple[int | None, tuple[Row, ...], bool]:
    main = await main_of(reader)
    known = (
        css(main, '[data-testid="lazy-column"] [role="listitem"]:has(a[href*="/in/"])'),
        css(main, '[data-testid="lazy-column"] > :has(a[href*="/in/"])'),
        css(main, 'li.invitation-card, li[class*="connection-card"]'),
        css(main, '[role="listitem"]:has(a[href*="/in/"]):not(:has([role="listitem"]))'),
        css(main, 'li:has(a[href*="/in/"]):not(:has(li a[href*="/in/"]))'),
        css(main, 'article:has(a[href*="/in/"]), tr:has(a[href*="/in/"])'),
        around,
    )
    nothing = (worded(main, "h1, h2, h3, p, span, div", words.NOBODY),)
    start = await reader.wait("cards", (*known, *nothing))
    count = await reader.find("count", counted)
    total = number_in(" ".join(await texts(count))) if count else None
    cards = next((each.locator for each in known if each.name == reader.matched.get("cards")), None)
    if start is None and total is None:
        raise LayoutChanged(page, ["cards"])
    if cards is None:
        reader.matched.pop("cards", None)
        return total, (), total in {None, 0} and start is not None
    found = await _all(reader, cards.filter(visible=True), main, total, most)
    more = await reader.find("load more", role(main, "button", "link", named=words.LOAD_MORE))
    return total, found, len(found) >= total if total is not None else more is None


async def _all(
    reader: Reader, cards: Locator, main: Locator, total: int | None, most: int | None
) -> tuple[Row, ...]:
    """Down to the end or to `most`: what has left the document above while more came below is kept."""
    enough = min(each for each in (total, most, sys.maxsize) if each is not None)
    found: dict[str, Row] = {}
    still = 0
    for _ in range(ROUNDS):
        before = len(found)
        for row in await _rows(cards):
            found.setdefault(row.address.split("?")[0], row)
        still = 0 if len(found) > before else still + 1
        if still >= _STILL or len(found) >= enough:
            break
        if await cards.count():
            await cards.last.evaluate(_DOWN)
        more = await reader.find("load more", role(main, "button", "link", named=words.LOAD_MORE))
        if more:
            with suppress(Error):  # it may go away while it is looked at: all is there
                if await more.is_enabled(timeout=_GONE):
                    await more.click(timeout=_GONE)
        await reader.page.wait_for_timeout(_PAUSE)
    return tuple(found.values())


async def _rows(cards: Locator) -> tuple[Row, ...]:
    read = cast("list[tuple[str, list[str], list[str], list[str]]]", await cards.evaluate_all(_ROWS))
    return tuple(
        Row(
            address,
            tuple(stretches),
            next((each.strip() for each in (*filter(words.WITHDRAWING.found_in, controls), *marked)), None),
        )
        for address, stretches, controls, marked in read
    )
