"""Histories as they may come: dispatches that race, outcomes late, twice and in any order. Whatever happens,
nothing is offered that may have left, no lead is forgotten, and the read model says what the stream says.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import cast
from uuid import UUID

from heraldry.chassis.decider import Decider
from heraldry.chassis.projection import Fact, prepare
from heraldry.contracts.base import Event as AnyEvent
from heraldry.contracts.base import Refused
from heraldry.contracts.campaigns import LeadsImported
from heraldry.contracts.mailbox import SuppressionReason
from heraldry.contracts.scheduler import StepDispatched
from heraldry.scheduler.domain.enrollment import (
    NOT_ENROLLED,
    UNENDED,
    Enrollment,
    Event,
    State,
    evolve,
)
from heraldry.scheduler.domain.sequence import (
    Assign,
    Command,
    CountAsSent,
    Finish,
    LoseIdentity,
    LoseInbox,
    RecordBounce,
    RecordFailed,
    RecordReply,
    RecordSent,
    RecordUnknown,
    RegainInbox,
    Retry,
    Suppress,
    decide,
)
from heraldry.scheduler.projections.leads import leads
from hypothesis import given, settings
from hypothesis import strategies as st

from services.scheduler.tests.test_enrollment import (
    ADA,
    CAMPAIGN,
    DAY,
    ENROLL,
    IMPORT,
    INBOX,
    LEA,
    LEAD,
    MINUTE,
    NOON,
    ORG,
    PLAN,
)

decider: Decider[Command, State, Event] = Decider(NOT_ENROLLED, decide, evolve)
FACT = Fact("", "", NOON, "", 0, "", "", "", "")


@dataclass
class World:
    """One lead: its stream, its row, what was dispatched, and what the mailbox has made of it."""

    db: sqlite3.Connection = field(default_factory=lambda: sqlite3.connect(":memory:", isolation_level=None))
    state: State = NOT_ENROLLED
    now: datetime = NOON
    dispatched: list[tuple[UUID, int]] = field(default_factory=list[tuple[UUID, int]])
    left: dict[int, int] = field(default_factory=dict[int, int])  # per step, how often a mail left
    told: list[Command] = field(default_factory=list[Command])  # outcomes on their way, in no order
    closed: set[UUID] = field(default_factory=set[UUID])
    unknown: dict[UUID, bool] = field(default_factory=dict[UUID, bool])  # and whether it had left

    def __post_init__(self) -> None:
        prepare(self.db, [leads])
        self.run(ENROLL)
        self.project(LeadsImported(import_id=IMPORT, campaign=CAMPAIGN, identity=ADA, leads=1, at=NOON))

    def run(self, command: Command) -> None:
        try:
            events = decider.decide(command, self.state)
        except Refused:
            return
        for event in events:
            self.state = decider.evolve(self.state, event)
            self.project(event)
        if not isinstance(command, Retry):
            assert not decider.decide(command, self.state), "a repeat does nothing"

    def project(self, event: AnyEvent) -> None:
        leads.apply(self.db, event, FACT)

    @property
    def lead(self) -> Enrollment:
        assert isinstance(self.state, Enrollment)
        return self.state

    def row(self, columns: str) -> tuple[object, ...]:
        return cast("tuple[object, ...]", self.db.execute(f"SELECT {columns} FROM lead").fetchone())

    # --- what may happen

    def tick(self, *, stale: bool) -> None:
        """The engine: `stale`, it looked before something else was recorded, and dispatches all the same."""
        (offer,) = self.row("offer")
        if offer == "first":
            self.run(Assign(ADA, INBOX, "s", self.now))
        if not (self.row("offer") == ("next",) or (stale and self.lead.begun)):
            return
        attempt, step = self.lead.attempt, self.lead.step
        if attempt in [one for one, _ in self.dispatched] or step >= len(PLAN):
            return  # the sender's stream permits an attempt once
        assert self.left.get(step, 0) == 0, "a step is offered that has left"
        assert not any(had for one, had in self.unknown.items() if (one, step) in self.dispatched)
        self.dispatched.append((attempt, step))
        self.project(
            StepDispatched(
                attempt=attempt,
                sender="s",
                inbox=INBOX,
                identity=ADA,
                person=LEA,
                to="lea@maison.example",
                subject="Hello",
                text="Hi",
                valid_until=self.now + 10 * MINUTE,
                campaign=CAMPAIGN,
                enrollment=LEAD,
                at=self.now,
            )
        )

    def mailbox(self, what: str) -> None:
        """Closes the oldest open attempt in one of the ways there are; the news is on its way."""
        open_ = [(one, step) for one, step in self.dispatched if one not in self.closed]
        if not open_:
            return
        attempt, step = open_[0]
        self.closed.add(attempt)
        match what:
            case "sent":
                self._leaves(attempt, step)
            case "again":
                self.told.append(self._failed(attempt, again=True))
            case "for good":
                self.told.append(self._failed(attempt))
            case "bounced":
                self.told.append(self._failed(attempt, bounced=True))
            case _:
                self.unknown[attempt] = what == "unknown, left"
                self.told.append(RecordUnknown(attempt, self.now))

    def decide(self) -> None:
        """A person finds out the truth about an unknown outcome."""
        for attempt, had_left in list(self.unknown.items()):
            del self.unknown[attempt]
            if had_left:
                step = next(step for one, step in self.dispatched if one == attempt)
                self._leaves(attempt, step)
            else:
                self.told.append(self._failed(attempt, again=True))

    def _leaves(self, attempt: UUID, step: int) -> None:
        self.left[step] = self.left.get(step, 0) + 1
        self.told.append(RecordSent(attempt, f"<{step}@x>", "Hello", self.now, PLAN, self.now))

    def _failed(self, attempt: UUID, *, again: bool = False, bounced: bool = False) -> RecordFailed:
        return RecordFailed(attempt, "c", "r", "s", self.now, again=again, bounced=bounced)

    def hear(self, which: int, *, keep: bool) -> None:
        """One of the outcomes on their way arrives; `keep`: it will arrive once more."""
        if self.told:
            at = which % len(self.told)
            self.run(self.told[at])
            if not keep:
                del self.told[at]

    def settle(self) -> None:
        """All that is on its way arrives, and what is in the mailbox's hands is closed."""
        while any(one not in self.closed for one, _ in self.dispatched):
            self.mailbox("sent")
        for command in self.told:
            self.run(command)
        self.told.clear()

    def check(self) -> None:
        lead = self.lead
        state, step, tries, inbox, offer, attempt = self.row("state, step, tries, inbox, offer, attempt")
        assert (state, step, tries) == (lead.state, lead.step, lead.tries)
        assert inbox == ("" if lead.inbox is None else str(lead.inbox))
        assert all(count <= 1 for count in self.left.values()), "a step left twice"
        if lead.state in UNENDED:
            assert lead.step < len(PLAN)
            assert offer or attempt or lead.state == "outcome unknown", "a lead is forgotten"
        else:
            assert not offer


