"""How inboxes stood at any instant is answered as it was answered then."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any, cast
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
from heraldry.contracts.base import By, Event, Refused
from heraldry.contracts.mailbox import (
    Diagnosed,
    FindInbox,
    InboxView,
    ListInboxes,
    MailboxConnected,
    MailboxConnectionFailed,
    MailboxDisconnected,
    MailboxNeedsReconnect,
    MailboxPaused,
    MailboxResumed,
    Server,
)
from heraldry.contracts.markers import Position
from heraldry.mailbox.api import Questions
from heraldry.mailbox.application import Application
from heraldry.mailbox.domain.inbox import MailboxConnectionStarted
from heraldry.mailbox.domain.types import TYPES
from heraldry.mailbox.service import PROJECTIONS
from nacl.public import PrivateKey

NORTHWIND, OTHERS, ADA, BOB = (UUID(int=n) for n in range(1, 5))
INBOXES = [UUID(int=n) for n in range(11, 14)]
START = datetime(2026, 5, 4, 9, tzinfo=UTC)
OURS, THEIRS = (Asking(uuid4(), By(organization=one, actor="user:ada")) for one in (NORTHWIND, OTHERS))
WRONG = Diagnosed(code="credentials.invalid", cause="Wrong.", resolution="Check it.")


@dataclass(slots=True)
class Office:
    """The log of the mailbox context, its read model, and who answers from both."""

    store: SqliteStore
    codec: Codec
    model: ReadModel
    clock: MovableClock
    questions: Questions

    async def record(self, event: Event, inbox: UUID) -> None:
        self.clock.forward(timedelta(seconds=1))
        meta = Meta(
            command=str(uuid4()),
            actor="system:mailbox",
            time=self.clock.now().isoformat(),
            organization=str(NORTHWIND),
        )
        stream = f"mailbox.inbox-{inbox}"
        last = await self.store.read_stream_backwards(stream, limit=1)
        new = await self.codec.encode([event], meta)
        await self.store.append(stream, new, expected=last[0].revision if last else NO_STREAM)
        head = str(Position("mailbox", self.store.epoch, await self.store.head()))
        assert await self.model.wait_for([head], 10)

    async def all(self, as_of: datetime | None = None, identity: UUID | None = None) -> tuple[InboxView, ...]:
        return await self.questions.list(ListInboxes(identity=identity, as_of=as_of), OURS)

    async def one(self, inbox: UUID, as_of: datetime | None = None, asking: Asking = OURS) -> InboxView | str:
        """The code of what is refused."""
        try:
            return await self.questions.find(FindInbox(inbox=inbox, as_of=as_of), asking)
        except Refused as refusal:
            return refusal.code


@pytest.fixture
async def office(tmp_path: Path) -> AsyncGenerator[Office]:
    keys, clock = MemoryKeys("mailbox"), MovableClock(START)
    for person in (ADA, BOB):
        await keys.create(str(person))
    store = SqliteStore(tmp_path / "mailbox.sqlite3")
    codec = Codec(TYPES, keys)
    model = ReadModel(tmp_path / "read.sqlite3", PROJECTIONS)
    feed = StoreFeed("mailbox", store, codec, model)
    await feed.start()
    nobody = cast("Application", None)  # asked for nothing here
    questions = Questions(nobody, model, PrivateKey.generate(), Pasts("mailbox", store, codec, clock))
    yield Office(store, codec, model, clock, questions)
    await feed.stop()
    model.close()
    await store.close()


def anything(random: Random, inbox: UUID, now: datetime) -> Event:
    identity = random.choice((ADA, BOB))
    of: dict[str, Any] = {"inbox": inbox, "identity": identity, "at": now}
    server = Server(host=f"mail{random.randint(1, 9)}.example", port=993, security="tls")
    return random.choice(
        (
            *(
                2
                * (
                    MailboxConnectionStarted(
                        **of,
                        organization=NORTHWIND,
                        trial=uuid4(),
                        address=f"{inbox.int}@northwind.example",
                        imap=server,
                        smtp=server,
                        secret="one",
                    ),
                )
            ),
            *(3 * (MailboxConnected(**of, address=f"{inbox.int}@northwind.example"),)),
            MailboxConnectionFailed(**of, diagnosis=WRONG),
            MailboxNeedsReconnect(**of, diagnosis=WRONG),
            MailboxDisconnected(**of),
            MailboxPaused(**of, code="bounce-rate", reason="Too many.", sent=20, bounced=2),
            MailboxResumed(**of),
        )
    )


@pytest.mark.parametrize("seed", range(2))
async def test_every_answer_about_the_past_is_the_one_that_was_given_then(office: Office, seed: int) -> None:
    random = Random(seed)
    answered = list[tuple[datetime, tuple[InboxView, ...], list[InboxView | str]]]()
    for _ in range(40):
        inbox = random.choice(INBOXES)
        await office.record(anything(random, inbox, office.clock.now()), inbox)
        now = office.clock.now()
        answered.append((now, await office.all(identity=ADA), [await office.one(one) for one in INBOXES]))
    for at, inboxes, each in answered:
        past = await office.all(at, ADA)
        assert [one.model_copy(update={"as_of": None}) for one in past] == list(inboxes)
        assert all(one.as_of is not None and one.as_of.at == at for one in past)
        for inbox, was in zip(INBOXES, each, strict=True):
            found = await office.one(inbox, at)
            if isinstance(was, str):
                assert found in {"inbox.unknown", "as-of.before"}
            else:
                assert isinstance(found, InboxView)
                assert found.model_copy(update={"as_of": None}) == was


async def test_before_it_was_there_and_for_others_there_is_none(office: Office) -> None:
    inbox, before = INBOXES[0], office.clock.now()
    await office.record(anything(Random(1), inbox, before), inbox)
    started = MailboxConnectionStarted(
        inbox=inbox,
        identity=ADA,
        at=before,
        organization=NORTHWIND,
        trial=uuid4(),
        address="ada@northwind.example",
        imap=Server(host="mail.example", port=993, security="tls"),
        smtp=Server(host="mail.example", port=465, security="tls"),
        secret="one",
    )
    await office.record(started, inbox)
    assert await office.one(inbox, before) == "as-of.before"
    for at in (before, office.clock.now()):
        assert await office.one(inbox, at, THEIRS) == "inbox.unknown"
    assert await office.questions.list(ListInboxes(as_of=office.clock.now()), THEIRS) == ()
    assert await office.one(inbox, office.clock.now() + timedelta(seconds=1)) == "as-of.future"
