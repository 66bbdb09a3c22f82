"""One message somebody wrote back. Stream `reply-<keyed hash of account and message>`: it is recorded once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from heraldry.contracts.linkedin import LinkedInReplyReceived


@dataclass(frozen=True, slots=True)
class Record:
    reply: LinkedInReplyReceived


State: TypeAlias = LinkedInReplyReceived | None


def decide(command: Record, state: State) -> Sequence[LinkedInReplyReceived]:
    return (command.reply,) if state is None else ()


def evolve(_: State, event: LinkedInReplyReceived) -> State:
    return event
