"""What a member's profile says of them, read from the top card. Nothing is pressed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from heraldry.contracts.linkedin import ProfileData
from heraldry.contracts.texts import one_line
from heraldry.linkedin_driver.adapters.pages.parts import Reader, text
from heraldry.linkedin_driver.adapters.pages.profile import Card, read_card
from heraldry.linkedin_driver.adapters.problems import LayoutChanged
from playwright.async_api import Locator

CONTACT: Final = "xpath=following::a[contains(@href, '/overlay/contact-info')]"
LONGEST: Final = 250  # characters of a value; LinkedIn itself takes 220 of a headline and 100 of a name
_JOB: Final = re.compile(r"\s+(?:at|@)\s+", re.IGNORECASE)
_PARTS: Final = re.compile(r"\s*·\s*")


async def read_data(reader: Reader) -> tuple[Card, ProfileData]:
    """Whose page it is, and what it says.

    Raises:
        LayoutChanged: not even a name was found.
    """
    card = await read_card(reader)
    if card.name is None:
        raise LayoutChanged("profile", ["name"])
    return card, data_of(card.name, card.headline or "", await _before_contact_info(card.card))


def data_of(name: str, headline: str, lines: Sequence[str]) -> ProfileData:
    """`lines`: the paragraphs before the contact info. Behind the headline stand the company, where there is one, and
    the place. They are strangers' texts: cut, and without control characters, so that they fit wherever they go.
    """
    headline = _bounded(headline)
    lines = [_bounded(line) for line in lines]
    after = lines[lines.index(headline) + 1 :] if headline in lines else ()
    told = [part[0] for line in after if (part := [each for each in _PARTS.split(line) if each])]
    company = told[0] if len(told) > 1 else ""
    first, _, last = _bounded(name).partition(" ")
    return ProfileData(
        first_name=first,
        last_name=last.strip(),
        headline=headline,
        location=told[-1] if told else "",
        company=company,
        job_title=job_title_of(headline, company),
    )


def _bounded(told: str) -> str:
    return one_line(told)[:LONGEST].rstrip()


def job_title_of(headline: str, company: str) -> str:
    """What a headline says before the company that the page names beside it."""
    for joint in _JOB.finditer(headline):
        if company and headline[joint.end() :].casefold().startswith(company.casefold()):
            return headline[: joint.start()]
    return ""


async def _before_contact_info(card: Locator) -> Sequence[str]:
    paragraphs = card.locator("p:not(a p):not(button p)").filter(visible=True)
    return [await text(each) for each in await paragraphs.all() if await each.locator(CONTACT).count()]
