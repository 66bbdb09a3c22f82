"""Inboxes, in words."""

from __future__ import annotations

from typing import Final

from heraldry.contracts import mailbox
from heraldry.contracts.base import Event
from heraldry.gateway.sentences.words import UNNAMED, Said, Words, text

TYPES: Final = (
    "MailboxConnected",
    "MailboxConnectionFailed",
    "MailboxNeedsReconnect",
    "MailboxDisconnected",
    "MailboxPaused",
    "MailboxResumed",
)


def said(event: Event, words: Words) -> Said | None:
    match event:
        case mailbox.MailboxConnected():
            return Said(f"Inbox {text(event.address)} connected", "Connected")
        case mailbox.MailboxConnectionFailed():
            return Said(
                f"Connecting {'an inbox' if words.inbox == UNNAMED else words.inbox} failed:"
                f" {event.diagnosis.cause}",
                "Failed",
                "bad",
            )
        case mailbox.MailboxNeedsReconnect():
            return Said(
                f"{words.the_inbox} needs to be reconnected: {event.diagnosis.cause}", "Reconnect", "bad"
            )
        case mailbox.MailboxDisconnected():
            return Said(f"{words.the_inbox} disconnected", "Disconnected", "idle")
        case mailbox.MailboxPaused():
            return Said(f"{words.the_inbox} paused: {event.reason}", "Paused", "warn")
        case mailbox.MailboxResumed():
            return Said(f"{words.the_inbox} may send again", "Resumed")
        case _:
            return None
