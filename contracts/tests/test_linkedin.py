"""What may be set for a LinkedIn account, and what is warned about."""

from __future__ import annotations

from uuid import UUID

import pytest
from heraldry.contracts.scheduler import LinkedInLimits, WithdrawalPolicy, WithdrawInvitations
from pydantic import ValidationError

ONE, TWO = UUID(int=1), UUID(int=2)


def test_limits_above_what_is_recommended_come_with_a_warning() -> None:
    assert LinkedInLimits() == LinkedInLimits(invitations=20, messages=100)
    assert LinkedInLimits().warnings == ()
    assert LinkedInLimits(invitations=21).warnings == ("invitations",)
    assert LinkedInLimits(messages=101).warnings == ("messages",)
    assert LinkedInLimits(invitations=21, messages=101).warnings == ("invitations", "messages")


@pytest.mark.parametrize("days", [None, 1, 7, 180])
def test_a_withdrawal_policy(days: int | None) -> None:
    assert WithdrawalPolicy(days=days).days == days


@pytest.mark.parametrize("days", [-1, 0, 181])
def test_no_withdrawal_policy(days: int) -> None:
    with pytest.raises(ValidationError):
        WithdrawalPolicy(days=days)


def test_an_invitation_is_asked_to_be_withdrawn_once() -> None:
    wish = WithdrawInvitations(identity=ONE, request=ONE, invitations=(TWO, ONE, TWO))
    assert wish.invitations == (TWO, ONE)
