"""Which dialog is meant: pages hold hidden ones of video players, and windows of messages are dialogs, too."""

from __future__ import annotations

from typing import Final

from heraldry.linkedin_driver.adapters.pages.parts import Candidate, Reader
from heraldry.linkedin_driver.adapters.pages.words import Words
from playwright.async_api import Locator, Page

_NO_WINDOW: Final = ':not([class*="msg-overlay"]):not([class*="msg-overlay"] *):not([class*="vjs-"]):not([aria-hidden="true"])'
_WITHOUT_ROLE: Final = 'dialog[open], [aria-modal="true"], .artdeco-modal'


def dialogs(page: Page) -> Locator:
    """Native, by role, and in open shadow roots; those that can be seen."""
    named = page.get_by_role("dialog").or_(page.get_by_role("alertdialog"))
    every = named.or_(page.locator(_WITHOUT_ROLE))
    return every.and_(page.locator(_NO_WINDOW)).filter(visible=True)


async def dialog_of(reader: Reader, *marks: str, heading: Words) -> Locator | None:
    """The dialog with one of these marks of structure, else with these words in it, else the last to have opened.

    A mark outside of every dialog stands for what is around it and has buttons.
    """
    every = dialogs(reader.page)
    found = await reader.wait(
        "dialog",
        (
            *(
                Candidate(f"dialog with {mark}", every.filter(has=reader.page.locator(mark)))
                for mark in marks
            ),
            Candidate(f"dialog reading “{heading.meaning}”", every.filter(has_text=heading.pattern)),
            *(
                Candidate(
                    f"around {mark}", reader.page.locator(mark).locator("xpath=ancestor::*[.//button][1]")
                )
                for mark in marks
            ),
        ),
    )
    return found or await reader.find("dialog", (Candidate("dialog", every.last),))


async def dismiss(reader: Reader, cancel: Locator | None) -> None:
    """Close a dialog without doing what it asks."""
    if cancel is None:
        await reader.page.keyboard.press("Escape")
    else:
        await cancel.click()
