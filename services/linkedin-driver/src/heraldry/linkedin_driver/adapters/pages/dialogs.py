"""Which dialog is meant: pages hold hidden ones of video players, and windows of messages are dialogs, too."""

from __future__ import annotations

from typing import Final

from heraldry.linkedin_driver.adapters.pages.parts import Candidate, Reader
from heraldry.linkedin_driver.adapters.pages.words import Words
from playwright.async_api import Locator, Page

_NO_WINDOW: Final = ':not([class*="msg-overlay"]):not([class*="vjs-"])'


def dialogs(page: Page) -> Locator:
    """Native, by role, and in open shadow roots; those that can be seen."""
    every = page.get_by_role("dialog").or_(page.get_by_role("alertdialog"))
    return every.and_(page.locator(_NO_WINDOW)).filter(visible=True)


async def dialog_of(reader: Reader, *marks: str, heading: Words) -> Locator | None:
    """The dialog with one of these marks of structure, else with these words in it, else the last to have opened."""
    every = dialogs(reader.page)
    return await reader.wait(
        "dialog",
        (
            *(
                Candidate(f"dialog with {mark}", every.filter(has=reader.page.locator(mark)))
                for mark in marks
            ),
            Candidate(f"dialog reading “{heading.meaning}”", every.filter(has_text=heading.pattern)),
            Candidate("dialog", every.last),
        ),
    )


async def dismiss(reader: Reader, cancel: Locator | None) -> None:
    """Close a dialog without doing what it asks."""
    if cancel is None:
        await reader.page.keyboard.press("Escape")
    else:
        await cancel.click()
