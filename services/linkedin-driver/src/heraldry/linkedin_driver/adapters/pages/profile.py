"""A member's profile: who it is, and how one stands to them. Nothing outside the top card is about this member."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal, TypeAlias
from urllib.parse import quote, urljoin

from heraldry.linkedin_driver.adapters.pages import words
from heraldry.linkedin_driver.adapters.pages.parts import (
    Candidate,
    Reader,
    css,
    label,
    labelled,
    main_of,
    role,
    texts,
    texts_of_each,
    worded,
)
from heraldry.linkedin_driver.adapters.problems import LayoutChanged
from heraldry.linkedin_driver.adapters.site import invited_by, member_of, slug_of
from playwright.async_api import Error, Locator, Page

Relation: TypeAlias = Literal[
    "self",
    "pending",
    "withdrawn",
    "incoming",
    "connectable",
    "connectable_under_more",
    "connected",
    "follow_only",
    "unknown",
]
MENU_OPENS: Final = 3_000  # milliseconds
CONTROLS: Final = "a, button, [role=button], [role=menuitem], [role=link], [tabindex]"
_NAMING: Final = re.compile(r"\s*\|\s*LinkedIn\s*$")
_REGION: Final = "xpath=ancestor::*[count(.//h1 | .//h2) = 1][not(self::main or self::body)][last()]"
_PRONOUNS: Final = re.compile(r"^\(?\w{2,5}\s*/\s*\w{2,5}(\s*/\s*\w{2,6})?\)?$")


@dataclass(frozen=True, slots=True)
class Card:
    """The top card as it reads."""

    card: Locator
    slug: str | None
    member: str | None
    name: str | None
    degree: int | None
    headline: str | None
    picture: str | None
    is_own: bool


@dataclass(frozen=True, slots=True)
class Signs:
    """What the relation is told by. `more_*` are of the menu under "More"; None: the menu was not read."""

    is_own: bool = False
    pending: bool = False
    withdrawn: bool = False
    incoming: bool = False
    connect: bool = False
    follow: bool = False
    degree: int | None = None
    more: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Profile:
    slug: str | None
    member: str | None
    name: str
    degree: int | None
    headline: str | None
    relation: Relation
    pending_under_more: bool
    can_message: bool
    can_follow: bool
    more: tuple[str, ...] | None


async def read_profile(reader: Reader) -> Profile:
    """Opens the menu under "More" and closes it again, where only the menu can tell.

    Raises:
        LayoutChanged: not even a name was found.
    """
    found = await read_card(reader)
    if found.name is None:
        raise LayoutChanged("profile", ["name"])
    if not found.is_own:
        await _wait_for_controls(reader, found)
    seen = await _signs(reader, found)
    relation = relation_of(seen)
    items: tuple[str, ...] | None = None
    if relation in {"connected", "follow_only", "unknown"} and (menu := await open_more(reader, found.card)):
        items = await _items(menu)
        seen = await _with_menu(reader, menu, found, seen)
        relation = relation_of(seen)
        await close_menu(reader.page)
    return Profile(
        slug=found.slug,
        member=found.member,
        name=found.name,
        degree=found.degree,
        headline=found.headline,
        relation=relation,
        pending_under_more=seen.more is not None and "pending" in seen.more,
        can_message=await _is_open(await reader.find("message", message_control(found.card))),
        can_follow=seen.follow or (seen.more is not None and "follow" in seen.more),
        more=items,
    )


def relation_of(signs: Signs) -> Relation:
    """A message can be written to people one is not connected with, so that says nothing."""
    more = signs.more or frozenset()
    in_order: list[tuple[Relation, bool]] = [
        ("self", signs.is_own),
        ("pending", signs.pending or "pending" in more),
        ("withdrawn", signs.withdrawn),
        ("incoming", signs.incoming),
        ("connectable", signs.connect),
        ("connected", "remove connection" in more),
        ("connectable_under_more", "connect" in more),
        ("connected", signs.degree == 1),
        ("follow_only", signs.follow or "follow" in more),
    ]
    holding: list[Relation] = [relation for relation, holds in in_order if holds]
    return holding[0] if holding else "unknown"


def degree_of(stretches: Sequence[str]) -> int | None:
    for stretch in stretches:
        if found := words.DEGREE.match(stretch):
            return int(found[1] or found[2] or found[3])
    return None


def headline_of(stretches: Sequence[str], name: str) -> str | None:
    """What stands behind the name, once badges and pronouns are passed."""
    start = next((at + 1 for at, stretch in enumerate(stretches) if stretch == name), None)
    if start is None:
        return None
    return next((stretch for stretch in stretches[start:] if not _is_beside_name(stretch, name)), None)


def _is_beside_name(stretch: str, name: str) -> bool:
    return (
        stretch == name
        or len(stretch) <= 1
        or words.DEGREE.match(stretch) is not None
        or _PRONOUNS.match(stretch) is not None
    )


# --- the top card


async def _card(reader: Reader) -> Locator:
    main = await main_of(reader)
    known = (
        css(main, 'section[componentkey$="Topcard"]'),
        css(main, 'section[componentkey*="topcard" i]'),
        css(main, '[componentkey$="Topcard"]'),
        css(
            main,
            'section:has(a[href*="/overlay/contact-info"])'
            ':not(:has(section a[href*="/overlay/contact-info"]))',
        ),
        css(main, "section.pv-top-card, section:has(> .pv-top-card), .pv-top-card"),
        css(main, "section:has(h1):not(:has(section h1))"),
        css(main, "section:has(h2):not(:has(section h2))"),
        css(main, "h1, h2"),
    )
    found = await reader.wait("top card", known)
    if found is None:
        return main
    if reader.matched["top card"] == "h1, h2":
        around = found.locator(_REGION)
        return around if await around.count() else main
    return found


async def read_card(reader: Reader) -> Card:
    card = await _card(reader)
    editing = (css(card, 'a[href*="/edit/intro"]'), css(card, 'a[href*="/edit/forms/intro"]'))
    pictures = (
        css(card, 'img[src*="profile-displayphoto"]'),
        css(card, '[aria-label="Profile photo"] img'),
        css(card, "img.pv-top-card-profile-picture__image, img[class*='profile-picture']"),
    )
    name, stretches, own, picture, member = await asyncio.gather(
        _name(reader, card),
        texts(card),
        reader.mark("own profile", editing),
        reader.find("picture", pictures),
        _member(reader, card),
    )
    return Card(
        card=card,
        slug=await _slug(reader, own),
        member=member,
        name=name,
        degree=degree_of(stretches),
        headline=await _headline(card, stretches, name) if name else None,
        picture=urljoin(reader.page.url, await picture.get_attribute("src") or "") if picture else None,
        is_own=own is not None,
    )


async def _slug(reader: Reader, own: Locator | None) -> str | None:
    """From the address; /in/me/ is everybody's."""
    slug = slug_of(reader.page.url)
    if own and slug in {None, "me"}:
        return slug_of(urljoin(reader.page.url, await own.get_attribute("href") or ""))
    return slug


