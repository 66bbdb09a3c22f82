"""Reads one page of LinkedIn and says what was found, and by which locator. Nothing is changed there."""

from __future__ import annotations

import tempfile
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Final, Literal, TypeAlias, cast, get_args

from heraldry.linkedin_driver.adapters import browser, evidence
from heraldry.linkedin_driver.adapters.pages import (
    checkpoint,
    invite,
    lists,
    login,
    message,
    profile,
    session,
    withdraw,
)
from heraldry.linkedin_driver.adapters.pages.obstacles import obstacle
from heraldry.linkedin_driver.adapters.pages.parts import Reader
from heraldry.linkedin_driver.adapters.problems import (
    BrowserFailed,
    LayoutChanged,
    NotFound,
    Problem,
    SessionEnded,
    SlowDown,
    TookTooLong,
)
from heraldry.linkedin_driver.adapters.site import Site, go, hindrance
from playwright.async_api import Browser, Error

PageName: TypeAlias = Literal[
    "login", "checkpoint", "self", "profile", "invite", "sent", "withdraw", "message", "connections"
]
PAGES: Final[tuple[PageName, ...]] = get_args(PageName)
OF_A_MEMBER: Final = frozenset({"profile", "invite", "withdraw", "message"})
SECONDS: Final = 120.0


@dataclass(frozen=True, slots=True)
class Asked:
    site: Site
    page: PageName
    slug: str | None = None
    state: Path | None = None  # cookies and storage as Playwright keeps them
    evidence: Path | None = None  # a folder for pictures of pages that are not understood
    seconds: float = SECONDS


async def probe(asked: Asked) -> dict[str, object]:
    """One document: `answered` with what was `read`, or not, with code, cause and resolution."""
    try:
        async with browser.chromium(seconds=asked.seconds) as chromium:
            return await look(chromium, asked)
    except TimeoutError:
        problem: Problem = TookTooLong(f"{asked.seconds:g} seconds were allowed.")
    except Problem as met:
        problem = met
    return _document(asked, None, answered=False) | problem.document()


async def look(chromium: Browser, asked: Asked) -> dict[str, object]:
    """The same in a browser that is there."""
    reader: Reader | None = None
    try:
        async with browser.context(chromium, asked.state) as context:
            reader = Reader(await context.new_page())
            try:
                read = await _READ[asked.page](reader, asked)
            except LayoutChanged as changed:
                raise await _explained(changed, reader, asked) from changed
            return _document(asked, reader, answered=True) | {"read": plain(read), "matched": reader.matched}
    except Error as error:
        problem: Problem = BrowserFailed(error.message.strip().splitlines()[0])
    except Problem as met:
        problem = met
    document = _document(asked, reader, answered=False) | problem.document()
    return document | ({"matched": reader.matched} if reader else {})


def plain(value: object) -> object:
    """As JSON has it."""
    match value:
        case Problem():
            return value.document()
        case tuple():
            return [plain(each) for each in cast("tuple[object, ...]", value)]
        case _ if is_dataclass(value):
            return {each.name: plain(getattr(value, each.name)) for each in fields(value)}
        case _:
            return value


def _document(asked: Asked, reader: Reader | None, *, answered: bool) -> dict[str, object]:
    """The address without its query, which may hold what lets others in."""
    address = reader.page.url.split("?")[0] if reader else None
    return {"page": asked.page, "slug": asked.slug, "address": address, "answered": answered}


async def _explained(changed: LayoutChanged, reader: Reader, asked: Asked) -> Problem:
    """What looks like a new layout may be another page altogether, that came late."""
    if asked.page not in {"login", "checkpoint"} and (problem := await obstacle(reader)):
        return problem
    folder = asked.evidence or Path(tempfile.mkdtemp(prefix="heraldry-linkedin-"))
    screenshot, snapshot = await evidence.keep(reader.page, folder)
    return LayoutChanged(changed.page, changed.missing, screenshot=screenshot, snapshot=snapshot)


# --- the pages


async def _open(reader: Reader, address: str) -> None:
    await go(reader.page, address)
    if problem := await obstacle(reader):
        raise problem


async def _login(reader: Reader, asked: Asked) -> login.Login:
    await go(reader.page, asked.site.address("/login"))
    problem = hindrance(reader.page.url)
    if problem and not isinstance(problem, SessionEnded):
        raise problem
    read = await login.read_login(reader)
    if read.shape == "unknown":
        raise LayoutChanged("login", ["password"])
    return read


async def _checkpoint(reader: Reader, asked: Asked) -> checkpoint.Checkpoint:
    """It has no address of its own: it comes in place of what one wants to see."""
    paths = ("/checkpoint/challenge/", "/checkpoint/", "/feed/")
    for path in paths[:1] if asked.site.is_one_page else paths:
        try:
            await go(reader.page, asked.site.address(path))
        except NotFound:
            continue
        read = await checkpoint.read_checkpoint(reader)
        if read.kind != "unknown":
            return read
    match hindrance(reader.page.url):
        case None if not asked.site.is_one_page:
            raise NotFound("No checkpoint stands in the way.")
        case SessionEnded() | NotFound() | SlowDown() as problem:
            raise problem
        case _:
            raise LayoutChanged("checkpoint", ["kind"])


async def _self(reader: Reader, asked: Asked) -> session.Self:
    if not asked.site.is_one_page:
        await _open(reader, asked.site.address("/feed/"))
        if not (await session.read_session(reader)).signed_in:
            raise LayoutChanged("self", ["navigation"])
    await _open(reader, asked.site.address("/in/me/"))
    read = await session.read_self(reader)
    if read.name is None:
        raise LayoutChanged("self", ["name"])
    return read


async def _profile(reader: Reader, asked: Asked) -> profile.Profile:
    await _open(reader, asked.site.profile(asked.slug or ""))
    return await profile.read_profile(reader)


async def _invite(reader: Reader, asked: Asked) -> invite.Invite:
    """By its own address: a click on "Connect" may send at once."""
    await _open(reader, asked.site.invitation(asked.slug or ""))
    return await invite.read_invite(reader)


async def _withdraw(reader: Reader, asked: Asked) -> withdraw.Withdrawal:
    await _open(reader, asked.site.profile(asked.slug or ""))
    return await withdraw.read_withdrawal(reader)


async def _message(reader: Reader, asked: Asked) -> message.Thread:
    await _open(reader, asked.site.profile(asked.slug or ""))
    if not asked.site.is_one_page:
        await message.open_from_profile(reader)
    return await message.read_thread(reader)


async def _sent(reader: Reader, asked: Asked) -> lists.SentInvitations:
    await _open(reader, asked.site.address("/mynetwork/invitation-manager/sent/"))
    return await lists.read_sent(reader)


async def _connections(reader: Reader, asked: Asked) -> lists.Connections:
    await _open(reader, asked.site.address("/mynetwork/invite-connect/connections/"))
    return await lists.read_connections(reader)


_READ: Final[Mapping[PageName, Callable[[Reader, Asked], Awaitable[object]]]] = {
    "login": _login,
    "checkpoint": _checkpoint,
    "self": _self,
    "profile": _profile,
    "invite": _invite,
    "sent": _sent,
    "withdraw": _withdraw,
    "message": _message,
    "connections": _connections,
}
