"""The organization, its people and its programs, in words."""

from __future__ import annotations

from typing import Final

from heraldry.contracts import gateway
from heraldry.contracts.base import Event
from heraldry.gateway.sentences.words import Said, Words, text

TYPES: Final = (
    "OrganizationCreated",
    "OrganizationZoneChanged",
    "OrganizationHalted",
    "OrganizationResumed",
    "UserJoined",
    "SignedIn",
    "SubscriberCreated",
    "SubscriberRevoked",
)


def said(event: Event, words: Words) -> Said | None:  # noqa: ARG001  as every module here has it
    match event:
        case gateway.OrganizationCreated():
            return Said(f"Organization {event.name} created")
        case gateway.OrganizationZoneChanged():
            return Said(f"The organization's day follows {event.zone} now")
        case gateway.OrganizationHalted():
            return Said(f"Everything halted: {event.reason}", "Halted", "bad")
        case gateway.OrganizationResumed():
            because = f": {event.reason}" if event.reason else ""
            return Said(f"Things leave again{because}", "Resumed")
        case gateway.UserJoined():
            return Said(f"{text(event.name)} joined as {event.role}")
        case gateway.SignedIn():
            return Said("Signed in")
        case gateway.SubscriberCreated():
            return Said(f"Event subscriber {event.name} created")
        case gateway.SubscriberRevoked():
            return Said("Event subscriber revoked", "Revoked", "idle")
        case _:
            return None
