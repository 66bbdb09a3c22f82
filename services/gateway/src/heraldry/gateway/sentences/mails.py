"""Mails, replies and bounces, in words."""

from __future__ import annotations

from typing import Final

from heraldry.contracts import mailbox
from heraldry.contracts.base import Event
from heraldry.gateway.sentences.words import Said, Words, named, text

TYPES: Final = (
    "EmailQueued",
    "EmailClaimed",
    "EmailSubmissionStarted",
    "EmailSent",
    "EmailFailed",
    "EmailOutcomeUnknown",
)
REPLIES: Final = ("ReplyReceived",)
BOUNCES: Final = ("EmailBounced",)


def said(event: Event, words: Words) -> Said | None:
    match event:
        case mailbox.EmailQueued():
            return Said(f"Mail {named(event.subject, event.to)} is on its way", "Queued", "info")
        case mailbox.EmailClaimed() if words.erased:
            return Said("Mail to an erased person was taken in hand", "Erased", "idle")
        case mailbox.EmailSubmissionStarted() if words.erased:
            return Said("Mail to an erased person was handed to the mail server", "Erased", "idle")
        case mailbox.EmailClaimed():
            return Said(f"Mail{words.mail} taken in hand", "Nothing has left yet", "info")
        case mailbox.EmailSubmissionStarted():
            return Said(f"Mail{words.mail} handed to the mail server", "Leaving", "info")
        case mailbox.EmailSent():
            return Said(f"Mail{words.mail} sent from {words.inbox}", "Sent")
        case mailbox.EmailFailed():
            return Said(f"Mail{words.mail} not sent: {event.diagnosis.cause}", "Not sent", "bad")
        case mailbox.EmailOutcomeUnknown():
            return Said(
                f"Nobody knows whether the mail{words.mail} left: {event.reason}", "Outcome unknown", "warn"
            )
        case mailbox.EmailBounced():
            answer = text(event.answer)
            said_by = f": {answer}" if answer else "."
            if event.hard:
                return Said(f"Mail{words.mail} bounced: it will never arrive{said_by}", "Bounced", "bad")
            return Said(
                f"Mail{words.mail} was not taken by its recipient's server{said_by}", "Not delivered", "warn"
            )
        case mailbox.ReplyReceived():
            return Said(f"Reply received at {words.inbox}: “{text(event.subject)}”", "Replied")
        case _:
            return None
