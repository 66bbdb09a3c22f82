"""The dialog that invites a member. It is read, and at most the field for a note is opened."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, replace
from typing import Final, Literal, TypeAlias

from heraldry.linkedin_driver.adapters.pages import words
from heraldry.linkedin_driver.adapters.pages.dialogs import dialog_of, dialogs
from heraldry.linkedin_driver.adapters.pages.parts import Candidate, Reader, Scope, css, role, text
from heraldry.linkedin_driver.adapters.problems import (
    EmailAsked,
    LayoutChanged,
    NotesUsedUp,
    Problem,
    WeeklyLimit,
)
from playwright.async_api import Locator

LIMIT_MARK: Final = '[id*="ip-fuse-limit-alert"], [class*="ip-fuse-limit-alert"]'
State: TypeAlias = Literal["ready", "note_needed", "email_asked", "weekly_limit", "notes_used_up", "unknown"]


@dataclass(frozen=True, slots=True)
class Invite:
    state: State
    heading: str | None
    can_add_note: bool
    can_send_without_note: bool
    note_limit: int | None
    notes_left: int | None
    problem: Problem | None = None


@dataclass(frozen=True, slots=True)
class Signs:
    text: str
    email_field: bool = False
    limit_mark: bool = False
    premium: bool = False
    add_note: bool = False
    without_note: bool = False
    send: bool = False
    note: bool = False


def add_note(dialog: Scope) -> tuple[Candidate, ...]:
    return role(dialog, "button", named=words.ADD_NOTE)


def without_note(dialog: Scope) -> tuple[Candidate, ...]:
    return role(dialog, "button", named=words.WITHOUT_NOTE)


def note_field(dialog: Scope) -> tuple[Candidate, ...]:
    return (
        css(dialog, "textarea#custom-message"),
        css(dialog, 'textarea[name="message"]'),
        css(dialog, "textarea"),
        css(dialog, '[role="textbox"][contenteditable="true"]'),
    )


def send_with_note(dialog: Scope) -> tuple[Candidate, ...]:
    return role(dialog, "button", named=words.SEND_INVITATION)


async def dialog_to_invite(reader: Reader) -> Locator:
    marks = ("#send-invite-modal", "#custom-message", LIMIT_MARK, 'input[type="email"]')
    dialog = await dialog_of(reader, *marks, heading=words.INVITING)
    if dialog is None:
        raise LayoutChanged("invite", ["dialog"])
    return dialog


async def read_invite(reader: Reader) -> Invite:
    """
    Raises:
        LayoutChanged: no dialog came.
    """
    dialog = await dialog_to_invite(reader)
    await reader.wait("controls", _telling(dialog))
    reader.matched.pop("controls", None)
    headings = dialog.get_by_role("heading").filter(visible=True)
    heading = await text(headings.first) if await headings.count() else None
    seen = await signs_of(reader, dialog)
    said = seen.text
    if state_of(seen) in {"ready", "note_needed"} and seen.add_note and not seen.note:
        seen = await _with_note(reader, dialog, seen)
        dialog = await dialog_to_invite(reader)
        said = f"{said} {await text(dialog)}"
    field = await reader.find("note", note_field(dialog))
    state = state_of(seen)
    return Invite(
        state=state,
        heading=heading,
        can_add_note=seen.add_note or seen.note,
        can_send_without_note=seen.without_note,
        note_limit=note_limit_of(await field.get_attribute("maxlength") if field else None, said),
        notes_left=0 if seen.premium and not seen.add_note and not seen.note else notes_left_in(said),
        problem=_PROBLEMS[state]() if state in _PROBLEMS else None,
    )


_PROBLEMS: dict[State, type[Problem]] = {
    "email_asked": EmailAsked,
    "weekly_limit": WeeklyLimit,
    "notes_used_up": NotesUsedUp,
}


def state_of(signs: Signs) -> State:
    """The obstacles first: their dialogs may show the usual buttons, too, and these then do nothing."""
    if signs.limit_mark or words.WEEKLY_LIMIT.found_in(signs.text):
        return "weekly_limit"
    if signs.email_field or words.EMAIL_GATE.found_in(signs.text):
        return "email_asked"
    if signs.without_note:
        return "ready"
    if signs.premium and not (signs.send or signs.add_note or signs.note):
        return "notes_used_up"
    if signs.add_note or signs.note:
        return "note_needed" if not signs.send or signs.note else "ready"
    return "ready" if signs.send else "unknown"


def note_limit_of(maxlength: str | None, said: str) -> int | None:
    """The counter tells the truth where a text beside it says something else."""
    if counter := words.COUNTER.search(said):
        return int(counter[2])
    return int(maxlength) if maxlength and re.fullmatch(r"\d{1,5}", maxlength) else None


def notes_left_in(said: str) -> int | None:
    found = words.NOTES_LEFT.search(said)
    return int(found[1]) if found else None


async def signs_of(reader: Reader, dialog: Locator) -> Signs:
    said, email, limit, premium = await asyncio.gather(
        text(dialog),
        reader.find("email asked", (css(dialog, 'input[type="email"]'),)),
        reader.find("weekly limit", (css(dialog, LIMIT_MARK),)),
        reader.find("premium", (css(dialog, 'a[href*="/premium/"]'),)),
    )
    send, adding, without, note = await asyncio.gather(
        reader.find("send", send_with_note(dialog)),
        reader.find("add a note", add_note(dialog)),
        reader.find("send without a note", without_note(dialog)),
        reader.find("note", note_field(dialog)),
    )
    return Signs(
        text=said,
        email_field=email is not None,
        limit_mark=limit is not None,
        premium=premium is not None,
        add_note=adding is not None,
        without_note=await _is_ready(without),
        send=send is not None,
        note=note is not None,
    )


def _telling(dialog: Locator) -> tuple[Candidate, ...]:
    """A dialog may be there before what it says."""
    return (
        *add_note(dialog),
        *without_note(dialog),
        *send_with_note(dialog),
        *note_field(dialog),
        css(dialog, f'input[type="email"], a[href*="/premium/"], {LIMIT_MARK}'),
    )


async def _is_ready(control: Locator | None) -> bool:
    """Where a note is needed, the way without one may be there and do nothing."""
    return (
        control is not None
        and await control.is_enabled()
        and await control.get_attribute("aria-disabled") != "true"
    )


async def _with_note(reader: Reader, dialog: Locator, seen: Signs) -> Signs:
    """Opens the field, which sends nothing and uses nothing up. An offer in its place: there are no notes to be had."""
    control = await reader.find("add a note", add_note(dialog))
    if control is None or not await control.is_enabled():
        return seen
    await control.click()
    every = dialogs(reader.page)
    offer = every.filter(has_not=reader.page.get_by_role("button", name=words.ADD_NOTE.pattern))
    premium = css(offer, 'a[href*="/premium/"]')
    field = (*note_field(every), *note_field(dialog))
    await reader.wait("opened", (*field, premium))
    reader.matched.pop("opened", None)
    if await reader.find("note", field) is None:
        offered = await reader.find("premium", (premium,)) is not None
        return replace(seen, premium=offered, add_note=not offered)
    await reader.find("send", send_with_note(every))
    return replace(seen, note=True)
