"""Up to the press that sends an invitation, and what the page says after it."""

from __future__ import annotations

from typing import Final

from heraldry.contracts.linkedin import Obstacle
from heraldry.linkedin_driver.adapters.pages import invite, words
from heraldry.linkedin_driver.adapters.pages.dialogs import dialogs
from heraldry.linkedin_driver.adapters.pages.parts import Reader, css, text
from heraldry.linkedin_driver.adapters.problems import LayoutChanged
from heraldry.linkedin_driver.domain.hindrances import (
    EMAIL_ASKED,
    LATER,
    NOT_SENT,
    NOTE_NEEDED,
    NOTE_TOO_LONG,
    NOTES_USED_UP,
    WEEKLY_LIMIT,
)
from playwright.async_api import Locator

_PAUSE: Final = 100  # milliseconds
_CLOSED: Final = {
    "weekly_limit": WEEKLY_LIMIT,
    "email_asked": EMAIL_ASKED,
    "notes_used_up": NOTES_USED_UP,
}


async def ready_to_send(reader: Reader, note: str) -> Locator | Obstacle:
    """In the open dialog: the control that sends the invitation, the note written; or why there is none.

    Raises:
        LayoutChanged: no dialog came, or nothing in it sends.
    """
    dialog, state = await _hydrated(reader)
    if closed := _CLOSED.get(state):
        return closed
    if note:
        return await _with_note(reader, dialog, note)
    if state == "note_needed":
        return NOTE_NEEDED
    send = await reader.find("send", (*invite.without_note(dialog), *invite.send_with_note(dialog)))
    return await _pressable(reader, send)


def told_by(said: str) -> Obstacle | None:
    """What the page's words mean after the press; None: nothing, or that it was sent."""
    if words.WEEKLY_LIMIT.found_in(said):
        return WEEKLY_LIMIT
    if not words.NOT_DONE.found_in(said):
        return None
    return LATER if words.TRY_LATER.found_in(said) else NOT_SENT


async def offers_premium(reader: Reader) -> bool:
    """An offer in place of what was sent: there are no notes to be had."""
    return await reader.find("premium", (css(dialogs(reader.page), 'a[href*="/premium/"]'),)) is not None


async def _hydrated(reader: Reader) -> tuple[Locator, invite.State]:
    """The dialog once it shows what it is."""
    waited = 0
    while True:
        dialog = await invite.dialog_to_invite(reader)
        state = invite.state_of(await invite.signs_of(reader, dialog))
        if state != "unknown" or waited >= reader.patience:
            return dialog, state
        await reader.page.wait_for_timeout(_PAUSE)
        waited += _PAUSE


async def _with_note(reader: Reader, dialog: Locator, note: str) -> Locator | Obstacle:
    field = await reader.find("note", invite.note_field(dialog))
    if field is None:
        control = await reader.find("add a note", invite.add_note(dialog))
        if control is None:
            raise LayoutChanged("invite", ["add a note"])
        await control.click()
        every = dialogs(reader.page)
        await reader.wait("note", (*invite.note_field(every), css(every, 'a[href*="/premium/"]')))
        field = await reader.find("note", invite.note_field(every))
        if field is None:
            if await offers_premium(reader):
                return NOTES_USED_UP
            raise LayoutChanged("invite", ["note"])
        dialog = await invite.dialog_to_invite(reader)
    longest = invite.note_limit_of(await field.get_attribute("maxlength"), await text(dialog))
    if longest is not None and len(note) > longest:
        return NOTE_TOO_LONG
    await field.fill(note)
    send = await reader.wait("send", invite.send_with_note(dialog))
    ready = await _pressable(reader, send)
    if await field.evaluate("field => field.value ?? field.innerText") != note:
        raise LayoutChanged("invite", ["note"])
    return ready


async def _pressable(reader: Reader, send: Locator | None) -> Locator:
    waited = 0
    while send is not None and not await send.is_enabled() and waited < reader.patience:
        await reader.page.wait_for_timeout(_PAUSE)
        waited += _PAUSE
    if send is None or not await send.is_enabled():
        raise LayoutChanged("invite", ["send"])
    return send
