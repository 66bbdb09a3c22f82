from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from heraldry.chassis.decider import Decider
from heraldry.chassis.testing.scenario import Scenario
from heraldry.linkedin_driver.domain.member import (
    FREE,
    Command,
    Event,
    Hold,
    MemberHeld,
    MemberReleased,
    Release,
    State,
    decide,
    evolve,
)

NOW = datetime(2026, 5, 4, 9, 30, tzinfo=UTC)
ADA, BOB, FIRST, NEXT = (UUID(int=n) for n in range(1, 5))
decider: Decider[Command, State, Event] = Decider(FREE, decide, evolve)
free = Scenario(decider)
HELD = MemberHeld(identity=ADA, linking=FIRST, at=NOW)
held = free.given(HELD)


def test_the_first_identity_holds_the_member() -> None:
    free.when(Hold(ADA, FIRST, NOW)).then(HELD)
    held.when(Hold(ADA, FIRST, NOW)).then_nothing()
    held.when(Hold(BOB, NEXT, NOW)).then_nothing()


def test_another_may_hold_it_after_it_was_let_go() -> None:
    released = MemberReleased(identity=ADA, linking=FIRST, at=NOW)
    held.when(Release(BOB, FIRST, NOW)).then_nothing()
    held.when(Release(ADA, FIRST, NOW)).then(released)
    after = held.given(released)
    after.when(Release(ADA, FIRST, NOW)).then_nothing()
    after.when(Hold(BOB, NEXT, NOW)).then(MemberHeld(identity=BOB, linking=NEXT, at=NOW))


def test_letting_go_of_an_older_linking_takes_nothing_from_a_newer_one() -> None:
    newer = MemberHeld(identity=ADA, linking=NEXT, at=NOW)
    held.when(Hold(ADA, NEXT, NOW)).then(newer)
    held.given(newer).when(Release(ADA, FIRST, NOW)).then_nothing()
