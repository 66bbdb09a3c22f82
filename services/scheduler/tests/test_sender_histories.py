"""Whatever happens to a sender in whatever order: what a permit promises, counted anew from the events alone."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TypeAlias
from uuid import UUID
from zoneinfo import ZoneInfo

from heraldry.chassis.decider import Decider
from heraldry.contracts.base import Refused
from heraldry.contracts.identity import Interval, WorkingHours
from heraldry.contracts.scheduler import (
    EmailRate,
    LimitsChanged,
    QuotaConsumed,
    QuotaReleased,
    RateCeilingExpired,
    RateCeilingRaised,
    StepCancelled,
    StepDispatched,
)
from heraldry.scheduler.domain.permits import decide, use
from heraldry.scheduler.domain.sender import (
    CEILING,
    UNOPENED,
    ChangeHours,
    ChangeRate,
    Close,
    Code,
    Command,
    Dispatch,
    Letter,
    Open,
    OpenCampaign,
    RaiseCeiling,
    SayExhausted,
    Sender,
    Settle,
    State,
    StopCampaign,
    enough,
    evolve,
)
from heraldry.scheduler.domain.sender_events import (
    Event,
    PermitSettled,
    SenderCampaignOpened,
    SenderCampaignStopped,
    SenderClosed,
    SenderHoursChanged,
    SenderOpened,
    SettingsRepeated,
)
from hypothesis import given as any_of
from hypothesis import settings
from hypothesis import strategies as st

ORG, INBOX, ADA, LEA = (UUID(int=n) for n in range(1, 5))
CAMPAIGNS = tuple(UUID(int=n) for n in (11, 12))
LETTER = Letter(LEA, "lea@maison.example", "Hello", "Good morning")
HOUR, MINUTE, DAY = timedelta(hours=1), timedelta(minutes=1), timedelta(days=1)
BACK_AND_FORTH = (  # the clocks of the first go forward, of the second back, in the days around
    datetime(2026, 3, 28, 6, tzinfo=UTC),
    datetime(2026, 10, 24, 6, tzinfo=UTC),
    datetime(2026, 5, 4, 6, tzinfo=UTC),
)
WEEKS = tuple(
    WorkingHours(zone=zone, week=tuple(Interval(day=day, start=start, end=end) for day in range(1, 8)))
    for zone, start, end in (
        ("Europe/Stockholm", "00:00", "24:00"),
        ("Europe/Stockholm", "01:30", "03:00"),
        ("UTC", "09:00", "18:00"),
        ("Pacific/Auckland", "09:00", "18:00"),
        ("America/Los_Angeles", "00:00", "24:00"),
    )
)
RATES = tuple(EmailRate(per_day=day, per_hour=hour) for day, hour in ((2, 1), (4, 2), (30, 5), (200, 40)))
CODES: tuple[Code, ...] = ("disconnected", "reconnect", "paused")
Act: TypeAlias = tuple[str, int, int]  # what, which, minutes since the last
decider: Decider[Command, State, Event] = Decider(UNOPENED, decide, evolve)

acts = st.lists(
    st.tuples(
        st.sampled_from(
            (
                *("step",) * 8,
                *("hand",) * 3,
                *("sent",) * 4,
                *("failed",) * 2,
                "hours",
                "open",
                "close",
                "rate",
                "raise",
                "say",
                "start",
                "stop",
                "late start",
            )
        ),
        st.integers(0, 7),
        st.sampled_from((0, 0, 0, 1, 2, 5, 20, 55, 65, 240, 700, 1500, -60)),
    ),
    min_size=20,
    max_size=60,
)


@dataclass
class History:
    """A sender's stream as several clocks and processes write it."""

    at: datetime
    events: list[Event] = field(default_factory=list[Event])
    state: State = UNOPENED
    number: int = 0
    revision: int = 0
    attempts: list[UUID] = field(default_factory=list[UUID])
    refusals: list[str] = field(default_factory=list[str])

    def act(self, what: str, which: int) -> None:
        command = self._command(what, which)
        ran, refused = _ran(command, self.state)
        assert (ran, refused) == _ran(command, self.newest(command.at))
        for event in ran:
            self.state = decider.evolve(self.state, event)
        self.events.extend(ran)
        again, refused_again = _ran(command, self.state)
        assert not again or refused  # whatever was done is not done twice
        if refused:
            self.refusals.append(refused)
        else:
            assert not refused_again or isinstance(command, StopCampaign)

    def newest(self, now: datetime) -> State:
        """As a process reads it: backwards, until it is enough."""
        newest: list[Event] = []
        for event in reversed(self.events):
            newest.append(event)
            if enough([event], now):
                break
        return decider.fold(newest[::-1])

    def _command(self, what: str, which: int) -> Command:
        at, campaign = self.at, CAMPAIGNS[which % 2]
        match what:
            case "step" | "hand":
                self.number += 1
                self.attempts.append(UUID(int=1000 + self.number))
                of = campaign if what == "step" else None
                return Dispatch(ORG, self.attempts[-1], LETTER, at, of, of, ADA)
            case "sent" | "failed":
                known = self.attempts[-1 - which :] or [UUID(int=999)]
                return Settle(known[0], proven_not_sent=what == "failed", at=at)
            case "hours":
                return ChangeHours(ADA, WEEKS[which % len(WEEKS)], at)
            case "open":
                return Open("s", ORG, INBOX, ADA, WEEKS[which % len(WEEKS)], at)
            case "close":
                return Close(CODES[which % len(CODES)], at)
            case "rate":
                return ChangeRate(ORG, RATES[which % len(RATES)], at)
            case "raise":
                return RaiseCeiling(RATES[-1], "asked for it", at + (1 + which) * 3 * HOUR, at)
            case "say":
                return SayExhausted(at)
            case "start" | "stop":
                self.revision += 1
                kind = OpenCampaign if what == "start" else StopCampaign
                return kind(campaign, self.revision, at)
            case _:
                return OpenCampaign(campaign, max(self.revision - 2, 0), at)


