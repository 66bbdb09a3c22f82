"""Identities, in words."""

from __future__ import annotations

from typing import Final

from heraldry.contracts import identity, share_links
from heraldry.contracts.base import Event
from heraldry.gateway.sentences.words import Said, Words, text

TYPES: Final = (
    "IdentityCreated",
    "IdentityRenamed",
    "ContactDetailsChanged",
    "ProfilePictureChanged",
    "WorkingHoursChanged",
    "LikingsOptOutChanged",
    "CrmUserMapped",
    "IdentityDeleted",
    "ShareLinkIssued",
    "ShareLinkRedeemed",
    "ShareLinkRevoked",
)


def said(event: Event, words: Words) -> Said | None:  # noqa: ARG001  as every module here has it
    match event:
        case identity.IdentityCreated():
            return Said(f"Identity {text(event.name)} created")
        case identity.IdentityRenamed():
            return Said(f"Identity renamed to {text(event.name)}")
        case identity.ContactDetailsChanged():
            return Said("Contact details changed")
        case identity.ProfilePictureChanged():
            return Said("Profile picture changed" if event.picture else "Profile picture removed")
        case identity.WorkingHoursChanged():
            days = len({one.day for one in event.hours.week})
            return Said(f"Working hours changed: {days} days a week, {event.hours.zone}")
        case identity.LikingsOptOutChanged():
            return Said("Opted out of automated likes" if event.opted_out else "Opted in to automated likes")
        case identity.CrmUserMapped():
            return Said(f"Mapped to CRM user {event.crm_user}" if event.crm_user else "Mapped to no CRM user")
        case identity.IdentityDeleted():
            return Said("Identity deleted", "Deleted", "idle")
        case share_links.ShareLinkIssued():
            purpose = "add an identity" if event.kind == "create" else "refresh connections"
            return Said(f"Share link made to {purpose}")
        case share_links.ShareLinkRedeemed():
            return Said("Share link used")
        case share_links.ShareLinkRevoked():
            return Said("Share link revoked", "Revoked", "idle")
        case _:
            return None
