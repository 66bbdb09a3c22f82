"""Up to the press that sends a message, and which of ours the conversation shows."""

from __future__ import annotations

from typing import Final

from heraldry.contracts.linkedin import Obstacle
from heraldry.linkedin_driver.adapters.pages import message, profile
from heraldry.linkedin_driver.adapters.pages.parts import Reader, css
from heraldry.linkedin_driver.adapters.problems import LayoutChanged
from heraldry.linkedin_driver.domain.hindrances import OTHER_CONVERSATION, PAID_ONLY
from playwright.async_api import Locator

STILL: Final = 1_000  # milliseconds in which nothing is added to a conversation that is there
SETTLES: Final = 8_000  # milliseconds until it says that it was sent, or not
_PAUSE: Final = 100


def folded(text: str) -> str:
    """As texts are compared: whatever sets words apart is one space."""
    return " ".join(text.split())


async def opened_with(reader: Reader, person: profile.Profile) -> Obstacle | None:
    """In the open conversation: None if it is this person's and takes ordinary messages.

    Raises:
        LayoutChanged: there is no place to write in, and nothing that says why.
    """
    thread = await message.read_thread(reader)
    if thread.is_inmail:
        return PAID_ONLY
    slug = person.slug or ""
    if thread.recipient is None or not (
        thread.recipient == person.member or thread.recipient.casefold() == slug.casefold()
    ):
        return OTHER_CONVERSATION
    return None


async def alike(reader: Reader, text: str) -> int:
    """How many messages of ours with this text stand there, once the conversation has settled."""
    seen, still, waited = await message.own_texts(reader), 0, 0
    while still < STILL and waited < 2 * reader.patience:
        await reader.page.wait_for_timeout(_PAUSE)
        waited += _PAUSE
        now = await message.own_texts(reader)
        seen, still = now, still + _PAUSE if now == seen else 0
    return seen.count(folded(text))


async def ready_to_send(reader: Reader, text: str) -> Locator:
    """The control that sends, with the whole text written. A bare Enter would send: none is typed.

    Raises:
        LayoutChanged: the text does not stand as it was written, or nothing sends it.
    """
    page = reader.page
    box = await reader.wait("text box", message.text_box(page))
    if box is None:
        raise LayoutChanged("message", ["text box"])
    await box.fill("")
    await box.click()
    for at, line in enumerate(text.splitlines()):
        if at:
            await page.keyboard.press("Shift+Enter")
        if line:
            await page.keyboard.insert_text(line)
    if folded(await box.inner_text()) != folded(text):
        raise LayoutChanged("message", ["what was written"])
    waited = 0
    while waited <= reader.patience:
        send = await reader.find("send", message.send_button(page))
        if send is not None and await send.is_enabled():
            return send
        await page.wait_for_timeout(_PAUSE)
        waited += _PAUSE
    raise LayoutChanged("message", ["send"])


async def refused_after(reader: Reader) -> bool:
    """Whether the page says after the press that nothing was sent; it has settled then."""
    page, waited = reader.page, 0
    while waited < SETTLES:
        if await reader.find("error", (css(page, ".msg-form__error"),)):
            return True
        box = await reader.find("text box", message.text_box(page))
        if box is not None and not folded(await box.inner_text()):
            break
        await page.wait_for_timeout(_PAUSE)
        waited += _PAUSE
    return False
