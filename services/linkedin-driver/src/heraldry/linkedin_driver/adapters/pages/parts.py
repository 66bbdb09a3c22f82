"""Finding the parts of a page: several ways to each, in order, and a note of the one that led there."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import Final, Literal, TypeAlias, cast

from heraldry.linkedin_driver.adapters.pages.words import Words
from playwright.async_api import Frame, Locator, Page

Scope: TypeAlias = Page | Frame | Locator
Role: TypeAlias = Literal["button", "link", "textbox", "menuitem", "heading", "dialog", "menu", "listitem"]

PATIENCE: Final = 5_000  # milliseconds in which a page may still put itself together
_PAUSE: Final = 100

# The texts one would see, in order, one for each stretch of text: hidden twins have no rectangle on the screen.
TEXTS: Final = """
(root) => {
  const seen = (part) => {
    for (let each = part; each; each = each.parentElement || each.getRootNode().host) {
      const style = getComputedStyle(each);
      if (style.visibility !== 'visible' || style.opacity === '0') return false;
      if (style.position === 'absolute' && each.offsetWidth <= 1 && each.offsetHeight <= 1) return false;
      if (each === root) break;
    }
    return true;
  };
  const found = [];
  const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const text = node.data.replace(/\\s+/g, ' ').trim();
    const parent = node.parentElement;
    if (!text || !parent || parent.closest('script, style, noscript')) continue;
    const range = document.createRange();
    range.selectNodeContents(node);
    if (range.getClientRects().length && seen(parent)) found.push(text);
  }
  return found;
}
"""
_TEXTS_OF_EACH: Final = f"(roots) => roots.map({TEXTS.strip()})"


@dataclass(frozen=True, slots=True)
class Candidate:
    name: str
    locator: Locator


def css(scope: Scope, selector: str) -> Candidate:
    return Candidate(selector, scope.locator(selector))


def role(scope: Scope, *roles: Role, named: Words) -> tuple[Candidate, ...]:
    """By what a control is and is called, as assistive technology sees it."""
    return tuple(
        Candidate(f"{each} “{named.meaning}”", scope.get_by_role(each, name=named.pattern)) for each in roles
    )


def worded(scope: Scope, selector: str, words: Words) -> Candidate:
    """By the text in it, where the name for assistive technology says something longer."""
    return Candidate(
        f"{selector} reading “{words.meaning}”", scope.locator(selector).filter(has_text=words.pattern)
    )


def labelled(scope: Scope, meaning: str, pattern: re.Pattern[str]) -> Candidate:
    """By the label alone, where what can be pressed has no role."""
    return Candidate(f"label “{meaning}”", scope.get_by_label(pattern))


@dataclass(slots=True)
class Reader:
    """Looks for parts on one page and remembers which candidate each was found by."""

    page: Page
    patience: int = PATIENCE
    matched: dict[str, str] = field(default_factory=dict[str, str])

    async def find(self, part: str, candidates: Sequence[Candidate]) -> Locator | None:
        """The first visible element of the first candidate that has one."""
        for place, candidate in enumerate(candidates):
            shown = candidate.locator.filter(visible=True)
            if await shown.count():
                self.matched[part] = candidate.name
                return shown.first
            rest = candidates[place + 1 :]
            if place == 0 and len(rest) > 1 and not await _any_of(rest).count():
                return None
        return None

    async def mark(self, part: str, candidates: Sequence[Candidate]) -> Locator | None:
        """As `find`, for a sign that need not be seen, such as an empty link to where only the owner may go."""
        for candidate in candidates:
            if await candidate.locator.count():
                self.matched[part] = candidate.name
                return candidate.locator.first
        return None

    async def wait(self, part: str, candidates: Sequence[Candidate]) -> Locator | None:
        """As `find`, for what may still be on its way."""
        waited = 0
        while (found := await self.find(part, candidates)) is None and waited < self.patience:
            await self.page.wait_for_timeout(_PAUSE)
            waited += _PAUSE
        return found


def _any_of(candidates: Sequence[Candidate]) -> Locator:
    """What any of them finds, asked for at once: most parts are on no page, and every question takes its time."""
    return reduce(Locator.or_, (candidate.locator for candidate in candidates)).filter(visible=True)


async def texts(root: Locator) -> tuple[str, ...]:
    """What stands there to be read, stretch by stretch."""
    # one question of the browser, where waiting for the element takes three
    there = await texts_of_each(root)
    return there[0] if there else tuple(await root.evaluate(TEXTS))


async def texts_of_each(roots: Locator) -> list[tuple[str, ...]]:
    """As `texts`, of every element there is at this moment."""
    found = cast("list[list[str]]", await roots.evaluate_all(_TEXTS_OF_EACH))
    return [tuple(stretches) for stretches in found]


async def text(root: Locator) -> str:
    return " ".join(await texts(root))


async def label(control: Locator) -> str:
    """What a control is called: its label, else its text."""
    return (await control.get_attribute("aria-label") or await text(control)).strip()


async def main_of(reader: Reader) -> Locator:
    """What the page is about; there may be two landmarks, one in the other."""
    page = reader.page
    found = await reader.wait(
        "main", (css(page, "main#workspace"), css(page, "main"), css(page, "[role=main]"))
    )
    return found or page.locator("body")


async def whole_text(page: Page) -> str:
    return await text(page.locator("body"))


def number_in(words: str) -> int | None:
    """The first number, however its thousands are set apart."""
    found = re.search(r"\d{1,3}(?:[.,\u00a0\u202f ]\d{3})+(?!\d)|\d+", words)
    return int(re.sub(r"\D", "", found[0])) if found else None
