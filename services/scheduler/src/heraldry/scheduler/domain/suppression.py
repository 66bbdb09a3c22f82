"""Whether nothing may be written to an address any more, as other contexts said.

Stream `suppressed-<keyed hash of the normalised address>`, with this context's own key of the organization.
The mailbox keeps the list, and the revisions of its stream say what is newest. That somebody unsubscribed is
imported from the gateway at once; the mailbox says it again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, TypeAlias, assert_never

from heraldry.contracts.base import Event as AnyEvent
from heraldry.contracts.mailbox import SuppressionReason

UNSAID: Final = -1  # the revision before anything the mailbox said


class SuppressionImported(AnyEvent):
    """Private. `source_revision`: of the mailbox's stream; `since`: when it was said there."""

    reason: SuppressionReason
    source_revision: int
    since: datetime


class SuppressionLifted(AnyEvent):
    """Private. The address was taken off the list."""

    source_revision: int
    since: datetime


@dataclass(frozen=True, slots=True)
class Import:
    """`source_revision` None: somebody unsubscribed, and the mailbox will say so, too."""

    reason: SuppressionReason
    source_revision: int | None
    said_at: datetime
    at: datetime


@dataclass(frozen=True, slots=True)
class Lift:
    source_revision: int
    said_at: datetime
    at: datetime


Command: TypeAlias = Import | Lift
Event: TypeAlias = SuppressionImported | SuppressionLifted


@dataclass(frozen=True, slots=True)
class Suppression:
    """`reason` None: the address may be written to."""

    reason: SuppressionReason | None = None
    source_revision: int = UNSAID
    since: datetime | None = None


NEVER: Final = Suppression()


def decide(command: Command, state: Suppression) -> Sequence[Event]:
    match command:
        case Import(reason=reason, source_revision=revision, said_at=said_at, at=at):
            if not _is_newer(revision, said_at, state):
                return ()
            if revision is None:
                revision = state.source_revision
            return (SuppressionImported(reason=reason, source_revision=revision, since=said_at, at=at),)
        case Lift(source_revision=revision, said_at=said_at, at=at):
            later = state.reason is not None and state.since is not None and state.since > said_at
            if revision <= state.source_revision or later:
                return ()
            return (SuppressionLifted(source_revision=revision, since=said_at, at=at),)
        case _:
            assert_never(command)


def _is_newer(revision: int | None, said_at: datetime, state: Suppression) -> bool:
    if revision is not None:
        return revision > state.source_revision
    if state.reason == "unsubscribed":
        return False
    return state.reason is not None or state.since is None or said_at > state.since


def evolve(state: Suppression, event: Event) -> Suppression:
    match event:
        case SuppressionImported(reason=reason, source_revision=revision, since=since):
            return Suppression(reason, revision, since)
        case SuppressionLifted(source_revision=revision, since=since):
            return replace(state, reason=None, source_revision=revision, since=since)
        case _:
            assert_never(event)