async def _name(reader: Reader, card: Locator) -> str | None:
    heading = await reader.find("name", (css(card, "h1"), css(card, "h2"), css(card, "[role=heading]")))
    said = await texts(heading) if heading else ()
    if name := " ".join(each for each in said if not _is_beside_name(each, "")):
        return name
    titled = re.sub(r"^\(\d+\+?\)\s*", "", await reader.page.title())
    if _NAMING.search(titled):
        reader.matched["name"] = "title"
        return _NAMING.sub("", titled) or None
    return None


async def _headline(card: Locator, stretches: Sequence[str], name: str) -> str | None:
    """The first paragraph that is no badge and cannot be pressed; else what comes after the name."""
    paragraphs = card.locator("p:not(a p):not(button p)").filter(visible=True)
    told = [" ".join(stretches) for stretches in await texts_of_each(paragraphs)]
    found = next((each for each in told if each and not _is_beside_name(each, name)), None)
    return found or headline_of(stretches, name)


async def _member(reader: Reader, card: Locator) -> str | None:
    """The member's id, which stays when the address changes."""
    key = await card.get_attribute("componentkey") or ""
    if found := re.search(r"ref(\w[\w-]*?)Topcard$", key):
        reader.matched["member"] = "componentkey of the top card"
        return found[1]
    composing = card.locator('a[href*="/messaging/compose"]')
    for link in await composing.all():
        if found := member_of(await link.get_attribute("href") or ""):
            reader.matched["member"] = "link to a message"
            return found
    return None


