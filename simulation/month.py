"""The plot: identities with inboxes and leads, a month, and what became of it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from time import monotonic
from typing import Final, cast
from uuid import UUID, uuid5

from heraldry.contracts.campaigns import (
    CampaignSettings,
    CreateCampaign,
    LeadData,
    LeadsImported,
    PauseCampaign,
    ResumeCampaign,
    SendEmail,
    StartCampaign,
)
from heraldry.contracts.identity import ContactDetails, IdentityCreated, WorkingHours
from heraldry.contracts.mailbox import MailboxConnected
from heraldry.contracts.scheduler import ChangeEmailRate, EmailRate
from heraldry.scheduler.leads import NewLead

from simulation.installation import ORGANIZATION, Installation, asking, installation
from simulation.outside import Outside
from simulation.rules import broken

START: Final = datetime(2026, 10, 1, 5, tzinfo=UTC)  # clocks go back within it, in Europe
ZONES: Final = ("Europe/Stockholm", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "UTC")
RATE: Final = EmailRate(per_day=40, per_hour=8)
DELAY: Final = timedelta(hours=72)
STEPS: Final = (
    SendEmail(subject="Hello {{ first_name }}", text="Good morning {{ first_name }}, shall we talk?"),
    SendEmail(delay=72, text="Did you see my mail, {{ first_name | default: 'there' }}?"),
)
AT_ONCE: Final = 64
AFTERWARDS: Final = timedelta(days=21)  # a mail nobody decides on holds its lead for a week, at either step
PAUSES: Final = 0.0005  # how probable it is that somebody pauses a campaign, at every look


@dataclass(frozen=True, slots=True)
class Size:
    identities: int = 50
    leads: int = 1000  # of each identity
    inboxes: int = 3
    days: int = 30
    seed: int = 1


@dataclass(frozen=True, slots=True)
class Summary:
    """`rules`: what was broken, at most ten of them; empty: nothing. `states`: of all leads, when the month was over and
    in the end.
    """

    size: Mapping[str, int]
    days_played: float
    mails_left: int
    outcomes: Mapping[str, int]
    states_after_the_month: Mapping[str, int]
    states: Mapping[str, int]
    events: int
    seconds: float
    mails_per_second: float
    rules: tuple[str, ...]

    @property
    def ok(self) -> bool:
        open_ = {"waiting", "in progress", "outcome unknown"}
        return not self.rules and self.mails_left > 0 and open_.isdisjoint(self.states)


async def play(folder: Path, size: Size) -> Summary:
    """A month, and then what the leads that are open still need."""
    began, random = monotonic(), Random(size.seed)  # noqa: S311  a repeatable plot
    end = START + timedelta(days=size.days)
    away = [
        (START + timedelta(days=day, hours=7), START + timedelta(days=day, hours=9))
        for day in range(2, size.days, 7)
    ]
    async with installation(folder, START) as home:
        outside = Outside(home, random, away)
        zones: dict[UUID, str] = {}
        campaigns = [await _identity(home, number, size, zones) for number in range(size.identities)]
        await home.follow()
        await _until(home, outside, end, lambda: _pause_perhaps(home, outside, random, campaigns))
        after_the_month = _states(home)
        await _until(home, outside, end + AFTERWARDS, _nothing)
        states = _states(home)
        found = broken(
            outside.left,
            outside.stopped,
            zones,
            per_day=RATE.per_day,
            per_hour=RATE.per_hour,
            delay=DELAY,
        )
        seconds = monotonic() - began
        return Summary(
            size=asdict(size),
            days_played=(home.clock.now() - START) / timedelta(days=1),
            mails_left=len(outside.left),
            outcomes=dict(outside.did),
            states_after_the_month=after_the_month,
            states=states,
            events=await home.store.head(),
            seconds=seconds,
            mails_per_second=len(outside.left) / seconds,
            rules=tuple(rule for rule, _ in Counter(found).most_common(10)),
        )


async def _until(
    home: Installation, outside: Outside, end: datetime, also: Callable[[], Awaitable[None]]
) -> None:
    """Until then, or until every lead has ended."""
    while home.clock.now() < end and await _goes_on(home):
        await home.engine.tick()
        outside.take(await home.follow())
        if not await outside.play():
            _forward(home, outside, end)
        await also()


async def _nothing() -> None:
    pass


def _states(home: Installation) -> Mapping[str, int]:
    return home.model.read(
        lambda db: dict(
            cast(
                "list[tuple[str, int]]",
                db.execute("SELECT state, count(*) FROM lead GROUP BY state").fetchall(),
            )
        )
    )


async def _identity(home: Installation, number: int, size: Size, zones: dict[UUID, str]) -> UUID:
    """One with its inboxes and a campaign that is started; the campaign."""
    identity = uuid5(ORGANIZATION, f"identity {number}")
    zone = zones[identity] = ZONES[number % len(ZONES)]
    created = IdentityCreated(
        identity=identity,
        organization=ORGANIZATION,
        name=f"Identity {number}",
        details=ContactDetails(first_name=f"I{number}"),
        hours=WorkingHours(zone=zone),
        at=home.clock.now(),
    )
    await home.hear(f"identity.identity-{identity}", created, identity)
    for place in range(size.inboxes):
        inbox = uuid5(identity, f"inbox {place}")
        address = f"i{number}-{place}@simulation.example"
        connected = MailboxConnected(inbox=inbox, identity=identity, address=address, at=home.clock.now())
        await home.hear(f"mailbox.inbox-{inbox}", connected, identity)
        await home.scheduling.up_to_date()
        await home.scheduling.change_rate(ChangeEmailRate(inbox=inbox, rate=RATE), asking())
    campaign = uuid5(identity, "campaign")
    settings = CampaignSettings(
        name=f"Campaign {number}", identity=identity, pace="even" if number % 2 else "at once", steps=STEPS
    )
    await home.campaigns.create(CreateCampaign(campaign=campaign, settings=settings), asking())
    await _leads(home, campaign, identity, number, size.leads)
    await home.campaigns.start(StartCampaign(campaign=campaign), asking())
    return campaign


async def _leads(home: Installation, campaign: UUID, identity: UUID, number: int, leads: int) -> None:
    import_id = uuid5(campaign, "import")
    free = asyncio.Semaphore(AT_ONCE)

    async def enroll(ordinal: int) -> None:
        data = LeadData(first_name=f"L{ordinal}", email=f"l{ordinal}@c{number}.example")
        async with free:
            await home.leads.enroll(
                NewLead(campaign, ORGANIZATION, identity, import_id, ordinal, data), asking()
            )

    await asyncio.gather(*map(enroll, range(leads)))
    imported = LeadsImported(
        import_id=import_id, campaign=campaign, identity=identity, leads=leads, at=home.clock.now()
    )
    await home.append(f"import-{import_id}", imported, identity)
    await home.scheduling.up_to_date()


async def _goes_on(home: Installation) -> bool:
    return home.model.read(
        lambda db: bool(
            db.execute(
                "SELECT 1 FROM lead WHERE state IN ('waiting', 'in progress', 'outcome unknown') LIMIT 1"
            ).fetchone()
        )
    )


async def _pause_perhaps(
    home: Installation, outside: Outside, random: Random, campaigns: Sequence[UUID]
) -> None:
    if random.random() < PAUSES:
        await _pause_for_a_while(home, outside, random.choice(campaigns))


async def _pause_for_a_while(home: Installation, outside: Outside, campaign: UUID) -> None:
    state = (await home.campaigns.load(campaign)).state
    if getattr(state, "state", "") != "active":
        return
    await home.campaigns.pause(PauseCampaign(campaign=campaign), asking())
    outside.did["paused"] += 1

    async def resume() -> None:
        await home.campaigns.resume(ResumeCampaign(campaign=campaign), asking())

    outside.later(home.clock.now() + timedelta(hours=outside.random.uniform(1, 30)), resume)


def _forward(home: Installation, outside: Outside, end: datetime) -> None:
    """To when anything may happen next."""
    now = home.clock.now()
    instants = [end, now + timedelta(hours=1), home.engine.next_instant()]
    if (other := outside.next_instant()) is not None:
        instants.append(other)
    home.clock.forward(max(min(instants) - now, timedelta(seconds=1)))
