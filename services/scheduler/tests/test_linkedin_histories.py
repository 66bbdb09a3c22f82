"""Whatever happens to a LinkedIn account in whatever order: what a permit promises, counted anew from the events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TypeAlias
from uuid import UUID
from zoneinfo import ZoneInfo

from heraldry.chassis.decider import Decider
from heraldry.contracts.base import Refused
from heraldry.contracts.identity import Interval, WorkingHours
from heraldry.contracts.linkedin import ActionKind, SlowedDown
from heraldry.contracts.linkedin_steps import LinkedInStepCancelled, LinkedInStepDispatched
from heraldry.contracts.scheduler import (
    LinkedInLimits,
    LinkedInLimitsChanged,
    QuotaConsumed,
    QuotaReleased,
    WithdrawalPolicy,
)
from heraldry.scheduler.domain.linkedin_permits import decide
from heraldry.scheduler.domain.linkedin_sender import (
    UNOPENED,
    Action,
    ChangeLimits,
    ChangePolicy,
    Close,
    Code,
    Command,
    Dispatch,
    LinkedInSender,
    Open,
    SayExhausted,
    SlowDown,
    State,
    enough,
    evolve,
)
from heraldry.scheduler.domain.linkedin_sender_events import (
    Event,
    LinkedInSenderOpened,
    LinkedInSenderSlowedDown,
    LinkedInSettingsRepeated,
)
from heraldry.scheduler.domain.sender import ChangeHours, OpenCampaign, Settle, StopCampaign
from heraldry.scheduler.domain.sender_events import (
    PermitSettled,
    SenderCampaignOpened,
    SenderCampaignStopped,
    SenderClosed,
    SenderHoursChanged,
)
from hypothesis import given as any_of
from hypothesis import settings
from hypothesis import strategies as st

ORG, ADA, BOB, LEA = (UUID(int=n) for n in range(1, 5))
CAMPAIGNS = tuple(UUID(int=n) for n in (11, 12))
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
STARTS = (  # the clocks of Stockholm go forward, and back, in the days around the first two
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
LIMITS = tuple(
    LinkedInLimits(invitations=one, messages=two) for one, two in ((2, 1), (0, 3), (3, 4), (20, 100))
)
KINDS: tuple[ActionKind, ...] = ("invitation", "message", "withdrawal")
SIGNALS: tuple[SlowedDown, ...] = ("invitation", "note", "message", "everything")
CODES: tuple[Code, ...] = ("disconnected", "reconnect", "restricted", "identity-deleted")
Act: TypeAlias = tuple[str, int, int]  # what, which, minutes since the last
decider: Decider[Command, State, Event] = Decider(UNOPENED, decide, evolve)

acts = st.lists(
    st.tuples(
        st.sampled_from(
            (
                *("step",) * 8,
                *("hand",) * 5,
                *("automatic",) * 3,
                *("done",) * 4,
                *("failed",) * 3,
                "hours",
                "open",
                "other",
                "close",
                "limits",
                "policy",
                "slow",
                "say",
                "start",
                "stop",
                "late start",
            )
        ),
        st.integers(0, 11),
        st.sampled_from((0, 0, 0, 1, 2, 5, 20, 65, 240, 700, 1500, -60)),
    ),
    min_size=20,
    max_size=60,
)


@dataclass
class History:
    """A member's stream as several clocks and processes write it."""

    at: datetime
    events: list[Event] = field(default_factory=list[Event])
    state: State = UNOPENED
    number: int = 0
    revision: int = 0
    attempts: list[UUID] = field(default_factory=list[UUID])

    def act(self, what: str, which: int) -> None:
        command = self._command(what, which)
        ran, refused = _ran(command, self.state)
        assert (ran, refused) == _ran(command, self.newest(command.at))
        for event in ran:
            self.state = decider.evolve(self.state, event)
        self.events.extend(ran)
        again, refused_again = _ran(command, self.state)
        assert not again or refused  # whatever was done is not done twice
        assert refused or not refused_again or isinstance(command, StopCampaign)

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
            case "step" | "hand" | "automatic":
                return self._dispatch(what, which)
            case "done" | "failed":
                known = self.attempts[-1 - which :] or [UUID(int=999)]
                return Settle(known[0], proven_not_sent=what == "failed", at=at)
            case "hours":
                return ChangeHours(ADA, WEEKS[which % len(WEEKS)], at)
            case "open" | "other":
                who = ADA if what == "open" else BOB
                return Open("m", ORG, who, who, WEEKS[which % len(WEEKS)], at, at)
            case "close":
                return Close(ADA, CODES[which % len(CODES)], at)
            case "limits":
                return ChangeLimits(ORG, LIMITS[which % len(LIMITS)], at)
            case "policy":
                return ChangePolicy(ORG, WithdrawalPolicy(days=which or None), at)
            case "slow":
                return SlowDown(SIGNALS[which % len(SIGNALS)], at + (1 + which) * 2 * HOUR, at)
            case "say":
                return SayExhausted(KINDS[which % len(KINDS)], at)
            case "start" | "stop":
                self.revision += 1
                kind = OpenCampaign if what == "start" else StopCampaign
                return kind(campaign, self.revision, at)
            case _:
                return OpenCampaign(campaign, max(self.revision - 2, 0), at)

    def _dispatch(self, what: str, which: int) -> Dispatch:
        self.number += 1
        self.attempts.append(UUID(int=1000 + self.number))
        kind = "withdrawal" if what == "automatic" else KINDS[which % len(KINDS)]
        note = "Hello" if which % 2 or kind == "message" else ""
        action = Action(
            kind, LEA, "https://www.linkedin.com/in/lea", text=note, automatic=what == "automatic"
        )
        if kind == "withdrawal":
            action = replace(action, text="", invitation=UUID(int=5000 + self.number))
        of = CAMPAIGNS[which % 2] if what == "step" and kind != "withdrawal" else None
        return Dispatch(ORG, self.attempts[-1], action, self.at, campaign=of, enrollment=of)