# --- controls


def connect_control(card: Locator, slug: str | None, name: str) -> tuple[Candidate, ...]:
    return (
        css(card, '[componentkey^="ConnectButtonstate"][componentkey$="_connect"]'),
        *([css(card, invitation_of(slug))] if slug else []),
        *_inviting(card, name),
        Candidate(
            "control “connect”",
            card.get_by_role("button", name=words.CONNECT.pattern).or_(
                card.get_by_role("link", name=words.CONNECT.pattern)
            ),
        ),
        worded(card, "[tabindex]", words.CONNECT),
    )


def invitation_of(slug: str) -> str:
    """The link that invites exactly this member: another's address may begin like it."""
    start = 'a[href*="/preload/custom-invite"]'
    spelled = {slug.replace("\\", "").replace('"', ""), quote(slug, safe="")}
    return ", ".join(
        f'{start}[href{at}"vanityName={each}{end}" i]'
        for each in sorted(spelled)
        for at, end in (("$=", ""), ("*=", "&"))
    )


def _inviting(scope: Locator, name: str) -> tuple[Candidate, ...]:
    called = re.escape(name)
    pattern = re.compile(
        rf"^\s*(?:invite {called} to connect|{called} (?:als kontakt einladen|einladen.*)"
        rf"|laden sie {called} ein.*|bjud in {called}.*)\s*$",
        re.IGNORECASE,
    )
    return (
        *(
            Candidate(f"{each} “invite NAME”", scope.get_by_role(each, name=pattern))
            for each in ("link", "button", "menuitem")
        ),
        labelled(scope, "invite NAME", pattern),
    )


def pending_control(card: Locator) -> tuple[Candidate, ...]:
    return (
        css(card, '[componentkey^="ConnectButtonstate"][componentkey$="_pending"]'),
        *role(card, "link", "button", "menuitem", named=words.PENDING),
        worded(card, CONTROLS, words.PENDING),
    )


def pending_link(found: Card) -> tuple[Candidate, ...]:
    """In any language: a link from the profile to itself that names the member and says more than the name."""
    if not found.slug or not found.name:
        return ()
    name = _in_quotes(found.name)
    others = (
        '[href*="/overlay/"]',
        '[href*="/edit/"]',
        f'[aria-label="{name}" i]',
        ":has(h1, h2, img, figure)",
    )
    beside = "".join(f":not({each})" for each in others)
    link = f'a[href*="/in/{_in_quotes(found.slug)}"][aria-label*="{name}" i]{beside}'
    return (Candidate("link to itself", found.card.locator(link)),)


def _in_quotes(said: str) -> str:
    return said.replace("\\", "\\\\").replace('"', '\\"')


def message_control(card: Locator) -> tuple[Candidate, ...]:
    return (
        css(card, 'a[href*="/messaging/compose"]'),
        css(card, 'a[href*="/messaging/thread"]'),
        *role(card, "link", "button", named=words.MESSAGE),
    )


def more_button(card: Locator) -> tuple[Candidate, ...]:
    return (
        *role(card, "button", named=words.MORE),
        css(card, "button[aria-expanded]:not([aria-label])"),
        worded(card, "button[aria-expanded], button[aria-haspopup]", words.MORE),
        css(card, "button[aria-haspopup]"),
    )


async def _signs(reader: Reader, found: Card) -> Signs:
    card, name = found.card, found.name or ""
    asked = await _is_asked(reader, found)
    withdrawing = '[componentkey^="ConnectButtonstate"][componentkey$="_withdrawn"]'
    accept, ignore, connect, pending, withdrawn, follow = await asyncio.gather(
        reader.find("accept", role(card, "button", named=words.ACCEPT)),
        reader.find("ignore", role(card, "button", named=words.IGNORE)),
        reader.find("connect", connect_control(card, found.slug, name)),
        reader.find("pending", (*pending_control(card), *pending_link(found))),
        reader.find("withdrawn", (css(card, withdrawing),)),
        reader.find("follow", role(card, "button", named=words.FOLLOW)),
    )
    return Signs(
        is_own=found.is_own,
        pending=pending is not None and is_about(await label(pending), name),
        withdrawn=withdrawn is not None,
        incoming=asked or (accept is not None and ignore is not None),
        connect=connect is not None and withdrawn is None and await _invites(connect, found),
        follow=follow is not None,
        degree=found.degree,
    )


