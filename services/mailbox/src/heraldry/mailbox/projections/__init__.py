"""What the mailbox context answers questions from, and what its workers find their work in."""

from __future__ import annotations

from heraldry.mailbox.projections.connections import (
    Held,
    held_by,
    inbox_of,
    inboxes,
    inboxes_of,
    readable,
    unchecked,
)
from heraldry.mailbox.projections.mails import (
    MOST_COPY_TRIES,
    Due,
    Open,
    email_of,
    emails,
    figures,
    has_bounced,
    inboxes_to_copy,
    is_known_bounce,
    is_known_reply,
    open_of,
    open_through,
    open_to,
    to_copy,
    to_look_up,
    to_send,
)
from heraldry.mailbox.projections.suppressions import suppressed_by, suppressions

__all__ = [
    "MOST_COPY_TRIES",
    "Due",
    "Held",
    "Open",
    "email_of",
    "emails",
    "figures",
    "has_bounced",
    "held_by",
    "inbox_of",
    "inboxes",
    "inboxes_of",
    "inboxes_to_copy",
    "is_known_bounce",
    "is_known_reply",
    "open_of",
    "open_through",
    "open_to",
    "readable",
    "suppressed_by",
    "suppressions",
    "to_copy",
    "to_look_up",
    "to_send",
    "unchecked",
]
