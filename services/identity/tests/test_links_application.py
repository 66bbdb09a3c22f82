"""Links in a real store: killed between any two steps, started again, and used by two replicas at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from heraldry.chassis.bus.rpc import Asking
from heraldry.chassis.clock import FrozenClock
from heraldry.chassis.codec import Codec, Meta
from heraldry.chassis.runner import Runner
from heraldry.chassis.store.port import Appended, NewEvent, StoreUnavailableError
from heraldry.chassis.store.sqlite import SqliteStore
from heraldry.chassis.testing.memory import MemoryKeys
from heraldry.chassis.vault.blobs import Blobs
from heraldry.contracts.base import By, Refused
from heraldry.contracts.identity import ContactDetails, WorkingHours
from heraldry.contracts.share_links import IssueShareLink, LookUpShareLink, TakeShareLink, Way
from heraldry.identity.application import Identities
from heraldry.identity.domain.share_link import ShareLinkTaken, identity_of
from heraldry.identity.service import TYPES
from heraldry.identity.share_links import ShareLinks
from nats.aio.client import Client

NOW = datetime(2026, 5, 4, 9, 30, tzinfo=UTC)
LINK, NORTHWIND, CAUSE = UUID(int=1), UUID(int=2), UUID(int=3)
ADAS, BOBS = "a" * 64, "b" * 64  # browsers
ADMIN = By(organization=NORTHWIND, actor="user:1")
GUEST = By(organization=NORTHWIND, actor=f"link:{LINK}")
SYSTEM = By(organization=NORTHWIND, actor="system:identity", causation="event")


class DyingStore(SqliteStore):
    """Ends before the append that `lives` counts down to."""

    lives = 1_000_000

    async def append(self, stream: str, events: Sequence[NewEvent], *, expected: int) -> Appended:
        if self.lives == 0:
            raise StoreUnavailableError("killed")
        self.lives -= 1
        return await super().append(stream, events, expected=expected)


@dataclass(frozen=True, slots=True)
class Replica:
    """One process of the identity service, as far as links need it."""

    store: DyingStore
    codec: Codec
    links: ShareLinks

    async def events(self) -> list[tuple[str, str]]:
        """(type, actor) of all that is recorded."""
        stored = await self.store.read_all()
        return [(one.type, Meta.read(one).actor) for one in stored]

    async def taken(self) -> ShareLinkTaken:
        """The newest try, as its reaction gets it."""
        decoded = await self.codec.decode(await self.store.read_all())
        return [one.event for one in decoded if isinstance(one.event, ShareLinkTaken)][-1]


@asynccontextmanager
async def replica(folder: Path, keys: MemoryKeys) -> AsyncGenerator[Replica]:
    store = DyingStore(folder / "identity.sqlite3")
    codec = Codec(TYPES, keys)
    runner = Runner("identity", store, codec)
    identities = Identities(runner, keys, Blobs(Client(), "identity"), FrozenClock(NOW))
    yield Replica(store, codec, ShareLinks(runner, identities, FrozenClock(NOW)))
    await store.close()


@pytest.fixture
def keys() -> MemoryKeys:
    return MemoryKeys("identity")


def issue() -> IssueShareLink:
    return IssueShareLink(link=LINK)


def take(browser: str = ADAS, way: Way = "manually", first_name: str = "Ada") -> TakeShareLink:
    return TakeShareLink(
        link=LINK,
        browser=browser,
        way=way,
        name=f"{first_name} Bergström",
        details=ContactDetails(first_name=first_name, last_name="Bergström")
        if way == "manually"
        else ContactDetails(),
        hours=WorkingHours(zone="Europe/Stockholm"),
    )


async def test_two_at_once_at_two_replicas_make_one_identity_and_one_clear_refusal(
    tmp_path: Path, keys: MemoryKeys
) -> None:
    async with replica(tmp_path, keys) as here, replica(tmp_path, keys) as there:
        await here.links.issue(issue(), Asking(uuid4(), ADMIN))
        answers = await asyncio.gather(
            here.links.take(take(ADAS), Asking(uuid4(), GUEST)),
            there.links.take(take(BOBS), Asking(uuid4(), GUEST)),
            return_exceptions=True,
        )
        (refusal,) = [one for one in answers if isinstance(one, BaseException)]
        assert isinstance(refusal, Refused)
        assert refusal.code == "share-link.used"
        taken = await here.taken()
        await asyncio.gather(*(one.links.make(taken, Asking(CAUSE, SYSTEM)) for one in (here, there)))
        assert await here.events() == [
            ("ShareLinkIssued", ADMIN.actor),
            ("ShareLinkTaken", GUEST.actor),
            ("IdentityCreated", GUEST.actor),
            ("ShareLinkRedeemed", GUEST.actor),
        ]


@pytest.mark.parametrize("lives", range(4))
async def test_killed_before_any_append_it_goes_on_after_a_restart(
    tmp_path: Path, keys: MemoryKeys, lives: int
) -> None:
    command = uuid4()
    async with replica(tmp_path, keys) as first:
        await first.links.issue(issue(), Asking(uuid4(), ADMIN))
        first.store.lives = lives
        with suppress(StoreUnavailableError):
            await first.links.take(take(), Asking(command, GUEST))
            await first.links.make(await first.taken(), Asking(CAUSE, SYSTEM))
        assert len(await first.events()) == 1 + lives
    async with replica(tmp_path, keys) as second:
        await second.links.take(take(), Asking(command, GUEST))
        for _ in range(2):  # a reaction may come again
            await second.links.make(await second.taken(), Asking(CAUSE, SYSTEM))
        assert [name for name, _ in await second.events()] == [
            "ShareLinkIssued",
            "ShareLinkTaken",
            "IdentityCreated",
            "ShareLinkRedeemed",
        ]
        found = await second.links.look_up(LookUpShareLink(link=LINK, browser=ADAS), Asking(uuid4(), GUEST))
        assert (found.state, found.yours, found.done, found.identity) == (
            "used",
            True,
            True,
            identity_of(LINK),
        )


async def test_a_failed_sign_in_goes_on_by_hand_with_the_same_identity(
    tmp_path: Path, keys: MemoryKeys
) -> None:
    async with replica(tmp_path, keys) as here:
        await here.links.issue(issue(), Asking(uuid4(), ADMIN))
        await here.links.take(take(way="credentials"), Asking(uuid4(), GUEST))
        await here.links.make(await here.taken(), Asking(uuid4(), SYSTEM))
        await here.links.take(take(first_name="Adah"), Asking(uuid4(), GUEST))
        await here.links.make(await here.taken(), Asking(uuid4(), SYSTEM))
        assert [name for name, _ in await here.events()] == [
            "ShareLinkIssued",
            "ShareLinkTaken",
            "IdentityCreated",
            "ShareLinkTaken",
            "IdentityRenamed",
            "ContactDetailsChanged",
            "ShareLinkRedeemed",
        ]


async def test_a_linked_account_uses_the_link_up_that_made_its_identity_and_no_other(
    tmp_path: Path, keys: MemoryKeys
) -> None:
    async with replica(tmp_path, keys) as here:
        await here.links.issue(issue(), Asking(uuid4(), ADMIN))
        await here.links.linked(identity_of(LINK), Asking(uuid4(), SYSTEM))  # nobody has tried yet
        await here.links.take(take(way="credentials"), Asking(uuid4(), GUEST))
        await here.links.make(await here.taken(), Asking(uuid4(), SYSTEM))
        await here.links.linked(uuid4(), Asking(uuid4(), SYSTEM))
        assert ("ShareLinkRedeemed", GUEST.actor) not in await here.events()
        for _ in range(2):
            await here.links.linked(identity_of(LINK), Asking(uuid4(), SYSTEM))
        assert (await here.events()).count(("ShareLinkRedeemed", GUEST.actor)) == 1


async def test_a_form_that_is_refused_takes_nothing(tmp_path: Path, keys: MemoryKeys) -> None:
    wrong = take().model_copy(
        update={"details": ContactDetails(linkedin_url="https://elsewhere.example/in/ada")}
    )
    async with replica(tmp_path, keys) as here:
        await here.links.issue(issue(), Asking(uuid4(), ADMIN))
        with pytest.raises(Refused) as refusal:
            await here.links.take(wrong, Asking(uuid4(), GUEST))
        assert refusal.value.field == "linkedin_url"
        assert [name for name, _ in await here.events()] == ["ShareLinkIssued"]


async def test_a_refresh_link_is_for_an_identity_of_the_organization(
    tmp_path: Path, keys: MemoryKeys
) -> None:
    async with replica(tmp_path, keys) as here:
        with pytest.raises(Refused) as refusal:
            await here.links.issue(IssueShareLink(link=LINK, identity=uuid4()), Asking(uuid4(), ADMIN))
        assert refusal.value.code == "identity.unknown"