def _ran(command: Command, state: State) -> tuple[tuple[Event, ...], str]:
    try:
        return tuple(decider.decide(command, state)), ""
    except Refused as refusal:
        return (), f"{refusal.code} {refusal.extra}"


def written(started: datetime, history: Sequence[Act]) -> History:
    story = History(started)
    for what, which in (("open", 0), ("start", 0), ("start", 1)):
        story.act(what, which)
    for what, which, minutes in history:
        story.at += minutes * MINUTE
        story.act(what, which)
    return story


@dataclass
class Count:
    """What the events say, kept without any of the product's rules."""

    hours: WorkingHours
    zones: list[tuple[str, datetime | None]]  # and until when
    rate: EmailRate
    ceiling: tuple[EmailRate, datetime | None] = (CEILING, None)
    closed: bool = False
    campaigns: dict[UUID, tuple[int, bool]] = field(default_factory=dict[UUID, tuple[int, bool]])
    granted: list[QuotaConsumed] = field(default_factory=list[QuotaConsumed])
    ended: dict[UUID, datetime] = field(default_factory=dict[UUID, datetime])

    def moved(self, hours: WorkingHours, at: datetime) -> None:
        if hours.zone != self.zones[-1][0]:
            self.zones[-1] = (self.zones[-1][0], at)
            self.zones.append((hours.zone, None))
        self.hours = hours

    def allowed(self, at: datetime) -> EmailRate:
        ceiling = self.ceiling[0] if self.ceiling[1] is None or at < self.ceiling[1] else CEILING
        return EmailRate(
            per_day=min(self.rate.per_day, ceiling.per_day),
            per_hour=min(self.rate.per_hour, ceiling.per_hour),
        )

    def last_leaves(self, permit: QuotaConsumed) -> datetime:
        """The latest moment at which it may have left."""
        return self.ended.get(permit.attempt, permit.valid_until)


def works(instant: datetime, hours: WorkingHours) -> bool:
    local = instant.astimezone(ZoneInfo(hours.zone))
    wall = f"{local:%H:%M}"
    return any(one.day == local.isoweekday() and one.start <= wall < one.end for one in hours.week)


def judge(events: Sequence[Event]) -> None:
    """Every promise, at every permit."""
    first = events[0]
    assert isinstance(first, SenderOpened)
    assert first.hours is not None
    count = Count(first.hours, [(first.zone, None)], first.rate)
    returned = {event.attempt for event in events if isinstance(event, QuotaReleased)}
    last = first.at
    for event, following in zip(events, (*events[1:], None), strict=True):
        assert event.at >= last
        last = event.at
        match event:
            case SenderOpened(hours=WorkingHours() as hours):
                count.moved(hours, event.at)
                count.closed = False
            case SenderHoursChanged(hours=hours):
                count.moved(hours, event.at)
            case SenderClosed():
                count.closed = True
            case LimitsChanged(rate=rate) | RateCeilingExpired(rate=rate):
                count.rate = rate
                if isinstance(event, RateCeilingExpired):
                    count.ceiling = (CEILING, None)
            case RateCeilingRaised(ceiling=ceiling, until=until):
                count.ceiling = (ceiling, until)
            case SenderCampaignOpened() | SenderCampaignStopped():
                known = count.campaigns.get(event.campaign, (-1, False))
                assert event.source_revision > known[0]
                count.campaigns[event.campaign] = (
                    event.source_revision,
                    isinstance(event, SenderCampaignOpened),
                )
            case PermitSettled(attempt=attempt) | QuotaReleased(attempt=attempt):
                assert attempt not in count.ended
                count.ended[attempt] = event.at
            case StepCancelled(attempt=attempt):
                assert attempt not in count.ended
            case QuotaConsumed():
                assert isinstance(following, StepDispatched)
                permitted(event, count, returned)
                count.granted.append(event)
            case _:
                pass


