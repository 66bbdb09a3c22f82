"""The dialog that asks whether an invitation is to be withdrawn. It is opened, read, and cancelled."""

from __future__ import annotations

from dataclasses import dataclass

from heraldry.linkedin_driver.adapters.pages import profile, words
from heraldry.linkedin_driver.adapters.pages.dialogs import dialog_of, dismiss
from heraldry.linkedin_driver.adapters.pages.parts import Candidate, Reader, Scope, label, role, text, worded
from heraldry.linkedin_driver.adapters.problems import LayoutChanged, NotPending
from playwright.async_api import Locator


@dataclass(frozen=True, slots=True)
class Withdrawal:
    heading: str | None
    member: str
    named: str | None
    is_this_member: bool | None
    can_confirm: bool
    can_cancel: bool


def confirm_button(dialog: Scope) -> tuple[Candidate, ...]:
    return (
        Candidate(
            "button “withdraw invitation sent to NAME”",
            dialog.get_by_role("button", name=words.WITHDRAW_NAMED),
        ),
        *role(dialog, "button", named=words.WITHDRAW),
        worded(dialog, "button", words.WITHDRAW),
    )


def cancel_button(dialog: Scope) -> tuple[Candidate, ...]:
    return (*role(dialog, "button", named=words.CANCEL), *role(dialog, "button", named=words.DISMISS))


def withdrawn_name(called: str) -> str | None:
    """Whom the label of a control names."""
    found = words.WITHDRAW_NAMED.match(called)
    return next((each.strip() for each in found.groups() if each), None) if found else None


@dataclass(frozen=True, slots=True)
class Asking:
    """The open dialog, and the profile behind it."""

    card: profile.Card
    dialog: Locator
    confirm: Locator | None

    async def named(self) -> str | None:
        """Whom the dialog is about, in its own words."""
        return withdrawn_name(await label(self.confirm)) if self.confirm else None


async def ask_to_withdraw(reader: Reader) -> Asking:
    """Open the dialog from the profile.

    Raises:
        NotPending: the profile shows no pending invitation.
        LayoutChanged: no name on the profile, or no dialog came.
    """
    card = await profile.read_card(reader)
    if card.name is None:
        raise LayoutChanged("withdraw", ["name"])
    control = await _pending(reader, card)
    if control is None:
        raise NotPending
    await control.click()
    dialog = await dialog_of(
        reader, '[data-sdui-screen*="WithdrawConfirmation"]', "#dialog-header", heading=words.WITHDRAWING
    )
    if dialog is None:
        raise LayoutChanged("withdraw", ["dialog"])
    return Asking(card, dialog, await reader.find("confirm", confirm_button(dialog)))


def is_this_member(named: str | None, name: str | None) -> bool | None:
    """Whether the dialog is about the profile's member; None: it does not say."""
    return None if named is None else named.casefold() == (name or "").casefold()


async def read_withdrawal(reader: Reader) -> Withdrawal:
    """
    Raises:
        NotPending: the profile shows no pending invitation.
        LayoutChanged: no name on the profile, or no dialog came.
    """
    asking = await ask_to_withdraw(reader)
    dialog, confirm = asking.dialog, asking.confirm
    headings = dialog.get_by_role("heading").filter(visible=True)
    heading = await text(headings.first) if await headings.count() else None
    named = await asking.named()
    cancel = await reader.find("cancel", cancel_button(dialog))
    read = Withdrawal(
        heading=heading,
        member=asking.card.name or "",
        named=named,
        is_this_member=is_this_member(named, asking.card.name),
        can_confirm=confirm is not None and await confirm.is_enabled(),
        can_cancel=cancel is not None,
    )
    await dismiss(reader, cancel)
    return read


async def _pending(reader: Reader, card: profile.Card) -> Locator | None:
    """In the card, or under "More"."""
    name = card.name or ""
    pending = (*profile.pending_control(card.card), *profile.pending_link(card))
    await reader.wait("pending", (*pending, *profile.more_button(card.card)))
    control = await reader.find("pending", pending)
    if control is None and (menu := await profile.open_more(reader, card.card)):
        control = await reader.find("pending", profile.pending_control(menu))
        if control is None:
            await profile.close_menu(reader.page)
    if control is None:
        reader.matched.pop("pending", None)
        return None
    return control if profile.is_about(await label(control), name) else None
