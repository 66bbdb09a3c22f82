"""What a page says after something was pressed. It is believed only where a fresh load agrees."""

from __future__ import annotations

from typing import Final

from heraldry.linkedin_driver.adapters.pages.dialogs import dialogs
from heraldry.linkedin_driver.adapters.pages.parts import Reader, text
from playwright.async_api import Locator

SETTLES: Final = 8_000  # milliseconds until the dialog is gone
TELLS: Final = 1_500  # and then until the page says something
_PAUSE: Final = 50


def alerts(reader: Reader) -> Locator:
    return reader.page.get_by_role("alert").filter(visible=True)


async def said_after(reader: Reader, pressed: Locator) -> str:
    """What stands in toasts and dialogs once the page has settled after a press; empty: nothing does."""
    waited, last = 0, SETTLES
    while waited < last and not await alerts(reader).count():
        if last == SETTLES and not await pressed.count():
            last = waited + TELLS
        await reader.page.wait_for_timeout(_PAUSE)
        waited += _PAUSE
    shown = [*await alerts(reader).all(), *await dialogs(reader.page).all()]
    return " ".join([await text(each) for each in shown])