def permitted(event: QuotaConsumed, count: Count, returned: set[UUID]) -> None:
    assert not count.closed
    allowed = count.allowed(event.at)
    assert all(event.attempt != one.attempt for one in count.granted)
    real = [one for one in count.granted if one.attempt not in returned]
    within = sum(count.last_leaves(one) > event.at - HOUR and one.at > event.at - DAY for one in real)
    assert within < allowed.per_hour
    for zone, until in count.zones:
        if until is None or until > event.at - timedelta(hours=25):
            today = event.at.astimezone(ZoneInfo(zone)).date()
            used = sum(one.at.astimezone(ZoneInfo(zone)).date() == today for one in real)
            assert used < allowed.per_day
            assert (event.valid_until - timedelta(seconds=1)).astimezone(ZoneInfo(zone)).date() == today
    assert event.at < event.valid_until <= event.at + 10 * MINUTE
    if event.campaign is not None:
        assert count.campaigns.get(event.campaign, (-1, False))[1]
        assert works(event.at, count.hours)
        assert works(event.valid_until - timedelta(seconds=1), count.hours)


@any_of(st.sampled_from(BACK_AND_FORTH), acts)
@settings(max_examples=60, deadline=None)
def test_no_history_breaks_a_promise(started: datetime, history: list[Act]) -> None:
    """Nor does it matter from where the stream was read: each command was decided on a part of it, too."""
    judge(written(started, history).events)


@any_of(st.lists(st.tuples(st.integers(0, 400), st.booleans()), min_size=30, max_size=80), st.integers(1, 3))
@settings(max_examples=25, deadline=None)
def test_the_real_instants_of_sending_never_exceed_an_hour(
    tries: list[tuple[int, bool]], per_hour: int
) -> None:
    """Each mail leaves at the worst moment it may: just before its outcome, or at the end of its validity."""
    story = History(datetime(2026, 5, 4, 0, tzinfo=UTC))
    story.act("open", 0)
    story.state = evolve(
        story.state,
        limits := LimitsChanged(
            sender="s", inbox=INBOX, identity=ADA, rate=EmailRate(per_day=80, per_hour=per_hour), at=story.at
        ),
    )
    story.events.append(limits)
    for seconds, settled in tries:
        story.at += timedelta(seconds=3 * seconds)
        story.act("hand", 0)
        if settled:
            story.at += timedelta(seconds=seconds)
            story.act("sent", 0)
    permits = [event for event in story.events if isinstance(event, QuotaConsumed)]
    ended = {event.attempt: event.at for event in story.events if isinstance(event, PermitSettled)}
    for worst in (
        sorted(ended.get(one.attempt, one.valid_until) for one in permits),
        sorted(one.at for one in permits),
    ):
        for number, instant in enumerate(worst):
            assert bisect_left(worst, instant + HOUR) - number <= per_hour


def test_a_long_history_is_read_from_a_part_of_it() -> None:
    """Else everything above would have compared the whole stream with itself."""
    story = History(datetime(2026, 5, 4, 6, tzinfo=UTC))
    story.act("open", 0)
    story.act("start", 0)
    for _ in range(200):
        story.at += 70 * MINUTE
        story.act("step", 0)
    assert sum(isinstance(event, SettingsRepeated) for event in story.events) > 10
    newest: list[Event] = []
    for event in reversed(story.events):
        newest.append(event)
        if enough([event], story.at):
            break
    assert len(newest) < len(story.events) / 3
    part = decider.fold(newest[::-1])
    assert isinstance(part, Sender)
    assert isinstance(story.state, Sender)
    assert use(part, story.at) == use(story.state, story.at)
    assert part.campaigns == story.state.campaigns
