"""The mailbox's aggregates in one place: each one's events by the name they have in the log."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from heraldry.contracts import registry
from heraldry.contracts.base import Event
from heraldry.contracts.evolution import Upcasters
from heraldry.mailbox.domain import conversation, email, imports, inbox, suppression

PRIVATE: Final[Mapping[str, type[Event]]] = {  # storage formats
    "MailboxConnectionStarted": inbox.MailboxConnectionStarted,
    "MailboxCheckClaimed": inbox.MailboxCheckClaimed,
    "MailboxReadFrom": inbox.MailboxReadFrom,
    "MailboxClosing": inbox.MailboxClosing,
    "MailboxPausing": inbox.MailboxPausing,
    "SuppressionBegun": suppression.SuppressionBegun,
    "ConversationStopBegun": conversation.ConversationStopBegun,
    "ConversationStopped": conversation.ConversationStopped,
    "EmailCancelled": email.EmailCancelled,
    "EmailPutBack": email.EmailPutBack,
    "EmailCopyClaimed": email.EmailCopyClaimed,
    "EmailCopyKept": email.EmailCopyKept,
    "OwnerImported": imports.OwnerImported,
    "OwnerRemoved": imports.OwnerRemoved,
}
TYPES: Final[Mapping[str, type[Event]]] = {**registry.types_of("mailbox"), **PRIVATE}
UPCASTERS: Final[Upcasters] = {}  # of the private ones: from each version to the next