def _ran(command: Command, state: State) -> tuple[tuple[Event, ...], str]:
    try:
        return tuple(decider.decide(command, state)), ""
    except Refused as refusal:
        return (), f"{refusal.code} {refusal.extra}"


@dataclass
class Count:
    """What the events say, kept without any of the product's rules."""

    hours: WorkingHours
    zones: list[tuple[str, datetime | None]]  # and until when
    limits: LinkedInLimits
    closed: bool = False
    pauses: dict[str, datetime] = field(default_factory=dict[str, datetime])
    campaigns: dict[UUID, bool] = field(default_factory=dict[UUID, bool])
    granted: list[QuotaConsumed] = field(default_factory=list[QuotaConsumed])
    ended: set[UUID] = field(default_factory=set[UUID])

    def moved(self, hours: WorkingHours, at: datetime) -> None:
        if hours.zone != self.zones[-1][0]:
            self.zones[-1] = (self.zones[-1][0], at)
            self.zones.append((hours.zone, None))
        self.hours = hours


def works(instant: datetime, hours: WorkingHours) -> bool:
    local = instant.astimezone(ZoneInfo(hours.zone))
    wall = f"{local:%H:%M}"
    return any(one.day == local.isoweekday() and one.start <= wall < one.end for one in hours.week)


def judge(events: Sequence[Event]) -> None:
    """Every promise, at every permit."""
    first = events[0]
    assert isinstance(first, LinkedInSenderOpened)
    count = Count(first.hours, [(first.hours.zone, None)], first.limits)
    returned = {event.attempt for event in events if isinstance(event, QuotaReleased)}
    last = first.at
    for event, following in zip(events, (*events[1:], None), strict=True):
        assert event.at >= last
        last = event.at
        match event:
            case LinkedInSenderOpened(hours=hours, limits=limits):
                count.moved(hours, event.at)
                assert limits == count.limits  # they are the member's, whoever it is
                count.closed = False
            case SenderHoursChanged(hours=hours):
                count.moved(hours, event.at)
            case SenderClosed():
                count.closed = True
            case LinkedInLimitsChanged(limits=limits):
                count.limits = limits
            case LinkedInSenderSlowedDown(kind=kind, until=until):
                count.pauses[kind] = until
            case SenderCampaignOpened(campaign=campaign) | SenderCampaignStopped(campaign=campaign):
                count.campaigns[campaign] = isinstance(event, SenderCampaignOpened)
            case PermitSettled(attempt=attempt) | QuotaReleased(attempt=attempt):
                assert attempt not in count.ended
                count.ended.add(attempt)
            case LinkedInStepCancelled(attempt=attempt):
                assert attempt not in count.ended
            case QuotaConsumed():
                assert isinstance(following, LinkedInStepDispatched)
                permitted(event, following, count, returned)
                count.granted.append(event)
            case _:
                pass


