"""LinkedIn's pages, used by somebody who is signed in: the right profile, ready, the click, a fresh load."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final

import structlog
from heraldry.contracts.linkedin import Obstacle
from heraldry.linkedin_driver.adapters.pages import (
    conversations,
    inviting,
    lists,
    message,
    profile,
    reading,
    withdrawing,
    writing,
)
from heraldry.linkedin_driver.adapters.pages.obstacles import obstacle
from heraldry.linkedin_driver.adapters.pages.parts import Reader
from heraldry.linkedin_driver.adapters.pages.toasts import said_after
from heraldry.linkedin_driver.adapters.problems import (
    LayoutChanged,
    NoMessage,
    NotFound,
    NotPending,
)
from heraldry.linkedin_driver.adapters.site import Site, go
from heraldry.linkedin_driver.domain.hindrances import (
    INVITED_BY_THEM,
    MESSAGE_FAILED,
    MOVED,
    NO_SUCH_PROFILE,
    NOT_CONNECTED,
    NOT_OFFERED,
    NOT_WITHDRAWN,
    NOTES_USED_UP,
    OWN_PROFILE,
    STILL_PENDING,
    TAKES_NONE_NOW,
)
from heraldry.linkedin_driver.domain.obstacles import (
    ACCEPTED_MEANWHILE,
    ALREADY_CONNECTED,
    ALREADY_INVITED,
    NOT_FOUND,
)
from heraldry.linkedin_driver.ports import (
    Click,
    Done,
    Heard,
    Hindered,
    Listed,
    NotDone,
    Outcome,
    Standing,
    Unsure,
    Wanted,
)
from playwright.async_api import Page

log = structlog.stdlib.get_logger(__name__)
PENDING_SHOWN: Final = "A fresh load of the profile shows the invitation as pending."
CONNECTED_SHOWN: Final = "A fresh load of the profile shows that you are connected."
GONE_SHOWN: Final = "A fresh load of the profile shows no pending invitation any more."
READ: Final = "The profile was open, and this stood there."
MESSAGE_SHOWN: Final = "A fresh load of the conversation shows the message."
_NOT_PENDING: Final = frozenset(
    {"withdrawn", "connectable", "connectable_under_more", "follow_only", "incoming"}
)
_INVITABLE: Final = frozenset({"connectable", "connectable_under_more"})


class SignedIn:
    """One page of one identity's context."""

    def __init__(self, page: Page, site: Site) -> None:
        self._page, self._site = page, site
        self._reader = Reader(page)

    async def act(self, wanted: Wanted, click: Click) -> Outcome:
        async with self._explained():
            if wanted.kind == "scraping":
                return await self._read(wanted, click)
            person = await self._person(wanted)
            match wanted.kind:
                case "invitation":
                    return await self._invite(wanted, person, click)
                case "withdrawal":
                    return await self._withdraw(wanted, person, click)
                case "message":
                    return await self._write(wanted, person, click)

    async def look(self, wanted: Wanted, alike: int) -> Outcome:
        async with self._explained():
            if wanted.kind == "scraping":
                return Unsure()
            person = await self._person(wanted)
            match wanted.kind:
                case "invitation":
                    return after_inviting(person.relation)
                case "withdrawal":
                    return after_withdrawing(person.relation)
                case "message":
                    return await self._look_for(wanted.text, person, alike)

    async def standing(self, slug: str) -> Standing:
        async with self._explained():
            person = await self._profile(slug)
            match person.relation:
                case "pending" | "connected":
                    return person.relation
                case "unknown" | "self":
                    return "unknown"
                case _:
                    return "nothing"

    async def sent(self) -> Listed:
        async with self._explained():
            await self._open(self._site.address("/mynetwork/invitation-manager/sent/"))
            read = await lists.read_sent(self._reader)
            return Listed(frozenset(each.slug for each in read.invitations if each.slug), read.whole)

    async def connections(self, most: int) -> Listed:
        async with self._explained():
            await self._open(self._site.address("/mynetwork/invite-connect/connections/"))
            read = await lists.read_connections(self._reader, most)
            return Listed(frozenset(each.slug for each in read.connections if each.slug), read.whole)

    async def heard(self) -> tuple[Heard, ...]:
        async with self._explained():
            return await conversations.read_newest(self._reader, self._site.address("/feed/"))

    # --- reading

    async def _read(self, wanted: Wanted, click: Click) -> Outcome:
        """Nothing is pressed: opening the profile is what counts, at LinkedIn too."""
        await click.before("", 0)
        await self._open(self._site.profile(wanted.slug))
        card, data = await reading.read_data(self._reader)
        await click.after()
        if not is_meant(card, wanted):
            raise Hindered(MOVED, "not found")
        return Done(READ, data)

    # --- inviting

    async def _invite(self, wanted: Wanted, person: profile.Profile, click: Click) -> Outcome:
        if hindrance := not_invitable(person):
            return NotDone(hindrance)
        await self._open(self._site.invitation(person.slug or wanted.slug))
        send = await inviting.ready_to_send(self._reader, wanted.text)
        if isinstance(send, Obstacle):
            return _not_done(send)
        await click.before(person.member or "", 0)
        await send.click()
        await click.after()
        said = inviting.told_by(await said_after(self._reader, send))
        if said is None and wanted.text and await inviting.offers_premium(self._reader):
            said = NOTES_USED_UP
        found = after_inviting((await self._profile(person.slug or wanted.slug)).relation)
        return _not_done(said) if said and isinstance(found, Unsure) else found

    # --- withdrawing

    async def _withdraw(self, wanted: Wanted, person: profile.Profile, click: Click) -> Outcome:
        match person.relation:
            case "pending":
                pass
            case "connected":
                return NotDone(ACCEPTED_MEANWHILE)
            case "unknown":
                raise LayoutChanged("profile", ["how the person stands to the account"])
            case _:
                return NotDone(NOT_FOUND)
        try:
            confirm = await withdrawing.ready_to_withdraw(self._reader)
        except NotPending:
            return NotDone(NOT_FOUND)
        await click.before(person.member or "", 0)
        await confirm.click()
        await click.after()
        refused = withdrawing.was_refused(await said_after(self._reader, confirm))
        found = after_withdrawing((await self._profile(person.slug or wanted.slug)).relation)
        return NotDone(NOT_WITHDRAWN, passes=True) if refused and isinstance(found, Unsure) else found

    # --- writing

    async def _write(self, wanted: Wanted, person: profile.Profile, click: Click) -> Outcome:
        if person.relation == "unknown":
            raise LayoutChanged("profile", ["how the person stands to the account"])
        if person.relation != "connected":
            return NotDone(OWN_PROFILE if person.relation == "self" else NOT_CONNECTED)
        try:
            address = await message.open_from_profile(self._reader)
        except NoMessage:
            return NotDone(NOT_CONNECTED)
        if wrong := await writing.opened_with(self._reader, person):
            return NotDone(wrong)
        before = await writing.alike(self._reader, wanted.text)
        send = await writing.ready_to_send(self._reader, wanted.text)
        await click.before(person.member or "", before)
        await send.click()
        await click.after()
        refused = await writing.refused_after(self._reader)
        await self._open(address or self._page.url)
        found = await self._shown(wanted.text, person, before)
        return NotDone(MESSAGE_FAILED, passes=True) if refused and isinstance(found, Unsure) else found

    async def _look_for(self, text: str, person: profile.Profile, alike: int) -> Outcome:
        if person.relation != "connected":
            return Unsure()
        await message.open_from_profile(self._reader)
        return await self._shown(text, person, alike)

    async def _shown(self, text: str, person: profile.Profile, before: int) -> Outcome:
        if await writing.opened_with(self._reader, person):
            return Unsure()
        return Done(MESSAGE_SHOWN) if await writing.alike(self._reader, text) > before else Unsure()

    # --- pages

    async def _person(self, wanted: Wanted) -> profile.Profile:
        """The profile of the person who is meant.

        Raises:
            Hindered: the site led to another one, and nothing shows that it is the same person's.
        """
        person = await self._profile(wanted.slug)
        if is_meant(person, wanted):
            return person
        raise Hindered(MOVED, "not found")

    async def _profile(self, slug: str) -> profile.Profile:
        await self._open(self._site.profile(slug))
        return await profile.read_profile(self._reader)

    async def _open(self, address: str) -> None:
        await go(self._page, address)
        if problem := await obstacle(self._reader):
            raise problem

    @asynccontextmanager
    async def _explained(self) -> AsyncGenerator[None]:
        """What looks like a new layout may be another page altogether, that came late."""
        try:
            yield
        except NotFound as problem:
            raise Hindered(NO_SUCH_PROFILE, "not found") from problem
        except LayoutChanged:
            if problem := await obstacle(self._reader):
                raise problem from None
            raise


