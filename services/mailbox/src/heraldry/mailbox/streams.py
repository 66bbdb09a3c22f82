"""The streams of this context: their names, and who decides in them."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from heraldry.chassis.decider import Decider
from heraldry.mailbox.domain import conversation, email, imports, inbox, reply, suppression

CONTEXT: Final = "mailbox"
SYSTEM: Final = "system:mailbox"  # its workers and reactions, as they are named in the history
INBOX: Decider[inbox.Command, inbox.State, inbox.Event] = Decider(inbox.NO_INBOX, inbox.decide, inbox.evolve)
EMAIL: Decider[email.Command, email.State, email.Event] = Decider(email.NO_MAIL, email.decide, email.evolve)
OWNER: Decider[imports.Command, imports.State, imports.Event] = Decider(
    imports.NOT_HEARD_OF, imports.decide, imports.evolve
)
REPLY: Decider[reply.Record, reply.State, reply.Incoming] = Decider(None, reply.decide, reply.evolve)
SUPPRESSION: Decider[suppression.Command, suppression.State, suppression.Event] = Decider(
    suppression.NOT_SUPPRESSED, suppression.decide, suppression.evolve
)
CONVERSATION: Decider[conversation.Command, conversation.State, conversation.Event] = Decider(
    conversation.GOING_ON, conversation.decide, conversation.evolve
)


def inbox_stream(found: UUID) -> str:
    return f"inbox-{found}"


def email_stream(attempt: UUID) -> str:
    return f"email-{attempt}"


def owner_stream(identity: UUID) -> str:
    return f"owner-{identity}"


def suppression_stream(recipient: str) -> str:
    """`recipient`: the keyed hash of an address."""
    return f"suppression-{recipient}"


def reply_stream(message: str) -> str:
    """`message`: the keyed hash of what makes it the same when it is read again."""
    return f"reply-{message}"


def conversation_stream(enrollment: UUID) -> str:
    return f"conversation-{enrollment}"
