"""How LinkedIn accounts stood at any instant is answered as it was answered then."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID, uuid4

import pytest
from heraldry.chassis.bus.rpc import Asking
from heraldry.chassis.clock import MovableClock
from heraldry.chassis.codec import Codec, Meta
from heraldry.chassis.past import Pasts
from heraldry.chassis.readmodel import ReadModel, StoreFeed
from heraldry.chassis.store.port import NO_STREAM
from heraldry.chassis.store.sqlite import SqliteStore
from heraldry.chassis.testing.memory import MemoryKeys
from heraldry.contracts.base import By, Event
from heraldry.contracts.linkedin import (
    AccountView,
    LinkedInLinked,
    LinkedInLinkingStarted,
    LinkedInNeedsReconnect,
    LinkedInProfile,
    LinkedInSlowedDown,
    LinkedInUnlinked,
    ListLinkedInAccounts,
    VerificationCodeRequested,
    account_of,
)
from heraldry.contracts.markers import Position
from heraldry.linkedin_driver.api import Questions
from heraldry.linkedin_driver.domain.account import LinkingAccepted
from heraldry.linkedin_driver.domain.linking import SignedIn, SignInClaimed
from heraldry.linkedin_driver.domain.obstacles import SIGNED_OUT, SLOWED_DOWN
from heraldry.linkedin_driver.domain.types import TYPES
from heraldry.linkedin_driver.service import PROJECTIONS

NORTHWIND, OTHERS, ADA, BOB = (UUID(int=n) for n in range(1, 5))
START = datetime(2026, 5, 4, 9, tzinfo=UTC)
OURS, THEIRS = (Asking(uuid4(), By(organization=one, actor="user:ada")) for one in (NORTHWIND, OTHERS))


def anything(random: Random, identity: UUID, at: datetime) -> Event:
    linking = UUID(int=identity.int * 100 + random.randint(1, 2))
    of: dict[str, Any] = {"account": account_of(identity), "identity": identity, "at": at}
    held: dict[str, Any] = {"linking": linking, "held_until": at + timedelta(minutes=1), "at": at}
    profile = LinkedInProfile(first_name="Ada", last_name=f"Berg {random.randint(1, 9)}")
    return random.choice(
        (
            LinkingAccepted(**of, organization=NORTHWIND, linking=linking, secret="one"),
            LinkingAccepted(**of, organization=NORTHWIND, linking=linking, secret="two"),
            LinkedInLinkingStarted(**of, linking=linking, email="ada@northwind.example"),
            SignInClaimed(**held, claim=uuid4()),
            VerificationCodeRequested(**of, linking=linking, by="SMS", hint="34", until=at),
            SignedIn(**held, identity=identity, sender="ada", profile=profile, sales_navigator=False),
            LinkedInLinked(**of, linking=linking, sender="ada", profile=profile, sales_navigator=True),
            LinkedInNeedsReconnect(**of, diagnosis=SIGNED_OUT),
            LinkedInSlowedDown(
                **of,
                diagnosis=SLOWED_DOWN,
                kind="invitation",
                until=at + timedelta(hours=random.randint(1, 9)),
            ),
            LinkedInUnlinked(**of),
        )
    )


@pytest.mark.parametrize("seed", range(2))
async def test_every_answer_about_the_past_is_the_one_that_was_given_then(tmp_path: Path, seed: int) -> None:
    random, keys, clock = Random(seed), MemoryKeys("linkedin-driver"), MovableClock(START)
    for person in (ADA, BOB):
        await keys.create(str(person))
    store = SqliteStore(tmp_path / "store.sqlite3")
    codec = Codec(TYPES, keys)
    model = ReadModel(tmp_path / "read.sqlite3", PROJECTIONS)
    feed = StoreFeed("linkedin-driver", store, codec, model)
    await feed.start()
    questions = Questions(model, Pasts("linkedin-driver", store, codec, clock))
    answered = list[tuple[datetime, tuple[AccountView, ...]]]()
    for _ in range(40):
        clock.forward(timedelta(seconds=1))
        identity = random.choice((ADA, BOB))
        meta = Meta(command=str(uuid4()), actor="system:linkedin-driver", time=clock.now().isoformat())
        stream = f"linkedin-driver.account-{account_of(identity)}"
        last = await store.read_stream_backwards(stream, limit=1)
        new = await codec.encode([anything(random, identity, clock.now())], meta)
        await store.append(stream, new, expected=last[0].revision if last else NO_STREAM)
        head = str(Position("linkedin-driver", store.epoch, await store.head()))
        assert await model.wait_for([head], 10)
        answered.append((clock.now(), await questions.accounts(ListLinkedInAccounts(), OURS)))
    assert len({one.state for _, views in answered for one in views}) > 3
    for at, was in answered:
        past = await questions.accounts(ListLinkedInAccounts(as_of=at), OURS)
        assert [one.model_copy(update={"as_of": None}) for one in past] == list(was)
        assert all(one.as_of is not None and one.as_of.at == at for one in past)
    assert await questions.accounts(ListLinkedInAccounts(as_of=clock.now()), THEIRS) == ()
    await feed.stop()
    model.close()
    await store.close()
