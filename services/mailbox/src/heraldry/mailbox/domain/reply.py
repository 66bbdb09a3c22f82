"""A message that answers one of ours, or reports about one.

Stream `reply-<keyed hash of what makes it one>`; twice read, by whomever and wherever it lies by then, one event.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias
from uuid import UUID

from heraldry.contracts.mailbox import EmailBounced, ReplyReceived

LONGEST_TEXT: Final = 60_000  # bytes: an entry of the history is at most 256 KiB
LONGEST_SUBJECT: Final = 2_000


Incoming: TypeAlias = ReplyReceived | EmailBounced


@dataclass(frozen=True, slots=True)
class Record:
    incoming: Incoming


State: TypeAlias = Incoming | None


def told_by(incoming: Incoming) -> str:
    """What makes it the same one when it is read again: a folder may begin anew, with other UIDs for every mail."""
    match incoming:
        case ReplyReceived(message_id=message_id, text=text):
            return f"reply\n{incoming.attempt}\n{message_id or text}"
        case EmailBounced(status=status, hard=hard):
            return f"bounce\n{incoming.attempt}\n{status}\n{hard}"


def decide(command: Record, state: State) -> Sequence[Incoming]:
    return () if state is not None else (command.incoming,)


def evolve(_: State, event: Incoming) -> State:
    return event


def shortened(text: str, most: int) -> str:
    """At most so many bytes of a text, cut between characters, without what no history can hold."""
    readable = "".join(char for char in text if char in "\n\t" or char >= " ")
    return readable.encode("utf-8", "ignore")[:most].decode("utf-8", "ignore")


def attempt_in(message_id: str) -> UUID | None:
    """The attempt a message id of ours names; whether it is really ours, its stream says."""
    local = message_id.strip().removeprefix("<").partition("@")[0]
    try:
        found = UUID(local)
    except ValueError:
        return None
    return found if str(found) == local.lower() else None
