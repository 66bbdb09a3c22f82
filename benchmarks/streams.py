"""Does a stream need a snapshot? A decision on a sending account's stream after 100 days of mails ÷ after one day.

Both accounts sent 30 mails a day. The stream is read backwards as far as the decision needs (25 hours and the settings), in
a process that has not met the account before. Told beside it: what a command costs on a stream that is read whole,
an identity that was renamed a thousand times.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final
from uuid import uuid4

from heraldry.chassis.bus.rpc import Asking
from heraldry.chassis.clock import MovableClock
from heraldry.chassis.codec import Codec, Meta
from heraldry.chassis.decider import Decider
from heraldry.chassis.readmodel import ReadModel
from heraldry.chassis.runner import Asked, Runner
from heraldry.chassis.store.port import NO_STREAM
from heraldry.chassis.store.sqlite import SqliteStore
from heraldry.chassis.testing.memory import MemoryKeys
from heraldry.contracts.base import By
from heraldry.contracts.identity import ContactDetails
from heraldry.contracts.registry import types_of
from heraldry.contracts.scheduler import EmailRate
from heraldry.identity.domain import identity
from heraldry.scheduler.application import CONTEXT, Account, Scheduling
from heraldry.scheduler.domain.sender import Dispatch, Settle
from heraldry.scheduler.domain.sender_events import SenderCampaignOpened, SenderOpened
from heraldry.scheduler.service import TYPES
from measure import Figure, quiet, tell
from permits import ALWAYS, BY, CAMPAIGN, IDENTITY, INBOX, LETTER, ORG, SharedKeys

DAYS: Final = 100
A_DAY: Final = 30
ROUNDS: Final = 50
RENAMED: Final = 1000
NOW: Final = datetime(2026, 5, 4, 12, tzinfo=UTC)


async def sent(folder: Path, days: int) -> float:
    """Milliseconds of a decision after so many days of mails, each time in a process that has read nothing yet."""
    store, codec, clock = (
        SqliteStore(folder / f"{days}.sqlite3"),
        Codec(TYPES, SharedKeys()),
        MovableClock(NOW),
    )
    await _open(store, codec)
    model = ReadModel(folder / f"{days}-read.sqlite3", ())
    runner = Runner(CONTEXT, store, codec)
    writing = Scheduling(runner, store, model, SharedKeys(), clock)
    for _ in range(days * A_DAY):
        await _send(writing, clock)
    taken: list[float] = []
    for _ in range(ROUNDS):
        fresh = Scheduling(runner, store, model, SharedKeys(), clock)
        started = time.perf_counter()
        await _send(fresh, clock)
        taken.append(1000 * (time.perf_counter() - started))
    model.close()
    await store.close()
    return statistics.median(taken)


async def _open(store: SqliteStore, codec: Codec) -> None:
    rate = EmailRate(per_day=A_DAY + 1, per_hour=5)
    events = (
        SenderOpened(
            sender="1",
            organization=ORG,
            inbox=INBOX,
            identity=IDENTITY,
            zone="UTC",
            rate=rate,
            hours=ALWAYS,
            at=NOW,
        ),
        SenderCampaignOpened(sender="1", campaign=CAMPAIGN, source_revision=1, at=NOW),
    )
    meta = Meta(command=str(uuid4()), actor=BY.actor, time=NOW.isoformat(), organization=str(ORG))
    await store.append(f"{CONTEXT}.sender-1", await codec.encode(events, meta), expected=NO_STREAM)


async def _send(scheduling: Scheduling, clock: MovableClock) -> None:
    """A permit, and its outcome a minute later; the next one is due a thirtieth of a day after it."""
    attempt = uuid4()
    step = Dispatch(ORG, attempt, LETTER, clock.now(), CAMPAIGN, uuid4(), IDENTITY)
    ran = await scheduling.dispatch_step("1", step, Asking(attempt, BY))
    if not ran.fresh:
        raise SystemExit("no permit")
    asked = Asking(uuid4(), BY)
    await scheduling.run(
        Account("1", IDENTITY, ORG),
        Settle(attempt, proven_not_sent=False, at=clock.now() + timedelta(minutes=1)),
        asked,
    )
    clock.forward(timedelta(days=1) / A_DAY)


async def renamed(folder: Path, times: int) -> float:
    """Milliseconds of one more change of an identity that was renamed so often."""
    store, keys = SqliteStore(folder / f"names-{times}.sqlite3"), MemoryKeys("identity")
    who = uuid4()
    await keys.create(str(who))
    runner = Runner("identity", store, Codec(types_of("identity"), keys))
    names: Decider[identity.Command, identity.State, identity.Event] = Decider(
        identity.NOBODY, identity.decide, identity.evolve
    )
    made = identity.Create(who, ORG, "Ada", ContactDetails(), "", ALWAYS, NOW)
    taken: list[float] = []
    known = await runner.run(names, f"identity-{who}", made, _asked())
    for number in range(times):
        known = await runner.run(
            names, f"identity-{who}", identity.Rename(ORG, NOW, f"Ada {number}"), _asked(), known=known
        )
    for number in range(ROUNDS):
        started = time.perf_counter()
        await runner.run(names, f"identity-{who}", identity.Rename(ORG, NOW, f"Bea {number}"), _asked())
        taken.append(1000 * (time.perf_counter() - started))
    await store.close()
    return statistics.median(taken)


def _asked() -> Asked:
    return Asked(uuid4(), By(organization=ORG, actor="user:ada"), NOW)


async def measured() -> None:
    with tempfile.TemporaryDirectory(prefix="heraldry-bench-") as name:
        folder = Path(name)
        long, short = await sent(folder, DAYS), await sent(folder, 1)
        whole, new = await renamed(folder, RENAMED), await renamed(folder, 1)
    tell(
        Figure(
            "a decision on an account after 100 days of mails ÷ after one day",
            long / short,
            1.5,
            at_most=True,
            unit="×",
            measured={
                "ms, after 100 days": long,
                "ms, after one": short,
                "ms, an identity renamed 1,000 times": whole,
                "ms, renamed once": new,
            },
        )
    )


def main() -> None:
    quiet()
    asyncio.run(measured())


if __name__ == "__main__":
    main()
