"""What the LinkedIn driver answers questions from, and what its workers find their work in."""

from __future__ import annotations

from heraldry.linkedin_driver.projections.accounts import (
    accounts,
    accounts_of,
    held_open,
    linked,
    to_abandon,
    to_sign_in,
)
from heraldry.linkedin_driver.projections.actions import (
    Addressed,
    acted_on,
    action_of,
    actions,
    listening,
    to_do,
    to_look_up,
    undecided,
    undone,
    written_before,
)
from heraldry.linkedin_driver.projections.invitations import (
    Awaited,
    awaited_by,
    awaiting,
    invitations,
    pending_of,
    withdrawals_of,
)

__all__ = [
    "Addressed",
    "Awaited",
    "accounts",
    "accounts_of",
    "acted_on",
    "action_of",
    "actions",
    "awaited_by",
    "awaiting",
    "held_open",
    "invitations",
    "linked",
    "listening",
    "pending_of",
    "to_abandon",
    "to_do",
    "to_look_up",
    "to_sign_in",
    "undecided",
    "undone",
    "withdrawals_of",
    "written_before",
]