async def _is_asked(reader: Reader, found: Card) -> bool:
    """In any language: two buttons with the member's name, one without a label that unfolds, and no message."""
    named = found.card.locator(f'button[aria-label*="{_in_quotes(found.name or "")}" i]').filter(visible=True)
    unfolding = found.card.locator("button[aria-expanded]:not([aria-label])").filter(visible=True)
    if (await named.count(), await unfolding.count()) != (2, 1):  # Accept and Ignore, and More
        return False
    return await reader.find("message", message_control(found.card)) is None


async def _wait_for_controls(reader: Reader, found: Card) -> None:
    """A card may be there before what can be pressed in it."""
    card = found.card
    waited = (*more_button(card), *message_control(card), *pending_control(card))
    await reader.wait("controls", (*waited, *connect_control(card, found.slug, found.name or "")))
    reader.matched.pop("controls", None)


async def _is_open(control: Locator | None) -> bool:
    return control is not None and await control.get_attribute("aria-disabled") != "true"


def is_about(called: str, name: str) -> bool:
    """A label of more than the one word names whom it is about: anybody else's says nothing here."""
    return " " not in called.strip() or name.casefold() in called.casefold()


async def _invites(control: Locator, found: Card) -> bool:
    address = await control.get_attribute("href") or ""
    invited = invited_by(address)
    return invited is None or found.slug is None or invited.lower() == found.slug.lower()


# --- the menu under "More"


async def open_more(reader: Reader, card: Locator) -> Locator | None:
    """The menu, opened; it hangs at the end of the document and not in the card."""
    page = reader.page
    button = await reader.find("more", more_button(card))
    if button is None:
        return None
    try:
        # the page is hidden from roles and names while the menu is open: a locator would find the button no more
        itself = await button.element_handle(timeout=MENU_OPENS)
        await itself.click(timeout=MENU_OPENS)
        owned = await itself.get_attribute("aria-controls")
    except Error:
        return None
    candidates = (
        *([css(page, f'[id="{owned}"]')] if owned else []),
        css(page, "[role=menu]"),
        css(page, "[popover]:popover-open"),
        css(page, "[data-floating-ui-portal] > *"),
        css(page, ".artdeco-dropdown__content--is-open, .artdeco-dropdown__content"),
    )
    return await Reader(page, MENU_OPENS, reader.matched).wait("menu", candidates)


async def close_menu(page: Page) -> None:
    await page.keyboard.press("Escape")


async def _items(menu: Locator) -> tuple[str, ...]:
    entries = menu.locator(f"{CONTROLS}, li").filter(visible=True)
    read = [" ".join(stretches) for stretches in await texts_of_each(entries)]
    return tuple(dict.fromkeys(filter(None, read)))


async def _with_menu(reader: Reader, menu: Locator, found: Card, seen: Signs) -> Signs:
    name = found.name or ""
    connect = (
        *([css(menu, invitation_of(found.slug))] if found.slug else []),
        *_inviting(menu, name),
        worded(menu, CONTROLS, words.CONNECT),
    )
    meanings: set[str] = set()
    invitation = await reader.find("connect under more", connect)
    if invitation and await _invites(invitation, found):
        meanings.add("connect")
    others = (
        ("pending", pending_control(menu)),
        ("remove connection", (worded(menu, CONTROLS, words.REMOVE_CONNECTION),)),
        ("follow", (worded(menu, CONTROLS, words.FOLLOW),)),
    )
    for meaning, candidates in others:
        if await reader.find(f"{meaning} under more", candidates):
            meanings.add(meaning)
    return replace(seen, more=frozenset(meanings))


async def open_address(reader: Reader, control: Locator) -> str | None:
    """Where a control leads, if it is a link."""
    href = await control.get_attribute("href")
    return urljoin(reader.page.url, href) if href and not href.startswith(("#", "javascript:")) else None
