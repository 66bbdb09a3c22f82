"""What is shown of LinkedIn accounts, and what their workers find to do."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from heraldry.chassis.projection import Fact, prepare
from heraldry.contracts.base import Erased, Event
from heraldry.contracts.linkedin import (
    AccountView,
    LinkedInApprovalRequested,
    LinkedInLinked,
    LinkedInLinkingFailed,
    LinkedInLinkingStarted,
    LinkedInNeedsReconnect,
    LinkedInProfile,
    LinkedInRestricted,
    LinkedInSlowedDown,
    LinkedInUnlinked,
    VerificationCodeRequested,
)
from heraldry.linkedin_driver import projections
from heraldry.linkedin_driver.adapters.problems import (
    BrowserMissing,
    CheckpointMet,
    Problem,
    Restricted,
    SessionEnded,
    SiteUnreachable,
    SlowDown,
)
from heraldry.linkedin_driver.domain.account import LinkingAccepted
from heraldry.linkedin_driver.domain.linking import SignedIn, SignInClaimed, VerificationCodeEntered
from heraldry.linkedin_driver.domain.obstacles import (
    CAPTCHA,
    NO_BROWSER,
    RESTRICTED,
    SIGNED_OUT,
    SLOWED_DOWN,
    TOO_MANY_SIGN_INS,
    UNREACHABLE,
)
from heraldry.linkedin_driver.workers.driving import hindered
from heraldry.linkedin_driver.workers.linking import obstacle_of

NOW = datetime(2026, 5, 4, 9, 30, tzinfo=UTC)
UNTIL = NOW + timedelta(minutes=1)
LATE = NOW + timedelta(minutes=10)
ACCOUNT, NORTHWIND, ADA, FIRST, NEXT, CLAIM = (UUID(int=n) for n in range(1, 7))
OF = {"account": ACCOUNT, "identity": ADA}
PROFILE = LinkedInProfile(first_name="Ada", last_name="Berg")
FACT = Fact("", "", NOW, "", 0, "linkedin-driver:x:1", str(NORTHWIND), str(ADA), "user:ada")


def accepted(linking: UUID = FIRST) -> Sequence[Event]:
    return (
        LinkingAccepted(**OF, organization=NORTHWIND, linking=linking, secret="one", at=NOW),
        LinkedInLinkingStarted(**OF, linking=linking, email="ada@northwind.example", at=NOW),
    )


CLAIMED = SignInClaimed(linking=FIRST, claim=CLAIM, held_until=UNTIL, at=NOW)
CODE = VerificationCodeRequested(
    **OF, linking=FIRST, by="SMS", hint="ending with 34", rejected="wrong", until=LATE, at=NOW
)
ENTERED = VerificationCodeEntered(linking=FIRST, secret="code", held_until=UNTIL, at=NOW)
APPROVAL = LinkedInApprovalRequested(**OF, linking=FIRST, until=LATE, at=NOW)
IN = SignedIn(
    linking=FIRST,
    identity=ADA,
    sender="ada",
    profile=PROFILE,
    sales_navigator=True,
    held_until=UNTIL,
    at=NOW,
)
FAILED = LinkedInLinkingFailed(**OF, linking=FIRST, diagnosis=CAPTCHA, at=NOW)
SLOWED = LinkedInSlowedDown(**OF, kind="invitation", until=LATE, diagnosis=SLOWED_DOWN, at=NOW)
UNLINKED = LinkedInUnlinked(**OF, at=NOW)


def linked(linking: UUID = FIRST, sender: str = "ada") -> LinkedInLinked:
    return LinkedInLinked(**OF, linking=linking, sender=sender, profile=PROFILE, sales_navigator=True, at=NOW)


class Shown:
    def __init__(self, *events: Event | Sequence[Event]) -> None:
        self.db = sqlite3.connect(":memory:", isolation_level=None)
        prepare(self.db, [projections.accounts])
        for one in events:
            for event in (one,) if isinstance(one, Event) else one:
                projections.accounts.apply(self.db, event, FACT)

    @property
    def view(self) -> AccountView:
        (view,) = projections.accounts_of(self.db, str(NORTHWIND), str(ADA))
        return view


@pytest.mark.parametrize(
    ("events", "state"),
    [
        ((), "linking"),
        ((CLAIMED,), "linking"),
        ((CLAIMED, CODE), "code wanted"),
        ((CLAIMED, CODE, ENTERED), "code given"),
        ((CLAIMED, CODE, ENTERED, CODE), "code wanted"),
        ((CLAIMED, CODE, ENTERED, IN), "linking"),
        ((CLAIMED, APPROVAL), "approval wanted"),
        ((CLAIMED, IN), "linking"),
        ((CLAIMED, IN, linked()), "linked"),
        ((CLAIMED, FAILED), "failed"),
        ((CLAIMED, IN, linked(), UNLINKED), "unlinked"),
        ((CLAIMED, IN, linked(), accepted(NEXT)), "linking"),
        ((linked(), accepted(NEXT), FAILED), "linked"),  # as it was
        ((linked(), UNLINKED, accepted(NEXT), FAILED), "failed"),
        ((linked(), LinkedInNeedsReconnect(**OF, diagnosis=SIGNED_OUT, at=NOW)), "needs reconnect"),
        ((linked(), LinkedInRestricted(**OF, diagnosis=RESTRICTED, at=NOW)), "restricted"),
    ],
)
def test_an_account_is_shown_as_it_stands(events: Sequence[Event], state: str) -> None:
    assert Shown(accepted(), *events).view.state == state


def test_what_is_waited_for_is_shown_until_it_came() -> None:
    wanted = Shown(accepted(), CLAIMED, CODE).view
    assert (wanted.code_by, wanted.hint, wanted.rejected) == ("SMS", "ending with 34", "wrong")
    assert wanted.wanted_until == LATE
    entered = Shown(accepted(), CLAIMED, CODE, ENTERED).view
    assert (entered.code_by, entered.hint, entered.rejected, entered.wanted_until) == (None, "", "", None)
    failed = Shown(accepted(), CLAIMED, CODE, FAILED).view
    assert failed.diagnosis == CAPTCHA
    assert Shown(accepted(), FAILED, accepted(NEXT)).view.diagnosis is None  # it is being tried again


def test_of_an_erased_person_nothing_is_shown() -> None:
    started, email = accepted()
    assert isinstance(email, LinkedInLinkingStarted)
    gone = linked().model_copy(update={"profile": Erased()})
    view = Shown(started, email.model_copy(update={"email": Erased()}), gone).view
    assert (view.email, view.profile) == ("", None)


def test_what_linkedin_slowed_down_stays_so_for_the_same_member_only() -> None:
    assert Shown(accepted(), linked(), SLOWED).view.slowed == (("invitation", LATE),)
    assert Shown(accepted(), linked(), SLOWED, linked(NEXT)).view.slowed == (("invitation", LATE),)
    assert Shown(accepted(), linked(), SLOWED, linked(NEXT, "bo")).view.slowed == ()


def test_workers_find_what_is_to_be_done() -> None:
    second = timedelta(seconds=1)
    begun, taken, waits = Shown(accepted()), Shown(accepted(), CLAIMED), Shown(accepted(), CLAIMED, CODE)
    assert projections.to_sign_in(begun.db) == (ACCOUNT,)
    assert projections.to_sign_in(taken.db) == ()
    assert projections.to_abandon(begun.db, LATE) == ()
    assert projections.to_abandon(taken.db, UNTIL - second) == ()
    assert projections.to_abandon(taken.db, UNTIL) == (ACCOUNT,)
    assert projections.to_abandon(waits.db, LATE - second) == ()
    assert projections.to_abandon(waits.db, LATE) == (ACCOUNT,)
    assert projections.held_open(waits.db) == (ACCOUNT,)
    ended = Shown(accepted(), CLAIMED, IN, linked())
    assert projections.held_open(ended.db) == ()
    assert projections.to_abandon(ended.db, LATE) == ()
    assert projections.linked(ended.db) == (ACCOUNT,)


@pytest.mark.parametrize(
    ("problem", "cause", "code"),
    [
        (SessionEnded(), "signed out", SIGNED_OUT.code),
        (CheckpointMet(), "signed out", SIGNED_OUT.code),
        (Restricted(), "restricted", RESTRICTED.code),
        (SlowDown(), "too much", SLOWED_DOWN.code),
        (BrowserMissing(), "unreachable", NO_BROWSER.code),
        (SiteUnreachable(), "unreachable", UNREACHABLE.code),
    ],
)
def test_what_ends_a_session_is_told_apart(problem: Problem, cause: str, code: str) -> None:
    met = hindered(problem)
    assert (met.cause, met.obstacle.code) == (cause, code)


def test_what_stands_in_the_way_of_signing_in_is_an_obstacle() -> None:
    assert obstacle_of(SlowDown()) == TOO_MANY_SIGN_INS
    assert obstacle_of(SiteUnreachable()) == UNREACHABLE
    assert obstacle_of(BrowserMissing()) == NO_BROWSER
