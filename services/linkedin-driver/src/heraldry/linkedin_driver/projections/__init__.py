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

__all__ = ["accounts", "accounts_of", "held_open", "linked", "to_abandon", "to_sign_in"]
