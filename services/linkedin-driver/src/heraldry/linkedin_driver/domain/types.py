"""The LinkedIn driver's aggregates in one place: each one's events by the name they have in the log."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from heraldry.contracts import registry
from heraldry.contracts.base import Event
from heraldry.contracts.evolution import Upcasters
from heraldry.linkedin_driver.domain import account, action, imports, linking, member, pending

PRIVATE: Final[Mapping[str, type[Event]]] = {  # storage formats
    "LinkingAccepted": account.LinkingAccepted,
    "SignInClaimed": linking.SignInClaimed,
    "VerificationCodeEntered": linking.VerificationCodeEntered,
    "VerificationCodeMissed": linking.VerificationCodeMissed,
    "SignedIn": linking.SignedIn,
    "MemberHeld": member.MemberHeld,
    "MemberReleased": member.MemberReleased,
    "ActionCancelled": action.ActionCancelled,
    "ActionPutBack": action.ActionPutBack,
    "InvitationNoted": pending.InvitationNoted,
    "WithdrawalNoted": pending.WithdrawalNoted,
    "InvitationGone": pending.InvitationGone,
    "OwnerImported": imports.OwnerImported,
    "OwnerRemoved": imports.OwnerRemoved,
}
TYPES: Final[Mapping[str, type[Event]]] = {**registry.types_of("linkedin-driver"), **PRIVATE}
UPCASTERS: Final[Upcasters] = {}  # of the private ones: from each version to the next
