"""Up to the press that withdraws an invitation, and what the page says after it."""

from __future__ import annotations

from heraldry.linkedin_driver.adapters.pages import withdraw, words
from heraldry.linkedin_driver.adapters.pages.parts import Reader
from heraldry.linkedin_driver.adapters.problems import LayoutChanged
from playwright.async_api import Locator


async def ready_to_withdraw(reader: Reader) -> Locator:
    """The control that withdraws, in a dialog that names the profile's member and nobody else.

    Raises:
        NotPending: the profile shows no pending invitation.
        LayoutChanged: no dialog came, or one that does not name the member.
    """
    asking = await withdraw.ask_to_withdraw(reader)
    if not withdraw.is_this_member(await asking.named(), asking.card.name):
        raise LayoutChanged("withdraw", ["name of the member"])
    if asking.confirm is None or not await asking.confirm.is_enabled():
        raise LayoutChanged("withdraw", ["confirm"])
    return asking.confirm


def was_refused(said: str) -> bool:
    return words.NOT_DONE.found_in(said)
