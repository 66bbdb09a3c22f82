"""Where a message to a member is written. It is read, never written in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import urljoin

from heraldry.linkedin_driver.adapters.pages import profile, words
from heraldry.linkedin_driver.adapters.pages.parts import Candidate, Reader, Scope, css, role, texts
from heraldry.linkedin_driver.adapters.problems import LayoutChanged, NoMessage
from heraldry.linkedin_driver.adapters.site import go, hindrance, slug_of, without_overlay
from playwright.async_api import Page

_BODY: Final = '[class*="msg-s-event-listitem__body"]'


@dataclass(frozen=True, slots=True)
class Thread:
    recipient: str | None
    is_inmail: bool
    can_write: bool
    can_send: bool
    messages: int
    own: int
    error: str | None


def text_box(scope: Scope) -> tuple[Candidate, ...]:
    """On the page itself first: windows over it are about others."""
    return (
        css(scope, "main .msg-form__contenteditable"),
        css(scope, ".msg-form__contenteditable"),
        *role(scope, "textbox", named=words.WRITE),
        css(scope, '[role="textbox"][contenteditable="true"]'),
        css(scope, '[contenteditable="true"]'),
        css(scope, 'form textarea:not([name="g-recaptcha-response"])'),
    )


def send_button(scope: Scope) -> tuple[Candidate, ...]:
    return (
        css(scope, "main button.msg-form__send-button"),
        css(scope, "button.msg-form__send-button"),
        *role(scope, "button", named=words.SEND),
        css(scope, 'form:has([contenteditable="true"]) button[type="submit"]'),
    )


def recipient_link(scope: Scope) -> tuple[Candidate, ...]:
    return (
        css(scope, 'main a.msg-thread__link-to-profile[href*="/in/"]'),
        css(scope, 'a.msg-thread__link-to-profile[href*="/in/"]'),
        css(scope, '[class*="msg-thread"] a[href*="/in/"], [class*="msg-overlay"] header a[href*="/in/"]'),
        css(scope, 'main h2 a[href*="/in/"], main a[href*="/in/"]:has(h2)'),
        css(scope, 'main header a[href*="/in/"]'),
        css(scope, 'main a[href*="/in/"]'),
    )


def inmail_marks(scope: Scope) -> tuple[Candidate, ...]:
    """Signs of a paid message to somebody one is not connected with: nothing is written there."""
    return (
        css(scope, ".msg-inmail-credits-display"),
        css(scope, 'input[name="subject"]'),
        *role(scope, "textbox", named=words.SUBJECT),
    )


def messages(scope: Scope) -> tuple[Candidate, ...]:
    return (
        css(scope, ".msg-s-event-listitem"),
        css(scope, ".msg-s-message-list__event"),
        css(scope, 'main [role="log"] [role="listitem"], main [role="log"] li'),
    )


async def open_from_profile(reader: Reader) -> str | None:
    """From the profile's own control, so that it is this member's thread and nobody else's; its address.

    Raises:
        NoMessage: the profile has no such control.
    """
    page = reader.page
    card = await profile.read_card(reader)
    control = await reader.wait("message", profile.message_control(card.card))
    if control is None:
        raise NoMessage
    href = await control.get_attribute("href")
    if href is None:
        await control.click()
        return None
    address = without_overlay(urljoin(page.url, href))
    await go(page, address)
    if problem := hindrance(page.url):
        raise problem
    return address


async def read_thread(reader: Reader) -> Thread:
    """
    Raises:
        LayoutChanged: there is no place to write in, and nothing that says why.
    """
    page = reader.page
    box = await reader.wait("text box", (*text_box(page), *inmail_marks(page)))
    box = await reader.find("text box", text_box(page))
    inmail = await reader.find("inmail", inmail_marks(page))
    if box is None and inmail is None:
        raise LayoutChanged("message", ["text box"])
    send = await reader.find("send", send_button(page))
    link = await reader.find("recipient", recipient_link(page))
    error = await reader.find("error", (css(page, ".msg-form__error"),))
    number, own = await _counted(reader, page)
    return Thread(
        recipient=slug_of(urljoin(page.url, await link.get_attribute("href") or "")) if link else None,
        is_inmail=inmail is not None,
        can_write=box is not None and await box.is_enabled(),
        can_send=send is not None and await send.is_enabled(),
        messages=number,
        own=own,
        error=" ".join(await texts(error)) if error else None,
    )


async def own_texts(reader: Reader) -> tuple[str, ...]:
    """What we wrote, as far as the thread shows it, each with its spaces folded."""
    for candidate in messages(reader.page):
        shown = candidate.locator.filter(visible=True)
        if not await shown.count():
            continue
        others = reader.page.locator('[class*="--other"], :has([class*="--other"])')
        own: list[str] = []
        for each in await shown.all():
            if await each.and_(others).count():
                continue
            body = each.locator(_BODY)
            own.append(" ".join((await (body.first if await body.count() else each).inner_text()).split()))
        return tuple(own)
    return ()


async def _counted(reader: Reader, page: Page) -> tuple[int, int]:
    """How many messages the thread shows, and how many of them are not the other person's."""
    for candidate in messages(page):
        shown = candidate.locator.filter(visible=True)
        if number := await shown.count():
            reader.matched["messages"] = candidate.name
            others = shown.and_(page.locator('[class*="--other"], :has([class*="--other"])'))
            return number, number - await others.count()
    return 0, 0