def is_meant(person: profile.Profile | profile.Card, wanted: Wanted) -> bool:
    """The address is the one that was opened, the member's own id, or the site's new one of somebody of that name."""
    if person.slug is None:
        return False
    if (
        person.slug.casefold() == wanted.slug.casefold()
        or (person.member or "").casefold() == wanted.slug.casefold()
    ):
        return True
    return (
        bool(wanted.name)
        and writing.folded(person.name or "").casefold() == writing.folded(wanted.name).casefold()
    )


def not_invitable(person: profile.Profile) -> Obstacle | None:
    """Why the profile takes no invitation.

    Raises:
        LayoutChanged: it does not say how the person stands to the account.
    """
    match person.relation:
        case "connectable" | "connectable_under_more":
            return None
        case "pending":
            return ALREADY_INVITED
        case "connected":
            return ALREADY_CONNECTED
        case "withdrawn":
            return TAKES_NONE_NOW
        case "incoming":
            return INVITED_BY_THEM
        case "self":
            return OWN_PROFILE
        case "follow_only":
            return NOT_OFFERED
        case "unknown":
            raise LayoutChanged("profile", ["how the person stands to the account"])


def after_inviting(relation: profile.Relation) -> Outcome:
    match relation:
        case "pending":
            return Done(PENDING_SHOWN)
        case "connected":
            return Done(CONNECTED_SHOWN)
        case _:
            return Unsure()


def after_withdrawing(relation: profile.Relation) -> Outcome:
    if relation in _NOT_PENDING:
        return Done(GONE_SHOWN)
    if relation == "connected":
        return NotDone(ACCEPTED_MEANWHILE)
    return Unsure(STILL_PENDING if relation == "pending" else None)


def _not_done(diagnosis: Obstacle) -> NotDone:
    return NotDone(diagnosis, passes=diagnosis.kind == "transient")