HAPPENS = st.one_of(
    st.tuples(st.just("tick"), st.booleans()),
    st.tuples(
        st.just("mailbox"),
        st.sampled_from(["sent", "sent", "again", "for good", "bounced", "unknown, left", "unknown, lost"]),
    ),
    st.tuples(st.just("hear"), st.integers(0, 5), st.booleans()),
    st.tuples(st.just("decide")),
    st.tuples(st.just("reply")),
    st.tuples(st.just("bounce")),
    st.tuples(st.just("suppress"), st.sampled_from(["bounced", "unsubscribed", "by hand"])),
    st.tuples(st.just("lose inbox")),
    st.tuples(st.just("regain inbox")),
    st.tuples(st.just("lose identity")),
    st.tuples(st.just("retry")),
    st.tuples(st.just("finish")),
    st.tuples(st.just("wait"), st.integers(1, 8)),
)


def happen(world: World, what: Sequence[object]) -> None:
    match what:
        case ("tick", bool(stale)):
            world.tick(stale=stale)
        case ("mailbox", str(how)):
            world.mailbox(how)
        case ("hear", int(which), bool(keep)):
            world.hear(which, keep=keep)
        case ("decide",):
            world.decide()
        case ("reply",) if world.left:
            world.run(RecordReply(world.dispatched[0][0], world.now))
        case ("bounce",) if world.left:
            world.run(RecordBounce(world.dispatched[0][0], world.now))
        case ("suppress", reason):
            world.run(Suppress(cast("SuppressionReason", reason), world.now))
        case ("lose inbox",):
            world.run(LoseInbox(INBOX, world.now))
        case ("regain inbox",):
            world.run(RegainInbox(INBOX, ADA, world.now))
        case ("lose identity",):
            world.run(LoseIdentity(ADA, world.now))
        case ("retry",):
            world.run(Retry(ORG, "", world.now))
        case ("finish",):
            world.run(Finish(world.now))
        case ("wait", int(days)):
            world.now += timedelta(days=days)
            world.run(CountAsSent(PLAN, world.now))
        case _:
            pass


@settings(max_examples=120, deadline=None)
@given(st.lists(HAPPENS, max_size=40))
def test_no_step_leaves_twice_and_no_lead_is_forgotten(history: list[tuple[object, ...]]) -> None:
    world = World()
    for what in history:
        happen(world, what)
        world.check()
    world.settle()
    world.check()
    assert world.row("attempt") == ("",), "a step is shown as leaving that has its outcome"


@settings(max_examples=100, deadline=None)
@given(st.lists(HAPPENS, max_size=25))
def test_left_alone_every_lead_comes_to_an_end(history: list[tuple[object, ...]]) -> None:
    world = World()
    for what in history:
        happen(world, what)
    for _ in range(3 * len(PLAN)):
        world.settle()
        world.decide()
        world.settle()
        world.now += 8 * DAY
        world.run(CountAsSent(PLAN, world.now))
        world.tick(stale=False)
    world.settle()
    world.check()
    assert world.lead.state not in UNENDED
