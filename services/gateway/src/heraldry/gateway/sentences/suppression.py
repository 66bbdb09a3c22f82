"""Whom the organization writes to no more, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from heraldry.contracts import gateway, mailbox
from heraldry.contracts.base import Event
from heraldry.contracts.mailbox import SuppressionReason
from heraldry.gateway.sentences.words import Said, Words, text

TYPES: Final = ("RecipientUnsubscribed", "RecipientSuppressed", "RecipientUnsuppressed")
BECAUSE: Final[Mapping[SuppressionReason, str]] = {
    "bounced": "it cannot be reached",
    "unsubscribed": "its owner unsubscribed",
    "by hand": "added by hand",
}


def said(event: Event, words: Words) -> Said | None:  # noqa: ARG001  as every module here has it
    match event:
        case gateway.RecipientUnsubscribed():
            return Said(f"{text(event.address)} unsubscribed by the link in a mail", "Unsubscribed", "info")
        case mailbox.RecipientSuppressed():
            because = BECAUSE[event.reason]
            return Said(f"{text(event.address)} put on the suppression list: {because}", "Suppressed", "warn")
        case mailbox.RecipientUnsuppressed():
            return Said(f"{text(event.address)} taken off the suppression list", "Taken off", "info")
        case _:
            return None
