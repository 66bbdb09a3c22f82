"""What the history says of LinkedIn accounts and of what is done with them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from heraldry.contracts.base import Erased, Event
from heraldry.contracts.linkedin import (
    InvitationSent,
    InvitationWithdrawn,
    LinkedInActionFailed,
    LinkedInActionQueued,
    LinkedInSlowedDown,
    Obstacle,
    ProfileData,
    ProfileScraped,
    VerificationCodeGiven,
    VerificationCodeRequested,
)
from heraldry.contracts.scheduler import (
    LinkedInLimits,
    PoolUse,
    QuotaConsumed,
    QuotaExhausted,
    WithdrawalPolicy,
    WithdrawalPolicyChanged,
)
from heraldry.gateway.sentences import Words, said

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
OF: dict[str, Any] = {"account": UUID(int=1), "identity": UUID(int=2), "at": NOON}
STEP: dict[str, Any] = {**OF, "attempt": UUID(int=3), "person": UUID(int=4)}
WHY = Obstacle(code="x", cause="You are connected already.", resolution="Nothing.")
STOCKHOLM = Words(zone="Europe/Stockholm")


def withdrawn(name: str | Erased, *, automatic: bool) -> InvitationWithdrawn:
    return InvitationWithdrawn(
        **STEP,
        proof="seen",
        invitation=None,
        name=name,
        sent_at=None,
        automatic=automatic,
        blocked_until=NOON,
    )


@pytest.mark.parametrize(
    ("event", "what"),
    [
        (
            VerificationCodeRequested(**OF, linking=UUID(int=5), by="SMS", until=NOON),
            "LinkedIn wants the code sent by SMS",
        ),
        (
            VerificationCodeRequested(
                **OF, linking=UUID(int=5), by="authenticator", rejected="expired", until=NOON
            ),
            "LinkedIn wants the code from the authenticator again: the last one was expired",
        ),
        (VerificationCodeGiven(**OF, linking=UUID(int=5)), "The code was given to LinkedIn"),
        (
            LinkedInSlowedDown(**OF, kind="note", until=NOON, diagnosis=WHY),
            "LinkedIn wants no more of invitations with a note until 24 November 2026, 13:00",
        ),
        (
            WithdrawalPolicyChanged(**OF, policy=WithdrawalPolicy(days=7)),
            "Invitations pending for more than 7 days are withdrawn now",
        ),
        (
            WithdrawalPolicyChanged(**OF, policy=WithdrawalPolicy(days=1)),
            "Invitations pending for more than a day are withdrawn now",
        ),
        (
            WithdrawalPolicyChanged(**OF, policy=WithdrawalPolicy()),
            "Pending invitations are withdrawn by hand only now",
        ),
        (
            LinkedInActionQueued(**STEP, kind="invitation", profile="/in/kim", name="Kim", valid_until=NOON),
            "An invitation to Kim is on its way",
        ),
        (InvitationSent(**STEP, proof="seen", with_note=True), "Invitation sent with a note"),
        (InvitationSent(**STEP, proof="seen"), "Invitation sent"),
        (
            withdrawn("Kim", automatic=True),
            "Invitation to Kim withdrawn automatically: no new one before 24 November 2026, 13:00",
        ),
        (
            withdrawn(Erased(), automatic=False),
            "Invitation to (erased) withdrawn by hand: no new one before 24 November 2026, 13:00",
        ),
        (
            LinkedInActionFailed(**STEP, kind="message", diagnosis=WHY),
            "A LinkedIn message was not done: You are connected already.",
        ),
    ],
)
def test_what_is_said_of_linkedin(event: Event, what: str) -> None:
    assert said(event, STOCKHOLM).what == what


READ = ProfileScraped(**STEP, proof="It was open.", profile="/in/kim", data=ProfileData(headline="Baker"))
LIMITED: dict[str, Any] = {"sender": "s", "kind": "scraping", **OF}
QUOTA: dict[str, Any] = {
    **LIMITED,
    "organization": UUID(int=6),
    "attempt": UUID(int=3),
    "used_today": 4,
    "zone": "UTC",
    "valid_until": NOON,
    "limits": LinkedInLimits(scrapings=50),
}


@pytest.mark.parametrize(
    ("event", "what"),
    [
        (READ, "LinkedIn profile read"),
        (
            LinkedInActionQueued(**STEP, kind="scraping", profile="/in/kim", name="Kim", valid_until=NOON),
            "The reading of a LinkedIn profile of Kim is on its way",
        ),
        (
            QuotaConsumed(**QUOTA, pool=PoolUse(used=7, allowed=100)),
            "Reading of a LinkedIn profile permitted: 7 of the 100 a day that the organization shares",
        ),
        (
            QuotaConsumed(**QUOTA),
            "Reading of a LinkedIn profile permitted: one of the identity's own 50 a day",
        ),
        (
            QuotaExhausted(**LIMITED, window="day", until=NOON),
            "The organization's shared pool of LinkedIn profiles is used up until 24 November 2026, 13:00",
        ),
    ],
)
def test_what_is_said_of_profiles_that_are_read(event: Event, what: str) -> None:
    assert said(event, STOCKHOLM).what == what


def test_among_others_a_step_says_whom_it_is_about() -> None:
    words = Words(to=" to Kim")
    assert said(InvitationSent(**STEP, proof="seen"), words).what == "Invitation to Kim sent"
    assert said(READ, words).what == "LinkedIn profile of Kim read"
    failed = LinkedInActionFailed(**STEP, kind="withdrawal", diagnosis=WHY)
    assert said(failed, words).what.startswith("The withdrawal of an invitation to Kim was not done")
    nameless = LinkedInActionQueued(**STEP, kind="message", profile="/in/kim", valid_until=NOON)
    assert said(nameless, words).what == "A LinkedIn message is on its way"
