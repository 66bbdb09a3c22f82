"""What every context answers alike: about its parked messages, and about what is published of its log.

These are addressed to whichever context is meant, so they name none themselves.
"""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from heraldry.contracts.base import Command, Query, Value

EVERY = ""  # the context is said by who sends it


class ParkedMessage(Value):
    """A message that a consumer could not handle: where it is and why. Nothing personal is in it."""

    id: str  # <context>:<n>
    context: str
    consumer: str
    type: str  # of the event
    event: str  # its CloudEvents id; empty if the message could not be read
    organization: str
    identity: str
    error: str  # the exception's type
    detail: str
    tries: int
    parked: datetime  # when it was given up
    behind: bool  # only because an earlier one of the same identity is parked


class ParkedInFull(ParkedMessage):
    """With what the envelope says, without the event's own data. Empty: it was erased, or cannot be read."""

    stream: str = ""
    revision: int | None = None
    position: str = ""
    time: str = ""
    actor: str = ""
    causation: str = ""
    correlation: str = ""


class ListParked(Query[tuple[ParkedMessage, ...]]):
    """Oldest first; on behalf of an organization, its own alone."""

    context: ClassVar[str] = EVERY
    answer: ClassVar[object] = tuple[ParkedMessage, ...]


class ShowParked(Query[ParkedInFull]):
    """Refused `parked.unknown`."""

    context: ClassVar[str] = EVERY
    answer: ClassVar[object] = ParkedInFull
    number: int


class ReplayParked(Command):
    """Have it handled again, and forget it when that succeeded. By one replica, whoever asks how often.

    Refused `parked.unknown`, `parked.not-first`, `parked.under-way`, `parked.failed-again`.
    """

    context: ClassVar[str] = EVERY
    number: int


class DiscardParked(Command):
    """Forget it: it will never be handled. Refused `parked.unknown`, `parked.under-way`."""

    context: ClassVar[str] = EVERY
    number: int


class ReplayLog(Command):
    """Publish the whole log of the context under a new marker. Asked twice before it began, it is done once.

    Of operators only. The position accepted is the end of the log. Refused `relay.budget`, `relay.stream-missing`.
    """

    context: ClassVar[str] = EVERY
