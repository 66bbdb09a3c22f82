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
    email_of,
    emails,
    is_known_bounce,
    is_known_reply,
    to_copy,
    to_look_up,
    to_send,
)

__all__ = [
    "MOST_COPY_TRIES",
    "Due",
    "Held",
    "email_of",
    "emails",
    "held_by",
    "inbox_of",
    "inboxes",
    "inboxes_of",
    "is_known_bounce",
    "is_known_reply",
    "readable",
    "to_copy",
    "to_look_up",
    "to_send",
    "unchecked",
]
