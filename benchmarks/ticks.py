"""A tick of the engine costs what is due and possible, not what exists.

One process with 100 accounts, each with a campaign of its own. Measured is a tick in which one lead of each account
is due and possible (loaded, assigned, written, permitted and dispatched: 100 in all), among 10,000, 100,000 and
1,000,000 enrollments that are not; and a tick in which every account is asked anew, 100,000 leads are due and no
quota is left. The enrollments that only exist are put into the read model as rows: what they cost is measured, not
how they came about.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final
from uuid import UUID, uuid4, uuid5

from heraldry.contracts.campaigns import (
    CampaignSettings,
    CreateCampaign,
    LeadData,
    LeadsImported,
    PauseCampaign,
    SendEmail,
    StartCampaign,
)
from heraldry.contracts.identity import ContactDetails, IdentityCreated, Interval, WorkingHours
from heraldry.contracts.mailbox import MailboxConnected
from heraldry.contracts.scheduler import ChangeEmailRate, EmailRate
from heraldry.scheduler.leads import NewLead
from measure import Figure, quiet, tell

from simulation.installation import ORGANIZATION, Installation, asking, installation

NOON: Final = datetime(2026, 5, 4, 12, tzinfo=UTC)
ALWAYS: Final = WorkingHours(
    zone="UTC", week=tuple(Interval(day=day, start="00:00", end="24:00") for day in range(1, 8))
)
ACCOUNTS: Final = 100
SIZES: Final = (10_000, 100_000, 1_000_000)
DUE: Final = 100_000  # leads without quota
ROUNDS: Final = 5
STEPS: Final = (SendEmail(subject="Hello {{ first_name }}", text="Good morning, shall we talk?"),)
OTHERS: Final = """INSERT INTO lead
  (enrollment, campaign, organization, identity, person, import_id, ordinal, ready, state, sender, due_at, name,
   email, since, data)
  WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < :count)
  SELECT :kind || i, :campaign, :organization, :identity, 'p' || i, :kind, 1000000 + i, 1, :state, :sender, :due, 'L',
   'l' || i || '@others.example', :since, '{}' FROM n"""


async def account(home: Installation, number: int) -> tuple[UUID, UUID, UUID]:
    """An identity with one inbox, and its campaign, started: identity, inbox, campaign."""
    identity = uuid5(ORGANIZATION, f"identity {number}")
    created = IdentityCreated(
        identity=identity,
        organization=ORGANIZATION,
        name=f"I{number}",
        details=ContactDetails(first_name="I"),
        hours=ALWAYS,
        at=home.clock.now(),
    )
    await home.hear(f"identity.identity-{identity}", created, identity)
    inbox = uuid5(identity, "inbox")
    connected = MailboxConnected(
        inbox=inbox, identity=identity, address=f"i{number}@bench.example", at=home.clock.now()
    )
    await home.hear(f"mailbox.inbox-{inbox}", connected, identity)
    return identity, inbox, await campaign_of(home, identity)


async def campaign_of(home: Installation, identity: UUID) -> UUID:
    campaign = uuid4()
    settings = CampaignSettings(name="Bench", identity=identity, pace="at once", steps=STEPS)
    await home.campaigns.create(CreateCampaign(campaign=campaign, settings=settings), asking())
    await enroll(home, campaign, identity, "first")
    await home.campaigns.start(StartCampaign(campaign=campaign), asking())
    return campaign


async def enroll(home: Installation, campaign: UUID, identity: UUID, name: str) -> None:
    """One lead that is due at once."""
    import_id = uuid4()
    data = LeadData(first_name="Lea", email=f"{name}@{campaign}.example")
    await home.leads.enroll(NewLead(campaign, ORGANIZATION, identity, import_id, 0, data), asking())
    imported = LeadsImported(
        import_id=import_id, campaign=campaign, identity=identity, leads=1, at=home.clock.now()
    )
    await home.append(f"import-{import_id}", imported, identity)


def put(home: Installation, kind: str, count: int, **more: str) -> None:
    """Rows of leads of which the store knows nothing."""
    values = {"organization": str(ORGANIZATION), "since": NOON.isoformat(), "sender": "", "due": "", **more}
    home.model.read(lambda db: db.execute(OTHERS, {"kind": kind, "count": count, **values}))


async def others(home: Installation, size: int, accounts: list[tuple[UUID, UUID, UUID]]) -> None:
    """Half have ended, a quarter is due later, a quarter waits in a campaign that is paused."""
    paused = await campaign_of(home, accounts[0][0])
    await home.campaigns.pause(PauseCampaign(campaign=paused), asking())
    senders = home.model.read(
        lambda db: [row[0] for row in db.execute("SELECT sender FROM account").fetchall()]
    )
    later = (NOON + timedelta(days=90)).isoformat()
    each = size // len(accounts)
    for number, (identity, _, campaign) in enumerate(accounts):
        about = {"identity": str(identity), "campaign": str(campaign)}
        put(home, f"ended{number}-", each // 2, **about, state="finished")
        put(
            home,
            f"later{number}-",
            each // 4,
            **about,
            state="in progress",
            sender=senders[number],
            due=later,
        )
    put(home, "paused-", size // 4, identity=str(accounts[0][0]), campaign=str(paused), state="waiting")


async def tick(home: Installation, accounts: list[tuple[UUID, UUID, UUID]]) -> float:
    """Seconds of a tick in which every account is asked."""
    await home.scheduling.up_to_date()
    home.engine.look_again(*(str(identity) for identity, _, _ in accounts))
    before = time.perf_counter()
    await home.engine.tick()
    return time.perf_counter() - before


async def dispatched(home: Installation) -> int:
    return home.model.read(
        lambda db: int(db.execute("SELECT count(*) FROM lead WHERE attempt <> ''").fetchone()[0])
    )


async def measured(size: int) -> tuple[float, float]:
    """Seconds of a tick with 100 due and possible, and of one with 100,000 due and no quota."""
    with tempfile.TemporaryDirectory() as folder:
        async with installation(Path(folder), NOON) as home:
            accounts = [await account(home, number) for number in range(ACCOUNTS)]
            await others(home, size, accounts)
            await tick(home, accounts)  # the first leads, and what is done once
            possible: list[float] = []
            for number in range(ROUNDS):
                home.clock.forward(timedelta(minutes=71))
                for identity, _, campaign in accounts:
                    await enroll(home, campaign, identity, f"round{number}")
                before = await dispatched(home)
                possible.append(await tick(home, accounts))
                if await dispatched(home) - before != ACCOUNTS:
                    raise RuntimeError("not everything that was due was dispatched")
            for number, (identity, inbox, campaign) in enumerate(accounts):
                nothing = ChangeEmailRate(inbox=inbox, rate=EmailRate(per_day=0, per_hour=0))
                await home.scheduling.change_rate(nothing, asking())
                about = {"identity": str(identity), "campaign": str(campaign)}
                put(home, f"due{number}-", DUE // ACCOUNTS, **about, state="waiting")
            exhausted = [await tick(home, accounts) for _ in range(ROUNDS)]
            return statistics.median(possible), statistics.median(exhausted)


async def main() -> None:
    quiet()
    found = {size: await measured(size) for size in SIZES}
    smallest, largest = SIZES[0], SIZES[-1]
    tell(
        Figure(
            "A tick with 100 due and possible: among 1,000,000 enrollments ÷ among 10,000",
            found[largest][0] / found[smallest][0],
            1.5,
            at_most=True,
            unit="×",
            measured={f"ms among {size}": 1000 * due for size, (due, _) in found.items()},
        )
    )
    tell(
        Figure(
            "A tick with 100,000 due and no quota left ÷ one with 100 due and possible, among 1,000,000",
            found[largest][1] / found[largest][0],
            1.0,
            at_most=True,
            unit="×",
            measured={f"ms among {size}": 1000 * none for size, (_, none) in found.items()},
        )
    )


if __name__ == "__main__":
    asyncio.run(main())