def permitted(event: QuotaConsumed, step: LinkedInStepDispatched, count: Count, returned: set[UUID]) -> None:
    assert not count.closed
    most = {"invitation": count.limits.invitations, "message": count.limits.messages, "withdrawal": 20}
    assert all(event.attempt != one.attempt for one in count.granted)
    real = [one for one in count.granted if one.kind == event.kind and one.attempt not in returned]
    for zone, until in count.zones:
        if until is None or until > event.at - timedelta(hours=25):
            today = event.at.astimezone(ZoneInfo(zone)).date()
            used = sum(one.at.astimezone(ZoneInfo(zone)).date() == today for one in real)
            assert used < most[event.kind]
            assert (event.valid_until - timedelta(seconds=1)).astimezone(ZoneInfo(zone)).date() == today
    kinds = {"everything", *(() if event.kind == "withdrawal" else (event.kind,))}
    if event.kind == "invitation" and step.text:
        kinds.add("note")
    assert all(count.pauses.get(kind, event.at) <= event.at for kind in kinds)
    before = sum(one.attempt not in count.ended and event.at < one.valid_until for one in count.granted)
    assert event.at < event.valid_until <= event.at + (10 + before) * MINUTE
    if event.campaign is not None:
        assert count.campaigns.get(event.campaign)
    if event.campaign is not None or step.automatic:
        assert works(event.at, count.hours)
        assert works(event.valid_until - timedelta(seconds=1), count.hours)


@any_of(st.sampled_from(STARTS), acts)
@settings(max_examples=60, deadline=None)
def test_no_history_breaks_a_promise(started: datetime, history: list[Act]) -> None:
    """Nor does it matter from where the stream was read: each command was decided on a part of it, too."""
    story = History(started)
    for what, which in (("open", 0), ("start", 0), ("start", 1)):
        story.act(what, which)
    for what, which, minutes in history:
        story.at += minutes * MINUTE
        story.act(what, which)
    judge(story.events)


@any_of(
    st.sampled_from(STARTS),
    st.lists(
        st.tuples(
            st.sampled_from(("hand", "hand", "hand", "hours", "done", "failed")),
            st.integers(0, 4),
            st.sampled_from((0, 5, 120, 300, 600, -60)),
        ),
        min_size=25,
        max_size=50,
    ),
)
@settings(max_examples=60, deadline=None)
def test_a_small_limit_holds_wherever_the_account_moves(started: datetime, history: list[Act]) -> None:
    """The zone changes every few actions, so that days overlap."""
    story = History(started)
    story.act("open", 0)
    story.act("limits", 0)
    for what, which, minutes in history:
        story.at += minutes * MINUTE
        story.act(what, which)
    judge(story.events)


def test_a_long_history_is_read_from_a_part_of_it() -> None:
    """Else everything above would have compared the whole stream with itself."""
    story = History(datetime(2026, 5, 4, 6, tzinfo=UTC))
    for what in ("open", "start", "start", "limits", "policy"):
        story.act(what, 3)
    for number in range(200):
        story.at += 70 * MINUTE
        story.act("step", number)
    assert sum(isinstance(event, LinkedInSettingsRepeated) for event in story.events) > 10
    newest: list[Event] = []
    for event in reversed(story.events):
        newest.append(event)
        if enough([event], story.at):
            break
    assert len(newest) < len(story.events) / 3
    part, whole = decider.fold(newest[::-1]), story.state
    assert isinstance(part, LinkedInSender)
    assert isinstance(whole, LinkedInSender)
    assert [part.use(kind, story.at) for kind in KINDS] == [whole.use(kind, story.at) for kind in KINDS]
    assert (part.limits, part.policy, part.campaigns) == (whole.limits, whole.policy, whole.campaigns)
